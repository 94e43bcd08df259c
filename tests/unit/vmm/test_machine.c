/* A whole machine on the software CPU, running a few words of machine code of our own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/psci.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "vmm/machine_int.h"

#define COUNTER UINT64_C(0x40200000) /* the guest counts here ... */
#define FLAG    UINT64_C(0x40200008) /* ... until this is not zero */

/* A64 by hand (Arm DDI 0487, C6.2). */
#define MOVZ(rd, imm, half) (0xd2800000u | (half) << 21 | (uint32_t)(imm) << 5 | (rd))
#define MOVK(rd, imm, half) (0xf2800000u | (half) << 21 | (uint32_t)(imm) << 5 | (rd))
#define PSCI_CALL(fn)       MOVZ(0, (fn)&0xffff, 0), MOVK(0, (fn) >> 16, 1), 0xd4000002u

static const uint32_t count_until_flag[] = {
    MOVZ(1, 0, 0),
    MOVZ(6, 0x4020, 1),
    0x91000421, /* 1: add x1, x1, #1 */
    0xf90000c1, /*    str x1, [x6] */
    0xf94004c2, /*    ldr x2, [x6, #8] */
    0xb4ffffa2, /*    cbz x2, 1b */
    PSCI_CALL(PSCI_SYSTEM_OFF),
};

/* The first of three vCPUs starts the others; each counts in a word of its own until the flag is
 * set. Then the others go off, and the first powers off. */
#define OTHER_COUNTER(n) (COUNTER + 16 * (n))
#define CPU_ON(n, adr)   adr, MOVZ(1, n, 0), MOVZ(3, n, 0), PSCI_CALL(PSCI_CPU_ON_64)
static const uint32_t three_count_until_flag[] = {
    CPU_ON(1, 0x100001a2), /* adr x2, 2f */
    CPU_ON(2, 0x100000e2), /* adr x2, 2f */
    MOVZ(0, 0, 0),
    MOVZ(6, 0x4020, 1), /* 2: x0 is what CPU_ON handed over */
    0x8b0010c5,         /*    add x5, x6, x0, lsl #4 */
    MOVZ(4, 0, 0),
    0x91000484, /* 1: add x4, x4, #1 */
    0xf90000a4, /*    str x4, [x5] */
    0xf94004c2, /*    ldr x2, [x6, #8] */
    0xb4ffffa2, /*    cbz x2, 1b */
    0xb5000080, /*    cbnz x0, 3f */
    PSCI_CALL(PSCI_SYSTEM_OFF),
    PSCI_CALL(PSCI_CPU_OFF), /* 3: */
};

static const uint32_t reset_at_once[] = { PSCI_CALL(PSCI_SYSTEM_RESET) };
static const uint32_t undefined[] = { 0 };
static const uint32_t sleep_for_ever[] = { 0xd503207f, 0x17ffffff }; /* wfi; b . - 4 */

struct rig {
    struct machine *machine;
    struct machine_config config;
    struct thread thread;
    enum machine_end end;
    struct err err;
    int fd;
};

static unsigned rigs; /* that there are now */

/* IGNITION_TEST_ENGINES names those of a first and a second machine: "hvf soft". */
static const struct hv_ops *rig_engine(unsigned number)
{
    const char *names = getenv("IGNITION_TEST_ENGINES");
    char name[2][8] = { "soft", "soft" };
    const struct hv_ops *engine;

    if (names)
        assert_int_equal(sscanf(names, "%7s %7s", name[0], name[1]), 2);
    assert_int_equal(hv_find(name[number], &engine, NULL), 0);
    return engine;
}

