/*
 * The engine `kvm`: Linux's KVM on arm64, with its GICv3. PSCI is answered in the kernel.
 *
 * Documentation/virt/kvm/api.rst of Linux is the manual, and an error names the call of it that
 * failed. The parts: hv_kvm_mem.c memory slots, hv_kvm_dirty.c dirty pages, hv_kvm_vcpu.c running,
 * hv_kvm_regs.c and hv_kvm_idregs.c registers, hv_kvm_gic.c the controller.
 */
#include "hv/hv_kvm_int.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cpu/idregs.h"

#define KVM_PATH         "/dev/kvm"
#define KVM_API          12 /* the only version there has ever been since Linux 2.6.22 */
#define KVM_IPA_BITS_MIN 32
#define KVM_IPA_BITS_OLD 40 /* of a machine of type 0, where the size cannot be asked */

static int kvm_no_permission(struct err *err)
{
    struct stat st;
    const struct group *group = stat(KVM_PATH, &st) == 0 ? getgrgid(st.st_gid) : NULL;

    if (group && st.st_mode & S_IWGRP)
        return err_set(err, EACCES,
                       KVM_PATH ": no permission; it belongs to group %s: join it "
                                "(usermod -aG %s USER) or use --accel soft",
                       group->gr_name, group->gr_name);
    return err_set(err, EACCES,
                   KVM_PATH ": no permission; ask the host's administrator, or use "
                            "--accel soft");
}

static int kvm_open(int *ret_dev, struct err *err)
{
    CLEANUP(fd_closep) int dev = open(KVM_PATH, O_RDWR | O_CLOEXEC);
    int version;

    if (dev < 0 && errno == EACCES)
        return kvm_no_permission(err);
    if (dev < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
        return err_set(err, ENOENT,
                       KVM_PATH " is not there: this kernel has no KVM, or was not "
                                "booted at EL2; use --accel soft");
    if (dev < 0)
        return err_errno(err, "open " KVM_PATH);
    version = ioctl(dev, KVM_GET_API_VERSION, 0);
    if (version < 0)
        return err_set(err, errno,
                       KVM_PATH " is not KVM: KVM_GET_API_VERSION: %s; use --accel soft",
                       strerror(errno));
    if (version != KVM_API)
        return err_set(err, ENOTSUP, KVM_PATH ": API version %d, not %d; use --accel soft", version,
                       KVM_API);
    *ret_dev = TAKE(dev, -1);
    return 0;
}

static unsigned kvm_ipa_bits_max(int dev)
{
    int bits = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);

    return bits > 0 ? (unsigned)bits : KVM_IPA_BITS_OLD;
}

static int kvm_create_vm(int dev, unsigned ipa_bits, struct err *err)
{
    unsigned long type = 0;
    int vm;

    if (ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE) > 0)
        type = KVM_VM_TYPE_ARM_IPA_SIZE(ipa_bits);
    do
        vm = ioctl(dev, KVM_CREATE_VM, type);
    while (vm < 0 && errno == EINTR);
    return vm < 0 ? err_errno(err, "KVM_CREATE_VM with %u address bits", ipa_bits) : vm;
}

static int kvm_check_gic(int vm, struct err *err)
{
    struct kvm_create_device gic = { .type = KVM_DEV_TYPE_ARM_VGIC_V3,
                                     .flags = KVM_CREATE_DEVICE_TEST };

    if (ioctl(vm, KVM_CREATE_DEVICE, &gic) < 0)
        return err_set(err, ENOTSUP,
                       "KVM on this host has no GICv3 for guests (its own is older); "
                       "use --accel soft");
    return 0;
}

static int kvm_probe(struct err *err)
{
    CLEANUP(fd_closep) int dev = -1;
    CLEANUP(fd_closep) int vm = -1;
    int rc = kvm_open(&dev, err);

    if (rc < 0)
        return rc;
    vm = kvm_create_vm(dev, kvm_ipa_bits_max(dev), err);
    return vm < 0 ? vm : kvm_check_gic(vm, err);
}

static uint64_t kvm_counter_hz(void)
{
    uint64_t hz;

    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
}

static int kvm_check_config(const struct hv_config *config, int dev, struct err *err)
{
    int vcpus = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

    if (vcpus > MAP_VCPUS_MAX || vcpus <= 0)
        vcpus = MAP_VCPUS_MAX;
    if (config->vcpus > (unsigned)vcpus)
        return err_set(err, EINVAL, "KVM on this host runs %d vCPUs at most, not %u; lower --smp",
                       vcpus, config->vcpus);
    if (strcmp(config->cpu, "portable") != 0 && strcmp(config->cpu, "host") != 0)
        return err_set(err, ENOTSUP, "KVM has no CPU model %s; use --cpu portable or --cpu host",
                       config->cpu);
    if (config->deterministic)
        return err_set(err, ENOTSUP,
                       "KVM cannot run a machine deterministically; use --accel soft");
    if (config->counter_hz && config->counter_hz != kvm_counter_hz())
        return err_set(err, ENOTSUP,
                       "a guest on KVM has the host's counter of %llu Hz, not one of %llu Hz; "
                       "use --accel soft",
                       (unsigned long long)kvm_counter_hz(),
                       (unsigned long long)config->counter_hz);
    return 0;
}

static uint64_t memory_end(const struct gmem *mem)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < mem->count; i++)
        if (mem->regions[i].gpa + mem->regions[i].size > end)
            end = mem->regions[i].gpa + mem->regions[i].size;
    return end;
}

