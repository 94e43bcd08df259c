/* A queue of work and the threads that take from it. */
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/thread.h"

struct pool {
    struct lock lock;
    struct cond more; /* work, or the end */
    struct cond idle; /* nothing queued, nothing running */
    struct pool_work *first, **last;
    unsigned queued, running; /* lock */
    bool ending;              /* lock */
    unsigned started, max;    /* lock */
    char name[16];
    struct thread threads[POOL_THREADS_MAX];
};

static struct pool_work *pool_take_locked(struct pool *pool) REQUIRES(pool->lock)
{
    struct pool_work *work = pool->first;

    if (work) {
        pool->first = work->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->queued--;
    }
    return work;
}

static void pool_main(void *arg)
{
    struct pool *pool = arg;

    lock_take(&pool->lock);
    for (;;) {
        struct pool_work *work = pool_take_locked(pool);

        if (work) {
            pool->running++;
            lock_drop(&pool->lock);
            work->fn(work); /* may free it */
            lock_take(&pool->lock);
            if (--pool->running == 0 && !pool->first)
                cond_broadcast(&pool->idle);
        } else if (pool->ending) {
            break;
        } else {
            cond_wait(&pool->more, &pool->lock);
        }
    }
    lock_drop(&pool->lock);
}

static int pool_start_locked(struct pool *pool) REQUIRES(pool->lock)
{
    int rc = thread_start(&pool->threads[pool->started], pool->name, pool_main, pool);

    if (rc == 0)
        pool->started++;
    return rc;
}

int pool_create(const char *name, unsigned threads, struct pool **ret_pool, struct err *err)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    int rc;

    assert(threads && threads <= POOL_THREADS_MAX);
    if (!pool)
        return err_set(err, ENOMEM, "%s: out of memory", name);
    lock_init(&pool->lock);
    cond_init(&pool->more);
    cond_init(&pool->idle);
    pool->last = &pool->first;
    pool->max = threads;
    memcpy(pool->name, name, strnlen(name, sizeof(pool->name) - 1));
    lock_take(&pool->lock);
    rc = pool_start_locked(pool);
    lock_drop(&pool->lock);
    if (rc < 0) {
        pool_destroy(pool);
        return err_set(err, -rc, "%s: start a thread: %s", name, strerror(-rc));
    }
    *ret_pool = pool;
    return 0;
}

void pool_destroy(struct pool *pool)
{
    if (!pool)
        return;
    lock_take(&pool->lock);
    pool->ending = true;
    cond_broadcast(&pool->more);
    lock_drop(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++)
        thread_join(&pool->threads[i]);
    cond_fini(&pool->more);
    cond_fini(&pool->idle);
    lock_fini(&pool->lock);
    free(pool);
}

void pool_add(struct pool *pool, struct pool_work *work)
{
    lock_take(&pool->lock);
    assert(!pool->ending);
    work->next = NULL;
    *pool->last = work;
    pool->last = &work->next;
    pool->queued++;
    /* More threads, when those that are there have enough to do. With one at least, this may fail.
     */
    if (pool->queued + pool->running > pool->started && pool->started < pool->max &&
        pool_start_locked(pool) < 0)
        pool->max = pool->started;
    cond_signal(&pool->more);
    lock_drop(&pool->lock);
}

void pool_drain(struct pool *pool)
{
    if (!pool)
        return;
    lock_take(&pool->lock);
    while (pool->running || pool->first)
        cond_wait(&pool->idle, &pool->lock);
    lock_drop(&pool->lock);
}
