/* virtio-rng: random bytes for the guest (virtio 1.2, section 5.4). docs/devices/virtio-rng.md. */
#pragma once

#include "dev/virtio/virtio.h"

struct rng_config {
    struct virtio_host host;
    void (*fill)(void *ctx, void *buf, size_t len); /* random bytes; quick, dev->lock is held */
    void *ctx;
};

MUST_CHECK int rng_create(const struct rng_config *config, struct dev **ret_dev, struct err *err);
