/* Emitters: add, subtract, compare, select (Arm DDI 0487, C6.2). */
#include "cpu/handler.h"
#include "cpu/jit/jit_int.h"

/* rd = rn + rm without touching flags; operands may be scratch registers already. */
static void emit_sum(struct jit_tran *t, unsigned w, unsigned rd, unsigned a, unsigned b,
                     unsigned scale)
{
    unsigned dest = jit_dest(rd, RAX);

    x64_rmx(&t->e, OP_LEA, w, dest, a, b, scale, 0);
    jit_put(t, rd, dest);
}

static void emit_add_imm(struct jit_tran *t, unsigned w, int64_t imm)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = jit_dest(i->rd, RAX), base = jit_use(t, w, RAX, i->rn);

    if (imm || !w)
        x64_rm(&t->e, OP_LEA, w, dest, base, (int32_t)imm);
    else
        x64_rr(&t->e, OP_MOV, 1, dest, base);
    jit_put(t, i->rd, dest);
}

/* ADDS, SUBS with an immediate. */
static void emit_flags_imm(struct jit_tran *t, unsigned w, enum x64_group g)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    jit_spoil(t);
    if (i->rd == REG_SINK && g == G_SUB) {
        if (jit_pin[i->rn] != JIT_NONE)
            x64_ri(e, G_CMP, w, jit_pin[i->rn], (int32_t)i->imm);
        else
            x64_mi(e, G_CMP, w, RBP, jit_x_at(i->rn), (int32_t)i->imm);
    } else {
        unsigned dest = i->rd == REG_SINK ? RAX : jit_dest(i->rd, RAX);
        jit_get_for(t, w, dest, i->rn);
        x64_ri(e, g, w, dest, (int32_t)i->imm);
        jit_put(t, i->rd, dest);
    }
    jit_hold(t, g == G_SUB ? JIT_FLAGS_SUB : JIT_FLAGS_ADD);
}

/* rd = rn op host (RCX, or the home of a register), with flags left in EFLAGS by op. */
void jit_op_host(struct jit_tran *t, unsigned op, unsigned w, unsigned host)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = i->rd == REG_SINK ? RAX : jit_dest(i->rd, RAX);

    if (dest == host)
        dest = RAX;
    jit_get_for(t, w, dest, i->rn);
    x64_rr(&t->e, op, w, dest, host);
    jit_put(t, i->rd, dest);
}

void jit_op_reg(struct jit_tran *t, unsigned op, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest;

    if (jit_pin[i->rm] != JIT_NONE) {
        jit_op_host(t, op, w, jit_pin[i->rm]);
        return;
    }
    dest = i->rd == REG_SINK ? RAX : jit_dest(i->rd, RAX);
    jit_get_for(t, w, dest, i->rn);
    jit_op(t, op, w, dest, i->rm);
    jit_put(t, i->rd, dest);
}

/* RCX = rm, shifted. */
void jit_op_shifted(struct jit_tran *t, unsigned w)
{
    static const enum x64_shift shifts[] = { SH_SHL, SH_SHR, SH_SAR, SH_ROR };
    const struct a64_insn *i = jit_insn(t);

    jit_get(t, w, RCX, i->rm);
    if (i->imm)
        x64_shift_i(&t->e, shifts[i->ra & 3], w, RCX, (unsigned)i->imm);
}

/* RCX = rm, extended and shifted. The shift spoils flags. */
static void emit_extended(struct jit_tran *t)
{
    static const uint16_t ops[] = {
        OP_MOVZX8, OP_MOVZX16, OP_MOV, OP_MOV, OP_MOVSX8, OP_MOVSX16, OP_MOVSXD, OP_MOV,
    };
    const struct a64_insn *i = jit_insn(t);
    unsigned option = i->ra & 7;

    jit_op(t, ops[option], option >= 3, RCX, i->rm);
    if (i->imm)
        x64_shift_i(&t->e, SH_SHL, 1, RCX, (unsigned)i->imm);
}

