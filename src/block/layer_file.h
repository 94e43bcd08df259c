/*
 * The file of a copy-on-write layer: its header and its map (docs/layer-format.md). The file is
 * hostile: what comes back from a load is within bounds. For src/block only.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

#define LAYER_VERSION     1
#define LAYER_CLUSTER     (64 * KIB)
#define LAYER_MAP_OFF     (16 * KIB)
#define LAYER_BYTES_MAX   (UINT64_C(16) << 40)
#define LAYER_NAME_MAX    3583 /* bytes of the base's path */
#define LAYER_MAP_PAGE    4096 /* the map is written in such pieces */
#define LAYER_CLUSTERS_PB 4    /* clusters in a byte of the map */

enum layer_state { LAYER_PARENT = 0, LAYER_HERE = 1, LAYER_ZERO = 2 };

struct layer_head {
    uint64_t image_bytes;
    uint64_t base_sum; /* of samples of the parent's content */
    bool committing;   /* a commit was begun and has not ended */
    bool copied;       /* all is in the parent, and base_sum is of that; with committing only */
    uint64_t rest_sum; /* of those samples that a commit does not change; while committing */
    char base[LAYER_NAME_MAX + 1];
};

static inline uint64_t layer_file_clusters(uint64_t image_bytes)
{
    return (image_bytes + LAYER_CLUSTER - 1) / LAYER_CLUSTER;
}

/* Bytes of the map, up to its last cluster's byte. */
static inline uint64_t layer_file_map_bytes(uint64_t image_bytes)
{
    return (layer_file_clusters(image_bytes) + LAYER_CLUSTERS_PB - 1) / LAYER_CLUSTERS_PB;
}

/* Where the image's first byte lies. */
static inline uint64_t layer_file_data_off(uint64_t image_bytes)
{
    return LAYER_MAP_OFF + align_up(layer_file_map_bytes(image_bytes), 16 * KIB);
}

/* Does it begin with a layer's magic number? 1, 0 or -errno. */
MUST_CHECK int layer_file_is(int fd);

/* Write the header. Returns 0 or -errno; nothing is flushed. */
MUST_CHECK int layer_file_put_head(int fd, const struct layer_head *head);

/* Read and check the header; what is wrong with it is said about `name`. */
MUST_CHECK int layer_file_get_head(int fd, const char *name, struct layer_head *ret_head,
                                   struct err *err);

/* Read and check the map: *ret_map is from malloc, layer_file_map_bytes() rounded up to whole
 * LAYER_MAP_PAGEs. */
MUST_CHECK int layer_file_get_map(int fd, const char *name, const struct layer_head *head,
                                  uint8_t **ret_map, struct err *err);
