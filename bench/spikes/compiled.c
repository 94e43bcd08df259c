/* The loops of loops.py in C, compiled for this host: what the spikes are compared with. */
#include "spikes.h"

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x >> by | x << (64 - by);
}

static uint32_t rotate32(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

static uint64_t native_l1(struct spike_cpu *c, uint64_t passes)
{
    uint64_t *word = (uint64_t *)(uintptr_t)(c->x[2] + c->addend), sum = c->x[0];

    while (passes--) {
        for (uint64_t i = 0; i < 2048; i++) {
            sum += word[i];
            word[i] = sum ^ i;
        }
    }
    return sum;
}

static uint64_t native_chase(struct spike_cpu *c, uint64_t passes)
{
    /* The nodes hold guest addresses; the compiled loop adds what it takes to follow them. */
    uint64_t at = c->x[0];

    while (passes--) {
        for (unsigned i = 0; i < 1024; i++)
            at = *(const uint64_t *)(uintptr_t)(at + c->addend);
    }
    return at;
}

static __attribute__((noinline)) uint64_t fib(uint64_t n)
{
    if (n < 2)
        return n;
    uint64_t one = fib(n - 1), two = fib(n - 2);
    __asm__ volatile("" : "+r"(one), "+r"(two));
    return one + two;
}

static uint64_t native_recursion(struct spike_cpu *c, uint64_t passes)
{
    uint64_t result = 0;

    while (passes--)
        result = fib(c->x[20]);
    return result;
}

static uint64_t native_blocks(struct spike_cpu *c, uint64_t passes)
{
    uint64_t a = c->x[0], b = c->x[1], d = c->x[2], e = c->x[4], f = c->x[5], g = c->x[6];

    while (passes--) {
        for (unsigned i = 1024; i; i--) {
            a += 1;
            b ^= a;
            d += 5;
            e -= 3;
            f += d;
            g ^= 77;
            a += 9;
            e |= 1;
            b -= 1;
            d += e;
            f ^= 12;
            g += 2;
            a += g;
            e -= d;
            b += 8;
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(f));
        }
    }
    return a;
}

static uint64_t native_alu(struct spike_cpu *c, uint64_t passes)
{
    uint64_t sum = c->x[0], a = c->x[1], b = c->x[2], by = c->x[5];

    while (passes--) {
        for (unsigned i = 1024; i; i--) {
            a ^= a << 13;
            a ^= a >> 7;
            a ^= a << 17;
            b = rotate(b * by + a, 41);
            sum += b ^ a >> 3;
        }
    }
    return sum;
}

static uint64_t native_tight(struct spike_cpu *c, uint64_t passes)
{
    uint64_t sum = c->x[0];

    while (passes--) {
        for (unsigned i = 1024; i; i--) {
            sum += c->x[1];
            __asm__ volatile("" : "+r"(sum)); /* or it would be a multiplication */
        }
    }
    return sum;
}

static uint64_t native_sha256(struct spike_cpu *c, uint64_t passes)
{
    uint32_t s[8];
    const uint32_t *w = (const uint32_t *)(uintptr_t)c->x[9];
    const uint32_t *k = (const uint32_t *)(uintptr_t)c->x[10];

    for (unsigned i = 0; i < 8; i++)
        s[i] = (uint32_t)c->x[i];
    uint32_t a = s[0], b = s[1], d = s[2], e = s[3], f = s[4], g = s[5], h = s[6], j = s[7];
    while (passes--) {
        for (unsigned i = 0; i < 64; i++) {
            uint32_t t1 = j + (rotate32(f, 6) ^ rotate32(f, 11) ^ rotate32(f, 25)) +
                          ((f & g) ^ (h & ~f)) + w[i] + k[i];
            uint32_t t2 =
                (rotate32(a, 2) ^ rotate32(a, 13) ^ rotate32(a, 22)) + ((a & b) ^ ((a ^ b) & d));
            j = h;
            h = g;
            g = f;
            f = e + t1;
            e = d;
            d = b;
            b = a;
            a = t1 + t2;
        }
    }
    return a;
}

const struct spike_group spike_groups[] = {
    { "l1", native_l1, 2048 },
    { "chase", native_chase, 1024 },
    { "recursion", native_recursion, FIB_CALLS },
    { "blocks", native_blocks, 1024 },
    { "alu", native_alu, 1024 },
    { "sha256", native_sha256, 64 },
    { "flags_alu", native_alu, 1024 },
    { "flags_tight", native_tight, 1024 },
    { 0 },
};
