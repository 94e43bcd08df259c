/* Emitters: loads and stores of general registers (Arm DDI 0487, C6.2). */
#include "cpu/jit/jit_access.h"

/* What a load makes of memory. */
struct load {
    uint16_t op;
    uint8_t w, bytes;
};

static void emit_load_at(struct jit_tran *t, struct jit_way *way, struct load load,
                         enum jit_mode mode, bool user)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = jit_dest(i->rd, RCX);

    jit_tlb(t, way, load.bytes, JIT_READ, user);
    jit_write_back(t, mode);
    x64_rmx(&t->e, load.op, load.w, dest, RDX, RAX, 0, 0);
    jit_put(t, i->rd, dest);
    jit_end_way(t, way);
}

static void emit_store_at(struct jit_tran *t, struct jit_way *way, unsigned bytes,
                          enum jit_mode mode, bool user)
{
    static const uint16_t ops[] = {
        [1] = OP_MOV_ST8,
        [2] = OP_MOV_ST16,
        [4] = OP_MOV_ST,
        [8] = OP_MOV_ST,
    };
    const struct a64_insn *i = jit_insn(t);

    jit_tlb(t, way, bytes, JIT_WRITE, user);
    x64_rmx(&t->e, ops[bytes], bytes == 8, jit_use(t, 1, RCX, i->rd), RDX, RAX, 0, 0);
    jit_write_back(t, mode);
    jit_end_way(t, way);
}

static void emit_load(struct jit_tran *t, struct load load, enum jit_mode mode, bool user)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_base(t, &way, mode == JIT_POST ? 0 : jit_insn(t)->imm);
    emit_load_at(t, &way, load, mode, user);
}

static void emit_store(struct jit_tran *t, unsigned bytes, enum jit_mode mode, bool user)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_base(t, &way, mode == JIT_POST ? 0 : jit_insn(t)->imm);
    emit_store_at(t, &way, bytes, mode, user);
}

static void emit_load_indexed(struct jit_tran *t, struct load load)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_indexed(t, &way);
    emit_load_at(t, &way, load, JIT_OFFSET, false);
}

static void emit_store_indexed(struct jit_tran *t, unsigned bytes)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_indexed(t, &way);
    emit_store_at(t, &way, bytes, JIT_OFFSET, false);
}

static void emit_load_literal(struct jit_tran *t, struct load load)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_literal(t);
    emit_load_at(t, &way, load, JIT_OFFSET, false);
}

static void emit_load_pair(struct jit_tran *t, struct load load, enum jit_mode mode)
{
    const struct a64_insn *i = jit_insn(t);
    struct jit_way way = { .count = 0 };
    unsigned dest;

    jit_settle(t);
    jit_base(t, &way, mode == JIT_POST ? 0 : i->imm);
    jit_tlb(t, &way, 2u * load.bytes, JIT_READ, false);
    jit_write_back(t, mode);
    dest = jit_dest(i->rd, RCX);
    x64_rmx(&t->e, load.op, load.w, dest, RDX, RAX, 0, 0);
    jit_put(t, i->rd, dest);
    dest = jit_dest(i->ra, RCX);
    x64_rmx(&t->e, load.op, load.w, dest, RDX, RAX, 0, load.bytes);
    jit_put(t, i->ra, dest);
    jit_end_way(t, &way);
}

static void emit_store_pair(struct jit_tran *t, unsigned bytes, enum jit_mode mode)
{
    const struct a64_insn *i = jit_insn(t);
    struct jit_way way = { .count = 0 };
    struct x64 *e = &t->e;

    jit_settle(t);
    jit_base(t, &way, mode == JIT_POST ? 0 : i->imm);
    jit_tlb(t, &way, 2 * bytes, JIT_WRITE, false);
    x64_rmx(e, OP_MOV_ST, bytes == 8, jit_use(t, 1, RCX, i->rd), RDX, RAX, 0, 0);
    x64_rmx(e, OP_MOV_ST, bytes == 8, jit_use(t, 1, RCX, i->ra), RDX, RAX, 0, (int32_t)bytes);
    jit_write_back(t, mode);
    jit_end_way(t, &way);
}

/* The handler's name tells what an encoding does, whatever row it came from. */
#define LOAD_CASES(name, unscaled, op_, w_, bytes_)                        \
    case A64_##name##_imm:                                                 \
    case A64_##unscaled:                                                   \
        emit_load(t, (struct load){ op_, w_, bytes_ }, JIT_OFFSET, false); \
        return true;                                                       \
    case A64_##name##_post:                                                \
        emit_load(t, (struct load){ op_, w_, bytes_ }, JIT_POST, false);   \
        return true;                                                       \
    case A64_##name##_pre:                                                 \
        emit_load(t, (struct load){ op_, w_, bytes_ }, JIT_PRE, false);    \
        return true;                                                       \
    case A64_##name##_reg:                                                 \
        emit_load_indexed(t, (struct load){ op_, w_, bytes_ });            \
        return true;

