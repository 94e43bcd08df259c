/* Formats of integer and system instructions (a64_int.decode). */
#include "cpu/a64_table.h"
#include "cpu/format.h"
#include "cpu/handler.h"

static bool is_64(const struct a64_insn *i)
{
    return i->raw >> 31;
}

bool fmt_none(struct a64_insn *i, unsigned at)
{
    (void)i;
    return true;
}

bool fmt_rr(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_dst(i->raw, 0);
    i->rn = fmt_src(i->raw, 5);
    return true;
}

bool fmt_rrr(struct a64_insn *i, unsigned at)
{
    i->rm = fmt_src(i->raw, 16);
    return fmt_rr(i, at);
}

bool fmt_rrrr(struct a64_insn *i, unsigned at)
{
    i->ra = fmt_src(i->raw, 10);
    return fmt_rrr(i, at);
}

static int64_t adr_imm(uint32_t raw)
{
    return fmt_sbits(raw, 5, 19) * 4 | fmt_bits(raw, 29, 2);
}

bool fmt_adr(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_dst(i->raw, 0);
    i->imm = adr_imm(i->raw);
    return true;
}

bool fmt_adrp(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_dst(i->raw, 0);
    i->imm = adr_imm(i->raw) * 4096;
    return true;
}

bool fmt_addsubs_imm(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_dst(i->raw, 0);
    i->rn = fmt_reg(i->raw, 5);
    i->imm = fmt_bits(i->raw, 10, 12) << (i->raw & BIT(22) ? 12 : 0);
    return true;
}

/* Without flags the result may be SP. */
bool fmt_addsub_imm(struct a64_insn *i, unsigned at)
{
    fmt_addsubs_imm(i, at);
    i->rd = fmt_reg(i->raw, 0);
    return true;
}

/* DecodeBitMasks() for immediates: a run of ones, rotated, repeated. */
bool fmt_logics_imm(struct a64_insn *i, unsigned at)
{
    unsigned n = fmt_bits(i->raw, 22, 1), immr = fmt_bits(i->raw, 16, 6);
    unsigned imms = fmt_bits(i->raw, 10, 6);
    unsigned sizes = n << 6 | (~imms & 0x3f);

    if (sizes < 2 || (n && !is_64(i)))
        return false;

    unsigned esize = 1u << (31 - __builtin_clz(sizes));
    unsigned ones = (imms & (esize - 1)) + 1, rotate = immr & (esize - 1);
    uint64_t elem = low_mask(ones);

    if (ones == esize)
        return false;
    if (rotate)
        elem = (elem >> rotate | elem << (esize - rotate)) & low_mask(esize);
    for (unsigned width = esize; width < 64; width *= 2)
        elem |= elem << width;
    i->imm = (int64_t)(is_64(i) ? elem : elem & UINT32_MAX);
    return fmt_rr(i, at);
}

bool fmt_logic_imm(struct a64_insn *i, unsigned at)
{
    bool ok = fmt_logics_imm(i, at);

    i->rd = fmt_reg(i->raw, 0);
    return ok;
}

/* MOVZ, MOVN and MOVK: the constant in place; imm of MOVK keeps the shift in ra. */
bool fmt_movz(struct a64_insn *i, unsigned at)
{
    unsigned shift = fmt_bits(i->raw, 21, 2) * 16;

    if (shift >= 32 && !is_64(i))
        return false;
    i->rd = fmt_dst(i->raw, 0);
    i->ra = (uint8_t)shift;
    i->imm = (int64_t)((uint64_t)fmt_bits(i->raw, 5, 16) << shift);
    return true;
}

bool fmt_movn(struct a64_insn *i, unsigned at)
{
    bool ok = fmt_movz(i, at);

    i->imm = is_64(i) ? ~i->imm : ~i->imm & UINT32_MAX;
    return ok;
}

bool fmt_movk(struct a64_insn *i, unsigned at)
{
    return fmt_movz(i, at);
}

static bool bitfield_ok(const struct a64_insn *i)
{
    unsigned n = fmt_bits(i->raw, 22, 1);

    return n == is_64(i) && (n || !(i->raw & (BIT(21) | BIT(15))));
}

/*
 * UBFM and BFM copy imms - immr + 1 bits down from immr, or imms + 1 bits up to width - immr.
 * Either way: rotate right by immr (ra), then take the bits of a mask (imm).
 */
