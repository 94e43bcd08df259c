/* The MMIO bus: a sorted array of windows, searched by halving. */
#include "dev/bus.h"

#include <errno.h>

#include "base/log.h"

int bus_add(struct bus *bus, struct dev *dev, struct err *err)
{
    const uint64_t size = dev->ops->mmio_size;
    unsigned at = 0;

    if (!size || dev->gpa > UINT64_MAX - size)
        return err_set(err, EINVAL, "device %s: no window of %llu bytes at %#llx", dev->ops->name,
                       (unsigned long long)size, (unsigned long long)dev->gpa);
    if (bus->count == BUS_DEVS_MAX)
        return err_set(err, ENOSPC, "device %s: the bus holds %d devices and is full",
                       dev->ops->name, BUS_DEVS_MAX);
    while (at < bus->count && bus->devs[at]->gpa + bus->devs[at]->ops->mmio_size <= dev->gpa)
        at++;
    if (at < bus->count && bus->devs[at]->gpa < dev->gpa + size)
        return err_set(err, EEXIST, "device %s at %#llx overlaps %s at %#llx", dev->ops->name,
                       (unsigned long long)dev->gpa, bus->devs[at]->ops->name,
                       (unsigned long long)bus->devs[at]->gpa);
    memmove(&bus->devs[at + 1], &bus->devs[at], (bus->count - at) * sizeof(bus->devs[0]));
    bus->devs[at] = dev;
    bus->count++;
    return 0;
}

/* The device that claims all of [gpa, gpa + size), or NULL. */
static struct dev *bus_find(const struct bus *bus, uint64_t gpa, unsigned size)
{
    unsigned lo = 0, hi = bus->count;

    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        struct dev *dev = bus->devs[mid];
        uint64_t off = gpa - dev->gpa;

        if (gpa < dev->gpa)
            hi = mid;
        else if (off >= dev->ops->mmio_size)
            lo = mid + 1;
        else
            return size <= dev->ops->mmio_size - off ? dev : NULL;
    }
    return NULL;
}

uint64_t bus_read(struct bus *bus, uint64_t gpa, unsigned size)
{
    struct dev *dev = bus_find(bus, gpa, size);
    uint64_t val = 0;

    if (!dev) {
        log_guest("bus", "read of %u bytes at %#llx: no device there", size,
                  (unsigned long long)gpa);
        return 0;
    }
    if (dev->ops->read) {
        lock_take(&dev->lock);
        val = dev->ops->read(dev, gpa - dev->gpa, size);
        lock_drop(&dev->lock);
    }
    return val & low_mask(8 * size);
}

void bus_write(struct bus *bus, uint64_t gpa, unsigned size, uint64_t val)
{
    struct dev *dev = bus_find(bus, gpa, size);

    if (!dev) {
        log_guest("bus", "write of %u bytes at %#llx: no device there", size,
                  (unsigned long long)gpa);
        return;
    }
    if (!dev->ops->write)
        return;
    lock_take(&dev->lock);
    dev->ops->write(dev, gpa - dev->gpa, size, val & low_mask(8 * size));
    lock_drop(&dev->lock);
}
