/*
 * What the spikes work on: the part of a CPU's struct that translated code would use, at the
 * offsets that emit.py knows, and the tables of loops.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TLB_SIZE   2048
#define PLACEMENTS 4 /* as in emit.py */
#define FIB_N      20
#define FIB_CALLS  21891 /* of fib(20), itself included */

struct entry32 {
    uint64_t tag_r, tag_w, addend, meta;
};
struct entry16 {
    uint64_t tag, addend;
};
struct target {
    uint64_t guest;
    const void *host;
};

/* As src/cpu/tlb.h has it: reached by a pointer. */
struct spike_tlb {
    uint64_t key[2], base[2];
    struct entry32 data[TLB_SIZE];
};

struct spike_cpu {
    uint64_t x[34];
    uint64_t nzcv, request, retired, count;
    struct spike_tlb *tlb;
    uint64_t key[2], addend, ring_at, budget;
    uint8_t pad0[0x200 - 0x160];
    struct target ring[16];
    uint8_t pad1[0x1000 - 0x300];
    struct target targets[1024];
    uint8_t pad2[0x8000 - 0x5000];
    struct entry32 tlb32[TLB_SIZE];
    struct entry16 tlb16_r[TLB_SIZE], tlb16_w[TLB_SIZE];
};
_Static_assert(offsetof(struct spike_cpu, nzcv) == 0x110, "emit.py: NZCV");
_Static_assert(offsetof(struct spike_cpu, budget) == 0x158, "emit.py: BUDGET");
_Static_assert(offsetof(struct spike_cpu, ring) == 0x200, "emit.py: RING");
_Static_assert(offsetof(struct spike_cpu, targets) == 0x1000, "emit.py: TARGETS");
_Static_assert(offsetof(struct spike_cpu, tlb32) == 0x8000, "emit.py: TLB32");
_Static_assert(offsetof(struct spike_cpu, tlb16_w) == 0x20000, "emit.py: TLB16_W");

/* Runs the loop so many times; what it computed, or X0. */
typedef uint64_t spike_fn(struct spike_cpu *c, uint64_t passes);

struct spike_row {
    const char *group, *title;
    spike_fn *run;
    const struct target *sites;
};
/* Each variant is there PLACEMENTS times in a row; the last row has no group. */
extern const struct spike_row spike_rows[];

const void *spike_lookup(const struct spike_cpu *c, uint64_t guest);

/* A loop as the host's compiler makes it; the last row has no name. */
extern const struct spike_group {
    const char *name;
    spike_fn *native;
    unsigned bodies; /* of the loop in one pass */
} spike_groups[];
