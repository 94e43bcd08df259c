/* Sizes, reads that do not wait, and holes on Linux. */
#include "block/disk_os.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int64_t disk_os_bytes(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END); /* st_size is 0 for a block device */

    return end < 0 ? -errno : end;
}

ssize_t disk_os_read_now(int fd, const struct iovec *iov, int count, off_t off)
{
    ssize_t done = preadv2(fd, iov, count, off, RWF_NOWAIT);

    if (done >= 0)
        return done;
    return errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

int disk_os_punch(int fd, uint64_t off, uint64_t len)
{
    int rc;

    do
        rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    return errno == ENOSYS || errno == EINVAL ? -EOPNOTSUPP : -errno;
}
