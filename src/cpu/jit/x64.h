/*
 * An assembler for x86-64: each function appends one instruction at e->at.
 *
 * An opcode is its last byte with the bits below for map, prefix and width. Operands stand in the
 * order of the manual for "reg, r/m": the register field, then register or memory. Nobody checks
 * for room: the translator keeps X64_INSN_MAX bytes a piece free.
 *
 * (Intel SDM volume 2, chapter 2: prefixes, ModRM, SIB, VEX.)
 */
#pragma once

#include <assert.h>

#include "base/bits.h"

#define X64_INSN_MAX 15

enum x64_reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* Condition codes of Jcc, SETcc, CMOVcc. */
enum x64_cc {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G,
};

enum {
    X64_0F = 0x100,   /* map 0F */
    X64_0F38 = 0x200, /* map 0F 38 */
    X64_0F3A = 0x400, /* map 0F 3A */
    X64_66 = 0x1000,  /* prefixes */
    X64_F3 = 0x2000,
    X64_F2 = 0x4000,
    X64_BYTE = 0x8000, /* the register field is an 8-bit register */
};

/* "reg, r/m" unless the name says otherwise. */
enum x64_op {
    OP_ADD = 0x03,
    OP_OR = 0x0b,
    OP_ADC = 0x13,
    OP_SBB = 0x1b,
    OP_AND = 0x23,
    OP_SUB = 0x2b,
    OP_XOR = 0x33,
    OP_CMP = 0x3b,
    OP_MOV = 0x8b,
    OP_LEA = 0x8d,
    OP_TEST = 0x85,
    OP_MOVSXD = 0x63,
    OP_XCHG = 0x87,
    OP_MOV_ST = 0x89,             /* r/m, reg */
    OP_MOV_ST8 = 0x88 | X64_BYTE, /* r/m, reg */
    OP_MOV_ST16 = 0x89 | X64_66,  /* r/m, reg */
    OP_IMUL = 0xaf | X64_0F,
    OP_MOVZX8 = 0xb6 | X64_0F | X64_BYTE,
    OP_MOVZX16 = 0xb7 | X64_0F,
    OP_MOVSX8 = 0xbe | X64_0F | X64_BYTE,
    OP_MOVSX16 = 0xbf | X64_0F,
    OP_BT = 0xa3 | X64_0F, /* r/m, reg */
    OP_BSR = 0xbd | X64_0F,
    OP_LZCNT = 0xbd | X64_0F | X64_F3,
    OP_CMOV = 0x40 | X64_0F, /* + condition */
    OP_SHLD = 0xa5 | X64_0F,
    OP_SHRD = 0xad | X64_0F, /* r/m, reg, cl */
    OP_CMPXCHG = 0xb1 | X64_0F,
    OP_XADD = 0xc1 | X64_0F,
    OP_CMPXCHG8 = 0xb0 | X64_0F | X64_BYTE,
    OP_XADD8 = 0xc0 | X64_0F | X64_BYTE,
    OP_CMPXCHG16 = 0xb1 | X64_0F | X64_66,
    OP_XADD16 = 0xc1 | X64_0F | X64_66,
    OP_CRC32 = 0xf1 | X64_0F38 | X64_F2,
    OP_CRC32_8 = 0xf0 | X64_0F38 | X64_F2 | X64_BYTE,
    OP_CRC32_16 = 0xf1 | X64_0F38 | X64_F2 | X64_66,
    OP_MOVBE = 0xf0 | X64_0F38,
};

/* /n in the register field of group opcodes. */
enum x64_group { G_ADD, G_OR, G_ADC, G_SBB, G_AND, G_SUB, G_XOR, G_CMP };
enum x64_shift { SH_ROL, SH_ROR, SH_RCL, SH_RCR, SH_SHL, SH_SHR, SH_SAR = 7 };
enum x64_unary { UN_NOT = 2, UN_NEG, UN_MUL, UN_IMUL, UN_DIV, UN_IDIV };

struct x64 {
    uint8_t *at;
};

static inline void x64_b(struct x64 *e, unsigned byte)
{
    *e->at++ = (uint8_t)byte;
}

static inline void x64_d(struct x64 *e, uint32_t val)
{
    memcpy(e->at, &val, sizeof(val));
    e->at += sizeof(val);
}

static inline void x64_q(struct x64 *e, uint64_t val)
{
    memcpy(e->at, &val, sizeof(val));
    e->at += sizeof(val);
}

