/*
 * A layer that is open: what its parts in src/block share (docs/layer-format.md). For src/block
 * only.
 *
 * layer.c is the drive, layer_base.c knows the parent again, layer_commit.c writes into it.
 */
#pragma once

#include "base/thread.h"
#include "block/disk_ops.h"
#include "block/layer_file.h"

struct layer {
    struct disk disk;
    int fd; /* the caller's */
    struct disk *parent;
    uint64_t data_off, clusters;

    /* Bytes are read without the lock: a read beside a write gets either's content. */
    uint8_t *map;

    /* A flush at a time; taken before lock, which is not held while the host writes. */
    struct lock flush_lock;
    uint8_t *copy;  /* of the map: what the flush writes */
    uint8_t *taken; /* a byte for each LAYER_MAP_PAGE, 1: to be written from copy */
    bool map_taken; /* any of them */

    struct lock lock;
    uint8_t *dirty;  /* a byte for each LAYER_MAP_PAGE, 1: differs from copy */
    bool map_dirty;  /* any of them */
    int failed;      /* the flush that failed, as -errno; 0 */
    uint8_t *bounce; /* a cluster */
};

static inline unsigned layer_get(const struct layer *layer, uint64_t cluster)
{
    uint8_t byte = __atomic_load_n(&layer->map[cluster / LAYER_CLUSTERS_PB], __ATOMIC_ACQUIRE);

    return byte >> cluster % LAYER_CLUSTERS_PB * 2 & 3;
}

/* The end of a cluster: the image's last one may be short. */
static inline uint64_t layer_end(const struct layer *layer, uint64_t cluster)
{
    uint64_t end = (cluster + 1) * LAYER_CLUSTER;

    return end < layer->disk.bytes ? end : layer->disk.bytes;
}

/* Load header and map of the file, which is checked against its parent, into a new drive. A commit
 * that was interrupted is no error: head says so. Takes neither lock nor parent before it succeeds.
 */
MUST_CHECK int layer_load(int fd, const char *name, struct layer_head *head, struct disk *parent,
                          struct layer **ret_layer, struct err *err);
void layer_free(struct layer *layer); /* and nothing of what it stands on */

/* The checksum by which a layer knows its parent again. Returns 0 or -errno. With a layer, only of
 * what a commit of it leaves as it is. */
MUST_CHECK int layer_base_sum(struct disk *disk, const struct layer *layer, uint64_t *ret_sum);

/* Is layer->parent the drive that the layer was made over? */
MUST_CHECK int layer_base_check(const char *name, const struct layer_head *head,
                                const struct layer *layer, struct err *err);

/* Write all of it into the parent, and leave it empty. Returns 0 or -errno. */
MUST_CHECK int layer_commit(struct layer *layer, struct layer_head *head);
