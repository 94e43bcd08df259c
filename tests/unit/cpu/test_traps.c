/*
 * What EL0 may not do: the exception class and the syndrome, to the bit, of every trap that EL1 can
 * set, what is UNDEFINED instead, and which exception comes first (Arm DDI 0487, D1.3.5, D19.2.37).
 */
#include "../test.h"
#include "arch/esr.h"
#include "cpu/exc.h"
#include "cpu/idregs.h"
#include "cpu/mmu.h"
#include "rig.h"

#define CODE    (RIG_USER + 0x1000)
#define DATA    (RIG_USER + 0x80000)
#define BRK     0xd4200000u
#define WFI     0xd503207fu
#define WFE     0xd503205fu
#define SPSR_IL BIT(20)

#define SCTLR_UMA  BIT(9)
#define SCTLR_DZE  BIT(14)
#define SCTLR_UCT  BIT(15)
#define SCTLR_NTWI BIT(16)
#define SCTLR_NTWE BIT(18)
#define SCTLR_UCI  BIT(26)
#define SCTLR_SA0  BIT(4)
#define FPEN_EL0   BIT(21)

static int setup(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_fini(*state);
    return 0;
}

static enum cpu_stop run(struct rig *rig, uint32_t word, uint64_t pstate)
{
    rig_poke(rig, CODE, word);
    rig_poke(rig, CODE + 4, BRK);
    rig_enter(rig, CODE, pstate);
    rig->c->event = false;
    for (unsigned r = 0; r < 31; r++)
        rig->c->x[r] = DATA;
    return rig_run(rig);
}

static unsigned ec(const struct rig *rig)
{
    return (unsigned)FIELD_GET(ESR_EC, rig->c->sys.esr_el1);
}

/* ISS of a trapped MSR, MRS or SYS, from its encoding. */
static uint64_t sysreg_iss(uint32_t word)
{
    return (uint64_t)(word >> 19 & 3) << 20 | (word >> 5 & 7) << 17 | (word >> 16 & 7) << 14 |
           (word >> 12 & 15) << 10 | (word & 31) << 5 | (word >> 8 & 15) << 1 | (word >> 21 & 1);
}

enum { BY_WORD = 1 }; /* the ISS follows from the word */

static const struct {
    uint32_t word;
    uint64_t sctlr, cntkctl, cpacr; /* any of these bits lets it through */
    unsigned ec;
    uint64_t iss;
    const char *text;
} traps[] = {
    { 0xd53b0025, SCTLR_UCT, 0, 0, EC_SYSREG, BY_WORD, "mrs x5, ctr_el0" },
    { 0xd53b4225, SCTLR_UMA, 0, 0, EC_SYSREG, BY_WORD, "mrs x5, daif" },
    { 0xd51b4225, SCTLR_UMA, 0, 0, EC_SYSREG, BY_WORD, "msr daif, x5" },
    { 0xd50342df, SCTLR_UMA, 0, 0, EC_SYSREG, 0xcd3e4, "msr daifset, #2" },
    { 0xd5034fff, SCTLR_UMA, 0, 0, EC_SYSREG, 0xed3fe, "msr daifclr, #15" },
    { 0xd50b7425, SCTLR_DZE, 0, 0, EC_SYSREG, BY_WORD, "dc zva, x5" },
    { 0xd50b7525, SCTLR_UCI, 0, 0, EC_SYSREG, BY_WORD, "ic ivau, x5" },
    { 0xd50b7a25, SCTLR_UCI, 0, 0, EC_SYSREG, BY_WORD, "dc cvac, x5" },
    { 0xd50b7b25, SCTLR_UCI, 0, 0, EC_SYSREG, BY_WORD, "dc cvau, x5" },
    { 0xd50b7e25, SCTLR_UCI, 0, 0, EC_SYSREG, BY_WORD, "dc civac, x5" },
    { 0xd53be005, 0, 3, 0, EC_SYSREG, BY_WORD, "mrs x5, cntfrq_el0" },
    { 0xd53be025, 0, 1, 0, EC_SYSREG, BY_WORD, "mrs x5, cntpct_el0" },
    { 0xd53be045, 0, 2, 0, EC_SYSREG, 0x34f8a1, "mrs x5, cntvct_el0" },
    { 0xd53be205, 0, 0x200, 0, EC_SYSREG, BY_WORD, "mrs x5, cntp_tval_el0" },
    { 0xd51be225, 0, 0x200, 0, EC_SYSREG, BY_WORD, "msr cntp_ctl_el0, x5" },
    { 0xd51be245, 0, 0x200, 0, EC_SYSREG, BY_WORD, "msr cntp_cval_el0, x5" },
    { 0xd51be305, 0, 0x100, 0, EC_SYSREG, BY_WORD, "msr cntv_tval_el0, x5" },
    { 0xd53be325, 0, 0x100, 0, EC_SYSREG, BY_WORD, "mrs x5, cntv_ctl_el0" },
    { 0xd53be345, 0, 0x100, 0, EC_SYSREG, BY_WORD, "mrs x5, cntv_cval_el0" },
    { WFI, SCTLR_NTWI, 0, 0, EC_WFX, 0x1e00000, "wfi" },
    { WFE, SCTLR_NTWE, 0, 0, EC_WFX, 0x1e00001, "wfe" },
    { 0x1e604020, 0, 0, FPEN_EL0, EC_FP_TRAP, 0x1e00000, "fmov d0, d1" },
    { 0x3dc000a0, 0, 0, FPEN_EL0, EC_FP_TRAP, 0x1e00000, "ldr q0, [x5]" },
    { 0xd53b4405, 0, 0, FPEN_EL0, EC_FP_TRAP, 0x1e00000, "mrs x5, fpcr" },
    { 0xd51b4425, 0, 0, FPEN_EL0, EC_FP_TRAP, 0x1e00000, "msr fpsr, x5" },
};

