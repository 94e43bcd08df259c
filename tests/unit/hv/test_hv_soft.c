/* The software engine behind the seam, running bare-metal guests of a few instructions. */
#include <errno.h>

#include <stdlib.h>

#include "../test.h"
#include "arch/sysreg.h"
#include "base/clock.h"
#include "base/thread.h"
#include "hv/hv_engines.h"

#define RAM    MAP_RAM_BASE
#define CODE   (RAM + 0x10000)
#define VBAR   (RAM + 0x20000)
#define DEVICE UINT64_C(0x0a000000)

/* Instructions; the disassembly is the name. */
enum {
    NOP = 0xd503201f,
    SPIN = 0x14000000, /* b . */
    WFI = 0xd503207f,
    WFE = 0xd503205f,
    HVC_0 = 0xd4000002,
    SMC_0 = 0xd4000003,
    UDF_0 = 0x00000000,
    LDP_W2_W3_X1 = 0x29400c22,
    LDP_X2_X3_X1 = 0xa9400c22,
    STP_X2_X3_X1_16 = 0xa8810c22, /* stp x2, x3, [x1], #16 */
    LDRSB_X2_X1 = 0x39800022,
    LDR_X2_X1_8 = 0xf8408422, /* ldr x2, [x1], #8 */
    STR_X2_X1 = 0xf9000022,
    ADD_X9_1 = 0x91000529,
    BACK_4 = 0x17ffffff,  /* b .-4 */
    BACK_12 = 0x17fffffd, /* b .-12 */
    MSR_CNTV_CVAL_X0 = 0xd51be340,
    BR_X0 = 0xd61f0000,
    ERET = 0xd69f03e0,
    SVC_0 = 0xd4000001,
    DAIFCLR_I = 0xd50342ff,
    DAIFSET_I = 0xd50342df,
    MSR_CNTV_TVAL_X0 = 0xd51be300,
    MSR_CNTV_CTL_X2 = 0xd51be322,
    MRS_X4_IAR1 = 0xd538cc04,
    MSR_EOIR1_X4 = 0xd518cc24,
    MRS_X6_ELR = 0xd5384026,
    MRS_X7_ESR = 0xd5385207,
    MRS_X0_RNDR = 0xd53b2400,
    MRS_X1_RNDRRS = 0xd53b2421,
    MRS_X2_NZCV = 0xd53b4202,
    MRS_X3_RNDR = 0xd53b2403,
    MRS_X4_NZCV = 0xd53b4204,
};

struct rig {
    struct gmem *mem;
    const struct hv_ops *ops;
    struct hv *hv;
    struct hv_vcpu *vcpu;
    struct hv_exit exit;
};

static int setup_with(void **state, struct hv_config config)
{
    static struct rig rig;
    struct err err;

    memset(&rig, 0, sizeof(rig));
    rig.ops = &hv_soft_ops;
    assert_int_equal(gmem_create(&rig.mem, &err), 0);
    assert_int_equal(gmem_add(rig.mem, RAM, 4 * MIB, true, &err), 0);
    config.mem = rig.mem;
    config.jit.mode = getenv("IGNITION_TEST_JIT") ? HV_JIT_ON : HV_JIT_OFF;
    assert_int_equal(rig.ops->create(&config, &rig.hv, &err), 0);
    assert_int_equal(rig.ops->map(rig.hv, RAM, rig.mem->regions[0].host, 4 * MIB,
                                  HV_READ | HV_WRITE | HV_EXEC, &err),
                     0);
    assert_int_equal(rig.ops->vcpu_create(rig.hv, 0, &rig.vcpu, &err), 0);
    *state = &rig;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, (struct hv_config){ .vcpus = 1, .cpu = "portable" });
}

static int setup_deterministic(void **state)
{
    return setup_with(state,
                      (struct hv_config){ .vcpus = 1, .cpu = "portable", .deterministic = true });
}

static bool next_number(void *ctx, uint64_t *ret_val)
{
    uint64_t *last = ctx;

    *ret_val = ++*last;
    return *last % 3;
}

static int setup_max(void **state)
{
    static uint64_t last;

    last = 0;
    return setup_with(
        state,
        (struct hv_config){ .vcpus = 1, .cpu = "max", .random = next_number, .random_ctx = &last });
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    rig->ops->vcpu_destroy(rig->vcpu);
    rig->ops->destroy(rig->hv);
    gmem_destroy(rig->mem);
    return 0;
}

