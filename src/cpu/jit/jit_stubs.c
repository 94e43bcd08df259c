/*
 * The code that all blocks share: in and out of translated code, calls of C, and the look-up of a
 * block by virtual address. Made once a machine; this is the only translated code that holds
 * addresses of the process.
 */
#include "cpu/jit/jit_int.h"

const uint8_t jit_pinned[JIT_PINNED] = { 0, 1, 2, 3, 4, 8, 19, 20, 21, 30, REG_SP };

const uint8_t jit_pin[REG_COUNT] = {
    [0] = RDI,
    [1] = RSI,
    [2] = R8,
    [3] = R9,
    [4] = R10,
    [5] = JIT_NONE,
    [6] = JIT_NONE,
    [7] = JIT_NONE,
    [8] = R11,
    [9] = JIT_NONE,
    [10] = JIT_NONE,
    [11] = JIT_NONE,
    [12] = JIT_NONE,
    [13] = JIT_NONE,
    [14] = JIT_NONE,
    [15] = JIT_NONE,
    [16] = JIT_NONE,
    [17] = JIT_NONE,
    [18] = JIT_NONE,
    [19] = RBX,
    [20] = R12,
    [21] = R13,
    [22] = JIT_NONE,
    [23] = JIT_NONE,
    [24] = JIT_NONE,
    [25] = JIT_NONE,
    [26] = JIT_NONE,
    [27] = JIT_NONE,
    [28] = JIT_NONE,
    [29] = JIT_NONE,
    [30] = R14,
    [REG_SP] = R15,
    [REG_ZERO] = JIT_NONE,
    [REG_SINK] = JIT_NONE,
};

/* RBP and the pinned registers that the System V ABI wants back. */
static const uint8_t saved[] = { RBX, RBP, R12, R13, R14, R15 };

static void load_pinned(struct x64 *e)
{
    for (unsigned i = 0; i < JIT_PINNED; i++)
        x64_rm(e, OP_MOV, 1, jit_pin[jit_pinned[i]], RBP, jit_x_at(jit_pinned[i]));
}

static void store_pinned(struct x64 *e)
{
    for (unsigned i = 0; i < JIT_PINNED; i++)
        x64_rm(e, OP_MOV_ST, 1, jit_pin[jit_pinned[i]], RBP, jit_x_at(jit_pinned[i]));
}

static void push(struct x64 *e, unsigned reg)
{
    x64_head(e, 0x50 | (reg & 7), 0, 0, 0, reg);
}

static void pop(struct x64 *e, unsigned reg)
{
    x64_head(e, 0x58 | (reg & 7), 0, 0, 0, reg);
}

static void call_c(struct x64 *e, uintptr_t fn)
{
    x64_rm(e, OP_LEA, 1, RDI, RBP, -JIT_BIAS);
    x64_mov_imm(e, RAX, fn);
    x64_b(e, 0xff); /* call rax */
    x64_b(e, 0xd0);
}

static void jmp_rax(struct x64 *e)
{
    x64_b(e, 0xff);
    x64_b(e, 0xe0);
}

/* Six pushes and the return address leave the stack 8 bytes off; translated code runs with it
 * aligned, so that a stub that was called is 8 bytes off again. */
static void make_enter(struct jit_stubs *stubs, struct x64 *e)
{
    stubs->enter = e->at;
    for (unsigned i = 0; i < ARRAY_LEN(saved); i++)
        push(e, saved[i]);
    x64_ri(e, G_SUB, 1, RSP, 8);
    x64_rm(e, OP_LEA, 1, RBP, RDI, JIT_BIAS);
    x64_rr(e, OP_MOV, 1, RAX, RSI);
    load_pinned(e);
    jmp_rax(e);
}

/* The registers are in struct cpu already. */
static uint8_t *make_out(struct x64 *e)
{
    uint8_t *out = e->at;

    x64_ri(e, G_ADD, 1, RSP, 8);
    for (unsigned i = ARRAY_LEN(saved); i-- > 0;)
        pop(e, saved[i]);
    x64_b(e, 0xc3); /* ret */
    return out;
}

static void make_handler(struct jit_stubs *stubs, struct x64 *e, const uint8_t *out)
{
    uint8_t *stop;

    stubs->handler = e->at;
    store_pinned(e);
    x64_ri(e, G_SUB, 1, RSP, 8);
    x64_rr(e, OP_MOV, 1, RSI, RDX);
    call_c(e, (uintptr_t)jit_handle);
    x64_ri(e, G_ADD, 1, RSP, 8);
    x64_b(e, 0x84); /* test al, al: of a bool the rest of RAX is anything */
    x64_b(e, 0xc0);
    stop = x64_jcc8(e, CC_E);
    load_pinned(e);
    x64_b(e, 0xc3);
    x64_bind8(e, stop);
    x64_ri(e, G_ADD, 1, RSP, 8); /* the block that called is not gone back to */
    x64_jmp_to(e, out);
}

