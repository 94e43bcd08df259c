/*
 * A few threads for work that blocks, such as reads of a disk.
 *
 * Work is begun in the order in which it was added, and may end in any. The first thread starts
 * with the pool, the others when work waits and none is free, and stay; if one of those cannot be
 * started, there are fewer.
 *
 * Threads: any. Nothing here is held while work runs, and pool_add() may be called with any lock
 * held.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

#define POOL_THREADS_MAX 16

struct pool;

/* Embedded in what the work is about. Belongs to the pool from pool_add() until fn is called. */
struct pool_work {
    void (*fn)(struct pool_work *work);
    struct pool_work *next;
};

/* name is for debuggers; threads is 1 to POOL_THREADS_MAX. */
MUST_CHECK int pool_create(const char *name, unsigned threads, struct pool **ret_pool,
                           struct err *err);

/* Does what was added, then ends the threads. NULL is fine. */
void pool_destroy(struct pool *pool);

void pool_add(struct pool *pool, struct pool_work *work);

/* Wait until nothing is queued and no fn runs. It stays so if nobody adds. NULL is fine. Never from
 * work, nor with a lock that work takes. */
void pool_drain(struct pool *pool);
