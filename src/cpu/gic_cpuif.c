/*
 * The GIC's CPU interface: ICC_*_EL1 (GIC IHI 0069, 12.2), for a PE without EL2 and EL3 and a
 * distributor with one security state.
 */
#include "cpu/gic_int.h"

#define ICC(crm, op2) SYSREG(3, 0, 12, crm, op2)

enum {
    ICC_PMR = SYSREG(3, 0, 4, 6, 0),
    ICC_IAR0 = ICC(8, 0),
    ICC_EOIR0 = ICC(8, 1),
    ICC_HPPIR0 = ICC(8, 2),
    ICC_BPR0 = ICC(8, 3),
    ICC_AP0R0 = ICC(8, 4),
    ICC_AP1R0 = ICC(9, 0),
    ICC_DIR = ICC(11, 1),
    ICC_RPR = ICC(11, 3),
    ICC_SGI1R = ICC(11, 5),
    ICC_ASGI1R = ICC(11, 6),
    ICC_SGI0R = ICC(11, 7),
    ICC_IAR1 = ICC(12, 0),
    ICC_EOIR1 = ICC(12, 1),
    ICC_HPPIR1 = ICC(12, 2),
    ICC_BPR1 = ICC(12, 3),
    ICC_CTLR = ICC(12, 4),
    ICC_SRE = ICC(12, 5),
    ICC_IGRPEN0 = ICC(12, 6),
    ICC_IGRPEN1 = ICC(12, 7),
};

#define INTID_MASK BITS(23, 0)

#define SGIR_TARGETS BITS(15, 0)
#define SGIR_AFF1    BITS(23, 16)
#define SGIR_INTID   BITS(27, 24)
#define SGIR_AFF2    BITS(39, 32)
#define SGIR_IRM     BIT(40)
#define SGIR_RS      BITS(47, 44)
#define SGIR_AFF3    BITS(55, 48)

/* Acknowledge: pending becomes active, its group priority runs from now on. */
static unsigned acknowledge(struct gic *gic, unsigned vcpu, unsigned group) REQUIRES(gic->lock)
{
    struct gic_vcpu *v = &gic->vcpu[vcpu];
    struct gic_best best = gic_best(gic, vcpu);
    struct gic_bank *bank;
    uint32_t bit;

    if (!gic_deliverable(v, &best) || best.group != group)
        return GIC_SPURIOUS;
    bank = gic_bank_of(gic, vcpu, best.intid);
    bit = 1u << best.intid % 32;
    bank->latch &= ~bit;
    bank->active |= bit;
    v->apr[group] |= 1u << (gic_group_priority(v, best.priority, group) >> GIC_PRIO_STEP);
    gic_update(gic, vcpu);
    return best.intid;
}

static void deactivate(struct gic *gic, unsigned vcpu, uint64_t intid) REQUIRES(gic->lock)
{
    if (intid >= GIC_INTIDS)
        return;
    gic_bank_of(gic, vcpu, (unsigned)intid)->active &= ~(1u << intid % 32);
    if (intid >= GIC_FIRST_SPI && gic->target[intid] != GIC_NOBODY)
        gic_update(gic, gic->target[intid]);
}

/* Is the highest active priority one of this group? */
static bool runs(const struct gic_vcpu *v, unsigned group)
{
    uint32_t active = v->apr[0] | v->apr[1];

    return v->apr[group] & active & -active;
}

/* End of interrupt: the running priority drops (4.8.4), and with EOImode 0 it is deactivated. One
 * that is not the last acknowledged is UNPREDICTABLE: with another group running, or none, or with
 * an INTID that is not there, nothing happens. */
static void end(struct gic *gic, unsigned vcpu, unsigned group, uint64_t intid) REQUIRES(gic->lock)
{
    struct gic_vcpu *v = &gic->vcpu[vcpu];

    if (intid >= GIC_INTIDS || !runs(v, group))
        return;
    v->apr[group] &= v->apr[group] - 1;
    if (!(v->ctlr & ICC_CTLR_EOIMODE))
        deactivate(gic, vcpu, intid);
    gic_update(gic, vcpu);
}

static unsigned highest(struct gic *gic, unsigned vcpu, unsigned group) REQUIRES(gic->lock)
{
    struct gic_best best = gic_best(gic, vcpu);

    return best.group == group ? best.intid : GIC_SPURIOUS;
}

/* An SGI to the vCPUs that a SGI register names (12.2.20). With one security state ICC_SGI1R
 * reaches SGIs of either group, the other two only those that are configured for group 0 (12.1.10,
 * forwarding an SGI to a target PE). */
