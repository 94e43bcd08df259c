/* Host memory behind a guest region: private, zeroed, taken as it is touched. */
#pragma once

#include "base/bits.h"

/* Reserve size bytes (a multiple of 4 KiB), 2 MiB aligned. Returns NULL with errno set. */
void *gmem_os_reserve(uint64_t size);
void gmem_os_release(void *host, uint64_t size);

/* Back to zeroes, and the pages back to the host. */
void gmem_os_discard(void *host, uint64_t size);
