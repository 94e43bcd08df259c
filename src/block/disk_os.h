/* What a drive leaves to the operating system. */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Bytes of an open file or block device, or -errno. */
int64_t disk_os_bytes(int fd);

/* preadv() of what is in memory. Returns the bytes, perhaps fewer than asked for, or -errno:
 * -EAGAIN when the medium would have to be waited for, -EOPNOTSUPP where the host cannot say. */
ssize_t disk_os_read_now(int fd, const struct iovec *iov, int count, off_t off);

/* Give the storage of [off, off + len) back; it reads as zeros then. The file keeps its length.
 * Returns 0 or -errno: -EOPNOTSUPP where the file system or the alignment does not allow it. */
int disk_os_punch(int fd, uint64_t off, uint64_t len);
