/* Emitters: hints, barriers, and cache maintenance that has nothing to do (Arm DDI 0487, C5.3). */
#include "arch/sysreg.h"
#include "cpu/jit/jit_access.h"
#include "cpu/jit/jit_vec.h"

#define DC_ZVA   SYSREG(1, 3, 7, 4, 1)
#define DC_CVAC  SYSREG(1, 3, 7, 10, 1)
#define DC_CVAU  SYSREG(1, 3, 7, 11, 1)
#define DC_CIVAC SYSREG(1, 3, 7, 14, 1)

#define DC_ZVA_BYTES 64u

#define SCTLR_DZE 0x4000u
#define SCTLR_UCI 0x4000000u

/* Loads and stores of x86 are ordered but for a load after a store. */
static void emit_fence(struct jit_tran *t)
{
    jit_spoil(t);
    x64_b(&t->e, 0xf0); /* lock or dword [rsp], 0 */
    x64_mi(&t->e, G_OR, 0, RSP, 0, 0);
}

/* Maintenance that was sent to others is the handler's to wait for. */
static void emit_dsb(struct jit_tran *t)
{
    struct x64 *e = &t->e;
    uint8_t *from;

    jit_settle(t);
    x64_head(e, 0x80, 0, 0, 0, RBP); /* cmp byte [unsynced], 0 */
    x64_mem(e, G_CMP, RBP, JIT_AT(unsynced));
    x64_b(e, 0);
    from = x64_jcc(e, CC_NE);
    emit_fence(t);
    jit_cold(t, JIT_COLD_HANDLER, from)->back = e->at;
}

/* What is executed behind it is looked for anew: the block ends. What else there may be to look at
 * is a request, or was done by an instruction that leaves. */
static void emit_isb(struct jit_tran *t)
{
    jit_settle(t);
    jit_goto(t, 4 * (int64_t)(t->first + t->n + 1));
}

/* To the handler unless EL0 may do it. */
static void emit_if_allowed(struct jit_tran *t, struct jit_way *way, uint32_t sctlr_bit)
{
    if (t->state & JIT_EL1)
        return;
    x64_test_mi(&t->e, RBP, JIT_AT(sys.sctlr_el1), sctlr_bit);
    jit_way_if(t, way, CC_E);
}

static void emit_zero_block(struct jit_tran *t)
{
    struct jit_way way = { .count = 0 };
    struct x64 *e = &t->e;

    jit_settle(t);
    emit_if_allowed(t, &way, SCTLR_DZE);
    jit_get(t, 1, RAX, jit_insn(t)->rd);
    x64_ri(e, G_AND, 1, RAX, -(int32_t)DC_ZVA_BYTES);
    jit_tlb(t, &way, 1, JIT_WRITE, false);
    x64_vec_rr(e, VX_PXOR, 0, 0);
    for (unsigned at = 0; at < DC_ZVA_BYTES; at += 16)
        x64_rmx(e, VX_MOVUPS_ST, 0, 0, RDX, RAX, 0, (int32_t)at);
    jit_end_way(t, &way);
}

/* Caches are not modelled: an address that the TLB has is all there is to it. */
static void emit_clean(struct jit_tran *t)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    emit_if_allowed(t, &way, SCTLR_UCI);
    jit_get(t, 1, RAX, jit_insn(t)->rd);
    jit_tlb(t, &way, 1, JIT_READ, false);
    jit_end_way(t, &way);
}

static bool emit_sys(struct jit_tran *t)
{
    switch (jit_insn(t)->imm) {
    case DC_ZVA:
        emit_zero_block(t);
        return true;
    case DC_CVAC:
    case DC_CVAU:
    case DC_CIVAC:
        emit_clean(t);
        return true;
    default:
        return false;
    }
}

bool jit_system(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_HINT:
    case A64_YIELD:
        return true;
    case A64_DMB:
        if ((jit_insn(t)->imm & 3) != 1 && (jit_insn(t)->imm & 3) != 2)
            emit_fence(t);
        return true;
    case A64_DSB:
        emit_dsb(t);
        return true;
    case A64_ISB:
        emit_isb(t);
        return true;
    case A64_CLREX:
        x64_mov_m8(&t->e, RBP, JIT_AT(excl_size), 0);
        return true;
    case A64_CFINV:
        jit_settle(t);
        x64_mi(&t->e, G_XOR, 0, RBP, JIT_AT(nzcv), (int32_t)NZCV_C);
        return true;
    case A64_SYS:
        return emit_sys(t);
    default:
        return jit_sysreg(t, op);
    }
}
