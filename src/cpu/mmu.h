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
#include "cpu/tlb.h"

/* MMU_RMW, an atomic, reads and writes at once: cpu_host() alone takes it. */
enum mmu_access { MMU_READ, MMU_WRITE, MMU_EXEC, MMU_RMW };

/* What the inline path does not find: refills, page crossings, tags, alignment checks, devices.
 * user: as EL0 would do it. */
uint64_t mmu_load(struct cpu *c, gva_t va, unsigned size, bool user);
void mmu_store(struct cpu *c, gva_t va, unsigned size, uint64_t val, bool user);

/* The host address of [va, va + size) when the TLB has it for the current view, or NULL. */
static inline void *mmu_hit_read(struct cpu *c, gva_t va, unsigned size)
{
    struct tlb *tlb = c->tlb;
    const struct tlb_entry *entry = tlb_slot(tlb, va);

    if (LIKELY(entry->tag_r == tlb_tag(va, size, tlb->key[va >> 63])))
        return (void *)(uintptr_t)(va + entry->addend);
    return NULL;
}

static inline void *mmu_hit_write(struct cpu *c, gva_t va, unsigned size)
{
    struct tlb *tlb = c->tlb;
    const struct tlb_entry *entry = tlb_slot(tlb, va);

    if (LIKELY(entry->tag_w == tlb_tag(va, size, tlb->key[va >> 63])))
        return (void *)(uintptr_t)(va + entry->addend);
    return NULL;
}

#define MMU_ACCESS_(bits)                                                  \
    static inline uint64_t cpu_ld##bits(struct cpu *c, gva_t va)           \
    {                                                                      \
        const void *host = mmu_hit_read(c, va, bits / 8);                  \
        uint##bits##_t val;                                                \
        if (UNLIKELY(!host))                                               \
            return mmu_load(c, va, bits / 8, false);                       \
        memcpy(&val, host, sizeof(val));                                   \
        return val;                                                        \
    }                                                                      \
    static inline void cpu_st##bits(struct cpu *c, gva_t va, uint64_t val) \
    {                                                                      \
        void *host = mmu_hit_write(c, va, bits / 8);                       \
        uint##bits##_t narrow = (uint##bits##_t)val;                       \
        if (UNLIKELY(!host)) {                                             \
            mmu_store(c, va, bits / 8, val, false);                        \
            return;                                                        \
        }                                                                  \
        memcpy(host, &narrow, sizeof(narrow));                             \
    }

MMU_ACCESS_(8)
MMU_ACCESS_(16)
MMU_ACCESS_(32)
MMU_ACCESS_(64)
#undef MMU_ACCESS_

/* By size (1, 2, 4, 8), and as EL0 would do it (LDTR, STTR) when user is set. */
static inline uint64_t cpu_ld(struct cpu *c, gva_t va, unsigned size, bool user)
{
    return mmu_load(c, va, size, user);
}

static inline void cpu_st(struct cpu *c, gva_t va, unsigned size, uint64_t val, bool user)
{
    mmu_store(c, va, size, val, user);
}

/* Check that a whole access of len bytes, in pieces of size, would succeed, before the first byte
 * of several stores is written: STP, vector structures. */
void cpu_probe(struct cpu *c, gva_t va, unsigned len, unsigned size, enum mmu_access access);

/* The host address of naturally aligned RAM for atomics and exclusives: size 1..16. A misaligned va
 * takes an alignment fault; memory that is not RAM stops with FSC_UNSUPPORTED_EXCL. MMU_WRITE and
 * MMU_RMW mark the page dirty. *ret_gpa may be NULL. */
void *cpu_host(struct cpu *c, gva_t va, unsigned size, enum mmu_access access, gpa_t *ret_gpa);

/* DC ZVA: zero the 64-byte block that holds va. */
void mmu_zero_block(struct cpu *c, gva_t va);

/* DC and IC by address: translate, fault as they do; the guest-physical address. */
gpa_t mmu_cache_op(struct cpu *c, gva_t va, enum mmu_access access);

/* The predecoded page for an instruction fetch at va; takes an instruction abort when it may not
 * be executed, stops with an error when va is not RAM. */
struct code_page *mmu_fetch_page(struct cpu *c, gva_t va);

/* TLB maintenance of this vCPU. */
void mmu_flush_all(struct cpu *c);
void mmu_flush_asid(struct cpu *c, uint16_t asid);
void mmu_flush_va(struct cpu *c, gva_t va);

/* Forget what may be written without looking, so that the next write to a page marks it dirty:
 * after the dirty bitmap was fetched. The vCPU is out of cpu_run(). */
void mmu_flush_writable(struct cpu *c);

/* The translation regime changed: SCTLR, TCR, TTBR. */
void mmu_update(struct cpu *c);

/* EL, PSTATE.PAN or CPACR_EL1 changed. */
void mmu_update_view(struct cpu *c);
