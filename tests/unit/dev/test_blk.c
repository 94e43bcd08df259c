/* virtio-blk on a real image, through the driver's side of the queue. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "dev/virtio/blk.h"
#include "sweep.h"
#include "virtio_driver.h"

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2, S_UNTOUCHED = 0xff };

#define F_SEG_MAX  BIT(2)
#define F_RO       BIT(5)
#define F_BLK_SIZE BIT(6)
#define F_FLUSH    BIT(9)
#define F_DISCARD  BIT(13)
#define F_ZEROES   BIT(14)

#define SECTORS 64
#define HEADER  VD_DATA
#define STATUS  (VD_DATA + 16)
#define BUFFER  (VD_DATA + 0x1000)
#define TABLE   (VD_DATA + 0x80000)

struct rig {
    struct vd vd;
    char path[64];
    int fd;
    struct evloop *loop; /* NULL: inline */
    struct pool *pool;
    struct thread io;
};

static void io_main(void *arg)
{
    evloop_run(arg);
}

static void rig_attach(struct rig *rig, bool read_only)
{
    struct blk_config config = {
        .host = { .mem = rig->vd.mem, .loop = rig->loop, .pool = rig->pool },
        .id = "drive-zero-serial-number"
    };
    struct dev *dev;
    struct err err;

    if (disk_open_fd(rig->fd, "test.img", read_only, &config.disk, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(blk_create(&config, &dev, &err), 0);
    vd_attach(&rig->vd, dev);
}

static void rig_init(struct rig *rig, uint64_t sectors, bool read_only, bool threaded)
{
    struct err err;

    memset(rig, 0, sizeof(*rig));
    vd_mem(&rig->vd);
    snprintf(rig->path, sizeof(rig->path), "%s/ignition-blk-XXXXXX", P_tmpdir);
    rig->fd = mkstemp(rig->path);
    assert_true(rig->fd >= 0);
    assert_int_equal(ftruncate(rig->fd, (off_t)(sectors * DISK_SECTOR)), 0);
    if (threaded) {
        assert_int_equal(evloop_create(&rig->loop, &err), 0);
        assert_int_equal(pool_create("pool", 4, &rig->pool, &err), 0);
    }
    rig_attach(rig, read_only);
    if (threaded)
        assert_int_equal(thread_start(&rig->io, "io", io_main, rig->loop), 0);
}

static void rig_fini(struct rig *rig)
{
    if (rig->loop) {
        evloop_stop(rig->loop);
        thread_join(&rig->io);
    }
    pool_destroy(rig->pool);
    vd_fini(&rig->vd);
    evloop_destroy(rig->loop);
    close(rig->fd);
    unlink(rig->path);
}

static void put_header(struct rig *rig, uint32_t type, uint64_t sector)
{
    uint8_t *header = vd_at(&rig->vd, HEADER);

    store_le32(header, type);
    store_le32(header + 4, 0);
    store_le64(header + 8, sector);
    *vd_at(&rig->vd, STATUS) = S_UNTOUCHED;
}

/* Finish the chain at descriptor 0. Returns the status; *ret_len is the used length. */
static uint8_t run(struct rig *rig, uint32_t *ret_len)
{
    uint32_t head;

    vd_offer(&rig->vd, 0, 0);
    vd_kick(&rig->vd, 0);
    while (!vd_used(&rig->vd, 0, &head, ret_len))
        vd_wait(&rig->vd);
    assert_int_equal(head, 0);
    return *vd_at(&rig->vd, STATUS);
}

/* Header, one buffer of len bytes (none when 0), status. */
static uint8_t request(struct rig *rig, uint32_t type, uint64_t sector, uint32_t len,
                       uint32_t *ret_len)
{
    uint16_t dir = type == T_OUT || type == T_DISCARD || type == T_ZEROES ? 0 : VD_WRITE;

    put_header(rig, type, sector);
    vd_desc(&rig->vd, 0, 0, HEADER, 16, VD_NEXT, len ? 1 : 2);
    vd_desc(&rig->vd, 0, 1, BUFFER, len, dir | VD_NEXT, 2);
    vd_desc(&rig->vd, 0, 2, STATUS, 1, VD_WRITE, 0);
    return run(rig, ret_len);
}

static void test_configuration(void **state)
{
    struct rig rig;

    rig_init(&rig, SECTORS, false, false);
    assert_int_equal(vd_rd(&rig.vd, VD_DEVICE_ID), 2);
    assert_int_equal(vd_features(&rig.vd),
                     VIRTIO_F_COMMON | F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_DISCARD | F_ZEROES);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG), SECTORS);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 4), 0);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 12), 254);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 20), 512);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 36), 1 << 21);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 40), 32);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 44), 8);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 48), 1 << 15);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 52), 1);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 56), 1);
    vd_wr(&rig.vd, VD_CONFIG, 1);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG), SECTORS);
    rig_fini(&rig);
    rig_init(&rig, SECTORS, true, false);
    assert_int_equal(vd_features(&rig.vd),
                     VIRTIO_F_COMMON | F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_RO);
    for (unsigned off = 36; off < 60; off += 4)
        assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + off), 0);
    rig_fini(&rig);
}

