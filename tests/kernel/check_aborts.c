/*
 * Data and instruction aborts with page tables of either granule: what each kind of fault reports
 * at each level, for reads, writes and fetches from both exception levels.
 */
#include "space.h"

/* The arena begins with code that returns, for the fetches that are allowed. */
#define RETURN 0xd65f03c0

#define ISS_WNR BIT(6)

SNIPPET(a_ldr, "ldr x1, [x0]");
SNIPPET(a_str, "str x1, [x0]");
SNIPPET(a_ldrb, "ldrb w1, [x0]");
SNIPPET(a_strh, "strh w1, [x0]");
SNIPPET(a_ldr_post, "ldr x1, [x0], #8");
SNIPPET(a_str_pre, "str x1, [x0, #0]!");
SNIPPET(a_ldp, "ldp x1, x2, [x0]");
SNIPPET(a_stp, "stp x1, x2, [x0]");
SNIPPET(a_ldp_post, "ldp x1, x2, [x0], #16");
SNIPPET(a_stp_pre, "stp x1, x2, [x0, #-16]!");
SNIPPET(a_ldp_w, "ldp w1, w2, [x0]");
SNIPPET(a_ldr_q, "ldr q0, [x0]");
SNIPPET(a_str_q, "str q0, [x0]");
SNIPPET(a_ldp_q, "ldp q0, q1, [x0]");
SNIPPET(a_ld1, "ld1 {v0.16b}, [x0]");
SNIPPET(a_ld4, "ld4 {v0.4s-v3.4s}, [x0], #64");
SNIPPET(a_st3, "st3 {v0.8b-v2.8b}, [x0], #24");
SNIPPET(a_ld1_lane, "ld1 {v0.s}[1], [x0], #4");
SNIPPET(a_ldxr, "ldxr x1, [x0]");
SNIPPET(a_stxr, "ldxr x1, [x0]\nstxr w2, x1, [x0]");
SNIPPET(a_ldxp, "ldxp x1, x2, [x0]");
SNIPPET(a_ldar, "ldar x1, [x0]");
SNIPPET(a_stlr, "stlr x1, [x0]");
SNIPPET(a_cas, "cas x1, x2, [x0]");
SNIPPET(a_casp, "casp x2, x3, x4, x5, [x0]");
SNIPPET(a_ldadd, "ldadd x1, x2, [x0]");
SNIPPET(a_swp, "swp x1, x2, [x0]");
SNIPPET(a_stadd, "stadd w1, [x0]");
SNIPPET(a_ldtr, "ldtr x1, [x0]");
SNIPPET(a_sttr, "sttr x1, [x0]");
SNIPPET(a_zva, "dc zva, x0");
SNIPPET(a_cvac, "dc cvac, x0");
SNIPPET(a_civac, "dc civac, x0");
SNIPPET(a_ivac, "dc ivac, x0");
SNIPPET(a_cvau, "dc cvau, x0");
SNIPPET(a_ivau, "ic ivau, x0");
SNIPPET(a_prfm, "prfm pstl1keep, [x0]");

struct op {
    const char *name;
    const char *pc;
};

static const struct op ops[] = {
    { "ldr", a_ldr },         { "str", a_str },           { "ldrb", a_ldrb },
    { "strh", a_strh },       { "ldr-post", a_ldr_post }, { "str-pre", a_str_pre },
    { "ldp", a_ldp },         { "stp", a_stp },           { "ldp-post", a_ldp_post },
    { "stp-pre", a_stp_pre }, { "ldp-w", a_ldp_w },       { "ldr-q", a_ldr_q },
    { "str-q", a_str_q },     { "ldp-q", a_ldp_q },       { "ld1", a_ld1 },
    { "ld4", a_ld4 },         { "st3", a_st3 },           { "ld1-lane", a_ld1_lane },
    { "ldxr", a_ldxr },       { "stxr", a_stxr },         { "ldxp", a_ldxp },
    { "ldar", a_ldar },       { "stlr", a_stlr },         { "cas", a_cas },
    { "casp", a_casp },       { "ldadd", a_ldadd },       { "swp", a_swp },
    { "stadd", a_stadd },     { "ldtr", a_ldtr },         { "sttr", a_sttr },
    { "zva", a_zva },         { "prfm", a_prfm },
};

/* Cache maintenance by address: QEMU has it do nothing. */
static const struct op cache_ops[] = {
    { "cvac", a_cvac }, { "civac", a_civac }, { "ivac", a_ivac },
    { "cvau", a_cvau }, { "ivau", a_ivau },
};

static const char *group;

/* It reads and writes: WnR has a check of its own, since QEMU has it wrong. */
static bool is_atomic(const struct op *op)
{
    return op->pc == a_cas || op->pc == a_casp || op->pc == a_ldadd || op->pc == a_swp ||
           op->pc == a_stadd;
}

