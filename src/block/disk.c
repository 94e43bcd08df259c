/* Drives in general, and raw images: size and lock at opening, then vectored positioned I/O. */
#include "block/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd_os.h"
#include "base/log.h"
#include "block/disk_ops.h"
#include "block/disk_os.h"

#define ZERO_CHUNK  (64 * KIB)
#define IO_MAX      ((size_t)GIB) /* macOS refuses a transfer of more than INT_MAX bytes */
#define RAW_GRANULE 4096          /* the block of common file systems */

struct raw {
    struct disk disk;
    int fd; /* the caller's */
};

typedef ssize_t (*disk_io_fn)(int fd, const struct iovec *iov, int count, off_t off);

static int disk_check(int fd, const char *name, bool read_only, uint64_t *ret_bytes,
                      struct err *err)
{
    int mode = fcntl(fd, F_GETFL);
    struct stat st;
    int64_t end;

    if (mode < 0 || fstat(fd, &st) < 0)
        return err_errno(err, "disk %s", name);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_set(err, EINVAL, "disk %s: neither a regular file nor a block device", name);
    if (!read_only && (mode & O_ACCMODE) != O_RDWR)
        return err_set(err, EROFS, "disk %s: not open for writing; attach it read-only (,ro)",
                       name);
    end = disk_os_bytes(fd);
    if (end < 0)
        return err_set(err, (int)-end, "disk %s: find its size: %s", name, strerror((int)-end));
    if (end == 0)
        return err_set(err, EINVAL, "disk %s: image is empty; make it with truncate -s SIZE", name);
    if (end % DISK_SECTOR)
        return err_set(err, EINVAL,
                       "disk %s: %lld bytes is not a multiple of %d; grow it with truncate -s %%%d",
                       name, (long long)end, DISK_SECTOR, DISK_SECTOR);
    *ret_bytes = (uint64_t)end;
    return 0;
}

int disk_fd_lock(int fd, const char *name, bool exclusive)
{
    int rc;

    do
        rc = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return -EBUSY;
    /* Some file systems know no locks; the file is usable all the same. */
    log_warn("disk", "%s cannot be locked: %s; attach it to one machine only", name,
             strerror(errno));
    return 0;
}

