/*
 * Times the spikes of emit.py against the same loops compiled for this host: x86-64 Linux.
 *
 *   spikes [GROUP ...]
 *
 * The variants of a group take turns, in runs of a few milliseconds; the median of each counts.
 * What a loop computes is compared with the compiled one. Columns: nanoseconds for one pass through
 * the loop's body (one call, in `recursion`), and times the compiled loop.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "spikes.h"

#define ROUNDS       15
#define RUN_NS       3000000
#define VARIANTS_MAX 16
#define HUGE_PAGE    (2 << 20)
#define PAGE         4096
#define MEM_BYTES    (4 << 20)
#define GUEST_VA     UINT64_C(0x7f1234400000)
#define KEY_BITS     0x123

/* What a translator's look-up helper does, without what QEMU's does besides. */
const void *spike_lookup(const struct spike_cpu *c, uint64_t guest)
{
    const struct target *target = &c->targets[guest >> 2 & 1023];

    if (target->guest != guest)
        abort();
    return target->host;
}

static void *pages(size_t bytes)
{
    void *mem = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);

    if (!mem) {
        fprintf(stderr, "spikes: no memory\n");
        exit(1);
    }
    madvise(mem, bytes, MADV_HUGEPAGE);
    memset(mem, 0, bytes);
    return mem;
}

/* One random cycle through all nodes, a cache line each, which hold the guest address of the next.
 */
static void make_chase(uint64_t *word)
{
    uint64_t random = 7;

    for (unsigned i = 0; i < MEM_BYTES / 64; i++)
        word[i * 8] = GUEST_VA + i * 64;
    for (unsigned i = MEM_BYTES / 64 - 1; i; i--) {
        random = random * 6364136223846793005 + 1442695040888963407;
        unsigned other = (unsigned)(random >> 33) % i;
        uint64_t next = word[i * 8];
        word[i * 8] = word[other * 8];
        word[other * 8] = next;
    }
}

/* The same start for every run of a group: what is computed can then be compared. */
static void prepare(struct spike_cpu *c, const char *group, const struct spike_row *row,
                    uint8_t *mem)
{
    uint64_t *word = (uint64_t *)mem;

    for (unsigned i = 0; i < 32; i++)
        c->x[i] = 0x9e3779b97f4a7c15 * (i + 1);
    c->addend = (uint64_t)(uintptr_t)mem - GUEST_VA;
    c->request = 0;
    c->budget = INT64_MAX;
    c->ring_at = 0;
    if (!strcmp(group, "l1")) {
        for (unsigned i = 0; i < 2048; i++)
            word[i] = i * 77;
        c->x[2] = GUEST_VA;
    } else if (!strcmp(group, "chase")) {
        if (!word[0]) /* nobody writes there, so it is made once */
            make_chase(word);
        c->x[0] = GUEST_VA;
    } else if (!strcmp(group, "recursion")) {
        c->x[20] = FIB_N;
        c->x[31] = (uint64_t)(uintptr_t)mem + MEM_BYTES;
        for (const struct target *site = row ? row->sites : NULL; site && site->guest; site++)
            c->targets[site->guest >> 2 & 1023] = *site;
    } else if (!strcmp(group, "sha256")) {
        for (unsigned i = 0; i < 64; i++)
            word[i] = 0x9e3779b97f4a7c15 * (i + 3);
        c->x[9] = (uint64_t)(uintptr_t)mem;
        c->x[10] = (uint64_t)(uintptr_t)(mem + 256);
        for (unsigned i = 0; i < 8; i++)
            c->x[i] = (uint32_t)c->x[i];
    }
}

/* The words of one entry differ by key and by layout; each variant finds those that it looks for.
 */
