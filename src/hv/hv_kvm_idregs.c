/*
 * ID registers of a KVM vCPU under CPU model portable: each field is lowered to what the model
 * announces, where KVM lets us. What it does not let us hide, the kernel's command line does
 * (arm64.nosve and the like); the rest is the host's.
 */
#include "base/log.h"
#include "cpu/idregs.h"
#include "hv/hv_kvm_int.h"

#define FIELD_BITS 4

/* Fields whose values are unsigned: more is more (Arm DDI 0487, D19.1.3). Left out are the signed
 * ones, exception levels, and address sizes and granules, which KVM has its own settings for. */
static const struct {
    const char *name;
    unsigned crm, op2;
    uint64_t fields;
    const uint64_t *model; /* NULL: all zero */
} rows[] = {
    { "ID_AA64PFR0_EL1", 4, 0, BITS(63, 28), &idregs_portable.pfr0 }, /* CSV3 down to RAS */
    { "ID_AA64PFR1_EL1", 4, 1, BITS(63, 0), NULL },
    { "ID_AA64ISAR0_EL1", 6, 0, BITS(63, 0), &idregs_portable.isar0 },
    { "ID_AA64ISAR1_EL1", 6, 1, BITS(63, 0), &idregs_portable.isar1 },
    { "ID_AA64ISAR2_EL1", 6, 2, BITS(63, 0), NULL },
    { "ID_AA64MMFR1_EL1", 7, 1, BITS(63, 0), &idregs_portable.mmfr1 },
    { "ID_AA64MMFR2_EL1", 7, 2, BITS(63, 0), &idregs_portable.mmfr2 },
};

void hv_kvm_idregs_hide(const struct hv_kvm_vcpu *v)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG |
                      SYSREG(3, 0, 0, rows[i].crm, rows[i].op2);
        uint64_t model = rows[i].model ? *rows[i].model : 0, host;

        if (hv_kvm_regs_get_one(v, id, &host) < 0)
            continue;
        /* Field by field: one that KVM keeps to itself must not save the others. */
        for (unsigned lo = 0; lo < 64; lo += FIELD_BITS) {
            uint64_t mask = BITS(lo + FIELD_BITS - 1, lo) & rows[i].fields;
            uint64_t lower = (host & ~mask) | (model & mask);

            if ((model & mask) >= (host & mask))
                continue;
            if (hv_kvm_regs_set_one(v, id, &lower) == 0)
                host = lower;
            else if (v->vcpu.index == 0)
                log_debug("kvm", "%s bits %u..%u stay the host's", rows[i].name,
                          lo + FIELD_BITS - 1, lo);
        }
    }
}
