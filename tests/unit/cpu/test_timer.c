/* Counter and timers on a clock that the test owns (Arm DDI 0487, D11). */
#include "sys_rig.h"

#define CNTVCT    SYSREG(3, 3, 14, 0, 2)
#define CNTV_TVAL SYSREG(3, 3, 14, 3, 0)
#define CNTV_CTL  SYSREG(3, 3, 14, 3, 1)
#define CNTV_CVAL SYSREG(3, 3, 14, 3, 2)
#define CNTP_TVAL SYSREG(3, 3, 14, 2, 0)
#define CNTP_CTL  SYSREG(3, 3, 14, 2, 1)
#define CNTP_CVAL SYSREG(3, 3, 14, 2, 2)

static uint64_t moved_to; /* what timer_moved() last said */

static void on_moved(void *ctx, unsigned vcpu, uint64_t deadline_ns)
{
    (void)ctx;
    assert_int_equal(vcpu, 0);
    moved_to = deadline_ns;
}

static int setup(void **state)
{
    static struct sys_rig rig;

    sys_rig_init(&rig, 1);
    rig.soc.timer_moved = on_moved;
    moved_to = 1;
    /* Both PPIs enabled, in group 1. */
    gic_dist_write(rig.soc.gic, 0, 4, 2);
    gic_redist_write(rig.soc.gic, 0x14, 4, 0);
    gic_redist_write(rig.soc.gic, 0x10080, 4, UINT32_MAX);
    gic_redist_write(rig.soc.gic, 0x10100, 4, 1u << 27 | 1u << 30);
    gic_icc_write(rig.soc.gic, 0, SYSREG(3, 0, 4, 6, 0), 0xff);
    gic_icc_write(rig.soc.gic, 0, SYSREG(3, 0, 12, 12, 7), 1);
    rig_at(&rig, EL1H);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    sys_rig_fini(*state);
    return 0;
}

static bool line(struct sys_rig *rig, unsigned ppi)
{
    static struct gic_state s;

    gic_get_state(rig->soc.gic, &s);
    return s.redist[0].line_level >> ppi & 1;
}

static void test_counter_follows_the_clock(void **state)
{
    static const uint64_t hz[] = { 1000000, 24000000, 62500000, 1000000000, 4000000000 };
    struct sys_rig *rig = *state;
    uint64_t last = 0;

    for (size_t i = 0; i < ARRAY_LEN(hz); i++) {
        rig->soc.counter_hz = hz[i];
        rig_clock_ns = UINT64_C(123456789012345678); /* nearly four years */
        timer_set_count(&rig->soc, 1000);
        assert_int_equal(timer_count(&rig->soc), 1000);
        rig_clock_ns += 10000000000;
        assert_int_equal(timer_count(&rig->soc), 1000 + 10 * hz[i]);
        assert_int_equal(sysreg_read(rig->c, CNTVCT), 1000 + 10 * hz[i]);
        last = timer_count(&rig->soc);
        for (unsigned n = 0; n < 1000; n++) {
            rig_clock_ns += 7;
            assert_true(timer_count(&rig->soc) >= last);
            last = timer_count(&rig->soc);
        }
    }
}

