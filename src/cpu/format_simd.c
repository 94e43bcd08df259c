/* Formats of AdvSIMD instructions (a64_simd.decode). They fill i->imm as simd.h describes. */
#include "cpu/format.h"
#include "cpu/simd.h"

enum { B = 1 << SIMD_B, H = 1 << SIMD_H, S = 1 << SIMD_S, D = 1 << SIMD_D };

static bool q(const struct a64_insn *i)
{
    return i->raw & BIT(30);
}

static unsigned size_field(const struct a64_insn *i)
{
    return fmt_bits(i->raw, 22, 2);
}

static bool fill(struct a64_insn *i, unsigned bytes, unsigned size, unsigned arg)
{
    i->rd = fmt_reg(i->raw, 0);
    i->rn = fmt_reg(i->raw, 5);
    i->rm = fmt_reg(i->raw, 16);
    i->imm = (int64_t)((uint64_t)arg << 32 | size << 8 | bytes);
    return true;
}

/* A whole register, or its lower half: which holds no vector of doublewords. */
static bool vector(struct a64_insn *i, unsigned size, unsigned arg)
{
    if (size == SIMD_D && !q(i))
        return false;
    return fill(i, q(i) ? 16 : 8, size, arg);
}

/* Eight bytes of the narrower operand: Q says of which half. */
static bool half(struct a64_insn *i, unsigned size, unsigned arg)
{
    fill(i, 8, size, arg);
    if (q(i))
        i->imm |= SIMD_HI;
    return true;
}

static bool scalar(struct a64_insn *i, unsigned size, unsigned arg)
{
    return fill(i, 1U << size, size, arg);
}

static bool allowed(const struct a64_insn *i, unsigned sizes)
{
    return sizes >> size_field(i) & 1;
}

bool fmt_v_bhsd(struct a64_insn *i, unsigned at)
{
    return vector(i, size_field(i), 0);
}

bool fmt_v_bhs(struct a64_insn *i, unsigned at)
{
    return allowed(i, B | H | S) && vector(i, size_field(i), 0);
}

bool fmt_v_hs(struct a64_insn *i, unsigned at)
{
    return allowed(i, H | S) && vector(i, size_field(i), 0);
}

/* Elements do not matter. */
bool fmt_v_bits(struct a64_insn *i, unsigned at)
{
    return fill(i, q(i) ? 16 : 8, SIMD_D, 0);
}

bool fmt_v_bytes(struct a64_insn *i, unsigned at)
{
    return vector(i, SIMD_B, 0);
}

/* A reduction needs at least four elements. */
bool fmt_v_lanes(struct a64_insn *i, unsigned at)
{
    return (allowed(i, B | H) || (allowed(i, S) && q(i))) && vector(i, size_field(i), 0);
}

bool fmt_s_bhsd(struct a64_insn *i, unsigned at)
{
    return scalar(i, size_field(i), 0);
}

bool fmt_s_bhs(struct a64_insn *i, unsigned at)
{
    return allowed(i, B | H | S) && scalar(i, size_field(i), 0);
}

bool fmt_s_hs(struct a64_insn *i, unsigned at)
{
    return allowed(i, H | S) && scalar(i, size_field(i), 0);
}

bool fmt_s_d(struct a64_insn *i, unsigned at)
{
    return allowed(i, D) && scalar(i, SIMD_D, 0);
}

bool fmt_s_s(struct a64_insn *i, unsigned at)
{
    return scalar(i, SIMD_S, 0);
}

bool fmt_l_bhs(struct a64_insn *i, unsigned at)
{
    return allowed(i, B | H | S) && half(i, size_field(i), 0);
}

bool fmt_l_hs(struct a64_insn *i, unsigned at)
{
    return allowed(i, H | S) && half(i, size_field(i), 0);
}

bool fmt_l_d(struct a64_insn *i, unsigned at)
{
    return half(i, SIMD_D, 0);
}

/* SHLL shifts by the element's size. */
bool fmt_l_shll(struct a64_insn *i, unsigned at)
{
    return allowed(i, B | H | S) && half(i, size_field(i), 8U << size_field(i));
}

/* Floating point: bit 22 is the size, or the instruction is a half precision one. */
static unsigned fp_size(const struct a64_insn *i)
{
    return i->raw & BIT(22) ? SIMD_D : SIMD_S;
}

