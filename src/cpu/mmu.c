/*
 * Loads, stores and fetches that the inline path of mmu.h does not find in the TLB: refill, page
 * crossings, tagged addresses, alignment, devices. Faults are precise: nothing has been written
 * when one is taken.
 */
#include "cpu/mmu.h"

#include "cpu/code.h"
#include "cpu/debug.h"
#include "cpu/devmem.h"
#include "cpu/exc.h"
#include "cpu/hyp.h"
#include "cpu/jit/jit.h"
#include "cpu/mmu_walk.h"
#include "cpu/soc.h"

#define DC_ZVA_BYTES 64u

/* Where an address leads: host memory, or a device at gpa when host is NULL. */
struct place {
    uint8_t *host;
    gpa_t gpa;
};

/* Permissions of memory that the host mapped (hv.h) decide between memory and device. */
static bool range_allows(const struct soc *soc, const struct soc_range *range, gpa_t gpa,
                         enum mmu_access access)
{
    static const unsigned need[] = { [MMU_READ] = SOC_READ,
                                     [MMU_WRITE] = SOC_READ | SOC_WRITE,
                                     [MMU_EXEC] = SOC_EXEC,
                                     [MMU_ATOMIC] = SOC_READ | SOC_WRITE };

    return range && (soc_prot(soc, range, gpa) & need[access]) == need[access];
}

/* With the MMU off there are no permissions that PAN could look at (AArch64.S1DisabledOutput). */
static bool pan_applies(const struct cpu *c, bool user)
{
    return c->pan && !user && (c->sys.sctlr_el1 & SCTLR_M);
}

static uint64_t key_for(const struct cpu *c, gva_t va, bool user)
{
    unsigned view = user ? TLB_EL0 : c->pan ? TLB_EL1_PAN : TLB_EL1;

    return c->tlb->base[va >> 63] | view;
}

/* mmu_walk(), twice where the first one finds out that this vCPU has to hear of every ASID. */
static bool walk(struct cpu *c, gva_t va, enum mmu_access access, bool user,
                 struct mmu_page *ret_page, unsigned *ret_fsc)
{
    bool ok = mmu_walk(c, va, access, user, ret_page, ret_fsc);

    if (ok && ret_page->global && !(va & BIT(63)) && tlb_announce_global(c->tlb))
        ok = mmu_walk(c, va, access, user, ret_page, ret_fsc);
    if (UNLIKELY(!ok && c->soc->stage2))
        hyp_check_walk(c, va, ret_page->gpa, access, *ret_fsc);
    return ok;
}

/* Make the TLB entry of a translation that passed all checks. A write entry means that the page
 * counts as dirty from now on. */
static void refill(struct cpu *c, gva_t va, uint64_t key, const struct mmu_page *page,
                   const struct soc_range *range, bool write)
{
    struct tlb_entry *entry = tlb_slot(c->tlb, va);
    gpa_t gpa = page->gpa & TLB_PAGE_MASK;
    uint64_t tag = (va & TLB_PAGE_MASK) | key;

    tlb_note(c->tlb, va, page->shift, page->global);
    if (!write && entry->tag_r == tag)
        return;
    if (entry->tag_r != tag && entry->tag_r != TLB_TAG_NONE)
        tlb_give_way(c->tlb, entry);
    entry->tag_r = tag;
    entry->tag_w = write ? tag : TLB_TAG_NONE;
    entry->meta = gpa | page->shift;
    entry->addend = (uintptr_t)(range->host + (gpa - range->gpa)) - (va & TLB_PAGE_MASK);
    if (write && range->region)
        gmem_region_mark(range->region, (gpa - range->region->gpa) >> GMEM_PAGE_SHIFT);
}

/* Watched pages have no TLB entry: every access has to come by here. */
static bool hidden(const struct cpu *c, gva_t va)
{
    return UNLIKELY(c->debug_armed & DEBUG_WATCH) && debug_watches_page(c, va);
}

/* ESR_EL1.WnR of a permission fault: a read-modify-write that may not even read is a read. */
static bool fault_of_write(const struct cpu *c, const struct mmu_page *page, enum mmu_access access,
                           bool user)
{
    if (access != MMU_ATOMIC)
        return access == MMU_WRITE;
    return mmu_walk_allows(page, MMU_READ, user, pan_applies(c, user));
}

/* Translate for data. va is untagged; fault_va is what FAR gets. The faults of a page come in this
 * order: of the walk, alignment where the memory type demands it, permissions (Arm DDI 0487,
 * AArch64.S1Translate). */
