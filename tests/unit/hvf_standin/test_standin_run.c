/* Guests that run on the stand-in: interrupts, timers, sleep, stops from outside, two vCPUs. */
#include "standin_rig.h"

#include <stdatomic.h>

#include "base/thread.h"

#define KICKS 10000

/* By the API, as a guest's driver would do it. */
static void enable(struct rig *rig, unsigned intid)
{
    uint32_t bit = 1u << intid % 32;

    assert_done(hv_gic_set_distributor_reg(0, 0x12)); /* ARE, group 1 */
    if (intid < 32) {
        assert_done(hv_gic_set_redistributor_reg(rig->vcpu, 0x10080, bit)); /* IGROUPR0 */
        assert_done(hv_gic_set_redistributor_reg(rig->vcpu, 0x10100, bit)); /* ISENABLER0 */
    } else {
        assert_done(hv_gic_set_distributor_reg((uint16_t)(0x80 + intid / 32 * 4), bit));
        assert_done(hv_gic_set_distributor_reg((uint16_t)(0x100 + intid / 32 * 4), bit));
        assert_done(hv_gic_set_distributor_reg((uint16_t)(0x6000 + 8 * intid), 0));
    }
    assert_done(hv_gic_set_icc_reg(rig->vcpu, SYSREG(3, 0, 4, 6, 0), 0xf8)); /* PMR */
    assert_done(hv_gic_set_icc_reg(rig->vcpu, SYSREG(3, 0, 12, 12, 7), 1));  /* IGRPEN1 */
}

static uint64_t counter(struct rig *rig)
{
    RIG_PROGRAM(rig, CODE + 0x6000, MRS_X5_CNTVCT, HVC_0);
    rig_set(rig, HV_REG_PC, CODE + 0x6000);
    rig_run(rig);
    return rig_get(rig, 5);
}

/* WFI waits inside; the vector at EL1h's IRQ acknowledges and comes out. */
static void wake_by(struct rig *rig, uint32_t set_cval, uint32_t set_ctl, unsigned intid)
{
    uint32_t code[] = { set_cval, set_ctl, DAIFCLR_I, WFI, BACK_4 };

    enable(rig, intid);
    rig_poke(rig, CODE, code, ARRAY_LEN(code));
    RIG_PROGRAM(rig, VBAR + 0x280, MRS_X4_IAR1, MSR_EOIR1_X4, HVC_0);
    rig_set(rig, 0, counter(rig) + 24000); /* 1 ms */
    rig_set(rig, 2, 1);
    rig_set(rig, HV_REG_PC, CODE);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_HVC64);
    assert_int_equal(rig_get(rig, HV_REG_PC), VBAR + 0x28c);
    assert_int_equal(rig_get(rig, 4), intid);
    assert_true(counter(rig) >= rig_get(rig, 0));
}

static void test_wfi_and_the_virtual_timer(void **state)
{
    wake_by(*state, MSR_CNTV_CVAL_X0, MSR_CNTV_CTL_X2, 27);
}

static void test_wfi_and_the_physical_timer(void **state)
{
    wake_by(*state, MSR_CNTP_CVAL_X0, MSR_CNTP_CTL_X2, 30);
}

/* A timer that expires while the guest computes. */
static void test_timer_of_a_busy_guest(void **state)
{
    struct rig *rig = *state;

    enable(rig, 27);
    RIG_PROGRAM(rig, CODE, MSR_CNTV_CVAL_X0, MSR_CNTV_CTL_X2, DAIFCLR_I, SPIN);
    RIG_PROGRAM(rig, VBAR + 0x280, MRS_X4_IAR1, HVC_0);
    rig_set(rig, 0, counter(rig) + 24000);
    rig_set(rig, 2, 1);
    rig_set(rig, HV_REG_PC, CODE);
    rig_run(rig);
    assert_int_equal(rig_get(rig, 4), 27);
}

/* CNTVCT is the host's counter less the offset; all vCPUs need the same. */
static void test_counter(void **state)
{
    struct rig *rig = *state;
    uint64_t before = hvf_host_ticks(), offset, count;

    count = counter(rig);
    assert_in_range(count, before, hvf_host_ticks());
    before = hvf_host_ticks();
    assert_done(hv_vcpu_set_vtimer_offset(rig->vcpu, before - 1000));
    assert_done(hv_vcpu_get_vtimer_offset(rig->vcpu, &offset));
    assert_int_equal(offset, before - 1000);
    count = counter(rig);
    assert_in_range(count, 1000, hvf_host_ticks() - before + 1000);
    assert_int_equal(hvf_host_hz(), 24000000);
}

