/* Who gets which interrupt when: the life of interrupts of every kind (GIC IHI 0069, chapter 4). */
#include "gic_rig.h"

#define SPI(n) (GIC_FIRST_SPI + (n))

static void test_level_spi(void **state)
{
    struct gic_rig *rig = *state;

    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(gic_signals(rig->gic, 0), GIC_SIGNAL_IRQ);
    assert_int_equal(gic_signals(rig->gic, 1), 0);
    assert_int_equal(rig->wakes[0], 1);
    assert_true(atomic_load(&rig->cpus[0].request) & CPU_REQ_IRQ);
    assert_int_equal(atomic_load(&rig->cpus[1].request), 0);
    assert_int_equal(icc_r(rig, 0, ICC_HPPIR1), SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    /* Active: not signalled again, though the line is still high. */
    assert_int_equal(gic_signals(rig->gic, 0), 0);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), NONE);
    assert_int_equal(icc_r(rig, 0, ICC_RPR), PRIO);
    icc_w(rig, 0, ICC_EOIR1, SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0xff);
    /* The line is looked at again. */
    assert_int_equal(gic_signals(rig->gic, 0), GIC_SIGNAL_IRQ);
    gic_set_spi(rig->gic, 5, false);
    assert_int_equal(gic_signals(rig->gic, 0), 0);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), NONE);
}

static void test_edge_spi(void **state)
{
    struct gic_rig *rig = *state;

    gicd_w(rig, ICFGR + 4 * (SPI(5) / 16), 2u << 2 * (SPI(5) % 16));
    gic_set_spi(rig->gic, 5, true);
    gic_set_spi(rig->gic, 5, false);
    /* One edge, one interrupt, also after the line fell. */
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    /* A second edge while active pends. */
    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(gic_signals(rig->gic, 0), 0);
    icc_w(rig, 0, ICC_EOIR1, SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    icc_w(rig, 0, ICC_EOIR1, SPI(5));
    /* A high line is no edge. */
    assert_int_equal(gic_signals(rig->gic, 0), 0);
    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(gic_signals(rig->gic, 0), 0);
}

/* The pending latch that software sets is apart from the line. */
static void test_software_pending(void **state)
{
    struct gic_rig *rig = *state;
    uint64_t set = ISPENDR + 4, clear = ICPENDR + 4;

    gicd_w(rig, set, 1u << 5);
    assert_int_equal(gic_signals(rig->gic, 0), GIC_SIGNAL_IRQ);
    assert_int_equal(gicd_r(rig, set), 1u << 5);
    gicd_w(rig, clear, 1u << 5);
    assert_int_equal(gic_signals(rig->gic, 0), 0);
    gicd_w(rig, set, 1u << 5);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    icc_w(rig, 0, ICC_EOIR1, SPI(5));
    assert_int_equal(gic_signals(rig->gic, 0), 0); /* acknowledging took the latch */
    gic_set_spi(rig->gic, 5, true);
    gicd_w(rig, clear, 1u << 5); /* the line stays */
    assert_int_equal(gic_signals(rig->gic, 0), GIC_SIGNAL_IRQ);
    assert_int_equal(gicd_r(rig, clear), 1u << 5);
}

static void test_ppi_goes_to_its_vcpu(void **state)
{
    struct gic_rig *rig = *state;

    gic_set_ppi(rig->gic, 3, 27, true);
    for (unsigned v = 0; v < GIC_VCPU; v++)
        assert_int_equal(gic_signals(rig->gic, v), v == 3 ? GIC_SIGNAL_IRQ : 0);
    assert_int_equal(icc_r(rig, 3, ICC_IAR1), 27);
    gic_set_ppi(rig->gic, 3, 27, false);
    icc_w(rig, 3, ICC_EOIR1, 27);
    assert_int_equal(gic_signals(rig->gic, 3), 0);
}

static unsigned signalled(struct gic_rig *rig)
{
    unsigned mask = 0;

    for (unsigned v = 0; v < GIC_VCPU; v++)
        mask |= (gic_signals(rig->gic, v) ? 1u : 0) << v;
    return mask;
}

static void take_all(struct gic_rig *rig, unsigned intid)
{
    for (unsigned v = 0; v < GIC_VCPU; v++) {
        if (!gic_signals(rig->gic, v))
            continue;
        assert_int_equal(icc_r(rig, v, ICC_IAR1), intid);
        icc_w(rig, v, ICC_EOIR1, intid);
    }
    assert_int_equal(signalled(rig), 0);
}

static void test_sgi_routing(void **state)
{
    static const struct {
        uint64_t sgi;
        unsigned to; /* mask of vCPUs */
    } t[] = {
        { 0x0000000000000001, 0x00001 }, /* itself */
        { 0x0000000000008006, 0x08006 }, /* a list */
        { 0x000000000000ffff, 0x0ffff },
        { 0x0000000000010009, 0x90000 }, /* cluster 1: Aff0 0 and 3 are vCPUs 16 and 19 */
        { 0x000000000001fff0, 0x00000 }, /* nobody there */
        { 0x0000000000020001, 0x00000 }, /* no such cluster */
        { 0x0000000100000001, 0x00000 }, /* Aff2 */
        { 0x0001000000000001, 0x00000 }, /* Aff3 */
        { 0x0000100000000001, 0x00000 }, /* RS: not without GICD_TYPER.RSS */
        { 0x0000010000000000, 0xffffe }, /* IRM: all but the sender */
        { 0x0000010000000001, 0xffffe },
    };
    struct gic_rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        for (unsigned intid = 0; intid < 16; intid += 5) {
            icc_w(rig, 0, ICC_SGI1R, t[i].sgi | (uint64_t)intid << 24);
            assert_int_equal(signalled(rig), t[i].to);
            take_all(rig, intid);
        }
    }
}

