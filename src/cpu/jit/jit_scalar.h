/* What the emitters of scalar floating point share. The element's size is in the immediate slot. */
#pragma once

#include "cpu/jit/jit_xmm.h"

static inline unsigned jit_scalar_size(const struct jit_tran *t)
{
    return simd_size(jit_insn(t));
}

static inline unsigned jit_scalar_bytes(const struct jit_tran *t)
{
    return 1u << jit_scalar_size(t);
}

/* rd = xmm, made by an instruction that left what was above the scalar in `from`. */
static inline void jit_scalar_def(struct jit_tran *t, unsigned xmm, unsigned from)
{
    unsigned bytes = jit_scalar_bytes(t);

    if (t->xmm[from].used > bytes)
        jit_xmm_cut(t, xmm, xmm, bytes);
    jit_xmm_def(t, jit_insn(t)->rd, xmm, bytes);
}

/* The result must be normal, or a zero made by one of the operands. */
static inline void jit_scalar_normal(struct jit_tran *t, struct jit_fp *fp, unsigned x, unsigned a,
                                     unsigned b)
{
    unsigned size = jit_scalar_size(t);

    jit_fp_normal(t, fp, x, size);
    jit_fp_or_zero(t, fp,
                   (struct jit_zero){ .xmm = (uint8_t)x,
                                      .a = (uint8_t)a,
                                      .b = (uint8_t)b,
                                      .size = (uint8_t)size,
                                      .from = (uint8_t)size });
}

/* Conversions and rounding to integers (jit_scalar_cvt.c). FPCR is plain, the size S or D. */
bool jit_scalar_convert(struct jit_tran *t, enum a64_op op);
