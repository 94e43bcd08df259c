/*
 * KVM's log of the pages that the guest writes, in the best form that the host has.
 *
 * bitmap  Each slot has one. KVM_GET_DIRTY_LOG fetches it, clears it and protects the pages anew.
 * manual  The same, but KVM_CLEAR_DIRTY_LOG does the clearing. Where KVM can, all bits are set at
 *         the start and nothing is protected before they are cleared.
 * ring    Each vCPU has a ring of the pages that it wrote, so that the work depends on their number
 *         and not on the size of RAM. What is written for no vCPU goes to the slots' bitmaps.
 *
 * A vCPU whose ring is full empties it within run(); all else is done while none runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "hv/hv_kvm_int.h"

#define RING_ENTRIES 4096 /* 16 MiB written between two exits; takes 64 KiB a vCPU */
#define RING_SLOT    BITS(15, 0)

static const char *const names[] = {
    [HV_DIRTY_BITMAP] = "bitmap",
    [HV_DIRTY_MANUAL] = "bitmap with manual protection",
    [HV_DIRTY_RING] = "ring",
};

static uint64_t host_page(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static int enable(struct hv_kvm *kvm, uint32_t cap, uint64_t arg)
{
    struct kvm_enable_cap what = { .cap = cap, .args = { arg } };

    return ioctl(kvm->vm, KVM_ENABLE_CAP, &what) < 0 ? -errno : 0;
}

static int check(const struct hv_kvm *kvm, uint32_t cap)
{
    int rc = ioctl(kvm->vm, KVM_CHECK_EXTENSION, cap);

    return rc > 0 ? rc : 0;
}

/* ---- choosing ---- */

static int choose_ring(struct hv_kvm *kvm, unsigned entries)
{
    uint64_t max = (uint64_t)check(kvm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL);
    uint64_t bytes = (entries ? entries : RING_ENTRIES) * sizeof(struct kvm_dirty_gfn);
    int rc;

    if (!max)
        return -ENOTSUP;
    if (bytes > max)
        bytes = max;
    rc = enable(kvm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, bytes);
    if (rc < 0)
        return rc;
    kvm->ring_entries = (uint32_t)(bytes / sizeof(struct kvm_dirty_gfn));
    kvm->ring_bitmap = check(kvm, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP) &&
                       enable(kvm, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 0) == 0;
    return 0;
}

static int choose_manual(struct hv_kvm *kvm)
{
    uint64_t offered = (uint64_t)check(kvm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);

    if (!(offered & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE))
        return -ENOTSUP;
    kvm->initially_set = offered & KVM_DIRTY_LOG_INITIALLY_SET;
    return enable(kvm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
                  offered & (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET));
}

int hv_kvm_dirty_choose(struct hv_kvm *kvm, const struct hv_config *config, struct err *err)
{
    int rc = -ENOTSUP;

    if (config->dirty_log == HV_DIRTY_AUTO || config->dirty_log == HV_DIRTY_RING) {
        kvm->dirty_log = HV_DIRTY_RING;
        rc = choose_ring(kvm, config->dirty_ring);
    }
    if (config->dirty_log == HV_DIRTY_MANUAL || (config->dirty_log == HV_DIRTY_AUTO && rc < 0)) {
        kvm->dirty_log = HV_DIRTY_MANUAL;
        rc = choose_manual(kvm);
    }
    if (config->dirty_log == HV_DIRTY_BITMAP || (config->dirty_log == HV_DIRTY_AUTO && rc < 0)) {
        kvm->dirty_log = HV_DIRTY_BITMAP;
        rc = 0;
    }
    if (rc < 0)
        return err_set(err, -rc,
                       "KVM on this host has no log of dirty pages as a %s: %s; leave the "
                       "choice to the engine",
                       names[kvm->dirty_log], strerror(-rc));
    log_debug("kvm", "log of dirty pages: %s", names[kvm->dirty_log]);
    return 0;
}

/* ---- rings ---- */

int hv_kvm_dirty_vcpu_open(struct hv_kvm *kvm, struct hv_kvm_vcpu *v, struct err *err)
{
    void *ring;

    if (kvm->dirty_log != HV_DIRTY_RING)
        return 0;
    ring = mmap(NULL, kvm->ring_entries * sizeof(*v->ring), PROT_READ | PROT_WRITE, MAP_SHARED,
                v->fd, (off_t)(KVM_DIRTY_LOG_PAGE_OFFSET * host_page()));
    if (ring == MAP_FAILED)
        return err_errno(err, "KVM: map the ring of dirty pages of vCPU %u", v->vcpu.index);
    v->ring = ring;
    v->ring_next = 0;
    return 0;
}

/* Hand over what is in a ring; the kernel takes the places back at KVM_RESET_DIRTY_RINGS. */
static void ring_drain(struct hv_kvm *kvm, struct hv_kvm_vcpu *v)
{
    uint64_t page = host_page();

    for (;; v->ring_next++) {
        struct kvm_dirty_gfn *entry = &v->ring[v->ring_next % kvm->ring_entries];
        unsigned slot;

        if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
            return;
        slot = entry->slot & RING_SLOT;
        if (kvm->tracking && slot < KVM_SLOTS_MAX)
            gmem_mark_dirty(kvm->mem, kvm->slots[slot].gpa + entry->offset * page, page);
        __atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
    }
}

static int rings_reset(struct hv_kvm *kvm, struct err *err)
{
    if (ioctl(kvm->vm, KVM_RESET_DIRTY_RINGS, 0) < 0)
        return err_errno(err, "KVM_RESET_DIRTY_RINGS");
    return 0;
}

static int rings_sync(struct hv_kvm *kvm, struct err *err)
{
    for (unsigned i = 0; i < kvm->hv.vcpus; i++)
        if (kvm->vcpus[i].ring)
            ring_drain(kvm, &kvm->vcpus[i]);
    return rings_reset(kvm, err);
}

int hv_kvm_dirty_ring_full(struct hv_kvm_vcpu *v, struct err *err)
{
    struct hv_kvm *kvm = hv_kvm_of(v->vcpu.hv);

    ring_drain(kvm, v);
    return rings_reset(kvm, err);
}

void hv_kvm_dirty_vcpu_close(struct hv_kvm *kvm, struct hv_kvm_vcpu *v)
{
    if (!v->ring)
        return;
    ring_drain(kvm, v);
    munmap(v->ring, kvm->ring_entries * sizeof(*v->ring));
    v->ring = NULL;
}

/* ---- bitmaps ---- */

static uint64_t *slot_bitmap(const struct hv_kvm_slot *slot, uint64_t *ret_words)
{
    *ret_words = (slot->size / host_page() + 63) / 64;
    return calloc(*ret_words, sizeof(uint64_t));
}

static int clear_log(struct hv_kvm *kvm, unsigned index, uint64_t *bits, struct err *err)
{
    struct kvm_clear_dirty_log log = {
        .slot = index,
        .num_pages = (uint32_t)(kvm->slots[index].size / host_page()),
        .dirty_bitmap = bits,
    };

    if (ioctl(kvm->vm, KVM_CLEAR_DIRTY_LOG, &log) < 0)
        return err_errno(err, "KVM_CLEAR_DIRTY_LOG, memory at %#llx",
                         (unsigned long long)kvm->slots[index].gpa);
    return 0;
}

int hv_kvm_dirty_arm(struct hv_kvm *kvm, unsigned index, struct err *err)
{
    const struct hv_kvm_slot *slot = &kvm->slots[index];
    uint64_t words;

    if (!kvm->tracking || slot->read_only || kvm->dirty_log != HV_DIRTY_MANUAL ||
        !kvm->initially_set)
        return 0;
    CLEANUP(freep) uint64_t *bits = slot_bitmap(slot, &words);
    if (!bits)
        return err_set(err, ENOMEM, "KVM: log of dirty pages: out of memory");
    memset(bits, 0xff, words * sizeof(*bits));
    return clear_log(kvm, index, bits, err);
}

/* The kernel's granule is its own page, which may be larger than gmem's. */
static bool mark(struct hv_kvm *kvm, const struct hv_kvm_slot *slot, const uint64_t *bits,
                 uint64_t words)
{
    uint64_t page = host_page();
    bool any = false;

    for (uint64_t i = 0; i < words; i++)
        for (uint64_t word = bits[i]; word; word &= word - 1, any = true)
            gmem_mark_dirty(kvm->mem, slot->gpa + (i * 64 + (unsigned)__builtin_ctzll(word)) * page,
                            page);
    return any;
}

static int bitmap_sync(struct hv_kvm *kvm, unsigned index, struct err *err)
{
    const struct hv_kvm_slot *slot = &kvm->slots[index];
    uint64_t words;

    if (!slot->size || slot->read_only)
        return 0;
    CLEANUP(freep) uint64_t *bits = slot_bitmap(slot, &words);
    struct kvm_dirty_log log = { .slot = index, .dirty_bitmap = bits };
    if (!bits)
        return err_set(err, ENOMEM, "KVM: log of dirty pages: out of memory");
    if (ioctl(kvm->vm, KVM_GET_DIRTY_LOG, &log) < 0)
        return err_errno(err, "KVM_GET_DIRTY_LOG, memory at %#llx", (unsigned long long)slot->gpa);
    if (mark(kvm, slot, bits, words) && kvm->dirty_log == HV_DIRTY_MANUAL)
        return clear_log(kvm, index, bits, err);
    return 0;
}

/* ---- the ops ---- */

static int set_tracking(struct hv_kvm *kvm, bool on, struct err *err)
{
    int rc = 0;

    kvm->tracking = on;
    for (unsigned i = 0; i < KVM_SLOTS_MAX && rc == 0; i++)
        if (kvm->slots[i].size)
            rc = hv_kvm_mem_update(kvm, i, err);
    return rc;
}

int hv_kvm_dirty_start(struct hv *hv, struct err *err)
{
    int rc = set_tracking(hv_kvm_of(hv), true, err);

    if (rc < 0)
        hv_kvm_dirty_stop(hv);
    return rc;
}

void hv_kvm_dirty_stop(struct hv *hv)
{
    struct hv_kvm *kvm = hv_kvm_of(hv);
    struct err err;

    if (set_tracking(kvm, false, &err) < 0)
        log_error("kvm", "%s", err.msg);
    /* A later start finds the rings empty. */
    if (kvm->dirty_log == HV_DIRTY_RING && rings_sync(kvm, &err) < 0)
        log_error("kvm", "%s", err.msg);
}

int hv_kvm_dirty_sync(struct hv *hv, struct err *err)
{
    struct hv_kvm *kvm = hv_kvm_of(hv);
    int rc = 0;

    if (kvm->dirty_log == HV_DIRTY_RING) {
        rc = rings_sync(kvm, err);
        if (!kvm->ring_bitmap)
            return rc;
    }
    for (unsigned i = 0; i < KVM_SLOTS_MAX && rc == 0; i++)
        rc = bitmap_sync(kvm, i, err);
    return rc;
}
