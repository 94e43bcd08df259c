/* Emitters: add, subtract, logic, compare, select (Arm DDI 0487, C6.2). */
#include "cpu/handler.h"
#include "cpu/jit/jit_int.h"

static bool fits32(int64_t imm)
{
    return imm == (int32_t)imm;
}

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
static void emit_op_host(struct jit_tran *t, unsigned op, unsigned w, unsigned host)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = i->rd == REG_SINK ? RAX : jit_dest(i->rd, RAX);

    if (dest == host)
        dest = RAX;
    jit_get_for(t, w, dest, i->rn);
    x64_rr(&t->e, op, w, dest, host);
    jit_put(t, i->rd, dest);
}

static void emit_op_reg(struct jit_tran *t, unsigned op, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest;

    if (jit_pin[i->rm] != JIT_NONE) {
        emit_op_host(t, op, w, jit_pin[i->rm]);
        return;
    }
    dest = i->rd == REG_SINK ? RAX : jit_dest(i->rd, RAX);
    jit_get_for(t, w, dest, i->rn);
    jit_op(t, op, w, dest, i->rm);
    jit_put(t, i->rd, dest);
}

/* RCX = rm, shifted. */
static void emit_shifted(struct jit_tran *t, unsigned w)
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
    emit_shifted(t, w);
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
    emit_op_host(t, op, w, RCX);
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
        emit_op_host(t, OP_AND, w, RCX);
    }
    jit_hold(t, JIT_FLAGS_ADD);
}

/* Logic on a shifted register; `inverted`: with its complement. */
static void emit_logic_shift(struct jit_tran *t, unsigned op, unsigned w, bool inverted)
{
    jit_spoil(t);
    emit_shifted(t, w);
    if (inverted)
        x64_unary(&t->e, UN_NOT, w, RCX);
    emit_op_host(t, op, w, RCX);
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

bool jit_arith(struct jit_tran *t, enum a64_op op)
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
        emit_op_reg(t, OP_SUB, w);
        return true;
        BOTH(SUB_shift) : jit_spoil(t);
        emit_shifted(t, w);
        emit_op_host(t, OP_SUB, w, RCX);
        return true;
        BOTH(SUB_ext) : jit_spoil(t);
        emit_extended(t);
        emit_op_host(t, OP_SUB, w, RCX);
        return true;
        BOTH(ADDS_reg) : jit_spoil(t);
        emit_op_reg(t, OP_ADD, w);
        jit_hold(t, JIT_FLAGS_ADD);
        return true;
        BOTH(SUBS_reg) : if (i->rd == REG_SINK)
        {
            emit_compare_reg(t, w);
            return true;
        }
        jit_spoil(t);
        emit_op_reg(t, OP_SUB, w);
        jit_hold(t, JIT_FLAGS_SUB);
        return true;
        BOTH(ADDS_shift) : BOTH(SUBS_shift) : jit_spoil(t);
        emit_shifted(t, w);
        emit_op_host(t, i->raw & BIT(30) ? OP_SUB : OP_ADD, w, RCX);
        jit_hold(t, i->raw & BIT(30) ? JIT_FLAGS_SUB : JIT_FLAGS_ADD);
        return true;
        BOTH(ADDS_ext) : BOTH(SUBS_ext) : jit_spoil(t);
        emit_extended(t);
        emit_op_host(t, i->raw & BIT(30) ? OP_SUB : OP_ADD, w, RCX);
        jit_hold(t, i->raw & BIT(30) ? JIT_FLAGS_SUB : JIT_FLAGS_ADD);
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
        emit_op_reg(t, OP_AND, w);
        return true;
        BOTH(ORR_reg) : jit_spoil(t);
        emit_op_reg(t, OP_OR, w);
        return true;
        BOTH(EOR_reg) : jit_spoil(t);
        emit_op_reg(t, OP_XOR, w);
        return true;
        BOTH(ANDS_reg) : jit_spoil(t);
        emit_op_reg(t, OP_AND, w);
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
        return false;
    }
}
