/*
 * The architectural state of one vCPU and of the interrupt controller, the same for all engines.
 *
 * An engine that cannot hold a register which is not at its reset value refuses the state with the
 * register's name; it never drops one.
 */
#pragma once

#include "arch/addrmap.h"
#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/state.h"

#define VCPU_DEBUG_REGS 16

enum vcpu_power { VCPU_ON, VCPU_OFF }; /* PSCI: off until CPU_ON */

struct vcpu_state {
    uint64_t x[31];
    uint64_t sp_el0, sp_el1, pc, pstate; /* pstate in SPSR_EL1 layout */
    uint64_t elr_el1, spsr_el1;
    uint64_t v[64]; /* V0..V31, two words each, low word first */
    uint64_t fpcr, fpsr;
#define X_(name, op0, op1, crn, crm, op2) uint64_t name;
    VCPU_SYSREGS(X_)
    VCPU_PAUTH_KEYS(X_)
    VCPU_ICC_REGS(X_)
#undef X_
    uint64_t dbgbvr[VCPU_DEBUG_REGS], dbgbcr[VCPU_DEBUG_REGS];
    uint64_t dbgwvr[VCPU_DEBUG_REGS], dbgwcr[VCPU_DEBUG_REGS];
    uint64_t os_lock; /* OSLSR_EL1.OSLK: 0 or 1 */
    /* The counter as the guest reads it when the state was taken, and the timers on its scale. */
    uint64_t cntvct, cntv_ctl, cntv_cval, cntp_ctl, cntp_cval;
    uint32_t power;    /* enum vcpu_power */
    uint64_t dbgclaim; /* claim tags, as DBGCLAIMCLR_EL1 reads */
};

/* Per-vCPU part of the interrupt controller: SGIs and PPIs, one bit or byte each (INTID 0..31). */
struct gic_redist_state {
    uint32_t waker;                                                   /* GICR_WAKER */
    uint32_t group, enabled, pending_latch, active, line_level, edge; /* edge: 1 = edge-triggered */
    uint8_t priority[GIC_FIRST_SPI];
};

/* The distributor: arrays are indexed by INTID, entries below 32 are unused and zero. */
struct gic_state {
    uint32_t ctlr; /* GICD_CTLR */
    uint32_t group[GIC_INTIDS / 32], enabled[GIC_INTIDS / 32];
    uint32_t pending_latch[GIC_INTIDS / 32]; /* apart from the line: see line_level */
    uint32_t active[GIC_INTIDS / 32], line_level[GIC_INTIDS / 32], edge[GIC_INTIDS / 32];
    uint8_t priority[GIC_INTIDS];
    uint64_t irouter[GIC_INTIDS];
    uint32_t vcpus; /* entries of redist in use */
    struct gic_redist_state redist[MAP_VCPUS_MAX];
};

/* EL1h, interrupts masked: what a vCPU starts with (Linux arm64 booting document; PSCI 1.1, 6.4).
 */
#define VCPU_PSTATE_RESET UINT64_C(0x3c5)

/* A vCPU out of reset: everything zero but what the architecture and PSCI define. */
void vcpu_state_reset(struct vcpu_state *state);

/* A controller out of reset: GICD_CTLR = ARE | DS, everything else zero, redistributors asleep. */
void gic_state_reset(struct gic_state *state, unsigned vcpus);

extern const struct state_desc vcpu_state_desc;
extern const struct state_desc gic_state_desc;
