/* What the TLB shows the CPU: the view that its registers ask for, and TLB maintenance. */
#include "cpu/jit/jit.h"
#include "cpu/mmu.h"
#include "cpu/mmu_walk.h"

#define CPACR_FPEN BITS(21, 20)

void mmu_update_view(struct cpu *c)
{
    uint64_t fpen = FIELD_GET(CPACR_FPEN, c->sys.cpacr_el1);
    bool strict = !(c->sys.sctlr_el1 & SCTLR_M) || (c->sys.sctlr_el1 & SCTLR_A);

    c->fp_enabled = c->el == 0 ? fpen == 3 : fpen & 1;
    tlb_set_view(c->tlb, c->el == 0 ? TLB_EL0 : c->pan ? TLB_EL1_PAN : TLB_EL1, strict);
}

void mmu_update(struct cpu *c)
{
    uint64_t ttbr = (c->sys.tcr_el1 & TCR_A1) ? c->sys.ttbr1_el1 : c->sys.ttbr0_el1;
    uint16_t asid = (uint16_t)FIELD_GET(TTBR_ASID, ttbr);

    if (!(c->sys.tcr_el1 & TCR_AS))
        asid &= 0xff;
    tlb_select(c->tlb, c->sys.sctlr_el1 & SCTLR_M, asid);
    jit_forget_contexts(c);
    mmu_update_view(c);
}

void mmu_flush_all(struct cpu *c)
{
    tlb_flush_all(c->tlb);
    mmu_update(c);
}

/* With 8-bit ASIDs in force the upper half of the operand is RES0. */
void mmu_flush_asid(struct cpu *c, uint16_t asid)
{
    if (!(c->sys.tcr_el1 & TCR_AS))
        asid &= 0xff;
    tlb_flush_asid(c->tlb, asid);
    mmu_update(c);
}

void mmu_flush_va(struct cpu *c, gva_t va)
{
    if (tlb_flush_va(c->tlb, va))
        jit_forget_all(c);
    else
        jit_forget_va(c, va);
}

void mmu_flush_writable(struct cpu *c)
{
    tlb_flush_writable(c->tlb);
}
