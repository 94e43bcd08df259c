/*
 * The system registers that exist (Arm DDI 0487, D19), with who may use them. What is not here, in
 * the families of sysreg.c or in a table of operations is UNDEFINED.
 */
#include "cpu/sysreg_row.h"

#include "cpu/debug.h"
#include "cpu/exc.h"
#include "cpu/gic.h"
#include "cpu/idregs.h"
#include "cpu/mmu.h"
#include "cpu/sysreg_access.h"
#include "cpu/timer.h"

#define SCTLR_UMA BIT(9)
#define SCTLR_DZE BIT(14)
#define SCTLR_UCT BIT(15)

/* Every bit but those of features that are not announced: EE, E0E, PAuth, BTI, MTE, SSBS, ... */
#define SCTLR_MASK                                                                         \
    (BITS(5, 0) | BITS(9, 7) | BITS(12, 11) | BITS(16, 14) | BITS(20, 18) | BITS(23, 22) | \
     BIT(26) | BITS(29, 28))
/* No HA, HD, HPD, TBID, NFD, DS. */
#define TCR_MASK (BITS(34, 0) | BITS(38, 36) | BITS(56, 55))

#define CPACR_MASK BITS(21, 20)
/* What only a debugger that saves EDSCR uses: RXfull, TXfull, RXO, TXU, INTdis, TDA, HDE, ERR. */
#define MDSCR_LOCKED     (BITS(30, 29) | BITS(27, 26) | BITS(23, 21) | BIT(14) | BIT(6))
#define MDSCR_MASK       (MDSCR_LOCKED | MDSCR_MDE | MDSCR_KDE | MDSCR_TDCC | MDSCR_SS)
#define MDCCINT_MASK     BITS(30, 29)
#define CLAIM_TAGS       UINT64_C(0xff)
#define FPCR_MASK        (BITS(26, 22) | BIT(19)) /* AHP, DN, FZ, RMode; FZ16 */
#define FPSR_MASK        (BIT(27) | BIT(7) | BITS(4, 0))
#define CNTKCTL_EL0PCTEN BIT(0)
#define CNTKCTL_EL0VCTEN BIT(1)
#define CNTKCTL_EL0VTEN  BIT(8)
#define CNTKCTL_EL0PTEN  BIT(9)
#define DCZID_DZP        BIT(4)
#define OSLSR_OSLM       BIT(3)
#define OSLSR_OSLK       BIT(1)
#define ISR_I            BIT(7)
#define ISR_F            BIT(6)

/* Registers that always read as zero and ignore writes. */
static uint64_t read_zero(struct cpu *c)
{
    (void)c;
    return 0;
}

static void ignore(struct cpu *c, uint64_t val)
{
    (void)c;
    (void)val;
}

static uint64_t read_midr(struct cpu *c)
{
    return c->soc->model->midr;
}

static uint64_t read_mpidr(struct cpu *c)
{
    return BIT(31) | map_mpidr(c->index);
}

static uint64_t read_ctr(struct cpu *c)
{
    return c->soc->model->ctr;
}

static bool el0_ctr(const struct cpu *c)
{
    return c->sys.sctlr_el1 & SCTLR_UCT;
}

static uint64_t read_dczid(struct cpu *c)
{
    bool forbidden = c->el == 0 && !(c->sys.sctlr_el1 & SCTLR_DZE);

    return c->soc->model->dczid | (forbidden ? DCZID_DZP : 0);
}

static uint64_t read_clidr(struct cpu *c)
{
    return c->soc->model->clidr;
}

static uint64_t read_ccsidr(struct cpu *c)
{
    return idregs_ccsidr(c->soc->model, c->sys.csselr_el1);
}

/* Registers that cached translations depend on. */
static void write_regime(struct cpu *c, uint64_t *reg, uint64_t mask, uint64_t val)
{
    uint64_t old = *reg;

    *reg = (old & ~mask) | (val & mask);
    if (*reg != old)
        mmu_flush_all(c);
}