static void test_expiry(void **state)
{
    static const struct {
        uint16_t ctl, cval, tval;
        unsigned ppi;
    } t[] = { { CNTV_CTL, CNTV_CVAL, CNTV_TVAL, 27 }, { CNTP_CTL, CNTP_CVAL, CNTP_TVAL, 30 } };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_clock_ns = 5000000000;
        timer_set_count(&rig->soc, 0);
        sysreg_write(c, t[i].cval, 24000); /* 1 ms */
        sysreg_write(c, t[i].ctl, 1);
        assert_int_equal(sysreg_read(c, t[i].ctl), 1);
        assert_int_equal(sysreg_read(c, t[i].tval), 24000);
        assert_int_equal(moved_to, 5001000000);
        assert_int_equal(timer_deadline_ns(c), 5001000000);
        rig_clock_ns = 5000999999;
        timer_update(c);
        assert_false(line(rig, t[i].ppi));
        rig_clock_ns = 5001000000;
        timer_update(c);
        assert_true(line(rig, t[i].ppi));
        assert_int_equal(gic_signals(rig->soc.gic, 0), GIC_SIGNAL_IRQ);
        assert_int_equal(sysreg_read(c, t[i].ctl), 5); /* ISTATUS */
        assert_int_equal(moved_to, UINT64_MAX);        /* it has fired */

        /* The line follows the mask and the compare value at once. */
        sysreg_write(c, t[i].ctl, 3);
        assert_int_equal(sysreg_read(c, t[i].ctl), 7);
        assert_false(line(rig, t[i].ppi));
        sysreg_write(c, t[i].ctl, 1);
        assert_true(line(rig, t[i].ppi));
        sysreg_write(c, t[i].tval, 240);
        assert_false(line(rig, t[i].ppi));
        assert_int_equal(moved_to, 5001010000);
        assert_int_equal(gic_signals(rig->soc.gic, 0), 0);
        sysreg_write(c, t[i].tval, (uint32_t)-5);
        assert_true(line(rig, t[i].ppi));
        assert_int_equal(sysreg_read(c, t[i].tval), (uint32_t)-5);
        sysreg_write(c, t[i].ctl, 0);
        assert_false(line(rig, t[i].ppi));
        assert_int_equal(sysreg_read(c, t[i].ctl), 0);
        assert_int_equal(moved_to, UINT64_MAX);
    }
}

/* The compare value is 64 bits without a sign; TVAL is 32 bits with one (D11.2.4). */
static void test_compare_values(void **state)
{
    static const struct {
        uint64_t count, cval;
        bool expired;
        uint32_t tval; /* as read then */
    } t[] = {
        { 0, 0, true, 0 },
        { 0, 1, false, 1 },
        { 1, 0, true, UINT32_MAX },
        { UINT64_C(0x7fffffffffffffff), UINT64_C(0x8000000000000000), false, 1 },
        { UINT64_C(0x8000000000000000), UINT64_C(0x7fffffffffffffff), true, UINT32_MAX },
        { UINT64_C(0x8000000000000000), 0, true, 0 },
        { 0, UINT64_MAX, false, UINT32_MAX },
        { UINT64_MAX, UINT64_MAX, true, 0 },
        { UINT64_MAX - 1, UINT64_MAX, false, 1 },
        { UINT64_C(0x100000000), 1, true, 1 },
        { 1, UINT64_C(0x180000001), false, 0x80000000 },
    };
    static const struct {
        uint64_t count, tval, cval;
    } w[] = {
        { 1000, 0, 1000 },
        { 1000, 0x7fffffff, 1000 + UINT64_C(0x7fffffff) },
        { 1000, 0x80000000, 1000 - UINT64_C(0x80000000) },
        { 1000, UINT32_MAX, 999 },
        { 0, UINT32_MAX, UINT64_MAX },
        { UINT64_MAX, 2, 1 },
        { 1000, UINT64_C(0x1234567800000005), 1005 }, /* bits 63:32 are nothing */
    };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        timer_set_count(&rig->soc, t[i].count);
        sysreg_write(c, CNTP_CVAL, t[i].cval);
        sysreg_write(c, CNTP_CTL, 1);
        assert_int_equal(sysreg_read(c, CNTP_CTL), t[i].expired ? 5 : 1);
        assert_int_equal(line(rig, 30), t[i].expired);
        assert_int_equal(sysreg_read(c, CNTP_TVAL), t[i].tval);
        /* ISTATUS is read-only, and reads as zero while the timer is off. */
        sysreg_write(c, CNTP_CTL, UINT64_MAX & ~UINT64_C(1));
        assert_int_equal(sysreg_read(c, CNTP_CTL), 2);
    }
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        timer_set_count(&rig->soc, w[i].count);
        sysreg_write(c, CNTV_TVAL, w[i].tval);
        assert_int_equal(sysreg_read(c, CNTV_CVAL), w[i].cval);
        assert_int_equal(sysreg_read(c, CNTV_TVAL), (uint32_t)w[i].tval);
    }
}

