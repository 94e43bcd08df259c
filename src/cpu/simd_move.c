/* AdvSIMD moves: immediates, copies between elements and general registers, permutations, table
 * lookups (Arm DDI 0487, C7.2). */
#include "cpu/simd.h"

/* The format expanded (and for MVNI and BIC inverted) the immediate. */
SIMD(MOVI)
{
    uint64_t imm = (uint64_t)i->imm;

    V(rd) = (union vreg){ .d = { imm, i->raw & BIT(30) ? imm : 0 } };
}

SIMD(ORR_BIC_imm)
{
    uint64_t imm = (uint64_t)i->imm;
    const union vreg d = V(rd);
    bool bic = i->raw & BIT(29);

    for (unsigned e = 0; e < 2; e++)
        V(rd).d[e] = bic ? d.d[e] & imm : d.d[e] | imm;
    if (!(i->raw & BIT(30)))
        V(rd).d[1] = 0;
}

/* The first bytes of a register, the rest cleared. */
static inline union vreg cut(union vreg v, unsigned bytes)
{
    if (bytes < 16)
        v.d[1] = 0;
    if (bytes < 8)
        v.d[0] &= low_mask(8 * bytes);
    return v;
}

SIMD(DUP)
{
    V(rd) = cut(simd_dup(simd_get(&V(rn), simd_size(i), simd_arg(i)), simd_size(i)), simd_bytes(i));
}

SIMD(DUP_g)
{
    V(rd) = cut(simd_dup(X(rn), simd_size(i)), simd_bytes(i));
}

SIMD(INS_g)
{
    simd_set(&V(rd), simd_size(i), simd_arg(i), X(rn));
}

SIMD(INS_v)
{
    simd_set(&V(rd), simd_size(i), simd_arg(i) & 0xff,
             simd_get(&V(rn), simd_size(i), simd_arg(i) >> 8));
}

SIMD(UMOV)
{
    X(rd) = simd_get(&V(rn), simd_size(i), simd_arg(i));
}

SIMD(SMOV)
{
    int64_t val = sign_extend(simd_get(&V(rn), simd_size(i), simd_arg(i)), 8U << simd_size(i));

    X(rd) = i->raw & BIT(30) ? (uint64_t)val : (uint32_t)val;
}

/* Bytes arg .. of the concatenation rm:rn. */
SIMD(EXT)
{
    const union vreg n = V(rn), m = V(rm);
    unsigned bytes = simd_bytes(i), from = simd_arg(i);
    union vreg r = { 0 };

    memcpy(r.b, n.b + from, bytes - from);
    memcpy(r.b + bytes - from, m.b, from);
    V(rd) = r;
}

/* Permutations: element e of the result is element `from` of rn, or of rm when second is true. */
#define PERMUTE(name, from, second)                                            \
    SIMD(name)                                                                 \
    {                                                                          \
        const union vreg n = V(rn), m = V(rm);                                 \
        unsigned size = simd_size(i), count = simd_bytes(i) >> size;           \
        union vreg r = { 0 };                                                  \
        for (unsigned e = 0; e < count; e++)                                   \
            simd_set(&r, size, e, simd_get((second) ? &m : &n, size, (from))); \
        V(rd) = r;                                                             \
    }

#define UNZIP     (2 * e & (count - 1))
#define TRANSPOSE (e & ~1U)
#define ZIP       (e / 2)
PERMUTE(UZP1, UNZIP, 2 * e >= count)
PERMUTE(UZP2, UNZIP + 1, 2 * e >= count)
PERMUTE(TRN1, TRANSPOSE, e & 1)
PERMUTE(TRN2, TRANSPOSE + 1, e & 1)
PERMUTE(ZIP1, ZIP, e & 1)
PERMUTE(ZIP2, ZIP + count / 2, e & 1)

/* Bytes of up to four registers, by the indices in rm. An index past the table gives 0 (TBL) or
 * leaves the byte (TBX). */
static inline void table_lookup(struct cpu *c, const struct a64_insn *i, union vreg r)
{
    const union vreg m = V(rm);
    uint8_t table[4 * 16];
    unsigned regs = simd_arg(i);

    for (unsigned k = 0; k < regs; k++)
        memcpy(table + 16 * k, &c->v[(i->rn + k) % 32], 16);
    for (unsigned e = 0; e < simd_bytes(i); e++)
        if (m.b[e] < 16 * regs)
            r.b[e] = table[m.b[e]];
    V(rd) = cut(r, simd_bytes(i));
}

SIMD(TBL)
{
    table_lookup(c, i, (union vreg){ 0 });
}

SIMD(TBX)
{
    table_lookup(c, i, V(rd));
}
