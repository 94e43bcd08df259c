/*
 * What emitters of atomics and exclusives share (Arm DDI 0487, B2.3, B2.9, C3.2.13).
 *
 * All are the host's locked instructions, or plain moves where x86 orders those as well: a load is
 * an acquire, and a store-release is an exchange, which a later load-acquire does not overtake.
 * Operations and store-exclusives go through the exclusive monitor step by step as exmon.h wants.
 * A look whether any monitor is open on the stripe would not do instead: two operations that looked
 * before it was opened can change memory and change it back before the store-exclusive comes.
 * With one vCPU nobody else counts there, and the steps need no lock.
 *
 * A stripe that is taken is waited for by the handler.
 */
#pragma once

#include "cpu/jit/jit_access.h"

/* [RCX + JIT_WORD_AT] is the monitor's word once jit_word() is done. */
#define JIT_WORD_AT ((int32_t)offsetof(struct soc, exmon))

/* A pinned guest register that the instruction does not name: its host register is borrowed. */
struct jit_loan {
    unsigned guest, host;
};

/* n (0, 1): a different one each. X19 is not among them: jit_cas16() needs its host register. */
struct jit_loan jit_borrow(struct jit_tran *t, unsigned n);
void jit_give_back(struct jit_tran *t, struct jit_loan loan);

/* Is this the only vCPU? */
bool jit_alone(const struct jit_tran *t);

/* The form of an opcode for operands of that many bytes. */
unsigned jit_sized(unsigned op, unsigned bytes);
/* "lock op [base + disp], reg" */
void jit_locked(struct jit_tran *t, unsigned op, unsigned bytes, unsigned reg, unsigned base,
                int32_t disp);
/* reg = the bytes at [RDX], zero-extended. */
void jit_peek(struct jit_tran *t, unsigned bytes, unsigned reg);
/* RDX = the host's address of the operand, RCX = the guest-physical one. */
void jit_place(struct jit_tran *t, struct jit_way *way, unsigned bytes, unsigned write);
/* RCX: from a guest-physical address to where the monitor's word of it is; uses RAX. */
void jit_word(struct jit_tran *t);
/* "add [word], imm" */
void jit_count(struct jit_tran *t, unsigned word, uint64_t imm);
/* to = two 32-bit registers as one number; `spare` is lost. */
void jit_join(struct jit_tran *t, unsigned to, unsigned spare, unsigned low, unsigned high);
/* CMPXCHG16B: the 16 bytes at `host` are compared with RDX:RAX, and become the guest's high:low.
 * Uses RCX, and RBX, where X19 lives, for a while. */
void jit_cas16(struct jit_tran *t, unsigned host, unsigned low, unsigned high);

/* The cases of a row with four sizes. */
#define JIT_SIZES(name)  \
    case A64_##name##B:  \
    case A64_##name##H:  \
    case A64_##name##_w: \
    case A64_##name##_x

/* jit_exclusive.c */
bool jit_exclusive(struct jit_tran *t, enum a64_op op, unsigned bytes);
