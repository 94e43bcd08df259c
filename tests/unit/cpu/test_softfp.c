/* Soft float where the Arm architecture decides what IEEE 754 leaves open, or has its own idea:
 * NaNs, flushing, half precision, saturating conversions, estimates (Arm DDI 0487, A1.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "cpu/fp/softfp.h"

#define RMODE(mode) FIELD_PUT(FPCR_RMODE, mode)

/* Single precision values. */
#define S_ONE      0x3f800000
#define S_TWO      0x40000000
#define S_MAX      0x7f7fffff
#define S_INF      0x7f800000
#define S_NEG      0x80000000
#define S_DEFAULT  0x7fc00000 /* default NaN */
#define S_QNAN     0x7fc12345
#define S_SNAN     0x7f812345
#define S_SNAN_Q   0x7fc12345 /* quietened */
#define S_MIN      0x00800000 /* the smallest normal number */
#define S_DENORMAL 0x00000001

enum op { ADD, SUB, MUL, MULX, DIV, MAX, MIN, MAXNM, MINNM, RECPS, RSQRTS };

static uint64_t run2(struct fp_status *fp, enum op op, enum fp_size size, uint64_t a, uint64_t b)
{
    static uint64_t (*const fns[])(struct fp_status *, enum fp_size, uint64_t, uint64_t) = {
        [ADD] = softfp_add,          [SUB] = softfp_sub,           [MUL] = softfp_mul,
        [MULX] = softfp_mulx,        [DIV] = softfp_div,           [MAX] = softfp_max,
        [MIN] = softfp_min,          [MAXNM] = softfp_maxnm,       [MINNM] = softfp_minnm,
        [RECPS] = softfp_recip_step, [RSQRTS] = softfp_rsqrt_step,
    };

    return fns[op](fp, size, a, b);
}

struct row2 {
    enum op op;
    enum fp_size size;
    uint64_t a, b, fpcr, want, flags;
};

static void check2(const struct row2 *rows, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        const struct row2 *r = &rows[k];
        struct fp_status fp = { .fpcr = r->fpcr };
        uint64_t got = run2(&fp, r->op, r->size, r->a, r->b);

        if (got != r->want || fp.fpsr != r->flags)
            fail_msg("row %zu: got %#llx flags %#llx, want %#llx flags %#llx", k,
                     (unsigned long long)got, (unsigned long long)fp.fpsr,
                     (unsigned long long)r->want, (unsigned long long)r->flags);
    }
}

static void test_nan_operands(void **state)
{
    static const struct row2 rows[] = {
        /* a signalling NaN wins over a quiet one wherever it stands, then the first operand */
        { ADD, FP_S, S_QNAN, S_ONE, 0, S_QNAN, 0 },
        { ADD, FP_S, S_ONE, S_QNAN | S_NEG, 0, S_QNAN | S_NEG, 0 },
        { ADD, FP_S, S_SNAN, S_QNAN, 0, S_SNAN_Q, FPSR_IOC },
        { ADD, FP_S, 0x7fc00001, S_SNAN, 0, S_SNAN_Q, FPSR_IOC },
        { ADD, FP_S, 0x7fc00001, S_QNAN, 0, 0x7fc00001, 0 },
        /* default NaN mode loses sign and payload, not the flag */
        { ADD, FP_S, S_QNAN | S_NEG, S_ONE, FPCR_DN, S_DEFAULT, 0 },
        { MUL, FP_S, S_SNAN | S_NEG, S_ONE, FPCR_DN, S_DEFAULT, FPSR_IOC },
        /* made by the operation: positive */
        { ADD, FP_S, S_INF, S_INF | S_NEG, 0, S_DEFAULT, FPSR_IOC },
        { SUB, FP_S, S_INF, S_INF, 0, S_DEFAULT, FPSR_IOC },
        { MUL, FP_S, S_INF, S_NEG, 0, S_DEFAULT, FPSR_IOC },
        { DIV, FP_S, 0, S_NEG, 0, S_DEFAULT, FPSR_IOC },
        { DIV, FP_S, S_INF, S_INF, 0, S_DEFAULT, FPSR_IOC },
        { DIV, FP_D, 0, 0, 0, 0x7ff8000000000000, FPSR_IOC },
        { DIV, FP_H, 0, 0, 0, 0x7e00, FPSR_IOC },
        /* subtraction does not negate a NaN, the steps negate their first operand */
        { SUB, FP_S, S_ONE, S_QNAN, 0, S_QNAN, 0 },
        { RECPS, FP_S, S_QNAN, S_ONE, 0, S_QNAN | S_NEG, 0 },
        { RSQRTS, FP_S, S_ONE, S_QNAN, 0, S_QNAN, 0 },
    };
    check2(rows, ARRAY_LEN(rows));
}

