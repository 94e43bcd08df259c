/* Emitters: floating point vectors, and the scalar instructions that work on one element like them
 * (Arm DDI 0487, C7.2), single and double precision where FPCR asks for nothing special. jit_fp.c
 * says when the host's result is taken; all lanes must be so. */
#include "cpu/jit/jit_vec_row.h"

static bool can(const struct jit_tran *t)
{
    return jit_fp_can(t) && simd_size(jit_insn(t)) >= SIMD_S;
}

static unsigned use(struct jit_tran *t, unsigned r)
{
    return jit_xmm_use(t, r, simd_bytes(jit_insn(t)));
}

static void cut(struct jit_tran *t, unsigned x)
{
    if (simd_bytes(jit_insn(t)) < 16)
        jit_xmm_cut(t, x, x, simd_bytes(jit_insn(t)));
}

static void define(struct jit_tran *t, unsigned x)
{
    jit_xmm_def(t, jit_insn(t)->rd, x, simd_bytes(jit_insn(t)));
}

/* The results must be normal, or zeros made by one of the operands. */
static void normal(struct jit_tran *t, struct jit_fp *fp, unsigned x, unsigned a, unsigned b)
{
    unsigned size = simd_size(jit_insn(t)), bytes = simd_bytes(jit_insn(t));

    jit_fp_normal_v(t, fp, x, size, bytes);
    jit_fp_or_zero(t, fp,
                   (struct jit_zero){ .xmm = (uint8_t)x,
                                      .a = (uint8_t)a,
                                      .b = (uint8_t)b,
                                      .size = (uint8_t)size,
                                      .bytes = (uint8_t)bytes });
}

bool jit_vec_fp(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a, b, x;
    struct jit_fp fp = { .count = 0 };

    if (!can(t))
        return false;
    jit_spoil(t);
    jit_fp_inexact(t, &fp);
    a = use(t, i->rn);
    b = row->how == FP_ROOT ? 0 : jit_xmm_rm(t, simd_bytes(i));
    x = jit_xmm_new(t);
    avx(t, jit_fp_packed(row->op[0], size), x, row->how == FP_ROOT ? 0 : a,
        row->how == FP_ROOT ? a : b);
    cut(t, x);
    if (row->how == FP_PRODUCT || row->how == FP_QUOTIENT)
        normal(t, &fp, x, a, row->how == FP_QUOTIENT ? a : b);
    else
        jit_fp_finite_v(t, &fp, x, size);
    if (row->how == FP_DISTANCE)
        avx_const(t, AVX_AND, x, x, size == SIMD_D ? JC_ABS_D : JC_ABS_S);
    define(t, x);
    jit_fp_end(t, &fp);
    return true;
}

/* FMLA, FMLS. */
bool jit_vec_fp_muladd(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a, b, d, x;
    struct jit_fp fp = { .count = 0 };

    if (!can(t) || !(t->jit->features & JIT_FMA))
        return false;
    jit_spoil(t);
    jit_fp_inexact(t, &fp);
    a = use(t, i->rn);
    b = jit_xmm_rm(t, simd_bytes(i));
    d = use(t, i->rd);
    x = jit_xmm_new(t);
    avx2(t, AVX_MOVAPS, x, d);
    x64_vex_rr(&t->e, row->op[0], size == SIMD_D, x, a, b);
    cut(t, x);
    normal(t, &fp, x, a, b);
    define(t, x);
    jit_fp_end(t, &fp);
    return true;
}

/* FABS, FNEG: bits. */
bool jit_vec_fp_sign(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    bool d = simd_size(i) == SIMD_D;
    unsigned a, x;

    if (simd_size(i) < SIMD_S)
        return false;
    a = use(t, i->rn);
    x = jit_xmm_new(t);
    if (row->how)
        avx_const(t, AVX_XOR, x, a, d ? JC_SIGN_D : JC_SIGN_S);
    else
        avx_const(t, AVX_AND, x, a, d ? JC_ABS_D : JC_ABS_S);
    cut(t, x);
    define(t, x);
    return true;
}

