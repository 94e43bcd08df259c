/* The physical memory map: a short list of ranges, looked through on every TLB refill. */
#include "cpu/soc.h"

#include <errno.h>

#include "base/clock.h"
#include "cpu/idregs.h"
#include "cpu/timer.h"

#define PAGE UINT64_C(4096)

void soc_init(struct soc *soc, struct gmem *mem, uint64_t counter_hz)
{
    *soc = (struct soc){
        .mem = mem,
        .pa_bits = IDREGS_PA_BITS_MIN,
        .counter_hz = counter_hz ? counter_hz : SOC_COUNTER_HZ_DEFAULT,
        .model = &idregs_portable,
        .now_ns = clock_mono_ns,
    };
    timer_set_count(soc, 0);
}

static struct soc_range *range_of(struct soc *soc, gpa_t gpa, uint64_t size)
{
    for (unsigned i = 0; i < soc->range_count; i++) {
        struct soc_range *range = &soc->ranges[i];

        if (gpa >= range->gpa && gpa - range->gpa < range->size &&
            size <= range->size - (gpa - range->gpa))
            return range;
    }
    return NULL;
}

static bool pages(gpa_t gpa, uint64_t size)
{
    return size && gpa % PAGE == 0 && size % PAGE == 0 && gpa <= BIT(48) && size <= BIT(48) - gpa;
}

static int add(struct soc *soc, struct soc_range range, struct err *err)
{
    if (soc->range_count == SOC_RANGES_MAX)
        return err_set(err, ENOSPC, "map %#llx: more than %d ranges", (unsigned long long)range.gpa,
                       SOC_RANGES_MAX);
    soc->ranges[soc->range_count++] = range;
    return 0;
}

int soc_map(struct soc *soc, gpa_t gpa, void *host, uint64_t size, unsigned prot, struct err *err)
{
    const struct gmem_region *region;
    struct soc_range range = { .gpa = gpa, .size = size, .host = host, .prot = prot };

    if (!pages(gpa, size) || (uintptr_t)host % PAGE)
        return err_set(err, EINVAL, "map %#llx: %llu bytes is no whole number of pages",
                       (unsigned long long)gpa, (unsigned long long)size);
    for (unsigned i = 0; i < soc->range_count; i++) {
        const struct soc_range *old = &soc->ranges[i];

        if (gpa < old->gpa + old->size && old->gpa < gpa + size)
            return err_set(err, EEXIST, "map %#llx: overlaps the range at %#llx",
                           (unsigned long long)gpa, (unsigned long long)old->gpa);
    }
    region = gmem_find(soc->mem, gpa);
    if (region && size > region->size - (gpa - region->gpa))
        return err_set(err, EINVAL, "map %#llx: reaches out of the memory region at %#llx",
                       (unsigned long long)gpa, (unsigned long long)region->gpa);
    range.region = region;
    return add(soc, range, err);
}

/* Make [gpa, gpa + size) a range of its own; a middle piece leaves one before and one after. */
static int split(struct soc *soc, gpa_t gpa, uint64_t size, struct soc_range **ret_range,
                 struct err *err)
{
    struct soc_range *range = pages(gpa, size) ? range_of(soc, gpa, size) : NULL;
    struct soc_range before, after;
    unsigned more;

    if (!range)
        return err_set(err, ENOENT, "no mapped range holds %#llx, %llu bytes",
                       (unsigned long long)gpa, (unsigned long long)size);
    before = after = *range;
    before.size = gpa - range->gpa;
    after.gpa = gpa + size;
    after.host += after.gpa - range->gpa;
    after.size = range->size - before.size - size;
    more = !!before.size + !!after.size;
    if (soc->range_count + more > SOC_RANGES_MAX)
        return err_set(err, ENOSPC, "split %#llx: more than %d ranges", (unsigned long long)gpa,
                       SOC_RANGES_MAX);
    range->host += before.size;
    range->gpa = gpa;
    range->size = size;
    if (before.size)
        soc->ranges[soc->range_count++] = before;
    if (after.size)
        soc->ranges[soc->range_count++] = after;
    *ret_range = range;
    return 0;
}

int soc_unmap(struct soc *soc, gpa_t gpa, uint64_t size, struct err *err)
{
    struct soc_range *range = NULL;
    int rc = split(soc, gpa, size, &range, err);

    if (rc < 0)
        return rc;
    *range = soc->ranges[--soc->range_count];
    return 0;
}

int soc_protect(struct soc *soc, gpa_t gpa, uint64_t size, unsigned prot, struct err *err)
{
    struct soc_range *range = NULL;
    int rc = split(soc, gpa, size, &range, err);

    if (rc < 0)
        return rc;
    range->prot = prot;
    return 0;
}

int soc_map_gmem(struct soc *soc, struct err *err)
{
    for (unsigned i = 0; i < soc->mem->count; i++) {
        const struct gmem_region *region = &soc->mem->regions[i];
        int rc = soc_map(soc, region->gpa, region->host, region->size,
                         SOC_READ | SOC_WRITE | SOC_EXEC, err);

        if (rc < 0)
            return rc;
    }
    return 0;
}
