/*
 * Emitters: ordered accesses, atomic operations (LSE) and exclusives (Arm DDI 0487, B2.3, B2.9,
 * C3.2.13).
 *
 * All are the host's locked instructions, or plain moves where x86 orders those as well: a load is
 * an acquire, and a store-release is an exchange, which a later load-acquire does not overtake.
 * Operations and store-exclusives go through the exclusive monitor step by step as exmon.h wants.
 * A look whether any monitor is open on the stripe would not do instead: two operations that looked
 * before it was opened can change memory and change it back before the store-exclusive comes.
 * With one vCPU nobody else counts there, and the steps need no lock.
 *
 * A stripe that is taken is waited for by the handler.
 */
#include "cpu/jit/jit_access.h"

#define LOCK 0xf0

/* [RCX + WORD_AT] is the monitor's word once emit_word() is done. */
#define WORD_AT ((int32_t)offsetof(struct soc, exmon))

/* A pinned guest register that the instruction does not name: its host register is borrowed. */
struct loan {
    unsigned guest, host;
};

static bool names(const struct a64_insn *i, unsigned r)
{
    return r == i->rd || r == i->rn || r == i->rm || r == i->ra || r == i->rd + 1u ||
           r == i->rm + 1u || r == 19;
}

/* n: a different one each. X19 is not among them: CMPXCHG16B needs its host register. */
static struct loan borrow(struct jit_tran *t, unsigned n)
{
    struct loan loan = { 0 };

    for (unsigned k = 0; k < JIT_PINNED; k++) {
        if (names(jit_insn(t), jit_pinned[k]) || n--)
            continue;
        loan = (struct loan){ jit_pinned[k], jit_pin[jit_pinned[k]] };
        break;
    }
    assert(loan.host); /* not RAX: there are enough of them */
    x64_rm(&t->e, OP_MOV_ST, 1, loan.host, RBP, jit_x_at(loan.guest));
    return loan;
}

static void give_back(struct jit_tran *t, struct loan loan)
{
    x64_rm(&t->e, OP_MOV, 1, loan.host, RBP, jit_x_at(loan.guest));
}

static bool alone(const struct jit_tran *t)
{
    return t->jit->soc->vcpus == 1;
}

/* The form of an opcode for operands of that many bytes. */
static unsigned sized(unsigned op, unsigned bytes)
{
    return bytes == 1 ? (op & ~1u) | X64_BYTE : bytes == 2 ? op | X64_66 : op;
}

/* "lock op [base + disp], reg" */
static void emit_locked(struct jit_tran *t, unsigned op, unsigned bytes, unsigned reg,
                        unsigned base, int32_t disp)
{
    x64_b(&t->e, LOCK);
    x64_rm(&t->e, sized(op, bytes), bytes == 8, reg, base, disp);
}

/* reg = the bytes at [RDX], zero-extended. */
static void emit_peek(struct jit_tran *t, unsigned bytes, unsigned reg)
{
    static const unsigned ops[] = { [1] = OP_MOVZX8, [2] = OP_MOVZX16, [4] = OP_MOV, [8] = OP_MOV };

    x64_rm(&t->e, ops[bytes], bytes == 8, reg, RDX, 0);
}

static void emit_zero_extend(struct jit_tran *t, unsigned bytes)
{
    if (bytes < 4)
        x64_rr(&t->e, bytes == 1 ? OP_MOVZX8 : OP_MOVZX16, 0, RAX, RAX);
}

/* RDX = the host's address of the operand, RCX = the guest-physical one. */
static void emit_place(struct jit_tran *t, struct jit_way *way, unsigned bytes, unsigned write)
{
    jit_settle(t);
    jit_base(t, way, 0);
    jit_aligned(t, way, bytes);
    jit_tlb_place(t, way, write);
}

/* RCX: from a guest-physical address to where the monitor's word of it is; uses RAX. */
static void emit_word(struct jit_tran *t)
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

/* "add [word], imm" */
static void emit_count(struct jit_tran *t, unsigned word, uint64_t imm)
{
    if (!alone(t))
        x64_b(&t->e, LOCK);
    x64_mi(&t->e, G_ADD, 1, word, WORD_AT, (int32_t)imm);
}

