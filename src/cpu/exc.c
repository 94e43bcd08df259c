/*
 * Taking and returning from exceptions (Arm DDI 0487, D1.3). One target: EL1, AArch64.
 *
 * A vector table in the middle of nowhere would have the vCPU take one exception after the other
 * for ever. EXC_STREAK_MAX of them with no instruction completed in between stop it with a
 * sentence.
 */
#include "cpu/exc.h"

#include <stdarg.h>
#include <stdio.h>

#include "cpu/debug.h"
#include "cpu/gic.h"
#include "cpu/hyp.h"
#include "cpu/insn.h"
#include "cpu/mmu.h"

#define SCTLR_SPAN BIT(23)

/* SPSR_EL1 (D19.2.162); N Z C V and D A I F stand where cpu.h has them. */
#define SPSR_SP      BIT(0)
#define SPSR_EL      BITS(3, 2)
#define SPSR_AARCH32 BIT(4)
#define SPSR_RES     BIT(1)
#define SPSR_DAIF    BITS(9, 6)
#define SPSR_IL      BIT(20)
#define SPSR_SS      BIT(21)
#define SPSR_PAN     BIT(22)
#define SPSR_NZCV    BITS(31, 28)

/* Offsets in the vector table (D1.3.2.5). */
#define VECTOR_SP0   0x000
#define VECTOR_SPX   0x200
#define VECTOR_LOWER 0x400
#define VECTOR_SYNC  0x000
#define VECTOR_IRQ   0x080
#define VECTOR_FIQ   0x100

/* ISS of an FP trap (D19.2.37): condition valid, "always". */
#define ISS_FP_TRAP 0x1e00000u

#define EXC_STREAK_MAX 16

uint64_t exc_pstate_get(const struct cpu *c)
{
    return (c->nzcv & SPSR_NZCV) | (c->daif & SPSR_DAIF) | (c->sp_sel ? SPSR_SP : 0) |
           FIELD_PUT(SPSR_EL, c->el) | (c->il ? SPSR_IL : 0) | (c->ss ? SPSR_SS : 0) |
           (c->pan ? SPSR_PAN : 0);
}

static void select_sp(struct cpu *c, bool sp_sel)
{
    c->sp_bank[c->sp_sel] = c->x[REG_SP];
    c->sp_sel = sp_sel;
    c->x[REG_SP] = c->sp_bank[sp_sel];
}

void exc_pstate_set(struct cpu *c, uint64_t pstate)
{
    c->nzcv = pstate & SPSR_NZCV;
    c->daif = pstate & SPSR_DAIF;
    c->il = pstate & SPSR_IL;
    c->ss = pstate & SPSR_SS;
    c->pan = pstate & SPSR_PAN;
    c->el = FIELD_GET(SPSR_EL, pstate) & 1;
    select_sp(c, pstate & SPSR_SP);
    mmu_update_view(c);
    debug_update(c);
}

/* Did an instruction complete since the last exception? cpu_escape() has not counted yet. */
static void watch_progress(struct cpu *c)
{
    uint64_t retired = cpu_retired(c);

    if (retired != c->exc_retired) {
        c->exc_retired = retired;
        c->exc_streak = 0;
        return;
    }
    if (++c->exc_streak < EXC_STREAK_MAX)
        return;
    c->exc_streak = 0;
    exc_stop(c,
             "the exception handler at %#llx cannot run: one exception after the other with no "
             "instruction in between, pc %#llx, ESR %#llx, FAR %#llx",
             (unsigned long long)c->sys.vbar_el1, (unsigned long long)cpu_pc(c),
             (unsigned long long)c->sys.esr_el1, (unsigned long long)c->sys.far_el1);
}

/* AArch64.TakeException: ret is the preferred return address. */
static void enter(struct cpu *c, unsigned vector, gva_t ret)
{
    bool pan = c->pan || !(c->sys.sctlr_el1 & SCTLR_SPAN);

    watch_progress(c);
    if (c->el == 0)
        vector += VECTOR_LOWER;
    else
        vector += c->sp_sel ? VECTOR_SPX : VECTOR_SP0;

    c->sys.spsr_el1 = exc_pstate_get(c);
    c->sys.elr_el1 = ret;
    c->daif = SPSR_DAIF;
    c->il = false;
    c->ss = false;
    c->pan = pan;
    c->el = 1;
    select_sp(c, true);
    mmu_update_view(c);
    debug_update(c);
    c->pc = c->sys.vbar_el1 + vector;
}

NORETURN static void take_sync(struct cpu *c, enum esr_ec ec, uint32_t iss, gva_t ret)
{
    /* IL is 0 only for 16-bit instructions, which A64 has not. */
    c->sys.esr_el1 = FIELD_PUT(ESR_EC, ec) | ESR_IL | (iss & ESR_ISS);
    enter(c, VECTOR_SYNC, ret);
    cpu_escape(c, CPU_ESCAPE_GO_ON);
}

