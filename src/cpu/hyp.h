/*
 * What a hypervisor at EL2 would get of a vCPU, where the machine has one (soc->stage2): faults of
 * stage 2, and what EL2 traps. cpu_run() ends with CPU_STOP_TRAP, c->trap filled in and c->pc at
 * the instruction, of which nothing has happened: it can be run again, or stepped over.
 */
#pragma once

#include "arch/esr.h"
#include "cpu/mmu.h"

/* ESR_EL2 */
static inline uint64_t hyp_esr(enum esr_ec ec, uint32_t iss)
{
    return FIELD_PUT(ESR_EC, ec) | ESR_IL | (iss & ESR_ISS);
}

/* The exception of the instruction in c->insn, or of the fetch at c->pc. */
NORETURN void hyp_take(struct cpu *c, uint64_t esr, gva_t far, gpa_t ipa);

/* Stage 2 does not allow an access to ipa; iss: ISS_DABT_* bits besides those of the access. */
NORETURN void hyp_abort(struct cpu *c, gva_t far, gpa_t ipa, enum mmu_access access, uint32_t iss);

/* The walk for far failed with this fault status code: that was stage 2, if it could not read the
 * descriptor at ipa. Otherwise it returns. */
void hyp_check_walk(struct cpu *c, gva_t far, gpa_t ipa, enum mmu_access access, unsigned fsc);
