/*
 * Floating point as the Arm architecture defines it (Arm DDI 0487, shared/functions/float and
 * A1.5), in software: half, single and double precision. The host's FPU helps where it cannot
 * differ (softfp_host.h).
 *
 * All functions are pure: operands are the low bits of a uint64_t (what lies above is ignored), fp
 * gives the control bits and collects the cumulative exception bits. Those set before count only
 * for speed: with Inexact among them the host can help. FPCR trap enables are not implemented (read
 * as zero), and neither are FEAT_AFP and BFloat16.
 *
 * Threads: any.
 */
#pragma once

#include "base/bits.h"

#define FPCR_FZ16  BIT(19) /* flush half precision */
#define FPCR_RMODE BITS(23, 22)
#define FPCR_FZ    BIT(24) /* flush single and double precision */
#define FPCR_DN    BIT(25) /* every NaN result is the default NaN */
#define FPCR_AHP   BIT(26) /* conversions use the alternative half precision format */

#define FPSR_IOC BIT(0) /* invalid operation */
#define FPSR_DZC BIT(1) /* divide by zero */
#define FPSR_OFC BIT(2) /* overflow */
#define FPSR_UFC BIT(3) /* underflow, detected before rounding */
#define FPSR_IXC BIT(4) /* inexact */
#define FPSR_IDC BIT(7) /* an input denormal was flushed */
#define FPSR_QC  BIT(27)

/* log2 of the size in bytes, as the element size of vector instructions. */
enum fp_size { FP_H = 1, FP_S = 2, FP_D = 3 };

/* The first four are FPCR.RMode. */
enum fp_round { FP_TIEEVEN, FP_POSINF, FP_NEGINF, FP_TOZERO, FP_TIEAWAY, FP_TOODD };

struct fp_status {
    uint64_t fpcr;
    uint64_t fpsr;
};

static inline enum fp_round softfp_rmode(const struct fp_status *fp)
{
    return (enum fp_round)FIELD_GET(FPCR_RMODE, fp->fpcr);
}

static inline uint64_t softfp_sign_bit(enum fp_size size)
{
    return BIT((8U << size) - 1);
}

/* Sign manipulation touches no flags and no NaN. */
static inline uint64_t softfp_neg(enum fp_size size, uint64_t a)
{
    return a ^ softfp_sign_bit(size);
}

static inline uint64_t softfp_abs(enum fp_size size, uint64_t a)
{
    return a & (softfp_sign_bit(size) - 1);
}

/* Arithmetic, rounded as FPCR.RMode says. */
uint64_t softfp_add(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);
uint64_t softfp_sub(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);
uint64_t softfp_mul(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);
uint64_t softfp_div(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);
uint64_t softfp_sqrt(struct fp_status *fp, enum fp_size size, uint64_t a);
/* addend + a * b with one rounding. */
uint64_t softfp_muladd(struct fp_status *fp, enum fp_size size, uint64_t addend, uint64_t a,
                       uint64_t b);
/* FMULX: a multiplication where infinity times zero is two. */
uint64_t softfp_mulx(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);
/* FRECPS: 2 - a * b, and FRSQRTS: (3 - a * b) / 2, each with one rounding. */
uint64_t softfp_recip_step(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);
uint64_t softfp_rsqrt_step(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);

/* The maxnm and minnm forms prefer a number to a quiet NaN. */
uint64_t softfp_max(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);
uint64_t softfp_min(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);
uint64_t softfp_maxnm(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);
uint64_t softfp_minnm(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);

/* Comparison. A signalling one also takes Invalid Operation for a quiet NaN. */
enum fp_order { FP_LESS, FP_EQUAL, FP_GREATER, FP_UNORDERED };
enum fp_order softfp_compare(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b,
                             bool signalling);

/* Between formats (FCVT). */
uint64_t softfp_convert(struct fp_status *fp, enum fp_size to, enum fp_size from, uint64_t a,
                        enum fp_round mode);
/* To an integer of `bits` bits (16, 32, 64) with fbits fraction bits; saturates. The result is
 * sign-extended or zero-extended to 64 bits as is_signed says. */
uint64_t softfp_to_fixed(struct fp_status *fp, enum fp_size from, uint64_t a, unsigned bits,
                         unsigned fbits, bool is_signed, enum fp_round mode);
/* From an integer already extended to 64 bits, divided by 2^fbits. */
uint64_t softfp_from_fixed(struct fp_status *fp, enum fp_size to, uint64_t val, unsigned fbits,
                           bool is_signed, enum fp_round mode);
/* FRINT*: report_inexact is FRINTX. */
uint64_t softfp_round_int(struct fp_status *fp, enum fp_size size, uint64_t a, enum fp_round mode,
                          bool report_inexact);

/* Estimates: FRECPE, FRSQRTE, FRECPX; and the fixed point URECPE, URSQRTE. */
uint64_t softfp_recip_est(struct fp_status *fp, enum fp_size size, uint64_t a);
uint64_t softfp_rsqrt_est(struct fp_status *fp, enum fp_size size, uint64_t a);
uint64_t softfp_recpx(struct fp_status *fp, enum fp_size size, uint64_t a);
uint32_t softfp_recip_est_u32(uint32_t a);
uint32_t softfp_rsqrt_est_u32(uint32_t a);
