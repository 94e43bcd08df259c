/* The engine `hvf` on the stand-in for Hypervisor.framework: what only a framework that runs guests
 * can show. */
#include <errno.h>
#include <stdlib.h>

#include "../test.h"
#include "base/thread.h"
#include "hv/hv_engines.h"

#define RAM      MAP_RAM_BASE
#define RAM_SIZE (4 * MIB)
#define CODE     (RAM + 0x10000)
#define DATA     (RAM + 0x100000)
#define DEVICE   UINT64_C(0x0a000000)
#define PAGE     (16 * KIB)
#define KICKS    10000

/* Instructions; the disassembly is the name. */
enum {
    HVC_0 = 0xd4000002,
    SMC_0 = 0xd4000003,
    WFI = 0xd503207f,
    BACK_4 = 0x17ffffff,
    STR_X2_X1 = 0xf9000022,
    LDRSB_X2_X1 = 0x39800022,
    LDP_X2_X3_X1 = 0xa9400c22,
    STP_X2_X3_X1_16 = 0xa8810c22, /* stp x2, x3, [x1], #16 */
    LDR_Q0_X1 = 0x3dc00020,
    LDADD_W2_W3_X1 = 0xb8220023,
    ADD_X1_16K = 0x91401021, /* add x1, x1, #0x4000 */
    MSR_OSLAR_X2 = 0xd5101082,
    MRS_X3_OSLSR = 0xd5301183,
    MRS_X3_PMCR = 0xd53b9c03,
};

struct rig {
    struct gmem *mem;
    const struct hv_ops *ops;
    struct hv *hv;
    struct hv_vcpu *vcpu;
    struct hv_exit exit;
    gpa_t code; /* of the program */
};

static int setup_with(void **state, struct hv_config config)
{
    static struct rig rig;
    struct err err;

    memset(&rig, 0, sizeof(rig));
    rig.ops = &hv_hvf_ops;
    rig.code = CODE;
    assert_int_equal(gmem_create(&rig.mem, &err), 0);
    assert_int_equal(gmem_add(rig.mem, RAM, RAM_SIZE, true, &err), 0);
    config.mem = rig.mem;
    config.vcpus = 1;
    config.cpu = config.cpu ? config.cpu : "portable";
    assert_int_equal(rig.ops->create(&config, &rig.hv, &err), 0);
    assert_int_equal(rig.ops->map(rig.hv, RAM, rig.mem->regions[0].host, RAM_SIZE,
                                  HV_READ | HV_WRITE | HV_EXEC, &err),
                     0);
    assert_int_equal(rig.ops->vcpu_create(rig.hv, 0, &rig.vcpu, &err), 0);
    *state = &rig;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, (struct hv_config){ 0 });
}

static int setup_4k(void **state)
{
    return setup_with(state, (struct hv_config){ .granule_4k = true });
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    rig->ops->vcpu_destroy(rig->vcpu);
    rig->ops->destroy(rig->hv);
    gmem_destroy(rig->mem);
    return 0;
}

/* Each has a place of its own: what was at the old one may still be in the instruction cache. */
#define PROGRAM(rig, ...)                                                                 \
    do {                                                                                  \
        static const uint32_t words_[] = { __VA_ARGS__ };                                 \
        (rig)->code += 0x100;                                                             \
        assert_int_equal(gmem_write((rig)->mem, (rig)->code, words_, sizeof(words_)), 0); \
    } while (0)

/* From the beginning of the program with these in X1 to X3. */
static void start(struct rig *rig, uint64_t x1, uint64_t x2, uint64_t x3)
{
    struct vcpu_state state;
    struct err err;

    vcpu_state_reset(&state);
    state.pc = rig->code;
    state.cpacr_el1 = 0x300000;
    state.x[1] = x1;
    state.x[2] = x2;
    state.x[3] = x3;
    assert_int_equal(rig->ops->vcpu_set(rig->vcpu, &state, &err), 0);
}

static void run(struct rig *rig, enum hv_exit_kind kind)
{
    rig->ops->run(rig->vcpu, &rig->exit);
    if (rig->exit.kind == HV_EXIT_ERROR && kind != HV_EXIT_ERROR)
        fail_msg("%s", rig->exit.reason);
    assert_int_equal(rig->exit.kind, kind);
}

