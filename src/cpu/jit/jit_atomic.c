/* Emitters: atomic operations, LSE (Arm DDI 0487, C3.2.13), and what exclusives share with them. */
#include "cpu/jit/jit_atomic.h"

#define LOCK 0xf0

static bool names(const struct a64_insn *i, unsigned r)
{
    return r == i->rd || r == i->rn || r == i->rm || r == i->ra || r == i->rd + 1u ||
           r == i->rm + 1u || r == 19;
}

struct jit_loan jit_borrow(struct jit_tran *t, unsigned n)
{
    struct jit_loan loan = { 0 };

    for (unsigned k = 0; k < JIT_PINNED; k++) {
        if (names(jit_insn(t), jit_pinned[k]) || n--)
            continue;
        loan = (struct jit_loan){ jit_pinned[k], jit_pin[jit_pinned[k]] };
        break;
    }
    assert(loan.host); /* not RAX: there are enough of them */
    x64_rm(&t->e, OP_MOV_ST, 1, loan.host, RBP, jit_x_at(loan.guest));
    return loan;
}

void jit_give_back(struct jit_tran *t, struct jit_loan loan)
{
    x64_rm(&t->e, OP_MOV, 1, loan.host, RBP, jit_x_at(loan.guest));
}

bool jit_alone(const struct jit_tran *t)
{
    return t->jit->soc->vcpus == 1;
}

unsigned jit_sized(unsigned op, unsigned bytes)
{
    return bytes == 1 ? (op & ~1u) | X64_BYTE : bytes == 2 ? op | X64_66 : op;
}

void jit_locked(struct jit_tran *t, unsigned op, unsigned bytes, unsigned reg, unsigned base,
                int32_t disp)
{
    x64_b(&t->e, LOCK);
    x64_rm(&t->e, jit_sized(op, bytes), bytes == 8, reg, base, disp);
}

void jit_peek(struct jit_tran *t, unsigned bytes, unsigned reg)
{
    static const unsigned ops[] = { [1] = OP_MOVZX8, [2] = OP_MOVZX16, [4] = OP_MOV, [8] = OP_MOV };

    x64_rm(&t->e, ops[bytes], bytes == 8, reg, RDX, 0);
}

static void emit_zero_extend(struct jit_tran *t, unsigned bytes)
{
    if (bytes < 4)
        x64_rr(&t->e, bytes == 1 ? OP_MOVZX8 : OP_MOVZX16, 0, RAX, RAX);
}

void jit_place(struct jit_tran *t, struct jit_way *way, unsigned bytes, unsigned write)
{
    jit_settle(t);
    jit_base(t, way, 0);
    jit_aligned(t, way, bytes);
    jit_tlb_place(t, way, write);
}

void jit_word(struct jit_tran *t)
{
    struct x64 *e = &t->e;

    _Static_assert(EXMON_GRANULE == 64 && sizeof(struct exmon_stripe) == 64 && EXMON_STRIPES == 256,
                   "the granule's number is the stripe's offset, both in bits 13:6");
    x64_rr(e, OP_MOV, 0, RAX, RCX);
    x64_shift_i(e, SH_SHR, 0, RAX, 8);
    x64_rr(e, OP_XOR, 0, RCX, RAX);
    x64_ri(e, G_AND, 0, RCX, (EXMON_STRIPES - 1) * EXMON_GRANULE);
    x64_rm(e, OP_ADD, 1, RCX, RBP, JIT_AT(soc));
}

void jit_count(struct jit_tran *t, unsigned word, uint64_t imm)
{
    if (!jit_alone(t))
        x64_b(&t->e, LOCK);
    x64_mi(&t->e, G_ADD, 1, word, JIT_WORD_AT, (int32_t)imm);
}

/* exmon_try_begin(); to the handler when it fails. */
static void emit_begin(struct jit_tran *t, struct jit_way *way)
{
    struct x64 *e = &t->e;
    uint8_t *begun;

    jit_word(t);
    if (jit_alone(t))
        return;
    x64_mov_imm(e, RAX, EXMON_OPERATION);
    jit_locked(t, OP_XADD, 8, RAX, RCX, JIT_WORD_AT);
    x64_test_ri(e, 0, RAX, EXMON_STORE);
    begun = x64_jcc8(e, CC_E);
    x64_b(e, LOCK);
    x64_mi(e, G_SUB, 1, RCX, JIT_WORD_AT, EXMON_OPERATION);
    jit_way(t, way);
    x64_bind8(e, begun);
}

