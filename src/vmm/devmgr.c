/*
 * The device manager. Devices are listed by hand in devmgr_create(), in the order the guest sees;
 * address and interrupt come from the map in arch/addrmap.h, node and saved state from the device.
 */
#include "vmm/devmgr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arch/addrmap.h"
#include "base/clock.h"
#include "base/pool.h"
#include "block/disk_layer.h"
#include "dev/boot_timer.h"
#include "dev/rtc.h"
#include "dev/serial.h"
#include "dev/virtio/blk.h"
#include "dev/virtio/rng.h"
#include "vmm/console.h"
#include "vmm/machine_int.h"

/* Requests of a drive that wait for the host at once. Each drive has threads of its own, so that a
 * slow one does not hold up the others. */
#define DRIVE_THREADS 4

#define FIXED_START_NS (UINT64_C(1735689600) * NS_PER_S) /* 2025-01-01 00:00 UTC */

struct devmgr {
    struct machine *machine;
    void (*set_spi)(void *ctx, unsigned spi, bool level);
    struct dev *devs[BUS_DEVS_MAX]; /* owned; all of them are on machine->bus */
    unsigned count;
    unsigned slots; /* virtio slots in use */
    struct pool *pools[MACHINE_DRIVES_MAX];
    unsigned pool_count;
    struct serial *serial;
    struct console *console;
};

/* Take ownership of a new device and place it. */
static int devmgr_add(struct devmgr *mgr, struct dev *dev, uint64_t gpa, unsigned spi,
                      struct err *err)
{
    int rc;

    dev->gpa = gpa;
    dev->irq = (struct irq_line){ .set = mgr->set_spi, .ctx = mgr->machine, .spi = spi };
    rc = bus_add(&mgr->machine->bus, dev, err);
    if (rc < 0) {
        dev->ops->destroy(dev);
        return rc;
    }
    mgr->devs[mgr->count++] = dev;
    return 0;
}

static int devmgr_add_virtio(struct devmgr *mgr, struct dev *dev, struct err *err)
{
    unsigned slot = mgr->slots++;

    if (slot >= MAP_VIRTIO_SLOTS) {
        dev->ops->destroy(dev);
        return err_set(err, ENOSPC, "more than %d virtio devices", MAP_VIRTIO_SLOTS);
    }
    snprintf(dev->instance, sizeof(dev->instance), "%u", slot);
    return devmgr_add(mgr, dev, MAP_VIRTIO_BASE + slot * MAP_VIRTIO_STRIDE, MAP_SPI_VIRTIO0 + slot,
                      err);
}

/* The serial port and the console, each the other's back end. */
static size_t devmgr_serial_tx(void *ctx, const uint8_t *data, size_t len)
{
    return console_tx(((struct devmgr *)ctx)->console, data, len);
}

static void devmgr_serial_rx_room(void *ctx)
{
    console_rx_room(((struct devmgr *)ctx)->console);
}

static size_t devmgr_console_rx(void *ctx, const uint8_t *data, size_t len)
{
    return serial_rx(((struct devmgr *)ctx)->serial, data, len);
}

static void devmgr_console_tx_room(void *ctx)
{
    struct devmgr *mgr = ctx;

    serial_tx_ready(mgr->serial);
    vcpu_console_room(mgr->machine);
}

static void devmgr_console_quit(void *ctx)
{
    machine_stop(((struct devmgr *)ctx)->machine);
}

static const struct console_ops console_ops = {
    .rx = devmgr_console_rx,
    .tx_room = devmgr_console_tx_room,
    .quit = devmgr_console_quit,
};

