/* The decode table: its rows against each other, what it must refuse, and what formats make of
 * words (checked with an assembler's output). */
#include "../test.h"
#include "cpu/a64.h"

#define RANDOM_WORDS 100000

static uint32_t random_word(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

static void test_pattern_mask_and_value_agree(void **state)
{
    for (unsigned op = 0; op < A64_OPS; op++) {
        const struct a64_row *row = &a64_rows[op];

        assert_int_equal(strlen(row->pattern), 32);
        for (unsigned bit = 0; bit < 32; bit++) {
            char want = !(row->mask & BIT(bit)) ? 'x' : row->value & BIT(bit) ? '1' : '0';
            char got = row->pattern[31 - bit];

            assert_int_equal(got == '0' || got == '1' ? got : 'x', want);
        }
    }
}

/* Of several rows that fit a word, the chosen one must be the most specific. */
static void check_match(uint32_t word)
{
    enum a64_op op = a64_match(word);

    for (unsigned other = 0; other < A64_OPS; other++) {
        const struct a64_row *row = &a64_rows[other];

        if ((word & row->mask) != row->value)
            continue;
        if (op == A64_OPS)
            fail_msg("%08x fits %s, but nothing was found", word, row->name);
        if (other != op && (row->mask & a64_rows[op].mask) != row->mask)
            fail_msg("%08x is %s, but fits %s", word, a64_rows[op].name, row->name);
    }
    if (op != A64_OPS)
        assert_int_equal(word & a64_rows[op].mask, a64_rows[op].value);
}

static void test_match_agrees_with_a_linear_search(void **state)
{
    uint64_t rng = 1;

    for (unsigned op = 0; op < A64_OPS; op++) {
        const struct a64_row *row = &a64_rows[op];

        check_match(row->value);
        check_match(row->value | ~row->mask);
        check_match(row->value | (~row->mask & random_word(&rng)));
        /* One fixed bit off. */
        for (unsigned bit = 0; bit < 32; bit++)
            check_match(row->value ^ (uint32_t)BIT(bit));
    }
    for (unsigned n = 0; n < RANDOM_WORDS; n++)
        check_match(random_word(&rng));
}

static void test_every_row_can_be_reached(void **state)
{
    for (unsigned op = 0; op < A64_OPS; op++) {
        const struct a64_row *row = &a64_rows[op];
        uint64_t rng = op;
        bool found = false;

        for (unsigned n = 0; n < 4096 && !found; n++) {
            struct a64_insn i;
            uint32_t word = row->value | (~row->mask & random_word(&rng));

            found = a64_decode(&i, word, 0) == op;
        }
        if (!found)
            fail_msg("no word of %s was accepted", row->name);
    }
}

static void test_register_slots_stay_in_the_file(void **state)
{
    uint64_t rng = 7;

    for (unsigned n = 0; n < 20 * A64_OPS; n++) {
        const struct a64_row *row = &a64_rows[n % A64_OPS];
        struct a64_insn i;

        if (a64_decode(&i, row->value | (~row->mask & random_word(&rng)), 0) == A64_OPS)
            continue;
        assert_true(i.rd < REG_COUNT);
        assert_true(i.rn < REG_COUNT);
        assert_non_null(i.fn);
    }
}

static void test_what_is_not_announced_is_undefined(void **state)
{
    static const struct {
        uint32_t word;
        const char *what;
    } rows[] = {
        { 0x00000000, "UDF #0" },
        { 0x0000ffff, "UDF #65535" },
        { 0xffffffff, "all ones" },
        { 0x9ac23020, "PACGA" },
        { 0xd65f0bff, "RETAA" },
        { 0xd61f081f, "BRAAZ" },
        { 0xf8200420, "LDRAA" },
        { 0xdac11020, "AUTIA" },
        { 0xba008402, "RMIF" },
        { 0x3a00082d, "SETF8" },
        { 0x3a00482d, "SETF16" },
        { 0xd500401f, "CFINV" },
        { 0xd9400020, "LDAPUR" },
        { 0x99000020, "STLUR" },
        { 0x91810420, "ADDG" },
        { 0x9ac21020, "IRG" },
        { 0xd9200820, "STG" },
        { 0xd9a00820, "ST2G" },
        { 0xd4a00001, "DCPS1" },
        { 0xd6bf03e0, "DRPS" },
        { 0xd50330ff, "SB" },
        { 0xd503323f, "DSB nXS" },
        { 0xd5031000, "WFET" },
        { 0xf83f9000, "ST64B" },
        { 0x54000010, "BC.EQ" },
        { 0x19000400, "CPYF" },
        { 0x5ac02000, "ABS (CSSC)" },
        { 0x04200000, "SVE ADD" },
        { 0x2538c000, "SVE DUP" },
        { 0xc0000000, "SME" },
        { 0x0b008000, "ADD (shifted), 32-bit, amount 32" },
        { 0x0bc00000, "ADD (shifted), ROR" },
        { 0x0b201400, "ADD (extended), shift 5" },
        { 0x0b600000, "ADD (extended), opt 1" },
        { 0x13400000, "SBFM, N without sf" },
        { 0x93000000, "SBFM, sf without N" },
        { 0x13200000, "SBFM, 32-bit, immr 32" },
        { 0x52c00000, "MOVZ, 32-bit, hw 2" },
        { 0x32c00000, "MOVN-like opc 1" },
        { 0x12400000, "AND (immediate), 32-bit, N" },
        { 0x9240fc00, "AND (immediate), all ones" },
        { 0x1200fc00, "AND (immediate), element of 1 bit" },
        { 0x13808000, "EXTR, 32-bit, lsb 32" },
        { 0xb8600800, "LDR (register), option 0" },
        { 0xf8602800, "LDR (register), option 1" },
        { 0x08217c00, "CASP, odd Rs" },
        { 0x08207c01, "CASP, odd Rt" },
        { 0xb9c00000, "LDRS of a word to 32 bits" },
        { 0xf9c00000, "load of size 3, opc 3" },
        { 0xb8a0c000, "LDAPR, Rs not 31" },
        { 0x9ac04000, "CRC32B with sf" },
        { 0x1ac04c00, "CRC32X without sf" },
        { 0x3ac00800, "UDIV with S" },
        { 0x1b400000, "SMULH, 32-bit" },
        { 0x5ac00c00, "REV64, 32-bit" },
        { 0x68000000, "STGP" },
        { 0xd69f03e1, "ERET with an operand" },
        { 0xd4000000, "exception, LL 0" },
    };

    for (unsigned n = 0; n < ARRAY_LEN(rows); n++) {
        struct a64_insn i;

        if (a64_decode_for(&i, rows[n].word, 0, idregs_portable.features) != A64_OPS)
            fail_msg("%08x (%s) is accepted as %s", rows[n].word, rows[n].what,
                     a64_rows[a64_match(rows[n].word)].name);
        assert_ptr_equal(i.fn, a64_undefined);
    }
}

/* Rows that need a feature exist with it, and only with it; what is around them never does. */
static void test_rows_follow_the_features_of_the_model(void **state)
{
    static const struct {
        uint32_t word;
        enum a64_op op;
        unsigned needs;
    } rows[] = {
        { 0xba008402, A64_RMIF, CPU_FLAGM },  { 0xba1f87ef, A64_RMIF, CPU_FLAGM },
        { 0x3a00082d, A64_SETF8, CPU_FLAGM }, { 0x3a004bed, A64_SETF16, CPU_FLAGM },
        { 0xd500401f, A64_CFINV, CPU_FLAGM }, { 0x91000400, A64_ADD_imm_x, 0 },
        { 0xd50041bf, A64_MSR_imm, 0 },
    };
    static const struct {
        uint32_t word;
        const char *what;
    } never[] = {
        { 0x3a008402, "RMIF, 32-bit" },  { 0xba008412, "RMIF, bit 4" },
        { 0xba00082d, "SETF8, 64-bit" }, { 0x3a00082c, "SETF8, not 13" },
        { 0x3a00882d, "SETF8, bit 15" }, { 0x3a000c2d, "SETF8, bit 10" },
    };
    struct a64_insn i;

    for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
        for (unsigned features = 0; features < 4; features++) {
            bool there = !(rows[n].needs & ~features);

            assert_int_equal(a64_decode_for(&i, rows[n].word, 0, features),
                             there ? rows[n].op : A64_OPS);
            assert_int_equal(i.fn == a64_undefined, !there);
        }
        assert_int_equal(a64_rows[rows[n].op].needs, rows[n].needs);
    }
    for (size_t n = 0; n < ARRAY_LEN(never); n++) {
        if (a64_decode(&i, never[n].word, 0) != A64_OPS)
            fail_msg("%08x (%s) is accepted", never[n].word, never[n].what);
    }
}

