/*
 * The registers of a KVM vCPU, one by one (KVM_GET_ONE_REG), as the vCPU state has them.
 *
 * A register that KVM does not have reads as zero, which is what vcpu_state_reset() says of those
 * that a host may lack, and can be set to nothing else.
 *
 * Counters: the state has all timers on the virtual counter's scale. From Linux 6.4 on one offset
 * moves both counters of a machine. Before, only the virtual one moves; the physical timer is
 * converted by how far its counter is ahead, and a guest that reads CNTPCT_EL0 sees the host's.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "hv/hv_kvm_int.h"

#define REG64       (KVM_REG_ARM64 | KVM_REG_SIZE_U64)
#define REG32       (KVM_REG_ARM64 | KVM_REG_SIZE_U32)
#define REG128      (KVM_REG_ARM64 | KVM_REG_SIZE_U128)
#define CORE(field) (KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field))
#define SYS(id)     (REG64 | KVM_REG_ARM64_SYSREG | (id))

#define OSLSR      SYSREG(2, 0, 1, 1, 4)
#define OSLSR_OSLK BIT(1)
#define CTL_STATUS BIT(2) /* CNTx_CTL.ISTATUS: computed, not state */

struct row {
    const char *name;
    uint64_t id;
    size_t at; /* offset of its 64 bits in struct vcpu_state */
};

#define S(field) offsetof(struct vcpu_state, field)
static const struct row rows[] = {
    { "sp_el0", REG64 | CORE(regs.sp), S(sp_el0) },
    { "sp_el1", REG64 | CORE(sp_el1), S(sp_el1) },
    { "pc", REG64 | CORE(regs.pc), S(pc) },
    { "pstate", REG64 | CORE(regs.pstate), S(pstate) },
    { "elr_el1", REG64 | CORE(elr_el1), S(elr_el1) },
    { "spsr_el1", REG64 | CORE(spsr[KVM_SPSR_EL1]), S(spsr_el1) },
#define X_(name, op0, op1, crn, crm, op2) { #name, SYS(SYSREG(op0, op1, crn, crm, op2)), S(name) },
    VCPU_SYSREGS(X_) VCPU_PAUTH_KEYS(X_)
#undef X_
        { "cntv_cval_el0", KVM_REG_ARM_TIMER_CVAL, S(cntv_cval) },
    { "cntv_ctl_el0", KVM_REG_ARM_TIMER_CTL, S(cntv_ctl) },
    { "cntp_cval_el0", KVM_REG_ARM_PTIMER_CVAL, S(cntp_cval) },
    { "cntp_ctl_el0", KVM_REG_ARM_PTIMER_CTL, S(cntp_ctl) },
};

/* Arrays of registers: the id of number n is id + n * step. */
static const struct bank {
    const char *name; /* "#" stands for the number */
    uint64_t id, step;
    size_t at, size, count;
} banks[] = {
    { "x#", REG64 | CORE(regs.regs[0]), 2, S(x), 8, 31 }, /* core ids count 32-bit words */
    { "v#", REG128 | CORE(fp_regs.vregs[0]), 4, S(v), 16, 32 },
    { "dbgbvr#_el1", SYS(SYSREG(2, 0, 0, 0, 4)), 8, S(dbgbvr), 8, VCPU_DEBUG_REGS },
    { "dbgbcr#_el1", SYS(SYSREG(2, 0, 0, 0, 5)), 8, S(dbgbcr), 8, VCPU_DEBUG_REGS },
    { "dbgwvr#_el1", SYS(SYSREG(2, 0, 0, 0, 6)), 8, S(dbgwvr), 8, VCPU_DEBUG_REGS },
    { "dbgwcr#_el1", SYS(SYSREG(2, 0, 0, 0, 7)), 8, S(dbgwcr), 8, VCPU_DEBUG_REGS },
};
#undef S

int hv_kvm_regs_get_one(const struct hv_kvm_vcpu *v, uint64_t id, void *ret_val)
{
    struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)ret_val };

    return ioctl(v->fd, KVM_GET_ONE_REG, &reg) < 0 ? -errno : 0;
}

int hv_kvm_regs_set_one(const struct hv_kvm_vcpu *v, uint64_t id, const void *val)
{
    struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)val };

    return ioctl(v->fd, KVM_SET_ONE_REG, &reg) < 0 ? -errno : 0;
}

/* The manual's name of a register: upper case, and its number for "#" if it is one of several. */
struct name {
    char text[24];
};

static struct name name_of(const char *name, int number)
{
    const char *rest = strchr(name, '#');
    struct name out;

