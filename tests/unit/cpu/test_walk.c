/* The table walk: every fault at every level, granules, permissions (Arm DDI 0487, D8). */
#include "cpu/idregs.h"
#include "sys_rig.h"

#define VA     UINT64_C(0x0000123456789000)
#define UPPER  UINT64_C(0xffff000000000000)
#define TARGET (RIG_RAM + 4 * MIB)

static bool walk(struct sys_rig *rig, gva_t va, bool user, struct mmu_page *page, unsigned *fsc)
{
    *fsc = 0xff;
    return mmu_walk(rig->c, va, MMU_READ, user, page, fsc);
}

static void assert_fault(struct sys_rig *rig, gva_t va, bool user, unsigned fsc)
{
    struct mmu_page page;
    unsigned got;

    assert_false(walk(rig, va, user, &page, &got));
    assert_int_equal(got, fsc);
}

static void assert_maps(struct sys_rig *rig, gva_t va, gpa_t gpa, unsigned level)
{
    struct mmu_page page;
    unsigned fsc;

    assert_true(walk(rig, va, false, &page, &fsc));
    assert_int_equal(page.gpa, gpa);
    assert_int_equal(page.level, level);
}

/* The granules, of model max. */
static const struct {
    unsigned shift;
    uint64_t tcr;
} granules[] = { { 12, TCR_4K }, { 14, TCR_16K }, { 16, TCR_64K } };

static void rig_init_max(struct sys_rig *rig)
{
    sys_rig_init(rig, 1);
    rig->soc.model = &idregs_max;
    rig_at(rig, EL1H);
}

static uint64_t tcr_of(unsigned granule)
{
    return granules[granule / 2 - 6].tcr;
}

static void test_mmu_off_is_flat_up_to_the_physical_size(void **state)
{
    struct sys_rig rig;
    struct mmu_page page;
    unsigned fsc;

    (void)state;
    sys_rig_init(&rig, 1);
    rig_at(&rig, EL1H);
    assert_true(walk(&rig, 0x12345, false, &page, &fsc));
    assert_int_equal(page.gpa, 0x12345);
    assert_true(mmu_is_device(&page));
    assert_true(mmu_walk(rig.c, 0x12345, MMU_EXEC, false, &page, &fsc));
    assert_false(mmu_is_device(&page));
    assert_fault(&rig, BIT(36), false, FSC_ADDR_SIZE);
    assert_fault(&rig, BIT(63), false, FSC_ADDR_SIZE);
    rig.c->sys.tcr_el1 = TCR_TBI0;
    assert_maps(&rig, UINT64_C(0xab) << 56 | 0x1000, 0x1000, 0);
    sys_rig_fini(&rig);
}

static void test_translation_faults_name_the_level(void **state)
{
    struct sys_rig rig;

    (void)state;
    rig_init_max(&rig);
    for (unsigned granule = 12; granule <= 16; granule += 2) {
        for (unsigned level = rig_first_level(granule); level <= 3; level++) {
            rig_mmu(&rig, tcr_of(granule));
            rig_map(&rig, granule, VA, level, 0);
            assert_fault(&rig, VA, false, FSC_TRANSLATION | level);
            rig_map(&rig, granule, VA, level, 2 | PTE_AF); /* valid bit clear */
            assert_fault(&rig, VA, false, FSC_TRANSLATION | level);
        }
    }
    sys_rig_fini(&rig);
}

static void test_blocks_are_allowed_where_the_granule_has_them(void **state)
{
    static const struct {
        unsigned granule, level;
        bool ok;
    } t[] = {
        { 12, 0, false }, { 12, 1, true },  { 12, 2, true },  { 12, 3, false },
        { 14, 0, false }, { 14, 1, false }, { 14, 2, true },  { 14, 3, false },
        { 16, 1, false }, { 16, 2, true },  { 16, 3, false },
    };
    struct sys_rig rig;

    (void)state;
    rig_init_max(&rig);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        unsigned shift = t[i].granule + (3 - t[i].level) * (t[i].granule - 3);

        rig_mmu(&rig, tcr_of(t[i].granule));
        rig_map(&rig, t[i].granule, VA, t[i].level, PTE_BLOCK);
        if (t[i].ok)
            assert_maps(&rig, VA + 0x123, (VA & low_mask(shift)) + 0x123, t[i].level);
        else
            assert_fault(&rig, VA, false, FSC_TRANSLATION | t[i].level);
    }
    sys_rig_fini(&rig);
}