static void get(struct rig *rig, struct vcpu_state *s)
{
    struct err err;

    assert_int_equal(rig->ops->vcpu_get(rig->vcpu, s, &err), 0);
}

static void set(struct rig *rig, const struct vcpu_state *s)
{
    struct err err;

    assert_int_equal(rig->ops->vcpu_set(rig->vcpu, s, &err), 0);
}

static void put(struct rig *rig, gpa_t gpa, const uint32_t *words, size_t count)
{
    assert_int_equal(gmem_write(rig->mem, gpa, words, 4 * count), 0);
}

/* Load a guest, and start it at EL1 with X0 and X1. */
#define LOAD(rig, x0, x1, ...)                            \
    do {                                                  \
        static const uint32_t words_[] = { __VA_ARGS__ }; \
        put(rig, CODE, words_, ARRAY_LEN(words_));        \
        start(rig, x0, x1);                               \
    } while (0)

static void start(struct rig *rig, uint64_t x0, uint64_t x1)
{
    struct vcpu_state s;

    vcpu_state_reset(&s);
    s.pc = CODE;
    s.x[0] = x0;
    s.x[1] = x1;
    s.vbar_el1 = VBAR;
    s.sp_el1 = RAM + 0x30000;
    set(rig, &s);
}

static enum hv_exit_kind run(struct rig *rig)
{
    rig->ops->run(rig->vcpu, &rig->exit);
    return rig->exit.kind;
}

/* Run until something else than a kick, which reading state may leave behind. */
static enum hv_exit_kind run_on(struct rig *rig)
{
    while (run(rig) == HV_EXIT_KICKED)
        ;
    return rig->exit.kind;
}

static void assert_read(struct rig *rig, gpa_t gpa, unsigned size)
{
    assert_int_equal(run_on(rig), HV_EXIT_MMIO_READ);
    assert_int_equal(rig->exit.mmio.gpa, gpa);
    assert_int_equal(rig->exit.mmio.size, size);
}

static void assert_write(struct rig *rig, gpa_t gpa, unsigned size, uint64_t data)
{
    assert_int_equal(run_on(rig), HV_EXIT_MMIO_WRITE);
    assert_int_equal(rig->exit.mmio.gpa, gpa);
    assert_int_equal(rig->exit.mmio.size, size);
    assert_int_equal(rig->exit.mmio.data, data);
}

static void test_mmio_of_every_size(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state s;

    for (unsigned log = 0; log < 4; log++) {
        uint32_t words[] = { 0x39400022 | log << 30, 0x39000022 | log << 30, HVC_0 };

        put(rig, CODE, words, ARRAY_LEN(words)); /* ldr x2, [x1]; str x2, [x1] of that size */
        start(rig, 0, DEVICE + 0x40);
        assert_read(rig, DEVICE + 0x40, 1u << log);
        rig->exit.mmio.data = 0xf1f2f3f4f5f6f7f8; /* more than fits is cut */
        assert_write(rig, DEVICE + 0x40, 1u << log, 0xf1f2f3f4f5f6f7f8 & low_mask(8u << log));
        assert_int_equal(run(rig), HV_EXIT_SMCCC);
        get(rig, &s);
        assert_int_equal(s.x[2], 0xf1f2f3f4f5f6f7f8 & low_mask(8u << log));
        assert_int_equal(s.pc, CODE + 12);
    }
    LOAD(rig, 0, DEVICE, LDRSB_X2_X1, HVC_0);
    assert_read(rig, DEVICE, 1);
    rig->exit.mmio.data = 0x80;
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    get(rig, &s);
    assert_int_equal(s.x[2], (uint64_t)-128);
}

static void test_pairs_make_two_accesses(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state s;

    LOAD(rig, 0, DEVICE, LDP_W2_W3_X1, LDP_X2_X3_X1, STP_X2_X3_X1_16, HVC_0);
    assert_read(rig, DEVICE, 4);
    rig->exit.mmio.data = 1;
    assert_read(rig, DEVICE + 4, 4);
    rig->exit.mmio.data = 2;
    assert_read(rig, DEVICE, 8);
    get(rig, &s); /* completes nothing of the LDP: it is the next to run */
    assert_int_equal(s.x[2], 1);
    assert_int_equal(s.x[3], 2);
    assert_int_equal(s.pc, CODE + 4);
}

