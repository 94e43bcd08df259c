/*
 * The stand-in's registers of a vCPU: general, vector and system registers, and the virtual timer.
 *
 * It is a Mac with macOS 26 in this: registers that came with 27 are not there, nor are those of
 * EL2 and SME.
 */
#include "standin.h"

#include "arch/sysreg.h"
#include "base/clock.h"
#include "cpu/debug.h"
#include "cpu/exc.h"
#include "cpu/idregs.h"
#include "cpu/mmu.h"
#include "cpu/sysreg_row.h"
#include "cpu/timer.h"

#define MIDR        SYSREG(3, 0, 0, 0, 0)
#define MPIDR       SYSREG(3, 0, 0, 0, 5)
#define ID_FIRST    SYSREG(3, 0, 0, 4, 0)
#define ID_LAST     SYSREG(3, 0, 0, 7, 2)
#define ID_PFR0     SYSREG(3, 0, 0, 4, 0)
#define ID_MMFR0    SYSREG(3, 0, 0, 7, 0)
#define ACTLR       SYSREG(3, 0, 1, 0, 1)
#define SPSR        SYSREG(3, 0, 4, 0, 0)
#define ELR         SYSREG(3, 0, 4, 0, 1)
#define SP_EL0      SYSREG(3, 0, 4, 1, 0)
#define SP_EL1      SYSREG(3, 4, 4, 1, 0)
#define SCXTNUM_EL1 SYSREG(3, 0, 13, 0, 7)
#define SCXTNUM_EL0 SYSREG(3, 3, 13, 0, 7)
#define CNTP_TVAL   SYSREG(3, 3, 14, 2, 0)
#define CNTP_CTL    SYSREG(3, 3, 14, 2, 1)
#define CNTP_CVAL   SYSREG(3, 3, 14, 2, 2)
#define CNTV_CTL    SYSREG(3, 3, 14, 3, 1)
#define CNTV_CVAL   SYSREG(3, 3, 14, 3, 2)

#define ACTLR_ENTSO   BIT(1)
#define MPIDR_RES1    BIT(31)
#define MMFR0_PARANGE BITS(3, 0)
#define PFR0_GIC      BITS(27, 24)
#define PSTATE_MASK   (BITS(31, 28) | BITS(22, 20) | BITS(9, 6) | BITS(3, 0))
#define PSTATE_M      BITS(4, 0)

static const uint16_t key_encs[STANDIN_PAUTH_KEYS] = {
#define X_(name, op0, op1, crn, crm, op2) SYSREG(op0, op1, crn, crm, op2),
    VCPU_PAUTH_KEYS(X_)
#undef X_
};

/* Registers that are a word of struct cpu. */
static const struct {
    hv_sys_reg_t reg;
    size_t offset;
} plain[] = {
#define X_(name, op0, op1, crn, crm, op2) \
    { SYSREG(op0, op1, crn, crm, op2), offsetof(struct cpu, sys.name) },
    VCPU_SYSREGS(X_)
#undef X_
        { SPSR, offsetof(struct cpu, sys.spsr_el1) },
    { ELR, offsetof(struct cpu, sys.elr_el1) },
};

void standin_regs_reset(struct standin_vcpu *v)
{
    struct cpu *c = v->cpu;

    c->sys.sctlr_el1 = 0; /* as one was seen: whoever makes a vCPU writes everything */
    c->sys.os_lock = 0;   /* EL2 keeps the guest's, and its own is open */
    mmu_flush_all(c);
    debug_rearm(c);
    v->mpidr = MPIDR_RES1;
}

/* ---- general registers ---- */

hv_return_t hv_vcpu_get_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t *value)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc != HV_SUCCESS)
        return rc;
    switch (reg) {
    case HV_REG_PC:
        *value = v->cpu->pc;
        return HV_SUCCESS;
    case HV_REG_FPCR:
        *value = v->cpu->fpcr;
        return HV_SUCCESS;
    case HV_REG_FPSR:
        *value = v->cpu->fpsr;
        return HV_SUCCESS;
    case HV_REG_CPSR:
        *value = exc_pstate_get(v->cpu);
        return HV_SUCCESS;
    default:
        if (reg > 30)
            return HV_BAD_ARGUMENT;
        *value = v->cpu->x[reg];
        return HV_SUCCESS;
    }
}

