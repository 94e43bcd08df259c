/*
 * The engine `soft`: our own arm64 CPU behind the seam. One vCPU so far.
 *
 * A vCPU's thread executes in cpu_run() and sleeps here for WFI and WFE. Timers that expire while
 * the guest computes are noticed by one thread per machine, which only sets a request.
 *
 * Locks, outermost first: gic.lock, then vcpu.lock or timer_lock, which call nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "cpu/gic.h"
#include "cpu/idregs.h"
#include "cpu/mmu.h"
#include "cpu/soc.h"
#include "cpu/timer.h"
#include "hv/hv_engines.h"

#define SOFT_VCPUS_MAX 1
#define COUNTER_HZ_MIN UINT64_C(1000000)
#define BIG_RAM_END    (60 * GIB) /* above it the model has 40 address bits */
#define WFE_NS         UINT64_C(50000)

_Static_assert((int)SOC_READ == HV_READ && (int)SOC_WRITE == HV_WRITE && (int)SOC_EXEC == HV_EXEC,
               "the seam and the CPU number permissions the same");
_Static_assert(sizeof(((struct cpu *)0)->reason) <= HV_REASON_MAX, "a reason fits");

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

static struct soft *soft_of(struct hv *hv)
{
    return container_of(hv, struct soft, hv);
}

static struct soft_vcpu *soft_vcpu_of(struct hv_vcpu *vcpu)
{
    return container_of(vcpu, struct soft_vcpu, vcpu);
}

/* ---- timers while the guest computes ---- */

static void soft_timer_moved(void *ctx, unsigned vcpu, uint64_t deadline_ns)
{
    struct soft *soft = ctx;

    lock_take(&soft->timer_lock);
    soft->deadline_ns[vcpu] = deadline_ns;
    /* A deadline that moved away needs no wake-up: the thread looks at the old time, in vain. */
    if (deadline_ns < soft->timer_sleeps_to)
        cond_signal(&soft->timer_cond);
    lock_drop(&soft->timer_lock);
}

