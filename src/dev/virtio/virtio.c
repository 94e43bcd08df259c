/* What all virtio devices share: life cycle, rounds of work, saved state. See virtio.h. */
#include "dev/virtio/virtio.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

/* Requests of one round; then the I/O thread looks at its other business first. */
#define ROUND_MAX 64

/* Requests that a vCPU begins itself before it goes on with the guest. */
#define EAGER_MAX 16

/* Do what was notified. With an event loop one round at a time, without one until all is done. */
static void virtio_work_locked(struct virtio *v, unsigned budget)
{
    if (v->working)
        return; /* another thread is at it, and looks at `kicked` again */
    v->working = true;
    gmem_gate_enter(v->host.mem);
    do {
        uint32_t kicked = v->kicked;

        v->budget = budget;
        v->kicked = 0;
        for (unsigned i = 0; i < v->ops->queues; i++) {
            if (!(kicked & BIT(i)))
                continue;
            if (v->stopping)
                v->kicked |= BIT(i);
            else if (virtio_live(v) && v->queues[i].ready)
                v->ops->notify(v, i);
        }
    } while (v->kicked && !v->task && !v->stopping);
    gmem_gate_leave(v->host.mem);
    v->working = false;
    cond_broadcast(&v->idle);
    if (v->kicked && v->task && !v->stopping)
        ev_task_wake(v->task);
}

static void virtio_work(void *ctx)
{
    struct virtio *v = ctx;

    lock_take(&v->dev.lock);
    virtio_work_locked(v, ROUND_MAX);
    lock_drop(&v->dev.lock);
}

/* Wait until no request is under way; more are not begun until `stopping` is cleared. */
static void virtio_stop_work(struct virtio *v) NO_ANALYSIS
{
    v->stopping++;
    while (v->working || v->in_flight)
        cond_wait(&v->idle, &v->dev.lock);
    v->stopping--;
}

/* Hand a chain back. (lock) */
static void virtio_answer(struct virtio *v, struct virtio_req *req)
{
    struct queue *queue = &v->queues[req->queue];

    queue_push(queue, req->chain.head, req->len);
    req->next = v->free;
    v->free = req;
    if (queue_wants_signal(queue)) {
        v->isr |= VIRTIO_ISR_USED;
        virtio_update_irq(v);
    }
}

/* In the pool. */
static void virtio_req_work(struct pool_work *work)
{
    struct virtio_req *req = container_of(work, struct virtio_req, work);
    struct virtio *v = req->v;

    gmem_gate_enter(v->host.mem);
    v->ops->run(v, req);
    lock_take(&v->dev.lock);
    v->ops->finish(v, req);
    virtio_answer(v, req);
    gmem_gate_leave(v->host.mem);
    v->in_flight--;
    if (v->starved && v->in_flight <= v->ops->in_flight / 2) {
        v->kicked |= v->starved;
        v->starved = 0;
        if (!v->stopping)
            ev_task_wake(v->task);
    }
    if (v->stopping && !v->in_flight)
        cond_broadcast(&v->idle);
    lock_drop(&v->dev.lock);
}

static void virtio_req_begin(struct virtio *v, struct virtio_req *req)
{
    if (v->host.pool) {
        v->in_flight++;
        pool_add(v->host.pool, &req->work);
        return;
    }
    virtio_io_begin(v);
    v->ops->run(v, req);
    virtio_io_end(v);
    v->ops->finish(v, req);
    virtio_answer(v, req);
}

static int virtio_init_reqs(struct virtio *v)
{
    unsigned count = v->ops->in_flight ? v->ops->in_flight : 1;
    size_t size = v->ops->request_size ? v->ops->request_size : sizeof(struct virtio_req);

    v->reqs = calloc(count, size);
    if (!v->reqs)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        struct virtio_req *req = (void *)((char *)v->reqs + i * size);

        req->work.fn = virtio_req_work;
        req->v = v;
        req->next = v->free;
        v->free = req;
    }
    return 0;
}