/* Which register reaches an SGI of which group, on the sender itself and elsewhere. */
static void test_sgi_groups(void **state)
{
    static const struct {
        uint16_t reg;
        unsigned group;
        bool sent;
    } t[] = {
        { ICC_SGI1R, 1, true }, { ICC_SGI0R, 1, false }, { ICC_ASGI1R, 1, false },
        { ICC_SGI1R, 0, true }, { ICC_SGI0R, 0, true },  { ICC_ASGI1R, 0, true },
    };
    struct gic_rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        for (unsigned v = 0; v < 3; v++) {
            gicr_w(rig, v, GICR_SGI + IGROUPR, t[i].group ? UINT32_MAX : ~8u);
            gicr_w(rig, v, GICR_SGI + ICPENDR, UINT32_MAX);
        }
        icc_w(rig, 0, t[i].reg, 3u << 24 | 3); /* SGI 3 to vCPUs 0 and 1 */
        assert_int_equal(gicr_r(rig, 0, GICR_SGI + ISPENDR), t[i].sent ? 8 : 0);
        assert_int_equal(gicr_r(rig, 1, GICR_SGI + ISPENDR), t[i].sent ? 8 : 0);
        assert_int_equal(gicr_r(rig, 2, GICR_SGI + ISPENDR), 0);
    }

    /* Each target looks at its own configuration. */
    gicr_w(rig, 0, GICR_SGI + IGROUPR, UINT32_MAX);
    gicr_w(rig, 0, GICR_SGI + ICPENDR, UINT32_MAX);
    gicr_w(rig, 1, GICR_SGI + IGROUPR, ~8u);
    gicr_w(rig, 1, GICR_SGI + ICPENDR, UINT32_MAX);
    icc_w(rig, 2, ICC_SGI0R, 3u << 24 | 3);
    assert_int_equal(gicr_r(rig, 0, GICR_SGI + ISPENDR), 0);
    assert_int_equal(gicr_r(rig, 1, GICR_SGI + ISPENDR), 8);
}

