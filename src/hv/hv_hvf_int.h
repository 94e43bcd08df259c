/*
 * The engine `hvf`, inside: one machine, its vCPUs, and how the parts of the engine share them.
 *
 * Every function that takes a vCPU runs on that vCPU's own thread, but the kick. What the framework
 * refuses in the middle of running is noted in the vCPU (hv_hvf_vcpu_note) and ends its run() with
 * HV_EXIT_ERROR.
 */
#pragma once

#include <Hypervisor/Hypervisor.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "cpu/soc.h"
#include "hv/hv_engines.h"
#include "hv/hv_hvf_dirty.h"
#include "hv/hv_hvf_esr.h"

/* Encodings of the registers that the engine itself looks at. */
#define HVF_MPIDR    SYSREG(3, 0, 0, 0, 5)
#define HVF_DFR0     SYSREG(3, 0, 0, 5, 0)
#define HVF_MMFR0    SYSREG(3, 0, 0, 7, 0)
#define HVF_SCTLR    SYSREG(3, 0, 1, 0, 0)
#define HVF_CPACR    SYSREG(3, 0, 1, 0, 2)
#define HVF_TTBR0    SYSREG(3, 0, 2, 0, 0)
#define HVF_TTBR1    SYSREG(3, 0, 2, 0, 1)
#define HVF_TCR      SYSREG(3, 0, 2, 0, 2)
#define HVF_SPSR     SYSREG(3, 0, 4, 0, 0)
#define HVF_ELR      SYSREG(3, 0, 4, 0, 1)
#define HVF_SP_EL0   SYSREG(3, 0, 4, 1, 0)
#define HVF_SP_EL1   SYSREG(3, 4, 4, 1, 0)
#define HVF_ESR      SYSREG(3, 0, 5, 2, 0)
#define HVF_FAR      SYSREG(3, 0, 6, 0, 0)
#define HVF_MAIR     SYSREG(3, 0, 10, 2, 0)
#define HVF_VBAR     SYSREG(3, 0, 12, 0, 0)
#define HVF_MDCCINT  SYSREG(2, 0, 0, 2, 0)
#define HVF_CNTP_CTL SYSREG(3, 3, 14, 2, 1)

/* What of the last exit is still to be done before the guest goes on. */
enum hv_hvf_pending {
    HV_HVF_NOTHING,
    HV_HVF_LOAD,       /* the answer goes to the register of v->load */
    HV_HVF_CALL,       /* the answer goes to X0..X3 */
    HV_HVF_ACCESS,     /* the answer is one of several of an instruction: hv_hvf_access.c */
    HV_HVF_ACCESS_DUE, /* such an instruction asks for one that run() has not reported yet */
};

struct hv_hvf_access;

struct hv_hvf_vcpu {
    struct hv_vcpu vcpu;
    bool created;
    hv_vcpu_t id;
    const hv_vcpu_exit_t *exit; /* the framework's */
    _Atomic bool kicked;

    enum hv_hvf_pending pending;
    const struct hv_exit *answer; /* that the VMM fills in */
    struct hv_hvf_dabt load;
    struct hv_hvf_access *access; /* NULL until the first one */

    struct err failed; /* what the framework refused; code 0: nothing */
    uint64_t offset;   /* of its virtual timer, as the framework has it */

    /* What the framework has no place for. */
    uint64_t os_lock, osdlr, dbgclaim;
    uint32_t power; /* PSCI is the VMM's, this is only kept for it */

    unsigned breakpoints, watchpoints; /* that the CPU has */
};

struct hv_hvf {
    struct hv hv;
    bool created; /* the framework's machine is there */
    bool portable;
    unsigned ipa_bits;
    uint64_t page;                           /* bytes: what the framework maps and protects */
    struct soc soc;                          /* the memory map alone; see hv_hvf_mem.c */
    _Atomic uint64_t offset;                 /* guest counter = host's - offset, on every vCPU */
    _Atomic uint32_t lines[GIC_INTIDS / 32]; /* levels of the SPIs, which cannot be read back */

    struct lock mem_lock; /* the rest, and protections of mapped memory */
    bool tracking;
    struct hv_hvf_dirty dirty[GMEM_REGIONS_MAX];

    struct hv_hvf_vcpu vcpus[MAP_VCPUS_MAX];
};

static inline struct hv_hvf *hv_hvf_of(struct hv *hv)
{
    return container_of(hv, struct hv_hvf, hv);
}

static inline struct hv_hvf_vcpu *hv_hvf_vcpu_of(struct hv_vcpu *vcpu)
{
    return container_of(vcpu, struct hv_hvf_vcpu, vcpu);
}

/* hv_hvf_mem.c: the ops of the same names. */
int hv_hvf_mem_map(struct hv *hv, gpa_t gpa, void *host, uint64_t size, unsigned prot,
                   struct err *err);
int hv_hvf_mem_unmap(struct hv *hv, gpa_t gpa, uint64_t size, struct err *err);
int hv_hvf_mem_protect(struct hv *hv, gpa_t gpa, uint64_t size, unsigned prot, struct err *err);
int hv_hvf_mem_dirty_start(struct hv *hv, struct err *err);
int hv_hvf_mem_dirty_sync(struct hv *hv, struct err *err);
void hv_hvf_mem_dirty_stop(struct hv *hv);