int virtio_init(struct virtio *v, const struct dev_ops *dev_ops, const struct virtio_ops *ops,
                uint64_t features, const struct virtio_host *host, struct err *err)
{
    assert(ops->queues <= VIRTIO_QUEUES_MAX && ops->queue_max <= QUEUE_SIZE_MAX);
    dev_init(&v->dev, dev_ops);
    cond_init(&v->idle);
    v->ops = ops;
    v->host = *host;
    v->features = features | VIRTIO_F_COMMON;
    assert(host->loop || !host->pool);
    if (host->loop)
        v->task = ev_task_add(host->loop, virtio_work, v);
    if (virtio_init_reqs(v) < 0 || (host->loop && !v->task))
        return err_set(err, ENOMEM, "%s: out of memory", dev_ops->name);
    return 0;
}

void virtio_fini(struct virtio *v)
{
    assert(!v->in_flight);
    free(v->reqs);
    ev_task_del(v->task);
    cond_fini(&v->idle);
    dev_fini(&v->dev);
}

void virtio_update_irq(struct virtio *v)
{
    irq_line_set(&v->dev.irq, v->isr);
}

void virtio_reset(struct dev *dev)
{
    struct virtio *v = container_of(dev, struct virtio, dev);

    virtio_stop_work(v);
    v->status = v->isr = 0;
    v->device_features_sel = v->driver_features_sel = v->queue_sel = 0;
    v->driver_features = 0;
    v->kicked = v->starved = 0;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
        queue_reset(&v->queues[i]);
    if (v->ops->reset)
        v->ops->reset(v);
    virtio_update_irq(v);
}

bool virtio_features_ok(const struct virtio *v)
{
    return !(v->driver_features & ~v->features) && virtio_has(v, VIRTIO_F_VERSION_1);
}

/* A queue may have work: for the I/O thread, or done now where there is none. (lock) */
static void virtio_wake(struct virtio *v, unsigned index)
{
    if (!virtio_live(v) || !v->queues[index].ready)
        return;
    v->kicked |= BIT(index);
    if (v->task)
        ev_task_wake(v->task);
    else
        virtio_work_locked(v, ROUND_MAX);
}

void virtio_go(struct virtio *v)
{
    if (v->ops->activate)
        v->ops->activate(v);
    for (unsigned i = 0; i < v->ops->queues; i++)
        virtio_wake(v, i);
}

void virtio_break(struct virtio *v, unsigned index, const char *why)
{
    log_guest(v->dev.ops->name, "queue %u: %s; the device needs a reset", index, why);
    v->status |= VIRTIO_NEEDS_RESET;
    if (v->status & VIRTIO_DRIVER_OK)
        v->isr |= VIRTIO_ISR_CONFIG;
    virtio_update_irq(v);
}

static int virtio_queue_start(struct virtio *v, unsigned index, const char **ret_why)
{
    return queue_start(&v->queues[index], v->host.mem, virtio_has(v, VIRTIO_F_EVENT_IDX),
                       virtio_has(v, VIRTIO_F_INDIRECT), ret_why);
}

void virtio_queue_enable(struct virtio *v, unsigned index)
{
    struct queue *queue = &v->queues[index];
    const char *why;

    if (virtio_queue_start(v, index, &why) < 0) {
        virtio_break(v, index, why);
        return;
    }
    queue->next_avail = queue->next_used = queue->signalled_used = 0;
    queue->signalled_valid = false;
    queue->ready = true;
}

void virtio_queue_disable(struct virtio *v, unsigned index)
{
    virtio_stop_work(v);
    v->queues[index].ready = false;
    for (unsigned i = 0; i < v->ops->queues; i++) /* what the stop has cut short */
        if (v->kicked & BIT(i))
            virtio_wake(v, i);
}

void virtio_kick(struct virtio *v, unsigned index)
{
    if (!v->ops->eager || !v->task) {
        virtio_wake(v, index);
    } else if (virtio_live(v) && v->queues[index].ready) {
        v->kicked |= BIT(index);
        virtio_work_locked(v, EAGER_MAX);
    }
}

