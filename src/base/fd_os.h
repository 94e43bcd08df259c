/* How written data reaches the medium: each operating system has calls of its own. */
#pragma once

#include "base/bits.h"

/* What was written to the file is on stable storage when this returns 0; else -errno. */
MUST_CHECK int fd_os_flush(int fd);

/* The same for a folder: the names in it. */
MUST_CHECK int fd_os_flush_folder(int fd);

/* What was written to the file before this is on stable storage before anything written to it
 * after. Returns 0 or -errno. */
MUST_CHECK int fd_os_order(int fd);
