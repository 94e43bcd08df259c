/* Loads, stores, fetches and TLB maintenance: what the MMU remembers, and what it must not. */
#include "cpu/idregs.h"
#include "sys_rig.h"

#define VA     UINT64_C(0x0000123456789000)
#define UPPER  UINT64_C(0xffff92345678a000) /* other tables and another TLB slot than VA */
#define PAGE_A (RIG_RAM + 4 * MIB)
#define PAGE_B (RIG_RAM + 5 * MIB)
#define USER   (PTE_PAGE | PTE_USER | PTE_NG)
#define BLOCK  UINT64_C(0x200000)

#define TLBI_VMALLE1 SYSREG(1, 0, 8, 7, 0)
#define TLBI_VAE1    SYSREG(1, 0, 8, 7, 1)
#define TLBI_ASIDE1  SYSREG(1, 0, 8, 7, 2)
#define TLBI_VAAE1   SYSREG(1, 0, 8, 7, 3)
#define TLBI_VALE1   SYSREG(1, 0, 8, 7, 5)
#define TLBI_VAALE1  SYSREG(1, 0, 8, 7, 7)
#define TLBI_IS      SYSREG(0, 0, 0, 4, 0) /* CRm 3 instead of 7 */
#define TTBR0        SYSREG(3, 0, 2, 0, 0)

static int setup(void **state)
{
    static struct sys_rig rig;

    sys_rig_init(&rig, 1);
    rig_at(&rig, EL1H);
    rig_mmu(&rig, TCR_4K);
    rig_poke(&rig, PAGE_A, 0xaaaaaaaaaaaaaaaa);
    rig_poke(&rig, PAGE_B, 0xbbbbbbbbbbbbbbbb);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    sys_rig_fini(*state);
    return 0;
}

static uint8_t look(struct sys_rig *rig, gva_t va)
{
    return (uint8_t)cpu_ld8(rig->c, va);
}

static void assert_abort(struct sys_rig *rig, gva_t far, uint64_t iss)
{
    assert_int_equal(rig_ec(rig), EC_DABT_SAME);
    assert_int_equal(rig->c->sys.far_el1, far);
    assert_int_equal(rig_iss(rig), iss);
    rig_at(rig, EL1H);
}

static void test_every_size_and_alignment(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    for (unsigned off = 0; off < 16; off++) {
        cpu_st64(c, VA + off, 0x8877665544332211);
        assert_int_equal(cpu_ld64(c, VA + off), 0x8877665544332211);
        assert_int_equal(cpu_ld32(c, VA + off + 1), 0x55443322);
        assert_int_equal(cpu_ld16(c, VA + off + 7), (cpu_ld8(c, VA + off + 8) << 8) | 0x88);
        cpu_st16(c, VA + off, 0xffffabcd);
        cpu_st8(c, VA + off + 2, 0xee);
        assert_int_equal(cpu_ld32(c, VA + off), 0x44eeabcd);
        cpu_st32(c, VA + off + 4, UINT64_MAX);
        assert_int_equal(cpu_ld64(c, VA + off), 0xffffffff44eeabcd);
    }
}

static void test_page_crossing(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    gva_t end = VA + 0x1000;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    rig_map(rig, 12, end, 3, PAGE_B | PTE_PAGE);
    for (unsigned before = 1; before < 8; before++) {
        cpu_st64(c, end - before, 0x0807060504030201);
        assert_int_equal(cpu_ld64(c, end - before), 0x0807060504030201);
        assert_int_equal(look(rig, end), before + 1);
        assert_int_equal(look(rig, end - 1), before);
    }

    /* A fault in the second page reports its first byte, and the first page keeps its bytes. */
    rig_map(rig, 12, end, 3, PAGE_B | PTE_PAGE | PTE_RO);
    mmu_flush_all(c);
    cpu_st8(c, end - 1, 0x11);
    assert_exc(rig, cpu_st16(c, end - 1, 0x2222));
    assert_abort(rig, end, ISS_DABT_WNR | FSC_PERMISSION | 3);
    assert_int_equal(look(rig, end - 1), 0x11);
    rig_map(rig, 12, end, 3, 0);
    mmu_flush_all(c);
    assert_exc(rig, (void)cpu_ld64(c, end - 4));
    assert_abort(rig, end, FSC_TRANSLATION | 3);
    /* One in the first reports the access. */
    rig_map(rig, 12, VA, 3, 0);
    mmu_flush_all(c);
    assert_exc(rig, (void)cpu_ld64(c, end - 4));
    assert_abort(rig, end - 4, FSC_TRANSLATION | 3);
    /* At the top of the address space there is no next page. */
    assert_exc(rig, (void)cpu_ld64(c, UINT64_MAX - 3));
}

