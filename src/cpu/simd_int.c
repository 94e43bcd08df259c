/* AdvSIMD integer arithmetic, comparison and logic on elements of one size (Arm DDI 0487, C7.2).
 * The scalar and the by-element forms run here too. */
#include "cpu/simd_loop.h"

/* Plain arithmetic */
SIMD_LANES(ADD, uint, a + b)
SIMD_LANES(SUB, uint, a - b)
SIMD_LANES(NEG, uint, -(uint64_t)a)
SIMD_LANES(ABS, int, a < 0 ? -(uint64_t)a : (uint64_t)a)
SIMD_LANES_BHS(MUL, uint, (uint64_t)a *b)
SIMD_LANES_BHS(MLA, uint, d + (uint64_t)a * b)
SIMD_LANES_BHS(MLS, uint, d - (uint64_t)a * b)
SIMD_LANES_BHS(SHADD, int, ((int64_t)a + b) >> 1)
SIMD_LANES_BHS(UHADD, uint, ((uint64_t)a + b) >> 1)
SIMD_LANES_BHS(SRHADD, int, ((int64_t)a + b + 1) >> 1)
SIMD_LANES_BHS(URHADD, uint, ((uint64_t)a + b + 1) >> 1)
SIMD_LANES_BHS(SHSUB, int, ((int64_t)a - b) >> 1)
SIMD_LANES_BHS(UHSUB, uint, ((uint64_t)a - b) >> 1)

/* Minimum, maximum, difference */
SIMD_LANES_BHS(SMAX, int, a > b ? a : b)
SIMD_LANES_BHS(UMAX, uint, a > b ? a : b)
SIMD_LANES_BHS(SMIN, int, a < b ? a : b)
SIMD_LANES_BHS(UMIN, uint, a < b ? a : b)
SIMD_LANES_BHS(SABD, int, a > b ? (int64_t)a - b : (int64_t)b - a)
SIMD_LANES_BHS(UABD, uint, a > b ? a - b : b - a)
SIMD_LANES_BHS(SABA, int, d + (a > b ? (int64_t)a - b : (int64_t)b - a))
SIMD_LANES_BHS(UABA, uint, d + (a > b ? a - b : b - a))

/* Comparison: all ones or all zeros */
SIMD_LANES(CMEQ, uint, a == b ? -1 : 0)
SIMD_LANES(CMTST, uint, a &b ? -1 : 0)
SIMD_LANES(CMGT, int, a > b ? -1 : 0)
SIMD_LANES(CMGE, int, a >= b ? -1 : 0)
SIMD_LANES(CMHI, uint, a > b ? -1 : 0)
SIMD_LANES(CMHS, uint, a >= b ? -1 : 0)
SIMD_LANES(CMEQ0, int, a == 0 ? -1 : 0)
SIMD_LANES(CMGT0, int, a > 0 ? -1 : 0)
SIMD_LANES(CMGE0, int, a >= 0 ? -1 : 0)
SIMD_LANES(CMLT0, int, a < 0 ? -1 : 0)
SIMD_LANES(CMLE0, int, a <= 0 ? -1 : 0)

/* Saturating arithmetic */
SIMD_LANES(SQADD, int, simd_sat_s((simd_wide)a + b, ELEM_BITS(a), &qc))
SIMD_LANES(UQADD, uint, simd_sat_u((simd_wide)a + b, ELEM_BITS(a), &qc))
SIMD_LANES(SQSUB, int, simd_sat_s((simd_wide)a - b, ELEM_BITS(a), &qc))
SIMD_LANES(UQSUB, uint, simd_sat_u((simd_wide)a - b, ELEM_BITS(a), &qc))
SIMD_LANES(SQABS, int, simd_sat_s(a < 0 ? -(simd_wide)a : a, ELEM_BITS(a), &qc))
SIMD_LANES(SQNEG, int, simd_sat_s(-(simd_wide)a, ELEM_BITS(a), &qc))

/* The accumulator of the other signedness */
SIMD_LANES(SUQADD, int,
           simd_sat_s((simd_wide)d + ((uint64_t)a & low_mask(ELEM_BITS(a))), ELEM_BITS(a), &qc))
SIMD_LANES(USQADD, uint, simd_sat_u((simd_wide)d + sign_extend(a, ELEM_BITS(a)), ELEM_BITS(a), &qc))