/* exmon_try_begin(); to the handler when it fails. */
static void emit_begin(struct jit_tran *t, struct jit_way *way)
{
    struct x64 *e = &t->e;
    uint8_t *begun;

    emit_word(t);
    if (alone(t))
        return;
    x64_mov_imm(e, RAX, EXMON_OPERATION);
    emit_locked(t, OP_XADD, 8, RAX, RCX, WORD_AT);
    x64_test_ri(e, 0, RAX, EXMON_STORE);
    begun = x64_jcc8(e, CC_E);
    x64_b(e, LOCK);
    x64_mi(e, G_SUB, 1, RCX, WORD_AT, EXMON_OPERATION);
    jit_way(t, way);
    x64_bind8(e, begun);
}

/* exmon_end() */
static void emit_end(struct jit_tran *t, unsigned word)
{
    emit_count(t, word, EXMON_VERSION - (alone(t) ? 0 : EXMON_OPERATION));
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
        x64_rr(e, sized(OP_CMP, bytes), w, RAX, to);
        x64_cmov(e, fetch.keep, w, to, RAX);
        break;
    }
}

/* RAX = the old value at [RDX]. */
static void emit_fetch(struct jit_tran *t, struct fetch fetch, unsigned bytes)
{
    struct x64 *e = &t->e;
    struct loan loan;
    uint8_t *again;

    if (fetch.kind == ADD || fetch.kind == SWAP) {
        jit_get(t, bytes == 8, RAX, jit_insn(t)->rm);
        emit_locked(t, fetch.kind == ADD ? OP_XADD : OP_XCHG, bytes, RAX, RDX, 0);
        emit_zero_extend(t, bytes);
        return;
    }
    loan = borrow(t, 0);
    emit_peek(t, bytes, RAX);
    again = e->at;
    emit_new_value(t, fetch, bytes, loan.host);
    emit_locked(t, OP_CMPXCHG, bytes, loan.host, RDX, 0);
    x64_jcc_to(e, CC_NE, again);
    give_back(t, loan);
}

static bool emit_operation(struct jit_tran *t, struct fetch fetch, unsigned bytes)
{
    struct jit_way way = { .count = 0 };

    emit_place(t, &way, bytes, JIT_WRITE);
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
    struct loan loan;

    emit_place(t, &way, bytes, JIT_WRITE);
    emit_begin(t, &way);
    loan = borrow(t, 0);
    jit_get(t, bytes == 8, RAX, i->rm);
    jit_get(t, 1, loan.host, i->rd);
    emit_locked(t, OP_CMPXCHG, bytes, loan.host, RDX, 0);
    emit_zero_extend(t, bytes);
    give_back(t, loan);
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

/* Two 32-bit registers as one number; `spare` is lost. */
static void emit_join(struct jit_tran *t, unsigned to, unsigned spare, unsigned low, unsigned high)
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
    struct loan loan, other;

    emit_place(t, &way, 8, JIT_WRITE);
    emit_begin(t, &way);
    loan = borrow(t, 0);
    other = borrow(t, 1);
    emit_join(t, RAX, other.host, i->rm, odd(i->rm));
    emit_join(t, loan.host, other.host, i->rd, odd(i->rd));
    emit_locked(t, OP_CMPXCHG, 8, loan.host, RDX, 0);
    give_back(t, loan);
    give_back(t, other);
    emit_end(t, RCX);
    x64_rr(&t->e, OP_MOV, 0, RCX, RAX);
    x64_shift_i(&t->e, SH_SHR, 1, RAX, 32);
    jit_put(t, i->rm, RCX);
    jit_put(t, i->rm == 30 ? REG_SINK : odd(i->rm), RAX);
    jit_end_way(t, &way);
    return true;
}

/* CMPXCHG16B: the 16 bytes at `host` are compared with RDX:RAX, and become RCX:RBX, where X19
 * lives. */
static void emit_cas16(struct jit_tran *t, unsigned host, unsigned low, unsigned high)
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
    struct loan host, word;

    _Static_assert(RBX == 3, "jit_pin[19]");
    emit_place(t, &way, 16, JIT_WRITE);
    emit_begin(t, &way);
    host = borrow(t, 0);
    word = borrow(t, 1);
    x64_rr(&t->e, OP_MOV, 1, host.host, RDX);
    x64_rr(&t->e, OP_MOV, 1, word.host, RCX);
    jit_get(t, 1, RAX, i->rm);
    jit_get(t, 1, RDX, odd(i->rm));
    emit_cas16(t, host.host, i->rd, odd(i->rd));
    emit_end(t, word.host);
    give_back(t, host);
    give_back(t, word);
    jit_put(t, i->rm, RAX);
    jit_put(t, i->rm == 30 ? REG_SINK : odd(i->rm), RDX);
    jit_end_way(t, &way);
    return true;
}

