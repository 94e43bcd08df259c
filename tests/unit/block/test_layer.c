/* Layers: against a model in memory, killed at random, damaged in every field, on a failing host.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "block/disk_layer.h"
#include "block/layer_file.h"

#define CLUSTERS 6
/* The last cluster is short. */
#define BYTES (5 * LAYER_CLUSTER + 7 * DISK_SECTOR)
#define DATA  (LAYER_MAP_OFF + 16 * KIB)

/*
 * The host's calls, in place of the C library's. `calls` counts those that change a file; the one
 * that brings it to `fail_at` fails with fail_errno, and so do `fail_more` after it.
 */
static unsigned calls, fail_at, fail_more;
static int fail_errno;
static int order[64]; /* what came: 'w', 's' */
static unsigned ordered;

static bool host_fails(int kind)
{
    if (ordered < ARRAY_LEN(order))
        order[ordered++] = kind;
    calls++;
    if (!fail_at || calls < fail_at || calls > fail_at + fail_more)
        return false;
    errno = fail_errno;
    return true;
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
    ssize_t sum = 0;

    if (host_fails('w'))
        return -1;
    for (int i = 0; i < count; i++) {
        ssize_t done = pwrite(fd, iov[i].iov_base, iov[i].iov_len, off + sum);
        if (done < 0)
            return sum ? sum : -1;
        sum += done;
        if ((size_t)done < iov[i].iov_len)
            break;
    }
    return sum;
}

int fdatasync(int fd)
{
    return host_fails('s') ? -1 : 0;
}

static void host_heals(void)
{
    calls = fail_at = fail_more = ordered = 0;
}

static void host_breaks(unsigned at, unsigned more, int code)
{
    host_heals();
    fail_at = at;
    fail_more = more;
    fail_errno = code;
}

struct rig {
    char base_path[64], layer_path[64];
    int base_fd, layer_fd;
    uint8_t base[BYTES];
    uint64_t base_sum;
};

static int make_file(char path[64])
{
    int fd;

    snprintf(path, 64, "%s/ignition-layer-XXXXXX", P_tmpdir);
    fd = mkstemp(path);
    assert_true(fd >= 0);
    return fd;
}

static uint64_t file_sum(int fd)
{
    static uint8_t all[BYTES];

    assert_int_equal(pread(fd, all, sizeof(all), 0), sizeof(all));
    return XXH3_64bits(all, sizeof(all));
}

static struct disk *open_base(struct rig *rig, bool read_only)
{
    struct disk *disk = NULL;
    struct err err;

    if (disk_open_fd(rig->base_fd, "base", read_only, &disk, &err) < 0)
        fail_msg("%s", err.msg);
    return disk;
}

static struct disk *open_layer(struct rig *rig)
{
    struct disk *base = open_base(rig, true), *disk = NULL;
    struct err err;

    if (disk_layer_open(rig->layer_fd, "layer", false, base, &disk, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(disk_sectors(disk), BYTES / DISK_SECTOR);
    return disk;
}

static void create_layer(struct rig *rig)
{
    struct disk *base = open_base(rig, true);
    struct err err;

    if (disk_layer_create(rig->layer_fd, "layer", base, rig->base_path, &err) < 0)
        fail_msg("%s", err.msg);
    disk_close(base);
}

static struct rig *rig_create(void)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    host_heals();
    rig->base_fd = make_file(rig->base_path);
    rig->layer_fd = make_file(rig->layer_path);
    for (size_t i = 0; i < BYTES; i++)
        rig->base[i] = (uint8_t)(i / DISK_SECTOR * 7 + i);
    assert_int_equal(pwrite(rig->base_fd, rig->base, BYTES, 0), BYTES);
    rig->base_sum = file_sum(rig->base_fd);
    create_layer(rig);
    return rig;
}

static void rig_destroy(struct rig *rig)
{
    host_heals();
    close(rig->base_fd);
    close(rig->layer_fd);
    unlink(rig->base_path);
    unlink(rig->layer_path);
    free(rig);
}

static int write_at(struct disk *disk, const void *buf, size_t len, uint64_t off)
{
    struct iovec iov = { (void *)(uintptr_t)buf, len };

    return disk_writev(disk, &iov, 1, off);
}

static int fill_at(struct disk *disk, int byte, size_t len, uint64_t off)
{
    static uint8_t buf[BYTES];

    memset(buf, byte, len);
    return write_at(disk, buf, len, off);
}

static void assert_content(struct disk *disk, const uint8_t *want)
{
    static uint8_t got[BYTES];
    struct iovec iov[] = { { got, 1000 }, { got + 1000, BYTES - 1000 } };

    assert_int_equal(disk_readv(disk, iov, 2, 0), 0);
    for (size_t i = 0; i < BYTES; i++)
        if (got[i] != want[i])
            fail_msg("byte %zu is %#x, not %#x", i, got[i], want[i]);
}

static struct disk_layer_info info_of(struct rig *rig)
{
    struct disk_layer_info info;
    struct err err;

