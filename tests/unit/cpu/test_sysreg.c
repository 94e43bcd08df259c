/*
 * System registers: every encoding there is, read and written at both levels, against a list of
 * what must exist; masks, traps; SYS operations and address translation.
 */
#include <errno.h>

#include "cpu/idregs.h"
#include "cpu/sysreg_row.h"
#include "sys_rig.h"

#define SCTLR   SYSREG(3, 0, 1, 0, 0)
#define CNTKCTL SYSREG(3, 0, 14, 1, 0)
#define UMA     BIT(9)
#define DZE     BIT(14)
#define UCT     BIT(15)
#define UCI     BIT(26)

static int setup(void **state)
{
    static struct sys_rig rig;

    sys_rig_init(&rig, 1);
    rig.c->sys.cpacr_el1 = BITS(21, 20);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    sys_rig_fini(*state);
    return 0;
}

/* 0 allowed, else the exception class; EC_UNKNOWN is 0x100 to tell them apart. */
#define UNDEF 0x100

static unsigned outcome(struct sys_rig *rig, int how)
{
    if (how == 0)
        return 0;
    assert_int_equal(how, CPU_ESCAPE_GO_ON);
    return rig_ec(rig) == EC_UNKNOWN ? UNDEF : rig_ec(rig);
}

static unsigned try_read(struct sys_rig *rig, uint64_t pstate, uint16_t enc, uint64_t *ret_val)
{
    static volatile uint64_t val;
    int how;

    rig_at(rig, pstate);
    val = 0;
    how = TRY(rig, val = sysreg_read(rig->c, enc));
    if (ret_val)
        *ret_val = val;
    return outcome(rig, how);
}

static unsigned try_write(struct sys_rig *rig, uint64_t pstate, uint16_t enc, uint64_t val)
{
    int how;

    rig_at(rig, pstate);
    how = TRY(rig, sysreg_write(rig->c, enc, val));
    return outcome(rig, how);
}

static uint64_t value(struct sys_rig *rig, uint16_t enc)
{
    uint64_t val;

    assert_int_equal(try_read(rig, EL1H, enc, &val), 0);
    return val;
}

static void test_the_table_is_sorted(void **state)
{
    (void)state;
    for (unsigned i = 1; i < sysreg_row_count; i++)
        assert_true(sysreg_rows[i - 1].enc < sysreg_rows[i].enc);
    for (unsigned i = 0; i < sysreg_row_count; i++)
        assert_ptr_equal(sysreg_find(sysreg_rows[i].enc), &sysreg_rows[i]);
}

/* What exists, apart from the code's own table: encoding and the accesses that are allowed with
 * every EL0 enable set. r, w: EL1; R, W: EL0. Families are spelled out in expected(). */
