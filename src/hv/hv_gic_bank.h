/*
 * A bank of a real GICv3: 32 interrupts, which have the same registers in the distributor and in
 * the second frame of each redistributor (GIC IHI 0069, 12.9 and 12.11). For engines whose
 * controller is read and written register by register.
 */
#pragma once

#include "arch/vcpu_state.h"
#include "base/bits.h"
#include "base/err.h"

#define GIC_IGROUPR    0x080
#define GIC_ISENABLER  0x100
#define GIC_ICENABLER  0x180
#define GIC_ISPENDR    0x200
#define GIC_ICPENDR    0x280
#define GIC_ISACTIVER  0x300
#define GIC_ICACTIVER  0x380
#define GIC_IPRIORITYR 0x400
#define GIC_ICFGR      0xc00

#define GIC_BANK 32 /* interrupts */

/* How an engine reaches a bank's registers; part of what it knows of the bank's place. off: in the
 * distributor or in the frame. */
struct hv_gic_bank {
    const char *engine; /* as errors name it */
    unsigned word;      /* the bank's number: its first INTID / 32 */
    bool fixed_sgis;    /* the type of SGIs is not told in registers */
    int (*get)(const struct hv_gic_bank *bank, uint32_t off, uint32_t *ret_val, struct err *err);
    int (*set)(const struct hv_gic_bank *bank, uint32_t off, uint32_t val, struct err *err);
};

/* A register with a bit per interrupt. */
MUST_CHECK int hv_gic_bank_get_bits(const struct hv_gic_bank *bank, uint32_t reg, uint32_t *ret_val,
                                    struct err *err);
MUST_CHECK int hv_gic_bank_set_bits(const struct hv_gic_bank *bank, uint32_t reg, uint32_t val,
                                    struct err *err);

/* All but the levels of lines, which no register tells. pending_latch: ISPENDR as it reads. */
MUST_CHECK int hv_gic_bank_get(const struct hv_gic_bank *bank, struct gic_redist_state *ret_state,
                               struct err *err);

/* Which are edge-triggered, and their priorities. Error: ENOTSUP, the controller has others fixed.
 */
MUST_CHECK int hv_gic_bank_configure(const struct hv_gic_bank *bank,
                                     const struct gic_redist_state *state, struct err *err);

/* A bank's part of a distributor's state. */
void hv_gic_bank_take(const struct gic_state *dist, unsigned word,
                      struct gic_redist_state *ret_state);
void hv_gic_bank_put(struct gic_state *dist, unsigned word, const struct gic_redist_state *state);
