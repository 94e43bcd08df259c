/*
 * A machine of the stand-in for Hypervisor.framework with some RAM, a GIC at the guest map's place
 * and a vCPU on the test's thread; programs are words of machine code. With IGNITION_TEST_JIT in
 * the environment they are translated, else interpreted.
 */
#pragma once

#include <Hypervisor/Hypervisor.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../test.h"
#include "arch/addrmap.h"
#include "arch/esr.h"
#include "arch/sysreg.h"
#include "hv/hv_hvf_host.h"
#include "mem/gmem.h"

#define RAM_SIZE (4 * MIB)
#define RAM      MAP_RAM_BASE
#define CODE     (RAM + 0x10000)
#define VBAR     (RAM + 0x20000)
#define DATA     (RAM + 0x40000)
#define TABLE    (RAM + 0x80000)
#define DEVICE   UINT64_C(0x0a000000) /* nothing is mapped there */

#define RWX (HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC)

#define SYS_MPIDR    SYSREG(3, 0, 0, 0, 5)
#define SYS_VBAR     SYSREG(3, 0, 12, 0, 0)
#define SYS_CPACR    SYSREG(3, 0, 1, 0, 2)
#define SYS_CNTV_CTL SYSREG(3, 3, 14, 3, 1)
#define CPSR_EL1H    0x3c5

/* Instructions; the disassembly is the name. */
enum {
    HVC_0 = 0xd4000002,
    WFI = 0xd503207f,
    SPIN = 0x14000000, /* b . */
    BACK_4 = 0x17ffffff,
    BACK_8 = 0x17fffffe,
    LDR_W2_X1 = 0xb9400022,
    STR_W2_X1 = 0xb9000022,
    STR_X2_X1 = 0xf9000022,
    LDR_X6_X1 = 0xf9400026,
    ADD_X9_1 = 0x91000529,
    DAIFCLR_I = 0xd50342ff,
    MRS_X4_IAR1 = 0xd538cc04,
    MSR_EOIR1_X4 = 0xd518cc24,
    MRS_X5_CNTVCT = 0xd53be045,
    MSR_CNTV_CVAL_X0 = 0xd51be340,
    MSR_CNTV_CTL_X2 = 0xd51be322,
    MSR_CNTP_CVAL_X0 = 0xd51be240,
    MSR_CNTP_CTL_X2 = 0xd51be222,
    BR_X0 = 0xd61f0000,
};

struct rig {
    uint8_t *ram;
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;
};

#define assert_hv(call, code) assert_int_equal((uint32_t)(call), (uint32_t)(code))
#define assert_done(call)     assert_hv(call, HV_SUCCESS)

static inline void rig_jit_from_env(void)
{
    setenv("IGNITION_STANDIN_JIT", getenv("IGNITION_TEST_JIT") ? "on" : "off", 1);
}

static inline void rig_gic(void)
{
    hv_gic_config_t config = hv_gic_config_create();

    assert_done(hv_gic_config_set_distributor_base(config, MAP_GICD_BASE));
    assert_done(hv_gic_config_set_redistributor_base(config, MAP_GICR_BASE));
    assert_done(hv_gic_create(config));
    hvf_host_release(config);
}

static inline void rig_vcpu(hv_vcpu_t *ret_vcpu, hv_vcpu_exit_t **ret_exit, unsigned index)
{
    assert_done(hv_vcpu_create(ret_vcpu, ret_exit, NULL));
    assert_done(hv_vcpu_set_sys_reg(*ret_vcpu, SYS_MPIDR, map_mpidr(index)));
    assert_done(hv_vcpu_set_reg(*ret_vcpu, HV_REG_CPSR, CPSR_EL1H));
    assert_done(hv_vcpu_set_sys_reg(*ret_vcpu, SYS_VBAR, VBAR));
    assert_done(hv_vcpu_set_sys_reg(*ret_vcpu, SYS_CPACR, 0x300000));
}

