/* The virtio-mmio register block and what all virtio devices share, on a device made for it. */
#include <errno.h>

#include "arch/dtb.h"
#include "dev/virtio/mmio.h"
#include "sweep.h"
#include "virtio_driver.h"

#define QUEUES      2
#define QUEUE_MAX   16
#define OWN_FEATURE BIT(5)

struct echo {
    struct virtio virtio;
    uint8_t config[6];
    unsigned activated, resets, served;
};

static struct echo *echo_of(struct dev *dev)
{
    return container_of(dev, struct echo, virtio.dev);
}

static void echo_config_read(struct virtio *v, uint32_t off, void *buf, uint32_t len)
{
    memcpy(buf, container_of(v, struct echo, virtio)->config + off, len);
}

static void echo_config_write(struct virtio *v, uint32_t off, const void *buf, uint32_t len)
{
    memcpy(container_of(v, struct echo, virtio)->config + off, buf, len);
}

static bool echo_request(struct virtio *v, struct virtio_req *req)
{
    const struct queue_chain *chain = &req->chain;

    container_of(v, struct echo, virtio)->served++;
    for (unsigned i = 0; i < chain->in; i++)
        memset(chain->iov[chain->out + i].iov_base, 0xec, chain->iov[chain->out + i].iov_len);
    req->len = (uint32_t)chain->in_len;
    return true;
}

static void echo_activate(struct virtio *v)
{
    container_of(v, struct echo, virtio)->activated++;
}

static void echo_reset(struct virtio *v)
{
    container_of(v, struct echo, virtio)->resets++;
}

static const struct virtio_ops echo_virtio_ops = {
    .id = 42,
    .queues = QUEUES,
    .queue_max = QUEUE_MAX,
    .config_len = 6,
    .config_read = echo_config_read,
    .config_write = echo_config_write,
    .notify = virtio_serve,
    .request = echo_request,
    .activate = echo_activate,
    .reset = echo_reset,
};

static void echo_destroy(struct dev *dev)
{
    virtio_fini(&echo_of(dev)->virtio);
    free(echo_of(dev));
}

static const struct state_field echo_fields[] = {
    VIRTIO_STATE(struct echo, 1),
    STATE_U8S(struct echo, config, 1),
    STATE_END,
};

static int echo_post_load(void *obj, uint32_t version, struct err *err)
{
    return virtio_post_load(&((struct echo *)obj)->virtio, err);
}

static const struct state_desc echo_state = {
    .name = "echo", .version = 1, .oldest = 1, .fields = echo_fields, .post_load = echo_post_load
};

static const struct dev_ops echo_ops = {
    .name = "echo",
    .mmio_size = MMIO_SIZE,
    .read = mmio_read,
    .write = mmio_write,
    .reset = virtio_reset,
    .fdt = mmio_fdt,
    .destroy = echo_destroy,
    .state = &echo_state,
};

static struct echo *rig_init(struct vd *vd)
{
    struct virtio_host host = { 0 };
    struct echo *echo = calloc(1, sizeof(*echo));
    struct err err;

    vd_mem(vd);
    host.mem = vd->mem;
    assert_int_equal(
        virtio_init(&echo->virtio, &echo_ops, &echo_virtio_ops, OWN_FEATURE, &host, &err), 0);
    vd_attach(vd, &echo->virtio.dev);
    return echo;
}

static void test_identity(void **state)
{
    struct vd vd;

    rig_init(&vd);
    assert_int_equal(vd_rd(&vd, 0), 0x74726976);
    assert_int_equal(vd_rd(&vd, 4), 2);
    assert_int_equal(vd_rd(&vd, VD_DEVICE_ID), 42);
    assert_int_not_equal(vd_rd(&vd, 0x00c), 0);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 0);
    assert_int_equal(vd_features(&vd), VIRTIO_F_COMMON | OWN_FEATURE);
    vd_wr(&vd, VD_DEVICE_FEATURES_SEL, 2);
    assert_int_equal(vd_rd(&vd, VD_DEVICE_FEATURES), 0);
    vd_wr(&vd, VD_DEVICE_FEATURES_SEL, UINT32_MAX);
    assert_int_equal(vd_rd(&vd, VD_DEVICE_FEATURES), 0);
    for (uint64_t off = 0x0b0; off < 0x0c0; off += 4) /* no shared memory */
        assert_int_equal(vd_rd(&vd, off), UINT32_MAX);
    vd_fini(&vd);
}

