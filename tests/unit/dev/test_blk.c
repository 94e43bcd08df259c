/* virtio-blk on a real image, through the driver's side of the queue. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "dev/virtio/blk.h"
#include "sweep.h"
#include "virtio_driver.h"

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2, S_UNTOUCHED = 0xff };

#define F_SEG_MAX  BIT(2)
#define F_RO       BIT(5)
#define F_BLK_SIZE BIT(6)
#define F_FLUSH    BIT(9)

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
    struct thread io;
};

static void io_main(void *arg)
{
    evloop_run(arg);
}

static void rig_attach(struct rig *rig, bool read_only)
{
    struct blk_config config = { .host = { .mem = rig->vd.mem, .loop = rig->loop },
                                 .id = "drive-zero-serial-number" };
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
    if (threaded)
        assert_int_equal(evloop_create(&rig->loop, &err), 0);
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
    uint16_t dir = type == T_OUT ? 0 : VD_WRITE;

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
    assert_int_equal(vd_features(&rig.vd), VIRTIO_F_COMMON | F_SEG_MAX | F_BLK_SIZE | F_FLUSH);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG), SECTORS);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 4), 0);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 12), 254);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG + 20), 512);
    vd_wr(&rig.vd, VD_CONFIG, 1);
    assert_int_equal(vd_rd(&rig.vd, VD_CONFIG), SECTORS);
    rig_fini(&rig);
    rig_init(&rig, SECTORS, true, false);
    assert_true(vd_features(&rig.vd) & F_RO);
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
        return !write && size <= 4 && off % size == 0 && off - VD_CONFIG + size <= 24;
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
        cmocka_unit_test(test_malformed_chains),
        cmocka_unit_test(test_any_framing),
        cmocka_unit_test(test_a_read_only_drive),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_bad_accesses_have_no_effect),
        cmocka_unit_test(test_saved_state),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