    if (disk_layer_info(rig->layer_fd, "layer", &info, &err) < 0)
        fail_msg("%s", err.msg);
    return info;
}

static void test_a_fresh_layer_is_its_base(void **state)
{
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig);
    struct disk_layer_info info = info_of(rig);

    assert_content(disk, rig->base);
    assert_int_equal(info.clusters, CLUSTERS);
    assert_int_equal(info.here + info.zero, 0);
    assert_string_equal(info.base, rig->base_path);
    disk_close(disk);
    rig_destroy(rig);
}

/* Random operations and reopenings; after a reopening in order nothing is missing. */
static void test_against_a_model(void **state)
{
    static uint8_t model[BYTES], buf[BYTES];
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig);
    unsigned seed = 4711;

    memcpy(model, rig->base, BYTES);
    for (unsigned n = 0; n < 3000; n++) {
        uint64_t off = (uint64_t)rand_r(&seed) % (BYTES / 512) * 512;
        uint64_t len = (1 + (uint64_t)rand_r(&seed) % ((BYTES - off) / 512)) * 512;
        unsigned what = (unsigned)rand_r(&seed) % 10;

        if (rand_r(&seed) % 3 == 0) /* along clusters */
            off = align_down(off, LAYER_CLUSTER);
        if (rand_r(&seed) % 2 && len > 4096)
            len = 4096;
        if (what < 4) {
            struct iovec iov[3] = { { buf, len / 3 },
                                    { NULL, 0 },
                                    { buf + len / 3, len - len / 3 } };
            memset(buf, (int)n, len);
            assert_int_equal(disk_writev(disk, iov, 3, off), 0);
            memcpy(model + off, buf, len);
        } else if (what < 6) {
            assert_int_equal(disk_discard(disk, off, len), 0);
            memset(model + off, 0, len);
        } else if (what == 6) {
            assert_int_equal(disk_write_zeroes(disk, off, len, rand_r(&seed) & 1), 0);
            memset(model + off, 0, len);
        } else if (what == 7) {
            assert_int_equal(disk_flush(disk), 0);
        } else if (what == 8) {
            struct iovec iov = { buf, len };
            assert_int_equal(disk_readv(disk, &iov, 1, off), 0);
            assert_memory_equal(buf, model + off, len);
        } else {
            disk_close(disk);
            disk = open_layer(rig);
        }
        if (n % 16 == 0)
            assert_content(disk, model);
    }
    assert_content(disk, model);
    disk_close(disk);
    assert_int_equal(file_sum(rig->base_fd), rig->base_sum);
    rig_destroy(rig);
}

static void test_bounds_and_read_only(void **state)
{
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig), *base;
    struct err err;

    assert_int_equal(fill_at(disk, 1, 513, BYTES - 512), -EINVAL);
    assert_int_equal(disk_discard(disk, BYTES, 1), -EINVAL);
    assert_int_equal(disk_discard(disk, UINT64_MAX, 512), -EINVAL);
    assert_int_equal(disk_write_zeroes(disk, 512, UINT64_MAX, true), -EINVAL);
    assert_int_equal(disk_discard(disk, BYTES, 0), 0);
    assert_int_equal(fill_at(disk, 0xaa, 512, 0), 0);
    disk_close(disk);
    base = open_base(rig, true);
    assert_int_equal(disk_layer_open(rig->layer_fd, "layer", true, base, &disk, &err), 0);
    assert_true(disk_read_only(disk));
    assert_int_equal(fill_at(disk, 1, 512, 0), -EROFS);
    assert_int_equal(disk_discard(disk, 0, 512), -EROFS);
    assert_int_equal(disk_write_zeroes(disk, 0, 512, true), -EROFS);
    memset(rig->base, 0xaa, 512);
    assert_content(disk, rig->base);
    disk_close(disk);
    rig_destroy(rig);
}