static struct place locate(struct cpu *c, gva_t va, gva_t fault_va, enum mmu_access access,
                           bool user, bool unaligned)
{
    uint64_t key = key_for(c, va, user), tag = (va & TLB_PAGE_MASK) | key;
    const struct tlb_entry *entry = tlb_slot(c->tlb, va);
    bool mmu_on = c->sys.sctlr_el1 & SCTLR_M, writes = access != MMU_READ, device;
    const struct soc_range *range;
    struct mmu_page page;
    struct place place;
    unsigned fsc;

    if (mmu_on && ((writes ? entry->tag_w : entry->tag_r) == tag ||
                   (!c->jit_log && tlb_recall(c->tlb, va, tag, writes))))
        return (struct place){ .host = (uint8_t *)(uintptr_t)(va + entry->addend),
                               .gpa = (entry->meta & TLB_PAGE_MASK) | (va & ~TLB_PAGE_MASK) };

    if (!walk(c, va, access, user, &page, &fsc))
        exc_data_abort(c, fault_va, fsc, access == MMU_WRITE, false);
    device = mmu_is_device(&page);
    if (device && unaligned)
        exc_data_abort(c, fault_va, FSC_ALIGNMENT, access == MMU_WRITE, false);
    if (!mmu_walk_allows(&page, access, user, pan_applies(c, user)))
        exc_data_abort(c, fault_va, FSC_PERMISSION | page.level,
                       fault_of_write(c, &page, access, user), false);
    range = soc_find(c->soc, page.gpa);
    place = (struct place){ .gpa = page.gpa };
    if (!range_allows(c->soc, range, page.gpa, access)) {
        if (UNLIKELY(c->soc->stage2))
            hyp_abort(c, fault_va, page.gpa, access, 0);
        if (UNLIKELY(c->jit_log))
            jit_lockstep_note(c, NULL, NULL);
        return place;
    }
    place.host = range->host + (page.gpa - range->gpa);
    if (UNLIKELY(c->jit_log) && writes)
        jit_lockstep_note(c, place.host - (va & ~TLB_PAGE_MASK), tlb_slot(c->tlb, va));
    if (!device && !hidden(c, va))
        refill(c, va, key, &page, range, writes);
    else if (writes && range->region)
        gmem_region_mark(range->region, (page.gpa - range->region->gpa) >> GMEM_PAGE_SHIFT);
    return place;
}

/* Is an access to va misaligned? SCTLR_EL1.A has that fault before translation. */
static bool is_unaligned(struct cpu *c, gva_t va, unsigned size, enum mmu_access access)
{
    bool unaligned = va & (size - 1);

    if (UNLIKELY(unaligned && (c->sys.sctlr_el1 & SCTLR_A)))
        exc_data_abort(c, va, FSC_ALIGNMENT, access == MMU_WRITE, false);
    return unaligned;
}

static uint64_t host_load(const void *host, unsigned size)
{
    uint64_t val = 0;

    switch (size) {
    case 1:
        return *(const uint8_t *)host;
    case 2:
        memcpy(&val, host, 2);
        return val;
    case 4:
        memcpy(&val, host, 4);
        return val;
    default:
        memcpy(&val, host, 8);
        return val;
    }
}

static void host_store(void *host, unsigned size, uint64_t val)
{
    switch (size) {
    case 1:
        memcpy(host, &val, 1);
        break;
    case 2:
        memcpy(host, &val, 2);
        break;
    case 4:
        memcpy(host, &val, 4);
        break;
    default:
        memcpy(host, &val, 8);
    }
}

static bool crosses(gva_t va, unsigned len)
{
    return (va & ~TLB_PAGE_MASK) + len > BIT(TLB_PAGE_SHIFT);
}

/* One access within a page. */
static uint64_t load_at(struct cpu *c, gva_t va, gva_t tagged, unsigned size, bool user,
                        bool unaligned)
{
    struct place place = locate(c, va, tagged, MMU_READ, user, unaligned);

    return place.host ? host_load(place.host, size) : devmem_read(c, place.gpa, size);
}

static void store_at(struct cpu *c, gva_t va, gva_t tagged, unsigned size, uint64_t val, bool user,
                     bool unaligned)
{
    struct place place = locate(c, va, tagged, MMU_WRITE, user, unaligned);

    if (place.host)
        host_store(place.host, size, val);
    else
        devmem_write(c, place.gpa, size, val);
}

/* Both pages of an access that crosses, in order: faults first. Those of the second page report its
 * first byte. */