static void fill_tlb(struct spike_cpu *c, const char *title)
{
    uint64_t key = strstr(title, "no key") ? 0 : KEY_BITS;

    c->key[0] = c->tlb->key[0] = key;
    for (unsigned i = 0; i < MEM_BYTES / PAGE; i++) {
        uint64_t va = GUEST_VA + (uint64_t)i * PAGE, tag = va | key;
        unsigned slot = va / PAGE % TLB_SIZE;
        c->tlb32[slot] = (struct entry32){ .tag_r = tag, .tag_w = tag, .addend = c->addend };
        c->tlb->data[slot] = c->tlb32[slot];
        c->tlb16_r[slot] = c->tlb16_w[slot] = (struct entry16){ .tag = tag, .addend = c->addend };
    }
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void run_group(const struct spike_group *group, struct spike_cpu *c, uint8_t *mem)
{
    struct {
        const struct spike_row *row; /* NULL: the compiled one */
        double ns[PLACEMENTS][ROUNDS];
    } variants[VARIANTS_MAX] = { 0 };
    unsigned count = 1, order[VARIANTS_MAX];
    uint64_t passes = 1, expected;

    for (unsigned i = 0; i < VARIANTS_MAX; i++)
        order[i] = i;
    for (const struct spike_row *row = spike_rows; row->group; row += PLACEMENTS) {
        if (!strcmp(row->group, group->name)) {
            variants[count++].row = row;
        }
    }
    memset(mem, 0, MEM_BYTES);
    for (uint64_t took = 0; took < RUN_NS / 2; passes *= 2) {
        prepare(c, group->name, NULL, mem);
        uint64_t start = now_ns();
        group->native(c, passes);
        took = now_ns() - start;
    }
    prepare(c, group->name, NULL, mem);
    expected = group->native(c, passes);
    for (unsigned round = 0; round < ROUNDS * PLACEMENTS; round++) {
        for (unsigned i = count - 1; i; i--) {
            unsigned other = (unsigned)rand() % (i + 1), at = order[i];
            order[i] = order[other];
            order[other] = at;
        }
        for (unsigned turn = 0; turn < count; turn++) {
            unsigned i = order[turn], placement = round % PLACEMENTS;
            const struct spike_row *row = i ? variants[i].row + placement : NULL;
            spike_fn *run = row ? row->run : group->native;

            prepare(c, group->name, row, mem);
            fill_tlb(c, row ? row->title : "");
            run(c, 1 + passes / 16); /* what was evicted comes back */
            prepare(c, group->name, row, mem);
            uint64_t start = now_ns(), result = run(c, passes);
            variants[i].ns[placement][round / PLACEMENTS] =
                (double)(now_ns() - start) / ((double)passes * group->bodies);
            if (result != expected) {
                fprintf(stderr, "spikes: %s, %s: wrong result\n", group->name,
                        row ? row->title : "compiled");
                exit(1);
            }
        }
    }
    double compiled = 0;
    for (unsigned i = 0; i < count; i++) {
        double mean = 0;
        for (unsigned placement = 0; placement < PLACEMENTS; placement++) {
            double *ns = variants[i].ns[placement];
            qsort(ns, ROUNDS, sizeof(*ns), compare);
            mean += ns[ROUNDS / 2] / PLACEMENTS;
        }
        if (!i)
            compiled = mean;
        printf("| %-11s | %-47s | %6.2f | %5.2f |\n", group->name,
               i ? variants[i].row->title : "compiled", mean, mean / compiled);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct spike_cpu *c = pages(sizeof(*c));
    uint8_t *mem = pages(MEM_BYTES);
    unsigned done = 0;

    if (!__builtin_cpu_supports("bmi2")) {
        fprintf(stderr, "spikes: this processor has no BMI2; use one that has\n");
        return 1;
    }
    c->tlb = pages(sizeof(*c->tlb));
    printf("| %-11s | %-47s | %6s | %5s |\n| --- | --- | ---: | ---: |\n", "loop", "variant", "ns",
           "times");
    for (const struct spike_group *group = spike_groups; group->name; group++) {
        bool wanted = argc == 1;
        for (int arg = 1; arg < argc; arg++)
            wanted |= !strcmp(argv[arg], group->name);
        if (wanted) {
            run_group(group, c, mem);
            done++;
        }
    }
    if (!done) {
        fprintf(stderr, "spikes: no such group; there are");
        for (const struct spike_group *group = spike_groups; group->name; group++)
            fprintf(stderr, " %s", group->name);
        fprintf(stderr, "\n");
        return 2;
    }
    return 0;
}
