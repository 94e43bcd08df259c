/* Emitters: integer vectors of elements of two sizes, neighbours, sums across lanes, dot products
 * (Arm DDI 0487, C7.2). */
#include "cpu/jit/jit_vec_row.h"

static const uint16_t extend[2][3] = { { AVX_PMOVZXBW, AVX_PMOVZXWD, AVX_PMOVZXDQ },
                                       { AVX_PMOVSXBW, AVX_PMOVSXWD, AVX_PMOVSXDQ } };

/* dest = eight bytes of src, the half that the instruction means, as elements twice as wide. */
static void widen(struct jit_tran *t, unsigned dest, unsigned src, bool is_signed)
{
    const struct a64_insn *i = jit_insn(t);

    if (simd_hi(i)) {
        x64_avx_shift(&t->e, AVX_PSRLDQ, dest, src, 8);
        src = dest;
    }
    avx2(t, extend[is_signed][simd_size(i)], dest, src);
}

/* op: on wide elements. */
bool jit_vec_long(struct jit_tran *t, const struct jit_vec *row)
{
    static const uint16_t max[2][3] = { { AVX_PMAXUB, AVX_PMAXUW, AVX_PMAXUD },
                                        { AVX_PMAXSB, AVX_PMAXSW, AVX_PMAXSD } };
    static const uint16_t min[2][3] = { { AVX_PMINUB, AVX_PMINUW, AVX_PMINUD },
                                        { AVX_PMINSB, AVX_PMINSW, AVX_PMINSD } };
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), sign = row->how & LONG_SIGNED, d, x;
    unsigned a = jit_xmm_use(t, i->rn, 16), b = jit_xmm_use(t, i->rm, 16);

    d = row->how & LONG_ADD ? jit_xmm_use(t, i->rd, 16) : 0;
    x = jit_xmm_new(t);
    if (row->how & LONG_DIFF) {
        avx(t, max[sign][size], XT0, a, b);
        avx(t, min[sign][size], XT1, a, b);
        avx(t, jit_vec_sub[size], XT0, XT0, XT1);
        widen(t, x, XT0, false);
        if (row->how & LONG_ADD)
            avx(t, jit_vec_add[size + 1], x, x, d);
    } else {
        widen(t, XT0, b, sign);
        if (!(row->how & LONG_WIDE)) {
            widen(t, x, a, sign);
            a = x;
        }
        avx(t, row->op[size], x, a, XT0);
    }
    jit_xmm_def(t, i->rd, x, 16);
    return true;
}

/* dest = products of a and b, twice as wide. Uses XT0, XT1. */
static void emit_products(struct jit_tran *t, unsigned dest, unsigned a, unsigned b, bool is_signed)
{
    bool hi = simd_hi(jit_insn(t));

    switch (simd_size(jit_insn(t))) {
    case SIMD_B:
        widen(t, XT0, a, is_signed);
        widen(t, XT1, b, is_signed);
        avx(t, AVX_PMULLW, dest, XT0, XT1);
        break;
    case SIMD_H:
        avx(t, AVX_PMULLW, XT0, a, b);
        avx(t, is_signed ? AVX_PMULHW : AVX_PMULHUW, XT1, a, b);
        avx(t, hi ? AVX_PUNPCKHWD : AVX_PUNPCKLWD, dest, XT0, XT1);
        break;
    default: /* each in the lower half of a doubleword */
        avx2(t, AVX_PSHUFD, XT0, a);
        x64_b(&t->e, hi ? 0x32 : 0x10);
        avx2(t, AVX_PSHUFD, XT1, b);
        x64_b(&t->e, hi ? 0x32 : 0x10);
        avx(t, is_signed ? AVX_PMULDQ : AVX_PMULUDQ, dest, XT0, XT1);
        break;
    }
}

/* op: what is done with the products and rd. */
bool jit_vec_mul_long(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned op = row->op[simd_size(i)], a = jit_xmm_use(t, i->rn, 16), b = jit_xmm_rm(t, 16);
    unsigned d = op ? jit_xmm_use(t, i->rd, 16) : 0, x = jit_xmm_new(t);

    emit_products(t, x, a, b, row->how);
    if (op)
        avx(t, op, x, d, x);
    jit_xmm_def(t, i->rd, x, 16);
    return true;
}

void jit_vec_unzip(struct jit_tran *t, unsigned dest, unsigned a, unsigned b, unsigned size,
                   unsigned bytes, bool odd)
{
    struct x64 *e = &t->e;

    if (bytes == 8) { /* eight bytes of each, in one */
        avx(t, AVX_PUNPCKLQDQ, XT4, a, b);
        a = b = XT4;
    }
    switch (size) {
    case SIMD_D:
        avx(t, odd ? AVX_PUNPCKHQDQ : AVX_PUNPCKLQDQ, dest, a, b);
        return;
    case SIMD_S:
        avx_i(t, AVX_SHUFPS, dest, a, b, odd ? 0xdd : 0x88);
        return;
    default:
        if (odd) {
            x64_avx_shift(e, jit_vec_right(size + 1, false), XT5, b, 8u << size);
            x64_avx_shift(e, jit_vec_right(size + 1, false), dest, a, 8u << size);
            a = dest;
            b = XT5;
        }
        avx_const(t, AVX_PSHUFB, XT5, b, size == SIMD_B ? JC_EVEN_B : JC_EVEN_H);
        avx_const(t, AVX_PSHUFB, dest, a, size == SIMD_B ? JC_EVEN_B : JC_EVEN_H);
        avx(t, AVX_PUNPCKLQDQ, dest, dest, XT5);
        return;
    }
}

