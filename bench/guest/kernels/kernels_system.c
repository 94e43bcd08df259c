/* What only a kernel could do if the machine did not help: reading the counter. */
#include "kernels.h"
#include "vectors.h"

#define READS 512

static void setup_nothing(void *mem)
{
    (void)mem;
}

/* The sum tells how often time went backwards, which is never. */
static uint64_t run_counter(void *mem, uint64_t iterations)
{
    uint64_t last = counter_read(), backwards = 0;

    (void)mem;
    while (iterations--) {
        for (unsigned i = 0; i < READS; i++) {
            uint64_t now = counter_read();
            backwards += now < last;
            last = now;
        }
    }
    return fold(0, backwards);
}

const struct kernel system_kernels[] = {
    { "counter", 64, setup_nothing, run_counter },
    { 0 },
};
