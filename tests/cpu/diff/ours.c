/* A case of the differential test on the interpreter, and how the result is compared. */
#include "ours.h"

#include "arch/esr.h"

void ours_load(struct rig *rig, const struct diff_batch *batch)
{
    /* As native.c does: a store to a wild address may have hit the code. */
    for (unsigned w = 0; w < DIFF_CODE_BYTES / 4; w++)
        rig_poke(rig, DIFF_CODE + 4 * w, DIFF_BRK);
    for (unsigned slot = 0; slot < DIFF_SLOTS; slot++) {
        for (unsigned n = 0; n < DIFF_SEQUENCE; n++)
            rig_poke(rig, diff_slot_va(slot) + 4 * n, batch->insn[slot][n]);
    }
}

static enum diff_end end_of(const struct cpu *c)
{
    unsigned fsc = c->sys.esr_el1 & ISS_DABT_DFSC;

    switch (FIELD_GET(ESR_EC, c->sys.esr_el1)) {
    case EC_BRK64:
        return DIFF_END_BRK;
    case EC_UNKNOWN:
        return DIFF_END_UNDEFINED;
    case EC_PC_ALIGN:
        return DIFF_END_ALIGN;
    case EC_IABT_LOWER:
    case EC_DABT_LOWER:
        return fsc == FSC_ALIGNMENT ? DIFF_END_ALIGN : DIFF_END_FAULT;
    default:
        return DIFF_END_ODD;
    }
}

void ours_run(struct rig *rig, const struct diff_in *in, struct diff_out *out)
{
    struct cpu *c = rig->c;

    memcpy(rig_ptr(rig, DIFF_WINDOW), in->window, DIFF_WINDOW_BYTES);
    memset(rig_ptr(rig, DIFF_EDGE), 0, DIFF_EDGE_BYTES);
    rig_enter(rig, in->state.pc, in->state.nzcv);
    memcpy(c->x, in->state.x, sizeof(in->state.x));
    c->x[REG_SP] = in->state.sp;
    memcpy(c->v, in->state.v, sizeof(in->state.v));
    c->fpcr = in->state.fpcr;
    c->fpsr = in->state.fpsr;

    memset(out, 0, sizeof(*out));
    if (rig_run(rig) != CPU_STOP_HVC) {
        out->end = DIFF_END_ODD;
        return;
    }
    out->end = end_of(c);
    if (out->end == DIFF_END_FAULT || out->end == DIFF_END_ALIGN)
        out->fault = c->sys.far_el1 & DIFF_ADDR;
    memcpy(out->state.x, c->x, sizeof(out->state.x));
    out->state.sp = c->sp_bank[0];
    out->state.pc = c->sys.elr_el1;
    out->state.nzcv = c->sys.spsr_el1 & BITS(31, 28);
    memcpy(out->state.v, c->v, sizeof(out->state.v));
    out->state.fpcr = c->fpcr;
    out->state.fpsr = c->fpsr;
    memcpy(out->window, rig_ptr(rig, DIFF_WINDOW), DIFF_WINDOW_BYTES);
}

/* docs/cpu.md has the reasons. */
void ours_excuse(enum a64_op op, uint32_t word, const struct diff_in *in,
                 const struct diff_out *ours, struct diff_out *theirs)
{
    const char *name = a64_rows[op].name;
    bool store_exclusive = !strncmp(name, "STX", 3);

    /* On x86-64 it loses the address of an atomic access that is not canonical. */
    if (ours->end == DIFF_END_FAULT && theirs->end == DIFF_END_FAULT && !theirs->fault &&
        a64_rows[op].cls == A64_CLASS_ATOMIC)
        theirs->fault = ours->fault;
    /* FCVTZS of a half to fixed point: the result is 16 bits wide, above it is zero. It
     * sign-extends to 32. */
    if (!strcmp(name, "FCVTZSi_sh"))
        theirs->state.v[2 * (word & 31)] &= 0xffff;
    /* A load that faults half way leaves its vector registers UNKNOWN; here they are as before. */
    if (ours->end == DIFF_END_FAULT && theirs->end == DIFF_END_FAULT &&
        a64_rows[op].cls == A64_CLASS_VMEM && !strncmp(name, "LD", 2))
        memcpy(theirs->state.v, in->state.v, sizeof(theirs->state.v));
    /* It looks at the monitor first. */
    if (ours->end == DIFF_END_FAULT && theirs->end == DIFF_END_BRK && store_exclusive)
        memcpy(theirs, ours, sizeof(*theirs));
    /* The second register of a pair that begins with X30 is the zero register. It writes SP. */
    if (!strcmp(name, "CASP_x") && (word >> 16 & 31) == 30)
        theirs->state.sp = ours->state.sp;
    if (ours->end != DIFF_END_ALIGN)
        return;
    /* It looks at the mapping of a PC before its alignment. */
    if (theirs->end == DIFF_END_FAULT && (theirs->state.pc & 3))
        theirs->end = DIFF_END_ALIGN;
    /* It never checks the alignment of LDAPR; of STXR and STXP only when the monitor matches. */
    if (!strncmp(name, "LDAPR", 5) || (store_exclusive && theirs->end == DIFF_END_BRK))
        memcpy(theirs, ours, sizeof(*theirs));
}
