/*
 * Loads and stores of one general register (Arm DDI 0487, C6.2).
 *
 * Written back and transferred register the same is CONSTRAINED UNPREDICTABLE: a load leaves the
 * loaded value, a store stores the old one.
 */
#include "cpu/alu.h"
#include "cpu/memop.h"

#define SCTLR_SA  BIT(3)
#define SCTLR_SA0 BIT(4)

void memop_sp_misaligned(struct cpu *c)
{
    if (c->sys.sctlr_el1 & (c->el == 0 ? SCTLR_SA0 : SCTLR_SA))
        exc_sp_align(c);
}

static inline gva_t reg_address(struct cpu *c, const struct a64_insn *i)
{
    return memop_base(c, i) + alu_extend(X(rm), i->ra, (unsigned)i->imm);
}

/* Loads of `bits` bits by addressing mode; type makes the register's value of them. */
#define LOAD(name, bits, type)                                                     \
    HANDLER(name##_imm)                                                            \
    {                                                                              \
        X(rd) = (type)cpu_ld##bits(c, memop_base(c, i) + (gva_t)i->imm);           \
        return i + 1;                                                              \
    }                                                                              \
    HANDLER(name##_post)                                                           \
    {                                                                              \
        gva_t va = memop_base(c, i);                                               \
        uint64_t val = (type)cpu_ld##bits(c, va);                                  \
        X(rn) = va + (gva_t)i->imm;                                                \
        X(rd) = val;                                                               \
        return i + 1;                                                              \
    }                                                                              \
    HANDLER(name##_pre)                                                            \
    {                                                                              \
        gva_t va = memop_base(c, i) + (gva_t)i->imm;                               \
        uint64_t val = (type)cpu_ld##bits(c, va);                                  \
        X(rn) = va;                                                                \
        X(rd) = val;                                                               \
        return i + 1;                                                              \
    }                                                                              \
    HANDLER(name##_reg)                                                            \
    {                                                                              \
        X(rd) = (type)cpu_ld##bits(c, reg_address(c, i));                          \
        return i + 1;                                                              \
    }                                                                              \
    HANDLER(name##_user)                                                           \
    {                                                                              \
        X(rd) = (type)cpu_ld(c, memop_base(c, i) + (gva_t)i->imm, bits / 8, true); \
        return i + 1;                                                              \
    }

#define SIGNED_W(t) uint32_t)(int32_t)(t
#define SIGNED_X(t) uint64_t)(int64_t)(t

LOAD(LDRB, 8, uint8_t)
LOAD(LDRH, 16, uint16_t)
LOAD(LDR_w, 32, uint32_t)
LOAD(LDR_x, 64, uint64_t)
LOAD(LDRSB_w, 8, SIGNED_W(int8_t))
LOAD(LDRSH_w, 16, SIGNED_W(int16_t))
LOAD(LDRSB_x, 8, SIGNED_X(int8_t))
LOAD(LDRSH_x, 16, SIGNED_X(int16_t))
LOAD(LDRSW, 32, SIGNED_X(int32_t))

#define STORE(name, bits)                                                   \
    HANDLER(name##_imm)                                                     \
    {                                                                       \
        cpu_st##bits(c, memop_base(c, i) + (gva_t)i->imm, X(rd));           \
        return i + 1;                                                       \
    }                                                                       \
    HANDLER(name##_post)                                                    \
    {                                                                       \
        gva_t va = memop_base(c, i);                                        \
        cpu_st##bits(c, va, X(rd));                                         \
        X(rn) = va + (gva_t)i->imm;                                         \
        return i + 1;                                                       \
    }                                                                       \
    HANDLER(name##_pre)                                                     \
    {                                                                       \
        gva_t va = memop_base(c, i) + (gva_t)i->imm;                        \
        cpu_st##bits(c, va, X(rd));                                         \
        X(rn) = va;                                                         \
        return i + 1;                                                       \
    }                                                                       \
    HANDLER(name##_reg)                                                     \
    {                                                                       \
        cpu_st##bits(c, reg_address(c, i), X(rd));                          \
        return i + 1;                                                       \
    }                                                                       \
    HANDLER(name##_user)                                                    \
    {                                                                       \
        cpu_st(c, memop_base(c, i) + (gva_t)i->imm, bits / 8, X(rd), true); \
        return i + 1;                                                       \
    }

STORE(STRB, 8)
STORE(STRH, 16)
STORE(STR_w, 32)
STORE(STR_x, 64)

#define LOAD_LITERAL(name, bits, type)                                    \
    HANDLER(name)                                                         \
    {                                                                     \
        X(rd) = (type)cpu_ld##bits(c, cpu_insn_va(c, i) + (gva_t)i->imm); \
        return i + 1;                                                     \
    }

LOAD_LITERAL(LDR_w_lit, 32, uint32_t)
LOAD_LITERAL(LDR_x_lit, 64, uint64_t)
LOAD_LITERAL(LDRSW_lit, 32, SIGNED_X(int32_t))
