/*
 * A copy-on-write layer over another drive. The map is kept in memory and written on a flush, after
 * the data that it speaks of: until then the file's own map says "parent" (or what was flushed
 * last), so what is written meanwhile is not there after a crash. docs/layer-format.md.
 */
#include "block/disk_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/thread.h"
#include "block/disk_ops.h"
#include "block/disk_os.h"
#include "block/layer_file.h"

#define SUM_PLACES 256
#define SUM_BLOCK  4096

struct layer {
    struct disk disk;
    int fd; /* the caller's */
    struct disk *parent;
    uint64_t data_off, clusters;

    /* Bytes are read without the lock: a read beside a write gets either's content. */
    uint8_t *map;

    struct lock lock;
    uint8_t *dirty;  /* a byte for each LAYER_MAP_PAGE of the map, 1: differs from the file */
    bool map_dirty;  /* any of them */
    int failed;      /* the flush that failed, as -errno; 0 */
    uint8_t *bounce; /* a cluster */
};

static unsigned layer_get(const struct layer *layer, uint64_t cluster)
{
    uint8_t byte = __atomic_load_n(&layer->map[cluster / LAYER_CLUSTERS_PB], __ATOMIC_ACQUIRE);

    return byte >> cluster % LAYER_CLUSTERS_PB * 2 & 3;
}

static void layer_set_locked(struct layer *layer, uint64_t cluster, unsigned state)
    REQUIRES(layer->lock)
{
    uint8_t *at = &layer->map[cluster / LAYER_CLUSTERS_PB];
    unsigned shift = cluster % LAYER_CLUSTERS_PB * 2;

    if (layer_get(layer, cluster) == state)
        return;
    __atomic_store_n(at, (uint8_t)((*at & ~(3u << shift)) | state << shift), __ATOMIC_RELEASE);
    layer->dirty[cluster / LAYER_CLUSTERS_PB / LAYER_MAP_PAGE] = 1;
    layer->map_dirty = true;
}

/* The end of a cluster: the image's last one may be short. */
static uint64_t layer_end(const struct layer *layer, uint64_t cluster)
{
    uint64_t end = (cluster + 1) * LAYER_CLUSTER;

    return end < layer->disk.bytes ? end : layer->disk.bytes;
}

static void layer_zero_iov(const struct iovec *iov, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        memset(iov[i].iov_base, 0, iov[i].iov_len);
}

static uint64_t layer_iov_len(const struct iovec *iov, unsigned count)
{
    uint64_t len = 0;

    for (unsigned i = 0; i < count; i++)
        len += iov[i].iov_len;
    return len;
}

static int layer_readv(struct disk *disk, struct iovec *iov, unsigned count, uint64_t off)
{
    struct layer *layer = container_of(disk, struct layer, disk);
    uint64_t stop = off + layer_iov_len(iov, count);
    struct iovec part[DISK_IOV_MAX];
    int rc = 0;

    while (off < stop && rc == 0) {
        uint64_t cluster = off / LAYER_CLUSTER;
        unsigned state = layer_get(layer, cluster);
        uint64_t end = layer_end(layer, cluster);
        unsigned parts;

        while (end < stop && layer_get(layer, end / LAYER_CLUSTER) == state)
            end = layer_end(layer, end / LAYER_CLUSTER);
        if (end > stop)
            end = stop;
        parts = disk_iov_take(&iov, &count, end - off, part);
        if (state == LAYER_HERE)
            rc = disk_fd_readv(layer->fd, part, parts, layer->data_off + off);
        else if (state == LAYER_PARENT)
            rc = disk_readv(layer->parent, part, parts, off);
        else
            layer_zero_iov(part, parts);
        off = end;
    }
    return rc;
}

