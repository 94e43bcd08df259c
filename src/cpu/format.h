/* Field extraction for the formats: register number 31 is resolved here, once, at decode time. */
#pragma once

#include "cpu/insn.h"

/* Bits lo .. lo + width - 1 of the word, zero- or sign-extended. */
static inline uint32_t fmt_bits(uint32_t raw, unsigned lo, unsigned width)
{
    return raw >> lo & (uint32_t)low_mask(width);
}

static inline int64_t fmt_sbits(uint32_t raw, unsigned lo, unsigned width)
{
    return sign_extend(raw >> lo & low_mask(width), width);
}

/* The register number at lo as a source: 31 reads zero. */
static inline uint8_t fmt_src(uint32_t raw, unsigned lo)
{
    uint8_t r = raw >> lo & 31;

    return r == 31 ? REG_ZERO : r;
}

/* As a destination: what is written to 31 is lost. */
static inline uint8_t fmt_dst(uint32_t raw, unsigned lo)
{
    uint8_t r = raw >> lo & 31;

    return r == 31 ? REG_SINK : r;
}

/* As a base or where 31 is SP; also for vector registers: the plain number. */
static inline uint8_t fmt_reg(uint32_t raw, unsigned lo)
{
    return raw >> lo & 31;
}

/* VFPExpandImm(): the value of the 8-bit immediate of FMOV; size as in simd.h. */
uint64_t fmt_fp_imm(uint64_t imm8, unsigned size);
