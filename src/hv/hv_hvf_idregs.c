/*
 * ID registers of a vCPU under CPU model portable: each field is lowered to what the model
 * announces, where the framework lets us. It does not say which fields those are: each is written,
 * read back and compared. What stays, the kernel's command line hides (arm64.nosve and the like).
 */
#include "base/log.h"
#include "cpu/idregs.h"
#include "hv/hv_hvf_int.h"

#define FIELD_BITS    4
#define MMFR0_PARANGE BITS(3, 0)

/* Fields whose values are unsigned: more is more (Arm DDI 0487, D19.1.3). Left out are the signed
 * ones, exception levels and granules. */
static const struct {
    const char *name;
    unsigned crm, op2;
    uint64_t fields;
    const uint64_t *model; /* NULL: all zero */
} rows[] = {
    { "ID_AA64PFR0_EL1", 4, 0, BITS(63, 28), &idregs_portable.pfr0 }, /* CSV3 down to RAS */
    { "ID_AA64PFR1_EL1", 4, 1, BITS(63, 0), NULL },
    { "ID_AA64PFR2_EL1", 4, 2, BITS(63, 0), NULL },
    { "ID_AA64ZFR0_EL1", 4, 4, BITS(63, 0), NULL },
    { "ID_AA64SMFR0_EL1", 4, 5, BITS(63, 0), NULL },
    { "ID_AA64ISAR0_EL1", 6, 0, BITS(63, 0), &idregs_portable.isar0 },
    { "ID_AA64ISAR1_EL1", 6, 1, BITS(63, 0), &idregs_portable.isar1 },
    { "ID_AA64ISAR2_EL1", 6, 2, BITS(63, 0), NULL },
    { "ID_AA64MMFR1_EL1", 7, 1, BITS(63, 0), &idregs_portable.mmfr1 },
    { "ID_AA64MMFR2_EL1", 7, 2, BITS(63, 0), &idregs_portable.mmfr2 },
};

/* Write, read back, compare: did it stick? */
static bool idregs_try(const struct hv_hvf_vcpu *v, uint16_t id, uint64_t val)
{
    uint64_t there = ~val;

    return hv_vcpu_set_sys_reg(v->id, id, val) == HV_SUCCESS &&
           hv_vcpu_get_sys_reg(v->id, id, &there) == HV_SUCCESS && there == val;
}

/* One field at most down to the model's; what the register then reads. */
static uint64_t idregs_lower(const struct hv_hvf_vcpu *v, uint16_t id, uint64_t host, uint64_t mask,
                             uint64_t model, const char *name)
{
    uint64_t lower = (host & ~mask) | (model & mask);

    if ((model & mask) >= (host & mask) || idregs_try(v, id, lower))
        return (model & mask) >= (host & mask) ? host : lower;
    if (v->vcpu.index == 0)
        log_debug("hvf", "%s bits %u..%u stay the host's", name, (unsigned)__builtin_ctzll(mask),
                  63 - (unsigned)__builtin_clzll(mask));
    return host;
}

/* Addresses beyond what stage 2 maps are not to be announced. */
static void idregs_set_range(const struct hv_hvf_vcpu *v)
{
    static const uint8_t ranges[] = { 32, 36, 40, 42, 44, 48, 52 };
    unsigned bits = hv_hvf_of(v->vcpu.hv)->ipa_bits;
    uint64_t host, range = 0;

    while (range + 1 < ARRAY_LEN(ranges) && ranges[range] < bits)
        range++;
    if (hv_vcpu_get_sys_reg(v->id, HVF_MMFR0, &host) == HV_SUCCESS)
        (void)idregs_lower(v, HVF_MMFR0, host, MMFR0_PARANGE, range, "ID_AA64MMFR0_EL1");
}

void hv_hvf_idregs_hide(struct hv_hvf_vcpu *v)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint16_t id = SYSREG(3, 0, 0, rows[i].crm, rows[i].op2);
        uint64_t host;

        if (hv_vcpu_get_sys_reg(v->id, id, &host) != HV_SUCCESS) /* newer than this macOS */
            continue;
        /* Field by field: one that the framework keeps to itself must not save the others. */
        for (unsigned lo = 0; lo < 64; lo += FIELD_BITS)
            if (rows[i].fields & BIT(lo))
                host = idregs_lower(v, id, host, BITS(lo + FIELD_BITS - 1, lo),
                                    rows[i].model ? *rows[i].model : 0, rows[i].name);
    }
    idregs_set_range(v);
}