/* Write part of a cluster that is not here: the whole of it goes to the file, then it is here. */
static int layer_copy_up_locked(struct layer *layer, const struct iovec *part, unsigned parts,
                                uint64_t off) REQUIRES(layer->lock)
{
    uint64_t cluster = off / LAYER_CLUSTER, start = cluster * LAYER_CLUSTER;
    size_t len = (size_t)(layer_end(layer, cluster) - start);
    struct iovec whole = { layer->bounce, len };
    uint8_t *at = layer->bounce + (off - start);
    int rc = 0;

    if (layer_get(layer, cluster) == LAYER_ZERO)
        memset(layer->bounce, 0, len);
    else
        rc = disk_readv(layer->parent, &whole, 1, start);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < parts; i++) {
        memcpy(at, part[i].iov_base, part[i].iov_len);
        at += part[i].iov_len;
    }
    rc = disk_fd_write(layer->fd, layer->bounce, len, layer->data_off + start);
    if (rc == 0)
        layer_set_locked(layer, cluster, LAYER_HERE);
    return rc;
}

/* How far can [off, stop) go to the file as it is? off when its cluster must be copied up. */
static uint64_t layer_direct(const struct layer *layer, uint64_t off, uint64_t stop)
{
    while (off < stop) {
        uint64_t cluster = off / LAYER_CLUSTER, end = layer_end(layer, cluster);
        bool whole = off == cluster * LAYER_CLUSTER && end <= stop;

        if (!whole && layer_get(layer, cluster) != LAYER_HERE)
            break;
        off = end < stop ? end : stop;
    }
    return off;
}

static int layer_write_locked(struct layer *layer, struct iovec *iov, unsigned count, uint64_t off)
    REQUIRES(layer->lock)
{
    uint64_t stop = off + layer_iov_len(iov, count);
    struct iovec part[DISK_IOV_MAX];
    int rc = layer->failed;

    while (off < stop && rc == 0) {
        uint64_t end = layer_direct(layer, off, stop);
        unsigned parts;

        if (end > off) {
            parts = disk_iov_take(&iov, &count, end - off, part);
            rc = disk_fd_writev(layer->fd, part, parts, layer->data_off + off);
            for (uint64_t c = off / LAYER_CLUSTER; rc == 0 && c * LAYER_CLUSTER < end; c++)
                layer_set_locked(layer, c, LAYER_HERE);
        } else {
            end = layer_end(layer, off / LAYER_CLUSTER);
            end = end < stop ? end : stop;
            parts = disk_iov_take(&iov, &count, end - off, part);
            rc = layer_copy_up_locked(layer, part, parts, off);
        }
        off = end;
    }
    return rc;
}

static int layer_writev(struct disk *disk, struct iovec *iov, unsigned count, uint64_t off)
{
    struct layer *layer = container_of(disk, struct layer, disk);
    int rc;

    lock_take(&layer->lock);
    rc = layer_write_locked(layer, iov, count, off);
    lock_drop(&layer->lock);
    return rc;
}

/*
 * Whole clusters become "zero"; what they had in the file is of no use, and is punched out as one
 * run where that is wanted. Until the next flush the file's map may still say "here", and the hole
 * is then what a reader after a crash gets: zeros, which is the new content.
 */
static int layer_zero_whole_locked(struct layer *layer, uint64_t first, uint64_t last, bool punch)
    REQUIRES(layer->lock)
{
    uint64_t run = first;
    int rc = 0;

    for (uint64_t c = first; c <= last && rc == 0; c++) {
        bool here = c < last && layer_get(layer, c) == LAYER_HERE;

        if (c < last)
            layer_set_locked(layer, c, LAYER_ZERO);
        if (here)
            continue;
        if (punch && c > run)
            rc = disk_os_punch(layer->fd, layer->data_off + run * LAYER_CLUSTER,
                               (c - run) * LAYER_CLUSTER);
        if (rc == -EOPNOTSUPP)
            rc = 0; /* the space stays in use */
        run = c + 1;
    }
    return rc;
}

static int layer_zero_part_locked(struct layer *layer, uint64_t off, uint64_t len)
    REQUIRES(layer->lock)
{
    static const uint8_t zeros[LAYER_CLUSTER];
    struct iovec iov = { (void *)(uintptr_t)zeros, (size_t)len };

    if (!len || layer_get(layer, off / LAYER_CLUSTER) == LAYER_ZERO)
        return 0;
    return layer_write_locked(layer, &iov, 1, off);
}

