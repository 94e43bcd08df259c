/* The stand-in's vCPUs: their lives, running them, and exits as a Mac gives them. */
#include "standin.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>

#include "arch/esr.h"
#include "cpu/hyp.h"
#include "cpu/idregs.h"
#include "cpu/mmu.h"
#include "cpu/timer.h"

#define ISS_WFX UINT64_C(0x1e00000) /* condition valid, "always"; TI = 0: WFI */
#define RUNS_ON UINT64_C(0xff00ffffff)

/* ---- configuration ---- */

struct hv_vcpu_config_s {
    uint32_t unused;
};

hv_vcpu_config_t hv_vcpu_config_create(void)
{
    return calloc(1, sizeof(struct hv_vcpu_config_s));
}

/* CRm and op2 of the ID registers by hv_feature_reg_t, and those that are not ID registers. */
static hv_return_t feature(const struct soc *soc, hv_feature_reg_t reg, uint64_t *value)
{
    static const uint8_t ids[] = { 0x50, 0x51, 0x60, 0x61, 0x70, 0x71, 0x72, 0x40, 0x41 };

    if (reg < ARRAY_LEN(ids)) {
        *value = idregs_read(soc, ids[reg] >> 4, ids[reg] & 15);
        return HV_SUCCESS;
    }
    switch (reg) {
    case HV_FEATURE_REG_CTR_EL0:
        *value = soc->model->ctr;
        return HV_SUCCESS;
    case HV_FEATURE_REG_CLIDR_EL1:
        *value = soc->model->clidr;
        return HV_SUCCESS;
    case HV_FEATURE_REG_DCZID_EL0:
        *value = soc->model->dczid;
        return HV_SUCCESS;
    default:
        return HV_BAD_ARGUMENT;
    }
}

/* Without a machine, too, on a Mac; here its CPU model comes with it. */
hv_return_t hv_vcpu_config_get_feature_reg(hv_vcpu_config_t config, hv_feature_reg_t reg,
                                           uint64_t *value)
{
    if (!standin_vm.exists)
        return HV_NO_DEVICE;
    return config && value ? feature(&standin_vm.soc, reg, value) : HV_BAD_ARGUMENT;
}

/* ---- life ---- */

hv_return_t standin_own(hv_vcpu_t vcpu, struct standin_vcpu **ret_vcpu)
{
    struct standin_vcpu *v = &standin_vm.vcpus[vcpu % STANDIN_VCPUS];

    if (vcpu >= STANDIN_VCPUS || !atomic_load(&v->used))
        return HV_NO_DEVICE;
    if (!pthread_equal(v->thread, pthread_self()))
        return HV_BAD_ARGUMENT;
    *ret_vcpu = v;
    return HV_SUCCESS;
}

/* Frames of the GIC follow the order of creation: a new vCPU has the lowest number that is free. */
static struct standin_vcpu *find_free(struct standin *vm)
{
    for (unsigned i = 0; i < STANDIN_VCPUS; i++) {
        if (!vm->vcpus[i].used)
            return &vm->vcpus[i];
    }
    return NULL;
}

static bool has_vcpu(const struct standin *vm, pthread_t thread)
{
    for (unsigned i = 0; i < STANDIN_VCPUS; i++) {
        if (vm->vcpus[i].used && pthread_equal(vm->vcpus[i].thread, thread))
            return true;
    }
    return false;
}

/* The CPU's and the GIC's lists of vCPUs end behind the last one; at_least: one is being made. */
static void count_vcpus(struct standin *vm, unsigned at_least)
{
    vm->soc.vcpus = at_least;
    for (unsigned i = at_least; i < STANDIN_VCPUS; i++) {
        if (vm->vcpus[i].used)
            vm->soc.vcpus = i + 1;
    }
    if (vm->soc.gic)
        standin_gic_count();
}