static void write_sctlr(struct cpu *c, uint64_t val)
{
    write_regime(c, &c->sys.sctlr_el1, SCTLR_MASK, val);
}

static void write_tcr(struct cpu *c, uint64_t val)
{
    write_regime(c, &c->sys.tcr_el1, TCR_MASK, val);
}

static void write_mair(struct cpu *c, uint64_t val)
{
    write_regime(c, &c->sys.mair_el1, UINT64_MAX, val);
}

static void write_ttbr0(struct cpu *c, uint64_t val)
{
    c->sys.ttbr0_el1 = val;
    mmu_update(c);
}

static void write_ttbr1(struct cpu *c, uint64_t val)
{
    c->sys.ttbr1_el1 = val;
    mmu_update(c);
}

static void write_cpacr(struct cpu *c, uint64_t val)
{
    c->sys.cpacr_el1 = val & CPACR_MASK;
    mmu_update_view(c);
}

/* SP_EL0 is UNDEFINED while it is the selected stack pointer. */
static uint64_t read_sp_el0(struct cpu *c)
{
    if (!c->sp_sel)
        exc_undefined(c);
    return c->sp_bank[0];
}

static void write_sp_el0(struct cpu *c, uint64_t val)
{
    if (!c->sp_sel)
        exc_undefined(c);
    c->sp_bank[0] = val;
}

static uint64_t read_spsel(struct cpu *c)
{
    return c->sp_sel;
}

static void write_spsel(struct cpu *c, uint64_t val)
{
    exc_pstate_set(c, (exc_pstate_get(c) & ~UINT64_C(1)) | (val & 1));
}

static uint64_t read_currentel(struct cpu *c)
{
    return (uint64_t)c->el << 2;
}

static uint64_t read_pan(struct cpu *c)
{
    return (uint64_t)c->pan << 22;
}

static void write_pan(struct cpu *c, uint64_t val)
{
    c->pan = val & BIT(22);
    mmu_update_view(c);
}

/* FEAT_RNG. No number now: zero, and Z says so (RNDR). RNDRRS differs in where entropy comes from.
 */
static uint64_t read_rndr(struct cpu *c)
{
    struct soc *soc = c->soc;
    uint64_t val = 0;

    if (!(soc->model->features & CPU_RNG))
        exc_undefined(c);
    c->nzcv = soc->random && soc->random(soc->random_ctx, &val) ? 0 : NZCV_Z;
    return c->nzcv ? 0 : val;
}

static bool el0_daif(const struct cpu *c)
{
    return c->sys.sctlr_el1 & SCTLR_UMA;
}

static uint64_t read_fpcr(struct cpu *c)
{
    if (!c->fp_enabled)
        exc_fp_trap(c);
    return c->fpcr;
}

static void write_fpcr(struct cpu *c, uint64_t val)
{
    if (!c->fp_enabled)
        exc_fp_trap(c);
    c->fpcr = val & FPCR_MASK;
}

static uint64_t read_fpsr(struct cpu *c)
{
    if (!c->fp_enabled)
        exc_fp_trap(c);
    return c->fpsr;
}

static void write_fpsr(struct cpu *c, uint64_t val)
{
    if (!c->fp_enabled)
        exc_fp_trap(c);
    c->fpsr = val & FPSR_MASK;
}

static uint64_t read_isr(struct cpu *c)
{
    unsigned signals = c->soc->gic ? gic_signals(c->soc->gic, c->index) : 0;

    return (signals & GIC_SIGNAL_IRQ ? ISR_I : 0) | (signals & GIC_SIGNAL_FIQ ? ISR_F : 0);
}

static void write_daif(struct cpu *c, uint64_t val)
{
    c->daif = val & (DAIF_D | DAIF_A | DAIF_I | DAIF_F);
    debug_update(c);
}

static uint64_t read_mdscr(struct cpu *c)
{
    if (UNLIKELY(c->hyp_debug & CPU_HYP_DEBUG_REGS))
        sysreg_to_hyp(c, true);
    return c->sys.mdscr_el1;
}

