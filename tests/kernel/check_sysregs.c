/*
 * System registers: what reset defines, what a write leaves, who may touch them, and which
 * encodings there are. Values are masked to what CPU model portable announces.
 */
#include "space.h"

#define SYSREG(op0, op1, crn, crm, op2) \
    ((uint32_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))
#define MRS(rt, enc) (0xd5200000 | (uint32_t)(enc) << 5 | (rt))
#define MSR(rt, enc) (0xd5000000 | (uint32_t)(enc) << 5 | (rt))
#define INSN_ISB     0xd5033fdf
#define INSN_RET     0xd65f03c0

#define ALL UINT64_MAX

struct reg {
    const char *name;
    uint32_t enc;
    uint64_t shown;  /* bits that are compared: announced, writable or fixed */
    uint64_t spared; /* bits that the all-ones value leaves alone */
};

/* Registers that take values (Arm DDI 0487, D19.2). */
static const struct reg regs[] = {
    { "SCTLR_EL1", SYSREG(3, 0, 1, 0, 0),
      BITS(5, 0) | BITS(9, 7) | BIT(12) | BITS(16, 14) | BITS(20, 18) | BIT(23) | BIT(26),
      SCTLR_M | BIT(24) | BIT(25) },
    { "ACTLR_EL1", SYSREG(3, 0, 1, 0, 1), ALL, 0 },
    { "CPACR_EL1", SYSREG(3, 0, 1, 0, 2), BITS(21, 20), BITS(63, 22) | BITS(19, 0) },
    { "TTBR0_EL1", SYSREG(3, 0, 2, 0, 0), ALL, 0 },
    { "TTBR1_EL1", SYSREG(3, 0, 2, 0, 1), ALL, 0 },
    { "TCR_EL1", SYSREG(3, 0, 2, 0, 2), BITS(5, 0) | BITS(34, 7) | BITS(38, 36) | BITS(56, 55), 0 },
    { "SPSR_EL1", SYSREG(3, 0, 4, 0, 0), SPSR_MASK, 0 },
    { "ELR_EL1", SYSREG(3, 0, 4, 0, 1), ALL, 0 },
    { "SP_EL0", SYSREG(3, 0, 4, 1, 0), ALL, 0 },
    { "PAN", SYSREG(3, 0, 4, 2, 3), ALL, 0 },
    { "AFSR0_EL1", SYSREG(3, 0, 5, 1, 0), 0, 0 },
    { "AFSR1_EL1", SYSREG(3, 0, 5, 1, 1), 0, 0 },
    { "ESR_EL1", SYSREG(3, 0, 5, 2, 0), BITS(31, 0), 0 },
    { "FAR_EL1", SYSREG(3, 0, 6, 0, 0), ALL, 0 },
    { "PAR_EL1", SYSREG(3, 0, 7, 4, 0), BIT(0), 0 },
    { "MAIR_EL1", SYSREG(3, 0, 10, 2, 0), ALL, 0 },
    { "AMAIR_EL1", SYSREG(3, 0, 10, 3, 0), 0, 0 },
    { "VBAR_EL1", SYSREG(3, 0, 12, 0, 0), BITS(63, 11), 0 },
    { "CONTEXTIDR_EL1", SYSREG(3, 0, 13, 0, 1), BITS(31, 0), 0 },
    { "TPIDR_EL1", SYSREG(3, 0, 13, 0, 4), ALL, 0 },
    { "CNTKCTL_EL1", SYSREG(3, 0, 14, 1, 0), BITS(9, 0), 0 },
    { "CSSELR_EL1", SYSREG(3, 2, 0, 0, 0), 0, 0 },
    { "NZCV", SYSREG(3, 3, 4, 2, 0), ALL, 0 },
    { "DAIF", SYSREG(3, 3, 4, 2, 1), ALL, 0 },
    { "FPCR", SYSREG(3, 3, 4, 4, 0), BITS(26, 22) | BIT(19), BITS(15, 8) | BITS(2, 0) },
    { "FPSR", SYSREG(3, 3, 4, 4, 1), BIT(27) | BIT(7) | BITS(4, 0), 0 },
    { "TPIDR_EL0", SYSREG(3, 3, 13, 0, 2), ALL, 0 },
    { "TPIDRRO_EL0", SYSREG(3, 3, 13, 0, 3), ALL, 0 },
    { "CNTP_CTL_EL0", SYSREG(3, 3, 14, 2, 1), BITS(1, 0), 0 },
    { "CNTP_CVAL_EL0", SYSREG(3, 3, 14, 2, 2), ALL, 0 },
    { "CNTV_CTL_EL0", SYSREG(3, 3, 14, 3, 1), BITS(1, 0), 0 },
    { "CNTV_CVAL_EL0", SYSREG(3, 3, 14, 3, 2), ALL, 0 },
    { "MDCCINT_EL1", SYSREG(2, 0, 0, 2, 0), 0, 0 },
    { "MDSCR_EL1", SYSREG(2, 0, 0, 2, 2), BIT(0) | BIT(12) | BIT(13) | BIT(15), BIT(0) },
    { "DBGBVR0_EL1", SYSREG(2, 0, 0, 0, 4), BITS(48, 2), 0 },
    /* Without BAS, which is RES1 where EL0 has no AArch32; KVM cannot hide that it has. */
    { "DBGBCR0_EL1", SYSREG(2, 0, 0, 0, 5), BITS(23, 20) | BITS(19, 13) | BITS(2, 0), 0 },
    { "DBGWVR0_EL1", SYSREG(2, 0, 0, 0, 6), BITS(48, 2), 0 },
    { "DBGWCR0_EL1", SYSREG(2, 0, 0, 0, 7), BITS(28, 24) | BITS(20, 13) | BITS(12, 0), 0 },
};