static void test_pages_of_every_granule(void **state)
{
    struct sys_rig rig;
    struct mmu_page page;
    unsigned fsc;

    (void)state;
    rig_init_max(&rig);
    for (unsigned granule = 12; granule <= 16; granule += 2) {
        rig_mmu(&rig, tcr_of(granule));
        rig_map(&rig, granule, VA, 3, TARGET | PTE_PAGE);
        assert_maps(&rig, align_down(VA, BIT(granule)) + 0x234, TARGET + 0x234, 3);
        rig_map(&rig, granule, UPPER | VA, 3, (TARGET + MIB) | PTE_PAGE | PTE_NG);
        assert_true(walk(&rig, UPPER | VA, false, &page, &fsc));
        assert_int_equal(page.shift, granule);
        assert_false(page.global);
    }
    sys_rig_fini(&rig);
}

/* A 512 MiB block of the 64K granule: every bit of the offset counts, in both halves. */
static void test_the_largest_block(void **state)
{
    static const uint64_t offsets[] = { 0, 1, 0xffff, 0x10000, 0x1fffffff };
    struct sys_rig rig;
    struct mmu_page page;
    gva_t va = align_down(VA, BIT(29));
    unsigned fsc;

    (void)state;
    rig_init_max(&rig);
    rig_mmu(&rig, TCR_64K);
    rig_map(&rig, 16, va, 2, UINT64_C(0x60000000) | PTE_BLOCK);
    rig_map(&rig, 16, UPPER | va, 2, UINT64_C(0x60000000) | PTE_BLOCK | PTE_NG);
    for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
        assert_maps(&rig, va + offsets[i], 0x60000000 + offsets[i], 2);
        assert_maps(&rig, (UPPER | va) + offsets[i], 0x60000000 + offsets[i], 2);
    }
    assert_fault(&rig, va + BIT(29), false, FSC_TRANSLATION | 2);
    assert_fault(&rig, va - 1, false, FSC_TRANSLATION | 2);
    assert_true(walk(&rig, va, false, &page, &fsc));
    assert_int_equal(page.shift, 29);
    sys_rig_fini(&rig);
}

/* Without the granule its number in TG0 and TG1 stands for 4K. */
static void test_a_granule_that_is_not_announced(void **state)
{
    struct sys_rig rig;

    (void)state;
    sys_rig_init(&rig, 1);
    rig_at(&rig, EL1H);
    rig_mmu(&rig, TCR_64K);
    rig_map(&rig, 12, VA, 3, TARGET | PTE_PAGE);
    assert_maps(&rig, VA, TARGET, 3);
    rig_map(&rig, 12, UPPER | VA, 3, (TARGET + MIB) | PTE_PAGE);
    assert_maps(&rig, UPPER | VA, TARGET + MIB, 3);
    sys_rig_fini(&rig);
}

/* Where a walk starts, and how many entries the first table has (D8.2.5 to D8.2.7): the last
 * address is led by the table's last entry, and the address after it is out of range. */
static void test_the_first_table_by_input_size(void **state)
{
    static const struct {
        unsigned granule, in_bits, level, entries;
    } t[] = {
        { 12, 48, 0, 512 },  { 12, 40, 0, 2 },    { 12, 39, 1, 512 },  { 12, 31, 1, 2 },
        { 12, 30, 2, 512 },  { 12, 25, 2, 16 },   { 14, 48, 0, 2 },    { 14, 47, 1, 2048 },
        { 14, 37, 1, 2 },    { 14, 36, 2, 2048 }, { 14, 26, 2, 2 },    { 14, 25, 3, 2048 },
        { 16, 48, 1, 64 },   { 16, 43, 1, 2 },    { 16, 42, 2, 8192 }, { 16, 30, 2, 2 },
        { 16, 29, 3, 8192 }, { 16, 25, 3, 512 },
    };
    struct sys_rig rig;

    (void)state;
    rig_init_max(&rig);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        gva_t last = BIT(t[i].in_bits) - 1;
        gpa_t entry = RIG_ROOT + 8 * (t[i].entries - 1);
        uint64_t tsz = 64 - t[i].in_bits;

        for (unsigned upper = 0; upper < 2; upper++) {
            gva_t va = upper ? UINT64_MAX : last;

            rig_mmu(&rig, (tcr_of(t[i].granule) & ~(TCR_T0SZ | TCR_T1SZ)) | tsz | tsz << 16);
            assert_fault(&rig, 0, false, FSC_TRANSLATION | t[i].level);
            assert_fault(&rig, va, false, FSC_TRANSLATION | t[i].level);
            assert_fault(&rig, last + 1, false, FSC_TRANSLATION);
            assert_fault(&rig, ~last - 1, false, FSC_TRANSLATION);
            if (t[i].level == 3) {
                rig_poke(&rig, entry, (RIG_RAM + 4 * MIB) | PTE_PAGE);
                assert_maps(&rig, va, RIG_RAM + 4 * MIB + low_mask(t[i].granule), 3);
            } else {
                rig_poke(&rig, entry, (RIG_ROOT + MIB / 2) | PTE_TABLE);
                assert_fault(&rig, va, false, FSC_TRANSLATION | (t[i].level + 1));
            }
        }
    }
    sys_rig_fini(&rig);
}

