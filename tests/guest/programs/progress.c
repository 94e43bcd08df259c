/*
 * Eight threads bound to as many CPUs, which may be more than the host has: whoever waits must let
 * the one it waits for run. Each kind of lock and barrier ends only when every thread had its
 * share.
 */
#include "check.h"

#define THREADS 8

static uint64_t rounds;
static uint64_t counted;         /* plain: the lock under test protects it */
static uint64_t shares[THREADS]; /* what each thread did */

static struct {
    uint32_t next __attribute__((aligned(CACHE_LINE)));
    uint32_t serving __attribute__((aligned(CACHE_LINE)));
    uint32_t word __attribute__((aligned(CACHE_LINE)));
} lock;

/* --- ticket lock: waits by LDAXR and WFE, as Linux does; the holder's store is the event --- */

static void ticket_lock(void)
{
    uint32_t mine = __atomic_fetch_add(&lock.next, 1, __ATOMIC_RELAXED), serving;

    __asm__ volatile("sevl\n1: wfe\nldaxr %w0, [%1]\ncmp %w0, %w2\nb.ne 1b\nclrex"
                     : "=&r"(serving)
                     : "r"(&lock.serving), "r"(mine)
                     : "memory", "cc");
}

static void ticket_unlock(void)
{
    __atomic_store_n(&lock.serving, lock.serving + 1, __ATOMIC_RELEASE);
}

/* --- the same, told by SEV --- */

static void sev_lock(void)
{
    uint32_t mine = __atomic_fetch_add(&lock.next, 1, __ATOMIC_RELAXED);

    while (__atomic_load_n(&lock.serving, __ATOMIC_ACQUIRE) != mine)
        __asm__ volatile("wfe" ::: "memory");
}

static void sev_unlock(void)
{
    ticket_unlock();
    __asm__ volatile("dsb ishst\nsev" ::: "memory");
}

/* --- test and set: exclusives, compare-and-swap; waits by spinning --- */

static void exclusive_lock(void)
{
    uint32_t seen, failed;

    __asm__ volatile("1: ldaxr %w0, [%2]\ncbnz %w0, 1b\nstxr %w1, %w3, [%2]\ncbnz %w1, 1b"
                     : "=&r"(seen), "=&r"(failed)
                     : "r"(&lock.word), "r"(1)
                     : "memory");
}

static void cas_lock(void)
{
    uint32_t seen;

    do {
        seen = 0;
        __asm__ volatile("casa %w0, %w2, [%1]" : "+r"(seen) : "r"(&lock.word), "r"(1) : "memory");
        if (seen)
            __asm__ volatile("yield");
    } while (seen);
}

static void word_unlock(void)
{
    __atomic_store_n(&lock.word, 0, __ATOMIC_RELEASE);
}

static const struct kind {
    const char *name;
    void (*lock)(void), (*unlock)(void);
    uint64_t divide; /* a lock in order waits for one thread at a time */
} kinds[] = {
    { "ticket lock, WFE", ticket_lock, ticket_unlock, 4 },
    { "ticket lock, WFE and SEV", sev_lock, sev_unlock, 4 },
    { "exclusive lock, spinning", exclusive_lock, word_unlock, 1 },
    { "CAS lock, YIELD", cas_lock, word_unlock, 1 },
};
static const struct kind *kind;

static void take_turns(unsigned number)
{
    pin(number);
    for (uint64_t n = 0; n < rounds / kind->divide; n++) {
        kind->lock();
        counted++;
        shares[number]++;
        kind->unlock();
    }
}

/* --- barriers --- */

static struct gate gate;
static pthread_barrier_t barrier;

static void meet_in_gate(unsigned number)
{
    pin(number);
    for (uint64_t n = 1; n <= rounds / 8; n++) {
        __atomic_store_n(&shares[number], n, __ATOMIC_RELAXED);
        gate_wait(&gate, THREADS);
        for (unsigned i = 0; i < THREADS; i++)
            expect_u64(__atomic_load_n(&shares[i], __ATOMIC_RELAXED), n, "share of thread", i);
        pthread_barrier_wait(&barrier);
    }
}

/* --- no thread waits; all the same each gets on while the others compute --- */

static void compute_until_all_did(unsigned number)
{
    uint64_t sum = number, done = 0;

    pin(number);
    for (uint64_t n = 1; done < THREADS; n++) {
        for (unsigned i = 0; i < 100; i++)
            sum = mix(sum, n);
        __atomic_store_n(&shares[number], n | (sum & 1) << 63, __ATOMIC_RELAXED);
        done = 0;
        for (unsigned i = 0; i < THREADS; i++)
            done += (__atomic_load_n(&shares[i], __ATOMIC_RELAXED) & INT64_MAX) >= rounds;
    }
}

int main(int argc, char **argv)
{
    rounds = 2000 * scale_of(argc, argv);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kind = &kinds[i];
        counted = 0;
        memset(shares, 0, sizeof(shares));
        memset(&lock, 0, sizeof(lock));
        check_begin(kind->name);
        run_workers(THREADS, take_turns);
        expect_u64(counted, THREADS * (rounds / kind->divide), "under the lock", 0);
        for (unsigned t = 0; t < THREADS; t++)
            expect_u64(shares[t], rounds / kind->divide, "share of thread", t);
        check_end();
    }
    check_begin("barriers");
    memset(shares, 0, sizeof(shares));
    pthread_barrier_init(&barrier, NULL, THREADS);
    run_workers(THREADS, meet_in_gate);
    check_end();
    check_begin("every thread gets on while all compute");
    memset(shares, 0, sizeof(shares));
    run_workers(THREADS, compute_until_all_did);
    check_end();
    return check_exit();
}
