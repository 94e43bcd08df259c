/* Exception entry and return, bit by bit (Arm DDI 0487, D1.3). */
#include "cpu/debug.h"
#include "sys_rig.h"

#define NZCV     UINT64_C(0xa0000000)
#define SPSR_IL  BIT(20)
#define SPSR_SS  BIT(21)
#define DAIF_ALL BITS(9, 6)
#define IL       ESR_IL
#define FP_TRAP  0x1e00000

static int setup(void **state)
{
    static struct sys_rig rig;

    sys_rig_init(&rig, 1);
    rig.c->sys.sctlr_el1 |= BIT(23); /* SPAN */
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    sys_rig_fini(*state);
    return 0;
}

static void test_synchronous_classes(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_at(rig, EL1H);
    assert_exc(rig, exc_undefined(c));
    assert_int_equal(c->sys.esr_el1, IL);
    assert_int_equal(c->sys.elr_el1, RIG_PC);
    rig_at(rig, EL0T);
    assert_exc(rig, exc_svc(c, 0xbeef));
    assert_int_equal(c->sys.esr_el1, 0x56000000 | 0xbeef);
    assert_int_equal(c->sys.elr_el1, RIG_PC + 4);
    rig_at(rig, EL0T);
    assert_exc(rig, exc_brk(c, 0x1234));
    assert_int_equal(c->sys.esr_el1, 0xf2001234);
    assert_int_equal(c->sys.elr_el1, RIG_PC);
    rig_at(rig, EL0T);
    assert_exc(rig, exc_fp_trap(c));
    assert_int_equal(c->sys.esr_el1, 0x1c000000 | IL | FP_TRAP);
    rig_at(rig, EL1H);
    assert_exc(rig, exc_data_abort(c, 0x1234, FSC_TRANSLATION | 2, true, false));
    assert_int_equal(c->sys.esr_el1, 0x94000000 | IL | 0x46);
    assert_int_equal(c->sys.far_el1, 0x1234);
    rig_at(rig, EL0T);
    assert_exc(rig, exc_data_abort(c, 0x1234, FSC_PERMISSION | 3, false, true));
    assert_int_equal(c->sys.esr_el1, 0x90000000 | IL | 0x14f);
    rig_fetching(rig, EL0T, 0x4444);
    assert_exc(rig, exc_insn_abort(c, 0x4444, FSC_TRANSLATION | 1));
    assert_int_equal(c->sys.esr_el1, 0x80000000 | IL | 5);
    assert_int_equal(c->sys.far_el1, 0x4444);
    assert_int_equal(c->sys.elr_el1, 0x4444);
    rig_fetching(rig, EL1T, 0x4446);
    assert_exc(rig, exc_pc_align(c, 0x4446));
    assert_int_equal(c->sys.esr_el1, 0x88000000 | IL);
    assert_int_equal(c->sys.far_el1, 0x4446);
    rig_at(rig, EL1H);
    assert_exc(rig, exc_sp_align(c));
    assert_int_equal(c->sys.esr_el1, 0x98000000 | IL);
}

static void test_entry_chooses_vector_stack_and_pstate(void **state)
{
    static const struct {
        uint64_t from;
        uint64_t vector;
    } t[] = {
        { EL1T, 0x000 },
        { EL1H, 0x200 },
        { EL0T, 0x400 },
    };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    for (volatile size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint64_t from = t[i].from | NZCV | DAIF_D | SPSR_IL | SPSR_SS | PAN_ON;

        rig_at(rig, from);
        c->sp_bank[0] = 0x1000;
        c->sp_bank[1] = 0x2000;
        c->x[REG_SP] = c->sp_bank[c->sp_sel];
        assert_exc(rig, exc_undefined(c));
        assert_int_equal(c->pc, RIG_VBAR + t[i].vector);
        assert_int_equal(c->sys.spsr_el1, from);
        /* Masked, on SP_EL1, IL and SS clear; the flags and PAN stay. */
        assert_int_equal(exc_pstate_get(c), EL1H | NZCV | DAIF_ALL | PAN_ON);
        assert_int_equal(c->x[REG_SP], 0x2000);
        assert_int_equal(c->sp_bank[0], 0x1000);
    }

    /* SCTLR_EL1.SPAN = 0: PAN is set. */
    rig_at(rig, EL0T);
    assert_exc(rig, exc_undefined(c));
    assert_int_equal(exc_pstate_get(c) & PAN_ON, 0);
    c->sys.sctlr_el1 &= ~BIT(23);
    rig_at(rig, EL0T);
    assert_exc(rig, exc_undefined(c));
    assert_int_equal(exc_pstate_get(c) & PAN_ON, PAN_ON);
}

