/*
 * KVM's GICv3 and its state, register by register (Documentation/virt/kvm/devices/arm-vgic-v3.rst).
 *
 * The distributor and the second frame of each redistributor have the same registers for 32
 * interrupts at a time: a bank. KVM keeps the pending latch and the level of a line apart, as the
 * state does. What KVM does not have: sleeping redistributors (GICR_WAKER reads as zero and can
 * hold nothing else), and an enable of its own for group 0, which follows that of group 1.
 */
#include <errno.h>

#include "hv/hv_kvm_int.h"

#define GICD_CTLR      0x0000
#define GICD_CTLR_GRP0 BIT(0)
#define GICD_CTLR_GRP1 BIT(1)
#define GICD_CTLR_ARE  BIT(4)
#define GICD_CTLR_DS   BIT(6)
#define GICD_IIDR      0x0008
#define GICD_IROUTER   0x6000
#define GICR_SGI_FRAME 0x10000

#define GIC_IGROUPR    0x080
#define GIC_ISENABLER  0x100
#define GIC_ICENABLER  0x180
#define GIC_ISPENDR    0x200
#define GIC_ISACTIVER  0x300
#define GIC_ICACTIVER  0x380
#define GIC_IPRIORITYR 0x400
#define GIC_ICFGR      0xc00

#define BANK_INTS 32

/* Where a bank lives: the device's register group, which vCPU, and the offset of its registers. */
struct place {
    struct hv_kvm *kvm;
    uint32_t group;
    uint64_t mpidr;
    uint64_t base;
    unsigned word; /* the bank's number: its first INTID / 32 */
};

struct bank {
    uint32_t group, enabled, pending_latch, active, line_level, edge;
    uint8_t priority[BANK_INTS];
};

static int get32(const struct place *p, uint64_t off, uint32_t *ret_val, struct err *err)
{
    return hv_kvm_gic_access(p->kvm, KVM_GET_DEVICE_ATTR, p->group, p->mpidr | (p->base + off),
                             ret_val, err);
}

static int set32(const struct place *p, uint64_t off, uint32_t val, struct err *err)
{
    return hv_kvm_gic_access(p->kvm, KVM_SET_DEVICE_ATTR, p->group, p->mpidr | (p->base + off),
                             &val, err);
}

static uint64_t level_attr(const struct place *p)
{
    return p->mpidr | VGIC_LEVEL_INFO_LINE_LEVEL << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT |
           p->word * BANK_INTS;
}

/* ICFGR has two bits an interrupt, of which the upper says that it is edge-triggered. */
static int get_edge(const struct place *p, uint32_t *ret_edge, struct err *err)
{
    uint32_t edge = 0, cfg;

    for (unsigned half = 0; half < 2; half++) {
        int rc = get32(p, GIC_ICFGR + 8 * p->word + 4 * half, &cfg, err);
        if (rc < 0)
            return rc;
        for (unsigned i = 0; i < 16; i++)
            edge |= (cfg >> (2 * i + 1) & 1) << (16 * half + i);
    }
    *ret_edge = edge;
    return 0;
}

static int set_edge(const struct place *p, uint32_t edge, struct err *err)
{
    uint32_t there;
    int rc = 0;

    for (unsigned half = 0; half < 2 && rc == 0; half++) {
        uint32_t cfg = 0;
        for (unsigned i = 0; i < 16; i++)
            cfg |= (edge >> (16 * half + i) & 1) << (2 * i + 1);
        rc = set32(p, GIC_ICFGR + 8 * p->word + 4 * half, cfg, err);
    }
    if (rc == 0)
        rc = get_edge(p, &there, err);
    if (rc == 0 && there != edge)
        return err_set(err, ENOTSUP,
                       "KVM cannot make interrupts %u..%u edge-triggered as %#x; use --accel soft",
                       p->word * BANK_INTS, p->word * BANK_INTS + BANK_INTS - 1, edge);
    return rc;
}

static int get_bank(const struct place *p, struct bank *bank, struct err *err)
{
    unsigned at = 4 * p->word;
    uint32_t four;
    int rc = get32(p, GIC_IGROUPR + at, &bank->group, err);

    if (rc == 0)
        rc = get32(p, GIC_ISENABLER + at, &bank->enabled, err);
    if (rc == 0)
        rc = get32(p, GIC_ISPENDR + at, &bank->pending_latch, err);
    if (rc == 0)
        rc = get32(p, GIC_ISACTIVER + at, &bank->active, err);
    if (rc == 0)
        rc = get_edge(p, &bank->edge, err);
    if (rc == 0)
        rc = hv_kvm_gic_access(p->kvm, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
                               level_attr(p), &bank->line_level, err);
    for (unsigned i = 0; i < BANK_INTS && rc == 0; i += 4) {
        rc = get32(p, GIC_IPRIORITYR + 8 * at + i, &four, err);
        if (rc == 0)
            store_le32(bank->priority + i, four);
    }
    return rc;
}

/* Nothing is signalled from a bank half written: its interrupts are disabled meanwhile. ISPENDR
 * sets and clears when it is written from outside. */