static void emit_compare_reg(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned a;

    jit_spoil(t);
    a = jit_use(t, w, RAX, i->rn);
    jit_op(t, OP_CMP, w, a, i->rm);
    jit_hold(t, JIT_FLAGS_SUB);
}

static void emit_add_reg(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);

    emit_sum(t, w, i->rd, jit_use(t, w, RAX, i->rn), jit_use(t, w, RCX, i->rm), 0);
}

static void emit_add_shift(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);

    if (i->ra == 0 && i->imm <= 3) {
        emit_sum(t, w, i->rd, jit_use(t, w, RAX, i->rn), jit_use(t, w, RCX, i->rm),
                 (unsigned)i->imm);
        return;
    }
    jit_spoil(t);
    jit_op_shifted(t, w);
    emit_sum(t, w, i->rd, jit_use(t, w, RAX, i->rn), RCX, 0);
}

static void emit_add_ext(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);

    if (i->imm)
        jit_spoil(t);
    emit_extended(t);
    emit_sum(t, w, i->rd, jit_use(t, w, RAX, i->rn), RCX, 0);
}

/* ADC, SBC and with flags. x86 subtracts its carry as a borrow, the inverse of A64's. */
static void emit_carry(struct jit_tran *t, unsigned op, unsigned w, bool sets)
{
    const struct a64_insn *i = jit_insn(t);
    bool wanted = t->want[t->n + 1] && !sets;

    if (wanted)
        jit_settle(t);
    jit_carry(t, op == OP_SBB);
    jit_get(t, w, RAX, i->rn);
    jit_op(t, op, w, RAX, i->rm);
    jit_put(t, i->rd, RAX);
    if (sets)
        jit_hold(t, op == OP_SBB ? JIT_FLAGS_SUB : JIT_FLAGS_ADD);
    else
        t->flags = JIT_FLAGS_MEM;
}

/* CSEL and its relatives: rn where the condition holds, else what is made of rm. */
static void emit_select(struct jit_tran *t, unsigned w, bool invert, bool increment)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned cond = i->raw >> 12 & 15;
    struct x64 *e = &t->e;
    enum x64_cc cc;

    if (cond >= 14) {
        jit_get(t, w, RAX, i->rn);
        jit_put(t, i->rd, RAX);
        return;
    }
    cc = jit_cond(t, cond);
    if (i->rn == REG_ZERO && i->rm == REG_ZERO && !invert) {
        if (increment) { /* CSET */
            x64_setcc(e, (enum x64_cc)(cc ^ 1), RAX);
            x64_rr(e, OP_MOVZX8, 0, RAX, RAX);
        } else {
            x64_mov_imm(e, RAX, 0);
        }
        jit_put(t, i->rd, RAX);
        return;
    }
    jit_get(t, w, RAX, i->rm);
    if (invert)
        x64_unary(e, UN_NOT, w, RAX);
    if (increment) /* CSINC; or CSNEG: not and add 1 */
        x64_rm(e, OP_LEA, w, RAX, RAX, 1);
    jit_op(t, OP_CMOV | cc, w, RAX, i->rn);
    jit_put(t, i->rd, RAX);
}

static void emit_ccmp(struct jit_tran *t, unsigned w, bool negative, bool is_imm)
{
    const struct a64_insn *i = jit_insn(t);
    enum jit_flags kind = negative ? JIT_FLAGS_ADD : JIT_FLAGS_SUB;
    uint8_t *otherwise = NULL, *done;
    struct x64 *e = &t->e;

    if (i->ra < 14)
        otherwise = x64_jcc8(e, (enum x64_cc)(jit_cond(t, i->ra) ^ 1));
    if (negative || jit_pin[i->rn] == JIT_NONE) {
        jit_get(t, w, RAX, i->rn);
        if (is_imm)
            x64_ri(e, negative ? G_ADD : G_CMP, w, RAX, (int32_t)i->imm);
        else
            jit_op(t, negative ? OP_ADD : OP_CMP, w, RAX, i->rm);
    } else if (is_imm) {
        x64_ri(e, G_CMP, w, jit_pin[i->rn], (int32_t)i->imm);
    } else {
        jit_op(t, OP_CMP, w, jit_pin[i->rn], i->rm);
    }
    if (otherwise) {
        done = x64_jmp8(e);
        x64_bind8(e, otherwise);
        jit_flags_const(t, i->rd, kind);
        x64_bind8(e, done);
    }
    jit_hold(t, kind);
}