static void test_negotiation(void **state)
{
    static const struct {
        uint64_t features;
        bool ok;
    } rows[] = {
        { VIRTIO_F_VERSION_1, true },
        { VIRTIO_F_COMMON | OWN_FEATURE, true },
        { 0, false },           /* a legacy driver */
        { OWN_FEATURE, false }, /* likewise */
        { VIRTIO_F_VERSION_1 | BIT(6), false },
        { VIRTIO_F_VERSION_1 | BIT(63), false },
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct vd vd;
        uint32_t status;

        rig_init(&vd);
        status = vd_negotiate(&vd, rows[i].features);
        assert_int_equal(status, rows[i].ok ? 11 : 3);
        vd_driver_ok(&vd);
        assert_int_equal(vd_rd(&vd, VD_STATUS), rows[i].ok ? 15 : 3);
        vd_fini(&vd);
    }
}

static void test_status_only_grows(void **state)
{
    struct vd vd;
    struct echo *echo = rig_init(&vd);

    vd_wr(&vd, VD_STATUS, VIRTIO_DRIVER_OK); /* out of order */
    assert_int_equal(vd_rd(&vd, VD_STATUS), 0);
    vd_wr(&vd, VD_STATUS, VIRTIO_FEATURES_OK);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 0);
    vd_wr(&vd, VD_STATUS, 0xffffff00 | VIRTIO_NEEDS_RESET | 0x30);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 0);
    vd_start(&vd, 0, 8, QUEUES);
    assert_int_equal(echo->activated, 1);
    vd_wr(&vd, VD_STATUS, VIRTIO_ACKNOWLEDGE);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 15);
    vd_wr(&vd, VD_STATUS, 15 | VIRTIO_FAILED);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 15 | VIRTIO_FAILED);
    assert_int_equal(echo->activated, 1);
    vd_wr(&vd, VD_DRIVER_FEATURES_SEL, 0); /* too late */
    vd_wr(&vd, VD_DRIVER_FEATURES, UINT32_MAX);
    assert_int_equal(echo->virtio.driver_features, VIRTIO_F_VERSION_1);
    vd_wr(&vd, VD_STATUS, 0);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 0);
    vd_fini(&vd);
}