static const struct {
    uint16_t enc;
    const char *allowed;
} exist[] = {
    { SYSREG(2, 0, 0, 0, 2), "rw" },    { SYSREG(2, 0, 0, 2, 0), "rw" },
    { SYSREG(2, 0, 0, 2, 2), "rw" },    { SYSREG(2, 0, 0, 3, 2), "rw" },
    { SYSREG(2, 0, 0, 6, 2), "rw" },    { SYSREG(2, 0, 1, 0, 0), "r" },
    { SYSREG(2, 0, 1, 0, 4), "w" },     { SYSREG(2, 0, 1, 1, 4), "r" },
    { SYSREG(2, 0, 1, 3, 4), "rw" },    { SYSREG(2, 0, 1, 4, 4), "rw" },
    { SYSREG(2, 0, 7, 8, 6), "rw" },    { SYSREG(2, 0, 7, 9, 6), "rw" },
    { SYSREG(2, 0, 7, 14, 6), "r" },    { SYSREG(2, 3, 0, 1, 0), "rR" },
    { SYSREG(2, 3, 0, 4, 0), "rwRW" },  { SYSREG(2, 3, 0, 5, 0), "rwRW" },
    { SYSREG(3, 0, 0, 0, 0), "r" },     { SYSREG(3, 0, 0, 0, 5), "r" },
    { SYSREG(3, 0, 0, 0, 6), "r" },     { SYSREG(3, 0, 1, 0, 0), "rw" },
    { SYSREG(3, 0, 1, 0, 1), "rw" },    { SYSREG(3, 0, 1, 0, 2), "rw" },
    { SYSREG(3, 0, 2, 0, 0), "rw" },    { SYSREG(3, 0, 2, 0, 1), "rw" },
    { SYSREG(3, 0, 2, 0, 2), "rw" },    { SYSREG(3, 0, 4, 0, 0), "rw" },
    { SYSREG(3, 0, 4, 0, 1), "rw" },    { SYSREG(3, 0, 4, 1, 0), "rw" },
    { SYSREG(3, 0, 4, 2, 0), "rw" },    { SYSREG(3, 0, 4, 2, 2), "r" },
    { SYSREG(3, 0, 4, 2, 3), "rw" },    { SYSREG(3, 0, 4, 6, 0), "rw" },
    { SYSREG(3, 0, 5, 1, 0), "rw" },    { SYSREG(3, 0, 5, 1, 1), "rw" },
    { SYSREG(3, 0, 5, 2, 0), "rw" },    { SYSREG(3, 0, 6, 0, 0), "rw" },
    { SYSREG(3, 0, 7, 4, 0), "rw" },    { SYSREG(3, 0, 10, 2, 0), "rw" },
    { SYSREG(3, 0, 10, 3, 0), "rw" },   { SYSREG(3, 0, 12, 0, 0), "rw" },
    { SYSREG(3, 0, 12, 1, 0), "r" },    { SYSREG(3, 0, 12, 8, 0), "r" },
    { SYSREG(3, 0, 12, 8, 1), "w" },    { SYSREG(3, 0, 12, 8, 2), "r" },
    { SYSREG(3, 0, 12, 8, 3), "rw" },   { SYSREG(3, 0, 12, 8, 4), "rw" },
    { SYSREG(3, 0, 12, 9, 0), "rw" },   { SYSREG(3, 0, 12, 11, 1), "w" },
    { SYSREG(3, 0, 12, 11, 3), "r" },   { SYSREG(3, 0, 12, 11, 5), "w" },
    { SYSREG(3, 0, 12, 11, 6), "w" },   { SYSREG(3, 0, 12, 11, 7), "w" },
    { SYSREG(3, 0, 12, 12, 0), "r" },   { SYSREG(3, 0, 12, 12, 1), "w" },
    { SYSREG(3, 0, 12, 12, 2), "r" },   { SYSREG(3, 0, 12, 12, 3), "rw" },
    { SYSREG(3, 0, 12, 12, 4), "rw" },  { SYSREG(3, 0, 12, 12, 5), "rw" },
    { SYSREG(3, 0, 12, 12, 6), "rw" },  { SYSREG(3, 0, 12, 12, 7), "rw" },
    { SYSREG(3, 0, 13, 0, 1), "rw" },   { SYSREG(3, 0, 13, 0, 4), "rw" },
    { SYSREG(3, 0, 14, 1, 0), "rw" },   { SYSREG(3, 1, 0, 0, 0), "r" },
    { SYSREG(3, 1, 0, 0, 1), "r" },     { SYSREG(3, 1, 0, 0, 7), "r" },
    { SYSREG(3, 2, 0, 0, 0), "rw" },    { SYSREG(3, 3, 0, 0, 1), "rR" },
    { SYSREG(3, 3, 0, 0, 7), "rR" },    { SYSREG(3, 3, 4, 2, 0), "rwRW" },
    { SYSREG(3, 3, 4, 2, 1), "rwRW" },  { SYSREG(3, 3, 4, 4, 0), "rwRW" },
    { SYSREG(3, 3, 4, 4, 1), "rwRW" },  { SYSREG(3, 3, 13, 0, 2), "rwRW" },
    { SYSREG(3, 3, 13, 0, 3), "rwR" },  { SYSREG(3, 3, 14, 0, 0), "rR" },
    { SYSREG(3, 3, 14, 0, 1), "rR" },   { SYSREG(3, 3, 14, 0, 2), "rR" },
    { SYSREG(3, 3, 14, 2, 0), "rwRW" }, { SYSREG(3, 3, 14, 2, 1), "rwRW" },
    { SYSREG(3, 3, 14, 2, 2), "rwRW" }, { SYSREG(3, 3, 14, 3, 0), "rwRW" },
    { SYSREG(3, 3, 14, 3, 1), "rwRW" }, { SYSREG(3, 3, 14, 3, 2), "rwRW" },
};