static void probe_both(struct cpu *c, gva_t va, gva_t tagged, enum mmu_access access, bool user,
                       bool unaligned)
{
    gva_t second = (va & TLB_PAGE_MASK) + BIT(TLB_PAGE_SHIFT);

    (void)locate(c, va, tagged, access, user, unaligned);
    (void)locate(c, second, tagged + (second - va), access, user, unaligned);
}

/* All faults of an access of len bytes, and after them watchpoints (D1.3.5). */
static void probe(struct cpu *c, gva_t tagged, unsigned len, enum mmu_access access, bool user,
                  bool unaligned)
{
    gva_t va = mmu_untag(c, tagged);

    if (crosses(va, len))
        probe_both(c, va, tagged, access, user, unaligned);
    else
        (void)locate(c, va, tagged, access, user, unaligned);
    if (UNLIKELY(c->debug & DEBUG_WATCH))
        debug_check_access(c, va, tagged, len, access, user);
}

/* An access, or one of the parts of an access that is unaligned as a whole. */
static uint64_t load_part(struct cpu *c, gva_t tagged, unsigned size, bool user, bool unaligned)
{
    gva_t va = mmu_untag(c, tagged);
    uint64_t val = 0;

    if (LIKELY(!crosses(va, size)))
        return load_at(c, va, tagged, size, user, unaligned);
    probe_both(c, va, tagged, MMU_READ, user, unaligned);
    for (unsigned i = 0; i < size; i++)
        val |= load_at(c, va + i, tagged + i, 1, user, false) << 8 * i;
    return val;
}

static void store_part(struct cpu *c, gva_t tagged, unsigned size, uint64_t val, bool user,
                       bool unaligned)
{
    gva_t va = mmu_untag(c, tagged);

    if (LIKELY(!crosses(va, size))) {
        store_at(c, va, tagged, size, val, user, unaligned);
        return;
    }
    probe_both(c, va, tagged, MMU_WRITE, user, unaligned);
    for (unsigned i = 0; i < size; i++)
        store_at(c, va + i, tagged + i, 1, val >> 8 * i, user, false);
}

uint64_t mmu_load(struct cpu *c, gva_t va, unsigned size, bool user)
{
    bool unaligned = is_unaligned(c, va, size, MMU_READ);

    user |= c->el == 0;
    if (UNLIKELY(c->debug & DEBUG_WATCH))
        probe(c, va, size, MMU_READ, user, unaligned);
    return load_part(c, va, size, user, unaligned);
}

void mmu_store(struct cpu *c, gva_t va, unsigned size, uint64_t val, bool user)
{
    bool unaligned = is_unaligned(c, va, size, MMU_WRITE);

    user |= c->el == 0;
    if (UNLIKELY(c->debug & DEBUG_WATCH))
        probe(c, va, size, MMU_WRITE, user, unaligned);
    store_part(c, va, size, val, user, unaligned);
}

void mmu_load16(struct cpu *c, gva_t va, uint64_t ret_val[2])
{
    bool unaligned = is_unaligned(c, va, 16, MMU_READ), user = c->el == 0;

    if (UNLIKELY(c->debug & DEBUG_WATCH))
        probe(c, va, 16, MMU_READ, user, unaligned);
    ret_val[0] = load_part(c, va, 8, user, unaligned);
    ret_val[1] = load_part(c, va + 8, 8, user, unaligned);
}

void mmu_store16(struct cpu *c, gva_t va, const uint64_t val[2])
{
    bool unaligned = is_unaligned(c, va, 16, MMU_WRITE), user = c->el == 0;

    if (crosses(va, 16) || (c->debug & DEBUG_WATCH))
        probe(c, va, 16, MMU_WRITE, user, unaligned);
    store_part(c, va, 8, val[0], user, unaligned);
    store_part(c, va + 8, 8, val[1], user, unaligned);
}

void cpu_probe(struct cpu *c, gva_t tagged, unsigned len, unsigned size, enum mmu_access access)
{
    gva_t va = mmu_untag(c, tagged);

    if (LIKELY(access == MMU_WRITE ? mmu_hit_write(c, va, len) : mmu_hit_read(c, va, len)))
        return;
    probe(c, tagged, len, access, c->el == 0, is_unaligned(c, tagged, size, access));
}

void *cpu_host(struct cpu *c, gva_t tagged, unsigned size, enum mmu_access access, gpa_t *ret_gpa)
{
    gva_t va = mmu_untag(c, tagged);
    struct place place;

    if (UNLIKELY(tagged & (size - 1)))
        exc_data_abort(c, tagged, FSC_ALIGNMENT, access == MMU_WRITE, false);
    place = locate(c, va, tagged, access, c->el == 0, false);
    if (!place.host)
        exc_data_abort(c, tagged, FSC_UNSUPPORTED_EXCL, access != MMU_READ, false);
    if (UNLIKELY(c->debug & DEBUG_WATCH))
        debug_check_access(c, va, tagged, size, access, c->el == 0);
    if (ret_gpa)
        *ret_gpa = place.gpa;
    return place.host;
}