/* The map reaches the file after the data, and only on a flush. */
static void test_data_before_map(void **state)
{
    static const int want[] = { 's', 'w', 's' };
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig);

    assert_int_equal(fill_at(disk, 1, LAYER_CLUSTER, 0), 0);
    assert_int_equal(fill_at(disk, 2, 512, 3 * LAYER_CLUSTER), 0);
    assert_int_equal(disk_discard(disk, LAYER_CLUSTER, LAYER_CLUSTER), 0);
    assert_int_equal(info_of(rig).here + info_of(rig).zero, 0);
    host_heals();
    assert_int_equal(disk_flush(disk), 0);
    assert_int_equal(ordered, 3);
    assert_memory_equal(order, want, sizeof(want));
    assert_int_equal(info_of(rig).here, 2);
    assert_int_equal(info_of(rig).zero, 1);
    host_heals();
    assert_int_equal(disk_flush(disk), 0); /* nothing about the map */
    assert_int_equal(ordered, 1);
    disk_close(disk);
    rig_destroy(rig);
}

/* Discarded clusters give their space back. */
static void test_discard_frees(void **state)
{
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig);
    struct stat full, after;

    assert_int_equal(fill_at(disk, 1, 5 * LAYER_CLUSTER, 0), 0);
    assert_int_equal(fsync(rig->layer_fd), 0);
    assert_int_equal(fstat(rig->layer_fd, &full), 0);
    assert_int_equal(disk_discard(disk, LAYER_CLUSTER, 3 * LAYER_CLUSTER), 0);
    assert_int_equal(fstat(rig->layer_fd, &after), 0);
    assert_int_equal(full.st_blocks - after.st_blocks, 3 * LAYER_CLUSTER / 512);
    assert_int_equal(after.st_size, full.st_size);
    disk_close(disk);
    rig_destroy(rig);
}

static void test_a_layer_over_a_layer(void **state)
{
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig), *top = NULL;
    static uint8_t want[BYTES];
    char path[64];
    int fd = make_file(path);
    struct err err;

    memcpy(want, rig->base, BYTES);
    assert_int_equal(fill_at(disk, 'a', 3000 / 512 * 512, 1024), 0);
    memset(want + 1024, 'a', 3000 / 512 * 512);
    assert_int_equal(disk_discard(disk, 2 * LAYER_CLUSTER, LAYER_CLUSTER), 0);
    memset(want + 2 * LAYER_CLUSTER, 0, LAYER_CLUSTER);
    disk_close(disk);

    disk = NULL;
    assert_int_equal(
        disk_layer_open(rig->layer_fd, "layer", true, open_base(rig, true), &disk, &err), 0);
    assert_int_equal(disk_layer_create(fd, "top", disk, NULL, &err), 0);
    assert_int_equal(disk_layer_open(fd, "top", false, disk, &top, &err), 0);
    assert_content(top, want);
    assert_int_equal(fill_at(top, 'b', 512, 2 * LAYER_CLUSTER + 512), 0);
    memset(want + 2 * LAYER_CLUSTER + 512, 'b', 512);
    assert_int_equal(fill_at(top, 'c', 512, 0), 0);
    memset(want, 'c', 512);
    assert_content(top, want);
    disk_close(top); /* and with it all below */

    /* The top knows the layer from the base. */
    disk = open_base(rig, true);
    assert_int_equal(disk_layer_open(fd, "top", false, disk, &top, &err), -EINVAL);
    disk_close(disk);
    assert_int_equal(file_sum(rig->base_fd), rig->base_sum);
    close(fd);
    unlink(path);
    rig_destroy(rig);
}

static void assert_open_fails(struct rig *rig, int code, const char *msg)
{
    struct disk *base = open_base(rig, true), *disk = NULL;
    struct err err;
    int rc = disk_layer_open(rig->layer_fd, "web", false, base, &disk, &err);

    assert_null(disk);
    assert_err(rc, code, err, msg);
    disk_close(base);
}