#define SCTLR_ALL (SCTLR_UMA | SCTLR_DZE | SCTLR_UCT | SCTLR_NTWI | SCTLR_NTWE | SCTLR_UCI)

/* Every control alone lets through what it is for; all but it let nothing through. */
static void test_traps(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;
    uint64_t base = c->sys.sctlr_el1 & ~SCTLR_ALL;

    for (size_t n = 0; n < ARRAY_LEN(traps); n++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            bool sctlr = traps[n].sctlr & BIT(bit), cntkctl = traps[n].cntkctl & BIT(bit);
            bool lets = sctlr || cntkctl || (traps[n].cpacr & BIT(bit));
            enum cpu_stop stop;

            /* Only the one, where it is a control of this row; else all others. */
            c->sys.sctlr_el1 = base | (lets ? (sctlr ? BIT(bit) : 0) : SCTLR_ALL & ~traps[n].sctlr);
            c->sys.cntkctl_el1 =
                lets ? (cntkctl ? BIT(bit) : 0) : UINT64_C(0x303) & ~traps[n].cntkctl;
            c->sys.cpacr_el1 = BIT(20) | (traps[n].cpacr && !lets ? 0 : FPEN_EL0);
            stop = run(rig, traps[n].word, 0);
            if (lets) {
                if (stop == CPU_STOP_HVC && ec(rig) != EC_BRK64)
                    fail_msg("%s: bit %u: ESR %#llx", traps[n].text, bit,
                             (unsigned long long)c->sys.esr_el1);
                continue;
            }
            assert_int_equal(stop, CPU_STOP_HVC);
            if (ec(rig) != traps[n].ec ||
                (c->sys.esr_el1 & ESR_ISS) !=
                    (traps[n].iss == BY_WORD ? sysreg_iss(traps[n].word) : traps[n].iss) ||
                !(c->sys.esr_el1 & ESR_IL) || c->sys.elr_el1 != CODE)
                fail_msg("%s: ESR %#llx ELR %#llx", traps[n].text,
                         (unsigned long long)c->sys.esr_el1, (unsigned long long)c->sys.elr_el1);
        }
    }
}

/* An event that has come makes WFE no wait, so there is nothing to trap. */
static void test_wfe_with_an_event_is_not_trapped(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    c->sys.sctlr_el1 &= ~SCTLR_ALL;
    rig_poke(rig, CODE, WFE);
    rig_poke(rig, CODE + 4, WFE);
    rig_enter(rig, CODE, 0);
    c->event = true;
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_WFX);
    assert_int_equal(c->sys.elr_el1, CODE + 4);
}

