/* Soft float: conversions between formats, to and from integers and fixed point, FRINT. */
#include "cpu/fp/softfp_core.h"

uint64_t softfp_convert(struct fp_status *fp, enum fp_size to, enum fp_size from, uint64_t a,
                        enum fp_round mode)
{
    const struct fp_format *src = &softfp_formats[from], *dst = &softfp_formats[to];
    bool alt = to == FP_H && fp->fpcr & FPCR_AHP; /* this format has neither NaN nor infinity */
    struct fp_num n = softfp_unpack_cv(fp, from, a);

    switch (n.type) {
    case FP_TYPE_SNAN:
    case FP_TYPE_QNAN: {
        uint64_t frac = a & low_mask(src->frac_bits);

        if (alt || n.type == FP_TYPE_SNAN)
            fp->fpsr |= FPSR_IOC;
        if (alt)
            return softfp_zero(to, n.sign);
        if (fp->fpcr & FPCR_DN)
            return softfp_default_nan(to);
        /* The most significant bits of the payload survive. */
        frac = frac << (52 - src->frac_bits) >> (52 - dst->frac_bits);
        return softfp_inf(to, n.sign) | BIT(dst->frac_bits - 1) | frac;
    }
    case FP_TYPE_INF:
        if (alt) {
            fp->fpsr |= FPSR_IOC;
            return softfp_zero(to, n.sign) | low_mask(dst->bits - 1);
        }
        return softfp_inf(to, n.sign);
    case FP_TYPE_ZERO:
        return softfp_zero(to, n.sign);
    case FP_TYPE_NONZERO:
        break;
    }
    return softfp_round_cv(fp, to, mode, n.sign, n.exp, n.sig);
}

uint64_t softfp_to_fixed(struct fp_status *fp, enum fp_size from, uint64_t a, unsigned bits,
                         unsigned fbits, bool is_signed, enum fp_round mode)
{
    struct fp_num n = softfp_unpack(fp, from, a);
    u128 max = low_mask(is_signed ? bits - 1 : bits); /* of a positive result */
    u128 min = is_signed ? max + 1 : 0;               /* magnitude of a negative one */
    u128 limit = n.sign ? min : max;
    bool inexact = false;
    u128 mag;

    switch (n.type) {
    case FP_TYPE_ZERO:
        return 0;
    case FP_TYPE_QNAN:
    case FP_TYPE_SNAN:
        fp->fpsr |= FPSR_IOC;
        return 0;
    case FP_TYPE_INF:
        mag = limit + 1;
        break;
    default: {
        int exp = n.exp + (int)fbits;

        mag = exp > 64
                  ? limit + 1
                  : softfp_round_shift(n.sig, (unsigned)(FP_LEAD - exp), mode, n.sign, &inexact);
        break;
    }
    }
    if (mag > limit) {
        fp->fpsr |= FPSR_IOC;
        mag = limit;
    } else if (inexact) {
        fp->fpsr |= FPSR_IXC;
    }
    return n.sign ? -(uint64_t)mag : (uint64_t)mag;
}

uint64_t softfp_from_fixed(struct fp_status *fp, enum fp_size to, uint64_t val, unsigned fbits,
                           bool is_signed, enum fp_round mode)
{
    bool sign = is_signed && (int64_t)val < 0;

    if (!val)
        return 0;
    return softfp_round_mode(fp, to, mode, sign, FP_LEAD - (int)fbits, sign ? -val : val);
}

uint64_t softfp_round_int(struct fp_status *fp, enum fp_size size, uint64_t a, enum fp_round mode,
                          bool report_inexact)
{
    struct fp_num n = softfp_unpack(fp, size, a);
    bool inexact;

    if (fp_is_nan(&n))
        return softfp_nan(fp, size, &n);
    if (n.type == FP_TYPE_INF || n.exp >= (int)softfp_formats[size].frac_bits)
        return a & low_mask(8U << size);
    if (n.type == FP_TYPE_ZERO)
        return softfp_zero(size, n.sign);

    u128 mag = softfp_round_shift(n.sig, (unsigned)(FP_LEAD - n.exp), mode, n.sign, &inexact);
    if (inexact && report_inexact)
        fp->fpsr |= FPSR_IXC;
    if (!mag)
        return softfp_zero(size, n.sign);
    return softfp_round_mode(fp, size, mode, n.sign, FP_LEAD, mag);
}
