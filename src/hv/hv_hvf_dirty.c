/* Sets of written pages; see the header. Not shared between threads: the caller has a lock. */
#include "hv/hv_hvf_dirty.h"

#include <errno.h>
#include <stdlib.h>

#define HOT_END (HV_HVF_DIRTY_HOT_ROUNDS + HV_HVF_DIRTY_HOT_STAY)

int hv_hvf_dirty_init(struct hv_hvf_dirty *dirty, uint64_t pages, struct err *err)
{
    size_t words = (size_t)((pages + 63) / 64);

    *dirty = (struct hv_hvf_dirty){
        .pages = pages,
        .granted = calloc(words, sizeof(uint64_t)),
        .before = calloc(words, sizeof(uint64_t)),
        .streak = calloc((size_t)pages, 1),
    };
    if (dirty->granted && dirty->before && dirty->streak)
        return 0;
    hv_hvf_dirty_fini(dirty);
    return err_set(err, ENOMEM, "tracking of dirty pages: out of memory");
}

void hv_hvf_dirty_fini(struct hv_hvf_dirty *dirty)
{
    free(dirty->granted);
    free(dirty->before);
    free(dirty->streak);
    *dirty = (struct hv_hvf_dirty){ 0 };
}

bool hv_hvf_dirty_grant(struct hv_hvf_dirty *dirty, uint64_t page)
{
    uint64_t *word = &dirty->granted[page / 64];
    bool fresh = !(*word & BIT(page % 64));

    *word |= BIT(page % 64);
    return fresh;
}

void hv_hvf_dirty_revoke(struct hv_hvf_dirty *dirty, uint64_t first, uint64_t count)
{
    for (uint64_t page = first; page < first + count; page++)
        dirty->granted[page / 64] &= ~BIT(page % 64);
}

/* A granted page at the end of a round: does it stay granted? */
static bool stays(struct hv_hvf_dirty *dirty, uint64_t page)
{
    bool in_a_row = dirty->before[page / 64] & BIT(page % 64);
    uint8_t *streak = &dirty->streak[page];

    *streak = in_a_row ? *streak + 1 : 1;
    if (*streak < HV_HVF_DIRTY_HOT_ROUNDS)
        return false;
    if (*streak < HOT_END)
        return true;
    *streak = HV_HVF_DIRTY_HOT_ROUNDS - 1; /* one more fault, and it is hot again */
    return false;
}

/* The next run of set bits of a word from bit `from` on; false at its end. */
static bool next_run(uint64_t word, unsigned from, unsigned *ret_first, unsigned *ret_count)
{
    uint64_t rest = from < 64 ? word & ~low_mask(from) : 0, run;

    if (!rest)
        return false;
    *ret_first = (unsigned)__builtin_ctzll(rest);
    run = ~(rest >> *ret_first);
    *ret_count = run ? (unsigned)__builtin_ctzll(run) : 64 - *ret_first;
    return true;
}

int hv_hvf_dirty_round(struct hv_hvf_dirty *dirty, const struct hv_hvf_dirty_ops *ops, void *ctx,
                       struct err *err)
{
    for (uint64_t w = 0; w < (dirty->pages + 63) / 64; w++) {
        uint64_t granted = dirty->granted[w], keep = 0;
        unsigned first, count = 0;

        for (unsigned from = 0; next_run(granted, from, &first, &count); from = first + count)
            ops->report(ctx, 64 * w + first, count);
        for (uint64_t word = granted; word; word &= word - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(word);
            if (stays(dirty, 64 * w + bit))
                keep |= BIT(bit);
        }
        dirty->before[w] = granted;
        for (unsigned from = 0; next_run(granted & ~keep, from, &first, &count);
             from = first + count) {
            int rc = ops->rearm(ctx, 64 * w + first, count, err);
            if (rc < 0)
                return rc;
            hv_hvf_dirty_revoke(dirty, 64 * w + first, count);
        }
    }
    return 0;
}
