/*
 * Emitters: loads and stores of general registers (Arm DDI 0487, C6.2).
 *
 * An access that the TLB has for the current view is done in place; everything else (a miss, a page
 * crossing, a device, a fault) is left to the interpreter's handler of the whole instruction, in
 * code behind the block. So nothing of an instruction is done before its TLB look-up has succeeded.
 */
#include "cpu/jit/jit_int.h"

enum { READ, WRITE };

/* The way to the handler, which several jumps of one instruction may take. */
struct way {
    uint8_t *from[2];
    unsigned count;
};

/* RAX = base register + imm. */
static void emit_base(struct jit_tran *t, struct way *way, int64_t imm)
{
    unsigned rn = jit_insn(t)->rn, base;
    struct x64 *e = &t->e;

    if (rn == REG_SP && (t->state & JIT_SA) && !t->sp_checked) {
        x64_test_ri(e, 0, jit_pin[REG_SP], 15);
        way->from[way->count++] = x64_jcc(e, CC_NE);
        t->sp_checked = true;
    }
    base = jit_use(t, 1, RAX, rn);
    if (imm)
        x64_rm(e, OP_LEA, 1, RAX, base, (int32_t)imm);
    else if (base != RAX)
        x64_rr(e, OP_MOV, 1, RAX, base);
}

/* RDX = what to add to RAX for the host's address of bytes [RAX, RAX + len); uses RCX. */
static void emit_tlb(struct jit_tran *t, struct way *way, unsigned len, unsigned write, bool user)
{
    int32_t entries = t->jit->tlb_at + (int32_t)offsetof(struct tlb, data);
    int32_t key = t->jit->tlb_at + (int32_t)(user                 ? offsetof(struct tlb, user_key)
                                             : t->state & JIT_EL1 ? offsetof(struct tlb, key[1])
                                                                  : offsetof(struct tlb, key[0]));
    int32_t tag = write ? (int32_t)offsetof(struct tlb_entry, tag_w)
                        : (int32_t)offsetof(struct tlb_entry, tag_r);
    struct x64 *e = &t->e;

    _Static_assert(sizeof(struct tlb_entry) == 32, "the index is made by one shift");
    x64_rr(e, OP_MOV, 0, RDX, RAX);
    x64_shift_i(e, SH_SHR, 0, RDX, TLB_PAGE_SHIFT - 5);
    x64_rm(e, OP_LEA, 1, RCX, RAX, (int32_t)len - 1);
    x64_ri(e, G_AND, 0, RDX, (TLB_SIZE - 1) << 5);
    x64_ri(e, G_AND, 1, RCX, -4096);
    x64_rm(e, OP_OR, 1, RCX, RBP, key);
    x64_rmx(e, OP_CMP, 1, RCX, RBP, RDX, 0, entries + tag);
    way->from[way->count++] = x64_jcc(e, CC_NE);
    x64_rmx(e, OP_MOV, 1, RDX, RBP, RDX, 0, entries + (int32_t)offsetof(struct tlb_entry, addend));
}

/* The instruction is done: the handler's way ends here, too. */
static void end_way(struct jit_tran *t, const struct way *way)
{
    for (unsigned n = 0; n < way->count; n++)
        jit_cold(t, JIT_COLD_HANDLER, way->from[n])->back = t->e.at;
}

enum mode { OFFSET, POST, PRE };

/* The base written back: RAX is the address accessed. Uses RCX. */
static void emit_write_back(struct jit_tran *t, enum mode mode)
{
    const struct a64_insn *i = jit_insn(t);

    if (mode == OFFSET)
        return;
    if (mode == POST && i->imm)
        x64_rm(&t->e, OP_LEA, 1, RCX, RAX, (int32_t)i->imm);
    jit_put(t, i->rn, mode == POST && i->imm ? RCX : RAX);
    if (i->rn == REG_SP && (i->imm & 15))
        t->sp_checked = false;
}

/* What a load makes of memory. */
struct load {
    uint16_t op;
    uint8_t w, bytes;
};

static void emit_load_at(struct jit_tran *t, struct way *way, struct load load, enum mode mode,
                         bool user)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = jit_dest(i->rd, RCX);

    emit_tlb(t, way, load.bytes, READ, user);
    emit_write_back(t, mode);
    x64_rmx(&t->e, load.op, load.w, dest, RDX, RAX, 0, 0);
    jit_put(t, i->rd, dest);
    end_way(t, way);
}

static void emit_store_at(struct jit_tran *t, struct way *way, unsigned bytes, enum mode mode,
                          bool user)
{
    static const uint16_t ops[] = {
        [1] = OP_MOV_ST8,
        [2] = OP_MOV_ST16,
        [4] = OP_MOV_ST,
        [8] = OP_MOV_ST,
    };
    const struct a64_insn *i = jit_insn(t);

    emit_tlb(t, way, bytes, WRITE, user);
    x64_rmx(&t->e, ops[bytes], bytes == 8, jit_use(t, 1, RCX, i->rd), RDX, RAX, 0, 0);
    emit_write_back(t, mode);
    end_way(t, way);
}

static void emit_load(struct jit_tran *t, struct load load, enum mode mode, bool user)
{
    struct way way = { .count = 0 };

    jit_settle(t);
    emit_base(t, &way, mode == POST ? 0 : jit_insn(t)->imm);
    emit_load_at(t, &way, load, mode, user);
}

static void emit_store(struct jit_tran *t, unsigned bytes, enum mode mode, bool user)
{
    struct way way = { .count = 0 };

    jit_settle(t);
    emit_base(t, &way, mode == POST ? 0 : jit_insn(t)->imm);
    emit_store_at(t, &way, bytes, mode, user);
}