/* The end of an interrupt of one group leaves the other one's priority alone. */
static void test_ends_of_both_groups(void **state)
{
    struct gic_rig *rig = *state;

    gicd_w(rig, GICD_CTLR, 3);
    gicd_w(rig, IGROUPR + 4, ~(1u << 5)); /* SPI 5 in group 0 */
    gic_dist_write(rig->gic, IPRIORITYR + SPI(5), 1, 0x40);
    icc_w(rig, 0, ICC_IGRPEN0, 1);
    gic_set_spi(rig->gic, 6, true);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(6));
    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(icc_r(rig, 0, ICC_IAR0), SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0x40);
    gic_set_spi(rig->gic, 5, false);
    gic_set_spi(rig->gic, 6, false);

    /* Group 0 runs: ICC_EOIR1 is not for it, whichever INTID. */
    icc_w(rig, 0, ICC_EOIR1, SPI(6));
    icc_w(rig, 0, ICC_EOIR1, SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0x40);
    assert_int_equal(icc_r(rig, 0, ICC_AP1R0), 1u << (PRIO >> 3));
    assert_int_equal(gicd_r(rig, ISACTIVER + 4), 3u << 5);
    icc_w(rig, 0, ICC_EOIR0, SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), PRIO);
    icc_w(rig, 0, ICC_EOIR0, SPI(6));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), PRIO);
    assert_int_equal(gicd_r(rig, ISACTIVER + 4), 1u << 6);
    icc_w(rig, 0, ICC_EOIR1, SPI(6));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0xff);
    assert_int_equal(gicd_r(rig, ISACTIVER + 4), 0);

    /* Nothing runs: nothing ends. */
    gicd_w(rig, ISACTIVER + 4, 1u << 6);
    icc_w(rig, 0, ICC_EOIR1, SPI(6));
    icc_w(rig, 0, ICC_EOIR0, SPI(6));
    assert_int_equal(gicd_r(rig, ISACTIVER + 4), 1u << 6);
}

/* Preemption by group priority, for every binary point of either group, own or common. */
static void test_binary_points(void **state)
{
    struct gic_rig *rig = *state;

    gicd_w(rig, GICD_CTLR, 3);
    icc_w(rig, 0, ICC_IGRPEN0, 1);
    for (unsigned mode = 0; mode < 3; mode++) { /* group 0; group 1; group 1 with CBPR */
        uint16_t iar = mode ? ICC_IAR1 : ICC_IAR0, eoir = mode ? ICC_EOIR1 : ICC_EOIR0;

        gicd_w(rig, IGROUPR + 4, mode ? UINT32_MAX : 0);
        icc_w(rig, 0, ICC_CTLR, mode == 2);
        for (unsigned bpr = mode == 1 ? 3 : 2; bpr <= 7; bpr++) {
            /* The lowest bit of a priority that takes part in preemption. */
            unsigned low = mode == 1 ? bpr : bpr + 1;

            icc_w(rig, 0, mode == 1 ? ICC_BPR1 : ICC_BPR0, bpr);
            for (unsigned bit = 3; bit <= 7; bit++) {
                gic_dist_write(rig->gic, IPRIORITYR + SPI(0), 1, 1u << bit);
                gic_dist_write(rig->gic, IPRIORITYR + SPI(1), 1, 0);
                gic_set_spi(rig->gic, 0, true);
                assert_int_equal(icc_r(rig, 0, iar), SPI(0));
                assert_int_equal(icc_r(rig, 0, ICC_RPR), bit >= low ? 1u << bit : 0);
                gic_set_spi(rig->gic, 1, true);
                assert_int_equal(icc_r(rig, 0, iar), bit >= low ? SPI(1) : NONE);
                gic_set_spi(rig->gic, 0, false);
                gic_set_spi(rig->gic, 1, false);
                if (bit >= low)
                    icc_w(rig, 0, eoir, SPI(1));
                icc_w(rig, 0, eoir, SPI(0));
                assert_int_equal(icc_r(rig, 0, ICC_RPR), 0xff);
            }
        }
    }
}

/* Preemption between the groups, each with a binary point of its own: what counts is the pending
 * one's, for both sides. */
