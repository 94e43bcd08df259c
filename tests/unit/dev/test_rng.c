/* virtio-rng: bytes from the given source, as many as asked for, within bounds. */
#include <errno.h>

#include "dev/virtio/rng.h"
#include "sweep.h"
#include "virtio_driver.h"

/* A source that can be foretold: it counts. */
static void count_up(void *ctx, void *buf, size_t len)
{
    uint8_t *next = ctx;

    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (*next)++;
}

static void rig_init(struct vd *vd, uint8_t *next)
{
    struct rng_config config = { .fill = count_up, .ctx = next };
    struct dev *dev;
    struct err err;

    vd_mem(vd);
    *next = 1;
    config.host.mem = vd->mem;
    assert_int_equal(rng_create(&config, &dev, &err), 0);
    vd_attach(vd, dev);
}

static uint32_t run(struct vd *vd)
{
    uint32_t head, len = 0;

    vd_offer(vd, 0, 0);
    vd_kick(vd, 0);
    assert_true(vd_used(vd, 0, &head, &len));
    return len;
}

static void test_fills_buffers(void **state)
{
    struct vd vd;
    uint8_t next;

    rig_init(&vd, &next);
    assert_int_equal(vd_rd(&vd, VD_DEVICE_ID), 4);
    vd_start(&vd, 0, 8, 1);
    vd_desc(&vd, 0, 0, VD_DATA, 8, VD_WRITE, 0);
    assert_int_equal(run(&vd), 8);
    assert_memory_equal(vd_at(&vd, VD_DATA), "\1\2\3\4\5\6\7\10\0", 9);
    vd_desc(&vd, 0, 0, VD_DATA, 2, VD_WRITE | VD_NEXT, 1);
    vd_desc(&vd, 0, 1, VD_DATA + 100, 3, VD_WRITE, 0);
    assert_int_equal(run(&vd), 5);
    assert_memory_equal(vd_at(&vd, VD_DATA + 100), "\13\14\15\0", 4);
    vd_fini(&vd);
}

static void test_a_request_is_bounded(void **state)
{
    struct vd vd;
    uint8_t next;

    rig_init(&vd, &next);
    vd_start(&vd, 0, 8, 1);
    vd_desc(&vd, 0, 0, VD_DATA, 4000, VD_WRITE | VD_NEXT, 1);
    vd_desc(&vd, 0, 1, VD_DATA + 0x10000, 0x200000, VD_WRITE, 0);
    assert_int_equal(run(&vd), 4096);
    assert_int_not_equal(*vd_at(&vd, VD_DATA + 0x10000 + 94), 0);
    assert_int_equal(*vd_at(&vd, VD_DATA + 0x10000 + 96), 0);
    vd_desc(&vd, 0, 0, VD_DATA, 16, 0, 0); /* nothing to fill */
    assert_int_equal(run(&vd), 0);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 15);
    vd_fini(&vd);
}

static void test_saved_state(void **state)
{
    struct vd vd, other;
    uint8_t next, next2;
    struct err err;

    rig_init(&vd, &next);
    vd_start(&vd, 0, 8, 1);
    vd_desc(&vd, 0, 0, VD_DATA, 1, VD_WRITE, 0);
    assert_int_equal(run(&vd), 1);
    rig_init(&other, &next2);
    memcpy(vd_at(&other, VD_RAM), vd_at(&vd, VD_RAM), VD_RAM_SIZE);
    assert_int_equal(sweep_move(vd.dev, other.dev, &err), 0);
    other.size = vd.size;
    other.avail_idx[0] = other.used_idx[0] = 1;
    assert_int_equal(run(&other), 1);
    vd_fini(&vd);
    vd_fini(&other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_buffers),
        cmocka_unit_test(test_a_request_is_bounded),
        cmocka_unit_test(test_saved_state),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
