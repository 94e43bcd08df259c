/*
 * An error that a user will read: a code and the chain of what was being done.
 *
 * The innermost failure sets the message, each caller may put its own words in front:
 *   restore web: layer 3: open mem.bin: No such file or directory
 * Every function returns -code (a negative errno), so that `return err_set(...)` works. err may
 * be NULL: then only the code survives. Not shared between threads.
 */
#pragma once

#include "base/bits.h"

#define ERR_MAX 512 /* bytes, with the final NUL; longer chains lose their tail */

struct err {
    int code; /* errno value, 0 = no error */
    char msg[ERR_MAX];
};

/* Record a failure of ours in words. code is a positive errno. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);

/* Record a failed system call: the words, then ": " and the text of errno. */
int err_errno(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* Put context in front of what a callee recorded. rc is the callee's negative errno. */
int err_wrap(struct err *err, int rc, const char *fmt, ...) PRINTF(3, 4);
