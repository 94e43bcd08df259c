/* Random bytes from the host, for seeds in the device tree and for virtio-rng. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Fill buf. Never fails on a host that has booted; aborts otherwise, since nothing sound is left
 * to do. Threads: any. */
void entropy_fill(void *buf, size_t len);
uint64_t entropy_u64(void);
