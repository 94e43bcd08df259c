/*
 * What the handlers of floating point and AdvSIMD instructions are written with.
 *
 * One handler serves all forms of an instruction (vector or scalar, any element size, a whole
 * register or one element of it as the last operand): the format leaves in i->imm how many bytes
 * are worked on, the element size and the rest:
 *
 *   bits 7:0    bytes of the elements worked on; a scalar is a vector of one element
 *   bits 15:8   log2 of the element's bytes; of the narrower elements where there are two sizes
 *   bit 16      the upper half is meant (XTN2, SADDL2)
 *   bits 31:24  1 + index when rm is one element for all lanes, else 0
 *   bits 63:32  the instruction's own argument: a shift, an index, a condition
 */
#pragma once

#include "cpu/exc.h"
#include "cpu/fp/softfp.h"
#include "cpu/handler.h"

#define SIMD_HI BIT(16)

/* log2 of an element's bytes; H, S and D are enum fp_size. */
enum simd_size { SIMD_B, SIMD_H, SIMD_S, SIMD_D };

static inline unsigned simd_bytes(const struct a64_insn *i)
{
    return i->imm & 0xff;
}

static inline unsigned simd_size(const struct a64_insn *i)
{
    return i->imm >> 8 & 0xff;
}

static inline bool simd_hi(const struct a64_insn *i)
{
    return i->imm & SIMD_HI;
}

static inline unsigned simd_arg(const struct a64_insn *i)
{
    return (uint64_t)i->imm >> 32;
}

/* The vector register in a slot of the instruction. */
#define V(slot) c->v[i->slot]

/*
 * SIMD(name) { ... } is HANDLER(name) for an instruction that uses the vector registers: it traps
 * where CPACR_EL1.FPEN says so, and goes on to the next instruction.
 */
#define SIMD(name)                                                           \
    static inline void name##_body(struct cpu *c, const struct a64_insn *i); \
    HANDLER(name)                                                            \
    {                                                                        \
        if (UNLIKELY(!c->fp_enabled))                                        \
            exc_fp_trap(c);                                                  \
        name##_body(c, i);                                                   \
        return i + 1;                                                        \
    }                                                                        \
    static inline void name##_body(struct cpu *c, const struct a64_insn *i)

static inline uint64_t simd_get(const union vreg *v, unsigned size, unsigned e)
{
    switch (size) {
    case SIMD_B:
        return v->b[e];
    case SIMD_H:
        return v->h[e];
    case SIMD_S:
        return v->s[e];
    default:
        return v->d[e];
    }
}

static inline void simd_set(union vreg *v, unsigned size, unsigned e, uint64_t val)
{
    switch (size) {
    case SIMD_B:
        v->b[e] = (uint8_t)val;
        break;
    case SIMD_H:
        v->h[e] = (uint16_t)val;
        break;
    case SIMD_S:
        v->s[e] = (uint32_t)val;
        break;
    default:
        v->d[e] = val;
        break;
    }
}

/* A register with one element in every lane. */
static inline union vreg simd_dup(uint64_t val, unsigned size)
{
    static const uint64_t ones[] = { 0x0101010101010101, 0x0001000100010001, 0x0000000100000001,
                                     1 };
    uint64_t d = (val & low_mask(8U << size)) * ones[size];

    return (union vreg){ .d = { d, d } };
}

/* The last operand: a register, or one element of it for every lane. */
static inline union vreg simd_rm(const struct cpu *c, const struct a64_insn *i)
{
    unsigned index = i->imm >> 24 & 0xff;

    if (index)
        return simd_dup(simd_get(&V(rm), simd_size(i), index - 1), simd_size(i));
    return V(rm);
}

/* Saturation happened: the cumulative flag. */
static inline void simd_sticky(struct cpu *c, bool saturated)
{
    if (saturated)
        c->fpsr |= FPSR_QC;
}

static inline struct fp_status simd_fp_begin(const struct cpu *c)
{
    return (struct fp_status){ .fpcr = c->fpcr, .fpsr = c->fpsr };
}

static inline void simd_fp_end(struct cpu *c, const struct fp_status *fp)
{
    c->fpsr = fp->fpsr;
}
