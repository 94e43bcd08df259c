/*
 * Lockstep: every block is executed by the interpreter, undone, and executed by translated code
 * from the same state; registers, flags and the memory that either wrote are compared.
 *
 * One vCPU. Writes are seen since no TLB entry lets one pass unseen when a block begins: the first
 * write to a page comes through mmu.c, which tells jit_lockstep_note(); the page is kept as it was.
 *
 * Instructions that cannot be executed twice (devices, most system instructions) are interpreted
 * alone: in lockstep a translated block ends in front of them. Devices wait while a block is
 * executed: the two must find the same in memory, and undoing one must not undo a device's work.
 */
#pragma once

#include "cpu/jit/jit_int.h"

/* The part of struct cpu that a block can change: from nzcv to the broadcast ring. */
#define JIT_PART_AT  offsetof(struct cpu, nzcv)
#define JIT_PART_LEN (offsetof(struct cpu, ring) - JIT_PART_AT)

/* A block writes to two pages an instruction at most, and so does its translation. */
#define JIT_LOG_PAGES   (4 * JIT_BLOCK_INSNS)
#define JIT_LOG_ENTRIES (4 * JIT_BLOCK_INSNS)

struct jit_log_page {
    uint8_t *host;
    uint8_t before[CODE_PAGE_SIZE];
    uint8_t wanted[CODE_PAGE_SIZE]; /* as the interpreter left it */
};

struct jit_log {
    bool recording;
    bool second; /* the translated code is at work */
    bool device; /* a device was accessed: it cannot be undone */
    bool many;   /* more TLB entries became writable than there is room for */
    unsigned entries, pages;
    struct tlb_entry *entry[JIT_LOG_ENTRIES]; /* writable ones, to be taken back */
    struct jit_log_page page[JIT_LOG_PAGES];

    struct cpu before, wanted; /* JIT_PART alone: at the block's start, and by the interpreter */
    uint64_t stripes[EXMON_STRIPES];

    /* The last block did not leave NZCV, for its successor at this point does not want it. */
    gva_t lost_pc;
    uint64_t lost_at; /* instructions retired; 0: never */

    uint64_t compared, insns, exceptions, atomics, stores; /* for jit_log_stats() */
    uint64_t alone, devices, untranslated;
};

MUST_CHECK int jit_lockstep_create(struct gmem *mem, struct jit_log **ret_log, struct err *err);
void jit_lockstep_destroy(struct jit_log *log);

/* While a block is decoded: does it end behind its last instruction? May take that out again. */
bool jit_lockstep_ends(struct jit_tran *t);

/* jit_compare.c. Is what c has and memory holds what the interpreter left? If not, ret_text says
 * what differs first, and all that does is logged. */
bool jit_compare(struct cpu *c, const struct jit_block *block, bool flags, char ret_text[ERR_MAX]);