static void test_queue_set_up(void **state)
{
    struct vd vd;
    struct echo *echo = rig_init(&vd);
    struct queue *queue = &echo->virtio.queues[0];

    vd.size = 8;
    vd_wr(&vd, VD_QUEUE_READY, 1); /* before FEATURES_OK */
    assert_int_equal(vd_rd(&vd, VD_QUEUE_READY), 0);
    vd_negotiate(&vd, VIRTIO_F_VERSION_1);
    for (unsigned q = 0; q < QUEUES; q++) {
        vd_wr(&vd, VD_QUEUE_SEL, q);
        assert_int_equal(vd_rd(&vd, VD_QUEUE_NUM_MAX), QUEUE_MAX);
        assert_int_equal(vd_rd(&vd, VD_QUEUE_READY), 0);
    }
    vd_wr(&vd, VD_QUEUE_SEL, QUEUES); /* there is none */
    assert_int_equal(vd_rd(&vd, VD_QUEUE_NUM_MAX), 0);
    vd_wr(&vd, VD_QUEUE_NUM, 8);
    vd_wr64(&vd, VD_QUEUE_DESC, VD_RAM);
    vd_wr(&vd, VD_QUEUE_READY, 1);
    assert_int_equal(vd_rd(&vd, VD_QUEUE_READY), 0);
    vd_wr(&vd, VD_QUEUE_SEL, UINT32_MAX);
    vd_wr(&vd, VD_QUEUE_NUM, 8);
    assert_int_equal(vd_rd(&vd, VD_QUEUE_NUM_MAX), 0);

    vd_wr(&vd, VD_QUEUE_SEL, 0);
    vd_wr(&vd, VD_QUEUE_NUM, 4);
    static const uint32_t bad_sizes[] = { 0, 3, QUEUE_MAX * 2, 0x10004, UINT32_MAX };
    for (unsigned i = 0; i < ARRAY_LEN(bad_sizes); i++) {
        vd_wr(&vd, VD_QUEUE_NUM, bad_sizes[i]);
        assert_int_equal(queue->size, 4);
    }
    vd_wr64(&vd, VD_QUEUE_DESC, 0x1122334455667788);
    assert_int_equal(queue->desc, 0x1122334455667788);
    vd_queue(&vd, 0);
    assert_int_equal(vd_rd(&vd, VD_QUEUE_READY), 1);
    vd_wr(&vd, VD_QUEUE_NUM, 4); /* not while it is in use */
    vd_wr64(&vd, VD_QUEUE_DEVICE, 0);
    assert_int_equal(queue->size, 8);
    assert_int_equal(queue->used, vd_used_gpa(0));
    vd_wr(&vd, VD_QUEUE_READY, 0);
    assert_int_equal(vd_rd(&vd, VD_QUEUE_READY), 0);
    vd_wr(&vd, VD_QUEUE_NUM, 4);
    assert_int_equal(queue->size, 4);
    vd_fini(&vd);
}

static void test_a_bad_queue_needs_a_reset(void **state)
{
    struct vd vd;

    rig_init(&vd);
    vd.size = 8;
    vd_negotiate(&vd, VIRTIO_F_VERSION_1);
    vd_wr(&vd, VD_QUEUE_SEL, 0);
    vd_wr(&vd, VD_QUEUE_READY, 1); /* nothing set */
    assert_int_equal(vd_rd(&vd, VD_QUEUE_READY), 0);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 11 | VIRTIO_NEEDS_RESET);
    assert_false(vd.level); /* no interrupt before DRIVER_OK (2.1.2) */

    vd_start(&vd, 0, 8, 2);
    vd_offer(&vd, 1, 0x7777);
    vd_kick(&vd, 1);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 15 | VIRTIO_NEEDS_RESET);
    assert_int_equal(vd_wait(&vd), VIRTIO_ISR_CONFIG);

    vd_desc(&vd, 0, 0, VD_DATA, 1, VD_WRITE, 0);
    vd_offer(&vd, 0, 0);
    vd_kick(&vd, 0); /* dead until the reset */
    assert_int_equal(vd_load16(&vd, vd_used_gpa(0) + 2), 0);
    vd_wr(&vd, VD_STATUS, 15); /* and the driver cannot talk it away */
    assert_int_equal(vd_rd(&vd, VD_STATUS), 15 | VIRTIO_NEEDS_RESET);
    vd_start(&vd, 0, 8, 1);
    vd_fini(&vd);
}

static void test_requests_and_interrupts(void **state)
{
    uint32_t head, len;
    struct vd vd;

    rig_init(&vd);
    vd_start(&vd, 0, 8, QUEUES);
    vd_desc(&vd, 1, 3, VD_DATA, 10, VD_WRITE, 0);
    vd_offer(&vd, 1, 3);
    assert_false(vd_used(&vd, 1, &head, &len));
    vd_kick(&vd, 1);
    assert_true(vd_used(&vd, 1, &head, &len));
    assert_int_equal(head, 3);
    assert_int_equal(len, 10);
    assert_int_equal(*vd_at(&vd, VD_DATA + 9), 0xec);
    assert_true(vd.level);
    assert_int_equal(vd_rd(&vd, VD_ISR), VIRTIO_ISR_USED);
    vd_wr(&vd, VD_ACK, 2);
    assert_true(vd.level);
    vd_wr(&vd, VD_ACK, UINT32_MAX);
    assert_false(vd.level);
    assert_int_equal(vd_rd(&vd, VD_ISR), 0);
    vd_fini(&vd);
}

