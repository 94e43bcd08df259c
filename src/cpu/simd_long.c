/* AdvSIMD integer arithmetic between elements of different sizes: long, wide, narrow, pairwise,
 * across lanes, dot products (Arm DDI 0487, C7.2). */
#include "cpu/simd_loop.h"

/* Long: wide results of narrow operands; wide: the first operand is wide already */
SIMD_LONG(SADDL, int, (int64_t)a + b)
SIMD_LONG(UADDL, uint, (uint64_t)a + b)
SIMD_LONG(SSUBL, int, (int64_t)a - b)
SIMD_LONG(USUBL, uint, (uint64_t)a - b)
SIMD_LONG(SADDW, int, (uint64_t)w + (uint64_t)b)
SIMD_LONG(UADDW, uint, w + b)
SIMD_LONG(SSUBW, int, (uint64_t)w - (uint64_t)b)
SIMD_LONG(USUBW, uint, w - b)
SIMD_LONG(SABDL, int, a > b ? (int64_t)a - b : (int64_t)b - a)
SIMD_LONG(UABDL, uint, a > b ? a - b : b - a)
SIMD_LONG(SABAL, int, (uint64_t)d + (uint64_t)(a > b ? (int64_t)a - b : (int64_t)b - a))
SIMD_LONG(UABAL, uint, d + (a > b ? a - b : b - a))
SIMD_LONG(SMULL, int, (int64_t)a *b)
SIMD_LONG(UMULL, uint, (uint64_t)a *b)
SIMD_LONG(SMLAL, int, (uint64_t)d + (uint64_t)((int64_t)a * b))
SIMD_LONG(UMLAL, uint, d + (uint64_t)a * b)
SIMD_LONG(SMLSL, int, (uint64_t)d - (uint64_t)((int64_t)a * b))
SIMD_LONG(UMLSL, uint, d - (uint64_t)a * b)

/* Doubling ones saturate the product, then the sum */
#define DOUBLED simd_sat_s(2 * (simd_wide)a * b, ELEM_BITS(w), &qc)
SIMD_LONG(SQDMULL, int, DOUBLED)
SIMD_LONG(SQDMLAL, int, simd_sat_s((simd_wide)d + DOUBLED, ELEM_BITS(w), &qc))
SIMD_LONG(SQDMLSL, int, simd_sat_s((simd_wide)d - DOUBLED, ELEM_BITS(w), &qc))

/* The high half of sums, cut off or rounded */
#define HALF_UNIT (UINT64_C(1) << (NARROW_BITS - 1))
SIMD_NARROW(ADDHN, uint, ((uint64_t)a + b) >> NARROW_BITS)
SIMD_NARROW(SUBHN, uint, ((uint64_t)a - b) >> NARROW_BITS)
SIMD_NARROW(RADDHN, uint, ((uint64_t)a + b + HALF_UNIT) >> NARROW_BITS)
SIMD_NARROW(RSUBHN, uint, ((uint64_t)a - b + HALF_UNIT) >> NARROW_BITS)

/* Polynomial multiplication over {0, 1} */
static unsigned __int128 poly_mul(uint64_t a, uint64_t b)
{
    unsigned __int128 r = 0;

    for (unsigned k = 0; k < 64; k++)
        r ^= b >> k & 1 ? (unsigned __int128)a << k : 0;
    return r;
}

SIMD_LONG(PMULL_b, uint, poly_mul(a, b))

SIMD(PMULL_d)
{
    unsigned half = simd_hi(i);
    unsigned __int128 p = poly_mul(V(rn).d[half], V(rm).d[half]);

    V(rd) = (union vreg){ .d = { (uint64_t)p, (uint64_t)(p >> 64) } };
}

/* Neighbours of one register added into an element twice as wide */
#define EACH_ADDLP(type, lane, wide, wide_lane, accumulate)                                   \
    for (unsigned e = 0; e < simd_bytes(i) / sizeof(wide); e++)                               \
        r.wide_lane[e] = (__typeof__(r.wide_lane[e]))((accumulate ? V(rd).wide_lane[e] : 0) + \
                                                      (uint64_t)(type)n.lane[2 * e] +         \
                                                      (uint64_t)(type)n.lane[2 * e + 1]);