static inline uint8_t *rig_alloc(size_t size)
{
    uint8_t *raw =
        mmap(NULL, size + 64 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(raw, MAP_FAILED);
    return raw + (64 * KIB - (uintptr_t)raw % (64 * KIB));
}

static inline int rig_setup_with(void **state, bool gic)
{
    static struct rig rig;

    rig_jit_from_env();
    rig.ram = rig_alloc(RAM_SIZE);
    assert_done(hv_vm_create(NULL));
    if (gic)
        rig_gic();
    assert_done(hv_vm_map(rig.ram, RAM, RAM_SIZE, RWX));
    rig_vcpu(&rig.vcpu, &rig.exit, 0);
    *state = &rig;
    return 0;
}

/* The first two GiB as they are, the first as a device: translations are remembered then. */
static inline void rig_mmu(struct rig *rig, hv_vcpu_t vcpu)
{
    uint64_t tcr = 25 | UINT64_C(25) << 16 | UINT64_C(0x3500) | UINT64_C(1) << 32;
    uint64_t *table = (uint64_t *)(void *)(rig->ram + (TABLE - RAM));

    table[0] = 0x745;       /* block, AF, EL0, too, attribute 1 */
    table[1] = RAM | 0x701; /* attribute 0 */
    assert_done(hv_vcpu_set_sys_reg(vcpu, SYSREG(3, 0, 10, 2, 0), 0xff)); /* MAIR */
    assert_done(hv_vcpu_set_sys_reg(vcpu, SYSREG(3, 0, 2, 0, 2), tcr));
    assert_done(hv_vcpu_set_sys_reg(vcpu, SYSREG(3, 0, 2, 0, 0), TABLE));
    assert_done(hv_vcpu_set_sys_reg(vcpu, SYSREG(3, 0, 1, 0, 0), 0x1005)); /* M, C, I */
}

static inline int rig_setup(void **state)
{
    return rig_setup_with(state, true);
}

static inline int rig_setup_mmu(void **state)
{
    rig_setup_with(state, true);
    rig_mmu(*state, ((struct rig *)*state)->vcpu);
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *rig = *state;

    assert_done(hv_vcpu_destroy(rig->vcpu));
    assert_done(hv_vm_destroy());
    munmap(rig->ram, RAM_SIZE);
    return 0;
}

static inline void rig_poke(struct rig *rig, gpa_t at, const uint32_t *words, size_t count)
{
    memcpy(rig->ram + (at - RAM), words, 4 * count);
}

#define RIG_PROGRAM(rig, at, ...)                         \
    do {                                                  \
        static const uint32_t words_[] = { __VA_ARGS__ }; \
        rig_poke(rig, at, words_, ARRAY_LEN(words_));     \
    } while (0)

static inline void rig_set(struct rig *rig, hv_reg_t reg, uint64_t value)
{
    assert_done(hv_vcpu_set_reg(rig->vcpu, reg, value));
}

static inline uint64_t rig_get(struct rig *rig, hv_reg_t reg)
{
    uint64_t value = 0;

    assert_done(hv_vcpu_get_reg(rig->vcpu, reg, &value));
    return value;
}

/* Until something that is not a cancellation which nobody asked for. */
static inline void rig_run(struct rig *rig)
{
    do
        assert_done(hv_vcpu_run(rig->vcpu));
    while (rig->exit->reason == HV_EXIT_REASON_CANCELED);
    assert_int_equal(rig->exit->reason, HV_EXIT_REASON_EXCEPTION);
}

static inline unsigned rig_ec(const struct rig *rig)
{
    return (unsigned)FIELD_GET(ESR_EC, rig->exit->exception.syndrome);
}

/* One instruction at `at` has trapped, and nothing of it has happened. */
static inline void rig_one(struct rig *rig, gpa_t at, uint32_t insn)
{
    rig_poke(rig, at, &insn, 1);
    rig_set(rig, HV_REG_PC, at);
    rig_run(rig);
}
