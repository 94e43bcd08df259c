/* What the checks of translation share: numbered pages, and loads that tell which one was hit. */
#pragma once

#include "space.h"

/* Arena pages are numbered in their first word; frame n fits any granule. */
static inline uint64_t frame(unsigned n)
{
    return ARENA + (uint64_t)n * 0x10000;
}

/* Print the word that a load finds, or how it faults. */
void frames_print_load(uint64_t spsr, uint64_t va);

/* TLB maintenance and ASIDs: a part of check_mmu(). */
void check_tlb(const char *group);

/* TLBI VAAE1IS with its barriers; arg is as the instruction takes it. */
void tlbi_vaae1is(uint64_t arg);
