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
#include "cpu/debug.h"
#include "cpu/exc.h"
#include "cpu/jit/jit.h"
#include "cpu/mmu.h"
#include "cpu/sysreg_access.h"
#include "cpu/timer.h"

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

/* Not _longjmp(), which the thread sanitizer does not follow. Neither saves a signal mask. */
void cpu_escape(struct cpu *c, enum cpu_escape how)
{
    siglongjmp(c->escape, how);
}

uint64_t cpu_retired(const struct cpu *c)
{
    return c->retired + (c->insn ? (uint64_t)(c->insn - c->block) : 0);
}

/* A block, which nothing interrupts, is a page of instructions at most. */
void cpu_due_at(struct cpu *c, uint64_t count)
{
    c->due = count;
    if (count == UINT64_MAX)
        c->edge = UINT64_MAX;
    else
        c->edge = count < CODE_PAGE_INSNS ? 0 : count - CODE_PAGE_INSNS;
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
void interp_drop_tag(struct cpu *c)
{
    uint64_t top = c->pc >> 55;

    if (UNLIKELY(top && top != 0x1ff && (c->sys.tcr_el1 & (top & 1 ? TCR_TBI1 : TCR_TBI0))))
        c->pc = (gva_t)sign_extend(c->pc, 56);
}

/* The slot of the instruction at c->pc; makes its page the current one. Faults like a fetch, in the
 * order of D1.3.5: PC alignment, translation, breakpoint, illegal state. */
const struct a64_insn *interp_fetch(struct cpu *c)
{
    interp_drop_tag(c);
    if (UNLIKELY(c->pc & 3))
        exc_pc_align(c, c->pc);
    c->page = mmu_fetch_page(c, c->pc);
    if (UNLIKELY(c->debug & DEBUG_BREAK))
        debug_check_fetch(c);
    if (UNLIKELY(c->il))
        exc_sync(c, EC_ILLEGAL_STATE, 0);
    c->page_va = align_down(c->pc, CODE_PAGE_SIZE);
    return c->block = &c->page->insn[(c->pc - c->page_va) >> 2];
}

/* What must be forgotten before anything is executed. */
static void maintain(struct cpu *c, uint32_t what)
{
    if (what & CPU_REQ_CODE)
        code_drop(c);
    if (what & CPU_REQ_MAINTAIN)
        broadcast_answer(c);
}

/* Between two instructions: what other threads and devices want. Returns true to leave. */
static bool look(struct cpu *c)
{
    while (UNLIKELY(atomic_load_explicit(&c->request, memory_order_relaxed))) {
        uint32_t what = atomic_exchange(&c->request, 0);

        maintain(c, what);
        if (what & (CPU_REQ_IRQ | CPU_REQ_TIMER))
            sys_requests(c, what);
        if ((what & CPU_REQ_SYNC) && ((what & CPU_REQ_KICK) || !broadcast_wait(c)))
            cpu_request(c, CPU_REQ_SYNC); /* kicked: it goes on when the vCPU comes back */
        if (what & CPU_REQ_KICK) {
            c->stop = CPU_STOP_KICKED;
            return true;
        }
    }
    if (UNLIKELY(c->retired >= c->due)) {
        (void)timer_update(c); /* moves it on */
        sys_requests(c, CPU_REQ_IRQ);
    }
    if (UNLIKELY(c->signals))
        exc_interrupt(c);
    return false;
}

/* Execute exactly the instruction at c->pc; c->pc and c->retired are exact afterwards, also where
 * it leaves by cpu_escape(). Returns its slot. */
static const struct a64_insn *run_one(struct cpu *c)
{
    const struct a64_insn *i = interp_fetch(c), *next;

    c->insn = i;
    next = i->fn(c, i);
    if (next) {
        c->retired += (uint64_t)(next - c->block);
        c->pc = cpu_insn_va(c, next);
    }
    c->insn = NULL;
    interp_drop_tag(c);
    return i;
}

/*
 * Software step is active (D2.11). PSTATE.SS = 1, not pending: one instruction is executed.
 * PSTATE.SS = 0, pending: the exception is taken, at once after a stepped instruction, so that
 * nothing has to remember what that was.
 */
static void step(struct cpu *c)
{
    bool stepped = c->ss;
    uint32_t raw = 0;

    if (stepped) {
        raw = run_one(c)->raw;
        c->ss = false;
        if (!(c->debug & DEBUG_STEP)) /* it turned stepping off */
            return;
    }
    interp_drop_tag(c);
    debug_step_taken(c, stepped, raw);
}

/* Run the instruction that waits for answered MMIO accesses again, and only that one: an interrupt
 * in between would repeat the accesses. */
static void finish_mmio(struct cpu *c)
{
    c->replay.next = 0;
    if (c->debug & DEBUG_STEP)
        step(c);
    else
        (void)run_one(c);
    c->replay.count = 0;
}

enum interp_once interp_once(struct cpu *c)
{
    int how = sigsetjmp(c->escape, 0);

    if (how) {
        c->insn = NULL;
        if (how == CPU_ESCAPE_STOP && c->stop == CPU_STOP_MMIO)
            return INTERP_MMIO;
        c->replay.count = 0;
        return how == CPU_ESCAPE_STOP ? INTERP_STOPPED : INTERP_EXCEPTION;
    }
    c->replay.next = 0;
    (void)run_one(c);
    c->replay.count = 0;
    return INTERP_DONE;
}

static void run_blocks(struct cpu *c)
{
    const struct a64_insn *i = interp_fetch(c);

    while (i) {
        c->insn = i;
        i = i->fn(c, i);
    }
    c->insn = NULL;
    interp_drop_tag(c); /* before an interrupt saves it, or a kick shows it */
}

/* Debug exceptions may come, or the clock has to be looked at soon: one instruction where something
 * may come before the next, else as usual. */
static void run_watched(struct cpu *c)
{
    if (c->debug & DEBUG_STEP)
        step(c);
    else if (c->retired >= c->edge || ((c->debug & DEBUG_BREAK) && debug_breaks_page(c, c->pc)))
        (void)run_one(c);
    else
        run_blocks(c);
}

static enum cpu_stop run(struct cpu *c)
{
    int how = sigsetjmp(c->escape, 0);

    if (how && c->insn) {
        c->retired += (uint64_t)(c->insn - c->block);
        c->insn = NULL;
    }
    if (how)
        atomic_store_explicit(&c->in_jit, false, memory_order_release);
    if (how == CPU_ESCAPE_STOP)
        return c->stop;
    if (how == CPU_ESCAPE_GO_ON)
        c->replay.count = 0;
    if (c->replay.count)
        finish_mmio(c);
    while (!look(c)) {
        if (UNLIKELY(c->debug || c->retired >= c->edge))
            run_watched(c);
        else if (!c->soc->jit || !jit_run(c))
            run_blocks(c);
    }
    return c->stop;
}

/* Whoever has seen us outside counted us as done: either that, or we see the request. */
enum cpu_stop cpu_run(struct cpu *c)
{
    enum cpu_stop stop;

    atomic_store(&c->running, true);
    maintain(c, atomic_fetch_and(&c->request, ~(uint32_t)(CPU_REQ_CODE | CPU_REQ_MAINTAIN)));
    stop = run(c);
    atomic_store(&c->running, false);
    return stop;
}
