/* Flushing on macOS: fsync() stops at the drive's cache, F_FULLFSYNC goes on to the medium. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "block/disk_os.h"

int disk_os_flush(int fd)
{
    if (fcntl(fd, F_FULLFSYNC) == 0)
        return 0;
    /* Network and foreign file systems have no such call. */
    return fsync(fd) < 0 ? -errno : 0;
}

ssize_t disk_os_read_now(int fd, const struct iovec *iov, int count, off_t off)
{
    return -EOPNOTSUPP;
}

int disk_os_punch(int fd, uint64_t off, uint64_t len)
{
    struct fpunchhole hole = { .fp_offset = (off_t)off, .fp_length = (off_t)len };

    if (fcntl(fd, F_PUNCHHOLE, &hole) == 0)
        return 0;
    /* EINVAL: not in whole blocks of the file system. */
    return errno == ENOTSUP || errno == ENOTTY || errno == EINVAL ? -EOPNOTSUPP : -errno;
}
