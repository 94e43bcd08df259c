/*
 * vCPUs of Hypervisor.framework: making them, running them, and stopping them from outside.
 *
 * A kick is a flag and hv_vcpus_exit(), which ends a run that is under way, or else the next one.
 * The flag is looked at before each: a kick that comes after the look ends the run that follows,
 * one that came before is reported, and the run that its hv_vcpus_exit() then ends for nothing
 * begins again.
 */
#include <errno.h>
#include <stdio.h>

#include "hv/hv_hvf_err.h"
#include "hv/hv_hvf_host.h"
#include "hv/hv_hvf_int.h"

#define MPIDR_RES1 BIT(31)

#define PSTATE_BTYPE BITS(11, 10)
#define PSTATE_SS    BIT(21)

/* ---- registers while it is stopped ---- */

void hv_hvf_vcpu_note(struct hv_hvf_vcpu *v, hv_return_t code, const char *call, unsigned reg)
{
    if (code != HV_SUCCESS && !v->failed.code)
        (void)hv_hvf_err_set(&v->failed, code, "%s(%#x)", call, reg);
}

uint64_t hv_hvf_vcpu_get(struct hv_hvf_vcpu *v, hv_reg_t reg)
{
    uint64_t val = 0;

    hv_hvf_vcpu_note(v, hv_vcpu_get_reg(v->id, reg, &val), "hv_vcpu_get_reg", reg);
    return val;
}

void hv_hvf_vcpu_set(struct hv_hvf_vcpu *v, hv_reg_t reg, uint64_t val)
{
    hv_hvf_vcpu_note(v, hv_vcpu_set_reg(v->id, reg, val), "hv_vcpu_set_reg", reg);
}

uint64_t hv_hvf_vcpu_get_x(struct hv_hvf_vcpu *v, unsigned x)
{
    return x == HV_HVF_ZR ? 0 : hv_hvf_vcpu_get(v, HV_REG_X0 + x);
}

void hv_hvf_vcpu_set_x(struct hv_hvf_vcpu *v, unsigned x, uint64_t val)
{
    if (x != HV_HVF_ZR)
        hv_hvf_vcpu_set(v, HV_REG_X0 + x, val);
}

uint64_t hv_hvf_vcpu_get_sys(struct hv_hvf_vcpu *v, uint16_t id)
{
    uint64_t val = 0;

    hv_hvf_vcpu_note(v, hv_vcpu_get_sys_reg(v->id, id, &val), "hv_vcpu_get_sys_reg", id);
    return val;
}

void hv_hvf_vcpu_set_sys(struct hv_hvf_vcpu *v, uint16_t id, uint64_t val)
{
    hv_hvf_vcpu_note(v, hv_vcpu_set_sys_reg(v->id, id, val), "hv_vcpu_set_sys_reg", id);
}

/* As if the CPU had executed it: a single step is over, and the next one was not branched to. */
void hv_hvf_vcpu_advance(struct hv_hvf_vcpu *v)
{
    uint64_t pstate = hv_hvf_vcpu_get(v, HV_REG_CPSR);

    hv_hvf_vcpu_set(v, HV_REG_PC, hv_hvf_vcpu_get(v, HV_REG_PC) + 4);
    if (pstate & (PSTATE_SS | PSTATE_BTYPE))
        hv_hvf_vcpu_set(v, HV_REG_CPSR, pstate & ~(PSTATE_SS | PSTATE_BTYPE));
}

/* ---- life ---- */

static int vcpu_count_debug_regs(struct hv_hvf_vcpu *v, struct err *err)
{
    uint64_t dfr0 = 0;
    hv_return_t code = hv_vcpu_get_sys_reg(v->id, HVF_DFR0, &dfr0);

    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_vcpu_get_sys_reg(ID_AA64DFR0_EL1)");
    v->breakpoints = (unsigned)FIELD_GET(BITS(15, 12), dfr0) + 1;
    v->watchpoints = (unsigned)FIELD_GET(BITS(23, 20), dfr0) + 1;
    return 0;
}

/* What the VMM's map promises of this vCPU, and what the guest's debugger needs. */
static int vcpu_set_up(struct hv_hvf_vcpu *v, struct err *err)
{
    hv_return_t code = hv_vcpu_set_sys_reg(v->id, HVF_MPIDR, MPIDR_RES1 | map_mpidr(v->vcpu.index));
    int rc;

    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_vcpu_set_sys_reg(MPIDR_EL1)");
    rc = hv_hvf_gic_check_vcpu(v, err);
    if (rc < 0)
        return rc;
    code = hv_vcpu_set_trap_debug_exceptions(v->id, false);
    if (code == HV_SUCCESS)
        code = hv_vcpu_set_trap_debug_reg_accesses(v->id, false);
    if (code == HV_SUCCESS)
        code = hv_vcpu_set_vtimer_mask(v->id, false);
    if (code == HV_SUCCESS)
        code = hv_vcpu_set_vtimer_offset(v->id, v->offset);
    return code == HV_SUCCESS ? vcpu_count_debug_regs(v, err)
                              : hv_hvf_err_set(err, code, "set vCPU %u up", v->vcpu.index);
}

