/*
 * What the translator's assembler makes of a table of calls, for x64_oracle.py: a line each, bytes
 * in hexadecimal and what they are to mean in the words of GNU as (Intel syntax).
 *
 * Registers are walked so that each has been in each field: REX bits, and the registers that mean
 * something else there (RSP and R12 as a base take a SIB byte, RBP and R13 a displacement).
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/bits.h"
#include "cpu/jit/x64.h"
#include "cpu/jit/x64_jump.h"

static const char *const names64[] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
};
static const char *const names32[] = {
    "eax", "ecx", "edx",  "ebx",  "esp",  "ebp",  "esi",  "edi",
    "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d",
};
static const char *const names16[] = {
    "ax",  "cx",  "dx",   "bx",   "sp",   "bp",   "si",   "di",
    "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w",
};
static const char *const names8[] = {
    "al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
    "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b",
};

static const char *reg(unsigned bytes, unsigned r)
{
    return bytes == 8 ? names64[r] : bytes == 4 ? names32[r] : bytes == 2 ? names16[r] : names8[r];
}

static uint8_t buffer[64];
static struct x64 out;

/* The code at hand, and what it is. Then begin anew. */
PRINTF(1, 2) static void row(const char *fmt, ...)
{
    va_list ap;

    for (const uint8_t *at = buffer; at < out.at; at++)
        printf("%02x", *at);
    putchar('\t');
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    out.at = buffer;
}

/* Text of [base + disp]. */
static const char *mem(unsigned base, int32_t disp)
{
    static char text[48];

    snprintf(text, sizeof(text), "[%s%+d]", names64[base], disp);
    return text;
}

static const char *memx(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    static char text[48];

    snprintf(text, sizeof(text), "[%s+%s*%u%+d]", names64[base], names64[index], 1u << scale, disp);
    return text;
}

static const int32_t disps[] = { 0, 1, -128, 127, 128, -129, 0x12345678 };

/* "op reg, r/m" of equal widths, but where src says how many bytes r/m has. */
static void load_like(void)
{
    static const struct {
        const char *name;
        unsigned op, src; /* bytes of r/m; 0: as the register */
    } ops[] = {
        { "add", OP_ADD, 0 },       { "or", OP_OR, 0 },         { "adc", OP_ADC, 0 },
        { "sbb", OP_SBB, 0 },       { "and", OP_AND, 0 },       { "sub", OP_SUB, 0 },
        { "xor", OP_XOR, 0 },       { "cmp", OP_CMP, 0 },       { "mov", OP_MOV, 0 },
        { "imul", OP_IMUL, 0 },     { "bsr", OP_BSR, 0 },       { "lzcnt", OP_LZCNT, 0 },
        { "movzx", OP_MOVZX8, 1 },  { "movzx", OP_MOVZX16, 2 }, { "movsx", OP_MOVSX8, 1 },
        { "movsx", OP_MOVSX16, 2 },
    };
    static const char *const sizes[] = { [1] = "byte ptr", [2] = "word ptr" };

    for (unsigned n = 0; n < ARRAY_LEN(ops); n++)
        for (unsigned r = 0; r < 16; r++)
            for (unsigned w = 0; w < 2; w++) {
                unsigned bytes = w ? 8 : 4, rm = (r * 5 + 3) % 16, index = (r * 7 + 1) % 16;
                int32_t disp = disps[(r + n) % ARRAY_LEN(disps)];
                const char *size = ops[n].src ? sizes[ops[n].src] : w ? "qword ptr" : "dword ptr";

                if (index == RSP)
                    index = R9;
                x64_rr(&out, ops[n].op, w, r, rm);
                row("%s %s, %s", ops[n].name, reg(bytes, r),
                    reg(ops[n].src ? ops[n].src : bytes, rm));
                x64_rm(&out, ops[n].op, w, r, rm, disp);
                row("%s %s, %s %s", ops[n].name, reg(bytes, r), size, mem(rm, disp));
                x64_rmx(&out, ops[n].op, w, r, rm, index, r % 4, disp);
                row("%s %s, %s %s", ops[n].name, reg(bytes, r), size, memx(rm, index, r % 4, disp));
            }
}

