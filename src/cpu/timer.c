/* The generic timer of one vCPU: two compare registers against one counter. */
#include "cpu/timer.h"

#include "base/clock.h"
#include "cpu/gic.h"

/* In two steps, so that nothing overflows: rest * hz < 1e9 * 4e9 < 2^62. */
static uint64_t ns_to_ticks(const struct soc *soc, uint64_t ns)
{
    return ns / NS_PER_S * soc->counter_hz + ns % NS_PER_S * soc->counter_hz / NS_PER_S;
}

/* The first nanosecond at which ns_to_ticks() is at least ticks; UINT64_MAX beyond the clock. */
static uint64_t ticks_to_ns(const struct soc *soc, uint64_t ticks)
{
    uint64_t hz = soc->counter_hz, s = ticks / hz;

    if (s >= UINT64_MAX / NS_PER_S - 1)
        return UINT64_MAX;
    return s * NS_PER_S + (ticks % hz * NS_PER_S + hz - 1) / hz;
}

uint64_t timer_now_ns(const struct soc *soc)
{
    const struct cpu *c;

    if (!soc->deterministic)
        return soc->now_ns();
    c = soc->cpus[0];
    return (c ? cpu_retired(c) : 0) + soc->skipped_ns;
}

uint64_t timer_count(const struct soc *soc)
{
    return ns_to_ticks(soc, timer_now_ns(soc)) -
           atomic_load_explicit(&soc->counter_offset, memory_order_relaxed);
}

void timer_set_count(struct soc *soc, uint64_t count)
{
    atomic_store_explicit(&soc->counter_offset, ns_to_ticks(soc, timer_now_ns(soc)) - count,
                          memory_order_relaxed);
}

static bool expired(uint64_t count, uint64_t ctl, uint64_t cval)
{
    return (ctl & TIMER_CTL_ENABLE) && count >= cval;
}

uint64_t timer_ctl(const struct cpu *c, uint64_t ctl, uint64_t cval)
{
    return ctl | (expired(timer_count(c->soc), ctl, cval) ? TIMER_CTL_ISTATUS : 0);
}

/* Ticks from count until this timer raises its interrupt; UINT64_MAX: it will not, or has. */
static uint64_t ticks_left(uint64_t count, uint64_t ctl, uint64_t cval)
{
    if ((ctl & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK)) != TIMER_CTL_ENABLE || count >= cval)
        return UINT64_MAX;
    return cval - count;
}

static uint64_t deadline_at(const struct cpu *c, uint64_t count)
{
    uint64_t v = ticks_left(count, c->sys.cntv_ctl, c->sys.cntv_cval);
    uint64_t p = ticks_left(count, c->sys.cntp_ctl, c->sys.cntp_cval);
    uint64_t left = v < p ? v : p;
    uint64_t host = count + atomic_load_explicit(&c->soc->counter_offset, memory_order_relaxed);

    if (left == UINT64_MAX || host > UINT64_MAX - left)
        return UINT64_MAX;
    return ticks_to_ns(c->soc, host + left);
}

uint64_t timer_deadline_ns(const struct cpu *c)
{
    return deadline_at(c, timer_count(c->soc));
}

uint64_t timer_update(struct cpu *c)
{
    uint64_t count = timer_count(c->soc);
    bool v = expired(count, c->sys.cntv_ctl, c->sys.cntv_cval);
    bool p = expired(count, c->sys.cntp_ctl, c->sys.cntp_cval);
    uint64_t deadline = deadline_at(c, count);

    if (c->soc->gic) {
        gic_set_ppi(c->soc->gic, c->index, MAP_PPI_VTIMER,
                    v && !(c->sys.cntv_ctl & TIMER_CTL_IMASK));
        gic_set_ppi(c->soc->gic, c->index, MAP_PPI_PTIMER,
                    p && !(c->sys.cntp_ctl & TIMER_CTL_IMASK));
    }
    if (c->soc->deterministic)
        cpu_due_at(c, deadline == UINT64_MAX ? UINT64_MAX : deadline - c->soc->skipped_ns);
    else if (c->soc->timer_moved)
        c->soc->timer_moved(c->soc->timer_ctx, c->index, deadline);
    return deadline;
}
