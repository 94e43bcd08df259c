/* Emitters: scalar floating point (Arm DDI 0487, C7.2; a64_fp.decode), single and double precision
 * where FPCR asks for nothing special. jit_fp.c says when the host's result is taken. */
#include "cpu/jit/jit_scalar.h"

enum { SUM, PRODUCT, QUOTIENT };

static void emit_binary(struct jit_tran *t, unsigned op, unsigned kind, bool negate)
{
    unsigned size = jit_scalar_size(t), a, b, x;
    struct jit_fp fp = { .count = 0 };

    jit_spoil(t);
    jit_fp_inexact(t, &fp);
    a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t));
    b = jit_xmm_use(t, jit_insn(t)->rm, jit_scalar_bytes(t));
    x = jit_xmm_new(t);
    avx(t, jit_fp_scalar(op, size), x, a, b);
    if (kind == SUM)
        jit_fp_finite(t, &fp, x, size);
    else
        jit_scalar_normal(t, &fp, x, a, kind == QUOTIENT ? a : b);
    if (negate)
        avx_const(t, AVX_XOR, x, x, size == SIMD_D ? JC_SIGN_D1 : JC_SIGN_S1);
    jit_scalar_def(t, x, a);
    jit_fp_end(t, &fp);
}

/* FMADD and its relatives, which differ in signs as those of FMA3 do. */
static bool emit_muladd(struct jit_tran *t, unsigned op)
{
    unsigned size = jit_scalar_size(t), a, b, d, x;
    struct jit_fp fp = { .count = 0 };

    if (!(t->jit->features & JIT_FMA))
        return false;
    jit_spoil(t);
    jit_fp_inexact(t, &fp);
    a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t));
    b = jit_xmm_use(t, jit_insn(t)->rm, jit_scalar_bytes(t));
    d = jit_xmm_use(t, jit_insn(t)->ra, jit_scalar_bytes(t));
    x = jit_xmm_new(t);
    avx2(t, AVX_MOVAPS, x, d);
    x64_vex_rr(&t->e, op + 1, size == SIMD_D, x, a, b);
    jit_scalar_normal(t, &fp, x, a, b);
    jit_scalar_def(t, x, d);
    jit_fp_end(t, &fp);
    return true;
}

static void emit_sqrt(struct jit_tran *t)
{
    unsigned size = jit_scalar_size(t), a, x;
    struct jit_fp fp = { .count = 0 };

    jit_spoil(t);
    jit_fp_inexact(t, &fp);
    a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t));
    x = jit_xmm_new(t);
    avx(t, jit_fp_scalar(AVX_SQRT, size), x, a, a);
    jit_fp_finite(t, &fp, x, size); /* no root is small but that of a zero, which is exact */
    jit_scalar_def(t, x, a);
    jit_fp_end(t, &fp);
}

/* EFLAGS.PF: one is a NaN. */
static void emit_compare(struct jit_tran *t, unsigned a, unsigned b)
{
    x64_vex_rr(&t->e, jit_scalar_size(t) == SIMD_D ? AVX_UCOMI | X64_66 : AVX_UCOMI, 0, a, 0, b);
}

/* Both orders differ for two zeros, whose signs then decide. Exact. */
static void emit_minmax(struct jit_tran *t, unsigned op, unsigned combine)
{
    unsigned size = jit_scalar_size(t), a, b, x;
    struct jit_fp fp = { .count = 0 };

    jit_spoil(t);
    a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t));
    b = jit_xmm_use(t, jit_insn(t)->rm, jit_scalar_bytes(t));
    emit_compare(t, a, b);
    jit_fp_unless(t, &fp, CC_P);
    x = jit_xmm_new(t);
    avx(t, jit_fp_scalar(op, size), x, a, b);
    avx(t, jit_fp_scalar(op, size), XT0, b, a);
    avx(t, combine, x, x, XT0);
    jit_xmm_cut(t, x, x, jit_scalar_bytes(t));
    jit_xmm_def(t, jit_insn(t)->rd, x, jit_scalar_bytes(t));
    jit_fp_end(t, &fp);
}

static void emit_move(struct jit_tran *t)
{
    unsigned a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t)), x = jit_xmm_new(t);

    if (t->xmm[a].used > jit_scalar_bytes(t))
        jit_xmm_cut(t, x, a, jit_scalar_bytes(t));
    else
        avx2(t, AVX_MOVAPS, x, a);
    jit_xmm_def(t, jit_insn(t)->rd, x, jit_scalar_bytes(t));
}

