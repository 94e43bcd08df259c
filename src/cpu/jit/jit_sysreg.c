/*
 * Emitters: system registers (Arm DDI 0487, C6.2), those whose access changes nothing but a word of
 * struct cpu, and those of PSTATE and the counter that kernels use all the time. The others are the
 * handler's, and writes of them end the block.
 */
#include "arch/sysreg.h"
#include "cpu/debug.h"
#include "cpu/jit/jit_int.h"
#include "cpu/mmu.h"
#include "cpu/sysreg_row.h"
#include "cpu/timer.h"

#define DAIF       SYSREG(3, 3, 4, 2, 1)
#define SP_EL0     SYSREG(3, 0, 4, 1, 0)
#define CURRENT_EL SYSREG(3, 0, 4, 2, 2)
#define FPCR       SYSREG(3, 3, 4, 4, 0)
#define FPSR       SYSREG(3, 3, 4, 4, 1)
#define CNTPCT     SYSREG(3, 3, 14, 0, 1)
#define CNTVCT     SYSREG(3, 3, 14, 0, 2)

#define CNTKCTL_EL0PCTEN BIT(0)
#define CNTKCTL_EL0VCTEN BIT(1)

/* MSR (immediate), op1:op2 (C6.2.230) */
#define PSTATE_PAN     0x04
#define PSTATE_DAIFSET 0x1e
#define PSTATE_DAIFCLR 0x1f

uint64_t jit_counter(struct cpu *c)
{
    return timer_count(c->soc);
}

static void emit_read(struct jit_tran *t, int32_t at)
{
    unsigned rd = jit_insn(t)->rd, dest = jit_dest(rd, RAX);

    x64_rm(&t->e, OP_MOV, 1, dest, RBP, at);
    jit_put(t, rd, dest);
}

static void emit_cold(struct jit_tran *t, uint8_t *from)
{
    jit_cold(t, JIT_COLD_HANDLER, from)->back = t->e.at;
}

/* cmp byte [at], 0 */
static void emit_test_byte(struct jit_tran *t, int32_t at)
{
    x64_head(&t->e, 0x80, 0, 0, 0, RBP);
    x64_mem(&t->e, G_CMP, RBP, at);
    x64_b(&t->e, 0);
}

/* SP_EL0 is accessible at EL1 while it is not the stack pointer: Linux keeps `current` there. */
static void emit_sp_el0(struct jit_tran *t, bool read)
{
    uint8_t *from;

    jit_settle(t);
    emit_test_byte(t, JIT_AT(sp_sel));
    from = x64_jcc(&t->e, CC_E);
    if (read)
        emit_read(t, JIT_AT(sp_bank[0]));
    else
        x64_rm(&t->e, OP_MOV_ST, 1, jit_use(t, 1, RAX, jit_insn(t)->rd), RBP, JIT_AT(sp_bank[0]));
    emit_cold(t, from);
}

/* A deterministic machine's counter is exact only in the handler. */
static bool emit_read_counter(struct jit_tran *t, uint32_t allowed)
{
    uint8_t *from = NULL;

    if (t->jit->soc->deterministic)
        return false;
    jit_settle(t);
    if (!(t->state & JIT_EL1)) {
        x64_test_mi(&t->e, RBP, JIT_AT(sys.cntkctl_el1), allowed);
        from = x64_jcc(&t->e, CC_E);
    }
    x64_call_to(&t->e, t->jit->stubs.counter);
    jit_put(t, jit_insn(t)->rd, RAX);
    if (from)
        emit_cold(t, from);
    return true;
}

/* A register that is a word of struct cpu for whoever may access it here, or NULL. */
static const struct sysreg_row *plain_row(const struct jit_tran *t, const struct a64_insn *i,
                                          bool read)
{
    const struct sysreg_row *row = sysreg_find((uint16_t)i->imm);
    bool el1 = t->state & JIT_EL1;
    unsigned need = el1 ? (read ? SYSREG_R1 : SYSREG_W1) : (read ? SYSREG_R0 : SYSREG_W0);

    if (!row || !(row->access & need) || (!el1 && row->el0))
        return NULL;
    /* At EL0 the state says whether FPSR.IXC is set. */
    if (((row->enc == FPSR && (read || el1)) || (row->enc == FPCR && read)) && (t->state & JIT_FP))
        return row;
    return (read ? (void *)row->read : (void *)row->write) ? NULL : row;
}

static bool emit_mrs(struct jit_tran *t)
{
    const struct sysreg_row *row = plain_row(t, jit_insn(t), true);

    if (row) {
        if (row->offset == offsetof(struct cpu, nzcv))
            jit_settle(t);
        emit_read(t, (int32_t)row->offset - JIT_BIAS);
        return true;
    }
    switch (jit_insn(t)->imm) {
    case CNTPCT:
        return emit_read_counter(t, CNTKCTL_EL0PCTEN);
    case CNTVCT:
        return emit_read_counter(t, CNTKCTL_EL0VCTEN);
    case DAIF:
        if (!(t->state & JIT_EL1))
            return false;
        emit_read(t, JIT_AT(daif));
        return true;
    case CURRENT_EL:
        if (!(t->state & JIT_EL1))
            return false;
        x64_mov_imm(&t->e, RAX, 1 << 2);
        jit_put(t, jit_insn(t)->rd, RAX);
        return true;
    case SP_EL0:
        if (!(t->state & JIT_EL1))
            return false;
        emit_sp_el0(t, true);
        return true;
    default:
        return false;
    }
}

