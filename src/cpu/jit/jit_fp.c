/*
 * When the host's floating point result is the guest's: what scalar and vector emitters test.
 *
 * IEEE 754 leaves no choice for a result that is normal, and Inexact is the only flag that comes
 * with it. The smallest normal number could have been rounded up to, which the architectures take
 * for an underflow at different moments. Sums have no such case: they are exact where they are
 * small. MXCSR is never read, so what it gathers does not matter.
 */
#include "cpu/jit/jit_xmm.h"

void jit_fp_unless(struct jit_tran *t, struct jit_fp *fp, enum x64_cc cc)
{
    assert(fp->count < ARRAY_LEN(fp->from));
    fp->from[fp->count++] = x64_jcc(&t->e, cc);
}

void jit_fp_inexact(struct jit_tran *t, struct jit_fp *fp)
{
    struct x64 *e = &t->e;

    if (t->state & JIT_IXC)
        return;
    t->may_set_ixc = !(t->state & JIT_EL1);
    x64_head(e, 0xf6, 0, 0, 0, RBP); /* test byte [fpsr], FPSR_IXC */
    x64_mem(e, 0, RBP, JIT_AT(fpsr));
    x64_b(e, FPSR_IXC);
    jit_fp_unless(t, fp, CC_E);
}

/* EAX = the number without its sign, the exponent on top. */
static void emit_exponent(struct jit_tran *t, unsigned xmm, unsigned size)
{
    struct x64 *e = &t->e;

    x64_vex_rr(e, AVX_MOVD_ST, size == SIMD_D, xmm, 0, RAX);
    if (size == SIMD_D)
        x64_shift_i(e, SH_SHR, 1, RAX, 31);
    else
        x64_rr(e, OP_ADD, 0, RAX, RAX);
}

static unsigned exponent_bit(unsigned size)
{
    return size == SIMD_D ? 21 : 24;
}

void jit_fp_finite(struct jit_tran *t, struct jit_fp *fp, unsigned xmm, unsigned size)
{
    emit_exponent(t, xmm, size);
    x64_ri(&t->e, G_CMP, 0, RAX, -(int32_t)BIT(exponent_bit(size)));
    jit_fp_unless(t, fp, CC_AE);
}

void jit_fp_normal(struct jit_tran *t, struct jit_fp *fp, unsigned xmm, unsigned size)
{
    int32_t one = (int32_t)BIT(exponent_bit(size));

    emit_exponent(t, xmm, size);
    x64_ri(&t->e, G_SUB, 0, RAX, 2 * one);
    x64_ri(&t->e, G_CMP, 0, RAX, -3 * one);
    jit_fp_unless(t, fp, CC_AE);
}

/* x - x is a zero, or NaN. */
void jit_fp_finite_v(struct jit_tran *t, struct jit_fp *fp, unsigned xmm, unsigned size)
{
    avx(t, jit_fp_packed(AVX_SUB, size), XT0, xmm, xmm);
    avx2(t, AVX_PTEST, XT0, XT0);
    jit_fp_unless(t, fp, CC_NE);
}

void jit_fp_none(struct jit_tran *t, struct jit_fp *fp, unsigned mask, unsigned size,
                 unsigned bytes)
{
    avx2(t, size == SIMD_D ? AVX_MOVMSKPD : AVX_MOVMSKPS, RAX, mask);
    x64_b(&t->e, 0xa8); /* test al, imm8 */
    x64_b(&t->e, (unsigned)low_mask(bytes >> size));
    jit_fp_unless(t, fp, CC_NE);
}

/* Without the sign and with a bias, the exponents 0, 1 and the highest are the lowest numbers. */
void jit_fp_normal_v(struct jit_tran *t, struct jit_fp *fp, unsigned xmm, unsigned size,
                     unsigned bytes)
{
    bool d = size == SIMD_D;

    x64_avx_shift(&t->e, d ? AVX_PSLLQ : AVX_PSLLD, XT0, xmm, 1);
    avx_const(t, d ? AVX_PADDQ : AVX_PADDD, XT0, XT0, d ? JC_BIAS_D : JC_BIAS_S);
    avx_const(t, AVX_MOVAPS, XT1, 0, d ? JC_LIMIT_D : JC_LIMIT_S);
    avx(t, d ? AVX_PCMPGTQ : AVX_PCMPGTD, XT0, XT1, XT0);
    jit_fp_none(t, fp, XT0, size, bytes);
}

void jit_fp_or_zero(struct jit_tran *t, struct jit_fp *fp, struct jit_zero zero)
{
    uint8_t *first = fp->from[0];

    fp->from[0] = fp->from[fp->count - 1];
    fp->from[fp->count - 1] = first;
    fp->zero = zero;
    fp->zero.ok = t->e.at;
}

/* ZF: the scalar is a zero of either sign. */
static void emit_is_zero(struct jit_tran *t, unsigned xmm, unsigned size)
{
    x64_vex_rr(&t->e, AVX_MOVD_ST, size == SIMD_D, xmm, 0, RAX);
    x64_rr(&t->e, OP_ADD, size == SIMD_D, RAX, RAX);
}

static void emit_zero_vector(struct jit_tran *t, const struct jit_zero *zero)
{
    unsigned cmp = jit_fp_packed(AVX_CMP, zero->size);

    avx_zero(t, XT3);
    avx_i(t, cmp, XT1, XT3, zero->a, AVX_EQ);
    avx_i(t, cmp, XT2, XT3, zero->b, AVX_EQ);
    avx(t, AVX_POR, XT1, XT1, XT2);
    avx_i(t, cmp, XT2, XT3, zero->xmm, AVX_EQ);
    avx(t, AVX_PAND, XT1, XT1, XT2);
    avx(t, AVX_PANDN, XT0, XT1, XT0);
    avx2(t, zero->size == SIMD_D ? AVX_MOVMSKPD : AVX_MOVMSKPS, RAX, XT0);
    x64_b(&t->e, 0xa8); /* test al, imm8 */
    x64_b(&t->e, (unsigned)low_mask(zero->bytes >> zero->size));
    x64_jcc_to(&t->e, CC_E, zero->ok);
}

void jit_fp_emit_zero(struct jit_tran *t, const struct jit_zero *zero)
{
    uint8_t *other;

    if (zero->bytes) {
        emit_zero_vector(t, zero);
        return;
    }
    emit_is_zero(t, zero->xmm, zero->size);
    other = x64_jcc8(&t->e, CC_NE);
    emit_is_zero(t, zero->a, zero->from);
    x64_jcc_to(&t->e, CC_E, zero->ok);
    if (zero->b != zero->a) {
        emit_is_zero(t, zero->b, zero->from);
        x64_jcc_to(&t->e, CC_E, zero->ok);
    }
    x64_bind8(&t->e, other);
}

struct jit_cold *jit_fp_end(struct jit_tran *t, const struct jit_fp *fp)
{
    struct jit_cold *cold;

    if (!fp->count)
        return NULL;
    cold = jit_cold(t, JIT_COLD_HANDLER, fp->from[0]);
    for (unsigned n = 1; n < fp->count; n++)
        cold->also[n - 1] = fp->from[n];
    cold->back = t->e.at;
    cold->zero = fp->zero;
    return cold;
}
