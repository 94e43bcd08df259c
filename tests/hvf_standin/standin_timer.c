/*
 * The stand-in's timers and sleeps. The framework delivers both EL1 timers by itself: one thread
 * sleeps to the earliest deadline and has the vCPU look. A vCPU in WFI waits inside hv_vcpu_run().
 */
#include "standin.h"

#include <assert.h>
#include <sched.h>

#include "base/clock.h"
#include "cpu/gic.h"
#include "cpu/timer.h"

#define WFE_NS UINT64_C(50000) /* no store wakes it */

void standin_timer_moved(void *ctx, unsigned vcpu, uint64_t deadline_ns)
{
    struct standin *vm = &standin_vm;

    (void)ctx;
    lock_take(&vm->timer_lock);
    vm->deadline_ns[vcpu] = deadline_ns;
    if (deadline_ns < vm->timer_sleeps_to)
        cond_signal(&vm->timer_cond);
    lock_drop(&vm->timer_lock);
}

static void timer_main(void *arg)
{
    struct standin *vm = arg;

    lock_take(&vm->timer_lock);
    while (!vm->timer_stop) {
        uint64_t now = clock_mono_ns(), next = UINT64_MAX;

        for (unsigned i = 0; i < STANDIN_VCPUS; i++) {
            struct cpu *cpu = atomic_load(&vm->soc.cpus[i]);

            if (vm->deadline_ns[i] > now) {
                next = vm->deadline_ns[i] < next ? vm->deadline_ns[i] : next;
            } else if (cpu) {
                vm->deadline_ns[i] = UINT64_MAX; /* the vCPU will say what comes after */
                cpu_request(cpu, CPU_REQ_TIMER);
            }
        }
        vm->timer_sleeps_to = next;
        (void)cond_wait_until(&vm->timer_cond, &vm->timer_lock, next);
    }
    lock_drop(&vm->timer_lock);
}

void standin_timer_start(void)
{
    struct standin *vm = &standin_vm;
    int rc;

    for (unsigned i = 0; i < STANDIN_VCPUS; i++)
        vm->deadline_ns[i] = UINT64_MAX;
    rc = thread_start(&vm->timer, "standin-timer", timer_main, vm);
    assert(rc == 0);
    (void)rc;
}

void standin_timer_stop(void)
{
    struct standin *vm = &standin_vm;

    lock_take(&vm->timer_lock);
    vm->timer_stop = true;
    cond_signal(&vm->timer_cond);
    lock_drop(&vm->timer_lock);
    thread_join(&vm->timer);
}

/* What the sleeper looks for was set before: either it sees that, or we see it asleep. */
void standin_wake(void *ctx, unsigned vcpu)
{
    struct standin_vcpu *v = &standin_vm.vcpus[vcpu];

    (void)ctx;
    if (!atomic_load(&v->asleep))
        return;
    lock_take(&v->lock);
    cond_signal(&v->cond);
    lock_drop(&v->lock);
}

static bool has_work(struct standin_vcpu *v)
{
    return atomic_load(&v->cancel) || gic_signals(v->cpu->soc->gic, v->index);
}

static void sleep_until(struct standin_vcpu *v, uint64_t deadline_ns)
{
    lock_take(&v->lock);
    atomic_store(&v->asleep, true);
    while (!has_work(v) && cond_wait_until(&v->cond, &v->lock, deadline_ns))
        ;
    atomic_store(&v->asleep, false);
    lock_drop(&v->lock);
}

void standin_wfi(struct standin_vcpu *v)
{
    uint64_t deadline = timer_update(v->cpu); /* one that has expired unseen wakes at once */

    standin_timer_moved(NULL, v->index, UINT64_MAX); /* we wait for it ourselves */
    sleep_until(v, deadline);
    (void)timer_update(v->cpu);
}

void standin_wfe(struct standin_vcpu *v)
{
    uint64_t until, timer;

    sched_yield();
    if (atomic_load(&v->cpu->event))
        return;
    until = clock_mono_ns() + WFE_NS;
    timer = timer_deadline_ns(v->cpu);
    sleep_until(v, timer < until ? timer : until);
}
