/*
 * Exits of Hypervisor.framework that the stand-in never makes, or not at will: its hv_vcpu_run() is
 * replaced by a script, and everything else of it is real.
 */
#include <errno.h>

#include "arch/esr.h"
#include "hv/hv_engines.h"
#include "hv/hv_hvf_host.h"
#include "unit/test.h"

#define RAM_SIZE (1 * MIB)
#define PC       (MAP_RAM_BASE + 0x1000)
#define VBAR     (MAP_RAM_BASE + 0x2000)
#define MAX      8

struct step {
    hv_return_t code;
    hv_exit_reason_t reason;
    uint64_t syndrome;
    uint64_t va, ipa;
};

/* The linker puts these in the place of the stand-in's. */
hv_return_t __wrap_hv_vcpu_run(hv_vcpu_t vcpu);
hv_return_t __wrap_hv_vcpu_create(hv_vcpu_t *vcpu, hv_vcpu_exit_t **exit, hv_vcpu_config_t config);
hv_return_t __real_hv_vcpu_create(hv_vcpu_t *vcpu, hv_vcpu_exit_t **exit, hv_vcpu_config_t config);
hv_return_t __wrap_hv_vcpu_set_vtimer_mask(hv_vcpu_t vcpu, bool masked);
hv_return_t __real_hv_vcpu_set_vtimer_mask(hv_vcpu_t vcpu, bool masked);

struct rig {
    struct gmem *mem;
    struct hv *hv;
    struct hv_vcpu *vcpu;
    struct vcpu_state state;
    struct hv_exit exit;
    struct err err;
    hv_vcpu_exit_t *framework;
    struct step script[MAX];
    unsigned steps, at, unmasked;
};

static struct rig rig;

/* At the end of the script somebody kicks. */
hv_return_t __wrap_hv_vcpu_run(hv_vcpu_t vcpu)
{
    const struct step *step = &rig.script[rig.at];

    (void)vcpu;
    if (rig.at == rig.steps) {
        hv_hvf_ops.kick(rig.vcpu);
        rig.framework->reason = HV_EXIT_REASON_CANCELED;
        return HV_SUCCESS;
    }
    rig.at++;
    rig.framework->reason = step->reason;
    rig.framework->exception.syndrome = step->syndrome;
    rig.framework->exception.virtual_address = step->va;
    rig.framework->exception.physical_address = step->ipa;
    return step->code;
}

hv_return_t __wrap_hv_vcpu_create(hv_vcpu_t *vcpu, hv_vcpu_exit_t **exit, hv_vcpu_config_t config)
{
    hv_return_t code = __real_hv_vcpu_create(vcpu, exit, config);

    rig.framework = *exit;
    return code;
}

hv_return_t __wrap_hv_vcpu_set_vtimer_mask(hv_vcpu_t vcpu, bool masked)
{
    rig.unmasked += !masked;
    return __real_hv_vcpu_set_vtimer_mask(vcpu, masked);
}

static void ok(int rc)
{
    if (rc < 0)
        fail_msg("%s", rig.err.msg);
}

static int setup(void **state)
{
    struct hv_config config = { .vcpus = 1, .cpu = "portable" };

    (void)state;
    rig = (struct rig){ 0 };
    ok(gmem_create(&rig.mem, &rig.err));
    ok(gmem_add(rig.mem, MAP_RAM_BASE, RAM_SIZE, true, &rig.err));
    config.mem = rig.mem;
    ok(hv_hvf_ops.create(&config, &rig.hv, &rig.err));
    ok(hv_hvf_ops.map(rig.hv, MAP_RAM_BASE, rig.mem->regions[0].host, RAM_SIZE,
                      HV_READ | HV_WRITE | HV_EXEC, &rig.err));
    ok(hv_hvf_ops.vcpu_create(rig.hv, 0, &rig.vcpu, &rig.err));
    vcpu_state_reset(&rig.state);
    rig.state.pc = PC;
    rig.state.vbar_el1 = VBAR;
    for (unsigned i = 0; i < 31; i++)
        rig.state.x[i] = 0x100 + i;
    ok(hv_hvf_ops.vcpu_set(rig.vcpu, &rig.state, &rig.err));
    rig.unmasked = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hv_hvf_ops.vcpu_destroy(rig.vcpu);
    hv_hvf_ops.destroy(rig.hv);
    gmem_destroy(rig.mem);
    return 0;
}

