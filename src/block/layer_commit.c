/* A layer into its parent. Interrupted anywhere, it can be begun again. */
#include "block/layer.h"

#include <errno.h>

#include "base/fd_os.h"
#include "block/disk_os.h"

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

    return rc == 0 ? fd_os_flush(layer->fd) : rc;
}

/*
 * The header says first that a commit is under way, because the parent is no longer the one that
 * the layer was made over, and by what it is known again meanwhile. When all of the data is safe
 * in the parent, the header says that and takes its new checksum; then the map is emptied, and the
 * commit has ended.
 */
static int layer_copy(struct layer *layer, struct layer_head *head)
{
    int rc = 0;

    if (!head->committing) {
        head->committing = true;
        rc = layer_base_sum(layer->parent, layer, &head->rest_sum);
        if (rc == 0)
            rc = layer_put_head(layer, head);
    }
    for (uint64_t c = 0; c < layer->clusters && rc == 0; c++)
        rc = layer_push(layer, c);
    if (rc == 0)
        rc = disk_flush(layer->parent);
    if (rc == 0)
        rc = layer_base_sum(layer->parent, NULL, &head->base_sum);
    if (rc < 0)
        return rc;
    head->copied = true;
    return layer_put_head(layer, head);
}

int layer_commit(struct layer *layer, struct layer_head *head)
{
    uint64_t map_bytes = layer_file_map_bytes(layer->disk.bytes);
    int rc = 0;

    /* What the interrupted one wrote may be in the host's memory alone. */
    if (head->committing)
        rc = layer_put_head(layer, head);
    if (rc == 0 && !head->copied)
        rc = layer_copy(layer, head);
    if (rc < 0)
        return rc;
    memset(layer->map, 0, map_bytes);
    rc = disk_fd_write(layer->fd, layer->map, map_bytes, LAYER_MAP_OFF);
    if (rc == 0)
        rc = fd_os_flush(layer->fd);
    if (rc < 0)
        return rc;
    head->committing = head->copied = false;
    rc = layer_put_head(layer, head);
    if (rc == 0)
        rc = disk_os_punch(layer->fd, layer->data_off, layer->disk.bytes);
    return rc == -EOPNOTSUPP ? 0 : rc;
}
