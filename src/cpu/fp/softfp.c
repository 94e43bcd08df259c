/* Soft float: unpacking, rounding and NaN rules (Arm DDI 0487, shared/functions/float). */
#include "cpu/fp/softfp_core.h"

const struct fp_format softfp_formats[FP_D + 1] = {
    [FP_H] = { 16, 5, 10, -14 },
    [FP_S] = { 32, 8, 23, -126 },
    [FP_D] = { 64, 11, 52, -1022 },
};

uint64_t softfp_zero(enum fp_size size, bool sign)
{
    return sign ? softfp_sign_bit(size) : 0;
}

uint64_t softfp_inf(enum fp_size size, bool sign)
{
    const struct fp_format *f = &softfp_formats[size];

    return softfp_zero(size, sign) | low_mask(f->exp_bits) << f->frac_bits;
}

uint64_t softfp_max_normal(enum fp_size size, bool sign)
{
    return softfp_inf(size, sign) - 1;
}

uint64_t softfp_default_nan(enum fp_size size)
{
    return softfp_inf(size, false) | BIT(softfp_formats[size].frac_bits - 1);
}

uint64_t softfp_invalid(struct fp_status *fp, enum fp_size size)
{
    fp->fpsr |= FPSR_IOC;
    return softfp_default_nan(size);
}

static struct fp_num unpack(struct fp_status *fp, uint64_t fpcr, enum fp_size size, uint64_t a)
{
    const struct fp_format *f = &softfp_formats[size];
    uint64_t frac = a & low_mask(f->frac_bits);
    unsigned exp = a >> f->frac_bits & low_mask(f->exp_bits);
    struct fp_num n = { .type = FP_TYPE_ZERO, .sign = a >> (f->bits - 1) & 1, .bits = a };

    if (exp == 0 && frac == 0)
        return n;
    if (exp == 0 && fpcr & (size == FP_H ? FPCR_FZ16 : FPCR_FZ)) {
        if (size != FP_H) /* flushing half precision inputs is not reported */
            fp->fpsr |= FPSR_IDC;
        return n;
    }
    if (exp == low_mask(f->exp_bits) && !(size == FP_H && fpcr & FPCR_AHP)) {
        n.type = FP_TYPE_INF;
        if (frac)
            n.type = frac >> (f->frac_bits - 1) ? FP_TYPE_QNAN : FP_TYPE_SNAN;
        return n;
    }
    n.type = FP_TYPE_NONZERO;
    if (exp == 0) {
        unsigned shift = __builtin_clzll(frac);

        n.sig = (u128)frac << shift << (FP_LEAD - 63);
        n.exp = f->min_exp - (int)(shift - (63 - f->frac_bits));
    } else {
        n.sig = (u128)(frac | BIT(f->frac_bits)) << (FP_LEAD - f->frac_bits);
        n.exp = (int)exp - 1 + f->min_exp;
    }
    return n;
}

struct fp_num softfp_unpack(struct fp_status *fp, enum fp_size size, uint64_t a)
{
    return unpack(fp, fp->fpcr & ~FPCR_AHP, size, a);
}

struct fp_num softfp_unpack_cv(struct fp_status *fp, enum fp_size size, uint64_t a)
{
    return unpack(fp, fp->fpcr & ~FPCR_FZ16, size, a);
}

bool softfp_overflow_to_inf(enum fp_round mode, bool sign)
{
    switch (mode) {
    case FP_TIEEVEN:
    case FP_TIEAWAY:
        return true;
    case FP_POSINF:
        return !sign;
    case FP_NEGINF:
        return sign;
    case FP_TOZERO:
    case FP_TOODD:
        break;
    }
    return false;
}

u128 softfp_round_shift(u128 sig, unsigned shift, enum fp_round mode, bool sign, bool *ret_inexact)
{
    const u128 half = (u128)1 << 127;
    bool up = false;

    if (shift > 127) { /* all of it is far below one half: what remains is that it is not zero */
        sig = sig != 0;
        shift = 127;
    }
    u128 whole = sig >> shift;
    u128 rest = shift ? sig << (128 - shift) : 0; /* the fraction, in units of 2^-128 */

    *ret_inexact = rest != 0;
    switch (mode) {
    case FP_TIEEVEN:
        up = rest > half || (rest == half && whole & 1);
        break;
    case FP_TIEAWAY:
        up = rest >= half;
        break;
    case FP_POSINF:
        up = rest && !sign;
        break;
    case FP_NEGINF:
        up = rest && sign;
        break;
    case FP_TOZERO:
        break;
    case FP_TOODD:
        whole |= rest != 0;
        break;
    }
    return whole + up;
}

