/*
 * Creating a vCPU, and its architectural state in and out.
 *
 * State that comes in may be a hostile file, or another engine's with features that our CPU model
 * lacks: a value that the register could not hold is refused with the register's name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/code.h"
#include "cpu/debug.h"
#include "cpu/exc.h"
#include "cpu/gic.h"
#include "cpu/jit/jit.h"
#include "cpu/mmu.h"
#include "cpu/sysreg_row.h"
#include "cpu/timer.h"

/* SPSR layout: the PSTATE fields that this CPU model has (exc.c). */
#define PSTATE_MASK (BITS(31, 28) | BITS(22, 20) | BITS(9, 6) | BITS(3, 2) | BIT(0))
#define PSTATE_M    BITS(4, 0)

int cpu_create(struct soc *soc, unsigned index, struct cpu **ret_cpu, struct err *err)
{
    struct cpu_whole *whole = calloc(1, sizeof(*whole));
    struct vcpu_state state;
    struct cpu *c;
    int rc;

    if (!whole)
        return err_set(err, ENOMEM, "vCPU %u: out of memory", index);
    c = &whole->cpu;
    c->tlb = &whole->tlb;
    tlb_init(c->tlb);
    c->soc = soc;
    c->index = index;
    c->wake_ns = UINT64_MAX;
    cpu_due_at(c, UINT64_MAX);
    broadcast_init(&c->ring);
    rc = code_create(&c->code, err);
    vcpu_state_reset(&state);
    state.power = index == 0 ? VCPU_ON : VCPU_OFF;
    if (rc == 0)
        rc = cpu_set_state(c, &state, err);
    if (rc < 0) {
        cpu_destroy(c);
        return err_wrap(err, rc, "vCPU %u", index);
    }
    soc->cpus[index] = c;
    *ret_cpu = c;
    return 0;
}

void cpu_destroy(struct cpu *c)
{
    if (!c)
        return;
    if (c->soc->cpus[c->index] == c)
        c->soc->cpus[c->index] = NULL;
    broadcast_fini(&c->ring);
    code_destroy(c->code);
    free(container_of(c, struct cpu_whole, cpu));
}

void cpu_get_state(struct cpu *c, struct vcpu_state *ret_state)
{
    struct vcpu_state *s = ret_state;

    vcpu_state_reset(s);
    memcpy(s->x, c->x, sizeof(s->x));
    c->sp_bank[c->sp_sel] = c->x[REG_SP];
    s->sp_el0 = c->sp_bank[0];
    s->sp_el1 = c->sp_bank[1];
    s->pc = c->pc;
    s->pstate = exc_pstate_get(c);
    s->elr_el1 = c->sys.elr_el1;
    s->spsr_el1 = c->sys.spsr_el1;
    memcpy(s->v, c->v, sizeof(s->v));
    s->fpcr = c->fpcr;
    s->fpsr = c->fpsr;
#define X_(name, op0, op1, crn, crm, op2) s->name = c->sys.name;
    VCPU_SYSREGS(X_)
#undef X_
    memcpy(s->dbgbvr, c->sys.dbgbvr, sizeof(s->dbgbvr));
    memcpy(s->dbgbcr, c->sys.dbgbcr, sizeof(s->dbgbcr));
    memcpy(s->dbgwvr, c->sys.dbgwvr, sizeof(s->dbgwvr));
    memcpy(s->dbgwcr, c->sys.dbgwcr, sizeof(s->dbgwcr));
    s->os_lock = c->sys.os_lock;
    s->dbgclaim = c->sys.dbgclaim;
    s->cntvct = timer_count(c->soc);
    s->cntv_ctl = c->sys.cntv_ctl;
    s->cntv_cval = c->sys.cntv_cval;
    s->cntp_ctl = c->sys.cntp_ctl;
    s->cntp_cval = c->sys.cntp_cval;
    s->power = c->power;
    if (c->soc->gic)
        gic_get_icc(c->soc->gic, c->index, s);
}

static int refuse(const char *name, uint64_t val, struct err *err)
{
    return err_set(err, ENOTSUP, "%s=%#llx: this CPU model cannot hold it", name,
                   (unsigned long long)val);
}

/* Bits outside the register's write mask must be as after reset. */
static int check_reg(const char *name, uint16_t enc, uint64_t val, uint64_t reset, struct err *err)
{
    const struct sysreg_row *row = sysreg_find(enc);

    return (val ^ reset) & ~row->mask ? refuse(name, val, err) : 0;
}

