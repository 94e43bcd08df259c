/*
 * Alignment: what each kind of access is held to where it is checked, and the order of alignment
 * faults against others (Arm DDI 0487, B2.5.2 and D8.15). Instructions run at EL0.
 */
#include <stdio.h>

#include "../test.h"
#include "arch/esr.h"
#include "cpu/mmu.h"
#include "rig.h"

#define CODE     (RIG_USER + 0x1000)
#define DATA     (RIG_USER + 0x80000)
#define BRK      0xd4200000u
#define SCTLR_A  BIT(1)
#define PAGES    256 /* of user memory are mapped, and no more */
#define EDGE     (RIG_USER + PAGES * 4096)
#define TABLE_L2 (RIG_SYSTEM + 0x2000) /* as rig.c has it */
#define TABLE_L3 (RIG_SYSTEM + 0x8000)
#define PTE_USER UINT64_C(0x743) /* page, normal memory, for EL0 */
#define PTE_RO   BIT(7)
#define PTE_EL1  BIT(6) /* to clear */
#define PTE_AF   BIT(10)
#define PTE_DEV  BIT(2)

static void map(struct rig *rig, gva_t va, uint64_t desc)
{
    gpa_t at = TABLE_L3 + 8 * ((va - RIG_USER) / 4096);

    store_le64(gmem_ptr_dirty(rig->mem, at, 8), desc ? va | desc : 0);
    mmu_flush_all(rig->c);
}

static int setup(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    for (unsigned page = 0; page < PAGES; page++)
        map(&rig, RIG_USER + 4096 * page, PTE_USER);
    store_le64(gmem_ptr_dirty(rig.mem, TABLE_L2, 8), TABLE_L3 | 3);
    mmu_flush_all(rig.c);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_fini(*state);
    return 0;
}

static void check_everything(struct rig *rig, bool on)
{
    rig->c->sys.sctlr_el1 = (rig->c->sys.sctlr_el1 & ~SCTLR_A) | (on ? SCTLR_A : 0);
    mmu_flush_all(rig->c);
}

/* Run one instruction on [x1]. Returns why it stopped; the exception class is in ESR_EL1. */
static enum cpu_stop run(struct rig *rig, uint32_t word, gva_t va)
{
    rig_poke(rig, CODE, word);
    rig_poke(rig, CODE + 4, BRK);
    rig_enter(rig, CODE, 0);
    rig->c->replay.count = 0;
    rig->c->x[1] = va;
    return rig_run(rig);
}

static unsigned ec(const struct rig *rig)
{
    return (unsigned)FIELD_GET(ESR_EC, rig->c->sys.esr_el1);
}

static void assert_abort(const struct rig *rig, const char *text, gva_t far, uint64_t iss)
{
    const struct cpu *c = rig->c;

    if (ec(rig) != EC_DABT_LOWER || c->sys.far_el1 != far || (c->sys.esr_el1 & ESR_ISS) != iss)
        fail_msg("%s: ESR %#llx FAR %#llx, not ISS %#llx FAR %#llx", text,
                 (unsigned long long)c->sys.esr_el1, (unsigned long long)c->sys.far_el1,
                 (unsigned long long)iss, (unsigned long long)far);
}

enum kind { PLAIN, WRITES, ALWAYS, ALWAYS_WRITES };

