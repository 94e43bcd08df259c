/*
 * Self-hosted debug (Arm DDI 0487, D2): software step, breakpoints, watchpoints, and what enables
 * them. The snippets run at EL0, and at EL1 with MDSCR_EL1.KDE.
 */
#include "space.h"

#define GROUP "debug"

#define MDSCR_SS   BIT(0)
#define MDSCR_KDE  BIT(13)
#define MDSCR_MDE  BIT(15)
#define PSTATE_D   BIT(9)
#define BCR_ENABLE (BIT(0) | BIT(1) | BIT(2) | UINT64_C(0xf) << 5) /* EL0 and EL1, any byte */
#define BCR_EL0    (BIT(0) | BIT(2) | UINT64_C(0xf) << 5)
#define BCR_EL1    (BIT(0) | BIT(1) | UINT64_C(0xf) << 5)
#define WCR(bas)   (BIT(0) | BIT(1) | BIT(2) | (uint64_t)(bas) << 5)
#define WCR_LOAD   BIT(3)
#define WCR_STORE  BIT(4)

SNIPPET(d_nops, "nop\nnop\nnop");
SNIPPET(d_branch, "b 1f\nnop\n1: nop");
SNIPPET(d_svc, "svc #3");
SNIPPET(d_udf, "udf #0");
SNIPPET(d_load, "ldr x1, [x0]");
SNIPPET(d_load_byte, "ldrb w1, [x0]");
SNIPPET(d_store, "str x1, [x0]");
SNIPPET(d_pair, "ldp x1, x2, [x0]");
SNIPPET(d_store_pair, "stp x1, x2, [x0]");
SNIPPET(d_zva, "dc zva, x0");
SNIPPET(d_excl, "1: ldxr x1, [x0]\nstxr w2, x1, [x0]\ncbnz w2, 1b");
SNIPPET(d_atomic, "ldadd x1, x2, [x0]");
SNIPPET(d_q, "ldr q0, [x0]");

static void debug_off(void)
{
    WRITE("mdscr_el1", 0);
    WRITE("dbgbcr0_el1", 0);
    WRITE("dbgbcr1_el1", 0);
    WRITE("dbgwcr0_el1", 0);
    WRITE("dbgwcr1_el1", 0);
}

/* Software step: one instruction, then the exception; SPSR.SS says where in the state machine. */
static void steps(void)
{
    static const struct {
        const char *name;
        uint64_t spsr, mdscr;
        const char *pc;
    } rows[] = {
        { "el0", EL0 | SPSR_SS, MDSCR_SS, d_nops },
        { "el0-pending", EL0, MDSCR_SS, d_nops },
        { "el0-branch", EL0 | SPSR_SS, MDSCR_SS, d_branch },
        { "el0-svc", EL0 | SPSR_SS, MDSCR_SS, d_svc },
        { "el0-undefined", EL0 | SPSR_SS, MDSCR_SS, d_udf },
        { "el0-exclusive", EL0 | SPSR_SS, MDSCR_SS, d_excl },
        { "el0-off", EL0 | SPSR_SS, 0, d_nops },
        { "el0-illegal", EL0 | SPSR_SS | SPSR_IL, MDSCR_SS, d_nops },
        { "el1", (EL1 | SPSR_SS) & ~PSTATE_D, MDSCR_SS | MDSCR_KDE, d_nops },
        { "el1-pending", EL1 & ~PSTATE_D, MDSCR_SS | MDSCR_KDE, d_nops },
        { "el1-masked", EL1 | SPSR_SS, MDSCR_SS | MDSCR_KDE, d_nops },
        { "el1-no-kde", (EL1 | SPSR_SS) & ~PSTATE_D, MDSCR_SS, d_nops },
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct go g;

        WRITE("mdscr_el1", rows[i].mdscr);
        g = run_at(rows[i].spsr, rows[i].pc, ARENA, 0, 0, 0);
        WRITE("mdscr_el1", 0);
        print(GROUP ".step-%s: ", rows[i].name);
        print_trap(&g);
        print("\n");
    }
}

static void breakpoints(void)
{
    static const struct {
        const char *name;
        uint64_t spsr, mdscr, bcr;
    } rows[] = {
        { "el0", EL0, MDSCR_MDE, BCR_ENABLE },
        { "el0-only-el1", EL0, MDSCR_MDE, BCR_EL1 },
        { "el0-only-el0", EL0, MDSCR_MDE, BCR_EL0 },
        { "no-mde", EL0, 0, BCR_ENABLE },
        { "disabled", EL0, MDSCR_MDE, BCR_ENABLE & ~BIT(0) },
        { "el1", EL1 & ~PSTATE_D, MDSCR_MDE | MDSCR_KDE, BCR_ENABLE },
        { "el1-only-el0", EL1 & ~PSTATE_D, MDSCR_MDE | MDSCR_KDE, BCR_EL0 },
        { "el1-masked", EL1, MDSCR_MDE | MDSCR_KDE, BCR_ENABLE },
        { "el1-no-kde", EL1 & ~PSTATE_D, MDSCR_MDE, BCR_ENABLE },
    };
    struct go g;

    for (unsigned i = 0; i < COUNT(rows); i++) {
        WRITE("dbgbvr0_el1", (uint64_t)d_nops + 4);
        WRITE("dbgbcr0_el1", rows[i].bcr);
        WRITE("mdscr_el1", rows[i].mdscr);
        g = run_at(rows[i].spsr, d_nops, 0, 0, 0, 0);
        debug_off();
        print(GROUP ".break-%s: ", rows[i].name);
        print_trap(&g);
        print("\n");
    }
    /* Linked to a context: breakpoint 5 compares CONTEXTIDR (type 3), breakpoint 0 points to it. */
    for (unsigned match = 0; match < 2; match++) {
        WRITE("contextidr_el1", 0x1234 + !match);
        WRITE("dbgbvr5_el1", 0x1234);
        WRITE("dbgbcr5_el1", BCR_ENABLE | UINT64_C(3) << 20);
        WRITE("dbgbvr0_el1", (uint64_t)d_nops + 4);
        WRITE("dbgbcr0_el1", BCR_ENABLE | UINT64_C(1) << 20 | UINT64_C(5) << 16);
        WRITE("mdscr_el1", MDSCR_MDE);
        g = run_at(EL0, d_nops, 0, 0, 0, 0);
        WRITE("dbgbcr5_el1", 0);
        debug_off();
        report(GROUP, match ? "break-linked" : "break-linked-other", &g);
    }
    /* Step wins over a breakpoint on the next instruction, which comes first at its own. */
    WRITE("dbgbvr0_el1", (uint64_t)d_nops);
    WRITE("dbgbcr0_el1", BCR_ENABLE);
    WRITE("mdscr_el1", MDSCR_MDE | MDSCR_SS);
    g = run_at(EL0 | SPSR_SS, d_nops, 0, 0, 0, 0);
    debug_off();
    report(GROUP, "break-and-step", &g);
    /* The OS lock disables all but BRK. */
    WRITE("dbgbvr0_el1", (uint64_t)d_nops);
    WRITE("dbgbcr0_el1", BCR_ENABLE);
    WRITE("mdscr_el1", MDSCR_MDE);
    WRITE("oslar_el1", 1);
    g = run_at(EL0, d_nops, 0, 0, 0, 0);
    WRITE("oslar_el1", 0);
    debug_off();
    report(GROUP, "break-os-lock", &g);
}

