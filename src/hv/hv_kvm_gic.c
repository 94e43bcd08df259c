/*
 * KVM's GICv3: making it, its lines, and the CPU interface registers of a vCPU, all by device
 * attributes (Documentation/virt/kvm/devices/arm-vgic-v3.rst).
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "hv/hv_kvm_int.h"

#define GICD_ICFGR 0xc00

/* ICC_CTLR_EL1: what is state; the number of priority bits; the rest is the host's. */
#define ICC_CTLR_STATE BITS(1, 0)
#define ICC_CTLR_PRI   BITS(10, 8)

uint64_t hv_kvm_gic_affinity(unsigned index)
{
    return map_mpidr(index) << KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT;
}

/* "GICD+0x100", by the group of the device's attributes. */
static const char *group_name(uint32_t group)
{
    switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_DIST_REGS:
        return "GICD";
    case KVM_DEV_ARM_VGIC_GRP_REDIST_REGS:
        return "GICR";
    case KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS:
        return "CPU interface";
    default:
        return "line levels";
    }
}

int hv_kvm_gic_access(struct hv_kvm *kvm, unsigned long request, uint32_t group, uint64_t attr,
                      void *val, struct err *err)
{
    struct kvm_device_attr access = { .group = group, .attr = attr, .addr = (uintptr_t)val };

    if (ioctl(kvm->vgic, request, &access) == 0)
        return 0;
    return err_errno(err, "%s %s+%#llx",
                     request == KVM_GET_DEVICE_ATTR ? "KVM_GET_DEVICE_ATTR" : "KVM_SET_DEVICE_ATTR",
                     group_name(group), (unsigned long long)(attr & UINT32_MAX));
}

/* ---- life ---- */

static int set_attr(struct hv_kvm *kvm, uint32_t group, uint64_t attr, const void *val,
                    const char *what, struct err *err)
{
    struct kvm_device_attr access = { .group = group, .attr = attr, .addr = (uintptr_t)val };

    if (ioctl(kvm->vgic, KVM_SET_DEVICE_ATTR, &access) < 0)
        return err_errno(err, "KVM_SET_DEVICE_ATTR, %s of the interrupt controller", what);
    return 0;
}

int hv_kvm_gic_create(struct hv_kvm *kvm, struct err *err)
{
    struct kvm_create_device gic = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 };
    uint64_t dist = MAP_GICD_BASE, redist = MAP_GICR_BASE;
    uint32_t ints = GIC_INTIDS;
    int rc;

    if (ioctl(kvm->vm, KVM_CREATE_DEVICE, &gic) < 0)
        return err_errno(err, "KVM_CREATE_DEVICE for the interrupt controller");
    kvm->vgic = (int)gic.fd;
    rc = set_attr(kvm, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &ints, "number of interrupts", err);
    if (rc == 0)
        rc = set_attr(kvm, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &dist,
                      "place of the distributor", err);
    /* One address: the redistributors of all vCPUs follow one another. */
    if (rc == 0)
        rc = set_attr(kvm, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, &redist,
                      "place of the redistributors", err);
    return rc;
}

/* KVM's SPIs are edge-triggered out of reset; those of gic_state_reset(), like our devices, not. */
static int reset_config(struct hv_kvm *kvm, struct err *err)
{
    uint32_t level = 0;
    int rc = 0;

    for (unsigned intid = GIC_FIRST_SPI; intid < GIC_INTIDS && rc == 0; intid += 16)
        rc = hv_kvm_gic_access(kvm, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
                               GICD_ICFGR + intid / 4, &level, err);
    return rc;
}

/* Initialization is possible when all vCPUs are there, and nothing else before it. */
int hv_kvm_gic_finish(struct hv_kvm *kvm, struct err *err)
{
    int rc = set_attr(kvm, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL,
                      "initialization", err);

    if (rc == 0)
        rc = reset_config(kvm, err);
    if (rc == 0)
        atomic_store(&kvm->ready, true);
    return rc;
}

void hv_kvm_gic_set_spi(struct hv *hv, unsigned spi, bool level)
{
    struct hv_kvm *kvm = hv_kvm_of(hv);
    struct kvm_irq_level line = {
        .irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (GIC_FIRST_SPI + spi),
        .level = level,
    };

    /* Before the vCPUs are there the controller is in reset, and all lines are low. */
    if (!atomic_load(&kvm->ready))
        return;
    if (ioctl(kvm->vm, KVM_IRQ_LINE, &line) < 0)
        log_error("kvm", "KVM_IRQ_LINE %u: %s", spi, strerror(errno));
}

