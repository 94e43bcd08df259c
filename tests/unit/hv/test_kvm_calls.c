/*
 * The engine `kvm` where a call of KVM fails or a host lacks something: what it says, and what it
 * does instead. A real KVM, some of whose answers are made up here. Built for arm64 Linux alone;
 * tests/e2e/test_lab_kvm.py runs it in the lab.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "cpu/idregs.h"
#include "hv/hv_kvm_uapi.h"
#include "unit/hv/kvm_rig.h"

#define ANY     UINT64_MAX
#define REG(id) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | (id))
#define SCTLR   REG(SYSREG(3, 0, 1, 0, 0))
#define X3 \
    (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.regs[3]))

/* An answer that is made up: to a request about `what` (a capability, a register's id, or ANY). */
static struct answer {
    unsigned long request;
    uint64_t what;
    int code;  /* an errno, or 0 */
    int value; /* where code is 0 */
} answers[8];
static unsigned answer_count, refused_ids;

static void answer(unsigned long request, uint64_t what, int code, int value)
{
    assert_true(answer_count < ARRAY_LEN(answers));
    answers[answer_count++] = (struct answer){ request, what, code, value };
}

static uint64_t subject(unsigned long request, const void *arg)
{
    switch (request) {
    case KVM_CHECK_EXTENSION:
        return (uintptr_t)arg;
    case KVM_GET_ONE_REG:
    case KVM_SET_ONE_REG:
        return ((const struct kvm_one_reg *)arg)->id;
    case KVM_ENABLE_CAP:
        return ((const struct kvm_enable_cap *)arg)->cap;
    case KVM_GET_DEVICE_ATTR:
    case KVM_SET_DEVICE_ATTR:
        return ((const struct kvm_device_attr *)arg)->group;
    default:
        return ANY;
    }
}

/* op0 3, CRn 0: an ID register. */
static bool is_id(uint64_t id)
{
    return (id & KVM_REG_ARM_COPROC_MASK) == KVM_REG_ARM64_SYSREG &&
           (id & (SYSREG(3, 0, 15, 0, 0))) == SYSREG(3, 0, 0, 0, 0);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;
    int rc;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    for (unsigned i = 0; i < answer_count; i++) {
        const struct answer *a = &answers[i];
        if (a->request != request || (a->what != ANY && a->what != subject(request, arg)))
            continue;
        errno = a->code;
        return a->code ? -1 : a->value;
    }
    rc = (int)syscall(SYS_ioctl, fd, request, arg);
    refused_ids += rc < 0 && request == KVM_SET_ONE_REG && is_id(subject(request, arg));
    return rc;
}

static const struct hv_config portable = { .vcpus = 1, .cpu = "portable" };

static int clean(void **state)
{
    (void)state;
    answer_count = 0;
    refused_ids = 0;
    return 0;
}

static void assert_words(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, text);
}

/* ---- a machine that cannot be ---- */

