/* Guest memory: bounds, overlap, and a dirty mark for every write from the host side. */
#include "mem/gmem.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "unit/test.h"

#define PAGE     GMEM_PAGE_SIZE
#define RAM      UINT64_C(0x40000000)
#define RAM_SIZE (130 * PAGE) /* three words of bits, the last one partly used */
#define NEXT     (RAM + RAM_SIZE)

static int setup(void **state)
{
    struct gmem *mem;

    if (gmem_create(&mem, NULL) < 0 || gmem_add(mem, RAM, RAM_SIZE, true, NULL) < 0 ||
        gmem_add(mem, NEXT, PAGE, false, NULL) < 0)
        return -1;
    *state = mem;
    return 0;
}

static int teardown(void **state)
{
    gmem_destroy(*state);
    return 0;
}

/* Dirty pages of region i as a list of bits; returns how many. */
static uint64_t fetch(struct gmem *mem, unsigned i, uint64_t bits[3])
{
    memset(bits, 0xff, 3 * sizeof(bits[0]));
    return gmem_fetch_dirty(&mem->regions[i], bits);
}

static void test_destroy_takes_null(void **state)
{
    (void)state;
    gmem_destroy(NULL);
}

static void test_bad_regions_are_refused(void **state)
{
    struct gmem *mem = *state;
    static const struct {
        gpa_t gpa;
        uint64_t size;
        int code;
        const char *msg;
    } bad[] = {
        { 0, 0, EINVAL, "guest memory at 0: 0 bytes is no whole number of pages" },
        { 1, PAGE, EINVAL, "guest memory at 0x1: 4096 bytes is no whole number of pages" },
        { PAGE, 1, EINVAL, "guest memory at 0x1000: 1 bytes is no whole number of pages" },
        { UINT64_MAX - PAGE + 1, 2 * PAGE, EINVAL,
          "guest memory at 0xfffffffffffff000: 8192 bytes is no whole number of pages" },
        { RAM, PAGE, EEXIST, "guest memory at 0x40000000 overlaps the region at 0x40000000" },
        { RAM - PAGE, 2 * PAGE, EEXIST,
          "guest memory at 0x3ffff000 overlaps the region at 0x40000000" },
        { 0, RAM + NEXT, EEXIST, "guest memory at 0 overlaps the region at 0x40000000" },
        { RAM + PAGE, PAGE, EEXIST,
          "guest memory at 0x40001000 overlaps the region at 0x40000000" },
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = { 0 };
        assert_err(gmem_add(mem, bad[i].gpa, bad[i].size, true, &err), bad[i].code, err,
                   bad[i].msg);
    }
    assert_int_equal(mem->count, 2);
}

static void test_more_than_the_host_has_is_refused(void **state)
{
    struct gmem *mem = *state;
    struct err err = { 0 };

    assert_true(gmem_add(mem, BIT(62), BIT(62), true, &err) < 0);
    assert_true(err.code == ENOMEM || err.code == EIO);
    assert_int_equal(mem->count, 2);
}

static void test_the_list_of_regions_is_bounded(void **state)
{
    struct gmem *mem = *state;
    struct err err = { 0 };

    while (mem->count < GMEM_REGIONS_MAX)
        assert_int_equal(gmem_add(mem, (mem->count + 1) * BIT(32), PAGE, true, NULL), 0);
    assert_err(gmem_add(mem, BIT(40), PAGE, true, &err), ENOSPC, err,
               "guest memory: more than 8 regions");
}

static void test_accesses_outside_have_no_effect(void **state)
{
    struct gmem *mem = *state;
    static const struct {
        gpa_t gpa;
        size_t len;
    } bad[] = {
        { 0, 1 },
        { RAM - 1, 1 },
        { RAM - 1, 2 },
        { NEXT - 1, 2 }, /* two regions that touch are still two */
        { RAM, RAM_SIZE + 1 },
        { RAM, SIZE_MAX },
        { NEXT + PAGE, 1 },
        { NEXT + PAGE - 1, SIZE_MAX },
        { UINT64_MAX, 2 },
    };
    uint8_t buf[2] = { 0xaa, 0xbb };
    uint64_t bits[3];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_null(gmem_ptr(mem, bad[i].gpa, bad[i].len));
        assert_null(gmem_ptr_dirty(mem, bad[i].gpa, bad[i].len));
        assert_int_equal(gmem_read(mem, bad[i].gpa, buf, bad[i].len), -EFAULT);
        assert_int_equal(gmem_write(mem, bad[i].gpa, buf, bad[i].len), -EFAULT);
        assert_true(buf[0] == 0xaa && buf[1] == 0xbb);
    }
    assert_int_equal(fetch(mem, 0, bits), 0);
    assert_int_equal(fetch(mem, 1, bits), 0);
}

static void test_copies_reach_the_last_byte(void **state)
{
    struct gmem *mem = *state;
    uint8_t *all = malloc(RAM_SIZE), byte = 0x5a;

    assert_int_equal(gmem_write(mem, NEXT - 1, &byte, 1), 0);
    assert_int_equal(gmem_read(mem, RAM, all, RAM_SIZE), 0);
    assert_int_equal(all[0], 0);
    assert_int_equal(all[RAM_SIZE - 1], 0x5a);
    assert_int_equal(gmem_read(mem, 0, NULL, 0), 0); /* nothing is nowhere out of bounds */
    assert_int_equal(gmem_write(mem, 0, NULL, 0), 0);
    free(all);
}