/* Go where C says, or out for a NULL. Jumped to, so the stack is aligned. */
static void go(struct x64 *e, uintptr_t fn, const uint8_t *out)
{
    call_c(e, fn);
    x64_rr(e, OP_TEST, 1, RAX, RAX);
    x64_jcc_to(e, CC_E, out);
    load_pinned(e);
    jmp_rax(e);
}

static void make_lookup(const struct jit *jit, struct jit_stubs *stubs, struct x64 *e,
                        const uint8_t *out)
{
    int32_t host_at = jit->jumps_at + (int32_t)offsetof(struct jit_jump, host);
    uint8_t *odd, *miss;

    stubs->lookup = e->at;
    /* Only a canonical address: its bits 63:48 are 0 or -1. */
    x64_rr(e, OP_MOV, 1, RAX, RCX);
    x64_shift_i(e, SH_SAR, 1, RAX, 48);
    x64_ri(e, G_ADD, 1, RAX, 1);
    x64_ri(e, G_CMP, 1, RAX, 1);
    odd = x64_jcc8(e, CC_A);
    x64_head(e, OP_LEA, 0, RDX, RCX, 0); /* lea edx, [rcx * 4] */
    x64_b(e, RDX << 3 | 4);
    x64_b(e, 2 << 6 | RCX << 3 | 5);
    x64_d(e, 0);
    x64_ri(e, G_AND, 0, RDX, (JIT_JUMPS - 1) * (int32_t)sizeof(struct jit_jump));
    x64_rr(e, OP_MOV, 1, RAX, RCX);
    x64_rm(e, OP_XOR, 1, RAX, RBP, JIT_AT(jit_key));
    x64_rmx(e, OP_CMP, 1, RAX, RBP, RDX, 0, jit->jumps_at);
    miss = x64_jcc8(e, CC_NE);
    x64_ri(e, G_AND, 1, RCX, -CODE_PAGE_SIZE);
    x64_rm(e, OP_MOV_ST, 1, RCX, RBP, JIT_AT(jit_va));
    x64_head(e, 0xff, 0, 4, RDX, RBP); /* jmp [rbp + rdx + host_at] */
    x64_memx(e, 4, RBP, RDX, 0, host_at);
    x64_bind8(e, odd);
    x64_bind8(e, miss);
    store_pinned(e);
    x64_rr(e, OP_MOV, 1, RSI, RCX);
    go(e, (uintptr_t)jit_lookup, out);
}

/* Called, so the stack is 8 bytes off. C keeps the other pinned registers. */
static void make_counter(struct jit_stubs *stubs, struct x64 *e)
{
    static const uint8_t lost[] = { 0, 1, 2, 3, 4, 8 };

    stubs->counter = e->at;
    for (unsigned i = 0; i < ARRAY_LEN(lost); i++)
        x64_rm(e, OP_MOV_ST, 1, jit_pin[lost[i]], RBP, jit_x_at(lost[i]));
    x64_ri(e, G_SUB, 1, RSP, 8);
    call_c(e, (uintptr_t)jit_counter);
    x64_ri(e, G_ADD, 1, RSP, 8);
    for (unsigned i = 0; i < ARRAY_LEN(lost); i++)
        x64_rm(e, OP_MOV, 1, jit_pin[lost[i]], RBP, jit_x_at(lost[i]));
    x64_b(e, 0xc3); /* ret */
}

/* Of CRC-32, bits reversed (jit_crypto.c): floor(x^96 / P) without its lowest term, and P. */
static void make_crc32(struct jit_stubs *stubs, struct x64 *e)
{
    while ((uintptr_t)e->at & 15)
        x64_b(e, 0x90);
    stubs->crc32 = e->at;
    x64_q(e, UINT64_C(0xb4e5b025f7011641));
    x64_q(e, UINT64_C(0x1db710641));
}

void jit_stubs_make(struct jit *jit, struct x64 *e)
{
    struct jit_stubs *stubs = &jit->stubs;
    const uint8_t *out;

    make_enter(stubs, e);
    stubs->leave = e->at;
    store_pinned(e);
    out = make_out(e);
    make_handler(stubs, e, out);
    stubs->link = e->at;
    store_pinned(e);
    x64_rr(e, OP_MOV, 1, RSI, RAX);
    go(e, (uintptr_t)jit_follow, out);
    make_lookup(jit, stubs, e, out);
    jit_xmm_constants(stubs, e);
    make_counter(stubs, e);
    make_crc32(stubs, e);
}