/* State may be read in the middle of a pair: the instruction counts as not begun, and goes on. */
static void test_state_between_the_accesses_of_a_pair(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state s;

    LOAD(rig, 0, DEVICE, LDP_X2_X3_X1, STP_X2_X3_X1_16, HVC_0);
    assert_read(rig, DEVICE, 8);
    rig->exit.mmio.data = 0x11;
    get(rig, &s);
    assert_int_equal(s.pc, CODE);
    assert_int_equal(s.x[2], 0);
    assert_read(rig, DEVICE + 8, 8);
    rig->exit.mmio.data = 0x22;
    assert_write(rig, DEVICE, 8, 0x11);
    assert_write(rig, DEVICE + 8, 8, 0x22);
    get(rig, &s);
    assert_int_equal(s.pc, CODE + 8);
    assert_int_equal(s.x[1], DEVICE + 16);
    assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
}

static void test_reading_state_completes_the_access(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state s;

    LOAD(rig, 0, DEVICE, LDR_X2_X1_8, ADD_X9_1, HVC_0);
    assert_read(rig, DEVICE, 8);
    rig->exit.mmio.data = 0x77;
    get(rig, &s);
    assert_int_equal(s.x[2], 0x77);
    assert_int_equal(s.x[1], DEVICE + 8);
    assert_int_equal(s.x[9], 0);
    assert_int_equal(s.pc, CODE + 4);
    assert_int_equal(run_on(rig), HV_EXIT_SMCCC);

    /* Setting state in its place forgets it. */
    LOAD(rig, 0, DEVICE, LDR_X2_X1_8, HVC_0);
    assert_read(rig, DEVICE, 8);
    LOAD(rig, 5, DEVICE, NOP, HVC_0);
    assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[0], 5);
}

static void test_hypercalls(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state s;

    LOAD(rig, 0x84000000, 7, HVC_0, SMC_0, NOP, HVC_0);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[0], 0x84000000);
    assert_int_equal(rig->exit.smccc.x[1], 7);
    for (unsigned i = 0; i < 8; i++)
        rig->exit.smccc.x[i] = 100 + i;
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[3], 103);
    assert_int_equal(rig->exit.smccc.x[4], 0); /* X4 and up are the guest's */
    rig->exit.smccc.x[0] = 55;
    get(rig, &s); /* the answer is in */
    assert_int_equal(s.x[0], 55);
    assert_int_equal(s.pc, CODE + 8);
}

static void test_undefined_instructions_go_to_the_guest(void **state)
{
    static const uint32_t handler[] = { MRS_X6_ELR, MRS_X7_ESR, HVC_0 };
    struct rig *rig = *state;

    put(rig, VBAR + 0x200, handler, ARRAY_LEN(handler));
    LOAD(rig, 0, 0, NOP, UDF_0);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[6], CODE + 4);
    assert_int_equal(rig->exit.smccc.x[7], 0x02000000);
}

static void test_jump_to_nowhere(void **state)
{
    static const uint32_t handler[] = { MRS_X6_ELR, MRS_X7_ESR, HVC_0 };
    struct rig *rig = *state;

    /* Beyond the physical address space: a fault that the guest's handler sees. */
    put(rig, VBAR + 0x200, handler, ARRAY_LEN(handler));
    LOAD(rig, UINT64_C(0x123456789000), 0, BR_X0);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[6], UINT64_C(0x123456789000));
    assert_int_equal(rig->exit.smccc.x[7], 0x86000000);
    LOAD(rig, CODE + 2, 0, BR_X0);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[7], 0x8a000000);

    /* A physical address where nothing is: the end, in words. */
    LOAD(rig, 0x1000, 0, BR_X0);
    assert_int_equal(run(rig), HV_EXIT_ERROR);
    assert_string_equal(rig->exit.reason, "instruction fetch at pc 0x1000 from physical address "
                                          "0x1000, which is not memory");
}

