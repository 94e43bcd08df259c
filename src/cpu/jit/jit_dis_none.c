/* In place of a disassembler, in builds without Capstone: bytes. */
#include <stdio.h>

#include "cpu/jit/jit_dis.h"

#define BYTES_MAX 12

struct jit_dis *jit_dis_open(enum jit_dis_what what)
{
    (void)what;
    return NULL;
}

void jit_dis_close(struct jit_dis *dis)
{
    (void)dis;
}

size_t jit_dis_next(struct jit_dis *dis, const uint8_t *code, size_t len, uint64_t at,
                    char ret_text[JIT_DIS_TEXT])
{
    size_t count = len < BYTES_MAX ? len : BYTES_MAX;

    (void)dis;
    (void)at;
    for (size_t n = 0; n < count; n++)
        snprintf(ret_text + 3 * n, JIT_DIS_TEXT - 3 * n, "%02x ", code[n]);
    return count;
}
