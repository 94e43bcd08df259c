/*
 * POSIX threads: locks, conditions, barriers, thread-local data, cancellation, many threads at
 * once, threads that move between CPUs while they compute.
 */
#include "check.h"

#include <semaphore.h>

#define THREADS 6
#define MANY    150

static uint64_t rounds;

/* --- one counter a kind of lock --- */

static struct {
    pthread_mutex_t normal, recursive, inherit;
    pthread_spinlock_t spin;
    pthread_rwlock_t rw;
    sem_t sem;
    uint64_t counts[6];
    uint64_t left, right; /* equal, seen under the lock for readers */
} locks = { .normal = PTHREAD_MUTEX_INITIALIZER, .rw = PTHREAD_RWLOCK_INITIALIZER };

static void count_under_locks(unsigned number)
{
    for (uint64_t n = 0; n < rounds; n++) {
        pthread_mutex_lock(&locks.normal);
        locks.counts[0]++;
        pthread_mutex_unlock(&locks.normal);

        pthread_mutex_lock(&locks.recursive);
        pthread_mutex_lock(&locks.recursive);
        locks.counts[1]++;
        pthread_mutex_unlock(&locks.recursive);
        pthread_mutex_unlock(&locks.recursive);

        pthread_mutex_lock(&locks.inherit);
        locks.counts[2]++;
        pthread_mutex_unlock(&locks.inherit);

        while (pthread_spin_trylock(&locks.spin))
            sched_yield();
        locks.counts[3]++;
        pthread_spin_unlock(&locks.spin);

        sem_wait(&locks.sem);
        locks.counts[4]++;
        sem_post(&locks.sem);

        if ((n + number) % 8 == 0) {
            pthread_rwlock_wrlock(&locks.rw);
            locks.counts[5]++;
            locks.left++;
            locks.right++;
            pthread_rwlock_unlock(&locks.rw);
        } else {
            pthread_rwlock_rdlock(&locks.rw);
            expect_u64(locks.left, locks.right, "read under the lock", n);
            pthread_rwlock_unlock(&locks.rw);
        }
    }
}

static void check_locks(void)
{
    static const char *const names[] = { "mutex", "recursive mutex", "inheriting mutex",
                                         "spin lock", "semaphore" };
    pthread_mutexattr_t attr;
    uint64_t writes = 0;

    check_begin("locks");
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&locks.recursive, &attr);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    must_zero(pthread_mutex_init(&locks.inherit, &attr), "pthread_mutex_init");
    pthread_spin_init(&locks.spin, PTHREAD_PROCESS_PRIVATE);
    sem_init(&locks.sem, 0, 1);
    run_workers(THREADS, count_under_locks);
    for (unsigned i = 0; i < COUNT(names); i++)
        expect_u64(locks.counts[i], THREADS * rounds, names[i], i);
    for (unsigned t = 0; t < THREADS; t++)
        writes += (rounds + t + 7) / 8 - (t + 7) / 8;
    expect_u64(locks.counts[5], writes, "lock for writers", 0);
    check_end();
}

/* --- producers and consumers --- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t more, room;
    uint64_t items[8];
    unsigned held, next;
    uint64_t sum, taken;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER,
            .more = PTHREAD_COND_INITIALIZER,
            .room = PTHREAD_COND_INITIALIZER };

static void produce_or_consume(unsigned number)
{
    for (uint64_t n = 0; n < rounds; n++) {
        pthread_mutex_lock(&queue.lock);
        if (number % 2 == 0) {
            while (queue.held == COUNT(queue.items))
                pthread_cond_wait(&queue.room, &queue.lock);
            queue.items[(queue.next + queue.held++) % COUNT(queue.items)] = n * THREADS + number;
            pthread_cond_signal(&queue.more);
        } else {
            while (!queue.held)
                pthread_cond_wait(&queue.more, &queue.lock);
            queue.sum += queue.items[queue.next];
            queue.next = (queue.next + 1) % COUNT(queue.items);
            queue.held--;
            queue.taken++;
            pthread_cond_signal(&queue.room);
        }
        pthread_mutex_unlock(&queue.lock);
    }
}

static void check_conditions(void)
{
    uint64_t want = 0;

    check_begin("condition variables");
    run_workers(THREADS, produce_or_consume);
    for (uint64_t n = 0; n < rounds; n++) {
        for (unsigned t = 0; t < THREADS; t += 2)
            want += n * THREADS + t;
    }
    expect_u64(queue.taken, rounds * (THREADS / 2), "items", 0);
    expect_u64(queue.sum, want, "their sum", 0);
    check_end();
}

/* --- barriers: everyone sees what everyone wrote before --- */