/* RAX = base + extended index. */
static void emit_indexed(struct jit_tran *t, struct way *way)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned option = i->ra & 7, index = RCX;
    struct x64 *e = &t->e;

    emit_base(t, way, 0);
    if ((option & 3) == 3)
        index = jit_use(t, 1, RCX, i->rm);
    else
        jit_op(t, option == 6 ? OP_MOVSXD : OP_MOV, option == 6, RCX, i->rm);
    x64_rmx(e, OP_LEA, 1, RAX, RAX, index, (unsigned)i->imm, 0);
}

static void emit_load_indexed(struct jit_tran *t, struct load load)
{
    struct way way = { .count = 0 };

    jit_settle(t);
    emit_indexed(t, &way);
    emit_load_at(t, &way, load, OFFSET, false);
}

static void emit_store_indexed(struct jit_tran *t, unsigned bytes)
{
    struct way way = { .count = 0 };

    jit_settle(t);
    emit_indexed(t, &way);
    emit_store_at(t, &way, bytes, OFFSET, false);
}

static void emit_load_literal(struct jit_tran *t, struct load load)
{
    struct way way = { .count = 0 };

    jit_settle(t);
    x64_rm(&t->e, OP_MOV, 1, RAX, RBP, JIT_AT(jit_va));
    x64_ri(&t->e, G_ADD, 1, RAX, (int32_t)(4 * (int64_t)(t->first + t->n) + jit_insn(t)->imm));
    emit_load_at(t, &way, load, OFFSET, false);
}

static void emit_load_pair(struct jit_tran *t, struct load load, enum mode mode)
{
    const struct a64_insn *i = jit_insn(t);
    struct way way = { .count = 0 };
    unsigned dest;

    jit_settle(t);
    emit_base(t, &way, mode == POST ? 0 : i->imm);
    emit_tlb(t, &way, 2u * load.bytes, READ, false);
    emit_write_back(t, mode);
    dest = jit_dest(i->rd, RCX);
    x64_rmx(&t->e, load.op, load.w, dest, RDX, RAX, 0, 0);
    jit_put(t, i->rd, dest);
    dest = jit_dest(i->ra, RCX);
    x64_rmx(&t->e, load.op, load.w, dest, RDX, RAX, 0, load.bytes);
    jit_put(t, i->ra, dest);
    end_way(t, &way);
}

static void emit_store_pair(struct jit_tran *t, unsigned bytes, enum mode mode)
{
    const struct a64_insn *i = jit_insn(t);
    struct way way = { .count = 0 };
    struct x64 *e = &t->e;

    jit_settle(t);
    emit_base(t, &way, mode == POST ? 0 : i->imm);
    emit_tlb(t, &way, 2 * bytes, WRITE, false);
    x64_rmx(e, OP_MOV_ST, bytes == 8, jit_use(t, 1, RCX, i->rd), RDX, RAX, 0, 0);
    x64_rmx(e, OP_MOV_ST, bytes == 8, jit_use(t, 1, RCX, i->ra), RDX, RAX, 0, (int32_t)bytes);
    emit_write_back(t, mode);
    end_way(t, &way);
}

/* The handler's name tells what an encoding does, whatever row it came from. */
#define LOAD_CASES(name, unscaled, op_, w_, bytes_)                    \
    case A64_##name##_imm:                                             \
    case A64_##unscaled:                                               \
        emit_load(t, (struct load){ op_, w_, bytes_ }, OFFSET, false); \
        return true;                                                   \
    case A64_##name##_post:                                            \
        emit_load(t, (struct load){ op_, w_, bytes_ }, POST, false);   \
        return true;                                                   \
    case A64_##name##_pre:                                             \
        emit_load(t, (struct load){ op_, w_, bytes_ }, PRE, false);    \
        return true;                                                   \
    case A64_##name##_reg:                                             \
        emit_load_indexed(t, (struct load){ op_, w_, bytes_ });        \
        return true;

#define STORE_CASES(name, unscaled, bytes_)   \
    case A64_##name##_imm:                    \
    case A64_##unscaled:                      \
        emit_store(t, bytes_, OFFSET, false); \
        return true;                          \
    case A64_##name##_post:                   \
        emit_store(t, bytes_, POST, false);   \
        return true;                          \
    case A64_##name##_pre:                    \
        emit_store(t, bytes_, PRE, false);    \
        return true;                          \
    case A64_##name##_reg:                    \
        emit_store_indexed(t, bytes_);        \
        return true;

#define USER_LOAD(name, op_, w_, bytes_)                              \
    case A64_##name:                                                  \
        emit_load(t, (struct load){ op_, w_, bytes_ }, OFFSET, true); \
        return true;

#define USER_STORE(name, bytes_)             \
    case A64_##name:                         \
        emit_store(t, bytes_, OFFSET, true); \
        return true;

#define PAIR_CASES(name, hint, emit, how) \
    case A64_##name:                      \
    case A64_##hint:                      \
        emit(t, how, OFFSET);             \
        return true;                      \
    case A64_##name##_post:               \
        emit(t, how, POST);               \
        return true;                      \
    case A64_##name##_pre:                \
        emit(t, how, PRE);                \
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
        emit_load_pair(t, sword, OFFSET);
        return true;
    case A64_LDPSW_post:
        emit_load_pair(t, sword, POST);
        return true;
    case A64_LDPSW_pre:
        emit_load_pair(t, sword, PRE);
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