static void send_sgi(struct gic *gic, unsigned vcpu, bool group0_only, uint64_t val)
    REQUIRES(gic->lock)
{
    uint32_t bit = 1u << FIELD_GET(SGIR_INTID, val);
    uint64_t cluster = FIELD_GET(SGIR_AFF3, val) << 32 | FIELD_GET(SGIR_AFF2, val) << 16 |
                       FIELD_GET(SGIR_AFF1, val) << 8;

    if (!(val & SGIR_IRM) && (val & SGIR_RS)) /* GICD_TYPER.RSS = 0: Aff0 is 0..15 */
        return;
    for (unsigned i = 0; i < gic->vcpus; i++) {
        struct gic_bank *bank = &gic->vcpu[i].bank;
        uint64_t affinity = map_mpidr(i);
        bool named = (affinity & ~UINT64_C(0xff)) == cluster &&
                     (FIELD_GET(SGIR_TARGETS, val) >> (affinity & 0xff) & 1);

        if ((val & SGIR_IRM) ? i == vcpu : !named)
            continue;
        if (group0_only && (bank->group & bit))
            continue;
        bank->latch |= bit;
        gic_update(gic, i);
    }
}

static uint64_t read_bpr1(const struct gic_vcpu *v)
{
    if (v->ctlr & ICC_CTLR_CBPR)
        return v->bpr[0] < GIC_BPR_MAX ? v->bpr[0] + 1u : GIC_BPR_MAX;
    return v->bpr[1];
}

static bool read_locked(struct gic *gic, unsigned vcpu, uint16_t enc, uint64_t *ret_val)
    REQUIRES(gic->lock)
{
    const struct gic_vcpu *v = &gic->vcpu[vcpu];

    switch (enc) {
    case ICC_PMR:
        *ret_val = v->pmr;
        break;
    case ICC_IAR0:
        *ret_val = acknowledge(gic, vcpu, 0);
        break;
    case ICC_IAR1:
        *ret_val = acknowledge(gic, vcpu, 1);
        break;
    case ICC_HPPIR0:
        *ret_val = highest(gic, vcpu, 0);
        break;
    case ICC_HPPIR1:
        *ret_val = highest(gic, vcpu, 1);
        break;
    case ICC_BPR0:
        *ret_val = v->bpr[0];
        break;
    case ICC_BPR1:
        *ret_val = read_bpr1(v);
        break;
    case ICC_AP0R0:
        *ret_val = v->apr[0];
        break;
    case ICC_AP1R0:
        *ret_val = v->apr[1];
        break;
    case ICC_RPR:
        *ret_val = gic_running(v);
        break;
    case ICC_CTLR:
        *ret_val = ICC_CTLR_PRIBITS | v->ctlr;
        break;
    case ICC_SRE:
        *ret_val = ICC_SRE_VALUE;
        break;
    case ICC_IGRPEN0:
        *ret_val = v->grpen[0];
        break;
    case ICC_IGRPEN1:
        *ret_val = v->grpen[1];
        break;
    default:
        return false;
    }
    return true;
}

static bool write_locked(struct gic *gic, unsigned vcpu, uint16_t enc, uint64_t val)
    REQUIRES(gic->lock)
{
    struct gic_vcpu *v = &gic->vcpu[vcpu];

    switch (enc) {
    case ICC_PMR:
        v->pmr = val & GIC_PRIO_MASK;
        break;
    case ICC_EOIR0:
        end(gic, vcpu, 0, val & INTID_MASK);
        break;
    case ICC_EOIR1:
        end(gic, vcpu, 1, val & INTID_MASK);
        break;
    case ICC_DIR:
        if (v->ctlr & ICC_CTLR_EOIMODE)
            deactivate(gic, vcpu, val & INTID_MASK);
        break;
    case ICC_BPR0:
        v->bpr[0] = gic_bpr(val, 0);
        break;
    case ICC_BPR1:
        if (!(v->ctlr & ICC_CTLR_CBPR))
            v->bpr[1] = gic_bpr(val, 1);
        break;
    case ICC_AP0R0:
        v->apr[0] = (uint32_t)val;
        break;
    case ICC_AP1R0:
        v->apr[1] = (uint32_t)val;
        break;
    case ICC_SGI1R:
        send_sgi(gic, vcpu, false, val);
        break;
    case ICC_SGI0R:
    case ICC_ASGI1R:
        send_sgi(gic, vcpu, true, val);
        break;
    case ICC_SRE: /* fixed */
        break;
    case ICC_CTLR:
        v->ctlr = val & ICC_CTLR_WRITE;
        break;
    case ICC_IGRPEN0:
        v->grpen[0] = val & 1;
        break;
    case ICC_IGRPEN1:
        v->grpen[1] = val & 1;
        break;
    default:
        return false;
    }
    gic_update(gic, vcpu);
    return true;
}

bool gic_icc_read(struct gic *gic, unsigned vcpu, uint16_t enc, uint64_t *ret_val)
{
    bool ok;

    lock_take(&gic->lock);
    ok = read_locked(gic, vcpu, enc, ret_val);
    lock_drop(&gic->lock);
    return ok;
}

bool gic_icc_write(struct gic *gic, unsigned vcpu, uint16_t enc, uint64_t val)
{
    bool ok;

    lock_take(&gic->lock);
    ok = write_locked(gic, vcpu, enc, val);
    lock_drop(&gic->lock);
    return ok;
}
