/*
 * The AVX instructions that vector and floating point code is translated to: opcodes for the
 * x64_vex functions of x64.h, 128 bits wide. Operands stand as there, "reg, vvvv, r/m", unless a
 * name ends in ST: "r/m, reg".
 *
 * (Intel SDM volume 2: the VEX.128 forms.)
 */
#pragma once

#include "cpu/jit/x64.h"

#define AVX_66(op) ((op) | X64_0F | X64_66)
#define AVX_F3(op) ((op) | X64_0F | X64_F3)
#define AVX_F2(op) ((op) | X64_0F | X64_F2)
#define AVX_38(op) ((op) | X64_0F38 | X64_66)
#define AVX_3A(op) ((op) | X64_0F3A | X64_66)

enum x64_avx {
    /* Moves. The scalar ones clear what lies above when they load. */
    AVX_MOVUPS = 0x10 | X64_0F,
    AVX_MOVUPS_ST = 0x11 | X64_0F,
    AVX_MOVAPS = 0x28 | X64_0F,
    AVX_MOVSS = AVX_F3(0x10),
    AVX_MOVSD = AVX_F2(0x10),
    AVX_MOVQ = AVX_F3(0x7e), /* clears the upper half */
    AVX_MOVD = AVX_66(0x6e), /* from a general register; w: 64 bits */
    AVX_MOVD_ST = AVX_66(0x7e),
    AVX_MOVMSKPS = 0x50 | X64_0F,
    AVX_MOVMSKPD = AVX_66(0x50),
    AVX_PINSRB = AVX_3A(0x20),
    AVX_PINSRW = AVX_66(0xc4),
    AVX_PINSRD = AVX_3A(0x22), /* w: a quadword */
    AVX_INSERTPS = AVX_3A(0x21),
    AVX_PEXTRB_ST = AVX_3A(0x14),
    AVX_PEXTRW_ST = AVX_3A(0x15),

    /* Floating point: packed single as it is, packed double with X64_66, scalars with X64_F3 and
     * X64_F2. */
    AVX_SQRT = 0x51 | X64_0F,
    AVX_ADD = 0x58 | X64_0F,
    AVX_MUL = 0x59 | X64_0F,
    AVX_SUB = 0x5c | X64_0F,
    AVX_MIN = 0x5d | X64_0F,
    AVX_DIV = 0x5e | X64_0F,
    AVX_MAX = 0x5f | X64_0F,
    AVX_CMP = 0xc2 | X64_0F, /* imm8: enum x64_avx_cmp */
    AVX_AND = 0x54 | X64_0F,
    AVX_OR = 0x56 | X64_0F,
    AVX_XOR = 0x57 | X64_0F,
    AVX_UCOMI = 0x2e | X64_0F, /* scalars as if packed */
    AVX_HADDPS = AVX_F2(0x7c),
    AVX_HADDPD = AVX_66(0x7c),
    AVX_ROUNDPS = AVX_3A(0x08),
    AVX_ROUNDPD = AVX_3A(0x09),
    AVX_ROUNDSS = AVX_3A(0x0a),
    AVX_ROUNDSD = AVX_3A(0x0b),
    AVX_CVTSI2SS = AVX_F3(0x2a), /* w: from 64 bits */
    AVX_CVTSI2SD = AVX_F2(0x2a),
    AVX_CVTTSS2SI = AVX_F3(0x2c),
    AVX_CVTTSD2SI = AVX_F2(0x2c),
    AVX_CVTSS2SD = AVX_F3(0x5a),
    AVX_CVTSD2SS = AVX_F2(0x5a),
    AVX_CVTPS2PD = 0x5a | X64_0F,
    AVX_CVTPD2PS = AVX_66(0x5a),
    AVX_CVTDQ2PS = 0x5b | X64_0F,
    AVX_CVTTPS2DQ = AVX_F3(0x5b),
    /* FMA3, reg += vvvv * r/m; w: double. The scalar forms are one more. */
    AVX_FMADD231 = AVX_38(0xb8),
    AVX_FMSUB231 = AVX_38(0xba),
    AVX_FNMADD231 = AVX_38(0xbc),
    AVX_FNMSUB231 = AVX_38(0xbe),

