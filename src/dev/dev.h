/*
 * A device: a table of operations, a window of guest-physical addresses and an interrupt line.
 *
 * A device type embeds struct dev as its first member, so the address of the dev is that of the
 * whole object: state_save(buf, dev->ops->state, dev, dev->instance).
 *
 * Threads: the bus calls read and write with dev->lock held, on the vCPU that made the access. Back
 * ends that run on the I/O thread take the same lock. reset and save/load happen while the machine
 * is paused. Lock order: see vmm/pause.c; a device raises its line while it holds dev->lock.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"
#include "base/state.h"
#include "base/thread.h"

struct dev;
struct dtb_node; /* arch/dtb.h */

/* Where an interrupt goes. The VMM fills this in; devices know neither hv nor vmm. */
struct irq_line {
    void (*set)(void *ctx, unsigned spi, bool level);
    void *ctx;
    unsigned spi;
    bool level; /* last level set; derived, not saved */
};

/* Drive the line; repeated levels are dropped. A line without `set` goes nowhere. */
static inline void irq_line_set(struct irq_line *line, bool level)
{
    if (line->level == level)
        return;
    line->level = level;
    if (line->set)
        line->set(line->ctx, line->spi, level);
}

struct dev_ops {        /* one const table per device type; NULL members are optional */
    const char *name;   /* stable id: log tag and snapshot record name */
    uint64_t mmio_size; /* bytes, power of two */
    uint64_t (*read)(struct dev *dev, uint64_t off, unsigned size);
    void (*write)(struct dev *dev, uint64_t off, unsigned size, uint64_t val);
    void (*reset)(struct dev *dev); /* to power-on; outside resources stay open */
    int (*fdt)(struct dev *dev, struct dtb_node *parent); /* add the node; 0 or -errno */
    void (*destroy)(struct dev *dev);                     /* the I/O thread is not running */
    const struct state_desc *state;                       /* NULL: nothing survives a snapshot */
};

struct dev {
    const struct dev_ops *ops;
    struct lock lock;
    uint64_t gpa; /* base of the window */
    struct irq_line irq;
    char instance[16]; /* tells devices of one kind apart in snapshots; "" when there is one */
};

/* Fill in the common part. The VMM places the device (gpa, irq) before the guest starts. */
void dev_init(struct dev *dev, const struct dev_ops *ops);
void dev_fini(struct dev *dev);
