/*
 * Device accesses that the syndrome does not describe, on the stand-in for Hypervisor.framework:
 * one instruction each, what it asks of the device, and the registers after it. Then what cannot be
 * done: the guest takes an abort.
 */
#include <errno.h>

#include "arch/esr.h"
#include "hv/hv_engines.h"
#include "hv/hv_hvf_host.h"
#include "unit/test.h"

#define RAM_SIZE (4 * MIB)
#define CODE     (MAP_RAM_BASE + 0x10000)
#define VBAR     (MAP_RAM_BASE + 0x20000)
#define TABLE    (MAP_RAM_BASE + 0x30000)
#define DATA     (MAP_RAM_BASE + 0x40000)
#define DEVICE   UINT64_C(0x0a000100)

#define HVC_0 0xd4000002u
#define CPACR UINT64_C(0x300000) /* FP is allowed */

struct access {
    bool write;
    unsigned off, size; /* off: from DEVICE */
    uint64_t data;      /* what is written, or what the device answers */
};

struct rig {
    struct gmem *mem;
    struct hv *hv;
    struct hv_vcpu *vcpu;
    struct vcpu_state before, after;
    struct hv_exit exit;
    struct err err;
};

static int setup(void **state)
{
    static struct rig rig;
    struct hv_config config = { .vcpus = 1, .cpu = "portable" };

    rig = (struct rig){ 0 };
    *state = &rig;
    if (gmem_create(&rig.mem, &rig.err) < 0 ||
        gmem_add(rig.mem, MAP_RAM_BASE, RAM_SIZE, true, &rig.err) < 0)
        return -1;
    config.mem = rig.mem;
    if (hv_hvf_ops.create(&config, &rig.hv, &rig.err) < 0 ||
        hv_hvf_ops.map(rig.hv, MAP_RAM_BASE, rig.mem->regions[0].host, RAM_SIZE,
                       HV_READ | HV_WRITE | HV_EXEC, &rig.err) < 0 ||
        hv_hvf_ops.vcpu_create(rig.hv, 0, &rig.vcpu, &rig.err) < 0) {
        print_error("%s\n", rig.err.msg);
        return -1;
    }
    vcpu_state_reset(&rig.before);
    rig.before.pc = CODE;
    rig.before.vbar_el1 = VBAR;
    rig.before.cpacr_el1 = CPACR;
    rig.before.sp_el1 = DEVICE;
    rig.before.x[0] = DATA;
    rig.before.x[1] = DEVICE;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    hv_hvf_ops.vcpu_destroy(rig->vcpu);
    hv_hvf_ops.destroy(rig->hv);
    gmem_destroy(rig->mem);
    return 0;
}

static void ok(struct rig *rig, int rc)
{
    if (rc < 0)
        fail_msg("%s", rig->err.msg);
}

static void put(struct rig *rig, gpa_t gpa, uint32_t word)
{
    assert_int_equal(gmem_write(rig->mem, gpa, &word, sizeof(word)), 0);
    hvf_host_code_written(gmem_ptr_dirty(rig->mem, gpa, sizeof(word)), sizeof(word));
}

static enum hv_exit_kind run(struct rig *rig)
{
    do
        hv_hvf_ops.run(rig->vcpu, &rig->exit);
    while (rig->exit.kind == HV_EXIT_KICKED);
    if (rig->exit.kind == HV_EXIT_ERROR)
        fail_msg("%s", rig->exit.reason);
    return rig->exit.kind;
}

static void get(struct rig *rig)
{
    ok(rig, hv_hvf_ops.vcpu_get(rig->vcpu, &rig->after, &rig->err));
}

/* At CODE one instruction and an HVC; another at the vectors. */
static void start(struct rig *rig, uint32_t word)
{
    put(rig, CODE, word);
    put(rig, CODE + 4, HVC_0);
    put(rig, VBAR + 0x200, HVC_0);
    ok(rig, hv_hvf_ops.vcpu_set(rig->vcpu, &rig->before, &rig->err));
}

static void expect(struct rig *rig, const struct access *access)
{
    assert_int_equal(run(rig), access->write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ);
    assert_int_equal(rig->exit.mmio.gpa, DEVICE + access->off);
    assert_int_equal(rig->exit.mmio.size, access->size);
    if (access->write)
        assert_int_equal(rig->exit.mmio.data, access->data);
    else
        rig->exit.mmio.data = access->data;
}

static void finish(struct rig *rig)
{
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    get(rig);
    assert_int_equal(rig->after.pc, CODE + 8);
}

struct reg {
    unsigned x;
    uint64_t val;
};

