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
#include "dev/virtio/blk_fault.h"
#include "dev/virtio/blk_range.h"
#include "dev/virtio/mmio.h"

#define BLK_QUEUE_SIZE 256
#define BLK_SEG_MAX    (QUEUE_SEGS_MAX - 2) /* data segments beside header and status */
#define BLK_HEADER     16
#define BLK_ID_LEN     20
#define BLK_CONFIG_LEN 60 /* up to and with write_zeroes_may_unmap and what pads it */

/* Requests that are taken from the queue and not answered; the others wait in the ring. */
#define BLK_IN_FLIGHT 32

/* Bytes of a read that the vCPU does itself, if they are in memory. */
#define BLK_NOW_MAX (64 * KIB)

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

_Static_assert(QUEUE_SEGS_MAX <= DISK_IOV_MAX, "a chain is one read or write of the drive");

struct blk {
    struct virtio virtio;
    struct disk *disk;
    char id[BLK_ID_LEN]; /* no NUL when full */
    uint64_t sectors;    /* of the drive; saved, to compare */
    struct blk_fault fault;
};

/* One request. What does not depend on the host is settled when it is looked at; `kind` and what
 * follows is what is left to do, without the lock. */
struct blk_req {
    struct virtio_req req;
    uint8_t *status; /* where it goes */
    uint64_t room;   /* writable bytes before the status */
    enum blk_kind kind;
    uint64_t sector;
    struct span data;
    struct blk_range ranges[BLK_RANGES_MAX];
    unsigned count; /* of ranges */
    uint64_t fail_off;
    int rc;
};

/* The end of a request: its status, and how many data bytes were written. */
static void blk_answer(struct blk_req *blk_req, uint8_t status, uint64_t data)
{
    *blk_req->status = status;
    /* The length counts from the front (2.7.8.2): with a gap before it, the status is not in. */
    blk_req->req.len = (uint32_t)(data == blk_req->room ? data + 1 : data);
}

static uint8_t blk_check_move(const struct blk *blk, const struct blk_req *blk_req)
{
    if (!blk_range_ok(blk->disk, blk_req->sector, blk_req->data.len)) {
        log_guest("virtio-blk", "%llu bytes at sector %llu: no whole sectors, or past the end",
                  (unsigned long long)blk_req->data.len, (unsigned long long)blk_req->sector);
        return BLK_S_IOERR;
    }
    if (blk_req->kind == BLK_WRITE && disk_read_only(blk->disk)) {
        log_guest("virtio-blk", "write to a read-only drive");
        return BLK_S_IOERR;
    }
    return BLK_TO_DO;
}

/* What is asked for? Returns BLK_TO_DO, or the status; *ret_data is how many bytes were written. */
static uint8_t blk_look(struct blk *blk, struct blk_req *blk_req, struct span *out, struct span *in,
                        uint64_t *ret_data)
{
    uint8_t header[BLK_HEADER];
    uint32_t type;

    if (out->len < sizeof(header)) {
        log_guest("virtio-blk", "request without a whole header");
        return BLK_S_IOERR;
    }
    span_read(out, header, sizeof(header));
    type = load_le32(header);
    blk_req->sector = load_le64(header + 8);
    switch (type) {
    case BLK_T_IN:
        blk_req->kind = BLK_READ;
        blk_req->data = *in;
        return blk_check_move(blk, blk_req);
    case BLK_T_OUT:
        blk_req->kind = BLK_WRITE;
        blk_req->data = *out;
        return blk_check_move(blk, blk_req);
    case BLK_T_FLUSH:
        blk_req->kind = BLK_FLUSH;
        return BLK_TO_DO;
    case BLK_T_GET_ID:
        *ret_data = in->len < sizeof(blk->id) ? in->len : sizeof(blk->id);
        span_write(in, blk->id, sizeof(blk->id));
        return BLK_S_OK;
    case BLK_T_DISCARD:
    case BLK_T_WRITE_ZEROES:
        blk_req->kind = type == BLK_T_DISCARD ? BLK_DISCARD : BLK_ZERO;
        /* What was not negotiated is not there: a read-only drive offers neither. */
        if (virtio_has(&blk->virtio, type == BLK_T_DISCARD ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES))
            return blk_range_parse(blk->disk, blk_req->kind == BLK_ZERO, out, blk_req->ranges,
                                   &blk_req->count);
        break;
    default:
        break;
    }
    log_guest("virtio-blk", "request type %u is not supported", type);
    return BLK_S_UNSUPP;
}

