/* Formats of loads and stores of vector registers (a64_vmem.decode): rd is the (first) register
 * moved, ra the second one of a pair, rn the base (31 is SP), rm an index. */
#include "cpu/a64_table.h"
#include "cpu/format.h"
#include "cpu/vmem.h"

/* log2 of the bytes of a single register access: bits 31:30, and bit 23 for Q. */
static unsigned access_size(const struct a64_insn *i)
{
    return fmt_bits(i->raw, 30, 2) | (i->raw & BIT(23) ? 4 : 0);
}

static void base(struct a64_insn *i)
{
    i->rd = fmt_reg(i->raw, 0);
    i->rn = fmt_reg(i->raw, 5);
}

bool fmt_v_uimm(struct a64_insn *i, unsigned at)
{
    base(i);
    i->imm = (int64_t)fmt_bits(i->raw, 10, 12) << access_size(i);
    return true;
}

bool fmt_v_simm(struct a64_insn *i, unsigned at)
{
    base(i);
    i->imm = fmt_sbits(i->raw, 12, 9);
    return true;
}

/* ra: the extension, of which bit 1 must be set; imm: the shift. */
bool fmt_v_reg(struct a64_insn *i, unsigned at)
{
    base(i);
    i->rm = fmt_src(i->raw, 16);
    i->ra = (uint8_t)fmt_bits(i->raw, 13, 3);
    i->imm = i->raw & BIT(12) ? access_size(i) : 0;
    return i->ra & 2;
}

bool fmt_v_lit(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_reg(i->raw, 0);
    i->imm = fmt_sbits(i->raw, 5, 19) * 4;
    return true;
}

bool fmt_v_pair(struct a64_insn *i, unsigned at)
{
    base(i);
    i->ra = fmt_reg(i->raw, 10);
    i->imm = fmt_sbits(i->raw, 15, 7) * (4 << fmt_bits(i->raw, 30, 2));
    return true;
}

/* What the base advances by after the access: rm, or the bytes moved when that is 31. */
static void advance(struct a64_insn *i, bool post, unsigned bytes)
{
    i->rm = post ? fmt_src(i->raw, 16) : REG_ZERO;
    if (post && i->rm == REG_ZERO)
        i->imm |= (int64_t)bytes << 32;
}

static bool multi(struct a64_insn *i, bool post)
{
    static const struct {
        uint8_t regs, interleave;
    } shapes[16] = {
        [0] = { 4, 4 }, [2] = { 4, 1 }, [4] = { 3, 3 },  [6] = { 3, 1 },
        [7] = { 1, 1 }, [8] = { 2, 2 }, [10] = { 2, 1 },
    };
    unsigned op = fmt_bits(i->raw, 12, 4), size = fmt_bits(i->raw, 10, 2);
    unsigned reg_bytes = i->raw & BIT(30) ? 16 : 8;
    unsigned regs = shapes[op].regs, interleave = shapes[op].interleave;

    base(i);
    i->imm = vmem_pack(regs, size, interleave, reg_bytes);
    advance(i, post, regs * reg_bytes);
    /* One element per register cannot interleave. */
    return interleave == 1 || size != 3 || reg_bytes == 16;
}

bool fmt_v_multi(struct a64_insn *i, unsigned at)
{
    return multi(i, false);
}

bool fmt_v_multi_post(struct a64_insn *i, unsigned at)
{
    return multi(i, true);
}

static unsigned single_regs(const struct a64_insn *i)
{
    return (fmt_bits(i->raw, 13, 1) << 1 | fmt_bits(i->raw, 21, 1)) + 1;
}

/* The index is Q:S:size, without the bits that the element's size takes. */
static bool single(struct a64_insn *i, bool post)
{
    unsigned place = fmt_bits(i->raw, 30, 1) << 3 | fmt_bits(i->raw, 10, 3);
    unsigned size = fmt_bits(i->raw, 14, 2);

    if (size == 2 && place & 1)
        size = 3;
    base(i);
    i->imm = vmem_pack(single_regs(i), size, place >> size, 0);
    advance(i, post, single_regs(i) << size);
    return true;
}

bool fmt_v_single(struct a64_insn *i, unsigned at)
{
    return single(i, false);
}

bool fmt_v_single_post(struct a64_insn *i, unsigned at)
{
    return single(i, true);
}

static bool replicate(struct a64_insn *i, bool post)
{
    unsigned size = fmt_bits(i->raw, 10, 2);

    base(i);
    i->imm = vmem_pack(single_regs(i), size, 0, i->raw & BIT(30) ? 16 : 8);
    advance(i, post, single_regs(i) << size);
    return true;
}

bool fmt_v_replicate(struct a64_insn *i, unsigned at)
{
    return replicate(i, false);
}

bool fmt_v_replicate_post(struct a64_insn *i, unsigned at)
{
    return replicate(i, true);
}
