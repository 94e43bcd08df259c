/* What the files of room vmm share about a machine. Not for other rooms. */
#pragma once

#include "base/evloop.h"
#include "base/thread.h"
#include "dev/bus.h"
#include "vmm/boot.h"
#include "vmm/devmgr.h"
#include "vmm/entropy.h"
#include "vmm/machine.h"

typedef int (*vcpu_call_fn)(struct hv_vcpu *hv, void *arg, struct err *err);

struct vcpu {
    struct machine *machine;
    unsigned index;
    struct thread thread;
    struct hv_vcpu *hv; /* lives and dies on the vCPU's own thread */

    /* machine.lock: */
    bool ready;            /* hv exists, or creating it failed: */
    struct err failed;     /* why */
    bool parked;           /* not in run(), and will not enter it while paused */
    enum vcpu_power power; /* PSCI, where the engine does not keep it */
    bool start;            /* CPU_ON came: set entry and context before running */
    uint64_t entry, context;
    vcpu_call_fn call; /* work for the vCPU's own thread while parked */
    void *call_arg;
    int call_rc;
    struct err *call_err;
};

struct machine {
    struct machine_config config;
    struct gmem *mem;
    struct evloop *loop;
    struct ev_task *hold_task; /* pause.c: holds the I/O thread */
    struct thread io_thread;
    struct bus bus;
    struct devmgr *devs;
    struct boot_info boot;
    struct entropy entropy;
    struct hv *hv;

    struct lock lock;
    struct cond cond; /* any of the fields below, or of a vCPU, has changed */
    unsigned pauses;
    bool io_held;         /* the I/O thread waits in pause.c */
    bool crowded;         /* deterministic: the vCPU waits for room in the console's buffer */
    bool reset;           /* the guest asked to start over */
    bool restarting;      /* machine_run() is at it: parts come and go */
    bool frozen;          /* this and the next: the caller's of machine_freeze() */
    uint64_t frozen_at;   /* the guest's counter, while frozen */
    bool joining;         /* vCPU threads are to leave */
    enum machine_end end; /* MACHINE_RUNNING until it is decided */
    struct err reason;    /* for MACHINE_FAILED */
    uint64_t insns;       /* retired by vCPUs that are gone */
    struct vcpu vcpus[MAP_VCPUS_MAX];
};

/* Decide how the machine ends; the first caller wins. Any thread, lock not held. */
void machine_end(struct machine *machine, enum machine_end end);
void machine_fail(struct machine *machine, const char *fmt, ...) PRINTF(2, 3);

/* Ask for a restart (or the end, with config.no_reboot). vCPU threads. */
void machine_reset(struct machine *machine);

/* vcpu.c: threads. start creates one a vCPU and returns when all exist, parked; join ends them. */
MUST_CHECK int vcpu_start_all(struct machine *machine, struct err *err);
void vcpu_join_all(struct machine *machine);
void vcpu_kick_all_locked(struct machine *machine) REQUIRES(machine->lock);

/* Registers of a first vCPU at boot, or of one that CPU_ON starts. */
void vcpu_entry_state(const struct vcpu *vcpu, struct vcpu_state *ret_state);

/* Run fn on the vCPU's own thread, which is parked. Returns what fn returned. */
int vcpu_call(struct vcpu *vcpu, vcpu_call_fn fn, void *arg, struct err *err);

/* There is room in the console's buffer again. Any thread, lock not held. */
void vcpu_console_room(struct machine *machine);

/* psci.c: answer an SMCCC call in x[0..7]; results in x[0..3]. The vCPU's own thread. */
void psci_call(struct vcpu *vcpu, uint64_t x[8]);