static void test_write_flush_read(void **state)
{
    char disk[1024];
    struct rig rig;
    uint32_t len;

    rig_init(&rig, SECTORS, false, true);
    vd_start(&rig.vd, F_FLUSH, 8, 1);
    memset(vd_at(&rig.vd, BUFFER), 'w', 1024);
    assert_int_equal(request(&rig, T_OUT, 3, 1024, &len), S_OK);
    assert_int_equal(len, 1);
    assert_int_equal(request(&rig, T_FLUSH, 0, 0, &len), S_OK);
    assert_int_equal(len, 1);
    assert_int_equal(pread(rig.fd, disk, sizeof(disk), 3 * 512), 1024);
    assert_memory_equal(disk, vd_at(&rig.vd, BUFFER), 1024);
    memset(vd_at(&rig.vd, BUFFER), 0, 1024);
    assert_int_equal(request(&rig, T_IN, 4, 512, &len), S_OK);
    assert_int_equal(len, 513);
    assert_memory_equal(disk, vd_at(&rig.vd, BUFFER), 512);
    assert_int_equal(*vd_at(&rig.vd, BUFFER + 512), 0);
    rig_fini(&rig);
}

static void test_get_id(void **state)
{
    static const struct {
        uint32_t room, len;
    } rows[] = { { 20, 21 }, { 64, 20 }, { 5, 6 } };
    struct rig rig;
    uint32_t len;

    rig_init(&rig, SECTORS, false, false);
    vd_start(&rig.vd, 0, 8, 1);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        memset(vd_at(&rig.vd, BUFFER), 0xee, 64);
        assert_int_equal(request(&rig, T_GET_ID, 0, rows[i].room, &len), S_OK);
        assert_int_equal(len, rows[i].len);
        assert_memory_equal(vd_at(&rig.vd, BUFFER), "drive-zero-serial-nu",
                            rows[i].room < 20 ? rows[i].room : 20);
        assert_int_equal(*vd_at(&rig.vd, BUFFER + (rows[i].room < 20 ? rows[i].room : 20)), 0xee);
    }
    rig_fini(&rig);
}

