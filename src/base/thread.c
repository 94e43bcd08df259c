/* Threads and locks over pthreads. A failing lock call is a bug of ours, hence the asserts. */
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread_os.h"

struct thread_start {
    void (*fn)(void *);
    void *arg;
    char name[16];
};

void lock_init(struct lock *lock)
{
    int rc = pthread_mutex_init(&lock->mutex, NULL);
    assert(rc == 0);
    (void)rc;
}

void lock_fini(struct lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

void lock_take(struct lock *lock) NO_ANALYSIS
{
    int rc = pthread_mutex_lock(&lock->mutex);
    assert(rc == 0);
    (void)rc;
}

void lock_drop(struct lock *lock) NO_ANALYSIS
{
    int rc = pthread_mutex_unlock(&lock->mutex);
    assert(rc == 0);
    (void)rc;
}

void cond_init(struct cond *cond)
{
    thread_os_cond_init(&cond->cond);
}

void cond_fini(struct cond *cond)
{
    pthread_cond_destroy(&cond->cond);
}

void cond_signal(struct cond *cond)
{
    pthread_cond_signal(&cond->cond);
}

void cond_broadcast(struct cond *cond)
{
    pthread_cond_broadcast(&cond->cond);
}

void cond_wait(struct cond *cond, struct lock *lock)
{
    pthread_cond_wait(&cond->cond, &lock->mutex);
}

bool cond_wait_until(struct cond *cond, struct lock *lock, uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        cond_wait(cond, lock);
        return true;
    }
    return thread_os_cond_wait_until(&cond->cond, &lock->mutex, deadline_ns) != ETIMEDOUT;
}

static void *thread_main(void *arg)
{
    struct thread_start start = *(struct thread_start *)arg;

    free(arg);
    thread_os_set_name(start.name);
    start.fn(start.arg);
    return NULL;
}

int thread_start(struct thread *thread, const char *name, void (*fn)(void *), void *arg)
{
    static const int unblocked[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTTIN, SIGTTOU };
    struct thread_start *start = calloc(1, sizeof(*start));
    sigset_t all, old;
    int rc;

    if (!start)
        return -ENOMEM;
    start->fn = fn;
    start->arg = arg;
    snprintf(start->name, sizeof(start->name), "%s", name);
    /* The new thread inherits the mask, so no signal can slip in before it blocks them itself. */
    sigfillset(&all);
    for (size_t i = 0; i < ARRAY_LEN(unblocked); i++)
        sigdelset(&all, unblocked[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&thread->id, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc) {
        free(start);
        return -rc;
    }
    thread->running = true;
    return 0;
}

void thread_join(struct thread *thread)
{
    if (!thread->running)
        return;
    pthread_join(thread->id, NULL);
    thread->running = false;
}