/* The monitor's word is read before the value, as C does: loads stay in order. */
static bool emit_load_exclusive(struct jit_tran *t, unsigned bytes, bool pair)
{
    unsigned all = bytes << pair;
    const struct a64_insn *i = jit_insn(t);
    struct jit_way way = { .count = 0 };
    struct x64 *e = &t->e;

    emit_place(t, &way, all, JIT_READ);
    x64_rm(e, OP_MOV_ST, 1, RCX, RBP, JIT_AT(excl_gpa));
    emit_word(t);
    x64_rm(e, OP_MOV, 1, RAX, RCX, WORD_AT);
    x64_rm(e, OP_MOV_ST, 1, RAX, RBP, JIT_AT(excl_seen));
    x64_mov_m8(e, RBP, JIT_AT(excl_size), all);
    emit_peek(t, all == 16 ? 8 : all, RAX);
    x64_rm(e, OP_MOV_ST, 1, RAX, RBP, JIT_AT(excl_val[0]));
    if (all == 16) {
        x64_rm(e, OP_MOV, 1, RCX, RDX, 8);
        x64_rm(e, OP_MOV_ST, 1, RCX, RBP, JIT_AT(excl_val[1]));
    } else if (pair) {
        x64_rr(e, OP_MOV, 1, RCX, RAX);
        x64_shift_i(e, SH_SHR, 1, RCX, 32);
        x64_rr(e, OP_MOV, 0, RAX, RAX);
    }
    jit_put(t, i->rd, RAX);
    if (pair)
        jit_put(t, i->ra, RCX);
    jit_end_way(t, &way);
    return true;
}

/* exmon_claim() of the word at RCX. Uses RAX and `spare`. Returns jumps that are taken when it
 * fails. */
static void emit_claim(struct jit_tran *t, unsigned spare, uint8_t *ret_fail[2])
{
    struct x64 *e = &t->e;

    x64_rm(e, OP_MOV, 1, RAX, RBP, JIT_AT(excl_seen));
    x64_test_ri(e, 0, RAX, EXMON_VERSION - 1);
    ret_fail[0] = x64_jcc(e, CC_NE);
    if (alone(t)) {
        x64_rm(e, OP_CMP, 1, RAX, RCX, WORD_AT);
    } else {
        x64_rm(e, OP_LEA, 1, spare, RAX, EXMON_STORE);
        emit_locked(t, OP_CMPXCHG, 8, spare, RCX, WORD_AT);
    }
    ret_fail[1] = x64_jcc(e, CC_NE);
}

/* The compare-and-swap of a store-exclusive at [RDX], the monitor claimed. Borrows a and b; moves
 * the monitor's word from RCX to b if it needs RCX. Returns the register of the word. EFLAGS tell.
 */
static unsigned emit_store_claimed(struct jit_tran *t, unsigned bytes, bool pair, unsigned a,
                                   unsigned b)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    if (pair && bytes == 8) {
        x64_rr(e, OP_MOV, 1, a, RDX);
        x64_rr(e, OP_MOV, 1, b, RCX);
        x64_rm(e, OP_MOV, 1, RAX, RBP, JIT_AT(excl_val[0]));
        x64_rm(e, OP_MOV, 1, RDX, RBP, JIT_AT(excl_val[1]));
        emit_cas16(t, a, i->rd, i->ra);
        return b;
    }
    if (pair)
        emit_join(t, a, b, i->rd, i->ra);
    else
        jit_get(t, 1, a, i->rd);
    x64_rm(e, OP_MOV, 1, RAX, RBP, JIT_AT(excl_val[0]));
    emit_locked(t, OP_CMPXCHG, bytes << pair, a, RDX, 0);
    return RCX;
}