/* After its work a device asks to be notified of the next request. */
static void test_notifications_are_on_again(void **state)
{
    struct vd vd;

    rig_init(&vd);
    vd_start(&vd, 0, 8, 1);
    vd_desc(&vd, 0, 0, VD_DATA, 1, VD_WRITE, 0);
    vd_offer(&vd, 0, 0);
    vd_kick(&vd, 0);
    assert_int_equal(vd_load16(&vd, vd_used_gpa(0)), 0);
    vd_start(&vd, VIRTIO_F_EVENT_IDX, 8, 1);
    vd_desc(&vd, 0, 0, VD_DATA, 1, VD_WRITE, 0);
    vd_offer(&vd, 0, 0);
    vd_kick(&vd, 0);
    assert_int_equal(vd_load16(&vd, vd_used_gpa(0) + 4 + 8 * 8), 1);
    vd_fini(&vd);
}

static void test_stray_notifications(void **state)
{
    struct vd vd;
    struct echo *echo = rig_init(&vd);

    vd_kick(&vd, 0); /* before anything */
    vd.size = 8;
    vd_negotiate(&vd, VIRTIO_F_VERSION_1);
    vd_queue(&vd, 0);
    vd_desc(&vd, 0, 0, VD_DATA, 1, VD_WRITE, 0);
    vd_offer(&vd, 0, 0);
    vd_kick(&vd, 0); /* before DRIVER_OK */
    assert_int_equal(echo->served, 0);
    vd_driver_ok(&vd); /* what was offered early is seen now */
    assert_int_equal(echo->served, 1);
    vd_kick(&vd, 1); /* not ready */
    vd_kick(&vd, QUEUES);
    vd_kick(&vd, UINT32_MAX);
    vd_kick(&vd, 31);
    vd_kick(&vd, 32);
    assert_int_equal(echo->served, 1);
    assert_int_equal(vd_rd(&vd, VD_STATUS), 15);
    vd_fini(&vd);
}

static void test_queue_restart(void **state)
{
    uint32_t head, len;
    struct vd vd;
    struct echo *echo = rig_init(&vd);

    vd_start(&vd, 0, 8, 1);
    vd_desc(&vd, 0, 0, VD_DATA, 1, VD_WRITE, 0);
    vd_offer(&vd, 0, 0);
    vd_kick(&vd, 0);
    vd_wr(&vd, VD_QUEUE_SEL, 0);
    vd_wr(&vd, VD_QUEUE_READY, 0);
    vd_offer(&vd, 0, 0);
    vd_kick(&vd, 0);
    assert_int_equal(echo->served, 1);
    vd_queue(&vd, 0); /* both sides start at index 0 again */
    vd_desc(&vd, 0, 0, VD_DATA, 1, VD_WRITE, 0);
    vd_offer(&vd, 0, 0);
    vd_kick(&vd, 0);
    assert_true(vd_used(&vd, 0, &head, &len));
    assert_int_equal(echo->served, 2);
    vd_fini(&vd);
}