bool fmt_vf(struct a64_insn *i, unsigned at)
{
    return vector(i, fp_size(i), 0);
}

bool fmt_vh(struct a64_insn *i, unsigned at)
{
    return vector(i, SIMD_H, 0);
}

bool fmt_sf(struct a64_insn *i, unsigned at)
{
    return scalar(i, fp_size(i), 0);
}

bool fmt_sh(struct a64_insn *i, unsigned at)
{
    return scalar(i, SIMD_H, 0);
}

/* FCVTN, FCVTL: the narrower type. */
bool fmt_l_f(struct a64_insn *i, unsigned at)
{
    return half(i, fp_size(i) - 1, 0);
}

/* By element. The smaller the element, the more bits go to the index (H:L:M), the fewer to rm. */
static bool element(struct a64_insn *i, unsigned size)
{
    unsigned h = fmt_bits(i->raw, 11, 1), l = fmt_bits(i->raw, 21, 1), m = fmt_bits(i->raw, 20, 1);
    unsigned index;

    switch (size) {
    case SIMD_H:
        index = h << 2 | l << 1 | m;
        i->rm &= 15;
        break;
    case SIMD_S:
        index = h << 1 | l;
        break;
    case SIMD_D:
        index = h;
        if (l)
            return false;
        break;
    default:
        return false;
    }
    i->imm |= (int64_t)(index + 1) << 24;
    return true;
}

bool fmt_v_hs_elem(struct a64_insn *i, unsigned at)
{
    return fmt_v_hs(i, at) && element(i, size_field(i));
}

bool fmt_s_hs_elem(struct a64_insn *i, unsigned at)
{
    return fmt_s_hs(i, at) && element(i, size_field(i));
}

bool fmt_l_hs_elem(struct a64_insn *i, unsigned at)
{
    return fmt_l_hs(i, at) && element(i, size_field(i));
}

bool fmt_vf_elem(struct a64_insn *i, unsigned at)
{
    return fmt_vf(i, at) && element(i, fp_size(i));
}

bool fmt_sf_elem(struct a64_insn *i, unsigned at)
{
    return fmt_sf(i, at) && element(i, fp_size(i));
}

bool fmt_vh_elem(struct a64_insn *i, unsigned at)
{
    return fmt_vh(i, at) && element(i, SIMD_H);
}

bool fmt_sh_elem(struct a64_insn *i, unsigned at)
{
    return fmt_sh(i, at) && element(i, SIMD_H);
}

/* Shift by immediate: immh:immb is esize + a left shift, or 2 * esize - a right shift. */
static unsigned shift_size(const struct a64_insn *i)
{
    return 31 - (unsigned)__builtin_clz(fmt_bits(i->raw, 19, 4));
}

static unsigned left_shift(const struct a64_insn *i)
{
    return fmt_bits(i->raw, 16, 7) - (8U << shift_size(i));
}

static unsigned right_shift(const struct a64_insn *i)
{
    return (16U << shift_size(i)) - fmt_bits(i->raw, 16, 7);
}

bool fmt_v_shl(struct a64_insn *i, unsigned at)
{
    return vector(i, shift_size(i), left_shift(i));
}

bool fmt_v_shr(struct a64_insn *i, unsigned at)
{
    return vector(i, shift_size(i), right_shift(i));
}

bool fmt_s_shl(struct a64_insn *i, unsigned at)
{
    return scalar(i, shift_size(i), left_shift(i));
}

bool fmt_s_shr(struct a64_insn *i, unsigned at)
{
    return scalar(i, shift_size(i), right_shift(i));
}

bool fmt_l_shl(struct a64_insn *i, unsigned at)
{
    return half(i, shift_size(i), left_shift(i));
}

bool fmt_l_shr(struct a64_insn *i, unsigned at)
{
    return half(i, shift_size(i), right_shift(i));
}