static struct rig *rig_new(const uint32_t *code, size_t len)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    char path[] = "/tmp/ignition-test-XXXXXX";

    rig->fd = mkstemp(path);
    assert_true(rig->fd >= 0);
    unlink(path);
    assert_int_equal(fd_pwrite_full(rig->fd, code, len, 0), 0);
    rig->config = (struct machine_config){
        .cpu = "portable",
        .vcpus = 1,
        .mem_bytes = 16 * MIB,
        .kernel = { .fd = rig->fd, .name = "code" },
        .initramfs.fd = -1,
        .format = IMAGE_RAW,
        .append = "",
        .console = { .in = -1, .out = -1 },
        .start_ns = clock_mono_ns(),
    };
    assert_true(rigs < 2);
    rig->config.engine = rig_engine(rigs++);
    return rig;
}

static struct rig *rig_create_smp(const uint32_t *code, size_t len, unsigned vcpus)
{
    struct rig *rig = rig_new(code, len);

    rig->config.vcpus = vcpus;
    if (machine_create(&rig->config, &rig->machine, &rig->err) < 0)
        fail_msg("%s", rig->err.msg);
    return rig;
}

static struct rig *rig_create(const uint32_t *code, size_t len)
{
    return rig_create_smp(code, len, 1);
}

static void rig_main(void *arg)
{
    struct rig *rig = arg;

    rig->end = machine_run(rig->machine, &rig->err);
}

static void rig_run(struct rig *rig)
{
    assert_int_equal(thread_start(&rig->thread, "machine", rig_main, rig), 0);
}

static enum machine_end rig_join(struct rig *rig)
{
    thread_join(&rig->thread);
    return rig->end;
}

static void rig_free(struct rig *rig)
{
    machine_destroy(rig->machine);
    fd_close(rig->fd);
    free(rig);
    rigs--;
}

static uint64_t rig_peek(struct rig *rig, gpa_t gpa)
{
    uint64_t val;

    assert_int_equal(gmem_read(machine_mem(rig->machine), gpa, &val, sizeof(val)), 0);
    return val;
}

static void rig_poke(struct rig *rig, gpa_t gpa, uint64_t val)
{
    assert_int_equal(gmem_write(machine_mem(rig->machine), gpa, &val, sizeof(val)), 0);
}

static void rig_wait_counter(struct rig *rig, uint64_t at_least)
{
    while (rig_peek(rig, COUNTER) < at_least)
        sched_yield();
}

static void test_power_off_ends_the_run(void **state)
{
    struct rig *rig = rig_create(count_until_flag, sizeof(count_until_flag));

    rig_poke(rig, FLAG, 1);
    rig_run(rig);
    assert_int_equal(rig_join(rig), MACHINE_OFF);
    assert_int_equal(rig_peek(rig, COUNTER), 1);
    rig_free(rig);
}

static void test_nothing_moves_while_paused(void **state)
{
    struct rig *rig = rig_create(count_until_flag, sizeof(count_until_flag));
    uint64_t seen;

    rig_run(rig);
    rig_wait_counter(rig, 1000);
    machine_pause(rig->machine);
    machine_pause(rig->machine);
    machine_resume(rig->machine); /* nested: still paused */
    seen = rig_peek(rig, COUNTER);
    for (int i = 0; i < 1000; i++) {
        sched_yield();
        assert_int_equal(rig_peek(rig, COUNTER), seen);
    }
    machine_resume(rig->machine);
    rig_wait_counter(rig, seen + 1000);
    machine_stop(rig->machine);
    assert_int_equal(rig_join(rig), MACHINE_STOPPED);
    rig_free(rig);
}

/* The guest's counter moves by no more than the host's clock while the guest ran. */
static void test_a_freeze_costs_the_guest_no_time(void **state)
{
    struct rig *rig = rig_create(count_until_flag, sizeof(count_until_flag));
    uint64_t before, ran_ns, frozen_ns = 200 * (NS_PER_S / 1000), hz;

    rig_run(rig);
    rig_wait_counter(rig, 1000);
    assert_int_equal(machine_freeze(rig->machine, NULL), 0);
    hz = rig->machine->hv->counter_hz;
    before = rig->machine->frozen_at;
    for (uint64_t start = clock_mono_ns(); clock_mono_ns() - start < frozen_ns;)
        sched_yield();
    ran_ns = clock_mono_ns();
    assert_int_equal(machine_thaw(rig->machine, NULL), 0);
    assert_int_equal(machine_freeze(rig->machine, NULL), 0);
    ran_ns = clock_mono_ns() - ran_ns;
    assert_true(rig->machine->frozen_at >= before);
    assert_true(rig->machine->frozen_at - before <= ran_ns * hz / NS_PER_S + 1);
    assert_int_equal(machine_thaw(rig->machine, NULL), 0);
    machine_stop(rig->machine);
    assert_int_equal(rig_join(rig), MACHINE_STOPPED);
    assert_int_equal(machine_freeze(rig->machine, &rig->err), -ESHUTDOWN);
    rig_free(rig);
}

