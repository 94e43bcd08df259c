/* Floating point arithmetic and comparison: vectors, their by-element forms, and the scalar
 * instructions that do the same to one element (Arm DDI 0487, C7.2). */
#include "cpu/simd.h"

/* In the expression a, b and d are elements of rn, rm and rd (before); fp and size are what the
 * soft float functions want. Elements go to memory as halves of a register, and are read as that or
 * less: the host's processor waits long where a whole register is read after its parts were
 * written. */
#define FP_UNUSED __attribute__((unused))
#define SIMD_FP(name, expr)                                                                \
    SIMD(name)                                                                             \
    {                                                                                      \
        struct fp_status st = simd_fp_begin(c), *const fp FP_UNUSED = &st;                 \
        const enum fp_size size = (enum fp_size)simd_size(i);                              \
        const unsigned index FP_UNUSED = i->imm >> 24 & 0xff;                              \
        uint64_t r[2] = { 0 };                                                             \
        for (unsigned e = 0; e < simd_bytes(i) >> size; e++) {                             \
            const uint64_t a = simd_get(&V(rn), size, e);                                  \
            const uint64_t b FP_UNUSED = simd_get(&V(rm), size, index ? index - 1 : e);    \
            const uint64_t d FP_UNUSED = simd_get(&V(rd), size, e);                        \
            r[e >> (3 - size)] |= ((expr)&low_mask(8U << size)) << (e << (3 + size) & 63); \
        }                                                                                  \
        V(rd).d[0] = r[0];                                                                 \
        V(rd).d[1] = r[1];                                                                 \
        simd_fp_end(c, &st);                                                               \
    }

SIMD_FP(FADD, softfp_add(fp, size, a, b))
SIMD_FP(FSUB, softfp_sub(fp, size, a, b))
SIMD_FP(FMUL, softfp_mul(fp, size, a, b))
SIMD_FP(FMULX, softfp_mulx(fp, size, a, b))
SIMD_FP(FDIV, softfp_div(fp, size, a, b))
SIMD_FP(FSQRT, softfp_sqrt(fp, size, a))
SIMD_FP(FABS, softfp_abs(size, a))
SIMD_FP(FNEG, softfp_neg(size, a))
SIMD_FP(FABD, softfp_abs(size, softfp_sub(fp, size, a, b)))
SIMD_FP(FMAX, softfp_max(fp, size, a, b))
SIMD_FP(FMIN, softfp_min(fp, size, a, b))
SIMD_FP(FMAXNM, softfp_maxnm(fp, size, a, b))
SIMD_FP(FMINNM, softfp_minnm(fp, size, a, b))
SIMD_FP(FMLA, softfp_muladd(fp, size, d, a, b))
SIMD_FP(FMLS, softfp_muladd(fp, size, d, softfp_neg(size, a), b))
SIMD_FP(FRECPS, softfp_recip_step(fp, size, a, b))
SIMD_FP(FRSQRTS, softfp_rsqrt_step(fp, size, a, b))
SIMD_FP(FRECPE, softfp_recip_est(fp, size, a))
SIMD_FP(FRSQRTE, softfp_rsqrt_est(fp, size, a))
SIMD_FP(FRECPX, softfp_recpx(fp, size, a))

/* Comparison: all ones or all zeros. Only the equality does not mind a quiet NaN. */
static inline uint64_t equal(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    return softfp_compare(fp, size, a, b, false) == FP_EQUAL ? UINT64_MAX : 0;
}

static inline uint64_t greater(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    return softfp_compare(fp, size, a, b, true) == FP_GREATER ? UINT64_MAX : 0;
}

static inline uint64_t greater_equal(struct fp_status *fp, enum fp_size size, uint64_t a,
                                     uint64_t b)
{
    enum fp_order order = softfp_compare(fp, size, a, b, true);

    return order == FP_GREATER || order == FP_EQUAL ? UINT64_MAX : 0;
}

SIMD_FP(FCMEQ, equal(fp, size, a, b))
SIMD_FP(FCMGT, greater(fp, size, a, b))
SIMD_FP(FCMGE, greater_equal(fp, size, a, b))
SIMD_FP(FACGT, greater(fp, size, softfp_abs(size, a), softfp_abs(size, b)))
SIMD_FP(FACGE, greater_equal(fp, size, softfp_abs(size, a), softfp_abs(size, b)))
SIMD_FP(FCMEQ0, equal(fp, size, a, 0))
SIMD_FP(FCMGT0, greater(fp, size, a, 0))
SIMD_FP(FCMGE0, greater_equal(fp, size, a, 0))
SIMD_FP(FCMLT0, greater(fp, size, 0, a))
SIMD_FP(FCMLE0, greater_equal(fp, size, 0, a))

typedef uint64_t (*fp_pair_fn)(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b);

/* Neighbours of rm:rn, the elements of rn first. */
static void pairwise(struct cpu *c, const struct a64_insn *i, fp_pair_fn fn)
{
    const union vreg n = V(rn), m = V(rm);
    struct fp_status fp = simd_fp_begin(c);
    enum fp_size size = (enum fp_size)simd_size(i);
    unsigned count = simd_bytes(i) >> size;
    union vreg r = { 0 };

    for (unsigned e = 0; e < count; e++) {
        const union vreg *from = 2 * e < count ? &n : &m;
        unsigned at = 2 * e & (count - 1);

        simd_set(&r, size, e,
                 fn(&fp, size, simd_get(from, size, at), simd_get(from, size, at + 1)));
    }
    V(rd) = r;
    simd_fp_end(c, &fp);
}

/* The first count elements of rn to one, in the order of Reduce() of the manual: neighbours first,
 * then neighbours of these results. It shows in which of several NaNs is returned. */
static void reduce(struct cpu *c, const struct a64_insn *i, unsigned count, fp_pair_fn fn)
{
    union vreg n = V(rn), r = { 0 };
    struct fp_status fp = simd_fp_begin(c);
    enum fp_size size = (enum fp_size)simd_size(i);

    for (; count > 1; count /= 2)
        for (unsigned e = 0; e < count / 2; e++)
            simd_set(&n, size, e,
                     fn(&fp, size, simd_get(&n, size, 2 * e), simd_get(&n, size, 2 * e + 1)));
    simd_set(&r, size, 0, simd_get(&n, size, 0));
    V(rd) = r;
    simd_fp_end(c, &fp);
}

/* Pairwise vector and scalar. */
#define SIMD_FP_PAIR(name, fn) \
    SIMD(name)                 \
    {                          \
        pairwise(c, i, fn);    \
    }                          \
    SIMD(name##_s)             \
    {                          \
        reduce(c, i, 2, fn);   \
    }

SIMD_FP_PAIR(FADDP, softfp_add)
SIMD_FP_PAIR(FMAXP, softfp_max)
SIMD_FP_PAIR(FMINP, softfp_min)
SIMD_FP_PAIR(FMAXNMP, softfp_maxnm)
SIMD_FP_PAIR(FMINNMP, softfp_minnm)

#define SIMD_FP_ACROSS(name, fn)                         \
    SIMD(name)                                           \
    {                                                    \
        reduce(c, i, simd_bytes(i) >> simd_size(i), fn); \
    }

SIMD_FP_ACROSS(FMAXV, softfp_max)
SIMD_FP_ACROSS(FMINV, softfp_min)
SIMD_FP_ACROSS(FMAXNMV, softfp_maxnm)
SIMD_FP_ACROSS(FMINNMV, softfp_minnm)