static void test_vectors_nowhere(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state s;

    /* In a device. */
    LOAD(rig, 0, 0, UDF_0);
    get(rig, &s);
    s.vbar_el1 = DEVICE;
    set(rig, &s);
    assert_int_equal(run(rig), HV_EXIT_ERROR);
    assert_non_null(strstr(rig->exit.reason, "0xa000200, which is not memory"));

    /* Where fetching faults, again and again. */
    LOAD(rig, 0, 0, UDF_0);
    get(rig, &s);
    s.vbar_el1 = UINT64_C(0xffff000000000000);
    set(rig, &s);
    assert_int_equal(run(rig), HV_EXIT_ERROR);
    assert_non_null(strstr(rig->exit.reason, "handler at 0xffff000000000000 cannot run"));
    assert_int_equal(run(rig), HV_EXIT_ERROR); /* and stays so */

    /* Vectors full of undefined instructions. */
    LOAD(rig, 0, 0, UDF_0);
    assert_int_equal(run(rig), HV_EXIT_ERROR);
    assert_non_null(strstr(rig->exit.reason, "pc 0x40020200"));
}

/* A handler that returns to the fault for ever makes progress, but must let a kick through. */
static void test_exception_loop_can_be_kicked(void **state)
{
    static const uint32_t handler[] = { NOP, ERET };
    struct rig *rig = *state;
    struct vcpu_state s;

    put(rig, VBAR + 0x200, handler, ARRAY_LEN(handler));
    LOAD(rig, 0, 0, UDF_0);
    rig->ops->kick(rig->vcpu);
    assert_int_equal(run(rig), HV_EXIT_KICKED);
    get(rig, &s);
    assert_int_equal(s.pc, CODE);
}

static void kicker(void *arg)
{
    struct rig *rig = arg;

    rig->ops->kick(rig->vcpu);
}

static void kick_from_elsewhere(struct rig *rig)
{
    struct thread thread = { 0 };

    assert_int_equal(thread_start(&thread, "kicker", kicker, rig), 0);
    assert_int_equal(run(rig), HV_EXIT_KICKED);
    thread_join(&thread);
}

static void test_kick_while_computing_and_while_asleep(void **state)
{
    static const uint32_t handler[] = { NOP, ERET };
    struct rig *rig = *state;
    struct vcpu_state s;

    put(rig, VBAR + 0x200, handler, ARRAY_LEN(handler));
    for (unsigned i = 0; i < 50; i++) {
        LOAD(rig, 0, 0, SPIN);
        kick_from_elsewhere(rig);
        LOAD(rig, 0, 0, ADD_X9_1, BACK_4);
        kick_from_elsewhere(rig);
        LOAD(rig, 0, 0, UDF_0);
        kick_from_elsewhere(rig);
        LOAD(rig, 0, 0, WFI, BACK_4);
        kick_from_elsewhere(rig);
        LOAD(rig, 0, 0, WFE, BACK_4);
        kick_from_elsewhere(rig);
        get(rig, &s);
        assert_true(s.pc == CODE || s.pc == CODE + 4);
    }
}

static void test_a_kick_is_kept_until_run(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state s;

    LOAD(rig, 0, 0, ADD_X9_1, HVC_0);
    rig->ops->kick(rig->vcpu);
    rig->ops->kick(rig->vcpu);
    assert_int_equal(run(rig), HV_EXIT_KICKED);
    get(rig, &s);
    assert_int_equal(s.x[9], 0);
    assert_int_equal(run(rig), HV_EXIT_SMCCC); /* two are one */

    /* An answered access is completed before the kick is reported. */
    LOAD(rig, 0, DEVICE, LDR_X2_X1_8, HVC_0);
    assert_read(rig, DEVICE, 8);
    rig->exit.mmio.data = 9;
    rig->ops->kick(rig->vcpu);
    assert_int_equal(run(rig), HV_EXIT_KICKED);
    get(rig, &s);
    assert_int_equal(s.x[2], 9);
}

/* GIC up with everything in group 1, handler at the IRQ vector: acknowledge, end, return. */
static void gic_up(struct rig *rig, const uint32_t *handler, size_t words)
{
    static struct gic_state gic;
    struct vcpu_state s;
    struct err err;

    put(rig, VBAR + 0x280, handler, words);
    gic_state_reset(&gic, 1);
    gic.ctlr |= 2;
    gic.redist[0].waker = 0;
    gic.redist[0].group = gic.redist[0].enabled = UINT32_MAX;
    memset(gic.group, 0xff, sizeof(gic.group));
    memset(gic.enabled, 0xff, sizeof(gic.enabled));
    assert_int_equal(rig->ops->gic_set(rig->hv, &gic, &err), 0);
    assert_int_equal(rig->ops->redist_set(rig->vcpu, &gic.redist[0], &err), 0);
    get(rig, &s);
    s.icc_pmr_el1 = 0xf8;
    s.icc_igrpen1_el1 = 1;
    s.pstate &= ~BIT(7);
    s.x[2] = 1;
    set(rig, &s);
}