/* Encodings that are not compared: enc & mask == value. */
static const struct {
    uint32_t mask, value;
} skipped[] = {
    /* Announced, but QEMU 7.2 has none of them: OSDTRRX, OSDTRTX, OSECCR, DBGPRCR, the claim
     * registers, DBGAUTHSTATUS, DBGDTR_EL0 and DBGDTRTX_EL0. */
    { SYSREG(3, 7, 15, 0, 7), SYSREG(2, 0, 0, 0, 2) },
    { SYSREG(3, 7, 15, 15, 7), SYSREG(2, 0, 1, 4, 4) },
    { SYSREG(3, 7, 15, 0, 7), SYSREG(2, 0, 7, 0, 6) },
    { SYSREG(3, 7, 15, 14, 7), SYSREG(2, 3, 0, 4, 0) },
    /* Not announced by portable, but KVM cannot hide them on this CPU: SVE and SME, RAS, MTE, PMU,
     * UAO, DIT, SSBS, RNDR, TPIDR2, and registers of a Cortex. */
    { SYSREG(3, 7, 15, 15, 0), SYSREG(3, 0, 1, 2, 0) },
    { SYSREG(3, 7, 15, 15, 7), SYSREG(3, 0, 4, 2, 4) },
    { SYSREG(3, 7, 15, 0, 0), SYSREG(3, 0, 9, 0, 0) },
    { SYSREG(3, 7, 15, 15, 7), SYSREG(3, 0, 12, 1, 1) },
    { SYSREG(3, 7, 15, 15, 7), SYSREG(3, 1, 0, 0, 6) },
    { SYSREG(3, 7, 11, 0, 0), SYSREG(3, 1, 11, 0, 0) },
    { SYSREG(3, 7, 15, 0, 0), SYSREG(3, 3, 2, 0, 0) },
    { SYSREG(3, 7, 15, 15, 4), SYSREG(3, 3, 4, 2, 4) },
    { SYSREG(3, 7, 15, 15, 7), SYSREG(3, 3, 4, 2, 2) },
    { SYSREG(3, 7, 15, 0, 0), SYSREG(3, 3, 9, 0, 0) },
    { SYSREG(3, 7, 15, 15, 4), SYSREG(3, 3, 13, 0, 4) },
    { SYSREG(3, 7, 15, 8, 0), SYSREG(3, 3, 14, 8, 0) },
    { SYSREG(3, 7, 15, 15, 0), SYSREG(3, 0, 5, 3, 0) },
};

static bool compared(uint32_t enc)
{
    for (unsigned i = 0; i < COUNT(skipped); i++) {
        if ((enc & skipped[i].mask) == skipped[i].value)
            return false;
    }
    return true;
}