/* Registers that the instruction changes; x1 is at DEVICE unless it is among them. */
static void assert_regs(struct rig *rig, const struct reg *regs, size_t count)
{
    uint64_t expected[31];

    memcpy(expected, rig->before.x, sizeof(expected));
    for (size_t i = 0; i < count && regs[i].val != UINT64_C(0xdead); i++)
        expected[regs[i].x] = regs[i].val;
    for (unsigned i = 0; i < 31; i++)
        assert_int_equal(rig->after.x[i], expected[i]);
}

#define END       \
    {             \
        0, 0xdead \
    }

static void test_pairs_and_write_back(void **state)
{
    static const struct {
        uint32_t word;
        struct access access[2];
        struct reg regs[4];
    } cases[] = {
        /* ldp x2, x3, [x1] */
        { 0xa9400c22,
          { { false, 0, 8, 0x1122334455667788 }, { false, 8, 8, 9 } },
          { { 2, 0x1122334455667788 }, { 3, 9 }, END } },
        /* ldp w2, w3, [x1, #8]! */
        { 0x29c10c22,
          { { false, 8, 4, 0x80000000 }, { false, 12, 4, 7 } },
          { { 1, DEVICE + 8 }, { 2, 0x80000000 }, { 3, 7 }, END } },
        /* ldpsw x2, x3, [x1], #16 */
        { 0x68c20c22,
          { { false, 0, 4, 0x80000000 }, { false, 4, 4, 7 } },
          { { 1, DEVICE + 16 }, { 2, 0xffffffff80000000 }, { 3, 7 }, END } },
        /* stp x2, x3, [x1, #16] */
        { 0xa9010c22,
          { { true, 16, 8, 0x2222222222222222 }, { true, 24, 8, 0x3333333333333333 } },
          { END } },
        /* stp w2, wzr, [x1], #-8 */
        { 0x28bf7c22,
          { { true, 0, 4, 0x22222222 }, { true, 4, 4, 0 } },
          { { 1, DEVICE - 8 }, END } },
        /* ldr x2, [x1], #8 */
        { 0xf8408422, { { false, 0, 8, 5 } }, { { 1, DEVICE + 8 }, { 2, 5 }, END } },
        /* strb w2, [x1, #1]! */
        { 0x38001c22, { { true, 1, 1, 0x22 } }, { { 1, DEVICE + 1 }, END } },
    };
    struct rig *rig = *state;

    rig->before.x[2] = 0x2222222222222222;
    rig->before.x[3] = 0x3333333333333333;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        start(rig, cases[i].word);
        for (unsigned n = 0; n < 2 && cases[i].access[n].size; n++)
            expect(rig, &cases[i].access[n]);
        finish(rig);
        assert_regs(rig, cases[i].regs, ARRAY_LEN(cases[i].regs));
    }
}

static void test_the_stack_pointer_is_written_back(void **state)
{
    static const struct access read = { false, 0, 8, 5 };
    struct rig *rig = *state;

    start(rig, 0xf84107e2); /* ldr x2, [sp], #16 */
    expect(rig, &read);
    finish(rig);
    assert_int_equal(rig->after.x[2], 5);
    assert_int_equal(rig->after.sp_el1, DEVICE + 16);
}

static void test_vectors(void **state)
{
    static const struct {
        uint32_t word;
        struct access access[4];
        unsigned v;        /* the first word of struct vcpu_state.v that is looked at, */
        uint64_t words[4]; /* and what is there from then on */
    } cases[] = {
        /* ldr q0, [x1] */
        { 0x3dc00020, { { false, 0, 8, 1 }, { false, 8, 8, 2 } }, 0, { 1, 2, 0x30, 0x31 } },
        /* str q1, [x1, #16] */
        { 0x3d800421, { { true, 16, 8, 0x30 }, { true, 24, 8, 0x31 } }, 2, { 0x30, 0x31 } },
        /* ldr s2, [x1] */
        { 0xbd400022, { { false, 0, 4, 9 } }, 4, { 9, 0 } },
        /* str d1, [x1], #8 */
        { 0xfc008421, { { true, 0, 8, 0x30 } }, 2, { 0x30, 0x31 } },
        /* ldp q0, q1, [x1] */
        { 0xad400420,
          { { false, 0, 8, 1 }, { false, 8, 8, 2 }, { false, 16, 8, 3 }, { false, 24, 8, 4 } },
          0,
          { 1, 2, 3, 4 } },
        /* ld1 {v0.8b, v1.8b}, [x1] */
        { 0x0c40a020, { { false, 0, 8, 7 }, { false, 8, 8, 8 } }, 0, { 7, 0, 8, 0 } },
    };
    struct rig *rig = *state;

    for (unsigned i = 0; i < 8; i++)
        rig->before.v[i] = 0x2e + i;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        start(rig, cases[i].word);
        for (unsigned n = 0; n < 4 && cases[i].access[n].size; n++)
            expect(rig, &cases[i].access[n]);
        finish(rig);
        for (unsigned n = 0; n < 4 && (cases[i].words[n] || n < 2); n++)
            assert_int_equal(rig->after.v[cases[i].v + n], cases[i].words[n]);
    }
}

