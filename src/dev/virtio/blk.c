/*
 * virtio-blk (virtio 1.2, section 5.2): read, write, flush, get-id.
 *
 *   readable: le32 type, le32 reserved, le64 sector, data to write
 *   writable: data to read, u8 status
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
#define BLK_CONFIG_LEN 24 /* up to and with blk_size */

#define BLK_F_SEG_MAX  BIT(2)
#define BLK_F_RO       BIT(5)
#define BLK_F_BLK_SIZE BIT(6)
#define BLK_F_FLUSH    BIT(9)

enum { BLK_T_IN = 0, BLK_T_OUT = 1, BLK_T_FLUSH = 4, BLK_T_GET_ID = 8 };
enum { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2 };

_Static_assert(QUEUE_SEGS_MAX <= DISK_IOV_MAX, "a chain is one read or write of the drive");

struct blk {
    struct virtio virtio;
    struct disk *disk;
    char id[BLK_ID_LEN]; /* no NUL when full */
    uint64_t sectors;    /* of the drive; saved, to compare */
    int told;            /* the last error in the log: a guest may repeat what fails for ever */
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

/* The host's part of a request, without the lock. Returns 0 or -errno. */
static int blk_host_io(struct blk *blk, uint32_t type, uint64_t sector, const struct blk_span *out,
                       const struct blk_span *in)
{
    int rc;

    virtio_io_begin(&blk->virtio);
    switch (type) {
    case BLK_T_IN:
        rc = disk_readv(blk->disk, in->iov, in->count, sector * DISK_SECTOR);
        break;
    case BLK_T_OUT:
        rc = blk_write(blk, sector, out);
        break;
    default:
        rc = disk_flush(blk->disk);
        break;
    }
    virtio_io_end(&blk->virtio);
    if (rc < 0 && rc != blk->told) {
        blk->told = rc;
        log_warn("virtio-blk", "%s at sector %llu: %s",
                 type == BLK_T_IN    ? "read"
                 : type == BLK_T_OUT ? "write"
                                     : "flush",
                 (unsigned long long)sector, strerror(-rc));
    }
    return rc;
}

/* Answer one request. Returns the status; *ret_data is how many data bytes were written. */
static uint8_t blk_answer(struct blk *blk, struct blk_span *out, struct blk_span *in,
                          uint64_t *ret_data)
{
    uint8_t header[BLK_HEADER];
    uint32_t type;
    uint64_t sector;

    if (out->len < sizeof(header)) {
        log_guest("virtio-blk", "request without a whole header");
        return BLK_S_IOERR;
    }
    span_read(out, header, sizeof(header));
    type = load_le32(header);
    sector = load_le64(header + 8);
    switch (type) {
    case BLK_T_IN:
    case BLK_T_OUT:
        if (!blk_range_ok(blk, sector, type == BLK_T_IN ? in->len : out->len)) {
            log_guest("virtio-blk", "%llu bytes at sector %llu: no whole sectors, or past the end",
                      (unsigned long long)(type == BLK_T_IN ? in->len : out->len),
                      (unsigned long long)sector);
            return BLK_S_IOERR;
        }
        if (type == BLK_T_OUT && disk_read_only(blk->disk)) {
            log_guest("virtio-blk", "write to a read-only drive");
            return BLK_S_IOERR;
        }
        if (blk_host_io(blk, type, sector, out, in) < 0)
            return BLK_S_IOERR;
        *ret_data = type == BLK_T_IN ? in->len : 0;
        return BLK_S_OK;
    case BLK_T_FLUSH:
        return blk_host_io(blk, type, 0, out, in) < 0 ? BLK_S_IOERR : BLK_S_OK;
    case BLK_T_GET_ID:
        *ret_data = in->len < sizeof(blk->id) ? in->len : sizeof(blk->id);
        span_write(in, blk->id, sizeof(blk->id));
        return BLK_S_OK;
    default:
        log_guest("virtio-blk", "request type %u is not supported", type);
        return BLK_S_UNSUPP;
    }
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

/* capacity, size_max, seg_max, geometry, blk_size (5.2.4). */
static void blk_config_read(struct virtio *v, uint32_t off, void *buf, uint32_t len)
{
    struct blk *blk = container_of(v, struct blk, virtio);
    uint8_t config[BLK_CONFIG_LEN] = { 0 };

    store_le64(config, disk_sectors(blk->disk));
    store_le32(config + 12, BLK_SEG_MAX);
    store_le32(config + 20, DISK_SECTOR);
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
    uint64_t features = BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH |
                        (disk_read_only(config->disk) ? BLK_F_RO : 0);
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
