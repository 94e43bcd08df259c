/* Split virtqueues under a driver that does wrong on purpose. */
#include <errno.h>

#include "sweep.h"
#include "virtio_driver.h"

#define SIZE 8

struct rig {
    struct vd vd; /* memory and rings only: no device */
    struct queue queue;
    struct queue_chain chain;
};

static void rig_init(struct rig *rig, bool event_idx, bool indirect)
{
    const char *why;

    memset(rig, 0, sizeof(*rig));
    vd_mem(&rig->vd);
    rig->vd.size = SIZE;
    rig->queue = (struct queue){
        .size = SIZE, .desc = vd_desc_gpa(0), .avail = vd_avail_gpa(0), .used = vd_used_gpa(0)
    };
    assert_int_equal(queue_start(&rig->queue, rig->vd.mem, event_idx, indirect, &why), 0);
}

static enum queue_result pop(struct rig *rig, const char **ret_why)
{
    *ret_why = "";
    return queue_pop(&rig->queue, &rig->chain, ret_why);
}

static void assert_broken(struct rig *rig, const char *want)
{
    const char *why;

    assert_int_equal(pop(rig, &why), QUEUE_BROKEN);
    assert_string_equal(why, want);
    vd_fini(&rig->vd);
}

static void test_chains_come_out_in_order(void **state)
{
    struct rig rig;
    const char *why;

    rig_init(&rig, false, false);
    assert_int_equal(pop(&rig, &why), QUEUE_EMPTY);
    vd_desc(&rig.vd, 0, 5, VD_DATA, 16, VD_NEXT, 2);
    vd_desc(&rig.vd, 0, 2, VD_DATA + 16, 1, VD_NEXT, 7);
    vd_desc(&rig.vd, 0, 7, VD_DATA + 512, 0, VD_NEXT, 0); /* empty: left out */
    vd_desc(&rig.vd, 0, 0, VD_DATA + 1024, 100, VD_WRITE, 0);
    vd_desc(&rig.vd, 0, 1, VD_RAM + VD_RAM_SIZE - 4, 4, VD_WRITE, 0); /* the last bytes of RAM */
    vd_offer(&rig.vd, 0, 5);
    vd_offer(&rig.vd, 0, 1);

    assert_int_equal(pop(&rig, &why), QUEUE_CHAIN);
    assert_int_equal(rig.chain.head, 5);
    assert_int_equal(rig.chain.out, 2);
    assert_int_equal(rig.chain.in, 1);
    assert_int_equal(rig.chain.out_len, 17);
    assert_int_equal(rig.chain.in_len, 100);
    assert_ptr_equal(rig.chain.iov[0].iov_base, vd_at(&rig.vd, VD_DATA));
    assert_ptr_equal(rig.chain.iov[2].iov_base, vd_at(&rig.vd, VD_DATA + 1024));
    assert_int_equal(pop(&rig, &why), QUEUE_CHAIN);
    assert_int_equal(rig.chain.head, 1);
    assert_int_equal(rig.chain.out, 0);
    assert_int_equal(pop(&rig, &why), QUEUE_EMPTY);
    vd_fini(&rig.vd);
}

static void test_used_ring_and_dirty_pages(void **state)
{
    uint64_t bits[VD_RAM_SIZE / GMEM_PAGE_SIZE / 64];
    uint32_t head, len;
    const char *why;
    struct rig rig;

    rig_init(&rig, false, false);
    vd_desc(&rig.vd, 0, 0, VD_DATA, 8, VD_NEXT, 1);
    vd_desc(&rig.vd, 0, 1, VD_DATA + 0x1800, 0x1000, VD_WRITE, 0);
    vd_offer(&rig.vd, 0, 0);
    gmem_fetch_dirty(&rig.vd.mem->regions[0], bits);
    assert_int_equal(pop(&rig, &why), QUEUE_CHAIN);
    queue_push(&rig.queue, rig.chain.head, 77);
    /* Two pages of the buffer, one of the used ring; not what was only read. */
    assert_int_equal(gmem_fetch_dirty(&rig.vd.mem->regions[0], bits), 3);
    assert_true(bits[(VD_DATA - VD_RAM) / GMEM_PAGE_SIZE / 64] & BIT(1));
    assert_true(bits[(VD_DATA - VD_RAM) / GMEM_PAGE_SIZE / 64] & BIT(2));
    assert_true(vd_used(&rig.vd, 0, &head, &len));
    assert_int_equal(head, 0);
    assert_int_equal(len, 77);
    assert_false(vd_used(&rig.vd, 0, &head, &len));
    vd_fini(&rig.vd);
}