/* Every combination of the four controls of CNTKCTL_EL1 on every register, at both levels. */
static void test_access_control(void **state)
{
    static const struct {
        uint16_t enc;
        uint64_t any; /* one of these is enough */
        bool writable;
    } t[] = {
        { SYSREG(3, 3, 14, 0, 0), 3, false }, /* CNTFRQ */
        { SYSREG(3, 3, 14, 0, 1), 1, false }, /* CNTPCT */
        { CNTVCT, 2, false },
        { CNTP_TVAL, BIT(9), true },
        { CNTP_CTL, BIT(9), true },
        { CNTP_CVAL, BIT(9), true },
        { CNTV_TVAL, BIT(8), true },
        { CNTV_CTL, BIT(8), true },
        { CNTV_CVAL, BIT(8), true },
    };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    for (volatile size_t i = 0; i < ARRAY_LEN(t); i++) {
        for (volatile unsigned on = 0; on < 16; on++) {
            uint64_t cntkctl = (on & 3) | (uint64_t)(on >> 2) << 8;
            bool may = cntkctl & t[i].any;

            rig_at(rig, EL1H);
            sysreg_write(c, SYSREG(3, 0, 14, 1, 0), cntkctl | 0xfc); /* the event stream's bits */
            assert_ok(rig, (void)sysreg_read(c, t[i].enc));
            rig_at(rig, EL0T);
            assert_int_equal(TRY(rig, (void)sysreg_read(c, t[i].enc)), may ? 0 : CPU_ESCAPE_GO_ON);
            assert_true(may || (rig_ec(rig) == EC_SYSREG && (rig_iss(rig) & 1)));
            rig_at(rig, EL0T);
            assert_int_equal(TRY(rig, sysreg_write(c, t[i].enc, 0)),
                             may && t[i].writable ? 0 : CPU_ESCAPE_GO_ON);
            assert_true((may && t[i].writable) ||
                        rig_ec(rig) == (t[i].writable ? EC_SYSREG : EC_UNKNOWN));
        }
    }
}

static void test_the_earlier_timer_decides(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_clock_ns = 5000000000;
    timer_set_count(&rig->soc, 0);
    sysreg_write(c, CNTV_CVAL, 48000);
    sysreg_write(c, CNTV_CTL, 1);
    sysreg_write(c, CNTP_CVAL, 24000);
    sysreg_write(c, CNTP_CTL, 1);
    assert_int_equal(timer_deadline_ns(c), 5001000000);
    sysreg_write(c, CNTP_CTL, 3); /* masked: wakes nobody */
    assert_int_equal(timer_deadline_ns(c), 5002000000);
    sysreg_write(c, CNTV_CVAL, UINT64_MAX);
    assert_int_equal(timer_deadline_ns(c), UINT64_MAX);
}

/* A deadline is never before the tick it is for, whatever the frequency. */
static void test_deadlines_are_not_early(void **state)
{
    static const uint64_t hz[] = { 1000000, 19200000, 24000000, 33333333, 999999937, 4000000000 };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(hz); i++) {
        rig->soc.counter_hz = hz[i];
        for (uint64_t ticks = 1; ticks < BIT(40); ticks = ticks * 3 + 1) {
            rig_clock_ns = 777777777777;
            timer_set_count(&rig->soc, 0);
            sysreg_write(c, CNTV_CVAL, ticks);
            sysreg_write(c, CNTV_CTL, 1);
            assert_false(line(rig, 27));
            rig_clock_ns = timer_deadline_ns(c);
            timer_update(c);
            assert_true(line(rig, 27));
            rig_clock_ns -= 1;
            timer_update(c);
            assert_false(line(rig, 27));
        }
    }
}

static void test_the_run_loops_request(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_clock_ns = 5000000000;
    timer_set_count(&rig->soc, 0);
    sysreg_write(c, CNTV_CVAL, 24000);
    sysreg_write(c, CNTV_CTL, 1);
    rig_clock_ns += 1000000;
    c->signals = 0;
    sys_requests(c, CPU_REQ_TIMER);
    assert_int_equal(c->signals, GIC_SIGNAL_IRQ);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_counter_follows_the_clock),
        T(test_expiry),
        T(test_compare_values),
        T(test_access_control),
        T(test_the_earlier_timer_decides),
        T(test_deadlines_are_not_early),
        T(test_the_run_loops_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