static void play(const struct step *steps, unsigned count)
{
    memcpy(rig.script, steps, count * sizeof(*steps));
    rig.steps = count;
    rig.at = 0;
}

static enum hv_exit_kind run(void)
{
    hv_hvf_ops.run(rig.vcpu, &rig.exit);
    return rig.exit.kind;
}

static void get(void)
{
    ok(hv_hvf_ops.vcpu_get(rig.vcpu, &rig.state, &rig.err));
}

#define PLAY(...)                                     \
    do {                                              \
        const struct step steps_[] = { __VA_ARGS__ }; \
        play(steps_, (unsigned)ARRAY_LEN(steps_));    \
    } while (0)

#define EXCEPTION(ec, iss)                                                                     \
    {                                                                                          \
        .reason = HV_EXIT_REASON_EXCEPTION, .syndrome = FIELD_PUT(ESR_EC, ec) | ESR_IL | (iss) \
    }

static uint64_t msr(uint16_t id, unsigned rt, bool read)
{
    return (uint64_t)(id >> 14) << 20 | (id & 7u) << 17 | (id >> 11 & 7u) << 14 |
           (id >> 7 & 15u) << 10 | rt << 5 | (id >> 3 & 15u) << 1 | read;
}

static void test_a_timer_that_comes_out_is_unmasked(void **state)
{
    (void)state;
    PLAY({ .reason = HV_EXIT_REASON_VTIMER_ACTIVATED },
         { .reason = HV_EXIT_REASON_VTIMER_ACTIVATED });
    assert_int_equal(run(), HV_EXIT_KICKED);
    assert_int_equal(rig.unmasked, 2);
    get();
    assert_int_equal(rig.state.pc, PC);
}

static void test_a_cancel_that_nobody_asked_for_goes_on(void **state)
{
    (void)state;
    PLAY({ .reason = HV_EXIT_REASON_CANCELED }, { .reason = HV_EXIT_REASON_CANCELED },
         EXCEPTION(EC_HVC64, 0));
    assert_int_equal(run(), HV_EXIT_SMCCC);
    assert_int_equal(rig.at, 3);
}

static void test_waits_are_stepped_over(void **state)
{
    (void)state;
    PLAY(EXCEPTION(EC_WFX, 0), EXCEPTION(EC_WFX, 1));
    assert_int_equal(run(), HV_EXIT_KICKED);
    get();
    assert_int_equal(rig.state.pc, PC + 8);
}

static void test_calls(void **state)
{
    (void)state;
    PLAY(EXCEPTION(EC_HVC64, 0), EXCEPTION(EC_SMC64, 0));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(run(), HV_EXIT_SMCCC);
        for (unsigned n = 4; n < 8; n++)
            assert_int_equal(rig.exit.smccc.x[n], 0x100 + n);
        for (unsigned n = 0; n < 8; n++)
            rig.exit.smccc.x[n] = 0x200 + n;
        get();
        for (unsigned n = 0; n < 8; n++)
            assert_int_equal(rig.state.x[n], (n < 4 ? 0x200 : 0x100) + n);
        assert_int_equal(rig.state.pc, PC + 4 * i); /* the framework is past an HVC, not an SMC */
    }
}

