/*
 * What the translator did, for --jit-stats and for lockstep. What translation itself counts is
 * always there; calls of C and ways in and out are counted where config.stats asked for it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "cpu/jit/jit_int.h"
#include "cpu/jit/jit_lockstep.h"

#define ROWS_SHOWN 20

void jit_count_handled(struct jit *jit, uint32_t word)
{
    atomic_fetch_add_explicit(&jit->handled[a64_match(word)], 1, memory_order_relaxed);
}

void jit_get_stats(struct jit *jit, struct jit_stats *ret_stats)
{
    lock_take(&jit->lock);
    *ret_stats = jit->stats;
    ret_stats->cache_bytes = jit->size;
    ret_stats->cache_code = (uint64_t)(jit->at - jit->rw);
    ret_stats->cache_data = (uint64_t)(jit->rw + jit->size - jit->data);
    lock_drop(&jit->lock);
}

static uint64_t count_of(const struct jit *jit, enum jit_counted what)
{
    return atomic_load_explicit(&jit->counts[what], memory_order_relaxed);
}

static uint64_t handled(const struct jit *jit, unsigned row)
{
    return atomic_load_explicit(&jit->handled[row], memory_order_relaxed);
}

static double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

static void log_translation(struct jit *jit)
{
    struct jit_stats s;

    jit_get_stats(jit, &s);
    log_info("jit",
             "%" PRIu64 " blocks of %.1f instructions, %.0f bytes each, translated in %.0f ns each",
             s.blocks, ratio(s.insns, s.blocks), ratio(s.code_bytes, s.blocks),
             ratio(s.translate_ns, s.blocks));
    log_info("jit",
             "%" PRIu64 " instructions, %" PRIu64 " bytes of code; %" PRIu64
             " blocks killed; the cache was emptied %" PRIu64 " times",
             s.insns, s.code_bytes, s.killed, s.flushes);
    log_info("jit", "cache: %" PRIu64 " KiB of code and %" PRIu64 " KiB about it, of %" PRIu64,
             s.cache_code / KIB, s.cache_data / KIB, s.cache_bytes / KIB);
}

static void log_ways(const struct jit *jit)
{
    uint64_t in = count_of(jit, JIT_COUNT_ENTER), ask = count_of(jit, JIT_COUNT_LEFT_REQUEST),
             end = count_of(jit, JIT_COUNT_LEFT_END);

    log_info("jit",
             "entered %" PRIu64 " times; left %" PRIu64 " times at a request, %" PRIu64
             " at a system instruction, %" PRIu64 " by an exception or a device access",
             in, ask, end, in - ask - end);
    log_info("jit",
             "%" PRIu64 " jumps looked up to be linked, %" PRIu64
             " addresses that the jump cache did not have",
             count_of(jit, JIT_COUNT_FOLLOW), count_of(jit, JIT_COUNT_LOOKUP));
}

/* Most called first. A load or store here has missed the TLB, the others are not translated. */
static void log_handlers(const struct jit *jit)
{
    bool shown[A64_OPS + 1] = { false };
    uint64_t all = 0;

    for (unsigned row = 0; row <= A64_OPS; row++)
        all += handled(jit, row);
    log_info("jit", "%" PRIu64 " calls of the interpreter's handlers, most of them for:", all);
    for (unsigned n = 0; n < ROWS_SHOWN; n++) {
        unsigned best = 0;

        for (unsigned row = 1; row <= A64_OPS; row++)
            if (shown[best] || (!shown[row] && handled(jit, row) > handled(jit, best)))
                best = row;
        if (shown[best] || !handled(jit, best))
            break;
        shown[best] = true;
        log_info("jit", "  %12" PRIu64 "  %4.1f %%  %s", handled(jit, best),
                 100 * ratio(handled(jit, best), all),
                 best == A64_OPS ? "UNDEFINED" : a64_rows[best].name);
    }
}

static void log_lockstep(const struct jit_log *log)
{
    log_info("lockstep",
             "%" PRIu64 " blocks (%" PRIu64 " instructions) compared and the same; of them %" PRIu64
             " wrote memory, %" PRIu64 " ended by an exception, %" PRIu64 " had atomics",
             log->compared, log->insns, log->stores, log->exceptions, log->atomics);
    log_info("lockstep",
             "%" PRIu64 " system instructions and %" PRIu64
             " blocks with device accesses were interpreted only",
             log->alone, log->devices);
}

void jit_log_stats(struct jit *jit)
{
    if (jit->log && jit->log->insns + jit->log->alone + jit->log->devices > 0)
        log_lockstep(jit->log);
    if (!jit->counting)
        return;
    log_translation(jit);
    log_ways(jit);
    log_handlers(jit);
}
