/*
 * virtio-blk (virtio 1.2, section 5.2): read, write, flush, get-id, discard, write-zeroes.
 *
 *   readable: le32 type, le32 reserved, le64 sector, data to write
 *   writable: data to read, u8 status
 *
 * The data of discard and write-zeroes is ranges: le64 sector, le32 sectors, le32 flags (5.2.6).
 *
 * How that is cut into descriptors is the driver's choice (2.7.4.1), so header and status are cut
 * off the chain by bytes.
 */
#include "dev/virtio/blk.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "dev/virtio/mmio.h"

#define BLK_QUEUE_SIZE 256
#define BLK_SEG_MAX    (QUEUE_SEGS_MAX - 2) /* data segments beside header and status */
#define BLK_HEADER     16
#define BLK_ID_LEN     20
#define BLK_CONFIG_LEN 60 /* up to and with write_zeroes_may_unmap and what pads it */
#define BLK_RANGE      16
#define BLK_RANGES_MAX 32

/* Sectors of a range. A hole of 1 GiB is made in an instant; 16 MiB of zeros may have to be written
 * while other requests wait. */
#define BLK_DISCARD_MAX (GIB / DISK_SECTOR)
#define BLK_ZEROES_MAX  (16 * MIB / DISK_SECTOR)

#define BLK_F_SEG_MAX      BIT(2)
#define BLK_F_RO           BIT(5)
#define BLK_F_BLK_SIZE     BIT(6)
#define BLK_F_FLUSH        BIT(9)
#define BLK_F_DISCARD      BIT(13)
#define BLK_F_WRITE_ZEROES BIT(14)

enum {
    BLK_T_IN = 0,
    BLK_T_OUT = 1,
    BLK_T_FLUSH = 4,
    BLK_T_GET_ID = 8,
    BLK_T_DISCARD = 11,
    BLK_T_WRITE_ZEROES = 13,
};
#define BLK_RANGE_UNMAP BIT(0)
enum { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2 };

_Static_assert(QUEUE_SEGS_MAX <= DISK_IOV_MAX, "a chain is one read or write of the drive");

struct blk {
    struct virtio virtio;
    struct disk *disk;
    char id[BLK_ID_LEN]; /* no NUL when full */
    uint64_t sectors;    /* of the drive; saved, to compare */
    uint64_t told;       /* bit n: error n is in the log; a guest may repeat what fails for ever */
};

struct blk_range {
    uint64_t sector;
    uint32_t sectors;
    bool unmap;
};

/* A part of a chain: segments, and their bytes. */
struct blk_span {
    struct iovec *iov;
    unsigned count;
    uint64_t len;
};

static void span_drop_front(struct blk_span *span, size_t len)
{
    span->len -= len;
    while (span->count && len >= span->iov->iov_len) {
        len -= span->iov->iov_len;
        span->iov++;
        span->count--;
    }
    if (len) {
        span->iov->iov_base = (char *)span->iov->iov_base + len;
        span->iov->iov_len -= len;
    }
}

/* Take `len` bytes off the front, to dst. The span has that many. */
static void span_read(struct blk_span *span, void *dst, size_t len)
{
    uint8_t *at = dst;

    while (len) {
        size_t part = len < span->iov->iov_len ? len : span->iov->iov_len;
        memcpy(at, span->iov->iov_base, part);
        span_drop_front(span, part);
        at += part;
        len -= part;
    }
}

/* Put up to `len` bytes to the front. */
static void span_write(struct blk_span *span, const void *src, size_t len)
{
    const uint8_t *at = src;

    while (len && span->count) {
        size_t part = len < span->iov->iov_len ? len : span->iov->iov_len;
        memcpy(span->iov->iov_base, at, part);
        span_drop_front(span, part);
        at += part;
        len -= part;
    }
}

/* Cut the last byte off and return where it is. The span is not empty. */
static uint8_t *span_take_last(struct blk_span *span)
{
    struct iovec *last = &span->iov[span->count - 1];
    uint8_t *byte = (uint8_t *)last->iov_base + last->iov_len - 1;

    span->len--;
    if (--last->iov_len == 0)
        span->count--;
    return byte;
}

