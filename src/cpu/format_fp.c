/* Formats of scalar floating point instructions (a64_fp.decode). They fill i->imm as simd.h
 * describes. */
#include "cpu/format.h"
#include "cpu/simd.h"

/* VFPExpandImm() of the manual. */
uint64_t fmt_fp_imm(uint64_t imm8, unsigned size)
{
    static const struct {
        unsigned exp_bits, frac_bits;
    } formats[] = { [SIMD_H] = { 5, 10 }, [SIMD_S] = { 8, 23 }, [SIMD_D] = { 11, 52 } };
    unsigned e = formats[size].exp_bits, f = formats[size].frac_bits;
    bool b = imm8 >> 6 & 1;
    uint64_t exp = (b ? low_mask(e - 1) - 3 : BIT(e - 1)) | (imm8 >> 4 & 3);

    return (imm8 >> 7) << (e + f) | exp << f | (imm8 & 15) << (f - 4);
}

/* The type field; false for the reserved one. */
static bool type_size(unsigned type, unsigned *ret_size)
{
    static const uint8_t sizes[] = { SIMD_S, SIMD_D, 0, SIMD_H };

    *ret_size = sizes[type];
    return sizes[type] != 0;
}

static bool fill(struct a64_insn *i, unsigned arg)
{
    unsigned size;

    if (!type_size(fmt_bits(i->raw, 22, 2), &size))
        return false;
    i->rd = fmt_reg(i->raw, 0);
    i->rn = fmt_reg(i->raw, 5);
    i->rm = fmt_reg(i->raw, 16);
    i->ra = fmt_reg(i->raw, 10);
    i->imm = (int64_t)((uint64_t)arg << 32 | size << 8 | 1U << size);
    return true;
}

bool fmt_f_nm(struct a64_insn *i, unsigned at)
{
    return fill(i, 0);
}

bool fmt_f_nma(struct a64_insn *i, unsigned at)
{
    return fill(i, 0);
}

/* arg: the condition. */
bool fmt_f_cond(struct a64_insn *i, unsigned at)
{
    return fill(i, fmt_bits(i->raw, 12, 4));
}

bool fmt_f_imm(struct a64_insn *i, unsigned at)
{
    unsigned size;

    if (!type_size(fmt_bits(i->raw, 22, 2), &size))
        return false;
    i->rd = fmt_reg(i->raw, 0);
    i->imm = (int64_t)fmt_fp_imm(fmt_bits(i->raw, 13, 8), size);
    return true;
}

/* arg: the size converted to. */
bool fmt_f_convert(struct a64_insn *i, unsigned at)
{
    unsigned to;

    return type_size(fmt_bits(i->raw, 15, 2), &to) && fill(i, to);
}

bool fmt_f_to_g(struct a64_insn *i, unsigned at)
{
    bool ok = fill(i, 0);

    i->rd = fmt_dst(i->raw, 0);
    return ok;
}

bool fmt_f_from_g(struct a64_insn *i, unsigned at)
{
    bool ok = fill(i, 0);

    i->rn = fmt_src(i->raw, 5);
    return ok;
}

/* arg: the number of fraction bits, at most the width of the general register. */
static bool fixed(struct a64_insn *i)
{
    unsigned fbits = 64 - fmt_bits(i->raw, 10, 6);

    return fbits <= (i->raw >> 31 ? 64 : 32) && fill(i, fbits);
}

bool fmt_f_to_g_fixed(struct a64_insn *i, unsigned at)
{
    bool ok = fixed(i);

    i->rd = fmt_dst(i->raw, 0);
    return ok;
}

bool fmt_f_from_g_fixed(struct a64_insn *i, unsigned at)
{
    bool ok = fixed(i);

    i->rn = fmt_src(i->raw, 5);
    return ok;
}

bool fmt_f_mov_to_g(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_dst(i->raw, 0);
    i->rn = fmt_reg(i->raw, 5);
    return true;
}

bool fmt_f_mov_from_g(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_reg(i->raw, 0);
    i->rn = fmt_src(i->raw, 5);
    return true;
}