static void read_is(struct rig *rig, gpa_t gpa, unsigned size, uint64_t answer)
{
    run(rig, HV_EXIT_MMIO_READ);
    assert_int_equal(rig->exit.mmio.gpa, gpa);
    assert_int_equal(rig->exit.mmio.size, size);
    rig->exit.mmio.data = answer;
}

static void write_is(struct rig *rig, gpa_t gpa, unsigned size, uint64_t data)
{
    run(rig, HV_EXIT_MMIO_WRITE);
    assert_int_equal(rig->exit.mmio.gpa, gpa);
    assert_int_equal(rig->exit.mmio.size, size);
    assert_int_equal(rig->exit.mmio.data, data);
}

static struct vcpu_state get(struct rig *rig)
{
    struct vcpu_state state;
    struct err err;

    assert_int_equal(rig->ops->vcpu_get(rig->vcpu, &state, &err), 0);
    return state;
}

/* ---- exits ---- */

static void test_devices(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state after;

    PROGRAM(rig, LDRSB_X2_X1, STR_X2_X1, HVC_0);
    start(rig, DEVICE, 0, 0);
    read_is(rig, DEVICE, 1, 0x80);
    write_is(rig, DEVICE, 8, UINT64_C(0xffffffffffffff80));
    run(rig, HV_EXIT_SMCCC);

    PROGRAM(rig, LDP_X2_X3_X1, STP_X2_X3_X1_16, LDR_Q0_X1, HVC_0);
    start(rig, DEVICE, 0, 0);
    read_is(rig, DEVICE, 8, 22);
    read_is(rig, DEVICE + 8, 8, 33);
    write_is(rig, DEVICE, 8, 22);
    write_is(rig, DEVICE + 8, 8, 33);
    read_is(rig, DEVICE + 16, 8, 44);
    read_is(rig, DEVICE + 24, 8, 55);
    run(rig, HV_EXIT_SMCCC);
    after = get(rig);
    assert_int_equal(after.x[1], DEVICE + 16);
    assert_int_equal(after.v[0], 44);
    assert_int_equal(after.v[1], 55);

    PROGRAM(rig, LDADD_W2_W3_X1, HVC_0);
    start(rig, DEVICE, 5, 0);
    read_is(rig, DEVICE, 4, 7);
    write_is(rig, DEVICE, 4, 12);
    run(rig, HV_EXIT_SMCCC);
    assert_int_equal(get(rig).x[3], 7);
}

static void test_calls(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state after;

    PROGRAM(rig, HVC_0, SMC_0, HVC_0);
    start(rig, 1, 2, 3);
    for (unsigned i = 0; i < 2; i++) {
        run(rig, HV_EXIT_SMCCC);
        rig->exit.smccc.x[0] = 100 + i;
    }
    run(rig, HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[0], 101);
    after = get(rig);
    assert_int_equal(after.pc, rig->code + 12);
}

/* What EL2 traps: the OS lock is the engine's, the PMU nobody's. */
static void test_trapped_registers(void **state)
{
    struct rig *rig = *state;

    PROGRAM(rig, MSR_OSLAR_X2, MRS_X3_OSLSR, HVC_0, MRS_X3_PMCR, HVC_0);
    start(rig, 0, 1, 99);
    run(rig, HV_EXIT_SMCCC);
    assert_int_equal(rig->exit.smccc.x[3], 0xa); /* OSLM, OSLK */
    run(rig, HV_EXIT_SMCCC);
    assert_int_equal(get(rig).x[3], 0);
    assert_int_equal(get(rig).os_lock, 1);
}

/* ---- state ---- */

