#include "hv/hv_gic_bank.h"

#include <errno.h>

#define HALF 16 /* interrupts of an ICFGR: two bits each, of which the upper one says edge */
#define SGIS BITS(15, 0)

int hv_gic_bank_get_bits(const struct hv_gic_bank *bank, uint32_t reg, uint32_t *ret_val,
                         struct err *err)
{
    return bank->get(bank, reg + 4 * bank->word, ret_val, err);
}

int hv_gic_bank_set_bits(const struct hv_gic_bank *bank, uint32_t reg, uint32_t val,
                         struct err *err)
{
    return bank->set(bank, reg + 4 * bank->word, val, err);
}

static uint32_t icfgr(const struct hv_gic_bank *bank, unsigned half)
{
    return GIC_ICFGR + 8 * bank->word + 4 * half;
}

static int get_edge(const struct hv_gic_bank *bank, uint32_t *ret_edge, struct err *err)
{
    uint32_t edge = bank->fixed_sgis ? SGIS : 0, cfg;

    for (unsigned half = bank->fixed_sgis; half < 2; half++) {
        int rc = bank->get(bank, icfgr(bank, half), &cfg, err);
        if (rc < 0)
            return rc;
        for (unsigned i = 0; i < HALF; i++)
            edge |= (cfg >> (2 * i + 1) & 1) << (HALF * half + i);
    }
    *ret_edge = edge;
    return 0;
}

static int set_edge(const struct hv_gic_bank *bank, uint32_t edge, struct err *err)
{
    uint32_t there;
    int rc = 0;

    for (unsigned half = bank->fixed_sgis; half < 2 && rc == 0; half++) {
        uint32_t cfg = 0;
        for (unsigned i = 0; i < HALF; i++)
            cfg |= (edge >> (HALF * half + i) & 1) << (2 * i + 1);
        rc = bank->set(bank, icfgr(bank, half), cfg, err);
    }
    if (rc == 0)
        rc = get_edge(bank, &there, err);
    if (rc == 0 && there != edge)
        return err_set(err, ENOTSUP,
                       "%s cannot make interrupts %u..%u edge-triggered as %#x; use --accel soft",
                       bank->engine, bank->word * GIC_BANK, bank->word * GIC_BANK + GIC_BANK - 1,
                       edge);
    return rc;
}

int hv_gic_bank_get(const struct hv_gic_bank *bank, struct gic_redist_state *ret_state,
                    struct err *err)
{
    struct gic_redist_state s = { 0 };
    const struct {
        uint32_t reg, *val;
    } bits[] = { { GIC_IGROUPR, &s.group },
                 { GIC_ISENABLER, &s.enabled },
                 { GIC_ISPENDR, &s.pending_latch },
                 { GIC_ISACTIVER, &s.active } };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(bits) && rc == 0; i++)
        rc = hv_gic_bank_get_bits(bank, bits[i].reg, bits[i].val, err);
    if (rc == 0)
        rc = get_edge(bank, &s.edge, err);
    for (unsigned i = 0; i < GIC_BANK && rc == 0; i += 4) {
        uint32_t four = 0;
        rc = bank->get(bank, GIC_IPRIORITYR + GIC_BANK * bank->word + i, &four, err);
        store_le32(s.priority + i, four);
    }
    if (rc == 0)
        *ret_state = s;
    return rc;
}

int hv_gic_bank_configure(const struct hv_gic_bank *bank, const struct gic_redist_state *state,
                          struct err *err)
{
    int rc = set_edge(bank, state->edge, err);

    for (unsigned i = 0; i < GIC_BANK && rc == 0; i += 4)
        rc = bank->set(bank, GIC_IPRIORITYR + GIC_BANK * bank->word + i,
                       load_le32(state->priority + i), err);
    return rc;
}

void hv_gic_bank_take(const struct gic_state *dist, unsigned word,
                      struct gic_redist_state *ret_state)
{
    *ret_state = (struct gic_redist_state){
        .group = dist->group[word],
        .enabled = dist->enabled[word],
        .pending_latch = dist->pending_latch[word],
        .active = dist->active[word],
        .line_level = dist->line_level[word],
        .edge = dist->edge[word],
    };
    memcpy(ret_state->priority, dist->priority + word * GIC_BANK, GIC_BANK);
}

void hv_gic_bank_put(struct gic_state *dist, unsigned word, const struct gic_redist_state *state)
{
    dist->group[word] = state->group;
    dist->enabled[word] = state->enabled;
    dist->pending_latch[word] = state->pending_latch;
    dist->active[word] = state->active;
    dist->line_level[word] = state->line_level;
    dist->edge[word] = state->edge;
    memcpy(dist->priority + word * GIC_BANK, state->priority, GIC_BANK);
}
