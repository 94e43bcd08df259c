/*
 * The kernels of the compute benchmark: one loop each, that asks one thing of a CPU.
 *
 * A kernel works in memory of its own and returns a checksum of what it computed, which is the same
 * on every correct CPU. Nothing is shared, so several threads may run the same kernel.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct kernel {
    const char *name;
    size_t mem_bytes; /* a multiple of 64; setup() gets it zeroed and aligned to a 4 KiB page */
    void (*setup)(void *mem);
    uint64_t (*run)(void *mem, uint64_t iterations);
};

/* A class is what a geometric mean is taken over. The last row has no name. */
extern const struct kernel integer_kernels[], float_kernels[], crypto_kernels[], atomic_kernels[],
    system_kernels[];

extern const uint32_t sha256_constants[64];
extern const uint32_t sha256_initial[8];

/* A step of the generator that fills memory; the state is never 0. */
static inline uint64_t xorshift(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static inline uint64_t fold(uint64_t sum, uint64_t val)
{
    return rotate((sum ^ val) * 0x9e3779b97f4a7c15, 29);
}

static inline uint64_t fold_words(uint64_t sum, const void *mem, size_t bytes)
{
    for (const uint64_t *word = mem, *end = word + bytes / 8; word < end; word++)
        sum = fold(sum, *word);
    return sum;
}

static inline void fill_words(void *mem, size_t bytes, uint64_t seed)
{
    for (uint64_t *word = mem, *end = word + bytes / 8; word < end; word++)
        *word = seed = xorshift(seed);
}
