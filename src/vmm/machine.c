/*
 * Life cycle of a machine: build, run, restart, tear down.
 *
 * A restart is a new power-on in place: devices reset, vCPUs and the engine's machine go, RAM is
 * given back, and the boot path runs again. There is no second way to start.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "vmm/machine_dtb.h"
#include "vmm/machine_int.h"
#include "vmm/pause.h"

static void machine_set_spi(void *ctx, unsigned spi, bool level)
{
    struct machine *machine = ctx;

    if (machine->hv)
        machine->hv->ops->set_spi(machine->hv, spi, level);
}

static void machine_io_main(void *arg)
{
    struct machine *machine = arg;

    evloop_run(machine->loop);
}

/* Addresses of 40 bits are all that a CPU model announces. */
#define MACHINE_MEM_MAX (BIT(40) - MAP_RAM_BASE)

static int machine_check_memory(const struct machine_config *config, struct err *err)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    if (config->mem_bytes > MACHINE_MEM_MAX)
        return err_set(err, EINVAL,
                       "--mem: %llu MiB is more than the %llu GiB that a guest can reach",
                       (unsigned long long)(config->mem_bytes / MIB),
                       (unsigned long long)(MACHINE_MEM_MAX / GIB));
    if (pages > 0 && page > 0 && config->mem_bytes > (uint64_t)pages * (uint64_t)page)
        return err_set(err, ENOMEM,
                       "--mem: %llu MiB is more than the %llu MiB of this host; ask for less",
                       (unsigned long long)(config->mem_bytes / MIB),
                       (unsigned long long)((uint64_t)pages * (uint64_t)page / MIB));
    return 0;
}

static bool machine_random(void *ctx, uint64_t *ret_val)
{
    entropy_fill(ctx, ret_val, sizeof(*ret_val));
    return true;
}

/* From loaded files to parked vCPUs. Guest memory is clear. */
static int machine_power_on(struct machine *machine, struct err *err)
{
    const struct machine_config *config = &machine->config;
    struct hv_config hv_config = {
        .mem = machine->mem,
        .vcpus = config->vcpus,
        .cpu = config->cpu,
        .counter_hz = config->counter_hz,
        .random = machine_random,
        .random_ctx = &machine->entropy,
        .jit = config->jit,
        .granule_4k = config->hvf_granule_4k,
        .deterministic = config->deterministic,
    };
    int rc = boot_load(config, machine->mem, &machine->boot, err);

    if (rc < 0)
        return rc;
    rc = config->engine->create(&hv_config, &machine->hv, err);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < machine->mem->count && rc == 0; i++) {
        const struct gmem_region *region = &machine->mem->regions[i];
        rc = config->engine->map(machine->hv, region->gpa, region->host, region->size,
                                 HV_READ | HV_WRITE | HV_EXEC, err);
    }
    if (rc == 0)
        rc = machine_dtb_write(machine, err);
    if (rc == 0)
        rc = vcpu_start_all(machine, err);
    return rc;
}

/* While paused, or after creating failed, when nothing holds the console's writer: a reset device
 * leaves its line alone, whoever comes. */
static void machine_power_off(struct machine *machine)
{
    if (machine->devs)
        devmgr_reset(machine->devs);
    vcpu_join_all(machine);
    if (machine->hv)
        machine->config.engine->destroy(machine->hv);
    machine->hv = NULL;
}

static int machine_build(struct machine *machine, struct err *err)
{
    const struct machine_config *config = &machine->config;
    int rc = machine_check_memory(config, err);

    if (rc == 0)
        rc = gmem_create(&machine->mem, err);
    if (rc == 0)
        rc = gmem_add(machine->mem, MAP_RAM_BASE, config->mem_bytes, true, err);
    if (rc == 0)
        rc = evloop_create(&machine->loop, err);
    if (rc < 0)
        return rc;
    machine->hold_task = ev_task_add(machine->loop, pause_io_hold, machine);
    if (!machine->hold_task)
        return err_set(err, ENOMEM, "event loop: out of memory");
    rc = devmgr_create(machine, machine_set_spi, &machine->devs, err);
    if (rc == 0)
        rc = machine_power_on(machine, err);
    if (rc < 0)
        return rc;
    rc = thread_start(&machine->io_thread, "io", machine_io_main, machine);
    if (rc < 0)
        return err_set(err, -rc, "start the I/O thread: %s", strerror(-rc));
    machine_pause(machine); /* also holds the I/O thread; the count from create goes */
    machine_resume(machine);
    return 0;
}