static struct go try(const struct op *op, uint64_t spsr, uint64_t va)
{
    struct go g = run_at(spsr, op->pc, va, 0, 0, 0);

    if (is_atomic(op) && !returned(&g))
        g.esr &= ~ISS_WNR;
    return g;
}

/* One line for a mapping: read, write and fetch at EL1 and EL0. */
static void six(const char *check, uint64_t va)
{
    struct go r1 = run_at(EL1, a_ldr, va, 0, 0, 0), w1 = run_at(EL1, a_str, va, RETURN, 0, 0);
    struct go r0 = run_at(EL0, a_ldr, va, 0, 0, 0), w0 = run_at(EL0, a_str, va, RETURN, 0, 0);
    struct go x1 = run_at(EL1, (const void *)va, 0, 0, 0, 0);
    struct go x0 = run_at(EL0, (const void *)va, 0, 0, 0, 0);

    print("%s.%s%s:", group, check, va >> 63 ? "-upper" : "");
    print_brief("r1=", &r1, va);
    print_brief("w1=", &w1, va);
    print_brief("r0=", &r0, va);
    print_brief("w0=", &w0, va);
    print_brief("x1=", &x1, va);
    print_brief("x0=", &x0, va);
    print("\n");
}

static void levels(uint64_t half)
{
    static const char *const translation[] = { "translation-0", "translation-1", "translation-2",
                                               "translation-3" };
    static const char *const flag[] = { "", "access-flag-1", "access-flag-2", "access-flag-3" };
    static const char *const read_only[] = { "", "read-only-1", "read-only-2", "read-only-3" };
    static const char *const size[] = { "", "address-size-1", "address-size-2", "address-size-3" };
    static const char *const table_size[] = { "", "table-size-1", "table-size-2" };
    unsigned block = space_granule() == 12 ? 1 : 2; /* the first level with blocks */
    uint64_t va = half | TEST_VA;

    space_clear_tests();
    six(translation[0], half | TEST_VA | BIT(47));
    for (unsigned level = 1; level < 4; level++) {
        va += space_bytes(1);
        (void)space_entry(va, level);
        six(translation[level], va);
    }
    /* Descriptors that a level has not: a block at level 0 or at a large level 1, 0b01 at 3. */
    if (space_granule() == 12) {
        uint64_t high = half | TEST_VA | BIT(46);

        *space_entry(high, 0) = D_DATA | D_VALID;
        space_flush();
        six("block-0", high);
        *space_entry(high, 0) = 0;
    } else {
        va += space_bytes(1);
        space_map(va, 0, 1, D_DATA);
        space_flush();
        six("block-1", va);
        space_map(va, 0, 1, 0);
    }
    va += space_bytes(1);
    *space_entry(va, 3) = ARENA | D_DATA | D_VALID;
    space_flush();
    six("not-a-page-3", va);

    for (unsigned level = block; level < 4; level++) {
        uint64_t pa = level == 1 ? UINT64_C(0x40000000) : ARENA;
        uint64_t off = level == 1 ? ARENA - pa : 0;

        va += space_bytes(1);
        space_map(va, pa, level, (D_DATA | D_USER) & ~D_AF);
        six(flag[level], va + off);
        space_map(va, pa, level, 0);
        space_flush();
        space_map(va, pa, level, (D_AF | D_INNER | D_RO | D_USER));
        six(read_only[level], va + off);
        va += space_bytes(1);
        space_map(va, BIT(40), level, D_DATA);
        six(size[level], va);
    }
    for (unsigned level = 1; level < 3; level++) {
        va += space_bytes(1);
        *space_entry(va, level) = BIT(40) | D_TABLE | D_VALID;
        space_flush();
        six(table_size[level], va);
    }
}

/* AP, PXN and UXN in a page, and what tables above it take away. */
static void permissions(uint64_t half)
{
    static const struct {
        const char *name;
        uint64_t page, table;
    } rows[] = {
        { "rw", 0, 0 },
        { "rw-user", D_USER, 0 },
        { "ro", D_RO, 0 },
        { "ro-user", D_RO | D_USER, 0 },
        { "pxn", D_RO | D_USER | D_PXN, 0 },
        { "uxn", D_RO | D_USER | D_UXN, 0 },
        { "rw-uxn", D_UXN, 0 },
        { "rw-user-uxn", D_USER | D_UXN, 0 },
        { "table-ro", D_USER, D_ROT },
        { "table-no-user", D_USER, D_NOUSER },
        { "table-ro-no-user", D_USER, D_ROT | D_NOUSER },
        { "table-pxn", D_RO | D_USER, D_PXNT },
        { "table-uxn", D_RO | D_USER, D_UXNT },
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        uint64_t va = half | TEST_VA;

        space_clear_tests();
        space_map(va, ARENA, 3, D_AF | D_INNER | rows[i].page);
        *space_entry(va, 2) |= rows[i].table;
        space_flush();
        six(rows[i].name, va);
    }
}

