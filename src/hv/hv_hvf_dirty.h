/*
 * Which pages of a region the guest may write, and has written, while its writes are tracked.
 *
 * The first write to a page faults; the page is then granted: writable, and dirty. At the end of a
 * round every granted page is reported, and taken back, so that it faults again in the next one.
 *
 * A fault costs as much as copying a page. A page that was granted in HOT_ROUNDS rounds in a row is
 * hot: it stays granted, and is reported as dirty whether or not it was written, for HOT_STAY
 * rounds; then it is taken back like any other, and is hot again when it faults in the next round.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

#define HV_HVF_DIRTY_HOT_ROUNDS 4
#define HV_HVF_DIRTY_HOT_STAY   16

struct hv_hvf_dirty {
    uint64_t pages;
    uint64_t *granted, *before; /* one bit a page: in this round, and in the last */
    uint8_t *streak;            /* rounds in a row; of pages that are in `before` */
};

/* Nothing is granted. -ENOMEM when there is no memory; fini takes a zeroed one, too. */
MUST_CHECK int hv_hvf_dirty_init(struct hv_hvf_dirty *dirty, uint64_t pages, struct err *err);
void hv_hvf_dirty_fini(struct hv_hvf_dirty *dirty);

/* The guest writes to a page. False: it was granted before. */
bool hv_hvf_dirty_grant(struct hv_hvf_dirty *dirty, uint64_t page);

/* Pages lose their grant, as when their protection changes from outside. */
void hv_hvf_dirty_revoke(struct hv_hvf_dirty *dirty, uint64_t first, uint64_t count);

/* Runs of pages; rearm returns 0 or -errno, which ends the round. */
struct hv_hvf_dirty_ops {
    void (*report)(void *ctx, uint64_t first, uint64_t count);
    int (*rearm)(void *ctx, uint64_t first, uint64_t count, struct err *err);
};

/* End a round. After an error the pages that were not reached are still granted. */
MUST_CHECK int hv_hvf_dirty_round(struct hv_hvf_dirty *dirty, const struct hv_hvf_dirty_ops *ops,
                                  void *ctx, struct err *err);