static void test_fp_is_allowed_by_level(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    uint16_t cpacr = SYSREG(3, 0, 1, 0, 2);

    for (unsigned fpen = 0; fpen < 4; fpen++) {
        rig_at(rig, EL1H);
        sysreg_write(c, cpacr, (uint64_t)fpen << 20);
        assert_int_equal(c->fp_enabled, fpen & 1);
        exc_pstate_set(c, EL0T);
        assert_int_equal(c->fp_enabled, fpen == 3);
    }
    assert_exc(rig, exc_svc(c, 0));
    assert_true(c->fp_enabled);
}

static void test_eret_restores_pstate(void **state)
{
    static const uint64_t legal[] = { EL0T, EL1T, EL1H };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(legal); i++) {
        rig_at(rig, EL1H);
        c->x[REG_SP] = 0x2000;
        c->sp_bank[0] = 0x1000;
        c->sys.elr_el1 = 0x8888;
        c->sys.spsr_el1 = legal[i] | NZCV | DAIF_I | PAN_ON;
        assert_int_equal(exc_eret(c), 0x8888);
        assert_int_equal(exc_pstate_get(c), c->sys.spsr_el1);
        assert_int_equal(c->x[REG_SP], legal[i] == EL1H ? 0x2000 : 0x1000);
        assert_int_equal(c->tlb->key[0] & 3, 3); /* MMU off: nothing takes the inline path */
    }
}

/* DebugExceptionReturnSS: SPSR.SS counts where stepping is on, debug exceptions were not enabled
 * and now are. */
static void test_eret_starts_a_step(void **state)
{
    static const struct {
        uint64_t mdscr;
        bool locked;
        uint64_t from, spsr;
        bool ss;
    } t[] = {
        { MDSCR_SS, false, EL1H | DAIF_D, EL0T | SPSR_SS, true },
        { MDSCR_SS, false, EL1H, EL0T | DAIF_D | SPSR_SS, true }, /* D is EL1's */
        { MDSCR_SS, false, EL1H | DAIF_D, EL0T, false },
        { MDSCR_KDE, false, EL1H | DAIF_D, EL0T | SPSR_SS, false },
        { MDSCR_SS, true, EL1H | DAIF_D, EL0T | SPSR_SS, false },
        { MDSCR_SS, false, EL1H | DAIF_D, EL1H | SPSR_SS, false },
        { MDSCR_SS | MDSCR_KDE, false, EL1H | DAIF_D, EL1H | SPSR_SS, true },
        { MDSCR_SS | MDSCR_KDE, false, EL1H | DAIF_D, EL1H | DAIF_D | SPSR_SS, false },
        { MDSCR_SS | MDSCR_KDE, false, EL1H, EL1H | SPSR_SS, false }, /* enabled already */
        { MDSCR_SS | MDSCR_KDE, false, EL1H, EL0T | SPSR_SS, false },
        /* An illegal return stays at its level: EL1. */
        { MDSCR_SS | MDSCR_KDE, false, EL1H | DAIF_D, 0x9 | SPSR_SS, true },
        { MDSCR_SS | MDSCR_KDE, false, EL1H | DAIF_D, 0x9 | DAIF_D | SPSR_SS, false },
        { MDSCR_SS, false, EL1H | DAIF_D, 0x9 | SPSR_SS, false },
        { MDSCR_SS, false, EL1H | DAIF_D, 0x1 | SPSR_SS, false }, /* EL0 with SP_EL1 */
    };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_at(rig, t[i].from);
        c->sys.mdscr_el1 = t[i].mdscr;
        c->sys.os_lock = t[i].locked;
        c->sys.spsr_el1 = t[i].spsr;
        exc_eret(c);
        assert_int_equal(c->ss, t[i].ss);
    }
}

