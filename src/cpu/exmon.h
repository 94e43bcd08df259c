/*
 * The exclusive monitor (Arm DDI 0487, B2.9): what lets a store-exclusive know that nobody else's
 * exclusive or atomic operation has come between, even if it left the same value behind.
 *
 * Memory is divided into granules of 64 bytes (CTR_EL0.ERG), granules are hashed onto stripes, and
 * each stripe is one word:
 *
 *   63                              16   15    14          0
 *   | version                         | store | operations  |
 *
 * An atomic operation (LSE) counts itself in, changes memory with a host atomic, and counts itself
 * out while it advances the version. A load-exclusive keeps the word that it saw before its load.
 * The store-exclusive succeeds if nobody was at work then, and it can turn that very word into one
 * with the store bit: so nobody has begun or ended since, and nobody begins until it is done.
 * Operations that meet the bit wait; it stands for a compare-and-swap, and longer only if the host
 * takes the vCPU's thread off its CPU just there. Different granules on one stripe make
 * store-exclusives fail in vain, which software expects.
 *
 * Plain stores do not come here. The store-exclusive compares the value in memory, so one that
 * changed it is noticed; one that stored the value that was there is not.
 *
 * Threads: any.
 */
#pragma once

#include <sched.h>
#include <stdatomic.h>

#include "base/bits.h"
#include "mem/gmem.h"

#define EXMON_STRIPES   256
#define EXMON_GRANULE   64u
#define EXMON_OPERATION UINT64_C(1)
#define EXMON_STORE     BIT(15)
#define EXMON_VERSION   BIT(16)

struct exmon {
    struct exmon_stripe {
        _Atomic uint64_t word;
        uint64_t apart[7]; /* a host cache line each */
    } stripe[EXMON_STRIPES];
};

static inline _Atomic uint64_t *exmon_word(struct exmon *mon, gpa_t gpa)
{
    uint64_t granule = gpa / EXMON_GRANULE;

    return &mon->stripe[(granule ^ granule >> 8) % EXMON_STRIPES].word;
}

/* An atomic operation begins, unless a store-exclusive is at work. */
static inline bool exmon_try_begin(_Atomic uint64_t *word)
{
    if (LIKELY(!(atomic_fetch_add(word, EXMON_OPERATION) & EXMON_STORE)))
        return true;
    atomic_fetch_sub(word, EXMON_OPERATION);
    return false;
}

static inline void exmon_begin(_Atomic uint64_t *word)
{
    while (UNLIKELY(!exmon_try_begin(word)))
        sched_yield();
}

static inline void exmon_end(_Atomic uint64_t *word)
{
    atomic_fetch_add(word, EXMON_VERSION - EXMON_OPERATION);
}

/* A store-exclusive whose load saw `seen` has the stripe to itself from here on; or false. */
static inline bool exmon_claim(_Atomic uint64_t *word, uint64_t seen)
{
    return seen % EXMON_VERSION == 0 &&
           atomic_compare_exchange_strong(word, &seen, seen | EXMON_STORE);
}

static inline void exmon_release(_Atomic uint64_t *word)
{
    atomic_fetch_add(word, EXMON_VERSION - EXMON_STORE);
}