/* A copy made while the machine is frozen goes on from the same time. */
static void test_a_frozen_machine_is_saved_with_its_time(void **state)
{
    struct rig *rig = rig_create(count_until_flag, sizeof(count_until_flag));
    struct vcpu_state *saved = calloc(1, sizeof(*saved));
    struct state_buf buf = { 0 };

    rig_run(rig);
    rig_wait_counter(rig, 1000);
    assert_int_equal(machine_freeze(rig->machine, NULL), 0);
    for (uint64_t start = clock_mono_ns(); clock_mono_ns() - start < NS_PER_S / 1000;)
        sched_yield();
    assert_int_equal(machine_save(rig->machine, &buf, NULL), 0);
    assert_int_equal(state_load(buf.data, buf.len, &vcpu_state_desc, saved, "0", NULL), 0);
    assert_int_equal(saved->cntvct, rig->machine->frozen_at);
    assert_int_equal(machine_thaw(rig->machine, NULL), 0);
    machine_stop(rig->machine);
    assert_int_equal(rig_join(rig), MACHINE_STOPPED);
    state_buf_fini(&buf);
    free(saved);
    rig_free(rig);
}

/* A copy of a paused machine goes on exactly as the machine itself does. */
static void test_save_load_go_on(void **state)
{
    struct rig *a = rig_create(count_until_flag, sizeof(count_until_flag));
    struct rig *b = rig_create(count_until_flag, sizeof(count_until_flag));
    struct state_buf buf = { 0 };
    const struct gmem_region *ram;

    rig_run(a);
    rig_wait_counter(a, 5000);
    machine_pause(a->machine);
    assert_int_equal(machine_save(a->machine, &buf, NULL), 0);
    if (machine_load(b->machine, buf.data, buf.len, &b->err) < 0)
        fail_msg("%s", b->err.msg);
    ram = gmem_find(machine_mem(a->machine), COUNTER);
    assert_int_equal(gmem_write(machine_mem(b->machine), ram->gpa, ram->host, ram->size), 0);
    rig_poke(a, FLAG, 1);
    rig_poke(b, FLAG, 1);
    machine_resume(a->machine);
    rig_run(b);
    assert_int_equal(rig_join(a), MACHINE_OFF);
    assert_int_equal(rig_join(b), MACHINE_OFF);
    assert_true(rig_peek(b, COUNTER) >= 5000);
    assert_int_equal(rig_peek(a, COUNTER), rig_peek(b, COUNTER));
    state_buf_fini(&buf);
    rig_free(a);
    rig_free(b);
}

static void rig_wait_all(struct rig *rig, uint64_t at_least)
{
    for (unsigned n = 0; n < 3; n++) {
        while (rig_peek(rig, OTHER_COUNTER(n)) < at_least)
            sched_yield();
    }
}

