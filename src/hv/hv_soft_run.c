/*
 * Running a vCPU of the engine `soft`: its thread executes in cpu_run() and sleeps here for WFI and
 * WFE.
 */
#include <sched.h>
#include <stdio.h>

#include "base/clock.h"
#include "cpu/gic.h"
#include "cpu/timer.h"
#include "hv/hv_soft_int.h"

#define WFE_NS UINT64_C(50000)

_Static_assert(sizeof(((struct cpu *)0)->reason) <= HV_REASON_MAX, "a reason fits");

/* What the sleeper looks for was set before: either it sees that, or we see it asleep. */
static void wake(struct soft_vcpu *v)
{
    if (!atomic_load(&v->asleep))
        return;
    lock_take(&v->lock);
    cond_signal(&v->cond);
    lock_drop(&v->lock);
}

void hv_soft_run_wake(void *ctx, unsigned vcpu)
{
    struct soft *soft = ctx;

    wake(&soft->vcpus[vcpu]);
}

static bool has_work(const struct soft_vcpu *v)
{
    const struct cpu *c = v->cpu;

    return (atomic_load(&c->request) & CPU_REQ_KICK) || gic_signals(c->soc->gic, c->index);
}

/* Until an interrupt is signalled, a kick, or deadline_ns. */
static void sleep_until(struct soft_vcpu *v, uint64_t deadline_ns)
{
    lock_take(&v->lock);
    atomic_store(&v->asleep, true);
    while (!has_work(v) && cond_wait_until(&v->cond, &v->lock, deadline_ns))
        ;
    atomic_store(&v->asleep, false);
    lock_drop(&v->lock);
}

/* WFI of a deterministic vCPU: time jumps to the next timer. Only what comes from outside, console
 * input, is really waited for. */
static void skip(struct soft_vcpu *v)
{
    struct cpu *c = v->cpu;
    uint64_t deadline = timer_update(c);

    if (has_work(v))
        return;
    if (deadline == UINT64_MAX) {
        sleep_until(v, UINT64_MAX);
        return;
    }
    c->soc->skipped_ns += deadline - timer_now_ns(c->soc);
    (void)timer_update(c);
}

static void wfi(struct soft_vcpu *v)
{
    struct cpu *c = v->cpu;

    if (c->soc->deterministic) {
        skip(v);
        return;
    }

    /* A timer that has expired unseen raises its PPI here, and there is no sleep. */
    c->wake_ns = timer_update(c);
    hv_soft_timer_moved(c->soc->timer_ctx, c->index, UINT64_MAX); /* we wait for it ourselves */
    sleep_until(v, c->wake_ns);
    (void)timer_update(c);
}

/* Linux waits for locks with LDXR and WFE, and no plain store wakes it: the host's CPU goes to
 * whoever may hold the lock, then a short nap. */
static void wfe(struct soft_vcpu *v)
{
    uint64_t until, timer;

    if (v->cpu->soc->deterministic) /* alone */
        return;
    sched_yield();
    if (atomic_load(&v->cpu->event))
        return;
    until = clock_mono_ns() + WFE_NS;
    timer = timer_deadline_ns(v->cpu);
    sleep_until(v, timer < until ? timer : until);
}

/* Hand the VMM's answer to the CPU; the instruction completes when it runs again. */
static void answer(struct soft_vcpu *v)
{
    struct hv_exit *exit = v->exit;

    if (!exit)
        return;
    v->exit = NULL;
    if (exit->kind == HV_EXIT_SMCCC)
        memcpy(v->cpu->x, exit->smccc.x, 4 * sizeof(v->cpu->x[0]));
    else
        cpu_mmio_done(v->cpu, exit->mmio.data);
}

static void report_mmio(struct soft_vcpu *v, struct hv_exit *exit)
{
    const struct mmio_access *access = &v->cpu->mmio_pending;

    *exit = (struct hv_exit){
        .kind = access->write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ,
        .mmio = { .gpa = access->gpa, .size = access->size, .data = access->data },
    };
    v->exit = exit;
}

/* Returns true when exit is filled in. */
static bool stopped(struct soft_vcpu *v, enum cpu_stop stop, struct hv_exit *exit)
{
    struct cpu *c = v->cpu;

    switch (stop) {
    case CPU_STOP_KICKED:
        *exit = (struct hv_exit){ .kind = HV_EXIT_KICKED };
        return true;
    case CPU_STOP_MMIO:
        report_mmio(v, exit);
        return true;
    case CPU_STOP_HVC:
        *exit = (struct hv_exit){ .kind = HV_EXIT_SMCCC };
        memcpy(exit->smccc.x, c->x, sizeof(exit->smccc.x));
        v->exit = exit;
        return true;
    case CPU_STOP_WFI:
        wfi(v);
        return false;
    case CPU_STOP_WFE:
        wfe(v);
        return false;
    case CPU_STOP_TRAP: /* only with soc->stage2 */
    case CPU_STOP_ERROR:
        *exit = (struct hv_exit){ .kind = HV_EXIT_ERROR };
        snprintf(exit->reason, sizeof(exit->reason), "%s", c->reason);
        return true;
    }
    return false;
}

void hv_soft_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
    struct soft_vcpu *v = soft_vcpu_of(vcpu);

    answer(v);
    if (v->unreported) {
        v->unreported = false;
        report_mmio(v, exit);
        return;
    }
    while (!stopped(v, cpu_run(v->cpu), exit))
        ;
}

void hv_soft_run_kick(struct hv_vcpu *vcpu)
{
    struct soft_vcpu *v = soft_vcpu_of(vcpu);

    cpu_request(v->cpu, CPU_REQ_KICK);
    wake(v);
}

/* Complete the instruction of an answered exit. One with several device accesses may stop for the
 * next: it then counts as not begun, and run() reports the access when the vCPU goes on. The kick
 * that keeps the CPU from doing more stays: somebody else's may be in it. */
void hv_soft_run_complete(struct soft_vcpu *v)
{
    bool mmio = v->exit && v->exit->kind != HV_EXIT_SMCCC;

    answer(v);
    if (!mmio)
        return;
    cpu_request(v->cpu, CPU_REQ_KICK);
    v->unreported = cpu_run(v->cpu) == CPU_STOP_MMIO;
    cpu_request(v->cpu, CPU_REQ_KICK);
}
