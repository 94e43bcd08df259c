/* What a drive leaves to the operating system. */
#pragma once

#include <stdint.h>

/* Push written data through to stable storage. Returns 0 or -errno. */
int disk_os_flush(int fd);

/* Give the storage of [off, off + len) back; it reads as zeros then. The file keeps its length.
 * Returns 0 or -errno: -EOPNOTSUPP where the file system or the alignment does not allow it. */
int disk_os_punch(int fd, uint64_t off, uint64_t len);