static void test_preemption_between_groups(void **state)
{
    static const struct {
        unsigned bpr0, bpr1; /* group 1 runs, group 0 is pending */
        uint8_t running, pending;
        bool preempts;
    } t[] = {
        { 2, 3, 0x30, 0x28, true },  { 2, 3, 0x30, 0x30, false }, { 2, 3, 0x30, 0xa0, false },
        { 7, 3, 0x30, 0x28, false }, { 7, 3, 0x30, 0xa0, false }, { 7, 3, 0xa0, 0x00, false },
        { 6, 3, 0x30, 0x28, false }, { 6, 3, 0xa0, 0x78, true },  { 6, 3, 0xa0, 0x90, false },
        { 5, 3, 0x48, 0x30, true },  { 5, 3, 0x48, 0x40, false }, { 5, 7, 0x48, 0x30, false },
    };
    struct gic_rig *rig = *state;

    gicd_w(rig, GICD_CTLR, 3);
    gicd_w(rig, IGROUPR + 4, ~(1u << 5)); /* SPI 5 in group 0 */
    icc_w(rig, 0, ICC_IGRPEN0, 1);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        icc_w(rig, 0, ICC_BPR0, t[i].bpr0);
        icc_w(rig, 0, ICC_BPR1, t[i].bpr1);
        gic_dist_write(rig->gic, IPRIORITYR + SPI(6), 1, t[i].running);
        gic_dist_write(rig->gic, IPRIORITYR + SPI(5), 1, t[i].pending);
        gic_set_spi(rig->gic, 6, true);
        assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(6));
        gic_set_spi(rig->gic, 5, true);
        if (gic_signals(rig->gic, 0) != (t[i].preempts ? GIC_SIGNAL_FIQ : 0))
            fail_msg("row %zu: signals %u", i, gic_signals(rig->gic, 0));
        assert_int_equal(icc_r(rig, 0, ICC_IAR0), t[i].preempts ? SPI(5) : NONE);
        gic_set_spi(rig->gic, 5, false);
        gic_set_spi(rig->gic, 6, false);
        if (t[i].preempts)
            icc_w(rig, 0, ICC_EOIR0, SPI(5));
        icc_w(rig, 0, ICC_EOIR1, SPI(6));
        assert_int_equal(icc_r(rig, 0, ICC_RPR), 0xff);
    }
}

/* What is acknowledged when nothing may be: 1023, and nothing changes. */
static void test_spurious(void **state)
{
    struct gic_rig *rig = *state;

    gicd_w(rig, GICD_CTLR, 3);
    gicd_w(rig, IGROUPR + 4, ~(1u << 5));
    for (unsigned n = 0; n < 6; n++) {
        unsigned group = n >= 3;

        icc_w(rig, 0, ICC_IGRPEN0, n != 0); /* the CPU interface's enables */
        icc_w(rig, 0, ICC_IGRPEN1, n != 3);
        gicd_w(rig, GICD_CTLR, n == 1 ? 2 : n == 4 ? 1 : 3); /* the distributor's */
        gic_set_spi(rig->gic, group ? 6 : 5, true);
        icc_w(rig, 0, ICC_PMR, n % 3 == 2 ? 0 : 0xf0);
        assert_int_equal(gic_signals(rig->gic, 0), 0);
        assert_int_equal(icc_r(rig, 0, ICC_IAR0), NONE);
        assert_int_equal(icc_r(rig, 0, ICC_IAR1), NONE);
        /* Masked by priority it is still the highest pending one; of a disabled group it is not. */
        assert_int_equal(icc_r(rig, 0, group ? ICC_HPPIR1 : ICC_HPPIR0), n % 3 != 2 ? NONE
                                                                         : group    ? SPI(6)
                                                                                    : SPI(5));
        assert_int_equal(icc_r(rig, 0, group ? ICC_HPPIR0 : ICC_HPPIR1), NONE);
        assert_int_equal(gicd_r(rig, ISPENDR + 4), group ? 1u << 6 : 1u << 5);
        assert_int_equal(gicd_r(rig, ISACTIVER + 4), 0);
        gic_set_spi(rig->gic, group ? 6 : 5, false);
    }
}

/* Special INTIDs and such as are not there are ignored where software writes them. */
static void test_intids_that_are_not_there(void **state)
{
    static const uint64_t intids[] = { GIC_INTIDS, 1019, 1020, 1021,    1022,
                                       1023,       1024, 8192, 0xffffff };
    struct gic_rig *rig = *state;

    icc_w(rig, 0, ICC_CTLR, EOIMODE);
    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    for (size_t i = 0; i < ARRAY_LEN(intids); i++) {
        icc_w(rig, 0, ICC_EOIR0, intids[i]);
        icc_w(rig, 0, ICC_EOIR1, intids[i]);
        icc_w(rig, 0, ICC_DIR, intids[i]);
        assert_int_equal(icc_r(rig, 0, ICC_RPR), PRIO);
        assert_int_equal(gicd_r(rig, ISACTIVER + 4), 1u << 5);
    }
    /* Above bit 23 there is nothing. */
    icc_w(rig, 0, ICC_EOIR1, BIT(24) | SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0xff);
    icc_w(rig, 0, ICC_DIR, BIT(32) | SPI(5));
    assert_int_equal(gicd_r(rig, ISACTIVER + 4), 0);
}

