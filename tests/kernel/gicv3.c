/* Driving the interrupt controller. */
#include "gicv3.h"

SNIPPET(g_wait, "mrs x1, cntvct_el0\nadd x1, x1, x0\n"
                "1: isb\nmrs x2, cntvct_el0\ncmp x2, x1\nb.lo 1b");
SNIPPET(g_poll, "1: isb\nsubs x0, x0, #1\nb.ne 1b");

#define TEN_SECONDS UINT64_C(240000000)
#define MOMENT      1000

uint64_t gic_frame(unsigned intid)
{
    return intid < 32 ? SGIS : GICD;
}

static uint64_t bit_reg(unsigned reg, unsigned intid)
{
    return gic_frame(intid) + reg + intid / 32 * 4;
}

void gic_set_priority(unsigned intid, uint8_t priority)
{
    write8(gic_frame(intid) + GIC_IPRIORITYR + intid, priority);
}

void gic_enable(unsigned intid, uint8_t priority)
{
    uint64_t group = bit_reg(GIC_IGROUPR, intid);

    gic_set_priority(intid, priority);
    write32(group, read32(group) | 1U << intid % 32);
    write32(bit_reg(GIC_ISENABLER, intid), 1U << intid % 32);
}

unsigned gic_pending(unsigned intid)
{
    return read32(bit_reg(GIC_ISPENDR, intid)) >> intid % 32 & 1;
}

unsigned gic_active(unsigned intid)
{
    return read32(bit_reg(GIC_ISACTIVER, intid)) >> intid % 32 & 1;
}

unsigned gic_ack(void)
{
    unsigned intid = (unsigned)READ(ICC_IAR1);

    DSB();
    return intid;
}

void gic_eoi(unsigned intid)
{
    WRITE(ICC_EOIR1, intid);
}

void gic_init_vcpu(unsigned vcpu)
{
    uint64_t rd = GICR + vcpu * UINT64_C(0x20000), sgi = rd + 0x10000;

    write32(rd + GICR_WAKER, 0);
    while (read32(rd + GICR_WAKER) & 4)
        ;
    write32(sgi + GIC_ICENABLER, UINT32_MAX);
    write32(sgi + GIC_ICPENDR, UINT32_MAX);
    write32(sgi + GIC_ICACTIVER, UINT32_MAX);
    write32(sgi + GIC_IGROUPR, UINT32_MAX);
    WRITE(ICC_CTLR, 0);
    WRITE(ICC_AP0R0, 0);
    WRITE(ICC_AP1R0, 0);
    WRITE(ICC_BPR0, 0);
    WRITE(ICC_BPR1, 0);
    WRITE(ICC_PMR, 0xff);
    WRITE(ICC_IGRPEN0, 0);
    WRITE(ICC_IGRPEN1, 1);
}

void gic_init(void)
{
    write32(GICD + GICD_CTLR, 0x13); /* affinity routing, both groups */
    for (unsigned word = 1; word < 4; word++) {
        write32(GICD + GIC_ICENABLER + 4 * word, UINT32_MAX);
        write32(GICD + GIC_ICPENDR + 4 * word, UINT32_MAX);
        write32(GICD + GIC_ICACTIVER + 4 * word, UINT32_MAX);
        write32(GICD + GIC_IGROUPR + 4 * word, UINT32_MAX);
    }
    gic_init_vcpu(0);
}

struct go gic_wait(void)
{
    return run_at(EL1 & ~(SPSR_IRQ | SPSR_FIQ), g_wait, TEN_SECONDS, 0, 0, 0);
}

struct go gic_poll(void)
{
    return run_at(EL1 & ~(SPSR_IRQ | SPSR_FIQ), g_poll, MOMENT, 0, 0, 0);
}

const char *gic_what(const struct go *g)
{
    if (g->vector == VECTOR_IRQ)
        return "irq";
    if (g->vector == VECTOR_FIQ)
        return "fiq";
    return returned(g) ? "nothing" : "something else";
}
