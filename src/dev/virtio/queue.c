/*
 * Split virtqueues (virtio 1.2, section 2.7).
 *
 *   desc   size * { le64 addr, le32 len, le16 flags, le16 next }
 *   avail  le16 flags, le16 idx, le16 ring[size], le16 used_event        written by the driver
 *   used   le16 flags, le16 idx, { le32 id, le32 len }[size], le16 avail_event       written by us
 *
 * Every word is read once into a local, checked, then used: the guest may change it in between.
 */
#include "dev/virtio/queue.h"

#include <errno.h>

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };
enum { RING_FLAGS = 0, RING_IDX = 2, RING_ENTRIES = 4 };

#define DESC_SIZE       16
#define AVAIL_SIZE      2
#define USED_SIZE       8
#define CHAIN_BYTES_MAX UINT32_MAX /* section 2.7.5: no chain is longer; used.len has 32 bits */

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

static uint64_t avail_bytes(const struct queue *queue)
{
    return RING_ENTRIES + AVAIL_SIZE * (uint64_t)queue->size + sizeof(uint16_t);
}

static uint64_t used_bytes(const struct queue *queue)
{
    return RING_ENTRIES + USED_SIZE * (uint64_t)queue->size + sizeof(uint16_t);
}

/* Ring words. queue_start() has proven that these addresses are RAM and aligned, and RAM stays. */
static uint16_t ring_load(const struct queue *queue, uint64_t gpa, memory_order order)
{
    const _Atomic uint16_t *word = gmem_ptr(queue->mem, gpa, sizeof(*word));

    return word ? atomic_load_explicit(word, order) : 0;
}

static void ring_store(const struct queue *queue, uint64_t gpa, uint16_t val, memory_order order)
{
    _Atomic uint16_t *word = gmem_ptr_dirty(queue->mem, gpa, sizeof(*word));

    if (word)
        atomic_store_explicit(word, val, order);
}

static uint64_t used_event_gpa(const struct queue *queue)
{
    return queue->avail + avail_bytes(queue) - sizeof(uint16_t);
}

static uint64_t avail_event_gpa(const struct queue *queue)
{
    return queue->used + used_bytes(queue) - sizeof(uint16_t);
}

void queue_reset(struct queue *queue)
{
    memset(queue, 0, sizeof(*queue));
}

int queue_start(struct queue *queue, struct gmem *mem, bool event_idx, bool indirect,
                const char **ret_why)
{
    const char *why = NULL;

    if (!is_pow2(queue->size) || queue->size > QUEUE_SIZE_MAX)
        why = "its size is not set";
    else if (queue->desc % 16 || queue->avail % 2 || queue->used % 4)
        why = "a ring is not aligned";
    else if (!gmem_ptr(mem, queue->desc, DESC_SIZE * (size_t)queue->size))
        why = "the descriptor table is outside RAM";
    else if (!gmem_ptr(mem, queue->avail, avail_bytes(queue)))
        why = "the available ring is outside RAM";
    else if (!gmem_ptr(mem, queue->used, used_bytes(queue)))
        why = "the used ring is outside RAM";
    if (why) {
        *ret_why = why;
        return -EINVAL;
    }
    queue->mem = mem;
    queue->event_idx = event_idx;
    queue->indirect = indirect;
    return 0;
}

/* Read entry `index` of a table that lies at gpa. Returns false outside RAM. */
static bool desc_read(const struct queue *queue, uint64_t table, uint32_t index, struct desc *desc)
{
    uint8_t raw[DESC_SIZE];

    if (table > UINT64_MAX - DESC_SIZE * (uint64_t)index ||
        gmem_read(queue->mem, table + DESC_SIZE * (uint64_t)index, raw, sizeof(raw)) < 0)
        return false;
    desc->addr = load_le64(raw);
    desc->len = load_le32(raw + 8);
    desc->flags = load_le16(raw + 12);
    desc->next = load_le16(raw + 14);
    return true;
}

/* Append one buffer. Returns NULL, or why the chain is broken. */
static const char *chain_add(const struct queue *queue, struct queue_chain *chain,
                             const struct desc *desc)
{
    bool in = desc->flags & DESC_WRITE;
    struct iovec *iov;
    void *host;

    if (!in && chain->in)
        return "a readable buffer follows a writable one";
    if (desc->len > CHAIN_BYTES_MAX - chain->out_len - chain->in_len)
        return "a chain is longer than 4 GiB";
    if (!desc->len)
        return NULL; /* carries nothing, points nowhere */
    if (chain->out + chain->in == QUEUE_SEGS_MAX)
        return "a chain has too many buffers";
    /* The cast drops const for iovec; segments of the readable part are only read. */
    host = in ? gmem_ptr_dirty(queue->mem, desc->addr, desc->len)
              : (void *)(uintptr_t)gmem_ptr(queue->mem, desc->addr, desc->len);
    if (!host)
        return "a buffer is outside RAM";
    iov = &chain->iov[chain->out + chain->in];
    *iov = (struct iovec){ .iov_base = host, .iov_len = desc->len };
    if (in) {
        chain->in++;
        chain->in_len += desc->len;
    } else {
        chain->out++;
        chain->out_len += desc->len;
    }
    return NULL;
}

