/*
 * Pausing a machine: the one mechanism that snapshot, checkpoint, reset, fork and debuggers use.
 *
 * Lock order, outermost first. Holding a lower lock, never take an upper one.
 *   machine.lock          life cycle: pause, power, reset, end
 *     dev.lock            one device's registers and queues
 *       gic lock          the engine's interrupt controller (under set_spi())
 *         console.lock    output waiting for the terminal; innermost
 *       pool.lock         work for a drive's threads; innermost
 *     layer.flush_lock    a copy-on-write layer's flush; never with dev.lock
 *       layer.lock        its map; innermost
 * A vCPU thread holds no lock while the guest runs, and takes machine.lock and dev.lock one after
 * the other, never one inside the other. The I/O thread likewise, and the threads of the drives'
 * pools, which take no machine.lock at all.
 *
 * machine_pause() counts a pause, kicks every vCPU, and waits until all are parked in vcpu.c and
 * the I/O thread is held between two events. Then nobody begins a request any more, those in
 * flight are waited for, and the console's writer leaves the serial port alone. What runs in
 * between sees no device or vCPU moving.
 */
#include "vmm/pause.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* On the I/O thread: stay here while somebody pauses. */
void pause_io_hold(void *ctx)
{
    struct machine *machine = ctx;

    lock_take(&machine->lock);
    while (machine->pauses) {
        if (!machine->io_held) {
            machine->io_held = true;
            cond_broadcast(&machine->cond);
        }
        cond_wait(&machine->cond, &machine->lock);
    }
    machine->io_held = false;
    cond_broadcast(&machine->cond);
    lock_drop(&machine->lock);
}

static bool pause_complete_locked(const struct machine *machine) REQUIRES(machine->lock)
{
    if (machine->io_thread.running && !machine->io_held)
        return false;
    for (unsigned i = 0; i < machine->config.vcpus; i++)
        if (machine->vcpus[i].hv && !machine->vcpus[i].parked)
            return false;
    return true;
}

static void pause_take_locked(struct machine *machine) REQUIRES(machine->lock)
{
    machine->pauses++;
    vcpu_kick_all_locked(machine);
    ev_task_wake(machine->hold_task);
    while (!pause_complete_locked(machine))
        cond_wait(&machine->cond, &machine->lock);
}

void pause_take(struct machine *machine)
{
    lock_take(&machine->lock);
    pause_take_locked(machine);
    lock_drop(&machine->lock);
}

void machine_pause(struct machine *machine)
{
    lock_take(&machine->lock);
    while (machine->restarting)
        cond_wait(&machine->cond, &machine->lock);
    pause_take_locked(machine);
    lock_drop(&machine->lock);
    devmgr_hold(machine->devs);
}

void machine_resume(struct machine *machine)
{
    lock_take(&machine->lock);
    if (!--machine->pauses)
        devmgr_release(machine->devs);
    cond_broadcast(&machine->cond);
    lock_drop(&machine->lock);
}

static int pause_read_counter(struct hv_vcpu *hv, void *arg, struct err *err)
{
    CLEANUP(freep) struct vcpu_state *state = calloc(1, sizeof(*state));
    uint64_t *ret_count = arg;
    int rc = state ? hv->hv->ops->vcpu_get(hv, state, err) : err_set(err, ENOMEM, "out of memory");

    if (rc == 0)
        *ret_count = state->cntvct;
    return rc;
}

static int pause_set_counter(struct hv_vcpu *hv, void *arg, struct err *err)
{
    const uint64_t *count = arg;

    return hv->hv->ops->set_counter(hv, *count, err);
}

static bool pause_has_ended(struct machine *machine)
{
    bool ended;

    lock_take(&machine->lock);
    ended = machine->end != MACHINE_RUNNING;
    lock_drop(&machine->lock);
    return ended;
}

/* While paused and not ended, every vCPU exists and serves calls. */
int machine_freeze(struct machine *machine, struct err *err)
{
    int rc;

    machine_pause(machine);
    rc = pause_has_ended(machine)
             ? err_set(err, ESHUTDOWN, "the machine has ended")
             : vcpu_call(&machine->vcpus[0], pause_read_counter, &machine->frozen_at, err);
    machine->frozen = rc == 0;
    if (rc < 0)
        machine_resume(machine);
    return rc;
}

int machine_thaw(struct machine *machine, struct err *err)
{
    int rc = 0;

    if (pause_has_ended(machine))
        rc = err_set(err, ESHUTDOWN, "the machine has ended");
    else if (!machine->config.deterministic) /* there time stands still by itself */
        rc = vcpu_call(&machine->vcpus[0], pause_set_counter, &machine->frozen_at, err);
    machine->frozen = false;
    machine_resume(machine);
    return rc;
}