/* An interrupt that changes its route, its priority, its group or its enable while it is active
 * ends where it was acknowledged. */
static void test_changes_while_active(void **state)
{
    struct gic_rig *rig = *state;

    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    gic_dist_write(rig->gic, GICD_IROUTER + 8 * SPI(5), 8, 3);
    gic_dist_write(rig->gic, IPRIORITYR + SPI(5), 1, 0x20);
    assert_int_equal(signalled(rig), 0); /* active: nobody gets it */
    assert_int_equal(icc_r(rig, 0, ICC_RPR), PRIO);
    gicd_w(rig, ICENABLER + 4, 1u << 5);
    icc_w(rig, 0, ICC_EOIR1, SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0xff);
    assert_int_equal(signalled(rig), 0);
    gicd_w(rig, ISENABLER + 4, 1u << 5);
    assert_int_equal(signalled(rig), 1u << 3);
    assert_int_equal(icc_r(rig, 3, ICC_IAR1), SPI(5));
    assert_int_equal(icc_r(rig, 3, ICC_RPR), 0x20);
}

static void test_spi_routing(void **state)
{
    struct gic_rig *rig = *state;

    gic_dist_write(rig->gic, GICD_IROUTER + 8 * SPI(5), 8, 0x103); /* vCPU 19 */
    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(signalled(rig), 1u << 19);
    /* Rerouted while pending. */
    gic_dist_write(rig->gic, GICD_IROUTER + 8 * SPI(5), 8, 2);
    assert_int_equal(signalled(rig), 1u << 2);
    /* To nobody. */
    gic_dist_write(rig->gic, GICD_IROUTER + 8 * SPI(5), 8, 0x205);
    assert_int_equal(signalled(rig), 0);
    gic_set_spi(rig->gic, 5, false);
    gic_set_spi(rig->gic, 5, true);
    gic_dist_write(rig->gic, GICD_IROUTER + 8 * SPI(5), 8, BIT(31)); /* IRM is RES0: vCPU 0 */
    assert_int_equal(signalled(rig), 1);
    assert_int_equal(gic_dist_read(rig->gic, GICD_IROUTER + 8 * SPI(5), 8), 0);
}

static void test_what_holds_interrupts_back(void **state)
{
    struct gic_rig *rig = *state;

    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(signalled(rig), 1);
    icc_w(rig, 0, ICC_PMR, PRIO); /* equal is not higher */
    assert_int_equal(signalled(rig), 0);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), NONE);
    assert_int_equal(icc_r(rig, 0, ICC_HPPIR1), SPI(5)); /* pending all the same */
    icc_w(rig, 0, ICC_PMR, PRIO + 8);
    assert_int_equal(signalled(rig), 1);
    icc_w(rig, 0, ICC_IGRPEN1, 0);
    assert_int_equal(signalled(rig), 0);
    icc_w(rig, 0, ICC_IGRPEN1, 1);
    gicd_w(rig, GICD_CTLR, 1); /* group 0 alone */
    assert_int_equal(signalled(rig), 0);
    gicd_w(rig, GICD_CTLR, 2);
    assert_int_equal(signalled(rig), 1);
    gicd_w(rig, ICENABLER + 4, 1u << 5);
    assert_int_equal(signalled(rig), 0);
    gicd_w(rig, ISENABLER + 4, 1u << 5);
    assert_int_equal(signalled(rig), 1);
    gicr_w(rig, 0, GICR_WAKER, 2);
    assert_int_equal(signalled(rig), 0);
    assert_int_equal(gicr_r(rig, 0, GICR_WAKER), 6);
    gicr_w(rig, 0, GICR_WAKER, 0);
    assert_int_equal(signalled(rig), 1);
    gicd_w(rig, ISACTIVER + 4, 1u << 5);
    assert_int_equal(signalled(rig), 0);
    gicd_w(rig, ICACTIVER + 4, 1u << 5);
    assert_int_equal(signalled(rig), 1);
    assert_int_equal(rig->wakes[0], 7);
}

