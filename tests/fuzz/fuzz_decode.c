/*
 * libFuzzer: any word through the decoder, and, unless it may loop, through the interpreter at EL0.
 *
 * What the decoder says must be what the table says. Whatever runs must come to an end, in the
 * exception of the word behind it or in its own, with the zero register still zero; an operand
 * outside the register file is for the sanitizers to see.
 */
#include <stdlib.h>

#include "cpu/a64.h"
#include "rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define SVC_0  0xd4000001u
#define WORDS  256 /* of one input */
#define CODE   RIG_USER
#define WINDOW (RIG_USER + RIG_BYTES / 2) /* where registers point to: immediates reach no code */

static void require(bool holds)
{
    if (!holds)
        abort();
}

static enum a64_op check_decode(uint32_t word, unsigned at)
{
    struct a64_insn insn, again;
    enum a64_op found = A64_OPS, op = a64_decode(&insn, word, at);

    a64_decode(&again, word, at);
    require(insn.fn && insn.raw == word);
    require(insn.fn == again.fn && insn.imm == again.imm && insn.rd == again.rd &&
            insn.rn == again.rn && insn.rm == again.rm && insn.ra == again.ra);
    for (unsigned row = 0; row < A64_OPS && found == A64_OPS; row++)
        if ((word & a64_rows[row].mask) == a64_rows[row].value)
            found = (enum a64_op)row;
    require((found == A64_OPS) == (a64_match(word) == A64_OPS));
    if (op == A64_OPS)
        return op;
    require((word & a64_rows[op].mask) == a64_rows[op].value);
    return op;
}

static void check_run(struct rig *rig, uint32_t word, unsigned at, const uint8_t *data)
{
    struct cpu *c = rig->c;
    gva_t va = CODE + at;

    rig_poke(rig, va, word);
    rig_poke(rig, va + 4, SVC_0);
    rig_enter(rig, va, (uint64_t)(data[0] >> 4) << 28);
    for (unsigned i = 0; i <= REG_SP; i++) {
        c->x[i] = WINDOW + 16 * i;
        c->v[i].d[0] = load_le32(data) * (i + 1);
        c->v[i].d[1] = ~c->v[i].d[0];
    }
    c->x[data[1] & 31] = (uint64_t)data[2] << (data[3] & 63); /* a size, a count, a wild pointer */
    c->x[REG_SP] = WINDOW;
    c->fpcr = c->fpsr = 0;
    require(rig_run(rig) != CPU_STOP_KICKED);
    require(c->x[REG_ZERO] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct rig rig;

    if (!rig.c)
        rig_init(&rig);
    for (unsigned i = 0; i < WORDS && len >= 8; i++, data += 4, len -= 4) {
        uint32_t word = load_le32(data);
        unsigned at = 4 * (i % (CODE_PAGE_INSNS - 1));
        enum a64_op op = check_decode(word, at);
        if (op == A64_OPS || a64_rows[op].cls != A64_CLASS_BRANCH)
            check_run(&rig, word, at, data + 4);
    }
    return 0;
}
