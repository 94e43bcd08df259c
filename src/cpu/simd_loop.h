/*
 * Loops over the elements of integer vectors: one expression makes the handler for all element
 * sizes. In the expression a, b and d are the elements of rn, rm and rd (before), of a type that
 * is signed when the macro's second argument is int, unsigned when it is uint; arg is the
 * instruction's argument; qc is set when something saturates. What does not fit the element is cut
 * off. Signed arithmetic that could overflow is done in a wider or an unsigned type.
 */
#pragma once

#include "cpu/simd.h"

typedef __int128 simd_wide;

#define ELEM_BITS(x) ((unsigned)(8 * sizeof(x)))

/* Names an expression need not use. */
#define SIMD_UNUSED __attribute__((unused))

#define SIMD_OPERANDS                                                     \
    const union vreg n = V(rn), m = simd_rm(c, i), o SIMD_UNUSED = V(rd); \
    const unsigned arg SIMD_UNUSED = simd_arg(i);                         \
    union vreg r = { 0 };                                                 \
    bool qc = false

#define SIMD_RESULT \
    V(rd) = r;      \
    simd_sticky(c, qc)

#define SIMD_EACH(type, lane, expr)                                      \
    for (unsigned e = 0; e < simd_bytes(i) / sizeof(type); e++) {        \
        const type a = (type)n.lane[e], b SIMD_UNUSED = (type)m.lane[e]; \
        const type d SIMD_UNUSED = (type)o.lane[e];                      \
        r.lane[e] = (__typeof__(r.lane[e]))(expr);                       \
    }

/* All element sizes. */
#define SIMD_LANES(name, sign, expr)        \
    SIMD(name)                              \
    {                                       \
        SIMD_OPERANDS;                      \
        switch (simd_size(i)) {             \
        case SIMD_B:                        \
            SIMD_EACH(sign##8_t, b, expr);  \
            break;                          \
        case SIMD_H:                        \
            SIMD_EACH(sign##16_t, h, expr); \
            break;                          \
        case SIMD_S:                        \
            SIMD_EACH(sign##32_t, s, expr); \
            break;                          \
        default:                            \
            SIMD_EACH(sign##64_t, d, expr); \
            break;                          \
        }                                   \
        SIMD_RESULT;                        \
    }

/* Sizes B, H and S, so 64 bits are a wider type. */
#define SIMD_LANES_BHS(name, sign, expr)    \
    SIMD(name)                              \
    {                                       \
        SIMD_OPERANDS;                      \
        switch (simd_size(i)) {             \
        case SIMD_B:                        \
            SIMD_EACH(sign##8_t, b, expr);  \
            break;                          \
        case SIMD_H:                        \
            SIMD_EACH(sign##16_t, h, expr); \
            break;                          \
        default:                            \
            SIMD_EACH(sign##32_t, s, expr); \
            break;                          \
        }                                   \
        SIMD_RESULT;                        \
    }

/* Narrow elements of rn and rm, of the half chosen, make wide ones; w is the wide element of rn, d
 * that of rd. */
#define SIMD_EACH_LONG(type, lane, wide, wide_lane, expr)                                      \
    for (unsigned e = 0; e < simd_bytes(i) / sizeof(type); e++) {                              \
        const unsigned from = e + (simd_hi(i) ? 8 / (unsigned)sizeof(type) : 0);               \
        const type a SIMD_UNUSED = (type)n.lane[from], b SIMD_UNUSED = (type)m.lane[from];     \
        const wide w SIMD_UNUSED = (wide)n.wide_lane[e], d SIMD_UNUSED = (wide)o.wide_lane[e]; \
        r.wide_lane[e] = (__typeof__(r.wide_lane[e]))(expr);                                   \
    }

#define SIMD_LONG(name, sign, expr)                             \
    SIMD(name)                                                  \
    {                                                           \
        SIMD_OPERANDS;                                          \
        switch (simd_size(i)) {                                 \
        case SIMD_B:                                            \
            SIMD_EACH_LONG(sign##8_t, b, sign##16_t, h, expr);  \
            break;                                              \
        case SIMD_H:                                            \
            SIMD_EACH_LONG(sign##16_t, h, sign##32_t, s, expr); \
            break;                                              \
        default:                                                \
            SIMD_EACH_LONG(sign##32_t, s, sign##64_t, d, expr); \
            break;                                              \
        }                                                       \
        SIMD_RESULT;                                            \
    }

/* Wide elements a and b make narrow ones of NARROW_BITS bits in the half chosen; the lower half is
 * kept when that is the upper one, else the upper half is cleared. */
#define SIMD_EACH_NARROW(type, lane, wide, wide_lane, expr)                        \
    for (unsigned e = 0; e < simd_bytes(i) / sizeof(type); e++) {                  \
        const unsigned to = e + (simd_hi(i) ? 8 / (unsigned)sizeof(type) : 0);     \
        const wide a = (wide)n.wide_lane[e], b SIMD_UNUSED = (wide)m.wide_lane[e]; \
        r.lane[to] = (__typeof__(r.lane[to]))(expr);                               \
    }

#define NARROW_BITS (ELEM_BITS(a) / 2)

#define SIMD_NARROW(name, sign, expr)                             \
    SIMD(name)                                                    \
    {                                                             \
        SIMD_OPERANDS;                                            \
        if (simd_hi(i))                                           \
            r.d[0] = o.d[0];                                      \
        switch (simd_size(i)) {                                   \
        case SIMD_B:                                              \
            SIMD_EACH_NARROW(sign##8_t, b, sign##16_t, h, expr);  \
            break;                                                \
        case SIMD_H:                                              \
            SIMD_EACH_NARROW(sign##16_t, h, sign##32_t, s, expr); \
            break;                                                \
        default:                                                  \
            SIMD_EACH_NARROW(sign##32_t, s, sign##64_t, d, expr); \
            break;                                                \
        }                                                         \
        SIMD_RESULT;                                              \
    }

/* SignedSatQ() and UnsignedSatQ() of the manual. */
static inline int64_t simd_sat_s(simd_wide v, unsigned bits, bool *qc)
{
    int64_t max = (int64_t)low_mask(bits - 1);

    if (LIKELY(v >= -(simd_wide)max - 1 && v <= max))
        return (int64_t)v;
    *qc = true;
    return v < 0 ? -max - 1 : max;
}

static inline uint64_t simd_sat_u(simd_wide v, unsigned bits, bool *qc)
{
    if (LIKELY(v >= 0 && v <= (simd_wide)low_mask(bits)))
        return (uint64_t)v;
    *qc = true;
    return v < 0 ? 0 : low_mask(bits);
}

/* v / 2^n rounded down, or to nearest (ties up); n may reach past the width of v. */
static inline simd_wide simd_shr(simd_wide v, unsigned n, bool round)
{
    if (n == 0)
        return v;
    if (n > 65) /* v has 64 bits: all that is left is its sign, or with rounding nothing */
        n = 65;
    return (v + (round ? (simd_wide)1 << (n - 1) : 0)) >> n;
}
