/*
 * What emitters of loads and stores share: addresses, the look-up in the TLB, and the way to the
 * interpreter's handler.
 *
 * An access that the TLB has for the current view is done in place; everything else (a miss, a page
 * crossing, a device, a fault) is left to the interpreter's handler of the whole instruction, in
 * code behind the block. So nothing of an instruction is done before its TLB look-up has succeeded.
 *
 * All but jit_end_way() use RAX, RCX and RDX; jit_settle() comes first.
 */
#pragma once

#include "cpu/jit/jit_int.h"

enum { JIT_READ, JIT_WRITE };

/* Where the address comes from; the base is written back by JIT_POST and JIT_PRE. */
enum jit_mode { JIT_OFFSET, JIT_POST, JIT_PRE, JIT_INDEXED, JIT_LITERAL };

/* A load or store of one or two general registers. */
struct jit_memory {
    uint16_t op;   /* the host's move */
    uint8_t w;     /* 1: its register has 64 bits */
    uint8_t bytes; /* in memory, of one register; 0: the instruction is none of these */
    bool store, pair, user;
    uint8_t mode; /* enum jit_mode */
};

/* The way to the handler, which several jumps of one instruction may take. */
struct jit_way {
    uint8_t *from[JIT_WAYS];
    unsigned count;
};

/* To the handler if the condition holds. */
void jit_way_if(struct jit_tran *t, struct jit_way *way, enum x64_cc cc);
void jit_way(struct jit_tran *t, struct jit_way *way); /* in any case */
/* The instruction is done: the handler's way ends here, too. */
void jit_end_way(struct jit_tran *t, const struct jit_way *way);

/* RAX = base register + imm; or + extended index; or the address of a literal. */
void jit_base(struct jit_tran *t, struct jit_way *way, int64_t imm);
void jit_indexed(struct jit_tran *t, struct jit_way *way);
void jit_literal(struct jit_tran *t);

/* To the handler unless RAX is a multiple of size, a power of two. */
void jit_aligned(struct jit_tran *t, struct jit_way *way, unsigned size);

/* RDX = what to add to RAX for the host's address of bytes [RAX, RAX + len). */
void jit_tlb(struct jit_tran *t, struct jit_way *way, unsigned len, unsigned write, bool user);
/* The same for an aligned access: RDX = the host's address, RCX = the guest-physical one. */
void jit_tlb_place(struct jit_tran *t, struct jit_way *way, unsigned write);

/* What an instruction (enum a64_op) does. */
const struct jit_memory *jit_memory_of(unsigned op);
/* One register of it: memory is at RAX + RDX + at. Uses RCX. */
void jit_move_register(struct jit_tran *t, const struct jit_memory *m, unsigned r, int32_t at);

/* The instruction and those behind it, if they are a run of accesses that one look-up does for.
 * False: they are not, and nothing was done. */
bool jit_group(struct jit_tran *t);

/* The base written back: RAX is the address accessed. Uses RCX. */
void jit_write_back(struct jit_tran *t, enum jit_mode mode);