static int check_debug(const struct soc *soc, const struct vcpu_state *s, struct err *err)
{
    const struct {
        const char *name;
        enum debug_reg which;
        const uint64_t *regs;
    } t[] = {
        { "dbgbvr", DEBUG_BVR, s->dbgbvr },
        { "dbgbcr", DEBUG_BCR, s->dbgbcr },
        { "dbgwvr", DEBUG_WVR, s->dbgwvr },
        { "dbgwcr", DEBUG_WCR, s->dbgwcr },
    };

    for (unsigned n = 0; n < VCPU_DEBUG_REGS; n++) {
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
            char name[16];

            if (debug_reg_holds(soc, t[i].which, n, t[i].regs[n]))
                continue;
            snprintf(name, sizeof(name), "%s%u_el1", t[i].name, n);
            return refuse(name, t[i].regs[n], err);
        }
    }
    return 0;
}

static int check_state(const struct soc *soc, const struct vcpu_state *s, struct err *err)
{
    uint64_t m = s->pstate & PSTATE_M;
    struct vcpu_state reset;
    int rc;

    vcpu_state_reset(&reset);
    if ((s->pstate & ~PSTATE_MASK) || (m != 0 && m != 4 && m != 5))
        return refuse("pstate", s->pstate, err);
#define X_(name, op0, op1, crn, crm, op2)                                             \
    rc = check_reg(#name, SYSREG(op0, op1, crn, crm, op2), s->name, reset.name, err); \
    if (rc < 0)                                                                       \
        return rc;
    VCPU_SYSREGS(X_)
    X_(fpcr, 3, 3, 4, 4, 0)
    X_(fpsr, 3, 3, 4, 4, 1)
    X_(spsr_el1, 3, 0, 4, 0, 0)
#undef X_
#define X_(name, op0, op1, crn, crm, op2) \
    if (s->name)                          \
        return refuse(#name, s->name, err);
    VCPU_PAUTH_KEYS(X_)
#undef X_
    if (s->dbgclaim > UINT8_MAX)
        return refuse("dbgclaim", s->dbgclaim, err);
    if (s->cntv_ctl & ~UINT64_C(7))
        return refuse("cntv_ctl", s->cntv_ctl, err);
    if (s->cntp_ctl & ~UINT64_C(7))
        return refuse("cntp_ctl", s->cntp_ctl, err);
    return check_debug(soc, s, err);
}

int cpu_set_state(struct cpu *c, const struct vcpu_state *s, struct err *err)
{
    int rc = check_state(c->soc, s, err);

    if (rc < 0)
        return rc;
    if (c->soc->gic) {
        rc = gic_set_icc(c->soc->gic, c->index, s, err);
        if (rc < 0)
            return rc;
    }
    memcpy(c->x, s->x, sizeof(s->x));
    c->x[REG_ZERO] = 0;
#define X_(name, op0, op1, crn, crm, op2) c->sys.name = s->name;
    VCPU_SYSREGS(X_)
#undef X_
    c->sys.elr_el1 = s->elr_el1;
    c->sys.spsr_el1 = s->spsr_el1;
    memcpy(c->v, s->v, sizeof(s->v));
    c->fpcr = s->fpcr;
    c->fpsr = s->fpsr;
    memcpy(c->sys.dbgbvr, s->dbgbvr, sizeof(s->dbgbvr));
    memcpy(c->sys.dbgbcr, s->dbgbcr, sizeof(s->dbgbcr));
    memcpy(c->sys.dbgwvr, s->dbgwvr, sizeof(s->dbgwvr));
    memcpy(c->sys.dbgwcr, s->dbgwcr, sizeof(s->dbgwcr));
    c->sys.os_lock = s->os_lock & 1;
    c->sys.dbgclaim = s->dbgclaim;
    c->sys.cntv_ctl = s->cntv_ctl & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK);
    c->sys.cntv_cval = s->cntv_cval;
    c->sys.cntp_ctl = s->cntp_ctl & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK);
    c->sys.cntp_cval = s->cntp_cval;
    c->power = s->power;

    /* What hangs on the old state. */
    c->insn = NULL;
    c->page = NULL;
    c->pc = s->pc;
    c->excl_size = 0;
    c->replay.count = 0;
    c->exc_streak = 0;
    exc_pstate_set(c, s->pstate);
    c->sp_bank[0] = s->sp_el0;
    c->sp_bank[1] = s->sp_el1;
    c->x[REG_SP] = c->sp_bank[c->sp_sel];
    mmu_flush_all(c);
    debug_rearm(c);
    code_invalidate_all(c);
    (void)timer_update(c);
    cpu_request(c, CPU_REQ_IRQ);
    return 0;
}