static void test_faults_carry_what_the_handler_needs(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    assert_exc(rig, (void)cpu_ld32(c, VA + 4));
    assert_abort(rig, VA + 4, FSC_TRANSLATION | 0);
    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE | PTE_RO);
    assert_int_equal(look(rig, VA), 0xaa);
    assert_exc(rig, cpu_st32(c, VA, 0));
    assert_abort(rig, VA, ISS_DABT_WNR | FSC_PERMISSION | 3);
    rig_at(rig, EL0T);
    assert_exc(rig, (void)cpu_ld8(c, VA));
    assert_int_equal(rig_ec(rig), EC_DABT_LOWER);
    assert_int_equal(rig_iss(rig), FSC_PERMISSION | 3);

    /* LDTR and STTR: EL1 as EL0 sees it; PAN does not matter to them. */
    rig_at(rig, EL1H | PAN_ON);
    assert_exc(rig, (void)cpu_ld(c, VA, 8, true));
    assert_abort(rig, VA, FSC_PERMISSION | 3);
    rig_map(rig, 12, VA, 3, PAGE_A | USER);
    mmu_flush_all(c);
    rig_at(rig, EL1H | PAN_ON);
    assert_int_equal(cpu_ld(c, VA, 1, true), 0xaa);
    cpu_st(c, VA, 1, 0x33, true);
    assert_exc(rig, (void)cpu_ld8(c, VA));
    assert_abort(rig, VA, FSC_PERMISSION | 3);
    rig_at(rig, EL1H);
    assert_int_equal(look(rig, VA), 0x33);
    /* What was allowed without PAN is not with it. */
    rig_at(rig, EL1H | PAN_ON);
    assert_exc(rig, cpu_st8(c, VA, 0));
    assert_abort(rig, VA, ISS_DABT_WNR | FSC_PERMISSION | 3);
}

/* PAN stops data accesses of EL1, DC ZVA among them; not fetches, cache maintenance, AT, and
 * accesses as EL0 would make them (D8.4.3). */
static void test_what_pan_looks_at(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    void *volatile seen = NULL;

    rig_map(rig, 12, VA, 3, PAGE_A | USER);
    rig_map(rig, 12, VA + 0x1000, 3, PAGE_B | USER | PTE_RO);
    for (volatile unsigned warm = 0; warm < 2; warm++) {
        if (warm) { /* nothing that the TLB got without PAN helps */
            rig_at(rig, EL1H);
            cpu_st8(c, VA, 1);
        }
        rig_at(rig, EL1H | PAN_ON);
        assert_exc(rig, (void)cpu_ld8(c, VA));
        assert_abort(rig, VA, FSC_PERMISSION | 3);
        rig_at(rig, EL1H | PAN_ON);
        assert_exc(rig, cpu_st64(c, VA, 0));
        assert_abort(rig, VA, ISS_DABT_WNR | FSC_PERMISSION | 3);
        rig_at(rig, EL1H | PAN_ON);
        assert_exc(rig, (void)cpu_host(c, VA, 8, MMU_READ, NULL));
        assert_abort(rig, VA, FSC_PERMISSION | 3);
        rig_at(rig, EL1H | PAN_ON);
        assert_exc(rig, (void)cpu_host(c, VA, 8, MMU_ATOMIC, NULL));
        assert_abort(rig, VA, FSC_PERMISSION | 3);
        rig_at(rig, EL1H | PAN_ON);
        assert_exc(rig, mmu_zero_block(c, VA));
        assert_abort(rig, VA, ISS_DABT_WNR | FSC_PERMISSION | 3);
        rig_at(rig, EL1H | PAN_ON);
        assert_ok(rig, (void)cpu_ld(c, VA, 8, true));
        assert_ok(rig, cpu_st(c, VA, 8, 7, true));
        assert_ok(rig, (void)mmu_cache_op(c, VA, MMU_READ));
        assert_ok(rig, (void)mmu_cache_op(c, VA, MMU_WRITE));
        rig_fetching(rig, EL1H | PAN_ON, VA + 0x1000);
        assert_ok(rig, seen = mmu_fetch_page(c, VA + 0x1000));
        assert_non_null(seen);
    }
}

