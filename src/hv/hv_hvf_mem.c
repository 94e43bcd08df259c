/*
 * Guest memory of Hypervisor.framework, and tracking of what the guest writes.
 *
 * The memory map that the VMM asked for is kept as the ranges of a struct soc; what the framework
 * is told differs from it while writes are tracked: pages of gmem's regions are then read-only
 * until the guest has written to them.
 *
 * mem_lock: the framework says nothing about hv_vm_protect() on two threads at once, so there is
 * none. The map itself changes only while no vCPU runs.
 */
#include <assert.h>
#include <errno.h>

#include "base/log.h"
#include "hv/hv_hvf_err.h"
#include "hv/hv_hvf_host.h"
#include "hv/hv_hvf_int.h"

_Static_assert((int)HV_MEMORY_READ == (int)HV_READ && (int)HV_MEMORY_WRITE == (int)HV_WRITE &&
                   (int)HV_MEMORY_EXEC == (int)HV_EXEC,
               "the seam and the framework number permissions the same");

static unsigned mem_region_index(const struct hv_hvf *hvf, const struct gmem_region *region)
{
    return (unsigned)(region - hvf->soc.mem->regions);
}

/* What the framework is to allow where the VMM allows prot. */
static hv_memory_flags_t mem_flags(const struct hv_hvf *hvf, const struct soc_range *range)
{
    bool armed = hvf->tracking && range->region;

    return range->prot & ~(armed ? (unsigned)HV_WRITE : 0);
}

static int mem_set_flags(gpa_t gpa, uint64_t size, hv_memory_flags_t flags, struct err *err)
{
    hv_return_t code = hv_vm_protect(gpa, (size_t)size, flags);

    if (code == HV_SUCCESS)
        return 0;
    return hv_hvf_err_set(err, code, "hv_vm_protect(%#llx, %llu KiB, %u)", (unsigned long long)gpa,
                          (unsigned long long)(size / KIB), (unsigned)flags);
}

static int mem_check_pages(const struct hv_hvf *hvf, gpa_t gpa, uint64_t size, const void *host,
                           struct err *err)
{
    uint64_t rest = (gpa | size | (uintptr_t)host) % hvf->page;

    if (size && !rest)
        return 0;
    return err_set(
        err, EINVAL,
        "Hypervisor.framework maps whole pages of %llu KiB, and guest memory at %#llx of "
        "%llu bytes is none; give --mem in MiB",
        (unsigned long long)(hvf->page / KIB), (unsigned long long)gpa, (unsigned long long)size);
}

static bool mem_is_dirty(const struct gmem_region *region, uint64_t page)
{
    return atomic_load(&region->dirty[page / 64]) & BIT(page % 64);
}

/* The host has written here: a kernel, or code of the guest's that was read back from a file. What
 * it has not touched is left alone. */
static void mem_code_written(const struct soc_range *range)
{
    const struct gmem_region *region = range->region;
    uint64_t first, end, run;

    if (!region || !(range->prot & HV_EXEC))
        return;
    first = (range->gpa - region->gpa) / GMEM_PAGE_SIZE;
    end = first + range->size / GMEM_PAGE_SIZE;
    for (uint64_t page = first; page < end; page += run + 1) {
        run = 0;
        if (!atomic_load(&region->dirty[page / 64])) {
            run = 63 - page % 64;
            continue;
        }
        while (page + run < end && mem_is_dirty(region, page + run))
            run++;
        if (run)
            hvf_host_code_written(region->host + page * GMEM_PAGE_SIZE,
                                  (size_t)(run * GMEM_PAGE_SIZE));
    }
}

