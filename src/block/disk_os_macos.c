/* Sizes, reads that do not wait, and holes on macOS. */
#include "block/disk_os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Those of <sys/disk.h>, which not every toolchain for macOS brings. */
#define DISK_BLOCK_BYTES _IOR('d', 24, uint32_t)
#define DISK_BLOCKS      _IOR('d', 25, uint64_t)

int64_t disk_os_bytes(int fd)
{
    struct stat st;
    uint64_t blocks;
    uint32_t bytes;
    int64_t all;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISBLK(st.st_mode)) {
        off_t end = lseek(fd, 0, SEEK_END);
        return end < 0 ? -errno : end;
    }
    /* The end of a block device is at 0 for lseek(). */
    if (ioctl(fd, DISK_BLOCK_BYTES, &bytes) < 0 || ioctl(fd, DISK_BLOCKS, &blocks) < 0)
        return -errno;
    return __builtin_mul_overflow(blocks, bytes, &all) ? -EFBIG : all;
}

ssize_t disk_os_read_now(int fd, const struct iovec *iov, int count, off_t off)
{
    return -EOPNOTSUPP;
}

int disk_os_punch(int fd, uint64_t off, uint64_t len)
{
    struct fpunchhole hole = { .fp_offset = (off_t)off, .fp_length = (off_t)len };
    int rc;

    do
        rc = fcntl(fd, F_PUNCHHOLE, &hole);
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    /* EINVAL: not in whole blocks of the file system. */
    return errno == ENOTSUP || errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL
               ? -EOPNOTSUPP
               : -errno;
}
