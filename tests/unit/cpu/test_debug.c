/* Software step, breakpoints and watchpoints (Arm DDI 0487, D2.8 to D2.11). Every program ends by
 * an exception, whose vector stops the CPU. */
#include <stdlib.h>

#include "../test.h"
#include "arch/esr.h"
#include "cpu/debug.h"
#include "cpu/exc.h"
#include "cpu/mmu_walk.h"
#include "cpu/sysreg_access.h"
#include "rig.h"

#define CODE    RIG_USER
#define DATA    (RIG_USER + 0x80000)
#define KERNEL  (RIG_SYSTEM + 0x8000) /* code for EL1 */
#define NOWHERE UINT64_C(0x1000)      /* is not mapped */

#define EL1H      UINT64_C(5)
#define PSTATE_SS BIT(21)
#define PSTATE_IL BIT(20)

#define STEPPED    (ISS_STEP_ISV | FSC_DEBUG)
#define STEPPED_EX (ISS_STEP_ISV | ISS_STEP_EX | FSC_DEBUG)

enum {
    NOP = 0xd503201f,
    UDF = 0x00000000,
    SVC = 0xd4000001,
    HVC = 0xd4000002,
    BRK_1234 = 0xd4224680,
    ERET = 0xd69f03e0,
    ISB = 0xd5033fdf,
    WFI = 0xd503207f,
    WFE = 0xd503205f,
    B_8 = 0x14000002, /* two instructions on */
    BR_X0 = 0xd61f0000,
    SUB_X0_1 = 0xd1000400,
    CBNZ_X0_BACK = 0xb5ffffe0, /* to the instruction before */
    MSR_DAIFSET_D = 0xd50348df,
    MSR_DAIFCLR_D = 0xd50348ff,
    MSR_CONTEXTIDR_X0 = 0xd518d020,
    /* Memory: the address is in x1. */
    LDR_X0 = 0xf9400020,
    LDR_X0_POST = 0xf8408420,
    LDRB_W0 = 0x39400020,
    STR_X0 = 0xf9000020,
    STRB_W0 = 0x39000020,
    LDTR_X0 = 0xf8400820,
    STTR_X0 = 0xf8000820,
    LDP_X0_X2 = 0xa9400820,
    STP_X0_X2 = 0xa9000820,
    LDP_X0_X2_POST = 0xa8c10820,
    STP_X0_X2_POST = 0xa8810820,
    LDR_Q0 = 0x3dc00020,
    STR_Q0 = 0x3d800020,
    STP_Q0_Q1 = 0xad000420,
    LD4_16B = 0x4c400020,
    ST4_16B = 0x4c000020,
    ST4_B1 = 0x0d202420, /* one byte of each of four registers */
    LD2_S1 = 0x0d609020, /* one word of each of two */
    CAS_X2_X0 = 0xc8a27c20,
    CASP_X2_X4 = 0x48227c24,
    CASPA_W2_W4 = 0x08627c24,
    LDADD_X2_X0 = 0xf8220020,
    SWP_X2_X0 = 0xf8228020,
    LDUMAX_W2_W0 = 0xb8226020,
    LDXR_X0 = 0xc85f7c20,
    LDAXRB_W0 = 0x085ffc20,
    LDXP_W0_W2 = 0x887f0820,
    LDAXP_X0_X2 = 0xc87f8820,
    STXR_X0 = 0xc8027c20, /* stxr w2, x0 */
    STLXP_X3_X4 = 0xc8229023,
    LDAR_X0 = 0xc8dffc20,
    STLR_X0 = 0xc89ffc20,
    PRFM = 0xf9800020,
    DC_ZVA = 0xd50b7421,
    DC_CVAC = 0xd50b7a21,
    DC_IVAC = 0xd5087621,
    IC_IVAU = 0xd50b7521,
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    if (!rig)
        return -1;
    rig_init(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

static void put(struct rig *rig, gva_t va, const uint32_t *words, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        rig_poke(rig, va + 4 * n, words[n]);
}

#define PUT(rig, va, ...)                               \
    put((rig), (va), (const uint32_t[]){ __VA_ARGS__ }, \
        sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* All debug registers as after a reset, but MDSCR_EL1 and an open OS lock. */
static void arm(struct rig *rig, uint64_t mdscr)
{
    struct cpu *c = rig->c;

    memset(c->sys.dbgbcr, 0, sizeof(c->sys.dbgbcr));
    memset(c->sys.dbgbvr, 0, sizeof(c->sys.dbgbvr));
    memset(c->sys.dbgwcr, 0, sizeof(c->sys.dbgwcr));
    memset(c->sys.dbgwvr, 0, sizeof(c->sys.dbgwvr));
    c->sys.os_lock = 0;
    c->sys.mdscr_el1 = mdscr;
    debug_rearm(c);
}

/* Run from pc until the next exception to EL1. Returns the instructions that it took. */
static uint64_t run(struct rig *rig, gva_t pc, uint64_t pstate)
{
    struct cpu *c = rig->c;
    uint64_t before = c->retired;

    rig_enter(rig, pc, 0);
    exc_pstate_set(c, pstate);
    c->sys.esr_el1 = c->sys.far_el1 = c->sys.elr_el1 = 0;
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(c->el, 1);
    return c->retired - before - 1; /* the vector's HVC */
}

static unsigned ec(const struct rig *rig)
{
    return (unsigned)FIELD_GET(ESR_EC, rig->c->sys.esr_el1);
}

static uint64_t iss(const struct rig *rig)
{
    return rig->c->sys.esr_el1 & ESR_ISS;
}

static bool spsr_ss(const struct rig *rig)
{
    return rig->c->sys.spsr_el1 & PSTATE_SS;
}

/* ---- software step ---- */

static void test_a_step_of_every_kind_of_instruction(void **state)
{
    static const struct {
        uint32_t word;
        uint64_t x0, x1;
        unsigned ec;
        uint64_t iss;
        gva_t elr;       /* from CODE */
        bool not_done;   /* the instruction did not complete: SPSR.SS is still 1 */
        unsigned offset; /* of the instruction in CODE */
    } t[] = {
        { NOP, 0, 0, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { NOP, 0, 0, EC_STEP_LOWER, STEPPED, 0x1000, false, 0xffc }, /* end of the page */
        { B_8, 0, 0, EC_STEP_LOWER, STEPPED, 8, false, 0 },
        { B_8, 0, 0, EC_STEP_LOWER, STEPPED, 0x1004, false, 0xffc },
        { BR_X0, CODE + 0x100, 0, EC_STEP_LOWER, STEPPED, 0x100, false, 0 },
        /* The tag is gone in ELR, and what is wrong with the target is found later. */
        { BR_X0, UINT64_C(0xa500000000000000) | CODE, 0, EC_STEP_LOWER, STEPPED, 0, false, 0 },
        { BR_X0, CODE + 0x102, 0, EC_STEP_LOWER, STEPPED, 0x102, false, 0 },
        { BR_X0, NOWHERE, 0, EC_STEP_LOWER, STEPPED, NOWHERE - CODE, false, 0 },
        { ISB, 0, 0, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { WFI, 0, 0, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { WFE, 0, 0, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { LDR_X0, 0, DATA, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { STP_X0_X2, 0, DATA + 0xffc, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { LDXR_X0, 0, DATA, EC_STEP_LOWER, STEPPED_EX, 4, false, 0 },
        { LDAXRB_W0, 0, DATA, EC_STEP_LOWER, STEPPED_EX, 4, false, 0 },
        { LDXP_W0_W2, 0, DATA, EC_STEP_LOWER, STEPPED_EX, 4, false, 0 },
        { LDAXP_X0_X2, 0, DATA, EC_STEP_LOWER, STEPPED_EX, 4, false, 0 },
        { STXR_X0, 0, DATA, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { STLXP_X3_X4, 0, DATA, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { LDAR_X0, 0, DATA, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { CASPA_W2_W4, 0, DATA, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        { CAS_X2_X0, 0, DATA, EC_STEP_LOWER, STEPPED, 4, false, 0 },
        /* SSAdvance() comes first for a call, and for no other exception. */
        { SVC, 0, 0, EC_SVC64, 0, 4, false, 0 },
        { LDR_X0, 0, NOWHERE, EC_DABT_LOWER, FSC_TRANSLATION | 1, 0, true, 0 },
        { UDF, 0, 0, EC_UNKNOWN, 0, 0, true, 0 },
        { HVC, 0, 0, EC_UNKNOWN, 0, 0, true, 0 },
        { ERET, 0, 0, EC_UNKNOWN, 0, 0, true, 0 },
        { BRK_1234, 0, 0, EC_BRK64, 0x1234, 0, true, 0 },
        { NOP, 0, 0, EC_PC_ALIGN, 0, 2, true, 2 },
    };
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        gva_t pc = CODE + t[i].offset;
        uint64_t retired;

        arm(rig, MDSCR_SS);
        PUT(rig, CODE, NOP, NOP, NOP, NOP);
        rig_poke(rig, align_down(pc, 4), t[i].word);
        c->x[0] = t[i].x0;
        c->x[1] = t[i].x1;
        retired = run(rig, pc, PSTATE_SS);
        assert_int_equal(ec(rig), t[i].ec);
        assert_int_equal(iss(rig), t[i].iss);
        assert_int_equal(c->sys.elr_el1, CODE + t[i].elr);
        assert_int_equal(spsr_ss(rig), t[i].not_done);
        assert_int_equal(retired, !t[i].not_done);
        assert_false(c->ss);

        /* Pending, it is not even looked at. */
        retired = run(rig, pc, 0);
        assert_int_equal(c->sys.esr_el1, FIELD_PUT(ESR_EC, EC_STEP_LOWER) | ESR_IL | FSC_DEBUG);
        assert_int_equal(c->sys.elr_el1, pc);
        assert_false(spsr_ss(rig));
        assert_int_equal(retired, 0);
    }
}

static void test_a_program_stepped_to_its_end(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;
    unsigned steps = 0;

    arm(rig, MDSCR_SS);
    PUT(rig, CODE + 0xffc, SUB_X0_1, CBNZ_X0_BACK, SVC);
    c->x[0] = 10;
    for (gva_t pc = CODE + 0xffc; run(rig, pc, PSTATE_SS) == 1 && ec(rig) == EC_STEP_LOWER;
         pc = c->sys.elr_el1)
        steps++;
    assert_int_equal(ec(rig), EC_SVC64);
    assert_int_equal(steps, 20);
    assert_int_equal(c->x[0], 0);
}

static void test_who_may_be_stepped(void **state)
{
    static const struct {
        uint64_t mdscr, pstate;
        bool locked;
        unsigned ec;
    } t[] = {
        { MDSCR_SS, DAIF_D, false, EC_STEP_LOWER }, /* EL0 to EL1: D does not matter */
        { MDSCR_SS, 0, true, EC_SVC64 },            /* OS lock */
        { MDSCR_KDE, 0, false, EC_SVC64 },          /* SS is 0 */
        { MDSCR_SS | MDSCR_KDE, EL1H, false, EC_STEP_SAME },
        { MDSCR_SS | MDSCR_KDE, EL1H | DAIF_D, false, EC_SVC64 },
        { MDSCR_SS, EL1H, false, EC_SVC64 },
        { MDSCR_SS | MDSCR_KDE, EL1H, true, EC_SVC64 },
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        gva_t pc = t[i].pstate & EL1H ? KERNEL : CODE;

        PUT(rig, pc, NOP, SVC);
        arm(rig, t[i].mdscr);
        rig->c->sys.os_lock = t[i].locked;
        debug_rearm(rig->c);
        run(rig, pc, t[i].pstate | PSTATE_SS);
        assert_int_equal(ec(rig), t[i].ec);
        assert_int_equal(rig->c->sys.elr_el1, t[i].ec == EC_SVC64 ? pc + 8 : pc + 4);
    }
}

static void test_steps_at_el1(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    /* HVC is a call, too: what comes after it is pending. */
    arm(rig, MDSCR_SS | MDSCR_KDE);
    PUT(rig, KERNEL, HVC, NOP);
    rig_enter(rig, KERNEL, 0);
    exc_pstate_set(c, EL1H | PSTATE_SS);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(c->pc, KERNEL + 4);
    assert_false(c->ss);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_STEP_SAME);
    assert_int_equal(iss(rig), FSC_DEBUG);
    assert_int_equal(c->sys.elr_el1, KERNEL + 4);

    /* A step may end stepping, and unmasking may begin it: pending then. */
    PUT(rig, KERNEL, MSR_DAIFSET_D, NOP, MSR_DAIFCLR_D, NOP, SVC);
    assert_int_equal(run(rig, KERNEL, EL1H | PSTATE_SS), 3);
    assert_int_equal(ec(rig), EC_STEP_SAME);
    assert_int_equal(iss(rig), FSC_DEBUG);
    assert_int_equal(c->sys.elr_el1, KERNEL + 12);

    /* A debugger at EL1 returns to the instruction to step. */
    PUT(rig, KERNEL, ERET);
    PUT(rig, CODE, NOP, NOP, SVC);
    arm(rig, MDSCR_SS);
    c->sys.spsr_el1 = PSTATE_SS;
    rig_enter(rig, KERNEL, 0);
    exc_pstate_set(c, EL1H | DAIF_D);
    c->sys.elr_el1 = CODE;
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_STEP_LOWER);
    assert_int_equal(iss(rig), STEPPED);
    assert_int_equal(c->sys.elr_el1, CODE + 4);
}

static void test_a_step_of_a_device_access(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;
    uint64_t before = c->retired;

    arm(rig, MDSCR_SS);
    PUT(rig, CODE, LDP_X0_X2, NOP);
    rig_enter(rig, CODE, 0);
    exc_pstate_set(c, PSTATE_SS);
    c->x[1] = RIG_DEVICE;
    for (unsigned n = 0; n < 2; n++) {
        assert_int_equal(rig_run(rig), CPU_STOP_MMIO);
        assert_true(c->ss);
        assert_int_equal(c->retired, before);
        cpu_mmio_done(c, 7 + n);
    }
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_STEP_LOWER);
    assert_int_equal(iss(rig), STEPPED);
    assert_int_equal(c->sys.elr_el1, CODE + 4);
    assert_int_equal(c->x[0], 7);
    assert_int_equal(c->x[2], 8);
    assert_int_equal(c->retired - before, 1 + 1);
    assert_int_equal(c->replay.count, 0);
}

/* Everything that decides whether debug exceptions are enabled is seen at once. */
static void test_what_arms_and_disarms(void **state)
{
    static const struct {
        uint16_t enc;
        uint64_t val;
        bool active;
    } t[] = {
        { SYSREG(2, 0, 1, 0, 4), 0, false },                    /* OSLAR */
        { SYSREG(2, 0, 0, 2, 2), MDSCR_SS | MDSCR_KDE, false }, /* MDSCR; D is set */
        { SYSREG(3, 3, 4, 2, 1), DAIF_I, true },                /* DAIF */
        { SYSREG(3, 3, 4, 2, 1), DAIF_D, false },
        { SYSREG(3, 3, 4, 2, 1), 0, true },
        { SYSREG(2, 0, 0, 2, 2), MDSCR_SS, false },
        { SYSREG(2, 0, 0, 2, 2), MDSCR_SS | MDSCR_KDE, true },
        { SYSREG(2, 0, 1, 0, 4), 1, false },
        { SYSREG(2, 0, 1, 0, 4), 0, true },
        { SYSREG(2, 0, 0, 2, 2), MDSCR_KDE, false },
    };
    struct rig *rig = *state;

    exc_pstate_set(rig->c, EL1H | DAIF_D);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        sysreg_write(rig->c, t[i].enc, t[i].val);
        assert_int_equal(rig->c->debug, t[i].active ? DEBUG_STEP : 0);
    }
}

/* ---- breakpoints ---- */

#define E       UINT64_C(1)
#define PMC(n)  ((uint64_t)(n) << 1) /* also PAC */
#define EL1     PMC(1)
#define EL0     PMC(2)
#define HMC     BIT(13)
#define SSC(n)  ((uint64_t)(n) << 14)
#define LBN(n)  ((uint64_t)(n) << 16)
#define BT(n)   ((uint64_t)(n) << 20)
#define LINKED  (E | BT(3)) /* a context breakpoint to link to; its PMC does not count */
#define CONTEXT 77

static void set_breakpoint(struct rig *rig, unsigned n, uint64_t bcr, uint64_t bvr)
{
    assert_true(debug_reg_write(rig->c, DEBUG_BVR, n, bvr));
    assert_true(debug_reg_write(rig->c, DEBUG_BCR, n, bcr));
}

/* Breakpoint n at the third instruction, breakpoint 5 with bcr5 for context 77. */
static void test_which_breakpoints_match(void **state)
{
    static const struct {
        unsigned n;
        uint64_t bcr, bcr5;
        uint64_t context;
        uint64_t mdscr;
        uint64_t pstate;
        unsigned hit; /* 1: at the third instruction, 2: at the first, 0: never */
    } t[] = {
        { 0, E | EL0, 0, 0, MDSCR_MDE, 0, 1 },
        { 4, E | EL0, 0, 0, MDSCR_MDE, 0, 1 },
        { 5, 0, E | EL0, 0, MDSCR_MDE, 0, 0 }, /* is elsewhere */
        { 0, E | EL0 | EL1, 0, 0, MDSCR_MDE, 0, 1 },
        { 0, E | EL0, 0, 0, MDSCR_MDE, DAIF_D, 1 },
        { 0, E | EL0, 0, 0, MDSCR_KDE, 0, 0 },
        { 0, EL0, 0, 0, MDSCR_MDE, 0, 0 },
        { 0, E | EL1, 0, 0, MDSCR_MDE, 0, 0 },
        { 0, E, 0, 0, MDSCR_MDE, 0, 0 },                /* AArch32's "user, system, supervisor" */
        { 0, E | EL0 | BIT(5), 0, 0, MDSCR_MDE, 0, 1 }, /* BAS is as for A64 */
        /* With neither EL2 nor EL3 these are reserved. */
        { 0, E | EL0 | HMC, 0, 0, MDSCR_MDE, 0, 0 },
        { 0, E | EL0 | SSC(1), 0, 0, MDSCR_MDE, 0, 0 },
        { 0, E | EL0 | SSC(2), 0, 0, MDSCR_MDE, 0, 0 },
        { 0, E | EL0 | SSC(3), 0, 0, MDSCR_MDE, 0, 0 },
        /* EL1 */
        { 0, E | EL1, 0, 0, MDSCR_MDE | MDSCR_KDE, EL1H, 1 },
        { 0, E | EL0, 0, 0, MDSCR_MDE | MDSCR_KDE, EL1H, 0 },
        { 0, E | EL1, 0, 0, MDSCR_MDE, EL1H, 0 },
        { 0, E | EL1, 0, 0, MDSCR_MDE | MDSCR_KDE, EL1H | DAIF_D, 0 },
        /* Linked: to an enabled context breakpoint that is made for it. */
        { 0, E | EL0 | BT(1) | LBN(5), LINKED, CONTEXT, MDSCR_MDE, 0, 1 },
        { 4, E | EL0 | BT(1) | LBN(5), LINKED | EL1, CONTEXT, MDSCR_MDE, 0, 1 },
        { 0, E | EL0 | BT(1) | LBN(5), LINKED, CONTEXT + 1, MDSCR_MDE, 0, 0 },
        { 0, E | EL0 | BT(1) | LBN(5), BT(3), CONTEXT, MDSCR_MDE, 0, 0 },
        { 0, E | EL0 | BT(1) | LBN(5), E | BT(2), CONTEXT, MDSCR_MDE, 0, 0 },
        { 0, E | EL0 | BT(1) | LBN(4), LINKED, CONTEXT, MDSCR_MDE, 0, 0 },
        { 0, E | EL0 | BT(1) | LBN(0), LINKED, CONTEXT, MDSCR_MDE, 0, 0 }, /* not context-aware */
        { 0, E | EL0 | BT(1) | LBN(9), LINKED, CONTEXT, MDSCR_MDE, 0, 0 }, /* there is none */
        { 0, E | EL0 | BT(1) | LBN(15), LINKED, CONTEXT, MDSCR_MDE, 0, 0 },
        /* Context breakpoints match everywhere in the context. */
        { 0, 0, E | EL0 | BT(2), CONTEXT, MDSCR_MDE, 0, 2 },
        { 0, 0, E | EL0 | BT(2), CONTEXT + 1, MDSCR_MDE, 0, 0 },
        { 0, 0, E | EL1 | BT(2), CONTEXT, MDSCR_MDE, 0, 0 },
        { 0, 0, E | EL1 | BT(2), CONTEXT, MDSCR_MDE | MDSCR_KDE, EL1H, 2 },
        { 0, 0, E | EL0 | BT(2), CONTEXT, 0, 0, 0 },
        { 0, 0, LINKED | EL0, CONTEXT, MDSCR_MDE, 0, 0 },                 /* only when linked to */
        { 0, E | EL0 | BT(2), 0, (uint32_t)(CODE + 8), MDSCR_MDE, 0, 0 }, /* not context-aware */
        /* Types of EL2, of AArch32, and reserved ones. */
        { 0, E | EL0 | BT(4), 0, 0, MDSCR_MDE, 0, 0 },
        { 0, 0, E | EL0 | BT(6), CONTEXT, MDSCR_MDE, 0, 0 },
        { 0, 0, E | EL0 | BT(8), CONTEXT, MDSCR_MDE, 0, 0 },
        { 0, 0, E | EL0 | BT(10), CONTEXT, MDSCR_MDE, 0, 0 },
        { 0, 0, E | EL0 | BT(14), CONTEXT, MDSCR_MDE, 0, 0 },
    };
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        bool kernel = t[i].pstate & EL1H;
        gva_t pc = kernel ? KERNEL : CODE;
        uint64_t retired;

        PUT(rig, pc, NOP, NOP, NOP, SVC);
        arm(rig, t[i].mdscr);
        c->sys.contextidr_el1 = t[i].context;
        set_breakpoint(rig, 5, t[i].bcr5, CONTEXT);
        if (t[i].n != 5)
            set_breakpoint(rig, t[i].n, t[i].bcr, pc + 8 + 3); /* low bits do not count */
        retired = run(rig, pc, t[i].pstate);
        if (t[i].hit == 0) {
            assert_int_equal(ec(rig), EC_SVC64);
            assert_int_equal(retired, 4);
            continue;
        }
        assert_int_equal(ec(rig), kernel ? EC_BREAKPOINT_SAME : EC_BREAKPOINT_LOWER);
        assert_int_equal(iss(rig), FSC_DEBUG);
        assert_int_equal(c->sys.elr_el1, t[i].hit == 1 ? pc + 8 : pc);
        assert_int_equal(retired, t[i].hit == 1 ? 2 : 0);

        /* With the OS locked none does. */
        c->sys.os_lock = 1;
        debug_rearm(c);
        run(rig, pc, t[i].pstate);
        assert_int_equal(ec(rig), EC_SVC64);
    }
}

static void test_breakpoints_are_found_wherever_control_comes_from(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    arm(rig, MDSCR_MDE);
    set_breakpoint(rig, 2, E | EL0, CODE + 0x2000);
    PUT(rig, CODE + 0x2000, NOP, SVC);

    /* By a branch from another page, falling into the page, at the end of a loop in it. */
    PUT(rig, CODE, BR_X0);
    c->x[0] = CODE + 0x2000;
    assert_int_equal(run(rig, CODE, 0), 1);
    assert_int_equal(ec(rig), EC_BREAKPOINT_LOWER);
    PUT(rig, CODE + 0x1ff8, NOP, NOP);
    assert_int_equal(run(rig, CODE + 0x1ff8, 0), 2);
    assert_int_equal(ec(rig), EC_BREAKPOINT_LOWER);
    set_breakpoint(rig, 2, E | EL0, CODE + 0x2108);
    PUT(rig, CODE + 0x2100, SUB_X0_1, CBNZ_X0_BACK, SVC);
    c->x[0] = 10;
    assert_int_equal(run(rig, CODE + 0x2100, 0), 20);
    assert_int_equal(ec(rig), EC_BREAKPOINT_LOWER);
    assert_int_equal(c->sys.elr_el1, CODE + 0x2108);

    /* A change of context is seen by the next instruction. */
    arm(rig, MDSCR_MDE | MDSCR_KDE);
    set_breakpoint(rig, 4, E | EL1 | BT(2), CONTEXT);
    PUT(rig, KERNEL, NOP, MSR_CONTEXTIDR_X0, NOP, SVC);
    c->sys.contextidr_el1 = 0;
    c->x[0] = CONTEXT;
    assert_int_equal(run(rig, KERNEL, EL1H), 2);
    assert_int_equal(ec(rig), EC_BREAKPOINT_SAME);
    assert_int_equal(c->sys.elr_el1, KERNEL + 8);
}

/* D1.3.5: step, PC alignment, instruction abort, breakpoint, illegal state. */
static void test_priorities_before_an_instruction(void **state)
{
    static const struct {
        gva_t pc;
        uint64_t pstate;
        unsigned ec;
    } t[] = {
        { CODE, 0, EC_STEP_LOWER },
        { CODE + 2, PSTATE_IL, EC_STEP_LOWER },
        { NOWHERE + 2, PSTATE_SS, EC_PC_ALIGN },
        { NOWHERE, PSTATE_SS | PSTATE_IL, EC_IABT_LOWER },
        { CODE, PSTATE_SS | PSTATE_IL, EC_BREAKPOINT_LOWER },
        { CODE + 4, PSTATE_SS | PSTATE_IL, EC_ILLEGAL_STATE },
        { CODE + 8, PSTATE_SS, EC_BRK64 },
    };
    struct rig *rig = *state;

    PUT(rig, CODE, NOP, NOP, BRK_1234);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        arm(rig, MDSCR_MDE | MDSCR_SS);
        set_breakpoint(rig, 0, E | EL0, CODE);
        set_breakpoint(rig, 1, E | EL0, NOWHERE);
        assert_int_equal(run(rig, t[i].pc, t[i].pstate), 0);
        assert_int_equal(ec(rig), t[i].ec);
        assert_int_equal(rig->c->sys.elr_el1, t[i].pc);
        assert_int_equal(spsr_ss(rig), t[i].pstate & PSTATE_SS ? 1 : 0);
    }

    /* BRK needs nobody's leave. */
    arm(rig, 0);
    rig->c->sys.os_lock = 1;
    PUT(rig, KERNEL, BRK_1234);
    run(rig, KERNEL, EL1H | DAIF_D);
    assert_int_equal(rig->c->sys.esr_el1, FIELD_PUT(ESR_EC, EC_BRK64) | ESR_IL | 0x1234);
    assert_int_equal(rig->c->sys.elr_el1, KERNEL);
}

/* ---- watchpoints ---- */

#define LD      (UINT64_C(1) << 3)
#define ST      (UINT64_C(2) << 3)
#define BAS(n)  ((uint64_t)(n) << 5)
#define BAS_ALL BAS(0xff)
#define WT      BIT(20)
#define MASK(n) ((uint64_t)(n) << 24)
#define ANY     (E | EL0 | LD | ST)

static void set_watchpoint(struct rig *rig, unsigned n, uint64_t wcr, uint64_t wvr)
{
    assert_true(debug_reg_write(rig->c, DEBUG_WVR, n, wvr));
    assert_true(debug_reg_write(rig->c, DEBUG_WCR, n, wcr));
}

/* Fill the data area's start with a pattern; the registers hold others. */
static void fill(struct rig *rig)
{
    for (unsigned at = 0; at < 0x3000; at += 4)
        store_le32(rig_ptr(rig, DATA + at), 0xc0de0000 + at);
    for (unsigned r = 0; r < 31; r++)
        rig->c->x[r] = UINT64_C(0x1111111111111111) * r;
    for (unsigned r = 0; r < 8; r++)
        rig->c->v[r].d[0] = rig->c->v[r].d[1] = r;
}

static void assert_data_untouched(struct rig *rig)
{
    for (unsigned at = 0; at < 0x3000; at += 4)
        assert_int_equal(load_le32(rig_ptr(rig, DATA + at)), 0xc0de0000 + at);
}

#define NO    0x7fff /* no match */
#define WRITE 0x8000

/* One access at DATA + at under watchpoint 1. */
static void test_which_watchpoints_match(void **state)
{
    static const struct {
        uint32_t word;
        unsigned at;
        uint64_t wcr;
        unsigned wvr; /* from DATA */
        unsigned far; /* from DATA, with WRITE; or NO */
    } t[] = {
        /* Loads, stores, levels. */
        { LDR_X0, 0x10, ANY | BAS_ALL, 0x10, 0x10 },
        { STR_X0, 0x10, ANY | BAS_ALL, 0x10, 0x10 | WRITE },
        { LDR_X0, 0x10, E | EL0 | ST | BAS_ALL, 0x10, NO },
        { STR_X0, 0x10, E | EL0 | LD | BAS_ALL, 0x10, NO },
        { STR_X0, 0x10, E | EL0 | BAS_ALL, 0x10, NO },
        { STR_X0, 0x10, EL0 | ST | BAS_ALL, 0x10, NO },
        { STR_X0, 0x10, E | EL1 | ST | BAS_ALL, 0x10, NO },
        { STR_X0, 0x10, E | ST | BAS_ALL, 0x10, NO },
        { STR_X0, 0x10, E | EL0 | EL1 | ST | BAS_ALL, 0x10, 0x10 | WRITE },
        { LDTR_X0, 0x10, ANY | BAS_ALL, 0x10, 0x10 },
        { STTR_X0, 0x10, ANY | BAS_ALL, 0x10, 0x10 | WRITE },
        { LDR_X0, 0x10, ANY | BAS_ALL | HMC, 0x10, NO },
        { LDR_X0, 0x10, ANY | BAS_ALL | SSC(1), 0x10, NO },
        { LDR_X0, 0x10, ANY | BAS_ALL | SSC(3), 0x10, NO },
        /* Bytes of a doubleword. */
        { LDRB_W0, 0x13, ANY | BAS(0x08), 0x10, 0x13 },
        { LDRB_W0, 0x12, ANY | BAS(0x08), 0x10, NO },
        { LDRB_W0, 0x14, ANY | BAS(0x08), 0x10, NO },
        { STRB_W0, 0x17, ANY | BAS(0x80), 0x10, 0x17 | WRITE },
        { LDR_X0, 0x10, ANY | BAS(0x80), 0x10, 0x17 },
        { LDR_X0, 0x10, ANY | BAS(0), 0x10, NO },
        { LDR_X0, 0x18, ANY | BAS_ALL, 0x10, NO },
        { LDR_X0, 0x08, ANY | BAS_ALL, 0x10, NO },
        /* A word that is the upper half of its doubleword: BAS[7:4] do not count. */
        { LDRB_W0, 0x15, ANY | BAS(0x02), 0x14, 0x15 },
        { LDRB_W0, 0x11, ANY | BAS(0x02), 0x14, NO },
        { LDRB_W0, 0x10, ANY | BAS_ALL, 0x14, NO },
        { LDRB_W0, 0x18, ANY | BAS_ALL, 0x14, NO },
        { LDRB_W0, 0x14, ANY | BAS(0xf0), 0x14, NO },
        /* Unaligned: over the edge of the doubleword, from either side, and of the page. */
        { LDR_X0, 0x0c, ANY | BAS(0x01), 0x10, 0x10 },
        { STR_X0, 0x09, ANY | BAS(0x01), 0x10, 0x10 | WRITE },
        { STR_X0, 0x08, ANY | BAS(0x01), 0x10, NO },
        { LDR_X0, 0x13, ANY | BAS_ALL, 0x10, 0x13 },
        { LDR_X0, 0x13, ANY | BAS(0x07), 0x10, NO },
        { LDR_X0, 0xffc, ANY | BAS(0x01), 0x1000, 0x1000 },
        { STR_X0, 0xffc, ANY | BAS(0x01), 0x1000, 0x1000 | WRITE },
        { STR_X0, 0xffc, ANY | BAS(0x80), 0xff8, 0xfff | WRITE },
        { STR_X0, 0xffc, ANY | BAS(0x10), 0x1000, NO },
        /* Ranges. */
        { LDRB_W0, 0x0f, ANY | BAS_ALL | MASK(4), 0x10, NO },
        { LDRB_W0, 0x10, ANY | BAS_ALL | MASK(4), 0x10, 0x10 },
        { LDRB_W0, 0x1f, ANY | BAS_ALL | MASK(4), 0x10, 0x1f },
        { LDRB_W0, 0x20, ANY | BAS_ALL | MASK(4), 0x10, NO },
        { LDRB_W0, 0x17, ANY | BAS_ALL | MASK(3), 0x10, 0x17 },
        { LDRB_W0, 0x18, ANY | BAS_ALL | MASK(3), 0x10, NO },
        { STR_X0, 0x1ff9, ANY | BAS_ALL | MASK(12), 0x2000, 0x2000 | WRITE },
        { STR_X0, 0x2ff8, ANY | BAS_ALL | MASK(12), 0x2000, 0x2ff8 | WRITE },
        { STR_X0, 0x1000, ANY | BAS_ALL | MASK(13), 0, 0x1000 | WRITE },
        { STR_X0, 0x2000, ANY | BAS_ALL | MASK(13), 0, NO },
        { LDRB_W0, 0x1234, ANY | BAS_ALL | MASK(31), 0, 0x1234 },
        { LDRB_W0, 0x10, ANY | BAS_ALL | MASK(1), 0x10, NO }, /* reserved */
        { LDRB_W0, 0x10, ANY | BAS_ALL | MASK(2), 0x10, NO },
        /* Instructions that make several accesses. */
        { LDP_X0_X2, 0x10, ANY | BAS(0x80), 0x18, 0x1f },
        { STP_X0_X2, 0x10, ANY | BAS(0x80), 0x18, 0x1f | WRITE },
        { LDP_X0_X2_POST, 0x10, ANY | BAS_ALL, 0x18, 0x18 },
        { STP_X0_X2_POST, 0x10, ANY | BAS_ALL, 0x18, 0x18 | WRITE },
        { STP_X0_X2, 0x10, ANY | BAS_ALL, 0x20, NO },
        { STP_X0_X2, 0xff8, ANY | BAS_ALL, 0x1000, 0x1000 | WRITE },
        { LDR_X0_POST, 0x10, ANY | BAS_ALL, 0x10, 0x10 },
        { LDR_Q0, 0x10, ANY | BAS(0x02), 0x18, 0x19 },
        { STR_Q0, 0x10, ANY | BAS(0x02), 0x18, 0x19 | WRITE },
        { STP_Q0_Q1, 0x10, ANY | BAS_ALL, 0x28, 0x28 | WRITE },
        { LD4_16B, 0x10, ANY | BAS(0x08), 0x48, 0x4b },
        { ST4_16B, 0x10, ANY | BAS(0x08), 0x48, 0x4b | WRITE },
        { ST4_16B, 0x10, ANY | BAS_ALL, 0x50, NO },
        { ST4_B1, 0x10, ANY | BAS(0x08), 0x10, 0x13 | WRITE },
        { ST4_B1, 0x10, ANY | BAS(0x10), 0x10, NO },
        { LD2_S1, 0x10, ANY | BAS(0x10), 0x10, 0x14 },
        /* Atomics match loads and stores, and report a read if that would have matched. */
        { CAS_X2_X0, 0x10, ANY | BAS_ALL, 0x10, 0x10 },
        { CAS_X2_X0, 0x10, E | EL0 | LD | BAS_ALL, 0x10, 0x10 },
        { CAS_X2_X0, 0x10, E | EL0 | ST | BAS_ALL, 0x10, 0x10 | WRITE },
        { CASP_X2_X4, 0x10, E | EL0 | ST | BAS_ALL, 0x18, 0x18 | WRITE },
        { LDADD_X2_X0, 0x10, E | EL0 | ST | BAS(0x40), 0x10, 0x16 | WRITE },
        { SWP_X2_X0, 0x10, E | EL0 | LD | BAS(0x40), 0x10, 0x16 },
        { LDUMAX_W2_W0, 0x10, ANY | BAS(0x08), 0x10, 0x13 },
        { LDUMAX_W2_W0, 0x10, ANY | BAS(0x10), 0x10, NO },
        /* Exclusives: a store counts also when no monitor is open. */
        { LDXR_X0, 0x10, E | EL0 | LD | BAS_ALL, 0x10, 0x10 },
        { LDXR_X0, 0x10, E | EL0 | ST | BAS_ALL, 0x10, NO },
        { LDAXP_X0_X2, 0x10, E | EL0 | LD | BAS_ALL, 0x18, 0x18 },
        { STXR_X0, 0x10, E | EL0 | ST | BAS_ALL, 0x10, 0x10 | WRITE },
        { STXR_X0, 0x10, E | EL0 | LD | BAS_ALL, 0x10, NO },
        { STLXP_X3_X4, 0x10, E | EL0 | ST | BAS_ALL, 0x18, 0x18 | WRITE },
        { LDAR_X0, 0x10, ANY | BAS_ALL, 0x10, 0x10 },
        { STLR_X0, 0x10, ANY | BAS_ALL, 0x10, 0x10 | WRITE },
        /* DC ZVA stores a block and reports its operand; maintenance and hints do not match. */
        { DC_ZVA, 0x44, ANY | BAS(0x01), 0x78, 0x44 | WRITE },
        { DC_ZVA, 0x7f, ANY | BAS(0x01), 0x40, 0x7f | WRITE },
        { DC_ZVA, 0x44, ANY | BAS(0x01), 0x80, NO },
        { DC_ZVA, 0x44, E | EL0 | LD | BAS_ALL, 0x40, NO },
        { DC_CVAC, 0x10, ANY | BAS_ALL, 0x10, NO },
        { IC_IVAU, 0x10, ANY | BAS_ALL, 0x10, NO },
        { PRFM, 0x10, ANY | BAS_ALL, 0x10, NO },
    };
    static const uint64_t tags[] = { 0, UINT64_C(0x5a) << 56 };
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        for (size_t tag = 0; tag < ARRAY_LEN(tags); tag++) {
            gva_t va = (DATA + t[i].at) | tags[tag];

            /* Once without it, so that the TLB knows the page. */
            arm(rig, MDSCR_MDE);
            PUT(rig, CODE, t[i].word, SVC);
            fill(rig);
            c->x[1] = va;
            run(rig, CODE, 0);
            assert_int_equal(ec(rig), EC_SVC64);

            set_watchpoint(rig, 1, t[i].wcr, DATA + t[i].wvr);
            fill(rig);
            c->x[1] = va;
            run(rig, CODE, 0);
            if (t[i].far == NO) {
                assert_int_equal(ec(rig), EC_SVC64);
                continue;
            }
            assert_int_equal(ec(rig), EC_WATCHPOINT_LOWER);
            assert_int_equal(iss(rig), FSC_DEBUG | (t[i].far & WRITE ? ISS_DABT_WNR : 0));
            assert_int_equal(c->sys.far_el1, (DATA + (t[i].far & 0x7fff)) | tags[tag]);
            assert_int_equal(c->sys.elr_el1, CODE);
            /* Nothing was done. */
            assert_data_untouched(rig);
            assert_int_equal(c->x[0], 0);
            assert_int_equal(c->x[1], va);
            assert_int_equal(c->x[2], UINT64_C(0x2222222222222222));
            assert_int_equal(c->v[3].d[0], 3);

            /* Disarmed, it runs. */
            arm(rig, 0);
            run(rig, CODE, 0);
            assert_int_equal(ec(rig), EC_SVC64);
        }
    }
}

static void test_several_watchpoints(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    /* The lowest byte is reported, whichever watchpoint it belongs to. */
    arm(rig, MDSCR_MDE);
    set_watchpoint(rig, 0, ANY | BAS(0x40), DATA);
    set_watchpoint(rig, 3, ANY | BAS(0x04), DATA);
    PUT(rig, CODE, LDR_X0, SVC);
    c->x[1] = DATA;
    run(rig, CODE, 0);
    assert_int_equal(ec(rig), EC_WATCHPOINT_LOWER);
    assert_int_equal(c->sys.far_el1, DATA + 2);
    set_watchpoint(rig, 1, ANY | BAS(0x20), DATA);
    set_watchpoint(rig, 3, ANY | BAS(0x80), DATA);
    run(rig, CODE, 0);
    assert_int_equal(c->sys.far_el1, DATA + 5);
    set_watchpoint(rig, 1, 0, DATA);

    /* An atomic under one for loads and one for stores is a read. */
    set_watchpoint(rig, 0, E | EL0 | ST | BAS_ALL, DATA);
    set_watchpoint(rig, 3, E | EL0 | LD | BAS_ALL, DATA);
    PUT(rig, CODE, SWP_X2_X0, SVC);
    run(rig, CODE, 0);
    assert_int_equal(iss(rig), FSC_DEBUG);
}

static void test_linked_watchpoints(void **state)
{
    static const struct {
        uint64_t wcr, bcr5, context;
        bool hit;
    } t[] = {
        { ANY | BAS_ALL | WT | LBN(5), LINKED, CONTEXT, true },
        { ANY | BAS_ALL | WT | LBN(5), LINKED, CONTEXT + 1, false },
        { ANY | BAS_ALL | WT | LBN(5), BT(3), CONTEXT, false },
        { ANY | BAS_ALL | WT | LBN(5), E | EL1 | BT(2), CONTEXT, false },
        { ANY | BAS_ALL | WT | LBN(4), LINKED, CONTEXT, false },
        { ANY | BAS_ALL | WT | LBN(1), LINKED, CONTEXT, false },
        { ANY | BAS_ALL | WT | LBN(8), LINKED, CONTEXT, false },
        { ANY | BAS_ALL | LBN(4), LINKED, CONTEXT + 1, true }, /* not linked */
    };
    struct rig *rig = *state;

    PUT(rig, CODE, LDR_X0, SVC);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        arm(rig, MDSCR_MDE);
        rig->c->sys.contextidr_el1 = t[i].context;
        set_breakpoint(rig, 5, t[i].bcr5, CONTEXT);
        set_watchpoint(rig, 0, t[i].wcr, DATA);
        rig->c->x[1] = DATA;
        run(rig, CODE, 0);
        assert_int_equal(ec(rig), t[i].hit ? EC_WATCHPOINT_LOWER : EC_SVC64);
    }

    /* A breakpoint that is not context-aware cannot be linked to, whatever its type says. */
    set_breakpoint(rig, 3, LINKED, 76);
    rig->c->sys.contextidr_el1 = 76;
    set_watchpoint(rig, 0, ANY | BAS_ALL | WT | LBN(3), DATA);
    run(rig, CODE, 0);
    assert_int_equal(ec(rig), EC_SVC64);
}

static void test_watchpoints_at_el1(void **state)
{
    static const struct {
        uint32_t word;
        uint64_t wcr, mdscr, pstate;
        unsigned ec;
        uint64_t iss;
    } t[] = {
        { STR_X0, E | EL1 | ST, MDSCR_KDE, 0, EC_WATCHPOINT_SAME, ISS_DABT_WNR },
        { STR_X0, E | EL0 | ST, MDSCR_KDE, 0, EC_SVC64, 0 },
        { STR_X0, E | EL1 | ST, 0, 0, EC_SVC64, 0 },
        { STR_X0, E | EL1 | ST, MDSCR_KDE, DAIF_D, EC_SVC64, 0 },
        /* Unprivileged accesses are EL0's, but the exception comes from EL1. */
        { LDTR_X0, E | EL0 | LD, MDSCR_KDE, 0, EC_WATCHPOINT_SAME, 0 },
        { STTR_X0, E | EL0 | ST, MDSCR_KDE, 0, EC_WATCHPOINT_SAME, ISS_DABT_WNR },
        { LDTR_X0, E | EL1 | LD, MDSCR_KDE, 0, EC_SVC64, 0 },
        { LDTR_X0, E | EL0 | LD, 0, 0, EC_SVC64, 0 },
        /* DC IVAC is a store of a whole line. */
        { DC_IVAC, E | EL1 | ST, MDSCR_KDE, 0, EC_WATCHPOINT_SAME, ISS_DABT_WNR | ISS_DABT_CM },
        { DC_IVAC, E | EL1 | LD, MDSCR_KDE, 0, EC_SVC64, 0 },
        { DC_IVAC, E | EL1 | ST, 0, 0, EC_SVC64, 0 },
    };
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        gva_t va = DATA + (t[i].word == DC_IVAC ? 0x34 : 0);

        PUT(rig, KERNEL, t[i].word, SVC);
        arm(rig, t[i].mdscr | MDSCR_MDE);
        set_watchpoint(rig, 2, t[i].wcr | BAS_ALL, DATA);
        c->x[1] = va;
        run(rig, KERNEL, EL1H | t[i].pstate);
        assert_int_equal(ec(rig), t[i].ec);
        if (t[i].ec == EC_SVC64)
            continue;
        assert_int_equal(iss(rig), FSC_DEBUG | t[i].iss);
        assert_int_equal(c->sys.far_el1, va);
    }
}

/* D1.3.5: alignment and MMU faults come first; a device sees nothing of a watched access. */
static void test_priorities_of_an_access(void **state)
{
    static const struct {
        uint32_t word;
        gva_t va;
        unsigned ec, fsc;
    } t[] = {
        { LDR_X0, NOWHERE, EC_DABT_LOWER, FSC_TRANSLATION | 1 },
        { STR_X0, RIG_SYSTEM, EC_DABT_LOWER, FSC_PERMISSION | 2 },
        { LDXR_X0, DATA + 4, EC_DABT_LOWER, FSC_ALIGNMENT },
        { SWP_X2_X0, DATA + 4, EC_DABT_LOWER, FSC_ALIGNMENT },
        { LDR_X0, RIG_DEVICE + 4, EC_DABT_LOWER, FSC_ALIGNMENT },
        { STP_X0_X2, RIG_DEVICE + 4, EC_DABT_LOWER, FSC_ALIGNMENT },
        { DC_ZVA, RIG_DEVICE, EC_DABT_LOWER, FSC_ALIGNMENT },
        { LDR_X0, RIG_DEVICE, EC_WATCHPOINT_LOWER, FSC_DEBUG },
        { STR_X0, RIG_DEVICE, EC_WATCHPOINT_LOWER, FSC_DEBUG },
        { STP_X0_X2, RIG_DEVICE + 0x18, EC_WATCHPOINT_LOWER, FSC_DEBUG },
        { LDR_X0, DATA + 4, EC_WATCHPOINT_LOWER, FSC_DEBUG },
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        arm(rig, MDSCR_MDE);
        set_watchpoint(rig, 0, ANY | BAS_ALL | MASK(5), align_down(t[i].va, 32));
        set_watchpoint(rig, 1, ANY | BAS_ALL | MASK(5), align_down(t[i].va, 32) + 32);
        PUT(rig, CODE, t[i].word, SVC);
        rig->c->x[1] = t[i].va;
        run(rig, CODE, 0);
        assert_int_equal(ec(rig), t[i].ec);
        assert_int_equal(iss(rig) & ISS_DABT_DFSC, t[i].fsc);
    }

    /* SCTLR_EL1.A applies to each register of a pair, before anything is translated. */
    arm(rig, MDSCR_MDE);
    rig->c->sys.sctlr_el1 |= SCTLR_A;
    mmu_update(rig->c);
    set_watchpoint(rig, 0, ANY | BAS_ALL | MASK(5), DATA);
    PUT(rig, CODE, STP_X0_X2, SVC);
    rig->c->x[1] = DATA + 4;
    run(rig, CODE, 0);
    assert_int_equal(ec(rig), EC_DABT_LOWER);
    assert_int_equal(iss(rig), ISS_DABT_WNR | FSC_ALIGNMENT);
    rig->c->x[1] = RIG_USER + RIG_BYTES - 4; /* the next page is not the user's */
    run(rig, CODE, 0);
    assert_int_equal(iss(rig), ISS_DABT_WNR | FSC_ALIGNMENT);
    PUT(rig, CODE, ST4_B1, SVC); /* bytes are never misaligned */
    rig->c->x[1] = DATA + 5;
    run(rig, CODE, 0);
    assert_int_equal(ec(rig), EC_WATCHPOINT_LOWER);
}

/* The rest of a watched page, and other pages, are as ever. */
static void test_what_is_not_watched_works(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    arm(rig, MDSCR_MDE);
    set_watchpoint(rig, 0, ANY | BAS_ALL, DATA + 0x800);
    PUT(rig, CODE, STP_X0_X2_POST, LDR_X0_POST, SVC);
    fill(rig);
    for (gva_t va = DATA; va < DATA + 0x2000; va += 0x1010) {
        c->x[0] = va;
        c->x[1] = va;
        assert_int_equal(run(rig, CODE, 0), 3);
        assert_int_equal(ec(rig), EC_SVC64);
        assert_int_equal(load_le64(rig_ptr(rig, va)), va);
        assert_int_equal(c->x[1], va + 24);
    }
    /* An access next to it goes on to the next page's bytes. */
    assert_int_equal(c->debug_armed, DEBUG_WATCH);
    c->x[1] = DATA + 0x7f0;
    assert_int_equal(run(rig, CODE, 0), 1);
    assert_int_equal(ec(rig), EC_WATCHPOINT_LOWER);
    assert_int_equal(c->sys.elr_el1, CODE + 4);
    assert_int_equal(c->sys.far_el1, DATA + 0x800);
}

/* Saved state sets all of it up again. */
static void test_restored_state_is_armed(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;
    struct vcpu_state saved;
    struct err err;

    arm(rig, MDSCR_MDE | MDSCR_SS);
    PUT(rig, CODE, LDR_X0, NOP, SVC);
    set_watchpoint(rig, 0, ANY | BAS_ALL, DATA);
    set_breakpoint(rig, 0, E | EL0, CODE + 4);
    rig_enter(rig, CODE, 0);
    exc_pstate_set(c, PSTATE_SS);
    c->x[1] = DATA;
    cpu_get_state(c, &saved);
    arm(rig, 0);
    run(rig, CODE, 0); /* the TLB has it */
    assert_int_equal(ec(rig), EC_SVC64);

    assert_int_equal(cpu_set_state(c, &saved, &err), 0);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_WATCHPOINT_LOWER);
    saved.x[1] = DATA + 8;
    assert_int_equal(cpu_set_state(c, &saved, &err), 0);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_STEP_LOWER);
    saved.mdscr_el1 = MDSCR_MDE;
    assert_int_equal(cpu_set_state(c, &saved, &err), 0);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_BREAKPOINT_LOWER);
    saved.os_lock = 1;
    assert_int_equal(cpu_set_state(c, &saved, &err), 0);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_SVC64);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_step_of_every_kind_of_instruction),
        T(test_a_program_stepped_to_its_end),
        T(test_who_may_be_stepped),
        T(test_steps_at_el1),
        T(test_a_step_of_a_device_access),
        T(test_what_arms_and_disarms),
        T(test_which_breakpoints_match),
        T(test_breakpoints_are_found_wherever_control_comes_from),
        T(test_priorities_before_an_instruction),
        T(test_which_watchpoints_match),
        T(test_several_watchpoints),
        T(test_linked_watchpoints),
        T(test_watchpoints_at_el1),
        T(test_priorities_of_an_access),
        T(test_what_is_not_watched_works),
        T(test_restored_state_is_armed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
