/* The slots that are not instructions: see interp.c. */
#pragma once

#include "cpu/insn.h"

const struct a64_insn *interp_decode(struct cpu *c, const struct a64_insn *i);
const struct a64_insn *interp_page_end(struct cpu *c, const struct a64_insn *i);

/* The slot of the instruction at c->pc; makes its page the current one. Faults like a fetch. */
const struct a64_insn *interp_fetch(struct cpu *c);

/*
 * Execute the one instruction at c->pc, outside cpu_run(), for an engine that has single ones done
 * here: no interrupt, no timer, no debug exception. MMIO: as CPU_STOP_MMIO; after cpu_mmio_done()
 * it is called again. EXCEPTION: taken, so that c->sys and c->pc are the handler's. STOPPED: it was
 * one that needs the machine, or nothing that can be executed; c->stop.
 */
enum interp_once { INTERP_DONE, INTERP_MMIO, INTERP_EXCEPTION, INTERP_STOPPED };
enum interp_once interp_once(struct cpu *c);

/* Take a tag off the address in c->pc that a branch has brought there. */
void interp_drop_tag(struct cpu *c);
