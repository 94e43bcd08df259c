/* native.c running under an emulator, or directly on an arm64 host. */
#pragma once

#include <sys/types.h>

#include "base/bits.h"
#include "diff.h"

struct child {
    pid_t pid;
    int in, out;              /* its standard input and output */
    struct diff_batch *batch; /* DIFF_BATCHES of them, shared with it */
};

/* argv as for execvp(). Returns 0 or -errno. */
MUST_CHECK int child_start(struct child *child, char *const argv[]);

/* Let it run a batch, after those that it has not finished yet. Returns 0, or -EPIPE when it has
 * died. */
MUST_CHECK int child_send(struct child *child, unsigned index);

/* Wait until the batch sent first is done. Returns 0 or -EPIPE. */
MUST_CHECK int child_wait(struct child *child);
void child_stop(struct child *child);
