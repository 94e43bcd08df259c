/*
 * GICv3: who gets which interrupt (GIC IHI 0069, chapter 4). The registers are in gic_regs.c and
 * gic_cpuif.c.
 *
 * After every change the answer for the vCPUs concerned is computed anew from the banks: 160
 * interrupts are few, and nothing can get out of step.
 */
#include "cpu/gic_int.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define IROUTER_AFFINITY BITS(23, 0)

int gic_create(struct soc *soc, void (*wake)(void *ctx, unsigned vcpu), void *ctx,
               struct gic **ret_gic, struct err *err)
{
    struct gic *gic = calloc(1, sizeof(*gic) + soc->vcpus * sizeof(gic->vcpu[0]));
    struct gic_state state;
    int rc;

    if (!gic)
        return err_set(err, ENOMEM, "interrupt controller: out of memory");
    gic->soc = soc;
    gic->wake = wake;
    gic->ctx = ctx;
    gic->vcpus = soc->vcpus;
    lock_init(&gic->lock);
    gic_state_reset(&state, soc->vcpus);
    rc = gic_set_state(gic, &state, err);
    for (unsigned i = 0; rc == 0 && i < soc->vcpus; i++) {
        struct vcpu_state vcpu;

        vcpu_state_reset(&vcpu);
        rc = gic_set_icc(gic, i, &vcpu, err);
    }
    if (rc < 0) {
        gic_destroy(gic);
        return rc;
    }
    *ret_gic = gic;
    return 0;
}

void gic_destroy(struct gic *gic)
{
    if (!gic)
        return;
    lock_fini(&gic->lock);
    free(gic);
}

uint32_t gic_find_vcpu(const struct gic *gic, uint64_t affinity)
{
    for (unsigned i = 0; i < gic->vcpus; i++) {
        if (map_mpidr(i) == affinity)
            return i;
    }
    return GIC_NOBODY;
}

/* GICD_TYPER.No1N = 1: Interrupt_Routing_Mode is RES0, an SPI has one target. A3V = 0: so is Aff3.
 */
void gic_route(struct gic *gic, unsigned intid, uint64_t val)
{
    gic->irouter[intid] = val & IROUTER_AFFINITY;
    gic->target[intid] = gic_find_vcpu(gic, gic->irouter[intid]);
}

/* Improve best by the candidates of one bank; bits are those that go to this vCPU. */
static void pick(const struct gic_bank *bank, uint32_t bits, unsigned first, struct gic_best *best)
{
    for (; bits; bits &= bits - 1) {
        unsigned n = (unsigned)__builtin_ctz(bits);

        /* Of equal priorities the lower INTID wins: the order of the loop. */
        if (best->intid != GIC_SPURIOUS && bank->priority[n] >= best->priority)
            continue;
        best->intid = first + n;
        best->priority = bank->priority[n];
        best->group = bank->group >> n & 1;
    }
}

/* Enabled, pending, not active, and of a group that distributor and CPU interface let through. */
static uint32_t candidates(const struct gic *gic, const struct gic_vcpu *v,
                           const struct gic_bank *bank)
{
    uint32_t bits = gic_pending(bank) & bank->enabled & ~bank->active, groups = 0;

    if ((gic->ctlr & GICD_CTLR_GRP0) && v->grpen[0])
        groups |= ~bank->group;
    if ((gic->ctlr & GICD_CTLR_GRP1) && v->grpen[1])
        groups |= bank->group;
    return bits & groups;
}

struct gic_best gic_best(struct gic *gic, unsigned vcpu)
{
    const struct gic_vcpu *v = &gic->vcpu[vcpu];
    struct gic_best best = { .intid = GIC_SPURIOUS };

