/*
 * The common case of soft float on the host's FPU. Private to src/cpu/fp.
 *
 * IEEE 754 leaves no choice for a sum, product, quotient, square root or fused multiply-add of
 * numbers that are normal or zero, rounded to nearest, when the result is normal: every FPU gives
 * these bits. The only flag that such an operation can raise is Inexact; so the host is asked only
 * when that is set already, as it is soon in any program, and no flag has to be looked at. A result
 * near underflow or beyond, where the architectures differ, is computed again in software.
 *
 * The host rounds to nearest, without flushing denormals: nobody in this process changes that.
 */
#pragma once

#include <math.h>

#include "cpu/fp/softfp_core.h"

static inline bool softfp_host_ready(const struct fp_status *fp, enum fp_size size)
{
    return size != FP_H && fp->fpsr & FPSR_IXC && !(fp->fpcr & FPCR_RMODE);
}

static inline unsigned softfp_host_exp(enum fp_size size, uint64_t a)
{
    return size == FP_D ? a >> 52 & 0x7ff : a >> 23 & 0xff;
}

/* A normal number, or a zero. */
static inline bool softfp_host_takes(enum fp_size size, uint64_t a)
{
    return softfp_host_exp(size, a) - 1 < (size == FP_D ? 0x7feu : 0xfeu) ||
           !(a << (size == FP_D ? 1 : 33));
}

/* A normal number that is not the smallest one: that could have been rounded up to. */
static inline bool softfp_host_gives(enum fp_size size, uint64_t r)
{
    return softfp_host_exp(size, r) - 2 < (size == FP_D ? 0x7fdu : 0xfdu);
}

static inline double softfp_host_d(uint64_t a)
{
    double d;

    memcpy(&d, &a, sizeof(d));
    return d;
}

static inline float softfp_host_s(uint64_t a)
{
    uint32_t bits = (uint32_t)a;
    float s;

    memcpy(&s, &bits, sizeof(s));
    return s;
}

static inline bool softfp_host_result(enum fp_size size, double d, float s, uint64_t *ret_r)
{
    uint32_t bits;
    uint64_t r;

    memcpy(&r, &d, sizeof(r));
    memcpy(&bits, &s, sizeof(bits));
    *ret_r = size == FP_D ? r : bits;
    return softfp_host_gives(size, *ret_r);
}

/* Each returns false when software has to do it. */
#define SOFTFP_HOST_2(name, op)                                                              \
    static inline bool softfp_host_##name(const struct fp_status *fp, enum fp_size size,     \
                                          uint64_t a, uint64_t b, uint64_t *ret_r)           \
    {                                                                                        \
        if (!softfp_host_ready(fp, size) || !softfp_host_takes(size, a) ||                   \
            !softfp_host_takes(size, b))                                                     \
            return false;                                                                    \
        if (size == FP_D)                                                                    \
            return softfp_host_result(size, softfp_host_d(a) op softfp_host_d(b), 0, ret_r); \
        return softfp_host_result(size, 0, softfp_host_s(a) op softfp_host_s(b), ret_r);     \
    }

SOFTFP_HOST_2(add, +)
SOFTFP_HOST_2(mul, *)
SOFTFP_HOST_2(div, /)

static inline bool softfp_host_muladd(const struct fp_status *fp, enum fp_size size, uint64_t z,
                                      uint64_t a, uint64_t b, uint64_t *ret_r)
{
    if (!softfp_host_ready(fp, size) || !softfp_host_takes(size, z) ||
        !softfp_host_takes(size, a) || !softfp_host_takes(size, b))
        return false;
    if (size == FP_D)
        return softfp_host_result(size, fma(softfp_host_d(a), softfp_host_d(b), softfp_host_d(z)),
                                  0, ret_r);
    return softfp_host_result(size, 0, fmaf(softfp_host_s(a), softfp_host_s(b), softfp_host_s(z)),
                              ret_r);
}

static inline bool softfp_host_sqrt(const struct fp_status *fp, enum fp_size size, uint64_t a,
                                    uint64_t *ret_r)
{
    if (!softfp_host_ready(fp, size) || !softfp_host_takes(size, a) || a & softfp_sign_bit(size))
        return false;
    if (size == FP_D)
        return softfp_host_result(size, sqrt(softfp_host_d(a)), 0, ret_r);
    return softfp_host_result(size, 0, sqrtf(softfp_host_s(a)), ret_r);
}

/* The order of two numbers raises no flag and knows no rounding. */
static inline bool softfp_host_compare(enum fp_size size, uint64_t a, uint64_t b,
                                       enum fp_order *ret_order)
{
    bool less, equal;

    if (size == FP_H || !softfp_host_takes(size, a) || !softfp_host_takes(size, b))
        return false;
    less = size == FP_D ? softfp_host_d(a) < softfp_host_d(b) : softfp_host_s(a) < softfp_host_s(b);
    equal =
        size == FP_D ? softfp_host_d(a) == softfp_host_d(b) : softfp_host_s(a) == softfp_host_s(b);
    *ret_order = less ? FP_LESS : equal ? FP_EQUAL : FP_GREATER;
    return true;
}
