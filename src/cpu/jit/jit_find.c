/* Where blocks are found: by address and state, and by the page of their code. */
#include "cpu/jit/jit_int.h"

static unsigned hash_of(gpa_t gpa, unsigned state)
{
    uint64_t h = (gpa >> 2 ^ (uint64_t)state << 40) * UINT64_C(0x9e3779b97f4a7c15);

    return (unsigned)(h >> 48) % JIT_HASH;
}

unsigned jit_page_slot(gpa_t gpa)
{
    return (unsigned)(gpa >> TLB_PAGE_SHIFT) % JIT_PAGES;
}

struct jit_block *jit_find(struct jit *jit, gpa_t gpa, unsigned state)
{
    struct jit_block *block =
        atomic_load_explicit(&jit->hash[hash_of(gpa, state)], memory_order_acquire);

    while (block && (block->gpa != gpa || block->state != state))
        block = atomic_load_explicit(&block->next, memory_order_acquire);
    return block;
}

void jit_publish(struct jit *jit, struct jit_block *block)
{
    struct jit_block *_Atomic *head = &jit->hash[hash_of(block->gpa, block->state)];
    unsigned slot = jit_page_slot(block->gpa);

    block->page_next = jit->page[slot];
    jit->page[slot] = block;
    atomic_store_explicit(&block->next, atomic_load(head), memory_order_relaxed);
    atomic_store_explicit(head, block, memory_order_release);
}

void jit_unpublish(struct jit *jit, struct jit_block *block)
{
    struct jit_block *_Atomic *at = &jit->hash[hash_of(block->gpa, block->state)];

    while (atomic_load(at) != block)
        at = &atomic_load(at)->next;
    atomic_store(at, atomic_load(&block->next));
}