/* [x1] with registers out of x0, x2 .. x5 and v0 .. v3; unit: the alignment in bytes. */
static const struct {
    uint32_t word;
    unsigned unit;
    enum kind kind;
    const char *text;
} accesses[] = {
    { 0x39400020, 1, PLAIN, "ldrb w0" },
    { 0x79400020, 2, PLAIN, "ldrh w0" },
    { 0xb9400020, 4, PLAIN, "ldr w0" },
    { 0xf9400020, 8, PLAIN, "ldr x0" },
    { 0xf9000020, 8, WRITES, "str x0" },
    { 0xf8400820, 8, PLAIN, "ldtr x0" },
    { 0x29400820, 4, PLAIN, "ldp w0, w2" },
    { 0x69400820, 4, PLAIN, "ldpsw x0, x2" },
    { 0xa9400820, 8, PLAIN, "ldp x0, x2" },
    { 0x29000820, 4, WRITES, "stp w0, w2" },
    { 0xa9000820, 8, WRITES, "stp x0, x2" },
    { 0x7d400020, 2, PLAIN, "ldr h0" },
    { 0xfd400020, 8, PLAIN, "ldr d0" },
    { 0x3dc00020, 16, PLAIN, "ldr q0" },
    { 0x3cc10420, 16, PLAIN, "ldr q0, post" },
    { 0x3d800020, 16, WRITES, "str q0" },
    { 0x2d400420, 4, PLAIN, "ldp s0, s1" },
    { 0x6d400420, 8, PLAIN, "ldp d0, d1" },
    { 0xad400420, 16, PLAIN, "ldp q0, q1" },
    { 0x6d000420, 8, WRITES, "stp d0, d1" },
    { 0xad000420, 16, WRITES, "stp q0, q1" },
    { 0x4c407020, 1, PLAIN, "ld1 {v0.16b}" },
    { 0x4c407420, 2, PLAIN, "ld1 {v0.8h}" },
    { 0x4c407820, 4, PLAIN, "ld1 {v0.4s}" },
    { 0x4c407c20, 8, PLAIN, "ld1 {v0.2d}" },
    { 0x4c402020, 1, PLAIN, "ld1 {v0.16b-v3.16b}" },
    { 0x4c408420, 2, PLAIN, "ld2 {v0.8h, v1.8h}" },
    { 0x0c400020, 1, PLAIN, "ld4 {v0.8b-v3.8b}" },
    { 0x4c007020, 1, WRITES, "st1 {v0.16b}" },
    { 0x4c007420, 2, WRITES, "st1 {v0.8h}" },
    { 0x4c007c20, 8, WRITES, "st1 {v0.2d}" },
    { 0x4c000820, 4, WRITES, "st4 {v0.4s-v3.4s}" },
    { 0x0d400020, 1, PLAIN, "ld1 {v0.b}[0]" },
    { 0x0d60a020, 4, PLAIN, "ld4 {v0.s-v3.s}[0]" },
    { 0x4d40cc20, 8, PLAIN, "ld1r {v0.2d}" },
    { 0x0d004020, 2, WRITES, "st1 {v0.h}[0]" },
    { 0x0d208420, 8, WRITES, "st2 {v0.d, v1.d}[0]" },
    { 0x08dffc20, 1, ALWAYS, "ldarb w0" },
    { 0xc8dffc20, 8, ALWAYS, "ldar x0" },
    { 0x78bfc020, 2, ALWAYS, "ldaprh w0" },
    { 0xf8bfc020, 8, ALWAYS, "ldapr x0" },
    { 0x489ffc20, 2, ALWAYS_WRITES, "stlrh w0" },
    { 0xc89ffc20, 8, ALWAYS_WRITES, "stlr x0" },
    { 0x885f7c20, 4, ALWAYS, "ldxr w0" },
    { 0x887f0820, 8, ALWAYS, "ldxp w0, w2" },
    { 0xc87f0820, 16, ALWAYS, "ldxp x0, x2" },
    { 0x88037c20, 4, ALWAYS_WRITES, "stxr w3, w0" },
    { 0xc8230820, 16, ALWAYS_WRITES, "stxp w3, x0, x2" },
    /* A read of the same address would fault, too: not a write's fault. */
    { 0xb8200022, 4, ALWAYS, "ldadd w0, w2" },
    { 0xf8208022, 8, ALWAYS, "swp x0, x2" },
    { 0xf8204022, 8, ALWAYS, "ldsmax x0, x2" },
    { 0xc8a07c22, 8, ALWAYS, "cas x0, x2" },
    { 0x08247c22, 8, ALWAYS, "casp w4, w5, w2, w3" },
    { 0x48247c22, 16, ALWAYS, "casp x4, x5, x2, x3" },
};

static uint64_t wnr(enum kind kind)
{
    return kind == WRITES || kind == ALWAYS_WRITES ? ISS_DABT_WNR : 0;
}

/* At every offset, also over a page's end. */
static void test_what_is_held_to_which_alignment(void **state)
{
    struct rig *rig = *state;

    for (unsigned a = 0; a < 2; a++) {
        check_everything(rig, a);
        for (size_t n = 0; n < ARRAY_LEN(accesses); n++) {
            bool checked = a || accesses[n].kind >= ALWAYS;

            for (gva_t va = DATA + 0xff0; va < DATA + 0x1010; va++) {
                assert_int_equal(run(rig, accesses[n].word, va), CPU_STOP_HVC);
                if (checked && va % accesses[n].unit)
                    assert_abort(rig, accesses[n].text, va, wnr(accesses[n].kind) | FSC_ALIGNMENT);
                else if (ec(rig) != EC_BRK64)
                    fail_msg("%s at %#llx, SCTLR.A %u: ESR %#llx", accesses[n].text,
                             (unsigned long long)va, a, (unsigned long long)rig->c->sys.esr_el1);
            }
        }
    }
    check_everything(rig, false);
}

