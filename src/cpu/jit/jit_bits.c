/* Emitters: bit fields, shifts by a register, multiply, divide, bit counting (Arm DDI 0487, C6.2).
 */
#include "cpu/jit/jit_int.h"

static void emit_ubfm(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned r = i->raw >> 16 & 63, s = i->raw >> 10 & 63, width = w ? 64 : 32;
    unsigned dest = jit_dest(i->rd, RAX);
    struct x64 *e = &t->e;

    if (r == 0 && (s == 7 || s == 15)) { /* UXTB, UXTH */
        jit_op(t, s == 7 ? OP_MOVZX8 : OP_MOVZX16, 0, dest, i->rn);
        jit_put(t, i->rd, dest);
        return;
    }
    jit_spoil(t);
    if (s >= r && s != width - 1 && s - r < 32) { /* UBFX */
        jit_get(t, w, dest, i->rn);
        if (r)
            x64_shift_i(e, SH_SHR, w, dest, r);
        if (s - r == 31)
            x64_rr(e, OP_MOV, 0, dest, dest);
        else
            x64_ri(e, G_AND, 0, dest, (int32_t)low_mask(s - r + 1));
    } else if (s >= r) { /* LSR, and a wide UBFX */
        jit_get(t, w, dest, i->rn);
        if (s != width - 1)
            x64_shift_i(e, SH_SHL, w, dest, width - 1 - s);
        x64_shift_i(e, SH_SHR, w, dest, width - 1 - s + r);
    } else { /* LSL, UBFIZ */
        jit_get(t, w, dest, i->rn);
        x64_shift_i(e, SH_SHL, w, dest, width - 1 - s);
        if (r - s - 1)
            x64_shift_i(e, SH_SHR, w, dest, r - s - 1);
    }
    jit_put(t, i->rd, dest);
}

static void emit_sbfm(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = jit_dest(i->rd, RAX);
    struct x64 *e = &t->e;

    if (i->ra == i->rm &&
        (i->ra == (w ? 56 : 24) || i->ra == (w ? 48 : 16) || (w && i->ra == 32))) {
        unsigned left = (w ? 64u : 32u) - i->ra; /* SXTB, SXTH, SXTW */
        jit_op(t, left == 8 ? OP_MOVSX8 : left == 16 ? OP_MOVSX16 : OP_MOVSXD, w, dest, i->rn);
        jit_put(t, i->rd, dest);
        return;
    }
    jit_spoil(t);
    jit_get(t, w, dest, i->rn);
    if (i->ra)
        x64_shift_i(e, SH_SHL, w, dest, i->ra);
    if (i->rm)
        x64_shift_i(e, SH_SAR, w, dest, i->rm);
    jit_put(t, i->rd, dest);
}

static void emit_and_const(struct jit_tran *t, unsigned w, unsigned host, uint64_t mask)
{
    if (!w || (int64_t)mask == (int32_t)mask) {
        x64_ri(&t->e, G_AND, w, host, (int32_t)mask);
        return;
    }
    x64_mov_imm(&t->e, RDX, mask);
    x64_rr(&t->e, OP_AND, 1, host, RDX);
}

static void emit_bfm(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    uint64_t mask = (uint64_t)i->imm;
    struct x64 *e = &t->e;

    jit_spoil(t);
    jit_get(t, w, RAX, i->rn);
    if (i->ra)
        x64_shift_i(e, SH_ROR, w, RAX, i->ra);
    emit_and_const(t, w, RAX, mask);
    jit_get(t, w, RCX, i->rd);
    emit_and_const(t, w, RCX, ~mask);
    x64_rr(e, OP_OR, w, RAX, RCX);
    jit_put(t, i->rd, RAX);
}

