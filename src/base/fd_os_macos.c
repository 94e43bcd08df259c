/*
 * Flushing on macOS (fcntl(2)): fsync() stops at the drive's cache. F_FULLFSYNC goes on to the
 * medium, and takes milliseconds; F_BARRIERFSYNC only keeps the drive from changing the order.
 */
#include "base/fd_os.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int macos_fcntl(int fd, int call)
{
    int rc;

    do
        rc = fcntl(fd, call);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

/* Network and foreign file systems do not have these calls. Any other failure is one of the medium,
 * which a second call might not see any more. */
static bool macos_lacks(int rc)
{
    return rc == -ENOTSUP || rc == -EOPNOTSUPP || rc == -ENOTTY || rc == -EINVAL;
}

int fd_os_flush(int fd)
{
    int rc = macos_fcntl(fd, F_FULLFSYNC);

    if (!macos_lacks(rc))
        return rc;
    return fsync(fd) < 0 ? -errno : 0;
}

int fd_os_flush_folder(int fd)
{
    return fd_os_flush(fd);
}

int fd_os_order(int fd)
{
    int rc = macos_fcntl(fd, F_BARRIERFSYNC);

    return macos_lacks(rc) ? fd_os_flush(fd) : rc;
}
