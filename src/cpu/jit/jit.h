/*
 * The translator: A64 to x86-64, one block at a time (docs/translator.md).
 *
 * One per machine: all vCPUs share the blocks, which are found by guest-physical address and the
 * little state that their code depends on. Threads: any vCPU's own, unless said otherwise.
 */
#pragma once

#include "base/err.h"
#include "cpu/cpu.h"
#include "cpu/tlb.h"

/* A jump cache a vCPU: host addresses of blocks by virtual address, under the key of now. */
#define JIT_JUMPS     8192
#define JIT_CODE_MIN  (1 * MIB)
#define JIT_CODE_MAX  (1024 * MIB)
#define JIT_CODE_SIZE (64 * MIB)

struct jit_jumps {
    struct jit_jump jump[JIT_JUMPS];
};

/* A vCPU as cpu_create() lays it out: translated code reaches all of it from one register. */
struct cpu_whole {
    struct cpu cpu;
    struct tlb tlb;
    struct jit_jumps jumps;
};

static inline struct jit_jumps *cpu_jumps(struct cpu *c)
{
    return &container_of(c, struct cpu_whole, cpu)->jumps;
}

struct jit_stats {
    uint64_t blocks;     /* translated */
    uint64_t insns;      /* in them */
    uint64_t code_bytes; /* of host code made for them */
    uint64_t translate_ns;
    uint64_t killed;                              /* blocks whose code was changed */
    uint64_t flushes;                             /* times that the code cache was full */
    uint64_t cache_bytes, cache_code, cache_data; /* its size; in use by code, and about blocks */
};

/* What a machine's translator is to be like. */
struct jit_config {
    uint64_t bytes; /* of host code, JIT_CODE_MIN to JIT_CODE_MAX; 0: JIT_CODE_SIZE */
    bool lockstep;  /* every block is compared with the interpreter: jit_lockstep(); one vCPU */
    bool stats;     /* count, for jit_log_stats() */
    bool perf;      /* tell profilers the names of translated code */
    bool dump;      /* log every translation that holds the instruction at dump_va */
    gva_t dump_va;
    const char *without; /* tests: host features that are not used, "avx,fma"; NULL: none */
};

/* Reserve the code cache and make the entry code. -ENOTSUP where there is no
 * translator for this host. */
MUST_CHECK int jit_create(struct soc *soc, const struct jit_config *config, struct jit **ret_jit,
                          struct err *err);
void jit_destroy(struct jit *jit); /* NULL is fine; no vCPU runs */

/* Execute translated code from c->pc until the run loop has to look. Between instructions. Leaves
 * by cpu_escape() for exceptions. Returns false when the instruction at c->pc could not be
 * translated: nothing was executed. */
bool jit_run(struct cpu *c);

/* The words in [gpa, gpa + len) may have changed (IC IVAU): their blocks are not entered again. Any
 * thread. */
void jit_kill(struct jit *jit, gpa_t gpa, uint64_t len);

/* TLB maintenance of this vCPU: jumps to pages that va may lie in, or all. */
void jit_forget_va(struct cpu *c, gva_t va);
void jit_forget_all(struct cpu *c);
void jit_forget_contexts(struct cpu *c); /* others are in force, maybe with numbers used before */

/* IC IALLU, or the host has changed memory: everything is translated again. Any thread; the caller
 * makes the other vCPUs look. */
void jit_kill_all(struct jit *jit);

/* Any thread; a snapshot of counters. */
void jit_get_stats(struct jit *jit, struct jit_stats *ret_stats);

/* Log them, and what config.stats has counted, as lines for a person; config.lockstep alone: what
 * was compared. Nothing without either. No vCPU runs. */
void jit_log_stats(struct jit *jit);

/* As jit_run(), in a machine with config.lockstep: one block, by the interpreter and translated. It
 * stops the vCPU with an error when they differ. */
bool jit_lockstep(struct cpu *c);

/* For a vCPU with c->jit_log: [host, host + 4 KiB) is a page that is about to be written, entry
 * its TLB entry if it has one; host NULL: a device is accessed. */
void jit_lockstep_note(struct cpu *c, uint8_t *host, struct tlb_entry *entry);