static hv_return_t create(struct standin *vm, struct standin_vcpu *v)
{
    unsigned index = (unsigned)(v - vm->vcpus);
    hv_vcpu_exit_t *exit = calloc(1, sizeof(*exit));
    struct cpu *cpu;

    count_vcpus(vm, index + 1);
    if (!exit || cpu_create(&vm->soc, index, &cpu, NULL) < 0) {
        free(exit);
        count_vcpus(vm, 0);
        return HV_NO_RESOURCES;
    }
    *v =
        (struct standin_vcpu){ .index = index, .thread = pthread_self(), .cpu = cpu, .exit = exit };
    lock_init(&v->lock);
    cond_init(&v->cond);
    standin_regs_reset(v);
    v->used = true;
    vm->had_vcpus = true;
    if (vm->soc.gic)
        standin_gic_vcpu_created(v);
    return HV_SUCCESS;
}

/* The code for a second vCPU on one thread is our choice. */
hv_return_t hv_vcpu_create(hv_vcpu_t *vcpu, hv_vcpu_exit_t **exit, hv_vcpu_config_t config)
{
    struct standin *vm = &standin_vm;
    struct standin_vcpu *v;
    hv_return_t rc;

    (void)config;
    if (!vm->exists)
        return HV_NO_DEVICE;
    if (!vcpu || !exit)
        return HV_BAD_ARGUMENT;
    standin_pause();
    v = find_free(vm);
    if (!v)
        rc = HV_NO_RESOURCES;
    else
        rc = has_vcpu(vm, pthread_self()) ? HV_BUSY : create(vm, v);
    standin_resume();
    if (rc != HV_SUCCESS)
        return rc;
    *vcpu = v->index;
    *exit = v->exit;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_destroy(hv_vcpu_t vcpu)
{
    struct standin *vm = &standin_vm;
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc != HV_SUCCESS)
        return rc;
    standin_pause();
    lock_take(&vm->timer_lock);
    vm->deadline_ns[v->index] = UINT64_MAX;
    cpu_destroy(v->cpu);
    lock_drop(&vm->timer_lock);
    v->used = false;
    count_vcpus(vm, 0);
    cond_fini(&v->cond);
    lock_fini(&v->lock);
    free(v->exit);
    standin_resume();
    return HV_SUCCESS;
}

hv_return_t hv_vcpus_exit(hv_vcpu_t *vcpus, uint32_t vcpu_count)
{
    struct standin *vm = &standin_vm;
    hv_return_t rc = HV_SUCCESS;

    if (!vm->exists)
        return HV_NO_DEVICE;
    lock_take(&vm->lock); /* nobody is destroyed meanwhile */
    for (uint32_t i = 0; i < vcpu_count; i++) {
        struct standin_vcpu *v = &vm->vcpus[vcpus[i] % STANDIN_VCPUS];

        if (vcpus[i] >= STANDIN_VCPUS || !v->used) {
            rc = HV_NO_DEVICE;
            continue;
        }
        /* In this order: run() looks at the flag after each time that it was asked to come out. */
        atomic_store(&v->cancel, true);
        cpu_request(v->cpu, CPU_REQ_KICK);
        standin_wake(NULL, v->index);
    }
    lock_drop(&vm->lock);
    return rc;
}

/* ---- running ---- */

static void enter(struct standin_vcpu *v)
{
    struct standin *vm = &standin_vm;
    bool forget;

    lock_take(&vm->lock);
    while (vm->pausing)
        cond_wait(&vm->cond, &vm->lock);
    forget = v->forget_writes;
    v->forget_writes = false;
    v->in_guest = true;
    lock_drop(&vm->lock);
    if (forget)
        mmu_flush_writable(v->cpu);
}

static void leave(struct standin_vcpu *v)
{
    struct standin *vm = &standin_vm;

    lock_take(&vm->lock);
    v->in_guest = false;
    if (vm->pausing)
        cond_broadcast(&vm->cond);
    lock_drop(&vm->lock);
}

static bool report(struct standin_vcpu *v, hv_exit_reason_t reason, uint64_t esr, uint64_t far,
                   hv_ipa_t ipa)
{
    *v->exit = (hv_vcpu_exit_t){ .reason = reason, .exception = { esr, far, ipa } };
    return true;
}