/* Pauses at any moment, and a copy made in one: every vCPU goes on where it was. */
static void test_three_vcpus_pause_save_and_go_on(void **state)
{
    struct rig *a = rig_create_smp(three_count_until_flag, sizeof(three_count_until_flag), 3);
    struct rig *b = rig_create_smp(three_count_until_flag, sizeof(three_count_until_flag), 3);
    struct state_buf buf = { 0 };
    const struct gmem_region *ram;
    uint64_t seen[3];

    rig_run(a);
    for (uint64_t round = 0; round < 200; round++) {
        machine_pause(a->machine);
        for (unsigned n = 0; n < 3; n++)
            seen[n] = rig_peek(a, OTHER_COUNTER(n));
        sched_yield();
        for (unsigned n = 0; n < 3; n++)
            assert_int_equal(rig_peek(a, OTHER_COUNTER(n)), seen[n]);
        machine_resume(a->machine);
    }
    rig_wait_all(a, 1000);
    machine_pause(a->machine);
    assert_int_equal(machine_save(a->machine, &buf, NULL), 0);
    if (machine_load(b->machine, buf.data, buf.len, &b->err) < 0)
        fail_msg("%s", b->err.msg);
    ram = gmem_find(machine_mem(a->machine), COUNTER);
    assert_int_equal(gmem_write(machine_mem(b->machine), ram->gpa, ram->host, ram->size), 0);
    for (unsigned n = 0; n < 3; n++)
        seen[n] = rig_peek(b, OTHER_COUNTER(n));
    rig_run(b);
    for (unsigned n = 0; n < 3; n++)
        rig_wait_all(b, seen[n] + 1000);
    machine_resume(a->machine);
    rig_poke(a, FLAG, 1);
    rig_poke(b, FLAG, 1);
    assert_int_equal(rig_join(a), MACHINE_OFF);
    assert_int_equal(rig_join(b), MACHINE_OFF);
    state_buf_fini(&buf);
    rig_free(a);
    rig_free(b);
}

/* The other has been told to start and has not yet begun when the machine stops: the copy's starts,
 * where it was told to. */
static void test_a_vcpu_about_to_start_is_saved_as_such(void **state)
{
    struct rig *a = rig_create_smp(count_until_flag, sizeof(count_until_flag), 2);
    struct rig *b = rig_create_smp(count_until_flag, sizeof(count_until_flag), 2);
    struct vcpu *other = &a->machine->vcpus[1];
    struct state_buf buf = { 0 };

    rig_run(a);
    rig_wait_counter(a, 1000);
    machine_pause(a->machine);
    other->start = true; /* as psci.c does */
    other->entry = a->machine->boot.entry;
    other->context = 5;
    assert_int_equal(machine_save(a->machine, &buf, NULL), 0);
    b->machine->vcpus[1].start = true; /* what a machine was about to do is not loaded */
    b->machine->vcpus[1].entry = 4;
    if (machine_load(b->machine, buf.data, buf.len, &b->err) < 0)
        fail_msg("%s", b->err.msg);
    state_buf_fini(&buf);
    assert_int_equal(b->machine->vcpus[1].power, VCPU_ON);
    assert_false(b->machine->vcpus[1].start);
    assert_int_equal(machine_save(b->machine, &buf, NULL), 0);
    struct vcpu_state *saved = calloc(1, sizeof(*saved));
    assert_int_equal(state_load(buf.data, buf.len, &vcpu_state_desc, saved, "1", &b->err), 0);
    assert_int_equal(saved->power, VCPU_ON);
    assert_int_equal(saved->pc, a->machine->boot.entry);
    assert_int_equal(saved->x[0], 5);
    assert_int_equal(saved->pstate, VCPU_PSTATE_RESET);
    free(saved);
    state_buf_fini(&buf);
    machine_resume(a->machine);
    machine_stop(a->machine);
    assert_int_equal(rig_join(a), MACHINE_STOPPED);
    rig_free(a);
    rig_free(b);
}

static void test_damaged_state_is_refused(void **state)
{
    struct rig *a = rig_create(count_until_flag, sizeof(count_until_flag));
    struct state_buf buf = { 0 };
    struct err err;

    assert_int_equal(machine_save(a->machine, &buf, NULL), 0);
    for (size_t len = 0; len < buf.len; len += 97)
        assert_true(machine_load(a->machine, buf.data, len, &err) < 0);
    assert_int_equal(machine_load(a->machine, buf.data, buf.len, &err), 0);
    state_buf_fini(&buf);
    rig_free(a);
}

