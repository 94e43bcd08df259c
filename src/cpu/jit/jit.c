/*
 * The translator's run-time side: the code cache and its life, entering blocks, chaining them, and
 * killing those whose words have changed.
 *
 * The cache is one file mapped twice, to write and to execute; nothing is both at one address.
 * Code grows upward, data about it downward; when they meet, the cache is emptied as soon as no
 * vCPU is inside translated code. Until then the vCPUs interpret, and none waits.
 */
#include "cpu/jit/jit.h"

#include <errno.h>
#include <stdlib.h>

#include "cpu/fp/softfp.h"
#include "cpu/interp.h"
#include "cpu/jit/jit_dump.h"
#include "cpu/jit/jit_features.h"
#include "cpu/jit/jit_int.h"
#include "cpu/jit/jit_lockstep.h"
#include "cpu/jit/jit_os.h"
#include "cpu/mmu.h"

#define JMP 0xe9 /* with four bytes of displacement; at the entry of a block: it is dead */

typedef void (*enter_fn)(struct cpu *c, const uint8_t *code);

#define FPCR_PLAIN_IGNORES BIT(26) /* AHP concerns conversions of half precision alone */

static const uint8_t *to_rx(const struct jit *jit, const uint8_t *rw)
{
    return jit->rx + (rw - jit->rw);
}

int jit_create(struct soc *soc, const struct jit_config *config, struct jit **ret_jit,
               struct err *err)
{
    struct jit *jit = calloc(1, sizeof(*jit));
    struct x64 e;
    int rc;

    assert(!config->lockstep || soc->vcpus == 1);
    if (!jit)
        return err_set(err, ENOMEM, "translator: out of memory");
    lock_init(&jit->lock);
    jit->soc = soc;
    jit->features = jit_features_host();
    if (config->without)
        jit->features &= ~jit_features_parse(config->without);
    jit->size = config->bytes ? align_down(config->bytes, JIT_CODE_MIN) : JIT_CODE_SIZE;
    jit->tlb_at = (int32_t)offsetof(struct cpu_whole, tlb) - JIT_BIAS;
    jit->jumps_at = (int32_t)offsetof(struct cpu_whole, jumps) - JIT_BIAS;
    jit->counting = config->stats;
    rc = jit_os_map(jit->size, &jit->rw, &jit->rx, err);
    if (rc == 0 && config->lockstep)
        rc = jit_lockstep_create(soc->mem, &jit->log, err);
    if (rc == 0 && (config->perf || config->dump))
        rc = jit_dump_create(config, &jit->dump, err);
    if (rc < 0) {
        jit_destroy(jit);
        return rc;
    }
    e.at = jit->rw;
    jit_stubs_make(jit, &e);
    jit->first = jit->at = e.at;
    jit->data = jit->rw + jit->size;
    jit_dump_stubs(jit);
    *ret_jit = jit;
    return 0;
}

void jit_destroy(struct jit *jit)
{
    if (!jit)
        return;
    jit_dump_destroy(jit->dump);
    jit_lockstep_destroy(jit->log);
    jit_os_unmap(jit->size, jit->rw, jit->rx);
    lock_fini(&jit->lock);
    free(jit);
}

static unsigned state_of(const struct cpu *c)
{
    unsigned sa = c->el == 0 ? BIT(4) : BIT(3); /* SCTLR_EL1.SA0, SA */
    unsigned state = (c->el ? JIT_EL1 : 0) | (c->fp_enabled ? JIT_FP : 0) |
                     (c->fpcr & ~FPCR_PLAIN_IGNORES ? 0 : JIT_FP_PLAIN) |
                     (c->sys.sctlr_el1 & sa ? JIT_SA : 0);

    /* Kernels run with what a program has left there, and hardly ever use it. */
    if (c->el == 0 && c->fp_enabled && (c->fpsr & FPSR_IXC))
        state |= JIT_IXC;
    return state;
}

/* Bits 63:49 are those of bit 48: addresses that are not so must not be looked for, because the key
 * stands there in a tag, and the guest could make one that is another state's. */
static bool is_canonical(gva_t va)
{
    return va >> 48 == 0 || va >> 48 == 0xffff;
}

/* The key has the context that fetches are made under, and the state; bits that no two canonical
 * addresses of one half differ in. */
static uint64_t key_of(const struct cpu *c, unsigned state)
{
    return (c->tlb->base[c->el] >> 2 << 5 | state) << 49;
}

static struct jit_jump *jump_slot(struct cpu *c, gva_t va)
{
    return &cpu_jumps(c)->jump[va >> 2 & (JIT_JUMPS - 1)];
}

static void forget_returns(struct cpu *c)
{
    memset(c->jit_ring, 0, sizeof(c->jit_ring));
}

void jit_forget_all(struct cpu *c)
{
    memset(cpu_jumps(c), 0, sizeof(struct jit_jumps));
    forget_returns(c);
}