static void test_loads_into_nothing_and_stores_of_zero(void **state)
{
    const uint64_t iss = ISS_DABT_WNR | BIT(24) | 31u << 16 | 3u << 22;
    const struct step store = EXCEPTION(EC_DABT_LOWER, iss),
                      load = EXCEPTION(EC_DABT_LOWER, iss & ~ISS_DABT_WNR);
    struct step steps[] = { store, load };

    (void)state;
    steps[0].ipa = steps[1].ipa = MAP_UART_BASE + 8;
    play(steps, 2);
    assert_int_equal(run(), HV_EXIT_MMIO_WRITE);
    assert_int_equal(rig.exit.mmio.data, 0);
    assert_int_equal(rig.exit.mmio.size, 8);
    get();
    assert_int_equal(rig.state.pc, PC + 4);
    assert_int_equal(run(), HV_EXIT_MMIO_READ);
    rig.exit.mmio.data = 5;
    get();
    assert_int_equal(rig.state.pc, PC + 8); /* and not 5: number 31 is PC to the framework */
    for (unsigned i = 0; i < 31; i++)
        assert_int_equal(rig.state.x[i], 0x100 + i);
}

static void test_cache_maintenance_of_a_device_is_skipped(void **state)
{
    (void)state;
    PLAY({ .reason = HV_EXIT_REASON_EXCEPTION,
           .syndrome = FIELD_PUT(ESR_EC, EC_DABT_LOWER) | ISS_DABT_CM | ISS_DABT_WNR | 7,
           .ipa = MAP_UART_BASE });
    assert_int_equal(run(), HV_EXIT_KICKED);
    get();
    assert_int_equal(rig.state.pc, PC + 4);
}

/* A fault on memory that may be accessed is none: the instruction runs again. */
static void test_faults_on_memory_run_again(void **state)
{
    (void)state;
    PLAY({ .reason = HV_EXIT_REASON_EXCEPTION,
           .syndrome = FIELD_PUT(ESR_EC, EC_DABT_LOWER) | ISS_DABT_WNR | 0x0f,
           .ipa = MAP_RAM_BASE },
         { .reason = HV_EXIT_REASON_EXCEPTION,
           .syndrome = FIELD_PUT(ESR_EC, EC_IABT_LOWER) | 0x07,
           .ipa = MAP_RAM_BASE });
    assert_int_equal(run(), HV_EXIT_KICKED);
    get();
    assert_int_equal(rig.state.pc, PC);
}

/* The CPU may set flags in the tables that it walks, and says so with any syndrome: their page is
 * written to. So is that of a store, whatever kind of fault it is; others are not. */
static void test_a_walk_dirties_the_tables(void **state)
{
    static const struct step steps[] = {
        { .reason = HV_EXIT_REASON_EXCEPTION,
          .syndrome = FIELD_PUT(ESR_EC, EC_DABT_LOWER) | BIT(7) | 0x0f,
          .ipa = MAP_RAM_BASE + 0x9000 },
        { .reason = HV_EXIT_REASON_EXCEPTION,
          .syndrome = FIELD_PUT(ESR_EC, EC_IABT_LOWER) | BIT(7) | 0x0f,
          .ipa = MAP_RAM_BASE + 0x10000 },
        { .reason = HV_EXIT_REASON_EXCEPTION,
          .syndrome = FIELD_PUT(ESR_EC, EC_DABT_LOWER) | ISS_DABT_WNR | 0x07,
          .ipa = MAP_RAM_BASE + 0x23fff },
        { .reason = HV_EXIT_REASON_EXCEPTION,
          .syndrome = FIELD_PUT(ESR_EC, EC_DABT_LOWER) | 0x07,
          .ipa = MAP_RAM_BASE + 0x40000 },
    };
    uint64_t bits[RAM_SIZE / GMEM_PAGE_SIZE / 64];

    (void)state;
    ok(hv_hvf_ops.dirty_start(rig.hv, &rig.err));
    (void)gmem_fetch_dirty(&rig.mem->regions[0], bits);
    play(steps, ARRAY_LEN(steps));
    assert_int_equal(run(), HV_EXIT_KICKED);
    ok(hv_hvf_ops.dirty_sync(rig.hv, &rig.err));
    assert_int_equal(gmem_fetch_dirty(&rig.mem->regions[0], bits), 12); /* of 4 KiB each */
    assert_int_equal(bits[0], BITS(11, 8) | BITS(19, 16) | BITS(35, 32));
    hv_hvf_ops.dirty_stop(rig.hv);
}