static void emit_extr(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    jit_spoil(t);
    jit_get(t, w, RAX, i->rm);
    if (i->imm && i->rn == i->rm) {
        x64_shift_i(e, SH_ROR, w, RAX, (unsigned)i->imm);
    } else if (i->imm) {
        unsigned high = jit_use(t, w, RCX, i->rn);
        x64_rr(e, 0xac | X64_0F, w, high, RAX); /* shrd rax, high, imm8 */
        x64_b(e, (unsigned)i->imm);
    } else if (!w) {
        x64_rr(e, OP_MOV, 0, RAX, RAX);
    }
    jit_put(t, i->rd, RAX);
}

static void emit_shift_reg(struct jit_tran *t, enum x64_shift sh, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest;

    jit_spoil(t);
    jit_get(t, 0, RCX, i->rm);
    dest = jit_dest(i->rd, RAX);
    jit_get(t, w, dest, i->rn);
    x64_shift_cl(&t->e, sh, w, dest);
    jit_put(t, i->rd, dest);
}

/* rd = ra + rn * rm, or ra - rn * rm; the factors may be halves. */
static void emit_madd(struct jit_tran *t, unsigned w, unsigned widen, bool subtract)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    jit_spoil(t);
    if (widen) {
        jit_op(t, widen, widen == OP_MOVSXD, RAX, i->rn);
        jit_op(t, widen, widen == OP_MOVSXD, RCX, i->rm);
        x64_rr(e, OP_IMUL, 1, RAX, RCX);
    } else {
        jit_get(t, w, RAX, i->rn);
        jit_op(t, OP_IMUL, w, RAX, i->rm);
    }
    if (subtract && i->ra == REG_ZERO) {
        x64_unary(e, UN_NEG, w, RAX);
    } else if (subtract) {
        jit_get(t, w, RCX, i->ra);
        x64_rr(e, OP_SUB, w, RCX, RAX);
        jit_put(t, i->rd, RCX);
        return;
    } else if (i->ra != REG_ZERO) {
        jit_op(t, OP_ADD, w, RAX, i->ra);
    }
    jit_put(t, i->rd, RAX);
}

static void emit_mulh(struct jit_tran *t, enum x64_unary un)
{
    const struct a64_insn *i = jit_insn(t);

    jit_spoil(t);
    jit_get(t, 1, RAX, i->rn);
    jit_get(t, 1, RCX, i->rm);
    x64_unary(&t->e, un, 1, RCX);
    jit_put(t, i->rd, RDX);
}

static void emit_udiv(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;
    uint8_t *zero;

    jit_spoil(t);
    jit_get(t, w, RCX, i->rm);
    x64_mov_imm(e, RAX, 0);
    x64_rr(e, OP_TEST, w, RCX, RCX);
    zero = x64_jcc8(e, CC_E);
    jit_get(t, w, RAX, i->rn);
    x64_rr(e, OP_XOR, 0, RDX, RDX);
    x64_unary(e, UN_DIV, w, RCX);
    x64_bind8(e, zero);
    jit_put(t, i->rd, RAX);
}

/* A divisor of 0 or -1 would trap: there the quotient is rn times the divisor. */
static void emit_sdiv(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;
    uint8_t *plain, *done;

    jit_spoil(t);
    jit_get(t, w, RCX, i->rm);
    jit_get(t, w, RAX, i->rn);
    x64_rm(e, OP_LEA, w, RDX, RCX, 1);
    x64_ri(e, G_CMP, w, RDX, 1);
    plain = x64_jcc8(e, CC_A);
    x64_rr(e, OP_IMUL, w, RAX, RCX);
    done = x64_jmp8(e);
    x64_bind8(e, plain);
    if (w)
        x64_b(e, 0x48);
    x64_b(e, 0x99); /* cdq, cqo */
    x64_unary(e, UN_IDIV, w, RCX);
    x64_bind8(e, done);
    jit_put(t, i->rd, RAX);
}

