/* Formats of loads and stores of general registers (a64_mem.decode): rd is the register moved, ra
 * the second one of a pair, rn the base (31 is SP), rm an index or a status. */
#include "cpu/a64_table.h"
#include "cpu/format.h"

static void load_base(struct a64_insn *i)
{
    i->rd = fmt_dst(i->raw, 0);
    i->rn = fmt_reg(i->raw, 5);
}

static void store_base(struct a64_insn *i)
{
    i->rd = fmt_src(i->raw, 0);
    i->rn = fmt_reg(i->raw, 5);
}

/* Unsigned 12-bit offset in units of the access: bits 31:30 are its size. */
static void scaled_offset(struct a64_insn *i)
{
    i->imm = (int64_t)((uint64_t)fmt_bits(i->raw, 10, 12) << fmt_bits(i->raw, 30, 2));
}

bool fmt_ld_uimm(struct a64_insn *i, unsigned at)
{
    load_base(i);
    scaled_offset(i);
    return true;
}

bool fmt_st_uimm(struct a64_insn *i, unsigned at)
{
    store_base(i);
    scaled_offset(i);
    return true;
}

bool fmt_ld_simm(struct a64_insn *i, unsigned at)
{
    load_base(i);
    i->imm = fmt_sbits(i->raw, 12, 9);
    return true;
}

bool fmt_st_simm(struct a64_insn *i, unsigned at)
{
    store_base(i);
    i->imm = fmt_sbits(i->raw, 12, 9);
    return true;
}

/* Register offset: ra is the extension (bit 1 must be set), imm the shift: 0 or log2 of the size.
 * UXTX and SXTX are the same 64 bits. */
static bool index_register(struct a64_insn *i)
{
    i->rm = fmt_src(i->raw, 16);
    i->ra = (uint8_t)fmt_bits(i->raw, 13, 3);
    i->imm = i->raw & BIT(12) ? fmt_bits(i->raw, 30, 2) : 0;
    return i->ra & 2;
}

bool fmt_ld_reg(struct a64_insn *i, unsigned at)
{
    load_base(i);
    return index_register(i);
}

bool fmt_st_reg(struct a64_insn *i, unsigned at)
{
    store_base(i);
    return index_register(i);
}

bool fmt_ld_lit(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_dst(i->raw, 0);
    i->imm = fmt_sbits(i->raw, 5, 19) * 4;
    return true;
}

/* Bit 31 tells 8-byte registers; the offset is in units of one. */
static void pair_offset(struct a64_insn *i)
{
    i->imm = fmt_sbits(i->raw, 15, 7) * (i->raw >> 31 ? 8 : 4);
}

bool fmt_ld_pair(struct a64_insn *i, unsigned at)
{
    load_base(i);
    i->ra = fmt_dst(i->raw, 10);
    pair_offset(i);
    return true;
}

bool fmt_st_pair(struct a64_insn *i, unsigned at)
{
    store_base(i);
    i->ra = fmt_src(i->raw, 10);
    pair_offset(i);
    return true;
}

bool fmt_ld_base(struct a64_insn *i, unsigned at)
{
    load_base(i);
    return true;
}

bool fmt_st_base(struct a64_insn *i, unsigned at)
{
    store_base(i);
    return true;
}

bool fmt_ld_excl(struct a64_insn *i, unsigned at)
{
    load_base(i);
    i->ra = fmt_dst(i->raw, 10);
    return true;
}

/* rm receives the status. */
bool fmt_st_excl(struct a64_insn *i, unsigned at)
{
    store_base(i);
    i->ra = fmt_src(i->raw, 10);
    i->rm = fmt_dst(i->raw, 16);
    return true;
}

bool fmt_atomic(struct a64_insn *i, unsigned at)
{
    load_base(i);
    i->rm = fmt_src(i->raw, 16);
    return true;
}

/* The compared register also receives what was found: rm to read it, ra to write it. */
bool fmt_cas(struct a64_insn *i, unsigned at)
{
    store_base(i);
    i->rm = fmt_src(i->raw, 16);
    i->ra = fmt_dst(i->raw, 16);
    return true;
}

/* Plain even numbers: see lse.c. */
bool fmt_casp(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_reg(i->raw, 0);
    i->rn = fmt_reg(i->raw, 5);
    i->rm = fmt_reg(i->raw, 16);
    return !(i->rd & 1) && !(i->rm & 1);
}
