/*
 * GICv3 of the software CPU (GIC IHI 0069): distributor, redistributors and CPU interfaces; one
 * security state (GICD_CTLR.DS = 1), 5 priority bits, no LPI, no ITS.
 *
 * Threads: any; one lock inside. After every change the vCPUs whose answer changed get
 * CPU_REQ_IRQ and the wake callback.
 */
#pragma once

#include "cpu/cpu.h"

/* What gic_signals() says. */
enum { GIC_SIGNAL_IRQ = 1 /* group 1 */, GIC_SIGNAL_FIQ = 2 /* group 0 */ };

/* wake(ctx, vcpu) is called with the lock held: it may wake a sleeper, nothing more. */
MUST_CHECK int gic_create(struct soc *soc, void (*wake)(void *ctx, unsigned vcpu), void *ctx,
                          struct gic **ret_gic, struct err *err);
void gic_destroy(struct gic *gic);

void gic_set_spi(struct gic *gic, unsigned spi, bool level);
void gic_set_ppi(struct gic *gic, unsigned vcpu, unsigned intid, bool level);

/* Which interrupts are signalled to this vCPU, whatever its PSTATE says. Takes no lock. */
unsigned gic_signals(struct gic *gic, unsigned vcpu);

/* Register windows; off is from the distributor's base, or from the redistributor region's. Odd
 * accesses are ignored and logged as the guest's fault. */
uint64_t gic_dist_read(struct gic *gic, uint64_t off, unsigned size);
void gic_dist_write(struct gic *gic, uint64_t off, unsigned size, uint64_t val);
uint64_t gic_redist_read(struct gic *gic, uint64_t off, unsigned size);
void gic_redist_write(struct gic *gic, uint64_t off, unsigned size, uint64_t val);

/* ICC_*_EL1 by encoding. Returns false when there is no such register (or not that way): the
 * caller takes UNDEFINED. */
bool gic_icc_read(struct gic *gic, unsigned vcpu, uint16_t enc, uint64_t *ret_val);
bool gic_icc_write(struct gic *gic, unsigned vcpu, uint16_t enc, uint64_t val);

void gic_get_state(struct gic *gic, struct gic_state *ret_state);
MUST_CHECK int gic_set_state(struct gic *gic, const struct gic_state *state, struct err *err);
void gic_get_icc(struct gic *gic, unsigned vcpu, struct vcpu_state *state);
MUST_CHECK int gic_set_icc(struct gic *gic, unsigned vcpu, const struct vcpu_state *state,
                           struct err *err);