static int layer_write_zeroes(struct disk *disk, uint64_t off, uint64_t len, bool unmap)
{
    struct layer *layer = container_of(disk, struct layer, disk);
    uint64_t stop = off + len;
    uint64_t first = (off + LAYER_CLUSTER - 1) / LAYER_CLUSTER;
    /* A short last cluster that is covered to its end is a whole one. */
    uint64_t last = stop == disk->bytes ? layer->clusters : stop / LAYER_CLUSTER;
    uint64_t head = first * LAYER_CLUSTER - off;
    int rc;

    lock_take(&layer->lock);
    rc = layer->failed;
    if (rc == 0)
        rc = layer_zero_part_locked(layer, off, head < len ? head : len);
    if (rc == 0 && first < last)
        rc = layer_zero_whole_locked(layer, first, last, unmap);
    if (rc == 0 && first <= last && stop > last * LAYER_CLUSTER)
        rc = layer_zero_part_locked(layer, last * LAYER_CLUSTER, stop - last * LAYER_CLUSTER);
    lock_drop(&layer->lock);
    return rc;
}

static int layer_discard(struct disk *disk, uint64_t off, uint64_t len)
{
    return layer_write_zeroes(disk, off, len, true);
}

static int layer_write_map_locked(struct layer *layer) REQUIRES(layer->lock)
{
    uint64_t bytes = layer_file_map_bytes(layer->disk.bytes);

    for (uint64_t at = 0; at < bytes; at += LAYER_MAP_PAGE) {
        size_t len = bytes - at < LAYER_MAP_PAGE ? (size_t)(bytes - at) : LAYER_MAP_PAGE;
        int rc;

        if (!layer->dirty[at / LAYER_MAP_PAGE])
            continue;
        rc = disk_fd_write(layer->fd, layer->map + at, len, LAYER_MAP_OFF + at);
        if (rc < 0)
            return rc; /* the next flush tries again: the data below it is safe */
        layer->dirty[at / LAYER_MAP_PAGE] = 0;
    }
    layer->map_dirty = false;
    return 0;
}

/* The data, and only then the map that speaks of it. */
static int layer_flush_locked(struct layer *layer) REQUIRES(layer->lock)
{
    int rc;

    if (layer->failed)
        return layer->failed;
    rc = disk_os_flush(layer->fd);
    if (rc == 0 && layer->map_dirty) {
        rc = layer_write_map_locked(layer);
        if (rc < 0)
            return rc;
        rc = disk_os_flush(layer->fd);
    }
    /* The host may have dropped the pages that it could not write, and a second flush would find
     * nothing to do: the map must not be written over that. */
    layer->failed = rc;
    return rc;
}

static int layer_flush(struct disk *disk)
{
    struct layer *layer = container_of(disk, struct layer, disk);
    int rc;

    lock_take(&layer->lock);
    rc = layer_flush_locked(layer);
    lock_drop(&layer->lock);
    return rc;
}

static void layer_free(struct layer *layer)
{
    free(layer->map);
    free(layer->dirty);
    free(layer->bounce);
    lock_fini(&layer->lock);
    free(layer);
}

/* An image keeps what was written when its user leaves without a flush; so does a layer, but for
 * one that nobody can open again. */
static void layer_close(struct disk *disk)
{
    struct layer *layer = container_of(disk, struct layer, disk);
    struct stat st;

    if (layer->map_dirty && fstat(layer->fd, &st) == 0 && st.st_nlink) {
        int rc = layer_flush(disk);
        if (rc < 0)
            log_warn("disk", "a layer keeps what was flushed before, and no more: %s",
                     strerror(-rc));
    }
    disk_fd_unlock(layer->fd);
    disk_close(layer->parent);
    layer_free(layer);
}

static const struct disk_ops layer_ops = {
    .readv = layer_readv,
    .writev = layer_writev,
    .discard = layer_discard,
    .write_zeroes = layer_write_zeroes,
    .flush = layer_flush,
    .close = layer_close,
};

