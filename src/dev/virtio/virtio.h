/*
 * What all virtio devices share (virtio 1.2, sections 2 and 3): status, features, queues, and the
 * way from a notification to a finished request. mmio.c is the register block in front of it.
 *
 * Threads. A vCPU handles register accesses, with dev->lock held by the bus. QueueNotify marks the
 * queue and begins a round: ops->notify() is called with dev->lock held, by the I/O thread, or for
 * an `eager` device by the vCPU itself. `working` says that a round runs; there is one at a time,
 * and who comes meanwhile only marks the queue. dev->lock guards everything here; around host I/O a
 * round lets go of it with virtio_io_begin/end, so that no other thread waits for a disk.
 *
 * What may block goes from the round to the pool, which calls run() without the lock and finish()
 * with it, and hands the chain back: several requests of a device are in flight at once, and their
 * answers come in any order (2.7.8). When there are in_flight of them the rest waits in the ring,
 * and the I/O thread begins another round when half of them are answered.
 *
 * Who takes a queue away (device reset, QueueReady = 0) sets `stopping` and waits for the end of
 * the round and of all that is in flight: when the driver's write returns, no request is under way,
 * and nothing is written to the guest's memory any more. A pause of the machine holds vCPUs and I/O
 * thread between two rounds and drains the pool, so saved state never has a request half done.
 *
 * Without an event loop, and without a pool, the vCPU that notifies does all of the work itself:
 * for tests and for machines whose completions must fall on the same instruction every time.
 *
 * dev->lock is called "the lock" below; functions marked (lock) want it held.
 */
#pragma once

#include "base/evloop.h"
#include "base/pool.h"
#include "dev/dev.h"
#include "dev/virtio/queue.h"

#define VIRTIO_QUEUES_MAX 8

enum {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

/* InterruptStatus. */
enum { VIRTIO_ISR_USED = 1, VIRTIO_ISR_CONFIG = 2 };

/* Offered by every device of ours. */
#define VIRTIO_F_INDIRECT  BIT(28)
#define VIRTIO_F_EVENT_IDX BIT(29)
#define VIRTIO_F_VERSION_1 BIT(32)
#define VIRTIO_F_COMMON    (VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1)

struct virtio;
struct virtio_req;

struct virtio_ops {      /* one const table per device type; NULL members are optional */
    uint32_t id;         /* section 5 */
    unsigned queues;     /* up to VIRTIO_QUEUES_MAX */
    uint16_t queue_max;  /* entries of each, up to QUEUE_SIZE_MAX */
    uint32_t config_len; /* bytes of configuration space */
    /* [off, off + len) is within config_len, len is 1, 2 or 4. (lock) */
    void (*config_read)(struct virtio *v, uint32_t off, void *buf, uint32_t len);
    void (*config_write)(struct virtio *v, uint32_t off, const void *buf, uint32_t len);
    void (*notify)(struct virtio *v, unsigned queue); /* a live, ready queue has work (lock) */
    bool eager; /* notify() is short: who notifies calls it, and the I/O thread goes on with the
                   rest */

    /* For virtio_serve(). */
    unsigned in_flight; /* requests at once; 0: one */
    size_t
        request_size; /* of what the device has about one, begins with struct virtio_req; 0: that */
    /* Look at req->chain. True: it is answered, and req->len is set; false: run() it. (lock; may
     * use virtio_io_begin/end) */
    bool (*request)(struct virtio *v, struct virtio_req *req);
    void (*run)(struct virtio *v, struct virtio_req *req); /* may block (no lock) */
    void (*finish)(struct virtio *v,
                   struct virtio_req *req); /* after run(): sets req->len (lock) */
    void (*activate)(struct virtio *v);     /* DRIVER_OK, or loaded in that state (lock) */
    void (*reset)(struct virtio *v);        /* the device's own part (lock) */
};

/* What a device needs of the machine. */
struct virtio_host {
    struct gmem *mem;
    struct evloop *loop; /* NULL: requests are done by the vCPU that notifies */
    struct pool *pool;   /* where run() goes; NULL: it is called in the round */
};

/* One request, from its chain to its answer. */
struct virtio_req {
    struct pool_work work;
    struct virtio *v;
    struct virtio_req *next; /* while it is free */
    unsigned queue;
    uint32_t len; /* bytes written, from the start of the writable part */
    struct queue_chain chain;
};

struct virtio {
    struct dev dev;
    const struct virtio_ops *ops;
    struct virtio_host host;
    uint64_t features; /* offered */