static pthread_barrier_t barrier;
static uint64_t steps[THREADS];

static void step(unsigned number)
{
    for (uint64_t n = 1; n <= rounds / 4; n++) {
        steps[number] = n;
        pthread_barrier_wait(&barrier);
        for (unsigned i = 0; i < THREADS; i++)
            expect_u64(steps[i], n, "step of another", i);
        pthread_barrier_wait(&barrier);
    }
}

/* --- thread-local data --- */

static __thread uint64_t own = 42, own_zero;
static __thread char own_space[1000];
static pthread_key_t key;
static unsigned destroyed;

static void on_destroy(void *value)
{
    __atomic_fetch_add(&destroyed, (unsigned)(uintptr_t)value, __ATOMIC_RELAXED);
}

static void use_own_data(unsigned number)
{
    expect_u64(own, 42, "initial value", number);
    expect_u64(own_zero, 0, "initial zero", number);
    pthread_setspecific(key, (void *)(uintptr_t)1);
    own = number;
    memset(own_space, (int)number, sizeof(own_space));
    for (unsigned i = 0; i < 20; i++) {
        sched_yield();
        own_zero += own;
        expect_u64((unsigned char)own_space[i * 50], (unsigned char)number, "own array", number);
    }
    expect_u64(own_zero, 20 * (uint64_t)number, "own sum", number);
    expect_u64((uint64_t)(uintptr_t)pthread_getspecific(key), 1, "own key", number);
}

static void check_own_data(void)
{
    check_begin("many threads with data of their own");
    must_zero(pthread_key_create(&key, on_destroy), "pthread_key_create");
    for (uint64_t i = 0; i < 1 + rounds / 2000; i++) {
        destroyed = 0;
        run_workers(MANY, use_own_data);
        expect_u64(destroyed, MANY, "destructors", i);
    }
    check_end();
}

/* --- once, cancellation --- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned once_ran, cleaned;

static void run_once(void)
{
    once_ran++;
}

static void call_once(unsigned number)
{
    (void)number;
    pthread_once(&once, run_once);
    expect_u64(__atomic_load_n(&once_ran, __ATOMIC_RELAXED), 1, "runs when once returned", number);
}

static void on_cleanup(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&cleaned, 1, __ATOMIC_RELAXED);
}

static void *wait_for_ever(void *arg)
{
    pthread_cleanup_push(on_cleanup, NULL);
    sem_wait(arg);
    pthread_cleanup_pop(0);
    return NULL;
}

static void check_cancellation(void)
{
    pthread_t thread[10];
    sem_t never;
    void *result;

    check_begin("once, cancellation");
    run_workers(THREADS, call_once);
    sem_init(&never, 0, 0);
    for (unsigned i = 0; i < COUNT(thread); i++)
        must_zero(pthread_create(&thread[i], NULL, wait_for_ever, &never), "pthread_create");
    for (unsigned i = 0; i < COUNT(thread); i++) {
        pthread_cancel(thread[i]);
        pthread_join(thread[i], &result);
        expect(result == PTHREAD_CANCELED, "thread %u: was not cancelled", i);
    }
    expect_u64(cleaned, COUNT(thread), "cleanup handlers", 0);
    check_end();
}

/* --- moves between CPUs --- */

static double chain(uint64_t seed, uint64_t turns, bool moves)
{
    uint64_t first = seed;
    double d = 1;

    for (uint64_t n = 0; n < turns; n++) {
        if (moves && n % 64 == 0) {
            unsigned target = (unsigned)(n / 64 + first) % configured_cpus(), cpu;
            pin(target);
            must(getcpu(&cpu, NULL), "getcpu");
            expect_u64(cpu, target, "CPU after a move", n);
        }
        for (unsigned i = 0; i < 50; i++)
            d = d * 0.75 + (double)(next_random(&seed) >> 40) / d;
    }
    return d;
}

static double stays[THREADS];

static void move_around(unsigned number)
{
    expect(chain(number + 1, rounds, true) == stays[number], "thread %u computed something else",
           number);
}

static void check_moves(void)
{
    check_begin("registers survive moves between CPUs");
    for (unsigned i = 0; i < THREADS; i++)
        stays[i] = chain(i + 1, rounds, false);
    run_workers(THREADS, move_around);
    check_end();
}

int main(int argc, char **argv)
{
    rounds = 2000 * scale_of(argc, argv);
    check_locks();
    check_conditions();
    check_begin("barriers");
    pthread_barrier_init(&barrier, NULL, THREADS);
    run_workers(THREADS, step);
    check_end();
    check_own_data();
    check_cancellation();
    check_moves();
    return check_exit();
}