static void test_priorities_and_preemption(void **state)
{
    struct gic_rig *rig = *state;

    gic_dist_write(rig->gic, IPRIORITYR + SPI(1), 1, 0x80);
    gic_dist_write(rig->gic, IPRIORITYR + SPI(2), 1, 0x40);
    gic_dist_write(rig->gic, IPRIORITYR + SPI(3), 1, 0x40);
    gic_set_spi(rig->gic, 0, true);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(0));
    gic_set_spi(rig->gic, 1, true);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(1)); /* preempts 0xa0 */
    gic_set_spi(rig->gic, 3, true);
    gic_set_spi(rig->gic, 2, true);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(2)); /* of equals the lower INTID */
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0x40);
    assert_int_equal(icc_r(rig, 0, ICC_AP1R0), 1u << 8 | 1u << 16 | 1u << 20);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), NONE); /* equal does not preempt */
    for (unsigned n = 0; n < 4; n++)
        gic_set_spi(rig->gic, n, false);
    icc_w(rig, 0, ICC_EOIR1, SPI(2));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0x80);
    icc_w(rig, 0, ICC_EOIR1, SPI(1));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), PRIO);
    icc_w(rig, 0, ICC_EOIR1, SPI(0));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0xff);

    /* Binary point 6 for group 1: only bits 7:6 preempt, the rest decides among the pending. */
    icc_w(rig, 0, ICC_BPR1, 6);
    gic_set_spi(rig->gic, 0, true); /* 0xa0 and 0x80 are one group */
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(0));
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0x80);
    gic_set_spi(rig->gic, 1, true);
    assert_int_equal(signalled(rig), 0);
    gic_set_spi(rig->gic, 2, true);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(2));
    icc_w(rig, 0, ICC_EOIR1, SPI(2));
    gic_set_spi(rig->gic, 2, false);
    gic_set_spi(rig->gic, 0, false);
    icc_w(rig, 0, ICC_EOIR1, SPI(0));
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(1));
}

static void test_eoi_modes(void **state)
{
    struct gic_rig *rig = *state;

    icc_w(rig, 0, ICC_CTLR, EOIMODE);
    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    gic_set_spi(rig->gic, 5, false);
    icc_w(rig, 0, ICC_EOIR1, SPI(5)); /* drops the priority only */
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0xff);
    assert_int_equal(gicd_r(rig, ISACTIVER + 4), 1u << 5);
    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(signalled(rig), 0);
    icc_w(rig, 0, ICC_DIR, SPI(5));
    assert_int_equal(gicd_r(rig, ISACTIVER + 4), 0);
    assert_int_equal(signalled(rig), 1);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    icc_w(rig, 0, ICC_EOIR1, SPI(5));
    icc_w(rig, 0, ICC_DIR, SPI(5));

    /* A DIR from another vCPU deactivates an SPI; in mode 0 DIR does nothing. */
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    icc_w(rig, 0, ICC_EOIR1, SPI(5));
    icc_w(rig, 1, ICC_DIR, SPI(5));
    assert_int_equal(gicd_r(rig, ISACTIVER + 4), 1u << 5);
    icc_w(rig, 1, ICC_CTLR, EOIMODE);
    icc_w(rig, 1, ICC_DIR, SPI(5));
    assert_int_equal(signalled(rig), 1);

    /* INTIDs that are not there change nothing. */
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    icc_w(rig, 0, ICC_EOIR1, NONE);
    icc_w(rig, 0, ICC_EOIR1, 0xffffff);
    icc_w(rig, 0, ICC_DIR, GIC_INTIDS);
    assert_int_equal(icc_r(rig, 0, ICC_RPR), PRIO);
    assert_int_equal(gicd_r(rig, ISACTIVER + 4), 1u << 5);
}

