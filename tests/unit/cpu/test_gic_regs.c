/* The GIC's register windows: what reads as what, and wrong sizes and offsets. */
#include "base/log.h"
#include "gic_rig.h"

static unsigned guest_lines; /* log lines that blame the guest */

static void count_lines(void *ctx, enum log_level level, const char *area, const char *text)
{
    (void)ctx;
    (void)area;
    (void)text;
    guest_lines += level == LOG_GUEST;
}

static void test_identification(void **state)
{
    struct gic_rig *rig = *state;

    assert_int_equal(gicd_r(rig, GICD_TYPER), 0x02480004);
    assert_int_equal(gicd_r(rig, GIC_PIDR2) >> 4, 3);
    assert_int_equal(gicd_r(rig, GICD_CTLR), 0x52);
    for (unsigned v = 0; v < GIC_VCPU; v++) {
        uint64_t typer = gic_redist_read(rig->gic, v * MAP_GICR_STRIDE + GICR_TYPER, 8);

        assert_int_equal(typer >> 32, map_mpidr(v));
        assert_int_equal(typer >> 8 & 0xffff, v);
        assert_int_equal(typer >> 4 & 1, v == GIC_VCPU - 1);
        assert_int_equal(typer & 0xf, 0);
        assert_int_equal(gicr_r(rig, v, GICR_TYPER + 4), map_mpidr(v));
        assert_int_equal(gicr_r(rig, v, GIC_PIDR2) >> 4, 3);
    }
}

static void test_reset_values(void **state)
{
    struct gic_rig rig;

    (void)state;
    gic_rig_init(&rig);
    assert_int_equal(gicd_r(&rig, GICD_CTLR), 0x50);
    assert_int_equal(gicr_r(&rig, 0, GICR_WAKER), 6);
    assert_int_equal(gicr_r(&rig, 0, GICR_SGI + ICFGR), 0xaaaaaaaa);
    assert_int_equal(gicr_r(&rig, 0, GICR_SGI + ICFGR + 4), 0);
    assert_int_equal(gicr_r(&rig, 0, GICR_SGI + ISENABLER), 0);
    gic_destroy(rig.gic);
}

static void test_set_and_clear_registers(void **state)
{
    static const struct {
        uint64_t set, clear;
    } t[] = { { ISENABLER, ICENABLER }, { ISPENDR, ICPENDR }, { ISACTIVER, ICACTIVER } };
    struct gic_rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        gicd_w(rig, t[i].clear + 8, UINT32_MAX);
        gicd_w(rig, t[i].set + 8, 0x00ff00ff);
        gicd_w(rig, t[i].set + 8, 0x0f000000);
        assert_int_equal(gicd_r(rig, t[i].set + 8), 0x0fff00ff);
        gicd_w(rig, t[i].clear + 8, 0x000f000f);
        assert_int_equal(gicd_r(rig, t[i].set + 8), 0x0ff000f0);
        assert_int_equal(gicd_r(rig, t[i].clear + 8), 0x0ff000f0);
        gicr_w(rig, 1, GICR_SGI + t[i].clear, UINT32_MAX);
        gicr_w(rig, 1, GICR_SGI + t[i].set, 0x8001);
        assert_int_equal(gicr_r(rig, 1, GICR_SGI + t[i].clear), 0x8001);
        /* INTIDs below 32 are not the distributor's, those above 159 are not there. */
        gicd_w(rig, t[i].set, UINT32_MAX);
        assert_int_equal(gicd_r(rig, t[i].set), 0);
        gicd_w(rig, t[i].set + 4 * (GIC_INTIDS / 32), UINT32_MAX);
        assert_int_equal(gicd_r(rig, t[i].set + 4 * (GIC_INTIDS / 32)), 0);
    }
}

