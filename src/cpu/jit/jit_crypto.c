/*
 * Emitters: AES, SHA-1, SHA-256, carry-less multiplication and CRC-32 on the host's instructions
 * for them (Arm DDI 0487, C7.2 and C6.2; Intel SDM volume 2). Where the host lacks one, the handler
 * does it. None of this touches EFLAGS, and none can fault.
 */
#include "cpu/jit/jit_features.h"
#include "cpu/jit/jit_vec.h"

/* The instructions of the host for a round of AES, and what they stand for. */
struct aes {
    enum a64_op half, mix; /* AESE and AESMC, or AESD and AESIMC */
    unsigned round, last;
};

static bool next_is(const struct jit_tran *t, enum a64_op op, unsigned rd)
{
    return t->n + 1 < t->count && t->op[t->n + 1] == op && t->insn[t->n + 1].rd == rd;
}

/* The guest adds the round key before the rest of a round, the host behind it. So a run of rounds
 * on one register is taken together, shifted by the addition: the host's round ends with the key of
 * the guest's next one. */
static bool emit_aes_rounds(struct jit_tran *t, const struct aes *aes)
{
    unsigned d = jit_insn(t)->rd;
    struct x64 *e = &t->e;
    bool more;

    if (!(t->jit->features & JIT_AES))
        return false;
    jit_v_get(t, 0, d);
    jit_v_get(t, 1, jit_insn(t)->rn);
    x64_vec_rr(e, VX_PXOR, 0, 1);
    do {
        bool mix = next_is(t, aes->mix, d) && t->insn[t->n + 1].rn == d;

        t->n += mix;
        more = mix && next_is(t, aes->half, d) && t->insn[t->n + 1].rn != d;
        t->n += more;
        if (more)
            jit_v_get(t, 1, jit_insn(t)->rn);
        else
            x64_vec_rr(e, VX_PXOR, 1, 1);
        x64_vec_rr(e, mix ? aes->round : aes->last, 0, 1);
    } while (more);
    jit_v_put(t, d, 0);
    return true;
}

/* MixColumns alone: a round without its other steps, which the inverse's undo first. */
static bool emit_aesmc(struct jit_tran *t)
{
    struct x64 *e = &t->e;

    if (!(t->jit->features & JIT_AES))
        return false;
    jit_v_get(t, 0, jit_insn(t)->rn);
    x64_vec_rr(e, VX_PXOR, 1, 1);
    x64_vec_rr(e, VX_AESDECLAST, 0, 1);
    x64_vec_rr(e, VX_AESENC, 0, 1);
    jit_v_put(t, jit_insn(t)->rd, 0);
    return true;
}

static bool emit_aesimc(struct jit_tran *t)
{
    if (!(t->jit->features & JIT_AES))
        return false;
    jit_v_get(t, 0, jit_insn(t)->rn);
    x64_vec_rr(&t->e, VX_AESIMC, 0, 0);
    jit_v_put(t, jit_insn(t)->rd, 0);
    return true;
}

static bool emit_pmull(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);

    if (!(t->jit->features & JIT_PCLMUL))
        return false;
    jit_v_get(t, 0, i->rn);
    jit_v_get(t, 1, i->rm);
    x64_vec_rri(&t->e, VX_PCLMULQDQ, 0, 1, i->raw & BIT(30) ? 0x11 : 0x00);
    jit_v_put(t, i->rd, 0);
    return true;
}

/*
 * Four rounds. The guest has the words a to d in one register and e to h in another, from the
 * lowest lane upward; the host wants F E B A and H G D C, and does two rounds at a time: what comes
 * out is the new F E B A, and what went in as that is the new H G D C.
 */
#define LANES_EF 0x11 /* lanes 1 and 0 of both operands */
#define LANES_GH 0xbb /* lanes 3 and 2 */

static bool emit_sha256_rounds(struct jit_tran *t, bool second)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    if (!(t->jit->features & JIT_SHA))
        return false;
    jit_v_get(t, 3, second ? i->rn : i->rd); /* a to d */
    jit_v_get(t, 1, second ? i->rd : i->rn); /* e to h */
    jit_v_get(t, 0, i->rm);
    x64_vec_rr(e, VX_MOVAPS, 2, 1);
    x64_vec_rri(e, VX_SHUFPS, 1, 3, LANES_EF);
    x64_vec_rri(e, VX_SHUFPS, 2, 3, LANES_GH);
    x64_vec_rr(e, VX_SHA256RNDS2, 2, 1);
    x64_vec_shift(e, VS_PSRLDQ, 0, 8);
    x64_vec_rr(e, VX_SHA256RNDS2, 1, 2);
    x64_vec_rri(e, VX_SHUFPS, 1, 2, second ? LANES_EF : LANES_GH);
    jit_v_put(t, i->rd, 1);
    return true;
}

