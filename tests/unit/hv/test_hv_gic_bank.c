/* Banks of a GICv3 whose registers are an array: which registers, which bits, in which order. */
#include "hv/hv_gic_bank.h"

#include <errno.h>

#include "unit/test.h"

#define SIZE 0x1000

struct gic {
    struct hv_gic_bank bank;
    uint32_t regs[SIZE / 4];
    uint32_t touched[SIZE / 4]; /* how often */
    uint32_t fixed;             /* ICFGR1 stays this, if not 0 */
    uint32_t fails_at;          /* a register, if not 0 */
};

static int get(const struct hv_gic_bank *bank, uint32_t off, uint32_t *ret_val, struct err *err)
{
    struct gic *gic = container_of(bank, struct gic, bank);

    assert_true(off < SIZE && off % 4 == 0);
    if (gic->fails_at && off == gic->fails_at)
        return err_set(err, EIO, "register %#x", off);
    gic->touched[off / 4]++;
    *ret_val = gic->regs[off / 4];
    return 0;
}

static int set(const struct hv_gic_bank *bank, uint32_t off, uint32_t val, struct err *err)
{
    struct gic *gic = container_of(bank, struct gic, bank);

    assert_true(off < SIZE && off % 4 == 0);
    if (gic->fails_at && off == gic->fails_at)
        return err_set(err, EIO, "register %#x", off);
    gic->touched[off / 4]++;
    gic->regs[off / 4] = gic->fixed && off == GIC_ICFGR + 4 ? gic->fixed : val;
    return 0;
}

static struct gic make(unsigned word)
{
    return (struct gic){ .bank = { .engine = "Test", .word = word, .get = get, .set = set } };
}

static void test_get(void **state)
{
    struct gic gic = make(2); /* INTIDs 64..95 */
    struct gic_redist_state s;
    struct err err = { 0 };

    (void)state;
    gic.regs[(GIC_IGROUPR + 8) / 4] = 1;
    gic.regs[(GIC_ISENABLER + 8) / 4] = 2;
    gic.regs[(GIC_ISPENDR + 8) / 4] = 3;
    gic.regs[(GIC_ISACTIVER + 8) / 4] = 4;
    gic.regs[(GIC_ICFGR + 16) / 4] = 0x80000002; /* 64 and 79; the lower bit of two means nothing */
    gic.regs[(GIC_ICFGR + 20) / 4] = 0x00000009; /* 81 */
    gic.regs[(GIC_IPRIORITYR + 64) / 4] = 0x04030201;
    gic.regs[(GIC_IPRIORITYR + 92) / 4] = 0xf0000000;
    assert_int_equal(hv_gic_bank_get(&gic.bank, &s, &err), 0);
    assert_int_equal(s.group, 1);
    assert_int_equal(s.enabled, 2);
    assert_int_equal(s.pending_latch, 3);
    assert_int_equal(s.active, 4);
    assert_int_equal(s.edge, BIT(0) | BIT(15) | BIT(17));
    assert_int_equal(s.priority[0], 1);
    assert_int_equal(s.priority[3], 4);
    assert_int_equal(s.priority[31], 0xf0);
    assert_int_equal(s.line_level, 0);
}

static void test_configure(void **state)
{
    struct gic gic = make(1), other = make(1);
    struct gic_redist_state s = { .edge = 0xc0018001, .priority = { [0] = 8, [31] = 0xa0 } }, back;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(hv_gic_bank_configure(&gic.bank, &s, &err), 0);
    assert_int_equal(gic.regs[(GIC_ICFGR + 8) / 4], 0x80000002);
    assert_int_equal(gic.regs[(GIC_ICFGR + 12) / 4], 0xa0000002);
    assert_int_equal(gic.regs[(GIC_IPRIORITYR + 32) / 4], 8);
    assert_int_equal(gic.regs[(GIC_IPRIORITYR + 60) / 4], 0xa0000000);
    memcpy(other.regs, gic.regs, sizeof(gic.regs));
    assert_int_equal(hv_gic_bank_get(&other.bank, &back, &err), 0);
    assert_memory_equal(&back, &s, sizeof(s));
}

/* ICFGR0 is not asked for, nor told. */
static void test_sgis_that_are_fixed(void **state)
{
    struct gic gic = make(0);
    struct gic_redist_state s = { .edge = 0xffff | BIT(31) };
    struct err err = { 0 };

    (void)state;
    gic.bank.fixed_sgis = true;
    assert_int_equal(hv_gic_bank_configure(&gic.bank, &s, &err), 0);
    assert_int_equal(gic.touched[GIC_ICFGR / 4], 0);
    assert_int_equal(gic.regs[(GIC_ICFGR + 4) / 4], 0x80000000);
    s.edge = 0;
    assert_int_equal(hv_gic_bank_get(&gic.bank, &s, &err), 0);
    assert_int_equal(s.edge, 0xffff | BIT(31));
    /* So a state in which they are levels cannot be had. */
    s.edge = BIT(31);
    assert_int_equal(hv_gic_bank_configure(&gic.bank, &s, &err), -ENOTSUP);
}

static void test_a_controller_that_has_them_otherwise(void **state)
{
    struct gic gic = make(0);
    struct gic_redist_state s = { .edge = 0x30000 };
    struct err err = { 0 };

    (void)state;
    gic.fixed = 0x2;
    assert_int_equal(hv_gic_bank_configure(&gic.bank, &s, &err), -ENOTSUP);
    assert_string_equal(err.msg, "Test cannot make interrupts 0..31 edge-triggered as 0x30000; use "
                                 "--accel soft");
}

/* Each register can fail: nothing is returned. */
static void test_errors(void **state)
{
    static const uint32_t regs[] = { GIC_IGROUPR + 4,     GIC_ISENABLER + 4,  GIC_ISPENDR + 4,
                                     GIC_ISACTIVER + 4,   GIC_ICFGR + 8,      GIC_ICFGR + 12,
                                     GIC_IPRIORITYR + 32, GIC_IPRIORITYR + 60 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
        struct gic gic = make(1);
        struct gic_redist_state s = { .group = 7 };
        struct err err = { 0 };

        gic.fails_at = regs[i];
        assert_int_equal(hv_gic_bank_get(&gic.bank, &s, &err), -EIO);
        assert_int_equal(s.group, 7);
        if (regs[i] >= GIC_IPRIORITYR)
            assert_int_equal(hv_gic_bank_configure(&gic.bank, &s, &err), -EIO);
    }
}

static void test_a_part_of_the_distributor(void **state)
{
    struct gic_state dist = { 0 };
    struct gic_redist_state s = { .group = 1,
                                  .enabled = 2,
                                  .pending_latch = 3,
                                  .active = 4,
                                  .line_level = 5,
                                  .edge = 6,
                                  .priority = { [31] = 7 } },
                            back;

    (void)state;
    hv_gic_bank_put(&dist, 3, &s);
    assert_int_equal(dist.active[3], 4);
    assert_int_equal(dist.line_level[3], 5);
    assert_int_equal(dist.priority[127], 7);
    hv_gic_bank_take(&dist, 3, &back);
    assert_memory_equal(&back, &s, sizeof(s));
    hv_gic_bank_take(&dist, 2, &back);
    assert_memory_equal(&back, &(struct gic_redist_state){ 0 }, sizeof(back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_configure),
        cmocka_unit_test(test_sgis_that_are_fixed),
        cmocka_unit_test(test_a_controller_that_has_them_otherwise),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_a_part_of_the_distributor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
