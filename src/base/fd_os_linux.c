/* Flushing on Linux: fdatasync() reaches the medium, and there is nothing cheaper that orders. */
#include "base/fd_os.h"

#include <errno.h>
#include <unistd.h>

int fd_os_flush(int fd)
{
    return fdatasync(fd) < 0 ? -errno : 0;
}

/* A new name is nothing that fdatasync() must write. */
int fd_os_flush_folder(int fd)
{
    return fsync(fd) < 0 ? -errno : 0;
}

int fd_os_order(int fd)
{
    return fd_os_flush(fd);
}
