/*
 * Soft float against the host's FPU, which is IEEE 754 too: random and edge operands, the four
 * rounding modes, results and exception flags. Where the two may differ by design (the choice of
 * NaN, underflow before or after rounding) only what is common is compared; test_softfp.c has
 * tables for the rest. Built with -frounding-math.
 */
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cpu/fp/softfp.h"

#define CASES 60000 /* of each operation, size and rounding mode */

static const int host_modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };

struct rng {
    uint64_t s;
};

static uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Mostly numbers whose exponents lie near each other or near a limit, so that operations meet. */
static uint64_t operand(struct rng *r, enum fp_size size)
{
    unsigned frac = size == FP_D ? 52 : 23, exps = size == FP_D ? 11 : 8;
    uint64_t bias = low_mask(exps - 1), v = rng_next(r), exp;
    uint64_t mant = v & low_mask(frac);

    switch (v >> 52 & 7) {
    case 0:
        exp = rng_next(r) & low_mask(exps);
        break;
    case 1:
        exp = rng_next(r) % 3;
        break;
    case 2:
        exp = low_mask(exps) - rng_next(r) % 3;
        break;
    case 3:
        exp = bias / 2 + rng_next(r) % 8; /* products are denormal */
        break;
    default:
        exp = bias - 32 + rng_next(r) % 64;
        break;
    }
    switch (v >> 55 & 7) {
    case 0:
        mant = 0;
        break;
    case 1:
        mant = low_mask(frac);
        break;
    case 2:
        mant &= low_mask(frac) << (frac - 4);
        break;
    case 3:
        mant &= 7;
        break;
    default:
        break;
    }
    return (v >> 63) << (frac + exps) | exp << frac | mant;
}

static double to_d(uint64_t v)
{
    double d;
    memcpy(&d, &v, sizeof(d));
    return d;
}

static float to_f(uint64_t v)
{
    uint32_t w = (uint32_t)v;
    float f;
    memcpy(&f, &w, sizeof(f));
    return f;
}

static uint64_t of_d(double d)
{
    uint64_t v;
    memcpy(&v, &d, sizeof(v));
    return v;
}

static uint64_t of_f(float f)
{
    uint32_t v;
    memcpy(&v, &f, sizeof(v));
    return v;
}

enum op {
    ADD,
    SUB,
    MUL,
    DIV,
    SQRT,
    FMA,
    NARROW,
    WIDEN,
    RINT,
    TO_S64,
    TO_S32,
    FROM_S64,
    FROM_U64,
    OPS
};

static uint64_t host(enum op op, enum fp_size size, const uint64_t v[3])
{
    volatile double a = to_d(v[0]), b = to_d(v[1]), c = to_d(v[2]);
    volatile float x = to_f(v[0]), y = to_f(v[1]), z = to_f(v[2]);
    bool d = size == FP_D;

    switch (op) {
    case ADD:
        return d ? of_d(a + b) : of_f(x + y);
    case SUB:
        return d ? of_d(a - b) : of_f(x - y);
    case MUL:
        return d ? of_d(a * b) : of_f(x * y);
    case DIV:
        return d ? of_d(a / b) : of_f(x / y);
    case SQRT:
        return d ? of_d(sqrt(a)) : of_f(sqrtf(x));
    case FMA:
        return d ? of_d(fma(a, b, c)) : of_f(fmaf(x, y, z));
    case NARROW:
        return of_f((float)a);
    case WIDEN:
        return of_d((double)x);
    case RINT:
        return d ? of_d(rint(a)) : of_f(rintf(x));
    case TO_S64:
        return (uint64_t)(d ? llrint(a) : llrintf(x));
    case TO_S32:
        return (uint64_t)(int64_t)(d ? (int32_t)a : (int32_t)x);
    case FROM_S64:
        return d ? of_d((double)(int64_t)v[0]) : of_f((float)(int64_t)v[0]);
    default:
        return d ? of_d((double)v[0]) : of_f((float)v[0]);
    }
}

static uint64_t soft(struct fp_status *fp, enum op op, enum fp_size size, const uint64_t v[3])
{
    enum fp_round mode = softfp_rmode(fp);

    switch (op) {
    case ADD:
        return softfp_add(fp, size, v[0], v[1]);
    case SUB:
        return softfp_sub(fp, size, v[0], v[1]);
    case MUL:
        return softfp_mul(fp, size, v[0], v[1]);
    case DIV:
        return softfp_div(fp, size, v[0], v[1]);
    case SQRT:
        return softfp_sqrt(fp, size, v[0]);
    case FMA:
        return softfp_muladd(fp, size, v[2], v[0], v[1]);
    case NARROW:
        return softfp_convert(fp, FP_S, FP_D, v[0], mode);
    case WIDEN:
        return softfp_convert(fp, FP_D, FP_S, v[0], mode);
    case RINT:
        return softfp_round_int(fp, size, v[0], mode, true);
    case TO_S64:
        return softfp_to_fixed(fp, size, v[0], 64, 0, true, mode);
    case TO_S32:
        return softfp_to_fixed(fp, size, v[0], 32, 0, true, FP_TOZERO);
    case FROM_S64:
        return softfp_from_fixed(fp, size, v[0], 0, true, mode);
    default:
        return softfp_from_fixed(fp, size, v[0], 0, false, mode);
    }
}

