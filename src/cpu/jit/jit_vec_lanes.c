/* Emitters: integer vectors, lane by lane (Arm DDI 0487, C7.2). What x86 lacks for an element size
 * is made of two or three instructions where that is short, and left to the handler elsewhere. */
#include "cpu/jit/jit_xmm.h"

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

/* how: what is made of the instructions in op, which compare a and b, or choose the greater. */
enum { CMP_GREATER, CMP_GREATER_EQUAL, CMP_HIGHER, CMP_HIGHER_SAME, CMP_TEST };

bool jit_vec_compare(struct jit_tran *t, const struct jit_vec *row)
{
    unsigned size = simd_size(jit_insn(t)), op = row->op[size], a, b, x;

    if (!op)
        return false;
    a = use(t, jit_insn(t)->rn);
    b = use(t, jit_insn(t)->rm);
    x = jit_xmm_new(t);
    switch (row->how) {
    case CMP_GREATER:
        avx(t, op, x, a, b);
        break;
    case CMP_GREATER_EQUAL:
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

/* With zero. how: bit 0 swaps, bit 1 inverts. */
bool jit_vec_compare0(struct jit_tran *t, const struct jit_vec *row)
{
    unsigned op = row->op[simd_size(jit_insn(t))], a = use(t, jit_insn(t)->rn);
    unsigned x = jit_xmm_new(t);

    avx_zero(t, XT1);
    avx(t, op, x, row->how & 1 ? XT1 : a, row->how & 1 ? a : XT1);
    if (row->how & 2)
        emit_not(t, x);
    define(t, x);
    return true;
}

/* how: which of the eight. */
enum { LOGIC_BIC, LOGIC_ORN, LOGIC_BSL, LOGIC_BIT, LOGIC_BIF };

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

enum { UNARY_NEG, UNARY_ABS, UNARY_NOT };

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

/* SABD, UABD and with accumulation. how: bit 0 signed, bit 1 accumulates. */
bool jit_vec_diff(struct jit_tran *t, const struct jit_vec *row)
{
    static const uint16_t max[2][3] = { { AVX_PMAXUB, AVX_PMAXUW, AVX_PMAXUD },
                                        { AVX_PMAXSB, AVX_PMAXSW, AVX_PMAXSD } };
    static const uint16_t min[2][3] = { { AVX_PMINUB, AVX_PMINUW, AVX_PMINUD },
                                        { AVX_PMINSB, AVX_PMINSW, AVX_PMINSD } };
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), sign = row->how & 1, a = use(t, i->rn), b = use(t, i->rm);
    unsigned d = row->how & 2 ? use(t, i->rd) : 0, x = jit_xmm_new(t);

    avx(t, max[sign][size], x, a, b);
    avx(t, min[sign][size], XT0, a, b);
    avx(t, jit_vec_sub[size], x, x, XT0);
    if (row->how & 2)
        avx(t, jit_vec_add[size], x, x, d);
    define(t, x);
    return true;
}

/* Saturating, of bytes and halfwords; how: the plain operation subtracts. Where both results differ
 * something has saturated. */
bool jit_vec_saturate(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), op = row->op[size], a, b, x;
    struct x64 *e = &t->e;
    uint8_t *none;

    if (!op || simd_bytes(i) < 8)
        return false;
    jit_spoil(t);
    a = use(t, i->rn);
    b = use(t, i->rm);
    x = jit_xmm_new(t);
    avx(t, op, x, a, b);
    avx(t, row->how ? jit_vec_sub[size] : jit_vec_add[size], XT0, a, b);
    avx(t, AVX_PXOR, XT0, XT0, x);
    if (simd_bytes(i) == 8)
        avx2(t, AVX_MOVQ, XT0, XT0);
    define(t, x);
    avx2(t, AVX_PTEST, XT0, XT0);
    none = x64_jcc8(e, CC_E);
    x64_mi(e, G_OR, 0, RBP, JIT_AT(fpsr), (int32_t)FPSR_QC);
    x64_bind8(e, none);
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