static void test_a_failed_call_is_named_and_tells_a_way_out(void **state)
{
    static const struct {
        struct answer answer;
        const char *words;
    } rows[] = {
        { { KVM_GET_API_VERSION, ANY, ENOTTY, 0 },
          "/dev/kvm is not KVM: KVM_GET_API_VERSION: Inappropriate ioctl for device; use --accel "
          "soft" },
        { { KVM_GET_API_VERSION, ANY, 0, 11 },
          "/dev/kvm: API version 11, not 12; use --accel soft" },
        { { KVM_CREATE_VM, ANY, ENOMEM, 0 },
          "KVM_CREATE_VM with 32 address bits: Cannot allocate" },
        { { KVM_GET_VCPU_MMAP_SIZE, ANY, 0, 16 },
          "KVM_GET_VCPU_MMAP_SIZE: 16 bytes are too few; use --accel soft" },
        { { KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR, E2BIG, 0 },
          "KVM_SET_DEVICE_ATTR, place of the distributor of the interrupt controller: Argument" },
        { { KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL, EBUSY, 0 },
          "KVM_SET_DEVICE_ATTR, initialization of the interrupt controller: Device or resource" },
        { { KVM_SET_USER_MEMORY_REGION, ANY, EINVAL, 0 },
          "KVM_SET_USER_MEMORY_REGION 0x40000000, 2097152 bytes: Invalid argument" },
        { { KVM_CREATE_VCPU, ANY, ENOMEM, 0 }, "KVM_CREATE_VCPU 0: Cannot allocate memory" },
        { { KVM_ARM_PREFERRED_TARGET, ANY, ENODEV, 0 },
          "KVM_ARM_PREFERRED_TARGET: No such device" },
        { { KVM_ARM_VCPU_INIT, ANY, EINVAL, 0 }, "KVM_ARM_VCPU_INIT 0: Invalid argument" },
        { { KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS, 0, 1 }, NULL }, /* one is enough */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig f;
        const struct hv_ops *ops;
        const struct answer *a = &rows[i].answer;
        clean(NULL);
        answer(a->request, a->what, a->code, a->value);
        /* What the host is asked once is told by the probe. */
        if (hv_find("kvm", &ops, &f.err) == 0) {
            if (!rows[i].words)
                ok(&f, rig_open(&f, &portable));
            else
                assert_true(rig_open(&f, &portable) < 0);
            if (rows[i].words)
                assert_words(f.err.msg, rows[i].words);
            rig_close(&f);
        } else if (strstr(f.err.msg, "KVM_CREATE_VM") == NULL) {
            assert_words(f.err.msg, rows[i].words);
        }
    }
}

static void test_a_host_without_gicv3_is_refused(void **state)
{
    const struct hv_ops *ops;
    struct err err;

    (void)state;
    answer(KVM_CREATE_DEVICE, ANY, ENODEV, 0);
    assert_true(hv_find("kvm", &ops, &err) < 0);
    assert_words(err.msg,
                 "KVM on this host has no GICv3 for guests (its own is older); use --accel "
                 "soft");
}

static void test_more_vcpus_than_the_host_runs_are_refused(void **state)
{
    struct hv_config config = { .vcpus = 4, .cpu = "portable" };
    struct rig f;

    (void)state;
    answer(KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS, 0, 3);
    assert_int_equal(rig_machine(&f, &config), -EINVAL);
    assert_string_equal(f.err.msg, "KVM on this host runs 3 vCPUs at most, not 4; lower --smp");
    rig_close(&f);
}

static void test_more_ram_than_the_host_maps_is_refused(void **state)
{
    const struct hv_ops *ops;
    struct hv_config config = portable;
    struct gmem *mem;
    struct err err;
    struct hv *hv;

    (void)state;
    answer(KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE, 0, 36);
    assert_int_equal(gmem_create(&mem, NULL), 0);
    assert_int_equal(gmem_add(mem, 128 * GIB, GMEM_PAGE_SIZE, true, NULL), 0);
    config.mem = mem;
    assert_int_equal(hv_find("kvm", &ops, NULL), 0);
    assert_int_equal(ops->create(&config, &hv, &err), -ENOMEM);
    assert_string_equal(err.msg, "RAM up to address 0x2000001000 needs 38 address bits and KVM on "
                                 "this host has 36; lower --mem");
    gmem_destroy(mem);
}

/* ---- a running machine ---- */

