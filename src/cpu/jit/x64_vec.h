/*
 * The vector instructions of x86-64 that loads, stores and cryptography are translated to: opcodes
 * for x64.h. Operands stand as there, "reg, r/m", unless the name ends in ST: "r/m, reg".
 */
#pragma once

#include "cpu/jit/x64.h"

enum x64_vec_op {
    VX_MOVUPS = 0x10 | X64_0F,
    VX_MOVUPS_ST = 0x11 | X64_0F,
    VX_MOVAPS = 0x28 | X64_0F,
    VX_MOVD = 0x6e | X64_0F | X64_66, /* w: 64 bits */
    VX_MOVD_ST = 0x7e | X64_0F | X64_66,
    VX_MOVQ = 0x7e | X64_0F | X64_F3, /* clears the upper half */
    VX_MOVQ_ST = 0xd6 | X64_0F | X64_66,
    VX_PXOR = 0xef | X64_0F | X64_66,
    VX_POR = 0xeb | X64_0F | X64_66,
    VX_PADDD = 0xfe | X64_0F | X64_66,
    VX_PSUBD = 0xfa | X64_0F | X64_66,
    VX_PUNPCKLBW = 0x60 | X64_0F | X64_66,
    VX_PUNPCKLQDQ = 0x6c | X64_0F | X64_66,
    /* With an immediate behind: x64_imm8(). */
    VX_PSHUFLW = 0x70 | X64_0F | X64_F2,
    VX_PSHUFD = 0x70 | X64_0F | X64_66,
    VX_SHUFPS = 0xc6 | X64_0F,
    VX_SHUFPD = 0xc6 | X64_0F | X64_66,
    VX_PALIGNR = 0x0f | X64_0F3A | X64_66,   /* SSSE3 */
    VX_PCLMULQDQ = 0x44 | X64_0F3A | X64_66, /* PCLMULQDQ */
    VX_SHA1RNDS4 = 0xcc | X64_0F3A,          /* SHA */
    VX_SHA256RNDS2 = 0xcb | X64_0F38,        /* SHA; XMM0 is an operand */
    VX_SHA256MSG1 = 0xcc | X64_0F38,         /* SHA */
    VX_SHA256MSG2 = 0xcd | X64_0F38,         /* SHA */
    VX_AESIMC = 0xdb | X64_0F38 | X64_66,    /* AES */
    VX_AESENC = 0xdc | X64_0F38 | X64_66,    /* AES */
    VX_AESDEC = 0xde | X64_0F38 | X64_66,
    VX_AESENCLAST = 0xdd | X64_0F38 | X64_66, /* AES */
    VX_AESDECLAST = 0xdf | X64_0F38 | X64_66, /* AES */
};

/* Shifts by an immediate: of doublewords, of quadwords, and of the whole register by bytes. */
enum x64_vec_shift {
    VS_PSRLD = 0x7202,
    VS_PSLLD = 0x7206,
    VS_PSLLQ = 0x7306,
    VS_PSRLDQ = 0x7303,
    VS_PSLLDQ = 0x7307
};

static inline void x64_vec_rr(struct x64 *e, unsigned op, unsigned reg, unsigned rm)
{
    x64_rr(e, op, 0, reg, rm);
}

static inline void x64_vec_rri(struct x64 *e, unsigned op, unsigned reg, unsigned rm, unsigned imm)
{
    x64_rr(e, op, 0, reg, rm);
    x64_b(e, imm);
}

static inline void x64_vec_shift(struct x64 *e, enum x64_vec_shift sh, unsigned rm, unsigned n)
{
    x64_rr(e, (unsigned)sh >> 8 | X64_0F | X64_66, 0, sh & 7, rm);
    x64_b(e, n);
}