/* reg &= a constant; `spare` may be lost. */
static void emit_mask(struct jit_tran *t, unsigned reg, unsigned spare, uint64_t mask)
{
    if ((int64_t)mask == (int32_t)mask) {
        x64_ri(&t->e, G_AND, 1, reg, (int32_t)mask);
        return;
    }
    x64_mov_imm(&t->e, spare, mask);
    x64_rr(&t->e, OP_AND, 1, reg, spare);
}

static void emit_write(struct jit_tran *t, const struct sysreg_row *row)
{
    int32_t at = (int32_t)row->offset - JIT_BIAS;
    struct x64 *e = &t->e;

    jit_settle(t);
    if (row->mask == UINT64_MAX) {
        x64_rm(e, OP_MOV_ST, 1, jit_use(t, 1, RAX, jit_insn(t)->rd), RBP, at);
        return;
    }
    jit_get(t, 1, RAX, jit_insn(t)->rd);
    emit_mask(t, RAX, RDX, row->mask);
    x64_rm(e, OP_MOV, 1, RCX, RBP, at);
    emit_mask(t, RCX, RDX, ~row->mask);
    x64_rr(e, OP_OR, 1, RAX, RCX);
    x64_rm(e, OP_MOV_ST, 1, RAX, RBP, at);
}

/* Interrupts may have been unmasked: out if there is something to look at, behind this. */
static void emit_look(struct jit_tran *t)
{
    int64_t next = 4 * (int64_t)(t->first + t->n + 1);
    unsigned left = t->count - t->n - 1;

    emit_test_byte(t, JIT_AT(signals));
    jit_leave_from(t, x64_jcc(&t->e, CC_NE), next, left);
    x64_mi(&t->e, G_CMP, 0, RBP, JIT_AT(request), 0);
    jit_leave_from(t, x64_jcc(&t->e, CC_NE), next, left);
}

/* To the handler where debug exceptions may come of it: they look at PSTATE.D. */
static uint8_t *emit_if_debugged(struct jit_tran *t)
{
    jit_settle(t);
    emit_test_byte(t, JIT_AT(debug_armed));
    return x64_jcc(&t->e, CC_NE);
}

static void emit_write_daif(struct jit_tran *t)
{
    uint8_t *from = emit_if_debugged(t);

    jit_get(t, 0, RAX, jit_insn(t)->rd);
    x64_ri(&t->e, G_AND, 0, RAX, DAIF_D | DAIF_A | DAIF_I | DAIF_F);
    x64_rm(&t->e, OP_MOV_ST, 1, RAX, RBP, JIT_AT(daif));
    emit_look(t);
    emit_cold(t, from);
}

/* The TLB's keys change with the view; the handler has to look where they find nothing. */
static void emit_pan(struct jit_tran *t, bool pan)
{
    int32_t key = t->jit->tlb_at + (int32_t)offsetof(struct tlb, key);
    int32_t base = t->jit->tlb_at + (int32_t)offsetof(struct tlb, base);
    struct x64 *e = &t->e;
    uint8_t *from;

    jit_settle(t);
    x64_mi(e, G_CMP, 1, RBP, key + 8, TLB_KEY_NONE);
    from = x64_jcc(e, CC_E);
    x64_mov_m8(e, RBP, JIT_AT(pan), pan);
    for (int32_t half = 0; half < 16; half += 8) {
        x64_rm(e, OP_MOV, 1, RAX, RBP, base + half);
        x64_ri(e, G_OR, 1, RAX, pan ? TLB_EL1_PAN : TLB_EL1);
        x64_rm(e, OP_MOV_ST, 1, RAX, RBP, key + half);
    }
    emit_cold(t, from);
}

static unsigned pstate_field(const struct a64_insn *i)
{
    return (unsigned)i->ra << 3 | i->rm;
}

static bool emit_msr_imm(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    int32_t bits = (int32_t)(i->imm & 15) << 6;
    unsigned field = pstate_field(i);
    uint8_t *from;

    if (!jit_stays(t, A64_MSR_imm, i))
        return false;
    if (field == PSTATE_PAN) {
        emit_pan(t, i->imm & 1);
        return true;
    }
    from = emit_if_debugged(t);
    x64_mi(&t->e, field == PSTATE_DAIFSET ? G_OR : G_AND, 1, RBP, JIT_AT(daif),
           field == PSTATE_DAIFSET ? bits : ~bits);
    if (field == PSTATE_DAIFCLR)
        emit_look(t);
    emit_cold(t, from);
    return true;
}

static bool emit_msr(struct jit_tran *t)
{
    const struct sysreg_row *row = plain_row(t, jit_insn(t), false);

    if (!jit_stays(t, A64_MSR, jit_insn(t)))
        return false;
    if (row)
        emit_write(t, row);
    else if (jit_insn(t)->imm == SP_EL0)
        emit_sp_el0(t, false);
    else
        emit_write_daif(t);
    return true;
}

bool jit_stays(const struct jit_tran *t, unsigned op, const struct a64_insn *i)
{
    bool el1 = t->state & JIT_EL1;
    unsigned field = pstate_field(i);

    if (t->jit->log) /* in lockstep blocks end where the interpreter's do */
        return false;
    if (op == A64_MSR_imm)
        return el1 && (field == PSTATE_DAIFSET || field == PSTATE_DAIFCLR || field == PSTATE_PAN);
    return op == A64_MSR &&
           (plain_row(t, i, false) || (el1 && (i->imm == SP_EL0 || i->imm == DAIF)));
}

bool jit_sysreg(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_MRS:
        return emit_mrs(t);
    case A64_MSR:
        return emit_msr(t);
    case A64_MSR_imm:
        return emit_msr_imm(t);
    default:
        return false;
    }
}
