/* Translations for people and for profilers: --jit-dump and --jit-perf. */
#pragma once

#include "base/err.h"
#include "cpu/jit/jit.h"

struct jit_dump;
struct jit_tran;

MUST_CHECK int jit_dump_create(const struct jit_config *config, struct jit_dump **ret_dump,
                               struct err *err);
void jit_dump_destroy(struct jit_dump *dump);

/* The stubs were made. jit->dump may be NULL. */
void jit_dump_stubs(const struct jit *jit);

/* A block was translated, at the virtual address c->pc; its code ends at jit->at. The lock of the
 * translator is held. */
void jit_dump_block(const struct jit_tran *t);
