/* File descriptors: whole reads and writes, flags, socket pairs. Threads: any. */
#pragma once

#include <sys/types.h>

#include "base/bits.h"
#include "base/err.h"

/* Close for CLEANUP(fd_closep): does nothing for a negative descriptor; errno is kept. */
void fd_close(int fd);
void fd_closep(int *fd);

/* Read or write exactly len bytes, going on after EINTR and short counts. Return 0, -errno, or
 * -ENODATA when the input ends early. */
MUST_CHECK int fd_read_full(int fd, void *buf, size_t len);
MUST_CHECK int fd_write_full(int fd, const void *buf, size_t len);
MUST_CHECK int fd_pread_full(int fd, void *buf, size_t len, off_t off);
MUST_CHECK int fd_pwrite_full(int fd, const void *buf, size_t len, off_t off);

MUST_CHECK int fd_set_nonblock(int fd, bool on);
MUST_CHECK int fd_set_cloexec(int fd, bool on);

/* open(), close-on-exec, which does not wait for the other end of a FIFO: the caller sees what it
 * has got, and refuses it. Returns the descriptor, or -1 with errno. */
MUST_CHECK int fd_open(const char *path, int flags);

/* Open a file for reading and writing, and make it if it is not there: *ret_made says so, and its
 * name is safe on the medium then, where the file system can do that. Returns the descriptor, or -1
 * with errno. */
MUST_CHECK int fd_open_or_make(const char *path, bool *ret_made);

/* Open what is closed of descriptors 0, 1 and 2 on /dev/null: else the next file opened becomes
 * standard output, and is written to. Returns 0 or -errno. */
MUST_CHECK int fd_fill_standard(void);

/* A connected pair of stream sockets, close-on-exec. Returns 0 or -errno. */
MUST_CHECK int fd_socketpair(int ret_fds[2]);

/* A new, empty file that has no name: in folder $TMPDIR, or /tmp. It is gone when it is closed.
 * Returns the descriptor, or -errno with the folder in err. */
MUST_CHECK int fd_temp(struct err *err);

/* A whole file in memory: *ret_data is from malloc, *ret_len its length. Refuses what is not a
 * regular file, or larger than max bytes (the message says so). */
MUST_CHECK int fd_read_file(const char *path, size_t max, void **ret_data, size_t *ret_len,
                            struct err *err);
