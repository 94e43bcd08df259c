/*
 * State of Hypervisor.framework's GICv3, register by register, into a fresh controller or one that
 * a guest has used.
 *
 * What the framework does not have: the levels of lines, which the engine knows for SPIs; those of
 * the timers come back by themselves. GICR_WAKER: redistributors count as awake, and a state cannot
 * put them to sleep. Its interrupts beyond the guest's map have no place in a state.
 */
#include <errno.h>

#include "hv/hv_gic_bank.h"
#include "hv/hv_hvf_err.h"
#include "hv/hv_hvf_int.h"

#define GICD_CTLR       0x0000
#define GICD_CTLR_ARE   BIT(4)
#define GICD_CTLR_DS    BIT(6)
#define GICD_CTLR_STATE BITS(6, 0) /* the framework aborts the process for others */
#define GICD_IROUTER    0x6000
#define GICR_SGI_FRAME  0x10000

#define SPIS_END 1020 /* special interrupt numbers follow */
#define TIMERS   (BIT(MAP_PPI_VTIMER) | BIT(MAP_PPI_PTIMER))

/* Where a bank has its registers: in the distributor, or a vCPU's redistributor. */
struct place {
    struct hv_gic_bank bank;
    const struct hv_hvf_vcpu *v; /* NULL: the distributor */
};

static int get(const struct place *p, uint32_t off, uint64_t *ret_val, struct err *err)
{
    hv_return_t code = p->v ? hv_gic_get_redistributor_reg(p->v->id, GICR_SGI_FRAME + off, ret_val)
                            : hv_gic_get_distributor_reg((hv_gic_distributor_reg_t)off, ret_val);

    if (code == HV_SUCCESS)
        return 0;
    return hv_hvf_err_set(err, code, "hv_gic_get_%s_reg(%#x)",
                          p->v ? "redistributor" : "distributor", off);
}

static int set(const struct place *p, uint32_t off, uint64_t val, struct err *err)
{
    hv_return_t code = p->v ? hv_gic_set_redistributor_reg(p->v->id, GICR_SGI_FRAME + off, val)
                            : hv_gic_set_distributor_reg((hv_gic_distributor_reg_t)off, val);

    if (code == HV_SUCCESS)
        return 0;
    return hv_hvf_err_set(err, code, "hv_gic_set_%s_reg(%#x = %#llx)",
                          p->v ? "redistributor" : "distributor", off, (unsigned long long)val);
}

static int get32(const struct hv_gic_bank *bank, uint32_t off, uint32_t *ret_val, struct err *err)
{
    uint64_t val = 0;
    int rc = get(container_of(bank, struct place, bank), off, &val, err);

    if (rc == 0)
        *ret_val = (uint32_t)val;
    return rc;
}

static int set32(const struct hv_gic_bank *bank, uint32_t off, uint32_t val, struct err *err)
{
    return set(container_of(bank, struct place, bank), off, val, err);
}

static struct place dist_place(unsigned word)
{
    return (struct place){
        .bank = { .engine = "Hypervisor.framework", .word = word, .get = get32, .set = set32 },
    };
}

/* SGIs are edge-triggered, whatever their register says or is told. */
static struct place redist_place(struct hv_vcpu *vcpu)
{
    struct place p = dist_place(0);

    p.bank.fixed_sgis = true;
    p.v = hv_hvf_vcpu_of(vcpu);
    return p;
}

/* First everything is cleared, which changes nothing in a fresh controller; whether an interrupt is
 * an edge is known before it becomes pending. */
static int set_bank(const struct place *p, const struct gic_redist_state *state, struct err *err)
{
    const struct {
        uint32_t reg, val;
    } clear[] = { { GIC_ICENABLER, UINT32_MAX },
                  { GIC_ICPENDR, UINT32_MAX },
                  { GIC_ICACTIVER, UINT32_MAX },
                  { GIC_IGROUPR, state->group } },
      fill[] = { { GIC_ISENABLER, state->enabled },
                 { GIC_ISPENDR, state->pending_latch },
                 { GIC_ISACTIVER, state->active } };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(clear) && rc == 0; i++)
        rc = hv_gic_bank_set_bits(&p->bank, clear[i].reg, clear[i].val, err);
    if (rc == 0)
        rc = hv_gic_bank_configure(&p->bank, state, err);
    for (size_t i = 0; i < ARRAY_LEN(fill) && rc == 0; i++)
        rc = hv_gic_bank_set_bits(&p->bank, fill[i].reg, fill[i].val, err);
    return rc;
}

