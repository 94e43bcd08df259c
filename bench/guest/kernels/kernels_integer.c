/* Integer kernels: what compiled C is made of. One iteration is a few microseconds of a host's
 * time. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define ALU_STEPS    1024
#define FIB_N        17
#define SORT_ITEMS   512
#define L1_WORDS     2048 /* 16 KiB */
#define CHASE_NODES  65536
#define CHASE_HOPS   1024
#define COPY_BYTES   65536
#define SHA_BLOCKS   16
#define SCRIPT_LOOPS 128

static void setup_nothing(void *mem)
{
    (void)mem;
}

static uint64_t run_alu(void *mem, uint64_t iterations)
{
    uint64_t a = 0x123456789abcdef, b = 0xfedcba987654321, sum = 0;

    (void)mem;
    while (iterations--) {
        for (unsigned i = 0; i < ALU_STEPS; i++) {
            a = xorshift(a);
            b = rotate(b * 0xd1342543de82ef95 + a, 23);
            sum += b ^ a >> 3;
        }
    }
    return sum;
}

/* Calls and returns are what is asked for: neither inlined nor made a loop. */
static __attribute__((noinline)) uint64_t fib(uint64_t n)
{
    if (n < 2)
        return n;
    uint64_t one = fib(n - 1), two = fib(n - 2);
    __asm__ volatile("" : "+r"(one), "+r"(two));
    return one + two;
}

