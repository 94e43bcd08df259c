/*
 * A copy-on-write layer over another drive. The map is kept in memory and written on a flush, after
 * the data that it speaks of: until then the file's own map says "parent" (or what was flushed
 * last), so what is written meanwhile is not there after a crash. docs/layer-format.md.
 */
#include "block/layer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fd_os.h"
#include "base/log.h"
#include "block/disk_os.h"

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

static int layer_read_part(struct layer *layer, unsigned state, struct iovec *part, unsigned parts,
                           uint64_t off, bool now)
{
    if (state == LAYER_ZERO) {
        layer_zero_iov(part, parts);
        return 0;
    }
    if (state == LAYER_PARENT)
        return now ? disk_readv_now(layer->parent, part, parts, off)
                   : disk_readv(layer->parent, part, parts, off);
    off += layer->data_off;
    return now ? disk_fd_readv_now(layer->fd, part, parts, off)
               : disk_fd_readv(layer->fd, part, parts, off);
}

static int layer_readv(struct disk *disk, struct iovec *iov, unsigned count, uint64_t off, bool now)
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
        rc = layer_read_part(layer, state, part, parts, off, now);
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

/* The pages of the map that have changed, as they are now, to the copy that a flush writes. */
static void layer_take_map_locked(struct layer *layer) REQUIRES(layer->lock)
{
    uint64_t bytes = layer_file_map_bytes(layer->disk.bytes);

    for (uint64_t at = 0; at < bytes && layer->map_dirty; at += LAYER_MAP_PAGE) {
        if (!layer->dirty[at / LAYER_MAP_PAGE])
            continue;
        memcpy(layer->copy + at, layer->map + at, LAYER_MAP_PAGE);
        layer->dirty[at / LAYER_MAP_PAGE] = 0;
        layer->taken[at / LAYER_MAP_PAGE] = 1;
        layer->map_taken = true;
    }
    layer->map_dirty = false;
}

static int layer_write_map_locked(struct layer *layer) REQUIRES(layer->flush_lock)
{
    uint64_t bytes = layer_file_map_bytes(layer->disk.bytes);

    for (uint64_t at = 0; at < bytes; at += LAYER_MAP_PAGE) {
        size_t len = bytes - at < LAYER_MAP_PAGE ? (size_t)(bytes - at) : LAYER_MAP_PAGE;
        int rc;

        if (!layer->taken[at / LAYER_MAP_PAGE])
            continue;
        rc = disk_fd_write(layer->fd, layer->copy + at, len, LAYER_MAP_OFF + at);
        if (rc < 0)
            return rc; /* the next flush tries again: the data below it is safe */
        layer->taken[at / LAYER_MAP_PAGE] = 0;
    }
    layer->map_taken = false;
    return 0;
}

/*
 * The host may have dropped the pages that it could not write, and a second flush would find
 * nothing to do: the map must not be written over that.
 */
static int layer_flush_file(struct layer *layer, int (*flush)(int fd))
{
    int rc = flush(layer->fd);

    if (rc < 0) {
        lock_take(&layer->lock);
        layer->failed = rc;
        __atomic_store_n(&layer->disk.stuck, true, __ATOMIC_RELAXED);
        lock_drop(&layer->lock);
    }
    return rc;
}

/*
 * The data, and only then the map that speaks of it, as it was when the data began to be flushed:
 * writes go on meanwhile, and are for the next flush.
 */
static int layer_flush_locked(struct layer *layer) REQUIRES(layer->flush_lock)
{
    int rc;

    lock_take(&layer->lock);
    rc = layer->failed;
    if (rc == 0)
        layer_take_map_locked(layer);
    lock_drop(&layer->lock);
    if (rc == 0)
        rc = layer_flush_file(layer, layer->map_taken ? fd_os_order : fd_os_flush);
    if (rc < 0 || !layer->map_taken)
        return rc;
    rc = layer_write_map_locked(layer);
    return rc < 0 ? rc : layer_flush_file(layer, fd_os_flush);
}

static int layer_flush(struct disk *disk)
{
    struct layer *layer = container_of(disk, struct layer, disk);
    int rc;

    lock_take(&layer->flush_lock);
    rc = layer_flush_locked(layer);
    lock_drop(&layer->flush_lock);
    return rc;
}

void layer_free(struct layer *layer)
{
    free(layer->map);
    free(layer->copy);
    free(layer->dirty);
    free(layer->taken);
    free(layer->bounce);
    lock_fini(&layer->flush_lock);
    lock_fini(&layer->lock);
    free(layer->disk.name);
    free(layer);
}

/* An image keeps what was written when its user leaves without a flush; so does a layer, but for
 * one that nobody can open again. */
static void layer_close(struct disk *disk)
{
    struct layer *layer = container_of(disk, struct layer, disk);
    struct stat st;

    if ((layer->map_dirty || layer->map_taken) && fstat(layer->fd, &st) == 0 && st.st_nlink) {
        int rc = layer_flush(disk);
        if (rc < 0)
            log_warn("disk", "%s keeps what was flushed before, and no more: %s; %s", disk->name,
                     strerror(-rc), disk_way_out(-rc));
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

static bool layer_alloc(struct layer *layer, const char *name)
{
    uint64_t map_bytes = align_up(layer_file_map_bytes(layer->disk.bytes), LAYER_MAP_PAGE);

    if (asprintf(&layer->disk.name, "%s over %s", name, layer->parent->name) < 0)
        layer->disk.name = NULL; /* undefined then */
    layer->bounce = malloc(LAYER_CLUSTER);
    layer->copy = calloc(1, map_bytes);
    layer->dirty = calloc(1, map_bytes / LAYER_MAP_PAGE);
    layer->taken = calloc(1, map_bytes / LAYER_MAP_PAGE);
    return layer->disk.name && layer->bounce && layer->copy && layer->dirty && layer->taken;
}

int layer_load(int fd, const char *name, struct layer_head *head, struct disk *parent,
               struct layer **ret_layer, struct err *err)
{
    struct layer *layer;
    int rc = layer_file_get_head(fd, name, head, err);

    if (rc < 0)
        return rc;
    layer = calloc(1, sizeof(*layer));
    if (!layer)
        return err_set(err, ENOMEM, "layer %s: out of memory", name);
    lock_init(&layer->lock);
    lock_init(&layer->flush_lock);
    layer->disk =
        (struct disk){ .ops = &layer_ops, .bytes = head->image_bytes, .granule = LAYER_CLUSTER };
    layer->fd = fd;
    layer->parent = parent;
    layer->clusters = layer_file_clusters(head->image_bytes);
    layer->data_off = layer_file_data_off(head->image_bytes);
    rc = layer_file_get_map(fd, name, head, &layer->map, err);
    if (rc == 0 && !layer_alloc(layer, name))
        rc = err_set(err, ENOMEM, "layer %s: out of memory", name);
    if (rc == 0)
        rc = layer_base_check(name, head, layer, err);
    if (rc < 0) {
        layer_free(layer);
        return rc;
    }
    *ret_layer = layer;
    return 0;
}