/* Change the header, with a checksum that is right again. */
static void poke(struct rig *rig, unsigned off, const void *bytes, size_t len)
{
    uint8_t head[4096];

    assert_int_equal(pread(rig->layer_fd, head, sizeof(head), 0), sizeof(head));
    memcpy(head + off, bytes, len);
    store_le64(head + 504, 0);
    store_le64(head + 504, XXH3_64bits(head, sizeof(head)));
    assert_int_equal(pwrite(rig->layer_fd, head, sizeof(head), 0), sizeof(head));
}

static void test_damaged_headers(void **state)
{
    static const char odd[] = "layer web: the header contradicts itself; take another copy";
    static const struct {
        unsigned off, len;
        uint64_t val;
        const char *msg;
    } rows[] = {
        { 0, 1, 'x', "layer web: not a layer of ignition; check the path" },
        { 8, 4, 2, "layer web: format version 2, this program knows up to 1; use a newer one" },
        { 8, 4, 0, "layer web: format version 0, this program knows up to 1; use a newer one" },
        { 12, 4, 0, odd },
        { 12, 4, 4096, odd },
        { 16, 8, 0, odd },
        { 16, 8, 513, odd },
        { 16, 8, UINT64_MAX, odd },
        { 16, 8, UINT64_MAX - 511, odd },
        { 16, 8, UINT64_C(1) << 45, odd },
        { 16, 8, BYTES + 512, odd }, /* no longer the base's size */
        { 24, 8, 0, odd },
        { 24, 8, UINT64_MAX, odd },
        { 32, 8, 0, odd },
        { 32, 8, UINT64_MAX, odd },
        { 40, 8, BYTES + 512, odd },
        { 48, 8, 1,
          "layer web: made over another base, or the base has changed since; give the one it was "
          "made over" },
        { 56, 8, 1, "layer web: its commit was interrupted; run ignition disk commit again" },
        { 56, 8, 2, odd },
        { 4095, 1, 'x', odd },
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig *rig = rig_create();
        uint8_t val[8];
        store_le64(val, rows[i].val);
        poke(rig, rows[i].off, val, rows[i].len);
        assert_open_fails(rig, EINVAL, rows[i].msg);
        rig_destroy(rig);
    }
}

static void test_damaged_files(void **state)
{
    static const uint8_t zeros[4096];
    struct rig *rig = rig_create();

    assert_int_equal(pwrite(rig->layer_fd, "x", 1, 300), 1);
    assert_open_fails(rig, EINVAL,
                      "layer web: the header is damaged (checksum); take a copy that is whole");
    assert_int_equal(pwrite(rig->layer_fd, zeros, 4096, 0), 4096);
    assert_open_fails(rig, EINVAL,
                      "layer web: its creation was interrupted; it holds nothing, delete it");
    rig_destroy(rig);

    rig = rig_create(); /* garbage in the map: inside, and behind the last cluster */
    assert_int_equal(pwrite(rig->layer_fd, "\x30", 1, LAYER_MAP_OFF), 1);
    assert_open_fails(rig, EINVAL, "layer web: the map is damaged at cluster 2; take another copy");
    assert_int_equal(pwrite(rig->layer_fd, "\0\x10", 2, LAYER_MAP_OFF), 2);
    assert_open_fails(rig, EINVAL, "layer web: the map is damaged at cluster 6; take another copy");
    rig_destroy(rig);

    static const off_t cuts[] = { DATA + BYTES - 1,  DATA + LAYER_CLUSTER, DATA,
                                  LAYER_MAP_OFF + 1, LAYER_MAP_OFF,        4096 };
    rig = rig_create();
    for (unsigned i = 0; i < ARRAY_LEN(cuts); i++) {
        char msg[128];
        assert_int_equal(ftruncate(rig->layer_fd, cuts[i]), 0);
        snprintf(msg, sizeof(msg),
                 "layer web: cut off: %lld bytes of %llu; take a copy that is whole",
                 (long long)cuts[i], (unsigned long long)(DATA + BYTES));
        assert_open_fails(rig, EINVAL, msg);
    }
    assert_int_equal(ftruncate(rig->layer_fd, 4095), 0);
    assert_open_fails(rig, EINVAL, "layer web: 4095 bytes are too few for a layer; check the path");
    assert_int_equal(ftruncate(rig->layer_fd, 0), 0);
    assert_open_fails(rig, EINVAL, "layer web: 0 bytes are too few for a layer; check the path");
    rig_destroy(rig);
}