/* UNDEFINED whatever the controls say: EL1's, read-only, or not announced. */
static void test_undefined_at_el0(void **state)
{
    static const struct {
        uint32_t word;
        const char *text;
    } t[] = {
        { 0xd5380405, "mrs x5, id_aa64pfr0_el1: no FEAT_IDST" },
        { 0xd5380005, "mrs x5, midr_el1" },
        { 0xd5384245, "mrs x5, currentel" },
        { 0xd5384105, "mrs x5, sp_el0" },
        { 0xd5384605, "mrs x5, icc_pmr_el1" },
        { 0xd518cc25, "msr icc_eoir1_el1, x5" },
        { 0xd5181005, "msr sctlr_el1, x5" },
        { 0xd51bd065, "msr tpidrro_el0, x5" },
        { 0xd51be005, "msr cntfrq_el0, x5" },
        { 0xd51be045, "msr cntvct_el0, x5" },
        { 0xd51b0025, "msr ctr_el0, x5" },
        { 0xd53b9d05, "mrs x5, pmccntr_el0: no PMU" },
        { 0xd53b2405, "mrs x5, rndr: not in this model" },
        { 0xd53bd0a5, "mrs x5, tpidr2_el0" },
        { 0xd53bd0e5, "mrs x5, scxtnum_el0" },
        { 0xd53be0a5, "mrs x5, cntpctss_el0" },
        { 0xd50040bf, "msr spsel, #0" },
        { 0xd500409f, "msr pan, #0" },
        { 0xd500407f, "msr uao, #0" },
        { 0xd503405f, "msr dit, #0" },
        { 0xd503403f, "msr ssbs, #0" },
        { 0xd503409f, "msr tco, #0" },
        { 0xd500401f, "cfinv: not in this model" },
        { 0xd500403f, "xaflag" },
        { 0xd500405f, "axflag" },
        { 0xd50b7c25, "dc cvap, x5: no FEAT_DPB" },
        { 0xd50b7d25, "dc cvadp, x5: no FEAT_DPB2" },
        { 0xd50b7465, "dc gva, x5" },
        { 0xd50b7385, "cfp rctx, x5" },
        { 0xd5087625, "dc ivac, x5" },
        { 0xd5087645, "dc isw, x5" },
        { 0xd508751f, "ic iallu" },
        { 0xd5087805, "at s1e1r, x5" },
        { 0xd5087905, "at s1e1rp, x5" },
        { 0xd508871f, "tlbi vmalle1" },
        { 0xd5088725, "tlbi vae1, x5" },
        { 0xd5088625, "tlbi rvae1, x5" },
        { 0xd528fbe5, "sysl x5" },
        { 0xd69f03e0, "eret" },
        { 0xd4000002, "hvc" },
        { 0xd4000003, "smc" },
        { 0xd4400000, "hlt" },
        { 0xd4a00001, "dcps1" },
    };
    struct rig *rig = *state;
    struct cpu *c = rig->c;
    uint64_t base = c->sys.sctlr_el1;

    for (size_t n = 0; n < ARRAY_LEN(t); n++) {
        for (unsigned all = 0; all < 2; all++) {
            c->sys.sctlr_el1 = all ? base | SCTLR_ALL : base & ~SCTLR_ALL;
            c->sys.cntkctl_el1 = all ? 0x3ff : 0;
            assert_int_equal(run(rig, t[n].word, 0), CPU_STOP_HVC);
            if (c->sys.esr_el1 != ESR_IL || c->sys.elr_el1 != CODE)
                fail_msg("%s: ESR %#llx", t[n].text, (unsigned long long)c->sys.esr_el1);
        }
    }
}

/* Of two exceptions at one instruction: PC alignment, instruction abort, illegal state, UNDEFINED
 * or trap, SP alignment, data abort. */
