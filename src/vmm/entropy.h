/*
 * Random bytes, for seeds in the device tree, virtio-rng and RNDR: the host's, or in a
 * deterministic machine a fixed sequence.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"

struct entropy {
    bool fixed;
    uint64_t state; /* of the fixed sequence */
};

void entropy_init(struct entropy *entropy, bool fixed);

/* Fill buf. Never fails on a host that has booted; aborts otherwise, since nothing sound is left
 * to do. Threads: any; of a fixed sequence, one at a time. */
void entropy_fill(struct entropy *entropy, void *buf, size_t len);
