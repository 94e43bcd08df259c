/*
 * Emitters: branches (Arm DDI 0487, C6.2). All end the block.
 *
 * A call leaves the address that it returns to, and the code for it, in a ring; a return that finds
 * its address on top jumps there without a look-up. Addresses are kept under the vCPU's key, so
 * what another address space or exception level has left there is not taken for one's own.
 */
#include "cpu/jit/jit_int.h"

#define RING_ENTRY   ((int32_t)sizeof(struct jit_jump))
#define RING_MASK    (JIT_RING * RING_ENTRY - RING_ENTRY)
#define RING_TAG_AT  (JIT_AT(jit_ring) + (int32_t)offsetof(struct jit_jump, tag))
#define RING_HOST_AT (JIT_AT(jit_ring) + (int32_t)offsetof(struct jit_jump, host))

static int64_t here(const struct jit_tran *t)
{
    return 4 * (int64_t)(t->first + t->n);
}

/* Flags that have to be in memory when the block is left. */
static enum jit_flags to_save(const struct jit_tran *t)
{
    return t->want[t->count] ? t->flags : JIT_FLAGS_MEM;
}

static void settle_at_end(struct jit_tran *t)
{
    jit_save_flags(t, to_save(t));
    t->flags = JIT_FLAGS_MEM;
}

/* Both ways of a conditional branch. */
static void emit_ways(struct jit_tran *t, enum x64_cc cc, enum jit_flags save)
{
    jit_align(t, 2);
    jit_goto_from(t, x64_jcc(&t->e, cc), here(t) + jit_insn(t)->imm, save);
    jit_save_flags(t, save);
    jit_goto(t, here(t) + 4);
}

static void emit_cond(struct jit_tran *t)
{
    unsigned cond = jit_insn(t)->ra;
    enum x64_cc cc;

    if (cond >= 14) {
        settle_at_end(t);
        jit_goto(t, here(t) + jit_insn(t)->imm);
        return;
    }
    cc = jit_cond(t, cond);
    emit_ways(t, cc, to_save(t));
}

static void emit_compare_zero(struct jit_tran *t, unsigned w, enum x64_cc cc)
{
    unsigned rd = jit_insn(t)->rd;

    settle_at_end(t);
    if (jit_pin[rd] != JIT_NONE)
        x64_rr(&t->e, OP_TEST, w, jit_pin[rd], jit_pin[rd]);
    else
        x64_mi(&t->e, G_CMP, w, RBP, jit_x_at(rd), 0);
    emit_ways(t, cc, JIT_FLAGS_MEM);
}

static void emit_test_bit(struct jit_tran *t, bool branch_if_set)
{
    unsigned rd = jit_insn(t)->rd, bit = jit_insn(t)->ra;

    settle_at_end(t);
    if (jit_pin[rd] != JIT_NONE && bit < 31) {
        x64_test_ri(&t->e, 0, jit_pin[rd], 1u << bit);
        emit_ways(t, branch_if_set ? CC_NE : CC_E, JIT_FLAGS_MEM);
        return;
    }
    if (jit_pin[rd] != JIT_NONE)
        x64_bt_i(&t->e, 1, jit_pin[rd], bit);
    else
        x64_bt_mi(&t->e, 1, RBP, jit_x_at(rd), bit);
    emit_ways(t, branch_if_set ? CC_B : CC_AE, JIT_FLAGS_MEM);
}

/* X30 and the ring. Uses RAX, RCX, RDX. */
static void emit_return_address(struct jit_tran *t)
{
    struct x64 *e = &t->e;
    int64_t next = here(t) + 4;
    struct jit_cold *cold;

    x64_rm(e, OP_MOV, 1, RCX, RBP, JIT_AT(jit_va));
    x64_ri(e, G_ADD, 1, RCX, (int32_t)next);
    jit_put(t, 30, RCX);
    x64_rm(e, OP_XOR, 1, RCX, RBP, JIT_AT(jit_key));
    x64_rm(e, OP_MOV, 0, RAX, RBP, JIT_AT(jit_top));
    x64_ri(e, G_ADD, 0, RAX, RING_ENTRY);
    x64_ri(e, G_AND, 0, RAX, RING_MASK);
    x64_rm(e, OP_MOV_ST, 0, RAX, RBP, JIT_AT(jit_top));
    x64_rmx(e, OP_MOV_ST, 1, RCX, RBP, RAX, 0, RING_TAG_AT);
    cold = jit_cold(t, next < CODE_PAGE_SIZE ? JIT_COLD_JUMP : JIT_COLD_FAR, x64_lea_rip(e, RDX));
    cold->target = next;
    cold->own_jump = true;
    x64_rmx(e, OP_MOV_ST, 1, RDX, RBP, RAX, 0, RING_HOST_AT);
}