/* exmon_end() */
static void emit_end(struct jit_tran *t, unsigned word)
{
    jit_count(t, word, EXMON_VERSION - (jit_alone(t) ? 0 : EXMON_OPERATION));
}

/* What an operation makes of memory and its operand. */
struct fetch {
    enum { ADD, SWAP, CLEAR, INVERT, SET, PICK } kind;
    enum x64_cc keep; /* PICK: memory keeps its value if this holds of it, compared to rm */
};

/* lock.host = the new value, from the old one in RAX. */
static void emit_new_value(struct jit_tran *t, struct fetch fetch, unsigned bytes, unsigned to)
{
    unsigned w = bytes == 8, rm = jit_insn(t)->rm;
    struct x64 *e = &t->e;

    switch (fetch.kind) {
    case CLEAR:
        jit_get(t, w, to, rm);
        x64_unary(e, UN_NOT, w, to);
        x64_rr(e, OP_AND, w, to, RAX);
        break;
    case INVERT:
    case SET:
        x64_rr(e, OP_MOV, w, to, RAX);
        jit_op(t, fetch.kind == SET ? OP_OR : OP_XOR, w, to, rm);
        break;
    default:
        jit_get(t, w, to, rm);
        x64_rr(e, jit_sized(OP_CMP, bytes), w, RAX, to);
        x64_cmov(e, fetch.keep, w, to, RAX);
        break;
    }
}

/* RAX = the old value at [RDX]. */
static void emit_fetch(struct jit_tran *t, struct fetch fetch, unsigned bytes)
{
    struct x64 *e = &t->e;
    struct jit_loan loan;
    uint8_t *again;

    if (fetch.kind == ADD || fetch.kind == SWAP) {
        jit_get(t, bytes == 8, RAX, jit_insn(t)->rm);
        jit_locked(t, fetch.kind == ADD ? OP_XADD : OP_XCHG, bytes, RAX, RDX, 0);
        emit_zero_extend(t, bytes);
        return;
    }
    loan = jit_borrow(t, 0);
    jit_peek(t, bytes, RAX);
    again = e->at;
    emit_new_value(t, fetch, bytes, loan.host);
    jit_locked(t, OP_CMPXCHG, bytes, loan.host, RDX, 0);
    x64_jcc_to(e, CC_NE, again);
    jit_give_back(t, loan);
}

static bool emit_operation(struct jit_tran *t, struct fetch fetch, unsigned bytes)
{
    struct jit_way way = { .count = 0 };

    jit_place(t, &way, bytes, JIT_WRITE);
    emit_begin(t, &way);
    emit_fetch(t, fetch, bytes);
    emit_end(t, RCX);
    jit_put(t, jit_insn(t)->rd, RAX);
    jit_end_way(t, &way);
    return true;
}

static bool emit_cas(struct jit_tran *t, unsigned bytes)
{
    const struct a64_insn *i = jit_insn(t);
    struct jit_way way = { .count = 0 };
    struct jit_loan loan;

    jit_place(t, &way, bytes, JIT_WRITE);
    emit_begin(t, &way);
    loan = jit_borrow(t, 0);
    jit_get(t, bytes == 8, RAX, i->rm);
    jit_get(t, 1, loan.host, i->rd);
    jit_locked(t, OP_CMPXCHG, bytes, loan.host, RDX, 0);
    emit_zero_extend(t, bytes);
    jit_give_back(t, loan);
    emit_end(t, RCX);
    jit_put(t, i->ra, RAX);
    jit_end_way(t, &way);
    return true;
}

/* The odd half of a pair; of 30 it is the zero register. */
static unsigned odd(unsigned even)
{
    return even == 30 ? REG_ZERO : even + 1;
}

void jit_join(struct jit_tran *t, unsigned to, unsigned spare, unsigned low, unsigned high)
{
    jit_get(t, 0, spare, high);
    x64_shift_i(&t->e, SH_SHL, 1, spare, 32);
    jit_get(t, 0, to, low);
    x64_rr(&t->e, OP_OR, 1, to, spare);
}