    uint32_t status, isr;
    uint32_t device_features_sel, driver_features_sel, queue_sel;
    uint32_t config_generation;
    uint64_t driver_features;
    struct queue queues[VIRTIO_QUEUES_MAX];

    /* Not saved. */
    struct ev_task *task;
    uint32_t kicked;   /* bit n: queue n was notified and not yet looked at */
    bool working;      /* ops->notify is running, perhaps without the lock */
    unsigned budget;   /* requests that it may still begin */
    unsigned stopping; /* that many wait for the end of it, and of what is in flight */
    struct cond idle;
    void *reqs; /* memory of all */
    struct virtio_req *free;
    unsigned in_flight; /* in the pool */
    uint32_t starved;   /* bit n: queue n may have more, for which there was no free request */
};

/* Fill in the common part; features are the device's own bits. virtio_fini() undoes it, also after
 * a failed init. The I/O thread is not running then. */
MUST_CHECK int virtio_init(struct virtio *v, const struct dev_ops *dev_ops,
                           const struct virtio_ops *ops, uint64_t features,
                           const struct virtio_host *host, struct err *err);
void virtio_fini(struct virtio *v);

/* For dev_ops.reset, and for the driver's write of 0 to Status. (lock) */
void virtio_reset(struct dev *dev);

/* The common part of a device's saved record: a row for its field list, and what its post_load has
 * to call. */
extern const struct state_desc virtio_state;
#define VIRTIO_STATE(s, v)                                                                   \
    {                                                                                        \
        .name = "virtio", .type = STATE_T_STRUCT, .offset = offsetof(s, virtio), .count = 1, \
        .since = (v), .desc = &virtio_state, .stride = sizeof(struct virtio)                 \
    }
MUST_CHECK int virtio_post_load(struct virtio *v, struct err *err);

/* DRIVER_OK, and not broken. (lock) */
static inline bool virtio_live(const struct virtio *v)
{
    return (v->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

static inline bool virtio_has(const struct virtio *v, uint64_t feature)
{
    return v->driver_features & feature;
}

/* Did the driver choose only what is offered (2.2.2), and no legacy interface (6.2)? (lock) */
bool virtio_features_ok(const struct virtio *v);

/* The driver set DRIVER_OK; mmio.c. (lock) */
void virtio_go(struct virtio *v);

/* The driver set QueueReady; mmio.c. (lock) */
void virtio_queue_enable(struct virtio *v, unsigned index);
void virtio_queue_disable(struct virtio *v, unsigned index);

/* The driver says that a queue has work: see to it, now or on the I/O thread. On a vCPU. (lock) */
void virtio_kick(struct virtio *v, unsigned index);

/* The driver broke a rule: NEEDS_RESET, and no more requests until it resets (2.1.2). (lock) */
void virtio_break(struct virtio *v, unsigned index, const char *why);

/* Configuration space has changed by itself. (lock) */
void virtio_config_changed(struct virtio *v);

/* Drive the interrupt line from isr. (lock) */
void virtio_update_irq(struct virtio *v);

/*
 * A notify() for queues of requests: takes chains and has ops->request, run and finish answer them.
 * Returns after a bounded number, or when in_flight of them are in the pool; the rest stays in the
 * ring and comes in a later round. (lock)
 */
void virtio_serve(struct virtio *v, unsigned index);

/* Around host I/O in a request: lets go of the lock, and takes it again. */
void virtio_io_begin(struct virtio *v);
void virtio_io_end(struct virtio *v);