/* A mode that there is not: EL2, EL3, AArch32. */
static hv_return_t set_cpsr(struct cpu *c, uint64_t value)
{
    uint64_t mode = value & PSTATE_M;

    if (mode != 0 && mode != 4 && mode != 5)
        return HV_BAD_ARGUMENT;
    exc_pstate_set(c, value & PSTATE_MASK);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t value)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc != HV_SUCCESS)
        return rc;
    switch (reg) {
    case HV_REG_PC:
        v->cpu->pc = value;
        return HV_SUCCESS;
    case HV_REG_FPCR:
        v->cpu->fpcr = value & sysreg_find(SYSREG(3, 3, 4, 4, 0))->mask;
        return HV_SUCCESS;
    case HV_REG_FPSR:
        v->cpu->fpsr = value & sysreg_find(SYSREG(3, 3, 4, 4, 1))->mask;
        return HV_SUCCESS;
    case HV_REG_CPSR:
        return set_cpsr(v->cpu, value);
    default:
        if (reg > 30)
            return HV_BAD_ARGUMENT;
        v->cpu->x[reg] = value;
        return HV_SUCCESS;
    }
}

hv_return_t hv_vcpu_get_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg,
                                    hv_simd_fp_uchar16_t *value)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc != HV_SUCCESS)
        return rc;
    if (reg > 31)
        return HV_BAD_ARGUMENT;
    memcpy(value, &v->cpu->v[reg], sizeof(*value));
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg,
                                    hv_simd_fp_uchar16_t value)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc != HV_SUCCESS)
        return rc;
    if (reg > 31)
        return HV_BAD_ARGUMENT;
    memcpy(&v->cpu->v[reg], &value, sizeof(value));
    return HV_SUCCESS;
}

/* ---- system registers ---- */

/* The word behind a register, or NULL. */
static uint64_t *find_plain(struct standin_vcpu *v, hv_sys_reg_t reg)
{
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (plain[i].reg == reg)
            return (uint64_t *)(void *)((char *)v->cpu + plain[i].offset);
    }
    for (unsigned i = 0; i < STANDIN_PAUTH_KEYS; i++) {
        if (key_encs[i] == reg)
            return &v->keys[i];
    }
    if (reg == SCXTNUM_EL0 || reg == SCXTNUM_EL1)
        return &v->scxtnum[reg == SCXTNUM_EL1];
    if (reg == CNTV_CVAL)
        return &v->cpu->sys.cntv_cval;
    return reg == CNTP_CVAL ? &v->cpu->sys.cntp_cval : NULL;
}

/* DBGBVR, DBGBCR, DBGWVR, DBGWCR <n>. */
static bool is_debug(hv_sys_reg_t reg, enum debug_reg *ret_which, unsigned *ret_n)
{
    unsigned op2 = reg & 7;

    if ((reg & ~0x7f) != SYSREG(2, 0, 0, 0, 0) || op2 < 4)
        return false;
    *ret_which = (enum debug_reg)(op2 - 4);
    *ret_n = reg >> 3 & 15;
    return true;
}

/* With macOS 26; of 27 are PFR2, ISAR2, MMFR3, MMFR4. */
static bool is_idreg(hv_sys_reg_t reg)
{
    static const uint16_t regs[] = { 0xc020, 0xc021, 0xc024, 0xc025, 0xc028, 0xc029,
                                     0xc030, 0xc031, 0xc038, 0xc039, 0xc03a };

    for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
        if (regs[i] == reg)
            return true;
    }
    return false;
}

/* The physical timer came with the GIC. */
static bool is_physical_timer(hv_sys_reg_t reg)
{
    return reg == CNTP_TVAL || reg == CNTP_CTL || reg == CNTP_CVAL;
}