static void test_zeros_and_infinities(void **state)
{
    static const struct row2 rows[] = {
        { ADD, FP_S, 0, S_NEG, 0, 0, 0 },
        { ADD, FP_S, 0, S_NEG, RMODE(FP_NEGINF), S_NEG, 0 },
        { ADD, FP_S, S_NEG, S_NEG, 0, S_NEG, 0 },
        { SUB, FP_S, S_ONE, S_ONE, RMODE(FP_NEGINF), S_NEG, 0 },
        { DIV, FP_S, S_ONE | S_NEG, 0, 0, S_INF | S_NEG, FPSR_DZC },
        { DIV, FP_S, S_INF, 0, 0, S_INF, 0 },
        { MULX, FP_S, S_INF, S_NEG, 0, S_TWO | S_NEG, 0 },
        { MULX, FP_H, 0x7c00, 0, 0, 0x4000, 0 },
        { RECPS, FP_S, S_INF, 0, 0, S_TWO, 0 },
        { RECPS, FP_S, S_INF, S_ONE, 0, S_INF | S_NEG, 0 },
        { RSQRTS, FP_S, S_INF, 0, 0, 0x3fc00000, 0 },
        { MAX, FP_S, S_NEG, 0, 0, 0, 0 },
        { MIN, FP_S, 0, S_NEG, 0, S_NEG, 0 },
    };
    check2(rows, ARRAY_LEN(rows));
}

static void test_maximum_of_numbers(void **state)
{
    static const struct row2 rows[] = {
        { MAX, FP_S, S_ONE, S_QNAN, 0, S_QNAN, 0 },
        { MAXNM, FP_S, S_ONE, S_QNAN, 0, S_ONE, 0 },
        { MINNM, FP_S, S_QNAN | S_NEG, S_ONE, 0, S_ONE, 0 },
        { MAXNM, FP_S, S_QNAN, 0x7fc00001, 0, S_QNAN, 0 },
        { MAXNM, FP_S, S_ONE, S_SNAN, 0, S_SNAN_Q, FPSR_IOC },
        { MINNM, FP_S, S_INF | S_NEG, S_QNAN, 0, S_INF | S_NEG, 0 },
        { MAXNM, FP_S, S_QNAN, S_ONE, FPCR_DN, S_ONE, 0 },
    };
    check2(rows, ARRAY_LEN(rows));
}

static void test_overflow_and_underflow(void **state)
{
    static const struct row2 rows[] = {
        { ADD, FP_S, S_MAX, S_MAX, 0, S_INF, FPSR_OFC | FPSR_IXC },
        { ADD, FP_S, S_MAX, S_MAX, RMODE(FP_TOZERO), S_MAX, FPSR_OFC | FPSR_IXC },
        { ADD, FP_S, S_MAX, S_MAX, RMODE(FP_NEGINF), S_MAX, FPSR_OFC | FPSR_IXC },
        { ADD, FP_S, S_MAX | S_NEG, S_MAX | S_NEG, RMODE(FP_POSINF), S_MAX | S_NEG,
          FPSR_OFC | FPSR_IXC },
        { ADD, FP_H, 0x7bff, 0x7bff, 0, 0x7c00, FPSR_OFC | FPSR_IXC },
        /* before rounding: this rounds to the smallest normal number and still underflows */
        { MUL, FP_S, 0x3f7fffff, S_MIN, 0, S_MIN, FPSR_UFC | FPSR_IXC },
        /* exact denormal results do not */
        { SUB, FP_S, S_MIN | 1, S_MIN, 0, S_DENORMAL, 0 },
        { MUL, FP_S, S_DENORMAL, S_DENORMAL, 0, 0, FPSR_UFC | FPSR_IXC },
        { MUL, FP_S, S_DENORMAL, S_DENORMAL, RMODE(FP_POSINF), S_DENORMAL, FPSR_UFC | FPSR_IXC },
    };
    check2(rows, ARRAY_LEN(rows));
}