static void test_alignment_is_enforced_where_it_must(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE | PTE_DEVICE);
    rig_map(rig, 12, VA + 0x1000, 3, PAGE_B | PTE_PAGE);
    assert_int_equal(cpu_ld32(c, VA + 4), 0xaaaaaaaa);
    assert_exc(rig, (void)cpu_ld32(c, VA + 2));
    assert_abort(rig, VA + 2, FSC_ALIGNMENT);
    assert_exc(rig, cpu_st64(c, VA + 4, 0));
    assert_abort(rig, VA + 4, ISS_DABT_WNR | FSC_ALIGNMENT);
    assert_exc(rig, (void)cpu_ld32(c, VA + 0xffe));
    assert_abort(rig, VA + 0xffe, FSC_ALIGNMENT);

    /* SCTLR_EL1.A: everywhere, and before translation. */
    assert_int_equal(cpu_ld32(c, VA + 0x1002) & 0xffff, 0xbbbb);
    sysreg_write(c, SYSREG(3, 0, 1, 0, 0), c->sys.sctlr_el1 | SCTLR_A);
    assert_exc(rig, (void)cpu_ld32(c, VA + 0x1002));
    assert_abort(rig, VA + 0x1002, FSC_ALIGNMENT);
    assert_int_equal(cpu_ld32(c, VA + 0x1004), 0xbbbbbbbb);
    assert_int_equal(cpu_ld32(c, VA + 0x1004), 0xbbbbbbbb);
    assert_exc(rig, (void)cpu_ld16(c, 0x7001));
    assert_abort(rig, 0x7001, FSC_ALIGNMENT);

    /* MMU off: all data is Device memory. */
    sysreg_write(c, SYSREG(3, 0, 1, 0, 0), 0);
    assert_int_equal(cpu_ld32(c, PAGE_A + 4), 0xaaaaaaaa);
    assert_exc(rig, (void)cpu_ld32(c, PAGE_A + 2));
    assert_abort(rig, PAGE_A + 2, FSC_ALIGNMENT);
    /* And there are no permissions: PAN, which an exception sets, stops nothing. */
    rig_at(rig, EL1H | PAN_ON);
    cpu_st32(c, PAGE_A + 8, 0x12345678);
    assert_int_equal(cpu_ld32(c, PAGE_A + 8), 0x12345678);
}

static void test_host_addresses_for_atomics(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    void *volatile host = NULL;
    gpa_t gpa = 0;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    rig_map(rig, 12, UPPER, 3, RIG_DEVICE | PTE_PAGE | PTE_DEVICE);
    assert_ok(rig, host = cpu_host(c, VA + 16, 16, MMU_WRITE, &gpa));
    assert_ptr_equal(host, gmem_ptr(rig->mem, PAGE_A + 16, 16));
    assert_int_equal(gpa, PAGE_A + 16);
    assert_ok(rig, host = cpu_host(c, VA + 16, 16, MMU_READ, NULL)); /* from the TLB */
    assert_ptr_equal(host, gmem_ptr(rig->mem, PAGE_A + 16, 16));
    for (volatile unsigned size = 2; size <= 16; size *= 2) {
        assert_exc(rig, (void)cpu_host(c, VA + size / 2, size, MMU_WRITE, NULL));
        assert_abort(rig, VA + size / 2, ISS_DABT_WNR | FSC_ALIGNMENT);
    }
    assert_exc(rig, (void)cpu_host(c, UPPER, 8, MMU_READ, NULL));
    assert_abort(rig, UPPER, FSC_UNSUPPORTED_EXCL);
}

/* WnR of an atomic is 0 for what a read would fault on. */
static void test_faults_of_atomics(void **state)
{
    static const struct {
        gva_t va;
        uint64_t iss;
    } t[] = {
        { VA + 4, FSC_ALIGNMENT },
        { VA + 0x1000, ISS_DABT_WNR | FSC_PERMISSION | 3 }, /* read-only */
        { VA + 0x2000, FSC_PERMISSION | 3 },                /* PAN */
        { VA + 0x3000, FSC_ACCESS_FLAG | 3 },
        { VA + 0x4000, FSC_TRANSLATION | 3 },
        { UPPER, ISS_DABT_WNR | FSC_UNSUPPORTED_EXCL },
    };
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    rig_map(rig, 12, VA + 0x1000, 3, PAGE_A | PTE_PAGE | PTE_RO);
    rig_map(rig, 12, VA + 0x2000, 3, PAGE_A | USER);
    rig_map(rig, 12, VA + 0x3000, 3, PAGE_A | (PTE_PAGE & ~PTE_AF));
    rig_map(rig, 12, UPPER, 3, RIG_DEVICE | PTE_PAGE | PTE_DEVICE);
    for (volatile size_t i = 0; i < ARRAY_LEN(t); i++) {
        rig_at(rig, EL1H | PAN_ON);
        assert_exc(rig, (void)cpu_host(c, t[i].va, 8, MMU_ATOMIC, NULL));
        assert_abort(rig, t[i].va, t[i].iss);
        rig_at(rig, EL1H | PAN_ON);
        assert_exc(rig, (void)cpu_host(c, t[i].va, 8, MMU_WRITE, NULL));
        assert_abort(rig, t[i].va, t[i].iss | ISS_DABT_WNR);
    }
    rig_at(rig, EL1H | PAN_ON);
    assert_ok(rig, (void)cpu_host(c, VA, 8, MMU_ATOMIC, NULL));
}

static void test_probe(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    rig_map(rig, 12, VA + 0x1000, 3, PAGE_B | PTE_PAGE | PTE_RO);
    assert_ok(rig, cpu_probe(c, VA + 0xff0, 16, 8, MMU_WRITE));
    assert_ok(rig, cpu_probe(c, VA + 0xff8, 16, 8, MMU_READ));
    assert_exc(rig, cpu_probe(c, VA + 0xff8, 16, 8, MMU_WRITE));
    assert_abort(rig, VA + 0x1000, ISS_DABT_WNR | FSC_PERMISSION | 3);
    assert_exc(rig, cpu_probe(c, VA + 0x1ff8, 16, 8, MMU_READ));
    assert_abort(rig, VA + 0x2000, FSC_TRANSLATION | 3);
}