static const char *expected(uint16_t enc)
{
    unsigned crm = enc >> 3 & 15, op2 = enc & 7;

    for (size_t i = 0; i < ARRAY_LEN(exist); i++) {
        if (exist[i].enc == enc)
            return exist[i].allowed;
    }
    if (enc >= SYSREG(3, 0, 0, 1, 0) && enc <= SYSREG(3, 0, 0, 7, 7))
        return "r"; /* ID registers, reserved ones too */
    if ((enc & ~0x7f) == SYSREG(2, 0, 0, 0, 0) && op2 >= 4 && crm < (op2 < 6 ? 6u : 4u))
        return "rw"; /* DBGBVR, DBGBCR, DBGWVR, DBGWCR */
    return "";
}

static void test_every_encoding(void **state)
{
    static const struct {
        char letter;
        uint64_t pstate;
        bool read;
    } ways[] = {
        { 'r', EL1H, true }, { 'w', EL1H, false }, { 'R', EL0T, true }, { 'W', EL0T, false }
    };
    struct sys_rig *rig = *state;

    for (unsigned enc = 0x8000; enc < 0x10000; enc++) {
        for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
            bool allowed = strchr(expected((uint16_t)enc), ways[i].letter);
            unsigned got;

            rig->c->sys.sctlr_el1 = UMA | UCT | DZE | UCI;
            rig->c->sys.cntkctl_el1 = 0x303;
            rig->c->sys.cpacr_el1 = BITS(21, 20);
            rig->c->sys.mdscr_el1 = 0;
            got = ways[i].read ? try_read(rig, ways[i].pstate, (uint16_t)enc, NULL)
                               : try_write(rig, ways[i].pstate, (uint16_t)enc, 0);
            if (got != (allowed ? 0 : UNDEF))
                fail_msg("encoding %#x, %c: %#x", enc, ways[i].letter, got);
        }
    }
}