/* The first table is aligned to its size, and to 32 bytes at least; lower bits of TTBR do not
 * count, nor does CnP. */
static void test_the_first_table_is_aligned(void **state)
{
    static const struct {
        unsigned granule, in_bits;
        uint64_t align;
    } t[] = {
        { 12, 48, 4096 }, { 12, 40, 32 },  { 12, 41, 32 },      { 12, 42, 64 },
        { 14, 48, 32 },   { 16, 48, 512 }, { 16, 42, 0x10000 }, { 16, 25, 4096 },
    };
    struct sys_rig rig;

    (void)state;
    rig_init_max(&rig);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        gpa_t at = RIG_ROOT + 0x30000 + (t[i].align < 0x10000 ? t[i].align : 0);
        uint64_t tsz = 64 - t[i].in_bits;

        rig_mmu(&rig, (tcr_of(t[i].granule) & ~TCR_T0SZ) | tsz);
        rig_poke(&rig, at, t[i].in_bits == 25 ? TARGET | PTE_PAGE : BIT(40) | PTE_TABLE);
        for (uint64_t low = 0; low < t[i].align; low += t[i].align / 32) {
            rig.c->sys.ttbr0_el1 = at | low | 1;
            if (t[i].in_bits == 25)
                assert_maps(&rig, 0, TARGET, 3);
            else
                assert_fault(&rig, 0, false,
                             FSC_ADDR_SIZE | (4 - (t[i].in_bits - 4) / (t[i].granule - 3)));
        }
        rig.c->sys.ttbr0_el1 = at + t[i].align;
        assert_fault(&rig, 0, false,
                     FSC_TRANSLATION | (4 - (t[i].in_bits - 4) / (t[i].granule - 3)));
    }
    sys_rig_fini(&rig);
}

/* The same faults at every level of the 64K granule; AF before nothing else but the address. */
static void test_other_faults_with_64k_pages(void **state)
{
    struct sys_rig rig;

    (void)state;
    rig_init_max(&rig);
    for (unsigned level = 2; level <= 3; level++) {
        uint64_t desc = level == 3 ? PTE_PAGE : PTE_BLOCK;

        rig_mmu(&rig, TCR_64K);
        rig_map(&rig, 16, VA, level, desc & ~PTE_AF);
        assert_fault(&rig, VA, false, FSC_ACCESS_FLAG | level);
        rig_map(&rig, 16, VA, level, (desc & ~PTE_AF) | BIT(40));
        assert_fault(&rig, VA, false, FSC_ADDR_SIZE | level);
        /* Bits 15:12 would be address bits 51:48 with FEAT_LPA: they are ignored. */
        if (level == 3) {
            rig_map(&rig, 16, VA, level, TARGET | PTE_PAGE | 0xf000);
            assert_maps(&rig, VA, TARGET + (VA & 0xffff), 3);
        }
    }
    for (unsigned level = 1; level <= 2; level++) {
        rig_mmu(&rig, TCR_64K);
        rig_map(&rig, 16, VA, level, BIT(40) | PTE_TABLE);
        assert_fault(&rig, VA, false, FSC_ADDR_SIZE | level);
        rig_map(&rig, 16, VA, level, RIG_DEVICE | PTE_TABLE);
        assert_fault(&rig, VA, false, FSC_EXTERNAL_WALK | (level + 1));
    }
    rig.c->sys.ttbr0_el1 = BIT(40);
    assert_fault(&rig, VA, false, FSC_ADDR_SIZE);
    rig.c->sys.ttbr0_el1 = RIG_DEVICE;
    assert_fault(&rig, VA, false, FSC_EXTERNAL_WALK | 1);
    sys_rig_fini(&rig);
}

