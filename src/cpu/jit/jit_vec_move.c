/* Emitters: vector immediates, copies between elements and general registers, permutations, tables
 * (Arm DDI 0487, C7.2). */
#include "cpu/jit/jit_vec_row.h"

static unsigned use(struct jit_tran *t, unsigned r)
{
    return jit_xmm_use(t, r, 16);
}

static void define(struct jit_tran *t, unsigned x)
{
    jit_xmm_def_cut(t, jit_insn(t)->rd, x, simd_bytes(jit_insn(t)));
}

/* Bytes of an instruction whose immediate slot has none: by Q. */
static unsigned bytes_by_q(const struct jit_tran *t)
{
    return jit_insn(t)->raw & BIT(30) ? 16 : 8;
}

bool jit_vec_imm(struct jit_tran *t, const struct jit_vec *row)
{
    unsigned x = jit_xmm_new(t);

    (void)row;
    jit_xmm_imm(t, x, (uint64_t)jit_insn(t)->imm);
    jit_xmm_def_cut(t, jit_insn(t)->rd, x, bytes_by_q(t));
    return true;
}

/* BIC has its immediate inverted. */
bool jit_vec_logic_imm(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned d = use(t, i->rd), x = jit_xmm_new(t);

    (void)row;
    jit_xmm_imm(t, XT0, (uint64_t)i->imm);
    avx(t, i->raw & BIT(29) ? AVX_PAND : AVX_POR, x, d, XT0);
    jit_xmm_def_cut(t, i->rd, x, bytes_by_q(t));
    return true;
}

bool jit_vec_dup(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned a = use(t, i->rn), x = jit_xmm_new(t);

    (void)row;
    jit_xmm_dup(t, x, a, simd_size(i), simd_arg(i));
    define(t, x);
    return true;
}

bool jit_vec_dup_general(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), x = jit_xmm_new(t);

    (void)row;
    x64_vex_rr(&t->e, AVX_MOVD, size == SIMD_D, x, 0, jit_use(t, size == SIMD_D, RAX, i->rn));
    jit_xmm_dup(t, x, x, size, 0);
    define(t, x);
    return true;
}

/* dest = d with an element replaced by the low bits of a host register. */
static void emit_insert(struct jit_tran *t, unsigned dest, unsigned d, unsigned host, unsigned size,
                        unsigned index)
{
    static const uint16_t ops[] = { AVX_PINSRB, AVX_PINSRW, AVX_PINSRD, AVX_PINSRD };

    x64_vex_rr(&t->e, ops[size], size == SIMD_D, dest, d, host);
    x64_b(&t->e, index);
}

bool jit_vec_insert_general(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned d = use(t, i->rd), x = jit_xmm_new(t), size = simd_size(i);

    (void)row;
    emit_insert(t, x, d, jit_use(t, size == SIMD_D, RAX, i->rn), size, simd_arg(i));
    jit_xmm_def(t, i->rd, x, 16);
    return true;
}

/* RAX or another = an element, extended. From struct cpu, where it is at an address of its own. */
static void emit_element(struct jit_tran *t, unsigned host, unsigned size, unsigned index,
                         bool is_signed, unsigned w)
{
    static const uint16_t ops[2][4] = { { OP_MOVZX8, OP_MOVZX16, OP_MOV, OP_MOV },
                                        { OP_MOVSX8, OP_MOVSX16, OP_MOVSXD, OP_MOV } };

    x64_rm(&t->e, ops[is_signed][size], w, host, RBP,
           jit_v_at(jit_insn(t)->rn) + (int32_t)(index << size));
}

bool jit_vec_insert(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), to = simd_arg(i) & 0xff, from = simd_arg(i) >> 8;
    unsigned d = use(t, i->rd), x, a;

    (void)row;
    if (size == SIMD_S) {
        a = use(t, i->rn);
        x = jit_xmm_new(t);
        avx_i(t, AVX_INSERTPS, x, d, a, from << 6 | to << 4);
    } else {
        x = jit_xmm_new(t);
        emit_element(t, RAX, size, from, false, size == SIMD_D);
        emit_insert(t, x, d, RAX, size, to);
    }
    jit_xmm_def(t, i->rd, x, 16);
    return true;
}

/* SMOV, UMOV. */
bool jit_vec_to_general(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), dest = jit_dest(i->rd, RAX);
    unsigned w = row->how ? i->raw >> 30 & 1 : size == SIMD_D;

    emit_element(t, dest, size, simd_arg(i), row->how, w);
    jit_put(t, i->rd, dest);
    return true;
}

