/*
 * Emitters: loads and stores of vector registers (Arm DDI 0487, C7.2). Structures whose elements
 * are taken apart, and single elements, are the handler's.
 */
#include "cpu/jit/jit_access.h"
#include "cpu/jit/jit_xmm.h"
#include "cpu/vmem.h"

#define B8   1u
#define H16  2u
#define S32  4u
#define D64  8u
#define Q128 16u

/* Where a register is made: one that keeps it for the rest of the block, or XMM0. */
static unsigned new_reg(struct jit_tran *t)
{
    return jit_xmm_can(t) ? jit_xmm_new(t) : 0;
}

static void set_reg(struct jit_tran *t, unsigned r, unsigned xmm, unsigned bytes)
{
    if (jit_xmm_can(t))
        jit_xmm_def(t, r, xmm, bytes);
    else
        jit_v_put(t, r, xmm);
}

/* V register = bytes at [RDX + RAX + at], zero-extended. Uses RCX for the short ones. */
static void emit_load_at(struct jit_tran *t, unsigned r, unsigned bytes, unsigned at)
{
    unsigned x = new_reg(t);
    struct x64 *e = &t->e;

    switch (bytes) {
    case B8:
    case H16:
        x64_rmx(e, bytes == B8 ? OP_MOVZX8 : OP_MOVZX16, 0, RCX, RDX, RAX, 0, (int32_t)at);
        x64_rr(e, VX_MOVD, 0, x, RCX);
        break;
    default:
        x64_rmx(e,
                bytes == S32   ? VX_MOVD
                : bytes == D64 ? VX_MOVQ
                               : VX_MOVUPS,
                0, x, RDX, RAX, 0, (int32_t)at);
        break;
    }
    set_reg(t, r, x, bytes);
}

static void emit_store_at(struct jit_tran *t, unsigned r, unsigned bytes, unsigned at)
{
    unsigned x = t->xmm_of[r];
    struct x64 *e = &t->e;

    if (bytes >= S32 && x != JIT_NONE && t->xmm[x].valid >= bytes) {
        x64_rmx(e,
                bytes == S32   ? VX_MOVD_ST
                : bytes == D64 ? VX_MOVQ_ST
                               : VX_MOVUPS_ST,
                0, x, RDX, RAX, 0, (int32_t)at);
        return;
    }
    switch (bytes) {
    case B8:
    case H16:
        x64_rm(e, OP_MOV, 0, RCX, RBP, jit_v_at(r));
        x64_rmx(e, bytes == B8 ? OP_MOV_ST8 : OP_MOV_ST16, 0, RCX, RDX, RAX, 0, (int32_t)at);
        break;
    case S32:
    case D64:
        x64_rm(e, OP_MOV, bytes == D64, RCX, RBP, jit_v_at(r));
        x64_rmx(e, OP_MOV_ST, bytes == D64, RCX, RDX, RAX, 0, (int32_t)at);
        break;
    default:
        jit_v_get(t, 0, r);
        x64_rmx(e, VX_MOVUPS_ST, 0, 0, RDX, RAX, 0, (int32_t)at);
        break;
    }
}

/* How one instruction of one or two registers moves them. */
struct move {
    unsigned bytes; /* a register */
    bool load, pair;
    enum jit_mode mode;
};

/* RAX is the address. Nothing can fail behind the TLB, so the order of things does not matter but
 * that RAX is written back before RCX, which that uses, has something else. */
static void emit_moves(struct jit_tran *t, struct jit_way *way, struct move m)
{
    const struct a64_insn *i = jit_insn(t);

    jit_tlb(t, way, m.bytes << m.pair, m.load ? JIT_READ : JIT_WRITE, false);
    jit_write_back(t, m.mode);
    if (m.load) {
        emit_load_at(t, i->rd, m.bytes, 0);
        if (m.pair)
            emit_load_at(t, i->ra, m.bytes, m.bytes);
    } else {
        emit_store_at(t, i->rd, m.bytes, 0);
        if (m.pair)
            emit_store_at(t, i->ra, m.bytes, m.bytes);
    }
    jit_end_way(t, way);
}

static bool emit_based(struct jit_tran *t, struct move m)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_base(t, &way, m.mode == JIT_POST ? 0 : jit_insn(t)->imm);
    emit_moves(t, &way, m);
    return true;
}

static bool emit_one(struct jit_tran *t, unsigned bytes, bool load, enum jit_mode mode)
{
    return emit_based(t, (struct move){ .bytes = bytes, .load = load, .mode = mode });
}

static bool emit_pair(struct jit_tran *t, unsigned bytes, bool load, enum jit_mode mode)
{
    return emit_based(t, (struct move){ .bytes = bytes, .load = load, .pair = true, .mode = mode });
}

static bool emit_indexed(struct jit_tran *t, unsigned bytes, bool load)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_indexed(t, &way);
    emit_moves(t, &way, (struct move){ .bytes = bytes, .load = load });
    return true;
}

static bool emit_literal(struct jit_tran *t, unsigned bytes)
{
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_literal(t);
    emit_moves(t, &way, (struct move){ .bytes = bytes, .load = true });
    return true;
}

/* Of structures: rn = RAX + rm + a constant. */
static void emit_advance(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    uint64_t imm = vmem_advance(i);

    if (i->rm != REG_ZERO) {
        x64_rmx(&t->e, OP_LEA, 1, RCX, RAX, jit_use(t, 1, RCX, i->rm), 0, (int32_t)imm);
    } else if (imm) {
        x64_rm(&t->e, OP_LEA, 1, RCX, RAX, (int32_t)imm);
    } else {
        return;
    }
    jit_put(t, i->rn, RCX);
    if (i->rn == REG_SP)
        t->sp_checked = false;
}