int hv_hvf_mem_map(struct hv *hv, gpa_t gpa, void *host, uint64_t size, unsigned prot,
                   struct err *err)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);
    const struct soc_range *range;
    hv_return_t code;
    int rc = mem_check_pages(hvf, gpa, size, host, err);

    if (rc == 0)
        rc = soc_map(&hvf->soc, gpa, host, size, prot, err);
    if (rc < 0)
        return rc;
    range = soc_find(&hvf->soc, gpa);
    lock_take(&hvf->mem_lock);
    code = hv_vm_map(host, gpa, (size_t)size, mem_flags(hvf, range));
    lock_drop(&hvf->mem_lock);
    if (code != HV_SUCCESS) {
        rc = soc_unmap(&hvf->soc, gpa, size, NULL);
        assert(rc == 0); /* it was added just now */
        return hv_hvf_err_set(err, code, "hv_vm_map(%#llx, %llu KiB)", (unsigned long long)gpa,
                              (unsigned long long)(size / KIB));
    }
    mem_code_written(range);
    return 0;
}

/* Pages of [gpa, gpa + size) are no longer granted. Those of one range are of one region at most.
 */
static void mem_revoke_locked(struct hv_hvf *hvf, const struct soc_range *range, gpa_t gpa,
                              uint64_t size) REQUIRES(hvf->mem_lock)
{
    if (hvf->tracking && range->region)
        hv_hvf_dirty_revoke(&hvf->dirty[mem_region_index(hvf, range->region)],
                            (gpa - range->region->gpa) / hvf->page, size / hvf->page);
}

int hv_hvf_mem_unmap(struct hv *hv, gpa_t gpa, uint64_t size, struct err *err)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);
    struct soc_range before = { 0 };
    hv_return_t code;
    int rc = mem_check_pages(hvf, gpa, size, NULL, err);

    if (rc == 0 && soc_find(&hvf->soc, gpa))
        before = *soc_find(&hvf->soc, gpa);
    if (rc == 0)
        rc = soc_unmap(&hvf->soc, gpa, size, err);
    if (rc < 0)
        return rc;
    lock_take(&hvf->mem_lock);
    mem_revoke_locked(hvf, &before, gpa, size);
    code = hv_vm_unmap(gpa, (size_t)size);
    lock_drop(&hvf->mem_lock);
    if (code == HV_SUCCESS)
        return 0;
    return hv_hvf_err_set(err, code, "hv_vm_unmap(%#llx, %llu KiB)", (unsigned long long)gpa,
                          (unsigned long long)(size / KIB));
}

int hv_hvf_mem_protect(struct hv *hv, gpa_t gpa, uint64_t size, unsigned prot, struct err *err)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);
    int rc = mem_check_pages(hvf, gpa, size, NULL, err);

    if (rc == 0)
        rc = soc_protect(&hvf->soc, gpa, size, prot, err);
    if (rc < 0)
        return rc;
    lock_take(&hvf->mem_lock);
    mem_revoke_locked(hvf, soc_find(&hvf->soc, gpa), gpa, size);
    rc = mem_set_flags(gpa, size, mem_flags(hvf, soc_find(&hvf->soc, gpa)), err);
    lock_drop(&hvf->mem_lock);
    return rc;
}

/* ---- tracking ---- */

/* Tell the framework what every range is to allow. */
static int mem_set_all_locked(struct hv_hvf *hvf, struct err *err) REQUIRES(hvf->mem_lock)
{
    int rc = 0;

    for (unsigned i = 0; i < hvf->soc.range_count && rc == 0; i++) {
        const struct soc_range *range = &hvf->soc.ranges[i];

        if (range->region && (range->prot & HV_WRITE))
            rc = mem_set_flags(range->gpa, range->size, mem_flags(hvf, range), err);
    }
    return rc;
}

static void mem_stop_locked(struct hv_hvf *hvf) REQUIRES(hvf->mem_lock)
{
    struct err err;

    if (!hvf->tracking)
        return;
    hvf->tracking = false;
    for (unsigned i = 0; i < GMEM_REGIONS_MAX; i++)
        hv_hvf_dirty_fini(&hvf->dirty[i]);
    if (mem_set_all_locked(hvf, &err) < 0)
        log_error("hvf", "%s", err.msg);
}

