/*
 * Timers of the engine `soft` that expire while the guest computes: one thread per machine sleeps
 * to the earliest deadline and sets a request. A vCPU that sleeps waits for its timers itself.
 */
#include <string.h>

#include "base/clock.h"
#include "hv/hv_soft_int.h"

void hv_soft_timer_moved(void *ctx, unsigned vcpu, uint64_t deadline_ns)
{
    struct soft *soft = ctx;

    lock_take(&soft->timer_lock);
    soft->deadline_ns[vcpu] = deadline_ns;
    /* A deadline that moved away needs no wake-up: the thread looks at the old time, in vain. */
    if (deadline_ns < soft->timer_sleeps_to)
        cond_signal(&soft->timer_cond);
    lock_drop(&soft->timer_lock);
}

static void timer_main(void *arg)
{
    struct soft *soft = arg;

    lock_take(&soft->timer_lock);
    while (!soft->timer_stop) {
        uint64_t now = clock_mono_ns(), next = UINT64_MAX;

        for (unsigned i = 0; i < soft->hv.vcpus; i++) {
            struct cpu *cpu = atomic_load(&soft->soc.cpus[i]);

            if (soft->deadline_ns[i] > now) {
                next = soft->deadline_ns[i] < next ? soft->deadline_ns[i] : next;
            } else if (cpu) {
                soft->deadline_ns[i] = UINT64_MAX; /* the vCPU will say what comes after */
                cpu_request(cpu, CPU_REQ_TIMER);
            }
        }
        soft->timer_sleeps_to = next;
        (void)cond_wait_until(&soft->timer_cond, &soft->timer_lock, next);
    }
    lock_drop(&soft->timer_lock);
}

int hv_soft_timer_start(struct soft *soft, struct err *err)
{
    int rc = thread_start(&soft->timer, "soft-timer", timer_main, soft);

    return rc < 0 ? err_set(err, -rc, "start the timer thread: %s", strerror(-rc)) : 0;
}

void hv_soft_timer_stop(struct soft *soft)
{
    lock_take(&soft->timer_lock);
    soft->timer_stop = true;
    cond_signal(&soft->timer_cond);
    lock_drop(&soft->timer_lock);
    thread_join(&soft->timer);
}
