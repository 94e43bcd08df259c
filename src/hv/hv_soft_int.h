/* What the files of the engine `soft` share; see hv_soft.c. */
#pragma once

#include "base/thread.h"
#include "cpu/soc.h"
#include "hv/hv_engines.h"

#define SOFT_VCPUS_MAX 32

struct soft_vcpu {
    struct hv_vcpu vcpu;
    struct cpu *cpu; /* NULL until vcpu_create */

    struct lock lock;
    struct cond cond;     /* signalled for interrupts and kicks while `asleep` */
    _Atomic bool asleep;  /* in WFI or WFE */
    struct hv_exit *exit; /* the exit whose answer is due, or NULL */
    bool unreported;      /* cpu_run() stopped for an access that run() has not reported yet */
};

struct soft {
    struct hv hv;
    struct soc soc;
    struct soft_vcpu vcpus[SOFT_VCPUS_MAX];

    struct thread timer;
    struct lock timer_lock; /* the rest */
    struct cond timer_cond;
    uint64_t deadline_ns[SOFT_VCPUS_MAX]; /* UINT64_MAX: none */
    uint64_t timer_sleeps_to;             /* when the thread looks next by itself */
    bool timer_stop;
};

static inline struct soft *soft_of(struct hv *hv)
{
    return container_of(hv, struct soft, hv);
}

static inline struct soft_vcpu *soft_vcpu_of(struct hv_vcpu *vcpu)
{
    return container_of(vcpu, struct soft_vcpu, vcpu);
}

/* hv_soft_timer.c: timers that expire while the guest computes. moved is soc.timer_moved. */
MUST_CHECK int hv_soft_timer_start(struct soft *soft, struct err *err);
void hv_soft_timer_stop(struct soft *soft); /* also when it never started */
void hv_soft_timer_moved(void *ctx, unsigned vcpu, uint64_t deadline_ns);

/* hv_soft_run.c: the ops run and kick; the GIC's wake callback; and completing the instruction of
 * an answered exit, so that the registers are those after it. */
void hv_soft_run(struct hv_vcpu *vcpu, struct hv_exit *exit);
void hv_soft_run_kick(struct hv_vcpu *vcpu);
void hv_soft_run_wake(void *ctx, unsigned vcpu);
void hv_soft_run_complete(struct soft_vcpu *v);