/* The view of EDSCR is read-only while the OS lock is open (D19.3). */
static void write_mdscr(struct cpu *c, uint64_t val)
{
    uint64_t mask = c->sys.os_lock ? MDSCR_MASK : MDSCR_MASK & ~MDSCR_LOCKED;

    if (UNLIKELY(c->hyp_debug & CPU_HYP_DEBUG_REGS))
        sysreg_to_hyp(c, false);
    c->sys.mdscr_el1 = (c->sys.mdscr_el1 & ~mask) | (val & mask);
    debug_rearm(c);
}

/* MDCCINT_EL1 and the OS lock's registers are what EL2 traps (MDCR_EL2.TDCC, TDOSA). */
static uint64_t read_mdccint(struct cpu *c)
{
    sysreg_to_hyp(c, true);
    return c->sys.mdccint_el1;
}

static void write_mdccint(struct cpu *c, uint64_t val)
{
    sysreg_to_hyp(c, false);
    c->sys.mdccint_el1 = val & MDCCINT_MASK;
}

static uint64_t read_osdlr(struct cpu *c)
{
    sysreg_to_hyp(c, true);
    return 0;
}

static void write_osdlr(struct cpu *c, uint64_t val)
{
    (void)val;
    sysreg_to_hyp(c, false);
}

static void write_oslar(struct cpu *c, uint64_t val)
{
    sysreg_to_hyp(c, false);
    c->sys.os_lock = val & 1;
    debug_rearm(c);
}

/* Claim tags: reading SET tells which there are, reading CLR which are set (D19.3). */
static uint64_t read_claimset(struct cpu *c)
{
    (void)c;
    return CLAIM_TAGS;
}

static void write_claimset(struct cpu *c, uint64_t val)
{
    c->sys.dbgclaim |= val & CLAIM_TAGS;
}

static uint64_t read_claimclr(struct cpu *c)
{
    return c->sys.dbgclaim;
}

static void write_claimclr(struct cpu *c, uint64_t val)
{
    c->sys.dbgclaim &= ~val;
}

static uint64_t read_oslsr(struct cpu *c)
{
    sysreg_to_hyp(c, true);
    return OSLSR_OSLM | (c->sys.os_lock ? OSLSR_OSLK : 0);
}

static bool el0_dcc(const struct cpu *c)
{
    return !(c->sys.mdscr_el1 & MDSCR_TDCC);
}

static uint64_t read_cntfrq(struct cpu *c)
{
    return c->soc->counter_hz;
}

static uint64_t read_counter(struct cpu *c)
{
    return timer_count(c->soc);
}

static bool el0_cntfrq(const struct cpu *c)
{
    return c->sys.cntkctl_el1 & (CNTKCTL_EL0PCTEN | CNTKCTL_EL0VCTEN);
}

static bool el0_cntpct(const struct cpu *c)
{
    return c->sys.cntkctl_el1 & CNTKCTL_EL0PCTEN;
}

static bool el0_cntvct(const struct cpu *c)
{
    return c->sys.cntkctl_el1 & CNTKCTL_EL0VCTEN;
}