#define ADDLP(name, sign, accumulate)                             \
    SIMD(name)                                                    \
    {                                                             \
        const union vreg n = V(rn);                               \
        union vreg r = { 0 };                                     \
        switch (simd_size(i)) {                                   \
        case SIMD_B:                                              \
            EACH_ADDLP(sign##8_t, b, sign##16_t, h, accumulate);  \
            break;                                                \
        case SIMD_H:                                              \
            EACH_ADDLP(sign##16_t, h, sign##32_t, s, accumulate); \
            break;                                                \
        default:                                                  \
            EACH_ADDLP(sign##32_t, s, sign##64_t, d, accumulate); \
            break;                                                \
        }                                                         \
        V(rd) = r;                                                \
    }

ADDLP(SADDLP, int, false)
ADDLP(UADDLP, uint, false)
ADDLP(SADALP, int, true)
ADDLP(UADALP, uint, true)

/* Pairwise: neighbours a and b of rm:rn, the elements of rn first */
#define EACH_PAIR(type, lane, expr)                                            \
    {                                                                          \
        const unsigned count = simd_bytes(i) / (unsigned)sizeof(type);         \
        for (unsigned e = 0; e < count; e++) {                                 \
            const union vreg *from = 2 * e < count ? &n : &m;                  \
            const unsigned at = 2 * e & (count - 1);                           \
            const type a = (type)from->lane[at], b = (type)from->lane[at + 1]; \
            r.lane[e] = (__typeof__(r.lane[e]))(expr);                         \
        }                                                                      \
    }

#define PAIRWISE(name, sign, expr)             \
    SIMD(name)                                 \
    {                                          \
        const union vreg n = V(rn), m = V(rm); \
        union vreg r = { 0 };                  \
        switch (simd_size(i)) {                \
        case SIMD_B:                           \
            EACH_PAIR(sign##8_t, b, expr);     \
            break;                             \
        case SIMD_H:                           \
            EACH_PAIR(sign##16_t, h, expr);    \
            break;                             \
        case SIMD_S:                           \
            EACH_PAIR(sign##32_t, s, expr);    \
            break;                             \
        default:                               \
            EACH_PAIR(sign##64_t, d, expr);    \
            break;                             \
        }                                      \
        V(rd) = r;                             \
    }

PAIRWISE(ADDP, uint, a + b)
PAIRWISE(SMAXP, int, a > b ? a : b)
PAIRWISE(UMAXP, uint, a > b ? a : b)
PAIRWISE(SMINP, int, a < b ? a : b)
PAIRWISE(UMINP, uint, a < b ? a : b)

SIMD(ADDP_s)
{
    V(rd) = (union vreg){ .d = { V(rn).d[0] + V(rn).d[1], 0 } };
}

/* Across lanes: a is what there is so far, b the next element; widen is 1 when the result is twice
 * as wide */
#define ACROSS(name, is_signed, widen, expr)                               \
    SIMD(name)                                                             \
    {                                                                      \
        const union vreg n = V(rn);                                        \
        unsigned size = simd_size(i), bits = 8U << size;                   \
        int64_t a = 0;                                                     \
        for (unsigned e = 0; e < simd_bytes(i) >> size; e++) {             \
            uint64_t raw = simd_get(&n, size, e);                          \
            int64_t b = is_signed ? sign_extend(raw, bits) : (int64_t)raw; \
            a = e ? (expr) : b;                                            \
        }                                                                  \
        V(rd) = (union vreg){ 0 };                                         \
        simd_set(&V(rd), size + widen, 0, (uint64_t)a);                    \
    }

ACROSS(ADDV, false, 0, a + b)
ACROSS(SADDLV, true, 1, a + b)
ACROSS(UADDLV, false, 1, a + b)
ACROSS(SMAXV, true, 0, a > b ? a : b)
ACROSS(UMAXV, false, 0, a > b ? a : b)
ACROSS(SMINV, true, 0, a < b ? a : b)
ACROSS(UMINV, false, 0, a < b ? a : b)

/* Dot products of four bytes, added to 32-bit elements */
#define DOT(name, type)                                            \
    SIMD(name)                                                     \
    {                                                              \
        const union vreg n = V(rn), m = simd_rm(c, i);             \
        union vreg r = { 0 };                                      \
        for (unsigned e = 0; e < simd_bytes(i) / 4; e++) {         \
            r.s[e] = V(rd).s[e];                                   \
            for (unsigned k = 4 * e; k < 4 * e + 4; k++)           \
                r.s[e] += (uint32_t)((type)n.b[k] * (type)m.b[k]); \
        }                                                          \
        V(rd) = r;                                                 \
    }

DOT(SDOT, int8_t)
DOT(UDOT, uint8_t)