static void test_state_of_a_vcpu(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state want, got;
    struct err err;

    vcpu_state_reset(&want);
    for (unsigned i = 0; i < 31; i++)
        want.x[i] = 0x0101010101010101 * i;
    for (unsigned i = 0; i < 64; i++)
        want.v[i] = 0x1111111111111111 + i;
    want.sp_el0 = 0x1000;
    want.sp_el1 = 0x2000;
    want.pc = CODE;
    want.pstate = 0x600003c4; /* EL1t, Z and C */
    want.elr_el1 = 0x3000;
    want.spsr_el1 = 0x3c5;
    want.fpcr = BIT(24);
    want.fpsr = BIT(27);
    want.ttbr0_el1 = RAM;
    want.ttbr1_el1 = RAM + 0x1000;
    want.far_el1 = 0x4000;
    want.esr_el1 = 0x5000;
    want.mair_el1 = 0xff44;
    want.vbar_el1 = 0x6000;
    want.tpidr_el0 = 7;
    want.tpidr_el1 = 8;
    want.tpidrro_el0 = 9;
    want.contextidr_el1 = 10;
    want.cntkctl_el1 = 3;
    want.apiakeylo_el1 = 11;
    want.apgakeyhi_el1 = 12;
    want.icc_pmr_el1 = 0xf0;
    want.icc_igrpen1_el1 = 1;
    want.dbgbvr[5] = 0x7000;
    want.dbgwvr[3] = 0x8000;
    for (unsigned i = 0; i < 6; i++)
        want.dbgbcr[i] = 0x1e0; /* BAS: all four bytes, always */
    want.os_lock = 1;
    want.cntv_ctl = 2;
    want.cntv_cval = 123;
    want.cntp_cval = 456;
    assert_int_equal(rig->ops->vcpu_set(rig->vcpu, &want, &err), 0);
    got = get(rig);
    want.cntvct = got.cntvct;
    want.cntv_ctl = got.cntv_ctl & 3 ? got.cntv_ctl : 0; /* ISTATUS is the counter's */
    want.icc_ctlr_el1 = got.icc_ctlr_el1;                /* what is read-only there */
    want.icc_sre_el1 = got.icc_sre_el1;
    want.power = got.power;
    assert_memory_equal(&want, &got, sizeof(want));
    assert_int_equal(got.cntv_ctl & 3, 2);
}

/* A register that there is no place for is refused by name. */
static void test_state_that_cannot_be_held(void **state)
{
    struct rig *rig = *state;
    struct vcpu_state bad;
    struct err err;

    vcpu_state_reset(&bad);
    bad.dbgbvr[15] = 0x1000;
    assert_true(rig->ops->vcpu_set(rig->vcpu, &bad, &err) < 0);
    assert_non_null(strstr(err.msg, "dbgbvr15"));
}

/* The counter goes on from what it is set to. */
static void test_counter(void **state)
{
    struct rig *rig = *state;
    struct err err;

    assert_int_equal(rig->ops->set_counter(rig->vcpu, UINT64_C(1) << 40, &err), 0);
    assert_in_range(get(rig).cntvct, UINT64_C(1) << 40, (UINT64_C(1) << 40) + (UINT64_C(1) << 36));
}

static void set_gic(struct rig *rig, const struct gic_state *gic)
{
    struct err err;

    assert_int_equal(rig->ops->gic_set(rig->hv, gic, &err), 0);
    assert_int_equal(rig->ops->redist_set(rig->vcpu, &gic->redist[0], &err), 0);
}

static struct gic_state get_gic(struct rig *rig)
{
    struct gic_state gic = { 0 };
    struct err err;

    assert_int_equal(rig->ops->gic_get(rig->hv, &gic, &err), 0);
    assert_int_equal(rig->ops->redist_get(rig->vcpu, &gic.redist[0], &err), 0);
    return gic;
}

/* One of many bits everywhere. */
static struct gic_state some_gic(uint32_t bits)
{
    struct gic_state gic;

    gic_state_reset(&gic, 1);
    gic.ctlr |= 2;
    for (unsigned w = 1; w < GIC_INTIDS / 32; w++) {
        gic.group[w] = bits;
        gic.enabled[w] = bits << 1;
        gic.active[w] = bits << 2;
        gic.edge[w] = bits | bits << 3;
        gic.pending_latch[w] = bits << 3;
    }
    for (unsigned i = 32; i < GIC_INTIDS; i++)
        gic.priority[i] = (uint8_t)((bits + i) << 3);
    gic.redist[0].waker = 0;
    gic.redist[0].group = bits | 0xffff;
    gic.redist[0].enabled = bits;
    gic.redist[0].active = bits << 1 & 0xffff0000;
    gic.redist[0].edge = 0xffff;
    gic.redist[0].pending_latch = bits & 0xffff;
    for (unsigned i = 0; i < 32; i++)
        gic.redist[0].priority[i] = (uint8_t)((bits + i) << 3);
    return gic;
}