static bool blk_range_ok(const struct blk *blk, uint64_t sector, uint64_t len)
{
    uint64_t sectors = disk_sectors(blk->disk);

    return len % DISK_SECTOR == 0 && sector <= sectors && len / DISK_SECTOR <= sectors - sector;
}

static int blk_write(struct blk *blk, uint64_t sector, const struct blk_span *data)
{
    int rc = disk_writev(blk->disk, data->iov, data->count, sector * DISK_SECTOR);

    /* Without FLUSH the driver takes a finished write for a stable one (5.2.6.2). */
    if (rc == 0 && !virtio_has(&blk->virtio, BLK_F_FLUSH))
        rc = disk_flush(blk->disk);
    return rc;
}

/* The host said no: IOERR for the guest, one sentence for its owner. */
static uint8_t blk_result(struct blk *blk, const char *what, uint64_t sector, int rc)
{
    if (rc == 0)
        return BLK_S_OK;
    if (!(blk->told & BIT(-rc & 63))) {
        blk->told |= BIT(-rc & 63);
        log_warn("virtio-blk", "%.*s: %s at sector %llu: %s; the guest gets I/O errors", BLK_ID_LEN,
                 blk->id, what, (unsigned long long)sector, strerror(-rc));
    }
    return BLK_S_IOERR;
}

static uint8_t blk_move(struct blk *blk, uint32_t type, uint64_t sector,
                        const struct blk_span *data)
{
    bool in = type == BLK_T_IN;
    int rc;

    if (!blk_range_ok(blk, sector, data->len)) {
        log_guest("virtio-blk", "%llu bytes at sector %llu: no whole sectors, or past the end",
                  (unsigned long long)data->len, (unsigned long long)sector);
        return BLK_S_IOERR;
    }
    if (!in && disk_read_only(blk->disk)) {
        log_guest("virtio-blk", "write to a read-only drive");
        return BLK_S_IOERR;
    }
    virtio_io_begin(&blk->virtio);
    rc = in ? disk_readv(blk->disk, data->iov, data->count, sector * DISK_SECTOR)
            : blk_write(blk, sector, data);
    virtio_io_end(&blk->virtio);
    return blk_result(blk, in ? "read" : "write", sector, rc);
}

static uint8_t blk_flush(struct blk *blk)
{
    int rc;

    virtio_io_begin(&blk->virtio);
    rc = disk_flush(blk->disk);
    virtio_io_end(&blk->virtio);
    return blk_result(blk, "flush", 0, rc);
}

/* The ranges of a discard or write-zeroes. Nothing is done unless all of them are right. */
static uint8_t blk_get_ranges(struct blk *blk, bool zeroes, struct blk_span *out,
                              struct blk_range *ret, unsigned *ret_count)
{
    unsigned count = (unsigned)(out->len / BLK_RANGE), count_max = zeroes ? 1 : BLK_RANGES_MAX;
    uint64_t max = zeroes ? BLK_ZEROES_MAX : BLK_DISCARD_MAX;

    if (out->len % BLK_RANGE || !count || count > count_max) {
        log_guest("virtio-blk", "%llu bytes of ranges; 1 to %u ranges of %d are right",
                  (unsigned long long)out->len, count_max, BLK_RANGE);
        return BLK_S_IOERR;
    }
    for (unsigned i = 0; i < count; i++) {
        uint8_t raw[BLK_RANGE];
        uint32_t flags;
        span_read(out, raw, sizeof(raw));
        ret[i].sector = load_le64(raw);
        ret[i].sectors = load_le32(raw + 8);
        flags = load_le32(raw + 12);
        ret[i].unmap = flags & BLK_RANGE_UNMAP;
        /* 5.2.6.2: an unknown flag, and unmap in a discard, are not supported. */
        if (flags & ~(zeroes ? BLK_RANGE_UNMAP : 0)) {
            log_guest("virtio-blk", "flags %#x of a range", flags);
            return BLK_S_UNSUPP;
        }
        if (ret[i].sectors > max ||
            !blk_range_ok(blk, ret[i].sector, (uint64_t)ret[i].sectors * DISK_SECTOR)) {
            log_guest("virtio-blk", "range of %u sectors at %llu: too long, or past the end",
                      ret[i].sectors, (unsigned long long)ret[i].sector);
            return BLK_S_IOERR;
        }
    }
    *ret_count = count;
    return BLK_S_OK;
}