static void test_a_wrong_or_changed_base(void **state)
{
    static const char other[] = "layer web: made over another base, or the base has changed since; "
                                "give the one it was made over";
    /* The first 64 KiB, the last 4 KiB, and one of the places between. */
    static const off_t at[] = { 1080, 65535, BYTES - 1, 4 * LAYER_CLUSTER };
    struct rig *rig = rig_create();
    char msg[160];

    for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
        uint8_t byte = (uint8_t)(rig->base[at[i]] + 1);
        assert_int_equal(pwrite(rig->base_fd, &byte, 1, at[i]), 1);
        assert_open_fails(rig, EINVAL, other);
        assert_int_equal(pwrite(rig->base_fd, &rig->base[at[i]], 1, at[i]), 1);
    }
    disk_close(open_layer(rig));
    assert_int_equal(ftruncate(rig->base_fd, BYTES + 512), 0);
    snprintf(msg, sizeof(msg),
             "layer web: made over a base of %llu bytes, this one has %llu; give its own",
             (unsigned long long)BYTES, (unsigned long long)BYTES + 512);
    assert_open_fails(rig, EINVAL, msg);
    rig_destroy(rig);
}

static void test_one_user(void **state)
{
    struct rig *rig = rig_create();
    int layer2 = open(rig->layer_path, O_RDWR), base2 = open(rig->base_path, O_RDWR);
    int ro = open(rig->layer_path, O_RDONLY);
    struct disk *disk = open_layer(rig), *base = NULL, *other = NULL;
    struct err err;
    int rc;

    assert_int_equal(disk_open_fd(base2, "base", true, &base, &err), 0);
    rc = disk_layer_open(layer2, "web", false, base, &other, &err);
    assert_err(rc, EBUSY, err, "layer web: in use by another machine; give each machine its own");
    rc = disk_layer_open(layer2, "web", true, base, &other, &err);
    assert_int_equal(rc, -EBUSY);
    rc = disk_layer_create(layer2, "web", base, NULL, &err);
    assert_int_equal(rc, -EBUSY);
    disk_close(base);
    rc = disk_open_fd(base2, "base", false, &base, &err); /* the layer reads it */
    assert_int_equal(rc, -EBUSY);
    disk_close(disk);
    assert_int_equal(disk_open_fd(base2, "base", false, &base, &err), 0);
    rc = disk_open_fd(rig->base_fd, "base", true, &other, &err);
    assert_int_equal(rc, -EBUSY);
    rc = disk_layer_create(layer2, "web", base, NULL, &err);
    assert_err(rc, EEXIST, err, "layer web: not empty; choose another name");
    rc = disk_layer_open(ro, "web", false, base, &other, &err);
    assert_err(rc, EROFS, err, "layer web: not open for writing; attach it read-only (,ro)");
    assert_int_equal(disk_layer_open(ro, "web", true, base, &other, &err), 0);
    disk_close(other);
    close(ro);
    close(layer2);
    close(base2);
    rig_destroy(rig);
}

/* ENOSPC: the write fails, what was there stays readable, and later writes work again. */
static void test_a_full_file_system(void **state)
{
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig);
    static uint8_t want[BYTES];

    memcpy(want, rig->base, BYTES);
    assert_int_equal(fill_at(disk, 1, 512, 512), 0);
    memset(want + 512, 1, 512);
    assert_int_equal(disk_flush(disk), 0);
    host_breaks(1, 3, ENOSPC);
    assert_int_equal(fill_at(disk, 2, 512, 2 * LAYER_CLUSTER), -ENOSPC);
    assert_int_equal(fill_at(disk, 2, LAYER_CLUSTER, 3 * LAYER_CLUSTER), -ENOSPC);
    assert_int_equal(disk_write_zeroes(disk, 4 * LAYER_CLUSTER, 512, false), -ENOSPC);
    assert_int_equal(fill_at(disk, 2, 512, 512), -ENOSPC);
    host_heals();
    assert_content(disk, want);
    assert_int_equal(fill_at(disk, 3, 512, 2 * LAYER_CLUSTER), 0);
    memset(want + 2 * LAYER_CLUSTER, 3, 512);
    host_breaks(2, 0, ENOSPC); /* the map */
    assert_int_equal(disk_flush(disk), -ENOSPC);
    host_heals();
    assert_int_equal(disk_flush(disk), 0);
    disk_close(disk);
    disk = open_layer(rig);
    assert_content(disk, want);
    disk_close(disk);
    rig_destroy(rig);
}

