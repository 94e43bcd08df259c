/* Vector instructions where another CPU's user mode cannot be asked: traps, faults in the middle
 * of an access, reserved encodings; and answers published with the algorithms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "arch/esr.h"
#include "cpu/a64.h"
#include "cpu/mmu.h"
#include "rig.h"

#define CODE     (RIG_USER + 0x1000)
#define BRK      0xd4200000u
#define PAGES    16 /* of user memory are mapped, and no more */
#define EDGE     (RIG_USER + PAGES * 4096)
#define TABLE_L2 (RIG_SYSTEM + 0x2000) /* as rig.c has it */
#define TABLE_L3 (RIG_SYSTEM + 0x8000)
#define FPEN_EL1 UINT64_C(0x100000)
#define FPEN_ALL UINT64_C(0x300000)

static void poke64(struct rig *rig, gpa_t gpa, uint64_t val)
{
    store_le64(gmem_ptr_dirty(rig->mem, gpa, 8), val);
}

static int setup(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    for (unsigned page = 0; page < PAGES; page++)
        poke64(&rig, TABLE_L3 + 8 * page, (RIG_USER + 4096 * page) | 0x743); /* page, for EL0 */
    poke64(&rig, TABLE_L2, TABLE_L3 | 3);
    mmu_flush_all(rig.c);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_fini(*state);
    return 0;
}

/* Run one instruction; returns the exception class that ended it: EC_BRK64 is the next one. */
static unsigned run(struct rig *rig, uint32_t word)
{
    rig_poke(rig, CODE, word);
    rig_poke(rig, CODE + 4, BRK);
    rig_enter(rig, CODE, 0);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    return (unsigned)FIELD_GET(ESR_EC, rig->c->sys.esr_el1);
}

static bool uses_vectors(const struct a64_row *row)
{
    return row->cls == A64_CLASS_FP || row->cls == A64_CLASS_SIMD || row->cls == A64_CLASS_VMEM;
}

/* A word of the row that its format accepts: its fields counted up until one does. */
static bool accepted_word(enum a64_op op, uint32_t *ret_word)
{
    const struct a64_row *row = &a64_rows[op];
    uint32_t fields = ~row->mask, some = 0;

    for (unsigned tries = 0; tries < 1U << 20; tries++) {
        struct a64_insn i;

        *ret_word = row->value | some;
        if (a64_decode(&i, *ret_word, 0) == op)
            return true;
        some = (some - fields) & fields;
    }
    return false;
}

static void test_every_vector_instruction_traps(void **state)
{
    struct rig *rig = *state;
    unsigned rows = 0;

    rig->c->sys.cpacr_el1 = FPEN_EL1; /* EL0 traps */
    for (unsigned op = 0; op < A64_OPS; op++) {
        uint32_t word;

        if (!uses_vectors(&a64_rows[op]))
            continue;
        rows++;
        if (!accepted_word((enum a64_op)op, &word))
            fail_msg("%s: no word is accepted", a64_rows[op].name);
        if (run(rig, word) != EC_FP_TRAP || rig->c->sys.elr_el1 != CODE)
            fail_msg("%s (%#x) does not trap", a64_rows[op].name, word);
    }
    rig->c->sys.cpacr_el1 = FPEN_ALL;
    assert_true(rows > 800);
}

/* What the CPU model announces is there. */
/* Accesses to [x1], 4 bytes of which lie in the last mapped page. */
static const struct {
    uint32_t load, store;
    const char *text;
} crossing[] = {
    { 0x3dc00020, 0x3d800020, "q0, [x1]" },
    { 0x3cc00c20, 0x3c800c20, "q0, [x1, #0]!" },
    { 0x3cc10420, 0x3c810420, "q0, [x1], #16" },
    { 0xfd400020, 0xfd000020, "d0, [x1]" },
    { 0x2d400820, 0x2d000820, "s0, s2, [x1]" },
    { 0xad400820, 0xad000820, "q0, q2, [x1]" },
    { 0xacc10820, 0xac810820, "q0, q2, [x1], #32" },
    { 0x4c402820, 0x4c002820, "4 x v0.4s, [x1]" },
    { 0x4cdf0020, 0x4c9f0020, "{v0.16b-v3.16b}, [x1], #64" },
    { 0x0d609020, 0x0d209020, "{v0.s, v1.s}[1], [x1]" },
    { 0x0d60e820, 0x0d20a020, "{v0.2s-v3.2s}, [x1] to all; {v0.s-v3.s}[0]" },
};

static void test_a_load_that_faults_changes_nothing(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t k = 0; k < ARRAY_LEN(crossing); k++) {
        union vreg before[32];

        memset(c->v, 0x5a, sizeof(c->v));
        memcpy(before, c->v, sizeof(before));
        c->x[1] = EDGE - 4;
        if (run(rig, crossing[k].load) != EC_DABT_LOWER)
            fail_msg("load %s: no data abort", crossing[k].text);
        assert_int_equal(c->sys.far_el1, EDGE);
        assert_int_equal(c->x[1], EDGE - 4);
        assert_memory_equal(before, c->v, sizeof(before));
    }
}

