/* Emitters: scalar floating point to and from integers, to integral values, and between formats
 * (Arm DDI 0487, C7.2). */
#include "cpu/jit/jit_scalar.h"

/* Between formats. A wider one takes any number; rounding to a narrower one is as a product. */
static bool emit_convert(struct jit_tran *t)
{
    unsigned to = simd_arg(jit_insn(t)), a, x;
    struct jit_fp fp = { .count = 0 };

    if (to == SIMD_H)
        return false;
    jit_spoil(t);
    if (to == SIMD_S)
        jit_fp_inexact(t, &fp);
    a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t));
    x = jit_xmm_new(t);
    avx(t, to == SIMD_D ? AVX_CVTSS2SD : AVX_CVTSD2SS, x, a, a);
    if (to == SIMD_D) {
        jit_fp_finite(t, &fp, x, to);
    } else {
        jit_fp_normal(t, &fp, x, to);
        jit_fp_or_zero(t, &fp,
                       (struct jit_zero){ .xmm = (uint8_t)x,
                                          .a = (uint8_t)a,
                                          .b = (uint8_t)a,
                                          .size = SIMD_S,
                                          .from = SIMD_D });
    }
    jit_xmm_def_cut(t, jit_insn(t)->rd, x, 1u << to);
    jit_fp_end(t, &fp);
    return true;
}

/* imm8 of the host's instruction; AWAY is made of ZERO. */
enum { ROUND_NEAREST = 8, ROUND_DOWN, ROUND_UP, ROUND_ZERO, ROUND_AWAY };

/* Away from zero in a tie: what is below a half is added, which does not reach the next integer for
 * anything below a tie, and then cut off. Uses XT1. */
static void emit_round_away(struct jit_tran *t, unsigned dest, unsigned src)
{
    unsigned size = jit_scalar_size(t);
    bool d = size == SIMD_D;

    avx_const(t, AVX_AND, XT1, src, d ? JC_SIGN_D1 : JC_SIGN_S1);
    avx_const(t, AVX_OR, XT1, XT1, d ? JC_HALF_D : JC_HALF_S);
    avx(t, jit_fp_scalar(AVX_ADD, size), dest, src, XT1);
    avx_i(t, d ? AVX_ROUNDSD : AVX_ROUNDSS, dest, dest, dest, ROUND_ZERO);
}

static void emit_round_to(struct jit_tran *t, unsigned dest, unsigned src, unsigned mode)
{
    if (mode == ROUND_AWAY) {
        emit_round_away(t, dest, src);
        return;
    }
    avx_i(t, jit_scalar_size(t) == SIMD_D ? AVX_ROUNDSD : AVX_ROUNDSS, dest, src, src, mode);
}

static void emit_round(struct jit_tran *t, unsigned mode, bool inexact)
{
    struct jit_fp fp = { .count = 0 };
    unsigned a, x;

    jit_spoil(t);
    if (inexact)
        jit_fp_inexact(t, &fp);
    a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t));
    x = jit_xmm_new(t);
    emit_round_to(t, x, a, mode);
    jit_fp_finite(t, &fp, x, jit_scalar_size(t));
    jit_scalar_def(t, x, a);
    jit_fp_end(t, &fp);
}

/* To an integer. The host says INT_MIN for what does not fit; unsigned ones are made from wider or
 * from non-negative signed ones. */
static void emit_to_general(struct jit_tran *t, unsigned mode, bool is_signed)
{
    bool wide = jit_insn(t)->raw >> 31, from_wide = wide || !is_signed;
    unsigned src, size = jit_scalar_size(t);
    struct jit_fp fp = { .count = 0 };
    struct x64 *e = &t->e;

    jit_spoil(t);
    jit_fp_inexact(t, &fp);
    src = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t));
    if (mode != ROUND_ZERO) {
        emit_round_to(t, XT0, src, mode);
        src = XT0;
    }
    x64_vex_rr(e, size == SIMD_D ? AVX_CVTTSD2SI : AVX_CVTTSS2SI, from_wide, RAX, 0, src);
    if (is_signed) {
        x64_ri(e, G_CMP, wide, RAX, 1); /* overflows for INT_MIN alone */
        jit_fp_unless(t, &fp, CC_O);
    } else if (wide) {
        x64_rr(e, OP_TEST, 1, RAX, RAX);
        jit_fp_unless(t, &fp, CC_S);
    } else {
        x64_rr(e, OP_MOV, 0, RCX, RAX);
        x64_rr(e, OP_CMP, 1, RCX, RAX);
        jit_fp_unless(t, &fp, CC_NE);
    }
    jit_put(t, jit_insn(t)->rd, RAX);
    jit_fp_end(t, &fp);
}

static void emit_from_general(struct jit_tran *t, bool is_signed)
{
    bool wide = jit_insn(t)->raw >> 31, from_wide = wide || !is_signed;
    unsigned size = jit_scalar_size(t), x;
    struct jit_fp fp = { .count = 0 };
    struct x64 *e = &t->e;

    jit_spoil(t);
    if (wide || size == SIMD_S)
        jit_fp_inexact(t, &fp);
    jit_get(t, wide, RAX, jit_insn(t)->rn);
    if (wide && !is_signed) {
        x64_rr(e, OP_TEST, 1, RAX, RAX);
        jit_fp_unless(t, &fp, CC_S);
    }
    x = jit_xmm_new(t);
    avx_zero(t, x);
    x64_vex_rr(e, size == SIMD_D ? AVX_CVTSI2SD : AVX_CVTSI2SS, from_wide, x, x, RAX);
    jit_xmm_def(t, jit_insn(t)->rd, x, jit_scalar_bytes(t));
    jit_fp_end(t, &fp);
}

bool jit_scalar_convert(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_FCVTNS_g:
    case A64_FCVTNU_g:
        emit_to_general(t, ROUND_NEAREST, op == A64_FCVTNS_g);
        return true;
    case A64_FCVTPS_g:
    case A64_FCVTPU_g:
        emit_to_general(t, ROUND_UP, op == A64_FCVTPS_g);
        return true;
    case A64_FCVTMS_g:
    case A64_FCVTMU_g:
        emit_to_general(t, ROUND_DOWN, op == A64_FCVTMS_g);
        return true;
    case A64_FCVTZS_g:
    case A64_FCVTZU_g:
        emit_to_general(t, ROUND_ZERO, op == A64_FCVTZS_g);
        return true;
    case A64_FCVTAS_g:
    case A64_FCVTAU_g:
        emit_to_general(t, ROUND_AWAY, op == A64_FCVTAS_g);
        return true;
    case A64_SCVTF_g:
    case A64_UCVTF_g:
        emit_from_general(t, op == A64_SCVTF_g);
        return true;
    case A64_FRINTN_f:
    case A64_FRINTI_f:
        emit_round(t, ROUND_NEAREST, false);
        return true;
    case A64_FRINTA_f:
        emit_round(t, ROUND_AWAY, false);
        return true;
    case A64_FRINTX_f:
        emit_round(t, ROUND_NEAREST, true);
        return true;
    case A64_FRINTP_f:
        emit_round(t, ROUND_UP, false);
        return true;
    case A64_FRINTM_f:
        emit_round(t, ROUND_DOWN, false);
        return true;
    case A64_FRINTZ_f:
        emit_round(t, ROUND_ZERO, false);
        return true;
    case A64_FCVT_s_d:
    case A64_FCVT_d_s:
        return emit_convert(t);
    default:
        return false;
    }
}