/* A level-triggered SPI: signalled while the line is up, again after its end. */
static void test_spi(void **state)
{
    struct rig *rig = *state;

    enable(rig, 48);
    RIG_PROGRAM(rig, CODE, DAIFCLR_I, WFI, BACK_4);
    RIG_PROGRAM(rig, VBAR + 0x280, MRS_X4_IAR1, MSR_EOIR1_X4, HVC_0, DAIFCLR_I, SPIN);
    assert_done(hv_gic_set_spi(48, true));
    rig_set(rig, HV_REG_PC, CODE);
    for (unsigned i = 0; i < 3; i++) { /* the line is still up */
        rig_run(rig);
        assert_int_equal(rig_get(rig, HV_REG_PC), VBAR + 0x28c);
        assert_int_equal(rig_get(rig, 4), 48);
    }
    assert_done(hv_gic_set_spi(48, false));
    RIG_PROGRAM(rig, CODE + 0x4000, DAIFCLR_I, HVC_0);
    rig_set(rig, HV_REG_PC, CODE + 0x4000);
    rig_run(rig);
    assert_int_equal(rig_get(rig, HV_REG_PC), CODE + 0x4008);

    /* Edge-triggered: one pulse, one interrupt; false is nothing. */
    assert_done(hv_gic_set_distributor_reg(0xc00 + 4 * 3, 2)); /* ICFGR3: INTID 48 */
    for (unsigned i = 0; i < 2; i++) {
        assert_done(hv_gic_set_spi(48, true));
        rig_set(rig, HV_REG_PC, CODE + 0x4000);
        rig_run(rig);
        assert_int_equal(rig_get(rig, HV_REG_PC), VBAR + 0x28c);
        rig_set(rig, HV_REG_CPSR, CPSR_EL1H);
        rig_set(rig, HV_REG_PC, CODE + 0x4000);
        rig_run(rig);
        assert_int_equal(rig_get(rig, HV_REG_PC), CODE + 0x4008);
        assert_done(hv_gic_set_spi(48, false));
    }
}

/* The guest's accesses to the windows are the framework's business, with every kind of load. */
static void test_gic_windows(void **state)
{
    struct rig *rig = *state;
    uint64_t value;

    RIG_PROGRAM(rig, CODE, 0xb9400423 /* ldr w3, [x1, #4] */, HVC_0);
    rig_set(rig, 1, MAP_GICD_BASE);
    rig_set(rig, 2, 0);
    rig_set(rig, 3, UINT64_MAX);
    rig_set(rig, HV_REG_PC, CODE);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_HVC64);
    assert_int_equal(rig_get(rig, 3) & 31, 31); /* 1020 interrupts */
    assert_done(hv_gic_get_distributor_reg(4, &value));
    assert_int_equal(rig_get(rig, 3), value);

    rig_set(rig, 1, MAP_GICR_BASE + 0x10000);
    rig_set(rig, 2, 0xabcd0000);
    RIG_PROGRAM(rig, CODE + 0x100, 0xb9008022 /* str w2, [x1, #0x80] */,
                0xb980802a /* ldrsw x10, [x1, #0x80] */, 0xb940803f /* ldr wzr, .. */, HVC_0);
    rig_set(rig, HV_REG_PC, CODE + 0x100);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_HVC64);
    assert_int_equal(rig_get(rig, 10), UINT64_C(0xffffffffabcd0000));
    assert_done(hv_gic_get_redistributor_reg(rig->vcpu, 0x10080, &value));
    assert_int_equal(value, 0xabcd0000);
    /* The frame of a vCPU that does not exist comes out. */
    rig_set(rig, 1, MAP_GICR_BASE + 0x20000);
    rig_one(rig, CODE + 0x200, LDR_W2_X1);
    assert_int_equal(rig_ec(rig), EC_DABT_LOWER);
}

static void test_gic_reset(void **state)
{
    struct rig *rig = *state;
    uint64_t value;

    enable(rig, 27);
    enable(rig, 48);
    assert_done(hv_gic_set_spi(48, true));
    assert_done(hv_gic_reset());
    assert_done(hv_gic_get_distributor_reg(0x100 + 4, &value));
    assert_int_equal(value, 0);
    assert_done(hv_gic_get_distributor_reg(0x200 + 4, &value));
    assert_int_equal(value, BIT(16)); /* the line is as it was */
    assert_done(hv_gic_get_redistributor_reg(rig->vcpu, 0x10100, &value));
    assert_int_equal(value, 0);
}

