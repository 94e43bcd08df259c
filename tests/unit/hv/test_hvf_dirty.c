/* Sets of written pages: grants, rounds, and pages that stay hot. */
#include "hv/hv_hvf_dirty.h"

#include <errno.h>

#include "unit/test.h"

#define PAGES 200
#define HOT   HV_HVF_DIRTY_HOT_ROUNDS
#define STAY  HV_HVF_DIRTY_HOT_STAY

struct rig {
    struct hv_hvf_dirty dirty;
    struct err err;
    bool reported[PAGES], rearmed[PAGES];
    unsigned runs, fail_at; /* the run that cannot be re-armed, from 1; 0: none */
};

static void report(void *ctx, uint64_t first, uint64_t count)
{
    struct rig *rig = ctx;

    for (uint64_t page = first; page < first + count; page++) {
        assert_false(rig->reported[page]); /* once a round */
        rig->reported[page] = true;
    }
}

static int rearm(void *ctx, uint64_t first, uint64_t count, struct err *err)
{
    struct rig *rig = ctx;

    if (++rig->runs == rig->fail_at)
        return err_set(err, EIO, "no");
    for (uint64_t page = first; page < first + count; page++)
        rig->rearmed[page] = true;
    return 0;
}

static int end_round(struct rig *rig)
{
    static const struct hv_hvf_dirty_ops ops = { .report = report, .rearm = rearm };

    memset(rig->reported, 0, sizeof(rig->reported));
    memset(rig->rearmed, 0, sizeof(rig->rearmed));
    rig->runs = 0;
    return hv_hvf_dirty_round(&rig->dirty, &ops, rig, &rig->err);
}

static int setup(void **state)
{
    static struct rig rig;

    rig = (struct rig){ 0 };
    *state = &rig;
    return hv_hvf_dirty_init(&rig.dirty, PAGES, &rig.err);
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    hv_hvf_dirty_fini(&rig->dirty);
    hv_hvf_dirty_fini(&rig->dirty); /* an empty one, too */
    return 0;
}

static void test_written_pages_are_reported_once_and_rearmed(void **state)
{
    static const uint64_t written[] = { 0, 1, 2, 62, 63, 64, 127, 199 };
    struct rig *rig = *state;
    unsigned count = 0;

    for (size_t i = 0; i < ARRAY_LEN(written); i++) {
        assert_true(hv_hvf_dirty_grant(&rig->dirty, written[i]));
        assert_false(hv_hvf_dirty_grant(&rig->dirty, written[i]));
    }
    assert_int_equal(end_round(rig), 0);
    for (uint64_t page = 0; page < PAGES; page++) {
        assert_int_equal(rig->reported[page], rig->rearmed[page]);
        count += rig->reported[page];
    }
    for (size_t i = 0; i < ARRAY_LEN(written); i++)
        assert_true(rig->reported[written[i]]);
    assert_int_equal(count, ARRAY_LEN(written));
    assert_int_equal(rig->runs, 5);                  /* neighbours in a word go together */
    assert_true(hv_hvf_dirty_grant(&rig->dirty, 0)); /* faults again */
    assert_int_equal(end_round(rig), 0);
    assert_int_equal(rig->runs, 1);
    assert_int_equal(end_round(rig), 0);
    assert_int_equal(rig->runs, 0);
}

static void test_a_whole_word_is_one_run(void **state)
{
    struct rig *rig = *state;

    for (uint64_t page = 64; page < 128; page++)
        (void)hv_hvf_dirty_grant(&rig->dirty, page);
    assert_int_equal(end_round(rig), 0);
    assert_int_equal(rig->runs, 1);
    assert_true(rig->rearmed[64] && rig->rearmed[127] && !rig->rearmed[63] && !rig->rearmed[128]);
}

static void test_revoked_pages_are_forgotten(void **state)
{
    struct rig *rig = *state;

    for (uint64_t page = 60; page < 70; page++)
        (void)hv_hvf_dirty_grant(&rig->dirty, page);
    hv_hvf_dirty_revoke(&rig->dirty, 61, 8);
    assert_int_equal(end_round(rig), 0);
    assert_true(rig->reported[60] && rig->reported[69]);
    assert_false(rig->reported[61] || rig->reported[68]);
}

static void test_a_page_of_every_round_stays_hot_and_is_tried_again(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 1; i < HOT; i++) {
        assert_true(hv_hvf_dirty_grant(&rig->dirty, 7));
        assert_int_equal(end_round(rig), 0);
        assert_true(rig->reported[7] && rig->rearmed[7]);
    }
    /* From now on it does not fault, and counts as written. */
    assert_true(hv_hvf_dirty_grant(&rig->dirty, 7));
    for (unsigned i = 0; i < STAY; i++) {
        assert_int_equal(end_round(rig), 0);
        assert_true(rig->reported[7] && !rig->rearmed[7]);
        assert_false(hv_hvf_dirty_grant(&rig->dirty, 7));
    }
    assert_int_equal(end_round(rig), 0);
    assert_true(rig->reported[7] && rig->rearmed[7]);
    /* Still written in every round: hot again at once. */
    assert_true(hv_hvf_dirty_grant(&rig->dirty, 7));
    assert_int_equal(end_round(rig), 0);
    assert_true(rig->reported[7] && !rig->rearmed[7]);
}

static void test_a_round_without_a_write_ends_the_row(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 3 * HOT; i++) {
        if (i % HOT != HOT - 1)
            assert_true(hv_hvf_dirty_grant(&rig->dirty, 7));
        assert_int_equal(end_round(rig), 0);
        assert_int_equal(rig->reported[7], i % HOT != HOT - 1);
        assert_int_equal(rig->rearmed[7], rig->reported[7]);
    }
}

static void test_a_round_that_fails_loses_nothing(void **state)
{
    struct rig *rig = *state;

    (void)hv_hvf_dirty_grant(&rig->dirty, 3);
    (void)hv_hvf_dirty_grant(&rig->dirty, 5);
    (void)hv_hvf_dirty_grant(&rig->dirty, 150);
    rig->fail_at = 2;
    assert_err(end_round(rig), EIO, rig->err, "no");
    assert_true(rig->rearmed[3]);
    rig->fail_at = 0;
    assert_int_equal(end_round(rig), 0);
    assert_true(!rig->reported[3] && rig->reported[5] && rig->reported[150]);
    assert_true(rig->rearmed[5] && rig->rearmed[150]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_written_pages_are_reported_once_and_rearmed),
        TEST(test_a_whole_word_is_one_run),
        TEST(test_revoked_pages_are_forgotten),
        TEST(test_a_page_of_every_round_stays_hot_and_is_tried_again),
        TEST(test_a_round_without_a_write_ends_the_row),
        TEST(test_a_round_that_fails_loses_nothing),
    };

    return cmocka_run_group_tests_name("hvf_dirty", tests, NULL, NULL);
}