static void test_flushing(void **state)
{
    static const struct row2 rows[] = {
        { ADD, FP_S, S_DENORMAL, S_ONE, FPCR_FZ, S_ONE, FPSR_IDC },
        { ADD, FP_S, S_DENORMAL | S_NEG, S_NEG, FPCR_FZ, S_NEG, FPSR_IDC },
        { SUB, FP_S, S_MIN | 1, S_MIN, FPCR_FZ, 0, FPSR_UFC }, /* not inexact */
        { MUL, FP_S, 0x3f7fffff, S_MIN, FPCR_FZ, 0, FPSR_UFC },
        { ADD, FP_S, S_DENORMAL, S_ONE, FPCR_FZ16, S_ONE, FPSR_IXC },
        { ADD, FP_H, 1, 0x3c00, FPCR_FZ16, 0x3c00, 0 }, /* not even IDC */
        { ADD, FP_H, 1, 1, FPCR_FZ, 2, 0 },
        { MAX, FP_S, S_DENORMAL, S_NEG, FPCR_FZ, 0, FPSR_IDC },
        { ADD, FP_S, S_DENORMAL, S_QNAN, FPCR_FZ, S_QNAN, FPSR_IDC },
        { DIV, FP_S, S_ONE, S_DENORMAL, FPCR_FZ, S_INF, FPSR_IDC | FPSR_DZC },
    };
    check2(rows, ARRAY_LEN(rows));
}

static void test_fused_multiply_add(void **state)
{
    static const struct {
        uint64_t addend, a, b, fpcr, want, flags;
    } rows[] = {
        { S_QNAN, S_INF, 0, 0, S_DEFAULT, FPSR_IOC }, /* invalid although a NaN is added */
        { S_SNAN, S_INF, 0, 0, S_SNAN_Q, FPSR_IOC },
        { S_QNAN, 0x7fc00001, 0, 0, S_QNAN, 0 }, /* the addend comes first */
        { S_QNAN, S_SNAN, S_ONE, 0, S_SNAN_Q, FPSR_IOC },
        { S_INF | S_NEG, S_INF, S_ONE, 0, S_DEFAULT, FPSR_IOC },
        { S_ONE | S_NEG, S_ONE, S_ONE, 0, 0, 0 },
        { S_ONE | S_NEG, S_ONE, S_ONE, RMODE(FP_NEGINF), S_NEG, 0 },
        /* one rounding: (1 + 2^-23)^2 - (1 + 2^-22) is 2^-46 */
        { 0xbf800002, 0x3f800001, 0x3f800001, 0, 0x28800000, 0 },
    };

    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct fp_status fp = { .fpcr = rows[k].fpcr };

        assert_int_equal(softfp_muladd(&fp, FP_S, rows[k].addend, rows[k].a, rows[k].b),
                         rows[k].want);
        assert_int_equal(fp.fpsr, rows[k].flags);
    }
}

