/* A paused machine's vCPUs, interrupt controller and devices as records, and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "vmm/machine_int.h"

static int state_get_vcpu(struct hv_vcpu *hv, void *arg, struct err *err)
{
    return hv->hv->ops->vcpu_get(hv, arg, err);
}

static int state_set_vcpu(struct hv_vcpu *hv, void *arg, struct err *err)
{
    return hv->hv->ops->vcpu_set(hv, arg, err);
}

static int state_get_redist(struct hv_vcpu *hv, void *arg, struct err *err)
{
    return hv->hv->ops->redist_get(hv, arg, err);
}

static int state_set_redist(struct hv_vcpu *hv, void *arg, struct err *err)
{
    return hv->hv->ops->redist_set(hv, arg, err);
}

static int state_set_counter(struct hv_vcpu *hv, void *arg, struct err *err)
{
    const struct vcpu_state *state = arg;

    return hv->hv->ops->set_counter(hv, state->cntvct, err);
}

static bool state_psci_is_ours(const struct machine *machine)
{
    return !(machine->hv->caps & HV_CAP_PSCI);
}

/* What the VMM knows of a vCPU and the engine does not. One that was told to start, and has not
 * begun, is saved as one that is about to execute its first instruction. */
static void state_add_power(const struct vcpu *vcpu, struct vcpu_state *state)
{
    uint64_t count = state->cntvct;

    if (vcpu->start) {
        vcpu_entry_state(vcpu, state);
        state->cntvct = count;
    } else {
        state->power = vcpu->power;
    }
}

int machine_save(struct machine *machine, struct state_buf *buf, struct err *err)
{
    CLEANUP(freep) struct gic_state *gic = calloc(1, sizeof(*gic));
    CLEANUP(freep) struct vcpu_state *state = calloc(1, sizeof(*state));
    char name[16];
    int rc;

    if (!gic || !state)
        return err_set(err, ENOMEM, "save: out of memory");
    for (unsigned i = 0; i < machine->config.vcpus; i++) {
        struct vcpu *vcpu = &machine->vcpus[i];
        rc = vcpu_call(vcpu, state_get_vcpu, state, err);
        if (rc < 0)
            return err_wrap(err, rc, "save vCPU %u", i);
        if (machine->frozen)
            state->cntvct = machine->frozen_at;
        if (state_psci_is_ours(machine))
            state_add_power(vcpu, state);
        snprintf(name, sizeof(name), "%u", i);
        state_save(buf, &vcpu_state_desc, state, name);
    }
    rc = machine->hv->ops->gic_get(machine->hv, gic, err);
    for (unsigned i = 0; i < machine->config.vcpus && rc == 0; i++)
        rc = vcpu_call(&machine->vcpus[i], state_get_redist, &gic->redist[i], err);
    if (rc < 0)
        return err_wrap(err, rc, "save interrupt controller");
    state_save(buf, &gic_state_desc, gic, "");
    for (unsigned i = 0; i < machine->bus.count; i++) {
        struct dev *dev = machine->bus.devs[i];
        if (dev->ops->state)
            state_save(buf, dev->ops->state, dev, dev->instance);
    }
    return buf->failed ? err_set(err, ENOMEM, "save: out of memory") : 0;
}

/* The controller's record has the lines as they were. A device may drive its own otherwise since it
 * was loaded: an alarm's time has come, output that was held back has gone. Only those are told:
 * for an edge-triggered interrupt each telling is one. */
static void state_drive_lines(struct machine *machine, const struct gic_state *gic)
{
    uint32_t lines[ARRAY_LEN(gic->line_level)] = { 0 };

    for (unsigned i = 0; i < machine->bus.count; i++) {
        const struct irq_line *irq = &machine->bus.devs[i]->irq;
        if (irq->level)
            lines[(GIC_FIRST_SPI + irq->spi) / 32] |=
                (uint32_t)BIT((GIC_FIRST_SPI + irq->spi) % 32);
    }
    for (unsigned intid = GIC_FIRST_SPI; intid < GIC_INTIDS; intid++) {
        uint32_t line = lines[intid / 32] & (uint32_t)BIT(intid % 32);
        if (line != (gic->line_level[intid / 32] & (uint32_t)BIT(intid % 32)))
            machine->hv->ops->set_spi(machine->hv, intid - GIC_FIRST_SPI, line);
    }
}

int machine_load(struct machine *machine, const void *data, size_t len, struct err *err)
{
    CLEANUP(freep) struct gic_state *gic = calloc(1, sizeof(*gic));
    CLEANUP(freep) struct vcpu_state *state = calloc(1, sizeof(*state));
    char name[16];
    int rc;

    if (!gic || !state)
        return err_set(err, ENOMEM, "load: out of memory");
    /* Devices first: they drive their lines while the controller is still in reset, and the
     * controller's own record then says what was pending. Lines that differ are driven again. */
    for (unsigned i = 0; i < machine->bus.count; i++) {
        struct dev *dev = machine->bus.devs[i];
        if (!dev->ops->state)
            continue;
        rc = state_load(data, len, dev->ops->state, dev, dev->instance, err);
        if (rc < 0)
            return err_wrap(err, rc, "load device %s", dev->ops->name);
    }
    rc = state_load(data, len, &gic_state_desc, gic, "", err);
    if (rc == 0 && gic->vcpus != machine->config.vcpus)
        rc = err_set(err, EINVAL, "saved with %u vCPUs, this machine has %u", gic->vcpus,
                     machine->config.vcpus);
    if (rc == 0)
        rc = machine->hv->ops->gic_set(machine->hv, gic, err);
    for (unsigned i = 0; i < machine->config.vcpus && rc == 0; i++)
        rc = vcpu_call(&machine->vcpus[i], state_set_redist, &gic->redist[i], err);
    if (rc < 0)
        return err_wrap(err, rc, "load interrupt controller");
    state_drive_lines(machine, gic);
    for (unsigned i = 0; i < machine->config.vcpus; i++) {
        struct vcpu *vcpu = &machine->vcpus[i];
        snprintf(name, sizeof(name), "%u", i);
        rc = state_load(data, len, &vcpu_state_desc, state, name, err);
        /* One counter for all, and before the first timer is set against it. */
        if (rc == 0 && i == 0) {
            machine->frozen_at = state->cntvct;
            rc = vcpu_call(vcpu, state_set_counter, state, err);
        }
        if (rc == 0)
            rc = vcpu_call(vcpu, state_set_vcpu, state, err);
        if (rc < 0)
            return err_wrap(err, rc, "load vCPU %u", i);
        if (state_psci_is_ours(machine)) {
            vcpu->power = state->power;
            vcpu->start = false;
        }
    }
    return 0;
}

uint64_t machine_insn_count(const struct machine *machine)
{
    uint64_t count = machine->insns;

    if (!machine->hv || !machine->hv->ops->insn_count)
        return count;
    for (unsigned i = 0; i < machine->config.vcpus; i++)
        if (machine->vcpus[i].hv)
            count += machine->hv->ops->insn_count(machine->vcpus[i].hv);
    return count;
}