static void test_what_fails(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t len;
        uint8_t status;
    } rows[] = {
        { T_IN, SECTORS, 512, S_IOERR },
        { T_IN, SECTORS - 1, 1024, S_IOERR },
        { T_IN, UINT64_MAX, 512, S_IOERR },
        { T_IN, UINT64_MAX / 512, 512, S_IOERR },
        { T_IN, 1ull << 55, 512, S_IOERR },
        { T_IN, 0, 513, S_IOERR },
        { T_IN, 0, 1, S_IOERR },
        { T_OUT, SECTORS, 512, S_IOERR },
        { T_OUT, 0, 100, S_IOERR },
        { T_OUT, 1ull << 63, 512, S_IOERR },
        { T_DISCARD, 0, 512, S_UNSUPP },
        { 2, 0, 0, S_UNSUPP },
        { UINT32_MAX, 0, 0, S_UNSUPP },
        { T_IN, SECTORS, 0, S_OK }, /* nothing, at the very end */
        { T_IN, SECTORS - 1, 512, S_OK },
    };
    struct rig rig;
    uint32_t len;

    rig_init(&rig, SECTORS, false, false);
    vd_start(&rig.vd, F_FLUSH, 8, 1);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        memset(vd_at(&rig.vd, BUFFER), 0xee, 2048);
        assert_int_equal(request(&rig, rows[i].type, rows[i].sector, rows[i].len, &len),
                         rows[i].status);
        if (rows[i].status != S_OK)
            assert_int_equal(*vd_at(&rig.vd, BUFFER), 0xee);
        assert_int_equal(vd_rd(&rig.vd, VD_STATUS), 15);
    }
    assert_int_equal(ftruncate(rig.fd, 512), 0); /* the host takes the image away */
    assert_int_equal(request(&rig, T_IN, 8, 512, &len), S_IOERR);
    rig_fini(&rig);
}

static void put_range(struct rig *rig, unsigned i, uint64_t sector, uint32_t sectors,
                      uint32_t flags)
{
    uint8_t *at = vd_at(&rig->vd, BUFFER + 16 * i);

    store_le64(at, sector);
    store_le32(at + 8, sectors);
    store_le32(at + 12, flags);
}

static void assert_sectors(struct rig *rig, uint64_t first, uint64_t count, int byte)
{
    uint8_t got[512];

    for (uint64_t s = first; s < first + count; s++) {
        assert_int_equal(pread(rig->fd, got, 512, (off_t)(s * 512)), 512);
        for (unsigned i = 0; i < 512; i++)
            assert_int_equal(got[i], byte);
    }
}

static void fill_drive(struct rig *rig)
{
    uint32_t len;

    memset(vd_at(&rig->vd, BUFFER), 'd', SECTORS * 512);
    assert_int_equal(request(rig, T_OUT, 0, SECTORS * 512, &len), S_OK);
}

static void test_discard_and_write_zeroes(void **state)
{
    struct rig rig;
    uint32_t len;

    rig_init(&rig, SECTORS, false, true);
    vd_start(&rig.vd, F_FLUSH | F_DISCARD | F_ZEROES, 8, 1);
    fill_drive(&rig);
    put_range(&rig, 0, 8, 8, 0);
    put_range(&rig, 1, 24, 0, 0);
    put_range(&rig, 2, 32, 8, 0);
    assert_int_equal(request(&rig, T_DISCARD, 0, 48, &len), S_OK);
    assert_int_equal(len, 1);
    assert_sectors(&rig, 0, 8, 'd');
    assert_sectors(&rig, 8, 8, 0);
    assert_sectors(&rig, 16, 16, 'd');
    assert_sectors(&rig, 32, 8, 0);
    assert_sectors(&rig, 40, SECTORS - 40, 'd');
    for (uint32_t unmap = 0; unmap < 2; unmap++) {
        fill_drive(&rig);
        put_range(&rig, 0, 3, SECTORS - 3, unmap);
        assert_int_equal(request(&rig, T_ZEROES, 0, 16, &len), S_OK);
        assert_sectors(&rig, 0, 3, 'd');
        assert_sectors(&rig, 3, SECTORS - 3, 0);
    }
    rig_fini(&rig);
}