static uint8_t blk_erase(struct blk *blk, bool zeroes, struct blk_span *out)
{
    struct blk_range ranges[BLK_RANGES_MAX];
    unsigned count = 0, at = 0;
    uint8_t status = blk_get_ranges(blk, zeroes, out, ranges, &count);
    int rc = 0;

    if (status != BLK_S_OK)
        return status;
    virtio_io_begin(&blk->virtio);
    for (; at < count && rc == 0; at++) {
        uint64_t off = ranges[at].sector * DISK_SECTOR;
        uint64_t len = (uint64_t)ranges[at].sectors * DISK_SECTOR;
        rc = zeroes ? disk_write_zeroes(blk->disk, off, len, ranges[at].unmap)
                    : disk_discard(blk->disk, off, len);
    }
    if (rc == 0 && zeroes && !virtio_has(&blk->virtio, BLK_F_FLUSH))
        rc = disk_flush(blk->disk);
    virtio_io_end(&blk->virtio);
    return blk_result(blk, zeroes ? "write-zeroes" : "discard", ranges[at - 1].sector, rc);
}

/* Answer one request. Returns the status; *ret_data is how many data bytes were written. */
static uint8_t blk_answer(struct blk *blk, struct blk_span *out, struct blk_span *in,
                          uint64_t *ret_data)
{
    uint8_t header[BLK_HEADER];
    uint32_t type;
    uint64_t sector;
    uint8_t status;

    if (out->len < sizeof(header)) {
        log_guest("virtio-blk", "request without a whole header");
        return BLK_S_IOERR;
    }
    span_read(out, header, sizeof(header));
    type = load_le32(header);
    sector = load_le64(header + 8);
    switch (type) {
    case BLK_T_IN:
        status = blk_move(blk, type, sector, in);
        *ret_data = status == BLK_S_OK ? in->len : 0;
        return status;
    case BLK_T_OUT:
        return blk_move(blk, type, sector, out);
    case BLK_T_FLUSH:
        return blk_flush(blk);
    case BLK_T_GET_ID:
        *ret_data = in->len < sizeof(blk->id) ? in->len : sizeof(blk->id);
        span_write(in, blk->id, sizeof(blk->id));
        return BLK_S_OK;
    case BLK_T_DISCARD:
    case BLK_T_WRITE_ZEROES:
        /* What was not negotiated is not there: a read-only drive offers neither. */
        if (virtio_has(&blk->virtio, type == BLK_T_DISCARD ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES))
            return blk_erase(blk, type == BLK_T_WRITE_ZEROES, out);
        break;
    default:
        break;
    }
    log_guest("virtio-blk", "request type %u is not supported", type);
    return BLK_S_UNSUPP;
}

static uint32_t blk_request(struct virtio *v, struct queue_chain *chain)
{
    struct blk *blk = container_of(v, struct blk, virtio);
    struct blk_span out = { chain->iov, chain->out, chain->out_len };
    struct blk_span in = { chain->iov + chain->out, chain->in, chain->in_len };
    uint64_t data = 0, room;
    uint8_t *status;

    if (!in.len) {
        log_guest("virtio-blk", "request without room for its status");
        return 0;
    }
    status = span_take_last(&in);
    room = in.len;
    *status = blk_answer(blk, &out, &in, &data);
    /* The length counts from the front (2.7.8.2): with a gap before it, the status is not in. */
    return (uint32_t)(data == room ? data + 1 : data);
}

static void blk_notify(struct virtio *v, unsigned queue)
{
    virtio_serve(v, queue, blk_request);
}