static void stores_and_others(void)
{
    static const struct {
        const char *name;
        unsigned op, bytes;
    } ops[] = {
        { "mov", OP_MOV_ST, 4 },        { "mov", OP_MOV_ST16, 2 },     { "mov", OP_MOV_ST8, 1 },
        { "xchg", OP_XCHG, 4 },         { "test", OP_TEST, 4 },        { "cmpxchg", OP_CMPXCHG, 4 },
        { "xadd", OP_XADD, 4 },         { "cmpxchg", OP_CMPXCHG8, 1 }, { "xadd", OP_XADD8, 1 },
        { "cmpxchg", OP_CMPXCHG16, 2 }, { "xadd", OP_XADD16, 2 },      { "bt", OP_BT, 4 },
    };

    for (unsigned n = 0; n < ARRAY_LEN(ops); n++)
        for (unsigned r = 0; r < 16; r++)
            for (unsigned w = 0; w < (ops[n].bytes == 4 ? 2 : 1); w++) {
                unsigned bytes = w ? 8 : ops[n].bytes, base = (r * 11 + 5) % 16;
                int32_t disp = disps[(r + n) % ARRAY_LEN(disps)];

                x64_rm(&out, ops[n].op, w, r, base, disp);
                row("%s %s, %s", ops[n].name, mem(base, disp), reg(bytes, r));
            }
    for (unsigned r = 0; r < 16; r++) {
        x64_rm(&out, OP_LEA, 1, r, (r + 9) % 16, disps[r % ARRAY_LEN(disps)]);
        row("lea %s, %s", names64[r], mem((r + 9) % 16, disps[r % ARRAY_LEN(disps)]));
        x64_rr(&out, OP_MOVSXD, 1, r, (r + 6) % 16);
        row("movsxd %s, %s", names64[r], names32[(r + 6) % 16]);
        x64_rr(&out, OP_BT, 1, r, (r + 6) % 16);
        row("bt %s, %s", names64[(r + 6) % 16], names64[r]);
        x64_rr(&out, OP_SHLD, 1, r, (r + 6) % 16);
        row("shld %s, %s, cl", names64[(r + 6) % 16], names64[r]);
        x64_rr(&out, OP_SHRD, 0, r, (r + 6) % 16);
        row("shrd %s, %s, cl", names32[(r + 6) % 16], names32[r]);
        x64_rr(&out, OP_CRC32, 1, r, (r + 6) % 16);
        row("crc32 %s, %s", names64[r], names64[(r + 6) % 16]);
        x64_rr(&out, OP_CRC32_8, 0, r, (r + 6) % 16);
        row("crc32 %s, %s", names32[r], names8[(r + 6) % 16]);
        x64_rr(&out, OP_CRC32_16, 0, r, (r + 6) % 16);
        row("crc32 %s, %s", names32[r], names16[(r + 6) % 16]);
        x64_rm(&out, OP_MOVBE, 1, r, (r + 6) % 16, 8);
        row("movbe %s, %s", names64[r], mem((r + 6) % 16, 8));
    }
}

static void immediates(void)
{
    static const char *const group[] = { "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp" };
    static const int32_t imms[] = { 0, 1, -1, -128, 127, 128, -129, 0x12345678, INT32_MIN };
    static const uint64_t wide[] = { 0,
                                     1,
                                     UINT32_MAX,
                                     UINT64_C(0x100000000),
                                     UINT64_MAX,
                                     UINT64_C(0xffffffff80000000),
                                     UINT64_C(0x123456789abcdef0) };

    for (unsigned r = 0; r < 16; r++)
        for (unsigned n = 0; n < ARRAY_LEN(imms); n++) {
            enum x64_group g = (enum x64_group)((r + n) % ARRAY_LEN(group));

            x64_ri(&out, g, 1, r, imms[n]);
            row("%s %s, %d", group[g], names64[r], imms[n]);
            x64_ri(&out, g, 0, r, imms[n]);
            row("%s %s, %d", group[g], names32[r], imms[n]);
            x64_mi(&out, g, 1, r, disps[n % ARRAY_LEN(disps)], imms[n]);
            row("%s qword ptr %s, %d", group[g], mem(r, disps[n % ARRAY_LEN(disps)]), imms[n]);
            x64_mi(&out, g, 0, r, disps[n % ARRAY_LEN(disps)], imms[n]);
            row("%s dword ptr %s, %d", group[g], mem(r, disps[n % ARRAY_LEN(disps)]), imms[n]);
            x64_mov_mi(&out, 1, r, 16, imms[n]);
            row("mov qword ptr %s, %d", mem(r, 16), imms[n]);
            x64_mov_mi(&out, 0, r, 16, imms[n]);
            row("mov dword ptr %s, %d", mem(r, 16), imms[n]);
            x64_test_ri(&out, 1, r, (uint32_t)imms[n]);
            row("test %s, %d", names64[r], imms[n]);
            x64_test_mi(&out, r, 16, (uint32_t)imms[n]);
            row("test dword ptr %s, %d", mem(r, 16), imms[n]);
        }
    for (unsigned r = 0; r < 16; r++)
        for (unsigned n = 0; n < ARRAY_LEN(wide); n++) {
            bool narrow = wide[n] == (uint32_t)wide[n];

            x64_mov_imm(&out, r, wide[n]);
            row("%s %s, %#llx", narrow || (int64_t)wide[n] == (int32_t)wide[n] ? "mov" : "movabs",
                reg(narrow ? 4 : 8, r), (unsigned long long)wide[n]);
        }
}

