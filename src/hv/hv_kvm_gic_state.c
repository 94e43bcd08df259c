/*
 * KVM's GICv3 and its state, register by register (Documentation/virt/kvm/devices/arm-vgic-v3.rst).
 *
 * KVM keeps the pending latch and the level of a line apart, as the state does. What it does not
 * have: sleeping redistributors (GICR_WAKER reads as zero and can hold nothing else), and an enable
 * of its own for group 0, which follows that of group 1.
 */
#include <errno.h>

#include "hv/hv_gic_bank.h"
#include "hv/hv_kvm_int.h"

#define GICD_CTLR      0x0000
#define GICD_CTLR_GRP0 BIT(0)
#define GICD_CTLR_GRP1 BIT(1)
#define GICD_CTLR_ARE  BIT(4)
#define GICD_CTLR_DS   BIT(6)
#define GICD_IIDR      0x0008
#define GICD_IROUTER   0x6000
#define GICR_SGI_FRAME 0x10000

/* Where a bank lives: the device's register group, which vCPU, and the offset of its registers. */
struct place {
    struct hv_gic_bank bank;
    struct hv_kvm *kvm;
    uint32_t group;
    uint64_t mpidr;
    uint64_t base;
};

static int access_reg(const struct hv_gic_bank *bank, unsigned long request, uint32_t off,
                      uint32_t *val, struct err *err)
{
    const struct place *p = container_of(bank, struct place, bank);

    return hv_kvm_gic_access(p->kvm, request, p->group, p->mpidr | (p->base + off), val, err);
}

static int get32(const struct hv_gic_bank *bank, uint32_t off, uint32_t *ret_val, struct err *err)
{
    return access_reg(bank, KVM_GET_DEVICE_ATTR, off, ret_val, err);
}

static int set32(const struct hv_gic_bank *bank, uint32_t off, uint32_t val, struct err *err)
{
    return access_reg(bank, KVM_SET_DEVICE_ATTR, off, &val, err);
}

static int access_levels(const struct place *p, unsigned long request, uint32_t *val,
                         struct err *err)
{
    uint64_t what = VGIC_LEVEL_INFO_LINE_LEVEL << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT;

    return hv_kvm_gic_access(p->kvm, request, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
                             p->mpidr | what | p->bank.word * GIC_BANK, val, err);
}

static int get_bank(const struct place *p, struct gic_redist_state *state, struct err *err)
{
    int rc = hv_gic_bank_get(&p->bank, state, err);

    return rc < 0 ? rc : access_levels(p, KVM_GET_DEVICE_ATTR, &state->line_level, err);
}

/* Nothing is signalled from a bank half written: its interrupts are disabled meanwhile. ISPENDR
 * sets and clears when it is written from outside. */
static int set_bank(const struct place *p, const struct gic_redist_state *state, struct err *err)
{
    const struct hv_gic_bank *bank = &p->bank;
    uint32_t level = state->line_level;
    int rc = hv_gic_bank_set_bits(bank, GIC_ICENABLER, UINT32_MAX, err);

    if (rc == 0)
        rc = hv_gic_bank_set_bits(bank, GIC_IGROUPR, state->group, err);
    if (rc == 0)
        rc = hv_gic_bank_configure(bank, state, err);
    if (rc == 0)
        rc = hv_gic_bank_set_bits(bank, GIC_ISPENDR, state->pending_latch, err);
    if (rc == 0)
        rc = hv_gic_bank_set_bits(bank, GIC_ICACTIVER, UINT32_MAX, err);
    if (rc == 0)
        rc = hv_gic_bank_set_bits(bank, GIC_ISACTIVER, state->active, err);
    if (rc == 0)
        rc = access_levels(p, KVM_SET_DEVICE_ATTR, &level, err);
    return rc < 0 ? rc : hv_gic_bank_set_bits(bank, GIC_ISENABLER, state->enabled, err);
}

static struct place dist_place(struct hv_kvm *kvm, unsigned word)
{
    return (struct place){ .bank = { .engine = "KVM", .word = word, .get = get32, .set = set32 },
                           .kvm = kvm,
                           .group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS };
}