void disk_fd_unlock(int fd)
{
    flock(fd, LOCK_UN);
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

/* One call for as many segments as it takes; a segment that is too long for it alone is cut. */
static ssize_t disk_fd_some(int fd, disk_io_fn io, struct iovec *iov, unsigned count, off_t off)
{
    size_t first = iov->iov_len, len = 0;
    unsigned fit = 0;
    ssize_t done;

    while (fit < count && iov[fit].iov_len <= IO_MAX - len)
        len += iov[fit++].iov_len;
    if (fit)
        return io(fd, iov, (int)fit, off);
    iov->iov_len = IO_MAX;
    done = io(fd, iov, 1, off);
    iov->iov_len = first;
    return done;
}

static int disk_fd_io(int fd, disk_io_fn io, struct iovec *iov, unsigned count, uint64_t off)
{
    unsigned at = disk_advance(iov, count, 0);

    while (at < count) {
        ssize_t done = disk_fd_some(fd, io, iov + at, count - at, (off_t)off);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        if (done == 0)
            return -EIO; /* the file has shrunk under us */
        off += (uint64_t)done;
        at += disk_advance(iov + at, count - at, (size_t)done);
    }
    return 0;
}

int disk_fd_readv(int fd, struct iovec *iov, unsigned count, uint64_t off)
{
    return disk_fd_io(fd, preadv, iov, count, off);
}

int disk_fd_readv_now(int fd, const struct iovec *iov, unsigned count, uint64_t off)
{
    size_t len = 0;
    ssize_t done;

    for (unsigned i = 0; i < count; i++)
        len += iov[i].iov_len;
    done = disk_os_read_now(fd, iov, (int)count, (off_t)off);
    if (done == -EOPNOTSUPP || done == -EINTR)
        return -EAGAIN;
    if (done < 0)
        return (int)done;
    return (size_t)done == len ? 0 : -EAGAIN;
}

int disk_fd_writev(int fd, struct iovec *iov, unsigned count, uint64_t off)
{
    return disk_fd_io(fd, pwritev, iov, count, off);
}

int disk_fd_read(int fd, void *buf, size_t len, uint64_t off)
{
    struct iovec iov = { buf, len };

    return disk_fd_readv(fd, &iov, 1, off);
}

int disk_fd_write(int fd, const void *buf, size_t len, uint64_t off)
{
    struct iovec iov = { (void *)(uintptr_t)buf, len };

    return disk_fd_writev(fd, &iov, 1, off);
}

unsigned disk_iov_take(struct iovec **iov, unsigned *count, uint64_t len, struct iovec *part)
{
    unsigned parts = 0, gone;
    uint64_t left = len;

    for (const struct iovec *at = *iov; left; at++) {
        if (!at->iov_len)
            continue;
        part[parts] = *at;
        if (part[parts].iov_len > left)
            part[parts].iov_len = (size_t)left;
        left -= part[parts++].iov_len;
    }
    gone = disk_advance(*iov, *count, (size_t)len);
    *iov += gone;
    *count -= gone;
    return parts;
}

static int raw_readv(struct disk *disk, struct iovec *iov, unsigned count, uint64_t off, bool now)
{
    int fd = container_of(disk, struct raw, disk)->fd;

    return now ? disk_fd_readv_now(fd, iov, count, off) : disk_fd_readv(fd, iov, count, off);
}

static int raw_writev(struct disk *disk, struct iovec *iov, unsigned count, uint64_t off)
{
    return disk_fd_writev(container_of(disk, struct raw, disk)->fd, iov, count, off);
}

/* A file without holes keeps what it has: a discard promises nothing about content. */
static int raw_discard(struct disk *disk, uint64_t off, uint64_t len)
{
    int rc = disk_os_punch(container_of(disk, struct raw, disk)->fd, off, len);

    return rc == -EOPNOTSUPP ? 0 : rc;
}

static int raw_write_zeroes(struct disk *disk, uint64_t off, uint64_t len, bool unmap)
{
    int fd = container_of(disk, struct raw, disk)->fd;
    static const char zeros[ZERO_CHUNK];
    int rc = unmap ? disk_os_punch(fd, off, len) : -EOPNOTSUPP;

    if (rc != -EOPNOTSUPP)
        return rc;
    rc = 0;
    while (len && rc == 0) {
        size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
        rc = disk_fd_write(fd, zeros, part, off);
        off += part;
        len -= part;
    }
    return rc;
}

static int raw_flush(struct disk *disk)
{
    return fd_os_flush(container_of(disk, struct raw, disk)->fd);
}

static void raw_close(struct disk *disk)
{
    struct raw *raw = container_of(disk, struct raw, disk);

    disk_fd_unlock(raw->fd);
    free(raw->disk.name);
    free(raw);
}

static const struct disk_ops raw_ops = {
    .readv = raw_readv,
    .writev = raw_writev,
    .discard = raw_discard,
    .write_zeroes = raw_write_zeroes,
    .flush = raw_flush,
    .close = raw_close,
};

int disk_open_fd(int fd, const char *name, bool read_only, struct disk **ret_disk, struct err *err)
{
    uint64_t bytes = 0;
    char *own_name;
    struct raw *raw;
    int rc = disk_check(fd, name, read_only, &bytes, err);

    if (rc < 0)
        return rc;
    if (disk_fd_lock(fd, name, !read_only) < 0)
        return err_set(err, EBUSY,
                       "disk %s: in use by another machine; end that, use a copy, or attach it "
                       "read-only (,ro) everywhere",
                       name);
    raw = malloc(sizeof(*raw));
    own_name = strdup(name);
    if (!raw || !own_name) {
        free(raw);
        free(own_name);
        disk_fd_unlock(fd);
        return err_set(err, ENOMEM, "disk %s: out of memory", name);
    }
    *raw = (struct raw){
        .disk = { .ops = &raw_ops,
                  .name = own_name,
                  .read_only = read_only,
                  .bytes = bytes,
                  .granule = RAW_GRANULE },
        .fd = fd,
    };
    *ret_disk = &raw->disk;
    return 0;
}

void disk_close(struct disk *disk)
{
    if (disk)
        disk->ops->close(disk);
}

const char *disk_name(const struct disk *disk)
{
    return disk->name;
}

bool disk_stuck(const struct disk *disk)
{
    return __atomic_load_n(&disk->stuck, __ATOMIC_RELAXED);
}

const char *disk_way_out(int code)
{
    switch (code) {
    case ENOSPC:
        return "free space on its file system";
    case EDQUOT:
        return "raise the quota there, or free space";
    case EFBIG:
        return "raise the limit on file sizes (ulimit -f), or move it to another file system";
    case EROFS:
        return "make its file system writable";
    case ENOMEM:
        return "free memory";
    default:
        return "look after its storage";
    }
}

uint64_t disk_sectors(const struct disk *disk)
{
    return disk->bytes / DISK_SECTOR;
}

bool disk_read_only(const struct disk *disk)
{
    return disk->read_only;
}

uint32_t disk_granule(const struct disk *disk)
{
    return disk->granule;
}

static bool disk_has(const struct disk *disk, uint64_t off, uint64_t len)
{
    return off <= disk->bytes && len <= disk->bytes - off;
}

/* Copy iov, which the ops use up. Returns its bytes, or -EINVAL when they do not fit at off. */
static int64_t disk_gather(const struct disk *disk, const struct iovec *iov, unsigned count,
                           uint64_t off, struct iovec *ret)
{
    uint64_t len = 0;

    assert(count <= DISK_IOV_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (iov[i].iov_len > disk->bytes - len)
            return -EINVAL;
        len += iov[i].iov_len;
        ret[i] = iov[i];
    }
    return disk_has(disk, off, len) ? (int64_t)len : -EINVAL;
}

int disk_readv(struct disk *disk, const struct iovec *iov, unsigned count, uint64_t off)
{
    struct iovec rest[DISK_IOV_MAX];
    int64_t len = disk_gather(disk, iov, count, off, rest);

    return len <= 0 ? (int)len : disk->ops->readv(disk, rest, count, off, false);
}

int disk_readv_now(struct disk *disk, const struct iovec *iov, unsigned count, uint64_t off)
{
    struct iovec rest[DISK_IOV_MAX];
    int64_t len = disk_gather(disk, iov, count, off, rest);

    return len <= 0 ? (int)len : disk->ops->readv(disk, rest, count, off, true);
}

int disk_writev(struct disk *disk, const struct iovec *iov, unsigned count, uint64_t off)
{
    struct iovec rest[DISK_IOV_MAX];
    int64_t len;

    if (disk->read_only)
        return -EROFS;
    len = disk_gather(disk, iov, count, off, rest);
    return len <= 0 ? (int)len : disk->ops->writev(disk, rest, count, off);
}

int disk_discard(struct disk *disk, uint64_t off, uint64_t len)
{
    if (disk->read_only)
        return -EROFS;
    if (!disk_has(disk, off, len))
        return -EINVAL;
    return len ? disk->ops->discard(disk, off, len) : 0;
}

int disk_write_zeroes(struct disk *disk, uint64_t off, uint64_t len, bool unmap)
{
    if (disk->read_only)
        return -EROFS;
    if (!disk_has(disk, off, len))
        return -EINVAL;
    return len ? disk->ops->write_zeroes(disk, off, len, unmap) : 0;
}

int disk_flush(struct disk *disk)
{
    return disk->read_only ? 0 : disk->ops->flush(disk);
}
