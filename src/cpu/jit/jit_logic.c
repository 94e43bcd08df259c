/* Emitters: logic, moves and addresses (Arm DDI 0487, C6.2). */
#include "cpu/handler.h"
#include "cpu/jit/jit_int.h"

static bool fits32(int64_t imm)
{
    return imm == (int32_t)imm;
}

/* rd = rn op constant; flags as op leaves them. */
static void emit_logic_imm(struct jit_tran *t, unsigned op, enum x64_group g, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    uint64_t imm = (uint64_t)i->imm;
    unsigned dest;

    if (w && op == OP_AND && imm == (uint32_t)imm && i->rd != REG_SINK)
        w = 0; /* the upper half is cleared either way; not for ANDS, whose N is bit 63: below */
    if (!w || fits32(i->imm)) {
        dest = i->rd == REG_SINK ? RAX : jit_dest(i->rd, RAX);
        jit_get_for(t, w, dest, i->rn);
        x64_ri(&t->e, g, w, dest, (int32_t)imm);
        jit_put(t, i->rd, dest);
        return;
    }
    x64_mov_imm(&t->e, RCX, imm);
    jit_op_host(t, op, w, RCX);
}

static void emit_ands_imm(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = i->rd == REG_SINK ? RAX : jit_dest(i->rd, RAX);

    jit_spoil(t);
    if (!w || fits32(i->imm)) {
        jit_get_for(t, w, dest, i->rn);
        x64_ri(&t->e, G_AND, w, dest, (int32_t)i->imm);
        jit_put(t, i->rd, dest);
    } else {
        x64_mov_imm(&t->e, RCX, (uint64_t)i->imm);
        jit_op_host(t, OP_AND, w, RCX);
    }
    jit_hold(t, JIT_FLAGS_ADD);
}

/* Logic on a shifted register; `inverted`: with its complement. */
static void emit_logic_shift(struct jit_tran *t, unsigned op, unsigned w, bool inverted)
{
    jit_spoil(t);
    jit_op_shifted(t, w);
    if (inverted)
        x64_unary(&t->e, UN_NOT, w, RCX);
    jit_op_host(t, op, w, RCX);
}

static void emit_mov_reg(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = jit_dest(i->rd, RAX);

    if (jit_pin[i->rm] != JIT_NONE && jit_pin[i->rd] == JIT_NONE && w) {
        jit_put(t, i->rd, jit_pin[i->rm]);
        return;
    }
    jit_get(t, w, dest, i->rm);
    jit_put(t, i->rd, dest);
}

/* The constant of MOVZ or MOVN with the MOVKs that follow. */
static void emit_mov_const(struct jit_tran *t, unsigned movk)
{
    uint64_t val = (uint64_t)jit_insn(t)->imm;
    unsigned rd = jit_insn(t)->rd, dest = jit_dest(rd, RAX);

    while (t->n + 1 < t->count && t->op[t->n + 1] == movk && t->insn[t->n + 1].rd == rd) {
        const struct a64_insn *k = &t->insn[++t->n];
        val = (val & ~(UINT64_C(0xffff) << k->ra)) | (uint64_t)k->imm;
    }
    if (jit_pin[rd] == JIT_NONE && fits32((int64_t)val)) {
        if (rd != REG_SINK)
            x64_mov_mi(&t->e, 1, RBP, jit_x_at(rd), (int32_t)val);
        return;
    }
    x64_mov_imm(&t->e, dest, val);
    jit_put(t, rd, dest);
}

static void emit_movk(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    jit_spoil(t);
    jit_get(t, w, RAX, i->rd);
    x64_mov_imm(e, RCX, ~(UINT64_C(0xffff) << i->ra));
    x64_rr(e, OP_AND, w, RAX, RCX);
    x64_mov_imm(e, RCX, (uint64_t)i->imm);
    x64_rr(e, OP_OR, w, RAX, RCX);
    jit_put(t, i->rd, RAX);
}

static void emit_adr(struct jit_tran *t, int64_t offset)
{
    unsigned rd = jit_insn(t)->rd, dest = jit_dest(rd, RAX);
    struct x64 *e = &t->e;

    x64_rm(e, OP_MOV, 1, dest, RBP, JIT_AT(jit_va));
    if (fits32(offset)) {
        if (offset)
            x64_rm(e, OP_LEA, 1, dest, dest, (int32_t)offset);
    } else {
        x64_mov_imm(e, RCX, (uint64_t)offset);
        x64_rmx(e, OP_LEA, 1, dest, dest, RCX, 0, 0);
    }
    jit_put(t, rd, dest);
}

#define BOTH(name)       \
    case A64_##name##_w: \
    case A64_##name##_x

bool jit_logic(struct jit_tran *t, enum a64_op op)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned w = i->raw >> 31;

    switch (op) {
    case A64_ADR:
        emit_adr(t, 4 * (int64_t)(t->first + t->n) + i->imm);
        return true;
    case A64_ADRP:
        emit_adr(t, i->imm);
        return true;
        BOTH(AND_imm) : jit_spoil(t);
        emit_logic_imm(t, OP_AND, G_AND, w);
        return true;
        BOTH(ORR_imm) : jit_spoil(t);
        emit_logic_imm(t, OP_OR, G_OR, w);
        return true;
        BOTH(EOR_imm) : jit_spoil(t);
        emit_logic_imm(t, OP_XOR, G_XOR, w);
        return true;
        BOTH(ANDS_imm) : emit_ands_imm(t, w);
        return true;
        BOTH(AND_reg) : jit_spoil(t);
        jit_op_reg(t, OP_AND, w);
        return true;
        BOTH(ORR_reg) : jit_spoil(t);
        jit_op_reg(t, OP_OR, w);
        return true;
        BOTH(EOR_reg) : jit_spoil(t);
        jit_op_reg(t, OP_XOR, w);
        return true;
        BOTH(ANDS_reg) : jit_spoil(t);
        jit_op_reg(t, OP_AND, w);
        jit_hold(t, JIT_FLAGS_ADD);
        return true;
        BOTH(AND_shift) : emit_logic_shift(t, OP_AND, w, false);
        return true;
        BOTH(ORR_shift) : emit_logic_shift(t, OP_OR, w, false);
        return true;
        BOTH(EOR_shift) : emit_logic_shift(t, OP_XOR, w, false);
        return true;
        BOTH(BIC_reg) : BOTH(BIC_shift) : emit_logic_shift(t, OP_AND, w, true);
        return true;
        BOTH(ORN_shift) : emit_logic_shift(t, OP_OR, w, true);
        return true;
        BOTH(EON_shift) : emit_logic_shift(t, OP_XOR, w, true);
        return true;
        BOTH(ANDS_shift) : emit_logic_shift(t, OP_AND, w, false);
        jit_hold(t, JIT_FLAGS_ADD);
        return true;
        BOTH(BICS_shift) : emit_logic_shift(t, OP_AND, w, true);
        jit_hold(t, JIT_FLAGS_ADD);
        return true;
        BOTH(MOV_reg) : emit_mov_reg(t, w);
        return true;
        BOTH(MOVN) : BOTH(MOVZ) : emit_mov_const(t, w ? A64_MOVK_x : A64_MOVK_w);
        return true;
        BOTH(MOVK) : emit_movk(t, w);
        return true;
    default:
        return false;
    }
}
