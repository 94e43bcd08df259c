/*
 * A copy-on-write layer: a struct disk that keeps what is written to it in a file of its own, and
 * takes the rest from its parent, which it never changes (docs/layer-format.md).
 *
 * Killed at any moment, the file opens again and holds all that was flushed; of what was not, each
 * sector is old or new. Once the host has failed to flush the file, it is unknown what reached the
 * medium: writes and flushes fail from then on, with that error, and the file keeps the last flush.
 *
 * Threads: any. Reads wait for nobody; writes, discards and flushes take turns.
 */
#pragma once

#include "block/disk.h"

struct disk_layer_info {
    uint64_t image_bytes, cluster_bytes;
    uint64_t clusters, here, zero; /* the rest is the parent's */
    bool committing;               /* a commit was interrupted; disk_layer_commit() ends it */
    char base[3584];               /* path of the parent when the layer was made; may be empty */
};

/*
 * Make an empty layer over parent, in an empty file that is open for reading and writing. base_path
 * is kept to be shown and to find the parent later; NULL is fine. -EEXIST when the file is not
 * empty, -EBUSY when it is in use. After a failure the file may be anything, but opens as no layer.
 */
MUST_CHECK int disk_layer_create(int fd, const char *name, struct disk *parent,
                                 const char *base_path, struct err *err);

/*
 * Use a layer over its parent, which belongs to the layer from then on when this succeeds, and
 * need not be writable. fd stays the caller's, to close after disk_close(). Takes an advisory lock:
 * a writable layer has one user.
 *
 * Refuses with one sentence what is damaged, cut off, of a newer version, in use, half committed,
 * or made over another parent: other in size, or in the checksum of samples of its content.
 */
MUST_CHECK int disk_layer_open(int fd, const char *name, bool read_only, struct disk *parent,
                               struct disk **ret_disk, struct err *err);

/*
 * Write what the layer in fd holds into its parent, which is writable, flush it, and leave the
 * layer empty. The parent stays the caller's. Interrupted, it can only be begun again, and ends the
 * same. Other layers over this parent are worth nothing afterwards.
 */
MUST_CHECK int disk_layer_commit(int fd, const char *name, struct disk *parent, struct err *err);

/* Does the file begin as a layer's does? 1, 0, or -errno when it cannot be read. A guest that has
 * it as an image may write that, too: it is no reason to follow what the file says. */
MUST_CHECK int disk_layer_is(int fd);

/* Read what a file says about itself, without its parent and without a lock. -EINVAL, with a
 * sentence, for what is no layer. */
MUST_CHECK int disk_layer_info(int fd, const char *name, struct disk_layer_info *ret_info,
                               struct err *err);
