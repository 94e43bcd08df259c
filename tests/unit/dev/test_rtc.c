/* PL031: time, what the guest makes of it, and the alarm. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "dev/rtc.h"
#include "sweep.h"

enum {
    DR = 0x00,
    MR = 0x04,
    LR = 0x08,
    CR = 0x0c,
    IMSC = 0x10,
    RIS = 0x14,
    MIS = 0x18,
    ICR = 0x1c
};

static _Atomic uint64_t wall_ns;

static uint64_t fake_wall_ns(void *ctx)
{
    (void)ctx;
    return wall_ns;
}

struct rig {
    struct dev *dev;
    struct lock lock;
    struct cond cond;
    bool level;
};

static void on_irq(void *ctx, unsigned spi, bool level)
{
    struct rig *rig = ctx;

    lock_take(&rig->lock);
    rig->level = level;
    cond_broadcast(&rig->cond);
    lock_drop(&rig->lock);
}

static void rig_init(struct rig *rig, struct evloop *loop)
{
    struct rtc_config config = { .wall_ns = fake_wall_ns, .loop = loop };
    struct err err;

    memset(rig, 0, sizeof(*rig));
    lock_init(&rig->lock);
    cond_init(&rig->cond);
    assert_int_equal(rtc_create(&config, &rig->dev, &err), 0);
    rig->dev->irq = (struct irq_line){ .set = on_irq, .ctx = rig };
}

static uint32_t rd(struct rig *rig, uint64_t off)
{
    return (uint32_t)rig->dev->ops->read(rig->dev, off, 4);
}

static void wr(struct rig *rig, uint64_t off, uint32_t val)
{
    rig->dev->ops->write(rig->dev, off, 4, val);
}

static void test_shows_the_wall_clock(void **state)
{
    struct rig rig;

    rig_init(&rig, NULL);
    wall_ns = 1700000000 * NS_PER_S + 999999999;
    assert_int_equal(rd(&rig, DR), 1700000000);
    wall_ns++;
    assert_int_equal(rd(&rig, DR), 1700000001);
    assert_int_equal(rd(&rig, CR), 1);
    wr(&rig, CR, 0);
    assert_int_equal(rd(&rig, CR), 1);
    rig.dev->ops->destroy(rig.dev);
}

static void test_guest_sets_its_clock(void **state)
{
    struct rig rig;

    rig_init(&rig, NULL);
    wall_ns = 1000 * NS_PER_S;
    wr(&rig, LR, 5);
    assert_int_equal(rd(&rig, LR), 5);
    assert_int_equal(rd(&rig, DR), 5);
    wall_ns = 1010 * NS_PER_S;
    assert_int_equal(rd(&rig, DR), 15);
    wr(&rig, LR, 0xffffffff);
    assert_int_equal(rd(&rig, DR), 0xffffffff);
    wall_ns += NS_PER_S;
    assert_int_equal(rd(&rig, DR), 0); /* wraps, as 32 bits do */
    rig.dev->ops->destroy(rig.dev);
}

static void test_alarm(void **state)
{
    struct rig rig;

    rig_init(&rig, NULL);
    wall_ns = 1000 * NS_PER_S;
    wr(&rig, IMSC, 1);
    wr(&rig, MR, 1002);
    assert_int_equal(rd(&rig, RIS), 0);
    wall_ns = 1002 * NS_PER_S;
    assert_int_equal(rd(&rig, RIS), 1);
    assert_int_equal(rd(&rig, MIS), 1);
    assert_true(rig.level);
    wr(&rig, ICR, 1);
    assert_int_equal(rd(&rig, RIS), 0);
    assert_false(rig.level);
    wall_ns = 1003 * NS_PER_S;
    assert_int_equal(rd(&rig, RIS), 0); /* once a match */

    wr(&rig, IMSC, 0);
    wr(&rig, MR, 1003); /* matches at once */
    assert_int_equal(rd(&rig, RIS), 1);
    assert_int_equal(rd(&rig, MIS), 0);
    assert_false(rig.level);
    wr(&rig, IMSC, 1);
    assert_true(rig.level);
    wr(&rig, ICR, 1);

    wr(&rig, MR, 1002); /* just past: comes round in 136 years */
    assert_int_equal(rd(&rig, RIS), 0);
    wr(&rig, LR, 1000);
    wall_ns += 2 * NS_PER_S;
    assert_int_equal(rd(&rig, RIS), 1); /* setting the clock back brings the match near */
    rig.dev->ops->destroy(rig.dev);
}

static void loop_main(void *arg)
{
    evloop_run(arg);
}