static void test_other_faults_name_the_level(void **state)
{
    struct sys_rig rig;

    (void)state;
    sys_rig_init(&rig, 1);
    rig_at(&rig, EL1H);

    /* The access flag, in a page and in both kinds of block. */
    for (unsigned level = 1; level <= 3; level++) {
        uint64_t desc = level == 3 ? PTE_PAGE : PTE_BLOCK;

        rig_mmu(&rig, TCR_4K);
        rig_map(&rig, 12, VA, level, desc & ~PTE_AF);
        assert_fault(&rig, VA, false, FSC_ACCESS_FLAG | level);
        /* An address beyond the physical size comes first. */
        rig_map(&rig, 12, VA, level, (desc & ~PTE_AF) | BIT(40));
        assert_fault(&rig, VA, false, FSC_ADDR_SIZE | level);
    }

    /* Tables beyond the physical size, and where there is no memory. */
    for (unsigned level = 0; level <= 2; level++) {
        rig_mmu(&rig, TCR_4K);
        rig_map(&rig, 12, VA, level, BIT(40) | PTE_TABLE);
        assert_fault(&rig, VA, false, FSC_ADDR_SIZE | level);
        rig_map(&rig, 12, VA, level, RIG_DEVICE | PTE_TABLE);
        assert_fault(&rig, VA, false, FSC_EXTERNAL_WALK | (level + 1));
    }
    rig.c->sys.ttbr0_el1 = BIT(40);
    assert_fault(&rig, VA, false, FSC_ADDR_SIZE);
    rig.c->sys.ttbr0_el1 = RIG_DEVICE;
    assert_fault(&rig, VA, false, FSC_EXTERNAL_WALK);

    /* IPS below the physical size counts. */
    rig_mmu(&rig, TCR_4K & ~TCR_IPS);
    rig_map(&rig, 12, VA, 3, UINT64_C(0x100000000) | PTE_PAGE);
    assert_fault(&rig, VA, false, FSC_ADDR_SIZE | 3);
    sys_rig_fini(&rig);
}

static void test_address_ranges(void **state)
{
    struct sys_rig rig;
    gva_t small = UINT64_C(0x1234567000);

    (void)state;
    sys_rig_init(&rig, 1);
    rig_at(&rig, EL1H);
    rig_mmu(&rig, TCR_4K);
    rig_map(&rig, 12, VA, 3, TARGET | PTE_PAGE);
    rig_map(&rig, 12, UPPER | VA, 3, TARGET | PTE_PAGE);
    assert_maps(&rig, VA, TARGET, 3);
    assert_maps(&rig, UPPER | VA, TARGET, 3);

    /* Bits between the halves. */
    assert_fault(&rig, VA | BIT(48), false, FSC_TRANSLATION);
    assert_fault(&rig, VA | BIT(63), false, FSC_TRANSLATION);
    assert_fault(&rig, (UPPER | VA) & ~BIT(48), false, FSC_TRANSLATION);
    assert_fault(&rig, (UPPER | VA) & ~BIT(63), false, FSC_TRANSLATION);

    /* Top byte ignored, each half by its own bit. */
    rig.c->sys.tcr_el1 = TCR_4K | TCR_TBI0;
    assert_maps(&rig, VA | UINT64_C(0x5a) << 56, TARGET, 3);
    assert_fault(&rig, (UPPER | VA) ^ BIT(60), false, FSC_TRANSLATION);
    assert_fault(&rig, VA | BIT(50), false, FSC_TRANSLATION);
    rig.c->sys.tcr_el1 = TCR_4K | TCR_TBI1;
    assert_maps(&rig, (UPPER | VA) ^ BIT(60), TARGET, 3);
    assert_fault(&rig, VA | BIT(60), false, FSC_TRANSLATION);

    /* Walks disabled; what EL0 may not reach at all. */
    rig.c->sys.tcr_el1 = TCR_4K | TCR_EPD0;
    assert_fault(&rig, VA, false, FSC_TRANSLATION);
    assert_maps(&rig, UPPER | VA, TARGET, 3);
    rig.c->sys.tcr_el1 = TCR_4K | TCR_EPD1;
    assert_fault(&rig, UPPER | VA, false, FSC_TRANSLATION);
    rig.c->sys.tcr_el1 = TCR_4K | TCR_E0PD1;
    assert_fault(&rig, UPPER | VA, true, FSC_TRANSLATION);
    assert_maps(&rig, UPPER | VA, TARGET, 3);
    rig.c->sys.tcr_el1 = TCR_4K | TCR_E0PD0;
    assert_fault(&rig, VA, true, FSC_TRANSLATION);

    /* 39 bits start at level 1: the table that would be level 1's is the root. */
    rig_mmu(&rig, (TCR_4K & ~TCR_T0SZ) | 25);
    rig_poke(&rig, RIG_ROOT + 8 * (small >> 30), (RIG_ROOT + 0x1000) | PTE_TABLE);
    rig_poke(&rig, RIG_ROOT + 0x1000 + 8 * (small >> 21 & 511),
             (TARGET & ~low_mask(21)) | PTE_BLOCK);
    assert_maps(&rig, small, (TARGET & ~low_mask(21)) + (small & low_mask(21)), 2);
    assert_fault(&rig, small | BIT(39), false, FSC_TRANSLATION);

    /* The smallest, 25 bits: level 2, a table of 16 entries that need not be page-aligned. */
    rig_mmu(&rig, (TCR_4K & ~TCR_T0SZ) | 39);
    rig.c->sys.ttbr0_el1 = RIG_ROOT + 128;
    rig_poke(&rig, RIG_ROOT + 128 + 8 * 15, (TARGET & ~low_mask(21)) | PTE_BLOCK);
    assert_maps(&rig, 0x1f00000, (TARGET & ~low_mask(21)) + 0x100000, 2);
    sys_rig_fini(&rig);
}

