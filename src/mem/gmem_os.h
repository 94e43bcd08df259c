/* Host memory behind a guest region: private, zeroed, taken as it is touched. */
#pragma once

#include "base/bits.h"

/* Reserve size bytes, a multiple of 4 KiB, aligned for the host's largest common pages: 2 MiB on
 * Linux, 16 KiB on macOS. Returns NULL with errno set. */
void *gmem_os_reserve(uint64_t size);
void gmem_os_release(void *host, uint64_t size);

/* Back to zeroes, and the pages back to the host. No engine has them mapped. */
void gmem_os_discard(void *host, uint64_t size);
