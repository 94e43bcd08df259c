/*
 * What a data abort of stage 2 says about its instruction (Arm DDI 0487, D19.2.37, ISS encoding for
 * a Data Abort): ISV = 1 for loads and stores of one general register without write-back, neither
 * exclusive nor atomic. This decoder is the test's own: the engine's is not to be its own judge.
 */
#include "standin.h"

#include "arch/esr.h"

static uint64_t iss(unsigned size_log2, unsigned rt, bool sign, bool wide, bool ordered)
{
    return ISS_DABT_ISV | FIELD_PUT(ISS_DABT_SAS, size_log2) | FIELD_PUT(ISS_DABT_SRT, rt) |
           (sign ? ISS_DABT_SSE : 0) | (wide ? ISS_DABT_SF : 0) | (ordered ? ISS_DABT_AR : 0);
}

/* size:opc of the load/store register encodings; 2 and 3 sign-extend. */
static uint64_t plain(unsigned size, unsigned opc, unsigned rt)
{
    if (opc <= 1)
        return iss(size, rt, false, size == 3, false);
    if (size == 3 || (size == 2 && opc == 3)) /* PRFM, reserved */
        return 0;
    return iss(size, rt, true, opc == 2, false);
}

static uint64_t load_store(uint32_t insn)
{
    unsigned size = insn >> 30, opc = insn >> 22 & 3, rt = insn & 31, kind = insn >> 10 & 3;

    if (insn >> 24 & 1) /* unsigned offset */
        return plain(size, opc, rt);
    if (insn >> 21 & 1) {
        if (kind == 2) /* register offset */
            return plain(size, opc, rt);
        if ((insn & 0x3ffffc00) == 0x38bfc000) /* LDAPR */
            return iss(size, rt, false, size == 3, true);
        return 0; /* atomic */
    }
    return kind == 0 || kind == 2 ? plain(size, opc, rt) : 0; /* 1, 3: write-back */
}

static uint64_t literal(uint32_t insn)
{
    switch (insn >> 30) {
    case 0:
        return iss(2, insn & 31, false, false, false);
    case 1:
        return iss(3, insn & 31, false, true, false);
    case 2:
        return iss(2, insn & 31, true, true, false);
    default:
        return 0;
    }
}

uint64_t standin_iss_of(uint32_t insn)
{
    if ((insn & 0x3e000000) == 0x38000000 && !(insn >> 26 & 1)) /* one register */
        return load_store(insn);
    if ((insn & 0x3f000000) == 0x18000000)
        return literal(insn);
    if ((insn & 0x3fa08000) == 0x08808000) /* LDAR, STLR */
        return iss(insn >> 30, insn & 31, false, insn >> 30 == 3, true);
    return 0;
}