/* Bits that stay, of what is written. */
static uint64_t mask_of(hv_sys_reg_t reg)
{
    const struct sysreg_row *row = sysreg_find(reg);

    if (reg == ACTLR)
        return ACTLR_ENTSO;
    return row && row->mask ? row->mask : UINT64_MAX;
}

hv_return_t hv_vcpu_get_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg, uint64_t *value)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);
    enum debug_reg which;
    struct cpu *c;
    unsigned n;

    if (rc != HV_SUCCESS)
        return rc;
    c = v->cpu;
    if (is_physical_timer(reg) && !c->soc->gic)
        return HV_UNSUPPORTED;
    if (reg == MIDR)
        *value = c->soc->model->midr;
    else if (reg == MPIDR)
        *value = v->mpidr;
    else if (is_idreg(reg))
        *value = idregs_read(c->soc, reg >> 3 & 15, reg & 7);
    else if (reg == SP_EL0 || reg == SP_EL1)
        *value = c->sp_sel == (reg == SP_EL1) ? c->x[REG_SP] : c->sp_bank[reg == SP_EL1];
    else if (reg == CNTV_CTL)
        *value = timer_ctl(c, c->sys.cntv_ctl, c->sys.cntv_cval);
    else if (reg == CNTP_CTL)
        *value = timer_ctl(c, c->sys.cntp_ctl, c->sys.cntp_cval);
    else if (reg == CNTP_TVAL)
        *value = (uint32_t)(c->sys.cntp_cval - timer_count(c->soc));
    else if (find_plain(v, reg))
        *value = *find_plain(v, reg);
    else if (!is_debug(reg, &which, &n) || !debug_reg_read(c, which, n, value))
        return HV_BAD_ARGUMENT;
    return HV_SUCCESS;
}

/* What is known to stick: MIDR, PFR0.GIC, MMFR0.PARange. Other fields are taken and stay what they
 * were: whoever lowers one has to read it back. */
static void set_idreg(struct cpu *c, hv_sys_reg_t reg, uint64_t value)
{
    struct cpu_model *model = &standin_vm.model;
    uint64_t range = value & MMFR0_PARANGE;

    if (reg == ID_PFR0)
        model->pfr0 = (model->pfr0 & ~PFR0_GIC) | (value & PFR0_GIC);
    if (reg == ID_MMFR0 && (range == 1 || range == 2)) {
        c->soc->pa_bits = range == 1 ? IDREGS_PA_BITS_MIN : IDREGS_PA_BITS_BIG;
        mmu_flush_all(c);
    }
}

/* Once it runs the GIC knows the vCPU by it. The code is our choice. */
static hv_return_t set_mpidr(struct standin_vcpu *v, uint64_t value)
{
    value |= MPIDR_RES1;
    if (v->runs && value != v->mpidr)
        return HV_BAD_ARGUMENT;
    v->mpidr = value;
    return HV_SUCCESS;
}

static hv_return_t set_timer(struct standin_vcpu *v, hv_sys_reg_t reg, uint64_t value)
{
    struct cpu *c = v->cpu;
    uint64_t ctl = value & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK);

    if (reg == CNTV_CTL)
        c->sys.cntv_ctl = ctl;
    else if (reg == CNTP_CTL)
        c->sys.cntp_ctl = ctl;
    else if (reg == CNTV_CVAL)
        c->sys.cntv_cval = value;
    else if (reg == CNTP_CVAL)
        c->sys.cntp_cval = value;
    else
        c->sys.cntp_cval = timer_count(c->soc) + (uint64_t)sign_extend(value, 32);
    (void)timer_update(c);
    return HV_SUCCESS;
}

/* Whatever hangs on it is made anew. */
static void set_plain(struct standin_vcpu *v, hv_sys_reg_t reg, uint64_t *word, uint64_t value)
{
    *word = value & mask_of(reg);
    mmu_flush_all(v->cpu);
    debug_rearm(v->cpu);
}