static void test_configuration(void **state)
{
    struct vd vd;
    struct echo *echo = rig_init(&vd);

    memcpy(echo->config, "abcdef", 6);
    assert_int_equal(bus_read(&vd.bus, VD_BASE + VD_CONFIG, 1), 'a');
    assert_int_equal(bus_read(&vd.bus, VD_BASE + VD_CONFIG + 5, 1), 'f');
    assert_int_equal(bus_read(&vd.bus, VD_BASE + VD_CONFIG + 2, 2), 'c' | 'd' << 8);
    assert_int_equal(vd_rd(&vd, VD_CONFIG) & 0xff, 'a');
    assert_int_equal(vd_rd(&vd, VD_CONFIG + 4), 0); /* half outside */
    assert_int_equal(bus_read(&vd.bus, VD_BASE + VD_CONFIG + 6, 1), 0);
    assert_int_equal(bus_read(&vd.bus, VD_BASE + VD_CONFIG + 1, 2), 0);
    assert_int_equal(bus_read(&vd.bus, VD_BASE + VD_CONFIG, 8), 0);
    bus_write(&vd.bus, VD_BASE + VD_CONFIG + 4, 2, 0x5958);
    bus_write(&vd.bus, VD_BASE + VD_CONFIG + 5, 2, 0);
    bus_write(&vd.bus, VD_BASE + VD_CONFIG + 6, 1, 0);
    bus_write(&vd.bus, VD_BASE + VD_CONFIG, 8, 0);
    assert_memory_equal(echo->config, "abcdXY", 6);

    assert_int_equal(vd_rd(&vd, VD_GENERATION), 0);
    virtio_config_changed(&echo->virtio);
    assert_int_equal(vd_rd(&vd, VD_GENERATION), 1);
    assert_false(vd.level); /* nobody drives the device yet */
    vd_start(&vd, 0, 8, 0);
    virtio_config_changed(&echo->virtio);
    assert_int_equal(vd_wait(&vd), VIRTIO_ISR_CONFIG);
    vd_fini(&vd);
}

static void test_reset(void **state)
{
    struct state_buf power_on;
    struct vd vd;
    struct echo *echo = rig_init(&vd);

    power_on = sweep_save(vd.dev);
    vd_start(&vd, VIRTIO_F_EVENT_IDX, 8, QUEUES);
    vd_desc(&vd, 0, 0, VD_DATA, 1, VD_WRITE, 0);
    vd_offer(&vd, 0, 0);
    vd_kick(&vd, 0);
    assert_true(vd.level);
    vd_wr(&vd, VD_STATUS, 0);
    assert_false(vd.level);
    assert_int_equal(echo->resets, 2); /* vd_start() begins with one */
    sweep_assert_state(vd.dev, &power_on, VD_STATUS);
    state_buf_fini(&power_on);
    vd_fini(&vd);
}

static bool allowed(uint64_t off, unsigned size, bool write)
{
    static const uint16_t r[] = { 0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x24, 0x30, 0x34,
                                  0x44, 0x60, 0x70, 0xb0, 0xb4, 0xb8, 0xbc, 0xfc };
    static const uint16_t w[] = { 0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64,
                                  0x70, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac };
    const uint16_t *list = write ? w : r;
    unsigned count = write ? ARRAY_LEN(w) : ARRAY_LEN(r);

    if (off >= VD_CONFIG)
        return size <= 4 && off % size == 0 && off - VD_CONFIG + size <= 6;
    for (unsigned i = 0; i < count; i++)
        if (size == 4 && off == list[i])
            return true;
    return false;
}

static void test_bad_accesses_have_no_effect(void **state)
{
    struct vd vd;

    rig_init(&vd);
    sweep(vd.dev, allowed); /* at power-on */
    vd_start(&vd, 0, 8, QUEUES);
    sweep(vd.dev, allowed); /* and live */
    vd_fini(&vd);
}

static void test_device_tree_node(void **state)
{
    struct dtb_node tree;
    const void *blob;
    struct dtb *dtb;
    struct err err;
    size_t len;
    struct vd vd;

    rig_init(&vd);
    assert_int_equal(dtb_create(&dtb, &err), 0);
    tree = dtb_node_begin(dtb, "");
    assert_int_equal(vd.dev->ops->fdt(vd.dev, &tree), 0);
    dtb_node_end(&tree);
    assert_int_equal(dtb_finish(dtb, &blob, &len, &err), 0);
    assert_non_null(memmem(blob, len, "virtio_mmio@a000000", 19));
    assert_non_null(memmem(blob, len, "dma-coherent", 12));
    dtb_destroy(dtb);
    vd_fini(&vd);
}

