/* Flushing on Linux: fdatasync() reaches the medium. */
#include <errno.h>
#include <unistd.h>

#include "block/disk_os.h"

int disk_os_flush(int fd)
{
    return fdatasync(fd) < 0 ? -errno : 0;
}