/* ---- CPU interface ---- */

static const struct icc_row {
    const char *name;
    uint16_t id;
    size_t at;
} icc_rows[] = {
#define X_(name, op0, op1, crn, crm, op2) \
    { #name, SYSREG(op0, op1, crn, crm, op2), offsetof(struct vcpu_state, name) },
    VCPU_ICC_REGS(X_)
#undef X_
};

static uint64_t icc_attr(unsigned index, uint16_t id)
{
    return hv_kvm_gic_affinity(index) | id;
}

/* Active priorities of a controller with more than 5 bits of priority, in ICC_AP0R1_EL1 and on: the
 * state has no place for them, and a guest that was told of 5 bits cannot make any. */
static int check_finer(struct hv_kvm *kvm, unsigned index, uint64_t bits, struct err *err)
{
    for (unsigned n = 1; bits > 5 && n < BIT(bits - 5); n++) {
        for (unsigned group = 0; group < 2; group++) {
            uint16_t id = group ? SYSREG(3, 0, 12, 9, n) : SYSREG(3, 0, 12, 8, 4 | n);
            uint64_t active;
            int rc = hv_kvm_gic_access(kvm, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
                                       icc_attr(index, id), &active, err);
            if (rc < 0)
                return rc;
            if (active)
                return err_set(
                    err, ENOTSUP,
                    "ICC_AP%uR%u_EL1 = %#llx: the guest is in an interrupt of a priority "
                    "that saved state cannot hold; try again later",
                    group, n, (unsigned long long)active);
        }
    }
    return 0;
}

int hv_kvm_gic_get_icc(struct hv_kvm *kvm, unsigned index, struct vcpu_state *state,
                       struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(icc_rows) && rc == 0; i++)
        rc =
            hv_kvm_gic_access(kvm, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
                              icc_attr(index, icc_rows[i].id), (char *)state + icc_rows[i].at, err);
    if (rc == 0)
        rc = check_finer(kvm, index, FIELD_GET(ICC_CTLR_PRI, state->icc_ctlr_el1) + 1, err);
    state->icc_ctlr_el1 &= ICC_CTLR_STATE | ICC_CTLR_PRI;
    return rc;
}

/* Of ICC_CTLR_EL1, the state's bits beside what the host says of itself. */
static int merge_icc_ctlr(struct hv_kvm *kvm, unsigned index, uint64_t *ctlr, struct err *err)
{
    uint64_t host;
    int rc = hv_kvm_gic_access(kvm, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
                               icc_attr(index, SYSREG(3, 0, 12, 12, 4)), &host, err);

    if (rc < 0)
        return rc;
    if (FIELD_GET(ICC_CTLR_PRI, *ctlr) > FIELD_GET(ICC_CTLR_PRI, host))
        return err_set(err, ENOTSUP,
                       "ICC_CTLR_EL1: %u priority bits, and KVM on this host has %u; use "
                       "--accel soft",
                       (unsigned)FIELD_GET(ICC_CTLR_PRI, *ctlr) + 1,
                       (unsigned)FIELD_GET(ICC_CTLR_PRI, host) + 1);
    *ctlr = (host & ~ICC_CTLR_STATE) | (*ctlr & ICC_CTLR_STATE);
    return 0;
}

int hv_kvm_gic_set_icc(struct hv_kvm *kvm, unsigned index, const struct vcpu_state *state,
                       struct err *err)
{
    struct vcpu_state in = *state;
    int rc = merge_icc_ctlr(kvm, index, &in.icc_ctlr_el1, err);

    for (size_t i = 0; i < ARRAY_LEN(icc_rows) && rc == 0; i++) {
        uint64_t val = load_le64((const char *)&in + icc_rows[i].at);
        rc = hv_kvm_gic_access(kvm, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
                               icc_attr(index, icc_rows[i].id), &val, err);
        if (rc < 0)
            err_wrap(err, rc, "%s = %#llx", icc_rows[i].name, (unsigned long long)val);
    }
    return rc;
}