/* To the handler where one of a pair is a NaN. */
static void unordered(struct jit_tran *t, struct jit_fp *fp, unsigned a, unsigned b)
{
    unsigned size = simd_size(jit_insn(t));

    avx_i(t, jit_fp_packed(AVX_CMP, size), XT0, a, b, AVX_UNORD);
    jit_fp_none(t, fp, XT0, size, simd_bytes(jit_insn(t)));
}

/* Both orders differ for two zeros, whose signs then decide. */
bool jit_vec_fp_minmax(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned op, a, b, x;
    struct jit_fp fp = { .count = 0 };

    if (!can(t))
        return false;
    jit_spoil(t);
    op = jit_fp_packed(row->op[0], simd_size(i));
    a = use(t, i->rn);
    b = use(t, i->rm);
    unordered(t, &fp, a, b);
    x = jit_xmm_new(t);
    avx(t, op, x, a, b);
    avx(t, op, XT0, b, a);
    avx(t, row->how == FP_MIN ? AVX_OR : AVX_AND, x, x, XT0);
    cut(t, x);
    define(t, x);
    jit_fp_end(t, &fp);
    return true;
}

/* op[0]: enum x64_avx_cmp. */
bool jit_vec_fp_compare(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    bool d = simd_size(i) == SIMD_D;
    unsigned a, b = XT2, x;
    struct jit_fp fp = { .count = 0 };

    if (!can(t))
        return false;
    jit_spoil(t);
    a = use(t, i->rn);
    if (row->how & FP_ZERO)
        avx_zero(t, XT2);
    else
        b = use(t, i->rm);
    if (row->how & FP_ABSOLUTE) {
        avx_const(t, AVX_MOVAPS, XT3, 0, d ? JC_ABS_D : JC_ABS_S);
        avx(t, AVX_AND, XT1, XT3, a);
        avx(t, AVX_AND, XT2, XT3, b);
        a = XT1;
        b = XT2;
    }
    unordered(t, &fp, a, b);
    x = jit_xmm_new(t);
    avx_i(t, jit_fp_packed(AVX_CMP, simd_size(i)), x, row->how & FP_SWAP ? b : a,
          row->how & FP_SWAP ? a : b, row->op[0]);
    cut(t, x);
    define(t, x);
    jit_fp_end(t, &fp);
    return true;
}

/* FADDP. */
bool jit_vec_fp_pair(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a, b, x;
    struct jit_fp fp = { .count = 0 };

    if (!can(t))
        return false;
    jit_spoil(t);
    jit_fp_inexact(t, &fp);
    a = jit_xmm_use(t, i->rn, 16);
    b = row->how ? a : jit_xmm_use(t, i->rm, 16);
    x = jit_xmm_new(t);
    avx(t, size == SIMD_D ? AVX_HADDPD : AVX_HADDPS, x, a, b);
    if (!row->how && simd_bytes(i) == 8) {
        avx2(t, AVX_PSHUFD, x, x);
        x64_b(&t->e, 0x08);
    }
    cut(t, x);
    jit_fp_finite_v(t, &fp, x, size);
    define(t, x);
    jit_fp_end(t, &fp);
    return true;
}

/* FRINT. */
bool jit_vec_fp_round(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a, x;
    struct jit_fp fp = { .count = 0 };

    if (!can(t))
        return false;
    jit_spoil(t);
    if (row->how & FP_INEXACT)
        jit_fp_inexact(t, &fp);
    a = use(t, i->rn);
    x = jit_xmm_new(t);
    avx2(t, size == SIMD_D ? AVX_ROUNDPD : AVX_ROUNDPS, x, a);
    x64_b(&t->e, row->how & ~(unsigned)FP_INEXACT);
    cut(t, x);
    jit_fp_finite_v(t, &fp, x, size);
    define(t, x);
    jit_fp_end(t, &fp);
    return true;
}