/* Whatever has the TLB start anew, at any time (code_get() may), may be followed by a look-up. */
void jit_forget_contexts(struct cpu *c)
{
    if (LIKELY(c->jit_wraps == c->tlb->wraps)) {
        forget_returns(c);
        return;
    }
    c->jit_wraps = c->tlb->wraps;
    jit_forget_all(c);
}

void jit_forget_va(struct cpu *c, gva_t va)
{
    memset(jump_slot(c, align_down(va, CODE_PAGE_SIZE)), 0,
           CODE_PAGE_INSNS * sizeof(struct jit_jump));
    forget_returns(c);
}

/* All vCPUs are outside, and whoever wants in waits for the lock. */
static void flush_locked(struct jit *jit) REQUIRES(jit->lock)
{
    memset((void *)jit->hash, 0, sizeof(jit->hash));
    memset(jit->page, 0, sizeof(jit->page));
    for (unsigned i = 0; i < JIT_PAGES; i++)
        atomic_store_explicit(&jit->page_has[i], false, memory_order_relaxed);
    jit->at = jit->first;
    jit->data = jit->rw + jit->size;
    jit->stats.flushes++;
    atomic_fetch_add(&jit->generation, 1);
    atomic_store(&jit->full, false);
}

/* The cache is full: empty it if nobody is inside. False: somebody is. */
static bool try_flush(struct jit *jit)
{
    bool inside = false;

    lock_take(&jit->lock);
    for (unsigned i = 0; i < jit->soc->vcpus && atomic_load(&jit->full); i++) {
        struct cpu *other = atomic_load(&jit->soc->cpus[i]);

        inside |= other && atomic_load(&other->in_jit);
    }
    if (atomic_load(&jit->full) && !inside)
        flush_locked(jit);
    lock_drop(&jit->lock);
    return !inside;
}

bool jit_come_in(struct cpu *c, struct jit *jit)
{
    uint64_t generation;

    atomic_store(&c->in_jit, true);
    while (UNLIKELY(atomic_load(&jit->full))) {
        atomic_store(&c->in_jit, false);
        if (!try_flush(jit)) {
            cpu_request(c, CPU_REQ_IRQ); /* interpret a block, and look again */
            return false;
        }
        atomic_store(&c->in_jit, true);
    }
    generation = atomic_load(&jit->generation);
    if (UNLIKELY(c->jit_generation != generation)) {
        c->jit_generation = generation;
        jit_forget_all(c);
    }
    return true;
}

/* The block at a guest-physical address, translated if need be; NULL when the cache is full: then
 * every vCPU is asked to come out. */
static struct jit_block *block_at(struct cpu *c, gpa_t gpa, unsigned state)
{
    struct jit *jit = c->soc->jit;
    struct jit_block *block = jit_find(jit, gpa, state);

    if (LIKELY(block))
        return block;
    lock_take(&jit->lock);
    block = jit_find(jit, gpa, state);
    if (!block)
        block = jit_translate(jit, c, gpa, state);
    lock_drop(&jit->lock);
    if (!block && !atomic_exchange(&jit->full, true))
        for (unsigned i = 0; i < c->soc->vcpus; i++) {
            struct cpu *other = atomic_load(&c->soc->cpus[i]);

            if (other && other != c)
                cpu_request(other, CPU_REQ_IRQ); /* a reason to look is enough */
        }
    return block;
}

struct jit_block *jit_block_here(struct cpu *c)
{
    unsigned state = state_of(c);
    const struct a64_insn *i = interp_fetch(c);
    gpa_t gpa = c->page->gpa + 4 * (gpa_t)(i - c->page->insn);
    struct jit_block *block = block_at(c, gpa, state);

    /* The fetch may have made new contexts. */
    c->jit_key = key_of(c, state);
    c->jit_va = align_down(c->pc, CODE_PAGE_SIZE);
    return block;
}

/* Host code for c->pc. May take an exception. NULL: the cache is full. */
static const uint8_t *find_code(struct cpu *c)
{
    struct jit *jit = c->soc->jit;
    const struct jit_block *block;
    struct jit_jump *jump;

    c->jit_key = key_of(c, state_of(c));
    jump = jump_slot(c, c->pc);
    if (LIKELY(jump->tag == (c->pc ^ c->jit_key) && is_canonical(c->pc) && !c->il &&
               *jump->host != JMP)) {
        c->jit_va = align_down(c->pc, CODE_PAGE_SIZE);
        return jump->host;
    }
    block = jit_block_here(c);
    if (!block)
        return NULL;
    if (c->pc >> 63 == c->el)
        *jump = (struct jit_jump){ c->pc ^ c->jit_key, to_rx(jit, block->entry) };
    return to_rx(jit, block->entry);
}

static void enter(struct cpu *c, const uint8_t *code)
{
    const uint8_t *stub = to_rx(c->soc->jit, c->soc->jit->stubs.enter);
    enter_fn fn;

    memcpy(&fn, &stub, sizeof(fn));
    fn(c, code);
}