/* Permissions of a page, as D8.4.1 tabulates them: rw of EL0 and EL1, x of EL0 and EL1. */
static void test_permission_matrix(void **state)
{
    static const struct {
        uint64_t desc;
        const char *el0, *el1, *el1_pan;
    } t[] = {
        { 0, "--x", "rwx", "rwx" },
        { PTE_UXN, "---", "rwx", "rwx" },
        { PTE_PXN, "--x", "rw-", "rw-" },
        { PTE_PXN | PTE_UXN, "---", "rw-", "rw-" },
        { PTE_USER, "rwx", "rw-", "---" }, /* what EL0 can write, EL1 does not execute */
        { PTE_USER | PTE_UXN, "rw-", "rw-", "---" },
        { PTE_RO, "--x", "r-x", "r-x" },
        { PTE_RO | PTE_UXN, "---", "r-x", "r-x" },
        { PTE_USER | PTE_RO, "r-x", "r-x", "--x" },
        { PTE_USER | PTE_RO | PTE_PXN, "r-x", "r--", "---" },
    };
    struct sys_rig rig;
    struct mmu_page page;
    unsigned fsc;

    (void)state;
    sys_rig_init(&rig, 1);
    rig_at(&rig, EL1H);
    rig_mmu(&rig, TCR_4K);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_map(&rig, 12, VA, 3, TARGET | PTE_PAGE | t[i].desc);
        assert_true(walk(&rig, VA, false, &page, &fsc));
        for (enum mmu_access a = MMU_READ; a <= MMU_EXEC; a++) {
            assert_int_equal(mmu_walk_allows(&page, a, true, false), t[i].el0[a] != '-');
            assert_int_equal(mmu_walk_allows(&page, a, false, false), t[i].el1[a] != '-');
            assert_int_equal(mmu_walk_allows(&page, a, false, true), t[i].el1_pan[a] != '-');
        }
    }

    /* WXN: writable is not executable. */
    rig.c->sys.sctlr_el1 |= SCTLR_WXN;
    rig_map(&rig, 12, VA, 3, TARGET | PTE_PAGE);
    assert_true(walk(&rig, VA, false, &page, &fsc));
    assert_false(mmu_walk_allows(&page, MMU_EXEC, false, false));
    assert_true(mmu_walk_allows(&page, MMU_EXEC, true, false));
    rig_map(&rig, 12, VA, 3, TARGET | PTE_PAGE | PTE_USER);
    assert_true(walk(&rig, VA, false, &page, &fsc));
    assert_false(mmu_walk_allows(&page, MMU_EXEC, true, false));
    rig_map(&rig, 12, VA, 3, TARGET | PTE_PAGE | PTE_RO);
    assert_true(walk(&rig, VA, false, &page, &fsc));
    assert_true(mmu_walk_allows(&page, MMU_EXEC, false, false));
    sys_rig_fini(&rig);
}

