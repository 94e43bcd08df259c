/*
 * Branches (Arm DDI 0487, C6.2). A direct branch whose target lies in its own page is turned into a
 * pointer step when it is decoded ("near"); imm is the displacement in bytes either way.
 */
#include "cpu/code.h"
#include "cpu/format.h"
#include "cpu/handler.h"

static inline const struct a64_insn *go_far(struct cpu *c, const struct a64_insn *i)
{
    return cpu_branch(c, i, cpu_insn_va(c, i) + (uint64_t)i->imm);
}

static inline const struct a64_insn *go_near(struct cpu *c, const struct a64_insn *i)
{
    cpu_retire(c, i);
    if (LIKELY(!cpu_must_look(c)))
        return c->block = i + (i->imm >> 2);
    c->pc = cpu_insn_va(c, i) + (uint64_t)i->imm;
    return NULL;
}

/* The handler of a row and its near variant. */
#define BRANCH_IF(name, taken)                  \
    HANDLER(name)                               \
    {                                           \
        return (taken) ? go_far(c, i) : i + 1;  \
    }                                           \
    static HANDLER(name##_near)                 \
    {                                           \
        return (taken) ? go_near(c, i) : i + 1; \
    }

BRANCH_IF(B, true)
BRANCH_IF(CBZ_w, !W(rd))
BRANCH_IF(CBZ_x, !X(rd))
BRANCH_IF(CBNZ_w, W(rd))
BRANCH_IF(CBNZ_x, X(rd))
BRANCH_IF(TBZ, !(X(rd) >> i->ra & 1))
BRANCH_IF(TBNZ, X(rd) >> i->ra & 1)

HANDLER(BL)
{
    c->x[30] = cpu_insn_va(c, i) + 4;
    return go_far(c, i);
}

static HANDLER(BL_near)
{
    c->x[30] = cpu_insn_va(c, i) + 4;
    return go_near(c, i);
}

HANDLER(B_cond)
{
    return cond_holds(c, i->ra) ? go_far(c, i) : i + 1;
}

/* Near conditional branches know their condition. */
#define B_COND_NEAR(cond)                                   \
    static HANDLER(B_cond_near_##cond)                      \
    {                                                       \
        return cond_holds(c, cond) ? go_near(c, i) : i + 1; \
    }

B_COND_NEAR(0)
B_COND_NEAR(1)
B_COND_NEAR(2)
B_COND_NEAR(3)
B_COND_NEAR(4)
B_COND_NEAR(5)
B_COND_NEAR(6)
B_COND_NEAR(7)
B_COND_NEAR(8)
B_COND_NEAR(9)
B_COND_NEAR(10)
B_COND_NEAR(11)
B_COND_NEAR(12)
B_COND_NEAR(13)

HANDLER(BR)
{
    return cpu_branch(c, i, X(rn));
}

HANDLER(RET)
{
    return cpu_branch(c, i, X(rn));
}

HANDLER(BLR)
{
    gva_t target = X(rn);

    c->x[30] = cpu_insn_va(c, i) + 4;
    return cpu_branch(c, i, target);
}

static bool is_near(const struct a64_insn *i, unsigned at)
{
    return at + (uint64_t)i->imm < CODE_PAGE_SIZE;
}

bool fmt_branch26(struct a64_insn *i, unsigned at)
{
    i->imm = fmt_sbits(i->raw, 0, 26) * 4;
    if (is_near(i, at))
        i->fn = i->raw >> 31 ? op_BL_near : op_B_near;
    return true;
}

bool fmt_branch_cond(struct a64_insn *i, unsigned at)
{
    static const a64_fn near[16] = {
        op_B_cond_near_0,  op_B_cond_near_1,  op_B_cond_near_2,  op_B_cond_near_3,
        op_B_cond_near_4,  op_B_cond_near_5,  op_B_cond_near_6,  op_B_cond_near_7,
        op_B_cond_near_8,  op_B_cond_near_9,  op_B_cond_near_10, op_B_cond_near_11,
        op_B_cond_near_12, op_B_cond_near_13, op_B_near,         op_B_near,
    };

    i->ra = (uint8_t)fmt_bits(i->raw, 0, 4);
    i->imm = fmt_sbits(i->raw, 5, 19) * 4;
    if (is_near(i, at))
        i->fn = near[i->ra];
    return true;
}

bool fmt_branch_reg(struct a64_insn *i, unsigned at)
{
    static const a64_fn near[2][2] = {
        { op_CBZ_w_near, op_CBNZ_w_near },
        { op_CBZ_x_near, op_CBNZ_x_near },
    };

    i->rd = fmt_src(i->raw, 0);
    i->imm = fmt_sbits(i->raw, 5, 19) * 4;
    if (is_near(i, at))
        i->fn = near[i->raw >> 31][fmt_bits(i->raw, 24, 1)];
    return true;
}

bool fmt_branch_bit(struct a64_insn *i, unsigned at)
{
    i->rd = fmt_src(i->raw, 0);
    i->ra = (uint8_t)(fmt_bits(i->raw, 31, 1) << 5 | fmt_bits(i->raw, 19, 5));
    i->imm = fmt_sbits(i->raw, 5, 14) * 4;
    if (is_near(i, at))
        i->fn = fmt_bits(i->raw, 24, 1) ? op_TBNZ_near : op_TBZ_near;
    return true;
}

bool fmt_rn(struct a64_insn *i, unsigned at)
{
    i->rn = fmt_src(i->raw, 5);
    return true;
}
