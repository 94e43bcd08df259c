/*
 * The bare-metal test kernel: what its groups of checks share. It runs on every engine and prints
 * one line for each check; what must be the same everywhere is compared as text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "offsets.h"

#define BIT(n)       (UINT64_C(1) << (n))
#define BITS(hi, lo) ((~UINT64_C(0) >> (63 - (hi))) & (~UINT64_C(0) << (lo)))
#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))

/* ---- running code that may trap ---- */

struct go {
    uint64_t pc, spsr; /* in: where to, and PSTATE there */
    uint64_t sp_el0;
    uint64_t tcr;          /* 0: TCR_EL1 and TTBR0_EL1 are as they are */
    uint64_t alias;        /* set by run() */
    uint64_t return_alias; /* of the place that the code returns to */
    uint64_t x[8];         /* in and out */
    uint64_t vector, esr, elr, far, spsr_out;
    uint64_t saved[12], sp, daif, tcr_saved; /* go()'s own */
    uint64_t ttbr0, ttbr0_saved;             /* in, beside tcr; go()'s own */
};

_Static_assert(offsetof(struct go, pc) == GO_PC, "offsets.h");
_Static_assert(offsetof(struct go, sp_el0) == GO_SP_EL0, "offsets.h");
_Static_assert(offsetof(struct go, tcr) == GO_TCR, "offsets.h");
_Static_assert(offsetof(struct go, alias) == GO_ALIAS, "offsets.h");
_Static_assert(offsetof(struct go, return_alias) == GO_RETURN_ALIAS, "offsets.h");
_Static_assert(offsetof(struct go, x) == GO_X, "offsets.h");
_Static_assert(offsetof(struct go, vector) == GO_VECTOR, "offsets.h");
_Static_assert(offsetof(struct go, esr) == GO_ESR, "offsets.h");
_Static_assert(offsetof(struct go, elr) == GO_ELR, "offsets.h");
_Static_assert(offsetof(struct go, far) == GO_FAR, "offsets.h");
_Static_assert(offsetof(struct go, spsr_out) == GO_SPSR_OUT, "offsets.h");
_Static_assert(offsetof(struct go, saved) == GO_SAVED, "offsets.h");
_Static_assert(offsetof(struct go, sp) == GO_SP, "offsets.h");
_Static_assert(offsetof(struct go, daif) == GO_DAIF, "offsets.h");
_Static_assert(offsetof(struct go, tcr_saved) == GO_TCR_SAVED, "offsets.h");
_Static_assert(offsetof(struct go, ttbr0) == GO_TTBR0, "offsets.h");
_Static_assert(offsetof(struct go, ttbr0_saved) == GO_TTBR0_SAVED, "offsets.h");

#define EL0       UINT64_C(0x3c0) /* EL0t, everything masked */
#define EL1       UINT64_C(0x3c5) /* EL1h, everything masked */
#define EL1T      UINT64_C(0x3c4)
#define SPSR_IRQ  BIT(7) /* PSTATE.I, to be cleared from the above */
#define SPSR_FIQ  BIT(6)
#define SPSR_PAN  BIT(22)
#define SPSR_SS   BIT(21)
#define SPSR_IL   BIT(20)
#define SPSR_MASK (BITS(31, 28) | BITS(22, 20) | BITS(9, 6) | BITS(4, 0)) /* announced bits */

#define VECTOR_IRQ 0x280
#define VECTOR_FIQ 0x300

#define ESR_EC(esr) ((unsigned)((esr) >> 26 & 63))
#define ESR_RETURN  UINT64_C(0x56000fff) /* SVC #0xfff: the code came to its end */

/* A snippet of assembly that EL0 and EL1 can run: arguments in x0 to x7, returns by ret. */
#define SNIPPET(name, text)                                 \
    __asm__(".pushsection .text.snippets, \"ax\"\n"         \
            ".arch armv8.2-a+crypto+fp16\n.balign 64\n"     \
            ".globl " #name "\n" #name ":\n" text "\nret\n" \
            ".popsection\n");                               \
    extern const char name[]

void go(struct go *g);

/* go() with the aliases of the address space in force. */
void run(struct go *g);

/* Run code at EL1 or EL0; x0 to x3 are given. */
struct go run_at(uint64_t spsr, const void *pc, uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3);

static inline bool returned(const struct go *g)
{
    return g->esr == ESR_RETURN;
}

/* Write instructions to the one place for generated ones, ready to run; they end with ret. */
const void *emit(const uint32_t *words, unsigned count);

/* ---- printing ---- */

/* %s, %x (uint64_t), %d (unsigned), %c. */
void print(const char *fmt, ...);

/* One line about a finished run: "group.check: " and how it ended. */
void report(const char *group, const char *check, const struct go *g);

/* The same without the name and the newline. */
void print_trap(const struct go *g);

/* " label ESR", or that it returned; besides only what is not as expected: FAR other than va, ELR
 * behind the first instruction, SPSR other than what was given. */
void print_brief(const char *label, const struct go *g, uint64_t va);

/* ---- system registers ---- */

#define READ(reg)                                                   \
    ({                                                              \
        uint64_t val_;                                              \
        __asm__ volatile("mrs %0, " reg : "=r"(val_) : : "memory"); \
        val_;                                                       \
    })
#define WRITE(reg, val) \
    __asm__ volatile("msr " reg ", %x0\nisb" : : "rZ"((uint64_t)(val)) : "memory")
#define ISB() __asm__ volatile("isb" : : : "memory")
#define DSB() __asm__ volatile("dsb sy" : : : "memory")

void set_sctlr(uint64_t value);

/* ---- memory ---- */

/* RAM that no part of the kernel uses, for checks to play with. */
#define ARENA      UINT64_C(0x42000000)
#define ARENA_SIZE UINT64_C(0x02000000)

static inline uint8_t read8(uint64_t address)
{
    return *(volatile uint8_t *)address;
}
static inline uint32_t read32(uint64_t address)
{
    return *(volatile uint32_t *)address;
}
static inline uint64_t read64(uint64_t address)
{
    return *(volatile uint64_t *)address;
}
static inline void write8(uint64_t address, uint8_t value)
{
    *(volatile uint8_t *)address = value;
}
static inline void write32(uint64_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}
static inline void write64(uint64_t address, uint64_t value)
{
    *(volatile uint64_t *)address = value;
}

/* ---- PSCI ---- */

enum {
    PSCI_VERSION = 0x84000000,
    PSCI_CPU_OFF = 0x84000002,
    PSCI_CPU_ON = 0xc4000003,
    PSCI_AFFINITY_INFO = 0xc4000004,
    PSCI_SYSTEM_OFF = 0x84000008,
};

int64_t psci(uint32_t fn, uint64_t a, uint64_t b, uint64_t c);

/* ---- the groups ---- */

void check_sysregs(void);
void check_exceptions(void);
void check_el0(void);
void check_aborts(void);
void check_mmu(void);
void check_timer(void);
void check_gic(void);
void check_debug(void);
void check_smp(void);
