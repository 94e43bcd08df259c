/*
 * The immediate slot of loads and stores of vector structures (LD1 .. ST4):
 *
 *   bits 7:0    registers moved
 *   bits 15:8   log2 of the element's bytes
 *   bits 23:16  how many registers an element of each follows one of the others in memory; for a
 *               single structure the element's index
 *   bits 31:24  bytes of each register moved
 *   bits 63:32  what the base advances by, besides rm
 */
#pragma once

#include "cpu/insn.h"

static inline int64_t vmem_pack(unsigned regs, unsigned size, unsigned interleave, unsigned bytes)
{
    return (int64_t)(regs | size << 8 | interleave << 16 | (uint64_t)bytes << 24);
}

static inline unsigned vmem_regs(const struct a64_insn *i)
{
    return i->imm & 0xff;
}

static inline unsigned vmem_size(const struct a64_insn *i)
{
    return i->imm >> 8 & 0xff;
}

static inline unsigned vmem_interleave(const struct a64_insn *i)
{
    return i->imm >> 16 & 0xff;
}

static inline unsigned vmem_index(const struct a64_insn *i)
{
    return i->imm >> 16 & 0xff;
}

static inline unsigned vmem_reg_bytes(const struct a64_insn *i)
{
    return i->imm >> 24 & 0xff;
}

static inline uint64_t vmem_advance(const struct a64_insn *i)
{
    return (uint64_t)i->imm >> 32;
}
