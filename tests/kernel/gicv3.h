/* The interrupt controller as the checks drive it (GIC IHI 0069). */
#pragma once

#include "kernel.h"

#define GICD UINT64_C(0x08000000)
#define GICR UINT64_C(0x10000000) /* of the first vCPU */
#define SGIS (GICR + 0x10000)

enum {
    GICD_CTLR = 0x0000,
    GIC_IGROUPR = 0x080,
    GIC_ISENABLER = 0x100,
    GIC_ICENABLER = 0x180,
    GIC_ISPENDR = 0x200,
    GIC_ICPENDR = 0x280,
    GIC_ISACTIVER = 0x300,
    GIC_ICACTIVER = 0x380,
    GIC_IPRIORITYR = 0x400,
    GIC_ICFGR = 0xc00,
    GICD_IROUTER = 0x6000,
    GICR_WAKER = 0x0014,
};

#define ICC_PMR     "s3_0_c4_c6_0"
#define ICC_IAR0    "s3_0_c12_c8_0"
#define ICC_EOIR0   "s3_0_c12_c8_1"
#define ICC_HPPIR0  "s3_0_c12_c8_2"
#define ICC_BPR0    "s3_0_c12_c8_3"
#define ICC_AP0R0   "s3_0_c12_c8_4"
#define ICC_AP1R0   "s3_0_c12_c9_0"
#define ICC_DIR     "s3_0_c12_c11_1"
#define ICC_RPR     "s3_0_c12_c11_3"
#define ICC_SGI1R   "s3_0_c12_c11_5"
#define ICC_SGI0R   "s3_0_c12_c11_7"
#define ICC_IAR1    "s3_0_c12_c12_0"
#define ICC_EOIR1   "s3_0_c12_c12_1"
#define ICC_HPPIR1  "s3_0_c12_c12_2"
#define ICC_BPR1    "s3_0_c12_c12_3"
#define ICC_CTLR    "s3_0_c12_c12_4"
#define ICC_SRE     "s3_0_c12_c12_5"
#define ICC_IGRPEN0 "s3_0_c12_c12_6"
#define ICC_IGRPEN1 "s3_0_c12_c12_7"

/* Everything off, not pending, not active; group 1 on; all priorities let through. */
void gic_init(void);

/* A redistributor and CPU interface of its own for the calling vCPU. */
void gic_init_vcpu(unsigned vcpu);

/* The frame that an interrupt of the first vCPU is in. */
uint64_t gic_frame(unsigned intid);

void gic_set_priority(unsigned intid, uint8_t priority);
void gic_enable(unsigned intid, uint8_t priority); /* group 1 */
unsigned gic_pending(unsigned intid);
unsigned gic_active(unsigned intid);
unsigned gic_ack(void);
void gic_eoi(unsigned intid);

/* Run with interrupts on until one comes (10 s at most), or a moment. */
struct go gic_wait(void);
struct go gic_poll(void);
const char *gic_what(const struct go *g);