hv_return_t hv_vcpu_set_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg, uint64_t value)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);
    enum debug_reg which;
    struct cpu *c;
    unsigned n;

    if (rc != HV_SUCCESS)
        return rc;
    c = v->cpu;
    if (is_physical_timer(reg) && !c->soc->gic)
        return HV_UNSUPPORTED;
    if (reg == MPIDR)
        return set_mpidr(v, value);
    if (is_physical_timer(reg) || reg == CNTV_CTL || reg == CNTV_CVAL)
        return set_timer(v, reg, value);
    if (reg == MIDR)
        standin_vm.model.midr = value;
    else if (is_idreg(reg))
        set_idreg(c, reg, value);
    else if ((reg == SP_EL0 || reg == SP_EL1) && c->sp_sel == (reg == SP_EL1))
        c->x[REG_SP] = value;
    else if (reg == SP_EL0 || reg == SP_EL1)
        c->sp_bank[reg == SP_EL1] = value;
    else if (find_plain(v, reg))
        set_plain(v, reg, find_plain(v, reg), value);
    else if (!is_debug(reg, &which, &n) || !debug_reg_write(c, which, n, value))
        return HV_BAD_ARGUMENT;
    return HV_SUCCESS;
}

/* ---- interrupts, debugging ---- */

/* With a GIC they are its own; without one this stand-in has none. */
hv_return_t hv_vcpu_get_pending_interrupt(hv_vcpu_t vcpu, hv_interrupt_type_t type, bool *pending)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    (void)type;
    (void)pending;
    return rc == HV_SUCCESS ? HV_UNSUPPORTED : rc;
}

hv_return_t hv_vcpu_set_pending_interrupt(hv_vcpu_t vcpu, hv_interrupt_type_t type, bool pending)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    (void)type;
    (void)pending;
    return rc == HV_SUCCESS ? HV_UNSUPPORTED : rc;
}

static hv_return_t set_debug(hv_vcpu_t vcpu, enum cpu_hyp_debug bit, bool value)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc != HV_SUCCESS)
        return rc;
    v->cpu->hyp_debug = (uint8_t)(value ? v->cpu->hyp_debug | bit : v->cpu->hyp_debug & ~bit);
    debug_rearm(v->cpu);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_trap_debug_exceptions(hv_vcpu_t vcpu, bool value)
{
    return set_debug(vcpu, CPU_HYP_DEBUG_EXCEPTIONS, value);
}

hv_return_t hv_vcpu_set_trap_debug_reg_accesses(hv_vcpu_t vcpu, bool value)
{
    return set_debug(vcpu, CPU_HYP_DEBUG_REGS, value);
}

/* ---- the virtual timer ---- */

hv_return_t hv_vcpu_get_vtimer_mask(hv_vcpu_t vcpu, bool *vtimer_is_masked)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc == HV_SUCCESS)
        *vtimer_is_masked = v->vtimer_mask;
    return rc;
}

hv_return_t hv_vcpu_set_vtimer_mask(hv_vcpu_t vcpu, bool vtimer_is_masked)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc == HV_SUCCESS)
        v->vtimer_mask = vtimer_is_masked;
    return rc;
}

hv_return_t hv_vcpu_get_vtimer_offset(hv_vcpu_t vcpu, uint64_t *vtimer_offset)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc == HV_SUCCESS)
        *vtimer_offset = v->vtimer_offset;
    return rc;
}

/* The software CPU has one offset for all vCPUs, and shifts the physical counter, too: the others
 * do not run before they were given the same (standin_vcpu.c). */
hv_return_t hv_vcpu_set_vtimer_offset(hv_vcpu_t vcpu, uint64_t vtimer_offset)
{
    struct standin *vm = &standin_vm;
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc != HV_SUCCESS)
        return rc;
    v->vtimer_offset = vtimer_offset;
    atomic_store(&vm->soc.counter_offset, vtimer_offset);
    for (unsigned i = 0; i < STANDIN_VCPUS; i++) {
        struct cpu *cpu = atomic_load(&vm->soc.cpus[i]);

        if (cpu)
            cpu_request(cpu, CPU_REQ_TIMER);
    }
    return HV_SUCCESS;
}