/* What crosses into unmapped memory and is misaligned: alignment comes first where SCTLR_EL1.A
 * looks at it, else the unmapped page is reported by its first byte. */
static void test_alignment_comes_before_translation(void **state)
{
    struct rig *rig = *state;

    for (unsigned a = 0; a < 2; a++) {
        check_everything(rig, a);
        for (size_t n = 0; n < ARRAY_LEN(accesses); n++) {
            unsigned unit = accesses[n].unit;

            if (unit == 1 || accesses[n].kind >= ALWAYS)
                continue;
            assert_int_equal(run(rig, accesses[n].word, EDGE - unit / 2), CPU_STOP_HVC);
            if (a)
                assert_abort(rig, accesses[n].text, EDGE - unit / 2,
                             wnr(accesses[n].kind) | FSC_ALIGNMENT);
            else
                assert_abort(rig, accesses[n].text, EDGE,
                             wnr(accesses[n].kind) | FSC_TRANSLATION | 3);
        }
    }
    check_everything(rig, false);
}

/* Device memory looks at the alignment of every access. Where nothing is behind it, exclusives and
 * atomics cannot be. */
static void test_device_memory(void **state)
{
    struct rig *rig = *state;

    for (size_t n = 0; n < ARRAY_LEN(accesses); n++) {
        for (gva_t va = RIG_DEVICE + 0x20; va < RIG_DEVICE + 0x40; va++) {
            enum cpu_stop stop = run(rig, accesses[n].word, va);
            unsigned fsc = rig->c->sys.esr_el1 & ISS_DABT_DFSC;
            bool atomic = stop == CPU_STOP_HVC && fsc == FSC_UNSUPPORTED_EXCL;

            if (va % accesses[n].unit) {
                assert_int_equal(stop, CPU_STOP_HVC);
                assert_abort(rig, accesses[n].text, va, wnr(accesses[n].kind) | FSC_ALIGNMENT);
            } else if (!atomic || accesses[n].kind < ALWAYS) {
                if (stop != CPU_STOP_MMIO || rig->c->mmio_pending.gpa != va)
                    fail_msg("%s at %#llx: stop %d", accesses[n].text, (unsigned long long)va,
                             (int)stop);
                if (va % 8)
                    assert_true(rig->c->mmio_pending.size <= accesses[n].unit);
            }
        }
    }
}

/* The faults of one page, in order: of the walk, alignment by memory type, permission. Of two
 * pages, the first one's. */
static void test_order_of_faults(void **state)
{
    enum { LDR_X0 = 0xf9400020, STR_X0 = 0xf9000020 };
    static const struct {
        uint64_t first, second; /* descriptors; 0: unmapped */
        uint32_t word;
        gva_t va;  /* from the second page */
        gva_t far; /* likewise */
        uint64_t iss;
    } t[] = {
#define DEV (PTE_USER | PTE_DEV)
        /* one page */
        { PTE_USER, 0, LDR_X0, 4, 4, FSC_TRANSLATION | 3 },
        { PTE_USER, DEV & ~PTE_AF, LDR_X0, 4, 4, FSC_ACCESS_FLAG | 3 },
        { PTE_USER, DEV & ~PTE_EL1, LDR_X0, 4, 4, FSC_ALIGNMENT },
        { PTE_USER, DEV & ~PTE_EL1, LDR_X0, 8, 8, FSC_PERMISSION | 3 },
        { PTE_USER, DEV | PTE_RO, STR_X0, 4, 4, ISS_DABT_WNR | FSC_ALIGNMENT },
        { PTE_USER, DEV | PTE_RO, STR_X0, 8, 8, ISS_DABT_WNR | FSC_PERMISSION | 3 },
        { PTE_USER, PTE_USER | PTE_RO, STR_X0, 4, 4, ISS_DABT_WNR | FSC_PERMISSION | 3 },
        /* two pages: from 4 bytes before the second one */
        { DEV, 0, LDR_X0, -4, -4, FSC_ALIGNMENT },
        { 0, DEV, LDR_X0, -4, -4, FSC_TRANSLATION | 3 },
        { PTE_USER & ~PTE_EL1, DEV, LDR_X0, -4, -4, FSC_PERMISSION | 3 },
        { PTE_USER, DEV, LDR_X0, -4, 0, FSC_ALIGNMENT },
        { PTE_USER, DEV | PTE_RO, STR_X0, -4, 0, ISS_DABT_WNR | FSC_ALIGNMENT },
        { PTE_USER | PTE_RO, DEV, STR_X0, -4, -4, ISS_DABT_WNR | FSC_PERMISSION | 3 },
        { PTE_USER, PTE_USER & ~PTE_AF, STR_X0, -4, 0, ISS_DABT_WNR | FSC_ACCESS_FLAG | 3 },
#undef DEV
    };
    struct rig *rig = *state;
    gva_t second = DATA + 0x1000;

    for (size_t n = 0; n < ARRAY_LEN(t); n++) {
        char text[16];

        snprintf(text, sizeof(text), "row %zu", n);
        map(rig, DATA, t[n].first);
        map(rig, second, t[n].second);
        assert_int_equal(run(rig, t[n].word, second + t[n].va), CPU_STOP_HVC);
        assert_abort(rig, text, second + t[n].far, t[n].iss);
    }
}

