/*
 * libFuzzer: a guest that writes anything to rings and registers of a drive and an entropy source,
 * and to the serial port and the clock.
 *
 *   input: u8 set-up, then records of u8 kind and what the kind needs
 *
 * Bit 0 of set-up brings the drive to life first, so that the fuzzer starts at the interesting
 * door; the other bits choose its features. RAM is small, so that random addresses hit it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "dev/bus.h"
#include "dev/rtc.h"
#include "dev/serial.h"
#include "dev/virtio/blk.h"
#include "dev/virtio/rng.h"

#define RAM      UINT64_C(0x10000)
#define RAM_SIZE UINT64_C(0x10000)
#define RINGS    RAM
#define QUEUE    16
#define SECTORS  8
#define OPS_MAX  256

enum { DEV_BLK, DEV_RNG, DEV_SERIAL, DEV_RTC, DEVS };

struct input {
    const uint8_t *data;
    size_t len;
};

struct rig {
    struct gmem *mem;
    struct bus bus;
    struct dev *devs[DEVS];
    struct serial *serial;
    uint16_t avail_idx;
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int image_fd;

static void quiet(void *ctx, enum log_level level, const char *area, const char *text)
{
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    log_set_sink(quiet, NULL);
    image_fd = memfd_create("image", MFD_CLOEXEC);
    if (image_fd < 0 || ftruncate(image_fd, SECTORS * DISK_SECTOR) < 0)
        abort();
    return 0;
}

static uint64_t take(struct input *in, size_t bytes)
{
    uint64_t val = 0;

    if (bytes > in->len)
        bytes = in->len;
    memcpy(&val, in->data, bytes);
    in->data += bytes;
    in->len -= bytes;
    return val;
}

static void must(int rc)
{
    if (rc < 0)
        abort();
}

static void fill(void *ctx, void *buf, size_t len)
{
    memset(buf, 0xa5, len);
}

static uint64_t wall_ns(void *ctx)
{
    (void)ctx;
    return 1700000000 * UINT64_C(1000000000);
}

/* A terminal that takes every other time nothing. */
static size_t serial_tx(void *ctx, const uint8_t *data, size_t len)
{
    unsigned *turn = ctx;

    return (*turn)++ & 1 ? len : len / 2;
}

static void rig_init(struct rig *rig, unsigned *turn)
{
    struct blk_config blk = { .id = "fuzz" };
    struct rng_config rng = { .fill = fill };
    struct rtc_config rtc = { .wall_ns = wall_ns };
    struct serial_backend backend = { .tx = serial_tx, .ctx = turn };

    memset(rig, 0, sizeof(*rig));
    must(gmem_create(&rig->mem, NULL));
    must(gmem_add(rig->mem, RAM, RAM_SIZE, true, NULL));
    blk.host.mem = rng.host.mem = rig->mem;
    must(disk_open_fd(image_fd, "image", false, &blk.disk, NULL));
    must(blk_create(&blk, &rig->devs[DEV_BLK], NULL));
    must(rng_create(&rng, &rig->devs[DEV_RNG], NULL));
    must(rtc_create(&rtc, &rig->devs[DEV_RTC], NULL));
    must(serial_create(&backend, &rig->serial, NULL));
    rig->devs[DEV_SERIAL] = serial_dev(rig->serial);
    for (unsigned i = 0; i < DEVS; i++) {
        rig->devs[i]->gpa = 0x1000 * (uint64_t)i;
        must(bus_add(&rig->bus, rig->devs[i], NULL));
    }
}

static void rig_fini(struct rig *rig)
{
    for (unsigned i = 0; i < DEVS; i++)
        rig->devs[i]->ops->destroy(rig->devs[i]);
    gmem_destroy(rig->mem);
}

static void wr(struct rig *rig, uint64_t off, uint32_t val)
{
    bus_write(&rig->bus, off, 4, val);
}