bool jit_vec_ext(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned a = use(t, i->rn), b = use(t, i->rm), x = jit_xmm_new(t);

    (void)row;
    if (simd_bytes(i) == 16) {
        avx_i(t, AVX_PALIGNR, x, b, a, simd_arg(i));
    } else {
        avx(t, AVX_PUNPCKLQDQ, x, a, b);
        x64_avx_shift(&t->e, AVX_PSRLDQ, x, x, simd_arg(i));
    }
    define(t, x);
    return true;
}

static void emit_zip(struct jit_tran *t, unsigned x, unsigned a, unsigned b, bool second)
{
    static const uint16_t low[] = { AVX_PUNPCKLBW, AVX_PUNPCKLWD, AVX_PUNPCKLDQ, AVX_PUNPCKLQDQ };
    static const uint16_t high[] = { AVX_PUNPCKHBW, AVX_PUNPCKHWD, AVX_PUNPCKHDQ, AVX_PUNPCKHQDQ };
    unsigned size = simd_size(jit_insn(t));

    if (simd_bytes(jit_insn(t)) == 16) {
        avx(t, second ? high[size] : low[size], x, a, b);
        return;
    }
    avx(t, low[size], x, a, b);
    if (second)
        x64_avx_shift(&t->e, AVX_PSRLDQ, x, x, 8);
}

static void emit_transpose(struct jit_tran *t, unsigned x, unsigned a, unsigned b, bool second)
{
    unsigned size = simd_size(jit_insn(t)), bits = 8u << size;
    struct x64 *e = &t->e;

    if (size == SIMD_D) {
        avx(t, second ? AVX_PUNPCKHQDQ : AVX_PUNPCKLQDQ, x, a, b);
        return;
    }
    if (second) {
        x64_avx_shift(e, jit_vec_right(size + 1, false), XT0, a, bits);
        a = XT0;
    } else {
        x64_avx_shift(e, jit_vec_left(size + 1), XT0, b, bits);
        b = XT0;
    }
    if (size == SIMD_B) { /* the lower bytes of a, the upper ones of b */
        avx_const(t, AVX_MOVAPS, XT1, 0, JC_LOW_B);
        avx(t, AVX_PAND, x, XT1, a);
        avx(t, AVX_PANDN, XT1, XT1, b);
        avx(t, AVX_POR, x, x, XT1);
    } else {
        avx_i(t, AVX_PBLENDW, x, a, b, size == SIMD_H ? 0xaa : 0xcc);
    }
}

bool jit_vec_permute(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned a = use(t, i->rn), b = use(t, i->rm), x = jit_xmm_new(t);
    bool second = row->how & PERMUTE_SECOND;

    if (row->how & PERMUTE_ZIP)
        emit_zip(t, x, a, b, second);
    else if (row->how & PERMUTE_TRN)
        emit_transpose(t, x, a, b, second);
    else
        jit_vec_unzip(t, x, a, b, simd_size(i), simd_bytes(i), second);
    define(t, x);
    return true;
}

/* op: the constants to shuffle by, plus 1. Words are another shuffle. */
bool jit_vec_reverse(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned size = simd_size(i), a, x;

    if (size < SIMD_S && !row->op[size])
        return false;
    a = use(t, i->rn);
    x = jit_xmm_new(t);
    if (size == SIMD_S) {
        avx2(t, AVX_PSHUFD, x, a);
        x64_b(&t->e, 0xb1);
    } else {
        avx_const(t, AVX_PSHUFB, x, a, (enum jit_const)(row->op[size] - 1));
    }
    define(t, x);
    return true;
}

/* An index past 15 must have its top bit set: by a saturating addition. Each further table of the
 * four takes 16 from the indices. TBX keeps the bytes of indices
 * past all tables. */
bool jit_vec_table(struct jit_tran *t, const struct jit_vec *row)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned tables = simd_arg(i), m = use(t, i->rm), x = jit_xmm_new(t);
    unsigned d = row->how ? use(t, i->rd) : 0;

    avx2(t, AVX_MOVAPS, XT2, m);
    for (unsigned k = 0; k < tables; k++) {
        unsigned a = use(t, (i->rn + k) % 32);

        if (k)
            avx_const(t, AVX_PSUBB, XT2, XT2, JC_SIXTEEN);
        avx_const(t, AVX_PADDUSB, XT0, XT2, JC_TABLE);
        avx(t, AVX_PSHUFB, k ? XT1 : x, a, XT0);
        if (k)
            avx(t, AVX_POR, x, x, XT1);
    }
    if (row->how) { /* m is past the tables where it is the greater of m and their size */
        jit_xmm_imm(t, XT0, 16 * tables * UINT64_C(0x0101010101010101));
        avx(t, AVX_PMAXUB, XT0, XT0, m);
        avx(t, AVX_PCMPEQB, XT0, XT0, m);
        avx(t, AVX_PAND, XT0, XT0, d);
        avx(t, AVX_POR, x, x, XT0);
    }
    define(t, x);
    return true;
}
