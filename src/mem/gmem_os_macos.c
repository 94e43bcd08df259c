/*
 * Guest memory on macOS: private anonymous memory, which lies at pages of 16 KiB, as the mappings
 * of Hypervisor.framework must. MADV_DONTNEED neither frees nor zeroes there, and MADV_FREE does
 * when memory is short: a new mapping is what gives pages back at once.
 */
#include "mem/gmem_os.h"

#include <sys/mman.h>

void *gmem_os_reserve(uint64_t size)
{
    void *host =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);

    return host == MAP_FAILED ? NULL : host;
}

void gmem_os_release(void *host, uint64_t size)
{
    munmap(host, size);
}

void gmem_os_discard(void *host, uint64_t size)
{
    /* A fresh mapping over the old one: zero pages, and the old ones go back. */
    void *fresh = mmap(host, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANON | MAP_NORESERVE | MAP_FIXED, -1, 0);

    if (fresh == MAP_FAILED)
        memset(host, 0, size);
}