static uint64_t host_flags(void)
{
    int e = fetestexcept(FE_ALL_EXCEPT);

    return (e & FE_INVALID ? FPSR_IOC : 0) | (e & FE_DIVBYZERO ? FPSR_DZC : 0) |
           (e & FE_OVERFLOW ? FPSR_OFC : 0) | (e & FE_UNDERFLOW ? FPSR_UFC : 0) |
           (e & FE_INEXACT ? FPSR_IXC : 0);
}

static bool is_nan(enum fp_size size, uint64_t v)
{
    return size == FP_D ? isnan(to_d(v)) : isnan(to_f(v));
}

/* With Inexact set, soft float itself asks the host (softfp_host.h): that must not show, in
 * whatever mode. */
static void check_help(enum op op, enum fp_size size, unsigned rmode, uint64_t control,
                       const uint64_t v[3])
{
    struct fp_status alone = { .fpcr = FIELD_PUT(FPCR_RMODE, rmode) | control }, helped = alone;
    uint64_t want = soft(&alone, op, size, v), got;

    helped.fpsr = FPSR_IXC;
    got = soft(&helped, op, size, v);
    if (got != want || helped.fpsr != (alone.fpsr | FPSR_IXC))
        fail_msg("op %d size %d fpcr %#llx: %#llx %#llx %#llx: helped %#llx flags %#llx, "
                 "alone %#llx flags %#llx",
                 (int)op, (int)size, (unsigned long long)alone.fpcr, (unsigned long long)v[0],
                 (unsigned long long)v[1], (unsigned long long)v[2], (unsigned long long)got,
                 (unsigned long long)helped.fpsr, (unsigned long long)want,
                 (unsigned long long)alone.fpsr);
}

static void check(enum op op, enum fp_size size, unsigned rmode, const uint64_t v[3])
{
    enum fp_size out = op == NARROW ? FP_S : op == WIDEN ? FP_D : size;
    enum fp_size in = op == NARROW ? FP_D : op == WIDEN ? FP_S : size;
    bool to_int = op == TO_S64 || op == TO_S32;
    struct fp_status fp = { .fpcr = FIELD_PUT(FPCR_RMODE, rmode) };
    uint64_t ignore = 0;

    fesetround(host_modes[rmode]);
    feclearexcept(FE_ALL_EXCEPT);
    uint64_t want = host(op, size, v);
    uint64_t want_flags = host_flags();
    fesetround(FE_TONEAREST);

    uint64_t got = soft(&fp, op, size, v);
    uint64_t min_normal = out == FP_D ? BIT(52) : BIT(23);

    if (to_int && fp.fpsr & FPSR_IOC) { /* what comes out of range is the host's own choice */
        want = got;
        ignore = FPSR_IXC;
    } else if (!to_int && is_nan(out, want) && is_nan(out, got)) {
        want = got;
        if (op == FMA) /* infinity times zero plus a quiet NaN */
            ignore = FPSR_IOC;
    } else if (!to_int && softfp_abs(out, got) == min_normal) {
        ignore = FPSR_UFC; /* Arm detects underflow before rounding */
    }
    if (got != want || (fp.fpsr ^ want_flags) & ~ignore)
        fail_msg("op %d size %d mode %u: %#llx %#llx %#llx: got %#llx flags %#llx, "
                 "host %#llx flags %#llx",
                 (int)op, (int)in, rmode, (unsigned long long)v[0], (unsigned long long)v[1],
                 (unsigned long long)v[2], (unsigned long long)got, (unsigned long long)fp.fpsr,
                 (unsigned long long)want, (unsigned long long)want_flags);
}

static void run(enum op op)
{
    struct rng r = { .s = 0x1001 + op };

    for (enum fp_size size = FP_S; size <= FP_D; size++) {
        for (unsigned rmode = 0; rmode < ARRAY_LEN(host_modes); rmode++) {
            for (unsigned k = 0; k < CASES; k++) {
                enum fp_size in = op == NARROW ? FP_D : op == WIDEN ? FP_S : size;
                uint64_t v[3] = { operand(&r, in), operand(&r, in), operand(&r, in) };

                if (op == FROM_S64 || op == FROM_U64)
                    v[0] = rng_next(&r) >> (v[1] & 63);
                if (op == FMA && k & 1) /* cancel: addend close to minus the product */
                    v[2] = softfp_neg(size, host(MUL, size, v)) ^ (v[2] & 7);
                check(op, size, rmode, v);
                check_help(op, in, rmode, v[2] & (FPCR_FZ | FPCR_DN), v);
            }
        }
    }
}

static void test_add(void **state)
{
    run(ADD);
}

static void test_sub(void **state)
{
    run(SUB);
}

static void test_mul(void **state)
{
    run(MUL);
}

static void test_div(void **state)
{
    run(DIV);
}

static void test_sqrt(void **state)
{
    run(SQRT);
}

static void test_fma(void **state)
{
    run(FMA);
}

static void test_convert(void **state)
{
    run(NARROW);
    run(WIDEN);
}

static void test_round_to_integral(void **state)
{
    run(RINT);
}

static void test_integers(void **state)
{
    run(TO_S64);
    run(TO_S32);
    run(FROM_S64);
    run(FROM_U64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),      cmocka_unit_test(test_sub),
        cmocka_unit_test(test_mul),      cmocka_unit_test(test_div),
        cmocka_unit_test(test_sqrt),     cmocka_unit_test(test_fma),
        cmocka_unit_test(test_convert),  cmocka_unit_test(test_round_to_integral),
        cmocka_unit_test(test_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
