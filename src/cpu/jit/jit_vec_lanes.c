/* Emitters: integer vectors, lane by lane (Arm DDI 0487, C7.2). What x86 lacks for an element size
 * is made of two or three instructions where that is short, and left to the handler elsewhere. */
#include "cpu/jit/jit_vec_row.h"

const uint16_t jit_vec_add[4] = { AVX_PADDB, AVX_PADDW, AVX_PADDD, AVX_PADDQ };
const uint16_t jit_vec_sub[4] = { AVX_PSUBB, AVX_PSUBW, AVX_PSUBD, AVX_PSUBQ };

static const uint16_t equal[4] = { AVX_PCMPEQB, AVX_PCMPEQW, AVX_PCMPEQD, AVX_PCMPEQQ };

static unsigned use(struct jit_tran *t, unsigned r)
{
    return jit_xmm_use(t, r, 16);
}

static void define(struct jit_tran *t, unsigned x)
{
    jit_xmm_def_cut(t, jit_insn(t)->rd, x, simd_bytes(jit_insn(t)));
}

static void emit_not(struct jit_tran *t, unsigned x)
{
    avx_ones(t, XT0);
    avx(t, AVX_PXOR, x, x, XT0);
}

/* One instruction of the host. */
bool jit_vec_same(struct jit_tran *t, const struct jit_vec *row)
{
    unsigned op = row->op[simd_size(jit_insn(t))], a, b, x;

    if (!op)
        return false;
    a = use(t, jit_insn(t)->rn);
    b = jit_xmm_rm(t, 16);
    x = jit_xmm_new(t);
    avx(t, op, x, a, b);
    define(t, x);
    return true;
}

/* op compares a and b, or chooses the greater. */
bool jit_vec_compare(struct jit_tran *t, const struct jit_vec *row)
{
    unsigned size = simd_size(jit_insn(t)), op = row->op[size], a, b, x;

    if (!op)
        return false;
    a = use(t, jit_insn(t)->rn);
    b = use(t, jit_insn(t)->rm);
    x = jit_xmm_new(t);
    switch (row->how) {
    case CMP_PLAIN:
        avx(t, op, x, a, b);
        break;
    case CMP_NOT_SWAPPED:
        avx(t, op, x, b, a);
        emit_not(t, x);
        break;
    case CMP_HIGHER: /* not b >= a */
        avx(t, op, x, a, b);
        avx(t, equal[size], x, x, b);
        emit_not(t, x);
        break;
    case CMP_HIGHER_SAME:
        avx(t, op, x, a, b);
        avx(t, equal[size], x, x, a);
        break;
    default:
        avx(t, AVX_PAND, x, a, b);
        avx_zero(t, XT0);
        avx(t, op, x, x, XT0);
        emit_not(t, x);
        break;
    }
    define(t, x);
    return true;
}

/* With zero. */
bool jit_vec_compare0(struct jit_tran *t, const struct jit_vec *row)
{
    unsigned op = row->op[simd_size(jit_insn(t))], a = use(t, jit_insn(t)->rn);
    unsigned x = jit_xmm_new(t);

    avx_zero(t, XT1);
    avx(t, op, x, row->how & CMP0_SWAP ? XT1 : a, row->how & CMP0_SWAP ? a : XT1);
    if (row->how & CMP0_NOT)
        emit_not(t, x);
    define(t, x);
    return true;
}

bool jit_vec_logic(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned a = use(t, i->rn), b = use(t, i->rm), d, x;

    d = row->how >= LOGIC_BSL ? use(t, i->rd) : 0;
    x = jit_xmm_new(t);
    switch (row->how) {
    case LOGIC_BIC:
        avx(t, AVX_PANDN, x, b, a);
        break;
    case LOGIC_ORN:
        avx_ones(t, XT0);
        avx(t, AVX_PXOR, XT0, XT0, b);
        avx(t, AVX_POR, x, a, XT0);
        break;
    case LOGIC_BSL:
        avx(t, AVX_PAND, XT0, d, a);
        avx(t, AVX_PANDN, x, d, b);
        avx(t, AVX_POR, x, x, XT0);
        break;
    case LOGIC_BIT:
        avx(t, AVX_PAND, XT0, b, a);
        avx(t, AVX_PANDN, x, b, d);
        avx(t, AVX_POR, x, x, XT0);
        break;
    default:
        avx(t, AVX_PANDN, XT0, b, a);
        avx(t, AVX_PAND, x, b, d);
        avx(t, AVX_POR, x, x, XT0);
        break;
    }
    define(t, x);
    return true;
}

