/*
 * Runs one kernel in one or several threads, between two marks on standard output:
 *
 *   kernels NAME ITERATIONS [THREADS]
 *   <<NAME                      all threads are ready
 *   >>NAME CHECKSUM             all have done ITERATIONS each
 *
 * It does not look at a clock: who reads the marks does. `kernels list` prints class and name of
 * all, `kernels check` runs each a little and prints the checksums.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define THREADS_MAX      64
#define CHECK_ITERATIONS 3
#define PAGE             4096

static const struct {
    const char *name;
    const struct kernel *kernels;
} classes[] = {
    { "integer", integer_kernels }, { "float", float_kernels },   { "crypto", crypto_kernels },
    { "atomic", atomic_kernels },   { "system", system_kernels },
};
#define CLASSES (sizeof(classes) / sizeof(classes[0]))

struct work {
    const struct kernel *kernel;
    uint64_t iterations;
    void *mem;
    pthread_barrier_t *start;
    uint64_t sum;
};

static void die(const char *what, const char *name)
{
    fprintf(stderr, "kernels: %s%s\n", name, what);
    exit(1);
}

static void prepare(struct work *work)
{
    size_t bytes = (work->kernel->mem_bytes + PAGE - 1) / PAGE * PAGE;

    work->mem = aligned_alloc(PAGE, bytes);
    if (!work->mem)
        die(": no memory; give the machine more", work->kernel->name);
    memset(work->mem, 0, bytes);
    work->kernel->setup(work->mem);
}

static void *run_thread(void *arg)
{
    struct work *work = arg;

    pthread_barrier_wait(work->start);
    work->sum = work->kernel->run(work->mem, work->iterations);
    return NULL;
}

static void run_threads(const struct kernel *kernel, uint64_t iterations, unsigned threads)
{
    static struct work work[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    pthread_barrier_t start;

    pthread_barrier_init(&start, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        work[i] = (struct work){ .kernel = kernel, .iterations = iterations, .start = &start };
        prepare(&work[i]);
    }
    for (unsigned i = 1; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, run_thread, &work[i]))
            die(": cannot start so many threads", kernel->name);
    }
    printf("<<%s\n", kernel->name);
    fflush(stdout);
    run_thread(&work[0]);
    for (unsigned i = 1; i < threads; i++) {
        pthread_join(ids[i], NULL);
        if (work[i].sum != work[0].sum)
            die(": threads that did the same have different checksums", kernel->name);
    }
    printf(">>%s %016llx\n", kernel->name, (unsigned long long)work[0].sum);
    fflush(stdout);
}

static void for_all(bool check)
{
    for (size_t i = 0; i < CLASSES; i++) {
        for (const struct kernel *kernel = classes[i].kernels; kernel->name; kernel++) {
            if (check) {
                struct work work = { .kernel = kernel };
                prepare(&work);
                printf("%s %016llx\n", kernel->name,
                       (unsigned long long)kernel->run(work.mem, CHECK_ITERATIONS));
                free(work.mem);
            } else {
                printf("%s %s\n", classes[i].name, kernel->name);
            }
        }
    }
}

static const struct kernel *find(const char *name)
{
    for (size_t i = 0; i < CLASSES; i++) {
        for (const struct kernel *kernel = classes[i].kernels; kernel->name; kernel++) {
            if (!strcmp(kernel->name, name))
                return kernel;
        }
    }
    return NULL;
}

static uint64_t number(const char *text, uint64_t max)
{
    char *end;
    uint64_t val = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || !val || val > max)
        die(": give a whole number, at least 1 and not too large", text);
    return val;
}

int main(int argc, char **argv)
{
    if (argc == 2 && (!strcmp(argv[1], "list") || !strcmp(argv[1], "check"))) {
        for_all(!strcmp(argv[1], "check"));
        return 0;
    }
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: kernels list | check | NAME ITERATIONS [THREADS]\n");
        return 2;
    }

    const struct kernel *kernel = find(argv[1]);
    if (!kernel)
        die(": no such kernel; see kernels list", argv[1]);
    run_threads(kernel, number(argv[2], UINT64_MAX / 2),
                argc == 4 ? (unsigned)number(argv[3], THREADS_MAX) : 1);
    return 0;
}
