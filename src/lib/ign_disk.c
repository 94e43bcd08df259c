/* The public C API's part on disk files: what they are, whether they are whole, layers into bases.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "block/disk_layer.h"
#include "block/disk_os.h"
#include "lib/ign_int.h"

#define READ_CHUNK (256 * KIB)

_Static_assert(sizeof(((struct ign_disk_info *)0)->base) ==
                   sizeof(((struct disk_layer_info *)0)->base),
               "paths are not cut");

static int disk_file_open(const char *what, const char *path, int flags, struct err *err)
{
    int fd = fd_open(path, flags), code = errno;
    const char *way_out = "check the path";

    if (fd >= 0)
        return fd;
    if (code == EACCES || code == EROFS || code == EPERM)
        way_out = (flags & O_ACCMODE) == O_RDWR ? "it is going to be written to: make it writable"
                                                : "change its permissions";
    return err_set(err, code, "%s %s: %s; %s", what, path, strerror(code), way_out);
}

static int disk_file_info(const char *path, struct ign_disk_info *ret, struct err *err)
{
    CLEANUP(freep) struct disk_layer_info *layer = calloc(1, sizeof(*layer));
    CLEANUP(fd_closep) int fd = disk_file_open("disk", path, O_RDONLY, err);
    struct stat st;
    int64_t end;
    int rc;

    if (fd < 0)
        return fd;
    if (!layer)
        return err_set(err, ENOMEM, "out of memory");
    if (fstat(fd, &st) < 0)
        return err_errno(err, "disk %s", path);
    memset(ret, 0, sizeof(*ret));
    ret->used_bytes = (uint64_t)st.st_blocks * 512;
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_set(err, EINVAL, "disk %s: neither a regular file nor a block device", path);
    end = disk_os_bytes(fd);
    rc = end < 0 ? (int)end : disk_layer_is(fd);
    if (rc < 0)
        return err_set(err, -rc, "disk %s: read it: %s; %s", path, strerror(-rc),
                       disk_way_out(-rc));
    if (!rc) {
        ret->image_bytes = (uint64_t)end;
        return 0;
    }
    rc = disk_layer_info(fd, path, layer, err);
    if (rc < 0)
        return rc;
    ret->layer = true;
    ret->image_bytes = layer->image_bytes;
    ret->cluster_bytes = layer->cluster_bytes;
    ret->clusters = layer->clusters;
    ret->here = layer->here;
    ret->zero = layer->zero;
    ret->committing = layer->committing;
    memcpy(ret->base, layer->base, sizeof(ret->base));
    return 0;
}

int ign_disk_info(const char *path, struct ign_disk_info *ret_info, struct ign_error *ret_err)
{
    struct err err = { 0 };

    return ign_error_set(ret_err, &err, disk_file_info(path, ret_info, &err));
}

/* Open a layer's file and its base. *ret_fd and *ret_base_fd are the caller's, also after an error.
 */
static int disk_open_both(const char *path, const char *base, bool write, int *ret_fd,
                          int *ret_base_fd, struct disk **ret_base, struct err *err)
{
    CLEANUP(freep) struct disk_layer_info *info = calloc(1, sizeof(*info));
    int flags = write ? O_RDWR : O_RDONLY;
    int rc;

    if (!info)
        return err_set(err, ENOMEM, "out of memory");
    *ret_fd = disk_file_open("layer", path, flags, err);
    if (*ret_fd < 0)
        return *ret_fd;
    rc = disk_layer_info(*ret_fd, path, info, err);
    if (rc < 0)
        return rc;
    if (!base && !*info->base)
        return err_set(err, EINVAL, "layer %s: does not know its base; give --base FILE", path);
    /* Only the size of the base is checked then: that is not enough to write to what a file names.
     */
    if (!base && write && info->committing)
        return err_set(err, EINVAL,
                       "layer %s: its commit was interrupted; name the base to go on: --base %s",
                       path, info->base);
    *ret_base_fd = disk_file_open("base", base ? base : info->base, flags, err);
    if (*ret_base_fd == -ENOENT && !base)
        return err_set(err, ENOENT, "base %s: %s; if it was moved, name it: --base FILE",
                       info->base, strerror(ENOENT));
    if (*ret_base_fd < 0)
        return *ret_base_fd;
    if (!base)
        base = info->base;
    return disk_open_fd(*ret_base_fd, base, !write, ret_base, err);
}

static int disk_read_all(struct disk *disk, const char *path, struct err *err)
{
    CLEANUP(freep) void *buf = malloc(READ_CHUNK);
    uint64_t end = disk_sectors(disk) * DISK_SECTOR;

    if (!buf)
        return err_set(err, ENOMEM, "out of memory");
    for (uint64_t off = 0; off < end; off += READ_CHUNK) {
        struct iovec iov = { buf, end - off < READ_CHUNK ? (size_t)(end - off) : READ_CHUNK };
        int rc = disk_readv(disk, &iov, 1, off);
        if (rc < 0)
            return err_set(err, -rc, "layer %s: read at byte %llu: %s", path,
                           (unsigned long long)off, strerror(-rc));
    }
    return 0;
}

int ign_disk_check(const char *path, const char *base, struct ign_error *ret_err)
{
    CLEANUP(fd_closep) int fd = -1;
    CLEANUP(fd_closep) int base_fd = -1;
    struct disk *parent = NULL, *disk = NULL;
    struct err err = { 0 };
    int rc = disk_open_both(path, base, false, &fd, &base_fd, &parent, &err);

    if (rc == 0)
        rc = disk_layer_open(fd, path, true, parent, &disk, &err);
    if (rc == 0) {
        rc = disk_read_all(disk, path, &err);
        disk_close(disk);
    } else {
        disk_close(parent);
    }
    return ign_error_set(ret_err, &err, rc);
}

int ign_disk_commit(const char *path, const char *base, struct ign_error *ret_err)
{
    CLEANUP(fd_closep) int fd = -1;
    CLEANUP(fd_closep) int base_fd = -1;
    struct disk *parent = NULL;
    struct err err = { 0 };
    int rc = disk_open_both(path, base, true, &fd, &base_fd, &parent, &err);

    if (rc == 0)
        rc = disk_layer_commit(fd, path, parent, &err);
    disk_close(parent);
    return ign_error_set(ret_err, &err, rc);
}
