/*
 * KVM vCPUs: making them, running them, and stopping them from outside.
 *
 * A kick is a flag, KVM's own immediate_exit, and a signal whose handler does nothing: the signal
 * ends a KVM_RUN that is under way, immediate_exit one that is about to begin.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/psci.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/hv_kvm_int.h"

static int kick_signal(void)
{
    return SIGRTMIN;
}

static void on_kick(int number)
{
    (void)number;
}

int hv_kvm_vcpu_prepare(struct err *err)
{
    struct sigaction action = { .sa_handler = on_kick, .sa_flags = SA_RESTART };

    if (sigaction(kick_signal(), &action, NULL) < 0)
        return err_errno(err, "KVM: signal %d", kick_signal());
    return 0;
}

/* Threads are born with all signals blocked. */
static int vcpu_accept_kicks(struct hv_kvm_vcpu *v, struct err *err)
{
    sigset_t set;
    int rc;

    v->thread = pthread_self();
    sigemptyset(&set);
    sigaddset(&set, kick_signal());
    rc = pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return rc ? err_set(err, rc, "KVM: signal %d: %s", kick_signal(), strerror(rc)) : 0;
}

/* Guests see PSCI 1.1 everywhere; an older kernel's 1.0 or 0.2 is good enough for Linux. */
static void vcpu_set_psci(const struct hv_kvm_vcpu *v)
{
    uint64_t version = PSCI_VERSION_1_1;

    if (hv_kvm_regs_set_one(v, KVM_REG_ARM_PSCI_VERSION, &version) < 0)
        log_debug("kvm", "PSCI is older than 1.1");
}

static int vcpu_init(struct hv_kvm *kvm, struct hv_kvm_vcpu *v, struct err *err)
{
    struct kvm_vcpu_init init;

    if (ioctl(kvm->vm, KVM_ARM_PREFERRED_TARGET, &init) < 0)
        return err_errno(err, "KVM_ARM_PREFERRED_TARGET");
    init.features[0] = BIT(KVM_ARM_VCPU_PSCI_0_2);
    if (v->vcpu.index != 0)
        init.features[0] |= BIT(KVM_ARM_VCPU_POWER_OFF);
    /* What a guest does not see it need not save: the keys come with CPU model host. */
    if (!kvm->portable && ioctl(kvm->vm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_PTRAUTH_ADDRESS) > 0 &&
        ioctl(kvm->vm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_PTRAUTH_GENERIC) > 0)
        init.features[0] |= BIT(KVM_ARM_VCPU_PTRAUTH_ADDRESS) | BIT(KVM_ARM_VCPU_PTRAUTH_GENERIC);
    if (ioctl(v->fd, KVM_ARM_VCPU_INIT, &init) < 0)
        return err_errno(err, "KVM_ARM_VCPU_INIT %u", v->vcpu.index);
    return 0;
}

static int vcpu_open(struct hv_kvm *kvm, struct hv_kvm_vcpu *v, struct err *err)
{
    int rc;

    v->fd = ioctl(kvm->vm, KVM_CREATE_VCPU, (unsigned long)v->vcpu.index);
    if (v->fd < 0)
        return err_errno(err, "KVM_CREATE_VCPU %u", v->vcpu.index);
    v->run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
    if (v->run == MAP_FAILED) {
        v->run = NULL;
        return err_errno(err, "KVM: map vCPU %u", v->vcpu.index);
    }
    rc = hv_kvm_dirty_vcpu_open(kvm, v, err);
    if (rc == 0)
        rc = vcpu_init(kvm, v, err);
    if (rc < 0)
        return rc;
    vcpu_set_psci(v);
    if (kvm->portable)
        hv_kvm_idregs_hide(kvm, v);
    return 0;
}

