/* The slots that are not instructions: see interp.c. */
#pragma once

#include "cpu/insn.h"

const struct a64_insn *interp_decode(struct cpu *c, const struct a64_insn *i);
const struct a64_insn *interp_page_end(struct cpu *c, const struct a64_insn *i);