static int devmgr_add_serial(struct devmgr *mgr, struct err *err)
{
    const struct machine_config *config = &mgr->machine->config;
    struct serial_backend backend = { .tx = devmgr_serial_tx,
                                      .rx_room = devmgr_serial_rx_room,
                                      .ctx = mgr };
    int rc =
        console_create(mgr->machine->loop, &config->console, &console_ops, mgr, &mgr->console, err);

    if (rc == 0)
        rc = serial_create(&backend, &mgr->serial, err);
    if (rc < 0)
        return rc;
    return devmgr_add(mgr, serial_dev(mgr->serial), MAP_UART_BASE, MAP_SPI_UART, err);
}

/* In a deterministic machine devices do their work on the vCPU, at the instruction that asks. */
static struct evloop *devmgr_loop(const struct devmgr *mgr)
{
    return mgr->machine->config.deterministic ? NULL : mgr->machine->loop;
}

/* There the clock starts at a fixed time and follows the instructions. */
static uint64_t devmgr_wall_ns(void *ctx)
{
    const struct machine *machine = ((struct devmgr *)ctx)->machine;

    if (!machine->config.deterministic)
        return clock_wall_ns();
    return FIXED_START_NS + (machine->hv ? machine->hv->ops->guest_ns(machine->hv) : 0);
}

static int devmgr_add_rtc(struct devmgr *mgr, struct err *err)
{
    struct rtc_config config = { .wall_ns = devmgr_wall_ns, .ctx = mgr, .loop = devmgr_loop(mgr) };
    struct dev *dev;
    int rc = rtc_create(&config, &dev, err);

    return rc < 0 ? rc : devmgr_add(mgr, dev, MAP_RTC_BASE, MAP_SPI_RTC, err);
}

static int devmgr_add_boot_timer(struct devmgr *mgr, struct err *err)
{
    struct boot_timer_config config = {
        .now_ns = clock_mono_ns,
        .start_ns = mgr->machine->config.start_ns,
    };
    struct dev *dev;
    int rc = boot_timer_create(&config, &dev, err);

    return rc < 0 ? rc : devmgr_add(mgr, dev, MAP_BOOT_TIMER_BASE, 0, err);
}

static int devmgr_open_layer(const struct machine_drive *drive, struct disk *base,
                             struct disk **ret_disk, struct err *err)
{
    const struct machine_file *layer = &drive->layer;
    int rc = 0;

    if (!drive->read_only && lseek(layer->fd, 0, SEEK_END) == 0)
        rc = disk_layer_create(layer->fd, layer->name, base, drive->base_path, err);
    if (rc == 0)
        rc = disk_layer_open(layer->fd, layer->name, drive->read_only, base, ret_disk, err);
    return rc;
}

static int devmgr_open_drive(const struct machine_drive *drive, struct disk **ret_disk,
                             struct err *err)
{
    bool layered = drive->layer.fd >= 0;
    struct disk *disk = NULL;
    int rc = disk_layer_is(drive->file.fd);

    /* As an image it would be nonsense to the guest, which would spoil it. */
    if (rc > 0)
        return err_set(err, EINVAL,
                       "disk %s: a copy-on-write layer, no image; give its base, with the layer "
                       "behind ,overlay= (ignition disk info tells its base)",
                       drive->file.name);
    rc = disk_open_fd(drive->file.fd, drive->file.name, drive->read_only || layered, &disk, err);
    if (rc == 0 && layered) {
        struct disk *base = disk;
        rc = devmgr_open_layer(drive, base, &disk, err);
        if (rc < 0)
            disk_close(base);
    }
    if (rc == 0)
        *ret_disk = disk;
    return rc;
}

/* NULL where devices do their work on the vCPU. */
static int devmgr_add_pool(struct devmgr *mgr, unsigned index, struct pool **ret_pool,
                           struct err *err)
{
    char name[16];
    int rc;

    if (!devmgr_loop(mgr))
        return 0;
    snprintf(name, sizeof(name), "drive%u", index);
    rc = pool_create(name, DRIVE_THREADS, ret_pool, err);
    if (rc == 0)
        mgr->pools[mgr->pool_count++] = *ret_pool;
    return rc;
}

