/*
 * The seam: the VMM reaches a CPU only through one table of operations. An engine is one file
 * (hv_soft.c, hv_kvm.c, hv_hvf.c); adding a fourth means one new file and a row in hv.c.
 *
 * Threads: create, map and destroy on one thread while no vCPU runs. A vCPU is created, run, read,
 * written and destroyed on its own thread (Hypervisor.framework demands it). kick and set_spi: any
 * thread. Distributor state and dirty bits: while every vCPU is out of run().
 */
#pragma once

#include "arch/vcpu_state.h"
#include "base/bits.h"
#include "base/err.h"
#include "mem/gmem.h"

#define HV_REASON_MAX 256

enum hv_exit_kind {
    HV_EXIT_MMIO_READ,  /* fill mmio.data; the next run() completes the instruction */
    HV_EXIT_MMIO_WRITE, /* mmio.data holds the value, zero-extended */
    HV_EXIT_SMCCC,      /* HVC or SMC: read and write smccc.x; the next run() returns them */
    HV_EXIT_IDLE,       /* WFI, only from an engine that cannot block by itself */
    HV_EXIT_OFF,        /* the guest asked to power off (engines that answer PSCI) */
    HV_EXIT_RESET,      /* the guest asked for a reset (engines that answer PSCI) */
    HV_EXIT_BREAKPOINT, /* a debug exception that the host asked for */
    HV_EXIT_KICKED,     /* hv_vcpu_kick() */
    HV_EXIT_ERROR,      /* the vCPU cannot go on; reason is one printable sentence */
};

struct hv_exit {
    enum hv_exit_kind kind;
    union {
        struct {
            gpa_t gpa;
            uint32_t size; /* bytes: 1, 2, 4, 8 */
            uint64_t data;
        } mmio;
        struct {
            uint64_t x[8]; /* in: X0..X7; out: X0..X3 */
        } smccc;
        struct {
            gva_t pc;
        } brk;
        char reason[HV_REASON_MAX];
    };
};

enum hv_caps {
    HV_CAP_PSCI = 1,        /* answers PSCI itself */
    HV_CAP_ANY_COUNTER = 2, /* takes any counter frequency */
    HV_CAP_EXACT_CPU = 4,   /* the guest sees the CPU model and nothing more */
};

enum hv_prot { HV_READ = 1, HV_WRITE = 2, HV_EXEC = 4 };

/* Translation, where the engine is a software CPU ("soft"). */
enum hv_jit_mode {
    HV_JIT_AUTO,     /* if this host has a translator */
    HV_JIT_ON,       /* or fail */
    HV_JIT_OFF,      /* interpret */
    HV_JIT_LOCKSTEP, /* check translated code against the interpreter; one vCPU */
};

struct hv_jit {
    enum hv_jit_mode mode;
    uint64_t cache_bytes; /* host code that is kept; 0: the engine's own choice */
    bool stats;           /* log at the end what it did */
    bool perf;            /* names of its code for profilers */
    bool dump;            /* log translations of the instruction at dump_va */
    gva_t dump_va;
};

/* How an engine with a choice ("kvm") learns which pages the guest writes. */
enum hv_dirty_log {
    HV_DIRTY_AUTO,   /* the last of those below that the host has; each of those: it, or fail */
    HV_DIRTY_BITMAP, /* a bitmap that is fetched and cleared at once */
    HV_DIRTY_MANUAL, /* a bitmap that is cleared by pieces */
    HV_DIRTY_RING,   /* a ring of pages for each vCPU */
};

struct hv_config {
    struct gmem *mem;    /* outlives the machine; the engine maps nothing by itself */
    unsigned vcpus;      /* 1..MAP_VCPUS_MAX */
    const char *cpu;     /* CPU model: "portable", "max", "host" */
    uint64_t counter_hz; /* HV_CAP_ANY_COUNTER engines; 0 is the engine's own */
    /* For a CPU model with RNDR: a random number, or false when there is none now. NULL: never. Any
     * vCPU's thread. */
    bool (*random)(void *ctx, uint64_t *ret_val);
    void *random_ctx;
    struct hv_jit jit;
    bool deterministic; /* time follows the instructions: "soft" with one vCPU, else refused */
    bool granule_4k; /* "hvf": map and track 4 KiB pages, not 16 KiB ones; macOS 26, else refused */
    enum hv_dirty_log dirty_log;
    unsigned dirty_ring; /* pages in a vCPU's ring, a power of two; 0 is the engine's own choice */
};

struct hv_ops;

