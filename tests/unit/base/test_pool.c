/* The pool: everything is done once, in order, side by side, and waited for. */
#include "test.h"

#include "base/pool.h"
#include "base/thread.h"

#define WORKS 1000

struct bench {
    struct lock lock;
    struct cond cond;
    unsigned inside, most, done;
    bool open; /* work may leave */
    unsigned order[WORKS];
};

struct item {
    struct pool_work work;
    struct bench *bench;
    unsigned index, calls;
};

static void bench_init(struct bench *bench, bool open)
{
    memset(bench, 0, sizeof(*bench));
    lock_init(&bench->lock);
    cond_init(&bench->cond);
    bench->open = open;
}

static void bench_fini(struct bench *bench)
{
    cond_fini(&bench->cond);
    lock_fini(&bench->lock);
}

static void item_fn(struct pool_work *work)
{
    struct item *item = container_of(work, struct item, work);
    struct bench *bench = item->bench;

    lock_take(&bench->lock);
    bench->inside++;
    if (bench->inside > bench->most)
        bench->most = bench->inside;
    cond_broadcast(&bench->cond);
    while (!bench->open)
        cond_wait(&bench->cond, &bench->lock);
    item->calls++;
    bench->order[bench->done++] = item->index;
    bench->inside--;
    lock_drop(&bench->lock);
}

static void add(struct pool *pool, struct bench *bench, struct item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        items[i] = (struct item){ .work.fn = item_fn, .bench = bench, .index = i };
        pool_add(pool, &items[i].work);
    }
}

static void wait_inside(struct bench *bench, unsigned count)
{
    lock_take(&bench->lock);
    while (bench->inside < count)
        cond_wait(&bench->cond, &bench->lock);
    lock_drop(&bench->lock);
}

static void bench_open(struct bench *bench)
{
    lock_take(&bench->lock);
    bench->open = true;
    cond_broadcast(&bench->cond);
    lock_drop(&bench->lock);
}

static struct pool *make(unsigned threads)
{
    struct pool *pool = NULL;
    struct err err;

    if (pool_create("pool", threads, &pool, &err) < 0)
        fail_msg("%s", err.msg);
    return pool;
}

static void test_one_thread_keeps_the_order(void **state)
{
    static struct item items[WORKS];
    static struct bench bench;
    struct pool *pool = make(1);

    bench_init(&bench, true);
    add(pool, &bench, items, WORKS);
    pool_drain(pool);
    assert_int_equal(bench.done, WORKS);
    for (unsigned i = 0; i < WORKS; i++) {
        assert_int_equal(items[i].calls, 1);
        assert_int_equal(bench.order[i], i);
    }
    pool_destroy(pool);
    bench_fini(&bench);
}

/* As many at once as there may be threads, and not one more. */
static void test_side_by_side(void **state)
{
    static struct item items[WORKS];
    static struct bench bench;
    struct pool *pool = make(4);

    bench_init(&bench, false);
    add(pool, &bench, items, 50);
    wait_inside(&bench, 4);
    bench_open(&bench);
    pool_drain(pool);
    assert_int_equal(bench.most, 4);
    assert_int_equal(bench.done, 50);
    add(pool, &bench, items, WORKS - 50); /* and again */
    pool_drain(pool);
    assert_int_equal(bench.done, WORKS);
    pool_destroy(pool);
    bench_fini(&bench);
}

static void test_the_end_waits_for_what_was_added(void **state)
{
    static struct item items[WORKS];
    static struct bench bench;
    struct pool *pool = make(2);

    bench_init(&bench, true);
    add(pool, &bench, items, WORKS);
    pool_destroy(pool);
    assert_int_equal(bench.done, WORKS);
    bench_fini(&bench);
}

static void test_nothing_to_do(void **state)
{
    struct pool *pool = make(POOL_THREADS_MAX);

    pool_drain(pool);
    pool_destroy(pool);
    pool_drain(NULL);
    pool_destroy(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread_keeps_the_order),
        cmocka_unit_test(test_side_by_side),
        cmocka_unit_test(test_the_end_waits_for_what_was_added),
        cmocka_unit_test(test_nothing_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
