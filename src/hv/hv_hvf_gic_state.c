/*
 * State of Hypervisor.framework's GICv3, register by register, into a fresh controller or one that
 * a guest has used.
 *
 * What the framework does not have: the levels of lines, which the engine knows for SPIs; those of
 * the timers come back by themselves. GICR_WAKER: redistributors count as awake, and a state cannot
 * put them to sleep. Its interrupts beyond the guest's map have no place in a state.
 */
#include <errno.h>

#include "hv/hv_hvf_err.h"
#include "hv/hv_hvf_int.h"

#define GICD_CTLR       0x0000
#define GICD_CTLR_ARE   BIT(4)
#define GICD_CTLR_DS    BIT(6)
#define GICD_CTLR_STATE BITS(6, 0) /* the framework aborts the process for others */
#define GICD_IROUTER    0x6000
#define GICR_SGI_FRAME  0x10000

#define GIC_IGROUPR    0x080
#define GIC_ISENABLER  0x100
#define GIC_ICENABLER  0x180
#define GIC_ISPENDR    0x200
#define GIC_ICPENDR    0x280
#define GIC_ISACTIVER  0x300
#define GIC_ICACTIVER  0x380
#define GIC_IPRIORITYR 0x400
#define GIC_ICFGR      0xc00

#define SPIS_END 1020 /* special interrupt numbers follow */
#define SGIS     0xffffu
#define TIMERS   (BIT(MAP_PPI_VTIMER) | BIT(MAP_PPI_PTIMER))

/* Where 32 interrupts have their registers: in the distributor, or a vCPU's redistributor. */
struct place {
    const struct hv_hvf_vcpu *v; /* NULL: the distributor */
    unsigned word;               /* first INTID / 32 */
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

static int get32(const struct place *p, uint32_t off, uint32_t *ret_val, struct err *err)
{
    uint64_t val = 0;
    int rc = get(p, off + 4 * p->word, &val, err);

    if (rc == 0)
        *ret_val = (uint32_t)val;
    return rc;
}

/* ICFGR has two bits an interrupt, of which the upper says that it is edge-triggered. SGIs are,
 * whatever their register says or is told. */
static int get_edge(const struct place *p, uint32_t *ret_edge, struct err *err)
{
    uint32_t edge = p->v ? SGIS : 0;

    for (unsigned half = p->v ? 1 : 0; half < 2; half++) {
        uint64_t cfg = 0;
        int rc = get(p, GIC_ICFGR + 8 * p->word + 4 * half, &cfg, err);
        if (rc < 0)
            return rc;
        for (unsigned i = 0; i < 16; i++)
            edge |= (uint32_t)(cfg >> (2 * i + 1) & 1) << (16 * half + i);
    }
    *ret_edge = edge;
    return 0;
}

static int set_edge(const struct place *p, uint32_t edge, struct err *err)
{
    uint32_t there;
    int rc = 0;

    for (unsigned half = p->v ? 1 : 0; half < 2 && rc == 0; half++) {
        uint32_t cfg = 0;
        for (unsigned i = 0; i < 16; i++)
            cfg |= (edge >> (16 * half + i) & 1) << (2 * i + 1);
        rc = set(p, GIC_ICFGR + 8 * p->word + 4 * half, cfg, err);
    }
    if (rc == 0)
        rc = get_edge(p, &there, err);
    if (rc == 0 && there != edge)
        return err_set(err, ENOTSUP,
                       "Hypervisor.framework cannot make interrupts %u..%u edge-triggered as %#x",
                       32 * p->word, 32 * p->word + 31, edge);
    return rc;
}

static int get_word(const struct place *p, struct gic_redist_state *w, struct err *err)
{
    int rc = get32(p, GIC_IGROUPR, &w->group, err);

    if (rc == 0)
        rc = get32(p, GIC_ISENABLER, &w->enabled, err);
    if (rc == 0)
        rc = get32(p, GIC_ISPENDR, &w->pending_latch, err);
    if (rc == 0)
        rc = get32(p, GIC_ISACTIVER, &w->active, err);
    if (rc == 0)
        rc = get_edge(p, &w->edge, err);
    for (unsigned i = 0; i < 32 && rc == 0; i += 4) {
        uint64_t four = 0;
        rc = get(p, GIC_IPRIORITYR + 32 * p->word + i, &four, err);
        if (rc == 0)
            store_le32(w->priority + i, (uint32_t)four);
    }
    return rc;
}

/* First everything is cleared, which changes nothing in a fresh controller; whether an interrupt is
 * an edge is known before it becomes pending. */
static int set_word(const struct place *p, const struct gic_redist_state *w, struct err *err)
{
    const struct {
        uint32_t off, val;
    } clear[] = { { GIC_ICENABLER, UINT32_MAX },
                  { GIC_ICPENDR, UINT32_MAX },
                  { GIC_ICACTIVER, UINT32_MAX },
                  { GIC_IGROUPR, w->group } },
      fill[] = { { GIC_ISENABLER, w->enabled },
                 { GIC_ISPENDR, w->pending_latch },
                 { GIC_ISACTIVER, w->active } };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(clear) && rc == 0; i++)
        rc = set(p, clear[i].off + 4 * p->word, clear[i].val, err);
    if (rc == 0)
        rc = set_edge(p, w->edge, err);
    for (unsigned i = 0; i < 32 && rc == 0; i += 4)
        rc = set(p, GIC_IPRIORITYR + 32 * p->word + i, load_le32(w->priority + i), err);
    for (size_t i = 0; i < ARRAY_LEN(fill) && rc == 0; i++)
        rc = set(p, fill[i].off + 4 * p->word, fill[i].val, err);
    return rc;
}