/* A guest access to gpa faulted: is it memory that may be accessed so (enum hv_prot), and now can
 * be? Then the instruction runs again. Otherwise it is a device access. */
bool hv_hvf_mem_fault(struct hv_hvf_vcpu *v, gpa_t gpa, enum hv_prot access);

/* hv_hvf_vcpu.c: the ops of the same names. */
int hv_hvf_vcpu_create(struct hv *hv, unsigned index, struct hv_vcpu **ret_vcpu, struct err *err);
void hv_hvf_vcpu_destroy(struct hv_vcpu *vcpu);
void hv_hvf_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit);
void hv_hvf_vcpu_kick(struct hv_vcpu *vcpu);

/* Finish what is pending, so that the registers are those after the instruction. */
void hv_hvf_vcpu_complete(struct hv_hvf_vcpu *v);

/* The machine's offset of the counter reaches this vCPU. */
void hv_hvf_vcpu_apply_offset(struct hv_hvf_vcpu *v);

/* A call of the framework that should not fail: what it returned, its name, and its register. */
void hv_hvf_vcpu_note(struct hv_hvf_vcpu *v, hv_return_t code, const char *call, unsigned reg);

/* Registers, while the guest is stopped for an exit. x: by number, 31 being XZR. */
uint64_t hv_hvf_vcpu_get(struct hv_hvf_vcpu *v, hv_reg_t reg);
void hv_hvf_vcpu_set(struct hv_hvf_vcpu *v, hv_reg_t reg, uint64_t val);
uint64_t hv_hvf_vcpu_get_x(struct hv_hvf_vcpu *v, unsigned x);
void hv_hvf_vcpu_set_x(struct hv_hvf_vcpu *v, unsigned x, uint64_t val);
uint64_t hv_hvf_vcpu_get_sys(struct hv_hvf_vcpu *v, uint16_t id);
void hv_hvf_vcpu_set_sys(struct hv_hvf_vcpu *v, uint16_t id, uint64_t val);

/* The instruction at PC was done for the guest. */
void hv_hvf_vcpu_advance(struct hv_hvf_vcpu *v);

/* hv_hvf_exit.c: handle what the framework stopped for. True when exit is filled in. */
bool hv_hvf_exit(struct hv_hvf_vcpu *v, struct hv_exit *exit);

/* The guest takes an exception at PC: esr is ESR_EL1, with the class of one from EL0; far goes to
 * FAR_EL1 for aborts. */
void hv_hvf_exit_inject(struct hv_hvf_vcpu *v, uint64_t esr, gva_t far);

/* A device access that cannot be done: the guest takes an external abort for it. */
void hv_hvf_exit_inject_external(struct hv_hvf_vcpu *v);

/* hv_hvf_sysreg.c: do a trapped MRS or MSR. False: the register is UNDEFINED. */
bool hv_hvf_sysreg(struct hv_hvf_vcpu *v, struct hv_hvf_msr msr);

/* hv_hvf_access.c: do an instruction whose syndrome says nothing about it. begin: true when exit is
 * filled in. go_on: with the answer to the last one; false when it is done, true when
 * hv_hvf_access_next() has another. */
bool hv_hvf_access_begin(struct hv_hvf_vcpu *v, struct hv_exit *exit);
bool hv_hvf_access_go_on(struct hv_hvf_vcpu *v, uint64_t data);
const struct hv_exit *hv_hvf_access_next(const struct hv_hvf_vcpu *v);
void hv_hvf_access_fini(struct hv_hvf_vcpu *v);

/* hv_hvf_regs.c: the ops; and the registers of a new vCPU. */
int hv_hvf_regs_get(struct hv_vcpu *vcpu, struct vcpu_state *ret_state, struct err *err);
int hv_hvf_regs_set(struct hv_vcpu *vcpu, const struct vcpu_state *state, struct err *err);
int hv_hvf_regs_set_counter(struct hv_vcpu *vcpu, uint64_t count, struct err *err);

/* hv_hvf_idregs.c: announce no more than CPU model portable, where the framework lets us. */
void hv_hvf_idregs_hide(struct hv_hvf_vcpu *v);

/* hv_hvf_gic.c: make the controller, after the machine and before the first vCPU; check the place
 * of a new vCPU's redistributor; set_spi; and the CPU interface registers of a vCPU. */
MUST_CHECK int hv_hvf_gic_create(struct err *err);
MUST_CHECK int hv_hvf_gic_check_vcpu(struct hv_hvf_vcpu *v, struct err *err);
void hv_hvf_gic_set_spi(struct hv *hv, unsigned spi, bool level);
MUST_CHECK int hv_hvf_gic_get_icc(struct hv_hvf_vcpu *v, struct vcpu_state *state, struct err *err);
MUST_CHECK int hv_hvf_gic_set_icc(struct hv_hvf_vcpu *v, const struct vcpu_state *state,
                                  struct err *err);

/* hv_hvf_gic_state.c: the ops. */
int hv_hvf_gic_state_get(struct hv *hv, struct gic_state *state, struct err *err);
int hv_hvf_gic_state_set(struct hv *hv, const struct gic_state *state, struct err *err);
int hv_hvf_gic_state_get_redist(struct hv_vcpu *vcpu, struct gic_redist_state *ret_state,
                                struct err *err);
int hv_hvf_gic_state_set_redist(struct hv_vcpu *vcpu, const struct gic_redist_state *state,
                                struct err *err);
