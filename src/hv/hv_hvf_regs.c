/*
 * The registers of a vCPU of Hypervisor.framework, as the vCPU state has them.
 *
 * A register that the framework has no place for reads as after a reset, and can be set to nothing
 * else. Timers: the state has both on the virtual counter's scale. The framework's offset moves
 * that counter alone: the physical timer's compare value is converted, and a guest that reads
 * CNTPCT_EL0 sees the host's.
 */
#include <errno.h>
#include <stdio.h>

#include "hv/hv_hvf_err.h"
#include "hv/hv_hvf_host.h"
#include "hv/hv_hvf_int.h"

#define CTL_STATE BITS(1, 0) /* of CNTx_CTL: ISTATUS is computed */

static const struct row {
    const char *name;
    uint16_t id;
    size_t at; /* offset of its 64 bits in struct vcpu_state */
} rows[] = {
#define S(field) offsetof(struct vcpu_state, field)
    { "sp_el0", HVF_SP_EL0, S(sp_el0) },
    { "sp_el1", HVF_SP_EL1, S(sp_el1) },
    { "elr_el1", HVF_ELR, S(elr_el1) },
    { "spsr_el1", HVF_SPSR, S(spsr_el1) },
#define X_(name, op0, op1, crn, crm, op2) { #name, SYSREG(op0, op1, crn, crm, op2), S(name) },
    VCPU_SYSREGS(X_) VCPU_PAUTH_KEYS(X_)
#undef X_
        { "cntv_cval_el0", SYSREG(3, 3, 14, 3, 2), S(cntv_cval) },
    { "cntv_ctl_el0", SYSREG(3, 3, 14, 3, 1), S(cntv_ctl) },
    { "cntp_cval_el0", SYSREG(3, 3, 14, 2, 2), S(cntp_cval) },
    { "cntp_ctl_el0", HVF_CNTP_CTL, S(cntp_ctl) },
};

/* DBGBVR and the like: number n is id + 8 * n. */
static const struct bank {
    const char *name;
    uint16_t id;
    size_t at;
    bool watch; /* as many as there are watchpoints, not breakpoints */
} banks[] = {
    { "dbgbvr", SYSREG(2, 0, 0, 0, 4), S(dbgbvr), false },
    { "dbgbcr", SYSREG(2, 0, 0, 0, 5), S(dbgbcr), false },
    { "dbgwvr", SYSREG(2, 0, 0, 0, 6), S(dbgwvr), true },
    { "dbgwcr", SYSREG(2, 0, 0, 0, 7), S(dbgwcr), true },
#undef S
};

/* The few that are not system registers, in the framework's numbering. */
static const struct core {
    const char *name;
    hv_reg_t id;
    size_t at;
} cores[] = {
    { "pc", HV_REG_PC, offsetof(struct vcpu_state, pc) },
    { "pstate", HV_REG_CPSR, offsetof(struct vcpu_state, pstate) },
    { "fpcr", HV_REG_FPCR, offsetof(struct vcpu_state, fpcr) },
    { "fpsr", HV_REG_FPSR, offsetof(struct vcpu_state, fpsr) },
};

static int cannot_hold(const char *name, uint64_t val, struct err *err)
{
    return err_set(err, ENOTSUP, "Hypervisor.framework cannot hold %s = %#llx", name,
                   (unsigned long long)val);
}

static bool no_place(hv_return_t code)
{
    return code == HV_BAD_ARGUMENT || code == HV_UNSUPPORTED;
}

static int get_sys(const struct hv_hvf_vcpu *v, const char *name, uint16_t id, uint64_t *val,
                   struct err *err)
{
    hv_return_t code = hv_vcpu_get_sys_reg(v->id, id, val);

    if (code == HV_SUCCESS || no_place(code)) /* *val is the reset value in that case */
        return 0;
    return hv_hvf_err_set(err, code, "hv_vcpu_get_sys_reg(%s)", name);
}