/* Switch to an indirect table (section 2.7.5.3). Returns NULL, or why the chain is broken. */
static const char *chain_enter_table(const struct queue *queue, const struct desc *desc,
                                     uint64_t *table, uint32_t *entries)
{
    if (!queue->indirect)
        return "an indirect descriptor was not negotiated";
    if (desc->flags & DESC_NEXT)
        return "an indirect descriptor has a successor";
    if (!desc->len || desc->len % DESC_SIZE)
        return "an indirect table is no whole number of descriptors";
    *table = desc->addr;
    *entries = desc->len / DESC_SIZE;
    return NULL;
}

/* Walk the chain that starts at chain->head. Returns NULL, or why it is broken. */
static const char *chain_walk(const struct queue *queue, struct queue_chain *chain)
{
    uint64_t table = queue->desc;
    uint32_t entries = queue->size, index = chain->head;
    uint32_t left = queue->size; /* a longer walk has met a loop */
    bool inside = false;         /* in an indirect table */

    for (;;) {
        const char *why;
        struct desc desc;

        if (index >= entries)
            return "a descriptor index is beyond its table";
        if (left-- == 0)
            return "a chain does not end";
        if (!desc_read(queue, table, index, &desc))
            return "an indirect table is outside RAM";
        if (desc.flags & DESC_INDIRECT) {
            if (inside)
                return "an indirect table holds an indirect descriptor";
            why = chain_enter_table(queue, &desc, &table, &entries);
            if (why)
                return why;
            inside = true;
            index = 0;
            left = entries < QUEUE_SEGS_MAX ? entries : QUEUE_SEGS_MAX;
            continue;
        }
        why = chain_add(queue, chain, &desc);
        if (why)
            return why;
        if (!(desc.flags & DESC_NEXT))
            return NULL;
        index = desc.next;
    }
}

enum queue_result queue_pop(struct queue *queue, struct queue_chain *chain, const char **ret_why)
{
    /* Acquire: the ring entry and the descriptors were written before idx. */
    uint16_t idx = ring_load(queue, queue->avail + RING_IDX, memory_order_acquire);
    uint16_t pending = (uint16_t)(idx - queue->next_avail);
    uint64_t slot = queue->next_avail & (queue->size - 1);
    const char *why = NULL;

    if (!pending)
        return QUEUE_EMPTY;
    chain->out = chain->in = 0;
    chain->out_len = chain->in_len = 0;
    chain->head =
        ring_load(queue, queue->avail + RING_ENTRIES + AVAIL_SIZE * slot, memory_order_relaxed);
    if (pending > queue->size)
        why = "the available index ran away";
    else
        why = chain_walk(queue, chain);
    if (why) {
        *ret_why = why;
        return QUEUE_BROKEN;
    }
    queue->next_avail++;
    return QUEUE_CHAIN;
}

void queue_push(struct queue *queue, uint16_t head, uint32_t len)
{
    uint64_t slot = queue->next_used & (queue->size - 1);
    uint8_t *entry =
        gmem_ptr_dirty(queue->mem, queue->used + RING_ENTRIES + USED_SIZE * slot, USED_SIZE);

    if (entry) {
        store_le32(entry, head);
        store_le32(entry + 4, len);
    }
    queue->next_used++;
    /* Release: the entry and the data are visible before idx. */
    ring_store(queue, queue->used + RING_IDX, queue->next_used, memory_order_release);
}

bool queue_wants_signal(struct queue *queue)
{
    uint16_t before = queue->signalled_used, event;

    if (queue->signalled_valid && before == queue->next_used)
        return false;
    /* Our idx must be out before we read what the driver asks for; it does the reverse. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!queue->event_idx)
        return !(ring_load(queue, queue->avail + RING_FLAGS, memory_order_relaxed) &
                 AVAIL_NO_INTERRUPT);
    event = ring_load(queue, used_event_gpa(queue), memory_order_relaxed);
    queue->signalled_used = queue->next_used;
    if (!queue->signalled_valid) {
        queue->signalled_valid = true;
        return true;
    }
    /* Section 2.7.7.2: has idx moved past used_event? All in 16 bits, with wrap-around. */
    return (uint16_t)(queue->next_used - event - 1) < (uint16_t)(queue->next_used - before);
}

void queue_notify_off(struct queue *queue)
{
    /* With event indexes the driver notifies once per avail_event: leaving that alone is enough. */
    if (!queue->event_idx)
        ring_store(queue, queue->used + RING_FLAGS, USED_NO_NOTIFY, memory_order_relaxed);
}

bool queue_notify_on(struct queue *queue)
{
    if (queue->event_idx)
        ring_store(queue, avail_event_gpa(queue), queue->next_avail, memory_order_relaxed);
    else
        ring_store(queue, queue->used + RING_FLAGS, 0, memory_order_relaxed);
    /* The request for notification must be out before we look a last time. */
    atomic_thread_fence(memory_order_seq_cst);
    return ring_load(queue, queue->avail + RING_IDX, memory_order_relaxed) != queue->next_avail;
}

/* v1: what the driver set and how far both rings have got. */
static const struct state_field queue_fields[] = {
    STATE_U16(struct queue, size, 1),
    STATE_BOOL(struct queue, ready, 1),
    STATE_U64(struct queue, desc, 1),
    STATE_U64(struct queue, avail, 1),
    STATE_U64(struct queue, used, 1),
    STATE_U16(struct queue, next_avail, 1),
    STATE_U16(struct queue, next_used, 1),
    STATE_U16(struct queue, signalled_used, 1),
    STATE_BOOL(struct queue, signalled_valid, 1),
    STATE_END,
};

const struct state_desc queue_state = {
    .name = "queue",
    .version = 1,
    .oldest = 1,
    .fields = queue_fields,
};
