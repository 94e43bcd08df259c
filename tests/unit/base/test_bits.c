/* Bit and byte helpers at their edges. */
#include "base/bits.h"

#include "base/cleanup.h"
#include "unit/test.h"

static void test_masks_reach_both_ends(void **state)
{
    (void)state;
    assert_int_equal(BIT(0), 1);
    assert_int_equal(BIT(63), UINT64_C(0x8000000000000000));
    assert_int_equal(BITS(31, 26), 0xfc000000);
    assert_int_equal(BITS(63, 0), UINT64_MAX);
    assert_int_equal(BITS(0, 0), 1);
    assert_int_equal(BITS(63, 63), BIT(63));
    assert_int_equal(low_mask(0), 0);
    assert_int_equal(low_mask(1), 1);
    assert_int_equal(low_mask(64), UINT64_MAX);
}

static void test_fields_round_trip(void **state)
{
    (void)state;
    assert_int_equal(FIELD_GET(BITS(31, 26), 0x9600004f), 0x25);
    assert_int_equal(FIELD_PUT(BITS(31, 26), 0x25), 0x94000000);
    assert_int_equal(FIELD_PUT(BITS(3, 0), 0x1f), 0xf); /* what does not fit is cut */
    assert_int_equal(FIELD_GET(BITS(63, 56), UINT64_MAX), 0xff);
}

static void test_sign_extension(void **state)
{
    (void)state;
    assert_true(sign_extend(0x1ff, 9) == -1);
    assert_true(sign_extend(0x0ff, 9) == 255);
    assert_true(sign_extend(0xffffff00, 1) == 0);
    assert_true(sign_extend(UINT64_MAX, 64) == -1);
}

static void test_alignment(void **state)
{
    (void)state;
    assert_int_equal(align_down(0x1fff, 0x1000), 0x1000);
    assert_int_equal(align_up(0x1001, 0x1000), 0x2000);
    assert_int_equal(align_up(0x1000, 0x1000), 0x1000);
    assert_int_equal(align_up(UINT64_MAX, 0x1000), 0); /* wraps, as its comment says */
    assert_true(is_pow2(1) && is_pow2(BIT(63)));
    assert_false(is_pow2(0) || is_pow2(3));
}

static void test_little_endian_at_odd_addresses(void **state)
{
    uint8_t bytes[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };

    (void)state;
    assert_int_equal(load_le16(bytes + 1), 0x0201);
    assert_int_equal(load_le32(bytes + 1), 0x04030201);
    assert_int_equal(load_le64(bytes + 1), UINT64_C(0x0807060504030201));
    store_le32(bytes + 3, 0xaabbccdd);
    assert_int_equal(bytes[3], 0xdd);
    assert_int_equal(bytes[6], 0xaa);
    store_le64(bytes + 7, UINT64_C(0x1122334455667788));
    assert_int_equal(load_le64(bytes + 7), UINT64_C(0x1122334455667788));
}

static void test_take_leaves_nothing_behind(void **state)
{
    int fd = 7;

    (void)state;
    assert_int_equal(TAKE(fd, -1), 7);
    assert_int_equal(fd, -1);
}

struct outer {
    int before;
    struct {
        int x;
    } inner;
};

static void test_container_of_finds_the_outer(void **state)
{
    struct outer outer = { 0 };

    (void)state;
    assert_ptr_equal(container_of(&outer.inner, struct outer, inner), &outer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks_reach_both_ends),
        cmocka_unit_test(test_fields_round_trip),
        cmocka_unit_test(test_sign_extension),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_little_endian_at_odd_addresses),
        cmocka_unit_test(test_take_leaves_nothing_behind),
        cmocka_unit_test(test_container_of_finds_the_outer),
    };

    return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
