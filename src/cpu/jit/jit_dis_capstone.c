/* Disassembly by Capstone. */
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/jit/jit_dis.h"

struct jit_dis {
    csh handle;
    enum jit_dis_what what;
};

struct jit_dis *jit_dis_open(enum jit_dis_what what)
{
    struct jit_dis *dis = calloc(1, sizeof(*dis));
    cs_err rc;

    if (!dis)
        return NULL;
    dis->what = what;
    rc = what == JIT_DIS_GUEST ? cs_open(CS_ARCH_ARM64, CS_MODE_ARM, &dis->handle)
                               : cs_open(CS_ARCH_X86, CS_MODE_64, &dis->handle);
    if (rc == CS_ERR_OK)
        return dis;
    free(dis);
    return NULL;
}

void jit_dis_close(struct jit_dis *dis)
{
    if (!dis)
        return;
    cs_close(&dis->handle);
    free(dis);
}

size_t jit_dis_next(struct jit_dis *dis, const uint8_t *code, size_t len, uint64_t at,
                    char ret_text[JIT_DIS_TEXT])
{
    cs_insn *insn;
    size_t size;

    if (!dis || cs_disasm(dis->handle, code, len, at, 1, &insn) != 1) {
        snprintf(ret_text, JIT_DIS_TEXT, "?");
        return dis && dis->what == JIT_DIS_HOST ? 1 : len < 4 ? len : 4;
    }
    size = insn->size;
    snprintf(ret_text, JIT_DIS_TEXT, "%.31s%s%.80s", insn->mnemonic, *insn->op_str ? " " : "",
             insn->op_str);
    cs_free(insn, 1);
    return size;
}
