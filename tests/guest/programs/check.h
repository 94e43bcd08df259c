/*
 * What the guest programs share: checks that print a line each, random numbers, processors, gates.
 *
 * A program is `NAME [SCALE]`: SCALE multiplies how often it repeats what chance may hit. It prints
 * "ok WHAT" or "FAILED WHAT" for each check, after lines that say what was expected and seen, and
 * exits 1 if one failed. Where the output is the same on every correct CPU, the harness compares
 * it.
 */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define TOLD_MAX   5  /* of one check's failures; more only repeat them */
#define CACHE_LINE 64 /* CTR_EL0 may announce less, no machine of ours announces more */

static const char *check_what;
static unsigned check_failures, check_failed;

/* The next expectations belong to this check. */
static inline void check_begin(const char *what)
{
    check_what = what;
    __atomic_store_n(&check_failures, 0, __ATOMIC_RELAXED);
}

/* True if every expectation since check_begin() held. */
static inline bool check_end(void)
{
    bool good = !__atomic_load_n(&check_failures, __ATOMIC_RELAXED);

    printf("%s %s\n", good ? "ok" : "FAILED", check_what);
    fflush(stdout);
    check_failed += !good;
    return good;
}

/* What main() returns. */
static inline int check_exit(void)
{
    return check_failed ? 1 : 0;
}

/* From any thread; the words say what was expected and seen. */
__attribute__((format(printf, 2, 3))) static inline bool expect(bool good, const char *words, ...)
{
    va_list ap;

    if (good)
        return true;
    if (__atomic_fetch_add(&check_failures, 1, __ATOMIC_RELAXED) >= TOLD_MAX)
        return false;
    flockfile(stdout);
    printf("  %s: ", check_what);
    va_start(ap, words);
    vprintf(words, ap);
    va_end(ap);
    printf("\n");
    funlockfile(stdout);
    return false;
}

static inline bool expect_u64(uint64_t seen, uint64_t want, const char *what, uint64_t which)
{
    return expect(seen == want, "%s [0x%" PRIx64 "]: expected 0x%" PRIx64 ", seen 0x%" PRIx64, what,
                  which, want, seen);
}

static inline bool expect_bytes(const void *seen, const void *want, size_t bytes, const char *what,
                                uint64_t which)
{
    const unsigned char *s = seen, *w = want;
    char text[2][65] = { "", "" };

    if (!memcmp(seen, want, bytes))
        return true;
    for (size_t i = 0; i < bytes && i < 32; i++) {
        snprintf(text[0] + 2 * i, 3, "%02x", w[i]);
        snprintf(text[1] + 2 * i, 3, "%02x", s[i]);
    }
    return expect(false, "%s [0x%" PRIx64 "]: expected %s, seen %s", what, which, text[0], text[1]);
}

/* A system call that must work: the machine, not the check, is wrong otherwise. */
static inline long must(long result, const char *call)
{
    if (result < 0) {
        printf("FAILED %s: %s: %s\n", check_what ? check_what : "start", call, strerror(errno));
        fflush(stdout);
        _exit(1);
    }
    return result;
}

/* The same for calls that return the error itself. */
static inline void must_zero(int error, const char *call)
{
    errno = error;
    must(-error, call);
}

static inline uint64_t scale_of(int argc, char **argv)
{
    uint64_t scale = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;

    return scale ? scale : 1;
}

/* xorshift64*: the same sequence everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* Half of them near an edge of the type, as errors are. */
static inline uint64_t random_operand(uint64_t *state)
{
    uint64_t r = next_random(state), edge;

    if (r & 1)
        return next_random(state);
    edge = UINT64_C(1) << (r >> 1 & 63);
    return edge + (r >> 8 & 7) - 4;
}

/* A running checksum, so that a long computation is compared as one number. */
static inline uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum << 7 | sum >> 57) * UINT64_C(0x9e3779b97f4a7c15) ^ value;
}

static inline unsigned configured_cpus(void)
{
    return (unsigned)sysconf(_SC_NPROCESSORS_CONF);
}

/* Bind the calling thread to the nth CPU, modulo how many there are. */
static inline void pin(unsigned nth)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(nth % configured_cpus(), &set);
    must(sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

/*
 * A barrier that spins first, for threads that shall go on within few instructions of each other,
 * then sleeps: the one that is waited for may need the host's core.
 */
struct gate {
    uint32_t waiting __attribute__((aligned(CACHE_LINE)));
    uint32_t turn __attribute__((aligned(CACHE_LINE)));
};

#define GATE_SPINS 2000

static inline void gate_wait(struct gate *gate, unsigned threads)
{
    uint32_t turn = __atomic_load_n(&gate->turn, __ATOMIC_ACQUIRE);

    if (__atomic_add_fetch(&gate->waiting, 1, __ATOMIC_ACQ_REL) == threads) {
        __atomic_store_n(&gate->waiting, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&gate->turn, turn + 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &gate->turn, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
        return;
    }
    for (unsigned spins = 0; __atomic_load_n(&gate->turn, __ATOMIC_ACQUIRE) == turn; spins++) {
        if (spins > GATE_SPINS)
            syscall(SYS_futex, &gate->turn, FUTEX_WAIT_PRIVATE, turn, NULL, NULL, 0);
    }
}

/* Start the same function in many threads, numbered from 0, and wait for their end. */
struct worker {
    pthread_t thread;
    unsigned number;
    void (*body)(unsigned number);
};

static inline void *worker_main(void *arg)
{
    struct worker *w = arg;

    w->body(w->number);
    return NULL;
}

static inline void run_workers(unsigned threads, void (*body)(unsigned number))
{
    struct worker *all = calloc(threads, sizeof(*all));

    for (unsigned i = 0; i < threads; i++) {
        all[i].number = i;
        all[i].body = body;
        must_zero(pthread_create(&all[i].thread, NULL, worker_main, &all[i]), "pthread_create");
    }
    for (unsigned i = 0; i < threads; i++)
        must_zero(pthread_join(all[i].thread, NULL), "pthread_join");
    free(all);
}