void mmu_zero_block(struct cpu *c, gva_t tagged)
{
    gva_t va = align_down(mmu_untag(c, tagged), DC_ZVA_BYTES);
    void *host = mmu_hit_write(c, va, DC_ZVA_BYTES);

    if (UNLIKELY(!host)) {
        /* Device memory cannot be zeroed so, whatever the address (C5.3.5). */
        struct place place = locate(c, va, tagged, MMU_WRITE, c->el == 0, true);

        if (!place.host)
            exc_data_abort(c, tagged, FSC_ALIGNMENT, true, false);
        if (UNLIKELY(c->debug & DEBUG_WATCH))
            debug_check_block(c, va, tagged, false);
        host = place.host;
    }
    memset(host, 0, DC_ZVA_BYTES);
}

/* At EL1 they need a translation, at EL0 also the right to read (D8.4.4); DC IVAC, which drops
 * data, the right to write. PAN does not matter. */
gpa_t mmu_cache_op(struct cpu *c, gva_t tagged, enum mmu_access access)
{
    gva_t va = mmu_untag(c, tagged);
    const struct tlb_entry *entry = tlb_slot(c->tlb, va);
    bool user = c->el == 0;
    struct mmu_page page;
    unsigned fsc;

    if (access == MMU_READ && mmu_hit_read(c, va, 1))
        return (entry->meta & TLB_PAGE_MASK) | (va & ~TLB_PAGE_MASK);
    if (!walk(c, va, MMU_READ, user, &page, &fsc))
        exc_data_abort(c, tagged, fsc, true, true);
    if (!mmu_walk_allows(&page, access, user, false))
        exc_data_abort(c, tagged, FSC_PERMISSION | page.level, true, true);
    if (UNLIKELY(c->soc->stage2) &&
        !range_allows(c->soc, soc_find(c->soc, page.gpa), page.gpa, access))
        hyp_abort(c, tagged, page.gpa, access, ISS_DABT_CM | ISS_DABT_WNR);
    if (UNLIKELY(c->debug & DEBUG_WATCH) && access == MMU_WRITE) /* the other ones never match */
        debug_check_block(c, va, tagged, true);
    return page.gpa;
}

struct code_page *mmu_fetch_page(struct cpu *c, gva_t tagged)
{
    gva_t va = mmu_untag(c, tagged);
    uint64_t tag = (va & TLB_PAGE_MASK) | c->tlb->base[va >> 63] | (c->el ? TLB_EL1 : TLB_EL0);
    struct tlb_fetch *entry = tlb_fetch_slot(c->tlb, va);
    const struct soc_range *range;
    struct code_page *code;
    struct mmu_page page;
    unsigned fsc;
    gpa_t gpa;

    if (LIKELY(entry->tag == tag))
        return entry->page;

    if (!walk(c, va, MMU_EXEC, c->el == 0, &page, &fsc))
        exc_insn_abort(c, tagged, fsc);
    if (!mmu_walk_allows(&page, MMU_EXEC, c->el == 0, false))
        exc_insn_abort(c, tagged, FSC_PERMISSION | page.level);
    range = soc_find(c->soc, page.gpa);
    if (!range_allows(c->soc, range, page.gpa, MMU_EXEC) && c->soc->stage2)
        hyp_abort(c, tagged, page.gpa, MMU_EXEC, 0);
    if (!range_allows(c->soc, range, page.gpa, MMU_EXEC))
        exc_stop(c,
                 "instruction fetch at pc %#llx from physical address %#llx, which is not memory",
                 (unsigned long long)tagged, (unsigned long long)page.gpa);
    gpa = page.gpa & TLB_PAGE_MASK;
    code = code_get(c, gpa, (const uint32_t *)(void *)(range->host + (gpa - range->gpa)));
    if (!code)
        exc_stop(c, "the host has no memory left for predecoded instructions");
    /* code_get() may have dropped everything: the tag is made from the contexts of now. */
    tlb_note(c->tlb, va, page.shift, page.global);
    entry->tag = (va & TLB_PAGE_MASK) | c->tlb->base[va >> 63] | (c->el ? TLB_EL1 : TLB_EL0);
    entry->page = code;
    entry->shift = page.shift;
    return code;
}
