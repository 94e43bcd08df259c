/* Random instructions and operands, by row of the decode table. */
#pragma once

#include "cpu/a64.h"
#include "diff.h"

struct gen {
    uint64_t state; /* of the random numbers */
};

uint64_t gen_random(struct gen *g);
unsigned gen_below(struct gen *g, unsigned limit);

/* A value that instructions find interesting. */
uint64_t gen_operand(struct gen *g);

/* A word of the row whose result the architecture defines, or one the row's format refuses. va is
 * where it will stand. */
uint32_t gen_word(struct gen *g, enum a64_op op, uint64_t va);

/* Registers, flags and memory to run it with; addresses are mostly within the scratch window. */
void gen_state(struct gen *g, enum a64_op op, uint32_t word, uint64_t va, struct diff_in *in);
