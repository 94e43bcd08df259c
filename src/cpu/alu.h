/* Arithmetic that several groups of instructions share: flags, shifts, extensions. */
#pragma once

#include "cpu/cpu.h"

static inline uint64_t alu_nz32(uint32_t r)
{
    return (r & NZCV_N) | (r ? 0 : NZCV_Z);
}

static inline uint64_t alu_nz64(uint64_t r)
{
    return (r >> 32 & NZCV_N) | (r ? 0 : NZCV_Z);
}

/* AddWithCarry() of the manual: a + b + carry, and all four flags. */
static inline uint32_t alu_adds32(struct cpu *c, uint32_t a, uint32_t b, unsigned carry)
{
    uint64_t wide = (uint64_t)a + b + carry;
    uint32_t r = (uint32_t)wide;

    c->nzcv = alu_nz32(r) | (wide >> 32) << 29 | (uint64_t)((a ^ r) & (b ^ r)) >> 31 << 28;
    return r;
}

static inline uint64_t alu_adds64(struct cpu *c, uint64_t a, uint64_t b, unsigned carry)
{
    uint64_t r;
    bool out = __builtin_add_overflow(a, b, &r);

    out |= __builtin_add_overflow(r, (uint64_t)carry, &r);
    c->nzcv = alu_nz64(r) | (uint64_t)out << 29 | ((a ^ r) & (b ^ r)) >> 63 << 28;
    return r;
}

/* a - b: the same with ~b and a carry of one; written so that it compiles to one compare. */
static inline uint32_t alu_subs32(struct cpu *c, uint32_t a, uint32_t b)
{
    uint32_t r = a - b;

    c->nzcv = alu_nz32(r) | (uint64_t)(a >= b) << 29 | (uint64_t)((a ^ b) & (a ^ r)) >> 31 << 28;
    return r;
}

static inline uint64_t alu_subs64(struct cpu *c, uint64_t a, uint64_t b)
{
    uint64_t r = a - b;

    c->nzcv = alu_nz64(r) | (uint64_t)(a >= b) << 29 | ((a ^ b) & (a ^ r)) >> 63 << 28;
    return r;
}

static inline unsigned alu_carry(const struct cpu *c)
{
    return c->nzcv >> 29 & 1;
}

static inline uint32_t alu_ror32(uint32_t v, unsigned n)
{
    return v >> (n & 31) | v << (-n & 31);
}

static inline uint64_t alu_ror64(uint64_t v, unsigned n)
{
    return v >> (n & 63) | v << (-n & 63);
}

/* Shift types as encoded: LSL, LSR, ASR, ROR. n is less than the width. */
static inline uint32_t alu_shift32(uint32_t v, unsigned type, unsigned n)
{
    switch (type) {
    case 0:
        return v << n;
    case 1:
        return v >> n;
    case 2:
        return (uint32_t)((int32_t)v >> n);
    default:
        return alu_ror32(v, n);
    }
}

static inline uint64_t alu_shift64(uint64_t v, unsigned type, unsigned n)
{
    switch (type) {
    case 0:
        return v << n;
    case 1:
        return v >> n;
    case 2:
        return (uint64_t)((int64_t)v >> n);
    default:
        return alu_ror64(v, n);
    }
}

/* ExtendReg(): option as encoded (UXTB .. UXTX, SXTB .. SXTX), then a left shift. */
static inline uint64_t alu_extend(uint64_t v, unsigned option, unsigned shift)
{
    unsigned bits = 8u << (option & 3);
    uint64_t r = option & 4 ? (uint64_t)sign_extend(v, bits) : v & low_mask(bits);

    return r << shift;
}