static int blk_erase(struct blk *blk, struct blk_req *blk_req)
{
    int rc = 0;

    for (unsigned i = 0; i < blk_req->count && rc == 0; i++) {
        const struct blk_range *range = &blk_req->ranges[i];
        uint64_t off = range->sector * DISK_SECTOR, len = (uint64_t)range->sectors * DISK_SECTOR;

        blk_req->fail_off = off;
        rc = blk_req->kind == BLK_ZERO ? disk_write_zeroes(blk->disk, off, len, range->unmap)
                                       : disk_discard(blk->disk, off, len);
    }
    return rc;
}

static void blk_run(struct virtio *v, struct virtio_req *req)
{
    struct blk *blk = container_of(v, struct blk, virtio);
    struct blk_req *blk_req = container_of(req, struct blk_req, req);
    const struct span *data = &blk_req->data;
    uint64_t off = blk_req->sector * DISK_SECTOR;
    int rc;

    blk_req->fail_off = off;
    switch (blk_req->kind) {
    case BLK_READ:
        rc = disk_readv(blk->disk, data->iov, data->count, off);
        break;
    case BLK_WRITE:
        rc = disk_writev(blk->disk, data->iov, data->count, off);
        break;
    case BLK_FLUSH:
        rc = disk_flush(blk->disk);
        break;
    default:
        rc = blk_erase(blk, blk_req);
        break;
    }
    /* Without FLUSH the driver takes a finished write for a stable one (5.2.6.2). */
    if (rc == 0 && (blk_req->kind == BLK_WRITE || blk_req->kind == BLK_ZERO) &&
        !virtio_has(v, BLK_F_FLUSH))
        rc = disk_flush(blk->disk);
    blk_req->rc = rc;
}

/* The host said no: IOERR for the guest, one sentence for its owner. */
static void blk_finish(struct virtio *v, struct virtio_req *req)
{
    struct blk *blk = container_of(v, struct blk, virtio);
    struct blk_req *blk_req = container_of(req, struct blk_req, req);

    if (blk_req->rc < 0) {
        blk_fault_tell(&blk->fault, blk->disk, blk->id, BLK_ID_LEN, blk_req->kind,
                       blk_req->fail_off, blk_req->rc);
        blk_answer(blk_req, BLK_S_IOERR, 0);
    } else {
        blk_answer(blk_req, BLK_S_OK, blk_req->kind == BLK_READ ? blk_req->data.len : 0);
    }
}

/* A short read of what the host has in memory: done faster than handed over. */
static bool blk_read_now(struct blk *blk, struct blk_req *blk_req)
{
    const struct span *data = &blk_req->data;
    int rc;

    if (blk_req->kind != BLK_READ || data->len > BLK_NOW_MAX)
        return false;
    virtio_io_begin(&blk->virtio);
    rc = disk_readv_now(blk->disk, data->iov, data->count, blk_req->sector * DISK_SECTOR);
    virtio_io_end(&blk->virtio);
    if (rc < 0)
        return false; /* an error, too, is for the one that may wait */
    blk_answer(blk_req, BLK_S_OK, data->len);
    return true;
}

static bool blk_request(struct virtio *v, struct virtio_req *req)
{
    struct blk *blk = container_of(v, struct blk, virtio);
    struct blk_req *blk_req = container_of(req, struct blk_req, req);
    struct queue_chain *chain = &req->chain;
    struct span out = { chain->iov, chain->out, chain->out_len };
    struct span in = { chain->iov + chain->out, chain->in, chain->in_len };
    uint64_t data = 0;
    uint8_t status;

    req->len = 0;
    if (!in.len) {
        log_guest("virtio-blk", "request without room for its status");
        return true;
    }
    blk_req->status = span_take_last(&in);
    blk_req->room = in.len;
    status = blk_look(blk, blk_req, &out, &in, &data);
    if (status == BLK_TO_DO)
        return v->host.pool && blk_read_now(blk, blk_req);
    blk_answer(blk_req, status, data);
    return true;
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
    .notify = virtio_serve,
    .in_flight = BLK_IN_FLIGHT,
    .request_size = sizeof(struct blk_req),
    .eager = true,
    .request = blk_request,
    .run = blk_run,
    .finish = blk_finish,
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
