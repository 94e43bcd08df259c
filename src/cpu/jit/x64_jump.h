/* The assembler's jumps, calls and addresses relative to the next instruction. */
#pragma once

#include "cpu/jit/x64.h"

/* Jumps. The ones with a target yet to come return the place of the displacement. */
static inline void x64_bind(uint8_t *rel32, const uint8_t *target)
{
    int32_t disp = (int32_t)(target - (rel32 + 4));

    memcpy(rel32, &disp, sizeof(disp));
}

static inline uint8_t *x64_jcc(struct x64 *e, enum x64_cc cc)
{
    x64_b(e, 0x0f);
    x64_b(e, 0x80 | cc);
    x64_d(e, 0);
    return e->at - 4;
}

static inline uint8_t *x64_jmp(struct x64 *e)
{
    x64_b(e, 0xe9);
    x64_d(e, 0);
    return e->at - 4;
}

static inline void x64_jcc_to(struct x64 *e, enum x64_cc cc, const uint8_t *target)
{
    x64_bind(x64_jcc(e, cc), target);
}

static inline void x64_jmp_to(struct x64 *e, const uint8_t *target)
{
    x64_bind(x64_jmp(e), target);
}

static inline void x64_call_to(struct x64 *e, const uint8_t *target)
{
    x64_b(e, 0xe8);
    x64_d(e, 0);
    x64_bind(e->at - 4, target);
}

/* One instruction of len bytes that does nothing; len: 0 (none) to 3. */
static inline void x64_nop(struct x64 *e, unsigned len)
{
    static const uint8_t nops[][3] = { { 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0x00 } };

    for (unsigned i = 0; i < len; i++)
        x64_b(e, nops[len - 1][i]);
}

/* Within 127 bytes. */
static inline uint8_t *x64_jcc8(struct x64 *e, enum x64_cc cc)
{
    x64_b(e, 0x70 | cc);
    x64_b(e, 0);
    return e->at - 1;
}

static inline uint8_t *x64_jmp8(struct x64 *e)
{
    x64_b(e, 0xeb);
    x64_b(e, 0);
    return e->at - 1;
}

static inline void x64_bind8(struct x64 *e, uint8_t *rel8)
{
    assert(e->at - (rel8 + 1) < 128);
    *rel8 = (uint8_t)(e->at - (rel8 + 1));
}

/* lea reg, [rip to target] */
static inline uint8_t *x64_lea_rip(struct x64 *e, unsigned reg)
{
    x64_head(e, OP_LEA, 1, reg, 0, 0);
    x64_b(e, (reg & 7) << 3 | 5);
    x64_d(e, 0);
    return e->at - 4;
}

/* op reg, [rip to target]; `behind` bytes of immediate follow. */
static inline void x64_rip(struct x64 *e, unsigned op, unsigned reg, const uint8_t *target,
                           unsigned behind)
{
    x64_head(e, op, 0, reg, 0, 0);
    x64_b(e, (reg & 7) << 3 | 5);
    x64_d(e, (uint32_t)(target - (e->at + 4 + behind)));
}