int hv_kvm_vcpu_create(struct hv *hv, unsigned index, struct hv_vcpu **ret_vcpu, struct err *err)
{
    struct hv_kvm *kvm = hv_kvm_of(hv);
    struct hv_kvm_vcpu *v;
    int rc;

    if (index >= hv->vcpus || kvm->vcpus[index].run)
        return err_set(err, EINVAL, "vCPU %u exists already, or is not part of the machine", index);
    v = &kvm->vcpus[index];
    rc = vcpu_accept_kicks(v, err);
    if (rc == 0)
        rc = vcpu_open(kvm, v, err);
    if (rc == 0 && index == hv->vcpus - 1)
        rc = hv_kvm_gic_finish(kvm, err);
    if (rc == 0 && index == hv->vcpus - 1)
        rc = hv_kvm_regs_set_counter(&v->vcpu, 0, err);
    if (rc < 0) {
        hv_kvm_vcpu_destroy(&v->vcpu);
        return rc;
    }
    *ret_vcpu = &v->vcpu;
    return 0;
}

void hv_kvm_vcpu_destroy(struct hv_vcpu *vcpu)
{
    struct hv_kvm_vcpu *v = hv_kvm_vcpu_of(vcpu);

    hv_kvm_dirty_vcpu_close(hv_kvm_of(vcpu->hv), v);
    if (v->run)
        munmap(v->run, hv_kvm_of(vcpu->hv)->run_size);
    fd_close(v->fd);
    v->run = NULL;
    v->fd = -1;
}

void hv_kvm_vcpu_kick(struct hv_vcpu *vcpu)
{
    struct hv_kvm_vcpu *v = hv_kvm_vcpu_of(vcpu);

    /* In this order: run() clears immediate_exit before it looks at the flag, so that a kick is
     * seen by one of the two. */
    atomic_store(&v->kicked, true);
    __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    pthread_kill(v->thread, kick_signal());
}

static bool vcpu_was_kicked(struct hv_kvm_vcpu *v)
{
    __atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    return atomic_exchange(&v->kicked, false);
}

static void exit_error(const struct hv_kvm_vcpu *v, struct hv_exit *exit, const char *what)
{
    uint64_t pc = 0;

    if (hv_kvm_regs_get_one(
            v, KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc),
            &pc) < 0)
        pc = 0;
    *exit = (struct hv_exit){ .kind = HV_EXIT_ERROR };
    snprintf(exit->reason, sizeof(exit->reason), "KVM cannot go on at pc %#llx: %s",
             (unsigned long long)pc, what);
}

static void exit_errno(const struct hv_kvm_vcpu *v, struct hv_exit *exit, const char *call)
{
    struct err err;

    err_errno(&err, "%s", call);
    exit_error(v, exit, err.msg);
}

/* Hand the VMM's answer over; the access takes effect in the next KVM_RUN. */
static void vcpu_answer(struct hv_kvm_vcpu *v)
{
    if (v->read)
        store_le64(v->run->mmio.data, v->read->mmio.data);
    v->read = NULL;
}

static void exit_mmio(struct hv_kvm_vcpu *v, struct hv_exit *exit)
{
    const struct kvm_run *run = v->run;
    bool write = run->mmio.is_write;

    *exit = (struct hv_exit){
        .kind = write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ,
        .mmio = { .gpa = run->mmio.phys_addr, .size = run->mmio.len },
    };
    if (write)
        memcpy(&exit->mmio.data, run->mmio.data,
               run->mmio.len < 8 ? run->mmio.len : sizeof(exit->mmio.data));
    v->read = write ? NULL : exit;
    v->incomplete = true;
}

/* The guest touched a device with an instruction whose syndrome says nothing about it (a pair, a
 * vector, write-back): Arm DDI 0487, ISS encoding for a Data Abort, ISV = 0. It gets an abort. */
static bool vcpu_inject_abort(const struct hv_kvm_vcpu *v)
{
    struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };

    log_guest("kvm", "vCPU %u: ignored an access to %#llx by an instruction without a syndrome",
              v->vcpu.index, (unsigned long long)v->run->arm_nisv.fault_ipa);
    return ioctl(v->fd, KVM_SET_VCPU_EVENTS, &events) == 0;
}

