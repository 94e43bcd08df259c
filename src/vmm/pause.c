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
 * the I/O thread is held between two events. Then nobody begins a request any more, and those in
 * flight are waited for. What runs in between sees no device or vCPU moving.
 */
#include "vmm/pause.h"

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

void machine_pause(struct machine *machine)
{
    lock_take(&machine->lock);
    machine->pauses++;
    vcpu_kick_all_locked(machine);
    ev_task_wake(machine->hold_task);
    while (!pause_complete_locked(machine))
        cond_wait(&machine->cond, &machine->lock);
    lock_drop(&machine->lock);
    devmgr_drain(machine->devs);
}

void machine_resume(struct machine *machine)
{
    lock_take(&machine->lock);
    machine->pauses--;
    cond_broadcast(&machine->cond);
    lock_drop(&machine->lock);
}
