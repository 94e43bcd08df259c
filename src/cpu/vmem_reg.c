/*
 * Loads and stores of one or two vector registers (Arm DDI 0487, C7.2). Where the TLB does not
 * help, a 16-byte access is two of 8 bytes: the architecture promises no more (B2.2.1, without
 * FEAT_LSE2).
 */
#include "cpu/alu.h"
#include "cpu/memop.h"
#include "cpu/simd.h"

#define LOAD_SCALAR(name, bits)                                   \
    static inline union vreg load_##name(struct cpu *c, gva_t va) \
    {                                                             \
        return (union vreg){ .d = { cpu_ld##bits(c, va), 0 } };   \
    }

#define STORE_SCALAR(name, bits, lane)                                            \
    static inline void store_##name(struct cpu *c, gva_t va, const union vreg *v) \
    {                                                                             \
        cpu_st##bits(c, va, v->lane[0]);                                          \
    }

LOAD_SCALAR(b, 8)
LOAD_SCALAR(h, 16)
LOAD_SCALAR(s, 32)
LOAD_SCALAR(d, 64)
STORE_SCALAR(b, 8, b)
STORE_SCALAR(h, 16, h)
STORE_SCALAR(s, 32, s)
STORE_SCALAR(d, 64, d)

static inline union vreg load_q(struct cpu *c, gva_t va)
{
    const void *host = mmu_hit_read(c, va, 16);
    union vreg v;

    if (LIKELY(host)) {
        memcpy(&v, host, sizeof(v));
        return v;
    }
    v.d[0] = cpu_ld64(c, va);
    v.d[1] = cpu_ld64(c, va + 8);
    return v;
}

static inline void store_q(struct cpu *c, gva_t va, const union vreg *v)
{
    void *host = mmu_hit_write(c, va, 16);

    if (LIKELY(host)) {
        memcpy(host, v, sizeof(*v));
        return;
    }
    memop_probe_store(c, va, 16, 8);
    cpu_st64(c, va, v->d[0]);
    cpu_st64(c, va + 8, v->d[1]);
}

static inline gva_t reg_address(struct cpu *c, const struct a64_insn *i)
{
    return memop_base(c, i) + alu_extend(X(rm), i->ra, (unsigned)i->imm);
}

/* The addressing modes of one register. */
#define ONE(size)                                                  \
    SIMD(LDR_##size##_imm)                                         \
    {                                                              \
        V(rd) = load_##size(c, memop_base(c, i) + (gva_t)i->imm);  \
    }                                                              \
    SIMD(LDR_##size##_post)                                        \
    {                                                              \
        gva_t va = memop_base(c, i);                               \
        V(rd) = load_##size(c, va);                                \
        X(rn) = va + (gva_t)i->imm;                                \
    }                                                              \
    SIMD(LDR_##size##_pre)                                         \
    {                                                              \
        gva_t va = memop_base(c, i) + (gva_t)i->imm;               \
        V(rd) = load_##size(c, va);                                \
        X(rn) = va;                                                \
    }                                                              \
    SIMD(LDR_##size##_reg)                                         \
    {                                                              \
        V(rd) = load_##size(c, reg_address(c, i));                 \
    }                                                              \
    SIMD(STR_##size##_imm)                                         \
    {                                                              \
        store_##size(c, memop_base(c, i) + (gva_t)i->imm, &V(rd)); \
    }                                                              \
    SIMD(STR_##size##_post)                                        \
    {                                                              \
        gva_t va = memop_base(c, i);                               \
        store_##size(c, va, &V(rd));                               \
        X(rn) = va + (gva_t)i->imm;                                \
    }                                                              \
    SIMD(STR_##size##_pre)                                         \
    {                                                              \
        gva_t va = memop_base(c, i) + (gva_t)i->imm;               \
        store_##size(c, va, &V(rd));                               \
        X(rn) = va;                                                \
    }                                                              \
    SIMD(STR_##size##_reg)                                         \
    {                                                              \
        store_##size(c, reg_address(c, i), &V(rd));                \
    }

ONE(b)
ONE(h)
ONE(s)
ONE(d)
ONE(q)

#define LITERAL(size)                                              \
    SIMD(LDR_##size##_lit)                                         \
    {                                                              \
        V(rd) = load_##size(c, cpu_insn_va(c, i) + (gva_t)i->imm); \
    }

LITERAL(s)
LITERAL(d)
LITERAL(q)

/* Pairs. Two loads to one register is CONSTRAINED UNPREDICTABLE: the second counts. */
#define PAIR_ACCESS(size, bytes)                                                            \
    static inline void load_pair_##size(struct cpu *c, const struct a64_insn *i, gva_t va,  \
                                        gva_t back)                                         \
    {                                                                                       \
        union vreg first = load_##size(c, va), second = load_##size(c, va + bytes);         \
        X(rn) = back;                                                                       \
        V(rd) = first;                                                                      \
        V(ra) = second;                                                                     \
    }                                                                                       \
    static inline void store_pair_##size(struct cpu *c, const struct a64_insn *i, gva_t va, \
                                         gva_t back)                                        \
    {                                                                                       \
        memop_probe_store(c, va, 2 * bytes, bytes > 8 ? 8 : bytes);                         \
        store_##size(c, va, &V(rd));                                                        \
        store_##size(c, va + bytes, &V(ra));                                                \
        X(rn) = back;                                                                       \
    }

PAIR_ACCESS(s, 4)
PAIR_ACCESS(d, 8)
PAIR_ACCESS(q, 16)

/* Address and written-back base of the three modes. */
#define PAIR(name, access)                           \
    SIMD(name)                                       \
    {                                                \
        gva_t base = memop_base(c, i);               \
        access(c, i, base + (gva_t)i->imm, base);    \
    }                                                \
    SIMD(name##_post)                                \
    {                                                \
        gva_t base = memop_base(c, i);               \
        access(c, i, base, base + (gva_t)i->imm);    \
    }                                                \
    SIMD(name##_pre)                                 \
    {                                                \
        gva_t va = memop_base(c, i) + (gva_t)i->imm; \
        access(c, i, va, va);                        \
    }

PAIR(LDP_s, load_pair_s)
PAIR(LDP_d, load_pair_d)
PAIR(LDP_q, load_pair_q)
PAIR(STP_s, store_pair_s)
PAIR(STP_d, store_pair_d)
PAIR(STP_q, store_pair_q)