/* Interrupts that a saved state does not know: a guest that uses them cannot be saved. */
static int check_beyond(struct err *err)
{
    static const struct {
        uint32_t reg;
        const char *what;
    } regs[] = { { GIC_ISENABLER, "enabled" },
                 { GIC_ISPENDR, "pending" },
                 { GIC_ISACTIVER, "active" } };

    for (unsigned word = GIC_INTIDS / GIC_BANK; word < (SPIS_END + 31) / GIC_BANK; word++) {
        struct place p = dist_place(word);
        for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
            uint32_t bits = 0;
            int rc = hv_gic_bank_get_bits(&p.bank, regs[i].reg, &bits, err);
            if (rc < 0)
                return rc;
            if (bits)
                return err_set(
                    err, ENOTSUP, "the guest has interrupt %u %s, and a saved state ends at %d",
                    GIC_BANK * word + (unsigned)__builtin_ctz(bits), regs[i].what, GIC_INTIDS - 1);
        }
    }
    return 0;
}

int hv_hvf_gic_state_get(struct hv *hv, struct gic_state *state, struct err *err)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);
    struct place dist = dist_place(0);
    uint64_t ctlr = 0;
    int rc = get(&dist, GICD_CTLR, &ctlr, err);

    state->vcpus = hv->vcpus;
    state->ctlr = (uint32_t)((ctlr & BITS(1, 0)) | GICD_CTLR_ARE | GICD_CTLR_DS);
    for (unsigned word = 1; word < GIC_INTIDS / GIC_BANK && rc == 0; word++) {
        struct place p = dist_place(word);
        struct gic_redist_state bank;

        rc = hv_gic_bank_get(&p.bank, &bank, err);
        if (rc < 0)
            break;
        bank.line_level = atomic_load(&hvf->lines[word]);
        /* A level that is high reads as pending: that is not a latch. */
        bank.pending_latch &= ~(bank.line_level & ~bank.edge);
        hv_gic_bank_put(state, word, &bank);
    }
    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS && rc == 0; i++)
        rc = get(&dist, GICD_IROUTER + 8 * i, &state->irouter[i], err);
    return rc < 0 ? rc : check_beyond(err);
}

/* A level is driven as it was; an edge has been seen already, and is in the latch. */
static int set_lines(struct hv_hvf *hvf, const struct gic_state *state, struct err *err)
{
    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS; i++) {
        bool level = state->line_level[i / 32] >> i % 32 & 1;
        hv_return_t code;

        if (state->edge[i / 32] >> i % 32 & 1)
            continue;
        code = hv_gic_set_spi(i, level);
        if (code != HV_SUCCESS)
            return hv_hvf_err_set(err, code, "hv_gic_set_spi(%u)", i);
    }
    for (unsigned word = 1; word < GIC_INTIDS / 32; word++)
        atomic_store(&hvf->lines[word], state->line_level[word]);
    return 0;
}

int hv_hvf_gic_state_set(struct hv *hv, const struct gic_state *state, struct err *err)
{
    struct place dist = dist_place(0);
    int rc;

    if (state->vcpus != hv->vcpus)
        return err_set(err, EINVAL, "saved with %u vCPUs, this machine has %u", state->vcpus,
                       hv->vcpus);
    /* Nothing is signalled from a controller half written. */
    rc = set(&dist, GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_DS, err);
    for (unsigned word = 1; word < GIC_INTIDS / GIC_BANK && rc == 0; word++) {
        struct place p = dist_place(word);
        struct gic_redist_state bank;

        hv_gic_bank_take(state, word, &bank);
        rc = set_bank(&p, &bank, err);
    }
    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS && rc == 0; i++)
        rc = set(&dist, GICD_IROUTER + 8 * i, state->irouter[i], err);
    if (rc == 0)
        rc = set_lines(hv_hvf_of(hv), state, err);
    return rc < 0 ? rc : set(&dist, GICD_CTLR, state->ctlr & GICD_CTLR_STATE, err);
}

int hv_hvf_gic_state_get_redist(struct hv_vcpu *vcpu, struct gic_redist_state *ret_state,
                                struct err *err)
{
    struct place p = redist_place(vcpu);
    struct gic_redist_state bank;
    int rc = hv_gic_bank_get(&p.bank, &bank, err);

    if (rc < 0)
        return rc;
    bank.pending_latch &= ~(uint32_t)TIMERS | bank.edge;
    *ret_state = bank;
    return 0;
}

int hv_hvf_gic_state_set_redist(struct hv_vcpu *vcpu, const struct gic_redist_state *state,
                                struct err *err)
{
    struct place p = redist_place(vcpu);

    return set_bank(&p, state, err);
}
