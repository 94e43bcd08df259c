/*
 * Golden files: saved state as every version wrote it, kept in tests/golden for ever.
 *
 * A new version gets a new file: run its test once with IGNITION_WRITE_GOLDEN=1, which writes the
 * files that are not there yet and never changes one that is.
 */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit/test.h"

/* The file's content in ret_data (from malloc) and ret_len; fresh is what to write when asked. */
static inline void golden_read(const char *name, const struct state_buf *fresh, void **ret_data,
                               size_t *ret_len)
{
    struct err err = { 0 };
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/golden/%s", TEST_ROOT, name);
    if (getenv("IGNITION_WRITE_GOLDEN")) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd >= 0) {
            assert_int_equal(fd_write_full(fd, fresh->data, fresh->len), 0);
            fd_close(fd);
        }
    }
    if (fd_read_file(path, MIB, ret_data, ret_len, &err) < 0)
        fail_msg("%s", err.msg);
}