static void test_illegal_returns(void **state)
{
    /* M[4:0]: EL2, EL3, reserved ones, EL0 with SP_EL1, AArch32. */
    static const uint64_t illegal[] = { 0x1, 0x2, 0x3, 0x6, 0x7, 0x8, 0x9, 0xc, 0xd, 0x10, 0x13 };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(illegal); i++) {
        rig_at(rig, EL1T);
        c->sys.elr_el1 = 0x9999;
        c->sys.spsr_el1 = illegal[i] | NZCV | DAIF_A;
        assert_int_equal(exc_eret(c), 0x9999);
        /* Level and stack stay, flags and masks come from SPSR, IL is set. */
        assert_int_equal(exc_pstate_get(c), EL1T | NZCV | DAIF_A | SPSR_IL);
    }
}

static void test_interrupts(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    struct gic *gic = rig->soc.gic;

    gic_dist_write(gic, 0, 4, 3);
    gic_redist_write(gic, 0x14, 4, 0);
    gic_redist_write(gic, 0x10080, 4, 1u << 27);
    gic_redist_write(gic, 0x10100, 4, 1u << 27 | 1u << 30);
    gic_icc_write(gic, 0, SYSREG(3, 0, 4, 6, 0), 0xff);
    gic_icc_write(gic, 0, SYSREG(3, 0, 12, 12, 6), 1);
    gic_icc_write(gic, 0, SYSREG(3, 0, 12, 12, 7), 1);
    rig_fetching(rig, EL0T, 0x5000);
    assert_false(exc_interrupt(c));

    gic_set_ppi(gic, 0, 27, true); /* group 1: IRQ */
    assert_true(atomic_load(&c->request) & CPU_REQ_IRQ);
    rig_fetching(rig, EL0T | DAIF_I, 0x5000);
    assert_false(exc_interrupt(c));
    rig_fetching(rig, EL0T | DAIF_F, 0x5000);
    assert_true(exc_interrupt(c));
    assert_int_equal(c->pc, RIG_VBAR + 0x480);
    assert_int_equal(c->sys.elr_el1, 0x5000);
    assert_int_equal(c->sys.esr_el1, 0); /* not written */
    gic_set_ppi(gic, 0, 27, false);

    gic_set_ppi(gic, 0, 30, true); /* group 0: FIQ */
    rig_fetching(rig, EL1H | DAIF_F, 0x5000);
    assert_false(exc_interrupt(c));
    rig_fetching(rig, EL1H | DAIF_I, 0x5000);
    assert_true(exc_interrupt(c));
    assert_int_equal(c->pc, RIG_VBAR + 0x300);
}

/* Vectors in the middle of nowhere: the vCPU stops instead of spinning. */
static void test_no_progress_stops_with_a_sentence(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    volatile unsigned taken = 0;
    int how;

    rig_fetching(rig, EL1H, UINT64_C(0xdead0000));
    do {
        how = TRY(rig, exc_insn_abort(c, c->pc, FSC_TRANSLATION));
    } while (how == CPU_ESCAPE_GO_ON && ++taken < 1000);
    assert_int_equal(how, CPU_ESCAPE_STOP);
    assert_true(taken >= 2 && taken < 100);
    assert_int_equal(c->stop, CPU_STOP_ERROR);
    assert_non_null(strstr(c->reason, "handler at 0xffff000000010000 cannot run"));
    assert_non_null(strstr(c->reason, "pc 0xffff000000010200"));
    assert_non_null(strstr(c->reason, "ESR 0x86000004"));
    assert_non_null(strstr(c->reason, "FAR 0xffff000000010200"));

    /* An instruction in between is progress. */
    for (taken = 0; taken < 1000; taken++) {
        rig_fetching(rig, EL1H, 0x1000);
        assert_exc(rig, exc_insn_abort(c, 0x1000, FSC_TRANSLATION));
    }
}

static void test_stop_names_what_happened(void **state)
{
    struct sys_rig *rig = *state;

    rig_at(rig, EL1H);
    assert_stop(rig, exc_stop(rig->c, "no %s for %d", "way", 7));
    assert_string_equal(rig->c->reason, "no way for 7");
    assert_int_equal(rig->c->pc, RIG_PC);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_synchronous_classes),
        T(test_entry_chooses_vector_stack_and_pstate),
        T(test_fp_is_allowed_by_level),
        T(test_eret_restores_pstate),
        T(test_eret_starts_a_step),
        T(test_illegal_returns),
        T(test_interrupts),
        T(test_no_progress_stops_with_a_sentence),
        T(test_stop_names_what_happened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
