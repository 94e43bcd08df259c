/*
 * The log of dirty pages on a real KVM, in each of its forms: what the guest writes is found, and
 * nothing else. Built for arm64 Linux alone; tests/e2e/test_lab_kvm.py runs it in the lab.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/thread.h"
#include "unit/hv/kvm_rig.h"

#define PAGES     (RAM_SIZE / GMEM_PAGE_SIZE)
#define DATA_PAGE ((DATA - MAP_RAM_BASE) / GMEM_PAGE_SIZE)
#define SMALLEST  256 /* pages in a ring */

/* X2 stores, X3 bytes from one to the next; then one to the device, as SYSTEM_OFF would stop other
 * vCPUs, too. */
__asm__(".pushsection .rodata\n.globl guest_stores, guest_stores_end\n.balign 4\n"
        "guest_stores: str x2, [x0]\n add x0, x0, x3\n subs x2, x2, #1\n b.ne guest_stores\n"
        "  str w2, [x1]\n b .\n"
        "guest_stores_end:\n.popsection\n");
extern const uint8_t guest_stores[], guest_stores_end[];

/* How often the engine made the calls by which one form differs from another. */
static _Atomic unsigned gets, clears, resets;

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    int rc;

    va_start(args, request);
    rc = (int)syscall(SYS_ioctl, fd, request, va_arg(args, void *));
    va_end(args);
    gets += request == KVM_GET_DIRTY_LOG;
    clears += request == KVM_CLEAR_DIRTY_LOG;
    resets += request == KVM_RESET_DIRTY_RINGS;
    return rc;
}

static void load(struct rig *f, gpa_t first, uint64_t stores, uint64_t step)
{
    struct vcpu_state state = entry(CODE_DIRTY);

    ok(f, gmem_write(f->mem, CODE_DIRTY, guest_stores, (size_t)(guest_stores_end - guest_stores)));
    state.x[0] = first;
    state.x[2] = stores;
    state.x[3] = step;
    ok(f, f->hv->ops->vcpu_set(f->vcpu, &state, &f->err));
}

/* Forget what the host wrote. */
static void forget(struct rig *f)
{
    uint64_t bits[PAGES / 64];

    (void)gmem_fetch_dirty(&f->mem->regions[0], bits);
}

static void stores(struct rig *f, unsigned page, unsigned count, unsigned step)
{
    load(f, MAP_RAM_BASE + page * GMEM_PAGE_SIZE, count, step * GMEM_PAGE_SIZE);
    forget(f);
    assert_int_equal(run(f)->kind, HV_EXIT_MMIO_WRITE);
}

/* Exactly count pages are dirty: page, page + step, ... */
static void assert_found(struct rig *f, unsigned page, unsigned count, unsigned step)
{
    uint64_t bits[PAGES / 64];

    ok(f, f->hv->ops->dirty_sync(f->hv, &f->err));
    assert_int_equal(gmem_fetch_dirty(&f->mem->regions[0], bits), count);
    for (unsigned i = 0; i < count; i++, page += step)
        if (!(bits[page / 64] & BIT(page % 64)))
            fail_msg("page %u was written and not found", page);
}

static void open_with(struct rig *f, enum hv_dirty_log log)
{
    gets = clears = resets = 0;
    ok(f,
       rig_open(f, &(struct hv_config){
                       .vcpus = 1, .cpu = "portable", .dirty_log = log, .dirty_ring = SMALLEST }));
    ok(f, f->hv->ops->dirty_start(f->hv, &f->err));
}

static void find_pages(enum hv_dirty_log log)
{
    struct rig f;

    open_with(&f, log);
    assert_found(&f, 0, 0, 0);    /* nothing before anything ran */
    for (int i = 0; i < 3; i++) { /* each sync arms anew */
        stores(&f, DATA_PAGE, 1, 1);
        assert_found(&f, DATA_PAGE, 1, 1);
        assert_found(&f, 0, 0, 0);
    }
    stores(&f, DATA_PAGE + 1, 100, 3);
    assert_found(&f, DATA_PAGE + 1, 100, 3);
    stores(&f, PAGES - 1, 1, 1);
    assert_found(&f, PAGES - 1, 1, 1);
    /* What is not fetched is kept, also while another part is written. */
    stores(&f, DATA_PAGE, 2, 1);
    stores(&f, DATA_PAGE + 2, 2, 1);
    assert_found(&f, DATA_PAGE, 4, 1);

    /* Cutting a slot keeps what it has logged, and its pieces go on logging. */
    stores(&f, DATA_PAGE, 3, 1);
    ok(&f, f.hv->ops->protect(f.hv, DATA, GMEM_PAGE_SIZE, HV_READ, &f.err));
    assert_found(&f, DATA_PAGE, 3, 1);
    ok(&f, f.hv->ops->protect(f.hv, DATA, GMEM_PAGE_SIZE, HV_READ | HV_WRITE, &f.err));
    assert_found(&f, 0, 0, 0);
    stores(&f, DATA_PAGE - 1, 3, 1);
    assert_found(&f, DATA_PAGE - 1, 3, 1);

    /* A stop forgets; a start begins with nothing. */
    stores(&f, DATA_PAGE, 5, 1);
    f.hv->ops->dirty_stop(f.hv);
    stores(&f, DATA_PAGE + 8, 5, 1);
    forget(&f);
    ok(&f, f.hv->ops->dirty_start(f.hv, &f.err));
    assert_found(&f, 0, 0, 0);
    stores(&f, DATA_PAGE + 16, 5, 2);
    assert_found(&f, DATA_PAGE + 16, 5, 2);
    rig_close(&f);
}

