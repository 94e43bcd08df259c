/* The bus: who answers an address, and that nobody answering is harmless. */
#include <errno.h>
#include <stdlib.h>

#include "dev/bus.h"
#include "sweep.h"

struct fake {
    struct dev dev;
    uint64_t off, val;
    unsigned size, reads, writes;
};

static uint64_t fake_read(struct dev *dev, uint64_t off, unsigned size)
{
    struct fake *fake = container_of(dev, struct fake, dev);

    fake->off = off;
    fake->size = size;
    fake->reads++;
    return 0x1122334455667788;
}

static void fake_write(struct dev *dev, uint64_t off, unsigned size, uint64_t val)
{
    struct fake *fake = container_of(dev, struct fake, dev);

    fake->off = off;
    fake->size = size;
    fake->val = val;
    fake->writes++;
}

static const struct dev_ops fake_ops = {
    .name = "fake",
    .mmio_size = 0x1000,
    .read = fake_read,
    .write = fake_write,
};
static const struct dev_ops deaf_ops = { .name = "deaf", .mmio_size = 0x1000 };

static void fake_add(struct bus *bus, struct fake *fake, uint64_t gpa)
{
    struct err err;

    memset(fake, 0, sizeof(*fake));
    dev_init(&fake->dev, &fake_ops);
    fake->dev.gpa = gpa;
    assert_int_equal(bus_add(bus, &fake->dev, &err), 0);
}

static void test_finds_the_device(void **state)
{
    static const uint64_t order[] = { 0x5000, 0x1000, 0x9000, 0x2000, 0x8000 };
    struct fake fakes[ARRAY_LEN(order)];
    struct bus bus = { 0 };

    for (unsigned i = 0; i < ARRAY_LEN(order); i++)
        fake_add(&bus, &fakes[i], order[i]);
    for (unsigned i = 0; i + 1 < bus.count; i++)
        assert_true(bus.devs[i]->gpa < bus.devs[i + 1]->gpa);
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        assert_int_equal(bus_read(&bus, order[i] + 0xffc, 4), 0x55667788);
        assert_int_equal(fakes[i].off, 0xffc);
        assert_int_equal(fakes[i].reads, 1);
        bus_write(&bus, order[i], 2, 0xabcdef);
        assert_int_equal(fakes[i].val, 0xcdef);
        assert_int_equal(fakes[i].size, 2);
        assert_int_equal(fakes[i].writes, 1);
    }
    assert_int_equal(bus_read(&bus, 0x5000, 8), 0x1122334455667788);
}

static void test_unclaimed_addresses(void **state)
{
    static const struct {
        uint64_t gpa;
        unsigned size;
    } bad[] = {
        { 0xfff, 1 },  { 0x2000, 1 }, { 0x1ffd, 4 }, /* straddles the end */
        { 0x1fff, 2 }, { 0xfff, 4 },  { 0, 8 },      { UINT64_MAX, 8 },
    };
    struct bus bus = { 0 };
    struct fake fake;

    assert_int_equal(bus_read(&bus, 0x1000, 4), 0); /* an empty bus */
    fake_add(&bus, &fake, 0x1000);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(bus_read(&bus, bad[i].gpa, bad[i].size), 0);
        bus_write(&bus, bad[i].gpa, bad[i].size, 1);
    }
    assert_int_equal(fake.reads + fake.writes, 0);
}

static void test_missing_operations(void **state)
{
    struct bus bus = { 0 };
    struct err err;
    struct dev dev;

    dev_init(&dev, &deaf_ops);
    assert_int_equal(bus_add(&bus, &dev, &err), 0);
    bus_write(&bus, 0, 4, 1);
    assert_int_equal(bus_read(&bus, 0, 4), 0);
}

static void test_refuses_overlap(void **state)
{
    static const uint64_t bad[] = { 0x5000, 0x4001, 0x5fff, 0x4fff };
    struct bus bus = { 0 };
    struct fake fake;
    struct err err;
    struct dev dev;

    fake_add(&bus, &fake, 0x5000);
    dev_init(&dev, &deaf_ops);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        dev.gpa = bad[i];
        assert_int_equal(bus_add(&bus, &dev, &err), -EEXIST);
    }
    assert_non_null(strstr(err.msg, "overlaps fake at 0x5000"));
    dev.gpa = UINT64_MAX - 1;
    assert_int_equal(bus_add(&bus, &dev, &err), -EINVAL);
    assert_int_equal(bus.count, 1);
}

static void test_full_bus(void **state)
{
    struct fake *fakes = calloc(BUS_DEVS_MAX, sizeof(*fakes));
    struct bus bus = { 0 };
    struct err err;
    struct dev dev;

    for (unsigned i = 0; i < BUS_DEVS_MAX; i++)
        fake_add(&bus, &fakes[i], 0x1000 * (uint64_t)(BUS_DEVS_MAX - i));
    dev_init(&dev, &deaf_ops);
    assert_int_equal(bus_add(&bus, &dev, &err), -ENOSPC);
    for (unsigned i = 0; i < BUS_DEVS_MAX; i++)
        bus_write(&bus, fakes[i].dev.gpa, 1, 1);
    for (unsigned i = 0; i < BUS_DEVS_MAX; i++)
        assert_int_equal(fakes[i].writes, 1);
    free(fakes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_device),   cmocka_unit_test(test_unclaimed_addresses),
        cmocka_unit_test(test_missing_operations), cmocka_unit_test(test_refuses_overlap),
        cmocka_unit_test(test_full_bus),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
