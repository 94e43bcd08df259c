/* Logic, moves and bit fields (Arm DDI 0487, C6.2). */
#include "cpu/alu.h"
#include "cpu/handler.h"

/* One operation on 32 and 64 bits; a and b are its operands, `form` names the second one's. */
#define LOGIC(name, second32, second64, op) \
    HANDLER(name##_w)                       \
    {                                       \
        uint32_t a = W(rn), b = (second32); \
        X(rd) = op;                         \
        return i + 1;                       \
    }                                       \
    HANDLER(name##_x)                       \
    {                                       \
        uint64_t a = X(rn), b = (second64); \
        X(rd) = op;                         \
        return i + 1;                       \
    }

#define LOGIC_FLAGS(name, second32, second64, op) \
    HANDLER(name##_w)                             \
    {                                             \
        uint32_t a = W(rn), b = (second32);       \
        uint32_t r = op;                          \
        X(rd) = r;                                \
        c->nzcv = alu_nz32(r);                    \
        return i + 1;                             \
    }                                             \
    HANDLER(name##_x)                             \
    {                                             \
        uint64_t a = X(rn), b = (second64);       \
        uint64_t r = op;                          \
        X(rd) = r;                                \
        c->nzcv = alu_nz64(r);                    \
        return i + 1;                             \
    }

LOGIC(AND_imm, (uint32_t)i->imm, (uint64_t)i->imm, a &b)
LOGIC(ORR_imm, (uint32_t)i->imm, (uint64_t)i->imm, a | b)
LOGIC(EOR_imm, (uint32_t)i->imm, (uint64_t)i->imm, a ^ b)
LOGIC_FLAGS(ANDS_imm, (uint32_t)i->imm, (uint64_t)i->imm, a &b)

LOGIC(AND_reg, W(rm), X(rm), a &b)
LOGIC(BIC_reg, W(rm), X(rm), a & ~b)
LOGIC(ORR_reg, W(rm), X(rm), a | b)
LOGIC(EOR_reg, W(rm), X(rm), a ^ b)
LOGIC_FLAGS(ANDS_reg, W(rm), X(rm), a &b)

#define SHIFTED32 alu_shift32(W(rm), i->ra, (unsigned)i->imm)
#define SHIFTED64 alu_shift64(X(rm), i->ra, (unsigned)i->imm)

LOGIC(AND_shift, SHIFTED32, SHIFTED64, a &b)
LOGIC(BIC_shift, SHIFTED32, SHIFTED64, a & ~b)
LOGIC(ORR_shift, SHIFTED32, SHIFTED64, a | b)
LOGIC(ORN_shift, SHIFTED32, SHIFTED64, a | ~b)
LOGIC(EOR_shift, SHIFTED32, SHIFTED64, a ^ b)
LOGIC(EON_shift, SHIFTED32, SHIFTED64, a ^ ~b)
LOGIC_FLAGS(ANDS_shift, SHIFTED32, SHIFTED64, a &b)
LOGIC_FLAGS(BICS_shift, SHIFTED32, SHIFTED64, a & ~b)

HANDLER(MOV_reg_w)
{
    X(rd) = W(rm);
    return i + 1;
}

HANDLER(MOV_reg_x)
{
    X(rd) = X(rm);
    return i + 1;
}

/* MOVZ and MOVN. */
HANDLER(MOV_const)
{
    X(rd) = (uint64_t)i->imm;
    return i + 1;
}

HANDLER(MOVK_w)
{
    X(rd) = (W(rd) & ~(UINT32_C(0xffff) << i->ra)) | (uint32_t)i->imm;
    return i + 1;
}

HANDLER(MOVK_x)
{
    X(rd) = (X(rd) & ~(UINT64_C(0xffff) << i->ra)) | (uint64_t)i->imm;
    return i + 1;
}

HANDLER(UBFM_w)
{
    X(rd) = alu_ror32(W(rn), i->ra) & (uint32_t)i->imm;
    return i + 1;
}

HANDLER(UBFM_x)
{
    X(rd) = alu_ror64(X(rn), i->ra) & (uint64_t)i->imm;
    return i + 1;
}

HANDLER(BFM_w)
{
    uint32_t mask = (uint32_t)i->imm;

    X(rd) = (W(rd) & ~mask) | (alu_ror32(W(rn), i->ra) & mask);
    return i + 1;
}

HANDLER(BFM_x)
{
    uint64_t mask = (uint64_t)i->imm;

    X(rd) = (X(rd) & ~mask) | (alu_ror64(X(rn), i->ra) & mask);
    return i + 1;
}

HANDLER(SBFM_w)
{
    X(rd) = (uint32_t)((int32_t)(W(rn) << i->ra) >> i->rm);
    return i + 1;
}

HANDLER(SBFM_x)
{
    X(rd) = (uint64_t)((int64_t)(X(rn) << i->ra) >> i->rm);
    return i + 1;
}

HANDLER(EXTR_w)
{
    uint64_t both = (uint64_t)W(rn) << 32 | W(rm);

    X(rd) = (uint32_t)(both >> i->imm);
    return i + 1;
}

HANDLER(EXTR_x)
{
    unsigned n = (unsigned)i->imm;

    X(rd) = n ? X(rm) >> n | X(rn) << (64 - n) : X(rm);
    return i + 1;
}
