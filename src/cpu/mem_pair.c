/*
 * Loads and stores of register pairs (Arm DDI 0487, C6.2): rd and ra. Two loads to one register,
 * or a load to the register written back, is CONSTRAINED UNPREDICTABLE: the last load counts.
 */
#include "cpu/memop.h"

#define LOAD_PAIR(name, bits, type)                                                        \
    static inline void name(struct cpu *c, const struct a64_insn *i, gva_t va, gva_t back) \
    {                                                                                      \
        uint64_t first = (type)cpu_ld##bits(c, va);                                        \
        uint64_t second = (type)cpu_ld##bits(c, va + bits / 8);                            \
        X(rn) = back;                                                                      \
        X(rd) = first;                                                                     \
        X(ra) = second;                                                                    \
    }

#define STORE_PAIR(name, bits)                                                             \
    static inline void name(struct cpu *c, const struct a64_insn *i, gva_t va, gva_t back) \
    {                                                                                      \
        memop_probe_store(c, va, bits / 4, bits / 8);                                      \
        cpu_st##bits(c, va, X(rd));                                                        \
        cpu_st##bits(c, va + bits / 8, X(ra));                                             \
        X(rn) = back;                                                                      \
    }

LOAD_PAIR(load_w, 32, uint32_t)
LOAD_PAIR(load_x, 64, uint64_t)
LOAD_PAIR(load_sw, 32, int32_t)
STORE_PAIR(store_w, 32)
STORE_PAIR(store_x, 64)

/* Address and written-back base of the three modes. */
#define PAIR(name, access)                           \
    HANDLER(name)                                    \
    {                                                \
        gva_t base = memop_base(c, i);               \
        access(c, i, base + (gva_t)i->imm, base);    \
        return i + 1;                                \
    }                                                \
    HANDLER(name##_post)                             \
    {                                                \
        gva_t base = memop_base(c, i);               \
        access(c, i, base, base + (gva_t)i->imm);    \
        return i + 1;                                \
    }                                                \
    HANDLER(name##_pre)                              \
    {                                                \
        gva_t va = memop_base(c, i) + (gva_t)i->imm; \
        access(c, i, va, va);                        \
        return i + 1;                                \
    }

PAIR(LDP_w, load_w)
PAIR(LDP_x, load_x)
PAIR(LDPSW, load_sw)
PAIR(STP_w, store_w)
PAIR(STP_x, store_x)
