/* Add, subtract, compare and select (Arm DDI 0487, C6.2). */
#include "cpu/alu.h"
#include "cpu/handler.h"

/* The eight handlers of one operand form; second32 and second64 are the second operand. */
#define ADD_SUB(form, second32, second64)            \
    HANDLER(ADD_##form##_w)                          \
    {                                                \
        X(rd) = W(rn) + (second32);                  \
        return i + 1;                                \
    }                                                \
    HANDLER(ADD_##form##_x)                          \
    {                                                \
        X(rd) = X(rn) + (second64);                  \
        return i + 1;                                \
    }                                                \
    HANDLER(SUB_##form##_w)                          \
    {                                                \
        X(rd) = W(rn) - (second32);                  \
        return i + 1;                                \
    }                                                \
    HANDLER(SUB_##form##_x)                          \
    {                                                \
        X(rd) = X(rn) - (second64);                  \
        return i + 1;                                \
    }                                                \
    HANDLER(ADDS_##form##_w)                         \
    {                                                \
        X(rd) = alu_adds32(c, W(rn), (second32), 0); \
        return i + 1;                                \
    }                                                \
    HANDLER(ADDS_##form##_x)                         \
    {                                                \
        X(rd) = alu_adds64(c, X(rn), (second64), 0); \
        return i + 1;                                \
    }                                                \
    HANDLER(SUBS_##form##_w)                         \
    {                                                \
        X(rd) = alu_subs32(c, W(rn), (second32));    \
        return i + 1;                                \
    }                                                \
    HANDLER(SUBS_##form##_x)                         \
    {                                                \
        X(rd) = alu_subs64(c, X(rn), (second64));    \
        return i + 1;                                \
    }

ADD_SUB(imm, (uint32_t)i->imm, (uint64_t)i->imm)
ADD_SUB(reg, W(rm), X(rm))
ADD_SUB(shift, alu_shift32(W(rm), i->ra, (unsigned)i->imm),
        alu_shift64(X(rm), i->ra, (unsigned)i->imm))
ADD_SUB(ext, (uint32_t)alu_extend(X(rm), i->ra, (unsigned)i->imm),
        alu_extend(X(rm), i->ra, (unsigned)i->imm))

HANDLER(ADC_w)
{
    X(rd) = W(rn) + W(rm) + alu_carry(c);
    return i + 1;
}

HANDLER(ADC_x)
{
    X(rd) = X(rn) + X(rm) + alu_carry(c);
    return i + 1;
}

HANDLER(SBC_w)
{
    X(rd) = W(rn) + ~W(rm) + alu_carry(c);
    return i + 1;
}

HANDLER(SBC_x)
{
    X(rd) = X(rn) + ~X(rm) + alu_carry(c);
    return i + 1;
}

HANDLER(ADCS_w)
{
    X(rd) = alu_adds32(c, W(rn), W(rm), alu_carry(c));
    return i + 1;
}

HANDLER(ADCS_x)
{
    X(rd) = alu_adds64(c, X(rn), X(rm), alu_carry(c));
    return i + 1;
}

HANDLER(SBCS_w)
{
    X(rd) = alu_adds32(c, W(rn), ~W(rm), alu_carry(c));
    return i + 1;
}

HANDLER(SBCS_x)
{
    X(rd) = alu_adds64(c, X(rn), ~X(rm), alu_carry(c));
    return i + 1;
}

/* Conditional compare: flags of the comparison, or the ones in the instruction. */
#define CCMP(name, compare)                  \
    HANDLER(name)                            \
    {                                        \
        if (cond_holds(c, i->ra))            \
            (void)(compare);                 \
        else                                 \
            c->nzcv = (uint64_t)i->rd << 28; \
        return i + 1;                        \
    }

CCMP(CCMN_reg_w, alu_adds32(c, W(rn), W(rm), 0))
CCMP(CCMN_reg_x, alu_adds64(c, X(rn), X(rm), 0))
CCMP(CCMP_reg_w, alu_subs32(c, W(rn), W(rm)))
CCMP(CCMP_reg_x, alu_subs64(c, X(rn), X(rm)))
CCMP(CCMN_imm_w, alu_adds32(c, W(rn), (uint32_t)i->imm, 0))
CCMP(CCMN_imm_x, alu_adds64(c, X(rn), (uint64_t)i->imm, 0))
CCMP(CCMP_imm_w, alu_subs32(c, W(rn), (uint32_t)i->imm))
CCMP(CCMP_imm_x, alu_subs64(c, X(rn), (uint64_t)i->imm))

/* FEAT_FlagM: flags from the low bits of a rotated register, where the mask has ones. */
HANDLER(RMIF)
{
    uint64_t mask = (uint64_t)i->ra << 28;

    c->nzcv = (c->nzcv & ~mask) | (alu_ror64(X(rn), (unsigned)i->imm) << 28 & mask);
    return i + 1;
}

/* N, Z and V as an 8- or 16-bit result in the low bits of a register has them: V is set when the
 * bit above it differs from its sign. C stays. */
#define SETF(name, bits)                                                      \
    HANDLER(name)                                                             \
    {                                                                         \
        uint32_t val = W(rn);                                                 \
                                                                              \
        c->nzcv = (c->nzcv & NZCV_C) | (val >> (bits - 1) & 1 ? NZCV_N : 0) | \
                  (val & low_mask(bits) ? 0 : NZCV_Z) |                       \
                  ((val >> (bits - 1) ^ val >> bits) & 1 ? NZCV_V : 0);       \
        return i + 1;                                                         \
    }

SETF(SETF8, 8)
SETF(SETF16, 16)

HANDLER(CFINV)
{
    c->nzcv ^= NZCV_C;
    return i + 1;
}

/* Conditional select: rn as it is, or what the instruction makes of rm. */
#define SELECT(name, R, otherwise)                                   \
    HANDLER(name)                                                    \
    {                                                                \
        X(rd) = i->imm >> (c->nzcv >> 28) & 1 ? R(rn) : (otherwise); \
        return i + 1;                                                \
    }

SELECT(CSEL_w, W, W(rm))
SELECT(CSEL_x, X, X(rm))
SELECT(CSINC_w, W, W(rm) + 1)
SELECT(CSINC_x, X, X(rm) + 1)
SELECT(CSINV_w, W, ~W(rm))
SELECT(CSINV_x, X, ~X(rm))
SELECT(CSNEG_w, W, -W(rm))
SELECT(CSNEG_x, X, -X(rm))

HANDLER(ADR)
{
    X(rd) = cpu_insn_va(c, i) + (uint64_t)i->imm;
    return i + 1;
}

HANDLER(ADRP)
{
    X(rd) = c->page_va + (uint64_t)i->imm;
    return i + 1;
}
