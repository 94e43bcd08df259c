/* Files of layers: making one, opening it over its base, commit, and what it says about itself. */
#include "block/disk_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd_os.h"
#include "block/layer.h"

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
        rc = fd_os_order(fd);
    /* The header last: without one the file is no layer. */
    if (rc == 0)
        rc = layer_file_put_head(fd, head);
    return rc == 0 ? fd_os_flush(fd) : rc;
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
    rc = layer_base_sum(parent, NULL, &head->base_sum);
    if (rc < 0)
        return err_set(err, -rc, "layer %s: read its base: %s", name, strerror(-rc));
    rc = layer_fill(fd, head);
    if (rc < 0)
        return err_set(err, -rc, "layer %s: write it: %s; %s", name, strerror(-rc),
                       disk_way_out(-rc));
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

int disk_layer_is(int fd)
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
