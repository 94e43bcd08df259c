/*
 * ID registers of a KVM vCPU under CPU model portable: each field is lowered to what the model
 * announces, where KVM lets us: from Linux 6.7 on, which also tells beforehand which fields it can
 * lower. Of what it does not let us hide, the kernel's command line hides some (arm64.nosve and the
 * like); the rest is the host's, and is logged.
 */
#include <sys/ioctl.h>

#include "base/log.h"
#include "cpu/idregs.h"
#include "hv/hv_kvm_int.h"

#define FIELD_BITS 4

#define CTR_DIC       BIT(29)
#define CTR_IDC       BIT(28)
#define MMFR0_PARANGE BITS(3, 0)
#define MMFR0_TGRAN64 BITS(27, 24)
#define MMFR0_TGRAN4  BITS(31, 28)
#define MMFR0_STAGE2  BITS(43, 32) /* TGran*_2: our guests have no second stage */
#define PFR0_FP       BITS(19, 16)
#define PFR0_ADVSIMD  BITS(23, 20)
#define PFR0_GIC      BITS(27, 24)
#define DFR0_DBLOCK   BITS(39, 36)

/* fields: those that the model decides. signed_fields: where 0xf is less than 0 (Arm DDI 0487,
 * D19.1.3). */
static const struct row {
    const char *name;
    unsigned op1, crm, op2;
    uint64_t fields, signed_fields;
    const uint64_t *model; /* NULL: all zero */
} rows[] = {
#define ALL BITS(63, 0)
    { "ID_AA64PFR0_EL1", 0, 4, 0, ALL & ~PFR0_GIC, PFR0_FP | PFR0_ADVSIMD, &idregs_portable.pfr0 },
    { "ID_AA64PFR1_EL1", 0, 4, 1, ALL, 0, NULL },
    { "ID_AA64PFR2_EL1", 0, 4, 2, ALL, 0, NULL },
    { "ID_AA64DFR0_EL1", 0, 5, 0, ALL, DFR0_DBLOCK, &idregs_portable.dfr0 },
    { "ID_AA64ISAR0_EL1", 0, 6, 0, ALL, 0, &idregs_portable.isar0 },
    { "ID_AA64ISAR1_EL1", 0, 6, 1, ALL, 0, &idregs_portable.isar1 },
    { "ID_AA64ISAR2_EL1", 0, 6, 2, ALL, 0, NULL },
    { "ID_AA64ISAR3_EL1", 0, 6, 3, ALL, 0, NULL },
    { "ID_AA64MMFR0_EL1", 0, 7, 0, ALL & ~MMFR0_STAGE2, MMFR0_TGRAN4 | MMFR0_TGRAN64,
      &idregs_portable.mmfr0 },
    { "ID_AA64MMFR1_EL1", 0, 7, 1, ALL, 0, &idregs_portable.mmfr1 },
    { "ID_AA64MMFR2_EL1", 0, 7, 2, ALL, 0, &idregs_portable.mmfr2 },
    { "ID_AA64MMFR3_EL1", 0, 7, 3, ALL, 0, NULL },
    /* What is cleaned for one CPU must be cleaned for all. */
    { "CTR_EL0", 3, 0, 1, CTR_IDC | CTR_DIC, 0, &idregs_portable.ctr },
#undef ALL
};

/* The register at [op1][CRm][op2] of KVM's table of masks; op1 is 0, 1 or 3. */
static unsigned mask_index(const struct row *row)
{
    return (row->op1 == 3 ? 2 : row->op1) << 6 | row->crm << 3 | row->op2;
}

/* Which bits can be written. False where the kernel does not tell. */
static bool get_masks(const struct hv_kvm *kvm, uint64_t *ret_masks)
{
    struct reg_mask_range range = { .addr = (uintptr_t)ret_masks,
                                    .range = KVM_ARM_FEATURE_ID_RANGE };

    return ioctl(kvm->vm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES) > 0 &&
           ioctl(kvm->vm, KVM_ARM_GET_REG_WRITABLE_MASKS, &range) == 0;
}

static uint64_t model_of(const struct hv_kvm *kvm, const struct row *row)
{
    uint64_t model = row->model ? *row->model : 0;

    if (row->model == &idregs_portable.mmfr0)
        model |= FIELD_PUT(MMFR0_PARANGE, kvm->pa_bits == IDREGS_PA_BITS_BIG ? 2 : 1);
    return model;
}

/* Does the host announce more than the model in the field at bit lo? */
static bool is_more(const struct row *row, unsigned lo, uint64_t host, uint64_t model)
{
    uint64_t field = BITS(lo + FIELD_BITS - 1, lo);
    /* Turning the sign over makes the order of signed fields that of unsigned ones. */
    uint64_t turn = row->signed_fields & field & BIT(lo + FIELD_BITS - 1);
    uint64_t of = field & row->fields;

    return ((host & of) ^ turn) > ((model & of) ^ turn);
}

/* The fields in which the host announces more. */
static uint64_t surplus(const struct row *row, uint64_t host, uint64_t model)
{
    uint64_t fields = 0;

    for (unsigned lo = 0; lo < 64; lo += FIELD_BITS)
        if (is_more(row, lo, host, model))
            fields |= BITS(lo + FIELD_BITS - 1, lo) & row->fields;
    return fields;
}

static uint64_t put(const struct hv_kvm_vcpu *v, uint64_t id, uint64_t host, uint64_t model,
                    uint64_t fields)
{
    uint64_t lower = (host & ~fields) | (model & fields);

    return fields && hv_kvm_regs_set_one(v, id, &lower) == 0 ? lower : host;
}

/* Lower a register of `host`; returns what it is then. */
static uint64_t lower(const struct hv_kvm_vcpu *v, const struct row *row, uint64_t id,
                      uint64_t host, uint64_t model, uint64_t writable)
{
    host = put(v, id, host, model, surplus(row, host, model) & writable);
    /* Field by field: one that KVM keeps to itself must not save the others. */
    for (unsigned lo = 0; lo < 64; lo += FIELD_BITS)
        host = put(v, id, host, model,
                   surplus(row, host, model) & writable & BITS(lo + FIELD_BITS - 1, lo));
    return host;
}

void hv_kvm_idregs_hide(struct hv_kvm *kvm, const struct hv_kvm_vcpu *v)
{
    uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE];
    bool known = get_masks(kvm, masks);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        uint64_t id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG |
                      SYSREG(3, row->op1, 0, row->crm, row->op2);
        uint64_t model = model_of(kvm, row), host, stays;

        if (hv_kvm_regs_get_one(v, id, &host) < 0)
            continue;
        host = lower(v, row, id, host, model, known ? masks[mask_index(row)] : UINT64_MAX);
        stays = surplus(row, host, model);
        if (stays && v->vcpu.index == 0)
            log_debug("kvm", "%s: KVM cannot lower %#llx of %#llx to CPU model portable", row->name,
                      (unsigned long long)stays, (unsigned long long)host);
    }
}
