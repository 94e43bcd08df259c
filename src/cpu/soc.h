/*
 * The machine part that all vCPUs share: physical memory map, CPU model, counter.
 */
#pragma once

#include "base/err.h"
#include "cpu/cpu.h"

enum soc_prot { SOC_READ = 1, SOC_WRITE = 2, SOC_EXEC = 4 };

#define SOC_COUNTER_HZ_DEFAULT UINT64_C(24000000)
#define SOC_COUNTER_HZ_MAX     UINT64_C(4000000000)

/* Zero counters and maps; CPU model `portable`. The GIC and the vCPUs are the caller's to create.
 * counter_hz 0 is the default. */
void soc_init(struct soc *soc, struct gmem *mem, uint64_t counter_hz);

/* Map host memory at gpa; all three values are multiples of 4 KiB. Writes through it mark gmem's
 * dirty bitmap where a region of gmem covers it. No vCPU runs, and the caller flushes their TLBs
 * after unmap and protect. */
MUST_CHECK int soc_map(struct soc *soc, gpa_t gpa, void *host, uint64_t size, unsigned prot,
                       struct err *err);
MUST_CHECK int soc_unmap(struct soc *soc, gpa_t gpa, uint64_t size, struct err *err);
MUST_CHECK int soc_protect(struct soc *soc, gpa_t gpa, uint64_t size, unsigned prot,
                           struct err *err);

/* Map every region of gmem for everything. */
MUST_CHECK int soc_map_gmem(struct soc *soc, struct err *err);

/* The range that holds gpa, or NULL: a device or nothing. */
static inline const struct soc_range *soc_find(const struct soc *soc, gpa_t gpa)
{
    for (unsigned i = 0; i < soc->range_count; i++) {
        const struct soc_range *range = &soc->ranges[i];

        if (gpa - range->gpa < range->size)
            return range;
    }
    return NULL;
}

/* What may be done with the page at gpa, which lies in this range. */
static inline unsigned soc_prot(const struct soc *soc, const struct soc_range *range, gpa_t gpa)
{
    if (LIKELY(!soc->stage2))
        return range->prot;
    return atomic_load_explicit(&soc->stage2[gpa >> 12], memory_order_relaxed);
}