int hv_hvf_vcpu_create(struct hv *hv, unsigned index, struct hv_vcpu **ret_vcpu, struct err *err)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);
    struct vcpu_state state;
    struct hv_hvf_vcpu *v;
    hv_vcpu_exit_t *exit = NULL;
    hv_return_t code;
    int rc;

    if (index >= hv->vcpus || hvf->vcpus[index].created)
        return err_set(err, EINVAL, "vCPU %u exists already, or is not part of the machine", index);
    /* Redistributors are given out in the order of creation. */
    if (index && !hvf->vcpus[index - 1].created)
        return err_set(err, EINVAL, "vCPU %u is created before vCPU %u", index, index - 1);
    v = &hvf->vcpus[index];
    hvf_host_vcpu_thread();
    code = hv_vcpu_create(&v->id, &exit, NULL);
    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_vcpu_create of vCPU %u", index);
    v->created = true;
    v->exit = exit;
    v->offset = atomic_load(&hvf->offset);
    rc = vcpu_set_up(v, err);
    if (rc == 0 && hvf->portable)
        hv_hvf_idregs_hide(v);
    vcpu_state_reset(&state);
    state.power = index == 0 ? VCPU_ON : VCPU_OFF;
    if (rc == 0)
        rc = hv_hvf_regs_set(&v->vcpu, &state, err);
    if (rc < 0) {
        hv_hvf_vcpu_destroy(&v->vcpu);
        return rc;
    }
    *ret_vcpu = &v->vcpu;
    return 0;
}

void hv_hvf_vcpu_destroy(struct hv_vcpu *vcpu)
{
    struct hv_hvf_vcpu *v = hv_hvf_vcpu_of(vcpu);

    if (v->created)
        (void)hv_vcpu_destroy(v->id);
    hv_hvf_access_fini(v);
    v->created = false;
    v->pending = HV_HVF_NOTHING;
}

/* ---- running ---- */

void hv_hvf_vcpu_kick(struct hv_vcpu *vcpu)
{
    struct hv_hvf_vcpu *v = hv_hvf_vcpu_of(vcpu);
    hv_vcpu_t id = v->id;

    atomic_store(&v->kicked, true);
    (void)hv_vcpus_exit(&id, 1); /* fails when the vCPU is gone, and nothing is to be stopped */
}

void hv_hvf_vcpu_apply_offset(struct hv_hvf_vcpu *v)
{
    uint64_t offset = atomic_load(&hv_hvf_of(v->vcpu.hv)->offset);

    if (offset == v->offset)
        return;
    hv_hvf_vcpu_note(v, hv_vcpu_set_vtimer_offset(v->id, offset), "hv_vcpu_set_vtimer_offset", 0);
    v->offset = offset;
}

void hv_hvf_vcpu_complete(struct hv_hvf_vcpu *v)
{
    const struct hv_exit *answer = v->answer;
    enum hv_hvf_pending pending = v->pending;

    v->answer = NULL;
    switch (pending) {
    case HV_HVF_LOAD:
        hv_hvf_vcpu_set_x(v, v->load.rt, hv_hvf_esr_loaded(&v->load, answer->mmio.data));
        hv_hvf_vcpu_advance(v);
        break;
    case HV_HVF_CALL:
        for (unsigned i = 0; i < 4; i++)
            hv_hvf_vcpu_set_x(v, i, answer->smccc.x[i]);
        break;
    case HV_HVF_ACCESS:
        v->pending = hv_hvf_access_go_on(v, answer->mmio.data) ? HV_HVF_ACCESS_DUE : HV_HVF_NOTHING;
        return;
    case HV_HVF_ACCESS_DUE: /* counts as not begun */
    case HV_HVF_NOTHING:
        return;
    }
    v->pending = HV_HVF_NOTHING;
}

static void vcpu_fail(struct hv_hvf_vcpu *v, struct hv_exit *exit)
{
    *exit = (struct hv_exit){ .kind = HV_EXIT_ERROR };
    snprintf(exit->reason, sizeof(exit->reason), "%.*s", HV_REASON_MAX - 1, v->failed.msg);
    v->failed.code = 0;
}

void hv_hvf_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
    struct hv_hvf_vcpu *v = hv_hvf_vcpu_of(vcpu);

    hv_hvf_vcpu_complete(v);
    if (v->pending == HV_HVF_ACCESS_DUE) {
        *exit = *hv_hvf_access_next(v);
        v->answer = exit;
        v->pending = HV_HVF_ACCESS;
        return;
    }
    for (;;) {
        hv_return_t code;

        hv_hvf_vcpu_apply_offset(v);
        if (v->failed.code) {
            vcpu_fail(v, exit);
            return;
        }
        if (atomic_exchange(&v->kicked, false)) {
            *exit = (struct hv_exit){ .kind = HV_EXIT_KICKED };
            return;
        }
        code = hv_vcpu_run(v->id);
        if (code != HV_SUCCESS)
            hv_hvf_vcpu_note(v, code, "hv_vcpu_run of vCPU", vcpu->index);
        else if (hv_hvf_exit(v, exit) && !v->failed.code)
            return;
    }
}