static void test_groups(void **state)
{
    struct gic_rig *rig = *state;

    gicd_w(rig, GICD_CTLR, 3);
    gicd_w(rig, IGROUPR + 4, ~(1u << 5)); /* SPI 5 in group 0 */
    icc_w(rig, 0, ICC_IGRPEN0, 1);
    gic_set_spi(rig->gic, 5, true);
    assert_int_equal(gic_signals(rig->gic, 0), GIC_SIGNAL_FIQ);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), NONE);
    assert_int_equal(icc_r(rig, 0, ICC_HPPIR1), NONE);
    assert_int_equal(icc_r(rig, 0, ICC_HPPIR0), SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_IAR0), SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_AP0R0), 1u << 20);
    gic_set_spi(rig->gic, 5, false);
    icc_w(rig, 0, ICC_EOIR0, SPI(5));
    assert_int_equal(icc_r(rig, 0, ICC_AP0R0), 0);

    /* CBPR: group 1 uses, and shows, the binary point of group 0. */
    icc_w(rig, 0, ICC_BPR0, 5);
    icc_w(rig, 0, ICC_CTLR, 1);
    assert_int_equal(icc_r(rig, 0, ICC_BPR1), 6);
    icc_w(rig, 0, ICC_BPR1, 3); /* ignored meanwhile */
    assert_int_equal(icc_r(rig, 0, ICC_BPR1), 6);
    icc_w(rig, 0, ICC_BPR0, 7);
    assert_int_equal(icc_r(rig, 0, ICC_BPR1), 7);
    icc_w(rig, 0, ICC_CTLR, 0);
    assert_int_equal(icc_r(rig, 0, ICC_BPR1), 3);
}

static void test_cpu_interface_registers(void **state)
{
    struct gic_rig *rig = *state;
    uint64_t val;

    icc_w(rig, 0, ICC_PMR, 0xff);
    assert_int_equal(icc_r(rig, 0, ICC_PMR), 0xf8); /* 5 bits */
    icc_w(rig, 0, ICC_BPR0, 0);
    icc_w(rig, 0, ICC_BPR1, 0);
    assert_int_equal(icc_r(rig, 0, ICC_BPR0), 2);
    assert_int_equal(icc_r(rig, 0, ICC_BPR1), 3);
    icc_w(rig, 0, ICC_SRE, 0);
    assert_int_equal(icc_r(rig, 0, ICC_SRE), 7);
    icc_w(rig, 0, ICC_CTLR, UINT64_MAX);
    assert_int_equal(icc_r(rig, 0, ICC_CTLR), 0x403);
    icc_w(rig, 0, ICC_AP1R0, 1u << 4);
    assert_int_equal(icc_r(rig, 0, ICC_RPR), 0x20);
    icc_w(rig, 0, ICC_AP1R0, 0);

    /* Read-only ones are not written, write-only ones not read, and AP1R1 is not there. */
    assert_false(gic_icc_write(rig->gic, 0, ICC_IAR1, 0));
    assert_false(gic_icc_write(rig->gic, 0, ICC_RPR, 0));
    assert_false(gic_icc_read(rig->gic, 0, ICC_EOIR1, &val));
    assert_false(gic_icc_read(rig->gic, 0, ICC_SGI1R, &val));
    assert_false(gic_icc_read(rig->gic, 0, SYSREG(3, 0, 12, 9, 1), &val));
    assert_false(gic_icc_write(rig->gic, 0, SYSREG(3, 0, 12, 8, 5), 0));
}