static bool emit_sha256su0(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);

    if (!(t->jit->features & JIT_SHA))
        return false;
    jit_v_get(t, 0, i->rd);
    jit_v_get(t, 1, i->rn);
    x64_vec_rr(&t->e, VX_SHA256MSG1, 0, 1);
    jit_v_put(t, i->rd, 0);
    return true;
}

static bool emit_sha256su1(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    if (!(t->jit->features & JIT_SHA))
        return false;
    jit_v_get(t, 0, i->rm);
    jit_v_get(t, 1, i->rn);
    jit_v_get(t, 2, i->rd);
    x64_vec_rr(e, VX_MOVAPS, 3, 0);
    x64_vec_rri(e, VX_PALIGNR, 0, 1, 4); /* n1 n2 n3 m0 */
    x64_vec_rr(e, VX_PADDD, 0, 2);
    x64_vec_rr(e, VX_SHA256MSG2, 0, 3);
    jit_v_put(t, i->rd, 0);
    return true;
}

/* Four rounds of SHA-1. The host has the first word in the highest lane, wants e added to the
 * schedule, and adds the constant of the rounds itself, which the guest has done: take it off. */
static bool emit_sha1_rounds(struct jit_tran *t, unsigned kind, uint32_t constant)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    if (!(t->jit->features & JIT_SHA))
        return false;
    jit_v_get(t, 0, i->rm);
    x64_mov_imm(e, RAX, constant);
    x64_rr(e, VX_MOVD, 0, 1, RAX);
    x64_vec_rri(e, VX_PSHUFD, 1, 1, 0);
    x64_vec_rr(e, VX_PSUBD, 0, 1);
    x64_rm(e, VX_MOVD, 0, 1, RBP, jit_v_at(i->rn));
    x64_vec_rr(e, VX_PADDD, 0, 1);
    x64_vec_rri(e, VX_PSHUFD, 0, 0, 0x1b);
    jit_v_get(t, 1, i->rd);
    x64_vec_rri(e, VX_PSHUFD, 1, 1, 0x1b);
    x64_vec_rri(e, VX_SHA1RNDS4, 1, 0, kind);
    x64_vec_rri(e, VX_PSHUFD, 1, 1, 0x1b);
    jit_v_put(t, i->rd, 1);
    return true;
}

/* xmm's doublewords rotated left; `spare` is another. */
static void emit_rol(struct x64 *e, unsigned xmm, unsigned spare, unsigned n)
{
    x64_vec_rr(e, VX_MOVAPS, spare, xmm);
    x64_vec_shift(e, VS_PSLLD, xmm, n);
    x64_vec_shift(e, VS_PSRLD, spare, 32 - n);
    x64_vec_rr(e, VX_POR, xmm, spare);
}

static bool emit_sha1h(struct jit_tran *t)
{
    x64_rm(&t->e, VX_MOVD, 0, 0, RBP, jit_v_at(jit_insn(t)->rn));
    emit_rol(&t->e, 0, 1, 30);
    jit_v_put(t, jit_insn(t)->rd, 0);
    return true;
}

static bool emit_sha1su0(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    jit_v_get(t, 0, i->rd);
    jit_v_get(t, 1, i->rn);
    jit_v_get(t, 2, i->rm);
    x64_vec_rr(e, VX_PXOR, 2, 0);
    x64_vec_rri(e, VX_SHUFPD, 0, 1, 1); /* d's upper half, n's lower one */
    x64_vec_rr(e, VX_PXOR, 0, 2);
    jit_v_put(t, i->rd, 0);
    return true;
}

/* The fourth word also gets the first new one, rotated. */
static bool emit_sha1su1(struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    jit_v_get(t, 0, i->rd);
    jit_v_get(t, 1, i->rn);
    x64_vec_shift(e, VS_PSRLDQ, 1, 4);
    x64_vec_rr(e, VX_PXOR, 0, 1);
    emit_rol(e, 0, 1, 1);
    x64_vec_rr(e, VX_MOVAPS, 2, 0);
    x64_vec_shift(e, VS_PSLLDQ, 2, 12);
    emit_rol(e, 2, 1, 1);
    x64_vec_rr(e, VX_PXOR, 0, 2);
    jit_v_put(t, i->rd, 0);
    return true;
}

