/* virtio-blk: a drive (virtio 1.2, section 5.2). docs/devices/virtio-blk.md. */
#pragma once

#include "block/disk.h"
#include "dev/virtio/virtio.h"

struct blk_config {
    struct virtio_host host;
    struct disk *disk; /* the device closes it, also when create fails */
    const char *id;    /* what the guest reads as serial number: up to 20 characters */
};

MUST_CHECK int blk_create(const struct blk_config *config, struct dev **ret_dev, struct err *err);
