/* Lockstep of interpreter and translated code: see jit_lockstep.h. Comparing is jit_compare.c. */
#include "cpu/jit/jit_lockstep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/sysreg.h"
#include "cpu/exc.h"
#include "cpu/interp.h"
#include "cpu/mmu.h"

#define SYSREG_OP1(enc) ((enc) >> 11 & 7)
#define SYSREG_CRN(enc) ((enc) >> 7 & 15)
#define SYSREG_CRM(enc) ((enc) >> 3 & 15)
#define SYSREG_OP2(enc) ((enc)&7)

_Static_assert(SYSREG(3, 3, 14, 0, 2) == (3 << 14 | 3 << 11 | 14 << 7 | 0 << 3 | 2),
               "where SYSREG() has its fields");

int jit_lockstep_create(struct gmem *mem, struct jit_log **ret_log, struct err *err)
{
    struct jit_log *log = calloc(1, sizeof(*log));

    if (!log)
        return err_set(err, ENOMEM, "lockstep: out of memory");
    gmem_gate_make(mem);
    *ret_log = log;
    return 0;
}

void jit_lockstep_destroy(struct jit_log *log)
{
    free(log);
}

/* ICC_PMR_EL1: the GIC's, though it stands among the special-purpose registers. */
static bool is_priority_mask(unsigned enc)
{
    return SYSREG_CRN(enc) == 4 && SYSREG_CRM(enc) == 6;
}

/* Not the counters, random numbers and what belongs to the GIC and to debug. */
static bool reads_state(unsigned enc)
{
    unsigned crn = SYSREG_CRN(enc);

    return enc >> 14 == 3 && crn != 12 && crn != 14 && !is_priority_mask(enc) &&
           !(SYSREG_OP1(enc) == 3 && crn == 2);
}

/* Registers that only hold a value, or a part of PSTATE. */
static bool writes_state(unsigned enc)
{
    unsigned crn = SYSREG_CRN(enc);

    return enc >> 14 == 3 && !is_priority_mask(enc) &&
           (crn == 4 || crn == 5 || crn == 6 || (crn == 13 && SYSREG_OP2(enc) >= 2));
}

/* DC ZVA, and the DC that clean. */
static bool is_data_cache(unsigned enc)
{
    unsigned crm = SYSREG_CRM(enc);

    return SYSREG_CRN(enc) == 7 && (crm == 4 || crm == 10 || crm == 11 || crm == 14);
}

/* Does an instruction do the same when it is undone and executed again? Devices are found out when
 * it is executed. */
static bool repeats(unsigned op, const struct a64_insn *i)
{
    switch (op) {
    case A64_ERET:
    case A64_HVC:
    case A64_SMC:
    case A64_WFE:
    case A64_WFI:
    case A64_SEV:
    case A64_SEVL:
    case A64_SYSL:
        return false;
    case A64_SYS:
        return is_data_cache((unsigned)i->imm);
    case A64_MSR:
        return writes_state((unsigned)i->imm);
    case A64_MRS:
        return reads_state((unsigned)i->imm);
    default:
        return true;
    }
}

bool jit_lockstep_ends(struct jit_tran *t)
{
    unsigned n = t->count - 1, op = t->op[n];

    if (op != A64_OPS && a64_rows[op].cls == A64_CLASS_ATOMIC)
        t->block->atomic = true;
    if (repeats(op, &t->insn[n]))
        return false;
    if (n)
        t->count--;
    else
        t->block->alone = true;
    return true;
}

void jit_lockstep_note(struct cpu *c, uint8_t *host, struct tlb_entry *entry)
{
    struct jit_log *log = c->jit_log;
    struct jit_log_page *page;

    if (!host) {
        log->device = true;
        return;
    }
    if (log->entries < JIT_LOG_ENTRIES)
        log->entry[log->entries++] = entry;
    else
        log->many = true;
    if (!log->recording)
        return;
    for (unsigned n = 0; n < log->pages; n++)
        if (log->page[n].host == host)
            return;
    assert(log->pages < JIT_LOG_PAGES);
    page = &log->page[log->pages++];
    page->host = host;
    /* The interpreter did not write to a page that is first written now. */
    memcpy(log->second ? page->wanted : page->before, host, CODE_PAGE_SIZE);
}

/* From here on every page's first write is told. */
static void forget_writes(struct cpu *c, struct jit_log *log)
{
    if (!c->jit_log || log->many)
        tlb_flush_writable(c->tlb);
    for (unsigned n = 0; n < log->entries; n++)
        log->entry[n]->tag_w = TLB_TAG_NONE;
    c->jit_log = log;
    log->entries = log->pages = 0;
    log->many = log->device = log->second = false;
}

static void keep(struct cpu *to, const struct cpu *from)
{
    memcpy((char *)to + JIT_PART_AT, (const char *)from + JIT_PART_AT, JIT_PART_LEN);
}

static void keep_stripes(struct jit_log *log, const struct exmon *mon)
{
    for (unsigned n = 0; n < EXMON_STRIPES; n++)
        log->stripes[n] = atomic_load_explicit(&mon->stripe[n].word, memory_order_relaxed);
}

