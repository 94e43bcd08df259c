/*
 * libFuzzer: a layer's file from hostile bytes, over a small parent. The first byte says whether
 * the bytes are the file, or take the place of the map of a sound one, which gets past the checksum
 * of the header. What opens is read, written, discarded and flushed, and must then open again and
 * read the same.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "block/disk_layer.h"

#define BYTES   (200 * KIB)
#define MAP_OFF 16384

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int scratch(void)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0)
        abort();
    return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    log_set_level(LOG_FATAL);
    return 0;
}

static void put(int fd, const void *data, size_t len, off_t off)
{
    if (pwrite(fd, data, len, off) != (ssize_t)len)
        abort();
}

static void use(struct disk *disk, const uint8_t *data, size_t len)
{
    static uint8_t buf[BYTES];
    int rc = 0;

    for (; len >= 4; data += 4, len -= 4) {
        uint64_t off = load_le16(data) % (BYTES / 512) * 512;
        uint64_t bytes = (1 + data[2]) * UINT64_C(512) % (BYTES - off + 1);
        struct iovec iov = { buf, bytes };
        switch (data[3] % 5) {
        case 0:
            rc = disk_writev(disk, &iov, 1, off);
            break;
        case 1:
            rc = disk_readv(disk, &iov, 1, off);
            break;
        case 2:
            rc = disk_discard(disk, off, bytes);
            break;
        case 3:
            rc = disk_write_zeroes(disk, off, bytes, data[3] & 0x80);
            break;
        default:
            rc = disk_flush(disk);
            break;
        }
        if (rc < 0)
            abort();
    }
}

static void read_all(struct disk *disk, uint8_t *buf)
{
    struct iovec iov = { buf, BYTES };

    if (disk_readv(disk, &iov, 1, 0) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t first[BYTES], second[BYTES];
    struct disk *parent = NULL, *disk = NULL;
    int base = scratch(), layer = scratch();
    struct err err = { 0 };

    if (!len || ftruncate(base, BYTES) < 0)
        goto out;
    put(base, "base", 4, 70000);
    if (disk_open_fd(base, "base", true, &parent, &err) < 0)
        abort();
    if (data[0] & 1) {
        if (disk_layer_create(layer, "layer", parent, NULL, &err) < 0)
            abort();
        put(layer, data + 1, len - 1 < 16384 ? len - 1 : 16384, MAP_OFF);
    } else {
        put(layer, data + 1, len - 1, 0);
    }
    if (disk_layer_open(layer, "layer", false, parent, &disk, &err) < 0) {
        if (!err.msg[0])
            abort();
        goto out;
    }
    parent = NULL;
    use(disk, data + 1, len - 1);
    read_all(disk, first);
    if (disk_flush(disk) < 0)
        abort();
    disk_close(disk);
    if (disk_open_fd(base, "base", true, &parent, &err) < 0 ||
        disk_layer_open(layer, "layer", false, parent, &disk, &err) < 0)
        abort();
    parent = NULL;
    read_all(disk, second);
    disk_close(disk);
    if (memcmp(first, second, BYTES) != 0)
        abort();
out:
    disk_close(parent);
    close(base);
    close(layer);
    return 0;
}
