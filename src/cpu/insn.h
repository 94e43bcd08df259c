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

/*
 * A format fills rd .. ra and imm from i->raw; at is the instruction's offset in its page. It
 * returns false for a reserved encoding, and may replace i->fn by a variant of the same handler.
 */
typedef bool (*a64_format_fn)(struct a64_insn *i, unsigned at);

struct a64_insn {
    a64_fn fn;
    int64_t imm;            /* what the format makes of the immediate fields */
    uint8_t rd, rn, rm, ra; /* register file indices, 31 resolved (enum in cpu.h) */
    uint32_t raw;           /* the word, for everything else and for messages */
};

#define CODE_PAGE_INSNS 1024
#define CODE_PAGE_SIZE  (4 * CODE_PAGE_INSNS)

struct code_page {
    struct a64_insn insn[CODE_PAGE_INSNS + 1]; /* the last is the sentinel: the next page */
    gpa_t gpa;
    const uint32_t *words;  /* the page in guest memory */
    struct code_page *next; /* in its hash chain, code.c */
};

/* The address of an instruction of the page being executed. */
static inline gva_t cpu_insn_va(const struct cpu *c, const struct a64_insn *i)
{
    return c->page_va + ((uint64_t)(i - c->page->insn) << 2);
}

/* The address that an exception reports: of the instruction being executed, or between two of
 * them, of the one to fetch. */
static inline gva_t cpu_pc(const struct cpu *c)
{
    return c->insn ? cpu_insn_va(c, c->insn) : c->pc;
}

/* Instructions are counted at block edges: i is the last one of this block. */
static inline void cpu_retire(struct cpu *c, const struct a64_insn *i)
{
    c->retired += (uint64_t)(i - c->block) + 1;
}

/* At a block edge, after cpu_retire(): does the run loop have to look before the next block? */
static inline bool cpu_must_look(const struct cpu *c)
{
    return c->retired >= c->edge || atomic_load_explicit(&c->request, memory_order_relaxed);
}

/* Continue at target: inside the page without leaving the loop, unless it has to look. */
static inline const struct a64_insn *cpu_branch(struct cpu *c, const struct a64_insn *i,
                                                gva_t target)
{
    uint64_t off = target - c->page_va;

    cpu_retire(c, i);
    if (LIKELY(off < CODE_PAGE_SIZE && !(off & 3) && !cpu_must_look(c)))
        return c->block = &c->page->insn[off >> 2];
    c->pc = target;
    return NULL;
}

/* End the block after i although it does not branch: what i did (an interrupt unmasked, the
 * translation regime changed) is for the run loop to look at. */
static inline const struct a64_insn *cpu_end_block(struct cpu *c, const struct a64_insn *i)
{
    cpu_retire(c, i);
    c->pc = cpu_insn_va(c, i) + 4;
    return NULL;
}

enum cpu_escape {
    CPU_ESCAPE_GO_ON = 1, /* at c->pc: an exception was taken */
    CPU_ESCAPE_STOP,      /* cpu_run() returns c->stop; c->pc is where it will go on */
};

/* Back to cpu_run() from any depth. The instruction being executed is not counted as retired. */
NORETURN void cpu_escape(struct cpu *c, enum cpu_escape how);
