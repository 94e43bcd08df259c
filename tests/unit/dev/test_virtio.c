/* Work on the I/O thread: rounds, and taking a queue away while a request is under way. */
#include <errno.h>
#include <sched.h>

#include "dev/virtio/mmio.h"
#include "sweep.h"
#include "virtio_driver.h"

#define QUEUE_MAX 256

struct slow {
    struct virtio virtio;
    struct lock lock;
    struct cond cond;
    bool gated; /* requests stop inside their host I/O */
    unsigned begun, done;
    unsigned passes; /* requests that may go on */
};

static uint32_t slow_request(struct virtio *v, struct queue_chain *chain)
{
    struct slow *slow = container_of(v, struct slow, virtio);

    virtio_io_begin(v);
    lock_take(&slow->lock);
    slow->begun++;
    cond_broadcast(&slow->cond);
    while (slow->gated && !slow->passes)
        cond_wait(&slow->cond, &slow->lock);
    if (slow->gated)
        slow->passes--;
    slow->done++;
    memset(chain->iov[0].iov_base, 0x5a, chain->iov[0].iov_len);
    cond_broadcast(&slow->cond);
    lock_drop(&slow->lock);
    virtio_io_end(v);
    return (uint32_t)chain->in_len;
}

static void slow_notify(struct virtio *v, unsigned queue)
{
    virtio_serve(v, queue, slow_request);
}

static const struct virtio_ops slow_virtio_ops = {
    .id = 43, .queues = 2, .queue_max = QUEUE_MAX, .notify = slow_notify
};

static void slow_destroy(struct dev *dev)
{
    struct slow *slow = container_of(dev, struct slow, virtio.dev);

    virtio_fini(&slow->virtio);
    cond_fini(&slow->cond);
    lock_fini(&slow->lock);
    free(slow);
}

static const struct dev_ops slow_ops = {
    .name = "slow",
    .mmio_size = MMIO_SIZE,
    .read = mmio_read,
    .write = mmio_write,
    .reset = virtio_reset,
    .destroy = slow_destroy,
};

struct rig {
    struct vd vd;
    struct slow *slow;
    struct evloop *loop;
    struct thread io, vcpu;
};

static void io_main(void *arg)
{
    evloop_run(arg);
}

static void rig_init(struct rig *rig, bool gated)
{
    struct virtio_host host;
    struct err err;

    memset(rig, 0, sizeof(*rig));
    vd_mem(&rig->vd);
    assert_int_equal(evloop_create(&rig->loop, &err), 0);
    host = (struct virtio_host){ .mem = rig->vd.mem, .loop = rig->loop };
    rig->slow = calloc(1, sizeof(*rig->slow));
    lock_init(&rig->slow->lock);
    cond_init(&rig->slow->cond);
    rig->slow->gated = gated;
    assert_int_equal(virtio_init(&rig->slow->virtio, &slow_ops, &slow_virtio_ops, 0, &host, &err),
                     0);
    vd_attach(&rig->vd, &rig->slow->virtio.dev);
    assert_int_equal(thread_start(&rig->io, "io", io_main, rig->loop), 0);
}

static void rig_fini(struct rig *rig)
{
    evloop_stop(rig->loop);
    thread_join(&rig->io);
    vd_fini(&rig->vd);
    evloop_destroy(rig->loop);
}

static void offer(struct rig *rig, unsigned q, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        vd_desc(&rig->vd, q, i, VD_DATA + 0x1000 * q + i, 1, VD_WRITE, 0);
        vd_offer(&rig->vd, q, (uint16_t)i);
    }
    vd_kick(&rig->vd, q);
}

static void wait_begun(struct rig *rig, unsigned count)
{
    lock_take(&rig->slow->lock);
    while (rig->slow->begun < count)
        cond_wait(&rig->slow->cond, &rig->slow->lock);
    lock_drop(&rig->slow->lock);
}

/* Let requests go on. */
static void pass(struct rig *rig, unsigned count)
{
    lock_take(&rig->slow->lock);
    rig->slow->passes += count;
    cond_broadcast(&rig->slow->cond);
    lock_drop(&rig->slow->lock);
}

/* Until the vCPU thread waits for the end of a round. */
static void wait_stopping(struct rig *rig)
{
    struct virtio *v = &rig->slow->virtio;
    unsigned stopping;

    do {
        sched_yield();
        lock_take(&v->dev.lock);
        stopping = v->stopping;
        lock_drop(&v->dev.lock);
    } while (!stopping);
}

static void vcpu_resets(void *arg)
{
    vd_wr(arg, VD_STATUS, 0);
}

static void vcpu_takes_queue_0(void *arg)
{
    vd_wr(arg, VD_QUEUE_SEL, 0);
    vd_wr(arg, VD_QUEUE_READY, 0);
}

