/* The ranges of virtio-blk's discard and write-zeroes (virtio 1.2, section 5.2.6): le64 sector,
 * le32 sectors, le32 flags. */
#pragma once

#include "block/disk.h"
#include "dev/virtio/span.h"

#define BLK_RANGES_MAX 32

/* Sectors of a range. A hole of 1 GiB is made in an instant; 16 MiB of zeros may have to be
 * written. */
#define BLK_DISCARD_MAX (GIB / DISK_SECTOR)
#define BLK_ZEROES_MAX  (16 * MIB / DISK_SECTOR)

/* A request's status; the last is none: there is something to do first. */
enum { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2, BLK_TO_DO = 255 };

struct blk_range {
    uint64_t sector;
    uint32_t sectors;
    bool unmap;
};

/* Whole sectors, within the drive? */
bool blk_range_ok(const struct disk *disk, uint64_t sector, uint64_t len);

/* Read the ranges of a request, up to BLK_RANGES_MAX, and check all of them. Returns BLK_TO_DO, or
 * the status. */
uint8_t blk_range_parse(const struct disk *disk, bool zeroes, struct span *out,
                        struct blk_range *ret, unsigned *ret_count);