    if (rest)
        snprintf(out.text, sizeof(out.text), "%.*s%d%s", (int)(rest - name), name, number,
                 rest + 1);
    else
        snprintf(out.text, sizeof(out.text), "%s", name);
    for (char *c = out.text; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return out;
}

static int get(const struct hv_kvm_vcpu *v, const char *name, int number, uint64_t id,
               void *ret_val, size_t size, struct err *err)
{
    int rc = hv_kvm_regs_get_one(v, id, ret_val);

    if (rc == -ENOENT)
        memset(ret_val, 0, size);
    else if (rc < 0)
        return err_set(err, -rc, "KVM_GET_ONE_REG %s: %s", name_of(name, number).text,
                       strerror(-rc));
    return 0;
}

static int refuse(const char *name, int number, uint64_t val, int rc, struct err *err)
{
    return err_set(err, -rc,
                   "KVM_SET_ONE_REG %s: %s; KVM on this host cannot hold %#llx in it, use "
                   "--accel soft",
                   name_of(name, number).text, strerror(-rc), (unsigned long long)val);
}

static int set(const struct hv_kvm_vcpu *v, const char *name, int number, uint64_t id,
               const void *val, size_t size, struct err *err)
{
    static const uint8_t zero[16];
    int rc = hv_kvm_regs_set_one(v, id, val);

    if (rc == 0 || (rc == -ENOENT && !memcmp(val, zero, size)))
        return 0;
    return refuse(name, number, load_le64(val), rc, err);
}

static int move_all(const struct hv_kvm_vcpu *v, struct vcpu_state *out,
                    const struct vcpu_state *in, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(banks) && rc == 0; i++) {
        const struct bank *b = &banks[i];
        for (size_t n = 0; n < b->count && rc == 0; n++) {
            size_t at = b->at + n * b->size;
            uint64_t id = b->id + n * b->step;
            rc = out ? get(v, b->name, (int)n, id, (char *)out + at, b->size, err)
                     : set(v, b->name, (int)n, id, (const char *)in + at, b->size, err);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++) {
        const struct row *r = &rows[i];
        rc = out ? get(v, r->name, 0, r->id, (char *)out + r->at, 8, err)
                 : set(v, r->name, 0, r->id, (const char *)in + r->at, 8, err);
    }
    return rc;
}

/* FPCR and FPSR are 32 bits wide here. */
static int get_fp_control(const struct hv_kvm_vcpu *v, struct vcpu_state *state, struct err *err)
{
    uint32_t fpcr, fpsr;
    int rc = get(v, "fpcr", 0, REG32 | CORE(fp_regs.fpcr), &fpcr, sizeof(fpcr), err);

    if (rc == 0)
        rc = get(v, "fpsr", 0, REG32 | CORE(fp_regs.fpsr), &fpsr, sizeof(fpsr), err);
    if (rc < 0)
        return rc;
    state->fpcr = fpcr;
    state->fpsr = fpsr;
    return 0;
}

static int set_fp_control(const struct hv_kvm_vcpu *v, const struct vcpu_state *state,
                          struct err *err)
{
    uint64_t fpcr = state->fpcr, fpsr = state->fpsr; /* KVM takes the low halves */
    int rc;