/* Change the mapping of va behind the TLB's back, and see whether an operation makes it seen. */
static void remap(struct sys_rig *rig, gva_t va, uint64_t desc)
{
    rig_map(rig, 12, va, 3, PAGE_A | desc);
    mmu_flush_all(rig->c);
    assert_int_equal(look(rig, va), 0xaa);
    rig_map(rig, 12, va, 3, PAGE_B | desc);
    assert_int_equal(look(rig, va), 0xaa); /* remembered, or this test tests nothing */
}

static uint64_t tlbi_arg(gva_t va, uint16_t asid)
{
    return (va >> 12 & low_mask(44)) | (uint64_t)asid << 48;
}

static void test_tlbi_forms(void **state)
{
    static const struct {
        uint16_t op;
        gva_t va;
        bool takes_asid;
    } t[] = {
        { TLBI_VMALLE1, 0, false }, { TLBI_VAE1, VA, true },      { TLBI_VALE1, VA, true },
        { TLBI_VAAE1, VA, false },  { TLBI_VAALE1, VA, false },   { TLBI_ASIDE1, 0, true },
        { TLBI_VAE1, UPPER, true }, { TLBI_VAAE1, UPPER, false }, { TLBI_VAALE1, UPPER, false },
    };
    struct sys_rig *rig = *state;
    uint16_t asid = 0x1234;

    sysreg_write(rig->c, TTBR0, RIG_ROOT | (uint64_t)asid << 48);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        gva_t va = t[i].va ? t[i].va : VA;

        for (unsigned is = 0; is < 2; is++) {
            remap(rig, va, USER);
            sys_execute(rig->c, is ? t[i].op - TLBI_IS : t[i].op,
                        tlbi_arg(va, t[i].takes_asid ? asid : 0));
            assert_int_equal(look(rig, va), 0xbb);
        }
    }

    /* While ASIDs have 8 bits, the upper half of the operand is nothing. */
    sysreg_write(rig->c, SYSREG(3, 0, 2, 0, 2), TCR_4K & ~TCR_AS);
    remap(rig, VA, USER);
    sys_execute(rig->c, TLBI_ASIDE1, tlbi_arg(0, 0xff34));
    assert_int_equal(look(rig, VA), 0xbb);
    sysreg_write(rig->c, SYSREG(3, 0, 2, 0, 2), TCR_4K);

    /* Another page or another ASID is no reason to forget; a wrong one is no reason to crash. */
    remap(rig, VA, USER);
    sys_execute(rig->c, TLBI_VAE1, tlbi_arg(VA + 0x1000, asid));
    assert_int_equal(look(rig, VA), 0xaa);
    sys_execute(rig->c, TLBI_ASIDE1, tlbi_arg(0, asid + 1));
    assert_int_equal(look(rig, VA), 0xaa);
    sys_execute(rig->c, TLBI_ASIDE1, tlbi_arg(0, asid + TLB_ASIDS)); /* same slot */
    assert_int_equal(look(rig, VA), 0xaa);
    sys_execute(rig->c, TLBI_VAAE1, UINT64_MAX);
    assert_int_equal(look(rig, VA), 0xaa);
}

