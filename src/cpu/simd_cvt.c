/* Conversions of floating point vectors and of scalars in vector registers: between formats, to
 * and from integers and fixed point, to integral values (Arm DDI 0487, C7.2). */
#include "cpu/simd.h"

typedef uint64_t (*convert_fn)(struct fp_status *fp, const struct a64_insn *i, uint64_t a);

static inline void each(struct cpu *c, const struct a64_insn *i, convert_fn fn)
{
    const union vreg n = V(rn);
    struct fp_status fp = simd_fp_begin(c);
    unsigned size = simd_size(i);
    union vreg r = { 0 };

    for (unsigned e = 0; e < simd_bytes(i) >> size; e++)
        simd_set(&r, size, e, fn(&fp, i, simd_get(&n, size, e)));
    V(rd) = r;
    simd_fp_end(c, &fp);
}

#define EACH(name, expr)                                                                   \
    static uint64_t name##_one(struct fp_status *fp, const struct a64_insn *i, uint64_t a) \
    {                                                                                      \
        const enum fp_size size = (enum fp_size)simd_size(i);                              \
        return (expr);                                                                     \
    }                                                                                      \
    SIMD(name)                                                                             \
    {                                                                                      \
        each(c, i, name##_one);                                                            \
    }

/* To integral values in floating point */
EACH(FRINTN, softfp_round_int(fp, size, a, FP_TIEEVEN, false))
EACH(FRINTP, softfp_round_int(fp, size, a, FP_POSINF, false))
EACH(FRINTM, softfp_round_int(fp, size, a, FP_NEGINF, false))
EACH(FRINTZ, softfp_round_int(fp, size, a, FP_TOZERO, false))
EACH(FRINTA, softfp_round_int(fp, size, a, FP_TIEAWAY, false))
EACH(FRINTX, softfp_round_int(fp, size, a, softfp_rmode(fp), true))
EACH(FRINTI, softfp_round_int(fp, size, a, softfp_rmode(fp), false))

/* To integers of the same size; the argument is the number of fraction bits */
#define TO_INT(is_signed, mode) \
    softfp_to_fixed(fp, size, a, 8U << size, simd_arg(i), is_signed, mode)
EACH(FCVTNS, TO_INT(true, FP_TIEEVEN))
EACH(FCVTNU, TO_INT(false, FP_TIEEVEN))
EACH(FCVTPS, TO_INT(true, FP_POSINF))
EACH(FCVTPU, TO_INT(false, FP_POSINF))
EACH(FCVTMS, TO_INT(true, FP_NEGINF))
EACH(FCVTMU, TO_INT(false, FP_NEGINF))
EACH(FCVTZS, TO_INT(true, FP_TOZERO))
EACH(FCVTZU, TO_INT(false, FP_TOZERO))
EACH(FCVTAS, TO_INT(true, FP_TIEAWAY))
EACH(FCVTAU, TO_INT(false, FP_TIEAWAY))

/* From integers of the same size */
EACH(SCVTF, softfp_from_fixed(fp, size, (uint64_t)sign_extend(a, 8U << size), simd_arg(i), true,
                              softfp_rmode(fp)))
EACH(UCVTF, softfp_from_fixed(fp, size, a, simd_arg(i), false, softfp_rmode(fp)))

/* To the next narrower format, into the half chosen. size is the narrower one. */
static void narrow(struct cpu *c, const struct a64_insn *i, enum fp_round mode)
{
    const union vreg n = V(rn);
    struct fp_status fp = simd_fp_begin(c);
    enum fp_size size = (enum fp_size)simd_size(i), from = (enum fp_size)(size + 1);
    unsigned count = simd_bytes(i) >> size, first = simd_hi(i) ? count : 0;
    union vreg r = { .d = { simd_hi(i) ? V(rd).d[0] : 0 } };

    for (unsigned e = 0; e < count; e++)
        simd_set(&r, size, first + e, softfp_convert(&fp, size, from, simd_get(&n, from, e), mode));
    V(rd) = r;
    simd_fp_end(c, &fp);
}

SIMD(FCVTN_v)
{
    narrow(c, i, (enum fp_round)FIELD_GET(FPCR_RMODE, c->fpcr));
}

/* Rounding to odd keeps a second rounding exact. */
SIMD(FCVTXN)
{
    narrow(c, i, FP_TOODD);
}

SIMD(FCVTL_v)
{
    const union vreg n = V(rn);
    struct fp_status fp = simd_fp_begin(c);
    enum fp_size size = (enum fp_size)simd_size(i), to = (enum fp_size)(size + 1);
    unsigned count = simd_bytes(i) >> size, first = simd_hi(i) ? count : 0;
    union vreg r = { 0 };

    for (unsigned e = 0; e < count; e++)
        simd_set(&r, to, e,
                 softfp_convert(&fp, to, size, simd_get(&n, size, first + e), softfp_rmode(&fp)));
    V(rd) = r;
    simd_fp_end(c, &fp);
}
