/* The engine `kvm`, inside: one machine, its vCPUs, and how the parts of the engine share them. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "hv/hv_engines.h"
#include "hv/hv_kvm_uapi.h"

#define KVM_SLOTS_MAX 64

/* A memory slot: KVM knows it by its index. size 0: free. */
struct hv_kvm_slot {
    gpa_t gpa;
    uint64_t size;
    uint8_t *host;
    bool read_only;
};

struct hv_kvm_vcpu {
    struct hv_vcpu vcpu;
    int fd;
    struct kvm_run *run;        /* shared with the kernel */
    struct kvm_dirty_gfn *ring; /* shared with the kernel, or NULL */
    uint32_t ring_next;         /* counts entries taken so far */
    pthread_t thread;
    _Atomic bool kicked;
    bool incomplete;            /* the last access takes effect in the next KVM_RUN */
    const struct hv_exit *read; /* the exit that the VMM fills in, or NULL */
};

struct hv_kvm {
    struct hv hv;
    int dev, vm, vgic;
    size_t run_size;
    struct gmem *mem;
    bool portable;           /* CPU model portable, else the host's */
    unsigned pa_bits;        /* that model portable announces */
    bool has_counter_offset; /* KVM_CAP_COUNTER_OFFSET: both counters move */
    uint64_t physical_ahead; /* how far CNTPCT is ahead of CNTVCT in the guest */
    _Atomic bool ready;      /* all vCPUs and the interrupt controller are there */
    bool tracking;           /* dirty pages are logged */
    enum hv_dirty_log dirty_log;
    bool initially_set;    /* HV_DIRTY_MANUAL: all bits are set at the start */
    bool ring_bitmap;      /* HV_DIRTY_RING: slots have bitmaps besides */
    uint32_t ring_entries; /* HV_DIRTY_RING: size of a ring */
    struct hv_kvm_slot slots[KVM_SLOTS_MAX];
    struct hv_kvm_vcpu vcpus[MAP_VCPUS_MAX];
};

static inline struct hv_kvm *hv_kvm_of(struct hv *hv)
{
    return container_of(hv, struct hv_kvm, hv);
}

static inline struct hv_kvm_vcpu *hv_kvm_vcpu_of(struct hv_vcpu *vcpu)
{
    return container_of(vcpu, struct hv_kvm_vcpu, vcpu);
}

/* hv_kvm_mem.c: the ops of the same names. */
int hv_kvm_mem_map(struct hv *hv, gpa_t gpa, void *host, uint64_t size, unsigned prot,
                   struct err *err);
int hv_kvm_mem_unmap(struct hv *hv, gpa_t gpa, uint64_t size, struct err *err);
int hv_kvm_mem_protect(struct hv *hv, gpa_t gpa, uint64_t size, unsigned prot, struct err *err);

/* Tell the kernel of a slot again: its flags have changed. */
MUST_CHECK int hv_kvm_mem_update(struct hv_kvm *kvm, unsigned index, struct err *err);

/* hv_kvm_dirty.c: the ops of the same names; choose how, before anything is mapped or created. */
MUST_CHECK int hv_kvm_dirty_choose(struct hv_kvm *kvm, const struct hv_config *config,
                                   struct err *err);
int hv_kvm_dirty_start(struct hv *hv, struct err *err);
int hv_kvm_dirty_sync(struct hv *hv, struct err *err);
void hv_kvm_dirty_stop(struct hv *hv);

/* A slot has been added, or tracking has started: its log begins now, with nothing in it. */
MUST_CHECK int hv_kvm_dirty_arm(struct hv_kvm *kvm, unsigned index, struct err *err);

/* A vCPU's ring: made and freed with the vCPU; emptied when KVM says so. Own thread. */
MUST_CHECK int hv_kvm_dirty_vcpu_open(struct hv_kvm *kvm, struct hv_kvm_vcpu *v, struct err *err);
void hv_kvm_dirty_vcpu_close(struct hv_kvm *kvm, struct hv_kvm_vcpu *v);
MUST_CHECK int hv_kvm_dirty_ring_full(struct hv_kvm_vcpu *v, struct err *err);

/* hv_kvm_vcpu.c: install the handler of the kick signal; then the ops of the same names. */
MUST_CHECK int hv_kvm_vcpu_prepare(struct err *err);
int hv_kvm_vcpu_create(struct hv *hv, unsigned index, struct hv_vcpu **ret_vcpu, struct err *err);
void hv_kvm_vcpu_destroy(struct hv_vcpu *vcpu);
void hv_kvm_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit);
void hv_kvm_vcpu_kick(struct hv_vcpu *vcpu);

/* Let a pending access take effect, so that the registers are those after it. Own thread. */
void hv_kvm_vcpu_complete(struct hv_kvm_vcpu *v);

/* hv_kvm_regs.c: the ops; what a new vCPU gets; and the counters of a new machine, from zero. */
int hv_kvm_regs_get(struct hv_vcpu *vcpu, struct vcpu_state *ret_state, struct err *err);
int hv_kvm_regs_set(struct hv_vcpu *vcpu, const struct vcpu_state *state, struct err *err);
MUST_CHECK int hv_kvm_regs_get_one(const struct hv_kvm_vcpu *v, uint64_t id, void *ret_val);
MUST_CHECK int hv_kvm_regs_set_one(const struct hv_kvm_vcpu *v, uint64_t id, const void *val);
int hv_kvm_regs_set_counter(struct hv_vcpu *vcpu, uint64_t count, struct err *err);

/* hv_kvm_idregs.c: make the vCPU announce no more than CPU model portable, where KVM lets us, and
 * log what stays. */
void hv_kvm_idregs_hide(struct hv_kvm *kvm, const struct hv_kvm_vcpu *v);

/* hv_kvm_gic.c: make the controller; finish it when the last vCPU is there; set_spi; and the CPU
 * interface registers, which are part of a vCPU's state. */
MUST_CHECK int hv_kvm_gic_create(struct hv_kvm *kvm, struct err *err);
MUST_CHECK int hv_kvm_gic_finish(struct hv_kvm *kvm, struct err *err);
void hv_kvm_gic_set_spi(struct hv *hv, unsigned spi, bool level);
MUST_CHECK int hv_kvm_gic_get_icc(struct hv_kvm *kvm, unsigned index, struct vcpu_state *state,
                                  struct err *err);
MUST_CHECK int hv_kvm_gic_set_icc(struct hv_kvm *kvm, unsigned index,
                                  const struct vcpu_state *state, struct err *err);

/* One register of the controller (request: KVM_GET_DEVICE_ATTR or KVM_SET_DEVICE_ATTR), and the
 * part of its number that names a vCPU. */
MUST_CHECK int hv_kvm_gic_access(struct hv_kvm *kvm, unsigned long request, uint32_t group,
                                 uint64_t attr, void *val, struct err *err);
uint64_t hv_kvm_gic_affinity(unsigned index);

/* hv_kvm_gic_state.c: the ops gic_get, gic_set, redist_get and redist_set. */
int hv_kvm_gic_state_get(struct hv *hv, struct gic_state *state, struct err *err);
int hv_kvm_gic_state_set(struct hv *hv, const struct gic_state *state, struct err *err);
int hv_kvm_gic_state_get_redist(struct hv_vcpu *vcpu, struct gic_redist_state *ret_state,
                                struct err *err);
int hv_kvm_gic_state_set_redist(struct hv_vcpu *vcpu, const struct gic_redist_state *state,
                                struct err *err);
