/* TLB bookkeeping: contexts, and the invalidations that TLBI asks for. */
#include "cpu/tlb.h"

void tlb_init(struct tlb *tlb)
{
    tlb->next = 1;
}

/* Forget every context; the entries made under them cannot be found again. */
static void drop_contexts(struct tlb *tlb)
{
    for (unsigned i = 0; i < TLB_ASIDS; i++)
        atomic_store_explicit(&tlb->context[i], 0, memory_order_relaxed);
    atomic_store_explicit(&tlb->lower_global, false, memory_order_relaxed);
    memset(tlb->big, 0, sizeof(tlb->big));
    tlb->upper = tlb->off = 0;
    tlb->upper_not_global = false;
    tlb->huge = false;
}

static uint16_t new_context(struct tlb *tlb)
{
    if (tlb->next == TLB_CONTEXTS) {
        drop_contexts(tlb);
        memset(tlb->data, 0, sizeof(tlb->data));
        memset(tlb->fetch, 0, sizeof(tlb->fetch));
        memset(tlb->victim, 0, sizeof(tlb->victim));
        tlb->next = 1;
        tlb->wraps++;
    }
    return tlb->next++;
}

static uint16_t asid_context(struct tlb *tlb, uint16_t asid)
{
    _Atomic uint32_t *slot = &tlb->context[asid % TLB_ASIDS];
    uint32_t word = atomic_load_explicit(slot, memory_order_relaxed);

    if (!word || word >> 16 != asid) {
        word = (uint32_t)asid << 16 | new_context(tlb);
        atomic_store(slot, word);
        atomic_thread_fence(memory_order_seq_cst); /* before the walks that follow */
    }
    return (uint16_t)word;
}

bool tlb_has_asid(struct tlb *tlb, uint16_t asid)
{
    uint32_t word = atomic_load(&tlb->context[asid % TLB_ASIDS]);

    return (word && word >> 16 == asid) || atomic_load(&tlb->lower_global);
}

bool tlb_announce_global(struct tlb *tlb)
{
    if (atomic_load_explicit(&tlb->lower_global, memory_order_relaxed))
        return false;
    atomic_store(&tlb->lower_global, true);
    atomic_thread_fence(memory_order_seq_cst); /* before the walk that follows */
    return true;
}

void tlb_select(struct tlb *tlb, bool mmu_on, uint16_t asid)
{
    if (tlb->current != asid && tlb->upper_not_global) {
        tlb->upper = 0;
        tlb->upper_not_global = false;
    }
    tlb->current = asid;
    if (!mmu_on) {
        if (!tlb->off)
            tlb->off = new_context(tlb);
        tlb->base[0] = tlb->base[1] = (uint64_t)tlb->off << 2;
        return;
    }
    /* Wiping for the last context takes the first along; there is room for both afterwards. */
    if (!tlb->upper)
        tlb->upper = new_context(tlb);
    tlb->base[0] = (uint64_t)asid_context(tlb, asid) << 2;
    if (!tlb->upper)
        tlb->upper = new_context(tlb);
    tlb->base[1] = (uint64_t)tlb->upper << 2;
}

static unsigned big_bit(gva_t va)
{
    return (unsigned)((va >> TLB_BIG_SHIFT ^ va >> (TLB_BIG_SHIFT + 10)) & (TLB_BIG_BITS - 1));
}

void tlb_note(struct tlb *tlb, gva_t va, unsigned shift, bool global)
{
    if (!global && (va & BIT(63)))
        tlb->upper_not_global = true;
    if (shift > TLB_BIG_SHIFT)
        tlb->huge = true;
    else if (shift > TLB_PAGE_SHIFT)
        tlb->big[big_bit(va) / 64] |= BIT(big_bit(va) % 64);
}

void tlb_flush_all(struct tlb *tlb)
{
    drop_contexts(tlb);
    tlb->key[0] = tlb->key[1] = tlb->user_key = TLB_KEY_NONE;
}

void tlb_flush_asid(struct tlb *tlb, uint16_t asid)
{
    _Atomic uint32_t *slot = &tlb->context[asid % TLB_ASIDS];

    if (atomic_load_explicit(slot, memory_order_relaxed) >> 16 == asid)
        atomic_store_explicit(slot, 0, memory_order_relaxed);
    if (tlb->current == asid && tlb->upper_not_global) {
        tlb->upper = 0;
        tlb->upper_not_global = false;
    }
}

/* Entries of every context go: more than asked for is always allowed (D8.13.5). */
static void drop(struct tlb_entry *entry, struct tlb_fetch *fetch, gva_t va)
{
    if (entry && !((entry->tag_r ^ va) >> (entry->meta & low_mask(TLB_PAGE_SHIFT))))
        entry->tag_r = entry->tag_w = TLB_TAG_NONE;
    if (fetch && !((fetch->tag ^ va) >> fetch->shift))
        fetch->tag = TLB_TAG_NONE;
}

bool tlb_recall(struct tlb *tlb, gva_t va, uint64_t tag, bool write)
{
    for (unsigned i = 0; i < TLB_VICTIMS; i++) {
        struct tlb_entry *victim = &tlb->victim[i], *slot = tlb_slot(tlb, va), old = *slot;

        if ((write ? victim->tag_w : victim->tag_r) != tag)
            continue;
        *slot = *victim;
        *victim = old;
        return true;
    }
    return false;
}

/* A mapping above 4 KiB has entries wherever it was touched; look at all of them when there may be
 * one that covers va. */
bool tlb_flush_va(struct tlb *tlb, gva_t va)
{
    for (unsigned i = 0; i < TLB_VICTIMS; i++)
        drop(&tlb->victim[i], NULL, va);
    if (!tlb->huge && !(tlb->big[big_bit(va) / 64] & BIT(big_bit(va) % 64))) {
        drop(tlb_slot(tlb, va), tlb_fetch_slot(tlb, va), va);
        return false;
    }
    for (unsigned i = 0; i < TLB_SIZE; i++)
        drop(&tlb->data[i], NULL, va);
    for (unsigned i = 0; i < TLB_FETCH_SIZE; i++)
        drop(NULL, &tlb->fetch[i], va);
    return true;
}

void tlb_flush_writable(struct tlb *tlb)
{
    for (unsigned i = 0; i < TLB_SIZE; i++)
        tlb->data[i].tag_w = TLB_TAG_NONE;
    for (unsigned i = 0; i < TLB_VICTIMS; i++)
        tlb->victim[i].tag_w = TLB_TAG_NONE;
}