/* An atomic operation on memory that may be read but not written is a write's fault; one that may
 * not even be read is a read's (ESR_EL1, WnR). A store-exclusive is a store. */
static void test_who_an_atomic_fault_is_blamed_on(void **state)
{
    static const struct {
        uint64_t desc;
        uint64_t iss;
        bool write; /* of an atomic operation */
    } t[] = {
        { 0, FSC_TRANSLATION | 3, false },
        { PTE_USER & ~PTE_AF, FSC_ACCESS_FLAG | 3, false },
        { PTE_USER & ~PTE_EL1, FSC_PERMISSION | 3, false },
        { (PTE_USER & ~PTE_EL1) | PTE_RO, FSC_PERMISSION | 3, false },
        { PTE_USER | PTE_RO, FSC_PERMISSION | 3, true },
    };
    static const struct {
        uint32_t word;
        bool atomic;
        const char *text;
    } ops[] = {
        { 0xb8200022, true, "ldadd w0, w2" },        { 0xf8208022, true, "swp x0, x2" },
        { 0xf8207022, true, "ldumin x0, x2" },       { 0x08a07c22, true, "casb w0, w2" },
        { 0x08247c22, true, "casp w4, w5, w2, w3" }, { 0x48247c22, true, "casp x4, x5, x2, x3" },
        { 0xc8037c20, false, "stxr w3, x0" },        { 0xc8230820, false, "stxp w3, x0, x2" },
    };
    struct rig *rig = *state;

    for (size_t n = 0; n < ARRAY_LEN(t); n++) {
        map(rig, DATA, t[n].desc);
        for (size_t k = 0; k < ARRAY_LEN(ops); k++) {
            bool write = t[n].write || !ops[k].atomic;

            assert_int_equal(run(rig, ops[k].word, DATA + 16), CPU_STOP_HVC);
            assert_abort(rig, ops[k].text, DATA + 16, t[n].iss | (write ? ISS_DABT_WNR : 0));
        }
    }
}

/* A vector register over the end of what may be written: nothing of it is. */
static void test_a_vector_is_stored_whole_or_not_at_all(void **state)
{
    struct rig *rig = *state;

    memset(rig->c->v, 0x5a, sizeof(rig->c->v));
    for (unsigned before = 1; before < 16; before++) {
        uint64_t *last = rig_ptr(rig, EDGE - 16);

        last[0] = last[1] = 1;
        assert_int_equal(run(rig, 0x3d800020, EDGE - before), CPU_STOP_HVC);
        assert_abort(rig, "str q0", EDGE, ISS_DABT_WNR | FSC_TRANSLATION | 3);
        assert_int_equal(last[0], 1);
        assert_int_equal(last[1], 1);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_what_is_held_to_which_alignment),
        T(test_alignment_comes_before_translation),
        T(test_device_memory),
        T(test_order_of_faults),
        T(test_who_an_atomic_fault_is_blamed_on),
        T(test_a_vector_is_stored_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
