/*
 * Guest vector registers in translated code.
 *
 * Their home is struct cpu, which is up to date at every instruction boundary. Within a block
 * XMM6 to XMM15 keep copies of those that were used, so that they need not be loaded again; XMM0
 * to XMM5 (XT0 ..) are scratch within one instruction, for all emitters. Code behind the block that
 * called the handler loads the copies again before it comes back.
 *
 * Everything here needs AVX: jit_xmm_can().
 */
#pragma once

#include "cpu/jit/jit_features.h"
#include "cpu/jit/jit_int.h"
#include "cpu/jit/jit_vec.h"
#include "cpu/jit/x64_avx.h"
#include "cpu/simd.h"

enum { XT0, XT1, XT2, XT3, XT4, XT5, JIT_XMM_FIRST };

/* Constants, 16 bytes each, among the stubs. */
enum jit_const {
    JC_SIGN_S, /* of all lanes */
    JC_SIGN_D,
    JC_SIGN_S1, /* of the lowest lane */
    JC_SIGN_D1,
    JC_ABS_S, /* everything but the signs */
    JC_ABS_D,
    JC_BIAS_S, /* jit_fp_check_range() */
    JC_BIAS_D,
    JC_LIMIT_S,
    JC_LIMIT_D,
    JC_ONE_B, /* 1 in all lanes */
    JC_ONE_H,
    JC_LOW_B,  /* the lower byte of each halfword, ... */
    JC_EVEN_B, /* PSHUFB: even bytes, then nothing */
    JC_EVEN_H,
    JC_REV16_B,
    JC_REV32_B,
    JC_REV32_H,
    JC_REV64_B,
    JC_REV64_H,
    JC_NIBBLE, /* 15 in all bytes */
    JC_COUNT,  /* bits set in each number below 16 */
    JC_TABLE,  /* 0x70 in all bytes: TBL */
    JC_HALF_S, /* the number below 1/2, in the lowest lane */
    JC_HALF_D,
    JC_SIXTEEN, /* 16 in all bytes */
    JC_CONSTANTS,
};
static inline bool jit_xmm_can(const struct jit_tran *t)
{
    return (t->state & JIT_FP) && (t->jit->features & JIT_AVX);
}

/* The XMM register whose low `bytes` bytes (4, 8, 16) are a guest register's. Not to be changed. */
unsigned jit_xmm_use(struct jit_tran *t, unsigned r, unsigned bytes);
/* A register to make a result in; it is kept by jit_xmm_def() or free after the instruction. */
unsigned jit_xmm_new(struct jit_tran *t);
/* Guest register = xmm, which jit_xmm_new() gave, and of which all but `bytes` bytes is zero. */
void jit_xmm_def(struct jit_tran *t, unsigned r, unsigned xmm, unsigned bytes);
/* The same after clearing what lies above. */
void jit_xmm_def_cut(struct jit_tran *t, unsigned r, unsigned xmm, unsigned bytes);
/* Others have changed it in struct cpu. */
void jit_xmm_forget(struct jit_tran *t, unsigned r);
void jit_xmm_forget_all(struct jit_tran *t);

/* dest = the lowest 1, 2, 4, 8 bytes of src, the rest zero. Uses RAX for the first two. */
void jit_xmm_cut(struct jit_tran *t, unsigned dest, unsigned src, unsigned bytes);
/* dest = an element of src in all lanes. Uses XT5. */
void jit_xmm_dup(struct jit_tran *t, unsigned dest, unsigned src, unsigned size, unsigned index);
/* dest = 64 bits, twice. Uses RAX. */
void jit_xmm_imm(struct jit_tran *t, unsigned dest, uint64_t imm);
/* The last operand: a register, or one element of it in all lanes of XT4. */
unsigned jit_xmm_rm(struct jit_tran *t, unsigned bytes);

static inline void avx(struct jit_tran *t, unsigned op, unsigned dest, unsigned a, unsigned b)
{
    x64_vex_rr(&t->e, op, 0, dest, a, b);
}