/* One TLBI drops every part of a block, whichever was named. */
static void test_tlbi_of_blocks(void **state)
{
    struct sys_rig *rig = *state;
    volatile gva_t block = align_down(VA, BLOCK); /* kept over the exceptions below */
    gpa_t low = RIG_RAM + 2 * BLOCK, high = RIG_RAM + 3 * BLOCK;

    for (unsigned i = 0; i < 8; i++) {
        rig_poke(rig, low + i * 0x1000, 1);
        rig_poke(rig, high + i * 0x1000, 2);
    }
    for (unsigned named = 0; named < 8; named++) {
        rig_map(rig, 12, block, 2, low | PTE_BLOCK);
        mmu_flush_all(rig->c);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(look(rig, block + i * 0x1000), 1);
        rig_map(rig, 12, block, 2, high | PTE_BLOCK);
        sys_execute(rig->c, TLBI_VAE1, tlbi_arg(block + named * 0x1000, 0));
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(look(rig, block + i * 0x1000), 2);
    }

    /* 1 GiB. */
    rig_map(rig, 12, UPPER, 1, align_down(RIG_RAM, BIT(30)) | PTE_BLOCK);
    mmu_flush_all(rig->c);
    block = align_down(UPPER, BIT(30));
    assert_int_equal(look(rig, block + (low - RIG_RAM)), 1);
    rig_map(rig, 12, UPPER, 1, 0);
    sys_execute(rig->c, TLBI_VAAE1, tlbi_arg(UPPER, 0));
    assert_exc(rig, (void)cpu_ld8(rig->c, block + (low - RIG_RAM)));

    /* A 16K page is four entries. */
    rig_mmu(rig, TCR_16K);
    rig_map(rig, 14, 0x10000, 3, low | PTE_PAGE);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(look(rig, 0x10000 + i * 0x1000), 1);
    rig_map(rig, 14, 0x10000, 3, high | PTE_PAGE);
    sys_execute(rig->c, TLBI_VAE1, tlbi_arg(0x10000, 0));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(look(rig, 0x10000 + i * 0x1000), 2);

    /* A 64K page is sixteen, its block is 512 MiB; the low bits of the operand do not count. */
    rig->soc.model = &idregs_max;
    for (unsigned i = 8; i < 16; i++) {
        rig_poke(rig, low + i * 0x1000, 1);
        rig_poke(rig, high + i * 0x1000, 2);
    }
    for (unsigned named = 0; named < 16; named++) {
        rig_mmu(rig, TCR_64K);
        rig_map(rig, 16, 0x10000, 3, low | PTE_PAGE);
        for (unsigned i = 0; i < 16; i++)
            assert_int_equal(look(rig, 0x10000 + i * 0x1000), 1);
        rig_map(rig, 16, 0x10000, 3, high | PTE_PAGE);
        sys_execute(rig->c, TLBI_VAE1, tlbi_arg(0x10000 + named * 0x1000, 0));
        for (unsigned i = 0; i < 16; i++)
            assert_int_equal(look(rig, 0x10000 + i * 0x1000), 2);
    }
    block = align_down(UPPER, BIT(29));
    rig_map(rig, 16, block, 2, align_down(RIG_RAM, BIT(29)) | PTE_BLOCK);
    mmu_flush_all(rig->c);
    assert_int_equal(look(rig, block + (low - RIG_RAM)), 1);
    assert_int_equal(look(rig, block + (high - RIG_RAM)), 2);
    rig_map(rig, 16, block, 2, 0);
    sys_execute(rig->c, TLBI_VAAE1, tlbi_arg(block + BIT(28), 0));
    assert_exc(rig, (void)cpu_ld8(rig->c, block + (low - RIG_RAM)));
    assert_abort(rig, block + (low - RIG_RAM), FSC_TRANSLATION | 2);
    assert_exc(rig, (void)cpu_ld8(rig->c, block + (high - RIG_RAM)));
}

static void test_asids_are_kept_apart_without_flushing(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    /* Pages of two ASIDs, at one address. */
    sysreg_write(c, TTBR0, RIG_ROOT | UINT64_C(1) << 48);
    rig_map(rig, 12, VA, 3, PAGE_A | USER);
    rig_map(rig, 12, UPPER, 3, PAGE_A | PTE_PAGE);
    assert_int_equal(look(rig, VA), 0xaa);
    assert_int_equal(look(rig, UPPER), 0xaa);
    rig_map(rig, 12, VA, 3, PAGE_B | USER);
    rig_map(rig, 12, UPPER, 3, PAGE_B | PTE_PAGE);
    sysreg_write(c, TTBR0, RIG_ROOT | UINT64_C(2) << 48);
    assert_int_equal(look(rig, VA), 0xbb);
    assert_int_equal(look(rig, UPPER), 0xaa); /* global: remembered over the switch */

    /* Upper half, not global: belongs to the ASID. */
    rig_map(rig, 12, UPPER, 3, PAGE_A | PTE_PAGE | PTE_NG);
    sys_execute(c, TLBI_VMALLE1, 0);
    assert_int_equal(look(rig, UPPER), 0xaa);
    rig_map(rig, 12, UPPER, 3, PAGE_B | PTE_PAGE | PTE_NG);
    sysreg_write(c, TTBR0, RIG_ROOT | UINT64_C(3) << 48);
    assert_int_equal(look(rig, UPPER), 0xbb);

    /* TCR.A1: the ASID is TTBR1's. TCR.AS = 0: 8 bits of it. */
    c->sys.tcr_el1 |= TCR_A1;
    mmu_flush_all(c);
    assert_int_equal(c->tlb->current, 0);
    sysreg_write(c, SYSREG(3, 0, 2, 0, 1), RIG_ROOT | UINT64_C(0x1234) << 48);
    assert_int_equal(c->tlb->current, 0x1234);
    sysreg_write(c, SYSREG(3, 0, 2, 0, 2), c->sys.tcr_el1 & ~TCR_AS);
    assert_int_equal(c->tlb->current, 0x34);
}

/* More ASIDs, one after the other, than there are context numbers. */
static void test_contexts_run_out(void **state)
{
    struct sys_rig *rig = *state;

    rig_map(rig, 12, VA, 3, PAGE_A | USER);
    for (unsigned asid = 0; asid < 3 * TLB_CONTEXTS; asid++) {
        rig_map(rig, 12, VA, 3, (asid & 1 ? PAGE_A : PAGE_B) | USER);
        sysreg_write(rig->c, TTBR0, RIG_ROOT | (uint64_t)asid << 48);
        assert_int_equal(look(rig, VA), asid & 1 ? 0xaa : 0xbb);
        assert_true(rig->c->tlb->next <= TLB_CONTEXTS);
    }
    for (unsigned i = 0; i < 3 * TLB_CONTEXTS; i++) {
        rig_map(rig, 12, VA, 3, (i & 1 ? PAGE_A : PAGE_B) | USER);
        sys_execute(rig->c, TLBI_VMALLE1, 0);
        assert_int_equal(look(rig, VA), i & 1 ? 0xaa : 0xbb);
    }
}

