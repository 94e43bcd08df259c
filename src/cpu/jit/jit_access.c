/* Addresses of loads and stores, and their look-up in the TLB: jit_access.h. */
#include "cpu/jit/jit_access.h"

void jit_way_if(struct jit_tran *t, struct jit_way *way, enum x64_cc cc)
{
    assert(way->count < ARRAY_LEN(way->from));
    way->from[way->count++] = x64_jcc(&t->e, cc);
}

void jit_way(struct jit_tran *t, struct jit_way *way)
{
    assert(way->count < ARRAY_LEN(way->from));
    way->from[way->count++] = x64_jmp(&t->e);
}

void jit_end_way(struct jit_tran *t, const struct jit_way *way)
{
    struct jit_cold *cold;

    if (!way->count)
        return;
    cold = jit_cold(t, JIT_COLD_HANDLER, way->from[0]);
    for (unsigned n = 1; n < way->count; n++)
        cold->also[n - 1] = way->from[n];
    cold->back = t->e.at;
}

void jit_base(struct jit_tran *t, struct jit_way *way, int64_t imm)
{
    unsigned rn = jit_insn(t)->rn, base;
    struct x64 *e = &t->e;

    if (rn == REG_SP && (t->state & JIT_SA) && !t->sp_checked) {
        x64_test_ri(e, 0, jit_pin[REG_SP], 15);
        jit_way_if(t, way, CC_NE);
        t->sp_checked = true;
    }
    base = jit_use(t, 1, RAX, rn);
    if (imm)
        x64_rm(e, OP_LEA, 1, RAX, base, (int32_t)imm);
    else if (base != RAX)
        x64_rr(e, OP_MOV, 1, RAX, base);
}

void jit_indexed(struct jit_tran *t, struct jit_way *way)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned option = i->ra & 7, index = RCX;
    struct x64 *e = &t->e;

    jit_base(t, way, 0);
    if ((option & 3) == 3)
        index = jit_use(t, 1, RCX, i->rm);
    else
        jit_op(t, option == 6 ? OP_MOVSXD : OP_MOV, option == 6, RCX, i->rm);
    if (i->imm <= 3) {
        x64_rmx(e, OP_LEA, 1, RAX, RAX, index, (unsigned)i->imm, 0);
        return;
    }
    if (index != RCX)
        x64_rr(e, OP_MOV, 1, RCX, index);
    x64_shift_i(e, SH_SHL, 1, RCX, (unsigned)i->imm);
    x64_rr(e, OP_ADD, 1, RAX, RCX);
}

void jit_literal(struct jit_tran *t)
{
    x64_rm(&t->e, OP_MOV, 1, RAX, RBP, JIT_AT(jit_va));
    x64_ri(&t->e, G_ADD, 1, RAX, (int32_t)(4 * (int64_t)(t->first + t->n) + jit_insn(t)->imm));
}

void jit_aligned(struct jit_tran *t, struct jit_way *way, unsigned size)
{
    if (size == 1)
        return;
    x64_test_ri(&t->e, 0, RAX, size - 1);
    jit_way_if(t, way, CC_NE);
}

static int32_t entry_at(const struct jit_tran *t, size_t member)
{
    return t->jit->tlb_at + (int32_t)(offsetof(struct tlb, data) + member);
}

/* RDX = where the entry is that has bytes [RAX, RAX + len), from entry_at(). Uses RCX. */
static void find_entry(struct jit_tran *t, struct jit_way *way, unsigned len, unsigned write,
                       bool user)
{
    int32_t key = t->jit->tlb_at + (int32_t)(user                 ? offsetof(struct tlb, user_key)
                                             : t->state & JIT_EL1 ? offsetof(struct tlb, key[1])
                                                                  : offsetof(struct tlb, key[0]));
    size_t tag = write ? offsetof(struct tlb_entry, tag_w) : offsetof(struct tlb_entry, tag_r);
    struct x64 *e = &t->e;

    _Static_assert(sizeof(struct tlb_entry) == 32, "the index is made by one shift");
    x64_rr(e, OP_MOV, 0, RDX, RAX);
    x64_shift_i(e, SH_SHR, 0, RDX, TLB_PAGE_SHIFT - 5);
    x64_rm(e, OP_LEA, 1, RCX, RAX, (int32_t)len - 1);
    x64_ri(e, G_AND, 0, RDX, (TLB_SIZE - 1) << 5);
    x64_ri(e, G_AND, 1, RCX, -4096);
    x64_rm(e, OP_OR, 1, RCX, RBP, key);
    x64_rmx(e, OP_CMP, 1, RCX, RBP, RDX, 0, entry_at(t, tag));
    jit_way_if(t, way, CC_NE);
}

void jit_tlb(struct jit_tran *t, struct jit_way *way, unsigned len, unsigned write, bool user)
{
    find_entry(t, way, len, write, user);
    x64_rmx(&t->e, OP_MOV, 1, RDX, RBP, RDX, 0, entry_at(t, offsetof(struct tlb_entry, addend)));
}

void jit_tlb_place(struct jit_tran *t, struct jit_way *way, unsigned write)
{
    struct x64 *e = &t->e;

    find_entry(t, way, 1, write, false);
    x64_rmx(e, OP_MOV, 1, RCX, RBP, RDX, 0, entry_at(t, offsetof(struct tlb_entry, meta)));
    x64_rmx(e, OP_MOV, 1, RDX, RBP, RDX, 0, entry_at(t, offsetof(struct tlb_entry, addend)));
    x64_rr(e, OP_ADD, 1, RDX, RAX);
    /* The page from meta, the rest from the address. */
    x64_rr(e, OP_XOR, 1, RCX, RAX);
    x64_ri(e, G_AND, 1, RCX, -4096);
    x64_rr(e, OP_XOR, 1, RCX, RAX);
}

void jit_write_back(struct jit_tran *t, enum jit_mode mode)
{
    const struct a64_insn *i = jit_insn(t);

    if (mode != JIT_POST && mode != JIT_PRE)
        return;
    if (mode == JIT_POST && i->imm)
        x64_rm(&t->e, OP_LEA, 1, RCX, RAX, (int32_t)i->imm);
    jit_put(t, i->rn, mode == JIT_POST && i->imm ? RCX : RAX);
    if (i->rn == REG_SP && (i->imm & 15))
        t->sp_checked = false;
}