static void test_masks(void **state)
{
    static const struct {
        uint16_t enc;
        uint64_t ones; /* what reads back after writing all ones, zero before */
    } t[] = {
        { SYSREG(2, 0, 0, 2, 0), 0x60000000 },          /* MDCCINT */
        { SYSREG(2, 0, 0, 2, 2), 0x6ce0f041 },          /* MDSCR */
        { SYSREG(3, 0, 1, 0, 1), 0 },                   /* ACTLR */
        { SYSREG(3, 0, 1, 0, 2), 0x300000 },            /* CPACR */
        { SYSREG(3, 0, 2, 0, 0), UINT64_MAX },          /* TTBR0 */
        { SYSREG(3, 0, 2, 0, 2), 0x01800077ffffffff },  /* TCR: no HA, HD, HPD, TBID, NFD */
        { SYSREG(3, 0, 4, 0, 0), 0xffffffff },          /* SPSR */
        { SYSREG(3, 0, 12, 0, 0), 0xfffffffffffff800 }, /* VBAR */
        { SYSREG(3, 0, 13, 0, 1), 0xffffffff },         /* CONTEXTIDR */
        { SYSREG(3, 0, 14, 1, 0), 0x3ff },              /* CNTKCTL */
        { SYSREG(3, 2, 0, 0, 0), 0xf },                 /* CSSELR */
        { SYSREG(3, 3, 4, 2, 0), 0xf0000000 },          /* NZCV */
        { SYSREG(3, 3, 4, 2, 1), 0x3c0 },               /* DAIF */
        { SYSREG(3, 3, 4, 4, 0), 0x07c80000 },          /* FPCR */
        { SYSREG(3, 3, 4, 4, 1), 0x0800009f },          /* FPSR */
        { SYSREG(3, 3, 13, 0, 2), UINT64_MAX },         /* TPIDR_EL0 */
    };
    struct sys_rig *rig = *state;
    uint64_t sctlr;

    for (volatile size_t i = 0; i < ARRAY_LEN(t); i++) {
        static volatile uint64_t got;

        rig->c->sys.cpacr_el1 = BITS(21, 20);
        rig_at(rig, EL1H);
        assert_ok(rig, {
            sysreg_write(rig->c, t[i].enc, 0);
            sysreg_write(rig->c, t[i].enc, UINT64_MAX);
            got = sysreg_read(rig->c, t[i].enc);
        });
        assert_int_equal(got, t[i].ones);
    }
    /* SCTLR: RES1 stays, PAuth, BTI, EE do not take. */
    rig_at(rig, EL1H);
    rig->c->sys.sctlr_el1 = 0x30d00800;
    sysreg_write(rig->c, SCTLR, UINT64_MAX & ~SCTLR_M);
    sctlr = sysreg_read(rig->c, SCTLR);
    assert_int_equal(sctlr, 0x34dddbbe);
    sysreg_write(rig->c, SCTLR, 0x30d00800);
}

static void test_el0_traps(void **state)
{
    static const struct {
        uint16_t enc;
        uint64_t sctlr, cntkctl; /* what lets EL0 through; 0, 0: MDSCR_EL1.TDCC keeps it out */
        bool write;
    } t[] = {
        { SYSREG(3, 3, 0, 0, 1), UCT, 0, false },    { SYSREG(3, 3, 4, 2, 1), UMA, 0, false },
        { SYSREG(3, 3, 4, 2, 1), UMA, 0, true },     { SYSREG(3, 3, 14, 0, 0), 0, 1, false },
        { SYSREG(3, 3, 14, 0, 0), 0, 2, false },     { SYSREG(3, 3, 14, 0, 1), 0, 1, false },
        { SYSREG(3, 3, 14, 0, 2), 0, 2, false },     { SYSREG(3, 3, 14, 3, 0), 0, 0x100, false },
        { SYSREG(3, 3, 14, 3, 1), 0, 0x100, true },  { SYSREG(3, 3, 14, 3, 2), 0, 0x100, true },
        { SYSREG(3, 3, 14, 2, 0), 0, 0x200, true },  { SYSREG(3, 3, 14, 2, 1), 0, 0x200, false },
        { SYSREG(3, 3, 14, 2, 2), 0, 0x200, false }, { SYSREG(2, 3, 0, 1, 0), 0, 0, false },
        { SYSREG(2, 3, 0, 5, 0), 0, 0, true },
    };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        for (unsigned on = 0; on < 2; on++) {
            uint16_t enc = t[i].enc;
            unsigned got;

            c->sys.sctlr_el1 = on ? t[i].sctlr : ~t[i].sctlr & ~SCTLR_M;
            c->sys.cntkctl_el1 = on ? t[i].cntkctl : 0x303 & ~t[i].cntkctl;
            if (t[i].enc == SYSREG(3, 3, 14, 0, 0) && !on)
                c->sys.cntkctl_el1 = 0x300;
            c->sys.mdscr_el1 = on ? 0 : BIT(12);
            got = t[i].write ? try_write(rig, EL0T, enc, 0) : try_read(rig, EL0T, enc, NULL);
            assert_int_equal(got, on ? 0 : EC_SYSREG);
            if (on)
                continue;
            assert_int_equal(rig_iss(rig), (enc >> 14) << 20 | (enc & 7) << 17 |
                                               (enc >> 11 & 7) << 14 | (enc >> 7 & 15) << 10 |
                                               RIG_RT << 5 | (enc >> 3 & 15) << 1 | !t[i].write);
            /* At EL1 the same is allowed. */
            assert_int_equal(
                t[i].write ? try_write(rig, EL1H, enc, 0) : try_read(rig, EL1H, enc, NULL), 0);
        }
    }

    /* FPCR and FPSR follow CPACR_EL1. */
    for (unsigned op2 = 0; op2 < 2; op2++) {
        c->sys.cpacr_el1 = 0;
        assert_int_equal(try_read(rig, EL1H, SYSREG(3, 3, 4, 4, op2), NULL), EC_FP_TRAP);
        assert_int_equal(try_write(rig, EL0T, SYSREG(3, 3, 4, 4, op2), 0), EC_FP_TRAP);
    }
}