/*
 * Which drive is it? A checksum of its first 64 KiB, where a file system keeps what changes with
 * every mount, and of 4 KiB at 256 places from the first to the last.
 */
static int layer_base_sum(struct disk *disk, uint64_t *ret_sum)
{
    size_t head = disk->bytes < LAYER_CLUSTER ? (size_t)disk->bytes : LAYER_CLUSTER;
    size_t block = disk->bytes < SUM_BLOCK ? (size_t)disk->bytes : SUM_BLOCK;
    CLEANUP(freep) uint8_t *buf = malloc(head + SUM_PLACES * block);
    struct iovec iov = { buf, head };
    int rc;

    if (!buf)
        return -ENOMEM;
    rc = disk_readv(disk, &iov, 1, 0);
    for (uint64_t i = 0; i < SUM_PLACES && rc == 0; i++) {
        uint64_t off = align_down((disk->bytes - block) * i / (SUM_PLACES - 1), DISK_SECTOR);
        iov = (struct iovec){ buf + head + i * block, block };
        rc = disk_readv(disk, &iov, 1, off);
    }
    if (rc == 0)
        *ret_sum = XXH3_64bits(buf, head + SUM_PLACES * block);
    return rc;
}

static int layer_lock(int fd, const char *name, bool exclusive, struct err *err)
{
    if (disk_fd_lock(fd, name, exclusive) == 0)
        return 0;
    return err_set(err, EBUSY, "layer %s: in use by another machine; give each machine its own",
                   name);
}

/* The map is written whole, so that a full file system cannot fail it later. */
static int layer_fill(int fd, const struct layer_head *head)
{
    uint64_t data_off = layer_file_data_off(head->image_bytes);
    static const uint8_t zeros[LAYER_CLUSTER];
    int rc = 0;

    for (uint64_t at = 0; at < data_off && rc == 0; at += sizeof(zeros))
        rc = disk_fd_write(fd, zeros, data_off - at < sizeof(zeros) ? data_off - at : sizeof(zeros),
                           at);
    if (rc == 0 && ftruncate(fd, (off_t)(data_off + head->image_bytes)) < 0)
        rc = -errno;
    if (rc == 0)
        rc = fsync(fd) < 0 ? -errno : 0;
    /* The header last: without one the file is no layer. */
    if (rc == 0)
        rc = layer_file_put_head(fd, head);
    return rc == 0 ? disk_os_flush(fd) : rc;
}

static int layer_create_locked(int fd, const char *name, struct disk *parent, const char *base_path,
                               struct err *err)
{
    CLEANUP(freep) struct layer_head *head = calloc(1, sizeof(*head));
    struct stat st;
    int rc;

    if (!head)
        return err_set(err, ENOMEM, "layer %s: out of memory", name);
    if (fstat(fd, &st) < 0)
        return err_errno(err, "layer %s", name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, EINVAL, "layer %s: not a regular file", name);
    if (st.st_size)
        return err_set(err, EEXIST, "layer %s: not empty; choose another name", name);
    if (parent->bytes > LAYER_BYTES_MAX)
        return err_set(err, EFBIG, "layer %s: its base has more than 16 TiB", name);
    head->image_bytes = parent->bytes;
    if (base_path && strlen(base_path) <= LAYER_NAME_MAX)
        memcpy(head->base, base_path, strlen(base_path));
    rc = layer_base_sum(parent, &head->base_sum);
    if (rc < 0)
        return err_set(err, -rc, "layer %s: read its base: %s", name, strerror(-rc));
    rc = layer_fill(fd, head);
    if (rc < 0)
        return err_set(err, -rc, "layer %s: write it: %s", name, strerror(-rc));
    return 0;
}

int disk_layer_create(int fd, const char *name, struct disk *parent, const char *base_path,
                      struct err *err)
{
    int rc = layer_lock(fd, name, true, err);

    if (rc < 0)
        return rc;
    rc = layer_create_locked(fd, name, parent, base_path, err);
    disk_fd_unlock(fd);
    return rc;
}