/* Where the descriptor of a level lies on the way to VA. */
static gpa_t find_desc(struct sys_rig *rig, unsigned granule, unsigned level)
{
    gpa_t table = RIG_ROOT;

    for (unsigned l = rig_first_level(granule);; l++) {
        unsigned shift = granule + (3 - l) * (granule - 3);
        gpa_t at = table + 8 * (VA >> shift & low_mask(granule - 3) & low_mask(48 - shift));

        if (l == level)
            return at;
        table = rig_peek(rig, at) & BITS(47, 12);
    }
}

/* Table descriptors take permissions away from everything below them. */
static void test_hierarchical_permissions(void **state)
{
    static const struct {
        uint64_t table;
        const char *el0, *el1;
    } t[] = {
        { 0, "rw-", "rw-" },
        { BIT(61), "--x", "rwx" }, /* APTable[0]: no data for EL0, so EL1 may execute it */
        { BIT(62), "r-x", "r-x" }, /* APTable[1]: read-only */
        { BIT(62) | BIT(60), "r--", "r-x" },
        { BIT(62) | BIT(59), "r-x", "r--" },
    };
    struct sys_rig rig;
    struct mmu_page page;
    unsigned fsc;

    (void)state;
    rig_init_max(&rig);
    for (unsigned g = 0; g < 2 * 3; g++) {
        unsigned granule = g < 3 ? 12 : 16, level = g % 3;

        for (size_t i = 0; level >= rig_first_level(granule) && i < ARRAY_LEN(t); i++) {
            uint64_t leaf = TARGET | PTE_PAGE | PTE_USER | (t[i].table ? 0 : PTE_UXN);
            gpa_t at;

            rig_mmu(&rig, tcr_of(granule));
            rig_map(&rig, granule, VA, 3, leaf);
            at = find_desc(&rig, granule, level);
            rig_poke(&rig, at, rig_peek(&rig, at) | t[i].table);
            assert_true(walk(&rig, VA, false, &page, &fsc));
            for (enum mmu_access a = MMU_READ; a <= MMU_EXEC; a++) {
                assert_int_equal(mmu_walk_allows(&page, a, true, false), t[i].el0[a] != '-');
                assert_int_equal(mmu_walk_allows(&page, a, false, false), t[i].el1[a] != '-');
            }
        }
    }
    sys_rig_fini(&rig);
}

static void test_memory_types(void **state)
{
    struct sys_rig rig;
    struct mmu_page page;
    unsigned fsc;

    (void)state;
    sys_rig_init(&rig, 1);
    rig_at(&rig, EL1H);
    rig_mmu(&rig, TCR_4K);
    rig_map(&rig, 12, VA, 3, TARGET | PTE_PAGE);
    assert_true(walk(&rig, VA, false, &page, &fsc));
    assert_false(mmu_is_device(&page));
    assert_int_equal(page.sh, 3);
    rig_map(&rig, 12, VA, 3, TARGET | PTE_PAGE | PTE_DEVICE);
    assert_true(walk(&rig, VA, false, &page, &fsc));
    assert_true(mmu_is_device(&page));
    assert_int_equal(page.attr, 4);
    assert_int_equal(page.sh, 2);
    sys_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mmu_off_is_flat_up_to_the_physical_size),
        cmocka_unit_test(test_translation_faults_name_the_level),
        cmocka_unit_test(test_blocks_are_allowed_where_the_granule_has_them),
        cmocka_unit_test(test_pages_of_every_granule),
        cmocka_unit_test(test_the_largest_block),
        cmocka_unit_test(test_a_granule_that_is_not_announced),
        cmocka_unit_test(test_the_first_table_by_input_size),
        cmocka_unit_test(test_the_first_table_is_aligned),
        cmocka_unit_test(test_other_faults_with_64k_pages),
        cmocka_unit_test(test_other_faults_name_the_level),
        cmocka_unit_test(test_address_ranges),
        cmocka_unit_test(test_permission_matrix),
        cmocka_unit_test(test_hierarchical_permissions),
        cmocka_unit_test(test_memory_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