static void compare_gic(const struct gic_state *want, const struct gic_state *got)
{
    assert_int_equal(want->ctlr, got->ctlr);
    assert_memory_equal(want->group, got->group, sizeof(want->group));
    assert_memory_equal(want->enabled, got->enabled, sizeof(want->enabled));
    assert_memory_equal(want->active, got->active, sizeof(want->active));
    assert_memory_equal(want->edge, got->edge, sizeof(want->edge));
    assert_memory_equal(want->pending_latch, got->pending_latch, sizeof(want->pending_latch));
    assert_memory_equal(want->line_level, got->line_level, sizeof(want->line_level));
    assert_memory_equal(want->priority, got->priority, sizeof(want->priority));
    assert_memory_equal(want->irouter, got->irouter, sizeof(want->irouter));
    assert_int_equal(want->redist[0].group, got->redist[0].group);
    assert_int_equal(want->redist[0].enabled, got->redist[0].enabled);
    assert_int_equal(want->redist[0].active, got->redist[0].active);
    assert_int_equal(want->redist[0].edge, got->redist[0].edge);
    assert_int_equal(want->redist[0].pending_latch, got->redist[0].pending_latch);
    assert_memory_equal(want->redist[0].priority, got->redist[0].priority, 32);
}

/* Into a new controller, over another state, and over that of a guest that has run. */
static void test_state_of_the_gic(void **state)
{
    struct rig *rig = *state;
    struct gic_state a = some_gic(0x10101010), b = some_gic(0x02020202), got;

    set_gic(rig, &a);
    got = get_gic(rig);
    compare_gic(&a, &got);
    set_gic(rig, &b);
    got = get_gic(rig);
    compare_gic(&b, &got);
    PROGRAM(rig, HVC_0);
    start(rig, 0, 0, 0);
    run(rig, HV_EXIT_SMCCC);
    gic_state_reset(&a, 1);
    set_gic(rig, &a);
    got = get_gic(rig);
    compare_gic(&a, &got);
}

/* A line that is up is saved as that, not as pending, and is up again after the same. */
static void test_lines(void **state)
{
    struct rig *rig = *state;
    struct gic_state gic, got;

    gic_state_reset(&gic, 1);
    set_gic(rig, &gic);
    rig->ops->set_spi(rig->hv, 16, true);
    got = get_gic(rig);
    assert_int_equal(got.line_level[1], 1u << 16);
    assert_int_equal(got.pending_latch[1], 0);
    set_gic(rig, &gic);
    assert_int_equal(get_gic(rig).line_level[1], 0);
    set_gic(rig, &got);
    assert_int_equal(get_gic(rig).line_level[1], 1u << 16);
    assert_int_equal(get_gic(rig).pending_latch[1], 0);
    rig->ops->set_spi(rig->hv, 16, false);
    assert_int_equal(get_gic(rig).line_level[1], 0);
    assert_int_equal(get_gic(rig).pending_latch[1], 0);
}

/* ---- dirty pages ---- */

static void fetch(struct rig *rig, uint64_t *bits)
{
    struct err err;

    assert_int_equal(rig->ops->dirty_sync(rig->hv, &err), 0);
    (void)gmem_fetch_dirty(&rig->mem->regions[0], bits);
}

static void expect(const uint64_t *bits, uint64_t from, uint64_t bytes)
{
    for (uint64_t page = 0; page < RAM_SIZE / GMEM_PAGE_SIZE; page++) {
        uint64_t gpa = RAM + page * GMEM_PAGE_SIZE;

        assert_int_equal(bits[page / 64] >> page % 64 & 1, gpa - from < bytes);
    }
}

/* Exactly the pages that were written since the last time. */
static void track(struct rig *rig, uint64_t page)
{
    uint64_t bits[RAM_SIZE / GMEM_PAGE_SIZE / 64];
    struct err err;

    PROGRAM(rig, STR_X2_X1, ADD_X1_16K, STR_X2_X1, HVC_0);
    start(rig, DATA, 1, 0);
    run(rig, HV_EXIT_SMCCC);
    assert_int_equal(rig->ops->dirty_start(rig->hv, &err), 0);
    fetch(rig, bits);
    for (unsigned round = 0; round < 3; round++) {
        PROGRAM(rig, STR_X2_X1, HVC_0);
        (void)gmem_fetch_dirty(&rig->mem->regions[0], bits); /* the program's own page */
        start(rig, DATA + round * PAGE + 8, 2 + round, 0);
        run(rig, HV_EXIT_SMCCC);
        fetch(rig, bits);
        expect(bits, DATA + round * PAGE, page);
    }
    fetch(rig, bits);
    expect(bits, 0, 0);
    rig->ops->dirty_stop(rig->hv);
    start(rig, DATA, 9, 0);
    run(rig, HV_EXIT_SMCCC);
}

static void test_dirty_pages(void **state)
{
    track(*state, PAGE);
}

