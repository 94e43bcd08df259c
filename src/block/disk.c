/* A raw image on a descriptor: size and lock at opening, then vectored positioned I/O. */
#include "block/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "block/disk_os.h"

struct disk {
    int fd; /* the caller's */
    bool read_only;
    uint64_t bytes;
};

typedef ssize_t (*disk_io_fn)(int fd, const struct iovec *iov, int count, off_t off);

static int disk_check(int fd, const char *name, bool read_only, uint64_t *ret_bytes,
                      struct err *err)
{
    int mode = fcntl(fd, F_GETFL);
    struct stat st;
    off_t end;

    if (mode < 0 || fstat(fd, &st) < 0)
        return err_errno(err, "disk %s", name);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_set(err, EINVAL, "disk %s: neither a regular file nor a block device", name);
    if (!read_only && (mode & O_ACCMODE) != O_RDWR)
        return err_set(err, EROFS, "disk %s: not open for writing; attach it read-only (,ro)",
                       name);
    end = lseek(fd, 0, SEEK_END); /* st_size is 0 for a block device */
    if (end < 0)
        return err_errno(err, "disk %s: find its size", name);
    if (end == 0)
        return err_set(err, EINVAL, "disk %s: image is empty; make it with truncate -s SIZE", name);
    if (end % DISK_SECTOR)
        return err_set(err, EINVAL,
                       "disk %s: %lld bytes is not a multiple of %d; grow it with truncate -s %%%d",
                       name, (long long)end, DISK_SECTOR, DISK_SECTOR);
    *ret_bytes = (uint64_t)end;
    return 0;
}

static int disk_lock(int fd, const char *name, bool read_only, struct err *err)
{
    int rc;

    do
        rc = flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB);
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, EBUSY,
                       "disk %s: in use by another machine; use a copy, or attach it read-only "
                       "(,ro) everywhere",
                       name);
    /* Some file systems know no locks; the image is usable all the same. */
    log_warn("disk", "%s cannot be locked: %s; attach it to one machine only", name,
             strerror(errno));
    return 0;
}

int disk_open_fd(int fd, const char *name, bool read_only, struct disk **ret_disk, struct err *err)
{
    uint64_t bytes = 0;
    struct disk *disk;
    int rc = disk_check(fd, name, read_only, &bytes, err);

    if (rc < 0)
        return rc;
    disk = malloc(sizeof(*disk));
    if (!disk)
        return err_set(err, ENOMEM, "disk %s: out of memory", name);
    rc = disk_lock(fd, name, read_only, err);
    if (rc < 0) {
        free(disk);
        return rc;
    }
    *disk = (struct disk){ .fd = fd, .read_only = read_only, .bytes = bytes };
    *ret_disk = disk;
    return 0;
}

void disk_close(struct disk *disk)
{
    if (!disk)
        return;
    flock(disk->fd, LOCK_UN);
    free(disk);
}

uint64_t disk_sectors(const struct disk *disk)
{
    return disk->bytes / DISK_SECTOR;
}

bool disk_read_only(const struct disk *disk)
{
    return disk->read_only;
}

/* Drop the first `done` bytes; returns how many segments are gone. */
static unsigned disk_advance(struct iovec *iov, unsigned count, size_t done)
{
    unsigned gone = 0;

    while (gone < count && done >= iov[gone].iov_len)
        done -= iov[gone++].iov_len;
    if (gone < count) {
        iov[gone].iov_base = (char *)iov[gone].iov_base + done;
        iov[gone].iov_len -= done;
    }
    return gone;
}

static int disk_io(struct disk *disk, disk_io_fn io, const struct iovec *iov, unsigned count,
                   uint64_t off)
{
    struct iovec rest[DISK_IOV_MAX];
    uint64_t left = 0;
    unsigned at = 0;

    assert(count <= DISK_IOV_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (iov[i].iov_len > disk->bytes - left)
            return -EINVAL;
        left += iov[i].iov_len;
        rest[i] = iov[i];
    }
    if (off > disk->bytes || left > disk->bytes - off)
        return -EINVAL;
    while (left) {
        ssize_t done = io(disk->fd, rest + at, (int)(count - at), (off_t)off);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        if (done == 0)
            return -EIO; /* the image has shrunk under us */
        off += (uint64_t)done;
        left -= (uint64_t)done;
        at += disk_advance(rest + at, count - at, (size_t)done);
    }
    return 0;
}

int disk_readv(struct disk *disk, const struct iovec *iov, unsigned count, uint64_t off)
{
    return disk_io(disk, preadv, iov, count, off);
}

int disk_writev(struct disk *disk, const struct iovec *iov, unsigned count, uint64_t off)
{
    return disk->read_only ? -EROFS : disk_io(disk, pwritev, iov, count, off);
}

int disk_flush(struct disk *disk)
{
    return disk->read_only ? 0 : disk_os_flush(disk->fd);
}