static void emit_abs_neg(struct jit_tran *t, bool neg)
{
    unsigned a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t)), x = jit_xmm_new(t);
    bool d = jit_scalar_size(t) == SIMD_D;

    if (neg)
        avx_const(t, AVX_XOR, x, a, d ? JC_SIGN_D1 : JC_SIGN_S1);
    else
        avx_const(t, AVX_AND, x, a, d ? JC_ABS_D : JC_ABS_S);
    jit_scalar_def(t, x, a);
}

static void emit_imm(struct jit_tran *t)
{
    unsigned x = jit_xmm_new(t);
    uint64_t imm = (uint64_t)jit_insn(t)->imm;

    x64_mov_imm(&t->e, RAX, imm);
    x64_vex_rr(&t->e, AVX_MOVD, 1, x, 0, RAX);
    jit_xmm_def(t, jit_insn(t)->rd, x, 8);
}

/* A way of the comparison that leaves EFLAGS as an integer subtraction would: less is 0 - 1, equal
 * 1 - 1, greater 1 - 0. */
static void emit_flags(struct jit_tran *t, struct jit_fp *fp, unsigned a, unsigned b)
{
    struct x64 *e = &t->e;

    emit_compare(t, a, b);
    jit_fp_unless(t, fp, CC_P);
    x64_setcc(e, CC_AE, RAX);
    x64_setcc(e, CC_BE, RCX);
    x64_b(e, 0x3a); /* cmp al, cl */
    x64_b(e, 0xc0 | RAX << 3 | RCX);
}

static void emit_fcmp(struct jit_tran *t, bool zero)
{
    struct jit_fp fp = { .count = 0 };
    unsigned a, b = XT0;

    jit_spoil(t);
    a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t));
    if (zero)
        avx_zero(t, XT0);
    else
        b = jit_xmm_use(t, jit_insn(t)->rm, jit_scalar_bytes(t));
    emit_flags(t, &fp, a, b);
    jit_hold(t, JIT_FLAGS_SUB);
    jit_fp_end(t, &fp)->unordered = true;
}

/* The handler looks at the flags, too. */
static void emit_fccmp(struct jit_tran *t)
{
    unsigned cond = simd_arg(jit_insn(t)), a, b;
    uint8_t *otherwise = NULL, *done;
    struct jit_fp fp = { .count = 0 };
    struct x64 *e = &t->e;

    jit_settle(t);
    a = jit_xmm_use(t, jit_insn(t)->rn, jit_scalar_bytes(t));
    b = jit_xmm_use(t, jit_insn(t)->rm, jit_scalar_bytes(t));
    if (cond < 14)
        otherwise = x64_jcc8(e, (enum x64_cc)(jit_cond(t, cond) ^ 1));
    emit_flags(t, &fp, a, b);
    if (otherwise) {
        done = x64_jmp8(e);
        x64_bind8(e, otherwise);
        jit_flags_const(t, jit_insn(t)->raw & 15, JIT_FLAGS_SUB);
        x64_bind8(e, done);
    }
    jit_hold(t, JIT_FLAGS_SUB);
    jit_fp_end(t, &fp)->unordered = true;
}

static void emit_fcsel(struct jit_tran *t)
{
    unsigned cond = simd_arg(jit_insn(t)), bytes = jit_scalar_bytes(t), a, b, x;
    uint8_t *skip;

    a = jit_xmm_use(t, jit_insn(t)->rn, bytes);
    b = jit_xmm_use(t, jit_insn(t)->rm, bytes);
    x = jit_xmm_new(t);
    if (cond < 14) {
        avx2(t, AVX_MOVAPS, x, b);
        skip = x64_jcc8(&t->e, (enum x64_cc)(jit_cond(t, cond) ^ 1));
        avx2(t, AVX_MOVAPS, x, a);
        x64_bind8(&t->e, skip);
    } else {
        avx2(t, AVX_MOVAPS, x, a);
    }
    jit_scalar_def(t, x, t->xmm[a].used > t->xmm[b].used ? a : b);
}

/* Bits to a general register: from the copy if there is one, else from struct cpu. */
static void emit_bits_to_general(struct jit_tran *t, unsigned bytes, unsigned at)
{
    static const uint16_t ops[] = { [2] = OP_MOVZX16, [4] = OP_MOV, [8] = OP_MOV };
    const struct a64_insn *i = jit_insn(t);
    unsigned dest = jit_dest(i->rd, RAX), x = t->xmm_of[i->rn];

    if (x != JIT_NONE && t->xmm[x].valid >= bytes && !at && bytes >= 4)
        x64_vex_rr(&t->e, AVX_MOVD_ST, bytes == 8, x, 0, dest);
    else
        x64_rm(&t->e, ops[bytes], bytes == 8, dest, RBP, jit_v_at(i->rn) + (int32_t)at);
    jit_put(t, i->rd, dest);
}

