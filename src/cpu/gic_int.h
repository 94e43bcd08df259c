/* What the parts of the GIC share. */
#pragma once

#include "cpu/gic.h"

#define GIC_WORDS     (GIC_INTIDS / 32)
#define GIC_PRIO_MASK 0xf8 /* 5 priority bits */
#define GIC_PRIO_IDLE 0xff /* nothing is active */
#define GIC_PRIO_STEP 3    /* an active priority's bit in APR is priority >> 3 */
#define GIC_SPURIOUS  1023 /* INTID: there is none */
#define GIC_NOBODY    UINT32_MAX

#define GICD_CTLR_GRP0 BIT(0)
#define GICD_CTLR_GRP1 BIT(1)
#define GICD_CTLR_ARE  BIT(4)
#define GICD_CTLR_DS   BIT(6)

#define GICR_WAKER_SLEEP  BIT(1)
#define GICR_WAKER_ASLEEP BIT(2)

#define ICC_CTLR_CBPR    BIT(0)
#define ICC_CTLR_EOIMODE BIT(1)
#define ICC_CTLR_PRIBITS (UINT64_C(4) << 8) /* 5 bits */
#define ICC_CTLR_WRITE   (ICC_CTLR_CBPR | ICC_CTLR_EOIMODE)
#define ICC_SRE_VALUE    7

/* 32 interrupts, one bit each: SGIs and PPIs of a vCPU, or a word of the distributor. */
struct gic_bank {
    uint32_t group, enabled, active;
    uint32_t latch; /* pending apart from the line: edges and software */
    uint32_t line;  /* the input, as last driven */
    uint32_t edge;  /* 1: edge-triggered */
    uint8_t priority[32];
};

struct gic_vcpu {
    struct gic_bank bank;
    uint32_t waker;

    /* The CPU interface. */
    uint8_t pmr, bpr[2];     /* by group */
    uint32_t apr[2];         /* active priorities, by group */
    uint8_t ctlr;            /* CBPR, EOImode */
    bool grpen[2];           /* by group */
    _Atomic uint8_t signals; /* what gic_signals() answers */
};

struct gic {
    struct soc *soc;
    struct lock lock; /* everything below */
    void (*wake)(void *ctx, unsigned vcpu);
    void *ctx;
    uint32_t ctlr;                  /* GICD_CTLR group enables */
    struct gic_bank spi[GIC_WORDS]; /* [0] is unused */
    uint64_t irouter[GIC_INTIDS];   /* as written */
    uint32_t target[GIC_INTIDS];    /* the vCPU that irouter names, or GIC_NOBODY */
    uint32_t vcpus;
    struct gic_vcpu vcpu[];
};

static inline uint32_t gic_pending(const struct gic_bank *bank)
{
    return bank->latch | (bank->line & ~bank->edge);
}

/* The bank and bit of an INTID as a vCPU sees it. */
static inline struct gic_bank *gic_bank_of(struct gic *gic, unsigned vcpu, unsigned intid)
{
    return intid < 32 ? &gic->vcpu[vcpu].bank : &gic->spi[intid / 32];
}

/* The highest priority pending interrupt that this CPU interface has enabled. */
struct gic_best {
    unsigned intid; /* GIC_SPURIOUS: none */
    uint8_t priority, group;
};

/* ICC_BPR0 and ICC_BPR1 as they take a value: no smaller than 5 priority bits allow. */
#define GIC_BPR_MAX 7
static inline uint8_t gic_bpr(uint64_t val, unsigned group)
{
    uint8_t min = group ? 3 : 2;

    val &= GIC_BPR_MAX;
    return val < min ? min : (uint8_t)val;
}

struct gic_best gic_best(struct gic *gic, unsigned vcpu) REQUIRES(gic->lock);

/* The part of a priority that decides preemption. */
uint8_t gic_group_priority(const struct gic_vcpu *v, uint8_t priority, unsigned group);

/* Does it go to the PE: priority mask and preemption (IHI 0069, 4.8)? */
bool gic_deliverable(const struct gic_vcpu *v, const struct gic_best *best);

/* The priority of what runs now: GIC_PRIO_IDLE when nothing is active. */
uint8_t gic_running(const struct gic_vcpu *v);

/* Recompute the signals of one vCPU, or of all, and tell those whose answer changed. */
void gic_update(struct gic *gic, unsigned vcpu) REQUIRES(gic->lock);
void gic_update_all(struct gic *gic) REQUIRES(gic->lock);

/* A new GICD_IROUTER value. */
void gic_route(struct gic *gic, unsigned intid, uint64_t val) REQUIRES(gic->lock);

/* The vCPU with that affinity (Aff3.Aff2.Aff1.Aff0 as in IROUTER and MPIDR), or GIC_NOBODY. */
uint32_t gic_find_vcpu(const struct gic *gic, uint64_t affinity);
