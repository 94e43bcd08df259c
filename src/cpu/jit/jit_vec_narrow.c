/* Emitters: vector instructions that make narrow elements of wide ones, and those that saturate
 * (Arm DDI 0487, C7.2). */
#include "cpu/jit/jit_vec_row.h"

/* rd's chosen half = the lower eight bytes of x. */
static void define_half(struct jit_tran *t, unsigned x)
{
    const struct a64_insn *i = jit_insn(t);

    if (!simd_hi(i)) {
        jit_xmm_def_cut(t, i->rd, x, 8);
        return;
    }
    avx(t, AVX_PUNPCKLQDQ, x, jit_xmm_use(t, i->rd, 16), x);
    jit_xmm_def(t, i->rd, x, 16);
}

/* FPSR.QC is set where a register is not zero. */
static void emit_sticky(struct jit_tran *t, unsigned xmm)
{
    struct x64 *e = &t->e;
    uint8_t *none;

    avx2(t, AVX_PTEST, xmm, xmm);
    none = x64_jcc8(e, CC_E);
    x64_mi(e, G_OR, 0, RBP, JIT_AT(fpsr), (int32_t)FPSR_QC);
    x64_bind8(e, none);
}

/* x = the low halves of elements of a. */
static void emit_truncate(struct jit_tran *t, unsigned x, unsigned a, unsigned size)
{
    if (size == SIMD_S) {
        avx2(t, AVX_PSHUFD, x, a);
        x64_b(&t->e, 0x08);
    } else {
        avx_const(t, AVX_PSHUFB, x, a, size == SIMD_B ? JC_EVEN_B : JC_EVEN_H);
    }
}

/* x = elements of a, saturated; XT0 = not zero where that has changed them. Bytes or halfwords. */
static void emit_saturate(struct jit_tran *t, unsigned x, unsigned a, unsigned size, unsigned how)
{
    bool b = size == SIMD_B;

    if ((how & NARROW_SAT_U) && !(how & NARROW_SIGNED)) {
        jit_xmm_imm(t, XT1, b ? 0x00ff00ff00ff00ff : 0x0000ffff0000ffff);
        avx(t, b ? AVX_PMINUW : AVX_PMINUD, XT1, XT1, a);
        avx(t, b ? AVX_PACKUSWB : AVX_PACKUSDW, x, XT1, XT1);
    } else if (how & NARROW_SAT_U) {
        avx(t, b ? AVX_PACKUSWB : AVX_PACKUSDW, x, a, a);
        avx2(t, b ? AVX_PMOVZXBW : AVX_PMOVZXWD, XT1, x);
    } else {
        avx(t, b ? AVX_PACKSSWB : AVX_PACKSSDW, x, a, a);
        avx2(t, b ? AVX_PMOVSXBW : AVX_PMOVSXWD, XT1, x);
    }
    avx(t, AVX_PXOR, XT0, XT1, a);
}

/* dest = wide elements of src, shifted right. Uses XT1. */
static void emit_shift(struct jit_tran *t, unsigned dest, unsigned src, unsigned wide, unsigned n,
                       unsigned how)
{
    if (how & NARROW_ROUND) {
        x64_avx_shift(&t->e, jit_vec_left(wide), XT1, src, (8u << wide) - n);
        x64_avx_shift(&t->e, jit_vec_right(wide, false), XT1, XT1, (8u << wide) - 1);
    }
    x64_avx_shift(&t->e, jit_vec_right(wide, how & NARROW_SIGNED), dest, src, n);
    if (how & NARROW_ROUND)
        avx(t, jit_vec_add[wide], dest, dest, XT1);
}

/* XTN, SHRN, ADDHN and their saturating and rounding relatives. op: on wide elements first. */
bool jit_vec_narrow(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), n = simd_arg(i), how = row->how, a, x;
    bool saturates = how & (NARROW_SAT_S | NARROW_SAT_U);

    if (saturates && size == SIMD_S)
        return false;
    if (saturates)
        jit_spoil(t);
    a = jit_xmm_use(t, i->rn, 16);
    if (how & NARROW_SUM) {
        avx(t, row->op[size], XT2, a, jit_xmm_use(t, i->rm, 16));
        a = XT2;
        n = 8u << size;
    }
    x = jit_xmm_new(t);
    if (n) {
        emit_shift(t, XT2, a, size + 1, n, how);
        a = XT2;
    }
    if (saturates)
        emit_saturate(t, x, a, size, how);
    else
        emit_truncate(t, x, a, size);
    define_half(t, x);
    if (saturates)
        emit_sticky(t, XT0);
    return true;
}

/* Sums and differences of bytes and halfwords. Where the plain
 * operation has another result something has saturated. */
bool jit_vec_saturate(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), op = row->op[size], a, b, x;

    if (!op)
        return false;
    jit_spoil(t);
    a = jit_xmm_use(t, i->rn, 16);
    b = jit_xmm_use(t, i->rm, 16);
    x = jit_xmm_new(t);
    avx(t, op, x, a, b);
    avx(t, row->how ? jit_vec_sub[size] : jit_vec_add[size], XT0, a, b);
    avx(t, AVX_PXOR, XT0, XT0, x);
    if (simd_bytes(i) < 16)
        jit_xmm_cut(t, XT0, XT0, simd_bytes(i));
    jit_xmm_def_cut(t, i->rd, x, simd_bytes(i));
    emit_sticky(t, XT0);
    return true;
}

/* SQDMULH, SQRDMULH of halfwords: 0x8000 is what the one product that does not fit leaves. */
bool jit_vec_double_high(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned a, b, x;

    if (simd_size(i) != SIMD_H)
        return false;
    jit_spoil(t);
    a = jit_xmm_use(t, i->rn, 16);
    b = jit_xmm_rm(t, 16);
    x = jit_xmm_new(t);
    if (row->how) {
        avx(t, AVX_PMULHRSW, x, a, b);
    } else {
        avx(t, AVX_PMULHW, x, a, b);
        avx(t, AVX_PMULLW, XT0, a, b);
        x64_avx_shift(&t->e, AVX_PSLLW, x, x, 1);
        x64_avx_shift(&t->e, AVX_PSRLW, XT0, XT0, 15);
        avx(t, AVX_POR, x, x, XT0);
    }
    jit_xmm_imm(t, XT0, 0x8000800080008000);
    avx(t, AVX_PCMPEQW, XT0, XT0, x);
    avx(t, AVX_PXOR, x, x, XT0);
    if (simd_bytes(i) < 16)
        jit_xmm_cut(t, XT0, XT0, simd_bytes(i));
    jit_xmm_def_cut(t, i->rd, x, simd_bytes(i));
    emit_sticky(t, XT0);
    return true;
}
