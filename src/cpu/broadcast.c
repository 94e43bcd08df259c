/* Maintenance of other vCPUs' TLBs and predecoded code: a ring each, and DSB's wait for them. */
#include "cpu/broadcast.h"

#include <sched.h>

#include "cpu/code.h"
#include "cpu/mmu.h"

#define SPINS 64 /* looks before the host's CPU is offered to others */

void broadcast_init(struct broadcast_ring *ring)
{
    lock_init(&ring->lock);
}

void broadcast_fini(struct broadcast_ring *ring)
{
    lock_fini(&ring->lock);
}

static bool is_code(enum broadcast_what what)
{
    return what == BROADCAST_CODE_PAGE || what == BROADCAST_CODE_ALL;
}

static void add_locked(struct broadcast_ring *ring, enum broadcast_what what, uint64_t arg)
    REQUIRES(ring->lock)
{
    bool *all = is_code(what) ? &ring->all_code : &ring->all_tlb;
    const struct broadcast_item *last = ring->count ? &ring->item[ring->count - 1] : NULL;

    if (*all || (last && last->what == what && last->arg == arg))
        return;
    if (what == BROADCAST_TLB_ALL || what == BROADCAST_CODE_ALL || ring->count == BROADCAST_RING)
        *all = true;
    else
        ring->item[ring->count++] = (struct broadcast_item){ what, arg };
}

static void post(struct cpu *c, struct cpu *to, enum broadcast_what what, uint64_t arg)
{
    struct broadcast_ring *ring = &to->ring;

    lock_take(&ring->lock);
    add_locked(ring, what, arg);
    atomic_fetch_add(&ring->posted, 1);
    lock_drop(&ring->lock);
    cpu_request(to, CPU_REQ_MAINTAIN);
    c->unsynced = true;
}

void broadcast_send(struct cpu *c, enum broadcast_what what, uint64_t arg)
{
    for (unsigned i = 0; i < c->soc->vcpus; i++) {
        struct cpu *to = atomic_load(&c->soc->cpus[i]);

        if (to && to != c)
            post(c, to, what, arg);
    }
}

/* The caller's change of the tables comes before this look, and a vCPU announces an ASID before it
 * walks: whoever is not seen to have it sees the change. */
void broadcast_send_asid(struct cpu *c, enum broadcast_what what, uint64_t arg, uint16_t asid)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < c->soc->vcpus; i++) {
        struct cpu *to = atomic_load(&c->soc->cpus[i]);

        if (to && to != c && tlb_has_asid(to->tlb, asid))
            post(c, to, what, arg);
    }
}

/* Likewise: the caller's change of the code comes before this look. */
void broadcast_send_code(struct cpu *c, gpa_t page)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < c->soc->vcpus; i++) {
        struct cpu *to = atomic_load(&c->soc->cpus[i]);

        if (to && to != c && code_may_have(to->code, page))
            post(c, to, BROADCAST_CODE_PAGE, page);
    }
}

static void act(struct cpu *c, const struct broadcast_item *item)
{
    switch (item->what) {
    case BROADCAST_TLB_ASID:
        mmu_flush_asid(c, (uint16_t)item->arg);
        break;
    case BROADCAST_TLB_VA:
        mmu_flush_va(c, item->arg);
        break;
    case BROADCAST_CODE_PAGE:
        code_invalidate_page(c, item->arg);
        break;
    case BROADCAST_TLB_ALL:
    case BROADCAST_CODE_ALL: /* flags of the ring */
        break;
    }
}

void broadcast_answer(struct cpu *c)
{
    struct broadcast_ring *ring = &c->ring;
    struct broadcast_item item[BROADCAST_RING];
    bool all_tlb, all_code;
    uint64_t posted;
    unsigned count;

    lock_take(&ring->lock);
    count = ring->count;
    memcpy(item, ring->item, count * sizeof(item[0]));
    all_tlb = ring->all_tlb;
    all_code = ring->all_code;
    posted = atomic_load(&ring->posted);
    ring->count = 0;
    ring->all_tlb = ring->all_code = false;
    lock_drop(&ring->lock);

    for (unsigned i = 0; i < count; i++)
        act(c, &item[i]);
    if (all_tlb)
        mmu_flush_all(c);
    if (all_code)
        code_drop(c);
    atomic_store(&ring->done, posted);
}

/* Until `to` has done what was posted to it so far. */
static bool wait_for(struct cpu *c, struct cpu *to)
{
    uint64_t want = atomic_load(&to->ring.posted);

    for (unsigned spins = 0; atomic_load(&to->running); spins++) {
        uint32_t request;

        if (atomic_load(&to->ring.done) >= want)
            return true;
        request = atomic_load_explicit(&c->request, memory_order_relaxed);
        if (request & CPU_REQ_KICK)
            return false;
        if (request & CPU_REQ_MAINTAIN) {
            atomic_fetch_and(&c->request, ~(uint32_t)CPU_REQ_MAINTAIN);
            broadcast_answer(c);
        }
        if (spins >= SPINS)
            sched_yield();
    }
    return true;
}

bool broadcast_wait(struct cpu *c)
{
    for (unsigned i = 0; i < c->soc->vcpus; i++) {
        struct cpu *to = atomic_load(&c->soc->cpus[i]);

        if (to && to != c && !wait_for(c, to))
            return false;
    }
    c->unsynced = false;
    return true;
}
