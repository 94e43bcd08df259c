/*
 * GICv3: SGIs, private and shared interrupts, priorities, preemption, states, and the registers of
 * the CPU interface. Interrupts are made by software, so that nothing depends on devices.
 */
#include "gicv3.h"

#define GROUP "gic"

#define SPI_A 80
#define SPI_B 81
#define PPI_A 20
#define PPI_B 21

#define SGI_TO_SELF(n) ((uint64_t)(n) << 24 | 1)

static void pend(unsigned intid)
{
    write32(gic_frame(intid) + GIC_ISPENDR + intid / 32 * 4, 1U << intid % 32);
}

static void unpend(unsigned intid)
{
    write32(gic_frame(intid) + GIC_ICPENDR + intid / 32 * 4, 1U << intid % 32);
}

/* Write all ones and zeros, read back, leave zero. */
#define MASK(reg, all, shown)                                                               \
    do {                                                                                    \
        uint64_t ones_, zeros_;                                                             \
        WRITE(ICC_##reg, all);                                                              \
        ones_ = READ(ICC_##reg);                                                            \
        WRITE(ICC_##reg, 0);                                                                \
        zeros_ = READ(ICC_##reg);                                                           \
        print(GROUP ".mask-" #reg ": ones %x zeros %x\n", ones_ &(shown), zeros_ &(shown)); \
    } while (0)

static void masks(void)
{
    MASK(PMR, UINT64_MAX, UINT64_MAX);
    MASK(BPR0, 7, UINT64_MAX);
    MASK(BPR1, 7, UINT64_MAX);
    MASK(CTLR, UINT64_MAX, BITS(10, 8) | BITS(1, 0));
    MASK(SRE, UINT64_MAX, UINT64_MAX);
    MASK(IGRPEN0, UINT64_MAX, UINT64_MAX);
    MASK(IGRPEN1, UINT64_MAX, UINT64_MAX);
    MASK(AP0R0, UINT64_MAX, UINT64_MAX);
    MASK(AP1R0, UINT64_MAX, UINT64_MAX);
    gic_init();
    print(GROUP ".idle: iar0 %d iar1 %d", (unsigned)READ(ICC_IAR0), (unsigned)READ(ICC_IAR1));
    print(" hppir0 %d hppir1 %d rpr %x\n", (unsigned)READ(ICC_HPPIR0), (unsigned)READ(ICC_HPPIR1),
          READ(ICC_RPR));
    /* BPR1 follows BPR0 where CBPR is set. */
    for (unsigned bpr = 0; bpr < 8; bpr++) {
        WRITE(ICC_CTLR, 0);
        WRITE(ICC_BPR0, bpr);
        WRITE(ICC_BPR1, bpr);
        print("%s %x/%x", bpr ? "" : GROUP ".bpr:", READ(ICC_BPR0), READ(ICC_BPR1));
        WRITE(ICC_CTLR, 1);
        print("/%x", READ(ICC_BPR1));
    }
    print("\n");
    gic_init();
}

static void sgi(void)
{
    struct go g;

    for (unsigned n = 0; n < 16; n += 5) {
        gic_enable(n, 0x40);
        WRITE(ICC_SGI1R, SGI_TO_SELF(n));
        print(GROUP ".sgi-%d: pending %d hppir %d", n, gic_pending(n), (unsigned)READ(ICC_HPPIR1));
        g = gic_wait();
        print(" %s isr %x", gic_what(&g), READ("isr_el1"));
        print(" intid %d", gic_ack());
        print(" rpr %x", READ(ICC_RPR));
        print(" pending %d active %d", gic_pending(n), gic_active(n));
        gic_eoi(n);
        print(" then active %d rpr %x\n", gic_active(n), READ(ICC_RPR));
    }
    /* Nobody of that name; group 0 by the wrong register; to all others, of whom there are none
     * here that have it enabled. */
    WRITE(ICC_SGI1R, UINT64_C(0x30) << 16 | 1);
    print(GROUP ".sgi-nobody: pending %d\n", gic_pending(0));
    WRITE(ICC_SGI0R, SGI_TO_SELF(0));
    print(GROUP ".sgi-wrong-group: pending %d\n", gic_pending(0));
    WRITE(ICC_SGI1R, BIT(40));
    print(GROUP ".sgi-others: pending %d\n", gic_pending(0));
    /* By the distributor's set and clear registers. */
    pend(5);
    print(GROUP ".sgi-set: pending %d", gic_pending(5));
    unpend(5);
    print(" cleared %d\n", gic_pending(5));
    gic_init();
}

/* Of several the one with the highest priority, then the lowest number. */
static void order(void)
{
    static const unsigned all[] = { 3, 7, PPI_A, PPI_B, SPI_A, SPI_B };
    static const uint8_t priorities[2][6] = { { 0x80, 0x60, 0x60, 0x20, 0x10, 0x80 },
                                              { 0x50, 0x50, 0x50, 0x50, 0x50, 0x50 } };

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < COUNT(all); i++) {
            gic_enable(all[i], priorities[round][i]);
            pend(all[i]);
        }
        print(GROUP ".order-%d:", round);
        for (unsigned i = 0; i < COUNT(all) + 1; i++) {
            unsigned next = (unsigned)READ(ICC_HPPIR1), intid = gic_ack();

            print(" %d%s", intid, next == intid ? "" : "?");
            if (intid < 1020)
                gic_eoi(intid);
        }
        print("\n");
        gic_init();
    }
}

/* A mask lets through what is higher than it. */
static void priority_mask(void)
{
    gic_enable(SPI_A, 0x80);
    pend(SPI_A);
    print(GROUP ".pmr:");
    for (unsigned pmr = 0x70; pmr <= 0x98; pmr += 8) {
        struct go g;

        WRITE(ICC_PMR, pmr);
        g = gic_poll();
        print(" %x %s hppir %d", (uint64_t)pmr, gic_what(&g), (unsigned)READ(ICC_HPPIR1));
    }
    WRITE(ICC_PMR, 0x80);
    print(" ack %d", gic_ack());
    WRITE(ICC_PMR, 0xff);
    print(" ack %d\n", gic_ack());
    gic_eoi(SPI_A);
    gic_init();
}

/* What interrupts what: SPI_A is active at 0x80, SPI_B comes. */
static void preemption(void)
{
    static const uint8_t seconds[] = { 0x80, 0x78, 0x70, 0x60, 0x40, 0x00 };

    for (unsigned bpr = 3; bpr < 8; bpr++) {
        print(GROUP ".preempt-bpr%d:", bpr);
        for (unsigned i = 0; i < COUNT(seconds); i++) {
            struct go g;

            WRITE(ICC_BPR1, bpr);
            gic_enable(SPI_A, 0x80);
            gic_enable(SPI_B, seconds[i]);
            pend(SPI_A);
            (void)gic_ack();
            pend(SPI_B);
            g = gic_poll();
            print(" %x %s rpr %x ap %x", (uint64_t)seconds[i], gic_what(&g), READ(ICC_RPR),
                  READ(ICC_AP1R0));
            if (g.vector == VECTOR_IRQ) {
                print(" %d", gic_ack());
                print(" rpr %x ap %x", READ(ICC_RPR), READ(ICC_AP1R0));
                gic_eoi(SPI_B);
            }
            gic_eoi(SPI_A);
            gic_init();
        }
        print("\n");
    }
}

/* EOImode 1: the priority drops by EOIR, the state by DIR. */
static void eoi_modes(void)
{
    uint64_t config = GICD + GIC_ICFGR + SPI_A / 16 * 4;

    for (unsigned mode = 0; mode < 2; mode++) {
        /* An edge: KVM forgets a level that software made pending while it was active. */
        write32(config, 2U << SPI_A % 16 * 2);
        WRITE(ICC_CTLR, mode << 1);
        gic_enable(SPI_A, 0x80);
        gic_enable(SPI_B, 0x88);
        pend(SPI_A);
        print(GROUP ".eoimode%d: ack %d", mode, gic_ack());
        print(" rpr %x", READ(ICC_RPR));
        pend(SPI_B);
        print(" blocked %d", gic_ack());
        gic_eoi(SPI_A);
        print(" eoi: active %d rpr %x ap %x", gic_active(SPI_A), READ(ICC_RPR), READ(ICC_AP1R0));
        /* While it is active it does not come again, though pending. */
        pend(SPI_A);
        print(" pending %d hppir %d", gic_pending(SPI_A), (unsigned)READ(ICC_HPPIR1));
        if (mode)
            WRITE(ICC_DIR, SPI_A);
        print(" dir: active %d", gic_active(SPI_A));
        print(" hppir %d\n", (unsigned)READ(ICC_HPPIR1));
        write32(config, 0);
        gic_init();
    }
}

/* Enable, pending and active by the distributor's registers. */
static void states(void)
{
    static const unsigned all[] = { PPI_A, SPI_A };

    for (unsigned i = 0; i < COUNT(all); i++) {
        unsigned n = all[i];
        uint64_t frame = gic_frame(n), word = n / 32 * 4;
        uint32_t bit = 1U << n % 32;
        struct go g;

        gic_enable(n, 0x80);
        pend(n);
        write32(frame + GIC_ICENABLER + word, bit);
        g = gic_poll();
        print(GROUP ".states-%d: disabled %s pending %d hppir %d", n, gic_what(&g), gic_pending(n),
              (unsigned)READ(ICC_HPPIR1));
        write32(frame + GIC_ISENABLER + word, bit);
        write32(frame + GIC_ISACTIVER + word, bit);
        g = gic_poll();
        print(", active %s %d%d", gic_what(&g), gic_pending(n), gic_active(n));
        write32(frame + GIC_ICACTIVER + word, bit);
        g = gic_poll();
        print(", inactive %s", gic_what(&g));
        unpend(n);
        g = gic_poll();
        print(", cleared %s %d%d", gic_what(&g), gic_pending(n), gic_active(n));
        pend(n);
        WRITE(ICC_IGRPEN1, 0);
        g = gic_poll();
        print(", group off %s hppir %d", gic_what(&g), (unsigned)READ(ICC_HPPIR1));
        print(" ack %d", gic_ack());
        WRITE(ICC_IGRPEN1, 1);
        write32(GICD + GICD_CTLR, 0x11);
        g = gic_poll();
        print(", distributor off %s\n", gic_what(&g));
        write32(GICD + GICD_CTLR, 0x13);
        unpend(n);
        gic_init();
    }
}

/* Group 0 comes as FIQ and by the other set of registers. */
static void group0(void)
{
    uint64_t group = GICD + GIC_IGROUPR + SPI_A / 32 * 4;
    struct go g;

    gic_enable(SPI_A, 0x80);
    write32(group, read32(group) & ~(1U << SPI_A % 32));
    WRITE(ICC_IGRPEN0, 1);
    pend(SPI_A);
    g = gic_poll();
    print(GROUP ".group0: %s isr %x", gic_what(&g), READ("isr_el1"));
    print(" iar1 %d", gic_ack());
    print(" hppir0 %d hppir1 %d", (unsigned)READ(ICC_HPPIR0), (unsigned)READ(ICC_HPPIR1));
    print(" iar0 %d", (unsigned)READ(ICC_IAR0));
    print(" ap0 %x ap1 %x", READ(ICC_AP0R0), READ(ICC_AP1R0));
    WRITE(ICC_EOIR0, SPI_A);
    print(" active %d\n", gic_active(SPI_A));
    gic_init();
}

/* ICFGR: what can be changed, and an edge that comes while the interrupt is active. */
static void edges(void)
{
    uint64_t frame = gic_frame(SPI_A), config = frame + GIC_ICFGR + SPI_A / 16 * 4;

    write32(config, 2U << SPI_A % 16 * 2);
    print(GROUP ".edge: icfgr %x", (uint64_t)read32(config));
    gic_enable(SPI_A, 0x80);
    pend(SPI_A);
    print(" ack %d", gic_ack());
    print(" pending %d", gic_pending(SPI_A));
    pend(SPI_A);
    print(" again %d active %d", gic_pending(SPI_A), gic_active(SPI_A));
    gic_eoi(SPI_A);
    print(" ack %d\n", gic_ack());
    gic_eoi(SPI_A);
    write32(config, 0);
    write32(SGIS + GIC_ICFGR, 0);
    print(GROUP ".sgi-config: %x\n", (uint64_t)read32(SGIS + GIC_ICFGR));
    gic_init();
}

/* What the registers of each interrupt hold. */
static void distributor(void)
{
    gic_set_priority(SPI_A, 0xff);
    print(GROUP ".priority: %x", (uint64_t)read8(GICD + GIC_IPRIORITYR + SPI_A));
    write32(GICD + GIC_IPRIORITYR + SPI_A, 0x12345678);
    print(" %x", (uint64_t)read32(GICD + GIC_IPRIORITYR + SPI_A));
    print(" %x\n", (uint64_t)read8(GICD + GIC_IPRIORITYR + SPI_A + 1));
    *(volatile uint64_t *)(GICD + GICD_IROUTER + 8 * SPI_A) = 0;
    print(GROUP ".irouter: %x\n", read64(GICD + GICD_IROUTER + 8 * SPI_A));
    print(GROUP ".enable:");
    write32(GICD + GIC_ISENABLER + 8, 0xffff0000);
    print(" %x", (uint64_t)read32(GICD + GIC_ICENABLER + 8));
    write32(GICD + GIC_ICENABLER + 8, 0x00ff0000);
    print(" %x\n", (uint64_t)read32(GICD + GIC_ISENABLER + 8));
    gic_init();
}

void check_gic(void)
{
    gic_init();
    masks();
    sgi();
    order();
    priority_mask();
    preemption();
    eoi_modes();
    states();
    group0();
    edges();
    distributor();
}