/* None of these changes anything, even where an earlier range of the request is right. */
static void test_ranges_that_fail(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t sectors, flags, len;
        uint8_t status;
    } rows[] = {
        { T_DISCARD, SECTORS, 1, 0, 32, S_IOERR },
        { T_DISCARD, SECTORS - 1, 2, 0, 32, S_IOERR },
        { T_DISCARD, UINT64_MAX, 1, 0, 32, S_IOERR },
        { T_DISCARD, UINT64_MAX / 512, 1, 0, 32, S_IOERR },
        { T_DISCARD, 0, UINT32_MAX, 0, 32, S_IOERR },
        { T_DISCARD, 8, 1, 1, 32, S_UNSUPP }, /* unmap is for write-zeroes */
        { T_DISCARD, 8, 1, 2, 32, S_UNSUPP },
        { T_DISCARD, 8, 1, 0, 31, S_IOERR },
        { T_DISCARD, 8, 1, 0, 0, S_IOERR },
        { T_DISCARD, 8, 1, 0, 33 * 16, S_IOERR },
        { T_ZEROES, 8, 1, 0, 32, S_IOERR }, /* one range */
        { T_ZEROES, 8, 1, 0, 15, S_IOERR },
        { T_ZEROES, SECTORS, 1, 0, 16, S_IOERR },
        { T_ZEROES, 8, 1, 2, 16, S_UNSUPP },
        { T_ZEROES, 8, 1, UINT32_MAX, 16, S_UNSUPP },
    };
    struct rig rig;
    uint32_t len;

    rig_init(&rig, SECTORS, false, false);
    vd_start(&rig.vd, F_FLUSH | F_DISCARD | F_ZEROES, 8, 1);
    fill_drive(&rig);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        memset(vd_at(&rig.vd, BUFFER), 0, 1024);
        put_range(&rig, 0, 0, 8, 0);
        put_range(&rig, rows[i].len >= 32, rows[i].sector, rows[i].sectors, rows[i].flags);
        assert_int_equal(request(&rig, rows[i].type, 0, rows[i].len, &len), rows[i].status);
        assert_sectors(&rig, 0, SECTORS, 'd');
    }
    vd_start(&rig.vd, F_FLUSH, 8, 1); /* not negotiated */
    put_range(&rig, 0, 0, 8, 0);
    assert_int_equal(request(&rig, T_DISCARD, 0, 16, &len), S_UNSUPP);
    assert_int_equal(request(&rig, T_ZEROES, 0, 16, &len), S_UNSUPP);
    assert_sectors(&rig, 0, SECTORS, 'd');
    rig_fini(&rig);

    rig_init(&rig, (UINT64_C(4) << 30) / 512, false, false); /* limits inside of the drive */
    vd_start(&rig.vd, F_DISCARD | F_ZEROES, 8, 1);
    put_range(&rig, 0, 0, (1 << 21) + 1, 0);
    assert_int_equal(request(&rig, T_DISCARD, 0, 16, &len), S_IOERR);
    put_range(&rig, 0, 0, 1 << 21, 0);
    assert_int_equal(request(&rig, T_DISCARD, 0, 16, &len), S_OK);
    put_range(&rig, 0, 0, (1 << 15) + 1, 1);
    assert_int_equal(request(&rig, T_ZEROES, 0, 16, &len), S_IOERR);
    put_range(&rig, 0, 0, 1 << 15, 1);
    assert_int_equal(request(&rig, T_ZEROES, 0, 16, &len), S_OK);
    rig_fini(&rig);
}

static unsigned warnings;
static char warning[200];

static void count_warnings(void *ctx, enum log_level level, const char *area, const char *text)
{
    if (level != LOG_WARN)
        return;
    warnings++;
    snprintf(warning, sizeof(warning), "%s: %s", area, text);
}

/* The guest gets an I/O error each time, the log one sentence. */
static void test_errors_of_the_host(void **state)
{
    struct rig rig;
    uint32_t len;

    rig_init(&rig, SECTORS, false, false);
    vd_start(&rig.vd, F_FLUSH, 8, 1);
    assert_int_equal(ftruncate(rig.fd, 512), 0);
    log_set_sink(count_warnings, NULL);
    warnings = 0;
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(request(&rig, T_IN, 8, 512, &len), S_IOERR);
    sweep_hush();
    assert_int_equal(warnings, 1);
    assert_string_equal(warning,
                        "virtio-blk: drive-zero-serial-nu: read from test.img at byte 4096: "
                        "Input/output error; look after its storage: the guest gets I/O errors "
                        "until then");
    log_set_sink(count_warnings, NULL); /* another kind of request has a sentence of its own */
    memset(vd_at(&rig.vd, BUFFER), 'w', 512);
    assert_int_equal(request(&rig, T_OUT, 8, 512, &len), S_OK);
    assert_int_equal(warnings, 1);
    sweep_hush();
    rig_fini(&rig);
}

