/*
 * What the soft float functions share: the unpacked form, rounding, NaN rules. Private to
 * src/cpu/fp.
 */
#pragma once

#include "cpu/fp/softfp.h"

typedef unsigned __int128 u128;

enum fp_type { FP_TYPE_ZERO, FP_TYPE_NONZERO, FP_TYPE_INF, FP_TYPE_QNAN, FP_TYPE_SNAN };

/* The leading one of an unpacked significand. The bit above is free for a carry, and the more than
 * 70 bits below what double precision needs hold a product exactly. */
#define FP_LEAD 126

/* An operand: value = sig * 2^(exp - FP_LEAD) for FP_TYPE_NONZERO, sig normalized. */
struct fp_num {
    enum fp_type type;
    bool sign;
    int exp;
    u128 sig;
    uint64_t bits; /* as it came, for NaN propagation */
};

struct fp_format {
    unsigned bits, exp_bits, frac_bits;
    int min_exp; /* of a normal number */
};

extern const struct fp_format softfp_formats[FP_D + 1];

static inline bool fp_is_nan(const struct fp_num *n)
{
    return n->type >= FP_TYPE_QNAN;
}

/* FPUnpack and FPUnpackCV: the latter heeds FPCR.AHP and ignores FZ16. */
struct fp_num softfp_unpack(struct fp_status *fp, enum fp_size size, uint64_t a);
struct fp_num softfp_unpack_cv(struct fp_status *fp, enum fp_size size, uint64_t a);

/* FPRound and FPRoundCV of the exact value sig * 2^(exp - FP_LEAD). sig is not 0 and need not be
 * normalized; when bits of the value were lost, bit 0 is set for them (shift_jam). */
uint64_t softfp_round(struct fp_status *fp, enum fp_size size, bool sign, int exp, u128 sig);
uint64_t softfp_round_cv(struct fp_status *fp, enum fp_size size, enum fp_round mode, bool sign,
                         int exp, u128 sig);
/* FPRound with the rounding of an instruction instead of FPCR.RMode. */
uint64_t softfp_round_mode(struct fp_status *fp, enum fp_size size, enum fp_round mode, bool sign,
                           int exp, u128 sig);
/* Round sig / 2^shift to an integer; says whether that lost anything. */
u128 softfp_round_shift(u128 sig, unsigned shift, enum fp_round mode, bool sign, bool *ret_inexact);

/* Does an overflow in this direction give infinity, not the largest number? */
bool softfp_overflow_to_inf(enum fp_round mode, bool sign);

/* FPProcessNaN, FPProcessNaNs, FPProcessNaNs3: the first signalling operand wins, then the first
 * quiet one. The latter two return false when no operand is a NaN. */
uint64_t softfp_nan(struct fp_status *fp, enum fp_size size, const struct fp_num *n);
bool softfp_nan2(struct fp_status *fp, enum fp_size size, const struct fp_num *a,
                 const struct fp_num *b, uint64_t *ret_nan);
bool softfp_nan3(struct fp_status *fp, enum fp_size size, const struct fp_num *a,
                 const struct fp_num *b, const struct fp_num *c, uint64_t *ret_nan);
/* The default NaN as the result of an invalid operation. */
uint64_t softfp_invalid(struct fp_status *fp, enum fp_size size);

/* Constants of a format. */
uint64_t softfp_zero(enum fp_size size, bool sign);
uint64_t softfp_inf(enum fp_size size, bool sign);
uint64_t softfp_max_normal(enum fp_size size, bool sign);
uint64_t softfp_default_nan(enum fp_size size);

/* sig / 2^shift, with bit 0 standing for everything that was shifted out. */
static inline u128 softfp_shift_jam(u128 sig, unsigned shift)
{
    if (shift > 127)
        return sig != 0;
    u128 lost = sig & (((u128)1 << shift) - 1);
    return sig >> shift | (lost != 0);
}