static bool emit_store_exclusive(struct jit_tran *t, unsigned bytes, bool pair)
{
    uint8_t *fail[4], *done;
    struct jit_way way = { .count = 0 };
    struct x64 *e = &t->e;
    struct loan a, b;
    unsigned word;

    emit_place(t, &way, bytes << pair, JIT_WRITE);
    a = borrow(t, 0);
    b = borrow(t, 1);
    x64_head(e, 0x80, 0, 0, 0, RBP); /* cmp byte [excl_size], bytes */
    x64_mem(e, G_CMP, RBP, JIT_AT(excl_size));
    x64_b(e, bytes << pair);
    x64_mov_m8(e, RBP, JIT_AT(excl_size), 0);
    fail[0] = x64_jcc(e, CC_NE);
    x64_rm(e, OP_CMP, 1, RCX, RBP, JIT_AT(excl_gpa));
    fail[1] = x64_jcc(e, CC_NE);
    emit_word(t);
    emit_claim(t, a.host, &fail[2]);
    word = emit_store_claimed(t, bytes, pair, a.host, b.host);
    x64_setcc(e, CC_NE, RAX);
    x64_rr(e, OP_MOVZX8, 0, RAX, RAX);
    emit_count(t, word, EXMON_VERSION - (alone(t) ? 0 : EXMON_STORE)); /* exmon_release() */
    done = x64_jmp8(e);
    for (unsigned n = 0; n < ARRAY_LEN(fail); n++)
        x64_bind(fail[n], e->at);
    x64_mov_imm(e, RAX, 1);
    x64_bind8(e, done);
    give_back(t, a);
    give_back(t, b);
    jit_put(t, jit_insn(t)->rm, RAX);
    jit_end_way(t, &way);
    return true;
}

static bool emit_load_acquire(struct jit_tran *t, unsigned bytes)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_base(t, &way, 0);
    jit_aligned(t, &way, bytes);
    jit_tlb(t, &way, bytes, JIT_READ, false);
    x64_rr(&t->e, OP_ADD, 1, RDX, RAX);
    emit_peek(t, bytes, RAX);
    jit_put(t, jit_insn(t)->rd, RAX);
    jit_end_way(t, &way);
    return true;
}

static bool emit_store_release(struct jit_tran *t, unsigned bytes)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_base(t, &way, 0);
    jit_aligned(t, &way, bytes);
    jit_tlb(t, &way, bytes, JIT_WRITE, false);
    jit_get(t, 1, RCX, jit_insn(t)->rd);
    x64_rmx(&t->e, sized(OP_XCHG, bytes), bytes == 8, RCX, RDX, RAX, 0, 0);
    jit_end_way(t, &way);
    return true;
}

#define SIZES(name)      \
    case A64_##name##B:  \
    case A64_##name##H:  \
    case A64_##name##_w: \
    case A64_##name##_x

static bool ordered(struct jit_tran *t, enum a64_op op, unsigned bytes)
{
    switch (op) {
        SIZES(LDAR) : SIZES(LDLAR) : SIZES(LDAPR) : return emit_load_acquire(t, bytes);
        SIZES(STLR) : SIZES(STLLR) : return emit_store_release(t, bytes);
        SIZES(LDXR) : return emit_load_exclusive(t, bytes, false);
        SIZES(STXR) : return emit_store_exclusive(t, bytes, false);
    case A64_LDXP_w:
    case A64_LDXP_x:
        return emit_load_exclusive(t, bytes, true);
    case A64_STXP_w:
    case A64_STXP_x:
        return emit_store_exclusive(t, bytes, true);
    default:
        return false;
    }
}

static bool pick(struct jit_tran *t, enum x64_cc keep, unsigned bytes)
{
    return emit_operation(t, (struct fetch){ PICK, keep }, bytes);
}

bool jit_atomic(struct jit_tran *t, enum a64_op op)
{
    unsigned bytes = 1u << (jit_insn(t)->raw >> 30);

    switch (op) {
        SIZES(LDADD) : return emit_operation(t, (struct fetch){ .kind = ADD }, bytes);
        SIZES(SWP) : return emit_operation(t, (struct fetch){ .kind = SWAP }, bytes);
        SIZES(LDCLR) : return emit_operation(t, (struct fetch){ .kind = CLEAR }, bytes);
        SIZES(LDEOR) : return emit_operation(t, (struct fetch){ .kind = INVERT }, bytes);
        SIZES(LDSET) : return emit_operation(t, (struct fetch){ .kind = SET }, bytes);
        SIZES(LDSMAX) : return pick(t, CC_G, bytes);
        SIZES(LDSMIN) : return pick(t, CC_L, bytes);
        SIZES(LDUMAX) : return pick(t, CC_A, bytes);
        SIZES(LDUMIN) : return pick(t, CC_B, bytes);
        SIZES(CAS) : return emit_cas(t, bytes);
    case A64_CASP_w:
        return emit_casp_w(t);
    case A64_CASP_x:
        return emit_casp_x(t);
    default:
        return ordered(t, op, bytes);
    }
}
