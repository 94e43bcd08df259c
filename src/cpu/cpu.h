/*
 * The software CPU: one struct per vCPU, the machine part that all vCPUs share, and the calls that
 * hv_soft.c makes.
 *
 * Threads: a struct cpu belongs to the thread that runs it; other threads touch only `request`
 * (through cpu_request()), `event`, `running`, `ring` and what the GIC and the TLB publish.
 */
#pragma once

#include <setjmp.h>
#include <stdatomic.h>

#include "arch/vcpu_state.h"
#include "base/bits.h"
#include "base/thread.h"
#include "cpu/broadcast.h"
#include "cpu/exmon.h"
#include "mem/gmem.h"

/* Register file indices that the decoder hands out: register number 31 is resolved at decode time
 * to SP, to a register that always reads zero, or to one that nobody reads. */
enum { REG_SP = 31, REG_ZERO = 32, REG_SINK = 33, REG_COUNT = 34 };

#define NZCV_N BIT(31)
#define NZCV_Z BIT(30)
#define NZCV_C BIT(29)
#define NZCV_V BIT(28)

#define DAIF_D BIT(9)
#define DAIF_A BIT(8)
#define DAIF_I BIT(7)
#define DAIF_F BIT(6)

union vreg {
    uint64_t d[2];
    uint32_t s[4];
    uint16_t h[8];
    uint8_t b[16];
};

/* Reasons to leave translated or predecoded code at the next block edge. */
enum cpu_request {
    CPU_REQ_KICK = 1,     /* hv_vcpu_kick(): return HV_EXIT_KICKED */
    CPU_REQ_IRQ = 2,      /* the GIC has (or lost) something for this vCPU: look again */
    CPU_REQ_MAINTAIN = 4, /* another vCPU's maintenance waits in the ring: broadcast_answer() */
    CPU_REQ_TIMER = 8,    /* a timer may have reached its compare value */
    CPU_REQ_CODE = 16,    /* drop predecoded instructions and TLB: code_drop() */
    CPU_REQ_SYNC = 32,    /* its own DSB: broadcast_wait() */
};

struct a64_insn;
struct code_cache;
struct code_page;
struct gic;
struct jit;
struct jit_log;
struct soc;
struct tlb;

/*
 * An MMIO access leaves the handler by longjmp; the instruction runs again once the VMM has
 * answered. Accesses that were answered already are replayed in order, so an instruction that makes
 * several (a pair, a vector structure) completes one access per exit.
 */
#define MMIO_REPLAY_MAX 64
struct mmio_access {
    gpa_t gpa;
    uint64_t data;
    uint8_t size;
    bool write;
};

struct mmio_replay {
    struct mmio_access access[MMIO_REPLAY_MAX];
    unsigned count; /* answered accesses of the current instruction */
    unsigned next;  /* the next to hand out while the instruction runs again */
};

/* Why cpu_run() came back. */
enum cpu_stop {
    CPU_STOP_KICKED,
    CPU_STOP_MMIO, /* c->mmio_pending is filled in; answer with cpu_mmio_done() */
    CPU_STOP_HVC,  /* HVC or SMC: X0..X3 of c->x are read and written by the caller */
    CPU_STOP_WFI,  /* nothing to do until c->wake_ns or an interrupt */
    CPU_STOP_WFE,  /* yield, then sleep a moment (50 us at most): no store wakes it */
    CPU_STOP_TRAP, /* with soc->stage2: c->trap has what EL2 gets; c->pc is at the instruction */
    CPU_STOP_ERROR /* c->reason says why */
};

/* An exception that EL2 would take; see hyp.h. */
struct cpu_trap {
    uint64_t esr; /* ESR_EL2, but for what the instruction says: ISV, SAS, SSE, SRT, SF, AR */
    gva_t far;
    gpa_t ipa;
    uint32_t raw; /* the instruction; 0 where it could not be fetched */
};

/* What EL2 wants of the guest's debugging. */
enum cpu_hyp_debug {
    CPU_HYP_DEBUG_EXCEPTIONS = 1, /* MDCR_EL2.TDE */
    CPU_HYP_DEBUG_REGS = 2,       /* MDCR_EL2.TDA */
};

/* Returns that are predicted, a power of two. */
#define JIT_RING 16