int machine_create(const struct machine_config *config, struct machine **ret_machine,
                   struct err *err)
{
    struct machine *machine = calloc(1, sizeof(*machine));
    int rc;

    if (!machine)
        return err_set(err, ENOMEM, "machine: out of memory");
    machine->config = *config;
    entropy_init(&machine->entropy, config->deterministic);
    lock_init(&machine->lock);
    cond_init(&machine->cond);
    machine->pauses = 1; /* until machine_run() */
    rc = machine_build(machine, err);
    if (rc < 0) {
        machine_destroy(machine);
        return rc;
    }
    *ret_machine = machine;
    return 0;
}

void machine_destroy(struct machine *machine)
{
    if (!machine)
        return;
    machine_power_off(machine);
    if (machine->io_thread.running) {
        lock_take(&machine->lock);
        machine->pauses = 0; /* let the I/O thread go */
        cond_broadcast(&machine->cond);
        lock_drop(&machine->lock);
        evloop_stop(machine->loop);
        thread_join(&machine->io_thread);
    }
    devmgr_destroy(machine->devs);
    ev_task_del(machine->hold_task);
    evloop_destroy(machine->loop);
    gmem_destroy(machine->mem);
    cond_fini(&machine->cond);
    lock_fini(&machine->lock);
    free(machine);
}

/* The guest asked to start over. The machine is running; only this thread changes its parts. */
static void machine_restart(struct machine *machine)
{
    struct err err;
    int rc;

    log_info("machine", "the guest asked for a reset: starting again");
    pause_take(machine);
    devmgr_hold(machine->devs); /* a request that ends raises a line of the engine's machine */
    machine_power_off(machine);
    gmem_clear(machine->mem);
    rc = machine_power_on(machine, &err);
    if (rc < 0)
        machine_fail(machine, "restart: %s", err.msg);
    lock_take(&machine->lock);
    machine->reset = false;
    machine->restarting = false;
    lock_drop(&machine->lock);
    machine_resume(machine);
}

enum machine_end machine_run(struct machine *machine, struct err *err)
{
    enum machine_end end;

    machine_resume(machine);
    lock_take(&machine->lock);
    while (machine->end == MACHINE_RUNNING) {
        if (machine->reset && !machine->pauses) {
            machine->restarting = true; /* who wants to pause waits until all is there again */
            lock_drop(&machine->lock);
            machine_restart(machine);
            lock_take(&machine->lock);
            continue;
        }
        cond_wait(&machine->cond, &machine->lock);
    }
    end = machine->end;
    if (end == MACHINE_FAILED && err)
        *err = machine->reason;
    lock_drop(&machine->lock);
    /* Leave it as create did: paused, so that state may be looked at, and destroy is simple. */
    machine_pause(machine);
    devmgr_flush(machine->devs);
    return end;
}

void machine_end(struct machine *machine, enum machine_end end)
{
    lock_take(&machine->lock);
    if (machine->end == MACHINE_RUNNING) {
        machine->end = end;
        vcpu_kick_all_locked(machine);
        cond_broadcast(&machine->cond);
    }
    lock_drop(&machine->lock);
}

void machine_stop(struct machine *machine)
{
    machine_end(machine, MACHINE_STOPPED);
}

void machine_fail(struct machine *machine, const char *fmt, ...)
{
    char text[ERR_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    lock_take(&machine->lock);
    if (machine->end == MACHINE_RUNNING)
        err_set(&machine->reason, EIO, "%s", text);
    lock_drop(&machine->lock);
    machine_end(machine, MACHINE_FAILED);
}

void machine_reset(struct machine *machine)
{
    if (machine->config.no_reboot) {
        machine_end(machine, MACHINE_RESET);
        return;
    }
    lock_take(&machine->lock);
    machine->reset = true;
    vcpu_kick_all_locked(machine);
    cond_broadcast(&machine->cond);
    lock_drop(&machine->lock);
}

uint64_t machine_ram_checksum(const struct machine *machine)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < machine->mem->count; i++) {
        const struct gmem_region *region = &machine->mem->regions[i];

        if (region->is_ram)
            sum = XXH3_64bits_withSeed(region->host, region->size, sum);
    }
    return sum;
}

struct gmem *machine_mem(struct machine *machine)
{
    return machine->mem;
}