/* The two EL1 timers have the same three registers (D11.2.4). */
#define TIMER_(t, EN)                                                                \
    static uint64_t read_cnt##t##_ctl(struct cpu *c)                                 \
    {                                                                                \
        return timer_ctl(c, c->sys.cnt##t##_ctl, c->sys.cnt##t##_cval);              \
    }                                                                                \
    static void write_cnt##t##_ctl(struct cpu *c, uint64_t val)                      \
    {                                                                                \
        c->sys.cnt##t##_ctl = val & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK);            \
        (void)timer_update(c);                                                       \
    }                                                                                \
    static void write_cnt##t##_cval(struct cpu *c, uint64_t val)                     \
    {                                                                                \
        c->sys.cnt##t##_cval = val;                                                  \
        (void)timer_update(c);                                                       \
    }                                                                                \
    static uint64_t read_cnt##t##_tval(struct cpu *c)                                \
    {                                                                                \
        return (uint32_t)(c->sys.cnt##t##_cval - timer_count(c->soc));               \
    }                                                                                \
    static void write_cnt##t##_tval(struct cpu *c, uint64_t val)                     \
    {                                                                                \
        c->sys.cnt##t##_cval = timer_count(c->soc) + (uint64_t)sign_extend(val, 32); \
        (void)timer_update(c);                                                       \
    }                                                                                \
    static bool el0_cnt##t(const struct cpu *c)                                      \
    {                                                                                \
        return c->sys.cntkctl_el1 & (EN);                                            \
    }

TIMER_(p, CNTKCTL_EL0PTEN)
TIMER_(v, CNTKCTL_EL0VTEN)
#undef TIMER_

#define F(m)   offsetof(struct cpu, m)
#define S(m)   offsetof(struct cpu, sys.m)
#define ALL    UINT64_MAX
#define LOW32  UINT32_MAX
#define R1     SYSREG_R1
#define W1     SYSREG_W1
#define RW1    SYSREG_RW1
#define RO     SYSREG_RO
#define RW1_R0 (SYSREG_RW1 | SYSREG_R0)
#define RW     SYSREG_ALL
#define E      SYSREG

/* clang-format off */
const struct sysreg_row sysreg_rows[] = {
    /* encoding           access  backing          mask        name               read            write           el0 */
    { E(2, 0, 0, 0, 2),   RW1,    0,               0,          "OSDTRRX_EL1",     read_zero,      ignore,         NULL },
    { E(2, 0, 0, 2, 0),   RW1,    S(mdccint_el1),  MDCCINT_MASK, "MDCCINT_EL1",   read_mdccint,   write_mdccint,  NULL },
    { E(2, 0, 0, 2, 2),   RW1,    S(mdscr_el1),    MDSCR_MASK, "MDSCR_EL1",       read_mdscr,     write_mdscr,    NULL },
    { E(2, 0, 0, 3, 2),   RW1,    0,               0,          "OSDTRTX_EL1",     read_zero,      ignore,         NULL },
    { E(2, 0, 0, 6, 2),   RW1,    0,               0,          "OSECCR_EL1",      read_zero,      ignore,         NULL },
    { E(2, 0, 1, 0, 0),   R1,     0,               0,          "MDRAR_EL1",       read_zero,      NULL,           NULL },
    { E(2, 0, 1, 0, 4),   W1,     0,               0,          "OSLAR_EL1",       NULL,           write_oslar,    NULL },
    { E(2, 0, 1, 1, 4),   R1,     0,               0,          "OSLSR_EL1",       read_oslsr,     NULL,           NULL },
    { E(2, 0, 1, 3, 4),   RW1,    0,               0,          "OSDLR_EL1",       read_osdlr,     write_osdlr,     NULL },
    { E(2, 0, 1, 4, 4),   RW1,    0,               0,          "DBGPRCR_EL1",     read_zero,      ignore,         NULL },
    { E(2, 0, 7, 8, 6),   RW1,    0,               0,          "DBGCLAIMSET_EL1", read_claimset,  write_claimset, NULL },
    { E(2, 0, 7, 9, 6),   RW1,    0,               0,          "DBGCLAIMCLR_EL1", read_claimclr,  write_claimclr, NULL },
    { E(2, 0, 7, 14, 6),  R1,     0,               0,          "DBGAUTHSTATUS_EL1", read_zero,    NULL,           NULL },
    { E(2, 3, 0, 1, 0),   RO,     0,               0,          "MDCCSR_EL0",      read_zero,      NULL,           el0_dcc },
    { E(2, 3, 0, 4, 0),   RW,     0,               0,          "DBGDTR_EL0",      read_zero,      ignore,         el0_dcc },
    { E(2, 3, 0, 5, 0),   RW,     0,               0,          "DBGDTRTX_EL0",    read_zero,      ignore,         el0_dcc },
    { E(3, 0, 0, 0, 0),   R1,     0,               0,          "MIDR_EL1",        read_midr,      NULL,           NULL },
    { E(3, 0, 0, 0, 5),   R1,     0,               0,          "MPIDR_EL1",       read_mpidr,     NULL,           NULL },
    { E(3, 0, 0, 0, 6),   R1,     0,               0,          "REVIDR_EL1",      read_zero,      NULL,           NULL },
    { E(3, 0, 1, 0, 0),   RW1,    S(sctlr_el1),    SCTLR_MASK, "SCTLR_EL1",       NULL,           write_sctlr,    NULL },
    { E(3, 0, 1, 0, 1),   RW1,    S(actlr_el1),    0,          "ACTLR_EL1",       NULL,           NULL,           NULL },
    { E(3, 0, 1, 0, 2),   RW1,    S(cpacr_el1),    CPACR_MASK, "CPACR_EL1",       NULL,           write_cpacr,    NULL },
    { E(3, 0, 2, 0, 0),   RW1,    S(ttbr0_el1),    ALL,        "TTBR0_EL1",       NULL,           write_ttbr0,    NULL },
    { E(3, 0, 2, 0, 1),   RW1,    S(ttbr1_el1),    ALL,        "TTBR1_EL1",       NULL,           write_ttbr1,    NULL },
    { E(3, 0, 2, 0, 2),   RW1,    S(tcr_el1),      TCR_MASK,   "TCR_EL1",         NULL,           write_tcr,      NULL },
    { E(3, 0, 4, 0, 0),   RW1,    S(spsr_el1),     LOW32,      "SPSR_EL1",        NULL,           NULL,           NULL },
    { E(3, 0, 4, 0, 1),   RW1,    S(elr_el1),      ALL,        "ELR_EL1",         NULL,           NULL,           NULL },
    { E(3, 0, 4, 1, 0),   RW1,    0,               0,          "SP_EL0",          read_sp_el0,    write_sp_el0,   NULL },
    { E(3, 0, 4, 2, 0),   RW1,    0,               0,          "SPSel",           read_spsel,     write_spsel,    NULL },
    { E(3, 0, 4, 2, 2),   R1,     0,               0,          "CurrentEL",       read_currentel, NULL,           NULL },
    { E(3, 0, 4, 2, 3),   RW1,    0,               0,          "PAN",             read_pan,       write_pan,      NULL },
    { E(3, 0, 5, 1, 0),   RW1,    S(afsr0_el1),    ALL,        "AFSR0_EL1",       NULL,           NULL,           NULL },
    { E(3, 0, 5, 1, 1),   RW1,    S(afsr1_el1),    ALL,        "AFSR1_EL1",       NULL,           NULL,           NULL },
    { E(3, 0, 5, 2, 0),   RW1,    S(esr_el1),      ALL,        "ESR_EL1",         NULL,           NULL,           NULL },
    { E(3, 0, 6, 0, 0),   RW1,    S(far_el1),      ALL,        "FAR_EL1",         NULL,           NULL,           NULL },
    { E(3, 0, 7, 4, 0),   RW1,    S(par_el1),      ALL,        "PAR_EL1",         NULL,           NULL,           NULL },
    { E(3, 0, 10, 2, 0),  RW1,    S(mair_el1),     ALL,        "MAIR_EL1",        NULL,           write_mair,     NULL },
    { E(3, 0, 10, 3, 0),  RW1,    S(amair_el1),    ALL,        "AMAIR_EL1",       NULL,           NULL,           NULL },
    { E(3, 0, 12, 0, 0),  RW1,    S(vbar_el1),     BITS(63, 11), "VBAR_EL1",      NULL,           NULL,           NULL },
    { E(3, 0, 12, 1, 0),  R1,     0,               0,          "ISR_EL1",         read_isr,       NULL,           NULL },
    { E(3, 0, 13, 0, 1),  RW1,    S(contextidr_el1), LOW32,    "CONTEXTIDR_EL1",  NULL,           NULL,           NULL },
    { E(3, 0, 13, 0, 4),  RW1,    S(tpidr_el1),    ALL,        "TPIDR_EL1",       NULL,           NULL,           NULL },
    { E(3, 0, 14, 1, 0),  RW1,    S(cntkctl_el1),  BITS(9, 0), "CNTKCTL_EL1",     NULL,           NULL,           NULL },
    { E(3, 1, 0, 0, 0),   R1,     0,               0,          "CCSIDR_EL1",      read_ccsidr,    NULL,           NULL },
    { E(3, 1, 0, 0, 1),   R1,     0,               0,          "CLIDR_EL1",       read_clidr,     NULL,           NULL },
    { E(3, 1, 0, 0, 7),   R1,     0,               0,          "AIDR_EL1",        read_zero,      NULL,           NULL },
    { E(3, 2, 0, 0, 0),   RW1,    S(csselr_el1),   BITS(3, 0), "CSSELR_EL1",      NULL,           NULL,           NULL },
    { E(3, 3, 0, 0, 1),   RO,     0,               0,          "CTR_EL0",         read_ctr,       NULL,           el0_ctr },
    { E(3, 3, 0, 0, 7),   RO,     0,               0,          "DCZID_EL0",       read_dczid,     NULL,           NULL },
    { E(3, 3, 2, 4, 0),   RO,     0,               0,          "RNDR",            read_rndr,      NULL,           NULL },
    { E(3, 3, 2, 4, 1),   RO,     0,               0,          "RNDRRS",          read_rndr,      NULL,           NULL },
    { E(3, 3, 4, 2, 0),   RW,     F(nzcv),         BITS(31, 28), "NZCV",          NULL,           NULL,           NULL },
    { E(3, 3, 4, 2, 1),   RW,     F(daif),         BITS(9, 6), "DAIF",            NULL,           write_daif,     el0_daif },
    { E(3, 3, 4, 4, 0),   RW,     F(fpcr),         FPCR_MASK,   "FPCR",            read_fpcr,      write_fpcr,     NULL },
    { E(3, 3, 4, 4, 1),   RW,     F(fpsr),         FPSR_MASK,   "FPSR",            read_fpsr,      write_fpsr,     NULL },
    { E(3, 3, 13, 0, 2),  RW,     S(tpidr_el0),    ALL,        "TPIDR_EL0",       NULL,           NULL,           NULL },
    { E(3, 3, 13, 0, 3),  RW1_R0, S(tpidrro_el0),  ALL,        "TPIDRRO_EL0",     NULL,           NULL,           NULL },
    { E(3, 3, 14, 0, 0),  RO,     0,               0,          "CNTFRQ_EL0",      read_cntfrq,    NULL,           el0_cntfrq },
    { E(3, 3, 14, 0, 1),  RO,     0,               0,          "CNTPCT_EL0",      read_counter,   NULL,           el0_cntpct },
    { E(3, 3, 14, 0, 2),  RO,     0,               0,          "CNTVCT_EL0",      read_counter,   NULL,           el0_cntvct },
    { E(3, 3, 14, 2, 0),  RW,     0,               0,          "CNTP_TVAL_EL0",   read_cntp_tval, write_cntp_tval, el0_cntp },
    { E(3, 3, 14, 2, 1),  RW,     0,               0,          "CNTP_CTL_EL0",    read_cntp_ctl,  write_cntp_ctl, el0_cntp },
    { E(3, 3, 14, 2, 2),  RW,     S(cntp_cval),    ALL,        "CNTP_CVAL_EL0",   NULL,           write_cntp_cval, el0_cntp },
    { E(3, 3, 14, 3, 0),  RW,     0,               0,          "CNTV_TVAL_EL0",   read_cntv_tval, write_cntv_tval, el0_cntv },
    { E(3, 3, 14, 3, 1),  RW,     0,               0,          "CNTV_CTL_EL0",    read_cntv_ctl,  write_cntv_ctl, el0_cntv },
    { E(3, 3, 14, 3, 2),  RW,     S(cntv_cval),    ALL,        "CNTV_CVAL_EL0",   NULL,           write_cntv_cval, el0_cntv },
};
/* clang-format on */

const unsigned sysreg_row_count = ARRAY_LEN(sysreg_rows);