#define NONE 0xff /* the slot does not count */

static void test_formats_fill_the_slots(void **state)
{
    static const struct {
        uint32_t word;
        enum a64_op op;
        uint8_t rd, rn, rm, ra;
        uint64_t imm;
    } rows[] = {
        /* and x0, x1, #0x5555555555555555 and so on */
        { 0x9200f020, A64_AND_imm_x, 0, 1, NONE, NONE, UINT64_C(0x5555555555555555) },
        { 0x32010462, A64_ORR_imm_w, 2, 3, NONE, NONE, 0x80000001 },
        { 0xd27ff8a4, A64_EOR_imm_x, 4, 5, NONE, NONE, UINT64_C(0xfffffffffffffffe) },
        { 0x72009ce6, A64_ANDS_imm_w, 6, 7, NONE, NONE, 0x00ff00ff },
        { 0x927c1c3f, A64_AND_imm_x, REG_SP, 1, NONE, NONE, 0xff0 },
        { 0x91401c7f, A64_ADD_imm_x, REG_SP, 3, NONE, NONE, 0x7000 },
        { 0xb10007ff, A64_ADDS_imm_x, REG_SINK, REG_SP, NONE, NONE, 1 },
        { 0xd2e24680, A64_MOVZ_x, 0, NONE, NONE, NONE, UINT64_C(0x1234000000000000) },
        { 0x12a00240, A64_MOVN_w, 0, NONE, NONE, NONE, 0xffedffff },
        { 0xf2d7dde3, A64_MOVK_x, 3, NONE, NONE, 32, UINT64_C(0x0000beef00000000) },
        { 0xd3485c41, A64_UBFM_x, 1, 2, NONE, 8, 0xffff },                        /* UBFX */
        { 0xd378dc41, A64_UBFM_x, 1, 2, NONE, 56, UINT64_C(0xffffffffffffff00) }, /* LSL */
        { 0x53057c41, A64_UBFM_w, 1, 2, NONE, 5, 0x07ffffff },                    /* LSR */
        { 0x13032483, A64_SBFM_w, 3, 4, 25, 22, 0 },                              /* SBFX */
        { 0x93407c83, A64_SBFM_x, 3, 4, 32, 32, 0 },                              /* SXTW */
        { 0xb3740cc5, A64_BFM_x, 5, 6, NONE, 52, 0xf000 },                        /* BFI */
        { 0x93c34441, A64_EXTR_x, 1, 2, 3, NONE, 17 },
        { 0xcb831441, A64_SUB_shift_x, 1, 2, 3, 2, 5 },
        { 0x8b23cbe1, A64_ADD_ext_x, 1, REG_SP, 3, 6, 2 },
        { 0xfa5f1825, A64_CCMP_imm_x, 5, 1, NONE, 1, 31 },
        { 0x9a83c041, A64_CSEL_x, 1, 2, 3, NONE, 0x0a05 },
        { 0x14000000, A64_B, NONE, NONE, NONE, NONE, 0 },
        { 0x17ffffff, A64_B, NONE, NONE, NONE, NONE, (uint64_t)-4 },
        { 0xb643ffe3, A64_TBZ, 3, NONE, NONE, 40, 32764 },
        { 0xb5ffffe0, A64_CBNZ_x, 0, NONE, NONE, NONE, (uint64_t)-4 },
        { 0x70ffffe1, A64_ADR, 1, NONE, NONE, NONE, (uint64_t)-1 },
        { 0xf97fffe1, A64_LDR_x_imm, 1, REG_SP, NONE, NONE, 32760 },
        { 0x78dfdc41, A64_LDRSH_w_pre, 1, 2, NONE, NONE, (uint64_t)-3 },
        { 0xb8235841, A64_STR_w_reg, 1, 2, 3, 2, 2 },
        { 0xa8e00be1, A64_LDP_x_post, 1, REG_SP, NONE, 2, (uint64_t)-512 },
        { 0x291ffc83, A64_STP_w, 3, 4, NONE, REG_ZERO, 252 },
        { 0x58800007, A64_LDR_x_lit, 7, NONE, NONE, NONE, (uint64_t)-0x100000 },
        { 0x48227cc4, A64_CASP_x, 4, 6, 2, NONE, 0 },
        { 0xd53be041, A64_MRS, 1, NONE, NONE, NONE, SYSREG(3, 3, 14, 0, 2) },
        { 0xd5034fdf, A64_MSR_imm, NONE, NONE, 6, 3, 15 },
        { 0xba1f87ef, A64_RMIF, NONE, REG_ZERO, NONE, 15, 63 },
        { 0x3a00482d, A64_SETF16, NONE, 1, NONE, NONE, 0 },
    };

    for (unsigned n = 0; n < ARRAY_LEN(rows); n++) {
        struct a64_insn i;

        assert_int_equal(a64_decode(&i, rows[n].word, 2048), rows[n].op);
        if (rows[n].rd != NONE)
            assert_int_equal(i.rd, rows[n].rd);
        if (rows[n].rn != NONE)
            assert_int_equal(i.rn, rows[n].rn);
        if (rows[n].rm != NONE)
            assert_int_equal(i.rm, rows[n].rm);
        if (rows[n].ra != NONE)
            assert_int_equal(i.ra, rows[n].ra);
        assert_int_equal(i.imm, rows[n].imm);
        assert_int_equal(i.raw, rows[n].word);
    }
}

