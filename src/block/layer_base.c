/* Which drive was a layer made over? By its size and a checksum of samples of its content. */
#include "block/layer.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/cleanup.h"

#define SUM_PLACES 256
#define SUM_BLOCK  4096

/* One sample; zeros in place of what the layer has. */
static int layer_base_sample(struct disk *disk, const struct layer *layer, const struct iovec *iov,
                             uint64_t off)
{
    uint64_t last = (off + iov->iov_len - 1) / LAYER_CLUSTER;

    for (uint64_t c = off / LAYER_CLUSTER; layer && c <= last; c++) {
        if (layer_get(layer, c) == LAYER_PARENT)
            continue;
        memset(iov->iov_base, 0, iov->iov_len);
        return 0;
    }
    return disk_readv(disk, iov, 1, off);
}

/* Of the first 64 KiB, where a file system keeps what changes with every mount, and of 4 KiB at 256
 * places from the first to the last. */
int layer_base_sum(struct disk *disk, const struct layer *layer, uint64_t *ret_sum)
{
    size_t head = disk->bytes < LAYER_CLUSTER ? (size_t)disk->bytes : LAYER_CLUSTER;
    size_t block = disk->bytes < SUM_BLOCK ? (size_t)disk->bytes : SUM_BLOCK;
    CLEANUP(freep) uint8_t *buf = malloc(head + SUM_PLACES * block);
    struct iovec iov = { buf, head };
    int rc;

    if (!buf)
        return -ENOMEM;
    rc = layer_base_sample(disk, layer, &iov, 0);
    for (uint64_t i = 0; i < SUM_PLACES && rc == 0; i++) {
        uint64_t off = align_down((disk->bytes - block) * i / (SUM_PLACES - 1), DISK_SECTOR);
        iov = (struct iovec){ buf + head + i * block, block };
        rc = layer_base_sample(disk, layer, &iov, off);
    }
    if (rc == 0)
        *ret_sum = XXH3_64bits(buf, head + SUM_PLACES * block);
    return rc;
}

int layer_base_check(const char *name, const struct layer_head *head, const struct layer *layer,
                     struct err *err)
{
    /* While a commit is under way, the parent has changed where the layer had something. */
    bool rest = head->committing && !head->copied;
    struct disk *parent = layer->parent;
    uint64_t sum = 0;
    int rc;

    if (parent->bytes != head->image_bytes)
        return err_set(err, EINVAL,
                       "layer %s: made over a base of %llu bytes, this one has %llu; give its own",
                       name, (unsigned long long)head->image_bytes,
                       (unsigned long long)parent->bytes);
    if (rest && !head->rest_sum)
        return 0; /* begun by a program that did not keep it */
    rc = layer_base_sum(parent, rest ? layer : NULL, &sum);
    if (rc < 0)
        return err_set(err, -rc, "layer %s: read its base: %s", name, strerror(-rc));
    if (sum != (rest ? head->rest_sum : head->base_sum))
        return err_set(err, EINVAL,
                       "layer %s: made over another base, or the base has changed since; give the "
                       "one it was made over",
                       name);
    return 0;
}