static void exit_system_event(const struct hv_kvm_vcpu *v, struct hv_exit *exit)
{
    char what[80];

    switch (v->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        *exit = (struct hv_exit){ .kind = HV_EXIT_OFF };
        break;
    case KVM_SYSTEM_EVENT_RESET:
        *exit = (struct hv_exit){ .kind = HV_EXIT_RESET };
        break;
    default:
        snprintf(what, sizeof(what), "KVM_EXIT_SYSTEM_EVENT of type %u", v->run->system_event.type);
        exit_error(v, exit, what);
        break;
    }
}

/* The exits that none of our machines should see. */
static const char *exit_name(uint32_t reason)
{
    switch (reason) {
    case KVM_EXIT_INTERNAL_ERROR:
        return "KVM_EXIT_INTERNAL_ERROR";
    case KVM_EXIT_DEBUG:
        return "KVM_EXIT_DEBUG";
    case KVM_EXIT_HYPERCALL:
        return "KVM_EXIT_HYPERCALL";
    case KVM_EXIT_MEMORY_FAULT:
        return "KVM_EXIT_MEMORY_FAULT";
    case KVM_EXIT_ARM_NISV:
        return "KVM_EXIT_ARM_NISV";
    default:
        return "exit reason";
    }
}

/* Returns true when exit is filled in. */
static bool vcpu_stopped(struct hv_kvm_vcpu *v, struct hv_exit *exit)
{
    struct err err;
    char what[80];

    switch (v->run->exit_reason) {
    case KVM_EXIT_MMIO:
        exit_mmio(v, exit);
        return true;
    case KVM_EXIT_SYSTEM_EVENT:
        exit_system_event(v, exit);
        return true;
    case KVM_EXIT_INTR:
        return false;
    case KVM_EXIT_DIRTY_RING_FULL:
        if (hv_kvm_dirty_ring_full(v, &err) == 0)
            return false;
        exit_error(v, exit, err.msg);
        return true;
    case KVM_EXIT_ARM_NISV:
        if (vcpu_inject_abort(v))
            return false;
        exit_errno(v, exit, "KVM_SET_VCPU_EVENTS");
        return true;
    case KVM_EXIT_FAIL_ENTRY:
        snprintf(what, sizeof(what), "KVM_EXIT_FAIL_ENTRY, reason %#llx",
                 (unsigned long long)v->run->fail_entry.hardware_entry_failure_reason);
        exit_error(v, exit, what);
        return true;
    default:
        break;
    }
    snprintf(what, sizeof(what), "%s (%u)", exit_name(v->run->exit_reason), v->run->exit_reason);
    exit_error(v, exit, what);
    return true;
}

void hv_kvm_vcpu_run(struct hv_vcpu *vcpu, struct hv_exit *exit)
{
    struct hv_kvm_vcpu *v = hv_kvm_vcpu_of(vcpu);

    vcpu_answer(v);
    for (;;) {
        int rc = ioctl(v->fd, KVM_RUN, 0);

        /* Whatever came of it: an access that was pending has taken effect. */
        v->incomplete = false;
        if (rc == 0) {
            if (vcpu_stopped(v, exit))
                return;
        } else if (errno == EINTR) {
            if (vcpu_was_kicked(v)) {
                *exit = (struct hv_exit){ .kind = HV_EXIT_KICKED };
                return;
            }
        } else if (errno != EAGAIN) {
            exit_errno(v, exit, "KVM_RUN");
            return;
        }
    }
}

void hv_kvm_vcpu_complete(struct hv_kvm_vcpu *v)
{
    if (!v->incomplete)
        return;
    vcpu_answer(v);
    __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    (void)ioctl(v->fd, KVM_RUN, 0);
    v->incomplete = false;
    /* A kick that came meanwhile must survive. */
    __atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (atomic_load(&v->kicked))
        __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}
