#include "hv/hv_idregs.h"

#include "arch/sysreg.h"
#include "base/log.h"
#include "cpu/idregs.h"

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

#define ID(crm, op2) SYSREG(3, 0, 0, crm, op2)
#define ALL          BITS(63, 0)

/* fields: those that the model decides. signed_fields: where 0xf is less than 0 (Arm DDI 0487,
 * D19.1.3). */
static const struct row {
    const char *name;
    uint32_t reg;
    uint64_t fields, signed_fields;
    const uint64_t *model; /* NULL: all zero */
} rows[] = {
    { "ID_AA64PFR0_EL1", ID(4, 0), ALL & ~PFR0_GIC, PFR0_FP | PFR0_ADVSIMD, &idregs_portable.pfr0 },
    { "ID_AA64PFR1_EL1", ID(4, 1), ALL, 0, NULL },
    { "ID_AA64PFR2_EL1", ID(4, 2), ALL, 0, NULL },
    { "ID_AA64ZFR0_EL1", ID(4, 4), ALL, 0, NULL },
    { "ID_AA64SMFR0_EL1", ID(4, 5), ALL, 0, NULL },
    { "ID_AA64DFR0_EL1", ID(5, 0), ALL, DFR0_DBLOCK, &idregs_portable.dfr0 },
    { "ID_AA64ISAR0_EL1", ID(6, 0), ALL, 0, &idregs_portable.isar0 },
    { "ID_AA64ISAR1_EL1", ID(6, 1), ALL, 0, &idregs_portable.isar1 },
    { "ID_AA64ISAR2_EL1", ID(6, 2), ALL, 0, NULL },
    { "ID_AA64ISAR3_EL1", ID(6, 3), ALL, 0, NULL },
    { "ID_AA64MMFR0_EL1", ID(7, 0), ALL & ~MMFR0_STAGE2, MMFR0_TGRAN4 | MMFR0_TGRAN64,
      &idregs_portable.mmfr0 },
    { "ID_AA64MMFR1_EL1", ID(7, 1), ALL, 0, &idregs_portable.mmfr1 },
    { "ID_AA64MMFR2_EL1", ID(7, 2), ALL, 0, &idregs_portable.mmfr2 },
    { "ID_AA64MMFR3_EL1", ID(7, 3), ALL, 0, NULL },
    /* What is cleaned for one CPU must be cleaned for all. */
    { "CTR_EL0", SYSREG(3, 3, 0, 0, 1), CTR_IDC | CTR_DIC, 0, &idregs_portable.ctr },
};

static uint64_t model_of(const struct hv_idregs_vcpu *vcpu, const struct row *row)
{
    uint64_t model = row->model ? *row->model : 0;

    if (row->model == &idregs_portable.mmfr0)
        model |= FIELD_PUT(MMFR0_PARANGE, vcpu->pa_range);
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

/* Lower those fields; *host is what the register reads. */
static void put(const struct hv_idregs_vcpu *vcpu, const struct row *row, uint64_t *host,
                uint64_t model, uint64_t fields)
{
    if (!fields)
        return;
    vcpu->set(vcpu, row->reg, (*host & ~fields) | (model & fields));
    (void)vcpu->get(vcpu, row->reg, host);
}

static void lower(const struct hv_idregs_vcpu *vcpu, const struct row *row)
{
    uint64_t writable = vcpu->writable ? vcpu->writable(vcpu, row->reg) : UINT64_MAX;
    uint64_t model = model_of(vcpu, row), host, stays;

    if (!vcpu->get(vcpu, row->reg, &host)) /* newer than the host */
        return;
    put(vcpu, row, &host, model, surplus(row, host, model) & writable);
    /* Field by field: one that the host keeps to itself must not save the others. */
    for (unsigned lo = 0; lo < 64; lo += FIELD_BITS)
        put(vcpu, row, &host, model,
            surplus(row, host, model) & writable & BITS(lo + FIELD_BITS - 1, lo));
    stays = surplus(row, host, model);
    if (stays && vcpu->is_logged)
        log_debug(vcpu->engine, "%s: %#llx of %#llx cannot be lowered to CPU model portable",
                  row->name, (unsigned long long)stays, (unsigned long long)host);
}

void hv_idregs_lower(const struct hv_idregs_vcpu *vcpu)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        lower(vcpu, &rows[i]);
}