static void test_a_vcpu_does_not_wait_for_host_io(void **state)
{
    struct rig rig;

    rig_init(&rig, true);
    vd_start(&rig.vd, 0, 8, 1);
    offer(&rig, 0, 1);
    wait_begun(&rig, 1);
    assert_int_equal(vd_rd(&rig.vd, VD_STATUS), 15); /* would hang here */
    vd_kick(&rig.vd, 0);
    pass(&rig, 1);
    assert_int_equal(vd_wait(&rig.vd), VIRTIO_ISR_USED);
    rig_fini(&rig);
}

static void test_reset_waits_for_the_request_under_way(void **state)
{
    struct rig rig;
    uint8_t *data;

    rig_init(&rig, true);
    vd_start(&rig.vd, 0, 8, 1);
    offer(&rig, 0, 5);
    wait_begun(&rig, 1);
    data = vd_at(&rig.vd, VD_DATA);
    assert_int_equal(thread_start(&rig.vcpu, "vcpu", vcpu_resets, &rig.vd), 0);
    wait_stopping(&rig);
    assert_int_equal(data[0], 0);
    pass(&rig, 5);
    thread_join(&rig.vcpu);
    assert_int_equal(vd_rd(&rig.vd, VD_STATUS), 0);
    assert_int_equal(rig.slow->done, 1); /* the other four were never begun */
    assert_int_equal(data[0], 0x5a);
    assert_int_equal(data[1], 0);

    rig.slow->gated = false; /* and the device works on */
    vd_start(&rig.vd, 0, 8, 1);
    offer(&rig, 0, 1);
    assert_int_equal(vd_wait(&rig.vd), VIRTIO_ISR_USED);
    rig_fini(&rig);
}

static void test_taking_one_queue_leaves_the_other(void **state)
{
    struct rig rig;

    rig_init(&rig, true);
    vd_start(&rig.vd, 0, 8, 2);
    offer(&rig, 0, 3);
    wait_begun(&rig, 1);
    offer(&rig, 1, 2);
    assert_int_equal(thread_start(&rig.vcpu, "vcpu", vcpu_takes_queue_0, &rig.vd), 0);
    wait_stopping(&rig);
    pass(&rig, 3);
    thread_join(&rig.vcpu);
    wait_begun(&rig, 3); /* one of queue 0, both of queue 1 */
    while (vd_load16(&rig.vd, vd_used_gpa(1) + 2) != 2)
        vd_wait(&rig.vd);
    assert_int_equal(vd_load16(&rig.vd, vd_used_gpa(0) + 2), 1);
    assert_int_equal(rig.slow->done, 3);
    rig_fini(&rig);
}

static void test_two_vcpus_reset_at_once(void **state)
{
    struct thread second = { 0 };
    struct rig rig;

    rig_init(&rig, true);
    vd_start(&rig.vd, 0, 8, 1);
    offer(&rig, 0, 2);
    wait_begun(&rig, 1);
    assert_int_equal(thread_start(&rig.vcpu, "vcpu", vcpu_resets, &rig.vd), 0);
    assert_int_equal(thread_start(&second, "vcpu", vcpu_resets, &rig.vd), 0);
    wait_stopping(&rig);
    pass(&rig, 2);
    thread_join(&rig.vcpu);
    thread_join(&second);
    assert_int_equal(vd_rd(&rig.vd, VD_STATUS), 0);
    assert_int_equal(rig.slow->virtio.stopping, 0);
    assert_int_equal(rig.slow->done, 1);
    rig_fini(&rig);
}

/* More than one round can hold, offered at once and with one notification. */
static void test_a_full_ring_is_served_in_rounds(void **state)
{
    static const uint64_t features[] = { 0, VIRTIO_F_EVENT_IDX };

    for (unsigned f = 0; f < ARRAY_LEN(features); f++) {
        uint32_t head, len;
        struct rig rig;

        rig_init(&rig, false);
        vd_start(&rig.vd, features[f], QUEUE_MAX, 1);
        offer(&rig, 0, QUEUE_MAX);
        for (unsigned got = 0; got < QUEUE_MAX;) {
            if (vd_used(&rig.vd, 0, &head, &len)) {
                assert_int_equal(head, got++);
                continue;
            }
            /* Ask for an interrupt at the next one, then look again, as a driver must. */
            vd_store16(&rig.vd, vd_avail_gpa(0) + 4 + 2 * QUEUE_MAX, rig.vd.used_idx[0]);
            if (vd_load16(&rig.vd, vd_used_gpa(0) + 2) == rig.vd.used_idx[0])
                vd_wait(&rig.vd);
        }
        rig_fini(&rig);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_vcpu_does_not_wait_for_host_io),
        cmocka_unit_test(test_reset_waits_for_the_request_under_way),
        cmocka_unit_test(test_taking_one_queue_leaves_the_other),
        cmocka_unit_test(test_two_vcpus_reset_at_once),
        cmocka_unit_test(test_a_full_ring_is_served_in_rounds),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
