/*
 * MRS, MSR and the system instructions (SYS, SYSL): one table of registers with access rules.
 * enc is SYSREG(op0, op1, CRn, CRm, op2) as it stands in the instruction.
 */
#pragma once

#include "arch/sysreg.h"
#include "cpu/cpu.h"

/* Execute MRS / MSR (register). May take an exception (UNDEFINED, trap). */
uint64_t sysreg_read(struct cpu *c, uint16_t enc);
void sysreg_write(struct cpu *c, uint16_t enc, uint64_t val);

/* MSR (immediate): op1 and op2 name the PSTATE field. */
void sysreg_write_imm(struct cpu *c, unsigned op1, unsigned op2, unsigned imm);

/* SYS: cache, TLB and address translation operations. */
void sys_execute(struct cpu *c, uint16_t enc, uint64_t val);

/* Answer requests of other threads (CPU_REQ_IRQ and _TIMER bits of what); keeps c->signals.
 * Between instructions. */
void sys_requests(struct cpu *c, uint32_t what);

/* A register that EL2 traps is accessed by c->insn: leaves where there is an EL2 (hyp.h). */
void sysreg_to_hyp(struct cpu *c, bool read);

/* Trap the MRS, MSR or SYS in c->insn to EL1: SCTLR_EL1 or CNTKCTL_EL1 keeps it from EL0. */
NORETURN void sysreg_trap(struct cpu *c, uint16_t enc, bool read);
