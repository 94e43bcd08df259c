/*
 * The interpreter's run loop.
 *
 * Inside a page instructions follow each other by pointer (insn.h). The loop below is left at block
 * edges only: a branch out of the page, the end of the page, a pending request, an instruction that
 * changes what fetching means, an exception.
 */
#include "cpu/interp.h"

#include <assert.h>

#include "cpu/a64.h"
#include "cpu/code.h"
#include "cpu/exc.h"
#include "cpu/mmu.h"
#include "cpu/sysreg_access.h"

#define TCR_TBI0 BIT(37)
#define TCR_TBI1 BIT(38)

/* A slot before its first execution: decode the word in place, then run it. */
const struct a64_insn *interp_decode(struct cpu *c, const struct a64_insn *i)
{
    unsigned n = (unsigned)(i - c->page->insn);
    uint32_t word = __atomic_load_n(&c->page->words[n], __ATOMIC_RELAXED);
    struct a64_insn *slot = &c->page->insn[n];

    a64_decode_for(slot, word, 4 * n, c->soc->model->features);
    return slot->fn(c, slot);
}

/* The slot after the last instruction of a page. It is not an instruction itself. */
const struct a64_insn *interp_page_end(struct cpu *c, const struct a64_insn *i)
{
    return cpu_end_block(c, i - 1);
}

void cpu_escape(struct cpu *c, enum cpu_escape how)
{
    _longjmp(c->escape, how);
}

void cpu_mmio_done(struct cpu *c, uint64_t data)
{
    struct mmio_access *done = &c->replay.access[c->replay.count++];

    assert(c->replay.count <= MMIO_REPLAY_MAX);
    *done = c->mmio_pending;
    if (!done->write)
        done->data = data & low_mask(8u * done->size);
}

/* AArch64.BranchAddr (Arm DDI 0487, shared/functions): with top-byte-ignore the tag of a branch
 * target does not reach the PC. */
static void drop_tag(struct cpu *c)
{
    uint64_t top = c->pc >> 55;

    if (UNLIKELY(top && top != 0x1ff && (c->sys.tcr_el1 & (top & 1 ? TCR_TBI1 : TCR_TBI0))))
        c->pc = (gva_t)sign_extend(c->pc, 56);
}

/* The slot of the instruction at c->pc; makes its page the current one. Faults like a fetch. */
static const struct a64_insn *fetch(struct cpu *c)
{
    drop_tag(c);
    if (UNLIKELY(c->pc & 3))
        exc_pc_align(c, c->pc);
    c->page = mmu_fetch_page(c, c->pc);
    if (UNLIKELY(c->il))
        exc_sync(c, EC_ILLEGAL_STATE, 0);
    c->page_va = align_down(c->pc, CODE_PAGE_SIZE);
    return c->block = &c->page->insn[(c->pc - c->page_va) >> 2];
}

/* Between two instructions: what other threads and devices want. Returns true to leave. */
static bool look(struct cpu *c)
{
    uint32_t what = atomic_load_explicit(&c->request, memory_order_relaxed);

    if (UNLIKELY(what)) {
        what = atomic_exchange_explicit(&c->request, 0, memory_order_acquire);
        if (what & CPU_REQ_CODE)
            code_drop(c);
        if (what & (CPU_REQ_IRQ | CPU_REQ_FLUSH | CPU_REQ_TIMER))
            sys_requests(c, what);
        if (what & CPU_REQ_KICK) {
            c->stop = CPU_STOP_KICKED;
            return true;
        }
    }
    if (UNLIKELY(c->signals))
        exc_interrupt(c);
    return false;
}

/* Run the instruction that waits for answered MMIO accesses again, and only that one: an interrupt
 * in between would repeat the accesses. */
static void finish_mmio(struct cpu *c)
{
    const struct a64_insn *i = fetch(c);

    c->replay.next = 0;
    c->insn = i;
    i = i->fn(c, i);
    if (i) {
        c->retired += (uint64_t)(i - c->block);
        c->pc = cpu_insn_va(c, i);
    }
    c->insn = NULL;
    c->replay.count = 0;
}

static void run_blocks(struct cpu *c)
{
    const struct a64_insn *i = fetch(c);

    while (i) {
        c->insn = i;
        i = i->fn(c, i);
    }
    c->insn = NULL;
    drop_tag(c); /* before an interrupt saves it, or a kick shows it */
}

enum cpu_stop cpu_run(struct cpu *c)
{
    int how = _setjmp(c->escape);

    if (how && c->insn) {
        c->retired += (uint64_t)(c->insn - c->block);
        c->insn = NULL;
    }
    if (how == CPU_ESCAPE_STOP)
        return c->stop;
    if (how == CPU_ESCAPE_GO_ON)
        c->replay.count = 0;
    if (c->replay.count)
        finish_mmio(c);
    while (!look(c))
        run_blocks(c);
    return c->stop;
}