static void test_regime_changes_are_seen(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    /* Page 0 with an empty TLB: nothing must look like a hit. */
    assert_exc(rig, (void)cpu_ld64(c, 0));
    assert_abort(rig, 0, FSC_TRANSLATION | 0);
    rig_map(rig, 12, PAGE_A, 3, PAGE_B | PTE_PAGE);
    assert_int_equal(look(rig, PAGE_A), 0xbb);
    sysreg_write(c, SYSREG(3, 0, 1, 0, 0), c->sys.sctlr_el1 & ~SCTLR_M);
    assert_int_equal(look(rig, PAGE_A), 0xaa);
    sysreg_write(c, SYSREG(3, 0, 1, 0, 0), c->sys.sctlr_el1 | SCTLR_M);
    assert_int_equal(look(rig, PAGE_A), 0xbb);
    sysreg_write(c, SYSREG(3, 0, 2, 0, 2), c->sys.tcr_el1 | TCR_EPD0);
    assert_exc(rig, (void)cpu_ld8(c, PAGE_A));
    sysreg_write(c, SYSREG(3, 0, 2, 0, 2), (c->sys.tcr_el1 & ~TCR_EPD0) | TCR_TBI0);
    rig_at(rig, EL1H);
    assert_int_equal(look(rig, PAGE_A), 0xbb);
    assert_int_equal(look(rig, PAGE_A | UINT64_C(0x7e) << 56), 0xbb);
    cpu_st8(c, (PAGE_A | UINT64_C(0x7e) << 56) + 1, 0x55);
    assert_int_equal(cpu_ld16(c, PAGE_A), 0x55bb);
    /* FAR keeps the tag. */
    assert_exc(rig, (void)cpu_ld8(c, UINT64_C(0x7e) << 56 | VA));
    assert_int_equal(c->sys.far_el1, UINT64_C(0x7e) << 56 | VA);
}

static void test_dirty_pages_are_marked_and_marked_again(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    struct gmem_region *region = &rig->mem->regions[0];
    uint64_t bits[RIG_RAM_SIZE / 4096 / 64];
    uint64_t page = (PAGE_A - RIG_RAM) / 4096;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    rig_map(rig, 12, UPPER, 3, PAGE_B | PTE_PAGE | PTE_DEVICE);
    gmem_fetch_dirty(region, bits);
    (void)cpu_ld64(c, VA);
    assert_int_equal(gmem_fetch_dirty(region, bits), 0);
    cpu_st64(c, VA, 1);
    assert_int_equal(gmem_fetch_dirty(region, bits), 1);
    assert_true(bits[page / 64] & BIT(page % 64));
    cpu_st64(c, VA, 2); /* found in the TLB: not seen ... */
    assert_int_equal(gmem_fetch_dirty(region, bits), 0);
    mmu_flush_writable(c); /* ... until re-armed */
    (void)cpu_ld64(c, VA);
    assert_int_equal(gmem_fetch_dirty(region, bits), 0);
    cpu_st64(c, VA, 3);
    assert_int_equal(gmem_fetch_dirty(region, bits), 1);
    mmu_flush_writable(c);
    (void)cpu_host(c, VA, 8, MMU_WRITE, NULL);
    assert_int_equal(gmem_fetch_dirty(region, bits), 1);
    mmu_flush_writable(c);
    mmu_zero_block(c, VA);
    assert_int_equal(gmem_fetch_dirty(region, bits), 1);
    cpu_st8(c, UPPER, 1); /* mapped as Device memory: no TLB entry */
    assert_int_equal(gmem_fetch_dirty(region, bits), 1);
}

/* Two pages of one slot: what gives way is used again, and forgotten with everything else. */
static void test_entries_that_gave_way(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    gva_t other = VA + TLB_SIZE * 0x1000;
    struct gmem_region *region = &rig->mem->regions[0];
    uint64_t bits[RIG_RAM_SIZE / 4096 / 64];

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    rig_map(rig, 12, other, 3, PAGE_B | PTE_PAGE);
    cpu_st8(c, VA, 0xaa);
    assert_int_equal(look(rig, other), 0xbb);
    /* Nobody has told the TLB: it may keep what it has, in either place. */
    rig_map(rig, 12, VA, 3, PAGE_B | PTE_PAGE);
    rig_map(rig, 12, other, 3, PAGE_A | PTE_PAGE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(look(rig, VA), 0xaa);
        assert_int_equal(look(rig, other), 0xbb);
    }
    /* The right to write came along, until it is taken: then the page is marked again. */
    gmem_fetch_dirty(region, bits);
    cpu_st8(c, VA + 1, 1);
    assert_int_equal(gmem_fetch_dirty(region, bits), 0);
    (void)look(rig, other);
    mmu_flush_writable(c);
    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    gmem_fetch_dirty(region, bits);
    cpu_st8(c, VA + 1, 2);
    assert_int_equal(gmem_fetch_dirty(region, bits), 1);
    /* One address goes, wherever it is. */
    (void)look(rig, other);
    rig_map(rig, 12, VA, 3, PAGE_B | PTE_PAGE);
    mmu_flush_va(c, VA);
    assert_int_equal(look(rig, VA), 0xbb);
    assert_int_equal(look(rig, other), 0xbb);
    mmu_flush_all(c);
    assert_int_equal(look(rig, other), 0xaa);
}

