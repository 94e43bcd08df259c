/*
 * Predecoded code pages of one vCPU, by guest-physical page (struct code_page in insn.h).
 *
 * Each vCPU has its own: slots are rewritten in place while they run, and nobody else may watch.
 * Threads: the vCPU's own; another vCPU's cache maintenance comes as a request.
 */
#pragma once

#include "cpu/insn.h"

MUST_CHECK int code_create(struct code_cache **ret_code, struct err *err);
void code_destroy(struct code_cache *code); /* NULL is fine */

/*
 * The page at gpa, whose instruction words are at `words` on the host; made when it is new. NULL
 * when memory is short. The pointer is good until the run loop drops all pages, which flushes the
 * TLB, so a TLB entry may keep it. May be called only between instructions.
 */
struct code_page *code_get(struct cpu *c, gpa_t gpa, const uint32_t *words);

/* May there be instructions of the page at gpa? Any thread: a page is announced before its words
 * are read, so whoever is not seen to have it reads what was written before the look. */
bool code_may_have(const struct code_cache *code, gpa_t gpa);

/* IC IVAU: instructions of this 64-byte line are read again from memory when they are next run. */
void code_invalidate_line(struct cpu *c, gpa_t gpa);

/* The same for all of the page at gpa. Between instructions. */
void code_invalidate_page(struct cpu *c, gpa_t gpa);

/* IC IALLU, or the host changed memory: at the next block edge everything is read again. */
void code_invalidate_all(struct cpu *c);

/* The run loop's answer to CPU_REQ_CODE. Between instructions only. */
void code_drop(struct cpu *c);