static void test_timer_wakes_wfi(void **state)
{
    static const uint32_t handler[] = { MRS_X4_IAR1, HVC_0 };
    struct rig *rig = *state;

    /* 1 ms from now; then sleep. */
    LOAD(rig, 24000, 0, MSR_CNTV_TVAL_X0, MSR_CNTV_CTL_X2, WFI, BACK_4);
    gic_up(rig, handler, ARRAY_LEN(handler));
    assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[4], MAP_PPI_VTIMER);
}

static void test_timer_interrupts_computation(void **state)
{
    static const uint32_t handler[] = { MRS_X4_IAR1, HVC_0 };
    struct rig *rig = *state;

    LOAD(rig, 24000, 0, MSR_CNTV_TVAL_X0, MSR_CNTV_CTL_X2, SPIN);
    gic_up(rig, handler, ARRAY_LEN(handler));
    assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[4], MAP_PPI_VTIMER);
}

/* WFI goes on for an interrupt even when PSTATE masks it. */
static void test_masked_interrupt_ends_wfi(void **state)
{
    static const uint32_t handler[] = { SPIN };
    struct rig *rig = *state;

    LOAD(rig, 24000, 0, DAIFSET_I, MSR_CNTV_TVAL_X0, MSR_CNTV_CTL_X2, WFI, HVC_0);
    gic_up(rig, handler, ARRAY_LEN(handler));
    assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
}

static void raise_spi(void *arg)
{
    struct rig *rig = arg;

    rig->ops->set_spi(rig->hv, MAP_SPI_UART, true);
}

static void test_device_interrupt_wakes_wfi(void **state)
{
    static const uint32_t handler[] = { MRS_X4_IAR1, HVC_0, MSR_EOIR1_X4, ERET };
    struct rig *rig = *state;

    LOAD(rig, 0, 0, WFI, BACK_4);
    gic_up(rig, handler, ARRAY_LEN(handler));
    for (unsigned i = 0; i < 100; i++) {
        struct thread thread = { 0 };

        assert_int_equal(thread_start(&thread, "device", raise_spi, rig), 0);
        assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
        thread_join(&thread);
        assert_int_equal(rig->exit.smccc.x[4], GIC_FIRST_SPI + MAP_SPI_UART);
        rig->ops->set_spi(rig->hv, MAP_SPI_UART, false);
    }
}

static void test_dirty_tracking(void **state)
{
    struct rig *rig = *state;
    struct gmem_region *region = &rig->mem->regions[0];
    uint64_t bits[4 * MIB / 4096 / 64];
    struct err err;

    LOAD(rig, 0, RAM + 0x200000, STR_X2_X1, HVC_0, STR_X2_X1, HVC_0, STR_X2_X1, HVC_0);
    assert_int_equal(rig->ops->dirty_start(rig->hv, &err), 0);
    gmem_fetch_dirty(region, bits);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
        assert_int_equal(rig->ops->dirty_sync(rig->hv, &err), 0);
        assert_int_equal(gmem_fetch_dirty(region, bits), 1);
        assert_int_equal(bits[0x200 / 64], BIT(0));
    }
    rig->ops->dirty_stop(rig->hv);
}

static void test_protect_and_unmap(void **state)
{
    struct rig *rig = *state;
    struct err err;

    LOAD(rig, 0, RAM + 0x200000, STR_X2_X1, HVC_0, STR_X2_X1, LDRSB_X2_X1, HVC_0);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->ops->protect(rig->hv, RAM + 0x200000, 4096, HV_READ, &err), 0);
    assert_write(rig, RAM + 0x200000, 8, 0);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->ops->unmap(rig->hv, RAM + 0x200000, 4096, &err), 0);
    LOAD(rig, 0, RAM + 0x200000, LDRSB_X2_X1, HVC_0);
    assert_read(rig, RAM + 0x200000, 1);
}