struct jit_jump {
    uint64_t tag; /* virtual address ^ key; 0: none */
    const uint8_t *host;
};

struct cpu {
    /* Hot part: what every handler touches. The first 256 bytes are reached by short offsets from
     * translated code. */
    _Atomic uint32_t request; /* enum cpu_request */
    uint32_t jit_top;         /* byte offset of the youngest entry of jit_ring */
    uint64_t nzcv;            /* bits 31:28 as in SPSR */
    uint64_t retired;         /* instructions, up to the last block edge */
    gva_t jit_va;             /* address of the page that translated code executes in */
    uint64_t jit_key;         /* context and state of the moment, for tags of jit_jump */
    uint64_t x[REG_COUNT];
    const struct a64_insn *insn;  /* the instruction being executed; NULL between two */
    const struct a64_insn *block; /* the first one that `retired` does not count yet */
    struct code_page *page;       /* the predecoded page that insn lies in */
    gva_t page_va;                /* its virtual address */
    gva_t pc;                     /* the next instruction, where insn is NULL */
    _Alignas(16) union vreg v[32];
    uint64_t fpcr, fpsr;

    /* PSTATE without NZCV. */
    uint8_t el; /* 0 or 1 */
    bool sp_sel, pan, il, ss;
    uint64_t daif;       /* DAIF_* bits */
    uint64_t sp_bank[2]; /* SP_EL0 and SP_EL1; the selected one lives in x[REG_SP] instead */
    uint8_t signals;     /* gic_signals() as of the last CPU_REQ_IRQ */
    bool fp_enabled;     /* CPACR_EL1.FPEN allows FP at the current EL; kept by mmu_update() */
    uint8_t debug_armed; /* enum debug_kind that the debug registers ask for; see debug.h */
    uint8_t debug;       /* those that may happen at the current EL; kept by debug_update() */
    uint64_t probe_mask; /* address bits that make cpu_probe() look at a whole store: memop.h */

    /* Exclusive monitor: address, size, what was seen there and in exmon.h; see excl.c. */
    gpa_t excl_gpa;
    uint64_t excl_seen;
    uint64_t excl_val[2];
    uint8_t excl_size; /* bytes, 0: open */

    struct tlb *tlb;
    struct sysregs {
#define X_(name, op0, op1, crn, crm, op2) uint64_t name;
        VCPU_SYSREGS(X_)
#undef X_
        uint64_t elr_el1, spsr_el1;
        uint64_t dbgbvr[VCPU_DEBUG_REGS], dbgbcr[VCPU_DEBUG_REGS];
        uint64_t dbgwvr[VCPU_DEBUG_REGS], dbgwcr[VCPU_DEBUG_REGS];
        uint64_t os_lock, dbgclaim;
        uint64_t cntv_ctl, cntv_cval, cntp_ctl, cntp_cval;
    } sys;
    /* Where `retired` has to be looked at, exactly; see cpu_due_at(). UINT64_MAX: nowhere. */
    uint64_t due;  /* before the instruction with this number, timer_update() is called */
    uint64_t edge; /* from here on instructions are executed one by one, so as not to miss it */

    /* Exceptions taken since the last instruction was retired; see exc.c. */
    uint64_t exc_retired;
    unsigned exc_streak;

    /* Maintenance of the vCPUs' TLBs and code by each other; see broadcast.h. */
    struct broadcast_ring ring;
    _Atomic bool running; /* inside cpu_run(): whoever waits for this vCPU has to wait */
    bool unsynced;        /* something was sent since the last DSB */

    /* The translator's; see jit/jit.h. */
    struct jit_jump jit_ring[JIT_RING];
    uint64_t jit_generation; /* of the code cache, that the jump cache is of */
    unsigned jit_wraps;      /* tlb.wraps, likewise */
    _Atomic bool in_jit;     /* inside translated code */
    struct jit_log *jit_log; /* lockstep: who is told of writes, or NULL */