static int devmgr_add_drive(struct devmgr *mgr, const struct machine_drive *drive, unsigned index,
                            struct err *err)
{
    struct blk_config config = {
        .host = { .mem = mgr->machine->mem, .loop = devmgr_loop(mgr) },
    };
    char id[20];
    struct dev *dev;
    int rc = devmgr_add_pool(mgr, index, &config.host.pool, err);

    if (rc == 0)
        rc = devmgr_open_drive(drive, &config.disk, err);
    if (rc < 0)
        return rc;
    snprintf(id, sizeof(id), "drive%u", index);
    config.id = id;
    rc = blk_create(&config, &dev, err);
    return rc < 0 ? rc : devmgr_add_virtio(mgr, dev, err);
}

static void devmgr_entropy(void *ctx, void *buf, size_t len)
{
    entropy_fill(ctx, buf, len);
}

static int devmgr_add_rng(struct devmgr *mgr, struct err *err)
{
    struct rng_config config = {
        .host = { .mem = mgr->machine->mem, .loop = devmgr_loop(mgr) },
        .fill = devmgr_entropy,
        .ctx = &mgr->machine->entropy,
    };
    struct dev *dev;
    int rc = rng_create(&config, &dev, err);

    return rc < 0 ? rc : devmgr_add_virtio(mgr, dev, err);
}

/* The list of devices. Drives come first among the virtio slots, so that they are /dev/vda upward.
 */
static int devmgr_fill(struct devmgr *mgr, struct err *err)
{
    const struct machine_config *config = &mgr->machine->config;
    int rc = devmgr_add_serial(mgr, err);

    if (rc == 0)
        rc = devmgr_add_rtc(mgr, err);
    if (rc == 0)
        rc = devmgr_add_boot_timer(mgr, err);
    for (unsigned i = 0; i < config->drive_count && rc == 0; i++)
        rc = devmgr_add_drive(mgr, &config->drives[i], i, err);
    if (rc == 0)
        rc = devmgr_add_rng(mgr, err);
    return rc;
}

int devmgr_create(struct machine *machine, void (*set_spi)(void *ctx, unsigned spi, bool level),
                  struct devmgr **ret_devs, struct err *err)
{
    struct devmgr *mgr = calloc(1, sizeof(*mgr));
    int rc;

    if (!mgr)
        return err_set(err, ENOMEM, "devices: out of memory");
    mgr->machine = machine;
    mgr->set_spi = set_spi;
    rc = devmgr_fill(mgr, err);
    if (rc < 0) {
        devmgr_destroy(mgr);
        return rc;
    }
    *ret_devs = mgr;
    return 0;
}

void devmgr_destroy(struct devmgr *mgr)
{
    if (!mgr)
        return;
    /* The console first: its writer thread calls the serial port. */
    console_destroy(mgr->console);
    /* Then the pools: what they still do is a device's. */
    while (mgr->pool_count)
        pool_destroy(mgr->pools[--mgr->pool_count]);
    while (mgr->count) {
        struct dev *dev = mgr->devs[--mgr->count];
        dev->ops->destroy(dev);
    }
    free(mgr);
}

void devmgr_hold(struct devmgr *mgr)
{
    console_hold(mgr->console);
    for (unsigned i = 0; i < mgr->pool_count; i++)
        pool_drain(mgr->pools[i]);
}

void devmgr_release(struct devmgr *mgr)
{
    console_release(mgr->console);
}

void devmgr_reset(struct devmgr *mgr)
{
    for (unsigned i = 0; i < mgr->count; i++) {
        struct dev *dev = mgr->devs[i];
        lock_take(&dev->lock);
        if (dev->ops->reset)
            dev->ops->reset(dev);
        lock_drop(&dev->lock);
    }
}

void devmgr_flush(struct devmgr *mgr)
{
    console_flush(mgr->console);
}

bool devmgr_crowded(struct devmgr *mgr)
{
    return console_crowded(mgr->console);
}
