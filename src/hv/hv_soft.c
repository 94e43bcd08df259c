/*
 * The engine `soft`: our own arm64 CPU behind the seam. The vCPUs run in hv_soft_run.c, timers are
 * in hv_soft_timer.c.
 *
 * Locks, outermost first: gic.lock, then vcpu.lock or timer_lock, which call nothing. The rings of
 * cpu/broadcast.h have locks that are never held together with another.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "cpu/gic.h"
#include "cpu/idregs.h"
#include "cpu/jit/jit.h"
#include "cpu/mmu.h"
#include "cpu/timer.h"
#include "hv/hv_soft_int.h"

#define COUNTER_HZ_MIN UINT64_C(1000000)

_Static_assert((int)SOC_READ == HV_READ && (int)SOC_WRITE == HV_WRITE && (int)SOC_EXEC == HV_EXEC,
               "the seam and the CPU number permissions the same");

static int soft_probe(struct err *err)
{
    (void)err;
    return 0;
}

static void soft_destroy(struct hv *hv)
{
    struct soft *soft = soft_of(hv);

    hv_soft_timer_stop(soft);
    for (unsigned i = 0; i < SOFT_VCPUS_MAX; i++) {
        cpu_destroy(soft->vcpus[i].cpu);
        cond_fini(&soft->vcpus[i].cond);
        lock_fini(&soft->vcpus[i].lock);
    }
    if (soft->soc.jit)
        jit_log_stats(soft->soc.jit);
    jit_destroy(soft->soc.jit);
    gic_destroy(soft->soc.gic);
    cond_fini(&soft->timer_cond);
    lock_fini(&soft->timer_lock);
    free(soft);
}

static int soft_check_config(const struct hv_config *config, struct err *err)
{
    if (config->vcpus > SOFT_VCPUS_MAX)
        return err_set(err, ENOTSUP,
                       "the software CPU runs at most %d vCPUs, not %u; use --smp %d or less, or "
                       "another engine",
                       SOFT_VCPUS_MAX, config->vcpus, SOFT_VCPUS_MAX);
    if (config->deterministic && config->vcpus != 1)
        return err_set(err, ENOTSUP, "deterministic execution is for one vCPU, not %u; use --smp 1",
                       config->vcpus);
    if (config->jit.mode == HV_JIT_LOCKSTEP && config->vcpus != 1)
        return err_set(err, ENOTSUP, "lockstep is for one vCPU, not %u; use --smp 1",
                       config->vcpus);
    if (config->counter_hz &&
        (config->counter_hz < COUNTER_HZ_MIN || config->counter_hz > SOC_COUNTER_HZ_MAX))
        return err_set(err, EINVAL, "counter frequency %llu Hz is not between %llu and %llu",
                       (unsigned long long)config->counter_hz, (unsigned long long)COUNTER_HZ_MIN,
                       (unsigned long long)SOC_COUNTER_HZ_MAX);
    return 0;
}

/* Without a translator the guest is interpreted, unless the user insists. */
static int soft_translate(struct soft *soft, const struct hv_jit *jit, struct err *err)
{
    struct jit_config config = {
        .bytes = jit->cache_bytes,
        .lockstep = jit->mode == HV_JIT_LOCKSTEP,
        .stats = jit->stats,
        .perf = jit->perf,
        .dump = jit->dump,
        .dump_va = jit->dump_va,
    };
    int rc;

    if (jit->mode == HV_JIT_OFF)
        return 0;
    rc = jit_create(&soft->soc, &config, &soft->soc.jit, err);
    if (rc == -ENOTSUP && jit->mode == HV_JIT_AUTO) {
        log_info("soft", "no translator for this kind of host: the guest is interpreted");
        return 0;
    }
    return rc;
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
    soft->soc.deterministic = config->deterministic;
    timer_set_count(&soft->soc, 0);
    for (unsigned i = 0; i < config->mem->count; i++) {
        const struct gmem_region *region = &config->mem->regions[i];

        if (region->gpa + region->size > IDREGS_BIG_RAM_END)
            soft->soc.pa_bits = IDREGS_PA_BITS_BIG;
    }
    soft->soc.timer_moved = hv_soft_timer_moved;
    soft->soc.timer_ctx = soft;
    soft->soc.random = config->random;
    soft->soc.random_ctx = config->random_ctx;
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
    rc = gic_create(&soft->soc, hv_soft_run_wake, soft, &soft->soc.gic, err);
    if (rc == 0)
        rc = soft_translate(soft, &config->jit, err);
    if (rc == 0)
        rc = hv_soft_timer_start(soft, err);
    if (rc < 0) {
        soft_destroy(&soft->hv);
        return rc;
    }
    *ret_hv = &soft->hv;
    return 0;
}

