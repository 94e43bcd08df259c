/* TLB maintenance: what is seen after each operation is the new mapping, for every ASID. */
#include "frames.h"

SNIPPET(t_load, "ldr x1, [x0]");
SNIPPET(t_store, "str x1, [x0]");

#define TTBR_ASID(n) ((uint64_t)(n) << 48)

static const char *group;

static void load_into_tlb(uint64_t va)
{
    (void)run_at(EL1, t_load, va, 0, 0, 0);
    (void)run_at(EL0, t_load, va, 0, 0, 0);
}

/* ---- TLBI ---- */

#define TLBI(op)                                                                               \
    static void tlbi_##op(uint64_t arg)                                                        \
    {                                                                                          \
        __asm__ volatile("dsb ishst\ntlbi " #op ", %0\ndsb ish\nisb" : : "r"(arg) : "memory"); \
    }
#define TLBI_ALL(op)                                                              \
    static void tlbi_##op(uint64_t arg)                                           \
    {                                                                             \
        (void)arg;                                                                \
        __asm__ volatile("dsb ishst\ntlbi " #op "\ndsb ish\nisb" : : : "memory"); \
    }

TLBI_ALL(vmalle1)
TLBI_ALL(vmalle1is)
TLBI(vae1)
TLBI(vae1is)
TLBI(vale1)
TLBI(vale1is)
TLBI(vaae1)
TLBI(vaale1)
TLBI(vaale1is)
TLBI(aside1)
TLBI(aside1is)

void tlbi_vaae1is(uint64_t arg)
{
    __asm__ volatile("dsb ishst\ntlbi vaae1is, %0\ndsb ish\nisb" : : "r"(arg) : "memory");
}

enum tlbi_kind { BY_ALL, BY_VA, BY_ASID };

static const struct tlbi {
    const char *name;
    void (*fn)(uint64_t arg);
    enum tlbi_kind kind;
} tlbis[] = {
    { "vmalle1", tlbi_vmalle1, BY_ALL }, { "vmalle1is", tlbi_vmalle1is, BY_ALL },
    { "vae1", tlbi_vae1, BY_VA },        { "vae1is", tlbi_vae1is, BY_VA },
    { "vale1", tlbi_vale1, BY_VA },      { "vale1is", tlbi_vale1is, BY_VA },
    { "vaae1", tlbi_vaae1, BY_VA },      { "vaae1is", tlbi_vaae1is, BY_VA },
    { "vaale1", tlbi_vaale1, BY_VA },    { "vaale1is", tlbi_vaale1is, BY_VA },
    { "aside1", tlbi_aside1, BY_ASID },  { "aside1is", tlbi_aside1is, BY_ASID },
};

/* Break a mapping, invalidate, make the next: what is seen after each step is the new state. */
static void tlbi_one(const struct tlbi *t, uint64_t va, unsigned level, uint64_t attr)
{
    uint64_t off = level == 3 ? 0 : space_bytes(3) * 3; /* anywhere in a block */
    uint64_t arg = t->kind == BY_ALL ? 0 : TTBR_ASID(1);
    struct go stored;

    if (t->kind == BY_VA)
        arg |= (va + off) >> 12 & BITS(43, 0);
    space_map(va, level == 3 ? frame(1) : ARENA, level, D_DATA | D_USER | attr);
    load_into_tlb(va + off);
    space_map(va, 0, level, 0);
    t->fn(arg);
    frames_print_load(EL1, va + off);
    frames_print_load(EL0, va + off);
    space_map(va, level == 3 ? frame(2) : ARENA, level, D_DATA | D_USER | D_RO | attr);
    frames_print_load(EL1, va + off);
    frames_print_load(EL0, va + off);
    /* From read-only to writable needs no break. */
    space_map(va, level == 3 ? frame(2) : ARENA, level, D_DATA | D_USER | attr);
    t->fn(arg);
    stored = run_at(EL0, t_store, va + off + 8, 1, 0, 0);
    print_brief("", &stored, va + off + 8);
    space_map(va, 0, level, 0);
    space_flush();
}

static void check_tlbi(void)
{
    for (unsigned i = 0; i < COUNT(tlbis); i++) {
        for (unsigned level = 2; level < 4; level++) {
            for (unsigned half = 0; half < 2; half++) {
                uint64_t va = (half ? UPPER : 0) | TEST_VA;

                space_clear_tests();
                print("%s.%s-level%d%s:", group, tlbis[i].name, level, half ? "-upper" : "");
                tlbi_one(&tlbis[i], va, level, D_NG);
                if (tlbis[i].kind != BY_ASID)
                    tlbi_one(&tlbis[i], va + space_bytes(1), level, 0);
                print("\n");
            }
        }
    }
}

/* A table that is taken away needs an operation that is not for last levels only. */
static void check_tables(void)
{
    uint64_t *entry;

    for (unsigned level = 1; level < 3; level++) {
        for (unsigned i = 0; i < COUNT(tlbis); i++) {
            if (tlbis[i].fn == tlbi_vale1 || tlbis[i].fn == tlbi_vale1is ||
                tlbis[i].fn == tlbi_vaale1 || tlbis[i].fn == tlbi_vaale1is)
                continue;
            space_clear_tests();
            space_map(TEST_VA, frame(1), 3, D_DATA | D_USER | D_NG);
            load_into_tlb(TEST_VA);
            entry = space_entry(TEST_VA, level);
            *entry = 0;
            tlbis[i].fn(tlbis[i].kind == BY_ALL    ? 0
                        : tlbis[i].kind == BY_ASID ? TTBR_ASID(1)
                                                   : TTBR_ASID(1) | TEST_VA >> 12);
            print("%s.table%d-%s:", group, level, tlbis[i].name);
            frames_print_load(EL1, TEST_VA);
            space_map(TEST_VA, frame(3), 3, D_DATA | D_USER | D_NG);
            frames_print_load(EL1, TEST_VA);
            print("\n");
        }
    }
}

/* ---- ASIDs ---- */

static void use_asid(unsigned asid)
{
    WRITE("ttbr0_el1", (READ("ttbr0_el1") & BITS(47, 0)) | TTBR_ASID(asid));
}

/* Each ASID has its own translation of one address, while all see the global one. */
static void check_asids(void)
{
    static const unsigned asids[] = { 1, 2, 0x100, 0x101, 0x8001, 0xffff };
    uint64_t page = space_bytes(3), tcr = READ("tcr_el1");

    space_clear_tests();
    space_map(TEST_VA + page, frame(9), 3, D_DATA | D_USER);
    for (unsigned i = 0; i < COUNT(asids); i++) {
        /* Nobody has used the address under this ASID yet: no break is needed. */
        use_asid(asids[i]);
        tlbi_aside1(TTBR_ASID(asids[i]));
        space_map(TEST_VA, frame(i + 1), 3, D_DATA | D_USER | D_NG);
        tlbi_aside1(TTBR_ASID(asids[i]));
        print("%s.asid-%x:", group, (uint64_t)asids[i]);
        frames_print_load(EL1, TEST_VA);
        frames_print_load(EL0, TEST_VA);
        frames_print_load(EL1, TEST_VA + page);
        print("\n");
    }
    /* Back to each after all entries are gone: the last mapping. */
    space_flush();
    for (unsigned i = 0; i < COUNT(asids); i++) {
        use_asid(asids[i]);
        print("%s.asid-%x-again:", group, (uint64_t)asids[i]);
        frames_print_load(EL0, TEST_VA);
        print("\n");
    }
    /* The ASID of TTBR1 (TCR_EL1.A1), and 8-bit ASIDs: 0x101 is 1. */
    use_asid(1);
    WRITE("tcr_el1", tcr | TCR_A1);
    space_flush();
    print("%s.asid-of-ttbr1:", group);
    frames_print_load(EL0, TEST_VA);
    space_map(TEST_VA, 0, 3, 0);
    tlbi_aside1(TTBR_ASID(0));
    frames_print_load(EL0, TEST_VA);
    space_map(TEST_VA, frame(4), 3, D_DATA | D_USER | D_NG);
    frames_print_load(EL0, TEST_VA);
    print("\n");
    WRITE("tcr_el1", tcr & ~TCR_AS);
    space_flush();
    use_asid(0x101);
    print("%s.asid-8-bit:", group);
    frames_print_load(EL0, TEST_VA);
    space_map(TEST_VA, 0, 3, 0);
    tlbi_aside1(TTBR_ASID(1));
    frames_print_load(EL0, TEST_VA);
    print("\n");
    WRITE("tcr_el1", tcr);
    use_asid(1);
    space_flush();
}

void check_tlb(const char *name)
{
    group = name;
    check_tlbi();
    check_tables();
    check_asids();
}