/* Address bits that RAM and devices need, or -errno when the host has fewer. */
static int kvm_ipa_bits(const struct hv_config *config, int dev, struct err *err)
{
    unsigned bits = KVM_IPA_BITS_MIN, max = kvm_ipa_bits_max(dev);
    uint64_t end = memory_end(config->mem);

    while (bits < 64 && end > BIT(bits))
        bits++;
    if (bits > max)
        return err_set(err, ENOMEM,
                       "RAM up to address %#llx needs %u address bits and KVM on this "
                       "host has %u; lower --mem",
                       (unsigned long long)end, bits, max);
    return (int)bits;
}

/* Address bits of CPU model portable: the software CPU's rule. */
static unsigned pa_bits(const struct hv_config *config)
{
    return memory_end(config->mem) > IDREGS_BIG_RAM_END ? IDREGS_PA_BITS_BIG : IDREGS_PA_BITS_MIN;
}

static void kvm_destroy(struct hv *hv)
{
    struct hv_kvm *kvm = hv_kvm_of(hv);

    for (unsigned i = 0; i < hv->vcpus; i++)
        hv_kvm_vcpu_destroy(&kvm->vcpus[i].vcpu);
    fd_close(kvm->vgic);
    fd_close(kvm->vm);
    fd_close(kvm->dev);
    free(kvm);
}

static int kvm_build(struct hv_kvm *kvm, const struct hv_config *config, struct err *err)
{
    struct kvm_enable_cap nisv = { .cap = KVM_CAP_ARM_NISV_TO_USER };
    int rc = kvm_open(&kvm->dev, err);

    if (rc == 0)
        rc = kvm_check_config(config, kvm->dev, err);
    if (rc == 0)
        rc = kvm_ipa_bits(config, kvm->dev, err);
    if (rc < 0)
        return rc;
    kvm->vm = kvm_create_vm(kvm->dev, (unsigned)rc, err);
    if (kvm->vm < 0)
        return kvm->vm;
    rc = ioctl(kvm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (rc < (int)sizeof(struct kvm_run))
        return err_set(err, ENOTSUP,
                       "KVM_GET_VCPU_MMAP_SIZE: %d bytes are too few; use --accel soft", rc);
    kvm->run_size = (size_t)rc;
    if (ioctl(kvm->vm, KVM_ENABLE_CAP, &nisv) < 0)
        log_debug("kvm", "accesses that KVM cannot decode end the machine: %s", strerror(errno));
    kvm->has_counter_offset = ioctl(kvm->vm, KVM_CHECK_EXTENSION, KVM_CAP_COUNTER_OFFSET) > 0;
    kvm->portable = !strcmp(config->cpu, "portable");
    kvm->pa_bits = pa_bits(config);
    rc = hv_kvm_dirty_choose(kvm, config, err);
    if (rc == 0)
        rc = hv_kvm_vcpu_prepare(err);
    return rc < 0 ? rc : hv_kvm_gic_create(kvm, err);
}

static int kvm_create(const struct hv_config *config, struct hv **ret_hv, struct err *err)
{
    struct hv_kvm *kvm = calloc(1, sizeof(*kvm));
    int rc;

    if (!kvm)
        return err_set(err, ENOMEM, "KVM: out of memory");
    kvm->hv = (struct hv){ .ops = &hv_kvm_ops,
                           .caps = HV_CAP_PSCI,
                           .vcpus = config->vcpus,
                           .counter_hz = kvm_counter_hz() };
    kvm->dev = kvm->vm = kvm->vgic = -1;
    kvm->mem = config->mem;
    for (unsigned i = 0; i < MAP_VCPUS_MAX; i++)
        kvm->vcpus[i] = (struct hv_kvm_vcpu){ .vcpu = { .hv = &kvm->hv, .index = i }, .fd = -1 };
    rc = kvm_build(kvm, config, err);
    if (rc < 0) {
        kvm->hv.vcpus = 0; /* none to destroy; the number may be one that was refused */
        kvm_destroy(&kvm->hv);
        return rc;
    }
    *ret_hv = &kvm->hv;
    return 0;
}

const struct hv_ops hv_kvm_ops = {
    .name = "kvm",
    .probe = kvm_probe,
    .create = kvm_create,
    .destroy = kvm_destroy,
    .map = hv_kvm_mem_map,
    .unmap = hv_kvm_mem_unmap,
    .protect = hv_kvm_mem_protect,
    .vcpu_create = hv_kvm_vcpu_create,
    .vcpu_destroy = hv_kvm_vcpu_destroy,
    .run = hv_kvm_vcpu_run,
    .kick = hv_kvm_vcpu_kick,
    .set_spi = hv_kvm_gic_set_spi,
    .vcpu_get = hv_kvm_regs_get,
    .vcpu_set = hv_kvm_regs_set,
    .set_counter = hv_kvm_regs_set_counter,
    .gic_get = hv_kvm_gic_state_get,
    .gic_set = hv_kvm_gic_state_set,
    .redist_get = hv_kvm_gic_state_get_redist,
    .redist_set = hv_kvm_gic_state_set_redist,
    .dirty_start = hv_kvm_dirty_start,
    .dirty_sync = hv_kvm_dirty_sync,
    .dirty_stop = hv_kvm_dirty_stop,
};