/* AdvSIMDExpandImm() of the manual; the inverted forms are inverted here. imm is all 64 bits. */
bool fmt_v_imm(struct a64_insn *i, unsigned at)
{
    uint64_t imm8 = fmt_bits(i->raw, 16, 3) << 5 | fmt_bits(i->raw, 5, 5), imm = 0;
    unsigned cmode = fmt_bits(i->raw, 12, 4);
    bool op = i->raw & BIT(29), invert = op && cmode < 14;

    switch (cmode) {
    default: /* 0xxx: a byte in 32 bits; 10xx: in 16 bits */
        if (cmode < 8)
            imm = (imm8 << 8 * (cmode >> 1)) * 0x0000000100000001;
        else
            imm = (imm8 << 8 * (cmode >> 1 & 1)) * 0x0001000100010001;
        break;
    case 12:
        imm = (imm8 << 8 | 0xff) * 0x0000000100000001;
        break;
    case 13:
        imm = (imm8 << 16 | 0xffff) * 0x0000000100000001;
        break;
    case 14:
        if (!op)
            imm = imm8 * 0x0101010101010101;
        for (unsigned k = 0; op && k < 8; k++) /* a byte for each bit */
            imm |= imm8 >> k & 1 ? UINT64_C(0xff) << 8 * k : 0;
        break;
    case 15:
        if (op)
            imm = fmt_fp_imm(imm8, SIMD_D);
        else
            imm = fmt_fp_imm(imm8, SIMD_S) * 0x0000000100000001;
        break;
    }
    i->rd = fmt_reg(i->raw, 0);
    i->imm = (int64_t)(invert ? ~imm : imm);
    return true;
}

bool fmt_v_fmov_h(struct a64_insn *i, unsigned at)
{
    uint64_t imm8 = fmt_bits(i->raw, 16, 3) << 5 | fmt_bits(i->raw, 5, 5);

    i->rd = fmt_reg(i->raw, 0);
    i->imm = (int64_t)(fmt_fp_imm(imm8, SIMD_H) * 0x0001000100010001);
    return true;
}

/* Copies: the lowest bit set in imm5 is the size, what lies above it the index. */
static bool copy(struct a64_insn *i, unsigned sizes, unsigned *ret_size, unsigned *ret_index)
{
    unsigned imm5 = fmt_bits(i->raw, 16, 5);

    if (!(imm5 & 15))
        return false;
    *ret_size = (unsigned)__builtin_ctz(imm5);
    *ret_index = imm5 >> (*ret_size + 1);
    return sizes >> *ret_size & 1;
}

bool fmt_v_dup(struct a64_insn *i, unsigned at)
{
    unsigned size, index;

    return copy(i, B | H | S | D, &size, &index) && vector(i, size, index);
}

bool fmt_s_dup(struct a64_insn *i, unsigned at)
{
    unsigned size, index;

    return copy(i, B | H | S | D, &size, &index) && scalar(i, size, index);
}

bool fmt_v_dup_g(struct a64_insn *i, unsigned at)
{
    bool ok = fmt_v_dup(i, at);

    i->rn = fmt_src(i->raw, 5);
    return ok;
}

bool fmt_v_ins_g(struct a64_insn *i, unsigned at)
{
    bool ok = fmt_s_dup(i, at);

    i->rn = fmt_src(i->raw, 5);
    return ok;
}

/* arg: the destination's index, and the source's in bits 11:8. */
bool fmt_v_ins(struct a64_insn *i, unsigned at)
{
    unsigned size, index;

    return copy(i, B | H | S | D, &size, &index) &&
           scalar(i, size, index | fmt_bits(i->raw, 11, 4) >> size << 8);
}

bool fmt_smov(struct a64_insn *i, unsigned at)
{
    unsigned size, index;
    bool ok = copy(i, q(i) ? B | H | S : B | H, &size, &index) && scalar(i, size, index);

    i->rd = fmt_dst(i->raw, 0);
    return ok;
}

bool fmt_umov(struct a64_insn *i, unsigned at)
{
    unsigned size, index;
    bool ok = copy(i, q(i) ? D : B | H | S, &size, &index) && scalar(i, size, index);

    i->rd = fmt_dst(i->raw, 0);
    return ok;
}

bool fmt_v_ext(struct a64_insn *i, unsigned at)
{
    unsigned index = fmt_bits(i->raw, 11, 4);

    return (q(i) || index < 8) && vector(i, SIMD_B, index);
}

/* arg: the number of table registers. */
bool fmt_v_table(struct a64_insn *i, unsigned at)
{
    return vector(i, SIMD_B, fmt_bits(i->raw, 13, 2) + 1);
}

bool fmt_v_crypto(struct a64_insn *i, unsigned at)
{
    return fill(i, 16, SIMD_S, 0);
}