/* Prefixes, REX and the opcode. */
static inline void x64_head(struct x64 *e, unsigned op, unsigned w, unsigned reg, unsigned index,
                            unsigned base)
{
    unsigned rex = w << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;

    if (op & X64_66)
        x64_b(e, 0x66);
    if (op & X64_F3)
        x64_b(e, 0xf3);
    if (op & X64_F2)
        x64_b(e, 0xf2);
    if (rex || (op & X64_BYTE))
        x64_b(e, 0x40 | rex);
    if (op & (X64_0F | X64_0F38 | X64_0F3A))
        x64_b(e, 0x0f);
    if (op & X64_0F38)
        x64_b(e, 0x38);
    if (op & X64_0F3A)
        x64_b(e, 0x3a);
    x64_b(e, op);
}

/* ModRM and displacement of [base + disp]. */
static inline void x64_mem(struct x64 *e, unsigned reg, unsigned base, int32_t disp)
{
    unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : disp == (int8_t)disp ? 1 : 2;

    x64_b(e, mod << 6 | (reg & 7) << 3 | (base & 7));
    if ((base & 7) == RSP)
        x64_b(e, 0x24);
    if (mod == 1)
        x64_b(e, (uint8_t)disp);
    else if (mod == 2)
        x64_d(e, (uint32_t)disp);
}

/* ModRM, SIB and displacement of [base + (index << scale) + disp]; index is not RSP. */
static inline void x64_memx(struct x64 *e, unsigned reg, unsigned base, unsigned index,
                            unsigned scale, int32_t disp)
{
    unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : disp == (int8_t)disp ? 1 : 2;

    assert(index != RSP);
    x64_b(e, mod << 6 | (reg & 7) << 3 | 4);
    x64_b(e, scale << 6 | (index & 7) << 3 | (base & 7));
    if (mod == 1)
        x64_b(e, (uint8_t)disp);
    else if (mod == 2)
        x64_d(e, (uint32_t)disp);
}

