/* Disassembly for people, by Capstone where the build has it. */
#pragma once

#include "base/bits.h"

#define JIT_DIS_TEXT 128 /* bytes of the longest text, with its zero */

enum jit_dis_what { JIT_DIS_GUEST, JIT_DIS_HOST };

struct jit_dis;

/* NULL (out of memory, or no Capstone) works too: bytes are shown then. */
struct jit_dis *jit_dis_open(enum jit_dis_what what);
void jit_dis_close(struct jit_dis *dis);

/* The instruction in code[0..len), len > 0, which lies at address `at`. Returns its length, 1 to
 * len. */
size_t jit_dis_next(struct jit_dis *dis, const uint8_t *code, size_t len, uint64_t at,
                    char ret_text[JIT_DIS_TEXT]);
