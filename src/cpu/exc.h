/*
 * Exceptions to EL1 (Arm DDI 0487, D1.3 and D19.2.37). The functions that do not return leave the
 * handler by longjmp to cpu_run(): a handler must not have changed architectural state before, so
 * that every exception is precise.
 */
#pragma once

#include "arch/esr.h"
#include "cpu/cpu.h"

/* Synchronous exceptions of the instruction in c->insn. */
NORETURN void exc_undefined(struct cpu *c);
NORETURN void exc_sync(struct cpu *c, enum esr_ec ec, uint32_t iss);
NORETURN void exc_fp_trap(struct cpu *c); /* CPACR_EL1.FPEN */

/* va goes to FAR_EL1. fsc: enum fault_status with the level in bits 1:0 where it has one. */
NORETURN void exc_data_abort(struct cpu *c, gva_t va, unsigned fsc, bool write, bool cache_op);
NORETURN void exc_insn_abort(struct cpu *c, gva_t va, unsigned fsc);
NORETURN void exc_pc_align(struct cpu *c, gva_t pc);
NORETURN void exc_sp_align(struct cpu *c);

/* SVC, HVC, SMC, BRK: the return address is the next instruction, except for BRK. */
NORETURN void exc_svc(struct cpu *c, uint16_t imm);
NORETURN void exc_brk(struct cpu *c, uint16_t imm);

/* EC_BREAKPOINT_LOWER, EC_STEP_LOWER or EC_WATCHPOINT_LOWER, whatever the EL; far is a
 * watchpoint's. */
NORETURN void exc_debug(struct cpu *c, enum esr_ec lower, gva_t far, uint32_t iss);

/* Leave cpu_run() with CPU_STOP_ERROR and a sentence that names pc and what happened. */
NORETURN void exc_stop(struct cpu *c, const char *fmt, ...) PRINTF(2, 3);

/* Take a pending IRQ or FIQ if PSTATE allows; c->pc is between instructions. Returns true if so. */
bool exc_interrupt(struct cpu *c);

/* ERET from the instruction in c->insn: restores PSTATE from SPSR_EL1 and returns the new pc. An
 * illegal return sets PSTATE.IL (Arm DDI 0487, D1.3.4). */
gva_t exc_eret(struct cpu *c);

/* PSTATE as SPSR has it, and back. Setting it switches EL, SP bank and MMU view. */
uint64_t exc_pstate_get(const struct cpu *c);
void exc_pstate_set(struct cpu *c, uint64_t pstate);