static void test_registers_that_fail_are_named(void **state)
{
    struct vcpu_state in = entry(CODE_CALLS);
    struct rig f;

    (void)state;
    ok(&f, rig_open(&f, &portable));
    answer(KVM_SET_ONE_REG, SCTLR, EINVAL, 0);
    assert_int_equal(f.hv->ops->vcpu_set(f.vcpu, &in, &f.err), -EINVAL);
    assert_string_equal(f.err.msg, "KVM_SET_ONE_REG SCTLR_EL1: Invalid argument; KVM on this host "
                                   "cannot hold 0x30d00800 in it, use --accel soft");
    clean(NULL);
    answer(KVM_GET_ONE_REG, X3, EFAULT, 0);
    assert_int_equal(f.hv->ops->vcpu_get(f.vcpu, &in, &f.err), -EFAULT);
    assert_string_equal(f.err.msg, "KVM_GET_ONE_REG X3: Bad address");
    clean(NULL);
    answer(KVM_SET_ONE_REG, REG(SYSREG(2, 0, 0, 5, 6)), EPERM, 0);
    in = entry(CODE_CALLS);
    assert_int_equal(f.hv->ops->vcpu_set(f.vcpu, &in, &f.err), -EPERM);
    assert_words(f.err.msg, "KVM_SET_ONE_REG DBGWVR5_EL1: Operation not permitted");
    clean(NULL);
    answer(KVM_SET_MP_STATE, ANY, EINVAL, 0);
    assert_int_equal(f.hv->ops->vcpu_set(f.vcpu, &in, &f.err), -EINVAL);
    assert_string_equal(f.err.msg, "KVM_SET_MP_STATE: Invalid argument");
    clean(NULL);
    rig_close(&f);
}

static void test_the_controller_names_its_register(void **state)
{
    struct gic_state *gic = calloc(1, sizeof(*gic));
    struct rig f;

    (void)state;
    assert_non_null(gic);
    ok(&f, rig_open(&f, &portable));
    ok(&f, f.hv->ops->gic_get(f.hv, gic, &f.err));
    answer(KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, EBUSY, 0);
    assert_int_equal(f.hv->ops->gic_get(f.hv, gic, &f.err), -EBUSY);
    assert_string_equal(f.err.msg, "KVM_GET_DEVICE_ATTR line levels+0x20: Device or resource busy");
    clean(NULL);
    answer(KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, EINVAL, 0);
    gic_state_reset(gic, 1);
    assert_int_equal(f.hv->ops->redist_set(f.vcpu, &gic->redist[0], &f.err), -EINVAL);
    assert_string_equal(f.err.msg, "KVM_SET_DEVICE_ATTR GICR+0x10180: Invalid argument");
    clean(NULL);
    rig_close(&f);
    free(gic);
}

static void test_a_vcpu_that_cannot_run_says_why(void **state)
{
    struct vcpu_state in = entry(CODE_CALLS);
    struct hv_exit exit;
    struct rig f;

    (void)state;
    ok(&f, rig_open(&f, &portable));
    ok(&f, f.hv->ops->vcpu_set(f.vcpu, &in, &f.err));
    answer(KVM_RUN, ANY, EFAULT, 0);
    f.hv->ops->run(f.vcpu, &exit);
    assert_int_equal(exit.kind, HV_EXIT_ERROR);
    assert_string_equal(exit.reason, "KVM cannot go on at pc 0x40008000: KVM_RUN: Bad address");
    clean(NULL);
    rig_close(&f);
}