static void test_malformed_chains(void **state)
{
    struct rig rig;
    uint32_t len;

    rig_init(&rig, SECTORS, false, false);
    vd_start(&rig.vd, 0, 8, 1);
    put_header(&rig, T_IN, 0);
    vd_desc(&rig.vd, 0, 0, HEADER, 15, VD_NEXT, 1); /* no whole header */
    vd_desc(&rig.vd, 0, 1, STATUS, 1, VD_WRITE, 0);
    assert_int_equal(run(&rig, &len), S_IOERR);
    assert_int_equal(len, 1);

    put_header(&rig, T_IN, 0);
    vd_desc(&rig.vd, 0, 0, STATUS, 1, VD_WRITE, 0); /* no header at all */
    assert_int_equal(run(&rig, &len), S_IOERR);

    put_header(&rig, T_OUT, 0);
    vd_desc(&rig.vd, 0, 0, HEADER, 528, 0, 0); /* nowhere to put the status */
    assert_int_equal(run(&rig, &len), S_UNTOUCHED);
    assert_int_equal(len, 0);

    put_header(&rig, T_IN, 0);
    vd_desc(&rig.vd, 0, 0, HEADER, 0, 0, 0); /* empty */
    assert_int_equal(run(&rig, &len), S_UNTOUCHED);

    put_header(&rig, T_IN, 0);
    vd_desc(&rig.vd, 0, 0, HEADER, 16, VD_NEXT, 1);
    vd_desc(&rig.vd, 0, 1, VD_RAM - 512, 512, VD_NEXT | VD_WRITE, 2); /* not RAM */
    vd_desc(&rig.vd, 0, 2, STATUS, 1, VD_WRITE, 0);
    vd_offer(&rig.vd, 0, 0);
    vd_kick(&rig.vd, 0);
    assert_int_equal(vd_rd(&rig.vd, VD_STATUS), 15 | VIRTIO_NEEDS_RESET);
    assert_int_equal(*vd_at(&rig.vd, STATUS), S_UNTOUCHED);
    rig_fini(&rig);
}

/* 2.7.4.1: no rule about which bytes share a descriptor. */
static void test_any_framing(void **state)
{
    struct rig rig;
    uint32_t len;

    rig_init(&rig, SECTORS, false, false);
    vd_start(&rig.vd, 0, 8, 1);
    /* Write: header in three pieces, the last with the first data byte. */
    put_header(&rig, T_OUT, 7);
    memcpy(vd_at(&rig.vd, TABLE), vd_at(&rig.vd, HEADER + 10), 6);
    memset(vd_at(&rig.vd, TABLE + 6), 'f', 512);
    vd_desc(&rig.vd, 0, 0, HEADER, 1, VD_NEXT, 1);
    vd_desc(&rig.vd, 0, 1, HEADER + 1, 9, VD_NEXT, 2);
    vd_desc(&rig.vd, 0, 2, TABLE, 7, VD_NEXT, 3);
    vd_desc(&rig.vd, 0, 3, TABLE + 7, 511, VD_NEXT, 4);
    vd_desc(&rig.vd, 0, 4, STATUS, 1, VD_WRITE, 0);
    assert_int_equal(run(&rig, &len), S_OK);

    /* Read: data in two pieces, the second with the status behind it. */
    put_header(&rig, T_IN, 7);
    vd_desc(&rig.vd, 0, 0, HEADER, 16, VD_NEXT, 1);
    vd_desc(&rig.vd, 0, 1, BUFFER, 500, VD_WRITE | VD_NEXT, 2);
    vd_desc(&rig.vd, 0, 2, BUFFER + 0x400, 13, VD_WRITE, 0);
    run(&rig, &len);
    assert_int_equal(len, 513);
    assert_int_equal(*vd_at(&rig.vd, BUFFER + 0x400 + 12), S_OK);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(*vd_at(&rig.vd, BUFFER + i), 'f');
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(*vd_at(&rig.vd, BUFFER + 0x400 + i), 'f');
    rig_fini(&rig);
}

