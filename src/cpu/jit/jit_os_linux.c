/* Memory for code on Linux: one memfd, mapped twice. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "cpu/jit/jit_os.h"

int jit_os_map(uint64_t bytes, uint8_t **ret_rw, uint8_t **ret_rx, struct err *err)
{
    CLEANUP(fd_closep) int fd = memfd_create("ignition-code", MFD_CLOEXEC);
    void *rw, *rx;
    int rc;

    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        return err_errno(err, "code cache of %llu MiB; run with --jit off",
                         (unsigned long long)(bytes / MIB));
    rw = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    rx = rw == MAP_FAILED ? rw : mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (rx == MAP_FAILED) {
        rc = err_errno(err, "map the code cache of %llu MiB; run with --jit off",
                       (unsigned long long)(bytes / MIB));
        if (rw != MAP_FAILED)
            munmap(rw, bytes);
        return rc;
    }
    madvise(rw, bytes, MADV_HUGEPAGE); /* an optimisation; may fail */
    madvise(rx, bytes, MADV_HUGEPAGE);
    *ret_rw = rw;
    *ret_rx = rx;
    return 0;
}

void jit_os_unmap(uint64_t bytes, uint8_t *rw, uint8_t *rx)
{
    if (rw)
        munmap(rw, bytes);
    if (rx)
        munmap(rx, bytes);
}
