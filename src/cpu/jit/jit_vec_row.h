/* How AdvSIMD instructions are translated: a table row (jit_vec.c) names an emitter, the host's
 * instructions by element size, and what else tells the instructions of one emitter apart. */
#pragma once

#include "cpu/jit/jit_xmm.h"

struct jit_vec {
    bool (*emit)(struct jit_tran *t, const struct jit_vec *row);
    uint16_t op[4]; /* by element size; 0: the handler does it */
    uint8_t how;    /* the emitter's own */
};

/* What the emitters make of `how`: bits to be combined where they are powers of two. */
enum jit_how_compare { CMP_PLAIN, CMP_NOT_SWAPPED, CMP_HIGHER, CMP_HIGHER_SAME, CMP_TEST };
enum jit_how_compare0 { CMP0_SWAP = 1, CMP0_NOT = 2 };
enum jit_how_logic { LOGIC_BIC, LOGIC_ORN, LOGIC_BSL, LOGIC_BIT, LOGIC_BIF };
enum jit_how_unary { UNARY_NEG, UNARY_ABS, UNARY_NOT };
enum jit_how_diff { DIFF_SIGNED = 1, DIFF_ADD = 2 };
enum jit_how_halving { HALVING_SIGNED = 1, HALVING_DOWN = 2 };
enum jit_how_saturate { SATURATE_ADD, SATURATE_SUB };
enum jit_how_double { DOUBLE_CUT, DOUBLE_ROUND };
enum jit_how_shift {
    SHIFT_LEFT,
    SHIFT_INSERT_LEFT,
    SHIFT_INSERT_RIGHT,
    SHIFT_RIGHT,
    SHIFT_ADD = 8, /* and these of SHIFT_RIGHT */
    SHIFT_ROUND = 16,
    SHIFT_SIGNED = 32,
};
/* Of elements of two sizes: signed; the first operand is wide already; the absolute difference of
 * narrow ones is extended; and added to rd. */
enum jit_how_long { LONG_SIGNED = 1, LONG_WIDE = 2, LONG_DIFF = 4, LONG_ADD = 8 };
enum jit_how_narrow {
    NARROW_ROUND = 1,
    NARROW_SIGNED = 2,
    NARROW_SAT_S = 4, /* saturates to a signed element */
    NARROW_SAT_U = 8,
    NARROW_SUM = 16, /* `op` of two operands first, then the high halves */
};
enum jit_how_pair { PAIR_VECTOR, PAIR_SCALAR };
enum jit_how_permute { PERMUTE_UZP, PERMUTE_TRN = 2, PERMUTE_ZIP = 4, PERMUTE_SECOND = 1 };
enum jit_how_table { TABLE_ZERO, TABLE_KEEP };
enum jit_how_fp { FP_SUM, FP_PRODUCT, FP_ROOT, FP_DISTANCE, FP_QUOTIENT };
enum jit_how_fp_sign { FP_ABS, FP_NEG };
enum jit_how_fp_minmax { FP_MAX, FP_MIN };
enum jit_how_fp_compare { FP_SWAP = 1, FP_ZERO = 2, FP_ABSOLUTE = 4 };
enum jit_how_fp_round { FP_NEAREST = 8, FP_DOWN, FP_UP, FP_CUT, FP_INEXACT = 128 };
enum jit_how_fp_convert { FP_FROM_INT, FP_TO_INT, FP_FROM_UINT, FP_TO_UINT, FP_WIDEN, FP_NARROW };

/* The emitters: each file says which of the instructions it has. */
bool jit_vec_same(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_compare(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_compare0(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_logic(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_unary(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_mul(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_diff(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_saturate(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_double_high(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_halving(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_count(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_dot(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_pair(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_across(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_add_long_across(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_add_long_pairs(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_long(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_mul_long(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_narrow(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_shift(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_shift_long(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_permute(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_reverse(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_ext(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_table(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_imm(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_logic_imm(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_dup(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_dup_general(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_insert(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_insert_general(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_to_general(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_fp(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_fp_muladd(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_fp_sign(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_fp_minmax(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_fp_compare(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_fp_pair(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_fp_round(struct jit_tran *t, const struct jit_vec *row);
bool jit_vec_fp_convert(struct jit_tran *t, const struct jit_vec *row);
