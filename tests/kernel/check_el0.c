/* What EL1 keeps from EL0: system registers and operations that SCTLR_EL1 and CNTKCTL_EL1 guard. */
#include "space.h"

#define GROUP "el0"

SNIPPET(u_ctr, "mrs x3, ctr_el0");
SNIPPET(u_dczid, "mrs x0, dczid_el0");
SNIPPET(u_zva, "dc zva, x0");
SNIPPET(u_cvau, "dc cvau, x0");
SNIPPET(u_cvac, "dc cvac, x0");
SNIPPET(u_civac, "dc civac, x0");
SNIPPET(u_ivac, "dc ivac, x0");
SNIPPET(u_isw, "dc isw, x0");
SNIPPET(u_ivau, "ic ivau, x0");
SNIPPET(u_iallu, "ic iallu");
SNIPPET(u_tlbi, "tlbi vmalle1");
SNIPPET(u_at, "at s1e1r, x0");
SNIPPET(u_read_daif, "mrs x0, daif");
SNIPPET(u_write_daif, "msr daif, x0");
SNIPPET(u_daifset, "msr daifset, #2");
SNIPPET(u_daifclr, "msr daifclr, #5\nmrs x0, daif");
SNIPPET(u_cntfrq, "mrs x7, cntfrq_el0");
SNIPPET(u_cntvct, "mrs x7, cntvct_el0");
SNIPPET(u_cntpct, "mrs x7, cntpct_el0");
SNIPPET(u_cntv_ctl, "mrs x7, cntv_ctl_el0");
SNIPPET(u_cntv_cval, "mrs x7, cntv_cval_el0");
SNIPPET(u_cntv_tval, "msr cntv_tval_el0, x7");
SNIPPET(u_cntp_ctl, "mrs x7, cntp_ctl_el0");
SNIPPET(u_cntp_cval, "msr cntp_cval_el0, x7");
SNIPPET(u_cntp_tval, "mrs x7, cntp_tval_el0");
SNIPPET(u_mdccsr, "mrs x7, mdccsr_el0");
SNIPPET(u_tpidrro, "msr tpidrro_el0, x0");
SNIPPET(u_tpidr, "msr tpidr_el0, x0\nmrs x1, tpidr_el0");
SNIPPET(u_cntfrq_write, "msr cntfrq_el0, x0");
SNIPPET(u_rt, "mrs x17, ctr_el0");

struct row {
    const char *name;
    const char *pc;
    uint64_t bits; /* of the register that guards it */
};

static void each(const char *state, const struct row *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct go g = run_at(EL0, rows[i].pc, ARENA, 0, 0, 0);

        print(GROUP ".%s-%s: ", rows[i].name, state);
        print_trap(&g);
        print("\n");
    }
}

static void sctlr_bits(void)
{
    static const struct row rows[] = {
        { "ctr", u_ctr, SCTLR_UCT },
        { "ctr-x17", u_rt, SCTLR_UCT },
        { "cvau", u_cvau, SCTLR_UCI },
        { "cvac", u_cvac, SCTLR_UCI },
        { "civac", u_civac, SCTLR_UCI },
        { "ivau", u_ivau, SCTLR_UCI },
        { "read-daif", u_read_daif, SCTLR_UMA },
        { "write-daif", u_write_daif, SCTLR_UMA },
        { "daifset", u_daifset, SCTLR_UMA },
        { "daifclr", u_daifclr, SCTLR_UMA },
    };
    uint64_t sctlr = READ("sctlr_el1"), bits = SCTLR_UCT | SCTLR_DZE | SCTLR_UCI | SCTLR_UMA;
    struct go g;

    WRITE("sctlr_el1", sctlr & ~bits);
    each("off", rows, COUNT(rows));
    g = run_at(EL0, u_zva, ARENA, 0, 0, 0);
    report(GROUP, "zva-off", &g);
    g = run_at(EL0, u_dczid, 0, 0, 0, 0);
    print(GROUP ".dczid-off: %x\n", g.x[0]);
    WRITE("sctlr_el1", sctlr | bits);
    each("on", rows, COUNT(rows));
    g = run_at(EL0, u_dczid, 0, 0, 0, 0);
    print(GROUP ".dczid-on: %x\n", g.x[0]);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        WRITE("sctlr_el1", (sctlr | bits) & ~rows[i].bits);
        g = run_at(EL0, rows[i].pc, ARENA, 0, 0, 0);
        print(GROUP ".%s-alone: ", rows[i].name);
        print_trap(&g);
        print("\n");
    }
    WRITE("sctlr_el1", sctlr);
}

static void never(void)
{
    static const struct row rows[] = {
        { "ivac", u_ivac, 0 },   { "isw", u_isw, 0 },
        { "iallu", u_iallu, 0 }, { "tlbi", u_tlbi, 0 },
        { "at", u_at, 0 },       { "tpidrro", u_tpidrro, 0 },
        { "tpidr", u_tpidr, 0 }, { "cntfrq-write", u_cntfrq_write, 0 },
    };
    uint64_t sctlr = READ("sctlr_el1");

    WRITE("sctlr_el1", sctlr | SCTLR_UCT | SCTLR_DZE | SCTLR_UCI | SCTLR_UMA);
    each("never", rows, COUNT(rows));
    WRITE("sctlr_el1", sctlr);
}

/* CNTKCTL_EL1: EL0PCTEN, EL0VCTEN, EL0VTEN, EL0PTEN (D19.12.15). */
static void timers(void)
{
    static const struct row rows[] = {
        { "cntfrq", u_cntfrq, 0 },       { "cntvct", u_cntvct, 0 },
        { "cntpct", u_cntpct, 0 },       { "cntv_ctl", u_cntv_ctl, 0 },
        { "cntv_cval", u_cntv_cval, 0 }, { "cntv_tval", u_cntv_tval, 0 },
        { "cntp_ctl", u_cntp_ctl, 0 },   { "cntp_cval", u_cntp_cval, 0 },
        { "cntp_tval", u_cntp_tval, 0 },
    };
    static const struct {
        const char *name;
        uint64_t value;
    } states[] = {
        { "none", 0 },      { "pcten", BIT(0) }, { "vcten", BIT(1) },
        { "vten", BIT(8) }, { "pten", BIT(9) },
    };
    uint64_t cntkctl = READ("cntkctl_el1");

    for (unsigned i = 0; i < COUNT(states); i++) {
        WRITE("cntkctl_el1", states[i].value);
        each(states[i].name, rows, COUNT(rows));
    }
    WRITE("cntkctl_el1", cntkctl);
}

/* MDSCR_EL1.TDCC keeps the debug channel from EL0. */
static void dcc(void)
{
    uint64_t mdscr = READ("mdscr_el1");
    struct go g;

    WRITE("mdscr_el1", mdscr | BIT(12));
    g = run_at(EL0, u_mdccsr, 0, 0, 0, 0);
    report(GROUP, "mdccsr-tdcc", &g);
    WRITE("mdscr_el1", mdscr & ~BIT(12));
    g = run_at(EL0, u_mdccsr, 0, 0, 0, 0);
    report(GROUP, "mdccsr", &g);
    WRITE("mdscr_el1", mdscr);
}

void check_el0(void)
{
    sctlr_bits();
    never();
    timers();
    dcc();
}