static int set_sys(const struct hv_hvf_vcpu *v, const char *name, uint16_t id, uint64_t val,
                   uint64_t reset, struct err *err)
{
    hv_return_t code = hv_vcpu_set_sys_reg(v->id, id, val);

    if (code == HV_SUCCESS || (no_place(code) && val == reset))
        return 0;
    if (no_place(code))
        return cannot_hold(name, val, err);
    return hv_hvf_err_set(err, code, "hv_vcpu_set_sys_reg(%s = %#llx)", name,
                          (unsigned long long)val);
}

static unsigned bank_count(const struct hv_hvf_vcpu *v, const struct bank *bank)
{
    unsigned count = bank->watch ? v->watchpoints : v->breakpoints;

    return count < VCPU_DEBUG_REGS ? count : VCPU_DEBUG_REGS;
}

static int get_core(const struct hv_hvf_vcpu *v, struct vcpu_state *state, struct err *err)
{
    hv_return_t code = HV_SUCCESS;

    for (unsigned i = 0; i < ARRAY_LEN(state->x) && code == HV_SUCCESS; i++)
        code = hv_vcpu_get_reg(v->id, HV_REG_X0 + i, &state->x[i]);
    for (size_t i = 0; i < ARRAY_LEN(cores) && code == HV_SUCCESS; i++)
        code =
            hv_vcpu_get_reg(v->id, cores[i].id, (uint64_t *)(void *)((char *)state + cores[i].at));
    for (unsigned i = 0; i < 32 && code == HV_SUCCESS; i++) {
        hv_simd_fp_uchar16_t q;
        code = hv_vcpu_get_simd_fp_reg(v->id, HV_SIMD_FP_REG_Q0 + i, &q);
        if (code == HV_SUCCESS)
            memcpy(&state->v[2 * i], &q, sizeof(q));
    }
    return code == HV_SUCCESS ? 0 : hv_hvf_err_set(err, code, "read the registers of a vCPU");
}

static int set_core(const struct hv_hvf_vcpu *v, const struct vcpu_state *state, struct err *err)
{
    hv_return_t code = HV_SUCCESS;

    for (unsigned i = 0; i < ARRAY_LEN(state->x) && code == HV_SUCCESS; i++)
        code = hv_vcpu_set_reg(v->id, HV_REG_X0 + i, state->x[i]);
    for (size_t i = 0; i < ARRAY_LEN(cores) && code == HV_SUCCESS; i++) {
        uint64_t val = load_le64((const char *)state + cores[i].at);
        code = hv_vcpu_set_reg(v->id, cores[i].id, val);
        if (no_place(code))
            return cannot_hold(cores[i].name, val, err);
    }
    for (unsigned i = 0; i < 32 && code == HV_SUCCESS; i++) {
        hv_simd_fp_uchar16_t q;
        memcpy(&q, &state->v[2 * i], sizeof(q));
        code = hv_vcpu_set_simd_fp_reg(v->id, HV_SIMD_FP_REG_Q0 + i, q);
    }
    return code == HV_SUCCESS ? 0 : hv_hvf_err_set(err, code, "write the registers of a vCPU");
}

static int get_debug(const struct hv_hvf_vcpu *v, struct vcpu_state *state, struct err *err)
{
    int rc = 0;

    for (size_t b = 0; b < ARRAY_LEN(banks); b++)
        for (unsigned n = 0; n < bank_count(v, &banks[b]) && rc == 0; n++)
            rc = get_sys(v, banks[b].name, (uint16_t)(banks[b].id + 8 * n),
                         (uint64_t *)(void *)((char *)state + banks[b].at) + n, err);
    return rc;
}

