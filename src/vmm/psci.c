/*
 * PSCI 1.1 (Arm DEN 0022) and SMCCC 1.1 (Arm DEN 0028) for engines that do not answer it
 * themselves. Runs on the calling vCPU's thread.
 */
#include "arch/psci.h"
#include "base/log.h"
#include "vmm/machine_int.h"

#define MPIDR_AFFINITY UINT64_C(0xff00ffffff)

/* A 32-bit function sees 32-bit arguments (SMCCC 1.1, 2.6). */
static uint64_t psci_arg(uint32_t fn, uint64_t val)
{
    return fn & BIT(30) ? val : (uint32_t)val;
}

static struct vcpu *psci_target(struct machine *machine, uint64_t mpidr)
{
    for (unsigned i = 0; i < machine->config.vcpus; i++)
        if (map_mpidr(i) == mpidr)
            return &machine->vcpus[i];
    return NULL;
}

static int64_t psci_cpu_on(struct vcpu *self, uint64_t mpidr, uint64_t entry, uint64_t context)
{
    struct machine *machine = self->machine;
    struct vcpu *vcpu = psci_target(machine, mpidr);
    int64_t ret = PSCI_SUCCESS;

    if (!vcpu || mpidr & ~MPIDR_AFFINITY)
        return PSCI_INVALID_PARAMETERS;
    if (entry & 3 || !gmem_find(machine->mem, entry))
        return PSCI_INVALID_ADDRESS;
    lock_take(&machine->lock);
    if (vcpu->power == VCPU_ON) {
        ret = PSCI_ALREADY_ON;
    } else if (vcpu->start) {
        ret = PSCI_ON_PENDING;
    } else {
        vcpu->start = true;
        vcpu->entry = entry;
        vcpu->context = context;
        cond_broadcast(&machine->cond);
    }
    lock_drop(&machine->lock);
    return ret;
}

/* The last vCPU may not leave: nothing could ever wake the machine again. */
static int64_t psci_cpu_off(struct vcpu *self)
{
    struct machine *machine = self->machine;
    unsigned on = 0;

    lock_take(&machine->lock);
    for (unsigned i = 0; i < machine->config.vcpus; i++)
        on += machine->vcpus[i].power == VCPU_ON || machine->vcpus[i].start;
    if (on > 1)
        self->power = VCPU_OFF;
    lock_drop(&machine->lock);
    return on > 1 ? PSCI_SUCCESS : PSCI_DENIED;
}

static int64_t psci_affinity_info(struct vcpu *self, uint64_t mpidr, uint64_t level)
{
    struct machine *machine = self->machine;
    struct vcpu *vcpu = psci_target(machine, mpidr);
    int64_t ret;

    if (!vcpu || level != 0) /* levels above 0 are optional since PSCI 1.0 */
        return PSCI_INVALID_PARAMETERS;
    lock_take(&machine->lock);
    ret = vcpu->start ? PSCI_AFFINITY_ON_PENDING
                      : (vcpu->power == VCPU_ON ? PSCI_AFFINITY_ON : PSCI_AFFINITY_OFF);
    lock_drop(&machine->lock);
    return ret;
}

static int64_t psci_features(uint32_t fn)
{
    switch (fn) {
    case PSCI_VERSION:
    case PSCI_CPU_SUSPEND_32:
    case PSCI_CPU_SUSPEND_64:
    case PSCI_CPU_OFF:
    case PSCI_CPU_ON_32:
    case PSCI_CPU_ON_64:
    case PSCI_AFFINITY_INFO_32:
    case PSCI_AFFINITY_INFO_64:
    case PSCI_MIGRATE_INFO_TYPE:
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
    case PSCI_SYSTEM_RESET2_32:
    case PSCI_SYSTEM_RESET2_64:
    case PSCI_FEATURES:
    case SMCCC_VERSION:
        return PSCI_SUCCESS;
    default:
        return PSCI_NOT_SUPPORTED;
    }
}

static int64_t psci_answer(struct vcpu *vcpu, uint32_t fn, const uint64_t *x)
{
    uint64_t arg = psci_arg(fn, x[1]);

    switch (fn) {
    case PSCI_VERSION:
        return PSCI_VERSION_1_1;
    case SMCCC_VERSION:
        return SMCCC_VERSION_1_1;
    case SMCCC_ARCH_FEATURES:
        return arg == SMCCC_VERSION || arg == SMCCC_ARCH_FEATURES ? PSCI_SUCCESS
                                                                  : PSCI_NOT_SUPPORTED;
    case PSCI_FEATURES:
        return psci_features((uint32_t)arg);
    case PSCI_CPU_SUSPEND_32:
    case PSCI_CPU_SUSPEND_64:
        return PSCI_SUCCESS; /* a wake-up event at once, which the caller must expect */
    case PSCI_CPU_OFF:
        return psci_cpu_off(vcpu);
    case PSCI_CPU_ON_32:
    case PSCI_CPU_ON_64:
        return psci_cpu_on(vcpu, arg, psci_arg(fn, x[2]), psci_arg(fn, x[3]));
    case PSCI_AFFINITY_INFO_32:
    case PSCI_AFFINITY_INFO_64:
        return psci_affinity_info(vcpu, arg, psci_arg(fn, x[2]));
    case PSCI_MIGRATE_INFO_TYPE:
        return PSCI_TOS_NOT_PRESENT;
    case PSCI_SYSTEM_OFF:
        machine_end(vcpu->machine, MACHINE_OFF);
        return PSCI_SUCCESS;
    case PSCI_SYSTEM_RESET:
        machine_reset(vcpu->machine);
        return PSCI_SUCCESS;
    case PSCI_SYSTEM_RESET2_32:
    case PSCI_SYSTEM_RESET2_64:
        if (arg != 0) /* only SYSTEM_WARM_RESET is architected */
            return PSCI_INVALID_PARAMETERS;
        machine_reset(vcpu->machine);
        return PSCI_SUCCESS;
    default:
        log_debug("psci", "unknown function %#x", fn);
        return PSCI_NOT_SUPPORTED;
    }
}

void psci_call(struct vcpu *vcpu, uint64_t x[8])
{
    x[0] = (uint64_t)psci_answer(vcpu, (uint32_t)x[0], x);
}