static void test_a_read_only_drive(void **state)
{
    struct rig rig;
    uint32_t len;
    char byte;

    rig_init(&rig, SECTORS, true, false);
    vd_start(&rig.vd, F_RO, 8, 1);
    memset(vd_at(&rig.vd, BUFFER), 'x', 512);
    assert_int_equal(request(&rig, T_OUT, 0, 512, &len), S_IOERR);
    assert_int_equal(pread(rig.fd, &byte, 1, 0), 1);
    assert_int_equal(byte, 0);
    assert_int_equal(request(&rig, T_IN, 0, 512, &len), S_OK);
    assert_int_equal(request(&rig, T_FLUSH, 0, 0, &len), S_OK);
    rig_fini(&rig);
}

/* Many requests at once, each with its own sectors; then all of them with the same buffer, which is
 * the driver's business and not ours. */
static void test_many_in_flight(void **state)
{
    enum { COUNT = 60 };
    struct rig rig;

    rig_init(&rig, SECTORS, false, true);
    vd_start(&rig.vd, F_FLUSH, 256, 1);
    for (unsigned round = 0; round < 4; round++) {
        bool write = round % 2 == 0, same = round > 1;
        unsigned seen[COUNT] = { 0 }, got = 0;

        for (unsigned i = 0; i < COUNT; i++) {
            uint64_t header = VD_DATA + 0x40000 + 32 * i, buffer = BUFFER + (same ? 0 : 512 * i);

            store_le32(vd_at(&rig.vd, header), write ? T_OUT : T_IN);
            store_le64(vd_at(&rig.vd, header + 8), i);
            *vd_at(&rig.vd, header + 16) = S_UNTOUCHED;
            memset(vd_at(&rig.vd, buffer), write ? (int)i + 1 : 0, 512);
            vd_desc(&rig.vd, 0, 3 * i, header, 16, VD_NEXT, (uint16_t)(3 * i + 1));
            vd_desc(&rig.vd, 0, 3 * i + 1, buffer, 512, VD_NEXT | (write ? 0 : VD_WRITE),
                    (uint16_t)(3 * i + 2));
            vd_desc(&rig.vd, 0, 3 * i + 2, header + 16, 1, VD_WRITE, 0);
        }
        for (unsigned i = 0; i < COUNT; i++)
            vd_offer(&rig.vd, 0, (uint16_t)(3 * i));
        vd_kick(&rig.vd, 0);
        while (got < COUNT) {
            uint32_t head, len;

            if (!vd_used(&rig.vd, 0, &head, &len)) {
                vd_wait(&rig.vd);
                continue;
            }
            got++;
            seen[head / 3]++;
            assert_int_equal(*vd_at(&rig.vd, VD_DATA + 0x40000 + 32 * (head / 3) + 16), S_OK);
            if (!write && !same)
                assert_int_equal(*vd_at(&rig.vd, BUFFER + 512 * (head / 3)), head / 3 + 1);
        }
        for (unsigned i = 0; i < COUNT; i++)
            assert_int_equal(seen[i], 1);
    }
    rig_fini(&rig);
}

/* Random requests against a copy in memory, with indirect tables and event indexes. */
static void test_against_a_model(void **state)
{
    static uint8_t model[SECTORS * 512];
    unsigned seed = 12345;
    struct rig rig;

    rig_init(&rig, SECTORS, false, true);
    vd_start(&rig.vd, F_FLUSH | VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_IDX, 8, 1);
    memset(model, 0, sizeof(model));
    for (unsigned n = 0; n < 400; n++) {
        uint32_t sector = (uint32_t)rand_r(&seed) % SECTORS;
        uint32_t sectors = 1 + (uint32_t)rand_r(&seed) % (SECTORS - sector);
        bool write = rand_r(&seed) & 1;
        uint32_t left = sectors * 512, at = 0, segs = 1, len;

        if (write)
            for (uint32_t i = 0; i < left; i++)
                *vd_at(&rig.vd, BUFFER + i) = (uint8_t)rand_r(&seed);
        put_header(&rig, write ? T_OUT : T_IN, sector);
        vd_desc_at(&rig.vd, TABLE, 0, HEADER, 16, VD_NEXT, 1);
        while (left) {
            uint32_t part = 1 + (uint32_t)rand_r(&seed) % 3000;
            if (part > left)
                part = left;
            vd_desc_at(&rig.vd, TABLE, segs, BUFFER + at, part, VD_NEXT | (write ? 0 : VD_WRITE),
                       (uint16_t)(segs + 1));
            segs++;
            at += part;
            left -= part;
        }
        vd_desc_at(&rig.vd, TABLE, segs, STATUS, 1, VD_WRITE, 0);
        vd_desc(&rig.vd, 0, 0, TABLE, 16 * (segs + 1), VD_INDIRECT, 0);
        vd_store16(&rig.vd, vd_avail_gpa(0) + 4 + 2 * 8, rig.vd.used_idx[0]);
        assert_int_equal(run(&rig, &len), S_OK);
        if (write)
            memcpy(model + sector * 512, vd_at(&rig.vd, BUFFER), sectors * 512);
        else
            assert_memory_equal(model + sector * 512, vd_at(&rig.vd, BUFFER), sectors * 512);
    }
    rig_fini(&rig);
}

