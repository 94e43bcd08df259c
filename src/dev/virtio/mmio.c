/*
 * The virtio-mmio register block, version 2 (virtio 1.2, section 4.2.2): control registers as a
 * table, 32 bits wide; configuration space behind them, in any width up to that.
 *
 * What a driver must not do is ignored and logged; a queue that cannot work sets NEEDS_RESET.
 */
#include "dev/virtio/mmio.h"

#include <stdio.h>

#include "arch/dtb.h"
#include "base/log.h"
#include "dev/regs.h"

enum {
    MMIO_MAGIC = 0x000,
    MMIO_VERSION = 0x004,
    MMIO_DEVICE_ID = 0x008,
    MMIO_VENDOR_ID = 0x00c,
    MMIO_DEVICE_FEATURES = 0x010,
    MMIO_DEVICE_FEATURES_SEL = 0x014,
    MMIO_DRIVER_FEATURES = 0x020,
    MMIO_DRIVER_FEATURES_SEL = 0x024,
    MMIO_QUEUE_SEL = 0x030,
    MMIO_QUEUE_NUM_MAX = 0x034,
    MMIO_QUEUE_NUM = 0x038,
    MMIO_QUEUE_READY = 0x044,
    MMIO_QUEUE_NOTIFY = 0x050,
    MMIO_INTERRUPT_STATUS = 0x060,
    MMIO_INTERRUPT_ACK = 0x064,
    MMIO_STATUS = 0x070,
    MMIO_QUEUE_DESC = 0x080,
    MMIO_QUEUE_DRIVER = 0x090,
    MMIO_QUEUE_DEVICE = 0x0a0,
    MMIO_SHM_SEL = 0x0ac,
    MMIO_SHM_LEN = 0x0b0,
    MMIO_SHM_BASE = 0x0b8,
    MMIO_CONFIG_GENERATION = 0x0fc,
    MMIO_CONFIG = 0x100,
};

#define MMIO_MAGIC_VALUE  0x74726976 /* "virt" */
#define MMIO_VENDOR_VALUE 0x4e474921 /* "!IGN" */

static struct virtio *mmio_virtio(struct dev *dev)
{
    return container_of(dev, struct virtio, dev);
}

/* The selected queue, or NULL when the device has no such queue. */
static struct queue *mmio_queue(struct virtio *v)
{
    return v->queue_sel < v->ops->queues ? &v->queues[v->queue_sel] : NULL;
}

/* The selected queue while its set-up may change: it exists and is not ready. */
static struct queue *mmio_queue_setup(struct virtio *v, const char *what)
{
    struct queue *queue = mmio_queue(v);

    if (queue && !queue->ready)
        return queue;
    log_guest(v->dev.ops->name, "%s of queue %u ignored: %s", what, v->queue_sel,
              queue ? "the queue is in use" : "there is no such queue");
    return NULL;
}

static uint32_t mmio_read_id(struct dev *dev, uint32_t off)
{
    switch (off) {
    case MMIO_MAGIC:
        return MMIO_MAGIC_VALUE;
    case MMIO_VERSION:
        return 2;
    case MMIO_DEVICE_ID:
        return mmio_virtio(dev)->ops->id;
    default:
        return MMIO_VENDOR_VALUE;
    }
}

static uint32_t mmio_read_features(struct dev *dev, uint32_t off)
{
    struct virtio *v = mmio_virtio(dev);

    return v->device_features_sel < 2 ? (uint32_t)(v->features >> 32 * v->device_features_sel) : 0;
}

static void mmio_write_features(struct dev *dev, uint32_t off, uint32_t val)
{
    struct virtio *v = mmio_virtio(dev);
    unsigned shift = 32 * v->driver_features_sel;

    if (v->status & VIRTIO_FEATURES_OK) {
        log_guest(dev->ops->name, "write to DriverFeatures after FEATURES_OK ignored");
    } else if (v->driver_features_sel > 1) {
        if (val)
            log_guest(dev->ops->name, "feature bits %#x of word %u do not exist", val,
                      v->driver_features_sel);
    } else {
        v->driver_features &= ~(BITS(31, 0) << shift);
        v->driver_features |= (uint64_t)val << shift;
    }
}

static uint32_t mmio_read_queue_max(struct dev *dev, uint32_t off)
{
    struct virtio *v = mmio_virtio(dev);

    return mmio_queue(v) ? v->ops->queue_max : 0;
}

static void mmio_write_queue_num(struct dev *dev, uint32_t off, uint32_t val)
{
    struct virtio *v = mmio_virtio(dev);
    struct queue *queue = mmio_queue_setup(v, "QueueNum");

    if (!queue)
        return;
    if (!is_pow2(val) || val > v->ops->queue_max)
        log_guest(dev->ops->name, "QueueNum %u ignored: not a power of two up to %u", val,
                  v->ops->queue_max);
    else
        queue->size = (uint16_t)val;
}

