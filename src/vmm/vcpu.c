/*
 * vCPU threads: one thread each creates its vCPU, runs it, answers its exits, and destroys it.
 *
 * A thread is either in run() or parked here, waiting on machine.cond. It holds no lock while the
 * guest runs. Lock order: see pause.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "vmm/machine_int.h"

void vcpu_entry_state(const struct vcpu *vcpu, struct vcpu_state *ret_state)
{
    vcpu_state_reset(ret_state);
    ret_state->power = VCPU_ON;
    ret_state->pc = vcpu->entry;
    ret_state->x[0] = vcpu->context;
}

static int vcpu_enter(struct vcpu *vcpu, struct err *err)
{
    struct vcpu_state state;

    vcpu_entry_state(vcpu, &state);
    return vcpu->machine->hv->ops->vcpu_set(vcpu->hv, &state, err);
}

/*
 * In a deterministic machine the guest never sees the console's buffer full, which would depend on
 * the host: it stands still between two instructions until there is room.
 */
static void vcpu_look_for_room(struct machine *machine)
{
    lock_take(&machine->lock);
    machine->crowded = devmgr_crowded(machine->devs);
    lock_drop(&machine->lock);
}

void vcpu_console_room(struct machine *machine)
{
    lock_take(&machine->lock);
    machine->crowded = false;
    cond_broadcast(&machine->cond);
    lock_drop(&machine->lock);
}

static void vcpu_handle(struct vcpu *vcpu, struct hv_exit *exit)
{
    struct machine *machine = vcpu->machine;

    switch (exit->kind) {
    case HV_EXIT_MMIO_READ:
        exit->mmio.data = bus_read(&machine->bus, exit->mmio.gpa, exit->mmio.size);
        break;
    case HV_EXIT_MMIO_WRITE:
        bus_write(&machine->bus, exit->mmio.gpa, exit->mmio.size, exit->mmio.data);
        if (machine->config.deterministic)
            vcpu_look_for_room(machine);
        break;
    case HV_EXIT_SMCCC:
        psci_call(vcpu, exit->smccc.x);
        break;
    case HV_EXIT_OFF:
        machine_end(machine, MACHINE_OFF);
        break;
    case HV_EXIT_RESET:
        machine_reset(machine);
        break;
    case HV_EXIT_KICKED:
        break;
    case HV_EXIT_ERROR:
        machine_fail(machine, "vCPU %u: %s", vcpu->index, exit->reason);
        break;
    case HV_EXIT_IDLE:
    case HV_EXIT_BREAKPOINT:
        machine_fail(machine, "vCPU %u: the engine reported exit %d, which nobody asked for",
                     vcpu->index, exit->kind);
        break;
    }
}

/* Wait until there is a reason to run or to leave. Returns false to leave. */
static bool vcpu_wait(struct vcpu *vcpu)
{
    struct machine *machine = vcpu->machine;
    bool start = false, psci = machine->hv->caps & HV_CAP_PSCI;
    struct err err;

    lock_take(&machine->lock);
    for (;;) {
        if (vcpu->call) {
            /* The caller waits for us and nobody else asks: the lock need not be held. */
            vcpu_call_fn call = vcpu->call;
            lock_drop(&machine->lock);
            int rc = call(vcpu->hv, vcpu->call_arg, vcpu->call_err);
            lock_take(&machine->lock);
            vcpu->call_rc = rc;
            vcpu->call = NULL;
            cond_broadcast(&machine->cond);
            continue;
        }
        if (machine->joining)
            break;
        if (!machine->pauses && machine->end == MACHINE_RUNNING && !machine->reset &&
            !machine->crowded && (psci || vcpu->power == VCPU_ON || vcpu->start))
            break;
        if (!vcpu->parked) {
            vcpu->parked = true;
            cond_broadcast(&machine->cond);
        }
        cond_wait(&machine->cond, &machine->lock);
    }
    if (!machine->joining) {
        vcpu->parked = false;
        start = vcpu->start;
        vcpu->start = false;
        if (start)
            vcpu->power = VCPU_ON;
    }
    bool leave = machine->joining;
    lock_drop(&machine->lock);

    if (start && vcpu_enter(vcpu, &err) < 0)
        machine_fail(machine, "vCPU %u: %s", vcpu->index, err.msg);
    return !leave;
}