static int layer_check_base(const char *name, const struct layer_head *head, struct disk *parent,
                            struct err *err)
{
    uint64_t sum = 0;
    int rc;

    if (parent->bytes != head->image_bytes)
        return err_set(err, EINVAL,
                       "layer %s: made over a base of %llu bytes, this one has %llu; give its own",
                       name, (unsigned long long)head->image_bytes,
                       (unsigned long long)parent->bytes);
    if (head->committing)
        return 0;
    rc = layer_base_sum(parent, &sum);
    if (rc < 0)
        return err_set(err, -rc, "layer %s: read its base: %s", name, strerror(-rc));
    if (sum != head->base_sum)
        return err_set(err, EINVAL,
                       "layer %s: made over another base, or the base has changed since; give the "
                       "one it was made over",
                       name);
    return 0;
}

static int layer_load(int fd, const char *name, struct layer_head *head, struct disk *parent,
                      struct layer **ret_layer, struct err *err)
{
    struct layer *layer;
    int rc = layer_file_get_head(fd, name, head, err);

    if (rc == 0)
        rc = layer_check_base(name, head, parent, err);
    if (rc < 0)
        return rc;
    layer = calloc(1, sizeof(*layer));
    if (!layer)
        return err_set(err, ENOMEM, "layer %s: out of memory", name);
    lock_init(&layer->lock);
    layer->disk =
        (struct disk){ .ops = &layer_ops, .bytes = head->image_bytes, .granule = LAYER_CLUSTER };
    layer->fd = fd;
    layer->parent = parent;
    layer->clusters = layer_file_clusters(head->image_bytes);
    layer->data_off = layer_file_data_off(head->image_bytes);
    layer->bounce = malloc(LAYER_CLUSTER);
    layer->dirty = calloc(1, layer_file_map_bytes(head->image_bytes) / LAYER_MAP_PAGE + 1);
    rc = layer_file_get_map(fd, name, head, &layer->map, err);
    if (rc == 0 && (!layer->bounce || !layer->dirty))
        rc = err_set(err, ENOMEM, "layer %s: out of memory", name);
    if (rc < 0) {
        layer_free(layer);
        return rc;
    }
    *ret_layer = layer;
    return 0;
}

static int layer_open_locked(int fd, const char *name, struct disk *parent,
                             struct layer **ret_layer, struct err *err)
{
    CLEANUP(freep) struct layer_head *head = calloc(1, sizeof(*head));
    int rc;

    if (!head)
        return err_set(err, ENOMEM, "layer %s: out of memory", name);
    rc = layer_load(fd, name, head, parent, ret_layer, err);
    if (rc == 0 && head->committing) {
        layer_free(*ret_layer);
        return err_set(err, EINVAL,
                       "layer %s: its commit was interrupted; run ignition disk commit again",
                       name);
    }
    return rc;
}

int disk_layer_open(int fd, const char *name, bool read_only, struct disk *parent,
                    struct disk **ret_disk, struct err *err)
{
    struct layer *layer = NULL;
    int mode = fcntl(fd, F_GETFL);
    int rc;

    if (mode < 0)
        return err_errno(err, "layer %s", name);
    if (!read_only && (mode & O_ACCMODE) != O_RDWR)
        return err_set(err, EROFS, "layer %s: not open for writing; attach it read-only (,ro)",
                       name);
    rc = layer_lock(fd, name, !read_only, err);
    if (rc < 0)
        return rc;
    rc = layer_open_locked(fd, name, parent, &layer, err);
    if (rc < 0) {
        disk_fd_unlock(fd);
        return rc;
    }
    layer->disk.read_only = read_only;
    *ret_disk = &layer->disk;
    return 0;
}

/* One cluster into the parent. */
static int layer_push(struct layer *layer, uint64_t cluster)
{
    uint64_t start = cluster * LAYER_CLUSTER, len = layer_end(layer, cluster) - start;
    struct iovec iov = { layer->bounce, (size_t)len };
    int rc;

    switch (layer_get(layer, cluster)) {
    case LAYER_HERE:
        rc = disk_readv(&layer->disk, &iov, 1, start);
        return rc == 0 ? disk_writev(layer->parent, &iov, 1, start) : rc;
    case LAYER_ZERO:
        return disk_write_zeroes(layer->parent, start, len, true);
    default:
        return 0;
    }
}