static bool emit_casp_w(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    struct jit_way way = { .count = 0 };
    struct jit_loan loan, other;

    jit_place(t, &way, 8, JIT_WRITE);
    emit_begin(t, &way);
    loan = jit_borrow(t, 0);
    other = jit_borrow(t, 1);
    jit_join(t, RAX, other.host, i->rm, odd(i->rm));
    jit_join(t, loan.host, other.host, i->rd, odd(i->rd));
    jit_locked(t, OP_CMPXCHG, 8, loan.host, RDX, 0);
    jit_give_back(t, loan);
    jit_give_back(t, other);
    emit_end(t, RCX);
    x64_rr(&t->e, OP_MOV, 0, RCX, RAX);
    x64_shift_i(&t->e, SH_SHR, 1, RAX, 32);
    jit_put(t, i->rm, RCX);
    jit_put(t, i->rm == 30 ? REG_SINK : odd(i->rm), RAX);
    jit_end_way(t, &way);
    return true;
}

void jit_cas16(struct jit_tran *t, unsigned host, unsigned low, unsigned high)
{
    struct x64 *e = &t->e;

    x64_rm(e, OP_MOV_ST, 1, RBX, RBP, jit_x_at(19));
    jit_get(t, 1, RCX, high);
    jit_get(t, 1, RBX, low);
    x64_b(e, LOCK);
    x64_head(e, 0xc7 | X64_0F, 1, 1, 0, host);
    x64_mem(e, 1, host, 0);
    x64_rm(e, OP_MOV, 1, RBX, RBP, jit_x_at(19));
}

static bool emit_casp_x(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    struct jit_way way = { .count = 0 };
    struct jit_loan host, word;

    _Static_assert(RBX == 3, "jit_pin[19]");
    jit_place(t, &way, 16, JIT_WRITE);
    emit_begin(t, &way);
    host = jit_borrow(t, 0);
    word = jit_borrow(t, 1);
    x64_rr(&t->e, OP_MOV, 1, host.host, RDX);
    x64_rr(&t->e, OP_MOV, 1, word.host, RCX);
    jit_get(t, 1, RAX, i->rm);
    jit_get(t, 1, RDX, odd(i->rm));
    jit_cas16(t, host.host, i->rd, odd(i->rd));
    emit_end(t, word.host);
    jit_give_back(t, host);
    jit_give_back(t, word);
    jit_put(t, i->rm, RAX);
    jit_put(t, i->rm == 30 ? REG_SINK : odd(i->rm), RDX);
    jit_end_way(t, &way);
    return true;
}

static bool pick(struct jit_tran *t, enum x64_cc keep, unsigned bytes)
{
    return emit_operation(t, (struct fetch){ PICK, keep }, bytes);
}

bool jit_atomic(struct jit_tran *t, enum a64_op op)
{
    unsigned bytes = 1u << (jit_insn(t)->raw >> 30);

    switch (op) {
        JIT_SIZES(LDADD) : return emit_operation(t, (struct fetch){ .kind = ADD }, bytes);
        JIT_SIZES(SWP) : return emit_operation(t, (struct fetch){ .kind = SWAP }, bytes);
        JIT_SIZES(LDCLR) : return emit_operation(t, (struct fetch){ .kind = CLEAR }, bytes);
        JIT_SIZES(LDEOR) : return emit_operation(t, (struct fetch){ .kind = INVERT }, bytes);
        JIT_SIZES(LDSET) : return emit_operation(t, (struct fetch){ .kind = SET }, bytes);
        JIT_SIZES(LDSMAX) : return pick(t, CC_G, bytes);
        JIT_SIZES(LDSMIN) : return pick(t, CC_L, bytes);
        JIT_SIZES(LDUMAX) : return pick(t, CC_A, bytes);
        JIT_SIZES(LDUMIN) : return pick(t, CC_B, bytes);
        JIT_SIZES(CAS) : return emit_cas(t, bytes);
    case A64_CASP_w:
        return emit_casp_w(t);
    case A64_CASP_x:
        return emit_casp_x(t);
    default:
        return jit_exclusive(t, op, bytes);
    }
}