static void test_indices_wrap(void **state)
{
    uint32_t head, len;
    const char *why;
    struct rig rig;

    rig_init(&rig, false, false);
    for (unsigned i = 0; i < SIZE; i++)
        vd_desc(&rig.vd, 0, i, VD_DATA, 1, 0, 0);
    for (unsigned i = 0; i < 0x10000 + 3 * SIZE; i++) {
        vd_offer(&rig.vd, 0, (uint16_t)(i % SIZE));
        assert_int_equal(pop(&rig, &why), QUEUE_CHAIN);
        assert_int_equal(rig.chain.head, i % SIZE);
        queue_push(&rig.queue, rig.chain.head, i);
        assert_true(vd_used(&rig.vd, 0, &head, &len));
        assert_int_equal(len, i);
    }
    vd_fini(&rig.vd);
}

static void test_a_full_ring(void **state)
{
    const char *why;
    struct rig rig;

    rig_init(&rig, false, false);
    for (uint16_t i = 0; i < SIZE; i++) {
        vd_desc(&rig.vd, 0, i, VD_DATA, 1, 0, 0);
        vd_offer(&rig.vd, 0, i);
    }
    for (unsigned i = 0; i < SIZE; i++)
        assert_int_equal(pop(&rig, &why), QUEUE_CHAIN);
    assert_int_equal(pop(&rig, &why), QUEUE_EMPTY);
    vd_fini(&rig.vd);
}

static void test_broken_descriptors(void **state)
{
    static const struct {
        uint64_t addr;
        uint32_t len;
        uint16_t flags, next;
        const char *why;
    } rows[] = {
        { 0, 1, 0, 0, "a buffer is outside RAM" },
        { VD_RAM - 1, 1, 0, 0, "a buffer is outside RAM" },
        { VD_RAM - 1, 2, VD_WRITE, 0, "a buffer is outside RAM" },
        { VD_RAM + VD_RAM_SIZE, 1, VD_WRITE, 0, "a buffer is outside RAM" },
        { VD_RAM + VD_RAM_SIZE - 1, 2, VD_WRITE, 0, "a buffer is outside RAM" },
        { VD_RAM, UINT32_MAX, 0, 0, "a buffer is outside RAM" },
        { UINT64_MAX, 1, 0, 0, "a buffer is outside RAM" },
        { UINT64_MAX, UINT32_MAX, VD_WRITE, 0, "a buffer is outside RAM" },
        { VD_DATA, 1, VD_NEXT, 0, "a chain does not end" },
        { VD_DATA, 0, VD_NEXT, 0, "a chain does not end" },
        { VD_DATA, 1, VD_NEXT, SIZE, "a descriptor index is beyond its table" },
        { VD_DATA, 1, VD_NEXT, 0xffff, "a descriptor index is beyond its table" },
        { VD_DATA, 16, VD_INDIRECT, 0, "an indirect descriptor was not negotiated" },
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;

        rig_init(&rig, false, false);
        vd_desc(&rig.vd, 0, 0, rows[i].addr, rows[i].len, rows[i].flags, rows[i].next);
        vd_offer(&rig.vd, 0, 0);
        assert_broken(&rig, rows[i].why);
    }
}