/* Instructions without a vvvv operand. */
static inline void avx2(struct jit_tran *t, unsigned op, unsigned dest, unsigned src)
{
    x64_vex_rr(&t->e, op, 0, dest, 0, src);
}

static inline void avx_i(struct jit_tran *t, unsigned op, unsigned dest, unsigned a, unsigned b,
                         unsigned imm)
{
    x64_vex_rr(&t->e, op, 0, dest, a, b);
    x64_b(&t->e, imm);
}

static inline void avx_const(struct jit_tran *t, unsigned op, unsigned dest, unsigned a,
                             enum jit_const k)
{
    x64_vex_rip(&t->e, op, 0, dest, a, t->jit->stubs.vectors + sizeof(union vreg) * k);
}

static inline void avx_zero(struct jit_tran *t, unsigned dest)
{
    avx(t, AVX_PXOR, dest, dest, dest);
}

static inline void avx_ones(struct jit_tran *t, unsigned dest)
{
    avx(t, AVX_PCMPEQD, dest, dest, dest);
}

/*
 * Floating point as fp/softfp_host.h has it: the host's result is taken when FPSR.IXC is set
 * already, and the result is one that raises nothing else; otherwise the handler does it all again.
 */
struct jit_fp {
    uint8_t *from[4]; /* jumps to the handler */
    unsigned count;
    struct jit_zero zero; /* concerns the first of them */
};

static inline bool jit_fp_can(const struct jit_tran *t)
{
    return jit_xmm_can(t) && (t->state & JIT_FP_PLAIN);
}

/* To the handler on a condition. */
void jit_fp_unless(struct jit_tran *t, struct jit_fp *fp, enum x64_cc cc);
/* The instruction may be inexact. */
void jit_fp_inexact(struct jit_tran *t, struct jit_fp *fp);
/* Scalars. The result must be finite; or a normal number, but not the smallest. Uses RAX. */
void jit_fp_finite(struct jit_tran *t, struct jit_fp *fp, unsigned xmm, unsigned size);
void jit_fp_normal(struct jit_tran *t, struct jit_fp *fp, unsigned xmm, unsigned size);
/* Vectors of `bytes` bytes, the rest being zero. Use RAX, XT0, XT1. */
void jit_fp_finite_v(struct jit_tran *t, struct jit_fp *fp, unsigned xmm, unsigned size);
void jit_fp_normal_v(struct jit_tran *t, struct jit_fp *fp, unsigned xmm, unsigned size,
                     unsigned bytes);
/* Behind jit_fp_normal() and jit_fp_normal_v(): a result that is zero because one of the operands
 * in a and b is, is fine, too. bytes: 0 for scalars. */
void jit_fp_or_zero(struct jit_tran *t, struct jit_fp *fp, struct jit_zero zero);
/* No lane of a mask may be set. Uses RAX. */
void jit_fp_none(struct jit_tran *t, struct jit_fp *fp, unsigned mask, unsigned size,
                 unsigned bytes);
/* The instruction is done. */
struct jit_cold *jit_fp_end(struct jit_tran *t, const struct jit_fp *fp);

/* The prefix of an AVX_ADD .. for elements of a size. */
static inline unsigned jit_fp_packed(unsigned op, unsigned size)
{
    return op | (size == SIMD_D ? X64_66 : 0);
}

static inline unsigned jit_fp_scalar(unsigned op, unsigned size)
{
    return op | (size == SIMD_D ? X64_F2 : X64_F3);
}

/* Forms that several files build from. pairs: dest = the even or odd elements of b:a (of 8 or 16
 * bytes each); dest is none of the operands. Uses XT4, XT5. */
void jit_vec_unzip(struct jit_tran *t, unsigned dest, unsigned a, unsigned b, unsigned size,
                   unsigned bytes, bool odd);
extern const uint16_t jit_vec_add[4], jit_vec_sub[4];
enum x64_avx_shift jit_vec_right(unsigned size, bool arithmetic), jit_vec_left(unsigned size);
