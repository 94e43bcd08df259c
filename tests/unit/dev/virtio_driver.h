/*
 * A virtio driver for tests: the guest's side of one device with one or more queues, in guest
 * memory. Register accesses go through the bus, as a vCPU's do.
 *
 * Layout of queue q, at VD_RINGS + q * VD_STRIDE: descriptors, available ring, used ring.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dev/bus.h"
#include "dev/virtio/virtio.h"

#define VD_RAM      UINT64_C(0x40000000)
#define VD_RAM_SIZE (4 * MIB)
#define VD_RINGS    (VD_RAM + 0x10000)
#define VD_STRIDE   UINT64_C(0x4000)
#define VD_DATA     (VD_RAM + MIB) /* free for buffers */
#define VD_BASE     UINT64_C(0x0a000000)

enum {
    VD_DEVICE_ID = 0x008,
    VD_DEVICE_FEATURES = 0x010,
    VD_DEVICE_FEATURES_SEL = 0x014,
    VD_DRIVER_FEATURES = 0x020,
    VD_DRIVER_FEATURES_SEL = 0x024,
    VD_QUEUE_SEL = 0x030,
    VD_QUEUE_NUM_MAX = 0x034,
    VD_QUEUE_NUM = 0x038,
    VD_QUEUE_READY = 0x044,
    VD_QUEUE_NOTIFY = 0x050,
    VD_ISR = 0x060,
    VD_ACK = 0x064,
    VD_STATUS = 0x070,
    VD_QUEUE_DESC = 0x080,
    VD_QUEUE_DRIVER = 0x090,
    VD_QUEUE_DEVICE = 0x0a0,
    VD_GENERATION = 0x0fc,
    VD_CONFIG = 0x100,
};

enum { VD_NEXT = 1, VD_WRITE = 2, VD_INDIRECT = 4 };

struct vd {
    struct bus bus;
    struct dev *dev;
    struct gmem *mem;
    uint16_t size; /* of every queue */
    uint16_t avail_idx[VIRTIO_QUEUES_MAX], used_idx[VIRTIO_QUEUES_MAX];

    struct lock lock; /* of level: the I/O thread raises it */
    struct cond cond;
    bool level;
    unsigned raised; /* times the line went up */
};

static inline void vd_irq(void *ctx, unsigned spi, bool level)
{
    struct vd *vd = ctx;

    lock_take(&vd->lock);
    vd->level = level;
    vd->raised += level;
    cond_broadcast(&vd->cond);
    lock_drop(&vd->lock);
}

static inline void vd_mem(struct vd *vd)
{
    struct err err;

    memset(vd, 0, sizeof(*vd));
    lock_init(&vd->lock);
    cond_init(&vd->cond);
    assert_int_equal(gmem_create(&vd->mem, &err), 0);
    assert_int_equal(gmem_add(vd->mem, VD_RAM, VD_RAM_SIZE, true, &err), 0);
}

static inline void vd_attach(struct vd *vd, struct dev *dev)
{
    struct err err;

    vd->dev = dev;
    dev->gpa = VD_BASE;
    dev->irq = (struct irq_line){ .set = vd_irq, .ctx = vd };
    vd->bus.count = 0;
    assert_int_equal(bus_add(&vd->bus, dev, &err), 0);
}

static inline void vd_fini(struct vd *vd)
{
    if (vd->dev)
        vd->dev->ops->destroy(vd->dev);
    gmem_destroy(vd->mem);
    cond_fini(&vd->cond);
    lock_fini(&vd->lock);
}

static inline uint32_t vd_rd(struct vd *vd, uint64_t off)
{
    return (uint32_t)bus_read(&vd->bus, VD_BASE + off, 4);
}

static inline void vd_wr(struct vd *vd, uint64_t off, uint32_t val)
{
    bus_write(&vd->bus, VD_BASE + off, 4, val);
}

static inline void vd_wr64(struct vd *vd, uint64_t off, uint64_t val)
{
    vd_wr(vd, off, (uint32_t)val);
    vd_wr(vd, off + 4, (uint32_t)(val >> 32));
}

/* Guest memory. */
static inline uint8_t *vd_at(struct vd *vd, uint64_t gpa)
{
    uint8_t *p = gmem_ptr_dirty(vd->mem, gpa, 1);

    assert_non_null(p);
    return p;
}

static inline uint64_t vd_desc_gpa(unsigned q)
{
    return VD_RINGS + q * VD_STRIDE;
}

static inline uint64_t vd_avail_gpa(unsigned q)
{
    return vd_desc_gpa(q) + 0x1000;
}

static inline uint64_t vd_used_gpa(unsigned q)
{
    return vd_desc_gpa(q) + 0x2000;
}

static inline void vd_store16(struct vd *vd, uint64_t gpa, uint16_t val)
{
    atomic_store((_Atomic uint16_t *)(void *)vd_at(vd, gpa), val);
}

static inline uint16_t vd_load16(struct vd *vd, uint64_t gpa)
{
    return atomic_load((_Atomic uint16_t *)(void *)vd_at(vd, gpa));
}