/* Interrupts that a saved state does not know: a guest that uses them cannot be saved. */
static int check_beyond(struct err *err)
{
    static const struct {
        uint32_t off;
        const char *what;
    } regs[] = { { GIC_ISENABLER, "enabled" },
                 { GIC_ISPENDR, "pending" },
                 { GIC_ISACTIVER, "active" } };

    for (unsigned word = GIC_INTIDS / 32; word < (SPIS_END + 31) / 32; word++) {
        struct place p = { .word = word };
        for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
            uint32_t bits = 0;
            int rc = get32(&p, regs[i].off, &bits, err);
            if (rc < 0)
                return rc;
            if (bits)
                return err_set(
                    err, ENOTSUP, "the guest has interrupt %u %s, and a saved state ends at %d",
                    32 * word + (unsigned)__builtin_ctz(bits), regs[i].what, GIC_INTIDS - 1);
        }
    }
    return 0;
}

int hv_hvf_gic_state_get(struct hv *hv, struct gic_state *state, struct err *err)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);
    struct place dist = { 0 };
    uint64_t ctlr = 0;
    int rc = get(&dist, GICD_CTLR, &ctlr, err);

    state->vcpus = hv->vcpus;
    state->ctlr = (uint32_t)((ctlr & BITS(1, 0)) | GICD_CTLR_ARE | GICD_CTLR_DS);
    for (unsigned word = 1; word < GIC_INTIDS / 32 && rc == 0; word++) {
        struct place p = { .word = word };
        struct gic_redist_state w = { 0 };

        rc = get_word(&p, &w, err);
        state->group[word] = w.group;
        state->enabled[word] = w.enabled;
        state->active[word] = w.active;
        state->edge[word] = w.edge;
        state->line_level[word] = atomic_load(&hvf->lines[word]);
        /* A level that is high reads as pending: that is not a latch. */
        state->pending_latch[word] = w.pending_latch & ~(state->line_level[word] & ~w.edge);
        memcpy(state->priority + 32 * word, w.priority, 32);
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
    struct place dist = { 0 };
    int rc;

    if (state->vcpus != hv->vcpus)
        return err_set(err, EINVAL, "saved with %u vCPUs, this machine has %u", state->vcpus,
                       hv->vcpus);
    /* Nothing is signalled from a controller half written. */
    rc = set(&dist, GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_DS, err);
    for (unsigned word = 1; word < GIC_INTIDS / 32 && rc == 0; word++) {
        struct place p = { .word = word };
        struct gic_redist_state w = {
            .group = state->group[word],
            .enabled = state->enabled[word],
            .pending_latch = state->pending_latch[word],
            .active = state->active[word],
            .edge = state->edge[word],
        };

        memcpy(w.priority, state->priority + 32 * word, 32);
        rc = set_word(&p, &w, err);
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
    struct place p = { .v = hv_hvf_vcpu_of(vcpu) };
    struct gic_redist_state w = { 0 };
    int rc = get_word(&p, &w, err);

    if (rc < 0)
        return rc;
    w.pending_latch &= ~(uint32_t)TIMERS | w.edge;
    *ret_state = w;
    return 0;
}

int hv_hvf_gic_state_set_redist(struct hv_vcpu *vcpu, const struct gic_redist_state *state,
                                struct err *err)
{
    struct place p = { .v = hv_hvf_vcpu_of(vcpu) };

    return set_word(&p, state, err);
}