/* Engines embed these two. */
struct hv {
    const struct hv_ops *ops;
    unsigned caps; /* enum hv_caps */
    unsigned vcpus;
    uint64_t counter_hz; /* CNTFRQ_EL0 as the guest sees it */
};

struct hv_vcpu {
    struct hv *hv;
    unsigned index;
};

struct hv_ops {
    const char *name; /* "soft", "kvm", "hvf" */

    /* Can this host do it? 0, or -errno with one sentence that says why not and the way out. */
    int (*probe)(struct err *err);

    int (*create)(const struct hv_config *config, struct hv **ret_hv, struct err *err);
    void (*destroy)(struct hv *hv); /* every vCPU is destroyed before */

    /* Whole pages; prot is enum hv_prot. An access that prot forbids, or to nothing, is an MMIO
     * exit. */
    int (*map)(struct hv *hv, gpa_t gpa, void *host, uint64_t size, unsigned prot, struct err *err);
    int (*unmap)(struct hv *hv, gpa_t gpa, uint64_t size, struct err *err);
    int (*protect)(struct hv *hv, gpa_t gpa, uint64_t size, unsigned prot, struct err *err);

    /* vCPUs are created in index order. A new one is in reset, off unless index is 0. */
    int (*vcpu_create)(struct hv *hv, unsigned index, struct hv_vcpu **ret_vcpu, struct err *err);
    void (*vcpu_destroy)(struct hv_vcpu *vcpu);

    /* Run until an exit. An engine with HV_CAP_PSCI blocks here while the vCPU is off. Never
     * fails: what goes wrong is HV_EXIT_ERROR. *exit, with the answer in it, stays valid until the
     * next call for this vCPU. */
    void (*run)(struct hv_vcpu *vcpu, struct hv_exit *exit);

    /* Make the current or the next run() return HV_EXIT_KICKED soon. Sticky, any thread. */
    void (*kick)(struct hv_vcpu *vcpu);

    void (*set_spi)(struct hv *hv, unsigned spi, bool level); /* any thread; spi < GIC_SPIS */

    /* A pending MMIO or SMCCC exit is completed first. set leaves the counter alone: all vCPUs
     * share it, and set_counter makes it read count from now on. Any vCPU's own thread. */
    int (*vcpu_get)(struct hv_vcpu *vcpu, struct vcpu_state *ret_state, struct err *err);
    int (*vcpu_set)(struct hv_vcpu *vcpu, const struct vcpu_state *state, struct err *err);
    int (*set_counter)(struct hv_vcpu *vcpu, uint64_t count, struct err *err);

    /* The interrupt controller in two parts: all but `redist` by gic_get and gic_set, each entry of
     * `redist`, which these leave alone, on its vCPU's own thread. When a state is set, the
     * distributor comes first, and a redistributor before its vCPU's registers. */
    int (*gic_get)(struct hv *hv, struct gic_state *state, struct err *err);
    int (*gic_set)(struct hv *hv, const struct gic_state *state, struct err *err);
    int (*redist_get)(struct hv_vcpu *vcpu, struct gic_redist_state *ret_state, struct err *err);
    int (*redist_set)(struct hv_vcpu *vcpu, const struct gic_redist_state *state, struct err *err);

    /* Dirty tracking of what the guest writes; the host side marks gmem's bitmap itself. sync
     * moves the engine's bits into gmem's bitmap (marking, never clearing) and re-arms. */
    int (*dirty_start)(struct hv *hv, struct err *err);
    int (*dirty_sync)(struct hv *hv, struct err *err);
    void (*dirty_stop)(struct hv *hv);

    /* Guest time since the machine was created, where config.deterministic is taken. While the vCPU
     * is out of run(). */
    uint64_t (*guest_ns)(const struct hv *hv);

    /* Optional: instructions retired by the vCPU so far. Own thread, or any while it is stopped. */
    uint64_t (*insn_count)(const struct hv_vcpu *vcpu);
};

/* Find an engine: "soft", "kvm", "hvf", or "auto" for the first of hvf, kvm, soft that probes well:
 * which that is, and why not those before it, is a line of the log at LOG_DEBUG. Returns 0, or
 * -errno with one sentence that names the engine and the way out. */
MUST_CHECK int hv_find(const char *name, const struct hv_ops **ret_ops, struct err *err);

/* One of the engines that ignition has, on this host. */
struct hv_probe {
    const char *name;
    bool built_in;  /* part of this build */
    bool works;     /* on this host, now */
    struct err why; /* where it does not: one sentence */
};

/* Try an engine, by its place in the order of "auto", from 0. Nothing is left behind by it. Returns
 * false past the last. */
bool hv_probe(unsigned index, struct hv_probe *ret_probe);