static int set_bank(const struct place *p, const struct bank *bank, struct err *err)
{
    unsigned at = 4 * p->word;
    uint32_t level = bank->line_level;
    int rc = set32(p, GIC_ICENABLER + at, UINT32_MAX, err);

    if (rc == 0)
        rc = set32(p, GIC_IGROUPR + at, bank->group, err);
    if (rc == 0)
        rc = set_edge(p, bank->edge, err);
    for (unsigned i = 0; i < BANK_INTS && rc == 0; i += 4)
        rc = set32(p, GIC_IPRIORITYR + 8 * at + i, load_le32(bank->priority + i), err);
    if (rc == 0)
        rc = set32(p, GIC_ISPENDR + at, bank->pending_latch, err);
    if (rc == 0)
        rc = set32(p, GIC_ICACTIVER + at, UINT32_MAX, err);
    if (rc == 0)
        rc = set32(p, GIC_ISACTIVER + at, bank->active, err);
    if (rc == 0)
        rc = hv_kvm_gic_access(p->kvm, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
                               level_attr(p), &level, err);
    return rc < 0 ? rc : set32(p, GIC_ISENABLER + at, bank->enabled, err);
}

static struct place dist_place(struct hv_kvm *kvm, unsigned word)
{
    return (struct place){ .kvm = kvm, .group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS, .word = word };
}

static struct place redist_place(struct hv_kvm *kvm, unsigned index)
{
    return (struct place){ .kvm = kvm,
                           .group = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
                           .mpidr = hv_kvm_gic_affinity(index),
                           .base = GICR_SGI_FRAME };
}

static int get_dist(struct hv_kvm *kvm, struct gic_state *state, struct err *err)
{
    struct place dist = dist_place(kvm, 0);
    int rc = get32(&dist, GICD_CTLR, &state->ctlr, err);

    state->ctlr &= GICD_CTLR_GRP0 | GICD_CTLR_GRP1 | GICD_CTLR_ARE | GICD_CTLR_DS;
    for (unsigned word = 1; word < GIC_INTIDS / BANK_INTS && rc == 0; word++) {
        struct place p = dist_place(kvm, word);
        struct bank bank;
        rc = get_bank(&p, &bank, err);
        if (rc < 0)
            break;
        state->group[word] = bank.group;
        state->enabled[word] = bank.enabled;
        state->pending_latch[word] = bank.pending_latch;
        state->active[word] = bank.active;
        state->line_level[word] = bank.line_level;
        state->edge[word] = bank.edge;
        memcpy(state->priority + word * BANK_INTS, bank.priority, BANK_INTS);
    }
    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS && rc == 0; i++) {
        uint32_t low = 0, high = 0;
        rc = get32(&dist, GICD_IROUTER + 8 * i, &low, err);
        if (rc == 0)
            rc = get32(&dist, GICD_IROUTER + 8 * i + 4, &high, err);
        state->irouter[i] = low | (uint64_t)high << 32;
    }
    return rc;
}

static int set_dist(struct hv_kvm *kvm, const struct gic_state *state, struct err *err)
{
    struct place dist = dist_place(kvm, 0);
    int rc = 0;

    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS && rc == 0; i++) {
        rc = set32(&dist, GICD_IROUTER + 8 * i, (uint32_t)state->irouter[i], err);
        if (rc == 0)
            rc = set32(&dist, GICD_IROUTER + 8 * i + 4, (uint32_t)(state->irouter[i] >> 32), err);
    }
    for (unsigned word = 1; word < GIC_INTIDS / BANK_INTS && rc == 0; word++) {
        struct place p = dist_place(kvm, word);
        struct bank bank = {
            .group = state->group[word],
            .enabled = state->enabled[word],
            .pending_latch = state->pending_latch[word],
            .active = state->active[word],
            .line_level = state->line_level[word],
            .edge = state->edge[word],
        };
        memcpy(bank.priority, state->priority + word * BANK_INTS, BANK_INTS);
        rc = set_bank(&p, &bank, err);
    }
    return rc;
}

int hv_kvm_gic_state_get_redist(struct hv_vcpu *vcpu, struct gic_redist_state *ret_state,
                                struct err *err)
{
    struct place p = redist_place(hv_kvm_of(vcpu->hv), vcpu->index);
    struct bank bank;
    int rc = get_bank(&p, &bank, err);

    if (rc < 0)
        return rc;
    *ret_state = (struct gic_redist_state){
        .group = bank.group,
        .enabled = bank.enabled,
        .pending_latch = bank.pending_latch,
        .active = bank.active,
        .line_level = bank.line_level,
        .edge = bank.edge,
    };
    memcpy(ret_state->priority, bank.priority, BANK_INTS);
    return 0;
}

int hv_kvm_gic_state_set_redist(struct hv_vcpu *vcpu, const struct gic_redist_state *state,
                                struct err *err)
{
    struct place p = redist_place(hv_kvm_of(vcpu->hv), vcpu->index);
    struct bank bank = {
        .group = state->group,
        .enabled = state->enabled,
        .pending_latch = state->pending_latch,
        .active = state->active,
        .line_level = state->line_level,
        .edge = state->edge,
    };

    memcpy(bank.priority, state->priority, BANK_INTS);
    return set_bank(&p, &bank, err);
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
    rc = get32(&dist, GICD_IIDR, &iidr, err);
    if (rc == 0)
        rc = set32(&dist, GICD_IIDR, iidr, err);
    if (rc == 0)
        rc = set32(&dist, GICD_CTLR, 0, err);
    if (rc == 0)
        rc = set_dist(kvm, state, err);
    return rc < 0 ? rc : set32(&dist, GICD_CTLR, state->ctlr, err);
}