static void test_branches_know_whether_they_leave_the_page(void **state)
{
    struct a64_insn near, far;

    /* B . + 4: from the last word of a page it leaves. */
    assert_int_equal(a64_decode(&near, 0x14000001, 4088), A64_B);
    assert_int_equal(a64_decode(&far, 0x14000001, 4092), A64_B);
    assert_ptr_not_equal(near.fn, a64_rows[A64_B].fn);
    assert_ptr_equal(far.fn, a64_rows[A64_B].fn);
    /* CBNZ . - 4: from the first word. */
    assert_int_equal(a64_decode(&near, 0xb5ffffe0, 4), A64_CBNZ_x);
    assert_int_equal(a64_decode(&far, 0xb5ffffe0, 0), A64_CBNZ_x);
    assert_ptr_not_equal(near.fn, a64_rows[A64_CBNZ_x].fn);
    assert_ptr_equal(far.fn, a64_rows[A64_CBNZ_x].fn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pattern_mask_and_value_agree),
        cmocka_unit_test(test_match_agrees_with_a_linear_search),
        cmocka_unit_test(test_every_row_can_be_reached),
        cmocka_unit_test(test_register_slots_stay_in_the_file),
        cmocka_unit_test(test_what_is_not_announced_is_undefined),
        cmocka_unit_test(test_rows_follow_the_features_of_the_model),
        cmocka_unit_test(test_formats_fill_the_slots),
        cmocka_unit_test(test_branches_know_whether_they_leave_the_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
