/* The framework's rules: each is broken once, and refused with its code. */
#include "standin_rig.h"

#include "base/thread.h"

/* ---- the machine ---- */

static void test_one_machine_a_process(void **state)
{
    (void)state;
    assert_hv(hv_vm_destroy(), HV_NO_DEVICE);
    assert_done(hv_vm_create(NULL));
    assert_hv(hv_vm_create(NULL), HV_BUSY);
    assert_done(hv_vm_destroy());
    assert_hv(hv_vm_destroy(), HV_NO_DEVICE);
}

static void test_without_a_machine(void **state)
{
    hv_vcpu_t vcpu = 0;
    hv_vcpu_exit_t *exit;
    uint64_t value;
    hv_gic_config_t config = hv_gic_config_create();

    (void)state;
    assert_hv(hv_vm_map(&value, RAM, 16 * KIB, RWX), HV_NO_DEVICE);
    assert_hv(hv_vm_unmap(RAM, 16 * KIB), HV_NO_DEVICE);
    assert_hv(hv_vm_protect(RAM, 16 * KIB, RWX), HV_NO_DEVICE);
    assert_hv(hv_vcpu_create(&vcpu, &exit, NULL), HV_NO_DEVICE);
    assert_hv(hv_vcpu_run(vcpu), HV_NO_DEVICE);
    assert_hv(hv_vcpus_exit(&vcpu, 1), HV_NO_DEVICE);
    assert_hv(hv_gic_create(config), HV_NO_DEVICE);
    assert_hv(hv_gic_reset(), HV_NO_DEVICE);
    assert_hv(hv_gic_set_spi(32, true), HV_NO_DEVICE);
    assert_hv(hv_gic_get_distributor_reg(0, &value), HV_NO_DEVICE);
    hvf_host_release(config);
}

