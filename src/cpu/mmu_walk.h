/*
 * Stage 1 translation of the EL1&0 regime (Arm DDI 0487, D8): the table walk alone, with no TLB and
 * no side effect but reading guest memory.
 */
#pragma once

#include "cpu/mmu.h"

/* SCTLR_EL1 and TCR_EL1 bits that translation depends on. */
#define SCTLR_M   BIT(0)
#define SCTLR_A   BIT(1)
#define SCTLR_WXN BIT(19)
#define TCR_T0SZ  BITS(5, 0)
#define TCR_EPD0  BIT(7)
#define TCR_TG0   BITS(15, 14)
#define TCR_T1SZ  BITS(21, 16)
#define TCR_A1    BIT(22)
#define TCR_EPD1  BIT(23)
#define TCR_TG1   BITS(31, 30)
#define TCR_IPS   BITS(34, 32)
#define TCR_AS    BIT(36)
#define TCR_TBI0  BIT(37)
#define TCR_TBI1  BIT(38)
#define TCR_E0PD0 BIT(55)
#define TCR_E0PD1 BIT(56)
#define TTBR_ASID BITS(63, 48)

/* The translation of one virtual address. */
struct mmu_page {
    gpa_t gpa;      /* of the address itself */
    uint8_t shift;  /* log2 of the page or block that maps it; 12 with the MMU off */
    uint8_t level;  /* of the last descriptor, for fault codes */
    uint8_t attr;   /* MAIR byte; 0 is Device-nGnRnE */
    uint8_t sh;     /* shareability */
    bool global;    /* not tied to an ASID */
    bool user_data; /* EL0 may access it: what PAN looks at */
    bool write_el0, write_el1, exec_el0, exec_el1; /* reading: EL1 always, EL0 if user_data */
};

/* Translate va for an access from EL0 (user) or EL1. Returns true, or false and the fault status
 * code; with FSC_EXTERNAL_WALK ret_page->gpa is that of the descriptor. Permissions are not checked
 * yet. */
bool mmu_walk(const struct cpu *c, gva_t va, enum mmu_access access, bool user,
              struct mmu_page *ret_page, unsigned *ret_fsc);

/* May the page be accessed so? pan: PSTATE.PAN where it applies. */
bool mmu_walk_allows(const struct mmu_page *page, enum mmu_access access, bool user, bool pan);

/* va without its tag when TBI is on for its half: what the TLB and the walk see. */
static inline gva_t mmu_untag(const struct cpu *c, gva_t va)
{
    if (c->sys.tcr_el1 & ((va & BIT(55)) ? TCR_TBI1 : TCR_TBI0))
        return (gva_t)sign_extend(va, 56);
    return va;
}

/* Device memory: alignment is enforced. */
static inline bool mmu_is_device(const struct mmu_page *page)
{
    return !(page->attr & 0xf0);
}
