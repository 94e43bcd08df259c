/* Boot timer: one write-only byte; the first magic write tells how long the guest took. */
#include "dev/boot_timer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/dtb.h"
#include "base/log.h"

struct boot_timer {
    struct dev dev;
    struct boot_timer_config config;
    bool done;
};

static void boot_timer_write(struct dev *dev, uint64_t off, unsigned size, uint64_t val)
{
    struct boot_timer *bt = container_of(dev, struct boot_timer, dev);
    uint64_t ns;

    if (off != 0 || size != 1 || val != BOOT_TIMER_MAGIC) {
        log_guest("boot-timer", "ignored write of %#llx, %u bytes, to offset %#llx",
                  (unsigned long long)val, size, (unsigned long long)off);
        return;
    }
    if (bt->done)
        return;
    bt->done = true;
    ns = bt->config.now_ns() - bt->config.start_ns;
    log_info("boot-timer", "Guest-boot-time = %llu ms", (unsigned long long)(ns / 1000000));
    if (bt->config.booted)
        bt->config.booted(bt->config.ctx, ns);
}

static void boot_timer_reset(struct dev *dev)
{
    struct boot_timer *bt = container_of(dev, struct boot_timer, dev);

    bt->done = false;
    bt->config.start_ns = bt->config.now_ns(); /* a reboot is a boot of its own */
}

static int boot_timer_fdt(struct dev *dev, struct dtb_node *parent)
{
    struct dtb_node node;
    char name[40];

    snprintf(name, sizeof(name), "boot-timer@%llx", (unsigned long long)dev->gpa);
    node = dtb_node_begin(parent->dtb, name);
    dtb_prop_str(&node, "compatible", "ignition,boot-timer");
    dtb_prop_reg(&node, dev->gpa, dev->ops->mmio_size);
    dtb_node_end(&node);
    return 0;
}

static void boot_timer_destroy(struct dev *dev)
{
    dev_fini(dev);
    free(container_of(dev, struct boot_timer, dev));
}

/* v1: done, so that a restored guest does not report twice. */
static const struct state_field boot_timer_fields[] = {
    STATE_BOOL(struct boot_timer, done, 1),
    STATE_END,
};

static const struct state_desc boot_timer_state = {
    .name = "boot-timer",
    .version = 1,
    .oldest = 1,
    .fields = boot_timer_fields,
};

static const struct dev_ops boot_timer_ops = {
    .name = "boot-timer",
    .mmio_size = 0x1000,
    .write = boot_timer_write,
    .reset = boot_timer_reset,
    .fdt = boot_timer_fdt,
    .destroy = boot_timer_destroy,
    .state = &boot_timer_state,
};

int boot_timer_create(const struct boot_timer_config *config, struct dev **ret_dev, struct err *err)
{
    struct boot_timer *bt = calloc(1, sizeof(*bt));

    if (!bt)
        return err_set(err, ENOMEM, "boot timer: out of memory");
    dev_init(&bt->dev, &boot_timer_ops);
    bt->config = *config;
    *ret_dev = &bt->dev;
    return 0;
}
