/* Ranges to discard, or to make zeros. Nothing is done unless all of a request are right. */
#include "dev/virtio/blk_range.h"

#include "base/log.h"

#define BLK_RANGE       16 /* bytes */
#define BLK_RANGE_UNMAP BIT(0)

bool blk_range_ok(const struct disk *disk, uint64_t sector, uint64_t len)
{
    uint64_t sectors = disk_sectors(disk);

    return len % DISK_SECTOR == 0 && sector <= sectors && len / DISK_SECTOR <= sectors - sector;
}

uint8_t blk_range_parse(const struct disk *disk, bool zeroes, struct span *out,
                        struct blk_range *ret, unsigned *ret_count)
{
    unsigned count = (unsigned)(out->len / BLK_RANGE), count_max = zeroes ? 1 : BLK_RANGES_MAX;
    uint64_t max = zeroes ? BLK_ZEROES_MAX : BLK_DISCARD_MAX;

    if (out->len % BLK_RANGE || !count || count > count_max) {
        log_guest("virtio-blk", "%llu bytes of ranges; 1 to %u ranges of %d are right",
                  (unsigned long long)out->len, count_max, BLK_RANGE);
        return BLK_S_IOERR;
    }
    for (unsigned i = 0; i < count; i++) {
        uint8_t raw[BLK_RANGE];
        uint32_t flags;
        span_read(out, raw, sizeof(raw));
        ret[i].sector = load_le64(raw);
        ret[i].sectors = load_le32(raw + 8);
        flags = load_le32(raw + 12);
        ret[i].unmap = flags & BLK_RANGE_UNMAP;
        /* 5.2.6.2: an unknown flag, and unmap in a discard, are not supported. */
        if (flags & ~(zeroes ? BLK_RANGE_UNMAP : 0)) {
            log_guest("virtio-blk", "flags %#x of a range", flags);
            return BLK_S_UNSUPP;
        }
        if (ret[i].sectors > max ||
            !blk_range_ok(disk, ret[i].sector, (uint64_t)ret[i].sectors * DISK_SECTOR)) {
            log_guest("virtio-blk", "range of %u sectors at %llu: too long, or past the end",
                      ret[i].sectors, (unsigned long long)ret[i].sector);
            return BLK_S_IOERR;
        }
    }
    *ret_count = count;
    return BLK_TO_DO;
}
