/* Emitters: vector shifts by an immediate (Arm DDI 0487, C7.2). */
#include "cpu/jit/jit_vec_row.h"

/* x86 has no shifts of bytes, and no arithmetic one of doublewords. */
enum x64_avx_shift jit_vec_right(unsigned size, bool arithmetic)
{
    static const enum x64_avx_shift logical[] = { AVX_PSRLW, AVX_PSRLW, AVX_PSRLD, AVX_PSRLQ };

    if (arithmetic)
        return size == SIMD_S ? AVX_PSRAD : AVX_PSRAW;
    return logical[size];
}

enum x64_avx_shift jit_vec_left(unsigned size)
{
    static const enum x64_avx_shift left[] = { AVX_PSLLW, AVX_PSLLW, AVX_PSLLD, AVX_PSLLQ };

    return left[size];
}

/* x &= a byte in all lanes. Uses XT0 and RAX. */
static void mask_bytes(struct jit_tran *t, unsigned x, unsigned mask)
{
    jit_xmm_imm(t, XT0, (mask & 0xff) * UINT64_C(0x0101010101010101));
    avx(t, AVX_PAND, x, x, XT0);
}

static void emit_left(struct jit_tran *t, unsigned dest, unsigned src, unsigned size, unsigned n)
{
    x64_avx_shift(&t->e, jit_vec_left(size), dest, src, n);
    if (size == SIMD_B)
        mask_bytes(t, dest, 0xff << n);
}

static void emit_right(struct jit_tran *t, unsigned dest, unsigned src, unsigned size, unsigned n)
{
    x64_avx_shift(&t->e, jit_vec_right(size, false), dest, src, n);
    if (size == SIMD_B)
        mask_bytes(t, dest, 0xff >> n);
}

/* Bytes become the upper ones of halfwords; doublewords get their signs from a comparison. Uses XT0
 * and XT1. */
static void emit_right_arithmetic(struct jit_tran *t, unsigned dest, unsigned src, unsigned size,
                                  unsigned n)
{
    struct x64 *e = &t->e;

    if (size == SIMD_B) {
        avx(t, AVX_PUNPCKLBW, XT0, src, src);
        avx(t, AVX_PUNPCKHBW, XT1, src, src);
        x64_avx_shift(e, AVX_PSRAW, XT0, XT0, 8 + n);
        x64_avx_shift(e, AVX_PSRAW, XT1, XT1, 8 + n);
        avx(t, AVX_PACKSSWB, dest, XT0, XT1);
    } else if (size == SIMD_D) {
        avx_zero(t, XT0);
        avx(t, AVX_PCMPGTQ, XT0, XT0, src);
        x64_avx_shift(e, AVX_PSLLQ, XT0, XT0, 64 - n);
        x64_avx_shift(e, AVX_PSRLQ, dest, src, n);
        avx(t, AVX_POR, dest, dest, XT0);
    } else {
        x64_avx_shift(e, jit_vec_right(size, true), dest, src, n);
    }
}

/* XT2 = the last bit that a right shift by n loses, for rounding. */
static void emit_last_bit(struct jit_tran *t, unsigned src, unsigned size, unsigned n)
{
    unsigned bits = 8u << size;

    x64_avx_shift(&t->e, jit_vec_left(size), XT2, src, bits - n);
    x64_avx_shift(&t->e, jit_vec_right(size, false), XT2, XT2, bits - 1);
}

/* x |= the n lowest or highest bits of d. Uses XT0. */
static void emit_insert(struct jit_tran *t, unsigned x, unsigned d, unsigned size, unsigned n,
                        bool highest)
{
    unsigned away = (8u << size) - n;

    if (highest) {
        emit_right(t, XT1, d, size, away);
        emit_left(t, XT1, XT1, size, away);
    } else {
        emit_left(t, XT1, d, size, away);
        emit_right(t, XT1, XT1, size, away);
    }
    avx(t, AVX_POR, x, x, XT1);
}

bool jit_vec_shift(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), n = simd_arg(i), how = row->how, a, d = 0, x;
    bool insert = how == SHIFT_INSERT_LEFT || how == SHIFT_INSERT_RIGHT;

    if (size == SIMD_B && ((how & SHIFT_ROUND) || insert))
        return false;
    a = jit_xmm_use(t, i->rn, 16);
    if (insert || (how & SHIFT_ADD))
        d = jit_xmm_use(t, i->rd, 16);
    x = jit_xmm_new(t);
    if (how & SHIFT_ROUND)
        emit_last_bit(t, a, size, n);
    if (how == SHIFT_LEFT || how == SHIFT_INSERT_LEFT)
        emit_left(t, x, a, size, n);
    else if (how & SHIFT_SIGNED)
        emit_right_arithmetic(t, x, a, size, n);
    else
        emit_right(t, x, a, size, n);
    if (how & SHIFT_ROUND)
        avx(t, jit_vec_add[size], x, x, XT2);
    if (how & SHIFT_ADD)
        avx(t, jit_vec_add[size], x, x, d);
    if (insert)
        emit_insert(t, x, d, size, n, how == SHIFT_INSERT_RIGHT);
    jit_xmm_def_cut(t, i->rd, x, simd_bytes(i));
    return true;
}

/* SSHLL, USHLL, SHLL: op widens. */
bool jit_vec_shift_long(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a = jit_xmm_use(t, i->rn, 16), x = jit_xmm_new(t);

    if (simd_hi(i)) {
        x64_avx_shift(&t->e, AVX_PSRLDQ, x, a, 8);
        a = x;
    }
    avx2(t, row->op[size], x, a);
    if (simd_arg(i))
        x64_avx_shift(&t->e, jit_vec_left(size + 1), x, x, simd_arg(i));
    jit_xmm_def(t, i->rd, x, 16);
    return true;
}