static bool emit_sha1(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_SHA1C:
        return emit_sha1_rounds(t, 0, 0x5a827999);
    case A64_SHA1P:
        return emit_sha1_rounds(t, 1, 0x6ed9eba1);
    case A64_SHA1M:
        return emit_sha1_rounds(t, 2, 0x8f1bbcdc);
    case A64_SHA1H:
        return emit_sha1h(t);
    case A64_SHA1SU0:
        return emit_sha1su0(t);
    case A64_SHA1SU1:
        return emit_sha1su1(t);
    default:
        return false;
    }
}

bool jit_crypto(struct jit_tran *t, enum a64_op op)
{
    static const struct aes encrypt = { A64_AESE, A64_AESMC, VX_AESENC, VX_AESENCLAST };
    static const struct aes decrypt = { A64_AESD, A64_AESIMC, VX_AESDEC, VX_AESDECLAST };

    if (!(t->state & JIT_FP))
        return false;
    switch (op) {
    case A64_AESE:
        return emit_aes_rounds(t, &encrypt);
    case A64_AESD:
        return emit_aes_rounds(t, &decrypt);
    case A64_AESMC:
        return emit_aesmc(t);
    case A64_AESIMC:
        return emit_aesimc(t);
    case A64_PMULL_v_d:
        return emit_pmull(t);
    case A64_SHA256H:
        return emit_sha256_rounds(t, false);
    case A64_SHA256H2:
        return emit_sha256_rounds(t, true);
    case A64_SHA256SU0:
        return emit_sha256su0(t);
    case A64_SHA256SU1:
        return emit_sha256su1(t);
    default:
        return emit_sha1(t, op);
    }
}

/*
 * CRC-32: of bits x, reversed as the instructions use them, x times x^32 modulo the polynomial P.
 * Barrett's way: q = floor(x * x^32 / P) is the upper half of x times floor(x^96 / P), then the
 * remainder is what q * P has below x^32. In the reversed order "upper" is the lower half of a
 * product and "below x^32" is bits 95:64. Fewer bytes than 8 come last, at the top of x.
 */
static bool emit_crc32(struct jit_tran *t, unsigned bytes)
{
    const struct a64_insn *i = jit_insn(t);
    struct x64 *e = &t->e;

    if (!(t->jit->features & JIT_PCLMUL))
        return false;
    jit_op(t, VX_MOVD, 0, 0, i->rn);
    jit_op(t, VX_MOVD, bytes == 8, 1, i->rm);
    if (bytes < 4)
        x64_vec_rr(e, VX_MOVAPS, 2, 0);
    x64_vec_rr(e, VX_PXOR, 0, 1);
    if (bytes < 8)
        x64_vec_shift(e, VS_PSLLQ, 0, 64 - 8 * bytes);
    x64_rip(e, VX_PCLMULQDQ, 0, t->jit->stubs.crc32, 1);
    x64_b(e, 0x00);
    x64_rip(e, VX_PCLMULQDQ, 0, t->jit->stubs.crc32, 1);
    x64_b(e, 0x10);
    x64_vec_rri(e, VX_PSHUFD, 0, 0, 2);
    if (bytes < 4) { /* the accumulator's other bytes move down */
        x64_vec_shift(e, VS_PSRLD, 2, 8 * bytes);
        x64_vec_rr(e, VX_PXOR, 0, 2);
    }
    x64_rr(e, VX_MOVD_ST, 0, 0, jit_dest(i->rd, RAX));
    jit_put(t, i->rd, jit_dest(i->rd, RAX));
    return true;
}

static bool emit_crc32c(struct jit_tran *t, unsigned op, unsigned w)
{
    const struct a64_insn *i = jit_insn(t);

    if (!(t->jit->features & JIT_CRC32))
        return false;
    jit_get(t, 0, RAX, i->rn);
    jit_op(t, op, w, RAX, i->rm);
    jit_put(t, i->rd, RAX);
    return true;
}

bool jit_crc(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_CRC32B:
        return emit_crc32(t, 1);
    case A64_CRC32H:
        return emit_crc32(t, 2);
    case A64_CRC32W:
        return emit_crc32(t, 4);
    case A64_CRC32X:
        return emit_crc32(t, 8);
    case A64_CRC32CB:
        return emit_crc32c(t, OP_CRC32_8, 0);
    case A64_CRC32CH:
        return emit_crc32c(t, OP_CRC32_16, 0);
    case A64_CRC32CW:
        return emit_crc32c(t, OP_CRC32, 0);
    case A64_CRC32CX:
        return emit_crc32c(t, OP_CRC32, 1);
    default:
        return false;
    }
}
