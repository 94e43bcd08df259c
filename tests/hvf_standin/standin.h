/*
 * What the parts of the stand-in share: Hypervisor.framework's interface (Hypervisor/Hypervisor.h)
 * on the software CPU, with the rules of the framework and its error codes.
 *
 * Where nobody has said which code a broken rule gets, the stand-in answers HV_BAD_ARGUMENT for a
 * wrong value and HV_BUSY for a call at a wrong time; such places say so.
 *
 * IGNITION_STANDIN in the environment makes it a host that refuses:
 *   denied       the program has no entitlement
 *   unsupported  no virtualization: kern.hv_support is 0
 *   no-gic       hv_gic_create() is not supported
 *   old          macOS before 15
 *   macos15      macOS 15: stage 2 in 16 KiB pages only
 * IGNITION_STANDIN_JIT=off has it interpret.
 *
 * Locks, outermost first: vm.lock, the GIC's own, then a vCPU's lock or vm.timer_lock. Whoever
 * changes the memory map or the set of vCPUs pauses the machine: standin_pause().
 */
#pragma once

#include <Hypervisor/Hypervisor.h>

#include "cpu/idregs.h"
#include "cpu/soc.h"

#define STANDIN_VCPUS    MAP_VCPUS_MAX
#define STANDIN_SPURIOUS 1000 /* each run with such a number is canceled for no reason */
#define STANDIN_MAPPED   0x80 /* in a byte of stage2, besides SOC_* */

#define STANDIN_IPA_BITS     36
#define STANDIN_IPA_BITS_MAX 40

#define STANDIN_PAUTH_KEYS 10

struct standin_vcpu {
    _Atomic bool used;
    unsigned index;
    pthread_t thread;
    struct cpu *cpu;
    hv_vcpu_exit_t *exit;

    struct lock lock;
    struct cond cond; /* signalled for interrupts and hv_vcpus_exit() while `asleep` */
    _Atomic bool asleep;
    _Atomic bool cancel; /* hv_vcpus_exit() that no run has reported yet */
    bool in_guest;       /* vm.lock: inside cpu_run() */
    bool forget_writes;  /* vm.lock: something was made read-only since it was in the guest */

    uint64_t runs;
    uint64_t mpidr;
    uint64_t vtimer_offset;
    bool vtimer_mask;
    uint64_t keys[STANDIN_PAUTH_KEYS]; /* pointer authentication: kept, and no use is made of it */
    uint64_t scxtnum[2];               /* SCXTNUM_EL0 and _EL1, likewise */
};

struct standin {
    bool exists;
    struct soc soc;
    struct gmem mem; /* of no region: dirty pages are found by protection */
    struct cpu_model model;

    struct lock lock;
    struct cond cond; /* a vCPU came out of the guest; the pause is over */
    bool pausing;

    unsigned ipa_bits;
    uint64_t page; /* bytes that ranges are multiples of */
    _Atomic uint8_t *stage2;
    uint64_t stage2_bytes;

    hv_ipa_t dist_base, redist_base; /* with soc.gic */
    struct standin_vcpu vcpus[STANDIN_VCPUS];
    bool had_vcpus;

    struct thread timer;
    struct lock timer_lock; /* the rest */
    struct cond timer_cond;
    uint64_t deadline_ns[STANDIN_VCPUS]; /* UINT64_MAX: none */
    uint64_t timer_sleeps_to;
    bool timer_stop;
};

extern struct standin standin_vm; /* one a process, as on a Mac */

/* Is this what IGNITION_STANDIN says? */
bool standin_is(const char *what);

/* Take vm.lock, with no vCPU in the guest until standin_resume(). Not from inside a run. */
void standin_pause(void) NO_ANALYSIS;
void standin_resume(void) NO_ANALYSIS;

/* The vCPU of that number: HV_NO_DEVICE if there is none, HV_BAD_ARGUMENT on a thread that it does
 * not belong to (nobody has said with which code a Mac refuses that). */
hv_return_t standin_own(hv_vcpu_t vcpu, struct standin_vcpu **ret_vcpu);

/* standin_timer.c: timers that expire while the guest computes; and a vCPU's sleep. */
void standin_timer_start(void);
void standin_timer_stop(void);
void standin_timer_moved(void *ctx, unsigned vcpu, uint64_t deadline_ns);
void standin_wake(void *ctx, unsigned vcpu);
void standin_wfi(struct standin_vcpu *v);
void standin_wfe(struct standin_vcpu *v);

/* standin_gic.c: the reset of one vCPU's frame; and a data abort, whose syndrome and address are in
 * the exit, on a register of the GIC: done, and true, or not for us. */
void standin_gic_vcpu_created(struct standin_vcpu *v);
void standin_gic_count(void); /* the vCPUs there are changed */
bool standin_gic_access(struct standin_vcpu *v);

/* standin_syndrome.c: what the instruction adds to the ISS of a data abort. */
uint64_t standin_iss_of(uint32_t insn);

/* standin_regs.c: registers of a vCPU that is new. */
void standin_regs_reset(struct standin_vcpu *v);
