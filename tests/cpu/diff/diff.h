/*
 * The differential test: what passes between the test (any host) and native.c, the small arm64
 * program that executes the same instructions on another CPU. Both sides are little-endian with
 * natural alignment; there is no padding.
 */
#pragma once

#include <stdint.h>

/* Code and data have the same virtual addresses on both sides; 2 MiB are mapped from DIFF_CODE. */
#define DIFF_CODE       0x40000000u
#define DIFF_CODE_BYTES 0x8000u
#define DIFF_MAP_BYTES  0x200000u
#define DIFF_BRK        0xd4200000u /* BRK #0 fills the code area: where a case ends */

/* The scratch window of loads and stores lies across a page boundary. */
#define DIFF_WINDOW_BYTES 512
#define DIFF_WINDOW       (0x40081000u - DIFF_WINDOW_BYTES / 2)

/* Loads and stores also run into the end of the map. These bytes before it are zero when a case
 * begins; what it leaves there is not compared: an access that faults may have done its part. */
#define DIFF_EDGE_BYTES 64
#define DIFF_EDGE       (DIFF_CODE + DIFF_MAP_BYTES - DIFF_EDGE_BYTES)

/* A case is one instruction, or several one after the other. It has a slot with room to branch
 * around in, and runs with several states. */
#define DIFF_SLOT_WORDS 64
#define DIFF_SLOT_INSN  32 /* the word of a slot that holds the first instruction */
#define DIFF_SEQUENCE   8  /* instructions at most; the rest is DIFF_BRK */
#define DIFF_SLOTS      (DIFF_CODE_BYTES / 4 / DIFF_SLOT_WORDS)
#define DIFF_STATES     8 /* cases a slot */
#define DIFF_CASES      (DIFF_SLOTS * DIFF_STATES)

/* Fault addresses are compared without their tag: Linux reports some with, some without. */
#define DIFF_ADDR (~UINT64_C(0) >> 8)

struct diff_state {
    uint64_t x[31], sp, pc, nzcv; /* nzcv: bits 31:28 */
    uint64_t v[64];               /* V0..V31, low half first */
    uint64_t fpcr, fpsr;
};

struct diff_in {
    struct diff_state state;
    uint8_t window[DIFF_WINDOW_BYTES];
};

enum diff_end {
    DIFF_END_BRK = 1,
    DIFF_END_UNDEFINED,
    DIFF_END_FAULT,
    DIFF_END_ALIGN,
    DIFF_END_ODD
};

struct diff_out {
    uint64_t end;   /* enum diff_end */
    uint64_t fault; /* the address of a fault */
    struct diff_state state;
    uint8_t window[DIFF_WINDOW_BYTES];
};

/*
 * One exchange. Both sides have two batches in shared memory (file descriptor DIFF_FD of native.c).
 * The test fills in insn and in of one and writes a byte, its index, to native.c; when that has
 * filled in out it writes the byte back. Meanwhile the test works on the other one.
 */
struct diff_batch {
    uint32_t insn[DIFF_SLOTS][DIFF_SEQUENCE];
    struct diff_in in[DIFF_CASES];
    struct diff_out out[DIFF_CASES];
};

#define DIFF_BATCHES 2
#define DIFF_FD      3

/* The address of a slot's first instruction. */
static inline uint64_t diff_slot_va(unsigned slot)
{
    return DIFF_CODE + 4u * (slot * DIFF_SLOT_WORDS + DIFF_SLOT_INSN);
}