static void test_device_accesses_are_replayed(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    volatile uint64_t a = 0, b = 0;

    rig_map(rig, 12, VA, 3, RIG_DEVICE | PTE_PAGE | PTE_DEVICE);
    for (volatile unsigned size = 1; size <= 8; size *= 2) {
        rig_at(rig, EL1H);
        c->replay.count = c->replay.next = 0;
        assert_stop(rig, a = cpu_ld(c, VA + 8, size, false));
        assert_int_equal(c->stop, CPU_STOP_MMIO);
        assert_int_equal(c->mmio_pending.gpa, RIG_DEVICE + 8);
        assert_int_equal(c->mmio_pending.size, size);
        assert_false(c->mmio_pending.write);
        assert_int_equal(c->pc, RIG_PC);
        cpu_mmio_done(c, 0x1122334455667788);
        assert_ok(rig, a = cpu_ld(c, VA + 8, size, false));
        assert_int_equal(a, 0x1122334455667788 & low_mask(8 * size));
    }

    /* A pair: two answers, in order; a store carries its value. */
    c->replay.count = c->replay.next = 0;
    assert_stop(rig, (a = cpu_ld32(c, VA), b = cpu_ld32(c, VA + 4)));
    cpu_mmio_done(c, 1);
    assert_stop(rig, (a = cpu_ld32(c, VA), b = cpu_ld32(c, VA + 4)));
    assert_int_equal(c->mmio_pending.gpa, RIG_DEVICE + 4);
    cpu_mmio_done(c, 2);
    c->replay.next = 0;
    assert_ok(rig, (a = cpu_ld32(c, VA), b = cpu_ld32(c, VA + 4)));
    assert_int_equal(a, 1);
    assert_int_equal(b, 2);
    c->replay.count = c->replay.next = 0;
    assert_stop(rig, cpu_st16(c, VA + 2, 0x12345));
    assert_true(c->mmio_pending.write);
    assert_int_equal(c->mmio_pending.data, 0x2345);

    /* More accesses than there is room for end the vCPU with a sentence. */
    c->replay.count = c->replay.next = MMIO_REPLAY_MAX;
    assert_stop(rig, (void)cpu_ld8(c, VA));
    assert_int_equal(c->stop, CPU_STOP_ERROR);
    assert_non_null(strstr(c->reason, "device accesses"));
}

static void test_the_gic_is_answered_inside(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;

    rig_map(rig, 12, VA, 3, MAP_GICD_BASE | PTE_PAGE | PTE_DEVICE);
    rig_map(rig, 12, VA + 0x1000, 3, MAP_GICR_BASE | PTE_PAGE | PTE_DEVICE);
    rig_map(rig, 12, VA + 0x2000, 3, (MAP_GICR_BASE + MAP_GICR_STRIDE) | PTE_PAGE | PTE_DEVICE);
    cpu_st32(c, VA, 2);
    assert_int_equal(cpu_ld32(c, VA), 0x52); /* GICD_CTLR */
    cpu_st32(c, VA + 0x1014, 0);
    assert_int_equal(cpu_ld32(c, VA + 0x1014), 0);    /* GICR_WAKER */
    assert_stop(rig, (void)cpu_ld32(c, VA + 0x2000)); /* one vCPU: nothing behind its frames */
    assert_int_equal(c->stop, CPU_STOP_MMIO);
}