/* Other memory in the place of a page of code. */
static void test_code_is_mapped_over(void **state)
{
    static const uint32_t loop[] = { ADD_X9_1, HVC_0, NOP, BACK_12 };
    struct rig *rig = *state;
    struct vcpu_state s;
    struct err err;
    uint8_t *other;

    put(rig, CODE, loop, ARRAY_LEN(loop));
    put(rig, RAM + 0x200000, loop, ARRAY_LEN(loop));
    put(rig, RAM + 0x200000, (uint32_t[]){ NOP }, 1);
    start(rig, 0, 0);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
    other = gmem_ptr_dirty(rig->mem, RAM + 0x200000, 4096);
    assert_int_equal(rig->ops->unmap(rig->hv, RAM + 0x200000, 4096, &err), 0);
    assert_int_equal(rig->ops->unmap(rig->hv, CODE, 4096, &err), 0);
    assert_int_equal(rig->ops->map(rig->hv, CODE, other, 4096, HV_READ | HV_WRITE | HV_EXEC, &err),
                     0);
    assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
    get(rig, &s);
    assert_int_equal(s.x[9], 2);
}

static void test_instructions_are_counted(void **state)
{
    struct rig *rig = *state;
    uint64_t before;

    LOAD(rig, 0, 0, NOP, NOP, ADD_X9_1, HVC_0);
    before = rig->ops->insn_count(rig->vcpu);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->ops->insn_count(rig->vcpu) - before, 4);
}

/*
 * The instructions are the clock, a nanosecond each: a timer of 24 ticks, set when none had been
 * counted, interrupts after exactly the 1,000th instruction, whatever blocks the loop is made of.
 */
static void test_deterministic_time_is_exact(void **state)
{
    static const uint32_t handler[] = { MRS_X4_IAR1, HVC_0 };
    static const uint32_t loops[][4] = {
        { SPIN, NOP, NOP, NOP },
        { ADD_X9_1, BACK_4, NOP, NOP },
        { NOP, ADD_X9_1, ADD_X9_1, BACK_12 },
    };
    struct rig *rig = *state;

    for (unsigned i = 0; i < ARRAY_LEN(loops); i++) {
        uint64_t before = rig->ops->insn_count(rig->vcpu), due;

        LOAD(rig, 24, 0, MSR_CNTV_TVAL_X0, MSR_CNTV_CTL_X2, NOP, NOP, NOP, NOP);
        put(rig, CODE + 8, loops[i], 4);
        gic_up(rig, handler, ARRAY_LEN(handler));
        /* The counter's 24 MHz: the tick that has begun counts. */
        due = ((before * 24 / 1000 + 24) * 1000 + 23) / 24;
        assert_int_equal(run(rig), HV_EXIT_SMCCC);
        assert_int_equal(rig->exit.smccc.x[4], MAP_PPI_VTIMER);
        assert_int_equal(rig->ops->insn_count(rig->vcpu), due + 2);
        assert_int_equal(rig->ops->guest_ns(rig->hv), due + 2);
    }
}

/* Asleep, time jumps to the timer. */
static void test_deterministic_sleep_takes_no_time(void **state)
{
    static const uint32_t handler[] = { MRS_X4_IAR1, HVC_0 };
    struct rig *rig = *state;

    /* 100 s */
    LOAD(rig, UINT32_C(2400000000), 0, MSR_CNTV_CVAL_X0, MSR_CNTV_CTL_X2, WFI, BACK_4);
    gic_up(rig, handler, ARRAY_LEN(handler));
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[4], MAP_PPI_VTIMER);
    assert_int_equal(rig->ops->insn_count(rig->vcpu), 5);
    assert_int_equal(rig->ops->guest_ns(rig->hv), 100 * NS_PER_S + 2);
}

/* Where there is no translator, only who insists on one is refused. */
static void test_translation_is_the_hosts_matter(void **state)
{
    struct rig *rig = *state;
    struct hv_config config = { .mem = rig->mem, .vcpus = 1, .cpu = "portable" };
    struct hv *hv;
    struct err err;
    int rc;

    assert_int_equal(rig->ops->create(&config, &hv, &err), 0);
    rig->ops->destroy(hv);
    config.jit.mode = HV_JIT_ON;
    rc = rig->ops->create(&config, &hv, &err);
    if (rc == 0)
        rig->ops->destroy(hv);
    else
        assert_err(rc, ENOTSUP, err,
                   "there is a translator for x86-64 Linux hosts alone; use --jit off");
}