static void soft_forget_all(struct soft *soft)
{
    if (soft->soc.jit)
        jit_kill_all(soft->soc.jit);
    for (unsigned i = 0; i < soft->hv.vcpus; i++) {
        if (soft->vcpus[i].cpu)
            cpu_request(soft->vcpus[i].cpu, CPU_REQ_CODE);
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

    soft_forget_all(soft_of(hv));
    return rc;
}

static int soft_protect(struct hv *hv, gpa_t gpa, uint64_t size, unsigned prot, struct err *err)
{
    int rc = soc_protect(&soft_of(hv)->soc, gpa, size, prot, err);

    soft_forget_all(soft_of(hv));
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

static int soft_vcpu_get(struct hv_vcpu *vcpu, struct vcpu_state *ret_state, struct err *err)
{
    struct soft_vcpu *v = soft_vcpu_of(vcpu);

    (void)err;
    hv_soft_run_complete(v);
    cpu_get_state(v->cpu, ret_state);
    return 0;
}

static int soft_vcpu_set(struct hv_vcpu *vcpu, const struct vcpu_state *state, struct err *err)
{
    struct soft_vcpu *v = soft_vcpu_of(vcpu);
    int rc;

    hv_soft_run_complete(v);
    rc = cpu_set_state(v->cpu, state, err);
    if (rc == 0)
        v->unreported = false;
    return rc;
}

static int soft_set_counter(struct hv_vcpu *vcpu, uint64_t count, struct err *err)
{
    struct soft *soft = soft_of(vcpu->hv);

    (void)err;
    timer_set_count(&soft->soc, count);
    for (unsigned i = 0; i < soft->hv.vcpus; i++) {
        if (soft->vcpus[i].cpu)
            cpu_request(soft->vcpus[i].cpu, CPU_REQ_TIMER);
    }
    return 0;
}

static int soft_gic_get(struct hv *hv, struct gic_state *state, struct err *err)
{
    struct gic_state all;

    (void)err;
    gic_get_state(soft_of(hv)->soc.gic, &all);
    memcpy(all.redist, state->redist, sizeof(all.redist));
    *state = all;
    return 0;
}

static int soft_gic_set(struct hv *hv, const struct gic_state *state, struct err *err)
{
    struct gic *gic = soft_of(hv)->soc.gic;
    struct gic_state all, old;

    gic_get_state(gic, &old);
    all = *state;
    memcpy(all.redist, old.redist, sizeof(all.redist));
    return gic_set_state(gic, &all, err);
}

static int soft_redist_get(struct hv_vcpu *vcpu, struct gic_redist_state *ret_state,
                           struct err *err)
{
    struct gic_state all;

    (void)err;
    gic_get_state(soft_of(vcpu->hv)->soc.gic, &all);
    *ret_state = all.redist[vcpu->index];
    return 0;
}

static int soft_redist_set(struct hv_vcpu *vcpu, const struct gic_redist_state *state,
                           struct err *err)
{
    struct gic *gic = soft_of(vcpu->hv)->soc.gic;
    struct gic_state all;

    gic_get_state(gic, &all);
    all.redist[vcpu->index] = *state;
    return gic_set_state(gic, &all, err);
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

static uint64_t soft_guest_ns(const struct hv *hv)
{
    return timer_now_ns(&container_of(hv, const struct soft, hv)->soc);
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
    .run = hv_soft_run,
    .kick = hv_soft_run_kick,
    .set_spi = soft_set_spi,
    .vcpu_get = soft_vcpu_get,
    .vcpu_set = soft_vcpu_set,
    .set_counter = soft_set_counter,
    .gic_get = soft_gic_get,
    .gic_set = soft_gic_set,
    .redist_get = soft_redist_get,
    .redist_set = soft_redist_set,
    .dirty_start = soft_dirty_arm,
    .dirty_sync = soft_dirty_arm,
    .dirty_stop = soft_dirty_stop,
    .guest_ns = soft_guest_ns,
    .insn_count = soft_insn_count,
};
