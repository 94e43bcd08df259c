/* Emitters: exclusives and ordered accesses (Arm DDI 0487, B2.9 and B2.3). */
#include "cpu/jit/jit_atomic.h"

/* The monitor's word is read before the value, as C does: loads stay in order. */
static bool emit_load_exclusive(struct jit_tran *t, unsigned bytes, bool pair)
{
    unsigned all = bytes << pair;
    const struct a64_insn *i = jit_insn(t);
    struct jit_way way = { .count = 0 };
    struct x64 *e = &t->e;

    jit_place(t, &way, all, JIT_READ);
    x64_rm(e, OP_MOV_ST, 1, RCX, RBP, JIT_AT(excl_gpa));
    jit_word(t);
    x64_rm(e, OP_MOV, 1, RAX, RCX, JIT_WORD_AT);
    x64_rm(e, OP_MOV_ST, 1, RAX, RBP, JIT_AT(excl_seen));
    x64_mov_m8(e, RBP, JIT_AT(excl_size), all);
    jit_peek(t, all == 16 ? 8 : all, RAX);
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
    if (jit_alone(t)) {
        x64_rm(e, OP_CMP, 1, RAX, RCX, JIT_WORD_AT);
    } else {
        x64_rm(e, OP_LEA, 1, spare, RAX, EXMON_STORE);
        jit_locked(t, OP_CMPXCHG, 8, spare, RCX, JIT_WORD_AT);
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
        jit_cas16(t, a, i->rd, i->ra);
        return b;
    }
    if (pair)
        jit_join(t, a, b, i->rd, i->ra);
    else
        jit_get(t, 1, a, i->rd);
    x64_rm(e, OP_MOV, 1, RAX, RBP, JIT_AT(excl_val[0]));
    jit_locked(t, OP_CMPXCHG, bytes << pair, a, RDX, 0);
    return RCX;
}

static bool emit_store_exclusive(struct jit_tran *t, unsigned bytes, bool pair)
{
    uint8_t *fail[4], *done;
    struct jit_way way = { .count = 0 };
    struct x64 *e = &t->e;
    struct jit_loan a, b;
    unsigned word;

    jit_place(t, &way, bytes << pair, JIT_WRITE);
    a = jit_borrow(t, 0);
    b = jit_borrow(t, 1);
    x64_head(e, 0x80, 0, 0, 0, RBP); /* cmp byte [excl_size], bytes */
    x64_mem(e, G_CMP, RBP, JIT_AT(excl_size));
    x64_b(e, bytes << pair);
    x64_mov_m8(e, RBP, JIT_AT(excl_size), 0);
    fail[0] = x64_jcc(e, CC_NE);
    x64_rm(e, OP_CMP, 1, RCX, RBP, JIT_AT(excl_gpa));
    fail[1] = x64_jcc(e, CC_NE);
    jit_word(t);
    emit_claim(t, a.host, &fail[2]);
    word = emit_store_claimed(t, bytes, pair, a.host, b.host);
    x64_setcc(e, CC_NE, RAX);
    x64_rr(e, OP_MOVZX8, 0, RAX, RAX);
    jit_count(t, word, EXMON_VERSION - (jit_alone(t) ? 0 : EXMON_STORE)); /* exmon_release() */
    done = x64_jmp8(e);
    for (unsigned n = 0; n < ARRAY_LEN(fail); n++)
        x64_bind(fail[n], e->at);
    x64_mov_imm(e, RAX, 1);
    x64_bind8(e, done);
    jit_give_back(t, a);
    jit_give_back(t, b);
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
    jit_peek(t, bytes, RAX);
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
    x64_rmx(&t->e, jit_sized(OP_XCHG, bytes), bytes == 8, RCX, RDX, RAX, 0, 0);
    jit_end_way(t, &way);
    return true;
}

bool jit_exclusive(struct jit_tran *t, enum a64_op op, unsigned bytes)
{
    switch (op) {
        JIT_SIZES(LDAR) : JIT_SIZES(LDLAR) : JIT_SIZES(LDAPR) : return emit_load_acquire(t, bytes);
        JIT_SIZES(STLR) : JIT_SIZES(STLLR) : return emit_store_release(t, bytes);
        JIT_SIZES(LDXR) : return emit_load_exclusive(t, bytes, false);
        JIT_SIZES(STXR) : return emit_store_exclusive(t, bytes, false);
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
