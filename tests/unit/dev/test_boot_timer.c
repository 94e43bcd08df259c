/* The boot timer: one magic byte, reported once. */
#include <stdlib.h>

#include "dev/boot_timer.h"
#include "sweep.h"

static uint64_t now_ns;

static uint64_t fake_now_ns(void)
{
    return now_ns;
}

struct heard {
    unsigned times;
    uint64_t ns;
};

static void on_booted(void *ctx, uint64_t ns)
{
    struct heard *heard = ctx;

    heard->times++;
    heard->ns = ns;
}

static struct dev *make(struct heard *heard)
{
    struct boot_timer_config config = {
        .now_ns = fake_now_ns, .start_ns = 1000, .booted = on_booted, .ctx = heard
    };
    struct dev *dev;
    struct err err;

    memset(heard, 0, sizeof(*heard));
    assert_int_equal(boot_timer_create(&config, &dev, &err), 0);
    return dev;
}

static void test_reports_once(void **state)
{
    struct heard heard;
    struct dev *dev = make(&heard);

    now_ns = 43001000;
    dev->ops->write(dev, 0, 1, BOOT_TIMER_MAGIC);
    now_ns = 99000000;
    dev->ops->write(dev, 0, 1, BOOT_TIMER_MAGIC);
    assert_int_equal(heard.times, 1);
    assert_int_equal(heard.ns, 43000000);
    dev->ops->destroy(dev);
}

static void test_a_reboot_is_measured_from_the_reset(void **state)
{
    struct heard heard;
    struct dev *dev = make(&heard);

    dev->ops->write(dev, 0, 1, BOOT_TIMER_MAGIC);
    now_ns = 500000;
    dev->ops->reset(dev);
    now_ns = 700000;
    dev->ops->write(dev, 0, 1, BOOT_TIMER_MAGIC);
    assert_int_equal(heard.times, 2);
    assert_int_equal(heard.ns, 200000);
    dev->ops->destroy(dev);
}

/* The sweep never writes the magic value, so nothing at all may happen. */
static bool nothing_allowed(uint64_t off, unsigned size, bool write)
{
    return false;
}

static void test_other_accesses_are_ignored(void **state)
{
    static const struct {
        uint64_t off;
        unsigned size;
        uint64_t val;
    } bad[] = { { 1, 1, 123 }, { 0, 2, 123 }, { 0, 4, 123 }, { 0, 8, 123 }, { 0, 1, 122 } };
    struct heard heard;
    struct dev *dev = make(&heard);

    sweep(dev, nothing_allowed);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        dev->ops->write(dev, bad[i].off, bad[i].size, bad[i].val);
    assert_int_equal(heard.times, 0);
    dev->ops->destroy(dev);
}

static void test_saved_state(void **state)
{
    struct heard heard, heard2;
    struct dev *dev = make(&heard), *dev2 = make(&heard2);
    struct err err;

    dev->ops->write(dev, 0, 1, BOOT_TIMER_MAGIC);
    assert_int_equal(sweep_move(dev, dev2, &err), 0);
    dev2->ops->write(dev2, 0, 1, BOOT_TIMER_MAGIC);
    assert_int_equal(heard2.times, 0); /* the saved guest has reported already */
    dev->ops->destroy(dev);
    dev2->ops->destroy(dev2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports_once),
        cmocka_unit_test(test_a_reboot_is_measured_from_the_reset),
        cmocka_unit_test(test_other_accesses_are_ignored),
        cmocka_unit_test(test_saved_state),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