static void vcpu_main(void *arg)
{
    struct vcpu *vcpu = arg;
    struct machine *machine = vcpu->machine;
    const struct hv_ops *ops = machine->hv->ops;
    struct hv_vcpu *hv = NULL;
    struct err err = { 0 };
    int rc = ops->vcpu_create(machine->hv, vcpu->index, &hv, &err);

    lock_take(&machine->lock);
    vcpu->hv = rc < 0 ? NULL : hv;
    vcpu->failed = err;
    vcpu->ready = true;
    vcpu->parked = true;
    cond_broadcast(&machine->cond);
    lock_drop(&machine->lock);
    if (rc < 0)
        return;

    struct hv_exit exit = { .kind = HV_EXIT_KICKED };
    while (vcpu_wait(vcpu)) {
        ops->run(hv, &exit);
        vcpu_handle(vcpu, &exit);
    }

    lock_take(&machine->lock);
    if (ops->insn_count)
        machine->insns += ops->insn_count(hv);
    vcpu->hv = NULL;
    lock_drop(&machine->lock);
    ops->vcpu_destroy(hv);
}

static int vcpu_boot(struct hv_vcpu *hv, void *arg, struct err *err)
{
    struct vcpu *vcpu = arg;

    (void)hv;
    return vcpu_enter(vcpu, err);
}

int vcpu_start_all(struct machine *machine, struct err *err)
{
    int rc = 0;

    machine->joining = false;
    for (unsigned i = 0; i < machine->config.vcpus && rc == 0; i++) {
        struct vcpu *vcpu = &machine->vcpus[i];
        char name[16];

        /* At a restart others may be looking: machine_stop() kicks every vCPU that there is. */
        lock_take(&machine->lock);
        *vcpu = (struct vcpu){ .machine = machine,
                               .index = i,
                               .power = i == 0 ? VCPU_ON : VCPU_OFF,
                               .entry = machine->boot.entry,
                               .context = machine->boot.dtb };
        lock_drop(&machine->lock);
        snprintf(name, sizeof(name), "vcpu%u", i);
        rc = thread_start(&vcpu->thread, name, vcpu_main, vcpu);
        if (rc < 0) {
            err_set(err, -rc, "start the thread of vCPU %u: %s", i, strerror(-rc));
            break;
        }
        /* One after the other: engines want vCPUs created in index order. */
        lock_take(&machine->lock);
        while (!vcpu->ready)
            cond_wait(&machine->cond, &machine->lock);
        if (!vcpu->hv) {
            if (err)
                *err = vcpu->failed;
            rc = err_wrap(err, -vcpu->failed.code, "vCPU %u", i);
        }
        lock_drop(&machine->lock);
    }
    if (rc == 0)
        rc = vcpu_call(&machine->vcpus[0], vcpu_boot, &machine->vcpus[0], err);
    if (rc < 0)
        vcpu_join_all(machine);
    return rc;
}

void vcpu_join_all(struct machine *machine)
{
    lock_take(&machine->lock);
    machine->joining = true;
    cond_broadcast(&machine->cond);
    vcpu_kick_all_locked(machine);
    lock_drop(&machine->lock);
    for (unsigned i = 0; i < machine->config.vcpus; i++)
        thread_join(&machine->vcpus[i].thread);
}

void vcpu_kick_all_locked(struct machine *machine)
{
    for (unsigned i = 0; i < machine->config.vcpus; i++)
        if (machine->vcpus[i].hv)
            machine->hv->ops->kick(machine->vcpus[i].hv);
}

int vcpu_call(struct vcpu *vcpu, vcpu_call_fn fn, void *arg, struct err *err)
{
    struct machine *machine = vcpu->machine;
    int rc;

    lock_take(&machine->lock);
    vcpu->call_arg = arg;
    vcpu->call_err = err;
    vcpu->call = fn;
    cond_broadcast(&machine->cond);
    while (vcpu->call)
        cond_wait(&machine->cond, &machine->lock);
    rc = vcpu->call_rc;
    lock_drop(&machine->lock);
    return rc;
}