/* The state of the block's start again, and with it the TLB's view. */
static void undo(struct cpu *c, struct jit_log *log, const struct jit_block *block)
{
    for (unsigned n = 0; n < log->pages; n++) {
        memcpy(log->page[n].wanted, log->page[n].host, CODE_PAGE_SIZE);
        memcpy(log->page[n].host, log->page[n].before, CODE_PAGE_SIZE);
    }
    keep(&log->wanted, c);
    keep(c, &log->before);
    log->second = true;
    if (block->atomic)
        for (unsigned n = 0; n < EXMON_STRIPES; n++)
            atomic_store(&c->soc->exmon.stripe[n].word, log->stripes[n]);
    mmu_update_view(c);
}

/* As run_blocks() in interp.c, but no further than the block. */
static void interpret(struct cpu *c, unsigned count)
{
    const struct a64_insn *i = interp_fetch(c);

    for (unsigned n = 0; n < count && i; n++) {
        c->insn = i;
        i = i->fn(c, i);
    }
    if (i) {
        c->retired += (uint64_t)(i - c->block);
        c->pc = cpu_insn_va(c, i);
    }
    c->insn = NULL;
    interp_drop_tag(c);
}

/* Execute a block one way or the other. Returns 0, or how it was left by cpu_escape(); c->pc and
 * c->retired are exact. */
static int execute(struct cpu *c, const struct jit_block *block, bool translated)
{
    sigjmp_buf outer;
    int how;

    memcpy(&outer, &c->escape, sizeof(outer));
    how = sigsetjmp(c->escape, 0);
    if (!how && translated)
        jit_enter(c, block);
    else if (!how)
        interpret(c, block->count);
    memcpy(&c->escape, &outer, sizeof(outer));
    if (how && c->insn) {
        c->retired += (uint64_t)(c->insn - c->block);
        c->insn = NULL;
    }
    if (how == CPU_ESCAPE_GO_ON)
        c->replay.count = 0;
    return how;
}

/* Nobody's request may keep the block from being entered; what comes meanwhile is kept. */
static int execute_translated(struct cpu *c, const struct jit_block *block)
{
    uint64_t retired = c->retired;
    uint32_t asked = 0;
    int how;

    do {
        asked |= atomic_exchange(&c->request, 0);
        how = execute(c, block, true);
    } while (!how && c->retired == retired);
    if (asked)
        cpu_request(c, asked);
    return how;
}

/* Compare them, go on with what the interpreter says. False: they differ, and text says how. */
static bool check(struct cpu *c, struct jit_log *log, const struct jit_block *block, int wanted_how,
                  char text[ERR_MAX])
{
    /* A block that is left early, when an instruction changed what fetching means, leaves them. */
    bool whole = log->wanted.retired - c->retired == block->count;
    bool flags = wanted_how || !whole || !block->flags_lost;
    bool lost = log->lost_at && log->lost_at == c->retired && log->lost_pc == c->pc;
    int how;

    /* Flags that nobody wants may as well be wrong. */
    if (lost)
        c->nzcv ^= NZCV_N | NZCV_Z | NZCV_C | NZCV_V;
    c->jit_key = log->wanted.jit_key;
    c->jit_va = align_down(c->pc, CODE_PAGE_SIZE);
    how = execute_translated(c, block);
    log->recording = false;
    if (how != wanted_how) {
        bool error = how == CPU_ESCAPE_STOP && c->stop == CPU_STOP_ERROR;

        snprintf(text, ERR_MAX,
                 "the block at %#llx ends by %s translated, and by %s in the interpreter",
                 (unsigned long long)log->before.pc,
                 error ? c->reason
                 : how ? "an exception"
                       : "going on",
                 wanted_how ? "an exception" : "going on");
        return false;
    }
    if (!jit_compare(c, block, flags, text))
        return false;
    c->nzcv = log->wanted.nzcv;
    log->lost_pc = c->pc;
    log->lost_at = flags ? 0 : c->retired;
    log->compared++;
    log->insns += block->count;
    log->exceptions += how != 0;
    log->atomics += block->atomic;
    log->stores += log->pages != 0;
    return true;
}

/* The block by the interpreter, and if it can be undone, translated, while no device touches
 * memory. What ends cpu_run() leaves when the devices may go on. */
static void run_both(struct cpu *c, struct jit_log *log, const struct jit_block *block)
{
    bool twice, same = true;
    char text[ERR_MAX];
    int how;

    gmem_gate_shut(c->soc->mem);
    forget_writes(c, log);
    log->recording = !block->alone;
    keep(&log->before, c);
    if (block->atomic)
        keep_stripes(log, &c->soc->exmon);
    how = execute(c, block, false);
    twice = !block->alone && !log->device;
    if (twice) {
        undo(c, log, block);
        same = check(c, log, block, how, text);
    } else {
        log->recording = false;
        log->alone += block->alone;
        log->devices += !block->alone;
    }
    gmem_gate_open(c->soc->mem);
    if (!same)
        exc_stop(c, "lockstep: %s", text);
    if (how == CPU_ESCAPE_STOP && (!twice || c->stop == CPU_STOP_ERROR))
        cpu_escape(c, CPU_ESCAPE_STOP);
}

bool jit_lockstep(struct cpu *c)
{
    struct jit *jit = c->soc->jit;
    const struct jit_block *block = NULL;

    if (jit_come_in(c, jit))
        block = jit_block_here(c);
    if (block)
        run_both(c, jit->log, block);
    else
        jit->log->untranslated++;
    atomic_store_explicit(&c->in_jit, false, memory_order_release);
    return block;
}