/* WXN, PAN and E0PD over the same page. */
static void controls(void)
{
    uint64_t sctlr = READ("sctlr_el1"), tcr = READ("tcr_el1");
    struct go g;

    space_clear_tests();
    space_map(TEST_VA, ARENA, 3, D_AF | D_INNER);
    space_map(TEST_VA + space_bytes(3), ARENA, 3, D_AF | D_INNER | D_USER);
    space_map(TEST_VA_UPPER, ARENA, 3, D_AF | D_INNER | D_USER);
    WRITE("sctlr_el1", sctlr | SCTLR_WXN);
    space_flush();
    six("wxn", TEST_VA);
    six("wxn-user", TEST_VA + space_bytes(3));
    WRITE("sctlr_el1", sctlr);
    space_flush();

    for (unsigned i = 0; i < COUNT(ops); i++) {
        g = try(&ops[i], EL1 | SPSR_PAN, TEST_VA + space_bytes(3) + 64);
        print("%s.pan-%s:", group, ops[i].name);
        print_brief("", &g, TEST_VA + space_bytes(3) + 64);
        print("\n");
    }
    g = run_at(EL1 | SPSR_PAN, (const void *)(TEST_VA + space_bytes(3)), 0, 0, 0, 0);
    report(group, "pan-fetch", &g);

    WRITE("tcr_el1", tcr | TCR_E0PD1);
    space_flush();
    six("e0pd1", TEST_VA_UPPER);
    g = run_at(EL1, a_ldtr, TEST_VA_UPPER, 0, 0, 0);
    report(group, "e0pd1-ldtr", &g);
    WRITE("tcr_el1", tcr);
    space_flush();
}

/* Every instruction on a page that is not there, is read-only, or forbidden to EL0. */
static void instructions(void)
{
    static const struct {
        const char *name;
        uint64_t spsr, attr;
    } maps[] = {
        { "unmapped", EL1, 0 },
        { "read-only", EL1, D_DATA | D_RO },
        { "kernel-only", EL0, D_DATA },
        { "user-read-only", EL0, D_DATA | D_USER | D_RO },
    };
    uint64_t sctlr = READ("sctlr_el1");

    WRITE("sctlr_el1", sctlr | SCTLR_UCI | SCTLR_DZE);
    for (unsigned m = 0; m < COUNT(maps); m++) {
        space_clear_tests();
        space_map(TEST_VA, ARENA, 3, maps[m].attr);
        for (unsigned i = 0; i < COUNT(ops); i++) {
            uint64_t va = TEST_VA + 0x40;
            struct go g = try(&ops[i], maps[m].spsr, va);

            print("%s.%s-%s:", group, maps[m].name, ops[i].name);
            print_brief("", &g, va);
            if (!returned(&g) && g.x[0] != va)
                print(" base moved by %x", g.x[0] - va);
            print("\n");
        }
    }
    WRITE("sctlr_el1", sctlr);
}

/* The last bytes of a page before one that is not there, and the first after. */
static void crossings(void)
{
    uint64_t page = space_bytes(3);
    static const unsigned backs[] = { 1, 4, 8, 12, 15 };

    for (unsigned bad = 0; bad < 3; bad++) {
        static const char *const names[] = { "second-unmapped", "first-unmapped",
                                             "second-read-only" };

        space_clear_tests();
        if (bad != 1)
            space_map(TEST_VA, ARENA, 3, D_DATA);
        if (bad == 1)
            space_map(TEST_VA + page, ARENA + page, 3, D_DATA);
        if (bad == 2)
            space_map(TEST_VA + page, ARENA + page, 3, D_DATA | D_RO);
        for (unsigned i = 0; i < COUNT(ops); i++) {
            print("%s.%s-%s:", group, names[bad], ops[i].name);
            for (unsigned b = 0; b < COUNT(backs); b++) {
                uint64_t va = TEST_VA + page - backs[b];
                struct go g = try(&ops[i], EL1, va);

                print_brief("", &g, va);
                if (!returned(&g) && g.x[0] != va)
                    print(" base moved by %x", g.x[0] - va);
            }
            print("\n");
        }
    }
}