/* A flush that failed, of the data or of the map: no later one may say that all is well. */
static void test_a_failed_flush_stays_failed(void **state)
{
    static const unsigned at[] = { 1, 3 };

    for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
        struct rig *rig = rig_create();
        struct disk *disk = open_layer(rig);
        assert_int_equal(fill_at(disk, 1, 512, 0), 0);
        assert_int_equal(disk_flush(disk), 0);
        assert_int_equal(fill_at(disk, 2, LAYER_CLUSTER, LAYER_CLUSTER), 0);
        host_breaks(at[i], 0, EIO);
        assert_int_equal(disk_flush(disk), -EIO);
        host_heals();
        assert_int_equal(disk_flush(disk), -EIO);
        assert_int_equal(fill_at(disk, 3, 512, 0), -EIO);
        assert_int_equal(disk_discard(disk, 0, 512), -EIO);
        assert_int_equal(ordered, 0);
        disk_close(disk);
        disk = open_layer(rig);
        memset(rig->base, 1, 512);
        if (at[i] == 3) /* the map was written, if not flushed */
            memset(rig->base + LAYER_CLUSTER, 2, LAYER_CLUSTER);
        assert_content(disk, rig->base);
        disk_close(disk);
        rig_destroy(rig);
    }
}

static void test_a_parent_that_fails(void **state)
{
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig);
    uint8_t buf[512];
    struct iovec iov = { buf, 512 };

    assert_int_equal(fill_at(disk, 1, LAYER_CLUSTER, LAYER_CLUSTER), 0);
    assert_int_equal(ftruncate(rig->base_fd, 512), 0);
    assert_int_equal(disk_readv(disk, &iov, 1, 4 * LAYER_CLUSTER), -EIO);
    assert_int_equal(fill_at(disk, 1, 512, 4 * LAYER_CLUSTER), -EIO);
    assert_int_equal(disk_readv(disk, &iov, 1, LAYER_CLUSTER), 0);
    assert_int_equal(disk_flush(disk), 0);
    assert_int_equal(info_of(rig).here, 1);
    disk_close(disk);
    rig_destroy(rig);
}

/* Creation fails at every one of its steps: an error, and no layer. */
static void test_creation_on_a_failing_host(void **state)
{
    unsigned at = 1;
    int rc = -1;

    for (; rc < 0; at++) {
        struct rig *rig = rig_create();
        struct disk *base = open_base(rig, true), *disk = NULL;
        struct err err;
        assert_int_equal(ftruncate(rig->layer_fd, 0), 0);
        host_breaks(at, 100, ENOSPC);
        rc = disk_layer_create(rig->layer_fd, "web", base, NULL, &err);
        if (rc < 0)
            assert_err(rc, ENOSPC, err,
                       "layer web: write it: No space left on device; free space on its file "
                       "system");
        if (rc < 0 && at < 3) /* the flush of the header comes when it is written */
            assert_int_equal(disk_layer_open(rig->layer_fd, "web", false, base, &disk, &err),
                             -EINVAL);
        disk_close(base);
        rig_destroy(rig);
    }
    assert_true(at > 3);
}

/* What a sector of the killed writer holds: its number in the file, and the generation. */
static void stamp(uint8_t *sector, uint32_t n, uint32_t generation)
{
    for (unsigned i = 0; i < 64; i++)
        store_le64(sector + 8 * i, (uint64_t)n << 32 | generation);
}

#define STORM_SECTORS (BYTES / 512)

/* Write each sector in a scattered order with rising generations; tell each flush. Some sectors are
 * discarded instead: generation g stands there as zeros when (n + g) % 5 is 0, by clusters. */