static void test_identification(void **state)
{
    struct sys_rig *rig = *state;

    assert_int_equal(value(rig, SYSREG(3, 0, 0, 0, 0)) >> 24, 0); /* MIDR: implementer 0 */
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 0, 5)), BIT(31));
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 4, 0)), 0x1100000001110011);
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 4, 1)), 0);
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 5, 0)), 0xf010305006);
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 6, 0)), 0x100010211120);
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 6, 1)), 0x100000);
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 7, 0)), 0x0f100021);
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 7, 1)), 0x100000);
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 7, 2)), 0x1000000000000000);
    assert_int_equal(value(rig, SYSREG(3, 3, 0, 0, 1)), 0x8444c004);
    assert_int_equal(value(rig, SYSREG(3, 1, 0, 0, 1)), 0x0a200023);
    rig->soc.pa_bits = IDREGS_PA_BITS_BIG;
    assert_int_equal(value(rig, SYSREG(3, 0, 0, 7, 0)) & 15, 2);

    /* CCSIDR of what CSSELR names: 64-byte lines. */
    for (unsigned level = 0; level < 3; level++) {
        assert_int_equal(try_write(rig, EL1H, SYSREG(3, 2, 0, 0, 0), level), 0);
        assert_int_equal(value(rig, SYSREG(3, 1, 0, 0, 0)) & 7, 2);
    }
    assert_int_equal(try_write(rig, EL1H, SYSREG(3, 2, 0, 0, 0), 5), 0);
    assert_int_equal(value(rig, SYSREG(3, 1, 0, 0, 0)), 0);

    /* DCZID says at EL0 whether DC ZVA is for it. */
    assert_int_equal(value(rig, SYSREG(3, 3, 0, 0, 7)), 4);
    rig->c->sys.sctlr_el1 &= ~DZE;
    rig_at(rig, EL0T);
    assert_int_equal(sysreg_read(rig->c, SYSREG(3, 3, 0, 0, 7)), 0x14);
}

static void test_models_by_name(void **state)
{
    const struct cpu_model *model = NULL;
    struct err err;

    (void)state;
    assert_int_equal(idregs_find("portable", &model, &err), 0);
    assert_ptr_equal(model, &idregs_portable);
    assert_err(idregs_find("max", &model, &err), ENOTSUP, err,
               "the software CPU has no model max; use --cpu portable");
}

