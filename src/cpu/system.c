/* Exceptions, hints, barriers and system registers (Arm DDI 0487, C6.2). */
#include "cpu/debug.h"
#include "cpu/exc.h"
#include "cpu/handler.h"
#include "cpu/hyp.h"
#include "cpu/sysreg_access.h"

#define SCTLR_NTWI BIT(16)
#define SCTLR_NTWE BIT(18)

/* ISS of a trapped WFI or WFE (D19.2.37): condition valid, "always". */
#define ISS_WFX     0x1e00000u
#define ISS_WFX_WFE 1u

/* Leave cpu_run() after i. */
NORETURN static void stop_after(struct cpu *c, const struct a64_insn *i, enum cpu_stop stop)
{
    (void)cpu_end_block(c, i);
    c->insn = NULL;
    c->stop = stop;
    cpu_escape(c, CPU_ESCAPE_STOP);
}

HANDLER(SVC)
{
    c->retired++; /* unlike one that faults, it has been executed */
    debug_advance(c);
    exc_svc(c, (uint16_t)i->imm);
}

/* The VMM is EL2: it takes both conduits of the SMC calling convention from EL1. */
NORETURN static void call(struct cpu *c, const struct a64_insn *i, enum esr_ec ec)
{
    if (c->el == 0)
        exc_undefined(c);
    debug_advance(c);
    c->trap.esr = hyp_esr(ec, (uint16_t)i->imm);
    stop_after(c, i, CPU_STOP_HVC);
}

HANDLER(HVC)
{
    call(c, i, EC_HVC64);
}

HANDLER(SMC)
{
    call(c, i, EC_SMC64);
}

HANDLER(BRK)
{
    exc_brk(c, (uint16_t)i->imm);
}

/* Halting debug is not there. */
HANDLER(HLT)
{
    exc_undefined(c);
}

HANDLER(ERET)
{
    gva_t pc;

    if (c->el == 0)
        exc_undefined(c);
    pc = exc_eret(c);
    cpu_retire(c, i);
    c->pc = pc;
    c->excl_size = 0;
    atomic_store_explicit(&c->event, true, memory_order_relaxed);
    return NULL;
}

HANDLER(NOP)
{
    return i + 1;
}

HANDLER(YIELD)
{
    return i + 1;
}

HANDLER(WFI)
{
    if (c->signals)
        return cpu_end_block(c, i);
    if (c->el == 0 && !(c->sys.sctlr_el1 & SCTLR_NTWI))
        exc_sync(c, EC_WFX, ISS_WFX);
    if (c->debug & DEBUG_STEP) /* a hint: the debugger does not wait */
        return cpu_end_block(c, i);
    stop_after(c, i, CPU_STOP_WFI);
}

HANDLER(WFE)
{
    if (atomic_exchange_explicit(&c->event, false, memory_order_acquire))
        return i + 1;
    if (c->el == 0 && !(c->sys.sctlr_el1 & SCTLR_NTWE))
        exc_sync(c, EC_WFX, ISS_WFX | ISS_WFX_WFE);
    if (c->debug & DEBUG_STEP)
        return cpu_end_block(c, i);
    stop_after(c, i, CPU_STOP_WFE);
}

HANDLER(SEV)
{
    for (unsigned n = 0; n < c->soc->vcpus; n++) {
        struct cpu *other = c->soc->cpus[n];

        if (other) /* not every vCPU exists yet */
            atomic_store_explicit(&other->event, true, memory_order_release);
    }
    return i + 1;
}

HANDLER(SEVL)
{
    atomic_store_explicit(&c->event, true, memory_order_relaxed);
    return i + 1;
}

HANDLER(CLREX)
{
    c->excl_size = 0;
    return i + 1;
}

/* Completes the maintenance that this vCPU has sent to others: the run loop waits for them. */
HANDLER(DSB)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (!c->unsynced)
        return i + 1;
    cpu_request(c, CPU_REQ_SYNC);
    return cpu_end_block(c, i);
}

HANDLER(DMB)
{
    switch (i->imm & 3) { /* CRm: 1 loads, 2 stores, 3 both */
    case 1:
        atomic_thread_fence(memory_order_acquire);
        break;
    case 2:
        atomic_thread_fence(memory_order_release);
        break;
    default:
        atomic_thread_fence(memory_order_seq_cst);
    }
    return i + 1;
}

/* What follows is fetched anew: TLB and instruction cache maintenance take effect. */
HANDLER(ISB)
{
    return cpu_end_block(c, i);
}

/* Any of these may unmask an interrupt or change the translation regime. */
HANDLER(MSR_imm)
{
    sysreg_write_imm(c, i->ra, i->rm, (unsigned)i->imm);
    return cpu_end_block(c, i);
}

HANDLER(MSR)
{
    sysreg_write(c, (uint16_t)i->imm, X(rd));
    return cpu_end_block(c, i);
}

HANDLER(MRS)
{
    X(rd) = sysreg_read(c, (uint16_t)i->imm);
    return i + 1;
}

HANDLER(SYS)
{
    sys_execute(c, (uint16_t)i->imm, X(rd));
    return i + 1;
}

/* No SYSL operation is announced. */
HANDLER(SYSL)
{
    exc_undefined(c);
}