static void test_tables_that_are_no_memory_are_an_abort(void **state)
{
    (void)state;
    PLAY({ .reason = HV_EXIT_REASON_EXCEPTION,
           .syndrome = FIELD_PUT(ESR_EC, EC_DABT_LOWER) | BIT(7) | 6,
           .va = 0x123456,
           .ipa = MAP_UART_BASE });
    assert_int_equal(run(), HV_EXIT_KICKED);
    get();
    assert_int_equal(rig.state.pc, VBAR + 0x200);
    assert_int_equal(rig.state.esr_el1,
                     FIELD_PUT(ESR_EC, EC_DABT_SAME) | ESR_IL | FSC_EXTERNAL_WALK | 2);
    assert_int_equal(rig.state.far_el1, 0x123456);
}

static void test_system_registers(void **state)
{
    enum { OSLAR = SYSREG(2, 0, 1, 0, 4), OSLSR = SYSREG(2, 0, 1, 1, 4) };
    static const uint16_t zero[] = {
        SYSREG(3, 3, 9, 12, 0),  SYSREG(3, 3, 9, 13, 0), SYSREG(3, 0, 9, 14, 1),
        SYSREG(3, 3, 14, 15, 7), SYSREG(3, 0, 0, 7, 5),  SYSREG(2, 3, 0, 1, 0),
    };

    (void)state;
    PLAY(EXCEPTION(EC_SYSREG, msr(OSLSR, 1, true)), EXCEPTION(EC_SYSREG, msr(OSLAR, 31, false)),
         EXCEPTION(EC_SYSREG, msr(OSLSR, 2, true)));
    assert_int_equal(run(), HV_EXIT_KICKED);
    get();
    assert_int_equal(rig.state.x[1], 0xa); /* locked, as out of reset */
    assert_int_equal(rig.state.x[2], 0x8);
    assert_int_equal(rig.state.os_lock, 0);
    assert_int_equal(rig.state.pc, PC + 12);
    for (size_t i = 0; i < ARRAY_LEN(zero); i++) {
        PLAY(EXCEPTION(EC_SYSREG, msr(zero[i], 3, true)));
        rig.state.x[3] = 1;
        ok(hv_hvf_ops.vcpu_set(rig.vcpu, &rig.state, &rig.err));
        assert_int_equal(run(), HV_EXIT_KICKED);
        get();
        assert_int_equal(rig.state.x[3], 0);
    }
    assert_int_equal(rig.state.pc, PC + 12 + 4 * ARRAY_LEN(zero));
}

static void test_the_double_lock_is_kept_and_cannot_be_saved(void **state)
{
    enum { OSDLR = SYSREG(2, 0, 1, 3, 4) };

    (void)state;
    PLAY(EXCEPTION(EC_SYSREG, msr(OSDLR, 1, false))); /* x1 is odd */
    assert_int_equal(run(), HV_EXIT_KICKED);
    assert_err(hv_hvf_ops.vcpu_get(rig.vcpu, &rig.state, &rig.err), ENOTSUP, rig.err,
               "vCPU 0: a saved state has no place for osdlr_el1 = 1");
    PLAY(EXCEPTION(EC_SYSREG, msr(OSDLR, 31, false)));
    assert_int_equal(run(), HV_EXIT_KICKED);
    get();
}

