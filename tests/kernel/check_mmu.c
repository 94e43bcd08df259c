/*
 * Address translation beyond single faults: AT, sizes of the address space, tags, contiguous
 * entries, blocks, and code that changes. TLB maintenance is in check_tlb.c.
 */
#include "frames.h"

SNIPPET(m_load, "ldr x1, [x0]");
SNIPPET(m_store, "str x1, [x0]");
SNIPPET(m_call, "mov x9, x30\nblr x0\nmov x30, x9");
SNIPPET(m_jump, "br x0");
SNIPPET(m_five, "mov x1, #5");
SNIPPET(m_six, "mov x1, #6");

static const char *group;

static void number_frames(void)
{
    for (unsigned i = 0; i < 64; i++) {
        write64(frame(i), 100 + i);
        write64(frame(i) + 0x2000, 200 + i);
    }
}

void frames_print_load(uint64_t spsr, uint64_t va)
{
    struct go g = run_at(spsr, m_load, va, 0, 0, 0);

    if (returned(&g))
        print(" %d", (unsigned)g.x[1]);
    else
        print_brief("", &g, va);
}

/* ---- AT and PAR ---- */

#define AT(name)                                                          \
    static uint64_t at_##name(uint64_t va)                                \
    {                                                                     \
        __asm__ volatile("at " #name ", %0\nisb" : : "r"(va) : "memory"); \
        return READ("par_el1");                                           \
    }

AT(s1e1r)
AT(s1e1w)
AT(s1e0r)
AT(s1e0w)

static void print_par(uint64_t par)
{
    if (par & 1)
        print(" fault %x", par & (BITS(9, 8) | BITS(6, 0)));
    else
        print(" %x", par & (BITS(63, 56) | BITS(47, 12) | BITS(8, 7)));
}

static void at_all(const char *check, uint64_t va)
{
    print("%s.at-%s:", group, check);
    print_par(at_s1e1r(va));
    print_par(at_s1e1w(va));
    print_par(at_s1e0r(va));
    print_par(at_s1e0w(va));
    print("\n");
}

static void check_at(void)
{
    static const struct {
        const char *name;
        uint64_t attr;
    } rows[] = {
        { "kernel", D_DATA },
        { "user", D_DATA | D_USER },
        { "read-only", D_DATA | D_RO },
        { "user-read-only", D_DATA | D_USER | D_RO },
        { "no-access-flag", (D_DATA | D_USER) & ~D_AF },
        { "device", D_DATA | D_DEVICE | D_USER },
        { "strict", D_DATA | D_STRICT | D_USER },
        { "not-cacheable", D_DATA | D_NC | D_USER },
        { "not-shareable", (D_DATA | D_USER) & ~D_INNER },
        { "outer", ((D_DATA | D_USER) & ~D_INNER) | UINT64_C(2) << 8 },
    };
    uint64_t page = space_bytes(3);

    space_clear_tests();
    for (unsigned i = 0; i < COUNT(rows); i++) {
        space_map(TEST_VA + i * page, frame(i), 3, rows[i].attr);
        at_all(rows[i].name, TEST_VA + i * page + 0x123);
    }
    at_all("translation-0", TEST_VA | BIT(47));
    at_all("translation-1", TEST_VA + space_bytes(1) * 5);
    at_all("translation-2", TEST_VA + space_bytes(2) * 5);
    at_all("translation-3", TEST_VA + space_bytes(3) * 100);
    space_map(TEST_VA + space_bytes(2), ARENA, 2, D_DATA | D_USER);
    at_all("block", TEST_VA + space_bytes(2) + 0x12345);
    space_map(TEST_VA + space_bytes(2) * 2, BIT(40), 2, D_DATA | D_USER);
    at_all("address-size", TEST_VA + space_bytes(2) * 2);
    at_all("hole", UINT64_C(0x0123000000000000));
    space_map(TEST_VA_UPPER, frame(1), 3, D_DATA | D_USER | D_RO);
    at_all("upper", TEST_VA_UPPER + 0xabc);
    at_all("upper-translation", TEST_VA_UPPER + page);
    /* Not a data access: PAN does not count for it, and it does not fault itself. */
    WRITE("s3_0_c4_c2_3", SPSR_PAN);
    at_all("pan", TEST_VA + page);
    WRITE("s3_0_c4_c2_3", 0);
}

/* ---- the size and the use of the halves ---- */

/* Loads under another TCR, run from the upper half, with the table of a smaller lower half. */
static void load_with(const char *check, uint64_t tcr, uint64_t ttbr0, uint64_t spsr, uint64_t va)
{
    struct go g = { .pc = (uint64_t)m_load | UPPER,
                    .spsr = spsr,
                    .x = { va },
                    .tcr = tcr,
                    .ttbr0 = ttbr0,
                    .return_alias = UPPER };

    run(&g);
    print("%s.%s:", group, check);
    if (returned(&g))
        print(" %d", (unsigned)g.x[1]);
    else
        print_brief("", &g, va);
    print("\n");
}

static void check_halves(void)
{
    uint64_t tcr = READ("tcr_el1"), ttbr0 = READ("ttbr0_el1"), small;
    unsigned first = space_granule() == 12 ? 39 : 47; /* bits that one table from level 1 maps */

    space_clear_tests();
    space_map(TEST_VA, frame(1), 3, D_DATA | D_USER);
    space_map(TEST_VA_UPPER, frame(2), 3, D_DATA | D_USER);
    load_with("epd0", tcr | TCR_EPD0, ttbr0, EL1, TEST_VA);
    load_with("epd0-upper", tcr | TCR_EPD0, ttbr0, EL1, TEST_VA_UPPER);
    load_with("hole", tcr, ttbr0, EL1, BIT(48));
    load_with("hole-high", tcr, ttbr0, EL1, BIT(62));
    load_with("hole-below-upper", tcr, ttbr0, EL1, UPPER - 8);

    /* T0SZ so that the walk begins at level 1, with the last byte and the first beyond. */
    small = *space_entry(TEST_VA, 0) & BITS(47, 12);
    if (space_granule() == 12) {
        tcr += 64 - first - 16;
        load_with("start-1", tcr, small, EL1, 0);
        load_with("start-1-beyond", tcr, small, EL1, BIT(first));
        load_with("start-1-last", tcr, small, EL1, BIT(first) - 8);
        load_with("start-1-tagged", tcr | TCR_TBI0, small, EL1, UINT64_C(0x5a) << 56);
    } else {
        tcr += 1;
        load_with("start-1", tcr, small, EL1, TEST_VA);
        load_with("start-1-beyond", tcr, small, EL1, BIT(first));
    }
    /* From level 2 and, with 16K, from level 3 as well. */
    tcr = READ("tcr_el1");
    small = *space_entry(TEST_VA, 1) & BITS(47, 12);
    tcr = (tcr & ~BITS(5, 0)) | (64 - (space_granule() == 12 ? 30 : 36));
    load_with("start-2", tcr, small, EL1, 0);
    load_with("start-2-beyond", tcr, small, EL1, BIT(36));
    /* The smallest space that there is: 25 bits. */
    tcr = (tcr & ~BITS(5, 0)) | 39;
    small = *space_entry(TEST_VA, space_granule() == 12 ? 1 : 2) & BITS(47, 12);
    load_with("smallest", tcr, small, EL1, 0);
    load_with("smallest-beyond", tcr, small, EL1, BIT(25));
    /* IPS: 32 bits of output. */
    tcr = READ("tcr_el1") & ~TCR_IPS;
    space_map(TEST_VA + space_bytes(3), BIT(33), 3, D_DATA | D_USER);
    load_with("ips-32", tcr, ttbr0, EL1, TEST_VA + space_bytes(3));
    load_with("ips-32-below", tcr, ttbr0, EL1, TEST_VA);
    load_with("ttbr-beyond", READ("tcr_el1"), BIT(40), EL1, TEST_VA);
}

/* ---- tags ---- */

static void check_tags(void)
{
    uint64_t tcr = READ("tcr_el1"), tag = UINT64_C(0xa5) << 56;
    struct go g;

    space_clear_tests();
    space_map(TEST_VA, frame(1), 3, D_AF | D_INNER | D_USER | D_RO);
    space_map(TEST_VA_UPPER, frame(2), 3, D_AF | D_INNER | D_USER | D_RO);
    write32(frame(1) + 0x100, 0xd65f03c0);
    for (unsigned tbi = 0; tbi < 2; tbi++) {
        uint64_t upper = (TEST_VA_UPPER & BITS(55, 0)) | tag, gone = TEST_VA + space_bytes(3);

        WRITE("tcr_el1", tbi ? tcr | TCR_TBI0 | TCR_TBI1 : tcr & ~(TCR_TBI0 | TCR_TBI1));
        space_flush();
        print("%s.tags%d:", group, tbi);
        frames_print_load(EL1, TEST_VA | tag);
        frames_print_load(EL0, TEST_VA | tag);
        frames_print_load(EL1, upper);
        frames_print_load(EL0, upper);
        frames_print_load(EL1, gone | tag);
        frames_print_load(EL1, (upper + space_bytes(3)));
        g = run_at(EL1, m_store, TEST_VA | tag, 0, 0, 0);
        print_brief("w=", &g, TEST_VA | tag);
        print("\n");
        g = run_at(EL0, m_call, (TEST_VA + 0x100) | tag, 0, 0, 0);
        report(group, tbi ? "tags1-call" : "tags0-call", &g);
        g = run_at(EL0, m_jump, gone | tag, 0, 0, 0);
        report(group, tbi ? "tags1-jump" : "tags0-jump", &g);
        g = run_at(EL0, m_jump, (gone | tag) + 2, 0, 0, 0);
        report(group, tbi ? "tags1-jump-odd" : "tags0-jump-odd", &g);
        at_all(tbi ? "tags1" : "tags0", TEST_VA | tag);
    }
    WRITE("tcr_el1", tcr);
    space_flush();
}

/* ---- blocks and contiguous entries ---- */

static void check_sizes(void)
{
    unsigned near = space_granule() == 12 ? 16 : 128; /* contiguous entries at level 3 */
    uint64_t page = space_bytes(3);

    for (unsigned level = space_granule() == 12 ? 1 : 2; level < 3; level++) {
        uint64_t pa = ARENA & ~(space_bytes(level) - 1), off = frame(5) - pa;

        space_clear_tests();
        space_map(TEST_VA, pa, level, D_DATA | D_USER);
        print("%s.block-%d:", group, level);
        frames_print_load(EL0, TEST_VA + off);
        frames_print_load(EL0, TEST_VA + off + 0x2000);
        /* Broken into a table of which one page differs. */
        space_map(TEST_VA, 0, level, 0);
        tlbi_vaae1is(TEST_VA >> 12);
        space_map(TEST_VA + page * 3, frame(7), 3, D_DATA | D_USER);
        frames_print_load(EL0, TEST_VA + off);
        frames_print_load(EL0, TEST_VA + page * 3);
        print("\n");
    }
    space_clear_tests();
    for (unsigned i = 0; i < near; i++)
        space_map(TEST_VA + i * page, ARENA + i * page, 3, D_DATA | D_USER | D_CONTIG);
    for (unsigned i = 0; i < near; i++)
        (void)run_at(EL0, m_load, TEST_VA + i * page, 0, 0, 0);
    print("%s.contiguous:", group);
    frames_print_load(EL0, TEST_VA + 0x2000);
    for (unsigned i = 0; i < near; i++) {
        *space_entry(TEST_VA + i * page, 3) = 0;
        tlbi_vaae1is((TEST_VA + i * page) >> 12);
    }
    frames_print_load(EL0, TEST_VA + 0x2000);
    frames_print_load(EL0, TEST_VA + (near - 1) * page);
    print("\n");
}

/* ---- code ---- */

static uint64_t call(uint64_t va)
{
    struct go g = run_at(EL1, m_call, va, 0, 0, 0);

    return returned(&g) ? g.x[1] : g.esr;
}

static void copy_code(uint64_t to, const char *from)
{
    write32(to, read32((uint64_t)from));
    write32(to + 4, 0xd65f03c0);
    __asm__ volatile("dc cvau, %0\ndsb ish\nic ivau, %0\ndsb ish\nisb" : : "r"(to) : "memory");
}

static void check_code(void)
{
    uint64_t code = D_AF | D_INNER;

    space_clear_tests();
    space_map(TEST_VA, frame(10), 3, code);
    space_map(TEST_VA + space_bytes(3), frame(11), 3, code);
    copy_code(TEST_VA, m_five);
    copy_code(TEST_VA + space_bytes(3), m_six);
    print("%s.code: %x", group, call(TEST_VA));
    copy_code(TEST_VA, m_six);
    print(" %x", call(TEST_VA));
    /* Through another address of the same memory, then all of the cache at once. */
    copy_code(frame(10), m_five);
    print(" %x", call(TEST_VA));
    write32(frame(10), read32((uint64_t)m_six));
    __asm__ volatile("dc cvau, %0\ndsb ish\nic ialluis\ndsb ish\nisb"
                     :
                     : "r"(frame(10))
                     : "memory");
    print(" %x", call(TEST_VA));
    /* Another page at the address; execution taken away and given back. */
    copy_code(frame(11), m_five);
    space_map(TEST_VA, 0, 3, 0);
    tlbi_vaae1is(TEST_VA >> 12);
    space_map(TEST_VA, frame(11), 3, code);
    print(" %x", call(TEST_VA));
    space_map(TEST_VA, frame(11), 3, code | D_PXN);
    tlbi_vaae1is(TEST_VA >> 12);
    print(" %x", call(TEST_VA));
    space_map(TEST_VA, frame(11), 3, code);
    tlbi_vaae1is(TEST_VA >> 12);
    print(" %x\n", call(TEST_VA));
}

void check_mmu(void)
{
    static const char *const names[] = { "mmu4k", "mmu16k" };

    for (unsigned i = 0; i < 2; i++) {
        group = names[i];
        space_on(12 + 2 * i);
        number_frames();
        check_tlb(group);
        check_at();
        check_halves();
        number_frames();
        check_tags();
        check_sizes();
        check_code();
        space_off();
    }
}
