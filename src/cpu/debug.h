/*
 * Self-hosted debug in AArch64 state (Arm DDI 0487, D2): software step, breakpoints, watchpoints.
 *
 * Nothing of it is on the fast paths. `debug_armed` says what the registers ask for, `debug` what
 * of that may happen at the current EL and PSTATE.D; while it is 0 the run loop and the MMU do not
 * look further. Pages with an armed watchpoint have no TLB entry, so that every access to them
 * comes to mmu.c.
 */
#pragma once

#include "cpu/cpu.h"
#include "cpu/mmu.h"

enum debug_kind { DEBUG_STEP = 1, DEBUG_BREAK = 2, DEBUG_WATCH = 4 };

/* The numbered registers, as their op2 counts them from 4. */
enum debug_reg { DEBUG_BVR, DEBUG_BCR, DEBUG_WVR, DEBUG_WCR };

#define MDSCR_SS   BIT(0)
#define MDSCR_TDCC BIT(12)
#define MDSCR_KDE  BIT(13)
#define MDSCR_MDE  BIT(15)

/* AArch64.GenerateDebugExceptionsFrom: are they enabled at el with this PSTATE.D? */
static inline bool debug_enabled_from(const struct cpu *c, unsigned el, bool masked)
{
    if (c->sys.os_lock)
        return false;
    if (UNLIKELY(c->hyp_debug & CPU_HYP_DEBUG_EXCEPTIONS)) /* they go to EL2 */
        return true;
    return el == 0 || ((c->sys.mdscr_el1 & MDSCR_KDE) && !masked);
}

/* The EL or PSTATE.D changed. */
static inline void debug_update(struct cpu *c)
{
    if (LIKELY(!c->debug_armed))
        c->debug = 0;
    else
        c->debug = debug_enabled_from(c, c->el, c->daif & DAIF_D) ? c->debug_armed : 0;
}

/* MDSCR_EL1, the OS lock or a numbered register changed. */
void debug_rearm(struct cpu *c);

/* MRS and MSR of a numbered register. Returns false when the model has not got it. */
bool debug_reg_read(struct cpu *c, enum debug_reg which, unsigned n, uint64_t *ret_val);
bool debug_reg_write(struct cpu *c, enum debug_reg which, unsigned n, uint64_t val);

/* Can a saved state have this value there? 0 stands for a register out of reset everywhere. */
bool debug_reg_holds(const struct soc *soc, enum debug_reg which, unsigned n, uint64_t val);

/* SSAdvance: the instruction counts as stepped although an exception follows (SVC, HVC, SMC). */
static inline void debug_advance(struct cpu *c)
{
    if (c->sys.mdscr_el1 & MDSCR_SS)
        c->ss = false;
}

/* Software Step exception before the instruction at c->pc. stepped: the one before it, whose word
 * is raw, was. */
NORETURN void debug_step_taken(struct cpu *c, bool stepped, uint32_t raw);

/* May a breakpoint match in the page of pc, so that its instructions are to be run one by one? */
bool debug_breaks_page(const struct cpu *c, gva_t pc);

/* Breakpoint exception if one matches at c->pc. Translation faults come before it. */
void debug_check_fetch(struct cpu *c);

/* Does an armed watchpoint lie in the page of va, at whatever EL it may fire? */
bool debug_watches_page(const struct cpu *c, gva_t va);

/* Watchpoint exception if one matches an access to size bytes at va, which is tagged without its
 * tag. Alignment and translation faults come before it. user: as EL0 does it. */
void debug_check_access(struct cpu *c, gva_t va, gva_t tagged, unsigned size,
                        enum mmu_access access, bool user);

/* The same for DC ZVA and DC IVAC (cache_op), which count as stores to a whole block. */
void debug_check_block(struct cpu *c, gva_t va, gva_t tagged, bool cache_op);