static void test_state_round_trip(void **state)
{
    struct gic_rig *rig = *state, fresh;
    static struct gic_state a, b;
    struct vcpu_state va, vb;
    struct err err;

    gic_dist_write(rig->gic, GICD_IROUTER + 8 * SPI(9), 8, 0x101);
    gic_dist_write(rig->gic, IPRIORITYR + SPI(9), 1, 0x30);
    gicd_w(rig, ICFGR + 4 * (SPI(20) / 16), 2u << 2 * (SPI(20) % 16));
    gic_set_spi(rig->gic, 9, true);
    gic_set_spi(rig->gic, 5, true);
    gic_set_spi(rig->gic, 20, true);
    gic_set_ppi(rig->gic, 2, 27, true);
    icc_w(rig, 0, ICC_SGI1R, 7u << 24 | 8);
    assert_int_equal(icc_r(rig, 0, ICC_IAR1), SPI(5));
    gic_get_state(rig->gic, &a);

    gic_rig_init(&fresh);
    assert_int_equal(gic_set_state(fresh.gic, &a, &err), 0);
    for (unsigned v = 0; v < GIC_VCPU; v++) {
        vcpu_state_reset(&va);
        gic_get_icc(rig->gic, v, &va);
        assert_int_equal(gic_set_icc(fresh.gic, v, &va, &err), 0);
        gic_get_icc(fresh.gic, v, &vb);
        assert_int_equal(gic_signals(fresh.gic, v), gic_signals(rig->gic, v));
    }
    gic_get_state(fresh.gic, &b);
    assert_memory_equal(&a, &b, sizeof(a));

    /* It goes on where the other stood. */
    assert_int_equal(signalled(&fresh), 1u << 2 | 1u << 3 | 1u << 17);
    gic_set_spi(fresh.gic, 5, false);
    icc_w(&fresh, 0, ICC_EOIR1, SPI(5));
    assert_int_equal(icc_r(&fresh, 0, ICC_IAR1), SPI(20));
    assert_int_equal(icc_r(&fresh, 17, ICC_IAR1), SPI(9));
    assert_int_equal(icc_r(&fresh, 2, ICC_IAR1), 27);
    assert_int_equal(icc_r(&fresh, 3, ICC_IAR1), 7);
    gic_destroy(fresh.gic);
}

static void test_hostile_state_is_refused_by_name(void **state)
{
    struct gic_rig *rig = *state;
    static struct gic_state s;
    struct vcpu_state v;
    struct err err;

    gic_get_state(rig->gic, &s);
    s.vcpus = 3;
    assert_err(gic_set_state(rig->gic, &s, &err), EINVAL, err,
               "gic: state of 3 vCPUs for a machine of 20");
    gic_get_state(rig->gic, &s);
    s.ctlr = 2;
    assert_err(gic_set_state(rig->gic, &s, &err), EINVAL, err,
               "gic: GICD_CTLR=0x2 without ARE and DS");
    gic_get_state(rig->gic, &s);
    s.redist[4].edge = 0xfff0;
    assert_err(gic_set_state(rig->gic, &s, &err), EINVAL, err,
               "gic: vCPU 4: level-triggered SGIs (edge=0xfff0)");

    /* What no field can hold is masked, not believed. */
    gic_get_state(rig->gic, &s);
    memset(s.priority, 0xff, sizeof(s.priority));
    memset(s.irouter, 0xff, sizeof(s.irouter));
    memset(s.active, 0xff, sizeof(s.active));
    assert_int_equal(gic_set_state(rig->gic, &s, &err), 0);
    assert_int_equal(gic_dist_read(rig->gic, IPRIORITYR + 40, 1), 0xf8);
    gic_set_spi(rig->gic, 5, true);
    icc_w(rig, 0, ICC_EOIR1, SPI(5));

    vcpu_state_reset(&v);
    v.icc_sre_el1 = 0;
    assert_err(gic_set_icc(rig->gic, 0, &v, &err), EINVAL, err,
               "icc_sre_el1=0: this interrupt controller cannot hold it");
    vcpu_state_reset(&v);
    v.icc_ap1r0_el1 = BIT(32);
    assert_err(gic_set_icc(rig->gic, 0, &v, &err), EINVAL, err,
               "icc_ap1r0_el1=0x100000000: this interrupt controller cannot hold it");
}

#define T(name) cmocka_unit_test_setup_teardown(name, gic_rig_setup, gic_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_level_spi),
        T(test_edge_spi),
        T(test_software_pending),
        T(test_ppi_goes_to_its_vcpu),
        T(test_sgi_routing),
        T(test_sgi_groups),
        T(test_ends_of_both_groups),
        T(test_binary_points),
        T(test_preemption_between_groups),
        T(test_spurious),
        T(test_intids_that_are_not_there),
        T(test_changes_while_active),
        T(test_spi_routing),
        T(test_what_holds_interrupts_back),
        T(test_priorities_and_preemption),
        T(test_eoi_modes),
        T(test_groups),
        T(test_cpu_interface_registers),
        T(test_state_round_trip),
        T(test_hostile_state_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