void virtio_config_changed(struct virtio *v)
{
    v->config_generation++;
    if (v->status & VIRTIO_DRIVER_OK)
        v->isr |= VIRTIO_ISR_CONFIG;
    virtio_update_irq(v);
}

void virtio_serve(struct virtio *v, unsigned index)
{
    struct queue *queue = &v->queues[index];

    queue_notify_off(queue);
    do {
        enum queue_result res = QUEUE_EMPTY;
        const char *why;

        while (!v->stopping && v->budget && v->free) {
            struct virtio_req *req = v->free;

            res = queue_pop(queue, &req->chain, &why);
            if (res != QUEUE_CHAIN)
                break;
            v->budget--;
            v->free = req->next;
            req->queue = index;
            if (v->ops->request(v, req))
                virtio_answer(v, req);
            else
                virtio_req_begin(v, req);
        }
        if (res == QUEUE_BROKEN) {
            virtio_break(v, index, why);
            return;
        }
        /* Notifications stay off: we come back by ourselves. */
        if (v->stopping || !v->budget) {
            v->kicked |= BIT(index);
            return;
        }
        if (!v->free) {
            v->starved |= BIT(index);
            return;
        }
    } while (queue_notify_on(queue));
}

void virtio_io_begin(struct virtio *v) NO_ANALYSIS
{
    lock_drop(&v->dev.lock);
}

void virtio_io_end(struct virtio *v) NO_ANALYSIS
{
    lock_take(&v->dev.lock);
}

/* v1: the register block and the queues. */
static const struct state_field virtio_fields[] = {
    STATE_U32(struct virtio, status, 1),
    STATE_U32(struct virtio, isr, 1),
    STATE_U32(struct virtio, device_features_sel, 1),
    STATE_U32(struct virtio, driver_features_sel, 1),
    STATE_U32(struct virtio, queue_sel, 1),
    STATE_U32(struct virtio, config_generation, 1),
    STATE_U64(struct virtio, driver_features, 1),
    STATE_STRUCTS(struct virtio, queues, 1, &queue_state),
    STATE_END,
};

const struct state_desc virtio_state = {
    .name = "virtio",
    .version = 1,
    .oldest = 1,
    .fields = virtio_fields,
};

int virtio_post_load(struct virtio *v, struct err *err)
{
    const uint32_t known = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_DRIVER_OK |
                           VIRTIO_FEATURES_OK | VIRTIO_NEEDS_RESET | VIRTIO_FAILED;
    const char *name = v->dev.ops->name, *why;

    if (v->status & ~known || v->isr & ~(uint32_t)(VIRTIO_ISR_USED | VIRTIO_ISR_CONFIG))
        return err_set(err, EINVAL, "%s: status=%#x isr=%#x have unknown bits", name, v->status,
                       v->isr);
    if ((v->status & VIRTIO_DRIVER_OK) && !(v->status & VIRTIO_FEATURES_OK))
        return err_set(err, EINVAL, "%s: status=%#x: driver ready without features", name,
                       v->status);
    if ((v->status & VIRTIO_FEATURES_OK) && !virtio_features_ok(v))
        return err_set(err, EINVAL, "%s: the driver uses features %#llx, this device has %#llx",
                       name, (unsigned long long)v->driver_features,
                       (unsigned long long)v->features);
    v->kicked = v->starved = 0;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        struct queue *queue = &v->queues[i];
        unsigned max = i < v->ops->queues ? v->ops->queue_max : 0;

        if (queue->size > max || (queue->size && !is_pow2(queue->size)))
            return err_set(err, EINVAL, "%s: queue %u: size %u, at most %u", name, i, queue->size,
                           max);
        if (queue->ready && virtio_queue_start(v, i, &why) < 0)
            return err_set(err, EINVAL, "%s: queue %u: %s", name, i, why);
    }
    virtio_update_irq(v);
    lock_take(&v->dev.lock);
    if (virtio_live(v))
        virtio_go(v);
    lock_drop(&v->dev.lock);
    return 0;
}