#define BOTH(name)       \
    case A64_##name##_w: \
    case A64_##name##_x

bool jit_arith(struct jit_tran *t, enum a64_op op)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned w = i->raw >> 31;

    switch (op) {
        BOTH(ADD_imm) : emit_add_imm(t, w, i->imm);
        return true;
        BOTH(SUB_imm) : emit_add_imm(t, w, -i->imm);
        return true;
        BOTH(ADDS_imm) : emit_flags_imm(t, w, G_ADD);
        return true;
        BOTH(SUBS_imm) : emit_flags_imm(t, w, G_SUB);
        return true;
        BOTH(ADD_reg) : emit_add_reg(t, w);
        return true;
        BOTH(ADD_shift) : emit_add_shift(t, w);
        return true;
        BOTH(ADD_ext) : emit_add_ext(t, w);
        return true;
        BOTH(SUB_reg) : jit_spoil(t);
        jit_op_reg(t, OP_SUB, w);
        return true;
        BOTH(SUB_shift) : jit_spoil(t);
        jit_op_shifted(t, w);
        jit_op_host(t, OP_SUB, w, RCX);
        return true;
        BOTH(SUB_ext) : jit_spoil(t);
        emit_extended(t);
        jit_op_host(t, OP_SUB, w, RCX);
        return true;
        BOTH(ADDS_reg) : jit_spoil(t);
        jit_op_reg(t, OP_ADD, w);
        jit_hold(t, JIT_FLAGS_ADD);
        return true;
        BOTH(SUBS_reg) : if (i->rd == REG_SINK)
        {
            emit_compare_reg(t, w);
            return true;
        }
        jit_spoil(t);
        jit_op_reg(t, OP_SUB, w);
        jit_hold(t, JIT_FLAGS_SUB);
        return true;
        BOTH(ADDS_shift) : BOTH(SUBS_shift) : jit_spoil(t);
        jit_op_shifted(t, w);
        jit_op_host(t, i->raw & BIT(30) ? OP_SUB : OP_ADD, w, RCX);
        jit_hold(t, i->raw & BIT(30) ? JIT_FLAGS_SUB : JIT_FLAGS_ADD);
        return true;
        BOTH(ADDS_ext) : BOTH(SUBS_ext) : jit_spoil(t);
        emit_extended(t);
        jit_op_host(t, i->raw & BIT(30) ? OP_SUB : OP_ADD, w, RCX);
        jit_hold(t, i->raw & BIT(30) ? JIT_FLAGS_SUB : JIT_FLAGS_ADD);
        return true;
        BOTH(ADC) : emit_carry(t, OP_ADC, w, false);
        return true;
        BOTH(SBC) : emit_carry(t, OP_SBB, w, false);
        return true;
        BOTH(ADCS) : emit_carry(t, OP_ADC, w, true);
        return true;
        BOTH(SBCS) : emit_carry(t, OP_SBB, w, true);
        return true;
        BOTH(CSEL) : emit_select(t, w, false, false);
        return true;
        BOTH(CSINC) : emit_select(t, w, false, true);
        return true;
        BOTH(CSINV) : emit_select(t, w, true, false);
        return true;
        BOTH(CSNEG) : emit_select(t, w, true, true);
        return true;
        BOTH(CCMN_reg) : emit_ccmp(t, w, true, false);
        return true;
        BOTH(CCMP_reg) : emit_ccmp(t, w, false, false);
        return true;
        BOTH(CCMN_imm) : emit_ccmp(t, w, true, true);
        return true;
        BOTH(CCMP_imm) : emit_ccmp(t, w, false, true);
        return true;
    default:
        return jit_logic(t, op);
    }
}
