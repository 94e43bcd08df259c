/*
 * KVM memory slots.
 *
 * A slot cannot change between writable and read-only, or be split: the part in question is taken
 * out and what remains goes back in. KVM has no execute permission; HV_EXEC is not enforced.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "hv/hv_kvm_int.h"

static int mem_set_slot(struct hv_kvm *kvm, unsigned index, const struct hv_kvm_slot *slot,
                        struct err *err)
{
    struct kvm_userspace_memory_region region = {
        .slot = index,
        .flags = (slot->read_only ? KVM_MEM_READONLY : 0) |
                 (kvm->tracking && !slot->read_only ? KVM_MEM_LOG_DIRTY_PAGES : 0),
        .guest_phys_addr = slot->gpa,
        .memory_size = slot->size,
        .userspace_addr = (uintptr_t)slot->host,
    };

    if (ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        return err_errno(err, "KVM_SET_USER_MEMORY_REGION %#llx, %llu bytes",
                         (unsigned long long)slot->gpa, (unsigned long long)slot->size);
    return 0;
}

int hv_kvm_mem_update(struct hv_kvm *kvm, unsigned index, struct err *err)
{
    int rc = mem_set_slot(kvm, index, &kvm->slots[index], err);

    return rc < 0 ? rc : hv_kvm_dirty_arm(kvm, index, err);
}

static int mem_add(struct hv_kvm *kvm, struct hv_kvm_slot slot, struct err *err)
{
    int rc;

    for (unsigned i = 0; i < KVM_SLOTS_MAX; i++) {
        if (kvm->slots[i].size)
            continue;
        rc = mem_set_slot(kvm, i, &slot, err);
        if (rc < 0)
            return rc;
        kvm->slots[i] = slot;
        return hv_kvm_dirty_arm(kvm, i, err);
    }
    return err_set(err, ENOSPC, "KVM: more than %d pieces of guest memory", KVM_SLOTS_MAX);
}

static int mem_remove(struct hv_kvm *kvm, struct hv_kvm_slot *slot, struct err *err)
{
    struct hv_kvm_slot none = { .gpa = slot->gpa, .host = slot->host };
    int rc = mem_set_slot(kvm, (unsigned)(slot - kvm->slots), &none, err);

    if (rc == 0)
        *slot = (struct hv_kvm_slot){ 0 };
    return rc;
}

/* The slot that holds all of [gpa, gpa + size), or NULL. */
static struct hv_kvm_slot *mem_find(struct hv_kvm *kvm, gpa_t gpa, uint64_t size)
{
    for (unsigned i = 0; i < KVM_SLOTS_MAX; i++) {
        struct hv_kvm_slot *slot = &kvm->slots[i];
        if (gpa >= slot->gpa && gpa - slot->gpa < slot->size &&
            size <= slot->size - (gpa - slot->gpa))
            return slot;
    }
    return NULL;
}

/* A part of `whole`, from byte `skip` on. */
static struct hv_kvm_slot mem_part(const struct hv_kvm_slot *whole, uint64_t skip, uint64_t size)
{
    return (struct hv_kvm_slot){ .gpa = whole->gpa + skip,
                                 .size = size,
                                 .host = whole->host + skip,
                                 .read_only = whole->read_only };
}

/* Take [gpa, gpa + size) out of its slot; *ret_part is what it was. */
static int mem_cut(struct hv_kvm *kvm, gpa_t gpa, uint64_t size, struct hv_kvm_slot *ret_part,
                   struct err *err)
{
    struct hv_kvm_slot *slot = mem_find(kvm, gpa, size), whole;
    uint64_t before, after;
    int rc;

    if (!size || !slot)
        return err_set(err, EINVAL, "KVM: no guest memory at %#llx, %llu bytes",
                       (unsigned long long)gpa, (unsigned long long)size);
    whole = *slot;
    before = gpa - whole.gpa;
    after = whole.size - before - size;
    /* Taking a slot out also takes its dirty bits: they go to gmem first. */
    rc = kvm->tracking ? hv_kvm_dirty_sync(&kvm->hv, err) : 0;
    if (rc == 0)
        rc = mem_remove(kvm, slot, err);
    if (rc == 0 && before)
        rc = mem_add(kvm, mem_part(&whole, 0, before), err);
    if (rc == 0 && after)
        rc = mem_add(kvm, mem_part(&whole, before + size, after), err);
    if (rc == 0)
        *ret_part = mem_part(&whole, before, size);
    return rc;
}

static int mem_check_prot(unsigned prot, struct err *err)
{
    if (prot & HV_READ)
        return 0;
    return err_set(err, EINVAL, "KVM: guest memory that cannot be read; unmap it instead");
}

int hv_kvm_mem_map(struct hv *hv, gpa_t gpa, void *host, uint64_t size, unsigned prot,
                   struct err *err)
{
    struct hv_kvm_slot slot = {
        .gpa = gpa, .size = size, .host = host, .read_only = !(prot & HV_WRITE)
    };
    int rc = mem_check_prot(prot, err);

    return rc < 0 ? rc : mem_add(hv_kvm_of(hv), slot, err);
}

int hv_kvm_mem_unmap(struct hv *hv, gpa_t gpa, uint64_t size, struct err *err)
{
    struct hv_kvm_slot part;

    return mem_cut(hv_kvm_of(hv), gpa, size, &part, err);
}

int hv_kvm_mem_protect(struct hv *hv, gpa_t gpa, uint64_t size, unsigned prot, struct err *err)
{
    struct hv_kvm *kvm = hv_kvm_of(hv);
    struct hv_kvm_slot part;
    int rc = mem_check_prot(prot, err);

    if (rc == 0)
        rc = mem_cut(kvm, gpa, size, &part, err);
    if (rc < 0)
        return rc;
    part.read_only = !(prot & HV_WRITE);
    return mem_add(kvm, part, err);
}
