/* 16-byte compare-and-swap. The __sync form is the one that gcc and clang both inline (cmpxchg16b
 * with -mcx16, LDAXP/STLXP or CASP on arm64); __atomic would call a library. */
#pragma once

#include "base/bits.h"

typedef unsigned __int128 u128;

static inline u128 atomic16_make(uint64_t lo, uint64_t hi)
{
    return (u128)hi << 64 | lo;
}

/* Returns the value seen; it was replaced if that is `expected`. p is 16-byte aligned. */
static inline u128 atomic16_cas(void *p, u128 expected, u128 desired)
{
    return __sync_val_compare_and_swap((u128 *)p, expected, desired);
}