static uint32_t mmio_read_queue_ready(struct dev *dev, uint32_t off)
{
    struct queue *queue = mmio_queue(mmio_virtio(dev));

    return queue && queue->ready;
}

static void mmio_write_queue_ready(struct dev *dev, uint32_t off, uint32_t val)
{
    struct virtio *v = mmio_virtio(dev);
    struct queue *queue = mmio_queue(v);

    if (!queue || (val && !(v->status & VIRTIO_FEATURES_OK)))
        log_guest(dev->ops->name, "QueueReady of queue %u ignored: %s", v->queue_sel,
                  queue ? "before FEATURES_OK" : "there is no such queue");
    else if (val && !queue->ready)
        virtio_queue_enable(v, v->queue_sel);
    else if (!val && queue->ready)
        virtio_queue_disable(v, v->queue_sel);
}

static void mmio_write_queue_notify(struct dev *dev, uint32_t off, uint32_t val)
{
    struct virtio *v = mmio_virtio(dev);

    if (val >= v->ops->queues || !v->queues[val].ready || !(v->status & VIRTIO_DRIVER_OK))
        log_guest(dev->ops->name, "notification of queue %u ignored: %s", val,
                  val >= v->ops->queues ? "there is no such queue" : "not in use");
    else
        virtio_kick(v, val);
}

static void mmio_write_queue_address(struct dev *dev, uint32_t off, uint32_t val)
{
    struct queue *queue = mmio_queue_setup(mmio_virtio(dev), "address");
    unsigned shift = off & 4 ? 32 : 0;
    uint64_t *addr;

    if (!queue)
        return;
    addr = (off & ~4u) == MMIO_QUEUE_DESC     ? &queue->desc
           : (off & ~4u) == MMIO_QUEUE_DRIVER ? &queue->avail
                                              : &queue->used;
    *addr = (*addr & ~(BITS(31, 0) << shift)) | (uint64_t)val << shift;
}

static void mmio_write_ack(struct dev *dev, uint32_t off, uint32_t val)
{
    struct virtio *v = mmio_virtio(dev);

    v->isr &= ~val;
    virtio_update_irq(v);
}

/*
 * The status machine (sections 2.1 and 3.1): bits are only ever added, in order; writing 0 resets.
 * Whether features were accepted is seen by reading FEATURES_OK back.
 */
static void mmio_write_status(struct dev *dev, uint32_t off, uint32_t val)
{
    struct virtio *v = mmio_virtio(dev);
    const uint32_t before = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER;
    uint32_t added = val & ~v->status;

    if (!val) {
        virtio_reset(dev);
        return;
    }
    if (v->status & ~val & ~(uint32_t)VIRTIO_NEEDS_RESET)
        log_guest(dev->ops->name, "status bits %#x can only be cleared by a reset",
                  v->status & ~val);
    v->status |= added & (before | VIRTIO_FAILED);
    if (added & VIRTIO_FEATURES_OK) {
        if ((v->status & before) == before && virtio_features_ok(v))
            v->status |= VIRTIO_FEATURES_OK;
        else
            log_guest(dev->ops->name, "features %#llx refused, of %#llx offered",
                      (unsigned long long)v->driver_features, (unsigned long long)v->features);
    }
    if (added & VIRTIO_DRIVER_OK) {
        if (v->status & VIRTIO_FEATURES_OK) {
            v->status |= VIRTIO_DRIVER_OK;
            virtio_go(v);
        } else {
            log_guest(dev->ops->name, "DRIVER_OK without FEATURES_OK ignored");
        }
    }
}

/* No shared memory: length and base of every region read as all ones (section 4.2.2). */
static uint32_t mmio_read_no_shm(struct dev *dev, uint32_t off)
{
    return UINT32_MAX;
}

static void mmio_write_shm_sel(struct dev *dev, uint32_t off, uint32_t val)
{
}