/* ---- stops from outside ---- */

struct kicker {
    hv_vcpu_t vcpu;
    struct lock lock;
    struct cond cond;
    unsigned kicked, seen;
};

static void kick_often(void *arg)
{
    struct kicker *k = arg;

    for (unsigned i = 0; i < KICKS; i++) {
        if (hv_vcpus_exit(&k->vcpu, 1) != HV_SUCCESS)
            return;
        lock_take(&k->lock);
        k->kicked++;
        while (k->seen < k->kicked) /* lost, it would hang here */
            cond_wait(&k->cond, &k->lock);
        lock_drop(&k->lock);
    }
}

/* Each is seen: while the guest computes, sleeps, comes out or goes in. */
static void kick_storm(struct rig *rig, uint32_t insn)
{
    struct kicker k = { .vcpu = rig->vcpu };
    struct thread thread = { 0 };
    uint32_t code[] = { insn, BACK_4 };

    lock_init(&k.lock);
    cond_init(&k.cond);
    rig_poke(rig, CODE, code, 2);
    rig_set(rig, HV_REG_PC, CODE);
    rig_set(rig, 1, DEVICE);
    assert_int_equal(thread_start(&thread, "kicker", kick_often, &k), 0);
    for (unsigned seen = 0, runs = 1; seen < KICKS; runs++) {
        assert_done(hv_vcpu_run(rig->vcpu));
        if (rig->exit->reason != HV_EXIT_REASON_CANCELED) {
            rig_set(rig, HV_REG_PC, CODE + 4);
            continue;
        }
        if (runs % 1000 == 0) /* nobody has asked */
            continue;
        lock_take(&k.lock);
        seen = k.kicked > k.seen ? k.kicked : k.kicked + 1; /* + 1: it is being counted now */
        k.seen = seen;
        cond_signal(&k.cond);
        lock_drop(&k.lock);
    }
    thread_join(&thread);
    cond_fini(&k.cond);
    lock_fini(&k.lock);
}

static void test_kick_storm_busy(void **state)
{
    kick_storm(*state, ADD_X9_1);
}

static void test_kick_storm_asleep(void **state)
{
    kick_storm(*state, WFI);
}

static void test_kick_storm_exits(void **state)
{
    kick_storm(*state, LDR_W2_X1);
}

/* Outside of a run it waits for the next one, once. */
static void test_kicks_are_sticky(void **state)
{
    struct rig *rig = *state;

    RIG_PROGRAM(rig, CODE, HVC_0);
    rig_set(rig, HV_REG_PC, CODE);
    assert_done(hv_vcpus_exit(&rig->vcpu, 1));
    assert_done(hv_vcpus_exit(&rig->vcpu, 1));
    assert_done(hv_vcpu_run(rig->vcpu));
    assert_int_equal(rig->exit->reason, HV_EXIT_REASON_CANCELED);
    assert_int_equal(rig_get(rig, HV_REG_PC), CODE);
    assert_done(hv_vcpu_run(rig->vcpu));
    assert_int_equal(rig->exit->reason, HV_EXIT_REASON_EXCEPTION);
}

/* Now and then a run is canceled although nobody asked. */
static void test_spurious_cancellations(void **state)
{
    struct rig *rig = *state;
    unsigned canceled = 0;

    RIG_PROGRAM(rig, CODE, HVC_0);
    for (unsigned i = 0; i < 5000; i++) {
        rig_set(rig, HV_REG_PC, CODE);
        assert_done(hv_vcpu_run(rig->vcpu));
        canceled += rig->exit->reason == HV_EXIT_REASON_CANCELED;
    }
    assert_int_equal(canceled, 5);
}

/* ---- two vCPUs ---- */

struct second {
    struct rig *rig;
    struct lock lock;
    struct cond cond;
    hv_vcpu_t vcpu;
    enum second_now { MAKING, MADE, RUN, KICKED, DONE } now;
    atomic_bool stop;
    bool mmu, ok;
};

static void second_is(struct second *s, enum second_now what)
{
    lock_take(&s->lock);
    s->now = what;
    cond_broadcast(&s->cond);
    lock_drop(&s->lock);
}

static void second_wait(struct second *s, enum second_now what)
{
    lock_take(&s->lock);
    while (s->now != what)
        cond_wait(&s->cond, &s->lock);
    lock_drop(&s->lock);
}

