/*
 * System register encodings (Arm DDI 0487, D19) as one 16-bit number: op0, op1, CRn, CRm, op2 as
 * they stand in bits 20:5 of MRS and MSR. KVM and Hypervisor.framework number registers the same.
 */
#pragma once

#include "base/bits.h"

#define SYSREG(op0, op1, crn, crm, op2) \
    ((uint16_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

/*
 * The EL1 and EL0 registers that make up a vCPU's state: X(name, op0, op1, CRn, CRm, op2).
 * One list serves the struct, the saved state and every engine's tables. Timers are in their own
 * list because engines hold them apart.
 */
#define VCPU_SYSREGS(X)               \
    X(sctlr_el1, 3, 0, 1, 0, 0)       \
    X(actlr_el1, 3, 0, 1, 0, 1)       \
    X(cpacr_el1, 3, 0, 1, 0, 2)       \
    X(ttbr0_el1, 3, 0, 2, 0, 0)       \
    X(ttbr1_el1, 3, 0, 2, 0, 1)       \
    X(tcr_el1, 3, 0, 2, 0, 2)         \
    X(afsr0_el1, 3, 0, 5, 1, 0)       \
    X(afsr1_el1, 3, 0, 5, 1, 1)       \
    X(esr_el1, 3, 0, 5, 2, 0)         \
    X(far_el1, 3, 0, 6, 0, 0)         \
    X(par_el1, 3, 0, 7, 4, 0)         \
    X(mair_el1, 3, 0, 10, 2, 0)       \
    X(amair_el1, 3, 0, 10, 3, 0)      \
    X(vbar_el1, 3, 0, 12, 0, 0)       \
    X(contextidr_el1, 3, 0, 13, 0, 1) \
    X(tpidr_el1, 3, 0, 13, 0, 4)      \
    X(cntkctl_el1, 3, 0, 14, 1, 0)    \
    X(csselr_el1, 3, 2, 0, 0, 0)      \
    X(tpidr_el0, 3, 3, 13, 0, 2)      \
    X(tpidrro_el0, 3, 3, 13, 0, 3)    \
    X(mdscr_el1, 2, 0, 0, 2, 2)       \
    X(mdccint_el1, 2, 0, 0, 2, 0)

/* Pointer-authentication keys: present only where the CPU model announces PAuth. */
#define VCPU_PAUTH_KEYS(X)          \
    X(apiakeylo_el1, 3, 0, 2, 1, 0) \
    X(apiakeyhi_el1, 3, 0, 2, 1, 1) \
    X(apibkeylo_el1, 3, 0, 2, 1, 2) \
    X(apibkeyhi_el1, 3, 0, 2, 1, 3) \
    X(apdakeylo_el1, 3, 0, 2, 2, 0) \
    X(apdakeyhi_el1, 3, 0, 2, 2, 1) \
    X(apdbkeylo_el1, 3, 0, 2, 2, 2) \
    X(apdbkeyhi_el1, 3, 0, 2, 2, 3) \
    X(apgakeylo_el1, 3, 0, 2, 3, 0) \
    X(apgakeyhi_el1, 3, 0, 2, 3, 1)

/* GIC CPU interface registers that hold state (GIC IHI 0069, 12.2). */
#define VCPU_ICC_REGS(X)                \
    X(icc_pmr_el1, 3, 0, 4, 6, 0)       \
    X(icc_bpr0_el1, 3, 0, 12, 8, 3)     \
    X(icc_ap0r0_el1, 3, 0, 12, 8, 4)    \
    X(icc_ap1r0_el1, 3, 0, 12, 9, 0)    \
    X(icc_bpr1_el1, 3, 0, 12, 12, 3)    \
    X(icc_ctlr_el1, 3, 0, 12, 12, 4)    \
    X(icc_sre_el1, 3, 0, 12, 12, 5)     \
    X(icc_igrpen0_el1, 3, 0, 12, 12, 6) \
    X(icc_igrpen1_el1, 3, 0, 12, 12, 7)