int hv_hvf_mem_dirty_start(struct hv *hv, struct err *err)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);
    struct gmem *mem = hvf->soc.mem;
    int rc = 0;

    lock_take(&hvf->mem_lock);
    mem_stop_locked(hvf);
    hvf->tracking = true;
    for (unsigned i = 0; i < mem->count && rc == 0; i++)
        rc = hv_hvf_dirty_init(&hvf->dirty[i], (mem->regions[i].size + hvf->page - 1) / hvf->page,
                               err);
    if (rc == 0)
        rc = mem_set_all_locked(hvf, err);
    if (rc < 0)
        mem_stop_locked(hvf);
    lock_drop(&hvf->mem_lock);
    return rc;
}

void hv_hvf_mem_dirty_stop(struct hv *hv)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);

    lock_take(&hvf->mem_lock);
    mem_stop_locked(hvf);
    lock_drop(&hvf->mem_lock);
}

struct mem_round {
    struct hv_hvf *hvf;
    const struct gmem_region *region;
};

static void mem_report(void *ctx, uint64_t first, uint64_t count)
{
    const struct mem_round *round = ctx;
    uint64_t page = round->hvf->page;

    gmem_mark_dirty(round->hvf->soc.mem, round->region->gpa + first * page, count * page);
}

/* A run may lie in several ranges, of which some have become read-only meanwhile: those were
 * revoked then. */
static int mem_rearm(void *ctx, uint64_t first, uint64_t count, struct err *err)
{
    const struct mem_round *round = ctx;
    struct hv_hvf *hvf = round->hvf;
    gpa_t gpa = round->region->gpa + first * hvf->page, end = gpa + count * hvf->page;

    while (gpa < end) {
        const struct soc_range *range = soc_find(&hvf->soc, gpa);
        uint64_t size = range ? range->gpa + range->size - gpa : hvf->page;
        int rc;

        if (size > end - gpa)
            size = end - gpa;
        rc = range ? mem_set_flags(gpa, size, mem_flags(hvf, range), err) : 0;
        if (rc < 0)
            return rc;
        gpa += size;
    }
    return 0;
}

int hv_hvf_mem_dirty_sync(struct hv *hv, struct err *err)
{
    static const struct hv_hvf_dirty_ops ops = { .report = mem_report, .rearm = mem_rearm };
    struct hv_hvf *hvf = hv_hvf_of(hv);
    int rc = 0;

    lock_take(&hvf->mem_lock);
    for (unsigned i = 0; i < hvf->soc.mem->count && hvf->tracking && rc == 0; i++) {
        struct mem_round round = { .hvf = hvf, .region = &hvf->soc.mem->regions[i] };

        rc = hv_hvf_dirty_round(&hvf->dirty[i], &ops, &round, err);
    }
    lock_drop(&hvf->mem_lock);
    return rc;
}

/* Make the page that holds gpa writable, and dirty. */
static int mem_grant_locked(struct hv_hvf *hvf, const struct soc_range *range, gpa_t gpa,
                            struct err *err) REQUIRES(hvf->mem_lock)
{
    uint64_t page = (gpa - range->region->gpa) / hvf->page;
    gpa_t start = range->region->gpa + page * hvf->page;
    int rc;

    /* Another vCPU may have been faster. */
    if (!hv_hvf_dirty_grant(&hvf->dirty[mem_region_index(hvf, range->region)], page))
        return 0;
    rc = mem_set_flags(start, hvf->page, range->prot, err);
    if (rc == 0)
        gmem_mark_dirty(hvf->soc.mem, start, hvf->page);
    return rc;
}

bool hv_hvf_mem_fault(struct hv_hvf_vcpu *v, gpa_t gpa, enum hv_prot access)
{
    struct hv_hvf *hvf = hv_hvf_of(v->vcpu.hv);
    const struct soc_range *range = soc_find(&hvf->soc, gpa);
    struct err err;
    int rc = 0;

    if (!range || !(range->prot & access))
        return false;
    lock_take(&hvf->mem_lock);
    if (access == HV_WRITE && hvf->tracking && range->region)
        rc = mem_grant_locked(hvf, range, gpa, &err);
    lock_drop(&hvf->mem_lock);
    if (rc < 0)
        v->failed = err;
    return true;
}
