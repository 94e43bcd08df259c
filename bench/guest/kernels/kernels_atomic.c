/* Atomic addition, by one instruction and by a pair of exclusives; nobody else uses the word. */
#include "kernels.h"
#include "vectors.h"

#define ADDS 512

static void setup_zero(void *mem)
{
    *(uint64_t *)mem = 0;
}

static uint64_t run_ldadd(void *mem, uint64_t iterations)
{
    uint64_t *word = mem, sum = 0;

    while (iterations--) {
        for (unsigned i = 0; i < ADDS; i++)
            sum ^= __atomic_fetch_add(word, i, __ATOMIC_ACQ_REL);
    }
    return fold(sum, *word);
}

static uint64_t run_llsc(void *mem, uint64_t iterations)
{
    uint64_t *word = mem, sum = 0;

    while (iterations--) {
        for (unsigned i = 0; i < ADDS; i++)
            sum ^= exclusive_add(word, i);
    }
    return fold(sum, *word);
}

const struct kernel atomic_kernels[] = {
    { "ldaddal", 64, setup_zero, run_ldadd },
    { "ldaxr", 64, setup_zero, run_llsc },
    { 0 },
};
