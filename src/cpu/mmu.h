/*
 * Guest-virtual memory access of the software CPU: stage 1 translation (Arm DDI 0487, D8), TLB,
 * alignment, faults, MMIO. One implementation serves the interpreter and the translator.
 *
 * Every function may leave by exc_data_abort() or by an MMIO stop, so a handler makes its accesses
 * before it changes registers. Values are zero-extended. Any alignment where the architecture
 * allows it.
 */
#pragma once

#include "cpu/cpu.h"

enum mmu_access { MMU_READ, MMU_WRITE, MMU_EXEC };

uint64_t cpu_ld8(struct cpu *c, gva_t va);
uint64_t cpu_ld16(struct cpu *c, gva_t va);
uint64_t cpu_ld32(struct cpu *c, gva_t va);
uint64_t cpu_ld64(struct cpu *c, gva_t va);
void cpu_st8(struct cpu *c, gva_t va, uint64_t val);
void cpu_st16(struct cpu *c, gva_t va, uint64_t val);
void cpu_st32(struct cpu *c, gva_t va, uint64_t val);
void cpu_st64(struct cpu *c, gva_t va, uint64_t val);

/* By size (1, 2, 4, 8), and as EL0 would do it (LDTR, STTR) when user is set. */
uint64_t cpu_ld(struct cpu *c, gva_t va, unsigned size, bool user);
void cpu_st(struct cpu *c, gva_t va, unsigned size, uint64_t val, bool user);

/* Check that a whole access of len bytes would succeed, before the first byte of several stores is
 * written: STP, vector structures. */
void cpu_probe(struct cpu *c, gva_t va, unsigned len, enum mmu_access access);

/* The host address of naturally aligned RAM for atomics and exclusives: size 1..16. A misaligned va
 * takes an alignment fault; memory that is not RAM stops with FSC_UNSUPPORTED_EXCL. MMU_WRITE marks
 * the page dirty. *ret_gpa may be NULL. */
void *cpu_host(struct cpu *c, gva_t va, unsigned size, enum mmu_access access, gpa_t *ret_gpa);

/* DC ZVA and friends, IC, TLBI and AT live with the system instructions: sys.c. */

/* The predecoded page for an instruction fetch at va; takes an instruction abort when it may not
 * be executed, stops with an error when va is not RAM. */
struct code_page *mmu_fetch_page(struct cpu *c, gva_t va);

/* Address translation without side effects on registers, for AT and for debuggers. Returns 0 and
 * *ret_gpa and *ret_attr (MAIR byte), or the fault status code with level. */
unsigned mmu_translate(struct cpu *c, gva_t va, enum mmu_access access, bool user, gpa_t *ret_gpa,
                       uint8_t *ret_attr);

/* TLB maintenance of this vCPU. */
void mmu_flush_all(struct cpu *c);
void mmu_flush_asid(struct cpu *c, uint16_t asid);
void mmu_flush_va(struct cpu *c, gva_t va, uint16_t asid, bool all_asids);

/* Translation regime changed: SCTLR, TCR, TTBR, MAIR, PSTATE.PAN, EL. Recompute the view. */
void mmu_update(struct cpu *c);