static void storm(struct rig *rig, int out)
{
    static uint8_t buf[LAYER_CLUSTER];
    struct disk *disk = open_layer(rig);

    for (uint32_t g = 1;; g++) {
        for (uint32_t c = 0; c < CLUSTERS; c++) {
            uint32_t first = (c * 5 + g) % CLUSTERS * 128;
            uint32_t count = STORM_SECTORS - first < 128 ? STORM_SECTORS - first : 128;
            if ((first / 128 + g) % 5 == 0) {
                if (disk_discard(disk, first * 512, count * 512) < 0)
                    _exit(3);
                continue;
            }
            for (uint32_t n = 0; n < count; n++)
                stamp(buf + n * 512, first + n, g);
            /* In two pieces, the second first: a copy up, then in place. */
            if (write_at(disk, buf + 512, (count - 1) * 512, (first + 1) * 512) < 0 ||
                write_at(disk, buf, 512, first * 512) < 0)
                _exit(3);
        }
        if (disk_flush(disk) < 0 || write(out, &g, sizeof(g)) != sizeof(g))
            _exit(4);
    }
}

/* Is this sector what generation g left? */
static bool holds(const struct rig *rig, const uint8_t *sector, uint32_t n, uint32_t g)
{
    uint8_t want[512] = { 0 };

    if (g == 0)
        memcpy(want, rig->base + n * 512, 512);
    else if ((n / 128 + g) % 5)
        stamp(want, n, g);
    return !memcmp(sector, want, 512);
}

static void test_killed_at_random(void **state)
{
    static uint8_t got[BYTES];
    unsigned seed = 99;

    for (unsigned round = 0; round < 40; round++) {
        struct rig *rig = rig_create();
        uint32_t flushed = 0, g;
        struct iovec iov = { got, BYTES };
        unsigned wait_for = (unsigned)rand_r(&seed) % 6;
        struct disk *disk;
        int pipes[2], status;
        pid_t pid;

        assert_int_equal(pipe(pipes), 0);
        pid = fork();
        if (pid == 0)
            storm(rig, pipes[1]);
        close(pipes[1]);
        for (unsigned i = 0; i < wait_for; i++)
            assert_int_equal(read(pipes[0], &flushed, sizeof(flushed)), sizeof(flushed));
        /* A random moment of the next generation, without a clock. */
        for (volatile unsigned spin = (unsigned)rand_r(&seed) % 400000; spin; spin--)
            ;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WTERMSIG(status), SIGKILL);
        while (read(pipes[0], &g, sizeof(g)) == sizeof(g))
            flushed = g;
        close(pipes[0]);

        disk = open_layer(rig);
        assert_int_equal(disk_readv(disk, &iov, 1, 0), 0);
        for (uint32_t n = 0; n < STORM_SECTORS; n++)
            if (!holds(rig, got + n * 512, n, flushed) &&
                !holds(rig, got + n * 512, n, flushed + 1) &&
                !holds(rig, got + n * 512, n, flushed + 2))
                fail_msg("round %u, sector %u is none of generations %u to %u", round, n, flushed,
                         flushed + 2);
        disk_close(disk);
        assert_int_equal(file_sum(rig->base_fd), rig->base_sum);
        rig_destroy(rig);
    }
}

static void test_commit(void **state)
{
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig), *base;
    static uint8_t want[BYTES];
    struct err err;

    memcpy(want, rig->base, BYTES);
    assert_int_equal(fill_at(disk, 'x', 1024, LAYER_CLUSTER - 512), 0);
    memset(want + LAYER_CLUSTER - 512, 'x', 1024);
    assert_int_equal(disk_discard(disk, 3 * LAYER_CLUSTER, BYTES - 3 * LAYER_CLUSTER), 0);
    memset(want + 3 * LAYER_CLUSTER, 0, BYTES - 3 * LAYER_CLUSTER);
    disk_close(disk);
    assert_int_equal(info_of(rig).zero, 3); /* the short last one too */

    base = open_base(rig, true);
    assert_err(disk_layer_commit(rig->layer_fd, "web", base, &err), EROFS, err,
               "layer web: its base is not open for writing");
    disk_close(base);
    base = open_base(rig, false);
    assert_int_equal(disk_layer_commit(rig->layer_fd, "web", base, &err), 0);
    assert_content(base, want);
    disk_close(base);
    assert_int_equal(info_of(rig).here + info_of(rig).zero, 0);
    disk = open_layer(rig); /* goes on over its new base */
    assert_content(disk, want);
    disk_close(disk);
    rig_destroy(rig);
}