/* Of virtio_blk_config (5.2.4): capacity, seg_max, blk_size, then max_discard_sectors,
 * max_discard_seg, discard_sector_alignment, max_write_zeroes_sectors, max_write_zeroes_seg,
 * write_zeroes_may_unmap. */
static void blk_config_read(struct virtio *v, uint32_t off, void *buf, uint32_t len)
{
    struct blk *blk = container_of(v, struct blk, virtio);
    uint8_t config[BLK_CONFIG_LEN] = { 0 };

    store_le64(config, disk_sectors(blk->disk));
    store_le32(config + 12, BLK_SEG_MAX);
    store_le32(config + 20, DISK_SECTOR);
    if (!disk_read_only(blk->disk)) {
        store_le32(config + 36, BLK_DISCARD_MAX);
        store_le32(config + 40, BLK_RANGES_MAX);
        store_le32(config + 44, disk_granule(blk->disk) / DISK_SECTOR);
        store_le32(config + 48, BLK_ZEROES_MAX);
        store_le32(config + 52, 1);
        config[56] = 1;
    }
    memcpy(buf, config + off, len);
}

static const struct virtio_ops blk_virtio_ops = {
    .id = 2,
    .queues = 1,
    .queue_max = BLK_QUEUE_SIZE,
    .config_len = BLK_CONFIG_LEN,
    .config_read = blk_config_read,
    .notify = blk_notify,
};

static void blk_destroy(struct dev *dev)
{
    struct blk *blk = container_of(dev, struct blk, virtio.dev);

    virtio_fini(&blk->virtio);
    disk_close(blk->disk);
    free(blk);
}

/* v1: the transport and the size of the drive, which must be the same after a load. */
static const struct state_field blk_fields[] = {
    VIRTIO_STATE(struct blk, 1),
    STATE_U64(struct blk, sectors, 1),
    STATE_END,
};

static int blk_post_load(void *obj, uint32_t version, struct err *err)
{
    struct blk *blk = obj;
    uint64_t sectors = disk_sectors(blk->disk), saved = blk->sectors;

    blk->sectors = sectors;
    if (saved != sectors)
        return err_set(err, EINVAL,
                       "virtio-blk: the drive has %llu sectors, it had %llu when saved",
                       (unsigned long long)sectors, (unsigned long long)saved);
    if ((blk->virtio.status & VIRTIO_FEATURES_OK) && disk_read_only(blk->disk) &&
        !virtio_has(&blk->virtio, BLK_F_RO))
        return err_set(err, EINVAL,
                       "virtio-blk: the drive is read-only, it was writable when saved");
    return virtio_post_load(&blk->virtio, err);
}

static const struct state_desc blk_state = {
    .name = "virtio-blk",
    .version = 1,
    .oldest = 1,
    .fields = blk_fields,
    .post_load = blk_post_load,
};

static const struct dev_ops blk_ops = {
    .name = "virtio-blk",
    .mmio_size = MMIO_SIZE,
    .read = mmio_read,
    .write = mmio_write,
    .reset = virtio_reset,
    .fdt = mmio_fdt,
    .destroy = blk_destroy,
    .state = &blk_state,
};

int blk_create(const struct blk_config *config, struct dev **ret_dev, struct err *err)
{
    struct blk *blk = calloc(1, sizeof(*blk));
    uint64_t features =
        BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH |
        (disk_read_only(config->disk) ? BLK_F_RO : BLK_F_DISCARD | BLK_F_WRITE_ZEROES);
    int rc;

    if (!blk) {
        disk_close(config->disk);
        return err_set(err, ENOMEM, "virtio-blk: out of memory");
    }
    blk->disk = config->disk;
    blk->sectors = disk_sectors(config->disk);
    memcpy(blk->id, config->id, strnlen(config->id, sizeof(blk->id)));
    rc = virtio_init(&blk->virtio, &blk_ops, &blk_virtio_ops, features, &config->host, err);
    if (rc < 0) {
        blk_destroy(&blk->virtio.dev);
        return rc;
    }
    *ret_dev = &blk->virtio.dev;
    return 0;
}