/* Without FEAT_IDST, which portable does not announce and KVM cannot hide, a register in the space
 * of ID registers that may not be read is UNDEFINED like any other. */
static void without_idst(uint32_t enc, struct go *g)
{
    bool id_space =
        (enc & SYSREG(3, 0, 15, 8, 0)) == SYSREG(3, 0, 0, 0, 0) && enc != SYSREG(3, 3, 0, 0, 1);

    if (id_space && ESR_EC(g->esr) == 0x18)
        g->esr = BIT(25);
}

static void print_reg(const char *name, const struct go *ones, const struct go *zeros,
                      uint64_t shown)
{
    print("sysreg.%s: ", name);
    if (returned(ones) && returned(zeros)) {
        print("ones %x zeros %x", ones->x[1] & shown, zeros->x[1] & shown);
        return;
    }
    print_trap(ones);
    print(", ");
    print_trap(zeros);
}

/* Swap x0 in, read back to x1, and put the old value back. */
static struct go swap(uint32_t enc, uint64_t value)
{
    const uint32_t words[] = { MRS(2, enc), MSR(0, enc), INSN_ISB, MRS(1, enc),
                               MSR(2, enc), INSN_ISB,    INSN_RET };

    return run_at(EL1, emit(words, COUNT(words)), value, 0, 0, 0);
}

static struct go read_at(uint64_t spsr, uint32_t enc)
{
    const uint32_t words[] = { MRS(0, enc), INSN_RET };
    struct go g = run_at(spsr, emit(words, COUNT(words)), 0, 0, 0, 0);

    without_idst(enc, &g);
    return g;
}

static struct go write_at(uint64_t spsr, uint32_t enc, uint64_t value)
{
    const uint32_t words[] = { MSR(0, enc), INSN_RET };

    return run_at(spsr, emit(words, COUNT(words)), value, 0, 0, 0);
}

static void check_values(void)
{
    for (unsigned i = 0; i < COUNT(regs); i++) {
        struct go ones = swap(regs[i].enc, ~regs[i].spared);
        struct go zeros = swap(regs[i].enc, 0);
        struct go user = read_at(EL0, regs[i].enc);

        print_reg(regs[i].name, &ones, &zeros, regs[i].shown);
        print("; el0 ");
        print_trap(&user);
        print("\n");
    }
}

static void check_reset(void)
{
    print("sysreg.reset: CurrentEL %x SPSel %x DAIF %x SCTLR.MCI %x MDSCR %x CNTV_CTL %x "
          "CNTP_CTL %x\n",
          READ("CurrentEL"), READ("spsel"), READ("daif"),
          READ("sctlr_el1") & (SCTLR_M | SCTLR_C | SCTLR_I), READ("mdscr_el1") & BIT(0),
          READ("cntv_ctl_el0") & 1, READ("cntp_ctl_el0") & 1);
}