static void test_priorities(void **state)
{
    enum { UNDEF = 0, LDR_SP = 0xf94003e0, MRS_CTR = 0xd53b0025, LDR_X5 = 0xf94000a0 };
    static const struct {
        gva_t pc;
        uint32_t word; /* at pc, where there is memory */
        uint64_t pstate, sp, x5;
        unsigned ec;
        gva_t far; /* 0: not looked at */
    } t[] = {
        { 0x1002, 0, SPSR_IL, 0, 0, EC_PC_ALIGN, 0x1002 }, /* and unmapped */
        { CODE + 2, UNDEF, SPSR_IL, 0, 0, EC_PC_ALIGN, CODE + 2 },
        { 0x1000, 0, SPSR_IL, 0, 0, EC_IABT_LOWER, 0x1000 },
        { CODE, UNDEF, SPSR_IL, 0, 0, EC_ILLEGAL_STATE, 0 },
        { CODE, MRS_CTR, SPSR_IL, 0, 0, EC_ILLEGAL_STATE, 0 },
        { CODE, BRK, SPSR_IL, 0, 0, EC_ILLEGAL_STATE, 0 },
        { CODE, LDR_SP, SPSR_IL, 8, 0, EC_ILLEGAL_STATE, 0 },
        { CODE, LDR_SP, 0, 8, 0, EC_SP_ALIGN, 0 }, /* and unmapped */
        { CODE, LDR_SP, 0, 0x10, 0, EC_DABT_LOWER, 0x10 },
        { CODE, LDR_X5, 0, 8, 0x18, EC_DABT_LOWER, 0x18 },
    };
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    c->sys.sctlr_el1 |= SCTLR_SA0;
    c->sys.sctlr_el1 &= ~SCTLR_UCT;
    for (size_t n = 0; n < ARRAY_LEN(t); n++) {
        if (t[n].pc >= RIG_USER)
            rig_poke(rig, t[n].pc & ~UINT64_C(3), t[n].word);
        rig_enter(rig, t[n].pc, t[n].pstate);
        c->x[REG_SP] = t[n].sp;
        c->x[5] = t[n].x5;
        assert_int_equal(rig_run(rig), CPU_STOP_HVC);
        if (ec(rig) != t[n].ec)
            fail_msg("row %zu: ESR %#llx", n, (unsigned long long)c->sys.esr_el1);
        assert_int_equal(c->sys.elr_el1, t[n].pc);
        assert_int_equal(c->sys.spsr_el1, t[n].pstate);
        if (t[n].ec != EC_DABT_LOWER && t[n].ec != EC_IABT_LOWER)
            assert_int_equal(c->sys.esr_el1 & ESR_ISS, 0);
        assert_true(c->sys.esr_el1 & ESR_IL);
        if (t[n].far)
            assert_int_equal(c->sys.far_el1, t[n].far);
    }
}

/* FAR keeps the tag of a data address; a branch has dropped that of an instruction's. */
static void test_tags_in_far(void **state)
{
    enum { LDR_X5 = 0xf94000a0, STP_X5 = 0xa90000a0, BR_X5 = 0xd61f00a0, DC_CIVAC = 0xd50b7e25 };
    struct rig *rig = *state;
    struct cpu *c = rig->c;
    gva_t tag = UINT64_C(0x5a) << 56; /* TCR_EL1.TBI0 is set */
    static const struct {
        uint32_t word;
        gva_t va, far;
        bool tagged;
    } t[] = {
        { LDR_X5, 0x1000, 0x1000, true },
        { DC_CIVAC, 0x1234, 0x1234, true },
        { STP_X5, RIG_SYSTEM - 8, RIG_SYSTEM, true }, /* the second page's first byte */
        { BR_X5, 0x1000, 0x1000, false },
        { BR_X5, 0x1002, 0x1002, false },
    };

    for (size_t n = 0; n < ARRAY_LEN(t); n++) {
        rig_poke(rig, CODE, t[n].word);
        rig_enter(rig, CODE, 0);
        c->x[5] = t[n].va | tag;
        assert_int_equal(rig_run(rig), CPU_STOP_HVC);
        assert_int_equal(c->sys.far_el1, t[n].far | (t[n].tagged ? tag : 0));
        assert_int_equal(c->sys.elr_el1, t[n].tagged ? CODE : t[n].far);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_traps),
        T(test_wfe_with_an_event_is_not_trapped),
        T(test_undefined_at_el0),
        T(test_priorities),
        T(test_tags_in_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
