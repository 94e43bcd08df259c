/*
 * What the log hears of a drive that the host fails: one sentence a kind of request and error, and
 * again when it still fails a minute later. A guest may repeat what fails for ever.
 *
 * Threads: one at a time (dev->lock).
 */
#pragma once

#include "block/disk.h"

enum blk_kind { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZERO, BLK_KINDS };

struct blk_fault {
    uint64_t told[BLK_KINDS]; /* bit n: error n is in the log */
    uint64_t since_ns;        /* clock_mono_ns() of the first of them */
};

/* The request at byte `off` failed with rc, a negative errno. id: the drive, up to id_len
 * characters. */
void blk_fault_tell(struct blk_fault *fault, const struct disk *disk, const char *id, int id_len,
                    enum blk_kind kind, uint64_t off, int rc);