static void test_pstate_fields(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_at(rig, EL1H);
    sysreg_write_imm(c, 3, 6, 0xf); /* DAIFSet */
    assert_int_equal(c->daif, 0x3c0);
    sysreg_write_imm(c, 3, 7, 0x2); /* DAIFClr: I */
    assert_int_equal(c->daif, 0x340);
    sysreg_write_imm(c, 0, 4, 1); /* PAN */
    assert_true(c->pan);
    assert_int_equal(sysreg_read(c, SYSREG(3, 0, 4, 2, 3)), BIT(22));
    assert_int_equal(sysreg_read(c, SYSREG(3, 0, 4, 2, 2)), 4); /* CurrentEL */

    /* SPSel switches the bank; SP_EL0 by name only while it is not selected. */
    c->x[REG_SP] = 0x2000;
    sysreg_write(c, SYSREG(3, 0, 4, 1, 0), 0x1000);
    sysreg_write_imm(c, 0, 5, 0);
    assert_int_equal(c->x[REG_SP], 0x1000);
    assert_int_equal(sysreg_read(c, SYSREG(3, 0, 4, 2, 0)), 0);
    assert_exc(rig, (void)sysreg_read(c, SYSREG(3, 0, 4, 1, 0)));
    assert_int_equal(rig_ec(rig), EC_UNKNOWN);
    rig_at(rig, EL1T);
    sysreg_write(c, SYSREG(3, 0, 4, 2, 0), 1);
    assert_int_equal(c->x[REG_SP], 0x2000);

    /* EL0: DAIF by leave of UMA, trapped with the encoding of the instruction; no more. */
    rig_at(rig, EL0T);
    c->sys.sctlr_el1 &= ~UMA;
    assert_exc(rig, sysreg_write_imm(c, 3, 6, 2));
    assert_int_equal(rig_ec(rig), EC_SYSREG);
    assert_int_equal(rig_iss(rig), 6 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | 2 << 1);
    rig_at(rig, EL0T);
    c->sys.sctlr_el1 |= UMA;
    assert_ok(rig, sysreg_write_imm(c, 3, 6, 2));
    assert_int_equal(c->daif, DAIF_I);
    for (volatile unsigned f = 0; f < 64; f++) {
        bool exists = f == 4 || f == 5 || f == 0x1e || f == 0x1f;

        rig_at(rig, EL1H);
        assert_int_equal(TRY(rig, sysreg_write_imm(c, f >> 3, f & 7, 0)),
                         exists ? 0 : CPU_ESCAPE_GO_ON);
        rig_at(rig, EL0T);
        assert_int_equal(TRY(rig, sysreg_write_imm(c, f >> 3, f & 7, 0)),
                         f >= 0x1e && f <= 0x1f ? 0 : CPU_ESCAPE_GO_ON);
    }
}

static void test_os_lock_and_debug_storage(void **state)
{
    struct sys_rig *rig = *state;

    assert_int_equal(value(rig, SYSREG(2, 0, 1, 1, 4)), 0xa); /* locked out of reset */
    assert_int_equal(try_write(rig, EL1H, SYSREG(2, 0, 1, 0, 4), 0), 0);
    assert_int_equal(value(rig, SYSREG(2, 0, 1, 1, 4)), 0x8);
    for (unsigned n = 0; n < 6; n++)
        assert_int_equal(try_write(rig, EL1H, SYSREG(2, 0, 0, n, 4), 0x100 + 4 * n), 0);
    assert_int_equal(value(rig, SYSREG(2, 0, 0, 5, 4)), 0x114);
    assert_int_equal(rig->c->sys.dbgbvr[5], 0x114);
}

static void test_claim_tags(void **state)
{
    struct sys_rig *rig = *state;
    uint16_t set = SYSREG(2, 0, 7, 8, 6), clr = SYSREG(2, 0, 7, 9, 6);

    assert_int_equal(value(rig, set), 0xff);
    assert_int_equal(value(rig, clr), 0);
    assert_int_equal(try_write(rig, EL1H, set, UINT64_C(0xfff000000000a5)), 0);
    assert_int_equal(try_write(rig, EL1H, set, 0x10), 0);
    assert_int_equal(value(rig, set), 0xff);
    assert_int_equal(value(rig, clr), 0xb5);
    assert_int_equal(try_write(rig, EL1H, clr, 0x31), 0);
    assert_int_equal(value(rig, clr), 0x84);
}