#define STORE_CASES(name, unscaled, bytes_)       \
    case A64_##name##_imm:                        \
    case A64_##unscaled:                          \
        emit_store(t, bytes_, JIT_OFFSET, false); \
        return true;                              \
    case A64_##name##_post:                       \
        emit_store(t, bytes_, JIT_POST, false);   \
        return true;                              \
    case A64_##name##_pre:                        \
        emit_store(t, bytes_, JIT_PRE, false);    \
        return true;                              \
    case A64_##name##_reg:                        \
        emit_store_indexed(t, bytes_);            \
        return true;

#define USER_LOAD(name, op_, w_, bytes_)                                  \
    case A64_##name:                                                      \
        emit_load(t, (struct load){ op_, w_, bytes_ }, JIT_OFFSET, true); \
        return true;

#define USER_STORE(name, bytes_)                 \
    case A64_##name:                             \
        emit_store(t, bytes_, JIT_OFFSET, true); \
        return true;

#define PAIR_CASES(name, hint, emit, how) \
    case A64_##name:                      \
    case A64_##hint:                      \
        emit(t, how, JIT_OFFSET);         \
        return true;                      \
    case A64_##name##_post:               \
        emit(t, how, JIT_POST);           \
        return true;                      \
    case A64_##name##_pre:                \
        emit(t, how, JIT_PRE);            \
        return true;

static const struct load word = { OP_MOV, 0, 4 }, dword = { OP_MOV, 1, 8 },
                         sword = { OP_MOVSXD, 1, 4 };

static bool memory_pairs(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
        PAIR_CASES(LDP_w, LDNP_w, emit_load_pair, word)
        PAIR_CASES(LDP_x, LDNP_x, emit_load_pair, dword)
        PAIR_CASES(STP_w, STNP_w, emit_store_pair, 4)
        PAIR_CASES(STP_x, STNP_x, emit_store_pair, 8)
    case A64_LDPSW:
        emit_load_pair(t, sword, JIT_OFFSET);
        return true;
    case A64_LDPSW_post:
        emit_load_pair(t, sword, JIT_POST);
        return true;
    case A64_LDPSW_pre:
        emit_load_pair(t, sword, JIT_PRE);
        return true;
    default:
        return false;
    }
}

bool jit_memory(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
        LOAD_CASES(LDRB, LDURB, OP_MOVZX8, 0, 1)
        LOAD_CASES(LDRH, LDURH, OP_MOVZX16, 0, 2)
        LOAD_CASES(LDR_w, LDUR_w, OP_MOV, 0, 4)
        LOAD_CASES(LDR_x, LDUR_x, OP_MOV, 1, 8)
        LOAD_CASES(LDRSB_w, LDURSB_w, OP_MOVSX8, 0, 1)
        LOAD_CASES(LDRSH_w, LDURSH_w, OP_MOVSX16, 0, 2)
        LOAD_CASES(LDRSB_x, LDURSB_x, OP_MOVSX8, 1, 1)
        LOAD_CASES(LDRSH_x, LDURSH_x, OP_MOVSX16, 1, 2)
        LOAD_CASES(LDRSW, LDURSW, OP_MOVSXD, 1, 4)
        STORE_CASES(STRB, STURB, 1)
        STORE_CASES(STRH, STURH, 2)
        STORE_CASES(STR_w, STUR_w, 4)
        STORE_CASES(STR_x, STUR_x, 8)
        USER_LOAD(LDTRB, OP_MOVZX8, 0, 1)
        USER_LOAD(LDTRH, OP_MOVZX16, 0, 2)
        USER_LOAD(LDTR_w, OP_MOV, 0, 4)
        USER_LOAD(LDTR_x, OP_MOV, 1, 8)
        USER_STORE(STTRB, 1)
        USER_STORE(STTRH, 2)
        USER_STORE(STTR_w, 4)
        USER_STORE(STTR_x, 8)
    case A64_LDR_w_lit:
        emit_load_literal(t, word);
        return true;
    case A64_LDR_x_lit:
        emit_load_literal(t, dword);
        return true;
    case A64_LDRSW_lit:
        emit_load_literal(t, sword);
        return true;
    case A64_PRFM_imm:
    case A64_PRFUM:
    case A64_PRFM_reg:
    case A64_PRFM_lit:
        return true;
    default:
        return memory_pairs(t, op);
    }
}