static void test_cache_operations(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    uint64_t fault = ISS_DABT_CM | ISS_DABT_WNR;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    rig_map(rig, 12, VA + 0x1000, 3, PAGE_A | PTE_PAGE | PTE_RO);
    assert_int_equal(mmu_cache_op(c, VA + 0x123, MMU_READ), PAGE_A + 0x123);
    assert_exc(rig, (void)mmu_cache_op(c, VA + 0x2000, MMU_READ));
    assert_abort(rig, VA + 0x2000, fault | FSC_TRANSLATION | 3);
    assert_exc(rig, (void)mmu_cache_op(c, VA + 0x1000, MMU_WRITE));
    assert_abort(rig, VA + 0x1000, fault | FSC_PERMISSION | 3);
    rig_at(rig, EL0T);
    assert_exc(rig, (void)mmu_cache_op(c, VA, MMU_READ));
    assert_int_equal(rig_iss(rig), fault | FSC_PERMISSION | 3);

    /* DC ZVA is a store of 64 bytes. */
    rig_at(rig, EL1H);
    cpu_st64(c, VA + 0x38, 5);
    cpu_st64(c, VA + 0x40, 6);
    mmu_zero_block(c, VA + 0x27);
    assert_int_equal(cpu_ld64(c, VA), 0);
    assert_int_equal(cpu_ld64(c, VA + 0x38), 0);
    assert_int_equal(cpu_ld64(c, VA + 0x40), 6);
    assert_exc(rig, mmu_zero_block(c, VA + 0x1027));
    assert_abort(rig, VA + 0x1027, ISS_DABT_WNR | FSC_PERMISSION | 3);
    rig_map(rig, 12, VA + 0x2000, 3, PAGE_A | PTE_PAGE | PTE_DEVICE);
    assert_exc(rig, mmu_zero_block(c, VA + 0x2000));
    assert_abort(rig, VA + 0x2000, ISS_DABT_WNR | FSC_ALIGNMENT);
    /* Which comes before permissions. */
    rig_map(rig, 12, VA + 0x2000, 3, PAGE_A | PTE_PAGE | PTE_DEVICE | PTE_RO);
    assert_exc(rig, mmu_zero_block(c, VA + 0x2000));
    assert_abort(rig, VA + 0x2000, ISS_DABT_WNR | FSC_ALIGNMENT);
}

static void test_fetching(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    struct code_page *volatile page = NULL;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    rig_fetching(rig, EL1H, VA + 8);
    assert_ok(rig, page = mmu_fetch_page(c, VA + 8));
    assert_int_equal(page->gpa, PAGE_A);
    assert_ok(rig, assert_ptr_equal(mmu_fetch_page(c, VA + 8), page));

    /* EL0 may not; nor EL1 what is PXN, once the TLB has forgotten. */
    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE | PTE_UXN);
    rig_fetching(rig, EL0T, VA + 8);
    assert_exc(rig, (void)mmu_fetch_page(c, VA + 8));
    assert_int_equal(rig_ec(rig), EC_IABT_LOWER);
    assert_int_equal(rig_iss(rig), FSC_PERMISSION | 3);
    assert_int_equal(c->sys.far_el1, VA + 8);
    assert_int_equal(c->sys.elr_el1, VA + 8);
    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE | PTE_PXN);
    rig_fetching(rig, EL1H, VA);
    sys_execute(c, TLBI_VAE1, tlbi_arg(VA, 0));
    assert_exc(rig, (void)mmu_fetch_page(c, VA));
    assert_int_equal(rig_ec(rig), EC_IABT_SAME);

    /* Code in a device: not a fault of the guest's that it could handle. */
    rig_map(rig, 12, VA, 3, RIG_DEVICE | PTE_PAGE);
    rig_fetching(rig, EL1H, VA);
    assert_stop(rig, (void)mmu_fetch_page(c, VA));
    assert_int_equal(c->stop, CPU_STOP_ERROR);
    assert_non_null(strstr(c->reason, "0x9000000, which is not memory"));
}

static void test_host_protection_makes_a_device(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *c = rig->c;
    struct err err;

    rig_map(rig, 12, VA, 3, PAGE_A | PTE_PAGE);
    cpu_st8(c, VA, 1);
    assert_int_equal(soc_protect(&rig->soc, PAGE_A, 4096, SOC_READ, &err), 0);
    mmu_flush_all(c);
    assert_int_equal(look(rig, VA), 1);
    assert_stop(rig, cpu_st8(c, VA, 2));
    assert_int_equal(c->stop, CPU_STOP_MMIO);
    assert_int_equal(c->mmio_pending.gpa, PAGE_A);
    assert_int_equal(soc_unmap(&rig->soc, PAGE_A, 4096, &err), 0);
    mmu_flush_all(c);
    assert_stop(rig, (void)cpu_ld8(c, VA));
    assert_int_equal(
        soc_map(&rig->soc, PAGE_A, gmem_ptr_dirty(rig->mem, PAGE_A, 4096), 4096, SOC_READ, &err),
        0);
    assert_int_equal(look(rig, VA), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_every_size_and_alignment),
        T(test_page_crossing),
        T(test_faults_carry_what_the_handler_needs),
        T(test_what_pan_looks_at),
        T(test_alignment_is_enforced_where_it_must),
        T(test_host_addresses_for_atomics),
        T(test_faults_of_atomics),
        T(test_probe),
        T(test_tlbi_forms),
        T(test_tlbi_of_blocks),
        T(test_asids_are_kept_apart_without_flushing),
        T(test_contexts_run_out),
        T(test_regime_changes_are_seen),
        T(test_dirty_pages_are_marked_and_marked_again),
        T(test_entries_that_gave_way),
        T(test_device_accesses_are_replayed),
        T(test_the_gic_is_answered_inside),
        T(test_cache_operations),
        T(test_fetching),
        T(test_host_protection_makes_a_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
