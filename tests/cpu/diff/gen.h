/* Random instructions and operands, by row of the decode table. */
#pragma once

#include "cpu/a64.h"
#include "diff.h"

#define GEN_POOL 4096

struct gen {
    uint64_t state;                             /* of the random numbers */
    uint64_t ints[GEN_POOL], vectors[GEN_POOL]; /* operands to pick from, */
    unsigned next_fresh;                        /* renewed in turn */
    uint8_t mode[A64_OPS];                      /* of FPCR, for each row the next */
};

void gen_init(struct gen *g, uint64_t seed);

uint64_t gen_random(struct gen *g);
unsigned gen_below(struct gen *g, unsigned limit);

/* Renew a part of the operands: cheaper than new ones for each register of each case. */
void gen_refresh(struct gen *g);

/* Operands from g->ints or g->vectors. */
void gen_pick(struct gen *g, const uint64_t pool[GEN_POOL], uint64_t *dst, unsigned count);

/* A word of the row whose result the architecture defines, or one the row's format refuses. va is
 * where it will stand. */
uint32_t gen_word(struct gen *g, enum a64_op op, uint64_t va);

/* Can the row stand in a sequence: does it only change registers, and then go on? */
bool gen_goes_on(enum a64_op op);

/* A word for the middle of a sequence: accepted, with a destination (rd) that no other has, so that
 * its result is still there in the end. */
uint32_t gen_word_to(struct gen *g, enum a64_op op, uint64_t va, unsigned rd);

/* Registers, flags and memory to run it with; addresses are mostly within the scratch window. */
void gen_state(struct gen *g, enum a64_op op, uint32_t word, uint64_t va, struct diff_in *in);

/* FPCR in a mode: the 64 combinations of AHP, DN, FZ, RMode and FZ16. */
#define GEN_MODES 64
uint64_t gen_fpcr(unsigned mode);
unsigned gen_mode(uint64_t fpcr);
