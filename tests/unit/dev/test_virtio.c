/* Work on the I/O thread: rounds, and taking a queue away while a request is under way. */
#include <errno.h>
#include <sched.h>

#include "dev/virtio/mmio.h"
#include "sweep.h"
#include "virtio_driver.h"

#define QUEUE_MAX 256
#define IN_FLIGHT 4

struct slow {
    struct virtio virtio;
    struct lock lock;
    struct cond cond;
    bool gated; /* requests stop inside their host I/O */
    unsigned begun, done;
    unsigned passes; /* requests that may go on */
    unsigned inside, most;
};

/* The host I/O of a request. */
static void slow_io(struct slow *slow, const struct queue_chain *chain)
{
    lock_take(&slow->lock);
    slow->begun++;
    slow->inside++;
    if (slow->inside > slow->most)
        slow->most = slow->inside;
    cond_broadcast(&slow->cond);
    while (slow->gated && !slow->passes)
        cond_wait(&slow->cond, &slow->lock);
    if (slow->gated)
        slow->passes--;
    slow->done++;
    slow->inside--;
    memset(chain->iov[0].iov_base, 0x5a, chain->iov[0].iov_len);
    cond_broadcast(&slow->cond);
    lock_drop(&slow->lock);
}

static bool slow_request(struct virtio *v, struct virtio_req *req)
{
    struct slow *slow = container_of(v, struct slow, virtio);

    virtio_io_begin(v);
    slow_io(slow, &req->chain);
    virtio_io_end(v);
    req->len = (uint32_t)req->chain.in_len;
    return true;
}

static const struct virtio_ops slow_virtio_ops = {
    .id = 43, .queues = 2, .queue_max = QUEUE_MAX, .notify = virtio_serve, .request = slow_request
};

static bool pooled_request(struct virtio *v, struct virtio_req *req)
{
    return false;
}

static void pooled_run(struct virtio *v, struct virtio_req *req)
{
    slow_io(container_of(v, struct slow, virtio), &req->chain);
}

static void pooled_finish(struct virtio *v, struct virtio_req *req)
{
    req->len = (uint32_t)req->chain.in_len;
}

static const struct virtio_ops pooled_virtio_ops = {
    .id = 44,
    .queues = 2,
    .queue_max = QUEUE_MAX,
    .notify = virtio_serve,
    .eager = true,
    .in_flight = IN_FLIGHT,
    .request = pooled_request,
    .run = pooled_run,
    .finish = pooled_finish,
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
    struct pool *pool; /* NULL: on the I/O thread */
    struct thread io, vcpu;
};

static void io_main(void *arg)
{
    evloop_run(arg);
}

static void rig_init_ops(struct rig *rig, bool gated, const struct virtio_ops *ops)
{
    struct virtio_host host;
    struct err err;

    memset(rig, 0, sizeof(*rig));
    vd_mem(&rig->vd);
    assert_int_equal(evloop_create(&rig->loop, &err), 0);
    if (ops->run)
        assert_int_equal(pool_create("pool", 2 * IN_FLIGHT, &rig->pool, &err), 0);
    host = (struct virtio_host){ .mem = rig->vd.mem, .loop = rig->loop, .pool = rig->pool };
    rig->slow = calloc(1, sizeof(*rig->slow));
    lock_init(&rig->slow->lock);
    cond_init(&rig->slow->cond);
    rig->slow->gated = gated;
    assert_int_equal(virtio_init(&rig->slow->virtio, &slow_ops, ops, 0, &host, &err), 0);
    vd_attach(&rig->vd, &rig->slow->virtio.dev);
    assert_int_equal(thread_start(&rig->io, "io", io_main, rig->loop), 0);
}

static void rig_init(struct rig *rig, bool gated)
{
    rig_init_ops(rig, gated, &slow_virtio_ops);
}