static void test_broken_rings(void **state)
{
    struct rig rig;

    rig_init(&rig, false, false);
    vd_offer(&rig.vd, 0, SIZE);
    assert_broken(&rig, "a descriptor index is beyond its table");

    rig_init(&rig, false, false);
    vd_store16(&rig.vd, vd_avail_gpa(0) + 2, SIZE + 1);
    assert_broken(&rig, "the available index ran away");

    rig_init(&rig, false, false);
    vd_desc(&rig.vd, 0, 0, VD_DATA, 1, VD_WRITE | VD_NEXT, 1);
    vd_desc(&rig.vd, 0, 1, VD_DATA, 1, 0, 0);
    vd_offer(&rig.vd, 0, 0);
    assert_broken(&rig, "a readable buffer follows a writable one");

    /* A loop of two, entered at its second. */
    rig_init(&rig, false, false);
    vd_desc(&rig.vd, 0, 3, VD_DATA, 1, VD_NEXT, 4);
    vd_desc(&rig.vd, 0, 4, VD_DATA, 1, VD_NEXT, 3);
    vd_offer(&rig.vd, 0, 4);
    assert_broken(&rig, "a chain does not end");
}

static void test_a_chain_of_4_gib(void **state)
{
    struct rig rig;
    const uint64_t high = 0x100000000;
    struct err err;

    rig_init(&rig, false, false);
    assert_int_equal(gmem_add(rig.vd.mem, high, 0x80000000, true, &err), 0);
    vd_desc(&rig.vd, 0, 0, high, 0x80000000, VD_NEXT, 1);
    vd_desc(&rig.vd, 0, 1, high, 0x80000000, 0, 0);
    vd_offer(&rig.vd, 0, 0);
    assert_broken(&rig, "a chain is longer than 4 GiB");
}

static void test_ring_set_up(void **state)
{
    static const struct queue good = {
        .size = SIZE, .desc = VD_RAM, .avail = VD_RAM + 0x1000, .used = VD_RAM + 0x2000
    };
    static const struct {
        uint16_t size;
        uint64_t desc, avail, used; /* added */
        const char *why;
    } rows[] = {
        { 0, 0, 0, 0, "its size is not set" },
        { 7, 0, 0, 0, "its size is not set" },
        { 512, 0, 0, 0, "its size is not set" },
        { SIZE, 8, 0, 0, "a ring is not aligned" },
        { SIZE, 0, 1, 0, "a ring is not aligned" },
        { SIZE, 0, 0, 2, "a ring is not aligned" },
        { SIZE, VD_RAM_SIZE, 0, 0, "the descriptor table is outside RAM" },
        { SIZE, VD_RAM_SIZE - 16 * (SIZE - 1), 0, 0, "the descriptor table is outside RAM" },
        { SIZE, -VD_RAM, 0, 0, "the descriptor table is outside RAM" },
        { SIZE, 0, VD_RAM_SIZE - 0x1000 - 2 * SIZE - 4, 0, "the available ring is outside RAM" },
        { SIZE, 0, -VD_RAM - 0x1010, 0, "the available ring is outside RAM" },
        { SIZE, 0, 0, VD_RAM_SIZE - 0x2000 - 8 * SIZE - 4, "the used ring is outside RAM" },
    };
    struct vd vd;

    vd_mem(&vd);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct queue queue = good;
        const char *why;

        assert_int_equal(queue_start(&queue, vd.mem, true, true, &why), 0);
        queue.size = rows[i].size;
        queue.desc += rows[i].desc;
        queue.avail += rows[i].avail;
        queue.used += rows[i].used;
        assert_int_equal(queue_start(&queue, vd.mem, true, true, &why), -EINVAL);
        assert_string_equal(why, rows[i].why);
    }
    vd_fini(&vd);
}

/* A table of `n` one-byte descriptors at VD_DATA, each linked to the next. */
static void indirect_table(struct rig *rig, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        vd_desc_at(&rig->vd, VD_DATA, i, VD_DATA + 0x10000 + i, 1, i + 1 < n ? VD_NEXT : 0,
                   (uint16_t)(i + 1));
}

