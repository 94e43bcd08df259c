/* native.c running under an emulator, or directly on an arm64 host. */
#pragma once

#include <sys/types.h>

#include "base/bits.h"
#include "diff.h"

struct child {
    pid_t pid;
    int in, out; /* its standard input and output */
};

/* argv as for execvp(). Returns 0 or -errno. */
MUST_CHECK int child_start(struct child *child, char *const argv[]);

/* Returns 0, or -EPIPE when the child has died. */
MUST_CHECK int child_exchange(struct child *child, const struct diff_batch *batch,
                              struct diff_out out[DIFF_CASES]);
void child_stop(struct child *child);