static void rig_fini(struct rig *rig)
{
    evloop_stop(rig->loop);
    thread_join(&rig->io);
    pool_destroy(rig->pool);
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

/* Take what is finished; seen[head] counts. Returns how many there are now. */
static unsigned take_used(struct rig *rig, unsigned seen[QUEUE_MAX], unsigned got)
{
    uint32_t head, len;

    while (vd_used(&rig->vd, 0, &head, &len)) {
        assert_true(head < QUEUE_MAX);
        assert_int_equal(len, 1);
        seen[head]++;
        got++;
    }
    return got;
}

static void wait_used(struct rig *rig, unsigned count)
{
    unsigned seen[QUEUE_MAX] = { 0 }, got = take_used(rig, seen, 0);

    while (got < count) {
        vd_wait(&rig->vd);
        got = take_used(rig, seen, got);
    }
    assert_int_equal(got, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(seen[i], 1);
}

/* Side by side up to the limit; what is more stays in the ring until there is room. */
static void test_requests_in_flight_are_bounded(void **state)
{
    struct rig rig;

    rig_init_ops(&rig, true, &pooled_virtio_ops);
    vd_start(&rig.vd, 0, 64, 1);
    offer(&rig, 0, 40);
    wait_begun(&rig, IN_FLIGHT);
    lock_take(&rig.slow->virtio.dev.lock);
    assert_int_equal(rig.slow->virtio.queues[0].next_avail, IN_FLIGHT);
    assert_null(rig.slow->virtio.free);
    lock_drop(&rig.slow->virtio.dev.lock);
    assert_int_equal(vd_rd(&rig.vd, VD_STATUS), 15); /* a vCPU does not wait */
    pass(&rig, 40);
    wait_used(&rig, 40);
    assert_int_equal(rig.slow->most, IN_FLIGHT);
    assert_int_equal(rig.slow->done, 40);
    rig_fini(&rig);
}

static void test_reset_waits_for_all_in_flight(void **state)
{
    struct rig rig;
    uint8_t *data;

    rig_init_ops(&rig, true, &pooled_virtio_ops);
    vd_start(&rig.vd, 0, 64, 1);
    data = vd_at(&rig.vd, VD_DATA);
    offer(&rig, 0, 20);
    wait_begun(&rig, IN_FLIGHT);
    assert_int_equal(thread_start(&rig.vcpu, "vcpu", vcpu_resets, &rig.vd), 0);
    wait_stopping(&rig);
    pass(&rig, IN_FLIGHT - 1); /* one stays */
    lock_take(&rig.slow->virtio.dev.lock);
    while (rig.slow->virtio.in_flight > 1) {
        lock_drop(&rig.slow->virtio.dev.lock);
        sched_yield();
        lock_take(&rig.slow->virtio.dev.lock);
    }
    assert_int_equal(rig.slow->virtio.status, 15); /* not yet */
    assert_int_equal(rig.slow->virtio.stopping, 1);
    lock_drop(&rig.slow->virtio.dev.lock);
    pass(&rig, 20);
    thread_join(&rig.vcpu);
    assert_int_equal(vd_rd(&rig.vd, VD_STATUS), 0);
    assert_int_equal(rig.slow->done, IN_FLIGHT); /* the others were never begun */
    assert_int_equal(rig.slow->inside, 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(data[i], i < IN_FLIGHT ? 0x5a : 0);

    rig.slow->gated = false; /* and the device works on */
    vd_start(&rig.vd, VIRTIO_F_EVENT_IDX, QUEUE_MAX, 1);
    offer(&rig, 0, 1);
    wait_used(&rig, 1);
    rig_fini(&rig);
}

static void test_taking_a_queue_with_requests_in_flight(void **state)
{
    struct rig rig;

    rig_init_ops(&rig, true, &pooled_virtio_ops);
    vd_start(&rig.vd, 0, 64, 2);
    offer(&rig, 0, 2);
    offer(&rig, 1, 30);
    wait_begun(&rig, IN_FLIGHT); /* two of each */
    assert_int_equal(thread_start(&rig.vcpu, "vcpu", vcpu_takes_queue_0, &rig.vd), 0);
    wait_stopping(&rig);
    pass(&rig, 100);
    thread_join(&rig.vcpu);
    assert_int_equal(vd_load16(&rig.vd, vd_used_gpa(0) + 2), 2);
    while (vd_load16(&rig.vd, vd_used_gpa(1) + 2) != 30) /* the other one goes on */
        vd_wait(&rig.vd);
    assert_int_equal(rig.slow->done, 32);
    rig_fini(&rig);
}

struct drainer {
    struct rig *rig;
    struct thread thread;
    unsigned inside; /* requests under way when the drain had returned */
};

static void drain_main(void *arg)
{
    struct drainer *drainer = arg;

    pool_drain(drainer->rig->pool);
    lock_take(&drainer->rig->slow->lock);
    drainer->inside = drainer->rig->slow->inside;
    lock_drop(&drainer->rig->slow->lock);
}

/* What a pause of the machine does: afterwards, no chain is half done. */
static void test_a_drained_pool_leaves_no_request_half_done(void **state)
{
    struct drainer drainer = { 0 };
    struct virtio *v;
    struct rig rig;

    rig_init_ops(&rig, true, &pooled_virtio_ops);
    v = &rig.slow->virtio;
    vd_start(&rig.vd, 0, 64, 1);
    offer(&rig, 0, IN_FLIGHT);
    wait_begun(&rig, IN_FLIGHT);
    drainer.rig = &rig;
    assert_int_equal(thread_start(&drainer.thread, "pause", drain_main, &drainer), 0);
    for (unsigned i = 0; i < 1000; i++)
        sched_yield();
    pass(&rig, IN_FLIGHT);
    thread_join(&drainer.thread);
    assert_int_equal(drainer.inside, 0);
    assert_int_equal(v->queues[0].next_used, v->queues[0].next_avail);
    assert_int_equal(vd_load16(&rig.vd, vd_used_gpa(0) + 2), IN_FLIGHT);
    rig_fini(&rig);
}

/* A driver that makes the same buffers available again and again, and resets in the middle. */
static void test_a_hostile_driver(void **state)
{
    unsigned seed = 99;
    struct rig rig;

    rig_init_ops(&rig, false, &pooled_virtio_ops);
    for (unsigned n = 0; n < 200; n++) {
        vd_start(&rig.vd, n & 1 ? VIRTIO_F_EVENT_IDX : 0, QUEUE_MAX, 1);
        vd_desc(&rig.vd, 0, 0, VD_DATA, 1, VD_WRITE, 0);
        for (unsigned i = (unsigned)rand_r(&seed) % QUEUE_MAX; i; i--) {
            vd_offer(&rig.vd, 0, 0);
            if (rand_r(&seed) % 8 == 0)
                vd_kick(&rig.vd, 0);
        }
        if (n % 3 == 0) { /* and now a chain that is broken */
            vd_offer(&rig.vd, 0, UINT16_MAX);
            vd_kick(&rig.vd, 0);
        }
        if (n % 2) {
            vd_wr(&rig.vd, VD_QUEUE_SEL, 0);
            vd_wr(&rig.vd, VD_QUEUE_READY, 0);
        }
        vd_wr(&rig.vd, VD_STATUS, 0);
        assert_int_equal(rig.slow->virtio.in_flight, 0);
        assert_int_equal(rig.slow->inside, 0);
    }
    assert_true(rig.slow->done > 0);
    rig_fini(&rig);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_vcpu_does_not_wait_for_host_io),
        cmocka_unit_test(test_reset_waits_for_the_request_under_way),
        cmocka_unit_test(test_taking_one_queue_leaves_the_other),
        cmocka_unit_test(test_two_vcpus_reset_at_once),
        cmocka_unit_test(test_a_full_ring_is_served_in_rounds),
        cmocka_unit_test(test_requests_in_flight_are_bounded),
        cmocka_unit_test(test_reset_waits_for_all_in_flight),
        cmocka_unit_test(test_taking_a_queue_with_requests_in_flight),
        cmocka_unit_test(test_a_drained_pool_leaves_no_request_half_done),
        cmocka_unit_test(test_a_hostile_driver),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
