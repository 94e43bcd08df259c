/*
 * Guest memory: a short list of regions in the guest-physical map, backed by private host memory.
 *
 * Every access from the host side goes through here. It is bounds-checked, and every write marks
 * the dirty bitmap, so device DMA cannot be forgotten. A vCPU may touch the same bytes at any
 * moment: copies can be torn, never unsafe.
 *
 * Lifetime: regions are added before the first vCPU starts and stay until gmem_destroy().
 */
#pragma once

#include <stdatomic.h>

#include "base/bits.h"
#include "base/err.h"

typedef uint64_t gpa_t; /* guest physical address, bytes */
typedef uint64_t gva_t; /* guest virtual address, bytes */

#define GMEM_PAGE_SHIFT  12 /* tracking granule; 16 KiB on macOS comes with its engine */
#define GMEM_PAGE_SIZE   (UINT64_C(1) << GMEM_PAGE_SHIFT)
#define GMEM_REGIONS_MAX 8

struct gmem_region {
    gpa_t gpa;     /* page aligned */
    uint64_t size; /* bytes, page aligned */
    uint8_t *host;
    _Atomic uint64_t *dirty; /* one bit a page */
    bool is_ram;             /* listed in the device tree's memory node */
};

struct gmem {
    struct gmem_region regions[GMEM_REGIONS_MAX];
    unsigned count;
};

MUST_CHECK int gmem_create(struct gmem **ret_mem, struct err *err);
void gmem_destroy(struct gmem *mem); /* NULL is fine */

/* Reserve and add a zeroed region. Both values are multiples of GMEM_PAGE_SIZE and the region must
 * not overlap another. Host memory is taken as pages are touched. */
MUST_CHECK int gmem_add(struct gmem *mem, gpa_t gpa, uint64_t size, bool is_ram, struct err *err);

/* Give all host pages back: every region reads as zeroes, nothing is dirty. No engine has the
 * memory mapped: what lies behind a mapping of Hypervisor.framework must not be exchanged. */
void gmem_clear(struct gmem *mem);

/* Copy guest memory into a host buffer, or back. len 0 succeeds and copies nothing. Returns 0, or
 * -EFAULT when any byte of [gpa, gpa + len) is outside one region (nothing is then copied). */
MUST_CHECK int gmem_read(const struct gmem *mem, gpa_t gpa, void *dst, size_t len);
MUST_CHECK int gmem_write(struct gmem *mem, gpa_t gpa, const void *src, size_t len);

/* The host address of [gpa, gpa + len), or NULL when it is not within one region. The writable form
 * marks the pages dirty at once: call it again for every use, a pointer kept over a snapshot or
 * checkpoint would write unseen. */
const void *gmem_ptr(const struct gmem *mem, gpa_t gpa, size_t len);
void *gmem_ptr_dirty(struct gmem *mem, gpa_t gpa, size_t len);

/* The region that holds gpa, or NULL. For engines, which map whole regions. */
const struct gmem_region *gmem_find(const struct gmem *mem, gpa_t gpa);

/* Mark pages of [gpa, gpa + len) dirty; bytes outside any region are ignored. Threads: any. */
void gmem_mark_dirty(struct gmem *mem, gpa_t gpa, uint64_t len);

static inline void gmem_region_mark(const struct gmem_region *region, uint64_t page)
{
    _Atomic uint64_t *word = &region->dirty[page / 64];

    /* Mostly set already: a plain look is cheaper than a locked operation. */
    if (!(atomic_load_explicit(word, memory_order_relaxed) & BIT(page % 64)))
        atomic_fetch_or_explicit(word, BIT(page % 64), memory_order_relaxed);
}

/* Copy the region's dirty bits to bits (one bit a page, size / GMEM_PAGE_SIZE / 64 words rounded
 * up) and clear them. Returns the number of set bits. */
uint64_t gmem_fetch_dirty(struct gmem_region *region, uint64_t *bits);