/* The clock stands until the alarm is set, then jumps: the timer is what notices. */
static void test_alarm_interrupts_by_itself(void **state)
{
    struct evloop *loop;
    struct thread io = { 0 };
    struct rig rig;
    struct err err;

    assert_int_equal(evloop_create(&loop, &err), 0);
    rig_init(&rig, loop);
    assert_int_equal(thread_start(&io, "io", loop_main, loop), 0);
    wall_ns = 1000 * NS_PER_S + NS_PER_S - 1; /* 1 ns before the match */
    lock_take(&rig.dev->lock);
    wr(&rig, IMSC, 1);
    wr(&rig, MR, 1001);
    lock_drop(&rig.dev->lock);
    wall_ns += 1;
    lock_take(&rig.lock);
    while (!rig.level)
        cond_wait(&rig.cond, &rig.lock);
    lock_drop(&rig.lock);
    evloop_stop(loop);
    thread_join(&io);
    rig.dev->ops->destroy(rig.dev);
    evloop_destroy(loop);
}

static void test_identity(void **state)
{
    static const uint8_t ids[] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };
    struct rig rig;

    rig_init(&rig, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
        assert_int_equal(rd(&rig, 0xfe0 + 4 * i), ids[i]);
    rig.dev->ops->destroy(rig.dev);
}

static bool allowed(uint64_t off, unsigned size, bool write)
{
    if (size != 4 || off % 4)
        return false;
    if (write)
        return off == MR || off == LR || off == CR || off == IMSC || off == ICR;
    return off <= MIS || off >= 0xfe0;
}

static void test_bad_accesses_have_no_effect(void **state)
{
    struct rig rig;

    rig_init(&rig, NULL);
    sweep(rig.dev, allowed);
    rig.dev->ops->destroy(rig.dev);
}

static void test_saved_state(void **state)
{
    struct rig a, b;
    struct err err;

    rig_init(&a, NULL);
    rig_init(&b, NULL);
    wall_ns = 1000 * NS_PER_S;
    wr(&a, LR, 50);
    wr(&a, IMSC, 1);
    wr(&a, MR, 60);
    assert_int_equal(sweep_move(a.dev, b.dev, &err), 0);
    wall_ns = 1009 * NS_PER_S;
    assert_int_equal(rd(&b, DR), 59);
    assert_int_equal(rd(&b, RIS), 0);
    wall_ns = 1010 * NS_PER_S;
    assert_int_equal(rd(&b, RIS), 1);
    assert_true(b.level);
    a.dev->ops->destroy(a.dev);
    b.dev->ops->destroy(b.dev);
}

struct hostile {
    uint32_t match, load, imsc, raw;
    int64_t offset_s, match_s;
    bool armed;
};

static const struct state_field hostile_fields[] = {
    STATE_U32(struct hostile, match, 1),    STATE_U32(struct hostile, load, 1),
    STATE_U32(struct hostile, imsc, 1),     STATE_U32(struct hostile, raw, 1),
    STATE_I64(struct hostile, offset_s, 1), STATE_I64(struct hostile, match_s, 1),
    STATE_BOOL(struct hostile, armed, 1),   STATE_END,
};
static const struct state_desc hostile_state = {
    .name = "rtc", .version = 1, .oldest = 1, .fields = hostile_fields
};

static void test_hostile_state_is_refused(void **state)
{
    static const struct hostile bad[] = {
        { .imsc = 2 },
        { .raw = 0xffffffff },
        { .offset_s = INT64_MAX },
        { .offset_s = INT64_MIN },
        { .match_s = INT64_MIN, .armed = true },
        { .match_s = INT64_MAX, .armed = true },
    };

    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct hostile row = bad[i];
        struct state_buf buf = { 0 };
        struct rig rig;
        struct err err;

        rig_init(&rig, NULL);
        state_save(&buf, &hostile_state, &row, "");
        assert_int_equal(state_load(buf.data, buf.len, rig.dev->ops->state, rig.dev, "", &err),
                         -EINVAL);
        assert_non_null(strstr(err.msg, "rtc: "));
        state_buf_fini(&buf);
        rig.dev->ops->destroy(rig.dev);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shows_the_wall_clock),
        cmocka_unit_test(test_guest_sets_its_clock),
        cmocka_unit_test(test_alarm),
        cmocka_unit_test(test_alarm_interrupts_by_itself),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_bad_accesses_have_no_effect),
        cmocka_unit_test(test_saved_state),
        cmocka_unit_test(test_hostile_state_is_refused),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