static void one_operand(void)
{
    static const char *const shifts[] = { "rol", "ror", "rcl", "rcr", "shl", "shr", "", "sar" };
    static const char *const unary[] = { "", "", "not", "neg", "mul", "imul", "div", "idiv" };
    static const char *const cc[] = {
        "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g",
    };

    for (unsigned r = 0; r < 16; r++)
        for (unsigned w = 0; w < 2; w++) {
            unsigned bytes = w ? 8 : 4;

            for (unsigned sh = 0; sh < ARRAY_LEN(shifts); sh++) {
                if (!*shifts[sh])
                    continue;
                x64_shift_i(&out, (enum x64_shift)sh, w, r, 2 + r + sh);
                row("%s %s, %u", shifts[sh], reg(bytes, r), 2 + r + sh);
                x64_shift_cl(&out, (enum x64_shift)sh, w, r);
                row("%s %s, cl", shifts[sh], reg(bytes, r));
            }
            for (unsigned un = UN_NOT; un < ARRAY_LEN(unary); un++) {
                x64_unary(&out, (enum x64_unary)un, w, r);
                row("%s %s", unary[un], reg(bytes, r));
            }
            x64_bswap(&out, w, r);
            row("bswap %s", reg(bytes, r));
            x64_bt_i(&out, w, r, 5 + r);
            row("bt %s, %u", reg(bytes, r), 5 + r);
            x64_bt_mi(&out, w, r, 24, 5 + r);
            row("bt %s %s, %u", w ? "qword ptr" : "dword ptr", mem(r, 24), 5 + r);
            x64_cmov(&out, (enum x64_cc)r, w, r, 15 - r);
            row("cmov%s %s, %s", cc[r], reg(bytes, r), reg(bytes, 15 - r));
        }
    for (unsigned r = 0; r < 16; r++) {
        x64_setcc(&out, (enum x64_cc)r, (r * 3 + 4) % 16);
        row("set%s %s", cc[r], names8[(r * 3 + 4) % 16]);
    }
}

static void vex(void)
{
    static const struct {
        const char *name;
        unsigned op;
        bool vvvv_last; /* where the text has the register of VEX.vvvv */
    } ops[] = {
        { "andn", 0xf2 | X64_0F38, false },
        { "shlx", 0xf7 | X64_0F38 | X64_66, true },
        { "shrx", 0xf7 | X64_0F38 | X64_F2, true },
        { "sarx", 0xf7 | X64_0F38 | X64_F3, true },
    };

    for (unsigned n = 0; n < ARRAY_LEN(ops); n++)
        for (unsigned r = 0; r < 16; r++) {
            unsigned v = (r + 3) % 16, rm = (r * 5 + 2) % 16;

            x64_vex_rr(&out, ops[n].op, r & 1, r, v, rm);
            row("%s %s, %s, %s", ops[n].name, reg(r & 1 ? 8 : 4, r),
                reg(r & 1 ? 8 : 4, ops[n].vvvv_last ? rm : v),
                reg(r & 1 ? 8 : 4, ops[n].vvvv_last ? v : rm));
            x64_vex_rm(&out, ops[n].op, 1, r, v, rm, 40);
            if (ops[n].vvvv_last)
                row("%s %s, %s, %s", ops[n].name, names64[r], mem(rm, 40), names64[v]);
            else
                row("%s %s, %s, %s", ops[n].name, names64[r], names64[v], mem(rm, 40));
        }
}

/* Displacements count from the end of the instruction; the oracle sees each at address 0. */
static void jumps(void)
{
    uint8_t *place;

    x64_jmp_to(&out, buffer + 0x20);
    row("jmp .+0x20");
    x64_jcc_to(&out, CC_A, buffer + 0x20);
    row("ja .+0x20");
    x64_call_to(&out, buffer + 0x20);
    row("call .+0x20");
    place = x64_jcc8(&out, CC_LE);
    x64_b(&out, 0x90);
    x64_bind8(&out, place);
    row("jle .+3; nop");
    place = x64_jmp8(&out);
    x64_b(&out, 0x90);
    x64_bind8(&out, place);
    row("jmp .+3; nop");
    x64_nop(&out, 0);
    x64_nop(&out, 1);
    row("nop");
    x64_nop(&out, 2);
    row("data16 nop");
    x64_nop(&out, 3);
    row("nop dword ptr [rax]");
    for (unsigned r = 0; r < 16; r++) {
        x64_bind(x64_lea_rip(&out, r), buffer + 0x20);
        row("lea %s, [rip+%d]", names64[r], 0x20 - 7);
    }
}

int main(void)
{
    out.at = buffer;
    load_like();
    stores_and_others();
    immediates();
    one_operand();
    vex();
    jumps();
    return 0;
}
