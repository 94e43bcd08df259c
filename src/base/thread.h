/*
 * Threads and locks: pthreads with names, timed waits on the monotonic clock, and annotations
 * that clang's -Wthread-safety checks on functions.
 */
#pragma once

#include <pthread.h>

#include "base/bits.h"

#if defined(__clang__)
#define THREAD_ATTR(x) __attribute__((x))
#else
#define THREAD_ATTR(x)
#endif
#define CAPABILITY  THREAD_ATTR(capability("mutex"))
#define REQUIRES(x) THREAD_ATTR(requires_capability(x))
#define ACQUIRE(x)  THREAD_ATTR(acquire_capability(x))
#define RELEASE(x)  THREAD_ATTR(release_capability(x))
#define NO_ANALYSIS THREAD_ATTR(no_thread_safety_analysis)

struct CAPABILITY lock {
    pthread_mutex_t mutex;
};

struct cond {
    pthread_cond_t cond;
};

void lock_init(struct lock *lock);
void lock_fini(struct lock *lock);
void lock_take(struct lock *lock) ACQUIRE(*lock);
void lock_drop(struct lock *lock) RELEASE(*lock);

void cond_init(struct cond *cond);
void cond_fini(struct cond *cond);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);
void cond_wait(struct cond *cond, struct lock *lock) REQUIRES(*lock);

/* Wait until signalled or until clock_mono_ns() reaches deadline_ns; UINT64_MAX waits for ever.
 * Returns false on time-out. */
bool cond_wait_until(struct cond *cond, struct lock *lock, uint64_t deadline_ns) REQUIRES(*lock);

struct thread {
    pthread_t id;
    bool running; /* started and not joined */
};

/* Start fn(arg) on a new thread, named for debuggers (15 characters count). Returns 0 or -errno.
 * Signals are the main thread's business: the thread blocks all but those of its own faults, and
 * those that stop a background process at its terminal (blocked, they fail the read instead). */
MUST_CHECK int thread_start(struct thread *thread, const char *name, void (*fn)(void *), void *arg);

/* Wait for the end of a thread; does nothing when it never started. */
void thread_join(struct thread *thread);
