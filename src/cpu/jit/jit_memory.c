/* Emitters: loads and stores of general registers (Arm DDI 0487, C6.2). */
#include "cpu/jit/jit_access.h"

/* The rows of an instruction with all its ways to address; `unscaled` is its LDUR or STUR. */
#define ROW(op_, w_, bytes_, ...)                        \
    {                                                    \
        .op = op_, .w = w_, .bytes = bytes_, __VA_ARGS__ \
    }
#define SINGLE(name, unscaled, ...)                                             \
    [A64_##name##_imm] = ROW(__VA_ARGS__), [A64_##unscaled] = ROW(__VA_ARGS__), \
    [A64_##name##_post] = ROW(__VA_ARGS__, .mode = JIT_POST),                   \
    [A64_##name##_pre] = ROW(__VA_ARGS__, .mode = JIT_PRE),                     \
    [A64_##name##_reg] = ROW(__VA_ARGS__, .mode = JIT_INDEXED)
#define PAIR(name, ...)                                                     \
    [A64_##name] = ROW(__VA_ARGS__, .pair = true),                          \
    [A64_##name##_post] = ROW(__VA_ARGS__, .pair = true, .mode = JIT_POST), \
    [A64_##name##_pre] = ROW(__VA_ARGS__, .pair = true, .mode = JIT_PRE)

/* The handler's name tells what an encoding does, whatever row it came from. */
static const struct jit_memory memory_ops[A64_OPS + 1] = {
    SINGLE(LDRB, LDURB, OP_MOVZX8, 0, 1),
    SINGLE(LDRH, LDURH, OP_MOVZX16, 0, 2),
    SINGLE(LDR_w, LDUR_w, OP_MOV, 0, 4),
    SINGLE(LDR_x, LDUR_x, OP_MOV, 1, 8),
    SINGLE(LDRSB_w, LDURSB_w, OP_MOVSX8, 0, 1),
    SINGLE(LDRSH_w, LDURSH_w, OP_MOVSX16, 0, 2),
    SINGLE(LDRSB_x, LDURSB_x, OP_MOVSX8, 1, 1),
    SINGLE(LDRSH_x, LDURSH_x, OP_MOVSX16, 1, 2),
    SINGLE(LDRSW, LDURSW, OP_MOVSXD, 1, 4),
    SINGLE(STRB, STURB, OP_MOV_ST8, 0, 1, .store = true),
    SINGLE(STRH, STURH, OP_MOV_ST16, 0, 2, .store = true),
    SINGLE(STR_w, STUR_w, OP_MOV_ST, 0, 4, .store = true),
    SINGLE(STR_x, STUR_x, OP_MOV_ST, 1, 8, .store = true),
    PAIR(LDP_w, OP_MOV, 0, 4),
    PAIR(LDP_x, OP_MOV, 1, 8),
    PAIR(LDPSW, OP_MOVSXD, 1, 4),
    PAIR(STP_w, OP_MOV_ST, 0, 4, .store = true),
    PAIR(STP_x, OP_MOV_ST, 1, 8, .store = true),
    [A64_LDNP_w] = ROW(OP_MOV, 0, 4, .pair = true),
    [A64_LDNP_x] = ROW(OP_MOV, 1, 8, .pair = true),
    [A64_STNP_w] = ROW(OP_MOV_ST, 0, 4, .pair = true, .store = true),
    [A64_STNP_x] = ROW(OP_MOV_ST, 1, 8, .pair = true, .store = true),
    [A64_LDTRB] = ROW(OP_MOVZX8, 0, 1, .user = true),
    [A64_LDTRH] = ROW(OP_MOVZX16, 0, 2, .user = true),
    [A64_LDTR_w] = ROW(OP_MOV, 0, 4, .user = true),
    [A64_LDTR_x] = ROW(OP_MOV, 1, 8, .user = true),
    [A64_STTRB] = ROW(OP_MOV_ST8, 0, 1, .store = true, .user = true),
    [A64_STTRH] = ROW(OP_MOV_ST16, 0, 2, .store = true, .user = true),
    [A64_STTR_w] = ROW(OP_MOV_ST, 0, 4, .store = true, .user = true),
    [A64_STTR_x] = ROW(OP_MOV_ST, 1, 8, .store = true, .user = true),
    [A64_LDR_w_lit] = ROW(OP_MOV, 0, 4, .mode = JIT_LITERAL),
    [A64_LDR_x_lit] = ROW(OP_MOV, 1, 8, .mode = JIT_LITERAL),
    [A64_LDRSW_lit] = ROW(OP_MOVSXD, 1, 4, .mode = JIT_LITERAL),
};

#undef ROW
#undef SINGLE
#undef PAIR

const struct jit_memory *jit_memory_of(unsigned op)
{
    return &memory_ops[op];
}

void jit_move_register(struct jit_tran *t, const struct jit_memory *m, unsigned r, int32_t at)
{
    unsigned host = m->store ? jit_use(t, 1, RCX, r) : jit_dest(r, RCX);

    x64_rmx(&t->e, m->op, m->w, host, RDX, RAX, 0, at);
    if (!m->store)
        jit_put(t, r, host);
}

static void emit_address(struct jit_tran *t, struct jit_way *way, enum jit_mode mode)
{
    switch (mode) {
    case JIT_OFFSET:
    case JIT_PRE:
        jit_base(t, way, jit_insn(t)->imm);
        break;
    case JIT_POST:
        jit_base(t, way, 0);
        break;
    case JIT_INDEXED:
        jit_indexed(t, way);
        break;
    case JIT_LITERAL:
        jit_literal(t);
        break;
    }
}

/* The base is written back when nothing can fail any more: behind a store, which may be of the
 * base; in front of a load, which decides when both write the same register. */
static void emit_access(struct jit_tran *t, const struct jit_memory *m)
{
    const struct a64_insn *i = jit_insn(t);
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    emit_address(t, &way, m->mode);
    jit_tlb(t, &way, m->bytes * (m->pair ? 2u : 1u), m->store ? JIT_WRITE : JIT_READ, m->user);
    if (!m->store)
        jit_write_back(t, m->mode);
    jit_move_register(t, m, i->rd, 0);
    if (m->pair)
        jit_move_register(t, m, i->ra, m->bytes);
    if (m->store)
        jit_write_back(t, m->mode);
    jit_end_way(t, &way);
}

static bool is_prefetch(enum a64_op op)
{
    return op == A64_PRFM_imm || op == A64_PRFUM || op == A64_PRFM_reg || op == A64_PRFM_lit;
}

bool jit_memory(struct jit_tran *t, enum a64_op op)
{
    const struct jit_memory *m = jit_memory_of(op);

    if (!m->bytes)
        return is_prefetch(op); /* which does nothing */
    if (!jit_group(t))
        emit_access(t, m);
    return true;
}
