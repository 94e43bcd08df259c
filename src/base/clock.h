/* Host clocks, in nanoseconds. Threads: any. */
#pragma once

#include <stdint.h>

#define NS_PER_S UINT64_C(1000000000)

/* Monotonic time since an unspecified start; never goes back. */
uint64_t clock_mono_ns(void);

/* Wall clock since 1970-01-01 00:00 UTC; may jump. */
uint64_t clock_wall_ns(void);
