/* Flushing and holes on Linux: fdatasync() reaches the medium. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "block/disk_os.h"

int disk_os_flush(int fd)
{
    return fdatasync(fd) < 0 ? -errno : 0;
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