/* What debug registers keep of what is written to them. */
static void test_debug_register_bits(void **state)
{
    static const struct {
        unsigned n, op2;
        uint64_t write, read;
    } t[] = {
        { 0, 4, UINT64_MAX, ~UINT64_C(3) },
        { 3, 4, UINT64_C(0x0001ffffffffffff), ~UINT64_C(3) }, /* bit 48 is the sign */
        { 3, 4, UINT64_C(0xfffe123456789abc), UINT64_C(0x0000123456789abc) },
        { 4, 4, UINT64_C(0xfffe123456789abf), UINT64_C(0xfffe123456789abf) }, /* context-aware */
        { 5, 4, UINT64_C(0x0001ffffffffffff), UINT64_C(0x0001ffffffffffff) },
        { 0, 5, UINT64_MAX, 0xffe1e7 },
        { 5, 5, 0, 0x1e0 },
        { 0, 6, UINT64_MAX, ~UINT64_C(3) },
        { 3, 6, UINT64_C(0x8000ffff00001007), UINT64_C(0x0000ffff00001004) },
        { 3, 7, UINT64_MAX, 0x1f1fffff },
    };
    struct sys_rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint16_t enc = SYSREG(2, 0, 0, t[i].n, t[i].op2);

        if (t[i].op2 == 5) /* out of reset, too, BAS reads as ones */
            assert_int_equal(value(rig, enc), 0x1e0);
        assert_int_equal(try_write(rig, EL1H, enc, t[i].write), 0);
        assert_int_equal(value(rig, enc), t[i].read);
        assert_int_equal(try_write(rig, EL0T, enc, 0), UNDEF);
    }
}

/* EDSCR's bits in MDSCR_EL1 may be written while the OS is locked. */
static void test_mdscr_bits(void **state)
{
    struct sys_rig *rig = *state;
    uint16_t mdscr = SYSREG(2, 0, 0, 2, 2), oslar = SYSREG(2, 0, 1, 0, 4);

    assert_int_equal(try_write(rig, EL1H, mdscr, UINT64_MAX), 0);
    assert_int_equal(value(rig, mdscr), 0x6ce0f041);
    assert_int_equal(try_write(rig, EL1H, oslar, 2), 0);
    assert_int_equal(try_write(rig, EL1H, mdscr, 0), 0);
    assert_int_equal(value(rig, mdscr), 0x6ce04040);
    assert_int_equal(try_write(rig, EL1H, mdscr, UINT64_MAX), 0);
    assert_int_equal(try_write(rig, EL1H, oslar, 3), 0);
    assert_int_equal(try_write(rig, EL1H, mdscr, 0), 0);
    assert_int_equal(value(rig, mdscr), 0);
}