static int set_debug(const struct hv_hvf_vcpu *v, const struct vcpu_state *state, struct err *err)
{
    char name[16];
    int rc = 0;

    for (size_t b = 0; b < ARRAY_LEN(banks); b++) {
        for (unsigned n = 0; n < VCPU_DEBUG_REGS && rc == 0; n++) {
            uint64_t val = load_le64((const char *)state + banks[b].at + 8 * n);
            bool there = n < bank_count(v, &banks[b]);

            snprintf(name, sizeof(name), "%s%u_el1", banks[b].name, n);
            if (there)
                rc = set_sys(v, name, (uint16_t)(banks[b].id + 8 * n), val, 0, err);
            else if (val)
                rc = cannot_hold(name, val, err);
        }
    }
    return rc;
}

/* ACTLR_EL1 has one bit here (EnTSO), and others are not refused but dropped. */
static int check_actlr(const struct hv_hvf_vcpu *v, uint64_t val, struct err *err)
{
    uint64_t there = val;
    int rc = get_sys(v, "actlr_el1", SYSREG(3, 0, 1, 0, 1), &there, err);

    return rc == 0 && there != val ? cannot_hold("actlr_el1", val, err) : rc;
}

int hv_hvf_regs_get(struct hv_vcpu *vcpu, struct vcpu_state *ret_state, struct err *err)
{
    struct hv_hvf_vcpu *v = hv_hvf_vcpu_of(vcpu);
    uint64_t offset;
    struct vcpu_state state;
    int rc;

    hv_hvf_vcpu_complete(v);
    hv_hvf_vcpu_apply_offset(v);
    if (v->failed.code) {
        if (err)
            *err = v->failed;
        return -v->failed.code;
    }
    if (v->osdlr)
        return err_set(err, ENOTSUP, "vCPU %u: a saved state has no place for osdlr_el1 = 1",
                       vcpu->index);
    vcpu_state_reset(&state);
    rc = get_core(v, &state, err);
    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = get_sys(v, rows[i].name, rows[i].id, (uint64_t *)(void *)((char *)&state + rows[i].at),
                     err);
    if (rc == 0)
        rc = get_debug(v, &state, err);
    if (rc == 0)
        rc = hv_hvf_gic_get_icc(v, &state, err);
    if (rc < 0)
        return rc;
    offset = v->offset;
    state.cntvct = hvf_host_ticks() - offset;
    state.cntp_cval -= offset;
    state.cntv_ctl &= CTL_STATE;
    state.cntp_ctl &= CTL_STATE;
    state.os_lock = v->os_lock;
    state.dbgclaim = v->dbgclaim;
    state.power = v->power;
    *ret_state = state;
    return 0;
}

int hv_hvf_regs_set(struct hv_vcpu *vcpu, const struct vcpu_state *state, struct err *err)
{
    struct hv_hvf_vcpu *v = hv_hvf_vcpu_of(vcpu);
    struct vcpu_state in = *state, reset;
    int rc;

    hv_hvf_vcpu_complete(v);
    hv_hvf_vcpu_apply_offset(v);
    v->pending = HV_HVF_NOTHING;
    vcpu_state_reset(&reset);
    in.cntp_cval += v->offset;
    in.cntv_ctl &= CTL_STATE;
    in.cntp_ctl &= CTL_STATE;
    rc = set_core(v, &in, err);
    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = set_sys(v, rows[i].name, rows[i].id, load_le64((const char *)&in + rows[i].at),
                     load_le64((const char *)&reset + rows[i].at), err);
    if (rc == 0)
        rc = check_actlr(v, in.actlr_el1, err);
    if (rc == 0)
        rc = set_debug(v, &in, err);
    if (rc == 0)
        rc = hv_hvf_gic_set_icc(v, &in, err);
    if (rc < 0)
        return rc;
    v->os_lock = in.os_lock;
    v->osdlr = 0;
    v->dbgclaim = in.dbgclaim;
    v->power = in.power;
    v->failed.code = 0;
    return 0;
}

/* One look at the clock for all vCPUs; each takes the offset over before it runs. */
int hv_hvf_regs_set_counter(struct hv_vcpu *vcpu, uint64_t count, struct err *err)
{
    (void)err;
    atomic_store(&hv_hvf_of(vcpu->hv)->offset, hvf_host_ticks() - count);
    return 0;
}