static uint64_t run_recursion(void *mem, uint64_t iterations)
{
    uint64_t sum = 0, n = FIB_N;

    (void)mem;
    while (iterations--) {
        __asm__ volatile("" : "+r"(n));
        sum = fold(sum, fib(n));
    }
    return sum;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static uint64_t run_qsort(void *mem, uint64_t iterations)
{
    uint32_t *items = mem;
    uint64_t sum = 0, random = 88172645463325252;

    while (iterations--) {
        for (unsigned i = 0; i < SORT_ITEMS; i++)
            items[i] = (uint32_t)(random = xorshift(random));
        qsort(items, SORT_ITEMS, sizeof(*items), compare);
        sum = fold(sum, items[SORT_ITEMS / 3] ^ (uint64_t)items[0] << 32);
    }
    return sum;
}

/* A machine of eight registers; an instruction is its operation, a destination and a source. */
enum { OP_ADD, OP_XOR, OP_MUL, OP_SHIFT, OP_LOAD, OP_STORE, OP_SKIP, OP_NOT, OP_COUNT, OP_END };

struct script {
    uint64_t memory[64];
    struct {
        uint8_t op, to, from;
    } code[32];
};

static void setup_switch(void *mem)
{
    static const uint8_t ops[] = { OP_ADD,  OP_LOAD, OP_XOR,   OP_MUL, OP_SKIP, OP_SHIFT,
                                   OP_ADD,  OP_NOT,  OP_STORE, OP_XOR, OP_SKIP, OP_ADD,
                                   OP_LOAD, OP_MUL,  OP_XOR,   OP_ADD, OP_STORE };
    struct script *script = mem;
    unsigned at = 0;

    for (; at < sizeof(ops); at++) {
        script->code[at].op = ops[at];
        script->code[at].to = (at * 5 + 1) % 7;
        script->code[at].from = (at * 3 + 2) % 7;
    }
    script->code[at].op = OP_COUNT;
    script->code[at + 1].op = OP_END;
    fill_words(script->memory, sizeof(script->memory), 11);
}

static uint64_t run_script(struct script *script, uint64_t *reg)
{
    for (unsigned pc = 0;; pc++) {
        unsigned to = script->code[pc].to, from = script->code[pc].from;

        switch (script->code[pc].op) {
        case OP_ADD:
            reg[to] += reg[from];
            break;
        case OP_XOR:
            reg[to] ^= reg[from] + 1;
            break;
        case OP_MUL:
            reg[to] *= reg[from] | 1;
            break;
        case OP_SHIFT:
            reg[to] = rotate(reg[to], 11);
            break;
        case OP_LOAD:
            reg[to] += script->memory[reg[from] & 63];
            break;
        case OP_STORE:
            script->memory[reg[to] & 63] = reg[from];
            break;
        case OP_SKIP:
            pc += reg[to] & 1;
            break;
        case OP_NOT:
            reg[to] = ~reg[to];
            break;
        case OP_COUNT:
            if (--reg[7])
                pc = -1U;
            break;
        default:
            return reg[0] ^ reg[3];
        }
    }
}

static uint64_t run_switch(void *mem, uint64_t iterations)
{
    uint64_t reg[8] = { 1, 2, 3, 4, 5, 6, 7 }, sum = 0;

    while (iterations--) {
        reg[7] = SCRIPT_LOOPS;
        sum = fold(sum, run_script(mem, reg));
    }
    return sum;
}

static void setup_l1(void *mem)
{
    fill_words(mem, L1_WORDS * 8, 3);
}

static uint64_t run_l1(void *mem, uint64_t iterations)
{
    uint64_t *word = mem, sum = 0;

    while (iterations--) {
        for (unsigned i = 0; i < L1_WORDS; i++) {
            sum += word[i];
            word[i] = sum ^ i;
        }
    }
    return fold_words(sum, mem, L1_WORDS * 8);
}

/* One random cycle through all nodes, each a cache line that holds the address of the next. */
struct node {
    struct node *next;
    uint64_t val[7];
};

static void setup_chase(void *mem)
{
    struct node *node = mem;
    uint64_t random = 7;

    for (unsigned i = 0; i < CHASE_NODES; i++)
        node[i] = (struct node){ .next = &node[i], .val = { i } };
    for (unsigned i = CHASE_NODES - 1; i; i--) {
        unsigned other = (unsigned)((random = xorshift(random)) >> 20) % i;
        struct node *next = node[i].next;
        node[i].next = node[other].next;
        node[other].next = next;
    }
}

static uint64_t run_chase(void *mem, uint64_t iterations)
{
    const struct node *at = mem;
    uint64_t sum = 0;

    while (iterations--) {
        for (unsigned i = 0; i < CHASE_HOPS; i++)
            at = at->next;
        sum = fold(sum, at->val[0]);
    }
    return sum;
}

static void setup_memcpy(void *mem)
{
    fill_words(mem, COPY_BYTES, 5);
}

static uint64_t run_memcpy(void *mem, uint64_t iterations)
{
    uint8_t *from = mem, *to = from + COPY_BYTES;

    for (uint64_t i = 0; i < iterations; i++) {
        from[i % COPY_BYTES] += 3;
        memcpy(to, from, COPY_BYTES);
        __asm__ volatile("" : : "r"(to) : "memory");
    }
    return fold_words(0, to, COPY_BYTES);
}

static void setup_sha256(void *mem)
{
    fill_words(mem, SHA_BLOCKS * 64, 9);
}

static uint32_t right(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

/* FIPS 180-4, 6.2.2. The words of the block are taken as they lie in memory. */
static void sha256_block(uint32_t state[8], const uint32_t block[16])
{
    uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4],
                    f = state[5], g = state[6], h = state[7];

    memcpy(w, block, 64);
    for (unsigned i = 16; i < 64; i++) {
        uint32_t s0 = right(w[i - 15], 7) ^ right(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = right(w[i - 2], 17) ^ right(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    for (unsigned i = 0; i < 64; i++) {
        uint32_t t1 = h + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & f) ^ (~e & g)) +
                      sha256_constants[i] + w[i];
        uint32_t t2 = (right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

static uint64_t run_sha256(void *mem, uint64_t iterations)
{
    uint32_t state[8];

    memcpy(state, sha256_initial, sizeof(state));
    while (iterations--) {
        for (unsigned i = 0; i < SHA_BLOCKS; i++)
            sha256_block(state, (const uint32_t *)mem + i * 16);
    }
    return fold_words(0, state, sizeof(state));
}

const struct kernel integer_kernels[] = {
    { "alu", 64, setup_nothing, run_alu },
    { "recursion", 64, setup_nothing, run_recursion },
    { "qsort", SORT_ITEMS * 4, setup_nothing, run_qsort },
    { "switch", sizeof(struct script), setup_switch, run_switch },
    { "l1", L1_WORDS * 8, setup_l1, run_l1 },
    { "chase", CHASE_NODES * sizeof(struct node), setup_chase, run_chase },
    { "memcpy", 2 * COPY_BYTES, setup_memcpy, run_memcpy },
    { "sha256", SHA_BLOCKS * 64, setup_sha256, run_sha256 },
    { 0 },
};