/* Every SYS encoding: at EL1 the listed ones, at EL0 the few that SCTLR_EL1 lets through. */
static void test_every_system_operation(void **state)
{
    static const uint16_t ops[] = {
        SYSREG(1, 0, 7, 1, 0),  SYSREG(1, 0, 7, 5, 0), SYSREG(1, 0, 7, 6, 1),
        SYSREG(1, 0, 7, 6, 2),  SYSREG(1, 0, 7, 8, 0), SYSREG(1, 0, 7, 8, 1),
        SYSREG(1, 0, 7, 8, 2),  SYSREG(1, 0, 7, 8, 3), SYSREG(1, 0, 7, 10, 2),
        SYSREG(1, 0, 7, 14, 2), SYSREG(1, 0, 8, 3, 0), SYSREG(1, 0, 8, 3, 1),
        SYSREG(1, 0, 8, 3, 2),  SYSREG(1, 0, 8, 3, 3), SYSREG(1, 0, 8, 3, 5),
        SYSREG(1, 0, 8, 3, 7),  SYSREG(1, 0, 8, 7, 0), SYSREG(1, 0, 8, 7, 1),
        SYSREG(1, 0, 8, 7, 2),  SYSREG(1, 0, 8, 7, 3), SYSREG(1, 0, 8, 7, 5),
        SYSREG(1, 0, 8, 7, 7),
    };
    static const struct {
        uint16_t enc;
        uint64_t sctlr;
    } user[] = {
        { SYSREG(1, 3, 7, 4, 1), DZE },  { SYSREG(1, 3, 7, 5, 1), UCI },
        { SYSREG(1, 3, 7, 10, 1), UCI }, { SYSREG(1, 3, 7, 11, 1), UCI },
        { SYSREG(1, 3, 7, 14, 1), UCI },
    };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_at(rig, EL1H);
    rig_mmu(rig, TCR_4K);
    rig_map(rig, 12, RIG_RAM, 1, align_down(RIG_RAM, BIT(30)) | PTE_BLOCK | PTE_USER);
    for (unsigned e = 0x4000; e < 0x8000; e++) {
        static volatile uint16_t enc;
        uint64_t bit = 0;
        bool exists = false;

        enc = (uint16_t)e;
        for (size_t i = 0; i < ARRAY_LEN(ops); i++)
            exists |= ops[i] == enc;
        for (size_t i = 0; i < ARRAY_LEN(user); i++)
            bit |= user[i].enc == enc ? user[i].sctlr : 0;
        rig_at(rig, EL1H);
        assert_int_equal(outcome(rig, TRY(rig, sys_execute(c, enc, RIG_RAM + 4 * MIB))),
                         exists || bit ? 0 : UNDEF);
        rig_at(rig, EL0T);
        c->sys.sctlr_el1 = SCTLR_M | DZE | UCI;
        assert_int_equal(outcome(rig, TRY(rig, sys_execute(c, enc, RIG_RAM + 4 * MIB))),
                         bit ? 0 : UNDEF);
        if (!bit)
            continue;
        rig_at(rig, EL0T);
        c->sys.sctlr_el1 = SCTLR_M | ((DZE | UCI) & ~bit);
        assert_int_equal(outcome(rig, TRY(rig, sys_execute(c, enc, RIG_RAM + 4 * MIB))), EC_SYSREG);
        assert_int_equal(rig_iss(rig) >> 20 & 3, 1);
        assert_int_equal(rig_iss(rig) & 1, 0);
    }
}

static uint64_t at(struct sys_rig *rig, unsigned op2, gva_t va)
{
    sys_execute(rig->c, SYSREG(1, 0, 7, 8, op2), va);
    return rig->c->sys.par_el1;
}

static void test_address_translation(void **state)
{
    struct sys_rig *rig = *state;
    gva_t va = UINT64_C(0x123456789000);
    gpa_t gpa = RIG_RAM + 4 * MIB;

    rig_at(rig, EL1H | PAN_ON);
    rig_mmu(rig, TCR_4K);
    assert_int_equal(at(rig, 0, va), 0x801 | (FSC_TRANSLATION | 0) << 1);
    rig_map(rig, 12, va, 3, gpa | PTE_PAGE);
    assert_int_equal(at(rig, 0, va + 0x123), UINT64_C(0xff) << 56 | gpa | 0x980);
    assert_int_equal(at(rig, 1, va), UINT64_C(0xff) << 56 | gpa | 0x980);
    assert_int_equal(at(rig, 2, va), 0x801 | (FSC_PERMISSION | 3) << 1);
    rig_map(rig, 12, va, 3, gpa | PTE_PAGE | PTE_USER | PTE_RO | PTE_DEVICE);
    assert_int_equal(at(rig, 0, va), UINT64_C(0x04) << 56 | gpa | 0x900); /* PAN does not matter */
    assert_int_equal(at(rig, 1, va), 0x801 | (FSC_PERMISSION | 3) << 1);
    assert_int_equal(at(rig, 2, va), UINT64_C(0x04) << 56 | gpa | 0x900);
    assert_int_equal(at(rig, 3, va), 0x801 | (FSC_PERMISSION | 3) << 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_sorted),
        T(test_every_encoding),
        T(test_masks),
        T(test_el0_traps),
        T(test_identification),
        cmocka_unit_test(test_models_by_name),
        T(test_pstate_fields),
        T(test_os_lock_and_debug_storage),
        T(test_debug_register_bits),
        T(test_claim_tags),
        T(test_mdscr_bits),
        T(test_every_system_operation),
        T(test_address_translation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