bool jit_vec_unary(struct jit_tran *t, const struct jit_vec *row)
{
    unsigned size = simd_size(jit_insn(t)), a = use(t, jit_insn(t)->rn), x = jit_xmm_new(t);
    static const uint16_t absolute[] = { AVX_PABSB, AVX_PABSW, AVX_PABSD };

    if (row->how == UNARY_NOT) {
        avx_ones(t, XT0);
        avx(t, AVX_PXOR, x, a, XT0);
    } else if (row->how == UNARY_NEG) {
        avx_zero(t, XT0);
        avx(t, jit_vec_sub[size], x, XT0, a);
    } else if (size < SIMD_D) {
        avx2(t, absolute[size], x, a);
    } else { /* less its sign, in two's complement */
        avx_zero(t, XT0);
        avx(t, AVX_PCMPGTQ, XT0, XT0, a);
        avx(t, AVX_PXOR, x, a, XT0);
        avx(t, AVX_PSUBQ, x, x, XT0);
    }
    define(t, x);
    return true;
}

/* dest = a * b in bytes: odd and even ones apart. Uses XT0. */
static void emit_mul_bytes(struct jit_tran *t, unsigned dest, unsigned a, unsigned b)
{
    x64_avx_shift(&t->e, AVX_PSRLW, dest, a, 8);
    x64_avx_shift(&t->e, AVX_PSRLW, XT0, b, 8);
    avx(t, AVX_PMULLW, dest, dest, XT0);
    x64_avx_shift(&t->e, AVX_PSLLW, dest, dest, 8);
    avx(t, AVX_PMULLW, XT0, a, b);
    avx_const(t, AVX_PAND, XT0, XT0, JC_LOW_B);
    avx(t, AVX_POR, dest, dest, XT0);
}

/* MUL, MLA, MLS. op: what is done with the product. */
bool jit_vec_mul(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a = use(t, i->rn), b = jit_xmm_rm(t, 16);
    unsigned d = row->op[size] ? use(t, i->rd) : 0, x = jit_xmm_new(t);

    if (size == SIMD_B)
        emit_mul_bytes(t, x, a, b);
    else
        avx(t, size == SIMD_H ? AVX_PMULLW : AVX_PMULLD, x, a, b);
    if (row->op[size])
        avx(t, row->op[size], x, d, x);
    define(t, x);
    return true;
}

/* SABD, UABD and with accumulation. */
bool jit_vec_diff(struct jit_tran *t, const struct jit_vec *row)
{
    static const uint16_t max[2][3] = { { AVX_PMAXUB, AVX_PMAXUW, AVX_PMAXUD },
                                        { AVX_PMAXSB, AVX_PMAXSW, AVX_PMAXSD } };
    static const uint16_t min[2][3] = { { AVX_PMINUB, AVX_PMINUW, AVX_PMINUD },
                                        { AVX_PMINSB, AVX_PMINSW, AVX_PMINSD } };
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), sign = row->how & DIFF_SIGNED, a = use(t, i->rn),
             b = use(t, i->rm);
    unsigned d = row->how & DIFF_ADD ? use(t, i->rd) : 0, x = jit_xmm_new(t);

    avx(t, max[sign][size], x, a, b);
    avx(t, min[sign][size], XT0, a, b);
    avx(t, jit_vec_sub[size], x, x, XT0);
    if (row->how & DIFF_ADD)
        avx(t, jit_vec_add[size], x, x, d);
    define(t, x);
    return true;
}

/* SHADD, UHADD and the rounding ones, of bytes and halfwords. Signed ones are unsigned ones with
 * another sign. The host's average rounds up. */
bool jit_vec_halving(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), op = row->op[size], a, b, x;

    if (!op)
        return false;
    a = use(t, i->rn);
    b = use(t, i->rm);
    x = jit_xmm_new(t);
    if (row->how & HALVING_SIGNED) {
        jit_xmm_imm(t, XT0, size == SIMD_B ? 0x8080808080808080 : 0x8000800080008000);
        avx(t, AVX_PXOR, XT1, XT0, a);
        avx(t, AVX_PXOR, XT2, XT0, b);
        avx(t, op, x, XT1, XT2);
        avx(t, AVX_PXOR, x, x, XT0);
    } else {
        avx(t, op, x, a, b);
    }
    if (row->how & HALVING_DOWN) {
        avx(t, AVX_PXOR, XT0, a, b);
        avx_const(t, AVX_PAND, XT0, XT0, size == SIMD_B ? JC_ONE_B : JC_ONE_H);
        avx(t, jit_vec_sub[size], x, x, XT0);
    }
    define(t, x);
    return true;
}

/* CNT: the bits of both halves of a byte, from a table. */
bool jit_vec_count(struct jit_tran *t, const struct jit_vec *row)
{
    unsigned a = use(t, jit_insn(t)->rn), x = jit_xmm_new(t);

    (void)row;
    avx_const(t, AVX_MOVAPS, XT0, 0, JC_NIBBLE);
    avx_const(t, AVX_MOVAPS, XT1, 0, JC_COUNT);
    avx(t, AVX_PAND, x, a, XT0);
    avx(t, AVX_PSHUFB, x, XT1, x);
    x64_avx_shift(&t->e, AVX_PSRLW, XT2, a, 4);
    avx(t, AVX_PAND, XT2, XT2, XT0);
    avx(t, AVX_PSHUFB, XT1, XT1, XT2);
    avx(t, AVX_PADDB, x, x, XT1);
    define(t, x);
    return true;
}
