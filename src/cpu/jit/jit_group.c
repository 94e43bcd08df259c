/*
 * Emitters: several loads and stores in a row at one base register (a function's entry and exit,
 * the members of a struct). One look-up in the TLB, for all bytes from the lowest to the highest,
 * does for all of them: where it fails, the interpreter's handlers do them one after the other.
 */
#include "cpu/jit/jit_access.h"

#define GROUP_MAX  8   /* instructions */
#define GROUP_SPAN 256 /* bytes; more would cross pages too often */

struct member {
    uint16_t op;
    uint8_t w, bytes; /* of one register */
    bool store, pair;
};

/* Addresses that are the base and a constant, and leave the base alone. */
static bool member_of(unsigned op, struct member *ret)
{
#define LOAD(name, unscaled, op_, w_, bytes_)            \
    case A64_##name:                                     \
    case A64_##unscaled:                                 \
        *ret = (struct member){ op_, w_, bytes_, 0, 0 }; \
        return true;
#define STORE(name, unscaled, op_, w_, bytes_)           \
    case A64_##name:                                     \
    case A64_##unscaled:                                 \
        *ret = (struct member){ op_, w_, bytes_, 1, 0 }; \
        return true;
#define PAIR(name, hint, op_, w_, bytes_, store_)             \
    case A64_##name:                                          \
    case A64_##hint:                                          \
        *ret = (struct member){ op_, w_, bytes_, store_, 1 }; \
        return true;
    switch (op) {
        LOAD(LDRB_imm, LDURB, OP_MOVZX8, 0, 1)
        LOAD(LDRH_imm, LDURH, OP_MOVZX16, 0, 2)
        LOAD(LDR_w_imm, LDUR_w, OP_MOV, 0, 4)
        LOAD(LDR_x_imm, LDUR_x, OP_MOV, 1, 8)
        LOAD(LDRSW_imm, LDURSW, OP_MOVSXD, 1, 4)
        STORE(STRB_imm, STURB, OP_MOV_ST8, 0, 1)
        STORE(STRH_imm, STURH, OP_MOV_ST16, 0, 2)
        STORE(STR_w_imm, STUR_w, OP_MOV_ST, 0, 4)
        STORE(STR_x_imm, STUR_x, OP_MOV_ST, 1, 8)
        PAIR(LDP_w, LDNP_w, OP_MOV, 0, 4, 0)
        PAIR(LDP_x, LDNP_x, OP_MOV, 1, 8, 0)
        PAIR(STP_w, STNP_w, OP_MOV_ST, 0, 4, 1)
        PAIR(STP_x, STNP_x, OP_MOV_ST, 1, 8, 1)
    default:
        return false;
    }
#undef LOAD
#undef STORE
#undef PAIR
}

struct group {
    struct member member[GROUP_MAX];
    unsigned count;
    int64_t low, high; /* of the bytes accessed, from the base */
    bool write;
};

/* The longest run from the present instruction. It ends behind one that loads the base. */
static void gather(const struct jit_tran *t, struct group *group)
{
    const struct a64_insn *first = jit_insn(t);

    while (group->count < GROUP_MAX && t->n + group->count < t->count) {
        const struct a64_insn *i = &t->insn[t->n + group->count];
        struct member *m = &group->member[group->count];
        int64_t low, high;

        if (!member_of(t->op[t->n + group->count], m) || i->rn != first->rn)
            break;
        low = i->imm;
        high = i->imm + m->bytes * (m->pair ? 2 : 1);
        if (group->count) {
            low = low < group->low ? low : group->low;
            high = high > group->high ? high : group->high;
        }
        if (high - low > GROUP_SPAN)
            break;
        group->low = low;
        group->high = high;
        group->write |= m->store;
        group->count++;
        if (!m->store && (i->rd == i->rn || (m->pair && i->ra == i->rn)))
            break;
    }
}

static void emit_register(struct jit_tran *t, const struct member *m, unsigned r, int32_t at)
{
    unsigned host = m->store ? jit_use(t, 1, RCX, r) : jit_dest(r, RCX);

    x64_rmx(&t->e, m->op, m->w, host, RDX, RAX, 0, at);
    if (!m->store)
        jit_put(t, r, host);
}

bool jit_group(struct jit_tran *t)
{
    struct group group = { .count = 0 };
    struct jit_way way = { .count = 0 };
    unsigned first = t->colds;

    gather(t, &group);
    if (group.count < 2)
        return false;
    jit_settle(t);
    jit_base(t, &way, group.low);
    jit_tlb(t, &way, (unsigned)(group.high - group.low), group.write ? JIT_WRITE : JIT_READ, false);
    for (unsigned n = 0; n < group.count; n++) {
        const struct a64_insn *i = &t->insn[t->n + n];
        const struct member *m = &group.member[n];
        int32_t at = (int32_t)(i->imm - group.low);

        t->code[t->n + n] = t->e.at;
        emit_register(t, m, i->rd, at);
        if (m->pair)
            emit_register(t, m, i->ra, at + m->bytes);
    }
    jit_end_way(t, &way);
    for (unsigned n = first; n < t->colds; n++)
        t->cold[n].more = group.count - 1;
    t->n += group.count - 1;
    return true;
}