static void test_reset_with_no_reboot_ends_the_run(void **state)
{
    struct rig *rig = rig_new(reset_at_once, sizeof(reset_at_once));

    rig->config.no_reboot = true;
    assert_int_equal(machine_create(&rig->config, &rig->machine, &rig->err), 0);
    rig_run(rig);
    assert_int_equal(rig_join(rig), MACHINE_RESET);
    rig_free(rig);
}

/* A guest that resets at once, again and again, can be stopped at any moment. */
static void test_reset_starts_again_and_can_be_stopped(void **state)
{
    struct rig *rig = rig_create(reset_at_once, sizeof(reset_at_once));

    rig_poke(rig, COUNTER, 77);
    rig_run(rig);
    while (rig_peek(rig, COUNTER) == 77) /* the restart clears RAM */
        sched_yield();
    machine_stop(rig->machine);
    assert_int_equal(rig_join(rig), MACHINE_STOPPED);
    rig_free(rig);
}

/* An engine that is asked what RAM holds when its machine goes. */
static struct {
    const struct hv_ops *real, *ops;
    struct rig *rig;
    uint64_t counter; /* then */
    unsigned destroyed;
} watch;

static void watched_destroy(struct hv *hv)
{
    if (!watch.destroyed++)
        watch.counter = rig_peek(watch.rig, COUNTER);
    watch.real->destroy(hv);
}

/* The VMM reaches the engine's machine by the operations that it came with. */
static int watched_create(const struct hv_config *config, struct hv **ret_hv, struct err *err)
{
    int rc = watch.real->create(config, ret_hv, err);

    if (rc == 0)
        (*ret_hv)->ops = watch.ops;
    return rc;
}

/* Hypervisor.framework must not have memory mapped whose host pages are exchanged beneath it. */
static void test_a_restart_clears_memory_that_no_engine_has(void **state)
{
    struct rig *rig = rig_new(reset_at_once, sizeof(reset_at_once));
    struct hv_ops ops = *rig->config.engine;

    watch.real = rig->config.engine;
    watch.rig = rig;
    watch.destroyed = 0;
    ops.destroy = watched_destroy;
    rig->config.engine = &ops;
    assert_int_equal(machine_create(&rig->config, &rig->machine, &rig->err), 0);
    rig_poke(rig, COUNTER, 77);
    rig_run(rig);
    while (rig_peek(rig, COUNTER) == 77)
        sched_yield();
    machine_stop(rig->machine);
    assert_int_equal(rig_join(rig), MACHINE_STOPPED);
    assert_true(watch.destroyed >= 1);
    assert_int_equal(watch.counter, 77);
    rig_free(rig);
}

/* What lies above bit 31 of the arguments of a 32-bit function is nobody's (SMCCC 1.1, 2.6). */
static void test_calls_of_32_bits(void **state)
{
    const uint64_t junk = UINT64_C(0x123400000000);
    struct machine *machine = calloc(1, sizeof(*machine));
    struct vcpu *vcpu = &machine->vcpus[0];
    uint64_t features[8] = { SMCCC_ARCH_FEATURES, junk | SMCCC_VERSION };
    uint64_t affinity[8] = { PSCI_AFFINITY_INFO_32, junk, junk };
    uint64_t reset[8] = { junk | PSCI_SYSTEM_RESET2_32, junk };
    uint64_t reset_64[8] = { PSCI_SYSTEM_RESET2_64, junk };

    lock_init(&machine->lock);
    cond_init(&machine->cond);
    machine->config.vcpus = 1;
    machine->config.no_reboot = true;
    vcpu->machine = machine;
    psci_call(vcpu, features);
    assert_int_equal((int64_t)features[0], PSCI_SUCCESS);
    psci_call(vcpu, affinity);
    assert_int_equal((int64_t)affinity[0], PSCI_AFFINITY_ON);
    psci_call(vcpu, reset_64);
    assert_int_equal((int64_t)reset_64[0], PSCI_INVALID_PARAMETERS);
    assert_int_equal(machine->end, MACHINE_RUNNING);
    psci_call(vcpu, reset);
    assert_int_equal((int64_t)reset[0], PSCI_SUCCESS);
    assert_int_equal(machine->end, MACHINE_RESET);
    cond_fini(&machine->cond);
    lock_fini(&machine->lock);
    free(machine);
}

