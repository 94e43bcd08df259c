/*
 * A predecoded instruction and the page of them that the interpreter runs.
 *
 * Each guest-physical page that holds code has a struct code_page: 1,024 slots and a sentinel. A
 * slot starts as op_decode, which reads the word from memory, decodes it in place and runs it. The
 * architecture asks software to issue IC IVAU (CTR_EL0.DIC = 0) before new instructions are
 * fetched; that is where slots go back to op_decode.
 */
#pragma once

#include "cpu/cpu.h"

/*
 * A handler executes one instruction and returns the next one: i + 1, what cpu_branch() returns, or
 * NULL when the run loop has to look (c->pc is then the next address).
 */
typedef const struct a64_insn *(*a64_fn)(struct cpu *c, const struct a64_insn *i);

struct a64_insn {
    a64_fn fn;
    int64_t imm;            /* what the format makes of the immediate fields */
    uint8_t rd, rn, rm, ra; /* register file indices, 31 resolved (enum in cpu.h) */
    uint32_t raw;           /* the word, for everything else and for messages */
};

#define CODE_PAGE_INSNS 1024

struct code_page {
    struct a64_insn insn[CODE_PAGE_INSNS + 1]; /* the last is the sentinel: the next page */
    gpa_t gpa;
    const uint32_t *words; /* the page in guest memory */
};

/* The address of the instruction being executed. */
static inline gva_t cpu_insn_va(const struct cpu *c, const struct a64_insn *i)
{
    return c->page_va + ((uint64_t)(i - c->page->insn) << 2);
}

/* Continue at target: inside the page without leaving the loop, unless a request is pending. */
static inline const struct a64_insn *cpu_branch(struct cpu *c, gva_t target)
{
    uint64_t off = target - c->page_va;

    if (LIKELY(off < 4096 && !(off & 3) &&
               !atomic_load_explicit(&c->request, memory_order_relaxed)))
        return &c->page->insn[off >> 2];
    c->pc = target;
    return NULL;
}