static void test_ranges(void **state)
{
    struct rig *rig = *state;
    uint64_t top = UINT64_C(1) << 36;
    const struct {
        uint64_t off, ipa, size, flags;
    } bad[] = {
        { 0, 0, 16 * KIB, RWX },                         /* address 0 */
        { 0, RAM + 8 * MIB, 4 * KIB, RWX },              /* 4 KiB */
        { 0, RAM + 8 * MIB + 4 * KIB, 16 * KIB, RWX },   /* not aligned */
        { 4 * KIB, RAM + 8 * MIB, 16 * KIB, RWX },       /* nor the host's */
        { 0, RAM + 8 * MIB, 0, RWX },                    /* nothing */
        { 0, RAM + 8 * MIB, 16 * KIB, 8 },               /* no such right */
        { 0, top, 16 * KIB, RWX },                       /* beyond the machine's addresses */
        { 0, top - 16 * KIB, 32 * KIB, RWX },            /* partly */
        { 0, RAM + RAM_SIZE - 16 * KIB, 32 * KIB, RWX }, /* meets another */
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_hv(hv_vm_map(rig->ram + bad[i].off, bad[i].ipa, bad[i].size, bad[i].flags),
                  HV_BAD_ARGUMENT);
    assert_hv(hv_vm_protect(RAM, 4 * KIB, RWX), HV_BAD_ARGUMENT);
    assert_hv(hv_vm_protect(RAM + 4 * KIB, 16 * KIB, RWX), HV_BAD_ARGUMENT);
    assert_hv(hv_vm_protect(RAM, 16 * KIB, 8), HV_BAD_ARGUMENT);
    assert_hv(hv_vm_protect(RAM + RAM_SIZE, 16 * KIB, RWX), HV_BAD_ARGUMENT);
    assert_hv(hv_vm_protect(RAM + RAM_SIZE - 16 * KIB, 32 * KIB, 1), HV_BAD_ARGUMENT);
    assert_hv(hv_vm_unmap(RAM, 4 * KIB), HV_BAD_ARGUMENT);
    assert_hv(hv_vm_unmap(RAM + RAM_SIZE, 16 * KIB), HV_BAD_ARGUMENT);
    assert_done(hv_vm_unmap(RAM + 16 * KIB, 16 * KIB));
    assert_hv(hv_vm_unmap(RAM + 16 * KIB, 16 * KIB), HV_BAD_ARGUMENT);
}

static void test_configurations(void **state)
{
    hv_vm_config_t config = hv_vm_config_create();
    uint32_t bits;
    uint8_t *ram = rig_alloc(64 * KIB);

    (void)state;
    assert_done(hv_vm_config_get_default_ipa_size(&bits));
    assert_int_equal(bits, 36);
    assert_done(hv_vm_config_get_max_ipa_size(&bits));
    assert_int_equal(bits, 40);
    assert_hv(hv_vm_config_set_ipa_size(config, 41), HV_BAD_ARGUMENT);
    assert_done(hv_vm_config_set_ipa_size(config, 40));
    assert_hv(hv_vm_config_set_ipa_granule(config, 2), HV_BAD_ARGUMENT);
    assert_true(hvf_host_granule_4k(config));
    assert_done(hv_vm_create(config));
    assert_done(hv_vm_map(ram + 4 * KIB, UINT64_C(1) << 39, 4 * KIB, RWX));
    assert_done(hv_vm_protect(UINT64_C(1) << 39, 4 * KIB, 0));
    assert_hv(hv_vm_map(ram, RAM, 2 * KIB, RWX), HV_BAD_ARGUMENT);
    assert_done(hv_vm_destroy());
    hvf_host_release(config);
    munmap(ram, 64 * KIB);
}

/* ---- hosts that refuse ---- */

static void test_hosts_that_refuse(void **state)
{
    hv_gic_config_t gic = hv_gic_config_create();
    hv_vm_config_t config = hv_vm_config_create();
    struct err err;

    (void)state;
    setenv("IGNITION_STANDIN", "denied", 1);
    assert_hv(hv_vm_create(NULL), HV_DENIED);
    assert_int_equal(hvf_host_check(&err), 0);
    setenv("IGNITION_STANDIN", "unsupported", 1);
    assert_hv(hv_vm_create(NULL), HV_UNSUPPORTED);
    assert_int_equal(hvf_host_check(&err), -ENOTSUP);
    setenv("IGNITION_STANDIN", "old", 1);
    assert_int_equal(hvf_host_check(&err), -ENOTSUP);
    setenv("IGNITION_STANDIN", "macos15", 1);
    assert_int_equal(hvf_host_check(&err), 0);
    assert_false(hvf_host_granule_4k(config));
    setenv("IGNITION_STANDIN", "no-gic", 1);
    assert_done(hv_vm_create(NULL));
    assert_done(hv_gic_config_set_distributor_base(gic, MAP_GICD_BASE));
    assert_done(hv_gic_config_set_redistributor_base(gic, MAP_GICR_BASE));
    assert_hv(hv_gic_create(gic), HV_UNSUPPORTED);
    unsetenv("IGNITION_STANDIN");
    assert_done(hv_gic_create(gic));
    assert_done(hv_vm_destroy());
    hvf_host_release(gic);
    hvf_host_release(config);
}

/* ---- the GIC ---- */

static void test_creation_of_the_gic(void **state)
{
    static const struct {
        hv_ipa_t dist, redist;
    } bad[] = {
        { 0, MAP_GICR_BASE },
        { MAP_GICD_BASE, 0 },
        { MAP_GICR_BASE + 0x10000, MAP_GICR_BASE }, /* one in the other */
        { UINT64_C(1) << 36, MAP_GICR_BASE },
        { MAP_GICD_BASE, (UINT64_C(1) << 36) - 0x10000 }, /* not all of the region */
    };
    hv_gic_config_t config = hv_gic_config_create();
    hv_vcpu_exit_t *exit;
    hv_vcpu_t vcpu;

    (void)state;
    rig_jit_from_env();
    assert_done(hv_vm_create(NULL));
    assert_hv(hv_gic_config_set_distributor_base(config, 0x1000), HV_BAD_ARGUMENT);
    assert_hv(hv_gic_config_set_redistributor_base(config, 0x8000), HV_BAD_ARGUMENT);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_done(hv_gic_config_set_distributor_base(config, bad[i].dist));
        assert_done(hv_gic_config_set_redistributor_base(config, bad[i].redist));
        assert_hv(hv_gic_create(config), HV_BAD_ARGUMENT);
    }
    assert_done(hv_vcpu_create(&vcpu, &exit, NULL));
    assert_done(hv_gic_config_set_redistributor_base(config, MAP_GICR_BASE));
    assert_hv(hv_gic_create(config), HV_BUSY); /* after a vCPU */
    assert_done(hv_vcpu_destroy(vcpu));
    assert_done(hv_vm_destroy());
    assert_done(hv_vm_create(NULL));
    assert_done(hv_gic_create(config));
    assert_hv(hv_gic_create(config), HV_BUSY); /* a second one */
    assert_done(hv_vm_destroy());
    hvf_host_release(config);
}