static void soft_timer_main(void *arg)
{
    struct soft *soft = arg;

    lock_take(&soft->timer_lock);
    while (!soft->timer_stop) {
        uint64_t now = clock_mono_ns(), next = UINT64_MAX;

        for (unsigned i = 0; i < soft->hv.vcpus; i++) {
            struct cpu *cpu = soft->soc.cpus[i];

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

/* ---- sleeping ---- */

/* What the sleeper looks for was set before: either it sees that, or we see it asleep. */
static void soft_wake(struct soft_vcpu *v)
{
    if (!atomic_load(&v->asleep))
        return;
    lock_take(&v->lock);
    cond_signal(&v->cond);
    lock_drop(&v->lock);
}

static void soft_gic_wake(void *ctx, unsigned vcpu)
{
    struct soft *soft = ctx;

    soft_wake(&soft->vcpus[vcpu]);
}

static bool soft_has_work(const struct soft_vcpu *v)
{
    const struct cpu *c = v->cpu;

    return (atomic_load(&c->request) & CPU_REQ_KICK) || gic_signals(c->soc->gic, c->index);
}

/* Until an interrupt is signalled, a kick, or deadline_ns. */
static void soft_sleep(struct soft_vcpu *v, uint64_t deadline_ns)
{
    lock_take(&v->lock);
    atomic_store(&v->asleep, true);
    while (!soft_has_work(v) && cond_wait_until(&v->cond, &v->lock, deadline_ns))
        ;
    atomic_store(&v->asleep, false);
    lock_drop(&v->lock);
}

static void soft_wfi(struct soft_vcpu *v)
{
    struct cpu *c = v->cpu;

    /* A timer that has expired unseen raises its PPI here, and there is no sleep. */
    c->wake_ns = timer_update(c);
    soft_timer_moved(c->soc->timer_ctx, c->index, UINT64_MAX); /* we wait for it ourselves */
    soft_sleep(v, c->wake_ns);
    (void)timer_update(c);
}

/* Linux waits for locks with LDXR and WFE, and no plain store wakes it: a short nap. */
static void soft_wfe(struct soft_vcpu *v)
{
    uint64_t until = clock_mono_ns() + WFE_NS;
    uint64_t timer = timer_deadline_ns(v->cpu);

    soft_sleep(v, timer < until ? timer : until);
}

/* ---- running ---- */

/* Hand the VMM's answer to the CPU; the instruction completes when it runs again. */
static void soft_answer(struct soft_vcpu *v)
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

static void soft_report_mmio(struct soft_vcpu *v, struct hv_exit *exit)
{
    const struct mmio_access *access = &v->cpu->mmio_pending;

    *exit = (struct hv_exit){
        .kind = access->write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ,
        .mmio = { .gpa = access->gpa, .size = access->size, .data = access->data },
    };
    v->exit = exit;
}

/* Returns true when exit is filled in. */
static bool soft_stopped(struct soft_vcpu *v, enum cpu_stop stop, struct hv_exit *exit)
{
    struct cpu *c = v->cpu;

    switch (stop) {
    case CPU_STOP_KICKED:
        *exit = (struct hv_exit){ .kind = HV_EXIT_KICKED };
        return true;
    case CPU_STOP_MMIO:
        soft_report_mmio(v, exit);
        return true;
    case CPU_STOP_HVC:
        *exit = (struct hv_exit){ .kind = HV_EXIT_SMCCC };
        memcpy(exit->smccc.x, c->x, sizeof(exit->smccc.x));
        v->exit = exit;
        return true;
    case CPU_STOP_WFI:
        soft_wfi(v);
        return false;
    case CPU_STOP_WFE:
        soft_wfe(v);
        return false;
    case CPU_STOP_ERROR:
        *exit = (struct hv_exit){ .kind = HV_EXIT_ERROR };
        snprintf(exit->reason, sizeof(exit->reason), "%s", c->reason);
        return true;
    }
    return false;
}

static void soft_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
    struct soft_vcpu *v = soft_vcpu_of(vcpu);

    soft_answer(v);
    if (v->unreported) {
        v->unreported = false;
        soft_report_mmio(v, exit);
        return;
    }
    while (!soft_stopped(v, cpu_run(v->cpu), exit))
        ;
}

static void soft_kick(struct hv_vcpu *vcpu)
{
    struct soft_vcpu *v = soft_vcpu_of(vcpu);

    cpu_request(v->cpu, CPU_REQ_KICK);
    soft_wake(v);
}

/* RNDR: as good as the host's. */
static bool soft_random(void *ctx, uint64_t *ret_val)
{
    (void)ctx;
    return getentropy(ret_val, sizeof(*ret_val)) == 0;
}

/* ---- machine ---- */

static int soft_probe(struct err *err)
{
    (void)err;
    return 0;
}

static void soft_destroy(struct hv *hv)
{
    struct soft *soft = soft_of(hv);

    lock_take(&soft->timer_lock);
    soft->timer_stop = true;
    cond_signal(&soft->timer_cond);
    lock_drop(&soft->timer_lock);
    thread_join(&soft->timer);
    for (unsigned i = 0; i < SOFT_VCPUS_MAX; i++) {
        cpu_destroy(soft->vcpus[i].cpu);
        cond_fini(&soft->vcpus[i].cond);
        lock_fini(&soft->vcpus[i].lock);
    }
    gic_destroy(soft->soc.gic);
    cond_fini(&soft->timer_cond);
    lock_fini(&soft->timer_lock);
    free(soft);
}

static int soft_check_config(const struct hv_config *config, struct err *err)
{
    if (config->vcpus != SOFT_VCPUS_MAX)
        return err_set(err, ENOTSUP,
                       "the software CPU runs one vCPU so far, not %u; use --smp 1 or another "
                       "engine",
                       config->vcpus);
    if (config->counter_hz &&
        (config->counter_hz < COUNTER_HZ_MIN || config->counter_hz > SOC_COUNTER_HZ_MAX))
        return err_set(err, EINVAL, "counter frequency %llu Hz is not between %llu and %llu",
                       (unsigned long long)config->counter_hz, (unsigned long long)COUNTER_HZ_MIN,
                       (unsigned long long)SOC_COUNTER_HZ_MAX);
    return 0;
}

static int soft_create(const struct hv_config *config, struct hv **ret_hv, struct err *err)
{
    const struct cpu_model *model;
    struct soft *soft;
    int rc = soft_check_config(config, err);

    if (rc == 0)
        rc = idregs_find(config->cpu, &model, err);
    if (rc < 0)
        return rc;
    soft = calloc(1, sizeof(*soft));
    if (!soft)
        return err_set(err, ENOMEM, "software CPU: out of memory");
    soc_init(&soft->soc, config->mem, config->counter_hz);
    soft->soc.vcpus = config->vcpus;
    soft->soc.model = model;
    for (unsigned i = 0; i < config->mem->count; i++) {
        const struct gmem_region *region = &config->mem->regions[i];

        if (region->gpa + region->size > BIG_RAM_END)
            soft->soc.pa_bits = IDREGS_PA_BITS_BIG;
    }
    soft->soc.timer_moved = soft_timer_moved;
    soft->soc.timer_ctx = soft;
    soft->soc.random = soft_random;
    soft->hv = (struct hv){ .ops = &hv_soft_ops,
                            .caps = HV_CAP_ANY_COUNTER | HV_CAP_EXACT_CPU,
                            .vcpus = config->vcpus,
                            .counter_hz = soft->soc.counter_hz };
    lock_init(&soft->timer_lock);
    cond_init(&soft->timer_cond);
    for (unsigned i = 0; i < SOFT_VCPUS_MAX; i++) {
        lock_init(&soft->vcpus[i].lock);
        cond_init(&soft->vcpus[i].cond);
        soft->deadline_ns[i] = UINT64_MAX;
    }
    rc = gic_create(&soft->soc, soft_gic_wake, soft, &soft->soc.gic, err);
    if (rc == 0) {
        rc = thread_start(&soft->timer, "soft-timer", soft_timer_main, soft);
        if (rc < 0)
            err_set(err, -rc, "start the timer thread: %s", strerror(-rc));
    }
    if (rc < 0) {
        soft_destroy(&soft->hv);
        return rc;
    }
    *ret_hv = &soft->hv;
    return 0;
}

static void soft_flush_all(struct soft *soft)
{
    for (unsigned i = 0; i < soft->hv.vcpus; i++) {
        if (soft->vcpus[i].cpu)
            cpu_request(soft->vcpus[i].cpu, CPU_REQ_FLUSH | CPU_REQ_CODE);
    }
}

static int soft_map(struct hv *hv, gpa_t gpa, void *host, uint64_t size, unsigned prot,
                    struct err *err)
{
    return soc_map(&soft_of(hv)->soc, gpa, host, size, prot, err);
}

static int soft_unmap(struct hv *hv, gpa_t gpa, uint64_t size, struct err *err)
{
    int rc = soc_unmap(&soft_of(hv)->soc, gpa, size, err);

    soft_flush_all(soft_of(hv));
    return rc;
}

static int soft_protect(struct hv *hv, gpa_t gpa, uint64_t size, unsigned prot, struct err *err)
{
    int rc = soc_protect(&soft_of(hv)->soc, gpa, size, prot, err);

    soft_flush_all(soft_of(hv));
    return rc;
}

static void soft_set_spi(struct hv *hv, unsigned spi, bool level)
{
    gic_set_spi(soft_of(hv)->soc.gic, spi, level);
}

/* ---- vCPU and state ---- */

static int soft_vcpu_create(struct hv *hv, unsigned index, struct hv_vcpu **ret_vcpu,
                            struct err *err)
{
    struct soft *soft = soft_of(hv);
    struct soft_vcpu *v;
    int rc;

    if (index >= hv->vcpus || soft->vcpus[index].cpu)
        return err_set(err, EINVAL, "vCPU %u exists already, or is not part of the machine", index);
    v = &soft->vcpus[index];
    rc = cpu_create(&soft->soc, index, &v->cpu, err);
    if (rc < 0)
        return rc;
    v->vcpu = (struct hv_vcpu){ .hv = hv, .index = index };
    *ret_vcpu = &v->vcpu;
    return 0;
}

/* Devices and the timer thread may still be reaching for the vCPU: it goes with the machine. */
static void soft_vcpu_destroy(struct hv_vcpu *vcpu)
{
    soft_vcpu_of(vcpu)->exit = NULL;
}

/* Complete the instruction of an answered exit. One with several device accesses may stop for the
 * next: it then counts as not begun, and run() reports the access when the vCPU goes on. The kick
 * that keeps the CPU from doing more stays: somebody else's may be in it. */
static void soft_complete(struct soft_vcpu *v)
{
    bool mmio = v->exit && v->exit->kind != HV_EXIT_SMCCC;

    soft_answer(v);
    if (!mmio)
        return;
    cpu_request(v->cpu, CPU_REQ_KICK);
    v->unreported = cpu_run(v->cpu) == CPU_STOP_MMIO;
    cpu_request(v->cpu, CPU_REQ_KICK);
}

static int soft_vcpu_get(struct hv_vcpu *vcpu, struct vcpu_state *ret_state, struct err *err)
{
    struct soft_vcpu *v = soft_vcpu_of(vcpu);

    (void)err;
    soft_complete(v);
    cpu_get_state(v->cpu, ret_state);
    return 0;
}

static int soft_vcpu_set(struct hv_vcpu *vcpu, const struct vcpu_state *state, struct err *err)
{
    struct soft_vcpu *v = soft_vcpu_of(vcpu);
    int rc;

    soft_complete(v);
    rc = cpu_set_state(v->cpu, state, err);
    if (rc == 0)
        v->unreported = false;
    return rc;
}

static int soft_gic_get(struct hv *hv, struct gic_state *ret_state, struct err *err)
{
    (void)err;
    gic_get_state(soft_of(hv)->soc.gic, ret_state);
    return 0;
}

static int soft_gic_set(struct hv *hv, const struct gic_state *state, struct err *err)
{
    return gic_set_state(soft_of(hv)->soc.gic, state, err);
}

/* The TLB marks gmem's bitmap when it gains a write entry: arming is dropping those. */
static int soft_dirty_arm(struct hv *hv, struct err *err)
{
    struct soft *soft = soft_of(hv);

    (void)err;
    for (unsigned i = 0; i < hv->vcpus; i++) {
        if (soft->vcpus[i].cpu)
            mmu_flush_writable(soft->vcpus[i].cpu);
    }
    return 0;
}

static void soft_dirty_stop(struct hv *hv)
{
    (void)hv;
}

static uint64_t soft_insn_count(const struct hv_vcpu *vcpu)
{
    return container_of(vcpu, const struct soft_vcpu, vcpu)->cpu->retired;
}

const struct hv_ops hv_soft_ops = {
    .name = "soft",
    .probe = soft_probe,
    .create = soft_create,
    .destroy = soft_destroy,
    .map = soft_map,
    .unmap = soft_unmap,
    .protect = soft_protect,
    .vcpu_create = soft_vcpu_create,
    .vcpu_destroy = soft_vcpu_destroy,
    .run = soft_run,
    .kick = soft_kick,
    .set_spi = soft_set_spi,
    .vcpu_get = soft_vcpu_get,
    .vcpu_set = soft_vcpu_set,
    .gic_get = soft_gic_get,
    .gic_set = soft_gic_set,
    .dirty_start = soft_dirty_arm,
    .dirty_sync = soft_dirty_arm,
    .dirty_stop = soft_dirty_stop,
    .insn_count = soft_insn_count,
};
