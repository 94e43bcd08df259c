/*
 * The MMIO bus: finds the device behind a guest-physical address.
 *
 * Devices are added before the guest starts; look-ups then need no lock. Unclaimed addresses read
 * as zero and ignore writes, with one line in the log: a guest may probe, it may not crash us.
 */
#pragma once

#include "dev/dev.h"

#define BUS_DEVS_MAX 128

struct bus {
    struct dev *devs[BUS_DEVS_MAX]; /* sorted by gpa */
    unsigned count;
};

/* dev->gpa is set. Fails when windows overlap or the bus is full. The bus does not own the device.
 */
MUST_CHECK int bus_add(struct bus *bus, struct dev *dev, struct err *err);

/* One access of 1, 2, 4 or 8 bytes; one that straddles the end of a window is unclaimed. */
uint64_t bus_read(struct bus *bus, uint64_t gpa, unsigned size);
void bus_write(struct bus *bus, uint64_t gpa, unsigned size, uint64_t val);