static void test_registers_of_the_gic(void **state)
{
    struct rig *rig = *state;
    uint64_t value;
    uint32_t base, count;
    size_t size;

    assert_done(hv_gic_get_spi_interrupt_range(&base, &count));
    assert_int_equal(base, 32);
    assert_int_equal(count, 988);
    assert_hv(hv_gic_set_spi(31, true), HV_BAD_ARGUMENT);
    assert_hv(hv_gic_set_spi(1020, true), HV_BAD_ARGUMENT);
    assert_done(hv_gic_set_spi(1019, true));
    assert_done(hv_gic_get_distributor_size(&size));
    assert_int_equal(size, 0x10000);
    assert_done(hv_gic_get_redistributor_size(&size));
    assert_int_equal(size, 0x20000);
    assert_done(hv_gic_get_redistributor_region_size(&size));
    assert_int_equal(size, 0x2000000);

    assert_done(hv_gic_set_distributor_reg(0, 0x12));
    assert_hv(hv_gic_set_distributor_reg(0, 0x80), HV_BAD_ARGUMENT); /* bits that abort a Mac */
    assert_done(hv_gic_set_distributor_reg(0, UINT64_C(0x80000012)));
    assert_hv(hv_gic_get_distributor_reg(8, &value), HV_BAD_ARGUMENT); /* IIDR */
    assert_hv(hv_gic_get_distributor_reg(0xd00, &value), HV_BAD_ARGUMENT);
    assert_hv(hv_gic_get_distributor_reg(0x82, &value), HV_BAD_ARGUMENT);
    assert_hv(hv_gic_set_distributor_reg(4, 0), HV_BAD_ARGUMENT);      /* TYPER */
    assert_hv(hv_gic_set_distributor_reg(0x6000, 0), HV_BAD_ARGUMENT); /* IROUTER0 */
    assert_done(hv_gic_set_distributor_reg(0x6000 + 8 * 40, 0));
    assert_hv(hv_gic_get_redistributor_reg(rig->vcpu, 0x14, &value), HV_BAD_ARGUMENT); /* WAKER */
    assert_hv(hv_gic_get_redistributor_reg(rig->vcpu, 0, &value), HV_BAD_ARGUMENT);
    assert_hv(hv_gic_set_redistributor_reg(rig->vcpu, 8, 0), HV_BAD_ARGUMENT);
    assert_done(hv_gic_get_redistributor_reg(rig->vcpu, 0x10c04, &value));
    assert_hv(hv_gic_get_icc_reg(rig->vcpu, SYSREG(3, 0, 12, 12, 0), &value), HV_BAD_ARGUMENT);
    assert_hv(hv_gic_get_icc_reg(rig->vcpu, SYSREG(3, 6, 12, 9, 5), &value), HV_BAD_ARGUMENT);
    assert_done(hv_gic_get_icc_reg(rig->vcpu, SYSREG(3, 0, 12, 11, 3), &value)); /* RPR */
    assert_hv(hv_gic_set_icc_reg(rig->vcpu, SYSREG(3, 0, 12, 11, 3), 0), HV_BAD_ARGUMENT);
    /* Before the vCPU is there. */
    assert_hv(hv_gic_get_redistributor_reg(rig->vcpu + 1, 8, &value), HV_NO_DEVICE);
    assert_hv(hv_gic_set_icc_reg(rig->vcpu + 1, SYSREG(3, 0, 4, 6, 0), 0), HV_NO_DEVICE);
}

/* ---- vCPUs ---- */

static void from_elsewhere(void *arg)
{
    struct rig *rig = arg;
    hv_vcpu_t vcpu = rig->vcpu;
    hv_simd_fp_uchar16_t q = { 0 };
    uint64_t value;
    hv_return_t got[] = {
        hv_vcpu_run(vcpu),
        hv_vcpu_get_reg(vcpu, HV_REG_PC, &value),
        hv_vcpu_set_reg(vcpu, HV_REG_PC, 0),
        hv_vcpu_get_simd_fp_reg(vcpu, 0, &q),
        hv_vcpu_set_simd_fp_reg(vcpu, 0, q),
        hv_vcpu_get_sys_reg(vcpu, SYS_VBAR, &value),
        hv_vcpu_set_sys_reg(vcpu, SYS_VBAR, 0),
        hv_vcpu_set_vtimer_offset(vcpu, 0),
        hv_vcpu_set_vtimer_mask(vcpu, true),
        hv_vcpu_set_trap_debug_exceptions(vcpu, true),
        hv_vcpu_set_trap_debug_reg_accesses(vcpu, true),
        hv_vcpu_set_pending_interrupt(vcpu, HV_INTERRUPT_TYPE_IRQ, true),
        hv_gic_get_redistributor_base(vcpu, &value),
        hv_gic_get_redistributor_reg(vcpu, 8, &value),
        hv_gic_set_icc_reg(vcpu, SYSREG(3, 0, 4, 6, 0), 0),
        hv_vcpu_destroy(vcpu),
    };

    for (size_t i = 0; i < ARRAY_LEN(got); i++) {
        if (got[i] != HV_BAD_ARGUMENT)
            return;
    }
    if (hv_vcpus_exit(&vcpu, 1) == HV_SUCCESS && hv_gic_set_spi(40, true) == HV_SUCCESS)
        rig->exit = NULL; /* all was as it should be */
}