static void emit_call(struct jit_tran *t)
{
    settle_at_end(t);
    emit_return_address(t);
    jit_goto(t, here(t) + jit_insn(t)->imm);
}

/* The target may be X30, which the call changes. */
static void emit_call_reg(struct jit_tran *t)
{
    unsigned rn = jit_insn(t)->rn;

    settle_at_end(t);
    x64_rm(&t->e, OP_MOV_ST, 1, jit_use(t, 1, RCX, rn), RBP, JIT_AT(pc));
    emit_return_address(t);
    x64_rm(&t->e, OP_MOV, 1, RCX, RBP, JIT_AT(pc));
    x64_jmp_to(&t->e, t->jit->stubs.lookup);
    t->ended = true;
}

static void emit_jump_reg(struct jit_tran *t)
{
    settle_at_end(t);
    jit_get(t, 1, RCX, jit_insn(t)->rn);
    x64_jmp_to(&t->e, t->jit->stubs.lookup);
    t->ended = true;
}

static void emit_return(struct jit_tran *t)
{
    struct x64 *e = &t->e;

    settle_at_end(t);
    jit_get(t, 1, RCX, jit_insn(t)->rn);
    /* Only an address of the state's own half, and canonical, has no bits where the key is. */
    x64_rr(e, OP_MOV, 1, RDX, RCX);
    x64_shift_i(e, SH_SAR, 1, RDX, 48);
    if (t->state & JIT_EL1)
        x64_ri(e, G_ADD, 1, RDX, 1);
    x64_jcc_to(e, CC_NE, t->jit->stubs.lookup);
    x64_rr(e, OP_MOV, 1, RDX, RCX);
    x64_rm(e, OP_XOR, 1, RDX, RBP, JIT_AT(jit_key));
    x64_rm(e, OP_MOV, 0, RAX, RBP, JIT_AT(jit_top));
    x64_rmx(e, OP_CMP, 1, RDX, RBP, RAX, 0, RING_TAG_AT);
    x64_jcc_to(e, CC_NE, t->jit->stubs.lookup);
    x64_rmx(e, OP_MOV, 1, RDX, RBP, RAX, 0, RING_HOST_AT);
    x64_ri(e, G_SUB, 0, RAX, RING_ENTRY);
    x64_ri(e, G_AND, 0, RAX, RING_MASK);
    x64_rm(e, OP_MOV_ST, 0, RAX, RBP, JIT_AT(jit_top));
    x64_ri(e, G_AND, 1, RCX, -CODE_PAGE_SIZE);
    x64_rm(e, OP_MOV_ST, 1, RCX, RBP, JIT_AT(jit_va));
    x64_b(e, 0xff); /* jmp rdx */
    x64_b(e, 0xe2);
    t->ended = true;
}

bool jit_branch(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_B:
        settle_at_end(t);
        jit_goto(t, here(t) + jit_insn(t)->imm);
        return true;
    case A64_BL:
        emit_call(t);
        return true;
    case A64_B_cond:
        emit_cond(t);
        return true;
    case A64_CBZ_w:
    case A64_CBZ_x:
        emit_compare_zero(t, op == A64_CBZ_x, CC_E);
        return true;
    case A64_CBNZ_w:
    case A64_CBNZ_x:
        emit_compare_zero(t, op == A64_CBNZ_x, CC_NE);
        return true;
    case A64_TBZ:
        emit_test_bit(t, false);
        return true;
    case A64_TBNZ:
        emit_test_bit(t, true);
        return true;
    case A64_BR:
        emit_jump_reg(t);
        return true;
    case A64_BLR:
        emit_call_reg(t);
        return true;
    case A64_RET:
        emit_return(t);
        return true;
    default:
        return false;
    }
}
