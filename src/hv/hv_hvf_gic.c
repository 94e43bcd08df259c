/*
 * Hypervisor.framework's GICv3: making it where the guest's map has it, its lines, and the CPU
 * interface registers of a vCPU. Sizes, alignments and ranges are asked for and compared with the
 * map.
 */
#include <errno.h>

#include "base/log.h"
#include "hv/hv_hvf_err.h"
#include "hv/hv_hvf_host.h"
#include "hv/hv_hvf_int.h"

/* ICC_CTLR_EL1: what is state; the number of priority bits; the rest is the host's. */
#define ICC_CTLR_STATE BITS(1, 0)
#define ICC_CTLR_PRI   BITS(10, 8)

/* ---- life ---- */

static const struct geometry {
    const char *name;
    hv_return_t (*ask)(size_t *);
    uint64_t at_most; /* or, for an alignment, the base that must have it */
    bool alignment;
} geometry[] = {
    { "hv_gic_get_distributor_size", hv_gic_get_distributor_size, MAP_GICD_SIZE, false },
    { "hv_gic_get_distributor_base_alignment", hv_gic_get_distributor_base_alignment, MAP_GICD_BASE,
      true },
    { "hv_gic_get_redistributor_region_size", hv_gic_get_redistributor_region_size, MAP_GICR_SIZE,
      false },
    { "hv_gic_get_redistributor_size", hv_gic_get_redistributor_size, MAP_GICR_STRIDE, false },
    { "hv_gic_get_redistributor_base_alignment", hv_gic_get_redistributor_base_alignment,
      MAP_GICR_BASE, true },
};

static int gic_misfit(const char *what, uint64_t val, struct err *err)
{
    return err_set(err, ENOTSUP,
                   "the interrupt controller of this macOS does not fit the guest's map: %s says "
                   "%#llx; use --accel soft",
                   what, (unsigned long long)val);
}

static int gic_check_geometry(struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(geometry); i++) {
        const struct geometry *g = &geometry[i];
        size_t val = 0;
        hv_return_t code = g->ask(&val);

        if (code != HV_SUCCESS)
            return hv_hvf_err_set(err, code, "%s", g->name);
        if (!val || (g->alignment ? g->at_most % val != 0 : val > g->at_most))
            return gic_misfit(g->name, val, err);
        /* Frames follow each other at this distance. */
        if (g->ask == hv_gic_get_redistributor_size && val != MAP_GICR_STRIDE)
            return gic_misfit(g->name, val, err);
    }
    return 0;
}

static int gic_check_intids(struct err *err)
{
    static const struct {
        hv_gic_intid_t which;
        uint32_t intid;
    } timers[] = { { HV_GIC_INT_EL1_VIRTUAL_TIMER, MAP_PPI_VTIMER },
                   { HV_GIC_INT_EL1_PHYSICAL_TIMER, MAP_PPI_PTIMER } };
    uint32_t base = 0, count = 0;
    hv_return_t code = hv_gic_get_spi_interrupt_range(&base, &count);

    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_gic_get_spi_interrupt_range");
    if (base > GIC_FIRST_SPI || base + count < GIC_INTIDS)
        return gic_misfit("hv_gic_get_spi_interrupt_range", base > GIC_FIRST_SPI ? base : count,
                          err);
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        uint32_t intid = 0;
        code = hv_gic_get_intid(timers[i].which, &intid);
        if (code != HV_SUCCESS)
            return hv_hvf_err_set(err, code, "hv_gic_get_intid(%u)", timers[i].which);
        if (intid != timers[i].intid)
            return gic_misfit("hv_gic_get_intid", intid, err);
    }
    return 0;
}

static int gic_place(hv_gic_config_t config, struct err *err)
{
    hv_return_t code = hv_gic_config_set_distributor_base(config, MAP_GICD_BASE);

    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_gic_config_set_distributor_base(%#llx)",
                              (unsigned long long)MAP_GICD_BASE);
    code = hv_gic_config_set_redistributor_base(config, MAP_GICR_BASE);
    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_gic_config_set_redistributor_base(%#llx)",
                              (unsigned long long)MAP_GICR_BASE);
    code = hv_gic_create(config);
    return code == HV_SUCCESS ? 0 : hv_hvf_err_set(err, code, "hv_gic_create");
}

int hv_hvf_gic_create(struct err *err)
{
    hv_gic_config_t config;
    int rc = gic_check_geometry(err);

    if (rc == 0)
        rc = gic_check_intids(err);
    if (rc < 0)
        return rc;
    config = hv_gic_config_create();
    if (!config)
        return err_set(err, ENOMEM, "hv_gic_config_create: out of memory");
    rc = gic_place(config, err);
    hvf_host_release(config);
    return rc;
}