static void test_indirect_descriptors(void **state)
{
    const char *why;
    struct rig rig;

    rig_init(&rig, false, true);
    indirect_table(&rig, QUEUE_SEGS_MAX); /* longer than the queue: the table bounds it */
    vd_desc(&rig.vd, 0, 0, VD_DATA, 16 * QUEUE_SEGS_MAX, VD_INDIRECT | VD_WRITE, 9);
    vd_offer(&rig.vd, 0, 0);
    assert_int_equal(pop(&rig, &why), QUEUE_CHAIN);
    assert_int_equal(rig.chain.out, QUEUE_SEGS_MAX);
    assert_int_equal(rig.chain.in, 0); /* WRITE on the table itself means nothing */

    /* A direct descriptor, then a table (2.7.5.3.2). */
    indirect_table(&rig, 3);
    vd_desc(&rig.vd, 0, 1, VD_DATA + 0x20000, 10, VD_NEXT, 2);
    vd_desc(&rig.vd, 0, 2, VD_DATA, 16 * 3, VD_INDIRECT, 0);
    vd_offer(&rig.vd, 0, 1);
    assert_int_equal(pop(&rig, &why), QUEUE_CHAIN);
    assert_int_equal(rig.chain.out, 4);
    assert_int_equal(rig.chain.out_len, 13);
    vd_fini(&rig.vd);
}

static void test_broken_indirect_tables(void **state)
{
    static const struct {
        uint64_t addr;
        uint32_t len;
        uint16_t flags;
        unsigned entries; /* written at VD_DATA */
        uint16_t flags1;  /* or-ed into the second entry */
        uint16_t next1;
        const char *why;
    } rows[] = {
        { VD_DATA, 0, VD_INDIRECT, 1, 0, 0, "an indirect table is no whole number of descriptors" },
        { VD_DATA, 15, VD_INDIRECT, 1, 0, 0,
          "an indirect table is no whole number of descriptors" },
        { VD_DATA, 40, VD_INDIRECT, 2, 0, 0,
          "an indirect table is no whole number of descriptors" },
        { VD_DATA, 32, VD_INDIRECT | VD_NEXT, 2, 0, 0, "an indirect descriptor has a successor" },
        { VD_DATA, 32, VD_INDIRECT, 2, VD_INDIRECT, 0,
          "an indirect table holds an indirect descriptor" },
        { VD_DATA, 32, VD_INDIRECT, 2, VD_NEXT, 0, "a chain does not end" },
        { VD_DATA, 32, VD_INDIRECT, 2, VD_NEXT, 2, "a descriptor index is beyond its table" },
        { VD_RAM - 16, 16, VD_INDIRECT, 0, 0, 0, "an indirect table is outside RAM" },
        { VD_RAM + VD_RAM_SIZE - 8, 16, VD_INDIRECT, 0, 0, 0, "an indirect table is outside RAM" },
        { UINT64_MAX - 7, 16, VD_INDIRECT, 0, 0, 0, "an indirect table is outside RAM" },
        { VD_DATA, 16 * (QUEUE_SEGS_MAX + 1), VD_INDIRECT, QUEUE_SEGS_MAX + 1, 0, 0,
          "a chain does not end" },
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;

        rig_init(&rig, false, true);
        indirect_table(&rig, rows[i].entries);
        if (rows[i].flags1)
            vd_desc_at(&rig.vd, VD_DATA, 1, VD_DATA, 1, rows[i].flags1, rows[i].next1);
        vd_desc(&rig.vd, 0, 0, rows[i].addr, rows[i].len, rows[i].flags, 1);
        vd_offer(&rig.vd, 0, 0);
        assert_broken(&rig, rows[i].why);
    }
}

static void test_too_many_buffers(void **state)
{
    struct rig rig;

    /* One direct descriptor more than the table alone may have. */
    rig_init(&rig, false, true);
    indirect_table(&rig, QUEUE_SEGS_MAX);
    vd_desc(&rig.vd, 0, 0, VD_DATA + 0x20000, 1, VD_NEXT, 1);
    vd_desc(&rig.vd, 0, 1, VD_DATA, 16 * QUEUE_SEGS_MAX, VD_INDIRECT, 0);
    vd_offer(&rig.vd, 0, 0);
    assert_broken(&rig, "a chain has too many buffers");
}

