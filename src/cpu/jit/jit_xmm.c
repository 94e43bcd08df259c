/* Guest vector registers in host registers while a block is translated, and what all emitters of
 * vector code share. */
#include "cpu/jit/jit_xmm.h"

#define XMMS 16
#define KEPT 0x80 /* in jit_cold.xmm, with bits 4:3 of the bytes, and the guest register */

static void fill(union vreg *v, uint64_t low, uint64_t high)
{
    v->d[0] = low;
    v->d[1] = high;
}

void jit_xmm_constants(struct jit_stubs *stubs, struct x64 *e)
{
    union vreg c[JC_CONSTANTS];
    const uint64_t none = 0x8080808080808080; /* PSHUFB makes zeros */

    fill(&c[JC_SIGN_S], 0x8000000080000000, 0x8000000080000000);
    fill(&c[JC_SIGN_D], BIT(63), BIT(63));
    fill(&c[JC_SIGN_S1], 0x80000000, 0);
    fill(&c[JC_SIGN_D1], BIT(63), 0);
    fill(&c[JC_ABS_S], 0x7fffffff7fffffff, 0x7fffffff7fffffff);
    fill(&c[JC_ABS_D], ~BIT(63), ~BIT(63));
    fill(&c[JC_BIAS_S], 0x8100000081000000, 0x8100000081000000);
    fill(&c[JC_BIAS_D], BIT(63) + BIT(53), BIT(63) + BIT(53));
    fill(&c[JC_LIMIT_S], 0x8300000083000000, 0x8300000083000000);
    fill(&c[JC_LIMIT_D], BIT(63) + 3 * BIT(53), BIT(63) + 3 * BIT(53));
    fill(&c[JC_ONE_B], 0x0101010101010101, 0x0101010101010101);
    fill(&c[JC_ONE_H], 0x0001000100010001, 0x0001000100010001);
    fill(&c[JC_LOW_B], 0x00ff00ff00ff00ff, 0x00ff00ff00ff00ff);
    fill(&c[JC_EVEN_B], 0x0e0c0a0806040200, none);
    fill(&c[JC_EVEN_H], 0x0d0c090805040100, none);
    fill(&c[JC_REV16_B], 0x0607040502030001, 0x0e0f0c0d0a0b0809);
    fill(&c[JC_REV32_B], 0x0405060700010203, 0x0c0d0e0f08090a0b);
    fill(&c[JC_REV32_H], 0x0504070601000302, 0x0d0c0f0e09080b0a);
    fill(&c[JC_REV64_B], 0x0001020304050607, 0x08090a0b0c0d0e0f);
    fill(&c[JC_REV64_H], 0x0100030205040706, 0x09080b0a0d0c0f0e);
    fill(&c[JC_NIBBLE], 0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f);
    fill(&c[JC_COUNT], 0x0302020102010100, 0x0403030203020201);
    fill(&c[JC_TABLE], 0x7070707070707070, 0x7070707070707070);
    fill(&c[JC_HALF_S], 0x3effffff, 0);
    fill(&c[JC_HALF_D], 0x3fdfffffffffffff, 0);
    fill(&c[JC_SIXTEEN], 0x1010101010101010, 0x1010101010101010);
    while ((uintptr_t)e->at & 15)
        x64_b(e, 0);
    stubs->vectors = e->at;
    memcpy(e->at, c, sizeof(c));
    e->at += sizeof(c);
}

void jit_xmm_forget(struct jit_tran *t, unsigned r)
{
    if (t->xmm_of[r] != JIT_NONE)
        t->xmm[t->xmm_of[r]].guest = JIT_NONE;
    t->xmm_of[r] = JIT_NONE;
}

void jit_xmm_forget_all(struct jit_tran *t)
{
    memset(t->xmm_of, JIT_NONE, sizeof(t->xmm_of));
    for (unsigned x = 0; x < XMMS; x++)
        t->xmm[x] = (struct jit_xmm){ .guest = JIT_NONE };
}

/* Stamps tell which registers the instruction that is being translated uses, and which were used
 * longest ago. */
unsigned jit_xmm_new(struct jit_tran *t)
{
    unsigned now = t->n + 1, best = JIT_NONE;

    for (unsigned x = JIT_XMM_FIRST; x < XMMS; x++) {
        const struct jit_xmm *at = &t->xmm[x];

        if (at->stamp == now)
            continue;
        if (best == JIT_NONE || at->guest == JIT_NONE ||
            (t->xmm[best].guest != JIT_NONE && at->stamp < t->xmm[best].stamp))
            best = x;
        if (at->guest == JIT_NONE)
            break;
    }
    assert(best != JIT_NONE);
    if (t->xmm[best].guest != JIT_NONE)
        t->xmm_of[t->xmm[best].guest] = JIT_NONE;
    t->xmm[best] = (struct jit_xmm){ .guest = JIT_NONE, .stamp = (uint8_t)now };
    return best;
}

