/* CPU model portable on KVM. ID registers can be written from Linux 6.7 on, which also tells
 * beforehand which fields. */
#include <sys/ioctl.h>

#include "cpu/idregs.h"
#include "hv/hv_idregs.h"
#include "hv/hv_kvm_int.h"

struct ids {
    struct hv_idregs_vcpu idregs;
    const struct hv_kvm_vcpu *v;
    uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE];
};

static const struct ids *ids_of(const struct hv_idregs_vcpu *idregs)
{
    return container_of(idregs, struct ids, idregs);
}

static uint64_t id_of(uint32_t reg)
{
    return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | reg;
}

static bool get(const struct hv_idregs_vcpu *idregs, uint32_t reg, uint64_t *ret_val)
{
    return hv_kvm_regs_get_one(ids_of(idregs)->v, id_of(reg), ret_val) == 0;
}

static void set(const struct hv_idregs_vcpu *idregs, uint32_t reg, uint64_t val)
{
    int rc = hv_kvm_regs_set_one(ids_of(idregs)->v, id_of(reg), &val);

    (void)rc;
}

/* KVM's table is by [op1][CRm][op2], where op1 is 0, 1 or 3. */
static uint64_t writable(const struct hv_idregs_vcpu *idregs, uint32_t reg)
{
    unsigned op1 = reg >> 11 & 7, crm = reg >> 3 & 7, op2 = reg & 7;

    return ids_of(idregs)->masks[(op1 == 3 ? 2 : op1) << 6 | crm << 3 | op2];
}

/* Which bits can be written. False where the kernel does not tell. */
static bool get_masks(const struct hv_kvm *kvm, uint64_t *ret_masks)
{
    struct reg_mask_range range = { .addr = (uintptr_t)ret_masks,
                                    .range = KVM_ARM_FEATURE_ID_RANGE };

    return ioctl(kvm->vm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES) > 0 &&
           ioctl(kvm->vm, KVM_ARM_GET_REG_WRITABLE_MASKS, &range) == 0;
}

void hv_kvm_idregs_hide(struct hv_kvm *kvm, const struct hv_kvm_vcpu *v)
{
    struct ids ids = { .idregs = { .engine = "kvm",
                                   .is_logged = v->vcpu.index == 0,
                                   .pa_range = kvm->pa_bits == IDREGS_PA_BITS_BIG ? 2 : 1,
                                   .get = get,
                                   .set = set },
                       .v = v };

    if (get_masks(kvm, ids.masks))
        ids.idregs.writable = writable;
    hv_idregs_lower(&ids.idregs);
}
