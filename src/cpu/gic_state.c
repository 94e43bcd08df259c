/* The GIC's state in and out (arch/vcpu_state.h). What comes in may be a hostile file. */
#include "cpu/gic_int.h"

#include <errno.h>

#define SGI_BITS 0xffffu

static void bank_out(const struct gic_bank *bank, struct gic_redist_state *ret)
{
    ret->group = bank->group;
    ret->enabled = bank->enabled;
    ret->pending_latch = bank->latch;
    ret->active = bank->active;
    ret->line_level = bank->line;
    ret->edge = bank->edge;
    memcpy(ret->priority, bank->priority, sizeof(ret->priority));
}

static void bank_in(struct gic_bank *bank, const struct gic_redist_state *state)
{
    bank->group = state->group;
    bank->enabled = state->enabled;
    bank->latch = state->pending_latch;
    bank->active = state->active;
    bank->line = state->line_level;
    bank->edge = state->edge;
    for (unsigned i = 0; i < 32; i++)
        bank->priority[i] = state->priority[i] & GIC_PRIO_MASK;
}

/* The distributor's words have the same fields, laid out by field. */
static struct gic_redist_state word_of(const struct gic_state *state, unsigned w)
{
    struct gic_redist_state word = {
        .group = state->group[w],
        .enabled = state->enabled[w],
        .pending_latch = state->pending_latch[w],
        .active = state->active[w],
        .line_level = state->line_level[w],
        .edge = state->edge[w],
    };

    memcpy(word.priority, &state->priority[32 * w], 32);
    return word;
}

static void word_to(struct gic_state *state, unsigned w, const struct gic_redist_state *word)
{
    state->group[w] = word->group;
    state->enabled[w] = word->enabled;
    state->pending_latch[w] = word->pending_latch;
    state->active[w] = word->active;
    state->line_level[w] = word->line_level;
    state->edge[w] = word->edge;
    memcpy(&state->priority[32 * w], word->priority, 32);
}

void gic_get_state(struct gic *gic, struct gic_state *ret_state)
{
    *ret_state = (struct gic_state){ .vcpus = gic->vcpus };
    lock_take(&gic->lock);
    ret_state->ctlr = (uint32_t)(gic->ctlr | GICD_CTLR_ARE | GICD_CTLR_DS);
    for (unsigned w = 1; w < GIC_WORDS; w++) {
        struct gic_redist_state word = { 0 };

        bank_out(&gic->spi[w], &word);
        word_to(ret_state, w, &word);
    }
    memcpy(ret_state->irouter, gic->irouter, sizeof(ret_state->irouter));
    for (unsigned i = 0; i < gic->vcpus; i++) {
        bank_out(&gic->vcpu[i].bank, &ret_state->redist[i]);
        ret_state->redist[i].waker = gic->vcpu[i].waker;
    }
    lock_drop(&gic->lock);
}

int gic_set_state(struct gic *gic, const struct gic_state *state, struct err *err)
{
    if (state->vcpus != gic->vcpus)
        return err_set(err, EINVAL, "gic: state of %u vCPUs for a machine of %u", state->vcpus,
                       gic->vcpus);
    if ((state->ctlr & (GICD_CTLR_ARE | GICD_CTLR_DS)) != (GICD_CTLR_ARE | GICD_CTLR_DS))
        return err_set(err, EINVAL, "gic: GICD_CTLR=%#x without ARE and DS", state->ctlr);
    for (unsigned i = 0; i < state->vcpus; i++) {
        if ((state->redist[i].edge & SGI_BITS) != SGI_BITS)
            return err_set(err, EINVAL, "gic: vCPU %u: level-triggered SGIs (edge=%#x)", i,
                           state->redist[i].edge);
    }

    lock_take(&gic->lock);
    gic->ctlr = state->ctlr & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    for (unsigned w = 1; w < GIC_WORDS; w++) {
        struct gic_redist_state word = word_of(state, w);

        bank_in(&gic->spi[w], &word);
    }
    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS; i++)
        gic_route(gic, i, state->irouter[i]);
    for (unsigned i = 0; i < gic->vcpus; i++) {
        bank_in(&gic->vcpu[i].bank, &state->redist[i]);
        gic->vcpu[i].waker =
            state->redist[i].waker & GICR_WAKER_SLEEP ? GICR_WAKER_SLEEP | GICR_WAKER_ASLEEP : 0;
    }
    gic_update_all(gic);
    lock_drop(&gic->lock);
    return 0;
}

void gic_get_icc(struct gic *gic, unsigned vcpu, struct vcpu_state *state)
{
    const struct gic_vcpu *v = &gic->vcpu[vcpu];

    lock_take(&gic->lock);
    state->icc_pmr_el1 = v->pmr;
    state->icc_bpr0_el1 = v->bpr[0];
    state->icc_bpr1_el1 = v->bpr[1];
    state->icc_ap0r0_el1 = v->apr[0];
    state->icc_ap1r0_el1 = v->apr[1];
    state->icc_ctlr_el1 = ICC_CTLR_PRIBITS | v->ctlr;
    state->icc_sre_el1 = ICC_SRE_VALUE;
    state->icc_igrpen0_el1 = v->grpen[0];
    state->icc_igrpen1_el1 = v->grpen[1];
    lock_drop(&gic->lock);
}

/* Would the register take the value? Otherwise it is refused, with its name. */
static int check(const char *name, uint64_t val, bool ok, struct err *err)
{
    if (ok)
        return 0;
    return err_set(err, EINVAL, "%s=%#llx: this interrupt controller cannot hold it", name,
                   (unsigned long long)val);
}

int gic_set_icc(struct gic *gic, unsigned vcpu, const struct vcpu_state *state, struct err *err)
{
    struct gic_vcpu *v = &gic->vcpu[vcpu];
    int rc = 0;

#define CHECK_(reg, ok)                              \
    do {                                             \
        if (rc == 0)                                 \
            rc = check(#reg, state->reg, (ok), err); \
    } while (0)
    CHECK_(icc_pmr_el1, state->icc_pmr_el1 <= 0xff);
    CHECK_(icc_bpr0_el1, state->icc_bpr0_el1 <= GIC_BPR_MAX);
    CHECK_(icc_bpr1_el1, state->icc_bpr1_el1 <= GIC_BPR_MAX);
    CHECK_(icc_ap0r0_el1, state->icc_ap0r0_el1 <= UINT32_MAX);
    CHECK_(icc_ap1r0_el1, state->icc_ap1r0_el1 <= UINT32_MAX);
    CHECK_(icc_sre_el1, state->icc_sre_el1 & 1);
    CHECK_(icc_igrpen0_el1, state->icc_igrpen0_el1 <= 1);
    CHECK_(icc_igrpen1_el1, state->icc_igrpen1_el1 <= 1);
#undef CHECK_
    if (rc < 0)
        return rc;

    lock_take(&gic->lock);
    v->pmr = state->icc_pmr_el1 & GIC_PRIO_MASK;
    v->bpr[0] = gic_bpr(state->icc_bpr0_el1, 0);
    v->bpr[1] = gic_bpr(state->icc_bpr1_el1, 1);
    v->apr[0] = (uint32_t)state->icc_ap0r0_el1;
    v->apr[1] = (uint32_t)state->icc_ap1r0_el1;
    v->ctlr = state->icc_ctlr_el1 & ICC_CTLR_WRITE;
    v->grpen[0] = state->icc_igrpen0_el1;
    v->grpen[1] = state->icc_igrpen1_el1;
    gic_update(gic, vcpu);
    lock_drop(&gic->lock);
    return 0;
}