static void test_saved_state(void **state)
{
    uint32_t head, len;
    struct vd vd, other;
    struct echo *echo = rig_init(&vd), *moved;
    struct err err;

    vd_start(&vd, VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT, 8, QUEUES);
    for (unsigned i = 0; i < 3; i++) {
        vd_desc(&vd, 0, i, VD_DATA, 1, VD_WRITE, 0);
        vd_offer(&vd, 0, (uint16_t)i);
        vd_kick(&vd, 0);
    }
    memcpy(echo->config, "saved!", 6);
    assert_int_equal(echo->served, 3);
    /* One more is offered, not notified: as when the pause came in between. */
    vd_desc(&vd, 0, 3, VD_DATA, 1, VD_WRITE, 0);
    vd_offer(&vd, 0, 3);

    moved = rig_init(&other);
    memcpy(vd_at(&other, VD_RAM), vd_at(&vd, VD_RAM), VD_RAM_SIZE);
    assert_int_equal(sweep_move(vd.dev, other.dev, &err), 0);
    assert_int_equal(moved->activated, 1);
    assert_int_equal(moved->served, 1); /* it looked by itself */
    assert_memory_equal(moved->config, "saved!", 6);
    assert_true(other.level); /* the interrupt was pending */
    other.size = vd.size;
    memcpy(other.avail_idx, vd.avail_idx, sizeof(vd.avail_idx));
    for (unsigned i = 0; i < 4; i++) {
        assert_true(vd_used(&other, 0, &head, &len));
        assert_int_equal(head, i);
    }
    vd_desc(&other, 0, 4, VD_DATA, 1, VD_WRITE, 0);
    vd_offer(&other, 0, 4);
    vd_kick(&other, 0);
    assert_true(vd_used(&other, 0, &head, &len));
    assert_int_equal(head, 4);
    vd_fini(&vd);
    vd_fini(&other);
}

/* Change one thing in a live device, save it, and load that. */
static void test_hostile_state_is_refused(void **state)
{
    for (unsigned i = 0;; i++) {
        struct vd vd, other;
        struct echo *echo = rig_init(&vd);
        struct virtio *v = &echo->virtio;
        struct err err;

        rig_init(&other);
        vd_start(&vd, 0, 8, QUEUES);
        switch (i) {
        case 0:
            v->status = 0x115;
            break;
        case 1:
            v->isr = 4;
            break;
        case 2:
            v->status = VIRTIO_DRIVER_OK;
            break;
        case 3:
            v->driver_features |= BIT(40);
            break;
        case 4:
            v->driver_features = 0;
            break;
        case 5:
            v->queues[0].size = 7;
            break;
        case 6:
            v->queues[1].size = QUEUE_MAX * 2;
            break;
        case 7:
            v->queues[1].size = 0;
            break;
        case 8:
            v->queues[0].desc = 0;
            break;
        case 9:
            v->queues[0].avail++;
            break;
        case 10:
            v->queues[0].used = UINT64_MAX & ~UINT64_C(3);
            break;
        case 11:
            v->queues[QUEUES].ready = true;
            break;
        case 12:
            v->queues[QUEUES].size = 8;
            break;
        default:
            assert_int_equal(i, 13);
            v->queues[0].next_avail = 5000; /* broken, but only the ring can tell */
            assert_int_equal(sweep_move(vd.dev, other.dev, &err), 0);
            assert_int_equal(vd_rd(&other, VD_STATUS), 15 | VIRTIO_NEEDS_RESET);
            vd_fini(&vd);
            vd_fini(&other);
            return;
        }
        assert_int_equal(sweep_move(vd.dev, other.dev, &err), -EINVAL);
        assert_non_null(strstr(err.msg, "echo: "));
        vd_fini(&vd);
        vd_fini(&other);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_status_only_grows),
        cmocka_unit_test(test_queue_set_up),
        cmocka_unit_test(test_a_bad_queue_needs_a_reset),
        cmocka_unit_test(test_requests_and_interrupts),
        cmocka_unit_test(test_notifications_are_on_again),
        cmocka_unit_test(test_stray_notifications),
        cmocka_unit_test(test_queue_restart),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_bad_accesses_have_no_effect),
        cmocka_unit_test(test_device_tree_node),
        cmocka_unit_test(test_saved_state),
        cmocka_unit_test(test_hostile_state_is_refused),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