/* One element of 64 bits, or of 32, by way of a general register. */
static bool convert_scalar(struct jit_tran *t, struct jit_fp *fp, bool to_int, bool is_signed)
{
    const struct a64_insn *i = jit_insn(t);
    bool d = simd_size(i) == SIMD_D, wide = d || !is_signed;
    struct x64 *e = &t->e;
    unsigned a = use(t, i->rn), x = jit_xmm_new(t);

    if (to_int) {
        x64_vex_rr(e, d ? AVX_CVTTSD2SI : AVX_CVTTSS2SI, wide, RAX, 0, a);
        if (is_signed) {
            x64_ri(e, G_CMP, d, RAX,
                   1); /* overflows for INT_MIN, which is what does not fit, too */
            jit_fp_unless(t, fp, CC_O);
        } else if (d) {
            x64_rr(e, OP_TEST, 1, RAX, RAX);
            jit_fp_unless(t, fp, CC_S);
        } else {
            x64_rr(e, OP_MOV, 0, RCX, RAX);
            x64_rr(e, OP_CMP, 1, RCX, RAX);
            jit_fp_unless(t, fp, CC_NE);
        }
        x64_vex_rr(e, AVX_MOVD, d, x, 0, RAX);
    } else {
        x64_vex_rr(e, AVX_MOVD_ST, d, a, 0, RAX);
        if (d && !is_signed) {
            x64_rr(e, OP_TEST, 1, RAX, RAX);
            jit_fp_unless(t, fp, CC_S);
        }
        avx_zero(t, x);
        x64_vex_rr(e, d ? AVX_CVTSI2SD : AVX_CVTSI2SS, wide, x, x, RAX);
    }
    define(t, x);
    jit_fp_end(t, fp);
    return true;
}

/* To and from integers without fraction bits; between formats. Only scalars may be
 * unsigned. */
bool jit_vec_fp_convert(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned bytes = simd_bytes(i), size = simd_size(i), a, x;
    bool scalar = bytes == 1u << size, ints = row->how <= FP_TO_UINT;
    struct jit_fp fp = { .count = 0 };

    if (!can(t) || simd_arg(i))
        return false;
    if (ints && !scalar && (size == SIMD_D || row->how >= FP_FROM_UINT))
        return false;
    jit_spoil(t);
    if (row->how != FP_WIDEN)
        jit_fp_inexact(t, &fp);
    if (ints && scalar)
        return convert_scalar(t, &fp, row->how == FP_TO_INT || row->how == FP_TO_UINT,
                              row->how <= FP_TO_INT);
    a = jit_xmm_use(t, i->rn, 16);
    x = jit_xmm_new(t);
    switch (row->how) {
    case FP_FROM_INT:
        avx2(t, AVX_CVTDQ2PS, x, a);
        cut(t, x);
        break;
    case FP_TO_INT: /* what does not fit becomes INT_MIN, whose neighbours are no floats */
        avx2(t, AVX_CVTTPS2DQ, x, a);
        cut(t, x);
        avx_const(t, AVX_PCMPEQD, XT0, x, JC_SIGN_S);
        jit_fp_none(t, &fp, XT0, size, bytes);
        break;
    case FP_WIDEN:
        if (simd_hi(i)) {
            x64_avx_shift(&t->e, AVX_PSRLDQ, x, a, 8);
            a = x;
        }
        avx2(t, AVX_CVTPS2PD, x, a);
        jit_fp_finite_v(t, &fp, x, SIMD_D);
        bytes = 16;
        break;
    default:
        avx2(t, AVX_CVTPD2PS, x, a); /* clears the upper half */
        jit_fp_normal_v(t, &fp, x, SIMD_S, 8);
        if (simd_hi(i)) {
            avx(t, AVX_PUNPCKLQDQ, x, jit_xmm_use(t, i->rd, 16), x);
            bytes = 16;
        }
        break;
    }
    jit_xmm_def(t, i->rd, x, bytes);
    jit_fp_end(t, &fp);
    return true;
}