void jit_enter(struct cpu *c, const struct jit_block *block)
{
    enter(c, to_rx(c->soc->jit, block->entry));
}

bool jit_run(struct cpu *c)
{
    struct jit *jit = c->soc->jit;
    const uint8_t *code;

    if (UNLIKELY(jit->log))
        return jit_lockstep(c);
    if (!jit_come_in(c, jit))
        return false;
    code = find_code(c);
    if (code) {
        jit_count(jit, JIT_COUNT_ENTER);
        enter(c, code);
        jit_count(jit, atomic_load_explicit(&c->request, memory_order_relaxed)
                           ? JIT_COUNT_LEFT_REQUEST
                           : JIT_COUNT_LEFT_END);
    }
    atomic_store_explicit(&c->in_jit, false, memory_order_release);
    return code;
}

/* In lockstep every block is alone: what it jumps to is for the run loop to find. */
const uint8_t *jit_lookup(struct cpu *c, gva_t va)
{
    jit_count(c->soc->jit, JIT_COUNT_LOOKUP);
    c->pc = va;
    interp_drop_tag(c);
    if (c->soc->jit->log || atomic_load_explicit(&c->request, memory_order_relaxed) ||
        c->retired >= c->edge)
        return NULL;
    return find_code(c);
}

/* Let a jump go to a block. Other vCPUs may be executing it: its displacement lies in one aligned
 * group of eight bytes (jit_align()), so they see the old one or the new one, and both are right.
 */
static void patch(uint8_t *rel32, const uint8_t *target)
{
    int32_t disp = (int32_t)(target - (rel32 + 4));

    __atomic_store_n((int32_t *)(void *)rel32, disp, __ATOMIC_RELEASE);
}

const uint8_t *jit_follow(struct cpu *c, const struct jit_link *link_rx)
{
    struct jit *jit = c->soc->jit;
    struct jit_link *link =
        (struct jit_link *)(void *)(jit->rw + ((const uint8_t *)link_rx - jit->rx));
    struct jit_block *block;
    struct jit_link to;

    jit_count(jit, JIT_COUNT_FOLLOW);
    lock_take(&jit->lock);
    to = *link;
    lock_drop(&jit->lock);
    c->pc = c->jit_va + 4 * (gva_t)to.target;
    if (UNLIKELY(jit->log))
        return NULL;
    block = block_at(c, to.page + 4 * (gpa_t)to.target, to.state);
    if (!block)
        return NULL;
    lock_take(&jit->lock);
    if (!block->dead && !link->linked) {
        link->linked = true;
        link->next = block->incoming;
        block->incoming = link;
        patch(link->rel32, block->entry);
    }
    lock_drop(&jit->lock);
    return to_rx(jit, block->entry);
}

/* The block's first instruction becomes a jump to the code that leaves: whoever still holds its
 * address goes there and looks again. */
static void kill_locked(struct jit *jit, struct jit_block *block) REQUIRES(jit->lock)
{
    uint64_t word;
    int32_t disp = (int32_t)(block->start_over - (block->entry + 5));

    block->dead = true;
    jit_unpublish(jit, block);
    while (block->incoming) {
        struct jit_link *link = block->incoming;

        block->incoming = link->next;
        link->linked = false;
        patch(link->rel32, link->stub);
    }
    memcpy(&word, block->entry, sizeof(word));
    word = (word & ~low_mask(40)) | JMP | (uint64_t)(uint32_t)disp << 8;
    __atomic_store_n((uint64_t *)(void *)block->entry, word, __ATOMIC_RELEASE);
    jit->stats.killed++;
}

static bool meets(gpa_t a, uint64_t a_len, gpa_t b, uint64_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

static bool depends_on(const struct jit_block *block, gpa_t gpa, uint64_t len)
{
    gpa_t page = align_down(block->gpa, CODE_PAGE_SIZE);

    for (unsigned n = 0; n < ARRAY_LEN(block->peek); n++)
        if (block->peek[n] != JIT_NO_PEEK &&
            meets(page + 4 * (gpa_t)block->peek[n], 4 * JIT_PEEK, gpa, len))
            return true;
    return meets(block->gpa, 4 * (uint64_t)block->count, gpa, len);
}

void jit_kill(struct jit *jit, gpa_t gpa, uint64_t len)
{
    unsigned slot = jit_page_slot(gpa);
    struct jit_block **at;
    bool left = false;

    atomic_thread_fence(memory_order_seq_cst); /* after the words were written */
    if (!atomic_load(&jit->page_has[slot]))
        return;
    lock_take(&jit->lock);
    for (at = &jit->page[slot]; *at;) {
        struct jit_block *block = *at;

        if (depends_on(block, gpa, len)) {
            *at = block->page_next;
            kill_locked(jit, block);
        } else {
            at = &block->page_next;
            left = true;
        }
    }
    if (!left)
        atomic_store(&jit->page_has[slot], false);
    lock_drop(&jit->lock);
}

void jit_kill_all(struct jit *jit)
{
    atomic_store(&jit->full, true);
}
