/*
 * The A64 decoder: one table, made from src/cpu/a64_*.decode by tools/gen_a64.py, for the
 * interpreter, the translator, the disassembler and the tests.
 */
#pragma once

#include "cpu/a64_table.h"
#include "cpu/idregs.h"
#include "cpu/insn.h"

enum a64_class {
    A64_CLASS_INT,    /* registers and flags only */
    A64_CLASS_BRANCH, /* may change the PC */
    A64_CLASS_MEM,    /* loads and stores of general registers */
    A64_CLASS_ATOMIC, /* acquire, release, exclusive, LSE: natural alignment required */
    A64_CLASS_SYSTEM, /* exceptions, hints, barriers, system registers */
    A64_CLASS_FP,     /* scalar floating point */
    A64_CLASS_SIMD,   /* AdvSIMD and cryptography */
    A64_CLASS_VMEM,   /* loads and stores of vector registers */
};

enum a64_row_flags {
    A64_NODIFF = 1, /* the differential test cannot try it */
};

struct a64_row {
    const char *name;
    const char *pattern; /* 32 characters, bit 31 first: 0, 1 or the letter of a field */
    uint32_t mask, value;
    a64_format_fn format;
    a64_fn fn;
    uint8_t cls;   /* enum a64_class */
    uint8_t flags; /* enum a64_row_flags */
    uint8_t needs; /* enum cpu_feature bits that a CPU model must have, or the row is UNDEFINED */
};

extern const struct a64_row a64_rows[A64_OPS];

/* The row of a word by its fixed bits, or A64_OPS. */
enum a64_op a64_match(uint32_t word);

/* Fill *i for the word. at: the instruction's offset in its page, bytes. features: what the CPU
 * model has (enum cpu_feature). Returns the row, or A64_OPS when the word is UNDEFINED (i->fn then
 * takes the exception). */
enum a64_op a64_decode_for(struct a64_insn *i, uint32_t word, unsigned at, unsigned features);

/* The same for a CPU with every feature there is. */
static inline enum a64_op a64_decode(struct a64_insn *i, uint32_t word, unsigned at)
{
    return a64_decode_for(i, word, at, ~0u);
}

/* The handler of what has no row. */
const struct a64_insn *a64_undefined(struct cpu *c, const struct a64_insn *i);