static void load(struct x64 *e, unsigned xmm, unsigned r, unsigned bytes)
{
    unsigned op = bytes == 16 ? AVX_MOVUPS : bytes == 8 ? AVX_MOVSD : AVX_MOVSS;

    x64_vex_rm(e, op, 0, xmm, 0, RBP, jit_v_at(r));
}

unsigned jit_xmm_use(struct jit_tran *t, unsigned r, unsigned bytes)
{
    unsigned x = t->xmm_of[r];

    if (x != JIT_NONE && t->xmm[x].valid >= bytes) {
        t->xmm[x].stamp = (uint8_t)(t->n + 1);
        return x;
    }
    jit_xmm_forget(t, r);
    x = jit_xmm_new(t);
    load(&t->e, x, r, bytes);
    t->xmm[x].guest = (uint8_t)r;
    t->xmm[x].valid = t->xmm[x].used = (uint8_t)bytes;
    t->xmm_of[r] = (uint8_t)x;
    return x;
}

void jit_xmm_def(struct jit_tran *t, unsigned r, unsigned xmm, unsigned bytes)
{
    x64_vex_rm(&t->e, AVX_MOVUPS_ST, 0, xmm, 0, RBP, jit_v_at(r));
    jit_xmm_forget(t, r);
    t->xmm[xmm].guest = (uint8_t)r;
    t->xmm[xmm].valid = 16;
    t->xmm_of[r] = (uint8_t)xmm;
    t->xmm[xmm].used = (uint8_t)bytes;
}

void jit_xmm_def_cut(struct jit_tran *t, unsigned r, unsigned xmm, unsigned bytes)
{
    if (bytes < 16)
        jit_xmm_cut(t, xmm, xmm, bytes);
    jit_xmm_def(t, r, xmm, bytes);
}

void jit_xmm_keep(struct jit_tran *t, struct jit_cold *cold)
{
    for (unsigned n = 0; n < JIT_XMM_KEPT; n++) {
        const struct jit_xmm *x = &t->xmm[JIT_XMM_FIRST + n];

        cold->xmm[n] = x->guest == JIT_NONE ? 0 : (uint8_t)(KEPT | (x->valid & 24) << 2 | x->guest);
    }
}

void jit_xmm_reload(struct jit_tran *t, const struct jit_cold *cold)
{
    for (unsigned n = 0; n < JIT_XMM_KEPT; n++)
        if (cold->xmm[n])
            load(&t->e, JIT_XMM_FIRST + n, cold->xmm[n] & 31, cold->xmm[n] >> 2 & 24);
}

void jit_xmm_cut(struct jit_tran *t, unsigned dest, unsigned src, unsigned bytes)
{
    switch (bytes) {
    case 8:
        avx2(t, AVX_MOVQ, dest, src);
        break;
    case 4:
        avx_i(t, AVX_INSERTPS, dest, src, src, 0x0e);
        break;
    default:
        avx2(t, bytes == 2 ? AVX_PEXTRW_ST : AVX_PEXTRB_ST, src, RAX);
        x64_b(&t->e, 0);
        avx2(t, AVX_MOVD, dest, RAX);
        break;
    }
}

void jit_xmm_dup(struct jit_tran *t, unsigned dest, unsigned src, unsigned size, unsigned index)
{
    switch (size) {
    case SIMD_B:
        x64_avx_shift(&t->e, AVX_PSRLDQ, dest, src, index);
        avx_zero(t, XT5);
        avx(t, AVX_PSHUFB, dest, dest, XT5);
        break;
    case SIMD_H:
        avx2(t, index < 4 ? AVX_PSHUFLW : AVX_PSHUFHW, dest, src);
        x64_b(&t->e, (index & 3) * 0x55);
        avx2(t, AVX_PSHUFD, dest, dest);
        x64_b(&t->e, index < 4 ? 0 : 0xaa);
        break;
    case SIMD_S:
        avx2(t, AVX_PSHUFD, dest, src);
        x64_b(&t->e, index * 0x55);
        break;
    default:
        avx2(t, AVX_PSHUFD, dest, src);
        x64_b(&t->e, index ? 0xee : 0x44);
        break;
    }
}

void jit_xmm_imm(struct jit_tran *t, unsigned dest, uint64_t imm)
{
    if (imm == 0) {
        avx_zero(t, dest);
    } else if (imm == UINT64_MAX) {
        avx_ones(t, dest);
    } else {
        x64_mov_imm(&t->e, RAX, imm);
        x64_vex_rr(&t->e, AVX_MOVD, 1, dest, 0, RAX);
        avx(t, AVX_PUNPCKLQDQ, dest, dest, dest);
    }
}

unsigned jit_xmm_rm(struct jit_tran *t, unsigned bytes)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned index = i->imm >> 24 & 0xff;

    if (!index)
        return jit_xmm_use(t, i->rm, bytes);
    jit_xmm_dup(t, XT4, jit_xmm_use(t, i->rm, 16), simd_size(i), index - 1);
    return XT4;
}