static void test_priorities_by_byte_and_word(void **state)
{
    struct gic_rig *rig = *state;

    gicd_w(rig, IPRIORITYR + 40, 0xff804321);
    assert_int_equal(gicd_r(rig, IPRIORITYR + 40), 0xf8804020);
    assert_int_equal(gic_dist_read(rig->gic, IPRIORITYR + 43, 1), 0xf8);
    gic_dist_write(rig->gic, IPRIORITYR + 41, 1, 0x17);
    assert_int_equal(gicd_r(rig, IPRIORITYR + 40), 0xf8801020);
    gicr_w(rig, 3, GICR_SGI + IPRIORITYR + 28, 0x08080808);
    assert_int_equal(gic_redist_read(rig->gic, 3 * MAP_GICR_STRIDE + GICR_SGI + IPRIORITYR + 31, 1),
                     0x08);
    assert_int_equal(gicd_r(rig, IPRIORITYR), 0);
}

static void test_configuration(void **state)
{
    struct gic_rig *rig = *state;

    gicd_w(rig, ICFGR + 8, UINT32_MAX);
    assert_int_equal(gicd_r(rig, ICFGR + 8), 0xaaaaaaaa);
    assert_int_equal(gicd_r(rig, ICFGR + 12), 0);
    gicd_w(rig, ICFGR + 12, 0x00000008);
    assert_int_equal(gicd_r(rig, ICFGR + 12), 8);
    /* SGIs stay edge-triggered, PPIs take either. */
    gicr_w(rig, 0, GICR_SGI + ICFGR, 0);
    assert_int_equal(gicr_r(rig, 0, GICR_SGI + ICFGR), 0xaaaaaaaa);
    gicr_w(rig, 0, GICR_SGI + ICFGR + 4, UINT32_MAX);
    assert_int_equal(gicr_r(rig, 0, GICR_SGI + ICFGR + 4), 0xaaaaaaaa);
}

static void test_router_in_halves(void **state)
{
    struct gic_rig *rig = *state;
    uint64_t off = GICD_IROUTER + 8 * 40;

    gic_dist_write(rig->gic, off, 8, 0xffffff80000102ff);
    assert_int_equal(gic_dist_read(rig->gic, off, 8), 0x0102ff); /* no Aff3, no IRM */
    gicd_w(rig, off + 4, 0x12);
    assert_int_equal(gic_dist_read(rig->gic, off, 8), 0x0102ff);
    gicd_w(rig, off, 0x103);
    assert_int_equal(gic_dist_read(rig->gic, off, 8), 0x103);
    assert_int_equal(gicd_r(rig, off + 4), 0);
    gic_dist_write(rig->gic, off, 8, UINT64_C(0x1200000002)); /* Aff3 is RES0: vCPU 2 */
    gic_set_spi(rig->gic, 8, true);
    assert_int_equal(gic_signals(rig->gic, 2), GIC_SIGNAL_IRQ);
    gic_dist_write(rig->gic, GICD_IROUTER + 8 * 31, 8, 1);
    assert_int_equal(gic_dist_read(rig->gic, GICD_IROUTER + 8 * 31, 8), 0);
    gic_dist_write(rig->gic, GICD_IROUTER + 8 * GIC_INTIDS, 8, 1);
    assert_int_equal(gic_dist_read(rig->gic, GICD_IROUTER + 8 * GIC_INTIDS, 8), 0);
}