/* op reg, rm */
static inline void x64_rr(struct x64 *e, unsigned op, unsigned w, unsigned reg, unsigned rm)
{
    x64_head(e, op, w, reg, 0, rm);
    x64_b(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* op reg, [base + disp] */
static inline void x64_rm(struct x64 *e, unsigned op, unsigned w, unsigned reg, unsigned base,
                          int32_t disp)
{
    x64_head(e, op, w, reg, 0, base);
    x64_mem(e, reg, base, disp);
}

/* op reg, [base + (index << scale) + disp] */
static inline void x64_rmx(struct x64 *e, unsigned op, unsigned w, unsigned reg, unsigned base,
                           unsigned index, unsigned scale, int32_t disp)
{
    x64_head(e, op, w, reg, index, base);
    x64_memx(e, reg, base, index, scale, disp);
}

/* Opcode with an immediate behind it: group 1 (ADD .. CMP) on a register. */
static inline void x64_ri(struct x64 *e, enum x64_group g, unsigned w, unsigned rm, int32_t imm)
{
    bool narrow = imm == (int8_t)imm;

    x64_head(e, narrow ? 0x83 : 0x81, w, 0, 0, rm);
    x64_b(e, 0xc0 | g << 3 | (rm & 7));
    if (narrow)
        x64_b(e, (uint8_t)imm);
    else
        x64_d(e, (uint32_t)imm);
}

/* The same on memory. */
static inline void x64_mi(struct x64 *e, enum x64_group g, unsigned w, unsigned base, int32_t disp,
                          int32_t imm)
{
    bool narrow = imm == (int8_t)imm;

    x64_head(e, narrow ? 0x83 : 0x81, w, 0, 0, base);
    x64_mem(e, g, base, disp);
    if (narrow)
        x64_b(e, (uint8_t)imm);
    else
        x64_d(e, (uint32_t)imm);
}

static inline void x64_test_ri(struct x64 *e, unsigned w, unsigned rm, uint32_t imm)
{
    x64_head(e, 0xf7, w, 0, 0, rm);
    x64_b(e, 0xc0 | (rm & 7));
    x64_d(e, imm);
}

/* test dword [base + disp], imm */
static inline void x64_test_mi(struct x64 *e, unsigned base, int32_t disp, uint32_t imm)
{
    x64_head(e, 0xf7, 0, 0, 0, base);
    x64_mem(e, 0, base, disp);
    x64_d(e, imm);
}

/* mov dword/qword [base + disp], imm (sign-extended) */
static inline void x64_mov_mi(struct x64 *e, unsigned w, unsigned base, int32_t disp, int32_t imm)
{
    x64_head(e, 0xc7, w, 0, 0, base);
    x64_mem(e, 0, base, disp);
    x64_d(e, (uint32_t)imm);
}

/* mov byte [base + disp], imm */
static inline void x64_mov_m8(struct x64 *e, unsigned base, int32_t disp, unsigned imm)
{
    x64_head(e, 0xc6, 0, 0, 0, base);
    x64_mem(e, 0, base, disp);
    x64_b(e, imm);
}

/* The shortest mov of a constant that leaves the flags alone. */
static inline void x64_mov_imm(struct x64 *e, unsigned reg, uint64_t imm)
{
    if (imm == (uint32_t)imm) {
        x64_head(e, 0xb8 | (reg & 7), 0, 0, 0, reg);
        x64_d(e, (uint32_t)imm);
    } else if ((int64_t)imm == (int32_t)imm) {
        x64_head(e, 0xc7, 1, 0, 0, reg);
        x64_b(e, 0xc0 | (reg & 7));
        x64_d(e, (uint32_t)imm);
    } else {
        x64_head(e, 0xb8 | (reg & 7), 1, 0, 0, reg);
        x64_q(e, imm);
    }
}

static inline void x64_shift_i(struct x64 *e, enum x64_shift sh, unsigned w, unsigned rm,
                               unsigned n)
{
    x64_head(e, 0xc1, w, 0, 0, rm);
    x64_b(e, 0xc0 | sh << 3 | (rm & 7));
    x64_b(e, n);
}

static inline void x64_shift_cl(struct x64 *e, enum x64_shift sh, unsigned w, unsigned rm)
{
    x64_head(e, 0xd3, w, 0, 0, rm);
    x64_b(e, 0xc0 | sh << 3 | (rm & 7));
}

static inline void x64_unary(struct x64 *e, enum x64_unary un, unsigned w, unsigned rm)
{
    x64_head(e, 0xf7, w, 0, 0, rm);
    x64_b(e, 0xc0 | un << 3 | (rm & 7));
}

static inline void x64_bswap(struct x64 *e, unsigned w, unsigned rm)
{
    x64_head(e, 0xc8 | (rm & 7) | X64_0F, w, 0, 0, rm);
}

static inline void x64_bt_i(struct x64 *e, unsigned w, unsigned rm, unsigned bit)
{
    x64_head(e, 0xba | X64_0F, w, 0, 0, rm);
    x64_b(e, 0xc0 | 4 << 3 | (rm & 7));
    x64_b(e, bit);
}

static inline void x64_bt_mi(struct x64 *e, unsigned w, unsigned base, int32_t disp, unsigned bit)
{
    x64_head(e, 0xba | X64_0F, w, 0, 0, base);
    x64_mem(e, 4, base, disp);
    x64_b(e, bit);
}

static inline void x64_setcc(struct x64 *e, enum x64_cc cc, unsigned rm)
{
    x64_head(e, 0x90 | cc | X64_0F | X64_BYTE, 0, 0, 0, rm);
    x64_b(e, 0xc0 | (rm & 7));
}

static inline void x64_cmov(struct x64 *e, enum x64_cc cc, unsigned w, unsigned reg, unsigned rm)
{
    x64_rr(e, OP_CMOV | cc, w, reg, rm);
}

/* VEX: op reg, vvvv, rm (register or memory); L = 0. */
static inline void x64_vex_head(struct x64 *e, unsigned op, unsigned w, unsigned reg, unsigned vvvv,
                                unsigned index, unsigned base)
{
    unsigned map = op & X64_0F38 ? 2 : op & X64_0F3A ? 3 : 1;
    unsigned pp = op & X64_66 ? 1 : op & X64_F3 ? 2 : op & X64_F2 ? 3 : 0;

    x64_b(e, 0xc4);
    x64_b(e, (~reg & 8) << 4 | (~index & 8) << 3 | (~base & 8) << 2 | map);
    x64_b(e, w << 7 | (~vvvv & 15) << 3 | pp);
    x64_b(e, op);
}

static inline void x64_vex_rr(struct x64 *e, unsigned op, unsigned w, unsigned reg, unsigned vvvv,
                              unsigned rm)
{
    x64_vex_head(e, op, w, reg, vvvv, 0, rm);
    x64_b(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void x64_vex_rm(struct x64 *e, unsigned op, unsigned w, unsigned reg, unsigned vvvv,
                              unsigned base, int32_t disp)
{
    x64_vex_head(e, op, w, reg, vvvv, 0, base);
    x64_mem(e, reg, base, disp);
}

/* op reg, vvvv, [rip to target]; nothing may follow in the instruction. */
static inline void x64_vex_rip(struct x64 *e, unsigned op, unsigned w, unsigned reg, unsigned vvvv,
                               const uint8_t *target)
{
    x64_vex_head(e, op, w, reg, vvvv, 0, 0);
    x64_b(e, (reg & 7) << 3 | 5);
    x64_d(e, (uint32_t)(target - (e->at + 4)));
}