static void test_the_wrong_thread(void **state)
{
    struct rig *rig = *state, other = *rig;
    struct thread thread = { 0 };

    assert_int_equal(thread_start(&thread, "elsewhere", from_elsewhere, &other), 0);
    thread_join(&thread);
    assert_null(other.exit);
}

static void test_lives_of_vcpus(void **state)
{
    struct rig *rig = *state;
    hv_vcpu_exit_t *exit;
    hv_vcpu_t vcpu;

    assert_hv(hv_vcpu_create(&vcpu, &exit, NULL), HV_BUSY); /* the thread has one */
    assert_hv(hv_vm_destroy(), HV_BUSY);                    /* it is alive */
    assert_hv(hv_vcpu_run(rig->vcpu + 1), HV_NO_DEVICE);
    assert_hv(hv_vcpu_destroy(rig->vcpu + 1), HV_NO_DEVICE);
    assert_done(hv_vcpu_destroy(rig->vcpu));
    assert_hv(hv_vcpu_run(rig->vcpu), HV_NO_DEVICE);
    assert_hv(hv_vcpus_exit(&rig->vcpu, 1), HV_NO_DEVICE);
    rig_vcpu(&rig->vcpu, &rig->exit, 0);
}

static void test_registers_of_a_vcpu(void **state)
{
    struct rig *rig = *state;
    static const uint16_t unknown[] = {
        SYSREG(3, 3, 14, 0, 0), /* CNTFRQ */
        SYSREG(3, 3, 14, 0, 2), /* CNTVCT */
        SYSREG(3, 3, 9, 12, 0), /* PMCR */
        SYSREG(2, 0, 1, 0, 4),  /* OSLAR */
        SYSREG(3, 4, 1, 1, 0),  /* HCR_EL2 */
        SYSREG(3, 0, 0, 6, 2),  /* ISAR2: macOS 27 */
        SYSREG(2, 0, 0, 15, 4), /* DBGBVR15: there are 6 */
    };
    hv_simd_fp_uchar16_t q = { 1, 2, 3 }, back;
    bool pending;
    uint64_t value;

    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        assert_hv(hv_vcpu_get_sys_reg(rig->vcpu, unknown[i], &value), HV_BAD_ARGUMENT);
        assert_hv(hv_vcpu_set_sys_reg(rig->vcpu, unknown[i], 0), HV_BAD_ARGUMENT);
    }
    assert_hv(hv_vcpu_get_reg(rig->vcpu, 35, &value), HV_BAD_ARGUMENT);
    assert_hv(hv_vcpu_set_reg(rig->vcpu, 35, 0), HV_BAD_ARGUMENT);
    assert_hv(hv_vcpu_set_reg(rig->vcpu, HV_REG_CPSR, 0x3c9), HV_BAD_ARGUMENT); /* EL2 */
    assert_hv(hv_vcpu_get_simd_fp_reg(rig->vcpu, 32, &back), HV_BAD_ARGUMENT);
    assert_done(hv_vcpu_set_simd_fp_reg(rig->vcpu, 31, q));
    assert_done(hv_vcpu_get_simd_fp_reg(rig->vcpu, 31, &back));
    assert_memory_equal(&q, &back, sizeof(q));
    assert_hv(hv_vcpu_set_pending_interrupt(rig->vcpu, HV_INTERRUPT_TYPE_IRQ, true),
              HV_UNSUPPORTED);
    assert_hv(hv_vcpu_get_pending_interrupt(rig->vcpu, HV_INTERRUPT_TYPE_FIQ, &pending),
              HV_UNSUPPORTED);
}