static void test_what_it_cannot_do_is_said(void **state)
{
    struct rig *rig = *state;
    struct hv_config config = { .mem = rig->mem, .vcpus = 33, .cpu = "portable" };
    struct vcpu_state s;
    struct hv *hv;
    struct err err;

    assert_err(rig->ops->create(&config, &hv, &err), ENOTSUP, err,
               "the software CPU runs at most 32 vCPUs, not 33; use --smp 32 or less, or another "
               "engine");
    config.vcpus = 2;
    config.deterministic = true;
    assert_err(rig->ops->create(&config, &hv, &err), ENOTSUP, err,
               "deterministic execution is for one vCPU, not 2; use --smp 1");
    config.deterministic = false;
    config.jit.mode = HV_JIT_LOCKSTEP;
    assert_err(rig->ops->create(&config, &hv, &err), ENOTSUP, err,
               "lockstep is for one vCPU, not 2; use --smp 1");
    config.jit.mode = HV_JIT_AUTO;
    config.vcpus = 1;
    config.cpu = "host";
    assert_err(rig->ops->create(&config, &hv, &err), ENOTSUP, err,
               "the software CPU has no model host; use --cpu portable or --cpu max");
    config.cpu = "portable";
    config.counter_hz = 1000;
    assert_err(rig->ops->create(&config, &hv, &err), EINVAL, err,
               "counter frequency 1000 Hz is not between 1000000 and 4000000000");
    get(rig, &s);
    s.apibkeylo_el1 = 1;
    assert_err(rig->ops->vcpu_set(rig->vcpu, &s, &err), ENOTSUP, err,
               "apibkeylo_el1=0x1: this CPU model cannot hold it");
    assert_int_equal(rig->ops->probe(&err), 0);
}

/* Model max draws from whoever made the machine; every third time there is no number. */
static void test_random_numbers(void **state)
{
    struct rig *rig = *state;
    const uint64_t *x = rig->exit.smccc.x;

    LOAD(rig, 0, 0, MRS_X0_RNDR, MRS_X1_RNDRRS, MRS_X2_NZCV, MRS_X3_RNDR, MRS_X4_NZCV, HVC_0);
    assert_int_equal(run_on(rig), HV_EXIT_SMCCC);
    assert_int_equal(x[0], 1);
    assert_int_equal(x[1], 2);
    assert_int_equal(x[2], 0);
    assert_int_equal(x[3], 0);
    assert_int_equal(x[4], BIT(30)); /* Z */
}

static void test_two_machines_in_one_process(void **state)
{
    struct rig *a = *state, b;
    struct rig copy = *a;
    void *other;

    assert_int_equal(setup(&other), 0);
    b = *(struct rig *)other;
    *a = copy;
    LOAD(a, 1, DEVICE, LDR_X2_X1_8, HVC_0);
    LOAD(&b, 2, DEVICE + 0x100, LDR_X2_X1_8, HVC_0);
    assert_read(a, DEVICE, 8);
    assert_read(&b, DEVICE + 0x100, 8);
    assert_int_equal(run(a), HV_EXIT_SMCCC);
    assert_int_equal(run(&b), HV_EXIT_SMCCC);
    assert_int_equal(a->exit.smccc.x[0], 1);
    assert_int_equal(b.exit.smccc.x[0], 2);
    other = &b;
    assert_int_equal(teardown(&other), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_mmio_of_every_size),
        T(test_pairs_make_two_accesses),
        T(test_state_between_the_accesses_of_a_pair),
        T(test_reading_state_completes_the_access),
        T(test_hypercalls),
        T(test_undefined_instructions_go_to_the_guest),
        T(test_jump_to_nowhere),
        T(test_vectors_nowhere),
        T(test_exception_loop_can_be_kicked),
        T(test_kick_while_computing_and_while_asleep),
        T(test_a_kick_is_kept_until_run),
        T(test_timer_wakes_wfi),
        T(test_timer_interrupts_computation),
        T(test_masked_interrupt_ends_wfi),
        T(test_device_interrupt_wakes_wfi),
        T(test_dirty_tracking),
        T(test_protect_and_unmap),
        T(test_code_is_mapped_over),
        T(test_instructions_are_counted),
        cmocka_unit_test_setup_teardown(test_translation_is_the_hosts_matter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deterministic_time_is_exact, setup_deterministic,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_deterministic_sleep_takes_no_time, setup_deterministic,
                                        teardown),
        T(test_what_it_cannot_do_is_said),
        cmocka_unit_test_setup_teardown(test_random_numbers, setup_max, teardown),
        T(test_two_machines_in_one_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