static void test_bitmap_finds_what_was_written(void **state)
{
    (void)state;
    find_pages(HV_DIRTY_BITMAP);
    assert_true(gets > 0 && clears == 0 && resets == 0);
}

static void test_manual_bitmap_finds_what_was_written(void **state)
{
    (void)state;
    find_pages(HV_DIRTY_MANUAL);
    assert_true(gets > 0 && clears > 0 && resets == 0);
}

static void test_ring_finds_what_was_written(void **state)
{
    (void)state;
    find_pages(HV_DIRTY_RING);
    assert_true(clears == 0 && resets > 0);
}

static void test_the_ring_is_taken_where_it_is_offered(void **state)
{
    struct rig f;

    (void)state;
    open_with(&f, HV_DIRTY_AUTO);
    stores(&f, DATA_PAGE, 1, 1);
    assert_found(&f, DATA_PAGE, 1, 1);
    assert_true(resets > 0);
    rig_close(&f);
}

/* More pages than the ring has: run() empties it and goes on. */
static void test_a_full_ring_is_emptied_on_the_way(void **state)
{
    struct rig f;
    unsigned before;

    (void)state;
    open_with(&f, HV_DIRTY_RING);
    before = resets;
    stores(&f, DATA_PAGE, PAGES - DATA_PAGE, 1);
    assert_true(resets > before);
    assert_found(&f, DATA_PAGE, PAGES - DATA_PAGE, 1);
    rig_close(&f);
}

/* As at a restart: the vCPU is gone, what it wrote is not. */
static void test_the_ring_of_a_vcpu_that_ends_is_not_lost(void **state)
{
    struct rig f;

    (void)state;
    open_with(&f, HV_DIRTY_RING);
    stores(&f, DATA_PAGE, 7, 2);
    f.hv->ops->vcpu_destroy(TAKE(f.vcpu, NULL));
    assert_found(&f, DATA_PAGE, 7, 2);
    rig_close(&f);
}

/* ---- two vCPUs ---- */

struct second {
    struct rig *f;
    struct hv_vcpu *vcpu;
    _Atomic int stage; /* 1: created, 2: run, 3: has run, 4: end */
    int rc;
};

static void wait_for(struct second *s, int stage)
{
    while (atomic_load(&s->stage) < stage)
        usleep(1000);
}

static void second_main(void *arg)
{
    struct second *s = arg;
    const struct hv_ops *ops = s->f->hv->ops;
    struct vcpu_state state = entry(CODE_DIRTY);
    struct hv_exit exit;
    struct err err;

    state.x[0] = MAP_RAM_BASE + (DATA_PAGE + 1) * GMEM_PAGE_SIZE;
    state.x[2] = (PAGES - DATA_PAGE) / 2;
    state.x[3] = 2 * GMEM_PAGE_SIZE;
    s->rc = ops->vcpu_create(s->f->hv, 1, &s->vcpu, &err);
    if (s->rc == 0)
        s->rc = ops->vcpu_set(s->vcpu, &state, &err);
    atomic_store(&s->stage, 1);
    if (s->rc < 0)
        return;
    wait_for(s, 2);
    ops->run(s->vcpu, &exit);
    if (exit.kind != HV_EXIT_MMIO_WRITE)
        s->rc = -EIO;
    atomic_store(&s->stage, 3);
    wait_for(s, 4);
    ops->vcpu_destroy(s->vcpu);
}

/* Each writes every other page, more than a ring holds; so either empties the rings while the other
 * fills its own. */
static void test_two_vcpus_fill_their_rings_at_once(void **state)
{
    struct hv_config config = {
        .vcpus = 2, .cpu = "portable", .dirty_log = HV_DIRTY_RING, .dirty_ring = SMALLEST
    };
    struct thread thread = { 0 };
    struct second s = { 0 };
    struct rig f;

    (void)state;
    ok(&f, rig_open(&f, &config));
    s.f = &f;
    assert_int_equal(thread_start(&thread, "vcpu1", second_main, &s), 0);
    wait_for(&s, 1);
    assert_int_equal(s.rc, 0);
    ok(&f, f.hv->ops->dirty_start(f.hv, &f.err));
    load(&f, DATA, (PAGES - DATA_PAGE) / 2, 2 * GMEM_PAGE_SIZE);
    forget(&f);
    atomic_store(&s.stage, 2);
    assert_int_equal(run(&f)->kind, HV_EXIT_MMIO_WRITE);
    wait_for(&s, 3);
    assert_int_equal(s.rc, 0);
    assert_found(&f, DATA_PAGE, PAGES - DATA_PAGE, 1);
    atomic_store(&s.stage, 4);
    thread_join(&thread);
    rig_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bitmap_finds_what_was_written),
        cmocka_unit_test(test_manual_bitmap_finds_what_was_written),
        cmocka_unit_test(test_ring_finds_what_was_written),
        cmocka_unit_test(test_the_ring_is_taken_where_it_is_offered),
        cmocka_unit_test(test_a_full_ring_is_emptied_on_the_way),
        cmocka_unit_test(test_the_ring_of_a_vcpu_that_ends_is_not_lost),
        cmocka_unit_test(test_two_vcpus_fill_their_rings_at_once),
    };

    return cmocka_run_group_tests_name("kvm_dirty", tests, NULL, NULL);
}