static struct place redist_place(struct hv_kvm *kvm, unsigned index)
{
    return (struct place){ .bank = { .engine = "KVM", .get = get32, .set = set32 },
                           .kvm = kvm,
                           .group = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
                           .mpidr = hv_kvm_gic_affinity(index),
                           .base = GICR_SGI_FRAME };
}

static int get_dist(struct hv_kvm *kvm, struct gic_state *state, struct err *err)
{
    struct place dist = dist_place(kvm, 0);
    int rc = get32(&dist.bank, GICD_CTLR, &state->ctlr, err);

    state->ctlr &= GICD_CTLR_GRP0 | GICD_CTLR_GRP1 | GICD_CTLR_ARE | GICD_CTLR_DS;
    for (unsigned word = 1; word < GIC_INTIDS / GIC_BANK && rc == 0; word++) {
        struct place p = dist_place(kvm, word);
        struct gic_redist_state bank;
        rc = get_bank(&p, &bank, err);
        if (rc == 0)
            hv_gic_bank_put(state, word, &bank);
    }
    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS && rc == 0; i++) {
        uint32_t low = 0, high = 0;
        rc = get32(&dist.bank, GICD_IROUTER + 8 * i, &low, err);
        if (rc == 0)
            rc = get32(&dist.bank, GICD_IROUTER + 8 * i + 4, &high, err);
        state->irouter[i] = low | (uint64_t)high << 32;
    }
    return rc;
}

static int set_dist(struct hv_kvm *kvm, const struct gic_state *state, struct err *err)
{
    struct place dist = dist_place(kvm, 0);
    int rc = 0;

    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS && rc == 0; i++) {
        rc = set32(&dist.bank, GICD_IROUTER + 8 * i, (uint32_t)state->irouter[i], err);
        if (rc == 0)
            rc = set32(&dist.bank, GICD_IROUTER + 8 * i + 4, (uint32_t)(state->irouter[i] >> 32),
                       err);
    }
    for (unsigned word = 1; word < GIC_INTIDS / GIC_BANK && rc == 0; word++) {
        struct place p = dist_place(kvm, word);
        struct gic_redist_state bank;
        hv_gic_bank_take(state, word, &bank);
        rc = set_bank(&p, &bank, err);
    }
    return rc;
}

int hv_kvm_gic_state_get_redist(struct hv_vcpu *vcpu, struct gic_redist_state *ret_state,
                                struct err *err)
{
    struct place p = redist_place(hv_kvm_of(vcpu->hv), vcpu->index);

    return get_bank(&p, ret_state, err);
}

int hv_kvm_gic_state_set_redist(struct hv_vcpu *vcpu, const struct gic_redist_state *state,
                                struct err *err)
{
    struct place p = redist_place(hv_kvm_of(vcpu->hv), vcpu->index);

    return set_bank(&p, state, err);
}

int hv_kvm_gic_state_get(struct hv *hv, struct gic_state *state, struct err *err)
{
    state->vcpus = hv->vcpus;
    return get_dist(hv_kvm_of(hv), state, err);
}

int hv_kvm_gic_state_set(struct hv *hv, const struct gic_state *state, struct err *err)
{
    struct hv_kvm *kvm = hv_kvm_of(hv);
    struct place dist = dist_place(kvm, 0);
    uint32_t iidr = 0, groups = state->ctlr & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    int rc;

    if (state->vcpus != hv->vcpus)
        return err_set(err, EINVAL, "saved with %u vCPUs, this machine has %u", state->vcpus,
                       hv->vcpus);
    if (groups == GICD_CTLR_GRP0)
        return err_set(err, ENOTSUP,
                       "KVM cannot hold GICD_CTLR = %#x: group 0 without group 1; use --accel soft",
                       state->ctlr);
    /* The revision comes first: it decides what the other registers mean to KVM. */
    rc = get32(&dist.bank, GICD_IIDR, &iidr, err);
    if (rc == 0)
        rc = set32(&dist.bank, GICD_IIDR, iidr, err);
    if (rc == 0)
        rc = set32(&dist.bank, GICD_CTLR, 0, err);
    if (rc == 0)
        rc = set_dist(kvm, state, err);
    return rc < 0 ? rc : set32(&dist.bank, GICD_CTLR, state->ctlr, err);
}