void exc_sync(struct cpu *c, enum esr_ec ec, uint32_t iss)
{
    take_sync(c, ec, iss, cpu_pc(c));
}

void exc_undefined(struct cpu *c)
{
    exc_sync(c, EC_UNKNOWN, 0);
}

void exc_fp_trap(struct cpu *c)
{
    exc_sync(c, EC_FP_TRAP, ISS_FP_TRAP);
}

void exc_data_abort(struct cpu *c, gva_t va, unsigned fsc, bool write, bool cache_op)
{
    uint32_t iss = fsc & ISS_DABT_DFSC;

    if (write || cache_op) /* WnR is 1 for cache and translation operations, too */
        iss |= ISS_DABT_WNR;
    if (cache_op)
        iss |= ISS_DABT_CM;
    c->sys.far_el1 = va;
    exc_sync(c, c->el ? EC_DABT_SAME : EC_DABT_LOWER, iss);
}

void exc_insn_abort(struct cpu *c, gva_t va, unsigned fsc)
{
    c->sys.far_el1 = va;
    exc_sync(c, c->el ? EC_IABT_SAME : EC_IABT_LOWER, fsc & ISS_DABT_DFSC);
}

void exc_pc_align(struct cpu *c, gva_t pc)
{
    c->sys.far_el1 = pc;
    exc_sync(c, EC_PC_ALIGN, 0);
}

void exc_sp_align(struct cpu *c)
{
    exc_sync(c, EC_SP_ALIGN, 0);
}

void exc_svc(struct cpu *c, uint16_t imm)
{
    take_sync(c, EC_SVC64, imm, cpu_pc(c) + 4);
}

void exc_brk(struct cpu *c, uint16_t imm)
{
    if (UNLIKELY(c->hyp_debug & CPU_HYP_DEBUG_EXCEPTIONS))
        hyp_take(c, hyp_esr(EC_BRK64, imm), 0, 0);
    exc_sync(c, EC_BRK64, imm);
}

void exc_debug(struct cpu *c, enum esr_ec lower, gva_t far, uint32_t iss)
{
    if (UNLIKELY(c->hyp_debug & CPU_HYP_DEBUG_EXCEPTIONS))
        hyp_take(c, hyp_esr(lower, iss), far, 0);
    if (lower == EC_WATCHPOINT_LOWER)
        c->sys.far_el1 = far;
    exc_sync(c, c->el ? lower + 1 : lower, iss);
}

void exc_stop(struct cpu *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
    va_end(ap);
    c->pc = cpu_pc(c);
    c->stop = CPU_STOP_ERROR;
    cpu_escape(c, CPU_ESCAPE_STOP);
}

bool exc_interrupt(struct cpu *c)
{
    unsigned signals = gic_signals(c->soc->gic, c->index);

    if ((signals & GIC_SIGNAL_FIQ) && !(c->daif & DAIF_F)) {
        enter(c, VECTOR_FIQ, c->pc);
        return true;
    }
    if ((signals & GIC_SIGNAL_IRQ) && !(c->daif & DAIF_I)) {
        enter(c, VECTOR_IRQ, c->pc);
        return true;
    }
    return false;
}

/* AArch64.SetPSTATEFromPSR: only EL0t, EL1t and EL1h in AArch64 may be returned to. */
static bool illegal_return(uint64_t spsr)
{
    uint64_t el = FIELD_GET(SPSR_EL, spsr);

    return (spsr & (SPSR_AARCH32 | SPSR_RES)) || el > 1 || (el == 0 && (spsr & SPSR_SP));
}

/* DebugExceptionReturnSS: a debugger that is itself not stepped starts a step of what it returns
 * to. */
static bool starts_step(const struct cpu *c, uint64_t spsr)
{
    unsigned to = illegal_return(spsr) ? c->el : (unsigned)FIELD_GET(SPSR_EL, spsr);

    return (c->sys.mdscr_el1 & MDSCR_SS) && !debug_enabled_from(c, c->el, c->daif & DAIF_D) &&
           debug_enabled_from(c, to, spsr & DAIF_D);
}

gva_t exc_eret(struct cpu *c)
{
    uint64_t spsr = c->sys.spsr_el1;

    if (!starts_step(c, spsr))
        spsr &= ~SPSR_SS;
    if (illegal_return(spsr)) {
        spsr &= ~(SPSR_EL | SPSR_SP);
        spsr |= SPSR_IL | FIELD_PUT(SPSR_EL, c->el) | (c->sp_sel ? SPSR_SP : 0);
    }
    exc_pstate_set(c, spsr);
    return c->sys.elr_el1;
}