static void test_dirty_pages_of_4k(void **state)
{
    track(*state, 4 * KIB);
}

/* ---- kicks ---- */

struct kicker {
    struct rig *rig;
    struct lock lock;
    struct cond cond;
    unsigned kicked, seen;
};

static void kick_often(void *arg)
{
    struct kicker *k = arg;

    for (unsigned i = 0; i < KICKS; i++) {
        k->rig->ops->kick(k->rig->vcpu);
        lock_take(&k->lock);
        k->kicked++;
        while (k->seen < k->kicked) /* lost, it would hang here */
            cond_wait(&k->cond, &k->lock);
        lock_drop(&k->lock);
    }
}

static void storm(struct rig *rig, uint32_t insn)
{
    struct kicker k = { .rig = rig };
    struct thread thread = { 0 };
    uint32_t code[] = { insn, BACK_4 };

    lock_init(&k.lock);
    cond_init(&k.cond);
    rig->code += 0x100;
    assert_int_equal(gmem_write(rig->mem, rig->code, code, sizeof(code)), 0);
    start(rig, DEVICE, 0, 0);
    assert_int_equal(thread_start(&thread, "kicker", kick_often, &k), 0);
    for (unsigned seen = 0; seen < KICKS;) {
        rig->ops->run(rig->vcpu, &rig->exit);
        if (rig->exit.kind != HV_EXIT_KICKED)
            continue;
        lock_take(&k.lock);
        seen = k.kicked > k.seen ? k.kicked : k.kicked + 1; /* + 1: it is being counted now */
        k.seen = seen;
        cond_signal(&k.cond);
        lock_drop(&k.lock);
    }
    thread_join(&thread);
    cond_fini(&k.cond);
    lock_fini(&k.lock);
}

static void test_kicks(void **state)
{
    storm(*state, WFI);
    storm(*state, STR_X2_X1);
    storm(*state, LDP_X2_X3_X1);
}

/* ---- hosts that refuse ---- */

static void refuses(const char *host, const char *words)
{
    const struct hv_ops *ops;
    struct err err;

    setenv("IGNITION_STANDIN", host, 1);
    assert_true(hv_find("hvf", &ops, &err) < 0);
    unsetenv("IGNITION_STANDIN");
    if (!strstr(err.msg, words))
        fail_msg("%s: %s", host, err.msg);
}

static void test_hosts_that_refuse(void **state)
{
    (void)state;
    refuses("denied", "com.apple.security.hypervisor");
    refuses("denied", "tools/sign.sh");
    refuses("unsupported", "kern.hv_support");
    refuses("old", "macOS 15");
}

static void create_refuses(struct hv_config config, const char *host, const char *words)
{
    struct gmem *mem;
    struct hv *hv;
    struct err err;

    assert_int_equal(gmem_create(&mem, &err), 0);
    config.mem = mem;
    config.vcpus = config.vcpus ? config.vcpus : 1;
    config.cpu = "portable";
    setenv("IGNITION_STANDIN", host, 1);
    assert_true(hv_hvf_ops.create(&config, &hv, &err) < 0);
    unsetenv("IGNITION_STANDIN");
    if (!strstr(err.msg, words))
        fail_msg("%s: %s", host, err.msg);
    gmem_destroy(mem);
}

static void test_machines_that_cannot_be(void **state)
{
    (void)state;
    create_refuses((struct hv_config){ 0 }, "no-gic", "hv_gic_create");
    create_refuses((struct hv_config){ .granule_4k = true }, "macos15", "macOS 26");
    create_refuses((struct hv_config){ .vcpus = 65 }, "", "64 vCPUs");
    create_refuses((struct hv_config){ .counter_hz = 1000000000 }, "", "Hz");
}

static void test_a_second_machine(void **state)
{
    (void)state;
    create_refuses((struct hv_config){ 0 }, "", "one machine a process");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_devices),
        TEST(test_calls),
        TEST(test_trapped_registers),
        TEST(test_state_of_a_vcpu),
        TEST(test_state_that_cannot_be_held),
        TEST(test_counter),
        TEST(test_state_of_the_gic),
        TEST(test_lines),
        TEST(test_dirty_pages),
        cmocka_unit_test_setup_teardown(test_dirty_pages_of_4k, setup_4k, teardown),
        TEST(test_kicks),
        cmocka_unit_test(test_hosts_that_refuse),
        cmocka_unit_test(test_machines_that_cannot_be),
        TEST(test_a_second_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