bool fmt_ubfm(struct a64_insn *i, unsigned at)
{
    unsigned r = fmt_bits(i->raw, 16, 6), s = fmt_bits(i->raw, 10, 6);
    unsigned width = is_64(i) ? 64 : 32;

    if (!bitfield_ok(i))
        return false;
    i->ra = (uint8_t)r;
    i->imm = (int64_t)(s >= r ? low_mask(s - r + 1) : low_mask(s + 1) << (width - r));
    return fmt_rr(i, at);
}

bool fmt_bfm(struct a64_insn *i, unsigned at)
{
    return fmt_ubfm(i, at);
}

/* SBFM: shift left by ra so that the sign is on top, then arithmetically right by rm. */
bool fmt_sbfm(struct a64_insn *i, unsigned at)
{
    unsigned r = fmt_bits(i->raw, 16, 6), s = fmt_bits(i->raw, 10, 6);
    unsigned width = is_64(i) ? 64 : 32;

    if (!bitfield_ok(i))
        return false;
    i->ra = (uint8_t)(width - 1 - s);
    i->rm = (uint8_t)(s >= r ? width - 1 - s + r : r - s - 1);
    return fmt_rr(i, at);
}

bool fmt_extr(struct a64_insn *i, unsigned at)
{
    if (!bitfield_ok(i))
        return false;
    i->imm = fmt_bits(i->raw, 10, 6);
    return fmt_rrr(i, at);
}

/* Shifted register: ra is the type, imm the amount. */
bool fmt_logic_shift(struct a64_insn *i, unsigned at)
{
    i->ra = (uint8_t)fmt_bits(i->raw, 22, 2);
    i->imm = fmt_bits(i->raw, 10, 6);
    return (is_64(i) || i->imm < 32) && fmt_rrr(i, at);
}

bool fmt_addsub_shift(struct a64_insn *i, unsigned at)
{
    return fmt_logic_shift(i, at) && i->ra != 3;
}

/* Extended register: ra is the option, imm the shift. */
bool fmt_addsubs_ext(struct a64_insn *i, unsigned at)
{
    fmt_rrr(i, at);
    i->rn = fmt_reg(i->raw, 5);
    i->ra = (uint8_t)fmt_bits(i->raw, 13, 3);
    i->imm = fmt_bits(i->raw, 10, 3);
    return i->imm <= 4;
}

bool fmt_addsub_ext(struct a64_insn *i, unsigned at)
{
    bool ok = fmt_addsubs_ext(i, at);

    i->rd = fmt_reg(i->raw, 0);
    return ok;
}

/* Conditional compare: ra is the condition, rd the flags when it fails. */
bool fmt_ccmp_reg(struct a64_insn *i, unsigned at)
{
    fmt_rrr(i, at);
    i->rd = (uint8_t)fmt_bits(i->raw, 0, 4);
    i->ra = (uint8_t)fmt_bits(i->raw, 12, 4);
    return true;
}

bool fmt_ccmp_imm(struct a64_insn *i, unsigned at)
{
    i->imm = fmt_bits(i->raw, 16, 5);
    return fmt_ccmp_reg(i, at);
}

/* imm: the rotation of RMIF; ra: its mask of flags. */
bool fmt_flags(struct a64_insn *i, unsigned at)
{
    (void)at;
    i->rn = fmt_src(i->raw, 5);
    i->ra = (uint8_t)fmt_bits(i->raw, 0, 4);
    i->imm = fmt_bits(i->raw, 15, 6);
    return true;
}

/* Conditional select: imm is the set of NZCV values that choose rn. */
bool fmt_csel(struct a64_insn *i, unsigned at)
{
    i->imm = cond_set(fmt_bits(i->raw, 12, 4));
    return fmt_rrr(i, at);
}

bool fmt_imm16(struct a64_insn *i, unsigned at)
{
    i->imm = fmt_bits(i->raw, 5, 16);
    return true;
}

bool fmt_barrier(struct a64_insn *i, unsigned at)
{
    i->imm = fmt_bits(i->raw, 8, 4);
    return true;
}

/* MSR (immediate): ra is op1, rm is op2. */
bool fmt_msr_imm(struct a64_insn *i, unsigned at)
{
    i->ra = (uint8_t)fmt_bits(i->raw, 16, 3);
    i->rm = (uint8_t)fmt_bits(i->raw, 5, 3);
    i->imm = fmt_bits(i->raw, 8, 4);
    return true;
}

/* imm is SYSREG(op0, op1, CRn, CRm, op2). */
bool fmt_sysreg_in(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_src(i->raw, 0);
    i->imm = fmt_bits(i->raw, 5, 16);
    return true;
}

bool fmt_sysreg_out(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_dst(i->raw, 0);
    i->imm = fmt_bits(i->raw, 5, 16);
    return true;
}