static bool allowed(uint64_t off, unsigned size, bool write)
{
    if (off >= VD_CONFIG)
        return !write && size <= 4 && off % size == 0 && off - VD_CONFIG + size <= 60;
    return size == 4 && off % 4 == 0 && off <= VD_GENERATION; /* test_mmio.c looks closer */
}

static void test_bad_accesses_have_no_effect(void **state)
{
    struct rig rig;

    rig_init(&rig, SECTORS, false, false);
    vd_start(&rig.vd, F_FLUSH, 8, 1);
    sweep(rig.vd.dev, allowed);
    rig_fini(&rig);
}

/* A fresh machine's device over the same image and memory goes on where the saved one was. */
static void test_saved_state(void **state)
{
    struct state_buf buf;
    struct dev *dev;
    struct rig rig;
    struct err err;
    uint32_t len;

    rig_init(&rig, SECTORS, false, false);
    vd_start(&rig.vd, F_FLUSH, 8, 1);
    memset(vd_at(&rig.vd, BUFFER), 's', 512);
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(request(&rig, T_OUT, i, 512, &len), S_OK);
    buf = sweep_save(rig.vd.dev);
    dev = rig.vd.dev;
    dev->ops->destroy(dev);

    rig_attach(&rig, false);
    dev = rig.vd.dev;
    assert_int_equal(state_load(buf.data, buf.len, dev->ops->state, dev, "", &err), 0);
    memset(vd_at(&rig.vd, BUFFER), 0, 512);
    assert_int_equal(request(&rig, T_IN, 10, 512, &len), S_OK);
    assert_int_equal(*vd_at(&rig.vd, BUFFER + 511), 's');
    dev->ops->destroy(dev);

    rig_attach(&rig, true); /* the same image, but not the same drive */
    dev = rig.vd.dev;
    assert_int_equal(state_load(buf.data, buf.len, dev->ops->state, dev, "", &err), -EINVAL);
    assert_string_equal(err.msg, "virtio-blk: the drive is read-only, it was writable when saved");
    dev->ops->destroy(dev);

    assert_int_equal(ftruncate(rig.fd, 512), 0);
    rig_attach(&rig, false);
    dev = rig.vd.dev;
    assert_int_equal(state_load(buf.data, buf.len, dev->ops->state, dev, "", &err), -EINVAL);
    assert_string_equal(err.msg, "virtio-blk: the drive has 1 sectors, it had 64 when saved");
    state_buf_fini(&buf);
    rig_fini(&rig);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_write_flush_read),
        cmocka_unit_test(test_get_id),
        cmocka_unit_test(test_what_fails),
        cmocka_unit_test(test_discard_and_write_zeroes),
        cmocka_unit_test(test_ranges_that_fail),
        cmocka_unit_test(test_errors_of_the_host),
        cmocka_unit_test(test_malformed_chains),
        cmocka_unit_test(test_any_framing),
        cmocka_unit_test(test_a_read_only_drive),
        cmocka_unit_test(test_many_in_flight),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_bad_accesses_have_no_effect),
        cmocka_unit_test(test_saved_state),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