/* BSR leaves its target alone for 0: the number that makes the count the width. */
static void emit_clz(struct jit_tran *t, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned width = w ? 64 : 32;
    struct x64 *e = &t->e;

    jit_spoil(t);
    x64_mov_imm(e, RCX, 2 * width - 1);
    jit_op(t, OP_BSR, w, RAX, i->rn);
    x64_cmov(e, CC_E, 0, RAX, RCX);
    x64_ri(e, G_XOR, 0, RAX, (int32_t)width - 1);
    jit_put(t, i->rd, RAX);
}

static void emit_rev(struct jit_tran *t, unsigned w, unsigned rotate)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = jit_dest(i->rd, RAX);

    if (rotate)
        jit_spoil(t);
    jit_get(t, w, dest, i->rn);
    x64_bswap(&t->e, w, dest);
    if (rotate)
        x64_shift_i(&t->e, SH_ROR, w, dest, rotate);
    jit_put(t, i->rd, dest);
}

/* Swap neighbours of `bits` bits in RAX; mask has the lower one of each two. Uses RCX and RDX. */
static void emit_swap(struct jit_tran *t, unsigned w, unsigned bits, uint64_t mask)
{
    struct x64 *e = &t->e;

    x64_rr(e, OP_MOV, w, RCX, RAX);
    x64_shift_i(e, SH_SHR, w, RCX, bits);
    x64_mov_imm(e, RDX, w ? mask : (uint32_t)mask);
    x64_rr(e, OP_AND, w, RCX, RDX);
    x64_rr(e, OP_AND, w, RAX, RDX);
    x64_shift_i(e, SH_SHL, w, RAX, bits);
    x64_rr(e, OP_OR, w, RAX, RCX);
}

static void emit_rbit(struct jit_tran *t, unsigned w)
{
    jit_spoil(t);
    jit_get(t, w, RAX, jit_insn(t)->rn);
    emit_swap(t, w, 1, UINT64_C(0x5555555555555555));
    emit_swap(t, w, 2, UINT64_C(0x3333333333333333));
    emit_swap(t, w, 4, UINT64_C(0x0f0f0f0f0f0f0f0f));
    x64_bswap(&t->e, w, RAX);
    jit_put(t, jit_insn(t)->rd, RAX);
}

static void emit_rev16_x(struct jit_tran *t)
{
    jit_spoil(t);
    jit_get(t, 1, RAX, jit_insn(t)->rn);
    emit_swap(t, 1, 8, UINT64_C(0x00ff00ff00ff00ff));
    jit_put(t, jit_insn(t)->rd, RAX);
}

/* Where neighbours differ there is a one; the lowest one ends the search. */
static void emit_cls(struct jit_tran *t, unsigned w)
{
    struct x64 *e = &t->e;

    jit_spoil(t);
    jit_get(t, w, RAX, jit_insn(t)->rn);
    x64_rmx(e, OP_LEA, w, RCX, RAX, RAX, 0, 0);
    x64_rr(e, OP_XOR, w, RAX, RCX);
    x64_ri(e, G_OR, w, RAX, 1);
    x64_rr(e, OP_BSR, w, RAX, RAX);
    x64_ri(e, G_XOR, 0, RAX, w ? 63 : 31);
    jit_put(t, jit_insn(t)->rd, RAX);
}

/* c->nzcv: the bits of `keep` as they are, the others from RAX. */
static void emit_merge_flags(struct jit_tran *t, uint32_t keep)
{
    x64_mi(&t->e, G_AND, 0, RBP, JIT_AT(nzcv), (int32_t)keep);
    x64_rm(&t->e, 0x09, 0, RAX, RBP, JIT_AT(nzcv)); /* or [nzcv], eax */
}

static void emit_rmif(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    uint32_t mask = (uint32_t)i->ra << 28;

    jit_settle(t);
    jit_get(t, 1, RAX, i->rn);
    if (i->imm)
        x64_shift_i(&t->e, SH_ROR, 1, RAX, (unsigned)i->imm);
    x64_shift_i(&t->e, SH_SHL, 0, RAX, 28);
    x64_ri(&t->e, G_AND, 0, RAX, (int32_t)mask);
    emit_merge_flags(t, ~mask);
}