static void watchpoints(void)
{
    static const struct {
        const char *name;
        const char *pc;
        unsigned off; /* of the access from the watched doubleword */
        int64_t back; /* before it */
        uint64_t wcr;
    } rows[] = {
        { "load", d_load, 0, 0, WCR(0xff) | WCR_LOAD },
        { "load-watched-for-store", d_load, 0, 0, WCR(0xff) | WCR_STORE },
        { "store", d_store, 0, 0, WCR(0xff) | WCR_STORE },
        { "store-watched-for-load", d_store, 0, 0, WCR(0xff) | WCR_LOAD },
        { "byte-inside", d_load_byte, 3, 0, WCR(0x08) | WCR_LOAD },
        { "byte-outside", d_load_byte, 4, 0, WCR(0x08) | WCR_LOAD },
        { "unaligned-before", d_load, 0, 4, WCR(0x0f) | WCR_LOAD },
        { "unaligned-misses", d_load, 0, 4, WCR(0xf0) | WCR_LOAD },
        { "pair-second", d_pair, 0, 8, WCR(0xff) | WCR_LOAD },
        { "store-pair-second", d_store_pair, 0, 8, WCR(0xff) | WCR_STORE },
        { "quad-second", d_q, 0, 8, WCR(0xff) | WCR_LOAD },
        { "zva", d_zva, 0, 0, WCR(0xff) | WCR_STORE },
        { "exclusive", d_excl, 0, 0, WCR(0xff) | WCR_STORE },
        { "atomic", d_atomic, 0, 0, WCR(0xff) | WCR_STORE },
        { "atomic-load", d_atomic, 0, 0, WCR(0xff) | WCR_LOAD },
    };
    uint64_t watched = ARENA + 0x1000, sctlr = READ("sctlr_el1");
    struct go g;

    WRITE("sctlr_el1", sctlr | SCTLR_DZE);
    space_map(TEST_VA, ARENA, 3, D_DATA | D_USER);
    space_map(TEST_VA + space_bytes(3), ARENA + space_bytes(3), 3, D_DATA | D_USER);
    watched = TEST_VA + 0x800;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        uint64_t va = watched + rows[i].off - (uint64_t)rows[i].back;

        WRITE("dbgwvr0_el1", watched);
        WRITE("dbgwcr0_el1", rows[i].wcr);
        WRITE("mdscr_el1", MDSCR_MDE);
        g = run_at(EL0, rows[i].pc, va, 0, 0, 0);
        debug_off();
        print(GROUP ".watch-%s:", rows[i].name);
        print_brief("", &g, va);
        print("\n");
    }
    /* A range of 32 bytes (MASK), and EL1. */
    for (unsigned off = 0; off <= 40; off += 8) {
        WRITE("dbgwvr0_el1", watched);
        WRITE("dbgwcr0_el1", WCR(0xff) | WCR_LOAD | UINT64_C(5) << 24);
        WRITE("mdscr_el1", MDSCR_MDE);
        g = run_at(EL0, d_load, watched + off, 0, 0, 0);
        debug_off();
        print("%s", off ? "" : GROUP ".watch-mask:");
        print_brief("", &g, watched + off);
    }
    print("\n");
    for (unsigned kde = 0; kde < 2; kde++) {
        WRITE("dbgwvr0_el1", watched);
        WRITE("dbgwcr0_el1", WCR(0xff) | WCR_LOAD);
        WRITE("mdscr_el1", MDSCR_MDE | (kde ? MDSCR_KDE : 0));
        g = run_at(EL1 & ~PSTATE_D, d_load, watched, 0, 0, 0);
        debug_off();
        report(GROUP, kde ? "watch-el1" : "watch-el1-no-kde", &g);
    }
    WRITE("sctlr_el1", sctlr);
}

void check_debug(void)
{
    uint64_t lock = READ("oslsr_el1") & BIT(1);

    WRITE("oslar_el1", 0);
    space_on(12);
    debug_off();
    steps();
    breakpoints();
    watchpoints();
    space_off();
    WRITE("oslar_el1", lock >> 1);
}