static void emit_bits_from_general(struct jit_tran *t, unsigned bytes)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned x = jit_xmm_new(t);

    if (bytes == 2) {
        jit_op(t, OP_MOVZX16, 0, RAX, i->rn);
        avx2(t, AVX_MOVD, x, RAX);
    } else {
        x64_vex_rr(&t->e, AVX_MOVD, bytes == 8, x, 0, jit_use(t, bytes == 8, RAX, i->rn));
    }
    jit_xmm_def(t, i->rd, x, bytes);
}

static void emit_top_from_general(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned d = jit_xmm_use(t, i->rd, 16), x = jit_xmm_new(t);

    x64_vex_rr(&t->e, AVX_PINSRD, 1, x, d, jit_use(t, 1, RAX, i->rn));
    x64_b(&t->e, 1);
    jit_xmm_def(t, i->rd, x, 16);
}

/* Bits are moved, whatever they mean. */
static bool emit_moves(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_FMOV_f_imm:
        emit_imm(t);
        return true;
    case A64_FMOV_w_s:
        emit_bits_to_general(t, 4, 0);
        return true;
    case A64_FMOV_x_d:
        emit_bits_to_general(t, 8, 0);
        return true;
    case A64_FMOV_w_h:
    case A64_FMOV_x_h:
        emit_bits_to_general(t, 2, 0);
        return true;
    case A64_FMOV_x_top:
        emit_bits_to_general(t, 8, 8);
        return true;
    case A64_FMOV_s_w:
        emit_bits_from_general(t, 4);
        return true;
    case A64_FMOV_d_x:
        emit_bits_from_general(t, 8);
        return true;
    case A64_FMOV_h_w:
    case A64_FMOV_h_x:
        emit_bits_from_general(t, 2);
        return true;
    case A64_FMOV_top_x:
        emit_top_from_general(t);
        return true;
    default:
        return false;
    }
}

/* No rounding, no flags: any FPCR. */
static bool emit_plain(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_FMOV_f:
        emit_move(t);
        return true;
    case A64_FABS_f:
        emit_abs_neg(t, false);
        return true;
    case A64_FNEG_f:
        emit_abs_neg(t, true);
        return true;
    case A64_FCSEL_f:
        emit_fcsel(t);
        return true;
    default:
        return false;
    }
}

static bool emit_arithmetic(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_FADD_f:
        emit_binary(t, AVX_ADD, SUM, false);
        return true;
    case A64_FSUB_f:
        emit_binary(t, AVX_SUB, SUM, false);
        return true;
    case A64_FMUL_f:
        emit_binary(t, AVX_MUL, PRODUCT, false);
        return true;
    case A64_FNMUL_f:
        emit_binary(t, AVX_MUL, PRODUCT, true);
        return true;
    case A64_FDIV_f:
        emit_binary(t, AVX_DIV, QUOTIENT, false);
        return true;
    case A64_FMADD_f:
        return emit_muladd(t, AVX_FMADD231);
    case A64_FMSUB_f:
        return emit_muladd(t, AVX_FNMADD231);
    case A64_FNMADD_f:
        return emit_muladd(t, AVX_FNMSUB231);
    case A64_FNMSUB_f:
        return emit_muladd(t, AVX_FMSUB231);
    case A64_FSQRT_f:
        emit_sqrt(t);
        return true;
    case A64_FMAX_f:
    case A64_FMAXNM_f:
        emit_minmax(t, AVX_MAX, AVX_AND);
        return true;
    case A64_FMIN_f:
    case A64_FMINNM_f:
        emit_minmax(t, AVX_MIN, AVX_OR);
        return true;
    case A64_FCMP_f:
    case A64_FCMPE_f:
        emit_fcmp(t, false);
        return true;
    case A64_FCMP_f_zero:
    case A64_FCMPE_f_zero:
        emit_fcmp(t, true);
        return true;
    case A64_FCCMP_f:
    case A64_FCCMPE_f:
        emit_fccmp(t);
        return true;
    default:
        return false;
    }
}

bool jit_scalar(struct jit_tran *t, enum a64_op op)
{
    if (!jit_xmm_can(t))
        return false;
    if (emit_moves(t, op))
        return true;
    if (jit_scalar_size(t) != SIMD_S && jit_scalar_size(t) != SIMD_D)
        return false;
    if (emit_plain(t, op))
        return true;
    return (t->state & JIT_FP_PLAIN) && (jit_scalar_convert(t, op) || emit_arithmetic(t, op));
}