static void test_signals_by_flag(void **state)
{
    struct rig rig;

    rig_init(&rig, false, false);
    queue_push(&rig.queue, 0, 0);
    assert_true(queue_wants_signal(&rig.queue));
    vd_store16(&rig.vd, vd_avail_gpa(0), 1); /* NO_INTERRUPT */
    queue_push(&rig.queue, 0, 0);
    assert_false(queue_wants_signal(&rig.queue));
    vd_fini(&rig.vd);
}

static void test_signals_by_event_index(void **state)
{
    const uint64_t used_event = vd_avail_gpa(0) + 4 + 2 * SIZE;
    struct rig rig;

    rig_init(&rig, true, false);
    queue_push(&rig.queue, 0, 0);
    assert_true(queue_wants_signal(&rig.queue));  /* the first is always told */
    assert_false(queue_wants_signal(&rig.queue)); /* nothing new */
    vd_store16(&rig.vd, used_event, 2);           /* tell me when idx goes past 2 */
    queue_push(&rig.queue, 0, 0);
    assert_false(queue_wants_signal(&rig.queue));
    queue_push(&rig.queue, 0, 0);
    assert_true(queue_wants_signal(&rig.queue));
    queue_push(&rig.queue, 0, 0);
    assert_false(queue_wants_signal(&rig.queue));
    vd_store16(&rig.vd, used_event, 6);
    for (unsigned i = 0; i < 5; i++) /* past it in one batch */
        queue_push(&rig.queue, 0, 0);
    assert_true(queue_wants_signal(&rig.queue));

    rig.queue.next_used = rig.queue.signalled_used = 0xffff; /* over the wrap */
    vd_store16(&rig.vd, used_event, 0xffff);
    queue_push(&rig.queue, 0, 0);
    assert_true(queue_wants_signal(&rig.queue));
    vd_fini(&rig.vd);
}

static void test_notification_suppression(void **state)
{
    const uint64_t avail_event = vd_used_gpa(0) + 4 + 8 * SIZE;
    const char *why;
    struct rig rig;

    rig_init(&rig, false, false);
    queue_notify_off(&rig.queue);
    assert_int_equal(vd_load16(&rig.vd, vd_used_gpa(0)), 1);
    assert_false(queue_notify_on(&rig.queue));
    assert_int_equal(vd_load16(&rig.vd, vd_used_gpa(0)), 0);
    vd_offer(&rig.vd, 0, 0);
    assert_true(queue_notify_on(&rig.queue)); /* came in while off */
    vd_fini(&rig.vd);

    rig_init(&rig, true, false);
    vd_desc(&rig.vd, 0, 0, VD_DATA, 1, 0, 0);
    vd_offer(&rig.vd, 0, 0);
    queue_notify_off(&rig.queue);
    assert_int_equal(pop(&rig, &why), QUEUE_CHAIN);
    assert_false(queue_notify_on(&rig.queue));
    assert_int_equal(vd_load16(&rig.vd, avail_event), 1);
    assert_int_equal(vd_load16(&rig.vd, vd_used_gpa(0)), 0); /* the flag stays out of it */
    vd_fini(&rig.vd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains_come_out_in_order),
        cmocka_unit_test(test_used_ring_and_dirty_pages),
        cmocka_unit_test(test_indices_wrap),
        cmocka_unit_test(test_a_full_ring),
        cmocka_unit_test(test_broken_descriptors),
        cmocka_unit_test(test_broken_rings),
        cmocka_unit_test(test_a_chain_of_4_gib),
        cmocka_unit_test(test_ring_set_up),
        cmocka_unit_test(test_indirect_descriptors),
        cmocka_unit_test(test_broken_indirect_tables),
        cmocka_unit_test(test_too_many_buffers),
        cmocka_unit_test(test_signals_by_flag),
        cmocka_unit_test(test_signals_by_event_index),
        cmocka_unit_test(test_notification_suppression),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
