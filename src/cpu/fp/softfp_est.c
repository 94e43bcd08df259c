/*
 * Soft float: reciprocal and reciprocal square root estimates. The architecture fixes every bit of
 * them (Arm DDI 0487, RecipEstimate and RecipSqrtEstimate).
 */
#include "cpu/fp/softfp_core.h"

/* 9 bits in (256 .. 511 stand for 0.5 .. 1), 9 bits out (256 .. 511 for 1 .. 2). */
static unsigned recip_estimate(unsigned a)
{
    return ((1U << 19) / (2 * a + 1) + 1) / 2;
}

/* 9 bits in (128 .. 511 stand for 0.25 .. 1), 9 bits out (256 .. 511 for 1 .. 2). */
static unsigned rsqrt_estimate(unsigned a)
{
    uint64_t mid = a < 256 ? 2 * a + 1 : 2 * ((a & ~1U) + 1); /* of the input's interval */
    uint64_t b = 512;

    while (mid * (b + 1) * (b + 1) < BIT(28))
        b++;
    return (unsigned)(b + 1) / 2;
}

uint64_t softfp_recip_est(struct fp_status *fp, enum fp_size size, uint64_t a)
{
    const struct fp_format *f = &softfp_formats[size];
    struct fp_num n = softfp_unpack(fp, size, a);

    if (fp_is_nan(&n))
        return softfp_nan(fp, size, &n);
    if (n.type == FP_TYPE_INF)
        return softfp_zero(size, n.sign);
    if (n.type == FP_TYPE_ZERO) {
        fp->fpsr |= FPSR_DZC;
        return softfp_inf(size, n.sign);
    }
    if (n.exp < f->min_exp - 2) { /* the reciprocal is too large */
        fp->fpsr |= FPSR_OFC | FPSR_IXC;
        return softfp_overflow_to_inf(softfp_rmode(fp), n.sign) ? softfp_inf(size, n.sign)
                                                                : softfp_max_normal(size, n.sign);
    }
    if (n.exp >= -f->min_exp && fp->fpcr & (size == FP_H ? FPCR_FZ16 : FPCR_FZ)) {
        fp->fpsr |= FPSR_UFC; /* the reciprocal is denormal; not inexact */
        return softfp_zero(size, n.sign);
    }

    unsigned estimate = recip_estimate((unsigned)(n.sig >> (FP_LEAD - 8)));
    int biased = -n.exp - f->min_exp; /* of 2^(-1 - exp) */
    uint64_t mant = (uint64_t)(estimate) << (f->frac_bits - 8);
    if (biased < 1) { /* denormal by one or two places; exact, there are bits enough */
        mant >>= 1 - biased;
        biased = 0;
    }
    return softfp_zero(size, n.sign) | (uint64_t)biased << f->frac_bits |
           (mant & low_mask(f->frac_bits));
}

uint64_t softfp_rsqrt_est(struct fp_status *fp, enum fp_size size, uint64_t a)
{
    const struct fp_format *f = &softfp_formats[size];
    struct fp_num n = softfp_unpack(fp, size, a);

    if (fp_is_nan(&n))
        return softfp_nan(fp, size, &n);
    if (n.type == FP_TYPE_ZERO) {
        fp->fpsr |= FPSR_DZC;
        return softfp_inf(size, n.sign);
    }
    if (n.sign)
        return softfp_invalid(fp, size);
    if (n.type == FP_TYPE_INF)
        return softfp_zero(size, false);

    /* value = scaled * 2^(2k) with scaled in 0.25 .. 1, so the root is 2^-k times the estimate. */
    bool odd = n.exp & 1;
    unsigned scaled = (unsigned)(n.sig >> (FP_LEAD - (odd ? 8 : 7)));
    int k = odd ? (n.exp + 1) / 2 : (n.exp + 2) / 2;
    unsigned estimate = rsqrt_estimate(scaled);
    uint64_t biased = (uint64_t)(-k - f->min_exp + 1);

    return biased << f->frac_bits | (uint64_t)(estimate & 0xff) << (f->frac_bits - 8);
}

uint64_t softfp_recpx(struct fp_status *fp, enum fp_size size, uint64_t a)
{
    const struct fp_format *f = &softfp_formats[size];
    struct fp_num n = softfp_unpack(fp, size, a);
    uint64_t ones = low_mask(f->exp_bits);
    uint64_t exp = a >> f->frac_bits & ones;

    if (fp_is_nan(&n))
        return softfp_nan(fp, size, &n);
    return softfp_zero(size, n.sign) | (exp ? exp ^ ones : ones - 1) << f->frac_bits;
}

uint32_t softfp_recip_est_u32(uint32_t a)
{
    return a >> 31 ? recip_estimate(a >> 23) << 23 : UINT32_MAX;
}

uint32_t softfp_rsqrt_est_u32(uint32_t a)
{
    return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : UINT32_MAX;
}
