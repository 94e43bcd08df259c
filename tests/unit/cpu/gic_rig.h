/* A GIC on a machine of several vCPUs, set up as Linux does it, and its registers by name. */
#pragma once

#include <errno.h>

#include "../test.h"
#include "cpu/gic.h"

enum {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IROUTER = 0x6000,
    GIC_PIDR2 = 0xffe8,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI = 0x10000, /* the second frame */
    IGROUPR = 0x080,
    ISENABLER = 0x100,
    ICENABLER = 0x180,
    ISPENDR = 0x200,
    ICPENDR = 0x280,
    ISACTIVER = 0x300,
    ICACTIVER = 0x380,
    IPRIORITYR = 0x400,
    ICFGR = 0xc00,
};

#define ICC_PMR     SYSREG(3, 0, 4, 6, 0)
#define ICC_IAR0    SYSREG(3, 0, 12, 8, 0)
#define ICC_EOIR0   SYSREG(3, 0, 12, 8, 1)
#define ICC_HPPIR0  SYSREG(3, 0, 12, 8, 2)
#define ICC_BPR0    SYSREG(3, 0, 12, 8, 3)
#define ICC_AP0R0   SYSREG(3, 0, 12, 8, 4)
#define ICC_AP1R0   SYSREG(3, 0, 12, 9, 0)
#define ICC_DIR     SYSREG(3, 0, 12, 11, 1)
#define ICC_RPR     SYSREG(3, 0, 12, 11, 3)
#define ICC_SGI1R   SYSREG(3, 0, 12, 11, 5)
#define ICC_ASGI1R  SYSREG(3, 0, 12, 11, 6)
#define ICC_SGI0R   SYSREG(3, 0, 12, 11, 7)
#define ICC_IAR1    SYSREG(3, 0, 12, 12, 0)
#define ICC_EOIR1   SYSREG(3, 0, 12, 12, 1)
#define ICC_HPPIR1  SYSREG(3, 0, 12, 12, 2)
#define ICC_BPR1    SYSREG(3, 0, 12, 12, 3)
#define ICC_CTLR    SYSREG(3, 0, 12, 12, 4)
#define ICC_SRE     SYSREG(3, 0, 12, 12, 5)
#define ICC_IGRPEN0 SYSREG(3, 0, 12, 12, 6)
#define ICC_IGRPEN1 SYSREG(3, 0, 12, 12, 7)

#define NONE     1023 /* spurious */
#define PRIO     0xa0
#define EOIMODE  2
#define GIC_VCPU 20 /* vCPUs: two clusters of 16 */

struct gic_rig {
    struct soc soc;
    struct cpu cpus[GIC_VCPU]; /* only their request words are used */
    struct gic *gic;
    unsigned wakes[GIC_VCPU];
};

static void gic_rig_wake(void *ctx, unsigned vcpu)
{
    struct gic_rig *rig = ctx;

    rig->wakes[vcpu]++;
}

static inline void icc_w(struct gic_rig *rig, unsigned vcpu, uint16_t enc, uint64_t val)
{
    assert_true(gic_icc_write(rig->gic, vcpu, enc, val));
}

static inline uint64_t icc_r(struct gic_rig *rig, unsigned vcpu, uint16_t enc)
{
    uint64_t val = 0;

    assert_true(gic_icc_read(rig->gic, vcpu, enc, &val));
    return val;
}

static inline void gicd_w(struct gic_rig *rig, uint64_t off, uint32_t val)
{
    gic_dist_write(rig->gic, off, 4, val);
}

static inline uint32_t gicd_r(struct gic_rig *rig, uint64_t off)
{
    return (uint32_t)gic_dist_read(rig->gic, off, 4);
}

static inline void gicr_w(struct gic_rig *rig, unsigned vcpu, uint64_t off, uint32_t val)
{
    gic_redist_write(rig->gic, vcpu * MAP_GICR_STRIDE + off, 4, val);
}

static inline uint32_t gicr_r(struct gic_rig *rig, unsigned vcpu, uint64_t off)
{
    return (uint32_t)gic_redist_read(rig->gic, vcpu * MAP_GICR_STRIDE + off, 4);
}

static inline void gic_rig_init(struct gic_rig *rig)
{
    struct err err;

    memset(rig, 0, sizeof(*rig));
    rig->soc.vcpus = GIC_VCPU;
    for (unsigned i = 0; i < GIC_VCPU; i++)
        rig->soc.cpus[i] = &rig->cpus[i];
    assert_int_equal(gic_create(&rig->soc, gic_rig_wake, rig, &rig->gic, &err), 0);
}

/* Everything in group 1, enabled, at one priority; SPIs to vCPU 0. */
static inline void gic_rig_up(struct gic_rig *rig)
{
    gic_rig_init(rig);
    gicd_w(rig, GICD_CTLR, 0x12);
    for (unsigned w = 1; w < GIC_INTIDS / 32; w++) {
        gicd_w(rig, IGROUPR + 4 * w, UINT32_MAX);
        gicd_w(rig, ISENABLER + 4 * w, UINT32_MAX);
    }
    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS; i++)
        gic_dist_write(rig->gic, IPRIORITYR + i, 1, PRIO);
    for (unsigned v = 0; v < GIC_VCPU; v++) {
        gicr_w(rig, v, GICR_WAKER, 0);
        gicr_w(rig, v, GICR_SGI + IGROUPR, UINT32_MAX);
        gicr_w(rig, v, GICR_SGI + ISENABLER, UINT32_MAX);
        for (unsigned i = 0; i < 32; i += 4)
            gicr_w(rig, v, GICR_SGI + IPRIORITYR + i, PRIO * 0x01010101u);
        icc_w(rig, v, ICC_PMR, 0xf0);
        icc_w(rig, v, ICC_IGRPEN1, 1);
    }
}

static inline int gic_rig_setup(void **state)
{
    static struct gic_rig rig;

    gic_rig_up(&rig);
    *state = &rig;
    return 0;
}

static inline int gic_rig_teardown(void **state)
{
    struct gic_rig *rig = *state;

    gic_destroy(rig->gic);
    return 0;
}