static void test_dirty_pages_that_fail_name_the_call(void **state)
{
    static const struct {
        enum hv_dirty_log log;
        unsigned long request;
        const char *words;
    } rows[] = {
        { HV_DIRTY_BITMAP, KVM_GET_DIRTY_LOG, "KVM_GET_DIRTY_LOG, memory at 0x40000000: " },
        { HV_DIRTY_RING, KVM_RESET_DIRTY_RINGS, "KVM_RESET_DIRTY_RINGS: Input/output error" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hv_config config = { .vcpus = 1, .cpu = "portable", .dirty_log = rows[i].log };
        struct rig f;
        ok(&f, rig_open(&f, &config));
        ok(&f, f.hv->ops->dirty_start(f.hv, &f.err));
        answer(rows[i].request, ANY, EIO, 0);
        assert_int_equal(f.hv->ops->dirty_sync(f.hv, &f.err), -EIO);
        assert_words(f.err.msg, rows[i].words);
        clean(NULL);
        rig_close(&f);
    }
}

/* ---- older hosts ---- */

static void test_a_log_of_dirty_pages_that_is_not_there(void **state)
{
    static const struct {
        enum hv_dirty_log log;
        const char *words; /* NULL: another is taken */
    } rows[] = {
        { HV_DIRTY_AUTO, NULL },
        { HV_DIRTY_BITMAP, NULL },
        { HV_DIRTY_MANUAL, "no log of dirty pages as a bitmap with manual protection: " },
        { HV_DIRTY_RING, "no log of dirty pages as a ring: " },
    };

    (void)state;
    answer(KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 0, 0);
    answer(KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hv_config config = { .vcpus = 1, .cpu = "portable", .dirty_log = rows[i].log };
        struct rig f;
        int rc = rig_open(&f, &config);
        if (rows[i].words) {
            assert_int_equal(rc, -ENOTSUP);
            assert_words(f.err.msg, rows[i].words);
        } else {
            ok(&f, rc);
            ok(&f, f.hv->ops->dirty_start(f.hv, &f.err));
            ok(&f, f.hv->ops->dirty_sync(f.hv, &f.err));
        }
        rig_close(&f);
    }
}

/* Before Linux 6.4: the virtual counter moves by itself, and the timers keep their distance to it.
 */
static void test_counters_without_an_offset_of_the_machine(void **state)
{
    struct vcpu_state in = entry(CODE_CALLS), out;
    struct rig f;

    (void)state;
    answer(KVM_CHECK_EXTENSION, KVM_CAP_COUNTER_OFFSET, 0, 0);
    answer(KVM_ARM_SET_COUNTER_OFFSET, ANY, ENOTTY, 0);
    for (unsigned shift = 30; shift < 60; shift += 20) {
        ok(&f, rig_open(&f, &portable));
        in.cntv_cval = BIT(shift) + 1000;
        in.cntp_cval = BIT(shift) + 2000;
        ok(&f, f.hv->ops->set_counter(f.vcpu, BIT(shift), &f.err));
        ok(&f, f.hv->ops->vcpu_set(f.vcpu, &in, &f.err));
        out = get(&f);
        assert_true(out.cntvct >= BIT(shift) && out.cntvct < BIT(shift + 1));
        assert_int_equal(out.cntv_cval, BIT(shift) + 1000);
        assert_int_equal(out.cntp_cval, BIT(shift) + 2000);
        rig_close(&f);
    }
}

/* ---- ID registers ---- */

__asm__(".pushsection .rodata\n.globl guest_ids, guest_ids_end\n.balign 4\n"
        ".macro id reg\n mrs x2, \\reg\n str x2, [x0], #8\n .endm\n"
        "guest_ids: id ID_AA64PFR0_EL1\n id ID_AA64DFR0_EL1\n id ID_AA64ISAR0_EL1\n"
        " id ID_AA64ISAR1_EL1\n id S3_0_C0_C6_2\n id ID_AA64MMFR0_EL1\n id CTR_EL0\n off\n"
        "guest_ids_end:\n.popsection\n");
extern const uint8_t guest_ids[], guest_ids_end[];

struct ids {
    uint64_t pfr0, dfr0, isar0, isar1, isar2, mmfr0, ctr;
};

/* What the guest of a CPU model reads. */
static struct ids read_ids(const char *cpu)
{
    struct hv_config config = { .vcpus = 1, .cpu = cpu };
    struct vcpu_state in = entry(CODE_CALLS);
    struct ids ids;
    struct rig f;

    ok(&f, rig_open(&f, &config));
    ok(&f, gmem_write(f.mem, CODE_CALLS, guest_ids, (size_t)(guest_ids_end - guest_ids)));
    ok(&f, f.hv->ops->vcpu_set(f.vcpu, &in, &f.err));
    assert_int_equal(run(&f)->kind, HV_EXIT_OFF);
    ok(&f, gmem_read(f.mem, DATA, &ids, sizeof(ids)));
    rig_close(&f);
    return ids;
}

static void assert_portable(const struct ids *ids)
{
    assert_int_equal(ids->isar0, idregs_portable.isar0);
    assert_int_equal(ids->isar1 & ~BITS(19, 0), idregs_portable.isar1);
    assert_int_equal(ids->isar2, 0);
    assert_int_equal(ids->pfr0 & BITS(15, 0), idregs_portable.pfr0 & BITS(15, 0));
    assert_int_equal(ids->dfr0 & BITS(3, 0), idregs_portable.dfr0 & BITS(3, 0));
    assert_int_equal(ids->mmfr0 & BITS(31, 0),
                     (idregs_portable.mmfr0 & BITS(31, 0)) | 1); /* 36 address bits */
    assert_int_equal(ids->ctr & BITS(29, 28), 0);
}

static char *collected;

static void collect(void *ctx, enum log_level level, const char *area, const char *text)
{
    char *all = NULL;

    (void)ctx, (void)level;
    assert_true(asprintf(&all, "%s%s: %s\n", collected ? collected : "", area, text) >= 0);
    free(collected);
    collected = all;
}

/* Linux 6.7 and newer tell which fields can be lowered: none is tried in vain. */
static void test_cpu_model_portable_hides_what_the_host_has_more(void **state)
{
    struct ids host, ids;

    (void)state;
    host = read_ids("host");
    assert_true(host.isar0 > idregs_portable.isar0);
    refused_ids = 0;
    log_set_level(LOG_DEBUG);
    log_set_sink(collect, NULL);
    ids = read_ids("portable");
    log_set_sink(NULL, NULL);
    log_set_level(LOG_GUEST);
    assert_portable(&ids);
    assert_int_equal(refused_ids, 0);
    assert_words(collected, "kvm: ID_AA64MMFR1_EL1: 0x");
    assert_words(collected, " cannot be lowered to CPU model portable\n");
    assert_null(strstr(collected, "ID_AA64ISAR0_EL1"));
    free(collected);
    collected = NULL;
}

static void test_cpu_model_portable_by_trying(void **state)
{
    struct ids ids;

    (void)state;
    answer(KVM_CHECK_EXTENSION, KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES, 0, 0);
    ids = read_ids("portable");
    assert_portable(&ids);
}

/* Before 6.7 ID registers cannot be written: the guest sees the host's. */
static void test_cpu_model_portable_where_nothing_can_be_hidden(void **state)
{
    struct ids host = read_ids("host"), ids;

    (void)state;
    answer(KVM_CHECK_EXTENSION, KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES, 0, 0);
    answer(KVM_SET_ONE_REG, REG(SYSREG(3, 0, 0, 6, 0)), EINVAL, 0);
    ids = read_ids("portable");
    assert_int_equal(ids.isar0, host.isar0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, clean, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_failed_call_is_named_and_tells_a_way_out),
        TEST(test_a_host_without_gicv3_is_refused),
        TEST(test_more_vcpus_than_the_host_runs_are_refused),
        TEST(test_more_ram_than_the_host_maps_is_refused),
        TEST(test_registers_that_fail_are_named),
        TEST(test_the_controller_names_its_register),
        TEST(test_a_vcpu_that_cannot_run_says_why),
        TEST(test_dirty_pages_that_fail_name_the_call),
        TEST(test_a_log_of_dirty_pages_that_is_not_there),
        TEST(test_counters_without_an_offset_of_the_machine),
        TEST(test_cpu_model_portable_hides_what_the_host_has_more),
        TEST(test_cpu_model_portable_by_trying),
        TEST(test_cpu_model_portable_where_nothing_can_be_hidden),
    };

    return cmocka_run_group_tests_name("kvm_calls", tests, NULL, NULL);
}