/* Neighbours of rm:rn: op of the even and the odd elements. */
bool jit_vec_pair(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), bytes = row->how ? 16 : simd_bytes(i), a, b, x;

    if (!row->op[size])
        return false;
    a = jit_xmm_use(t, i->rn, 16);
    b = row->how ? a : jit_xmm_use(t, i->rm, 16);
    x = jit_xmm_new(t);
    jit_vec_unzip(t, x, a, b, size, bytes, false);
    jit_vec_unzip(t, XT0, a, b, size, bytes, true);
    avx(t, row->op[size], x, x, XT0);
    jit_xmm_def_cut(t, i->rd, x, simd_bytes(i));
    return true;
}

/* The lowest element of x = op of all of them in `bytes` bytes, by halves. Uses XT0. */
static void emit_fold(struct jit_tran *t, unsigned x, unsigned op, unsigned size, unsigned bytes)
{
    for (unsigned n = bytes / 2; n >= 1u << size; n /= 2) {
        x64_avx_shift(&t->e, AVX_PSRLDQ, XT0, x, n);
        avx(t, op, x, x, XT0);
    }
}

bool jit_vec_across(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a = jit_xmm_use(t, i->rn, 16), x = jit_xmm_new(t);

    avx2(t, AVX_MOVAPS, x, a);
    emit_fold(t, x, row->op[size], size, simd_bytes(i));
    jit_xmm_def_cut(t, i->rd, x, 1u << size);
    return true;
}

/* dest = sums of neighbours, twice as wide. Uses XT0, XT1. False: none for this size. */
static bool emit_add_pairs(struct jit_tran *t, unsigned dest, unsigned a, unsigned size,
                           bool is_signed)
{
    unsigned half = 8u << size;

    if (size == SIMD_B && is_signed) {
        avx_const(t, AVX_MOVAPS, XT0, 0, JC_ONE_B);
        avx(t, AVX_PMADDUBSW, dest, XT0, a);
    } else if (size == SIMD_B) {
        avx_const(t, AVX_PMADDUBSW, dest, a, JC_ONE_B);
    } else if (size == SIMD_H && is_signed) {
        avx_const(t, AVX_PMADDWD, dest, a, JC_ONE_H);
    } else if (!is_signed) {
        x64_avx_shift(&t->e, jit_vec_right(size + 1, false), XT0, a, half);
        avx_zero(t, XT1);
        avx_i(t, AVX_PBLENDW, dest, a, XT1, size == SIMD_H ? 0xaa : 0xcc);
        avx(t, jit_vec_add[size + 1], dest, dest, XT0);
    } else {
        return false;
    }
    return true;
}

/* SADDLV, UADDLV: neighbours, then across. */
bool jit_vec_add_long_across(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a, x;

    if (size == SIMD_S && row->how)
        return false;
    a = jit_xmm_use(t, i->rn, 16);
    x = jit_xmm_new(t);
    emit_add_pairs(t, x, a, size, row->how);
    emit_fold(t, x, jit_vec_add[size + 1], size + 1, simd_bytes(i));
    jit_xmm_def_cut(t, i->rd, x, 2u << size);
    return true;
}

/* And with accumulation. */
bool jit_vec_add_long_pairs(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a, d, x;

    if (size == SIMD_S && (row->how & LONG_SIGNED))
        return false;
    a = jit_xmm_use(t, i->rn, 16);
    d = row->how & LONG_ADD ? jit_xmm_use(t, i->rd, 16) : 0;
    x = jit_xmm_new(t);
    emit_add_pairs(t, x, a, size, row->how & LONG_SIGNED);
    if (row->how & LONG_ADD)
        avx(t, jit_vec_add[size + 1], x, x, d);
    jit_xmm_def_cut(t, i->rd, x, simd_bytes(i));
    return true;
}

/* SDOT, UDOT: halfword products, of which neighbours are added twice. */
bool jit_vec_dot(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned index = i->imm >> 24 & 0xff, a = jit_xmm_use(t, i->rn, 16);
    unsigned b = jit_xmm_use(t, i->rm, 16), d = jit_xmm_use(t, i->rd, 16), x = jit_xmm_new(t);
    unsigned op = extend[row->how][SIMD_B];

    if (index) {
        jit_xmm_dup(t, XT4, b, SIMD_S, index - 1);
        b = XT4;
    }
    avx2(t, op, XT0, a);
    avx2(t, op, XT1, b);
    avx(t, AVX_PMADDWD, x, XT0, XT1);
    x64_avx_shift(&t->e, AVX_PSRLDQ, XT0, a, 8);
    x64_avx_shift(&t->e, AVX_PSRLDQ, XT1, b, 8);
    avx2(t, op, XT0, XT0);
    avx2(t, op, XT1, XT1);
    avx(t, AVX_PMADDWD, XT0, XT0, XT1);
    avx(t, AVX_PHADDD, x, x, XT0);
    avx(t, AVX_PADDD, x, x, d);
    jit_xmm_def_cut(t, i->rd, x, simd_bytes(i));
    return true;
}
