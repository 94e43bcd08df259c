/*
 * What the handlers of integer instructions are written with. A handler is a function
 *
 *   HANDLER(ADD_reg_x) { X(rd) = X(rn) + X(rm); return i + 1; }
 *
 * with the vCPU in c and its predecoded instruction in i.
 */
#pragma once

#include "cpu/a64_table.h"
#include "cpu/insn.h"

#define HANDLER(name) const struct a64_insn *op_##name(struct cpu *c, const struct a64_insn *i)

/* The register in a slot of the instruction: 64 bits as an lvalue, or its low 32 bits. Writing a
 * uint32_t to X() clears the upper half, as the architecture wants. */
#define X(slot) c->x[i->slot]
#define W(slot) ((uint32_t)c->x[i->slot])

/* For each condition the set of NZCV values (N is bit 3 of the value) in which it holds: bit k of
 * the word is for value k (Arm DDI 0487, C1.2.4). */
#define COND_Z  0xf0f0u
#define COND_C  0xccccu
#define COND_N  0xff00u
#define COND_V  0xaaaau
#define COND_GE (0xffffu & ~(COND_N ^ COND_V))

static inline uint16_t cond_set(unsigned cond)
{
    static const uint16_t sets[8] = {
        COND_Z, COND_C, COND_N, COND_V, COND_C & ~COND_Z, COND_GE, COND_GE & ~COND_Z, 0xffff,
    };
    uint16_t set = sets[cond >> 1];

    return (cond & 1) && cond != 15 ? (uint16_t)~set : set;
}

static inline bool cond_holds(const struct cpu *c, unsigned cond)
{
    return cond_set(cond) >> (c->nzcv >> 28) & 1;
}
