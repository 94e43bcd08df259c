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

#define UART_INTID    (GIC_FIRST_SPI + MAP_SPI_UART)
#define UART_IER      1
#define UART_IER_THRI 2
#define UART_LSR      5
#define UART_LSR_THRE 0x20

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

static void gate_shut(void)
{
    memset(&gate, 0, sizeof(gate));
    lock_init(&gate.lock);
    cond_init(&gate.cond);
    assert_int_equal(hv_find("soft", &gate.real, NULL), 0);
    gate.ops = *gate.real;
    gate.ops.create = gate_create;
    gate.ops.destroy = gate_destroy;
    gate.ops.set_spi = gate_set_spi;
}

static void gate_open(void)
{
    lock_take(&gate.lock);
    gate.open = true;
    cond_broadcast(&gate.cond);
    lock_drop(&gate.lock);
}

static struct machine *machine_with(void (*sink)(void *ctx, const void *data, size_t len))
{
    char path[] = "/tmp/ignition-test-XXXXXX";
    int fd = mkstemp(path);
    struct machine_config config = {
        .engine = &gate.ops,
        .cpu = "portable",
        .vcpus = 1,
        .mem_bytes = 16 * MIB,
        .kernel = { .fd = fd, .name = "code" },
        .initramfs.fd = -1,
        .format = IMAGE_RAW,
        .append = "",
        .console = { .in = -1, .out = -1, .sink = sink },
        .start_ns = clock_mono_ns(),
    };
    struct machine *machine;
    struct err err;

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(fd_pwrite_full(fd, print_then_reset, sizeof(print_then_reset), 0), 0);
    if (machine_create(&config, &machine, &err) < 0)
        fail_msg("%s", err.msg);
    return machine;
}

static void machine_gone(struct machine *machine)
{
    int fd = machine->config.kernel.fd;

    machine_destroy(machine);
    fd_close(fd);
}

/* The serial port has something to say about its line while the machine is rebuilt. */
static void test_a_restart_holds_the_console_back(void **state)
{
    struct machine *machine;
    struct thread thread;

    gate_shut();
    machine = machine_with(gate_sink);
    assert_int_equal(thread_start(&thread, "machine", run_main, machine), 0);
    lock_take(&gate.lock);
    while (!gate.open || gate.going)
        cond_wait(&gate.cond, &gate.lock);
    lock_drop(&gate.lock);
    machine_stop(machine);
    thread_join(&thread);
    machine_gone(machine);
    assert_int_equal(gate.moved, 0);
}

static bool uart_line(struct machine *machine)
{
    struct gic_state *gic = calloc(1, sizeof(*gic));
    bool level;

    assert_int_equal(machine->hv->ops->gic_get(machine->hv, gic, NULL), 0);
    level = gic->line_level[UART_INTID / 32] & BIT(UART_INTID % 32);
    free(gic);
    return level;
}

/* Saved with a transmitter that its host held back; where it is loaded, the byte goes at once, and
 * the guest, which waits for that, hears of it. */
static void test_a_line_that_a_load_moves_reaches_the_controller(void **state)
{
    struct state_buf buf = { 0 };
    struct machine *from, *to;
    struct err err;

    gate_shut();
    from = machine_with(gate_sink);
    to = machine_with(NULL);
    bus_write(&from->bus, MAP_UART_BASE + UART_IER, 1, UART_IER_THRI);
    do
        bus_write(&from->bus, MAP_UART_BASE, 1, 'x');
    while (bus_read(&from->bus, MAP_UART_BASE + UART_LSR, 1) & UART_LSR_THRE);
    assert_false(uart_line(from));
    assert_int_equal(machine_save(from, &buf, NULL), 0);
    if (machine_load(to, buf.data, buf.len, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(bus_read(&to->bus, MAP_UART_BASE + UART_LSR, 1) & UART_LSR_THRE);
    assert_true(uart_line(to));
    /* A machine whose line is high already. */
    if (machine_load(to, buf.data, buf.len, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(uart_line(to));
    bus_write(&to->bus, MAP_UART_BASE + UART_IER, 1, 0);
    assert_false(uart_line(to));
    gate_open();
    state_buf_fini(&buf);
    machine_gone(from);
    machine_gone(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_restart_holds_the_console_back),
        cmocka_unit_test(test_a_line_that_a_load_moves_reaches_the_controller),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
