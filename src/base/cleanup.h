/* Automatic clean-up of locals, and the one visible place where ownership moves. */
#pragma once

#include <stdlib.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Give the value away and leave `none` behind, so the clean-up sees nothing to do. */
#define TAKE(var, none)                    \
    __extension__({                        \
        __typeof__(var) take_val_ = (var); \
        (var) = (none);                    \
        take_val_;                         \
    })

/* For CLEANUP(freep) on any pointer from malloc. */
static inline void freep(void *pp)
{
    void *p;

    __builtin_memcpy(&p, pp, sizeof(p));
    free(p);
}