/* Doubling multiplies that return the high half; the accumulating ones round, then saturate once */
#define DOUBLED   (2 * (simd_wide)a * b)
#define HALF_UNIT ((simd_wide)1 << (ELEM_BITS(a) - 1))
SIMD_LANES_BHS(SQDMULH, int, simd_sat_s(DOUBLED >> ELEM_BITS(a), ELEM_BITS(a), &qc))
SIMD_LANES_BHS(SQRDMULH, int, simd_sat_s((DOUBLED + HALF_UNIT) >> ELEM_BITS(a), ELEM_BITS(a), &qc))
SIMD_LANES_BHS(SQRDMLAH, int,
               simd_sat_s((((simd_wide)d * 2 * HALF_UNIT) + DOUBLED + HALF_UNIT) >> ELEM_BITS(a),
                          ELEM_BITS(a), &qc))
SIMD_LANES_BHS(SQRDMLSH, int,
               simd_sat_s((((simd_wide)d * 2 * HALF_UNIT) - DOUBLED + HALF_UNIT) >> ELEM_BITS(a),
                          ELEM_BITS(a), &qc))

/* Logic: the formats ask for doublewords, whatever the arrangement */
#define LOGIC(name, expr)                                      \
    SIMD(name)                                                 \
    {                                                          \
        const union vreg n = V(rn), m = V(rm);                 \
        union vreg r = { 0 };                                  \
        for (unsigned e = 0; e < simd_bytes(i) / 8; e++) {     \
            const uint64_t a = n.d[e], b SIMD_UNUSED = m.d[e]; \
            const uint64_t d SIMD_UNUSED = V(rd).d[e];         \
            r.d[e] = (expr);                                   \
        }                                                      \
        V(rd) = r;                                             \
    }

LOGIC(AND_v, a &b)
LOGIC(BIC_v, a & ~b)
LOGIC(ORR_v, a | b)
LOGIC(ORN_v, a | ~b)
LOGIC(EOR_v, a ^ b)
LOGIC(BSL_v, (d & a) | (~d & b))
LOGIC(BIT_v, (b & a) | (~b & d))
LOGIC(BIF_v, (~b & a) | (b & d))

/* Bits */
static inline unsigned count_leading_zeros(uint64_t a, unsigned bits)
{
    return a ? (unsigned)__builtin_clzll(a) - (64 - bits) : bits;
}

static inline unsigned reverse_bits(unsigned a)
{
    unsigned r = 0;

    for (unsigned k = 0; k < 8; k++)
        r |= (a >> k & 1) << (7 - k);
    return r;
}

SIMD_LANES_BHS(CLZ, uint, count_leading_zeros(a, ELEM_BITS(a)))
SIMD_LANES_BHS(CLS, uint,
               count_leading_zeros((a ^ a >> 1) & low_mask(ELEM_BITS(a) - 1), ELEM_BITS(a) - 1))
SIMD_LANES_BHS(CNT, uint, __builtin_popcount(a))
SIMD_LANES_BHS(RBIT_v, uint, reverse_bits(a))

SIMD(NOT_v)
{
    union vreg r = { .d = { ~V(rn).d[0], simd_bytes(i) == 16 ? ~V(rn).d[1] : 0 } };

    V(rd) = r;
}

/* Reverse the elements within containers of 16, 32 or 64 bits. */
static void reverse(struct cpu *c, const struct a64_insn *i, unsigned container)
{
    unsigned flip = (container >> simd_size(i)) - 1;
    union vreg n = V(rn), r = { 0 };

    for (unsigned e = 0; e < simd_bytes(i) >> simd_size(i); e++)
        simd_set(&r, simd_size(i), e, simd_get(&n, simd_size(i), e ^ flip));
    V(rd) = r;
}

SIMD(REV16)
{
    reverse(c, i, 2);
}

SIMD(REV32)
{
    reverse(c, i, 4);
}

SIMD(REV64)
{
    reverse(c, i, 8);
}

/* Polynomial multiplication over {0, 1}, low half of the product. */
static inline unsigned poly_mul8(unsigned a, unsigned b)
{
    unsigned r = 0;

    for (unsigned k = 0; k < 8; k++)
        r ^= b >> k & 1 ? a << k : 0;
    return r;
}

SIMD_LANES_BHS(PMUL, uint, poly_mul8(a, b))

/* Unsigned estimates of 32-bit elements. */
SIMD_LANES_BHS(URECPE, uint, softfp_recip_est_u32(a))
SIMD_LANES_BHS(URSQRTE, uint, softfp_rsqrt_est_u32(a))