    /* Integer */
    AVX_PADDB = AVX_66(0xfc),
    AVX_PADDW = AVX_66(0xfd),
    AVX_PADDD = AVX_66(0xfe),
    AVX_PADDQ = AVX_66(0xd4),
    AVX_PSUBB = AVX_66(0xf8),
    AVX_PSUBW = AVX_66(0xf9),
    AVX_PSUBD = AVX_66(0xfa),
    AVX_PSUBQ = AVX_66(0xfb),
    AVX_PADDSB = AVX_66(0xec),
    AVX_PADDSW = AVX_66(0xed),
    AVX_PADDUSB = AVX_66(0xdc),
    AVX_PADDUSW = AVX_66(0xdd),
    AVX_PSUBSB = AVX_66(0xe8),
    AVX_PSUBSW = AVX_66(0xe9),
    AVX_PSUBUSB = AVX_66(0xd8),
    AVX_PSUBUSW = AVX_66(0xd9),
    AVX_PMULLW = AVX_66(0xd5),
    AVX_PMULHW = AVX_66(0xe5),
    AVX_PMULHUW = AVX_66(0xe4),
    AVX_PMULHRSW = AVX_38(0x0b),
    AVX_PMULLD = AVX_38(0x40),
    AVX_PMULUDQ = AVX_66(0xf4),
    AVX_PMULDQ = AVX_38(0x28),
    AVX_PMADDWD = AVX_66(0xf5),
    AVX_PMADDUBSW = AVX_38(0x04), /* vvvv is unsigned */
    AVX_PHADDD = AVX_38(0x02),
    AVX_PSADBW = AVX_66(0xf6),
    AVX_PAVGB = AVX_66(0xe0),
    AVX_PAVGW = AVX_66(0xe3),
    AVX_PAND = AVX_66(0xdb),
    AVX_PANDN = AVX_66(0xdf), /* ~vvvv & r/m */
    AVX_POR = AVX_66(0xeb),
    AVX_PXOR = AVX_66(0xef),
    AVX_PCMPEQB = AVX_66(0x74),
    AVX_PCMPEQW = AVX_66(0x75),
    AVX_PCMPEQD = AVX_66(0x76),
    AVX_PCMPEQQ = AVX_38(0x29),
    AVX_PCMPGTB = AVX_66(0x64),
    AVX_PCMPGTW = AVX_66(0x65),
    AVX_PCMPGTD = AVX_66(0x66),
    AVX_PCMPGTQ = AVX_38(0x37),
    AVX_PMINSB = AVX_38(0x38),
    AVX_PMINSW = AVX_66(0xea),
    AVX_PMINSD = AVX_38(0x39),
    AVX_PMINUB = AVX_66(0xda),
    AVX_PMINUW = AVX_38(0x3a),
    AVX_PMINUD = AVX_38(0x3b),
    AVX_PMAXSB = AVX_38(0x3c),
    AVX_PMAXSW = AVX_66(0xee),
    AVX_PMAXSD = AVX_38(0x3d),
    AVX_PMAXUB = AVX_66(0xde),
    AVX_PMAXUW = AVX_38(0x3e),
    AVX_PMAXUD = AVX_38(0x3f),
    AVX_PABSB = AVX_38(0x1c),
    AVX_PABSW = AVX_38(0x1d),
    AVX_PABSD = AVX_38(0x1e),
    AVX_PTEST = AVX_38(0x17),

    /* Shuffles */
    AVX_PUNPCKLBW = AVX_66(0x60),
    AVX_PUNPCKLWD = AVX_66(0x61),
    AVX_PUNPCKLDQ = AVX_66(0x62),
    AVX_PUNPCKLQDQ = AVX_66(0x6c),
    AVX_PUNPCKHBW = AVX_66(0x68),
    AVX_PUNPCKHWD = AVX_66(0x69),
    AVX_PUNPCKHDQ = AVX_66(0x6a),
    AVX_PUNPCKHQDQ = AVX_66(0x6d),
    AVX_PACKSSWB = AVX_66(0x63),
    AVX_PACKSSDW = AVX_66(0x6b),
    AVX_PACKUSWB = AVX_66(0x67),
    AVX_PACKUSDW = AVX_38(0x2b),
    AVX_PMOVSXBW = AVX_38(0x20),
    AVX_PMOVSXWD = AVX_38(0x23),
    AVX_PMOVSXDQ = AVX_38(0x25),
    AVX_PMOVZXBW = AVX_38(0x30),
    AVX_PMOVZXWD = AVX_38(0x33),
    AVX_PMOVZXDQ = AVX_38(0x35),
    AVX_PSHUFB = AVX_38(0x00),
    AVX_PSHUFD = AVX_66(0x70),
    AVX_PSHUFLW = AVX_F2(0x70),
    AVX_PSHUFHW = AVX_F3(0x70),
    AVX_SHUFPS = 0xc6 | X64_0F,
    AVX_PBLENDW = AVX_3A(0x0e),
    AVX_PALIGNR = AVX_3A(0x0f), /* bytes of vvvv:rm from imm8 on */
};

/* By an immediate: opcode and /n, for x64_avx_shift(). */
enum x64_avx_shift {
    AVX_PSRLW = 0x7102,
    AVX_PSRAW = 0x7104,
    AVX_PSLLW = 0x7106,
    AVX_PSRLD = 0x7202,
    AVX_PSRAD = 0x7204,
    AVX_PSLLD = 0x7206,
    AVX_PSRLQ = 0x7302,
    AVX_PSRLDQ = 0x7303, /* bytes, of the whole register */
    AVX_PSLLQ = 0x7306,
};

enum x64_avx_cmp { AVX_EQ, AVX_LT, AVX_LE, AVX_UNORD };

static inline void x64_avx_shift(struct x64 *e, enum x64_avx_shift sh, unsigned dest, unsigned src,
                                 unsigned n)
{
    x64_vex_rr(e, AVX_66((unsigned)sh >> 8), 0, sh & 7, dest, src);
    x64_b(e, n);
}