static void test_atomics(void **state)
{
    static const struct {
        uint32_t word;
        struct access access[4];
        struct reg regs[4];
    } cases[] = {
        /* ldadd w2, w3, [x1] */
        { 0xb8220023, { { false, 0, 4, 40 }, { true, 0, 4, 42 } }, { { 3, 40 }, END } },
        /* ldsmaxb w2, w3, [x1] */
        { 0x38224023, { { false, 0, 1, 0x80 }, { true, 0, 1, 2 } }, { { 3, 0x80 }, END } },
        /* swpal x2, x3, [x1] */
        { 0xf8e28023, { { false, 0, 8, 77 }, { true, 0, 8, 2 } }, { { 3, 77 }, END } },
        /* ldset x2, xzr, [x1] */
        { 0xf822303f, { { false, 0, 8, 8 }, { true, 0, 8, 10 } }, { END } },
        /* cas w2, w4, [x1]: equal, so it is stored */
        { 0x88a27c24, { { false, 0, 4, 2 }, { true, 0, 4, 4 } }, { END } },
        /* cas: not equal, so nothing is */
        { 0x88a27c24, { { false, 0, 4, 3 } }, { { 2, 3 }, END } },
        /* casp x2, x3, x4, x5, [x1] */
        { 0x48227c24,
          { { false, 0, 8, 2 }, { false, 8, 8, 3 }, { true, 0, 8, 4 }, { true, 8, 8, 5 } },
          { END } },
        { 0x48227c24, { { false, 0, 8, 2 }, { false, 8, 8, 9 } }, { { 3, 9 }, END } },
    };
    struct rig *rig = *state;

    for (unsigned i = 2; i < 6; i++)
        rig->before.x[i] = i;
    rig->before.x[1] = DEVICE;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        start(rig, cases[i].word);
        for (unsigned n = 0; n < 4 && cases[i].access[n].size; n++)
            expect(rig, &cases[i].access[n]);
        finish(rig);
        assert_regs(rig, cases[i].regs, ARRAY_LEN(cases[i].regs));
    }
}

/* Nothing has happened to a vCPU that is looked at between two accesses; it goes on from there. */
static void test_looking_in_the_middle_of_a_pair(void **state)
{
    static const struct access first = { false, 0, 8, 1 }, second = { false, 8, 8, 2 };
    struct rig *rig = *state;

    start(rig, 0xa9400c22); /* ldp x2, x3, [x1] */
    expect(rig, &first);
    get(rig);
    assert_int_equal(rig->after.pc, CODE);
    assert_regs(rig, NULL, 0);
    get(rig);
    expect(rig, &second);
    get(rig);
    assert_int_equal(rig->after.pc, CODE + 4);
    assert_int_equal(rig->after.x[3], 2);
    finish(rig);
    assert_int_equal(rig->after.x[2], 1);
    /* Registers that are set in the middle are those that it goes on with. */
    start(rig, 0xa9400c22);
    expect(rig, &first);
    start(rig, HVC_0);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
}