int hv_hvf_gic_check_vcpu(struct hv_hvf_vcpu *v, struct err *err)
{
    uint64_t expected = MAP_GICR_BASE + v->vcpu.index * MAP_GICR_STRIDE;
    hv_ipa_t base = 0;
    hv_return_t code = hv_gic_get_redistributor_base(v->id, &base);

    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_gic_get_redistributor_base");
    if (base != expected)
        return err_set(err, EIO, "the redistributor of vCPU %u is at %#llx, not at %#llx",
                       v->vcpu.index, (unsigned long long)base, (unsigned long long)expected);
    return 0;
}

void hv_hvf_gic_set_spi(struct hv *hv, unsigned spi, bool level)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);
    unsigned intid = GIC_FIRST_SPI + spi;
    _Atomic uint32_t *word = &hvf->lines[intid / 32];
    hv_return_t code;
    struct err err;

    if (level)
        atomic_fetch_or(word, (uint32_t)BIT(intid % 32));
    else
        atomic_fetch_and(word, (uint32_t)~BIT(intid % 32));
    code = hv_gic_set_spi(intid, level);
    if (code == HV_SUCCESS)
        return;
    hv_hvf_err_set(&err, code, "hv_gic_set_spi(%u)", intid);
    log_error("hvf", "%s", err.msg);
}

/* ---- CPU interface ---- */

/* In the order in which they are written: what decides the meaning of others comes first, the
 * enables come last. */
static const struct icc_row {
    const char *name;
    hv_gic_icc_reg_t id;
    size_t at;
} icc_rows[] = {
#define ROW(name, crn, crm, op2)                                              \
    {                                                                         \
#name, SYSREG(3, 0, crn, crm, op2), offsetof(struct vcpu_state, name) \
    }
    ROW(icc_sre_el1, 12, 12, 5),  ROW(icc_ctlr_el1, 12, 12, 4),    ROW(icc_pmr_el1, 4, 6, 0),
    ROW(icc_bpr0_el1, 12, 8, 3),  ROW(icc_bpr1_el1, 12, 12, 3),    ROW(icc_ap0r0_el1, 12, 8, 4),
    ROW(icc_ap1r0_el1, 12, 9, 0), ROW(icc_igrpen0_el1, 12, 12, 6), ROW(icc_igrpen1_el1, 12, 12, 7),
#undef ROW
};

#define COUNT_(name, op0, op1, crn, crm, op2) +1
_Static_assert(ARRAY_LEN(icc_rows) == VCPU_ICC_REGS(COUNT_),
               "every register of the state is there");
#undef COUNT_

int hv_hvf_gic_get_icc(struct hv_hvf_vcpu *v, struct vcpu_state *state, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(icc_rows); i++) {
        uint64_t *val = (uint64_t *)(void *)((char *)state + icc_rows[i].at);
        hv_return_t code = hv_gic_get_icc_reg(v->id, icc_rows[i].id, val);
        if (code != HV_SUCCESS)
            return hv_hvf_err_set(err, code, "hv_gic_get_icc_reg(%s)", icc_rows[i].name);
    }
    state->icc_ctlr_el1 &= ICC_CTLR_STATE | ICC_CTLR_PRI;
    return 0;
}

/* Of ICC_CTLR_EL1, the state's bits beside what the host says of itself. */
static int merge_icc_ctlr(struct hv_hvf_vcpu *v, uint64_t *ctlr, struct err *err)
{
    uint64_t host = 0;
    hv_return_t code = hv_gic_get_icc_reg(v->id, SYSREG(3, 0, 12, 12, 4), &host);

    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_gic_get_icc_reg(icc_ctlr_el1)");
    if (FIELD_GET(ICC_CTLR_PRI, *ctlr) > FIELD_GET(ICC_CTLR_PRI, host))
        return err_set(err, ENOTSUP, "icc_ctlr_el1: %u priority bits, and this Mac has %u",
                       (unsigned)FIELD_GET(ICC_CTLR_PRI, *ctlr) + 1,
                       (unsigned)FIELD_GET(ICC_CTLR_PRI, host) + 1);
    *ctlr = (host & ~ICC_CTLR_STATE) | (*ctlr & ICC_CTLR_STATE);
    return 0;
}

int hv_hvf_gic_set_icc(struct hv_hvf_vcpu *v, const struct vcpu_state *state, struct err *err)
{
    struct vcpu_state in = *state;
    int rc = merge_icc_ctlr(v, &in.icc_ctlr_el1, err);

    for (size_t i = 0; i < ARRAY_LEN(icc_rows) && rc == 0; i++) {
        uint64_t val = load_le64((const char *)&in + icc_rows[i].at);
        hv_return_t code = hv_gic_set_icc_reg(v->id, icc_rows[i].id, val);
        if (code != HV_SUCCESS)
            rc = hv_hvf_err_set(err, code, "hv_gic_set_icc_reg(%s = %#llx)", icc_rows[i].name,
                                (unsigned long long)val);
    }
    return rc;
}