/* What a driver does up to DRIVER_OK, for the device in window 0 or 1. */
static void bring_up(struct rig *rig, uint64_t base, uint8_t setup)
{
    wr(rig, base + 0x070, 3);
    wr(rig, base + 0x024, 1);
    wr(rig, base + 0x020, 1); /* VERSION_1 */
    wr(rig, base + 0x024, 0);
    wr(rig, base + 0x020, (setup & 2 ? 1u << 29 : 0) | (setup & 4 ? 1u << 28 : 0));
    wr(rig, base + 0x070, 11);
    wr(rig, base + 0x038, QUEUE);
    wr(rig, base + 0x080, (uint32_t)RINGS);
    wr(rig, base + 0x090, (uint32_t)RINGS + 0x400);
    wr(rig, base + 0x0a0, (uint32_t)RINGS + 0x800);
    wr(rig, base + 0x044, 1);
    wr(rig, base + 0x070, 15);
}

/* A descriptor whose fields are near what makes sense, so that chains get long. */
static void put_desc(struct rig *rig, struct input *in)
{
    uint8_t where = (uint8_t)take(in, 1);
    uint8_t raw[16];
    gpa_t table = where & 0x80 ? RAM + 0x4000 : RINGS;

    store_le64(raw, RAM + take(in, 2));
    store_le32(raw + 8, (uint32_t)take(in, 2));
    store_le32(raw + 12, (uint32_t)take(in, 1) | (uint32_t)take(in, 1) << 16);
    if (gmem_write(rig->mem, table + 16 * (where & 0x3f), raw, sizeof(raw)) < 0)
        abort();
}

static void offer(struct rig *rig, struct input *in)
{
    uint16_t head = (uint16_t)take(in, 1);
    uint16_t slot = rig->avail_idx++ % QUEUE;

    must(gmem_write(rig->mem, RINGS + 0x404 + 2 * (uint64_t)slot, &head, 2));
    must(gmem_write(rig->mem, RINGS + 0x402, &rig->avail_idx, 2));
    wr(rig, 0x050, 0);
}

static void save_and_load(struct rig *rig, unsigned i)
{
    struct dev *dev = rig->devs[i % DEVS];
    struct state_buf buf = { 0 };

    /* A device that a guest has driven may be saved at any time, and must load again. */
    state_save(&buf, dev->ops->state, dev, "");
    if (state_load(buf.data, buf.len, dev->ops->state, dev, "", NULL) < 0)
        abort();
    state_buf_fini(&buf);
}

static void step(struct rig *rig, struct input *in)
{
    uint8_t kind = (uint8_t)take(in, 1), byte;
    uint64_t off;

    switch (kind % 8) {
    case 0: /* any access */
        off = take(in, 2) % (DEVS * 0x1000 + 0x100);
        bus_write(&rig->bus, off, 1u << (kind >> 3 & 3), take(in, 8));
        break;
    case 1:
        bus_read(&rig->bus, take(in, 2) % (DEVS * 0x1000 + 0x100), 1u << (kind >> 3 & 3));
        break;
    case 2: /* any memory */
        off = take(in, 2);
        byte = (uint8_t)take(in, 1);
        must(gmem_write(rig->mem, RAM + off, &byte, 1));
        break;
    case 3:
        put_desc(rig, in);
        break;
    case 4:
        offer(rig, in);
        break;
    case 5: /* a control register of a virtio device */
        wr(rig, (kind >> 3 & 1) * 0x1000 + (take(in, 1) & 0xfc), (uint32_t)take(in, 4));
        break;
    case 6:
        byte = (uint8_t)take(in, 1);
        if (serial_rx(rig->serial, &byte, 1) > 1)
            abort();
        serial_tx_ready(rig->serial);
        break;
    default:
        save_and_load(rig, kind >> 3);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = { data, len };
    uint8_t setup = (uint8_t)take(&in, 1);
    unsigned turn = 0;
    struct rig rig;

    rig_init(&rig, &turn);
    if (setup & 1)
        bring_up(&rig, 0, setup);
    if (setup & 8)
        bring_up(&rig, 0x1000, setup);
    for (unsigned i = 0; i < OPS_MAX && in.len; i++)
        step(&rig, &in);
    rig_fini(&rig);
    return 0;
}