/* The page of code and that of the device, at other addresses than the physical ones. */
static void test_through_the_guests_tables(void **state)
{
    enum { VALID_TABLE = 3, AF = 0x400, PAGE = 3, DEVICE_ATTR = 0 << 2, NORMAL_ATTR = 1 << 2 };
    static const struct access first = { true, 0xff8, 8, 2 }, second = { true, 0x1000, 8, 3 };
    const uint64_t l1 = TABLE, l2 = TABLE + 0x1000, l3 = TABLE + 0x2000;
    struct rig *rig = *state;
    const struct {
        gpa_t at;
        uint64_t desc;
    } tables[] = {
        { l1, l2 | VALID_TABLE },
        { l2, l3 | VALID_TABLE },
        { l3 + 8 * 1, CODE | AF | NORMAL_ATTR | PAGE }, /* VA 0x1000 */
        { l3 + 8 * 2, VBAR | AF | NORMAL_ATTR | PAGE },
        { l3 + 8 * 4, align_down(DEVICE, 4096) | AF | DEVICE_ATTR | PAGE }, /* VA 0x4000 */
        { l3 + 8 * 5, (align_down(DEVICE, 4096) + 4096) | AF | DEVICE_ATTR | PAGE },
    };

    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        assert_int_equal(gmem_write(rig->mem, tables[i].at, &tables[i].desc, 8), 0);
    rig->before.ttbr0_el1 = l1;
    rig->before.tcr_el1 = 25 | 1 << 23; /* T0SZ 25: from level 1; no upper half */
    rig->before.mair_el1 = 0xff00;
    rig->before.sctlr_el1 |= 1;
    rig->before.vbar_el1 = 0x2000;
    rig->before.pc = 0x1000;
    rig->before.x[1] = 0x4ff8 - 16;
    rig->before.x[2] = 2;
    rig->before.x[3] = 3;
    start(rig, 0xa9010c22); /* stp x2, x3, [x1, #16]: over two pages */
    assert_int_equal(run(rig), HV_EXIT_MMIO_WRITE);
    assert_int_equal(rig->exit.mmio.gpa, align_down(DEVICE, 4096) + first.off);
    assert_int_equal(rig->exit.mmio.data, first.data);
    assert_int_equal(run(rig), HV_EXIT_MMIO_WRITE);
    assert_int_equal(rig->exit.mmio.gpa, align_down(DEVICE, 4096) + second.off);
    assert_int_equal(rig->exit.mmio.data, second.data);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    get(rig);
    assert_int_equal(rig->after.pc, 0x1008);

    /* As normal memory it can be accessed unaligned. */
    assert_int_equal(gmem_write(rig->mem, l3 + 8 * 4,
                                &(uint64_t){ align_down(DEVICE, 4096) | AF | NORMAL_ATTR | PAGE },
                                8),
                     0);
    rig->before.x[1] = 0x4101 - 16;
    start(rig, 0xa9010c22);
    assert_int_equal(run(rig), HV_EXIT_MMIO_WRITE);
    assert_int_equal(rig->exit.mmio.gpa, align_down(DEVICE, 4096) + 0x101);
    while (run(rig) == HV_EXIT_MMIO_WRITE)
        ;
    assert_int_equal(rig->exit.kind, HV_EXIT_SMCCC);
    get(rig);
    assert_int_equal(rig->after.pc, 0x1008);

    /* The second page is not mapped: that is the guest's own fault, and nothing was written. */
    rig->before.x[1] = 0x4ff8 - 16;
    assert_int_equal(gmem_write(rig->mem, l3 + 8 * 5, &(uint64_t){ 0 }, 8), 0);
    start(rig, 0xa9010c22);
    assert_int_equal(run(rig), HV_EXIT_SMCCC);
    get(rig);
    assert_int_equal(rig->after.pc, 0x2204);
    assert_int_equal(FIELD_GET(ESR_EC, rig->after.esr_el1), EC_DABT_SAME);
    assert_int_equal(rig->after.esr_el1 & ISS_DABT_DFSC, FSC_TRANSLATION | 3);
    assert_int_equal(rig->after.far_el1, 0x5000);
    assert_int_equal(rig->after.elr_el1, 0x1000);
}

static void test_what_no_device_can_do_is_an_external_abort(void **state)
{
    static const struct {
        uint32_t word;
        bool write;
    } bad[] = {
        { 0x885f7c22, false }, /* ldxr w2, [x1] */
        { 0xc87f0c22, false }, /* ldxp x2, x3, [x1] */
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        start(rig, bad[i].word);
        assert_int_equal(run(rig), HV_EXIT_SMCCC);
        get(rig);
        assert_int_equal(rig->after.pc, VBAR + 0x204);
        assert_int_equal(FIELD_GET(ESR_EC, rig->after.esr_el1), EC_DABT_SAME);
        assert_int_equal(rig->after.esr_el1 & ISS_DABT_DFSC, FSC_EXTERNAL);
        assert_int_equal(!!(rig->after.esr_el1 & ISS_DABT_WNR), bad[i].write);
        assert_int_equal(rig->after.far_el1, DEVICE);
        assert_int_equal(rig->after.elr_el1, CODE);
        assert_int_equal(rig->after.spsr_el1, VCPU_PSTATE_RESET);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pairs_and_write_back),
        TEST(test_the_stack_pointer_is_written_back),
        TEST(test_vectors),
        TEST(test_atomics),
        TEST(test_looking_in_the_middle_of_a_pair),
        TEST(test_through_the_guests_tables),
        TEST(test_what_no_device_can_do_is_an_external_abort),
    };

    return cmocka_run_group_tests_name("hvf_access", tests, NULL, NULL);
}