/* FPRoundBase. */
static uint64_t round_base(struct fp_status *fp, uint64_t fpcr, enum fp_size size,
                           enum fp_round mode, bool sign, int exp, u128 sig)
{
    const struct fp_format *f = &softfp_formats[size];
    uint64_t high = (uint64_t)(sig >> 64);
    int lead = high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll((uint64_t)sig);
    int value_exp = exp + lead - FP_LEAD;
    int drop = lead - (int)f->frac_bits;
    unsigned biased = 0;
    bool inexact;

    if (value_exp >= f->min_exp) {
        biased = (unsigned)(value_exp - f->min_exp) + 1;
    } else {
        if (fpcr & (size == FP_H ? FPCR_FZ16 : FPCR_FZ)) {
            fp->fpsr |= FPSR_UFC; /* and not inexact */
            return softfp_zero(size, sign);
        }
        drop += f->min_exp - value_exp;
    }
    if (drop < 0) {
        sig <<= -drop;
        drop = 0;
    }
    uint64_t mant = (uint64_t)softfp_round_shift(sig, (unsigned)drop, mode, sign, &inexact);

    if (biased == 0 && inexact)
        fp->fpsr |= FPSR_UFC;
    if (biased == 0 && mant == BIT(f->frac_bits))
        biased = 1;
    if (mant == BIT(f->frac_bits + 1)) {
        mant >>= 1;
        biased++;
    }

    bool ahp = size == FP_H && fpcr & FPCR_AHP;
    if (ahp && biased > low_mask(f->exp_bits)) {
        fp->fpsr |= FPSR_IOC; /* and neither overflow nor inexact */
        return softfp_zero(size, sign) | low_mask(f->bits - 1);
    }
    if (!ahp && biased >= low_mask(f->exp_bits)) {
        fp->fpsr |= FPSR_OFC | FPSR_IXC;
        return softfp_overflow_to_inf(mode, sign) ? softfp_inf(size, sign)
                                                  : softfp_max_normal(size, sign);
    }
    if (inexact)
        fp->fpsr |= FPSR_IXC;
    return softfp_zero(size, sign) | (uint64_t)biased << f->frac_bits |
           (mant & low_mask(f->frac_bits));
}

uint64_t softfp_round_mode(struct fp_status *fp, enum fp_size size, enum fp_round mode, bool sign,
                           int exp, u128 sig)
{
    return round_base(fp, fp->fpcr & ~FPCR_AHP, size, mode, sign, exp, sig);
}

uint64_t softfp_round(struct fp_status *fp, enum fp_size size, bool sign, int exp, u128 sig)
{
    return softfp_round_mode(fp, size, softfp_rmode(fp), sign, exp, sig);
}

uint64_t softfp_round_cv(struct fp_status *fp, enum fp_size size, enum fp_round mode, bool sign,
                         int exp, u128 sig)
{
    return round_base(fp, fp->fpcr & ~FPCR_FZ16, size, mode, sign, exp, sig);
}

uint64_t softfp_nan(struct fp_status *fp, enum fp_size size, const struct fp_num *n)
{
    if (n->type == FP_TYPE_SNAN)
        fp->fpsr |= FPSR_IOC;
    if (fp->fpcr & FPCR_DN)
        return softfp_default_nan(size);
    return (n->bits & low_mask(8U << size)) | BIT(softfp_formats[size].frac_bits - 1);
}

bool softfp_nan3(struct fp_status *fp, enum fp_size size, const struct fp_num *a,
                 const struct fp_num *b, const struct fp_num *c, uint64_t *ret_nan)
{
    const struct fp_num *all[] = { a, b, c };

    for (enum fp_type type = FP_TYPE_SNAN; type >= FP_TYPE_QNAN; type--) {
        for (unsigned k = 0; k < ARRAY_LEN(all); k++) {
            if (all[k]->type == type) {
                *ret_nan = softfp_nan(fp, size, all[k]);
                return true;
            }
        }
    }
    return false;
}

bool softfp_nan2(struct fp_status *fp, enum fp_size size, const struct fp_num *a,
                 const struct fp_num *b, uint64_t *ret_nan)
{
    if (!fp_is_nan(a) && !fp_is_nan(b))
        return false;
    return softfp_nan3(fp, size, a, b, b, ret_nan);
}