    if (v->waker & GICR_WAKER_SLEEP)
        return best;
    pick(&v->bank, candidates(gic, v, &v->bank), 0, &best);
    for (unsigned w = 1; w < GIC_WORDS; w++) {
        uint32_t bits = candidates(gic, v, &gic->spi[w]), mine = 0;

        for (uint32_t left = bits; left; left &= left - 1) {
            unsigned n = (unsigned)__builtin_ctz(left);

            if (gic->target[32 * w + n] == vcpu)
                mine |= 1u << n;
        }
        pick(&gic->spi[w], mine, 32 * w, &best);
    }
    return best;
}

uint8_t gic_running(const struct gic_vcpu *v)
{
    uint32_t active = v->apr[0] | v->apr[1];

    return active ? (uint8_t)(__builtin_ctz(active) << GIC_PRIO_STEP) : GIC_PRIO_IDLE;
}

/* The bits of a priority that decide preemption (4.8.3): the binary point counts from bit 0 for
 * group 0, from bit 1 for group 1. */
uint8_t gic_group_priority(const struct gic_vcpu *v, uint8_t priority, unsigned group)
{
    unsigned low;

    if (group == 0 || (v->ctlr & ICC_CTLR_CBPR))
        low = v->bpr[0] + 1u;
    else
        low = v->bpr[1];
    return (uint8_t)(priority & (0xff << low));
}

bool gic_deliverable(const struct gic_vcpu *v, const struct gic_best *best)
{
    uint8_t running = gic_running(v);

    if (best->intid == GIC_SPURIOUS || best->priority >= v->pmr)
        return false;
    /* Both sides without the bits that do not count for the pending one: with a binary point of 7
     * it preempts nothing, whatever runs, and its own group priority alone would be the highest. */
    return running == GIC_PRIO_IDLE || gic_group_priority(v, best->priority, best->group) <
                                           gic_group_priority(v, running, best->group);
}

void gic_update(struct gic *gic, unsigned vcpu)
{
    struct gic_vcpu *v = &gic->vcpu[vcpu];
    struct gic_best best = gic_best(gic, vcpu);
    uint8_t signals = 0;

    if (gic_deliverable(v, &best))
        signals = best.group ? GIC_SIGNAL_IRQ : GIC_SIGNAL_FIQ;
    if (atomic_exchange(&v->signals, signals) == signals)
        return;
    if (gic->soc->cpus[vcpu])
        cpu_request(gic->soc->cpus[vcpu], CPU_REQ_IRQ);
    if (signals && gic->wake)
        gic->wake(gic->ctx, vcpu);
}

void gic_update_all(struct gic *gic)
{
    for (unsigned i = 0; i < gic->vcpus; i++)
        gic_update(gic, i);
}

/* Returns whether the line changed; a rising edge latches. */
static bool drive(struct gic_bank *bank, unsigned bit, bool level)
{
    uint32_t mask = 1u << bit;

    if (!!(bank->line & mask) == level)
        return false;
    bank->line ^= mask;
    if (level)
        bank->latch |= bank->edge & mask;
    return true;
}

void gic_set_spi(struct gic *gic, unsigned spi, bool level)
{
    unsigned intid = GIC_FIRST_SPI + spi;

    assert(spi < GIC_SPIS);
    lock_take(&gic->lock);
    if (drive(&gic->spi[intid / 32], intid % 32, level) && gic->target[intid] != GIC_NOBODY)
        gic_update(gic, gic->target[intid]);
    lock_drop(&gic->lock);
}

void gic_set_ppi(struct gic *gic, unsigned vcpu, unsigned intid, bool level)
{
    assert(vcpu < gic->vcpus && intid >= GIC_SGIS && intid < GIC_FIRST_SPI);
    lock_take(&gic->lock);
    if (drive(&gic->vcpu[vcpu].bank, intid, level))
        gic_update(gic, vcpu);
    lock_drop(&gic->lock);
}

unsigned gic_signals(struct gic *gic, unsigned vcpu)
{
    return atomic_load(&gic->vcpu[vcpu].signals);
}