static void test_unknown_registers_are_undefined(void **state)
{
    static const uint16_t unknown[] = { SYSREG(3, 7, 15, 1, 2), SYSREG(3, 0, 11, 0, 0) };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        rig.state.pc = PC;
        rig.state.pstate = VCPU_PSTATE_RESET & ~UINT64_C(0x3cf); /* EL0 */
        ok(hv_hvf_ops.vcpu_set(rig.vcpu, &rig.state, &rig.err));
        PLAY(EXCEPTION(EC_SYSREG, msr(unknown[i], 3, i)));
        assert_int_equal(run(), HV_EXIT_KICKED);
        get();
        assert_int_equal(rig.state.pc, VBAR + 0x400);
        assert_int_equal(rig.state.elr_el1, PC);
        assert_int_equal(rig.state.spsr_el1, 0);
        assert_int_equal(rig.state.esr_el1, ESR_IL);
        assert_int_equal(rig.state.pstate & 0x3cf, 0x3c5);
    }
}

static void test_a_step_over_an_instruction_ends_a_single_step(void **state)
{
    (void)state;
    rig.state.pstate |= BIT(21);
    ok(hv_hvf_ops.vcpu_set(rig.vcpu, &rig.state, &rig.err));
    PLAY(EXCEPTION(EC_WFX, 1));
    assert_int_equal(run(), HV_EXIT_KICKED);
    get();
    assert_int_equal(rig.state.pstate, VCPU_PSTATE_RESET);
}

static void test_debug_exceptions_are_the_hosts(void **state)
{
    static const struct step steps[] = {
        EXCEPTION(EC_BRK64, 7),
        EXCEPTION(EC_BREAKPOINT_LOWER, 0x22),
        EXCEPTION(EC_STEP_LOWER, 0x22),
        EXCEPTION(EC_WATCHPOINT_LOWER, 0x22),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        play(&steps[i], 1);
        assert_int_equal(run(), HV_EXIT_BREAKPOINT);
        assert_int_equal(rig.exit.brk.pc, PC);
        get();
        assert_int_equal(rig.state.pc, PC); /* at the instruction */
    }
}

static void test_what_cannot_go_on_is_said(void **state)
{
    static const struct {
        struct step step;
        const char *words;
    } bad[] = {
        { EXCEPTION(EC_SERROR, 0x11), "at pc 0x40001000: syndrome 0xbe000011, which" },
        { { .reason = HV_EXIT_REASON_UNKNOWN }, "at pc 0x40001000: exit reason 3" },
        { { .code = HV_ILLEGAL_GUEST_STATE }, "hv_vcpu_run of vCPU(0): HV_ILLEGAL_GUEST_STATE" },
        { { .reason = HV_EXIT_REASON_EXCEPTION,
            .syndrome = FIELD_PUT(ESR_EC, EC_IABT_LOWER) | 7,
            .ipa = MAP_UART_BASE },
          "instruction fetch from physical address 0x9000000, which is not memory" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        play(&bad[i].step, 1);
        assert_int_equal(run(), HV_EXIT_ERROR);
        if (!strstr(rig.exit.reason, bad[i].words))
            fail_msg("%s", rig.exit.reason);
        assert_int_equal(run(), HV_EXIT_KICKED);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_timer_that_comes_out_is_unmasked),
        TEST(test_a_cancel_that_nobody_asked_for_goes_on),
        TEST(test_waits_are_stepped_over),
        TEST(test_calls),
        TEST(test_loads_into_nothing_and_stores_of_zero),
        TEST(test_cache_maintenance_of_a_device_is_skipped),
        TEST(test_faults_on_memory_run_again),
        TEST(test_a_walk_dirties_the_tables),
        TEST(test_tables_that_are_no_memory_are_an_abort),
        TEST(test_system_registers),
        TEST(test_the_double_lock_is_kept_and_cannot_be_saved),
        TEST(test_unknown_registers_are_undefined),
        TEST(test_a_step_over_an_instruction_ends_a_single_step),
        TEST(test_debug_exceptions_are_the_hosts),
        TEST(test_what_cannot_go_on_is_said),
    };

    return cmocka_run_group_tests_name("hvf_exit", tests, NULL, NULL);
}