/* LD1, ST1 of whole registers, which follow each other in memory as they are. */
static bool emit_whole(struct jit_tran *t, bool load)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned bytes = vmem_reg_bytes(i), regs = vmem_regs(i);
    struct jit_way way = { .count = 0 };

    jit_settle(t);
    jit_base(t, &way, 0);
    jit_tlb(t, &way, regs * bytes, load ? JIT_READ : JIT_WRITE, false);
    for (unsigned k = 0; k < regs; k++) {
        if (load)
            emit_load_at(t, (i->rd + k) % 32, bytes, k * bytes);
        else
            emit_store_at(t, (i->rd + k) % 32, bytes, k * bytes);
    }
    emit_advance(t);
    jit_end_way(t, &way);
    return true;
}

/* LD1R. */
static bool emit_replicate(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = vmem_size(i);
    struct jit_way way = { .count = 0 };
    struct x64 *e = &t->e;

    jit_settle(t);
    jit_base(t, &way, 0);
    jit_tlb(t, &way, 1u << size, JIT_READ, false);
    switch (size) {
    case 0:
    case 1:
        x64_rmx(e, size ? OP_MOVZX16 : OP_MOVZX8, 0, RCX, RDX, RAX, 0, 0);
        x64_rr(e, VX_MOVD, 0, 0, RCX);
        if (size == 0)
            x64_vec_rr(e, VX_PUNPCKLBW, 0, 0);
        x64_vec_rri(e, VX_PSHUFLW, 0, 0, 0);
        x64_vec_rr(e, VX_PUNPCKLQDQ, 0, 0);
        break;
    case 2:
        x64_rmx(e, VX_MOVD, 0, 0, RDX, RAX, 0, 0);
        x64_vec_rri(e, VX_PSHUFD, 0, 0, 0);
        break;
    default:
        x64_rmx(e, VX_MOVQ, 0, 0, RDX, RAX, 0, 0);
        x64_vec_rr(e, VX_PUNPCKLQDQ, 0, 0);
        break;
    }
    if (vmem_reg_bytes(i) == 8)
        x64_vec_rr(e, VX_MOVQ, 0, 0);
    jit_v_put(t, i->rd, 0);
    jit_xmm_forget(t, i->rd);
    emit_advance(t);
    jit_end_way(t, &way);
    return true;
}

#define ONE_CASES(s, bytes)                           \
    case A64_LDR_##s##_imm:                           \
    case A64_LDUR_##s:                                \
        return emit_one(t, bytes, true, JIT_OFFSET);  \
    case A64_LDR_##s##_post:                          \
        return emit_one(t, bytes, true, JIT_POST);    \
    case A64_LDR_##s##_pre:                           \
        return emit_one(t, bytes, true, JIT_PRE);     \
    case A64_LDR_##s##_reg:                           \
        return emit_indexed(t, bytes, true);          \
    case A64_STR_##s##_imm:                           \
    case A64_STUR_##s:                                \
        return emit_one(t, bytes, false, JIT_OFFSET); \
    case A64_STR_##s##_post:                          \
        return emit_one(t, bytes, false, JIT_POST);   \
    case A64_STR_##s##_pre:                           \
        return emit_one(t, bytes, false, JIT_PRE);    \
    case A64_STR_##s##_reg:                           \
        return emit_indexed(t, bytes, false);

#define PAIR_CASES(s, bytes)                           \
    case A64_LDP_##s:                                  \
    case A64_LDNP_##s:                                 \
        return emit_pair(t, bytes, true, JIT_OFFSET);  \
    case A64_LDP_##s##_post:                           \
        return emit_pair(t, bytes, true, JIT_POST);    \
    case A64_LDP_##s##_pre:                            \
        return emit_pair(t, bytes, true, JIT_PRE);     \
    case A64_STP_##s:                                  \
    case A64_STNP_##s:                                 \
        return emit_pair(t, bytes, false, JIT_OFFSET); \
    case A64_STP_##s##_post:                           \
        return emit_pair(t, bytes, false, JIT_POST);   \
    case A64_STP_##s##_pre:                            \
        return emit_pair(t, bytes, false, JIT_PRE);

bool jit_vmem(struct jit_tran *t, enum a64_op op)
{
    if (!(t->state & JIT_FP))
        return false;
    switch (op) {
        ONE_CASES(b, B8)
        ONE_CASES(h, H16)
        ONE_CASES(s, S32)
        ONE_CASES(d, D64)
        ONE_CASES(q, Q128)
        PAIR_CASES(s, S32)
        PAIR_CASES(d, D64)
        PAIR_CASES(q, Q128)
    case A64_LDR_s_lit:
        return emit_literal(t, S32);
    case A64_LDR_d_lit:
        return emit_literal(t, D64);
    case A64_LDR_q_lit:
        return emit_literal(t, Q128);
    case A64_LD1_x1:
    case A64_LD1_x2:
    case A64_LD1_x3:
    case A64_LD1_x4:
    case A64_LD1_x1_post:
    case A64_LD1_x2_post:
    case A64_LD1_x3_post:
    case A64_LD1_x4_post:
        return emit_whole(t, true);
    case A64_ST1_x1:
    case A64_ST1_x2:
    case A64_ST1_x3:
    case A64_ST1_x4:
    case A64_ST1_x1_post:
    case A64_ST1_x2_post:
    case A64_ST1_x3_post:
    case A64_ST1_x4_post:
        return emit_whole(t, false);
    case A64_LD1r:
    case A64_LD1r_post:
        return emit_replicate(t);
    default:
        return false;
    }
}
