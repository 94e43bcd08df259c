/* The saved form of a vCPU and of the interrupt controller. */
#include "arch/vcpu_state.h"

#include <errno.h>

#define GICD_CTLR_ARE BIT(4)
#define GICD_CTLR_DS  BIT(6)

#define GICR_WAKER_SLEEP  BIT(1)
#define GICR_WAKER_ASLEEP BIT(2)

#define S struct vcpu_state
/*
 * v1: all but what follows.
 * v2: dbgclaim. v1 loads as no tag set, as after a reset.
 */
static const struct state_field vcpu_fields[] = {
    STATE_U64S(S, x, 1),
    STATE_U64(S, sp_el0, 1),
    STATE_U64(S, sp_el1, 1),
    STATE_U64(S, pc, 1),
    STATE_U64(S, pstate, 1),
    STATE_U64(S, elr_el1, 1),
    STATE_U64(S, spsr_el1, 1),
    STATE_U64S(S, v, 1),
    STATE_U64(S, fpcr, 1),
    STATE_U64(S, fpsr, 1),
#define X_(name, op0, op1, crn, crm, op2) STATE_U64(S, name, 1),
    VCPU_SYSREGS(X_) VCPU_PAUTH_KEYS(X_) VCPU_ICC_REGS(X_)
#undef X_
        STATE_U64S(S, dbgbvr, 1),
    STATE_U64S(S, dbgbcr, 1),
    STATE_U64S(S, dbgwvr, 1),
    STATE_U64S(S, dbgwcr, 1),
    STATE_U64(S, os_lock, 1),
    STATE_U64(S, cntvct, 1),
    STATE_U64(S, cntv_ctl, 1),
    STATE_U64(S, cntv_cval, 1),
    STATE_U64(S, cntp_ctl, 1),
    STATE_U64(S, cntp_cval, 1),
    STATE_U32(S, power, 1),
    STATE_U64(S, dbgclaim, 2),
    STATE_END,
};
#undef S

static int vcpu_post_load(void *obj, uint32_t version, struct err *err)
{
    struct vcpu_state *state = obj;

    if (version < 2)
        state->dbgclaim = 0;
    if (state->power != VCPU_ON && state->power != VCPU_OFF)
        return err_set(err, EINVAL, "vcpu: power=%u is not a power state", state->power);
    if (state->dbgclaim > UINT8_MAX)
        return err_set(err, EINVAL, "vcpu: dbgclaim=%#llx is more than 8 tags",
                       (unsigned long long)state->dbgclaim);
    if (state->os_lock > 1)
        return err_set(err, EINVAL, "vcpu: os_lock=%llu out of range",
                       (unsigned long long)state->os_lock);
    return 0;
}

const struct state_desc vcpu_state_desc = {
    .name = "vcpu",
    .version = 2,
    .oldest = 1,
    .fields = vcpu_fields,
    .post_load = vcpu_post_load,
};

#define S struct gic_redist_state
static const struct state_field redist_fields[] = {
    STATE_U32(S, waker, 1),         STATE_U32(S, group, 1),    STATE_U32(S, enabled, 1),
    STATE_U32(S, pending_latch, 1), STATE_U32(S, active, 1),   STATE_U32(S, line_level, 1),
    STATE_U32(S, edge, 1),          STATE_U8S(S, priority, 1), STATE_END,
};
#undef S
static const struct state_desc redist_desc = { .name = "gic-redist", .fields = redist_fields };

#define S struct gic_state
static const struct state_field gic_fields[] = {
    STATE_U32(S, ctlr, 1),
    STATE_U32S(S, group, 1),
    STATE_U32S(S, enabled, 1),
    STATE_U32S(S, pending_latch, 1),
    STATE_U32S(S, active, 1),
    STATE_U32S(S, line_level, 1),
    STATE_U32S(S, edge, 1),
    STATE_U8S(S, priority, 1),
    STATE_U64S(S, irouter, 1),
    STATE_U32(S, vcpus, 1),
    STATE_STRUCTS(S, redist, 1, &redist_desc),
    STATE_END,
};
#undef S

static int gic_post_load(void *obj, uint32_t version, struct err *err)
{
    const struct gic_state *state = obj;

    (void)version;
    if (!state->vcpus || state->vcpus > MAP_VCPUS_MAX)
        return err_set(err, EINVAL, "gic: %u vCPUs, not 1 to %d", state->vcpus, MAP_VCPUS_MAX);
    return 0;
}

const struct state_desc gic_state_desc = {
    .name = "gic",
    .version = 1,
    .oldest = 1,
    .fields = gic_fields,
    .post_load = gic_post_load,
};

void vcpu_state_reset(struct vcpu_state *state)
{
    *state = (struct vcpu_state){
        .pstate = VCPU_PSTATE_RESET,
        .sctlr_el1 = UINT64_C(0x30d00800), /* RES1 bits; MMU and caches off */
        .icc_sre_el1 = 7,                  /* system registers only, no bypass */
        .icc_ctlr_el1 = 4 << 8,            /* PRIbits: 5 priority bits */
        .icc_bpr0_el1 = 2,                 /* the least that 5 priority bits allow */
        .icc_bpr1_el1 = 3,
        .os_lock = 1, /* locked out of reset */
    };
}

void gic_state_reset(struct gic_state *state, unsigned vcpus)
{
    *state = (struct gic_state){ .ctlr = GICD_CTLR_ARE | GICD_CTLR_DS, .vcpus = vcpus };
    for (unsigned i = 0; i < vcpus; i++) {
        state->redist[i].waker = GICR_WAKER_SLEEP | GICR_WAKER_ASLEEP;
        state->redist[i].edge = 0xffff; /* SGIs are edge-triggered by definition */
    }
}