static void test_compare(void **state)
{
    static const struct {
        uint64_t a, b, fpcr;
        bool signalling;
        enum fp_order want;
        uint64_t flags;
    } rows[] = {
        { 0, S_NEG, 0, true, FP_EQUAL, 0 },
        { S_ONE | S_NEG, S_ONE, 0, true, FP_LESS, 0 },
        { S_ONE | S_NEG, S_TWO | S_NEG, 0, true, FP_GREATER, 0 },
        { S_QNAN, S_QNAN, 0, false, FP_UNORDERED, 0 },
        { S_QNAN, S_ONE, 0, true, FP_UNORDERED, FPSR_IOC },
        { S_ONE, S_SNAN, 0, false, FP_UNORDERED, FPSR_IOC },
        { S_DENORMAL, S_NEG, FPCR_FZ, false, FP_EQUAL, FPSR_IDC },
        { S_DENORMAL, S_NEG, 0, false, FP_GREATER, 0 },
    };

    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct fp_status fp = { .fpcr = rows[k].fpcr };

        assert_int_equal(softfp_compare(&fp, FP_S, rows[k].a, rows[k].b, rows[k].signalling),
                         rows[k].want);
        assert_int_equal(fp.fpsr, rows[k].flags);
    }
}

static void test_conversion_between_formats(void **state)
{
    static const struct {
        enum fp_size to, from;
        uint64_t a, fpcr, want, flags;
    } rows[] = {
        { FP_H, FP_S, 0x477fe000, 0, 0x7bff, 0 }, /* 65504 */
        { FP_H, FP_S, 0x477ff000, 0, 0x7c00, FPSR_OFC | FPSR_IXC },
        { FP_H, FP_S, S_QNAN, 0, 0x7e09, 0 }, /* the payload's upper bits */
        { FP_H, FP_S, S_SNAN | S_NEG, 0, 0xfe09, FPSR_IOC },
        { FP_D, FP_H, 0xfc01, 0, 0xfff8040000000000, FPSR_IOC },
        { FP_D, FP_S, S_QNAN | S_NEG, FPCR_DN, 0x7ff8000000000000, 0 },
        { FP_S, FP_D, 0x36a0000000000000, 0, S_DENORMAL, 0 },
        { FP_S, FP_D, 0x36a0000000000000, FPCR_FZ, 0, FPSR_UFC },
        { FP_S, FP_D, 1, FPCR_FZ, 0, FPSR_IDC },
        /* half precision denormals are not flushed here */
        { FP_S, FP_H, 1, FPCR_FZ16 | FPCR_FZ, 0x33800000, 0 },
        { FP_H, FP_S, 0x33800000, FPCR_FZ16 | FPCR_FZ, 1, 0 },
        /* the alternative format: one more exponent, no infinity, no NaN */
        { FP_S, FP_H, 0x7c00, FPCR_AHP, 0x47800000, 0 },
        { FP_S, FP_H, 0xffff, FPCR_AHP, 0xc7ffe000, 0 },
        { FP_H, FP_S, 0x47ffe000, FPCR_AHP, 0x7fff, 0 },
        { FP_H, FP_S, 0x48000000, FPCR_AHP, 0x7fff, FPSR_IOC },
        { FP_H, FP_S, S_INF | S_NEG, FPCR_AHP, 0xffff, FPSR_IOC },
        { FP_H, FP_S, S_QNAN | S_NEG, FPCR_AHP, 0x8000, FPSR_IOC },
    };

    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct fp_status fp = { .fpcr = rows[k].fpcr };
        uint64_t got = softfp_convert(&fp, rows[k].to, rows[k].from, rows[k].a, FP_TIEEVEN);

        if (got != rows[k].want || fp.fpsr != rows[k].flags)
            fail_msg("row %zu: got %#llx flags %#llx", k, (unsigned long long)got,
                     (unsigned long long)fp.fpsr);
    }
}

/* FCVTXN: what is inexact becomes odd, and never infinite. */
static void test_rounding_to_odd(void **state)
{
    struct fp_status fp = { 0 };

    assert_int_equal(softfp_convert(&fp, FP_S, FP_D, 0x3ff0000000000001, FP_TOODD), 0x3f800001);
    assert_int_equal(fp.fpsr, FPSR_IXC);
    assert_int_equal(softfp_convert(&fp, FP_S, FP_D, 0x3ff0000030000000, FP_TOODD), 0x3f800001);
    assert_int_equal(softfp_convert(&fp, FP_S, FP_D, 0x7fe0000000000000, FP_TOODD), S_MAX);
    assert_int_equal(fp.fpsr, FPSR_IXC | FPSR_OFC);
}

