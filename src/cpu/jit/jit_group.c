/*
 * Emitters: several loads and stores in a row at one base register (a function's entry and exit,
 * the members of a struct). One look-up in the TLB, for all bytes from the lowest to the highest,
 * does for all of them: where it fails, the interpreter's handlers do them one after the other.
 */
#include "cpu/jit/jit_access.h"

#define GROUP_MAX  8   /* instructions */
#define GROUP_SPAN 256 /* bytes; more would cross pages too often */

struct group {
    const struct jit_memory *member[GROUP_MAX];
    unsigned count;
    int64_t low, high; /* of the bytes accessed, from the base */
    bool write;
};

/* The address is the base and a constant, and the base stays. */
static bool is_member(const struct jit_memory *m)
{
    return m->bytes && m->mode == JIT_OFFSET && !m->user;
}

/* The longest run from the present instruction. It ends behind one that loads the base. */
static void gather(const struct jit_tran *t, struct group *group)
{
    const struct a64_insn *first = jit_insn(t);

    while (group->count < GROUP_MAX && t->n + group->count < t->count) {
        const struct a64_insn *i = &t->insn[t->n + group->count];
        const struct jit_memory *m = jit_memory_of(t->op[t->n + group->count]);
        int64_t low, high;

        if (!is_member(m) || i->rn != first->rn)
            break;
        group->member[group->count] = m;
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
        const struct jit_memory *m = group.member[n];
        int32_t at = (int32_t)(i->imm - group.low);

        t->code[t->n + n] = t->e.at;
        jit_move_register(t, m, i->rd, at);
        if (m->pair)
            jit_move_register(t, m, i->ra, at + m->bytes);
    }
    jit_end_way(t, &way);
    for (unsigned n = first; n < t->colds; n++)
        t->cold[n].more = group.count - 1;
    t->n += group.count - 1;
    return true;
}
