/*
 * The TLB of one vCPU: direct-mapped, 4 KiB entries with a tag for reading and one for writing.
 *
 * A tag is the page's virtual address with a context number in its low 12 bits. A context is what
 * an entry was made for: an ASID (for addresses of the upper half: everything), and the view, EL0
 * or EL1 with or without PAN. Contexts are numbers handed out in order, so forgetting an ASID, or
 * everything, is taking a new number; when they run out the arrays are wiped.
 *
 *   63                    12 11         2 1    0
 *   | virtual page           | context    | view |
 *
 * What needs a look at each access (devices, memory while alignment is enforced) has no entry that
 * the inline path of mmu.h would find.
 */
#pragma once

#include "base/err.h"
#include "cpu/cpu.h"

#define TLB_PAGE_SHIFT 12
#define TLB_PAGE_MASK  (~low_mask(TLB_PAGE_SHIFT))
#define TLB_SIZE       2048
#define TLB_FETCH_SIZE 512
#define TLB_VICTIMS    8
#define TLB_ASIDS      256 /* ASIDs that are remembered, by their low bits */
#define TLB_CONTEXTS   1024
#define TLB_TAG_NONE   0     /* an empty entry: context 0 is never handed out */
#define TLB_KEY_NONE   0xfff /* finds nothing: nor is view 3 */
#define TLB_BIG_BITS   1024
#define TLB_BIG_SHIFT  21

enum tlb_view { TLB_EL0, TLB_EL1, TLB_EL1_PAN };

struct tlb_entry {
    uint64_t tag_r, tag_w;
    uint64_t addend; /* host address = virtual address + addend */
    uint64_t meta;   /* guest-physical page; log2 of the mapping's size in the low bits */
};

struct tlb_fetch {
    uint64_t tag;
    struct code_page *page;
    uint64_t shift; /* log2 of the mapping's size */
};

struct tlb {
    uint64_t key[2];   /* low 12 bits of the tags now, by half; finds nothing where a look is due */
    uint64_t base[2];  /* the same for EL0, without that exception */
    uint64_t user_key; /* key[0] of an access as EL0 would do it */
    unsigned wraps;    /* how often contexts were handed out anew */
    struct tlb_entry data[TLB_SIZE];
    struct tlb_fetch fetch[TLB_FETCH_SIZE];
    struct tlb_entry victim[TLB_VICTIMS]; /* that had to give way, the oldest at next_victim */
    unsigned next_victim;

    uint16_t next;                       /* context to hand out next */
    uint16_t upper;                      /* the upper half's, 0: none yet */
    uint16_t off;                        /* the MMU-off regime's */
    _Atomic uint32_t context[TLB_ASIDS]; /* ASID << 16 | its context; 0: none */
    _Atomic bool lower_global;           /* there may be entries of every ASID in the lower half */
    uint16_t current;                    /* ASID in force */
    bool upper_not_global;           /* the upper half's context holds entries of `current` alone */
    bool huge;                       /* there may be entries of mappings above 2 MiB */
    uint64_t big[TLB_BIG_BITS / 64]; /* 2 MiB pieces of address space that hold entries of mappings
                                        above 4 KiB, by hash */
};

/* In memory that is all zeros. */
void tlb_init(struct tlb *tlb);

/* Choose the contexts of a regime; then the keys have to be set anew. */
void tlb_select(struct tlb *tlb, bool mmu_on, uint16_t asid);

/* Set the keys for who is looking. strict: no access may take the inline path. */
static inline void tlb_set_view(struct tlb *tlb, enum tlb_view view, bool strict)
{
    tlb->key[0] = strict ? TLB_KEY_NONE : tlb->base[0] | view;
    tlb->key[1] = strict ? TLB_KEY_NONE : tlb->base[1] | view;
    tlb->user_key = strict ? TLB_KEY_NONE : tlb->base[0] | TLB_EL0;
}

/* An entry for va (untagged) is about to be made from a mapping of 1 << shift bytes. */
void tlb_note(struct tlb *tlb, gva_t va, unsigned shift, bool global);

/* May it hold entries that maintenance for this ASID has to reach? Any thread: an ASID is announced
 * before the first walk for it, see broadcast.h. */
bool tlb_has_asid(struct tlb *tlb, uint16_t asid);

/* An entry of every ASID in the lower half is about to be made. Returns true when that was not
 * known: then the walk has to be done again, since maintenance may not have been sent here. */
bool tlb_announce_global(struct tlb *tlb);

/* After the first two, select again. */
void tlb_flush_all(struct tlb *tlb);
void tlb_flush_asid(struct tlb *tlb, uint16_t asid);
bool tlb_flush_va(struct tlb *tlb, gva_t va); /* true: more than the page of va may be gone */
void tlb_flush_writable(struct tlb *tlb);

static inline struct tlb_entry *tlb_slot(struct tlb *tlb, gva_t va)
{
    return &tlb->data[va >> TLB_PAGE_SHIFT & (TLB_SIZE - 1)];
}

static inline struct tlb_fetch *tlb_fetch_slot(struct tlb *tlb, gva_t va)
{
    return &tlb->fetch[va >> TLB_PAGE_SHIFT & (TLB_FETCH_SIZE - 1)];
}

/* A slot is about to be filled for another page: what it had is kept for a while. */
static inline void tlb_give_way(struct tlb *tlb, const struct tlb_entry *entry)
{
    tlb->victim[tlb->next_victim++ % TLB_VICTIMS] = *entry;
}

/* Bring an entry back that had to give way; the one in its place goes where that was. False: there
 * is none with this tag. */
bool tlb_recall(struct tlb *tlb, gva_t va, uint64_t tag, bool write);

/* The tag of an access to [va, va + size) under a key: no entry for va's own page has it when the
 * access runs into the next page. */
static inline uint64_t tlb_tag(gva_t va, unsigned size, uint64_t key)
{
    return ((va + size - 1) & TLB_PAGE_MASK) | key;
}