static void test_a_lost_guest_fails_with_a_reason(void **state)
{
    struct rig *rig = rig_create(undefined, sizeof(undefined));

    rig_run(rig);
    assert_int_equal(rig_join(rig), MACHINE_FAILED);
    assert_non_null(strstr(rig->err.msg, "vCPU 0"));
    rig_free(rig);
}

static void test_a_sleeping_guest_pauses_and_stops(void **state)
{
    struct rig *rig = rig_create(sleep_for_ever, sizeof(sleep_for_ever));

    rig_run(rig);
    for (int i = 0; i < 100; i++) {
        machine_pause(rig->machine);
        machine_resume(rig->machine);
    }
    machine_stop(rig->machine);
    assert_int_equal(rig_join(rig), MACHINE_STOPPED);
    rig_free(rig);
}

static void test_two_machines_in_one_process(void **state)
{
    struct rig *a = rig_create(count_until_flag, sizeof(count_until_flag));
    struct rig *b = rig_create(count_until_flag, sizeof(count_until_flag));

    rig_run(a);
    rig_run(b);
    rig_wait_counter(a, 1000);
    rig_wait_counter(b, 1000);
    rig_poke(a, FLAG, 1);
    assert_int_equal(rig_join(a), MACHINE_OFF);
    rig_wait_counter(b, rig_peek(b, COUNTER) + 1000);
    rig_poke(b, FLAG, 1);
    assert_int_equal(rig_join(b), MACHINE_OFF);
    rig_free(a);
    rig_free(b);
}

static int no_second_vcpu(struct hv *hv, unsigned index, struct hv_vcpu **ret_vcpu, struct err *err)
{
    if (index == 1)
        return err_set(err, ENOSPC, "there is no second one");
    return watch.real->vcpu_create(hv, index, ret_vcpu, err);
}

/* The engine's reason arrives, however fast the creator is to ask for it. */
static void test_a_vcpu_that_cannot_be_made_says_why(void **state)
{
    for (int i = 0; i < 200; i++) {
        struct rig *rig = rig_new(sleep_for_ever, sizeof(sleep_for_ever));
        struct hv_ops ops = *rig->config.engine;

        watch.real = rig->config.engine;
        ops.vcpu_create = no_second_vcpu;
        rig->config.engine = &ops;
        rig->config.vcpus = 3;
        watch.ops = &ops;
        ops.create = watched_create;
        assert_true(machine_create(&rig->config, &rig->machine, &rig->err) < 0);
        assert_string_equal(rig->err.msg, "vCPU 1: there is no second one");
        rig_free(rig);
    }
}

static void test_creation_fails_whole(void **state)
{
    struct rig *rig = rig_new(undefined, sizeof(undefined));

    rig->config.mem_bytes = UINT64_C(1) << 50;
    assert_true(machine_create(&rig->config, &rig->machine, &rig->err) < 0);
    assert_non_null(strstr(rig->err.msg, "--mem"));
    assert_null(rig->machine);
    rig->config.mem_bytes = 1024 * GIB; /* up to 1025 GiB: more than 40 bits of address */
    assert_int_equal(machine_create(&rig->config, &rig->machine, &rig->err), -EINVAL);
    assert_non_null(strstr(rig->err.msg, "1023 GiB"));
    rig->config.mem_bytes = 16 * MIB;
    rig->config.format = IMAGE_AUTO;
    assert_true(machine_create(&rig->config, &rig->machine, &rig->err) < 0);
    assert_non_null(strstr(rig->err.msg, "kernel code"));
    rig_free(rig);
}