/* Of the same size, and different where the layer has nothing. */
static void assert_another_base_is_refused(struct rig *rig)
{
    struct disk *base = NULL;
    uint8_t byte = 0x77;
    char path[64];
    int fd = make_file(path);
    struct err err;

    assert_int_equal(pwrite(fd, rig->base, BYTES, 0), BYTES);
    assert_int_equal(pwrite(fd, &byte, 1, 3 * LAYER_CLUSTER + 100), 1);
    /* A sample of 4 KiB lies at every place in so small an image. */
    assert_int_equal(disk_open_fd(fd, "other", false, &base, &err), 0);
    assert_err(disk_layer_commit(rig->layer_fd, "web", base, &err), EINVAL, err,
               "layer web: made over another base, or the base has changed since; give the one it "
               "was made over");
    disk_close(base);
    close(fd);
    unlink(path);
}

/* Whichever step of a commit fails: the layer is refused until it was committed again, or is as it
 * was, or is done; the end is the same. */
static void test_commit_on_a_failing_host(void **state)
{
    static uint8_t want[BYTES];
    unsigned at = 1;
    int rc = -1;

    for (; rc < 0; at++) {
        struct rig *rig = rig_create();
        struct disk *disk = open_layer(rig), *base;
        struct err err;
        memcpy(want, rig->base, BYTES);
        assert_int_equal(fill_at(disk, 'x', 1024, LAYER_CLUSTER - 512), 0);
        memset(want + LAYER_CLUSTER - 512, 'x', 1024);
        assert_int_equal(disk_write_zeroes(disk, 0, 512, false), 0);
        memset(want, 0, 512);
        disk_close(disk);
        base = open_base(rig, false);
        host_breaks(at, 100, EIO);
        rc = disk_layer_commit(rig->layer_fd, "web", base, &err);
        if (rc < 0)
            assert_err(rc, EIO, err,
                       "layer web: commit it: Input/output error; nothing is lost, commit it "
                       "again");
        host_heals();
        assert_another_base_is_refused(rig);
        assert_int_equal(disk_layer_commit(rig->layer_fd, "web", base, &err), 0);
        assert_content(base, want);
        disk_close(base);
        disk = open_layer(rig);
        assert_content(disk, want);
        disk_close(disk);
        rig_destroy(rig);
    }
    assert_true(at > 8);
}

/* A header that was written, and is not known to be on the medium, gets there before anything that
 * stands on it. */
static void test_a_commit_goes_on_from_a_safe_header(void **state)
{
    struct rig *rig = rig_create();
    struct disk *disk = open_layer(rig), *base;
    struct err err;

    assert_int_equal(fill_at(disk, 'x', 2 * LAYER_CLUSTER, 0), 0);
    disk_close(disk);
    base = open_base(rig, false);
    host_breaks(2, 0, EIO); /* the flush of the header */
    assert_int_equal(disk_layer_commit(rig->layer_fd, "web", base, &err), -EIO);
    assert_true(info_of(rig).committing);
    host_heals();
    assert_int_equal(disk_layer_commit(rig->layer_fd, "web", base, &err), 0);
    assert_int_equal(order[0], 'w');
    assert_int_equal(order[1], 's');
    disk_close(base);
    rig_destroy(rig);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fresh_layer_is_its_base),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_bounds_and_read_only),
        cmocka_unit_test(test_data_before_map),
        cmocka_unit_test(test_discard_frees),
        cmocka_unit_test(test_a_layer_over_a_layer),
        cmocka_unit_test(test_damaged_headers),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_a_wrong_or_changed_base),
        cmocka_unit_test(test_one_user),
        cmocka_unit_test(test_a_full_file_system),
        cmocka_unit_test(test_a_failed_flush_stays_failed),
        cmocka_unit_test(test_a_parent_that_fails),
        cmocka_unit_test(test_creation_on_a_failing_host),
        cmocka_unit_test(test_killed_at_random),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_commit_on_a_failing_host),
        cmocka_unit_test(test_a_commit_goes_on_from_a_safe_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