#define F(m)  offsetof(struct virtio, m)
#define ONES  UINT32_MAX
#define W_QA  mmio_write_queue_address
#define R_SHM mmio_read_no_shm
/* clang-format off */
static const struct reg mmio_regs[] = {
    /* off                      name                writable backing         read, write */
    { MMIO_MAGIC,               "MagicValue",        0,    0, mmio_read_id, NULL },
    { MMIO_VERSION,             "Version",           0,    0, mmio_read_id, NULL },
    { MMIO_DEVICE_ID,           "DeviceID",          0,    0, mmio_read_id, NULL },
    { MMIO_VENDOR_ID,           "VendorID",          0,    0, mmio_read_id, NULL },
    { MMIO_DEVICE_FEATURES,     "DeviceFeatures",    0,    0, mmio_read_features, NULL },
    { MMIO_DEVICE_FEATURES_SEL, "DeviceFeaturesSel", ONES, F(device_features_sel), NULL, NULL },
    { MMIO_DRIVER_FEATURES,     "DriverFeatures",    ONES, 0, NULL, mmio_write_features },
    { MMIO_DRIVER_FEATURES_SEL, "DriverFeaturesSel", ONES, F(driver_features_sel), NULL, NULL },
    { MMIO_QUEUE_SEL,           "QueueSel",          ONES, F(queue_sel), NULL, NULL },
    { MMIO_QUEUE_NUM_MAX,       "QueueNumMax",       0,    0, mmio_read_queue_max, NULL },
    { MMIO_QUEUE_NUM,           "QueueNum",          ONES, 0, NULL, mmio_write_queue_num },
    { MMIO_QUEUE_READY,         "QueueReady",        1,    0, mmio_read_queue_ready,
                                                              mmio_write_queue_ready },
    { MMIO_QUEUE_NOTIFY,        "QueueNotify",       ONES, 0, NULL, mmio_write_queue_notify },
    { MMIO_INTERRUPT_STATUS,    "InterruptStatus",   0,    F(isr), NULL, NULL },
    { MMIO_INTERRUPT_ACK,       "InterruptACK",      ONES, 0, NULL, mmio_write_ack },
    { MMIO_STATUS,              "Status",            ONES, F(status), NULL, mmio_write_status },
    { MMIO_QUEUE_DESC,          "QueueDescLow",      ONES, 0, NULL, W_QA },
    { MMIO_QUEUE_DESC + 4,      "QueueDescHigh",     ONES, 0, NULL, W_QA },
    { MMIO_QUEUE_DRIVER,        "QueueDriverLow",    ONES, 0, NULL, W_QA },
    { MMIO_QUEUE_DRIVER + 4,    "QueueDriverHigh",   ONES, 0, NULL, W_QA },
    { MMIO_QUEUE_DEVICE,        "QueueDeviceLow",    ONES, 0, NULL, W_QA },
    { MMIO_QUEUE_DEVICE + 4,    "QueueDeviceHigh",   ONES, 0, NULL, W_QA },
    { MMIO_SHM_SEL,             "SHMSel",            ONES, 0, NULL, mmio_write_shm_sel },
    { MMIO_SHM_LEN,             "SHMLenLow",         0,    0, R_SHM, NULL },
    { MMIO_SHM_LEN + 4,         "SHMLenHigh",        0,    0, R_SHM, NULL },
    { MMIO_SHM_BASE,            "SHMBaseLow",        0,    0, R_SHM, NULL },
    { MMIO_SHM_BASE + 4,        "SHMBaseHigh",       0,    0, R_SHM, NULL },
    { MMIO_CONFIG_GENERATION,   "ConfigGeneration",  0,    F(config_generation), NULL, NULL },
};
/* clang-format on */
#undef F
#undef ONES
#undef W_QA
#undef R_SHM

static const struct reg_bank mmio_bank = {
    .regs = mmio_regs,
    .count = ARRAY_LEN(mmio_regs),
    .size = 4,
};

/* Is this access to configuration space one that the device answers? */
static bool mmio_config_ok(struct virtio *v, uint64_t off, unsigned size, const char *what)
{
    if (size <= 4 && off % size == 0 && off < v->ops->config_len &&
        size <= v->ops->config_len - off)
        return true;
    log_guest(v->dev.ops->name, "%s of %u bytes at offset %#llx of the configuration ignored", what,
              size, (unsigned long long)off);
    return false;
}

uint64_t mmio_read(struct dev *dev, uint64_t off, unsigned size)
{
    struct virtio *v = mmio_virtio(dev);
    uint32_t val = 0;

    if (off < MMIO_CONFIG)
        return regs_read(&mmio_bank, dev, off, size);
    if (mmio_config_ok(v, off - MMIO_CONFIG, size, "read"))
        v->ops->config_read(v, (uint32_t)(off - MMIO_CONFIG), &val, size);
    return val;
}

void mmio_write(struct dev *dev, uint64_t off, unsigned size, uint64_t val)
{
    struct virtio *v = mmio_virtio(dev);
    uint32_t val32 = (uint32_t)val;

    if (off < MMIO_CONFIG) {
        regs_write(&mmio_bank, dev, off, size, val);
        return;
    }
    if (!mmio_config_ok(v, off - MMIO_CONFIG, size, "write"))
        return;
    if (v->ops->config_write)
        v->ops->config_write(v, (uint32_t)(off - MMIO_CONFIG), &val32, size);
    else
        log_guest(dev->ops->name, "write to read-only configuration ignored");
}

int mmio_fdt(struct dev *dev, struct dtb_node *parent)
{
    struct dtb_node node;
    char name[40];

    snprintf(name, sizeof(name), "virtio_mmio@%llx", (unsigned long long)dev->gpa);
    node = dtb_node_begin(parent->dtb, name);
    dtb_prop_str(&node, "compatible", "virtio,mmio");
    dtb_prop_reg(&node, dev->gpa, MMIO_SIZE);
    dtb_prop_spi(&node, dev->irq.spi);
    dtb_prop_empty(&node, "dma-coherent");
    dtb_node_end(&node);
    return 0;
}
