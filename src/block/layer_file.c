/* The header and the map of a layer's file: docs/layer-format.md, field by field. */
#include "block/layer_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "block/disk_ops.h"
#include "block/disk_os.h"

#define HEAD_BYTES 4096
#define MAGIC      "ignlayer"

/* All that a commit changes lies in the first sector, which a medium writes whole or not at all. */
enum {
    H_MAGIC = 0,
    H_VERSION = 8,
    H_CLUSTER = 12,
    H_IMAGE = 16,
    H_MAP_OFF = 24,
    H_DATA_OFF = 32,
    H_BASE_BYTES = 40,
    H_BASE_SUM = 48,
    H_FLAGS = 56,
    H_REST_SUM = 64,
    H_SUM = 504,
    H_NAME = 512,
};

#define FLAG_COMMITTING BIT(0)
#define FLAG_COPIED     BIT(1)

_Static_assert(H_NAME + LAYER_NAME_MAX + 1 == HEAD_BYTES, "the name ends the header");

static uint64_t head_sum(const uint8_t *raw)
{
    uint8_t copy[HEAD_BYTES];

    memcpy(copy, raw, sizeof(copy));
    store_le64(copy + H_SUM, 0);
    return XXH3_64bits(copy, sizeof(copy));
}

int layer_file_is(int fd)
{
    char magic[8];
    int64_t end = disk_os_bytes(fd);
    int rc;

    if (end < (int64_t)sizeof(magic))
        return end < 0 ? (int)end : 0;
    rc = disk_fd_read(fd, magic, sizeof(magic), 0);
    return rc < 0 ? rc : !memcmp(magic, MAGIC, sizeof(magic));
}

int layer_file_put_head(int fd, const struct layer_head *head)
{
    uint8_t raw[HEAD_BYTES] = { 0 };

    memcpy(raw + H_MAGIC, MAGIC, 8);
    store_le32(raw + H_VERSION, LAYER_VERSION);
    store_le32(raw + H_CLUSTER, LAYER_CLUSTER);
    store_le64(raw + H_IMAGE, head->image_bytes);
    store_le64(raw + H_MAP_OFF, LAYER_MAP_OFF);
    store_le64(raw + H_DATA_OFF, layer_file_data_off(head->image_bytes));
    store_le64(raw + H_BASE_BYTES, head->image_bytes);
    store_le64(raw + H_BASE_SUM, head->base_sum);
    if (head->committing) {
        store_le64(raw + H_FLAGS, FLAG_COMMITTING | (head->copied ? FLAG_COPIED : 0));
        store_le64(raw + H_REST_SUM, head->rest_sum);
    }
    memcpy(raw + H_NAME, head->base, strlen(head->base));
    store_le64(raw + H_SUM, head_sum(raw));
    return disk_fd_write(fd, raw, sizeof(raw), 0);
}

static int head_check(const uint8_t *raw, const char *name, struct err *err)
{
    static const uint8_t zeros[HEAD_BYTES];
    uint64_t image = load_le64(raw + H_IMAGE);

    if (!memcmp(raw, zeros, sizeof(zeros)))
        return err_set(err, EINVAL,
                       "layer %s: its creation was interrupted; it holds nothing, delete it", name);
    if (memcmp(raw + H_MAGIC, MAGIC, 8) != 0)
        return err_set(err, EINVAL, "layer %s: not a layer of ignition; check the path", name);
    if (load_le32(raw + H_VERSION) != LAYER_VERSION)
        return err_set(err, EINVAL,
                       "layer %s: format version %u, this program knows up to %d; use a newer one",
                       name, load_le32(raw + H_VERSION), LAYER_VERSION);
    if (load_le64(raw + H_SUM) != head_sum(raw))
        return err_set(err, EINVAL,
                       "layer %s: the header is damaged (checksum); take a copy that is whole",
                       name);
    if (load_le32(raw + H_CLUSTER) != LAYER_CLUSTER || !image || image % DISK_SECTOR ||
        image > LAYER_BYTES_MAX || load_le64(raw + H_BASE_BYTES) != image ||
        load_le64(raw + H_MAP_OFF) != LAYER_MAP_OFF ||
        load_le64(raw + H_DATA_OFF) != layer_file_data_off(image) ||
        load_le64(raw + H_FLAGS) & ~(FLAG_COMMITTING | FLAG_COPIED) ||
        load_le64(raw + H_FLAGS) == FLAG_COPIED || raw[HEAD_BYTES - 1])
        return err_set(err, EINVAL, "layer %s: the header contradicts itself; take another copy",
                       name);
    return 0;
}

int layer_file_get_head(int fd, const char *name, struct layer_head *ret_head, struct err *err)
{
    uint8_t raw[HEAD_BYTES];
    uint64_t image;
    struct stat st;
    int rc;

    if (fstat(fd, &st) < 0)
        return err_errno(err, "layer %s", name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, EINVAL, "layer %s: not a regular file", name);
    if (st.st_size < HEAD_BYTES)
        return err_set(err, EINVAL, "layer %s: %lld bytes are too few for a layer; check the path",
                       name, (long long)st.st_size);
    rc = disk_fd_read(fd, raw, sizeof(raw), 0);
    if (rc < 0)
        return err_set(err, -rc, "layer %s: read its header: %s", name, strerror(-rc));
    rc = head_check(raw, name, err);
    if (rc < 0)
        return rc;
    image = load_le64(raw + H_IMAGE);
    if ((uint64_t)st.st_size < layer_file_data_off(image) + image)
        return err_set(
            err, EINVAL, "layer %s: cut off: %lld bytes of %llu; take a copy that is whole", name,
            (long long)st.st_size, (unsigned long long)(layer_file_data_off(image) + image));
    *ret_head = (struct layer_head){
        .image_bytes = image,
        .base_sum = load_le64(raw + H_BASE_SUM),
        .committing = load_le64(raw + H_FLAGS) & FLAG_COMMITTING,
        .copied = load_le64(raw + H_FLAGS) & FLAG_COPIED,
        .rest_sum = load_le64(raw + H_REST_SUM),
    };
    memcpy(ret_head->base, raw + H_NAME, sizeof(ret_head->base));
    return 0;
}

int layer_file_get_map(int fd, const char *name, const struct layer_head *head, uint8_t **ret_map,
                       struct err *err)
{
    uint64_t bytes = layer_file_map_bytes(head->image_bytes);
    uint64_t clusters = layer_file_clusters(head->image_bytes);
    CLEANUP(freep) uint8_t *map = calloc(1, align_up(bytes, LAYER_MAP_PAGE));
    int rc;

    if (!map)
        return err_set(err, ENOMEM, "layer %s: out of memory for its map", name);
    rc = disk_fd_read(fd, map, bytes, LAYER_MAP_OFF);
    if (rc < 0)
        return err_set(err, -rc, "layer %s: read its map: %s", name, strerror(-rc));
    for (uint64_t i = 0; i < bytes * LAYER_CLUSTERS_PB; i++) {
        unsigned state = map[i / 4] >> i % 4 * 2 & 3;
        if (state > LAYER_ZERO || (i >= clusters && state != LAYER_PARENT))
            return err_set(err, EINVAL,
                           "layer %s: the map is damaged at cluster %llu; take another copy", name,
                           (unsigned long long)i);
    }
    *ret_map = TAKE(map, NULL);
    return 0;
}