/* Registers that nobody can write: a write is UNDEFINED. */
static void check_read_only(void)
{
    static const struct reg fixed[] = {
        { "MIDR_EL1", SYSREG(3, 0, 0, 0, 0), 0, 0 },
        { "MPIDR_EL1", SYSREG(3, 0, 0, 0, 5), BIT(31) | BIT(30) | BITS(23, 0), 0 },
        { "REVIDR_EL1", SYSREG(3, 0, 0, 0, 6), 0, 0 },
        { "ID_AA64PFR0_EL1", SYSREG(3, 0, 0, 4, 0), BITS(27, 16), 0 },
        { "ID_AA64DFR0_EL1", SYSREG(3, 0, 0, 5, 0), 0, 0 },
        { "ID_AA64ISAR0_EL1", SYSREG(3, 0, 0, 6, 0), BITS(63, 0), 0 },
        { "ID_AA64MMFR0_EL1", SYSREG(3, 0, 0, 7, 0), BITS(7, 4), 0 },
        { "ID_AA64AFR0_EL1", SYSREG(3, 0, 0, 5, 4), ALL, 0 },
        { "ID_AA64AFR1_EL1", SYSREG(3, 0, 0, 5, 5), ALL, 0 },
        { "ISR_EL1", SYSREG(3, 0, 12, 1, 0), ALL, 0 },
        { "CurrentEL", SYSREG(3, 0, 4, 2, 2), ALL, 0 },
        { "CLIDR_EL1", SYSREG(3, 1, 0, 0, 1), 0, 0 },
        { "CCSIDR_EL1", SYSREG(3, 1, 0, 0, 0), 0, 0 },
        { "AIDR_EL1", SYSREG(3, 1, 0, 0, 7), 0, 0 },
        { "CTR_EL0", SYSREG(3, 3, 0, 0, 1), BIT(31) | BITS(19, 16) | BITS(3, 0), 0 },
        { "DCZID_EL0", SYSREG(3, 3, 0, 0, 7), ALL, 0 },
        { "CNTFRQ_EL0", SYSREG(3, 3, 14, 0, 0), ALL, 0 },
        { "CNTVCT_EL0", SYSREG(3, 3, 14, 0, 2), 0, 0 },
        { "CNTPCT_EL0", SYSREG(3, 3, 14, 0, 1), 0, 0 },
        { "OSLSR_EL1", SYSREG(2, 0, 1, 1, 4), BIT(3) | BIT(2), 0 },
        { "MDRAR_EL1", SYSREG(2, 0, 1, 0, 0), 0, 0 },
        { "MDCCSR_EL0", SYSREG(2, 3, 0, 1, 0), ALL, 0 },
    };

    for (unsigned i = 0; i < COUNT(fixed); i++) {
        struct go read = read_at(EL1, fixed[i].enc);
        struct go write = write_at(EL1, fixed[i].enc, ALL);
        struct go user = read_at(EL0, fixed[i].enc);

        print("sysreg.%s: ", fixed[i].name);
        if (returned(&read))
            print("reads %x", read.x[0] & fixed[i].shown);
        else
            print_trap(&read);
        print("; write ");
        print_trap(&write);
        print("; el0 ");
        print_trap(&user);
        print("\n");
    }
}

/* ID registers of features: every field at least as portable has it. */
static void check_id_fields(void)
{
    static const struct {
        const char *name;
        uint32_t enc;
        uint64_t portable;
    } ids[] = {
        { "ID_AA64ISAR1_EL1", SYSREG(3, 0, 0, 6, 1), UINT64_C(1) << 20 },
        { "ID_AA64MMFR1_EL1", SYSREG(3, 0, 0, 7, 1), UINT64_C(1) << 20 },
        { "ID_AA64MMFR2_EL1", SYSREG(3, 0, 0, 7, 2), UINT64_C(1) << 60 },
        { "ID_AA64DFR0_EL1", SYSREG(3, 0, 0, 5, 0), UINT64_C(0x10305006) },
    };

    for (unsigned i = 0; i < COUNT(ids); i++) {
        struct go g = read_at(EL1, ids[i].enc);
        bool less = false;

        for (unsigned lo = 0; lo < 64; lo += 4)
            less |= (g.x[0] >> lo & 15) < (ids[i].portable >> lo & 15);
        print("sysreg.fields-%s: %s\n", ids[i].name, less ? "lacks something" : "has it all");
    }
}

/* Which encodings can be read at EL1, one line for each op0, op1 and CRn that has any. */
static void check_readable(uint64_t spsr, const char *name)
{
    for (unsigned group = 0; group < 2 * 8 * 16; group++) {
        unsigned op0 = 2 + group / 128, op1 = group / 16 % 8, crn = group % 16;
        bool any = false;

        for (unsigned low = 0; low < 128; low++) {
            uint32_t enc = SYSREG(op0, op1, crn, 0, 0) | low;
            struct go g;

            if (!compared(enc))
                continue;
            g = read_at(spsr, enc);
            if (!returned(&g) && ESR_EC(g.esr) == 0)
                continue;
            if (!any)
                print("sysreg.%s.%d.%d.%d:", name, op0, op1, crn);
            any = true;
            print(" %d.%d", low >> 3, low & 7);
            if (!returned(&g))
                print("(%x)", g.esr);
        }
        if (any)
            print("\n");
    }
}

void check_sysregs(void)
{
    check_reset();
    check_values();
    check_read_only();
    check_id_fields();
    check_readable(EL1, "readable");
    check_readable(EL0, "readable_el0");
}