static void test_conversion_to_integers(void **state)
{
    static const struct {
        uint64_t a;
        unsigned bits, fbits;
        bool is_signed;
        enum fp_round mode;
        uint64_t want, flags;
    } rows[] = {
        { 0x40200000, 32, 0, true, FP_TIEEVEN, 2, FPSR_IXC }, /* 2.5 */
        { 0x40200000, 32, 0, true, FP_TIEAWAY, 3, FPSR_IXC },
        { 0x40200000, 32, 0, true, FP_POSINF, 3, FPSR_IXC },
        { 0xc0200000, 32, 0, true, FP_NEGINF, (uint64_t)-3, FPSR_IXC },
        { 0xc0200000, 32, 0, true, FP_TOZERO, (uint64_t)-2, FPSR_IXC },
        { 0xc0200000, 32, 0, false, FP_TOZERO, 0, FPSR_IOC },
        { 0xbf000000, 32, 0, false, FP_TIEEVEN, 0, FPSR_IXC }, /* -0.5 */
        { 0x4f000000, 32, 0, true, FP_TOZERO, 0x7fffffff, FPSR_IOC },
        { 0xcf000000, 32, 0, true, FP_TOZERO, 0xffffffff80000000, 0 },
        { 0x4f000000, 32, 0, false, FP_TOZERO, 0x80000000, 0 },
        { 0x5f800000, 64, 0, false, FP_TOZERO, UINT64_MAX, FPSR_IOC },
        { 0x5f7fffff, 64, 0, false, FP_TOZERO, 0xffffff0000000000, 0 },
        { S_INF | S_NEG, 64, 0, true, FP_TOZERO, 0x8000000000000000, FPSR_IOC },
        { S_QNAN, 64, 0, true, FP_TOZERO, 0, FPSR_IOC },
        { 0x3fc00000, 32, 32, true, FP_TOZERO, 0x7fffffff, FPSR_IOC }, /* 1.5 * 2^32 */
        { 0x3e800000, 32, 32, true, FP_TOZERO, 0x40000000, 0 },
        { 0x47000000, 16, 0, true, FP_TOZERO, 0x7fff, FPSR_IOC }, /* 32768 */
        { S_DENORMAL, 32, 0, true, FP_POSINF, 1, FPSR_IXC },
    };

    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct fp_status fp = { 0 };
        uint64_t got = softfp_to_fixed(&fp, FP_S, rows[k].a, rows[k].bits, rows[k].fbits,
                                       rows[k].is_signed, rows[k].mode);

        if (got != rows[k].want || fp.fpsr != rows[k].flags)
            fail_msg("row %zu: got %#llx flags %#llx", k, (unsigned long long)got,
                     (unsigned long long)fp.fpsr);
    }
}

static void test_conversion_from_fixed_point(void **state)
{
    struct fp_status fp = { 0 };

    assert_int_equal(softfp_from_fixed(&fp, FP_S, 3, 1, true, FP_TIEEVEN), 0x3fc00000);
    assert_int_equal(softfp_from_fixed(&fp, FP_H, (uint64_t)-1, 0, true, FP_TIEEVEN), 0xbc00);
    assert_int_equal(softfp_from_fixed(&fp, FP_H, 1, 24, false, FP_TIEEVEN), 1);
    assert_int_equal(softfp_from_fixed(&fp, FP_S, 0, 7, true, FP_NEGINF), 0);
    assert_int_equal(fp.fpsr, 0);
    assert_int_equal(softfp_from_fixed(&fp, FP_H, UINT64_MAX, 0, false, FP_TIEEVEN), 0x7c00);
    assert_int_equal(fp.fpsr, FPSR_OFC | FPSR_IXC);
}