static void test_a_store_that_faults_writes_nothing(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    for (size_t k = 0; k < ARRAY_LEN(crossing); k++) {
        void *last = rig_ptr(rig, EDGE - 4);

        memset(c->v, 0x5a, sizeof(c->v));
        store_le32(last, 0x11223344);
        c->x[1] = EDGE - 4;
        if (run(rig, crossing[k].store) != EC_DABT_LOWER)
            fail_msg("store %s: no data abort", crossing[k].text);
        assert_int_equal(c->sys.far_el1, EDGE);
        assert_int_equal(c->x[1], EDGE - 4);
        if (load_le32(last) != 0x11223344)
            fail_msg("store %s: wrote a part", crossing[k].text);
    }
}

static void test_undefined_encodings(void **state)
{
    static const uint32_t words[] = {
        /* reserved */
        0x0ee08420, /* add v0.1d: one doubleword is no vector */
        0x5e208420, /* add b0 */
        0x0e60d420, /* fadd v0.1d */
        0x1ea02820, /* fadd of the reserved type */
        0x1e180020, /* fcvtzs w0, s1, #58 */
        0x0eb0a820, /* smaxv s0, v1.2s */
        0x5e70d820, /* faddp h0, v1.2h with the size bit */
        0x0e70c820, /* fmaxnmv h0, v1.4h with the size bit */
        0x2f00fc20, /* fmov v0.4h, #imm with op */
        0x2f00f420, /* fmov v0.1d, #imm */
        0x0e000420, /* dup from an element of no size */
        0x0e180c20, /* dup v0.1d, x1 */
        0x2e004020, /* ext v0.8b from byte 8 */
        0x0c000c20, /* st4 {v0.1d-v3.1d} */
        0x0d009420, /* st1 {v0.d}[0] with S */
        0x0e60e020, /* pmull of halves */
        /* not announced by any CPU model */
        0x6e40c420, /* fcmla */
        0x0e809c20, /* usdot */
        0x4e80a420, /* smmla */
        0x1e7e0020, /* fjcvtzs */
        0x1e284020, /* frint32z */
        0xce000000, /* eor3 */
        0xce608000, /* sha512h */
        0x0ea16820, /* bfcvtn */
        0x1e634020, /* bfcvt */
    };
    struct rig *rig = *state;

    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        unsigned ec = run(rig, words[k]);

        if (ec != EC_UNKNOWN)
            fail_msg("%#x: exception class %#x", words[k], ec);
    }
}

static union vreg bytes(const char *hex)
{
    union vreg v;

    for (unsigned k = 0; k < 16; k++) {
        unsigned byte;

        assert_int_equal(sscanf(hex + 2 * k, "%2x", &byte), 1);
        v.b[k] = (uint8_t)byte;
    }
    return v;
}

static void test_aes_by_fips_197(void **state)
{
    /* Appendix B: input, key, and the state of the first round in three stages */
    const union vreg input = bytes("3243f6a8885a308d313198a2e0370734");
    const union vreg key = bytes("2b7e151628aed2a6abf7158809cf4f3c");
    const union vreg start = bytes("193de3bea0f4e22b9ac68d2ae9f84808");
    const union vreg shifted = bytes("d4bf5d30e0b452aeb84111f11e2798e5");
    const union vreg mixed = bytes("046681e5e0cb199a48f8d37a2806264c");
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    c->v[0] = input;
    c->v[1] = key;
    assert_int_equal(run(rig, 0x4e284820), EC_BRK64); /* aese v0, v1 */
    assert_memory_equal(&c->v[0], &shifted, 16);
    assert_int_equal(run(rig, 0x4e286802), EC_BRK64); /* aesmc v2, v0 */
    assert_memory_equal(&c->v[2], &mixed, 16);
    assert_int_equal(run(rig, 0x4e287843), EC_BRK64); /* aesimc v3, v2 */
    assert_memory_equal(&c->v[3], &shifted, 16);
    memset(&c->v[4], 0, 16);
    assert_int_equal(run(rig, 0x4e285883), EC_BRK64); /* aesd v3, v4 */
    assert_memory_equal(&c->v[3], &start, 16);
}

/* The upper half of a register is cleared by whatever writes less than all of it. */
static void test_narrow_writes_clear_the_rest(void **state)
{
    static const uint32_t words[] = {
        0x3d400020, /* ldr b0, [x1] */
        0x2e201c20, /* eor v0.8b, v1.8b, v0.8b */
        0x1e202820, /* fadd s0, s1, s0 */
        0x9e670020, /* fmov d0, x1 */
        0x0f000420, /* movi v0.2s, #1 */
        0x5e180420, /* mov d0, v1.d[1] */
        0x0d40c820, /* ld1r {v0.2s}, [x1] */
        0x0ea12820, /* xtn v0.2s, v1.2d */
    };
    struct rig *rig = *state;

    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        memset(rig->c->v, 0x3c, sizeof(rig->c->v));
        rig->c->x[1] = RIG_USER;
        assert_int_equal(run(rig, words[k]), EC_BRK64);
        if (rig->c->v[0].d[1])
            fail_msg("%#x left the upper half", words[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vector_instruction_traps),
        cmocka_unit_test(test_a_load_that_faults_changes_nothing),
        cmocka_unit_test(test_a_store_that_faults_writes_nothing),
        cmocka_unit_test(test_undefined_encodings),
        cmocka_unit_test(test_aes_by_fips_197),
        cmocka_unit_test(test_narrow_writes_clear_the_rest),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
