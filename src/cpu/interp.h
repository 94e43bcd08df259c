/* The slots that are not instructions: see interp.c. */
#pragma once

#include "cpu/insn.h"

const struct a64_insn *interp_decode(struct cpu *c, const struct a64_insn *i);
const struct a64_insn *interp_page_end(struct cpu *c, const struct a64_insn *i);

/* The slot of the instruction at c->pc; makes its page the current one. Faults like a fetch. */
const struct a64_insn *interp_fetch(struct cpu *c);

/* Take a tag off the address in c->pc that a branch has brought there. */
void interp_drop_tag(struct cpu *c);