/* What is written is read, in whatever order the stack pointers are selected. */
static void test_registers_keep_their_values(void **state)
{
    static const uint16_t regs[] = {
#define X_(name, op0, op1, crn, crm, op2) SYSREG(op0, op1, crn, crm, op2),
        VCPU_PAUTH_KEYS(X_)
#undef X_
            SYSREG(3, 0, 4, 1, 0),
        SYSREG(3, 4, 4, 1, 0),
        SYSREG(3, 0, 4, 0, 1),
        SYSREG(3, 0, 6, 0, 0),
        SYSREG(3, 0, 13, 0, 4),
        SYSREG(3, 3, 13, 0, 2),
        SYSREG(3, 3, 13, 0, 3),
        SYSREG(3, 0, 13, 0, 7),
        SYSREG(3, 3, 14, 3, 2),
        SYSREG(3, 3, 14, 2, 2),
    };
    struct rig *rig = *state;
    uint64_t value;

    for (size_t i = 0; i < ARRAY_LEN(regs); i++)
        assert_done(hv_vcpu_set_sys_reg(rig->vcpu, regs[i], 0x1000 + 16 * i));
    rig_set(rig, HV_REG_CPSR, 0x3c4); /* EL1t */
    rig_set(rig, HV_REG_CPSR, CPSR_EL1H);
    for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
        assert_done(hv_vcpu_get_sys_reg(rig->vcpu, regs[i], &value));
        assert_int_equal(value, 0x1000 + 16 * i);
    }
    for (unsigned n = 0; n <= 30; n++)
        rig_set(rig, n, n + 1);
    for (unsigned n = 0; n <= 30; n++)
        assert_int_equal(rig_get(rig, n), n + 1);
}

/* An M-series chip, less what the software CPU has not got; a lowered field may not stick. */
static void test_id_registers(void **state)
{
    struct rig *rig = *state;
    hv_vcpu_config_t config = hv_vcpu_config_create();
    uint64_t value, mmfr0;

    assert_done(hv_vcpu_get_sys_reg(rig->vcpu, SYSREG(3, 0, 0, 0, 0), &value));
    assert_int_equal(value, 0x610f0000);
    assert_done(hv_vcpu_get_sys_reg(rig->vcpu, 0xc020, &value));
    assert_int_equal(value, 0x1100000001110011);
    assert_done(hv_vcpu_get_sys_reg(rig->vcpu, 0xc028, &value));
    assert_int_equal(value, 0x10305006);
    assert_done(hv_vcpu_get_sys_reg(rig->vcpu, 0xc038, &mmfr0));
    assert_int_equal(mmfr0, 0x0f100022);
    assert_done(hv_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_ID_AA64MMFR0_EL1, &value));
    assert_int_equal(value, mmfr0);
    assert_hv(hv_vcpu_config_get_feature_reg(config, 99, &value), HV_BAD_ARGUMENT);
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, 0xc038, (mmfr0 & ~UINT64_C(15)) | 1));
    assert_done(hv_vcpu_get_sys_reg(rig->vcpu, 0xc038, &value));
    assert_int_equal(value, 0x0f100021);
    assert_done(hv_vcpu_get_sys_reg(rig->vcpu, 0xc030, &value));
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, 0xc030, 0));
    assert_done(hv_vcpu_get_sys_reg(rig->vcpu, 0xc030, &mmfr0));
    assert_int_equal(mmfr0, value);
    hvf_host_release(config);
}

/* MPIDR is set before the vCPU runs, and not after. */
static void test_mpidr(void **state)
{
    struct rig *rig = *state;
    uint64_t value;

    assert_done(hv_vcpu_get_sys_reg(rig->vcpu, SYS_MPIDR, &value));
    assert_int_equal(value, BIT(31));
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, SYS_MPIDR, 5));
    assert_hv(hv_vcpu_run(rig->vcpu), HV_ILLEGAL_GUEST_STATE);
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, SYS_MPIDR, 0));
    rig_one(rig, CODE, HVC_0);
    assert_hv(hv_vcpu_set_sys_reg(rig->vcpu, SYS_MPIDR, 5), HV_BAD_ARGUMENT);
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, SYS_MPIDR, 0)); /* as it is */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_machine_a_process),
        cmocka_unit_test(test_without_a_machine),
        TEST(test_ranges),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_hosts_that_refuse),
        cmocka_unit_test(test_creation_of_the_gic),
        TEST(test_registers_of_the_gic),
        TEST(test_the_wrong_thread),
        TEST(test_lives_of_vcpus),
        TEST(test_registers_of_a_vcpu),
        TEST(test_registers_keep_their_values),
        TEST(test_id_registers),
        TEST(test_mpidr),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