/* Each bad access reads zero, changes nothing, and is reported. */
static void test_bad_accesses_have_no_effect(void **state)
{
    static const struct {
        bool redist;
        uint64_t off;
        unsigned size;
    } bad[] = {
        { false, GICD_CTLR, 1 },
        { false, GICD_CTLR, 2 },
        { false, GICD_CTLR, 8 },
        { false, GICD_CTLR + 2, 4 },
        { false, 0x3c, 4 },
        { false, 0x60, 4 },
        { false, ISENABLER + 4, 1 },
        { false, ISENABLER + 4, 8 },
        { false, ISENABLER + 5, 4 },
        { false, IPRIORITYR + 41, 4 },
        { false, IPRIORITYR + 40, 2 },
        { false, IPRIORITYR + 40, 8 },
        { false, ICFGR + 8, 1 },
        { false, GICD_IROUTER + 320, 1 },
        { false, GICD_IROUTER + 322, 4 },
        { false, GICD_IROUTER + 324, 8 },
        { false, 0x5000, 4 },
        { false, 0xc000, 4 },
        { true, GICR_WAKER, 1 },
        { true, GICR_WAKER, 8 },
        { true, GICR_WAKER + 1, 4 },
        { true, GICR_TYPER, 2 },
        { true, GICR_TYPER + 4, 8 },
        { true, 0x100, 4 },
        { true, GICR_SGI, 4 },
        { true, GICR_SGI + ISENABLER, 1 },
        { true, GICR_SGI + ISENABLER + 2, 4 },
        { true, GICR_SGI + 0x1000, 4 },
        { true, GICR_SGI + ICFGR, 2 },
        { true, GIC_VCPU * MAP_GICR_STRIDE + GICR_WAKER, 4 },
        { true, GIC_VCPU * MAP_GICR_STRIDE + GICR_SGI + ISENABLER, 4 },
        { true, UINT64_MAX - 3, 4 },
    };
    struct gic_rig *rig = *state;
    static struct gic_state before, after;

    gic_get_state(rig->gic, &before);
    log_set_sink(count_lines, NULL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        guest_lines = 0;
        if (bad[i].redist) {
            gic_redist_write(rig->gic, bad[i].off, bad[i].size, UINT64_MAX);
            assert_int_equal(gic_redist_read(rig->gic, bad[i].off, bad[i].size), 0);
        } else {
            gic_dist_write(rig->gic, bad[i].off, bad[i].size, UINT64_MAX);
            assert_int_equal(gic_dist_read(rig->gic, bad[i].off, bad[i].size), 0);
        }
        if (i == 0)
            assert_int_equal(guest_lines, 2); /* later ones may be held back by the rate limit */
        gic_get_state(rig->gic, &after);
        assert_memory_equal(&before, &after, sizeof(before));
    }
    log_set_sink(NULL, NULL);
}

/* Reserved registers are there: no effect, no complaint. */
static void test_reserved_registers_are_silent(void **state)
{
    static const uint64_t dist[] = { 0x08,  0x0c,  0x10,  0x40,  0x48,  0x50,   0x58,   0x800,
                                     0xd04, 0xe04, 0xf00, 0xf10, 0xf2c, 0xffe0, 0xffd0, 0xfffc };
    static const uint64_t redist[] = { 0x00, 0x04, 0x10,   0x40,    0x70,   0x78,
                                       0xa0, 0xc0, 0xffe0, 0x10d00, 0x10e00 };
    struct gic_rig *rig = *state;

    log_set_sink(count_lines, NULL);
    guest_lines = 0;
    for (size_t i = 0; i < ARRAY_LEN(dist); i++) {
        gicd_w(rig, dist[i], UINT32_MAX);
        assert_int_equal(gicd_r(rig, dist[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(redist); i++) {
        gicr_w(rig, 0, redist[i], UINT32_MAX);
        assert_int_equal(gicr_r(rig, 0, redist[i]), 0);
    }
    assert_int_equal(gic_redist_read(rig->gic, 0x70, 8), 0); /* GICR_PROPBASER */
    assert_int_equal(guest_lines, 0);
    log_set_sink(NULL, NULL);
}

/* Every offset and size of both windows, at random: no crash, and the state stays well-formed. */
static void test_nonsense_everywhere(void **state)
{
    struct gic_rig *rig = *state;
    static struct gic_state s;
    uint64_t seed = 88172645463325252;
    struct err err;

    log_set_level(LOG_ERROR);
    for (unsigned i = 0; i < 200000; i++) {
        unsigned size;

        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        size = 1u << (seed >> 60 & 3);
        if (seed & BIT(40))
            gic_dist_write(rig->gic, seed & 0xffff, size, seed >> 8);
        else
            gic_redist_write(rig->gic, seed & 0x3fffff, size, seed >> 8);
    }
    gic_get_state(rig->gic, &s);
    assert_int_equal(gic_set_state(rig->gic, &s, &err), 0);
    log_set_level(LOG_GUEST);
}

#define T(name) cmocka_unit_test_setup_teardown(name, gic_rig_setup, gic_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_identification),
        cmocka_unit_test(test_reset_values),
        T(test_set_and_clear_registers),
        T(test_priorities_by_byte_and_word),
        T(test_configuration),
        T(test_router_in_halves),
        T(test_bad_accesses_have_no_effect),
        T(test_reserved_registers_are_silent),
        T(test_nonsense_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
