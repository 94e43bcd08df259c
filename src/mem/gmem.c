/* Guest memory regions, checked access and the dirty bitmap. */
#include "mem/gmem.h"

#include <errno.h>
#include <stdlib.h>

#include "mem/gmem_os.h"

static size_t dirty_words(uint64_t size)
{
    return (size_t)((size / GMEM_PAGE_SIZE + 63) / 64);
}

int gmem_create(struct gmem **ret_mem, struct err *err)
{
    struct gmem *mem = calloc(1, sizeof(*mem));

    if (!mem)
        return err_set(err, ENOMEM, "guest memory: out of memory");
    lock_init(&mem->gate_lock);
    cond_init(&mem->gate_cond);
    *ret_mem = mem;
    return 0;
}

void gmem_destroy(struct gmem *mem)
{
    if (!mem)
        return;
    for (unsigned i = 0; i < mem->count; i++) {
        gmem_os_release(mem->regions[i].host, mem->regions[i].size);
        free(mem->regions[i].dirty);
    }
    cond_fini(&mem->gate_cond);
    lock_fini(&mem->gate_lock);
    free(mem);
}

int gmem_add(struct gmem *mem, gpa_t gpa, uint64_t size, bool is_ram, struct err *err)
{
    struct gmem_region *region;

    if (!size || gpa % GMEM_PAGE_SIZE || size % GMEM_PAGE_SIZE || gpa > UINT64_MAX - size)
        return err_set(err, EINVAL, "guest memory at %#llx: %llu bytes is no whole number of pages",
                       (unsigned long long)gpa, (unsigned long long)size);
    if (mem->count == GMEM_REGIONS_MAX)
        return err_set(err, ENOSPC, "guest memory: more than %d regions", GMEM_REGIONS_MAX);
    for (unsigned i = 0; i < mem->count; i++) {
        const struct gmem_region *old = &mem->regions[i];
        if (gpa < old->gpa + old->size && old->gpa < gpa + size)
            return err_set(err, EEXIST, "guest memory at %#llx overlaps the region at %#llx",
                           (unsigned long long)gpa, (unsigned long long)old->gpa);
    }

    region = &mem->regions[mem->count];
    *region = (struct gmem_region){ .gpa = gpa, .size = size, .is_ram = is_ram };
    region->dirty = calloc(dirty_words(size), sizeof(uint64_t));
    if (!region->dirty)
        return err_set(err, ENOMEM, "guest memory: no memory for the dirty bitmap");
    region->host = gmem_os_reserve(size);
    if (!region->host) {
        int rc =
            err_errno(err, "reserve %llu MiB of guest memory", (unsigned long long)(size / MIB));
        free(region->dirty);
        return rc;
    }
    mem->count++;
    return 0;
}

void gmem_clear(struct gmem *mem)
{
    for (unsigned i = 0; i < mem->count; i++) {
        struct gmem_region *region = &mem->regions[i];
        gmem_os_discard(region->host, region->size);
        memset((void *)region->dirty, 0, dirty_words(region->size) * sizeof(uint64_t));
    }
}

const struct gmem_region *gmem_find(const struct gmem *mem, gpa_t gpa)
{
    for (unsigned i = 0; i < mem->count; i++) {
        const struct gmem_region *region = &mem->regions[i];
        if (gpa >= region->gpa && gpa - region->gpa < region->size)
            return region;
    }
    return NULL;
}

const void *gmem_ptr(const struct gmem *mem, gpa_t gpa, size_t len)
{
    const struct gmem_region *region = gmem_find(mem, gpa);

    if (!region || len > region->size - (gpa - region->gpa))
        return NULL;
    return region->host + (gpa - region->gpa);
}

void *gmem_ptr_dirty(struct gmem *mem, gpa_t gpa, size_t len)
{
    const void *ptr = gmem_ptr(mem, gpa, len);

    if (ptr)
        gmem_mark_dirty(mem, gpa, len);
    return (void *)(uintptr_t)ptr;
}

int gmem_read(const struct gmem *mem, gpa_t gpa, void *dst, size_t len)
{
    const void *src;

    if (!len)
        return 0;
    src = gmem_ptr(mem, gpa, len);
    if (!src)
        return -EFAULT;
    memcpy(dst, src, len);
    return 0;
}

int gmem_write(struct gmem *mem, gpa_t gpa, const void *src, size_t len)
{
    void *dst;

    if (!len)
        return 0;
    dst = gmem_ptr_dirty(mem, gpa, len);
    if (!dst)
        return -EFAULT;
    memcpy(dst, src, len);
    return 0;
}

void gmem_mark_dirty(struct gmem *mem, gpa_t gpa, uint64_t len)
{
    const struct gmem_region *region = gmem_find(mem, gpa);
    uint64_t off, last;

    if (!region || !len)
        return;
    off = gpa - region->gpa;
    last = len > region->size - off ? region->size - 1 : off + len - 1;
    for (uint64_t page = off >> GMEM_PAGE_SHIFT; page <= last >> GMEM_PAGE_SHIFT; page++)
        gmem_region_mark(region, page);
}

uint64_t gmem_fetch_dirty(struct gmem_region *region, uint64_t *bits)
{
    uint64_t set = 0;

    for (size_t i = 0; i < dirty_words(region->size); i++) {
        bits[i] = atomic_exchange_explicit(&region->dirty[i], 0, memory_order_acq_rel);
        set += (uint64_t)__builtin_popcountll(bits[i]);
    }
    return set;
}
