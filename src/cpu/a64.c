/* Decoding one word: the table row, its format, and what runs when there is neither. */
#include "cpu/a64.h"

#include "cpu/exc.h"

enum a64_op a64_decode_for(struct a64_insn *i, uint32_t word, unsigned at, unsigned features)
{
    enum a64_op op = a64_match(word);

    *i = (struct a64_insn){ .fn = a64_undefined, .raw = word };
    if (op == A64_OPS || (a64_rows[op].needs & ~features))
        return A64_OPS;
    i->fn = a64_rows[op].fn;
    if (!a64_rows[op].format(i, at)) {
        i->fn = a64_undefined;
        return A64_OPS;
    }
    return op;
}

const struct a64_insn *a64_undefined(struct cpu *c, const struct a64_insn *i)
{
    (void)i;
    exc_undefined(c);
}
