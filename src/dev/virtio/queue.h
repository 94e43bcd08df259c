/*
 * Split virtqueues, the device's side (virtio 1.2, section 2.7).
 *
 * The rings lie in guest memory and the guest is hostile: whatever it wrote, a chain that comes out
 * of queue_pop() is within RAM, bounded in segments and bytes, readable part first. A ring that
 * breaks the rules is reported as broken and must not be used again until the driver resets.
 *
 * Threads: one at a time for one queue (dev->lock); the guest changes the rings at any moment.
 */
#pragma once

#include <sys/uio.h>

#include "base/state.h"
#include "mem/gmem.h"

#define QUEUE_SIZE_MAX 256 /* entries */
/* Segments of a chain, indirect ones included. A direct chain has at most as many as the queue;
 * an indirect one is bounded by what the device announces (seg_max), which must fit in here. */
#define QUEUE_SEGS_MAX 256

struct queue {
    /* Set by the driver while not ready. */
    uint16_t size; /* entries, 0: not set */
    bool ready;
    uint64_t desc, avail, used; /* guest physical */

    /* Progress. */
    uint16_t next_avail; /* free-running, like the ring's idx fields */
    uint16_t next_used;
    uint16_t signalled_used; /* next_used when the driver was last looked at for a signal */
    bool signalled_valid;

    /* Derived: set by queue_start(). */
    struct gmem *mem;
    bool event_idx, indirect; /* negotiated */
};

/* One request: segments [0, out) are the driver's data, [out, out + in) are ours to fill. */
struct queue_chain {
    uint16_t head;
    unsigned out, in;                 /* segments */
    uint64_t out_len, in_len;         /* bytes; together below 4 GiB */
    struct iovec iov[QUEUE_SEGS_MAX]; /* host addresses, none empty; ours are marked dirty */
};

enum queue_result { QUEUE_EMPTY, QUEUE_CHAIN, QUEUE_BROKEN };

/* The queue's part of a device's saved record; the owner calls queue_start() after a load. */
extern const struct state_desc queue_state;

/* Forget everything: not ready, no addresses. */
void queue_reset(struct queue *queue);

/* Check size and ring addresses against mem. Returns 0, or -EINVAL with the reason in *ret_why. */
MUST_CHECK int queue_start(struct queue *queue, struct gmem *mem, bool event_idx, bool indirect,
                           const char **ret_why);

/* Take the next chain. QUEUE_BROKEN says why in *ret_why; chain is then undefined. */
MUST_CHECK enum queue_result queue_pop(struct queue *queue, struct queue_chain *chain,
                                       const char **ret_why);

/* Hand a chain back; the device has written `len` bytes, counted from the first writable one. */
void queue_push(struct queue *queue, uint16_t head, uint32_t len);

/* Does the driver want an interrupt for what was pushed since the last call? */
MUST_CHECK bool queue_wants_signal(struct queue *queue);

/* Ask the driver not to notify, or to notify again. The second returns true when chains came in
 * meanwhile, for which there may be no notification. */
void queue_notify_off(struct queue *queue);
MUST_CHECK bool queue_notify_on(struct queue *queue);
