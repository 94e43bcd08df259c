/* A machine whose console is slow: what is held back comes when the machine runs, not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/psci.h"
#include "base/clock.h"
#include "base/fd.h"
#include "vmm/machine_int.h"

/* A64 by hand (Arm DDI 0487, C6.2). */
#define MOVZ(rd, imm, half) (0xd2800000u | (half) << 21 | (uint32_t)(imm) << 5 | (rd))
#define MOVK(rd, imm, half) (0xf2800000u | (half) << 21 | (uint32_t)(imm) << 5 | (rd))
#define PSCI_CALL(fn)       MOVZ(0, (fn)&0xffff, 0), MOVK(0, (fn) >> 16, 1), 0xd4000002u

/* With the interrupt for an empty transmitter enabled, print until it stays full; then reset. */
static const uint32_t print_then_reset[] = {
    MOVZ(6, 0x0900, 1), /*    the UART */
    MOVZ(1, 2, 0),
    0x390004c1, /*    strb w1, [x6, #1]: IER.THRI */
    0x390000c1, /* 1: strb w1, [x6] */
    0x394014c2, /*    ldrb w2, [x6, #5]: LSR */
    0x372fffc2, /*    tbnz w2, #5, 1b: THRE */
    PSCI_CALL(PSCI_SYSTEM_RESET),
};

/* Takes nothing until it is opened; and an engine that says when the guest's line is moved. */
static struct {
    struct lock lock;
    struct cond cond;
    bool open;
    unsigned calls; /* of the sink */
    const struct hv_ops *real;
    struct hv_ops ops;
    bool going;     /* the engine's machine is being destroyed */
    unsigned moved; /* lines, meanwhile */
} gate;

static void gate_sink(void *ctx, const void *data, size_t len)
{
    lock_take(&gate.lock);
    gate.calls++;
    cond_broadcast(&gate.cond);
    while (!gate.open)
        cond_wait(&gate.cond, &gate.lock);
    lock_drop(&gate.lock);
}

static int gate_create(const struct hv_config *config, struct hv **ret_hv, struct err *err)
{
    int rc = gate.real->create(config, ret_hv, err);

    if (rc == 0)
        (*ret_hv)->ops = &gate.ops;
    return rc;
}

/* The writer goes on: by its next call of the sink it has done all that the last one led to. */
static void gate_destroy(struct hv *hv)
{
    unsigned calls;

    lock_take(&gate.lock);
    calls = gate.calls;
    if (!gate.open) {
        gate.going = true;
        gate.open = true;
        cond_broadcast(&gate.cond);
        while (gate.calls == calls)
            cond_wait(&gate.cond, &gate.lock);
        gate.going = false;
    }
    lock_drop(&gate.lock);
    gate.real->destroy(hv);
}

static void gate_set_spi(struct hv *hv, unsigned spi, bool level)
{
    lock_take(&gate.lock);
    gate.moved += gate.going;
    lock_drop(&gate.lock);
    gate.real->set_spi(hv, spi, level);
}

static void run_main(void *arg)
{
    machine_run(arg, NULL);
}

/* The serial port has something to say about its line while the machine is rebuilt. */
static void test_a_restart_holds_the_console_back(void **state)
{
    char path[] = "/tmp/ignition-test-XXXXXX";
    int fd = mkstemp(path);
    struct machine_config config = {
        .cpu = "portable",
        .vcpus = 1,
        .mem_bytes = 16 * MIB,
        .kernel = { .fd = fd, .name = "code" },
        .initramfs.fd = -1,
        .format = IMAGE_RAW,
        .append = "",
        .console = { .in = -1, .out = -1, .sink = gate_sink },
        .start_ns = clock_mono_ns(),
    };
    struct machine *machine;
    struct thread thread;
    struct err err;

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(fd_pwrite_full(fd, print_then_reset, sizeof(print_then_reset), 0), 0);
    lock_init(&gate.lock);
    cond_init(&gate.cond);
    assert_int_equal(hv_find("soft", &gate.real, NULL), 0);
    gate.ops = *gate.real;
    gate.ops.create = gate_create;
    gate.ops.destroy = gate_destroy;
    gate.ops.set_spi = gate_set_spi;
    config.engine = &gate.ops;
    if (machine_create(&config, &machine, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(thread_start(&thread, "machine", run_main, machine), 0);
    lock_take(&gate.lock);
    while (!gate.open || gate.going)
        cond_wait(&gate.cond, &gate.lock);
    lock_drop(&gate.lock);
    machine_stop(machine);
    thread_join(&thread);
    machine_destroy(machine);
    fd_close(fd);
    assert_int_equal(gate.moved, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_restart_holds_the_console_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
