/* Errors of the host, in words. */
#include "dev/virtio/blk_fault.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

#define AGAIN_NS (60 * NS_PER_S)

static const char *const kinds[BLK_KINDS] = {
    [BLK_READ] = "read from",     [BLK_WRITE] = "write to",      [BLK_FLUSH] = "flush",
    [BLK_DISCARD] = "discard of", [BLK_ZERO] = "write zeros to",
};

void blk_fault_tell(struct blk_fault *fault, const struct disk *disk, const char *id, int id_len,
                    enum blk_kind kind, uint64_t off, int rc)
{
    uint64_t now_ns = clock_mono_ns(), bit = BIT(-rc & 63);
    char place[40] = "";

    if (now_ns - fault->since_ns > AGAIN_NS)
        *fault = (struct blk_fault){ .since_ns = now_ns };
    if (fault->told[kind] & bit)
        return;
    fault->told[kind] |= bit;
    if (kind != BLK_FLUSH)
        snprintf(place, sizeof(place), " at byte %llu", (unsigned long long)off);
    if (disk_stuck(disk))
        log_warn(
            "virtio-blk",
            "%.*s: %s %s%s: %s; it keeps what was flushed before, and the guest gets I/O errors: "
            "%s, then start the machine again",
            id_len, id, kinds[kind], disk_name(disk), place, strerror(-rc), disk_way_out(-rc));
    else
        log_warn("virtio-blk", "%.*s: %s %s%s: %s; %s: the guest gets I/O errors until then",
                 id_len, id, kinds[kind], disk_name(disk), place, strerror(-rc), disk_way_out(-rc));
}
