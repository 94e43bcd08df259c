/*
 * The virtio-mmio register block, version 2 (virtio 1.2, section 4.2.2). For the dev_ops of virtio
 * devices: read, write, fdt, and the size of the window.
 */
#pragma once

#include "dev/virtio/virtio.h"

#define MMIO_SIZE 0x1000

uint64_t mmio_read(struct dev *dev, uint64_t off, unsigned size);
void mmio_write(struct dev *dev, uint64_t off, unsigned size, uint64_t val);
int mmio_fdt(struct dev *dev, struct dtb_node *parent);
