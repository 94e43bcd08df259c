/*
 * What a guest stops for on Hypervisor.framework, from the syndrome (Arm DDI 0487, D19.2.37).
 *
 * Where PC stands: at the instruction, but after an HVC. Whoever does the instruction for the guest
 * advances it.
 */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "hv/hv_hvf_int.h"

/* How long a WFI waits that the framework hands to us instead of blocking itself. */
#define WFI_NS 100000

#define PSTATE_EL BITS(3, 2)

static PRINTF(3, 4) bool exit_error(struct hv_hvf_vcpu *v, struct hv_exit *exit, const char *fmt,
                                    ...)
{
    char what[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    *exit = (struct hv_exit){ .kind = HV_EXIT_ERROR };
    snprintf(exit->reason, sizeof(exit->reason),
             "Hypervisor.framework cannot go on at pc %#llx: %s",
             (unsigned long long)hv_hvf_vcpu_get(v, HV_REG_PC), what);
    return true;
}

/* ---- exceptions that the guest takes ---- */

void hv_hvf_exit_inject(struct hv_hvf_vcpu *v, uint64_t esr, gva_t far)
{
    uint64_t pstate = hv_hvf_vcpu_get(v, HV_REG_CPSR), ec = FIELD_GET(ESR_EC, esr);
    struct hv_hvf_frame frame = hv_hvf_esr_frame(pstate, hv_hvf_vcpu_get_sys(v, HVF_VBAR),
                                                 hv_hvf_vcpu_get_sys(v, HVF_SCTLR));

    if (ec == EC_IABT_LOWER || ec == EC_DABT_LOWER) {
        hv_hvf_vcpu_set_sys(v, HVF_FAR, far);
        if (FIELD_GET(PSTATE_EL, pstate)) /* the class of an abort from EL1 is the next one */
            esr += FIELD_PUT(ESR_EC, 1);
    }
    hv_hvf_vcpu_set_sys(v, HVF_ESR, esr | ESR_IL);
    hv_hvf_vcpu_set_sys(v, HVF_ELR, hv_hvf_vcpu_get(v, HV_REG_PC));
    hv_hvf_vcpu_set_sys(v, HVF_SPSR, pstate);
    hv_hvf_vcpu_set(v, HV_REG_PC, frame.pc);
    hv_hvf_vcpu_set(v, HV_REG_CPSR, frame.pstate);
}

static void inject_abort(struct hv_hvf_vcpu *v, uint64_t fsc)
{
    uint64_t esr = v->exit->exception.syndrome;

    hv_hvf_exit_inject(v,
                       (esr & ESR_EC) | fsc |
                           (FIELD_GET(ESR_EC, esr) == EC_DABT_LOWER ? esr & ISS_DABT_WNR : 0),
                       v->exit->exception.virtual_address);
}

void hv_hvf_exit_inject_external(struct hv_hvf_vcpu *v)
{
    inject_abort(v, FSC_EXTERNAL);
}

/* ---- aborts ---- */

/* Translation tables that are no memory. */
static bool exit_walk(struct hv_hvf_vcpu *v, gpa_t gpa, unsigned dfsc)
{
    log_guest("hvf", "vCPU %u: translation tables at %#llx, which is not memory", v->vcpu.index,
              (unsigned long long)gpa);
    inject_abort(v, FSC_EXTERNAL_WALK | (dfsc & 3));
    return false;
}

static bool exit_data_abort(struct hv_hvf_vcpu *v, struct hv_exit *exit)
{
    struct hv_hvf_dabt abort = hv_hvf_esr_dabt(v->exit->exception.syndrome);
    gpa_t gpa = v->exit->exception.physical_address;
    /* A walk that the CPU makes may set access flags and dirty bits in the tables. */
    enum hv_prot access = abort.write || abort.in_walk ? HV_WRITE : HV_READ;

    if (hv_hvf_mem_fault(v, gpa, access))
        return false;
    if (abort.in_walk)
        return exit_walk(v, gpa, abort.dfsc);
    if (abort.cache_op) { /* devices are not cached */
        hv_hvf_vcpu_advance(v);
        return false;
    }
    if (!abort.is_valid)
        return hv_hvf_access_begin(v, exit);
    *exit = (struct hv_exit){
        .kind = abort.write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ,
        .mmio = { .gpa = gpa, .size = abort.size },
    };
    if (abort.write) {
        exit->mmio.data = hv_hvf_vcpu_get_x(v, abort.rt) & low_mask(8 * abort.size);
        hv_hvf_vcpu_advance(v);
    } else {
        v->load = abort;
        v->answer = exit;
        v->pending = HV_HVF_LOAD;
    }
    return true;
}

static bool exit_insn_abort(struct hv_hvf_vcpu *v, struct hv_exit *exit)
{
    uint64_t esr = v->exit->exception.syndrome;
    gpa_t gpa = v->exit->exception.physical_address;
    bool in_walk = esr & ISS_DABT_S1PTW;

    if (hv_hvf_mem_fault(v, gpa, in_walk ? HV_WRITE : HV_EXEC))
        return false;
    if (in_walk)
        return exit_walk(v, gpa, (unsigned)FIELD_GET(ISS_DABT_DFSC, esr));
    return exit_error(v, exit, "instruction fetch from physical address %#llx, which is not memory",
                      (unsigned long long)gpa);
}

/* ---- the rest ---- */

static bool exit_call(struct hv_hvf_vcpu *v, struct hv_exit *exit)
{
    *exit = (struct hv_exit){ .kind = HV_EXIT_SMCCC };
    for (unsigned i = 0; i < ARRAY_LEN(exit->smccc.x); i++)
        exit->smccc.x[i] = hv_hvf_vcpu_get_x(v, i);
    v->answer = exit;
    v->pending = HV_HVF_CALL;
    return true;
}

/* The framework blocks in WFI by itself where it has an interrupt controller, as ours has. Should
 * it not, the guest comes by again soon: there is no knowing here of what it waits for. */
static void exit_wait(struct hv_hvf_vcpu *v)
{
    const struct timespec nap = { .tv_nsec = WFI_NS };

    hv_hvf_vcpu_advance(v);
    if (v->exit->exception.syndrome & ISS_WFX_TI)
        sched_yield();
    else if (!atomic_load(&v->kicked))
        nanosleep(&nap, NULL);
}

static bool exit_exception(struct hv_hvf_vcpu *v, struct hv_exit *exit)
{
    uint64_t esr = v->exit->exception.syndrome;

    switch (FIELD_GET(ESR_EC, esr)) {
    case EC_DABT_LOWER:
        return exit_data_abort(v, exit);
    case EC_IABT_LOWER:
        return exit_insn_abort(v, exit);
    case EC_SMC64:
        hv_hvf_vcpu_advance(v);
        return exit_call(v, exit);
    case EC_HVC64:
        return exit_call(v, exit);
    case EC_SYSREG:
        if (hv_hvf_sysreg(v, hv_hvf_esr_msr(esr)))
            hv_hvf_vcpu_advance(v);
        else
            hv_hvf_exit_inject(v, FIELD_PUT(ESR_EC, EC_UNKNOWN), 0);
        return false;
    case EC_WFX:
        exit_wait(v);
        return false;
    case EC_BREAKPOINT_LOWER: /* the guest's own do not come here, unless the host asks */
    case EC_STEP_LOWER:
    case EC_WATCHPOINT_LOWER:
    case EC_BRK64:
        *exit =
            (struct hv_exit){ .kind = HV_EXIT_BREAKPOINT, .brk.pc = hv_hvf_vcpu_get(v, HV_REG_PC) };
        return true;
    default:
        return exit_error(v, exit, "syndrome %#llx, which this engine does not handle",
                          (unsigned long long)esr);
    }
}

bool hv_hvf_exit(struct hv_hvf_vcpu *v, struct hv_exit *exit)
{
    switch (v->exit->reason) {
    case HV_EXIT_REASON_CANCELED: /* a kick, which run() looks for, or nothing */
        return false;
    case HV_EXIT_REASON_VTIMER_ACTIVATED:
        hv_hvf_vcpu_note(v, hv_vcpu_set_vtimer_mask(v->id, false), "hv_vcpu_set_vtimer_mask", 0);
        return false;
    case HV_EXIT_REASON_EXCEPTION:
        return exit_exception(v, exit);
    default:
        return exit_error(v, exit, "exit reason %u", v->exit->reason);
    }
}