static void emit_setf(struct jit_tran *t, unsigned bits)
{
    struct x64 *e = &t->e;

    jit_settle(t);
    jit_get(t, 0, RAX, jit_insn(t)->rn);
    x64_rr(e, OP_MOV, 0, RDX, RAX);
    x64_shift_i(e, SH_SHR, 0, RDX, 1);
    x64_rr(e, OP_XOR, 0, RDX, RAX);
    x64_shift_i(e, SH_SHL, 0, RDX, 29 - bits); /* bit `bits` - 1 is V */
    x64_ri(e, G_AND, 0, RDX, (int32_t)NZCV_V);
    x64_shift_i(e, SH_SHL, 0, RAX, 32 - bits);
    x64_setcc(e, CC_E, RCX);
    x64_rr(e, OP_MOVZX8, 0, RCX, RCX);
    x64_shift_i(e, SH_SHL, 0, RCX, 30);
    x64_ri(e, G_AND, 0, RAX, (int32_t)NZCV_N);
    x64_rr(e, OP_OR, 0, RAX, RCX);
    x64_rr(e, OP_OR, 0, RAX, RDX);
    emit_merge_flags(t, (uint32_t)NZCV_C);
}

#define BOTH(name)       \
    case A64_##name##_w: \
    case A64_##name##_x

bool jit_bits(struct jit_tran *t, enum a64_op op)
{
    unsigned w = jit_insn(t)->raw >> 31;

    switch (op) {
        BOTH(UBFM) : emit_ubfm(t, w);
        return true;
        BOTH(SBFM) : emit_sbfm(t, w);
        return true;
        BOTH(BFM) : emit_bfm(t, w);
        return true;
        BOTH(EXTR) : emit_extr(t, w);
        return true;
        BOTH(LSLV) : emit_shift_reg(t, SH_SHL, w);
        return true;
        BOTH(LSRV) : emit_shift_reg(t, SH_SHR, w);
        return true;
        BOTH(ASRV) : emit_shift_reg(t, SH_SAR, w);
        return true;
        BOTH(RORV) : emit_shift_reg(t, SH_ROR, w);
        return true;
        BOTH(MADD) : emit_madd(t, w, 0, false);
        return true;
        BOTH(MSUB) : emit_madd(t, w, 0, true);
        return true;
    case A64_SMADDL:
        emit_madd(t, 1, OP_MOVSXD, false);
        return true;
    case A64_SMSUBL:
        emit_madd(t, 1, OP_MOVSXD, true);
        return true;
    case A64_UMADDL:
        emit_madd(t, 1, OP_MOV, false);
        return true;
    case A64_UMSUBL:
        emit_madd(t, 1, OP_MOV, true);
        return true;
    case A64_UMULH:
        emit_mulh(t, UN_MUL);
        return true;
    case A64_SMULH:
        emit_mulh(t, UN_IMUL);
        return true;
        BOTH(UDIV) : emit_udiv(t, w);
        return true;
        BOTH(SDIV) : emit_sdiv(t, w);
        return true;
        BOTH(CLZ) : emit_clz(t, w);
        return true;
        BOTH(CLS) : emit_cls(t, w);
        return true;
        BOTH(RBIT) : emit_rbit(t, w);
        return true;
    case A64_REV16_x:
        emit_rev16_x(t);
        return true;
    case A64_RMIF:
        emit_rmif(t);
        return true;
    case A64_SETF8:
        emit_setf(t, 8);
        return true;
    case A64_SETF16:
        emit_setf(t, 16);
        return true;
    case A64_REV_w:
        emit_rev(t, 0, 0);
        return true;
    case A64_REV_x:
        emit_rev(t, 1, 0);
        return true;
    case A64_REV16_w:
        emit_rev(t, 0, 16);
        return true;
    case A64_REV32_x:
        emit_rev(t, 1, 32);
        return true;
    default:
        return false;
    }
}
