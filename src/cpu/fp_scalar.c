/* Scalar floating point instructions that are not one element of a vector instruction (those are
 * in simd_fp.c and simd_cvt.c): Arm DDI 0487, C7.2. */
#include "cpu/simd.h"

static inline enum fp_size fp_size(const struct a64_insn *i)
{
    return (enum fp_size)simd_size(i);
}

/* The scalar in a slot's register; writing one clears the rest of the register. */
#define F(slot) simd_get(&V(slot), simd_size(i), 0)

static inline void set_scalar(union vreg *v, uint64_t val)
{
    *v = (union vreg){ .d = { val, 0 } };
}

SIMD(FMOV_f)
{
    set_scalar(&V(rd), F(rn));
}

SIMD(FMOV_f_imm)
{
    set_scalar(&V(rd), (uint64_t)i->imm);
}

SIMD(FCSEL_f)
{
    set_scalar(&V(rd), cond_holds(c, simd_arg(i)) ? F(rn) : F(rm));
}

SIMD(FNMUL_f)
{
    struct fp_status fp = simd_fp_begin(c);
    enum fp_size size = fp_size(i);

    set_scalar(&V(rd), softfp_neg(size, softfp_mul(&fp, size, F(rn), F(rm))));
    simd_fp_end(c, &fp);
}

/* The negations come before the operation, so they reach NaN operands too. */
#define MULADD(name, neg_addend, neg_product)                           \
    SIMD(name)                                                          \
    {                                                                   \
        struct fp_status fp = simd_fp_begin(c);                         \
        enum fp_size size = fp_size(i);                                 \
        uint64_t addend = F(ra), a = F(rn);                             \
        if (neg_addend)                                                 \
            addend = softfp_neg(size, addend);                          \
        if (neg_product)                                                \
            a = softfp_neg(size, a);                                    \
        set_scalar(&V(rd), softfp_muladd(&fp, size, addend, a, F(rm))); \
        simd_fp_end(c, &fp);                                            \
    }

MULADD(FMADD_f, false, false)
MULADD(FMSUB_f, false, true)
MULADD(FNMADD_f, true, true)
MULADD(FNMSUB_f, true, false)

static void compare(struct cpu *c, const struct a64_insn *i, uint64_t b, bool signalling)
{
    static const uint32_t flags[] = {
        [FP_LESS] = NZCV_N,
        [FP_EQUAL] = NZCV_Z | NZCV_C,
        [FP_GREATER] = NZCV_C,
        [FP_UNORDERED] = NZCV_C | NZCV_V,
    };
    struct fp_status fp = simd_fp_begin(c);

    c->nzcv = flags[softfp_compare(&fp, fp_size(i), F(rn), b, signalling)];
    simd_fp_end(c, &fp);
}

#define COMPARE(name, signalling)         \
    SIMD(name##_f)                        \
    {                                     \
        compare(c, i, F(rm), signalling); \
    }                                     \
    SIMD(name##_f_zero)                   \
    {                                     \
        compare(c, i, 0, signalling);     \
    }

COMPARE(FCMP, false)
COMPARE(FCMPE, true)

#define COND_COMPARE(name, signalling)               \
    SIMD(name)                                       \
    {                                                \
        if (cond_holds(c, simd_arg(i)))              \
            compare(c, i, F(rm), signalling);        \
        else                                         \
            c->nzcv = (uint64_t)(i->raw & 15) << 28; \
    }

COND_COMPARE(FCCMP_f, false)
COND_COMPARE(FCCMPE_f, true)

SIMD(FCVT)
{
    struct fp_status fp = simd_fp_begin(c);
    enum fp_size to = (enum fp_size)simd_arg(i);

    set_scalar(&V(rd), softfp_convert(&fp, to, fp_size(i), F(rn), softfp_rmode(&fp)));
    simd_fp_end(c, &fp);
}

/* To a general register. Bit 31 is its width. The argument is the number of fraction bits. */
#define TO_GENERAL(name, is_signed, mode)                                                          \
    SIMD(name)                                                                                     \
    {                                                                                              \
        struct fp_status fp = simd_fp_begin(c);                                                    \
        bool wide = i->raw >> 31;                                                                  \
        uint64_t val =                                                                             \
            softfp_to_fixed(&fp, fp_size(i), F(rn), wide ? 64 : 32, simd_arg(i), is_signed, mode); \
        X(rd) = wide ? val : (uint32_t)val;                                                        \
        simd_fp_end(c, &fp);                                                                       \
    }

TO_GENERAL(FCVTNS_g, true, FP_TIEEVEN)
TO_GENERAL(FCVTNU_g, false, FP_TIEEVEN)
TO_GENERAL(FCVTPS_g, true, FP_POSINF)
TO_GENERAL(FCVTPU_g, false, FP_POSINF)
TO_GENERAL(FCVTMS_g, true, FP_NEGINF)
TO_GENERAL(FCVTMU_g, false, FP_NEGINF)
TO_GENERAL(FCVTZS_g, true, FP_TOZERO)
TO_GENERAL(FCVTZU_g, false, FP_TOZERO)
TO_GENERAL(FCVTAS_g, true, FP_TIEAWAY)
TO_GENERAL(FCVTAU_g, false, FP_TIEAWAY)

static void from_general(struct cpu *c, const struct a64_insn *i, bool is_signed)
{
    struct fp_status fp = simd_fp_begin(c);
    uint64_t val = X(rn);

    if (!(i->raw >> 31))
        val = is_signed ? (uint64_t)sign_extend(val, 32) : (uint32_t)val;
    set_scalar(&V(rd),
               softfp_from_fixed(&fp, fp_size(i), val, simd_arg(i), is_signed, softfp_rmode(&fp)));
    simd_fp_end(c, &fp);
}

SIMD(SCVTF_g)
{
    from_general(c, i, true);
}

SIMD(UCVTF_g)
{
    from_general(c, i, false);
}

/* Bits between general and vector registers */
SIMD(FMOV_w_s)
{
    X(rd) = V(rn).s[0];
}

SIMD(FMOV_x_d)
{
    X(rd) = V(rn).d[0];
}

SIMD(FMOV_w_h)
{
    X(rd) = V(rn).h[0];
}

SIMD(FMOV_x_top)
{
    X(rd) = V(rn).d[1];
}

SIMD(FMOV_s_w)
{
    set_scalar(&V(rd), W(rn));
}

SIMD(FMOV_d_x)
{
    set_scalar(&V(rd), X(rn));
}

SIMD(FMOV_h_w)
{
    set_scalar(&V(rd), (uint16_t)X(rn));
}

SIMD(FMOV_top_x)
{
    V(rd).d[1] = X(rn);
}