/*
 * An engine that takes its time to go, and counts who still reaches for a line of its machine then.
 * Until then the console's reader stands still, so that the guest's transmitter waits.
 */
static struct late {
    const struct hv_ops *real;
    struct hv_ops ops;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool going;
    unsigned calls;
} late = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

static void late_read(void *ctx, const void *data, size_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
    pthread_mutex_lock(&late.lock);
    while (!late.going)
        pthread_cond_wait(&late.cond, &late.lock);
    pthread_mutex_unlock(&late.lock);
}

static void late_set_spi(struct hv *hv, unsigned spi, bool level)
{
    pthread_mutex_lock(&late.lock);
    late.calls += late.going;
    pthread_mutex_unlock(&late.lock);
    late.real->set_spi(hv, spi, level);
}

static void late_destroy(struct hv *hv)
{
    static const struct timespec nap = { .tv_nsec = 200000000 };

    pthread_mutex_lock(&late.lock);
    late.going = true;
    pthread_cond_broadcast(&late.cond);
    pthread_mutex_unlock(&late.lock);
    nanosleep(&nap, NULL); /* what comes too late comes now */
    late.real->destroy(hv);
}

static int late_create(const struct hv_config *config, struct hv **ret_hv, struct err *err)
{
    int rc = late.real->create(config, ret_hv, err);

    if (rc == 0) {
        late.ops = *(*ret_hv)->ops;
        late.ops.set_spi = late_set_spi;
        (*ret_hv)->ops = &late.ops;
    }
    return rc;
}

static void test_no_device_reaches_for_an_engine_that_goes(void **state)
{
    struct rig *rig = rig_new(sleep_for_ever, sizeof(sleep_for_ever));
    struct hv_ops engine = *rig->config.engine;
    bool waits = false;

    late.real = rig->config.engine;
    engine.create = late_create;
    engine.destroy = late_destroy;
    rig->config.engine = &engine;
    rig->config.console.sink = late_read;
    assert_int_equal(machine_create(&rig->config, &rig->machine, &rig->err), 0);
    rig_run(rig);
    bus_write(&rig->machine->bus, MAP_UART_BASE + 1, 1, 2); /* IER: transmitter empty */
    for (unsigned i = 0; i < 1 << 20 && !waits; i++) {
        bus_write(&rig->machine->bus, MAP_UART_BASE, 1, 'x');
        waits = !(bus_read(&rig->machine->bus, MAP_UART_BASE + 5, 1) & 0x20); /* LSR: THRE */
    }
    assert_true(waits);
    machine_stop(rig->machine);
    assert_int_equal(rig_join(rig), MACHINE_STOPPED);
    rig_free(rig);
    assert_int_equal(late.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_off_ends_the_run),
        cmocka_unit_test(test_nothing_moves_while_paused),
        cmocka_unit_test(test_a_freeze_costs_the_guest_no_time),
        cmocka_unit_test(test_a_frozen_machine_is_saved_with_its_time),
        cmocka_unit_test(test_save_load_go_on),
        cmocka_unit_test(test_three_vcpus_pause_save_and_go_on),
        cmocka_unit_test(test_a_vcpu_about_to_start_is_saved_as_such),
        cmocka_unit_test(test_damaged_state_is_refused),
        cmocka_unit_test(test_reset_with_no_reboot_ends_the_run),
        cmocka_unit_test(test_reset_starts_again_and_can_be_stopped),
        cmocka_unit_test(test_a_restart_clears_memory_that_no_engine_has),
        cmocka_unit_test(test_calls_of_32_bits),
        cmocka_unit_test(test_a_lost_guest_fails_with_a_reason),
        cmocka_unit_test(test_a_sleeping_guest_pauses_and_stops),
        cmocka_unit_test(test_two_machines_in_one_process),
        cmocka_unit_test(test_a_vcpu_that_cannot_be_made_says_why),
        cmocka_unit_test(test_creation_fails_whole),
        cmocka_unit_test(test_no_device_reaches_for_an_engine_that_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