    /* Cold part. */
    struct soc *soc;
    struct code_cache *code;
    unsigned index;
    uint32_t power;     /* enum vcpu_power; PSCI is the VMM's, this is only kept for it */
    _Atomic bool event; /* the event register of WFE; set by any vCPU's SEV */
    uint64_t wake_ns;   /* CPU_STOP_WFI: clock_mono_ns() of the next timer, UINT64_MAX for none */
    struct mmio_access mmio_pending;
    struct mmio_replay replay;
    struct cpu_trap trap; /* CPU_STOP_TRAP and CPU_STOP_HVC */
    uint8_t hyp_debug;    /* enum cpu_hyp_debug */
    sigjmp_buf escape;    /* back to cpu_run() from the depth of a handler */
    enum cpu_stop stop;
    char reason[256];
};

/* What the guest finds at a range of physical addresses (soc.h). */
#define SOC_RANGES_MAX 16
struct soc_range {
    gpa_t gpa;
    uint64_t size; /* bytes, whole pages */
    uint8_t *host;
    unsigned prot;                    /* SOC_READ | SOC_WRITE | SOC_EXEC */
    const struct gmem_region *region; /* whose dirty bitmap covers it, or NULL */
};

/* What all vCPUs of one machine share. */
struct soc {
    struct gmem *mem;
    struct gic *gic;
    struct cpu *_Atomic cpus[MAP_VCPUS_MAX]; /* NULL until created */
    unsigned vcpus;
    struct soc_range ranges[SOC_RANGES_MAX];
    unsigned range_count;

    /* What stage 2 allows, one byte of SOC_* bits for each 4 KiB page up to the end of the highest
     * range, in the place of the ranges' own; set once, before the first vCPU. What it forbids, or
     * no range holds, then ends cpu_run() with CPU_STOP_TRAP, and so does what EL2 traps (hyp.h).
     * NULL: nobody is above EL1, and what is not memory is a device. */
    const _Atomic uint8_t *stage2;
    struct exmon exmon;
    struct jit *jit;  /* NULL: all is interpreted */
    unsigned pa_bits; /* ID_AA64MMFR0_EL1.PARange */
    uint64_t counter_hz;
    bool deterministic;  /* one vCPU: its instructions are the clock, a nanosecond each, and */
    uint64_t skipped_ns; /* the time that it would have slept */
    _Atomic uint64_t counter_offset; /* guest counter = host time in ticks - offset */
    const struct cpu_model *model;

    /* The host's clock, which drives the counter; clock_mono_ns() but in tests. See timer_now_ns().
     */
    uint64_t (*now_ns)(void);

    /* RNDR and RNDRRS: a random number, or false when there is none now. NULL: never. Any vCPU's
     * thread. */
    bool (*random)(void *ctx, uint64_t *ret_val);
    void *random_ctx;

    /* A vCPU's next timer moved: from deadline_ns on (now_ns scale, UINT64_MAX: never) it wants
     * CPU_REQ_TIMER. Called on the vCPU's thread; NULL when nobody drives timers. */
    void (*timer_moved)(void *ctx, unsigned vcpu, uint64_t deadline_ns);
    void *timer_ctx;
};

/* Allocate a vCPU in reset state. Returns 0 or -ENOMEM. */
MUST_CHECK int cpu_create(struct soc *soc, unsigned index, struct cpu **ret_cpu, struct err *err);
void cpu_destroy(struct cpu *c);

/* Execute until there is something for the VMM to do. */
enum cpu_stop cpu_run(struct cpu *c);

/* Answer the pending MMIO access; data counts for reads. */
void cpu_mmio_done(struct cpu *c, uint64_t data);

/* Instructions that were completed. Also while one is being executed. Own thread. */
uint64_t cpu_retired(const struct cpu *c);

/* Call timer_update() when exactly `count` instructions have been completed. Own thread. */
void cpu_due_at(struct cpu *c, uint64_t count);

/* Ask the vCPU to look at something (enum cpu_request) at the next block edge. Any thread. It does
 * not wake a vCPU that sleeps outside cpu_run(): hv_soft.c does, and relies on the order being
 * sequentially consistent, lest sleeper and waker miss each other. */
static inline void cpu_request(struct cpu *c, uint32_t what)
{
    atomic_fetch_or(&c->request, what);
}

/* Architectural state in and out. A register that this CPU model lacks is refused by name. */
void cpu_get_state(struct cpu *c, struct vcpu_state *ret_state);
MUST_CHECK int cpu_set_state(struct cpu *c, const struct vcpu_state *state, struct err *err);