/* HVC has been executed when EL2 hears of it; a trapped SMC has not (D1.3.6). */
static bool report_call(struct standin_vcpu *v)
{
    struct cpu *c = v->cpu;

    if (FIELD_GET(ESR_EC, c->trap.esr) == EC_SMC64)
        c->pc -= 4;
    return report(v, HV_EXIT_REASON_EXCEPTION, c->trap.esr, 0, 0);
}

/* The registers of the GIC are the framework's: they never come out. */
static bool report_trap(struct standin_vcpu *v)
{
    const struct cpu_trap *trap = &v->cpu->trap;
    uint64_t esr = trap->esr;

    if (FIELD_GET(ESR_EC, esr) == EC_DABT_LOWER && !(esr & (ISS_DABT_S1PTW | ISS_DABT_CM)))
        esr |= standin_iss_of(trap->raw);
    (void)report(v, HV_EXIT_REASON_EXCEPTION, esr, trap->far, trap->ipa);
    return !standin_gic_access(v);
}

/* Without a GIC the virtual timer is the VMM's to deliver: it is told once, and masked. */
static bool report_vtimer(struct standin_vcpu *v)
{
    const struct cpu *c = v->cpu;
    uint64_t ctl = timer_ctl(c, c->sys.cntv_ctl, c->sys.cntv_cval);

    if (c->soc->gic || v->vtimer_mask || ctl != (TIMER_CTL_ENABLE | TIMER_CTL_ISTATUS))
        return false;
    v->vtimer_mask = true;
    return report(v, HV_EXIT_REASON_VTIMER_ACTIVATED, 0, 0, 0);
}

/* With a GIC WFI waits in here; without one it comes out, PC at it. */
static bool wait_for_interrupt(struct standin_vcpu *v)
{
    if (v->cpu->soc->gic) {
        standin_wfi(v);
        return false;
    }
    v->cpu->pc -= 4;
    return report(v, HV_EXIT_REASON_EXCEPTION, hyp_esr(EC_WFX, ISS_WFX), 0, 0);
}

/* Returns true when the exit is filled in. */
static bool stopped(struct standin_vcpu *v, enum cpu_stop stop)
{
    switch (stop) {
    case CPU_STOP_HVC:
        return report_call(v);
    case CPU_STOP_TRAP:
        return report_trap(v);
    case CPU_STOP_WFI:
        return wait_for_interrupt(v);
    case CPU_STOP_WFE:
        if (v->cpu->soc->gic)
            standin_wfe(v);
        return false;
    case CPU_STOP_MMIO: /* not with stage 2 */
        assert(false);
        return false;
    case CPU_STOP_ERROR: /* a handler that cannot run: the chip would try for ever, too */
        sched_yield();
        return false;
    case CPU_STOP_KICKED:
        return false;
    }
    return false;
}

/*
 * Where a Mac would run on and the guest would go wrong later, the stand-in refuses to run: MPIDR
 * was not set to what the GIC knows the vCPU by, or the offset of its timer is not the others'.
 */
static bool is_fit(const struct standin_vcpu *v)
{
    return (v->mpidr & RUNS_ON) == map_mpidr(v->index) &&
           v->vtimer_offset == atomic_load(&v->cpu->soc->counter_offset);
}

hv_return_t hv_vcpu_run(hv_vcpu_t vcpu)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);
    enum cpu_stop stop;

    if (rc != HV_SUCCESS)
        return rc;
    if (!is_fit(v))
        return HV_ILLEGAL_GUEST_STATE;
    if (++v->runs % STANDIN_SPURIOUS == 0)
        return report(v, HV_EXIT_REASON_CANCELED, 0, 0, 0) ? HV_SUCCESS : HV_ERROR;
    do {
        if (atomic_exchange(&v->cancel, false)) {
            (void)report(v, HV_EXIT_REASON_CANCELED, 0, 0, 0);
            break;
        }
        if (report_vtimer(v))
            break;
        enter(v);
        stop = cpu_run(v->cpu);
        leave(v);
    } while (!stopped(v, stop));
    return HV_SUCCESS;
}