    if (fpcr > UINT32_MAX || fpsr > UINT32_MAX)
        return refuse(fpcr > UINT32_MAX ? "fpcr" : "fpsr", 0, fpcr > UINT32_MAX ? fpcr : fpsr,
                      -EINVAL, err);
    rc = set(v, "fpcr", 0, REG32 | CORE(fp_regs.fpcr), &fpcr, sizeof(uint32_t), err);
    return rc < 0 ? rc
                  : set(v, "fpsr", 0, REG32 | CORE(fp_regs.fpsr), &fpsr, sizeof(uint32_t), err);
}

static int set_os_lock(const struct hv_kvm_vcpu *v, uint64_t locked, struct err *err)
{
    uint64_t oslsr;
    int rc = get(v, "oslsr_el1", 0, SYS(OSLSR), &oslsr, sizeof(oslsr), err);

    if (rc < 0)
        return rc;
    oslsr = (oslsr & ~OSLSR_OSLK) | FIELD_PUT(OSLSR_OSLK, locked);
    rc = hv_kvm_regs_set_one(v, SYS(OSLSR), &oslsr);
    /* Before Linux 5.18 there is no OS lock: such a guest's is open, and debugging is not shared.
     */
    if (rc < 0 && rc != -ENOENT)
        return refuse("oslsr_el1", 0, oslsr, rc, err);
    return 0;
}

static int get_power(const struct hv_kvm_vcpu *v, uint32_t *ret_power, struct err *err)
{
    struct kvm_mp_state mp;

    if (ioctl(v->fd, KVM_GET_MP_STATE, &mp) < 0)
        return err_errno(err, "KVM_GET_MP_STATE");
    *ret_power = mp.mp_state == KVM_MP_STATE_STOPPED ? VCPU_OFF : VCPU_ON;
    return 0;
}

static int set_power(const struct hv_kvm_vcpu *v, uint32_t power, struct err *err)
{
    struct kvm_mp_state mp = { .mp_state = power == VCPU_OFF ? KVM_MP_STATE_STOPPED
                                                             : KVM_MP_STATE_RUNNABLE };

    if (ioctl(v->fd, KVM_SET_MP_STATE, &mp) < 0)
        return err_errno(err, "KVM_SET_MP_STATE");
    return 0;
}

/* How far the physical counter is ahead of the virtual one. */
static int measure_ahead(struct hv_kvm *kvm, const struct hv_kvm_vcpu *v, struct err *err)
{
    uint64_t physical, virtual;
    int rc = get(v, "cntpct_el0", 0, KVM_REG_ARM_PTIMER_CNT, &physical, sizeof(physical), err);

    if (rc == 0)
        rc = get(v, "cntvct_el0", 0, KVM_REG_ARM_TIMER_CNT, &virtual, sizeof(virtual), err);
    if (rc == 0)
        kvm->physical_ahead = physical - virtual;
    return rc;
}

int hv_kvm_regs_set_counter(struct hv_vcpu *vcpu, uint64_t count, struct err *err)
{
    struct hv_kvm_vcpu *v = hv_kvm_vcpu_of(vcpu);
    struct hv_kvm *kvm = hv_kvm_of(vcpu->hv);
    struct kvm_arm_counter_offset none = { 0 }, offset = { 0 };
    uint64_t now;
    int rc;

    if (!kvm->has_counter_offset) {
        rc = set(v, "cntvct_el0", 0, KVM_REG_ARM_TIMER_CNT, &count, sizeof(count), err);
        return rc < 0 ? rc : measure_ahead(kvm, v, err);
    }
    /* With no offset the guest's physical counter is the host's, which is what is subtracted from.
     */
    if (ioctl(kvm->vm, KVM_ARM_SET_COUNTER_OFFSET, &none) < 0)
        return err_errno(err, "KVM_ARM_SET_COUNTER_OFFSET");
    rc = get(v, "cntpct_el0", 0, KVM_REG_ARM_PTIMER_CNT, &now, sizeof(now), err);
    if (rc < 0)
        return rc;
    offset.counter_offset = now - count;
    if (ioctl(kvm->vm, KVM_ARM_SET_COUNTER_OFFSET, &offset) < 0)
        return err_errno(err, "KVM_ARM_SET_COUNTER_OFFSET");
    return 0;
}

int hv_kvm_regs_get(struct hv_vcpu *vcpu, struct vcpu_state *ret_state, struct err *err)
{
    struct hv_kvm_vcpu *v = hv_kvm_vcpu_of(vcpu);
    struct hv_kvm *kvm = hv_kvm_of(vcpu->hv);
    struct vcpu_state state = { 0 };
    uint64_t oslsr = 0;
    int rc;

    hv_kvm_vcpu_complete(v);
    rc = get(v, "cntvct_el0", 0, KVM_REG_ARM_TIMER_CNT, &state.cntvct, 8, err);
    if (rc == 0)
        rc = move_all(v, &state, NULL, err);
    if (rc == 0)
        rc = get_fp_control(v, &state, err);
    if (rc == 0)
        rc = get(v, "oslsr_el1", 0, SYS(OSLSR), &oslsr, sizeof(oslsr), err);
    if (rc == 0)
        rc = get_power(v, &state.power, err);
    if (rc == 0)
        rc = hv_kvm_gic_get_icc(kvm, vcpu->index, &state, err);
    if (rc < 0)
        return rc;
    state.os_lock = FIELD_GET(OSLSR_OSLK, oslsr);
    state.cntv_ctl &= ~CTL_STATUS;
    state.cntp_ctl &= ~CTL_STATUS;
    state.cntp_cval -= kvm->physical_ahead;
    *ret_state = state;
    return 0;
}

int hv_kvm_regs_set(struct hv_vcpu *vcpu, const struct vcpu_state *state, struct err *err)
{
    struct hv_kvm_vcpu *v = hv_kvm_vcpu_of(vcpu);
    struct hv_kvm *kvm = hv_kvm_of(vcpu->hv);
    struct vcpu_state in = *state;
    int rc;

    hv_kvm_vcpu_complete(v);
    if (in.dbgclaim) /* its guests' claim tags read as zero and ignore writes */
        return refuse("dbgclaimset_el1", 0, in.dbgclaim, -ENOTSUP, err);
    in.cntp_cval += kvm->physical_ahead;
    rc = move_all(v, NULL, &in, err);
    if (rc == 0)
        rc = set_fp_control(v, &in, err);
    if (rc == 0)
        rc = set_os_lock(v, in.os_lock, err);
    if (rc == 0)
        rc = hv_kvm_gic_set_icc(kvm, vcpu->index, &in, err);
    return rc < 0 ? rc : set_power(v, in.power, err);
}