static int layer_put_head(struct layer *layer, const struct layer_head *head)
{
    int rc = layer_file_put_head(layer->fd, head);

    return rc == 0 ? disk_os_flush(layer->fd) : rc;
}

/*
 * The header says first that a commit is under way, because the parent is no longer the one that
 * the layer was made over. The map is emptied when all of the data is safe in the parent, and the
 * header takes the parent's new checksum last.
 */
static int layer_commit(struct layer *layer, struct layer_head *head)
{
    uint64_t map_bytes = layer_file_map_bytes(layer->disk.bytes);
    int rc;

    head->committing = true;
    rc = layer_put_head(layer, head);
    for (uint64_t c = 0; c < layer->clusters && rc == 0; c++)
        rc = layer_push(layer, c);
    if (rc == 0)
        rc = disk_flush(layer->parent);
    if (rc == 0)
        rc = layer_base_sum(layer->parent, &head->base_sum);
    if (rc < 0)
        return rc;
    memset(layer->map, 0, map_bytes);
    rc = disk_fd_write(layer->fd, layer->map, map_bytes, LAYER_MAP_OFF);
    if (rc == 0)
        rc = disk_os_flush(layer->fd);
    if (rc < 0)
        return rc;
    head->committing = false;
    rc = layer_put_head(layer, head);
    if (rc == 0)
        rc = disk_os_punch(layer->fd, layer->data_off, layer->disk.bytes);
    return rc == -EOPNOTSUPP ? 0 : rc;
}

int disk_layer_commit(int fd, const char *name, struct disk *parent, struct err *err)
{
    CLEANUP(freep) struct layer_head *head = calloc(1, sizeof(*head));
    struct layer *layer = NULL;
    int rc;

    if (!head)
        return err_set(err, ENOMEM, "layer %s: out of memory", name);
    if (parent->read_only)
        return err_set(err, EROFS, "layer %s: its base is not open for writing", name);
    rc = layer_lock(fd, name, true, err);
    if (rc < 0)
        return rc;
    rc = layer_load(fd, name, head, parent, &layer, err);
    if (rc == 0) {
        rc = layer_commit(layer, head);
        if (rc < 0)
            err_set(err, -rc, "layer %s: commit it: %s; nothing is lost, commit it again", name,
                    strerror(-rc));
        layer_free(layer);
    }
    disk_fd_unlock(fd);
    return rc;
}

bool disk_layer_is(int fd)
{
    return layer_file_is(fd);
}

int disk_layer_info(int fd, const char *name, struct disk_layer_info *ret_info, struct err *err)
{
    CLEANUP(freep) struct layer_head *head = calloc(1, sizeof(*head));
    CLEANUP(freep) uint8_t *map = NULL;
    int rc;

    if (!head)
        return err_set(err, ENOMEM, "layer %s: out of memory", name);
    rc = layer_file_get_head(fd, name, head, err);
    if (rc == 0)
        rc = layer_file_get_map(fd, name, head, &map, err);
    if (rc < 0)
        return rc;
    memset(ret_info, 0, sizeof(*ret_info));
    ret_info->image_bytes = head->image_bytes;
    ret_info->cluster_bytes = LAYER_CLUSTER;
    ret_info->clusters = layer_file_clusters(head->image_bytes);
    ret_info->committing = head->committing;
    _Static_assert(sizeof(ret_info->base) == sizeof(head->base), "the path is not cut");
    memcpy(ret_info->base, head->base, sizeof(head->base));
    for (uint64_t i = 0; i < ret_info->clusters; i++) {
        unsigned state = map[i / LAYER_CLUSTERS_PB] >> i % LAYER_CLUSTERS_PB * 2 & 3;
        ret_info->here += state == LAYER_HERE;
        ret_info->zero += state == LAYER_ZERO;
    }
    return 0;
}
