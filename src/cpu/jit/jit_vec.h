/* V registers in translated code: in struct cpu, and XMM registers as scratch. */
#pragma once

#include "cpu/jit/jit_int.h"
#include "cpu/jit/x64_vec.h"

static inline int32_t jit_v_at(unsigned r)
{
    return (int32_t)(offsetof(struct cpu, v) + sizeof(union vreg) * r) - JIT_BIAS;
}

/* xmm = V register */
static inline void jit_v_get(struct jit_tran *t, unsigned xmm, unsigned r)
{
    x64_rm(&t->e, VX_MOVUPS, 0, xmm, RBP, jit_v_at(r));
}

static inline void jit_v_put(struct jit_tran *t, unsigned r, unsigned xmm)
{
    x64_rm(&t->e, VX_MOVUPS_ST, 0, xmm, RBP, jit_v_at(r));
}