static inline uint64_t vd_features(struct vd *vd)
{
    uint64_t low;

    vd_wr(vd, VD_DEVICE_FEATURES_SEL, 0);
    low = vd_rd(vd, VD_DEVICE_FEATURES);
    vd_wr(vd, VD_DEVICE_FEATURES_SEL, 1);
    return low | (uint64_t)vd_rd(vd, VD_DEVICE_FEATURES) << 32;
}

/* Reset and negotiate. Returns the status read back. */
static inline uint32_t vd_negotiate(struct vd *vd, uint64_t features)
{
    vd_wr(vd, VD_STATUS, 0);
    vd_wr(vd, VD_STATUS, VIRTIO_ACKNOWLEDGE);
    vd_wr(vd, VD_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    for (unsigned sel = 0; sel < 2; sel++) {
        vd_wr(vd, VD_DRIVER_FEATURES_SEL, sel);
        vd_wr(vd, VD_DRIVER_FEATURES, (uint32_t)(features >> 32 * sel));
    }
    vd_wr(vd, VD_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    return vd_rd(vd, VD_STATUS);
}

static inline void vd_queue(struct vd *vd, unsigned q)
{
    memset(vd_at(vd, vd_desc_gpa(q)), 0, VD_STRIDE);
    vd->avail_idx[q] = vd->used_idx[q] = 0;
    vd_wr(vd, VD_QUEUE_SEL, q);
    vd_wr(vd, VD_QUEUE_NUM, vd->size);
    vd_wr64(vd, VD_QUEUE_DESC, vd_desc_gpa(q));
    vd_wr64(vd, VD_QUEUE_DRIVER, vd_avail_gpa(q));
    vd_wr64(vd, VD_QUEUE_DEVICE, vd_used_gpa(q));
    vd_wr(vd, VD_QUEUE_READY, 1);
}

static inline void vd_driver_ok(struct vd *vd)
{
    vd_wr(vd, VD_STATUS, vd_rd(vd, VD_STATUS) | VIRTIO_DRIVER_OK);
}

/* From anywhere to a live device with queues [0, queues). */
static inline void vd_start(struct vd *vd, uint64_t features, uint16_t size, unsigned queues)
{
    vd->size = size;
    assert_int_equal(vd_negotiate(vd, features | VIRTIO_F_VERSION_1), 11);
    for (unsigned q = 0; q < queues; q++) {
        vd_queue(vd, q);
        assert_int_equal(vd_rd(vd, VD_QUEUE_READY), 1);
    }
    vd_driver_ok(vd);
    assert_int_equal(vd_rd(vd, VD_STATUS), 15);
}

/* Descriptor `index` of a table at gpa. */
static inline void vd_desc_at(struct vd *vd, uint64_t table, unsigned index, uint64_t addr,
                              uint32_t len, uint16_t flags, uint16_t next)
{
    uint8_t *p = vd_at(vd, table + 16 * (uint64_t)index);

    store_le64(p, addr);
    store_le32(p + 8, len);
    store_le32(p + 12, flags | (uint32_t)next << 16);
}

static inline void vd_desc(struct vd *vd, unsigned q, unsigned index, uint64_t addr, uint32_t len,
                           uint16_t flags, uint16_t next)
{
    vd_desc_at(vd, vd_desc_gpa(q), index, addr, len, flags, next);
}

/* Make a chain available, without notifying. */
static inline void vd_offer(struct vd *vd, unsigned q, uint16_t head)
{
    uint16_t slot = vd->avail_idx[q] % vd->size;

    vd_store16(vd, vd_avail_gpa(q) + 4 + 2 * (uint64_t)slot, head);
    vd_store16(vd, vd_avail_gpa(q) + 2, ++vd->avail_idx[q]);
}

static inline void vd_kick(struct vd *vd, unsigned q)
{
    vd_wr(vd, VD_QUEUE_NOTIFY, q);
}

/* The next finished chain. Returns false when there is none. */
static inline bool vd_used(struct vd *vd, unsigned q, uint32_t *ret_head, uint32_t *ret_len)
{
    const uint8_t *entry;

    if (vd_load16(vd, vd_used_gpa(q) + 2) == vd->used_idx[q])
        return false;
    entry = vd_at(vd, vd_used_gpa(q) + 4 + 8 * (uint64_t)(vd->used_idx[q] % vd->size));
    vd->used_idx[q]++;
    *ret_head = load_le32(entry);
    *ret_len = load_le32(entry + 4);
    return true;
}

/* Wait for the interrupt, acknowledge it, return its cause. */
static inline uint32_t vd_wait(struct vd *vd)
{
    uint32_t isr;

    lock_take(&vd->lock);
    while (!vd->level)
        cond_wait(&vd->cond, &vd->lock);
    lock_drop(&vd->lock);
    isr = vd_rd(vd, VD_ISR);
    vd_wr(vd, VD_ACK, isr);
    return isr;
}
