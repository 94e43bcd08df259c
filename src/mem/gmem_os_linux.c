/*
 * Guest memory on Linux: private anonymous memory, so that fork() is a copy-on-write copy, with
 * huge pages, which make a boot faster and a fork's pause shorter.
 */
#include "mem/gmem_os.h"

#include <sys/mman.h>

#define HUGE_PAGE (2 * MIB)

void *gmem_os_reserve(uint64_t size)
{
    uint8_t *map, *host;

    if (size > SIZE_MAX - HUGE_PAGE)
        return NULL;
    map = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    /* Keep the aligned middle, give the ends back. */
    host = (uint8_t *)align_up((uintptr_t)map, HUGE_PAGE);
    if (host > map)
        munmap(map, (size_t)(host - map));
    if (host + size < map + size + HUGE_PAGE)
        munmap(host + size, (size_t)(map + HUGE_PAGE - host));
    madvise(host, size, MADV_HUGEPAGE); /* an optimisation; may fail */
    madvise(host, size, MADV_DONTDUMP);
    return host;
}

void gmem_os_release(void *host, uint64_t size)
{
    munmap(host, size);
}

void gmem_os_discard(void *host, uint64_t size)
{
    madvise(host, size, MADV_DONTNEED);
}