static void second_main(void *arg)
{
    struct second *s = arg;
    hv_vcpu_exit_t *exit = NULL;
    hv_ipa_t base = 0;
    uint64_t typer = 0, value = 0;
    hv_return_t rc;

    s->ok = hv_vcpu_create(&s->vcpu, &exit, NULL) == HV_SUCCESS &&
            hv_vcpu_set_sys_reg(s->vcpu, SYS_MPIDR, map_mpidr(1)) == HV_SUCCESS &&
            hv_gic_get_redistributor_base(s->vcpu, &base) == HV_SUCCESS &&
            base == MAP_GICR_BASE + MAP_GICR_STRIDE &&
            hv_gic_get_redistributor_reg(s->vcpu, 8, &typer) == HV_SUCCESS && (typer & BIT(4)) &&
            typer >> 32 == 1 && hv_vcpu_set_reg(s->vcpu, HV_REG_PC, CODE + 0x1000) == HV_SUCCESS &&
            hv_vcpu_set_reg(s->vcpu, 1, DATA) == HV_SUCCESS;
    if (s->mmu && s->ok)
        rig_mmu(s->rig, s->vcpu);
    second_is(s, MADE);
    second_wait(s, RUN);
    do /* a cancellation that nobody asked for is not the end */
        rc = hv_vcpu_run(s->vcpu);
    while (rc == HV_SUCCESS && (exit->reason != HV_EXIT_REASON_CANCELED || !atomic_load(&s->stop)));
    second_wait(s, KICKED);
    s->ok = s->ok && rc == HV_SUCCESS && hv_vcpu_get_reg(s->vcpu, 2, &value) == HV_SUCCESS &&
            value > 0 && hv_vcpu_destroy(s->vcpu) == HV_SUCCESS;
    second_is(s, DONE);
}

/* The frames follow the order of creation, Last is the last one's. And what one has protected the
 * other one does not write any more, although it runs. */
static void two_vcpus(struct rig *rig, bool mmu)
{
    struct second s = { .rig = rig, .mmu = mmu };
    struct thread thread = { 0 };
    uint64_t typer, value, last = 0;

    lock_init(&s.lock);
    cond_init(&s.cond);
    assert_done(hv_gic_get_redistributor_reg(rig->vcpu, 8, &typer));
    assert_true(typer & BIT(4));
    assert_int_equal(thread_start(&thread, "second", second_main, &s), 0);
    second_wait(&s, MADE);
    assert_true(s.ok);
    assert_done(hv_gic_get_redistributor_reg(rig->vcpu, 8, &typer));
    assert_false(typer & BIT(4));

    /* add x2, x2, #1; str x2, [x1]; b .-8 */
    RIG_PROGRAM(rig, CODE + 0x1000, 0x91000442, STR_X2_X1, BACK_8);
    second_is(&s, RUN);
    while (__atomic_load_n((uint64_t *)(void *)(rig->ram + (DATA - RAM)), __ATOMIC_RELAXED) < 1000)
        ;
    for (unsigned i = 0; i < 100; i++) {
        assert_done(hv_vm_protect(DATA, 16 * KIB, HV_MEMORY_READ | HV_MEMORY_EXEC));
        value = __atomic_load_n((uint64_t *)(void *)(rig->ram + (DATA - RAM)), __ATOMIC_RELAXED);
        assert_true(value >= last);
        last = __atomic_load_n((uint64_t *)(void *)(rig->ram + (DATA - RAM)), __ATOMIC_RELAXED);
        assert_int_equal(last, value);
        assert_done(hv_vm_protect(DATA, 16 * KIB, RWX));
    }
    atomic_store(&s.stop, true);
    assert_done(hv_vcpus_exit(&s.vcpu, 1));
    second_is(&s, KICKED);
    second_wait(&s, DONE);
    assert_true(s.ok);
    thread_join(&thread);
    assert_hv(hv_vcpus_exit(&s.vcpu, 1), HV_NO_DEVICE);
    cond_fini(&s.cond);
    lock_fini(&s.lock);
}

static void test_two_vcpus(void **state)
{
    two_vcpus(*state, false);
}

static void test_two_vcpus_with_tables(void **state)
{
    two_vcpus(*state, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_wfi_and_the_virtual_timer),
        TEST(test_wfi_and_the_physical_timer),
        TEST(test_timer_of_a_busy_guest),
        TEST(test_counter),
        TEST(test_spi),
        TEST(test_gic_windows),
        TEST(test_gic_reset),
        TEST(test_kick_storm_busy),
        TEST(test_kick_storm_asleep),
        TEST(test_kick_storm_exits),
        TEST(test_kicks_are_sticky),
        TEST(test_spurious_cancellations),
        TEST(test_two_vcpus),
        TEST(test_two_vcpus_with_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