static void test_round_to_integral(void **state)
{
    struct fp_status fp = { 0 };

    assert_int_equal(softfp_round_int(&fp, FP_S, 0xbf000000, FP_TIEEVEN, false), S_NEG);
    assert_int_equal(softfp_round_int(&fp, FP_S, 0x3f000000, FP_TIEAWAY, false), S_ONE);
    assert_int_equal(fp.fpsr, 0); /* silent */
    assert_int_equal(softfp_round_int(&fp, FP_S, 0x3f000000, FP_TIEEVEN, true), 0);
    assert_int_equal(fp.fpsr, FPSR_IXC);
    assert_int_equal(softfp_round_int(&fp, FP_H, 0x7bff, FP_POSINF, false), 0x7bff);
    assert_int_equal(softfp_round_int(&fp, FP_S, S_SNAN, FP_POSINF, false), S_SNAN_Q);
    assert_int_equal(fp.fpsr, FPSR_IXC | FPSR_IOC);
}

static void test_estimates(void **state)
{
    static const struct {
        uint64_t (*fn)(struct fp_status *fp, enum fp_size size, uint64_t a);
        enum fp_size size;
        uint64_t a, fpcr, want, flags;
    } rows[] = {
        { softfp_recip_est, FP_S, S_ONE, 0, 0x3f7f8000, 0 },
        { softfp_recip_est, FP_S, S_INF | S_NEG, 0, S_NEG, 0 },
        { softfp_recip_est, FP_S, S_NEG, 0, S_INF | S_NEG, FPSR_DZC },
        { softfp_recip_est, FP_S, 0x00200000, 0, 0x7f7f8000, 0 },
        { softfp_recip_est, FP_S, 0x001fffff, 0, S_INF, FPSR_OFC | FPSR_IXC },
        { softfp_recip_est, FP_S, 0x001fffff, RMODE(FP_TOZERO), S_MAX, FPSR_OFC | FPSR_IXC },
        { softfp_recip_est, FP_S, S_MAX, 0, 0x00200000, 0 },
        { softfp_recip_est, FP_S, S_MAX, FPCR_FZ, 0, FPSR_UFC },
        { softfp_recip_est, FP_H, 0x3c00, 0, 0x3bfc, 0 },
        { softfp_rsqrt_est, FP_S, S_ONE, 0, 0x3f7f8000, 0 },
        { softfp_rsqrt_est, FP_S, 0x40800000, 0, 0x3eff8000, 0 },
        { softfp_rsqrt_est, FP_S, S_NEG, 0, S_INF | S_NEG, FPSR_DZC },
        { softfp_rsqrt_est, FP_S, S_ONE | S_NEG, 0, S_DEFAULT, FPSR_IOC },
        { softfp_rsqrt_est, FP_S, S_INF, 0, 0, 0 },
        { softfp_recpx, FP_S, S_ONE, 0, 0x40000000, 0 },
        { softfp_recpx, FP_S, S_NEG, 0, 0xff000000, 0 },
        { softfp_recpx, FP_S, S_INF, 0, 0, 0 },
    };

    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct fp_status fp = { .fpcr = rows[k].fpcr };
        uint64_t got = rows[k].fn(&fp, rows[k].size, rows[k].a);

        if (got != rows[k].want || fp.fpsr != rows[k].flags)
            fail_msg("row %zu: got %#llx flags %#llx", k, (unsigned long long)got,
                     (unsigned long long)fp.fpsr);
    }
    assert_int_equal(softfp_recip_est_u32(0x7fffffff), 0xffffffff);
    assert_int_equal(softfp_recip_est_u32(0x80000000), 0xff800000);
    assert_int_equal(softfp_rsqrt_est_u32(0x3fffffff), 0xffffffff);
    assert_int_equal(softfp_rsqrt_est_u32(0x40000000), 0xff800000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nan_operands),
        cmocka_unit_test(test_zeros_and_infinities),
        cmocka_unit_test(test_maximum_of_numbers),
        cmocka_unit_test(test_overflow_and_underflow),
        cmocka_unit_test(test_flushing),
        cmocka_unit_test(test_fused_multiply_add),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_conversion_between_formats),
        cmocka_unit_test(test_rounding_to_odd),
        cmocka_unit_test(test_conversion_to_integers),
        cmocka_unit_test(test_conversion_from_fixed_point),
        cmocka_unit_test(test_round_to_integral),
        cmocka_unit_test(test_estimates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