static void test_find_names_the_region(void **state)
{
    struct gmem *mem = *state;

    assert_ptr_equal(gmem_find(mem, RAM), &mem->regions[0]);
    assert_ptr_equal(gmem_find(mem, NEXT - 1), &mem->regions[0]);
    assert_ptr_equal(gmem_find(mem, NEXT), &mem->regions[1]);
    assert_true(mem->regions[0].is_ram && !mem->regions[1].is_ram);
    assert_null(gmem_find(mem, RAM - 1));
    assert_null(gmem_find(mem, NEXT + PAGE));
    assert_null(gmem_find(mem, UINT64_MAX));
}

static void test_reading_marks_nothing(void **state)
{
    struct gmem *mem = *state;
    uint64_t bits[3];
    uint8_t byte;

    assert_int_equal(gmem_read(mem, RAM, &byte, 1), 0);
    assert_non_null(gmem_ptr(mem, RAM, PAGE));
    assert_int_equal(fetch(mem, 0, bits), 0);
}

static void test_every_way_to_write_marks(void **state)
{
    struct gmem *mem = *state;
    uint8_t two[2] = { 1, 2 };
    uint64_t bits[3];

    assert_int_equal(gmem_write(mem, RAM + PAGE - 1, two, 2), 0); /* pages 0 and 1 */
    assert_int_equal(fetch(mem, 0, bits), 2);
    assert_int_equal(bits[0], 3);
    assert_int_equal(fetch(mem, 0, bits), 0); /* fetching clears */

    assert_non_null(gmem_ptr_dirty(mem, RAM + 63 * PAGE, 2 * PAGE)); /* over a word's edge */
    assert_int_equal(fetch(mem, 0, bits), 2);
    assert_int_equal(bits[0], BIT(63));
    assert_int_equal(bits[1], 1);

    gmem_mark_dirty(mem, RAM + 129 * PAGE + 5, 1);
    assert_int_equal(fetch(mem, 0, bits), 1);
    assert_int_equal(bits[2], BIT(1));

    assert_int_equal(gmem_write(mem, NEXT, two, 1), 0); /* its neighbour stays clean */
    assert_int_equal(fetch(mem, 0, bits), 0);
    assert_int_equal(fetch(mem, 1, bits), 1);
}

static void test_marks_outside_are_ignored(void **state)
{
    struct gmem *mem = *state;
    uint64_t bits[3];

    gmem_mark_dirty(mem, 0, PAGE);
    gmem_mark_dirty(mem, RAM, 0);
    assert_int_equal(fetch(mem, 0, bits), 0);
    gmem_mark_dirty(mem, NEXT - 1, UINT64_MAX); /* cut at the region's end */
    assert_int_equal(fetch(mem, 0, bits), 1);
    assert_int_equal(bits[2], BIT(1));
}

static void test_clear_is_power_on(void **state)
{
    struct gmem *mem = *state;
    uint8_t byte = 0xee;
    uint64_t bits[3];

    assert_int_equal(gmem_write(mem, RAM + 5, &byte, 1), 0);
    assert_int_equal(gmem_write(mem, NEXT, &byte, 1), 0);
    gmem_clear(mem);
    assert_int_equal(fetch(mem, 0, bits), 0);
    assert_int_equal(fetch(mem, 1, bits), 0);
    assert_int_equal(gmem_read(mem, RAM + 5, &byte, 1), 0);
    assert_int_equal(byte, 0);
    byte = 0xee;
    assert_int_equal(gmem_read(mem, NEXT, &byte, 1), 0);
    assert_int_equal(byte, 0);
}

struct gate_device {
    struct gmem *mem;
    unsigned begun, ended; /* times; equal while it is outside */
    _Atomic bool stop;
};

static void gate_device_main(void *arg)
{
    struct gate_device *device = arg;

    while (!device->stop) {
        gmem_gate_enter(device->mem);
        device->begun++;
        sched_yield();
        gmem_gate_enter(device->mem); /* a round that ends a request */
        gmem_gate_leave(device->mem);
        device->ended++;
        gmem_gate_leave(device->mem);
    }
}

static void test_a_shut_gate_keeps_devices_out(void **state)
{
    struct gate_device device = { .mem = *state };
    struct thread thread;
    unsigned seen;

    gmem_gate_make(*state);
    assert_int_equal(thread_start(&thread, "device", gate_device_main, &device), 0);
    for (unsigned i = 0; i < 2000; i++) {
        gmem_gate_shut(*state);
        assert_int_equal(device.begun, device.ended);
        seen = device.begun;
        sched_yield();
        assert_int_equal(device.begun, seen);
        gmem_gate_open(*state);
    }
    gmem_gate_shut(*state);
    seen = device.begun;
    gmem_gate_open(*state);
    for (bool more = false; !more; sched_yield()) { /* it goes on by itself */
        gmem_gate_shut(*state);
        more = device.begun != seen;
        gmem_gate_open(*state);
    }
    device.stop = true;
    thread_join(&thread);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destroy_takes_null),
        T(test_bad_regions_are_refused),
        T(test_more_than_the_host_has_is_refused),
        T(test_the_list_of_regions_is_bounded),
        T(test_accesses_outside_have_no_effect),
        T(test_copies_reach_the_last_byte),
        T(test_find_names_the_region),
        T(test_reading_marks_nothing),
        T(test_every_way_to_write_marks),
        T(test_marks_outside_are_ignored),
        T(test_clear_is_power_on),
        T(test_a_shut_gate_keeps_devices_out),
    };

    return cmocka_run_group_tests_name("gmem", tests, NULL, NULL);
}