/* SCTLR_EL1.A, and what is aligned whatever it says. */
static void alignment(void)
{
    uint64_t sctlr = READ("sctlr_el1");

    space_clear_tests();
    space_map(TEST_VA, ARENA, 3, D_DATA);
    for (unsigned a = 0; a < 2; a++) {
        WRITE("sctlr_el1", a ? sctlr | SCTLR_A : sctlr & ~SCTLR_A);
        for (unsigned i = 0; i < COUNT(ops); i++) {
            print("%s.align%d-%s:", group, a, ops[i].name);
            for (unsigned off = 1; off <= 8; off *= 2) {
                uint64_t va = TEST_VA + 64 + off;
                struct go g = try(&ops[i], EL1, va);

                print_brief("", &g, va);
            }
            print("\n");
        }
    }
    WRITE("sctlr_el1", sctlr | SCTLR_A);
    space_clear_tests();
    for (unsigned i = 0; i < COUNT(ops); i++) {
        struct go g = try(&ops[i], EL1, TEST_VA + 65);

        print("%s.align-unmapped-%s:", group, ops[i].name);
        print_brief("", &g, TEST_VA + 65);
        print("\n");
    }
    WRITE("sctlr_el1", sctlr);
}

/* Device memory takes aligned accesses only. */
static void device(void)
{
    struct go zva;

    space_clear_tests();
    space_map(TEST_VA, ARENA, 3, D_DATA | D_DEVICE);
    for (unsigned odd = 0; odd < 2; odd++) {
        uint64_t va = TEST_VA + 64 + odd;

        print("%s.device-%s:", group, odd ? "unaligned" : "aligned");
        for (unsigned i = 0; i < COUNT(ops); i++) {
            struct go g;

            if (ops[i].pc == a_zva || ops[i].pc == a_ldtr || ops[i].pc == a_sttr)
                continue;
            g = try(&ops[i], EL1, va);
            print(" %s", ops[i].name);
            print_brief("", &g, va);
        }
        print("\n");
    }
    zva = run_at(EL1, a_zva, TEST_VA + 64, 0, 0, 0);
    print("%s.device-zva:", group);
    print_brief("", &zva, TEST_VA + 64);
    print("\n");
}

/* WnR of an atomic is 0 where a read would have faulted as well (D19.2.37). */
static void atomics(void)
{
    static const struct {
        const char *name;
        uint64_t attr;
        unsigned off;
    } rows[] = {
        { "unmapped", 0, 0 },
        { "read-only", D_DATA | D_RO, 0 },
        { "unaligned", D_DATA, 1 },
    };

    for (unsigned r = 0; r < COUNT(rows); r++) {
        space_clear_tests();
        space_map(TEST_VA, ARENA, 3, rows[r].attr);
        print("%s.atomic-%s:", group, rows[r].name);
        for (unsigned i = 0; i < COUNT(ops); i++) {
            uint64_t va = TEST_VA + rows[r].off;
            struct go g;

            if (!is_atomic(&ops[i]))
                continue;
            g = run_at(EL1, ops[i].pc, va, 0, 0, 0);
            print(" %s", ops[i].name);
            print_brief("", &g, va);
        }
        print("\n");
    }
}

/* At EL1 they need a translation, at EL0 the right to read; DC IVAC that to write. */
static void caches(void)
{
    static const struct {
        const char *name;
        uint64_t spsr, attr;
    } rows[] = {
        { "unmapped", EL1, 0 },           { "read-only", EL1, D_DATA | D_RO },
        { "user", EL1, D_DATA | D_USER }, { "pan", EL1 | SPSR_PAN, D_DATA | D_USER },
        { "el0-kernel", EL0, D_DATA },    { "el0-read-only", EL0, D_DATA | D_USER | D_RO },
    };
    uint64_t sctlr = READ("sctlr_el1"), va = TEST_VA + 0x41;

    WRITE("sctlr_el1", sctlr | SCTLR_UCI | SCTLR_A);
    for (unsigned r = 0; r < COUNT(rows); r++) {
        space_clear_tests();
        space_map(TEST_VA, ARENA, 3, rows[r].attr);
        print("%s.cache-%s:", group, rows[r].name);
        for (unsigned i = 0; i < COUNT(cache_ops); i++) {
            struct go g = run_at(rows[r].spsr, cache_ops[i].pc, va, 0, 0, 0);

            print(" %s", cache_ops[i].name);
            print_brief("", &g, va);
        }
        print("\n");
    }
    WRITE("sctlr_el1", sctlr);
}

/* A table where there is no memory. */
static void walk_outside(void)
{
    space_clear_tests();
    *space_entry(TEST_VA, 2) = UINT64_C(0x30000000) | D_TABLE | D_VALID;
    space_flush();
    six("walk-outside", TEST_VA);
}

void check_aborts(void)
{
    static const char *const names[] = { "abort4k", "abort16k" };

    write32(ARENA, RETURN);
    for (unsigned i = 0; i < 2; i++) {
        group = names[i];
        space_on(12 + 2 * i);
        write32(ARENA, RETURN);
        levels(0);
        levels(UPPER);
        permissions(0);
        permissions(UPPER);
        controls();
        if (i == 0) {
            instructions();
            crossings();
            alignment();
            device();
            atomics();
            caches();
        }
        walk_outside();
        space_off();
    }
}
