/* The public C API, linked as an embedder links it: the shared library and ignition.h alone. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ignition.h"

/* A64 by hand (Arm DDI 0487, C6.2). The serial port is at 0x09000000, docs/devices/serial.md. */
#define POWER_OFF 0x52800100, 0x72b08000, 0xd4000002 /* mov w0, #0x84000008; hvc #0 */
#define RESET     0x52800120, 0x72b08000, 0xd4000002 /* mov w0, #0x84000009; hvc #0 */

/* Sends back what it is sent, to the first q; then powers off. */
static const uint32_t echo[] = {
    0xd2a12001, 0x52800064, 0x39001024, /*    x1 = port; MCR = DTR | RTS */
    0x39401422, 0x3607ffe2, 0x39400023, /* 1: until LSR.DR: read LSR; w3 = RBR */
    0x39401422, 0x362fffe2, 0x39000023, /*    until LSR.THRE: read LSR; THR = w3 */
    0x7101c47f, 0x54ffff21,             /*    cmp w3, #'q'; b.ne 1b */
    0x39401422, 0x3637ffe2,             /*    until LSR.TEMT: read LSR */
    POWER_OFF,
};

/* Writes the virtual counter to RAM for ever. */
static const uint32_t watch_counter[] = {
    0xd2a80406, 0xd53be041, 0xf90000c1, 0x17fffffe, /* x6 = 0x40200000; mrs, str, b . - 8 */
};

static const uint32_t reset[] = { RESET };
static const uint32_t undefined[] = { 0 };

struct guest {
    struct ign_options options;
    struct ign_machine *machine;
    struct ign_error err;

    pthread_mutex_t lock;
    pthread_cond_t cond;
    char out[65536]; /* from the console */
    size_t out_len;
    unsigned exits;
    enum ign_end end;
    char reason[IGN_MESSAGE_MAX];
};

static void guest_on_console(void *ctx, const void *data, size_t len)
{
    struct guest *guest = ctx;

    pthread_mutex_lock(&guest->lock);
    memcpy(guest->out + guest->out_len, data, len);
    guest->out_len += len;
    pthread_cond_broadcast(&guest->cond);
    pthread_mutex_unlock(&guest->lock);
}

static void guest_on_exit(void *ctx, enum ign_end end, const char *reason)
{
    struct guest *guest = ctx;

    pthread_mutex_lock(&guest->lock);
    guest->exits++;
    guest->end = end;
    strncpy(guest->reason, reason, sizeof(guest->reason) - 1);
    pthread_cond_broadcast(&guest->cond);
    pthread_mutex_unlock(&guest->lock);
}

static struct guest *guest_new(const void *code, size_t len)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    char path[] = "/tmp/ignition-test-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, code, len), (ssize_t)len);
    pthread_mutex_init(&guest->lock, NULL);
    pthread_cond_init(&guest->cond, NULL);
    ign_options_init(&guest->options);
    guest->options.accel = "soft";
    guest->options.mem = 16 << 20;
    guest->options.kernel.fd = fd;
    guest->options.format = IGN_KERNEL_RAW;
    guest->options.on_console = guest_on_console;
    guest->options.on_exit = guest_on_exit;
    guest->options.ctx = guest;
    return guest;
}

static struct guest *guest_create(const void *code, size_t len)
{
    struct guest *guest = guest_new(code, len);

    if (ign_machine_create(&guest->options, &guest->machine, &guest->err) < 0)
        fail_msg("%s", guest->err.message);
    return guest;
}

static struct guest *guest_start(const void *code, size_t len)
{
    struct guest *guest = guest_create(code, len);

    if (ign_machine_start(guest->machine, &guest->err) < 0)
        fail_msg("%s", guest->err.message);
    return guest;
}

static void guest_free(struct guest *guest)
{
    ign_machine_destroy(guest->machine);
    close(guest->options.kernel.fd);
    pthread_cond_destroy(&guest->cond);
    pthread_mutex_destroy(&guest->lock);
    free(guest);
}

static void guest_wait_out(struct guest *guest, const char *text)
{
    pthread_mutex_lock(&guest->lock);
    while (guest->out_len < strlen(text))
        pthread_cond_wait(&guest->cond, &guest->lock);
    assert_int_equal(guest->out_len, strlen(text));
    assert_memory_equal(guest->out, text, guest->out_len);
    pthread_mutex_unlock(&guest->lock);
}

static void guest_wait_exit(struct guest *guest)
{
    pthread_mutex_lock(&guest->lock);
    while (!guest->exits)
        pthread_cond_wait(&guest->cond, &guest->lock);
    pthread_mutex_unlock(&guest->lock);
}

static void test_console_and_exit_callbacks(void **state)
{
    struct guest *guest = guest_start(echo, sizeof(echo));
    enum ign_end end = IGN_END_FAILED;

    assert_int_equal(ign_machine_console_write(guest->machine, "hello ", 6), 6);
    guest_wait_out(guest, "hello ");
    assert_int_equal(ign_machine_console_write(guest->machine, "", 0), 0);
    assert_int_equal(ign_machine_console_write(guest->machine, "world, q", 8), 8);
    assert_int_equal(ign_machine_wait(guest->machine, &end, NULL), 0);
    assert_int_equal(end, IGN_END_OFF);
    guest_wait_exit(guest);
    guest_wait_out(guest, "hello world, q"); /* all of it is there at the end */
    assert_int_equal(guest->exits, 1);
    assert_int_equal(guest->end, IGN_END_OFF);
    assert_string_equal(guest->reason, "");
    assert_true(ign_machine_instructions(guest->machine) > 100);
    guest_free(guest);
}

static void test_two_machines_in_one_process(void **state)
{
    struct guest *a = guest_start(echo, sizeof(echo)), *b = guest_start(echo, sizeof(echo));

    assert_int_equal(ign_machine_console_write(a->machine, "one", 3), 3);
    assert_int_equal(ign_machine_console_write(b->machine, "two!", 4), 4);
    guest_wait_out(b, "two!");
    guest_wait_out(a, "one");
    assert_int_equal(ign_machine_console_write(a->machine, "q", 1), 1);
    assert_int_equal(ign_machine_wait(a->machine, NULL, NULL), 0);
    guest_free(a);
    assert_int_equal(ign_machine_console_write(b->machine, "q", 1), 1);
    guest_wait_out(b, "two!q");
    assert_int_equal(ign_machine_wait(b->machine, NULL, NULL), 0);
    guest_free(b);
}

static void test_nothing_moves_while_paused(void **state)
{
    struct guest *guest = guest_start(watch_counter, sizeof(watch_counter));
    uint64_t sum, insns = 0;

    for (int i = 0; i < 5; i++) {
        assert_int_equal(ign_machine_pause(guest->machine, NULL), 0);
        assert_int_equal(ign_machine_pause(guest->machine, NULL), 0); /* does not count */
        sum = ign_machine_ram_checksum(guest->machine);
        assert_true(ign_machine_instructions(guest->machine) >= insns);
        insns = ign_machine_instructions(guest->machine);
        assert_int_equal(ign_machine_ram_checksum(guest->machine), sum);
        assert_int_equal(ign_machine_instructions(guest->machine), insns);
        assert_int_equal(ign_machine_resume(guest->machine, NULL), 0);
        assert_int_equal(ign_machine_resume(guest->machine, NULL), 0);
    }
    /* And it did run in between: seen often enough, the counter is another. */
    do {
        assert_int_equal(ign_machine_pause(guest->machine, NULL), 0);
        bool moved = ign_machine_ram_checksum(guest->machine) != sum;
        assert_int_equal(ign_machine_resume(guest->machine, NULL), 0);
        if (moved)
            break;
    } while (true);
    guest_free(guest); /* running: destroy stops it */
}

static void test_a_paused_machine_can_be_stopped(void **state)
{
    struct guest *guest = guest_start(watch_counter, sizeof(watch_counter));
    enum ign_end end;

    assert_int_equal(ign_machine_pause(guest->machine, NULL), 0);
    ign_machine_stop(guest->machine);
    assert_int_equal(ign_machine_wait(guest->machine, &end, NULL), 0);
    assert_int_equal(end, IGN_END_STOPPED);
    assert_int_equal(ign_machine_resume(guest->machine, &guest->err), -ESHUTDOWN);
    assert_string_equal(guest->err.message, "resume: the machine has ended");
    guest_free(guest);
    guest = guest_start(watch_counter, sizeof(watch_counter));
    assert_int_equal(ign_machine_pause(guest->machine, NULL), 0);
    guest_free(guest); /* paused: destroy stops it, too */
}

static void test_a_failure_has_a_reason(void **state)
{
    struct guest *guest = guest_start(undefined, sizeof(undefined));
    enum ign_end end;

    assert_int_equal(ign_machine_wait(guest->machine, &end, &guest->err), -EIO);
    assert_int_equal(end, IGN_END_FAILED);
    guest_wait_exit(guest);
    assert_int_equal(guest->end, IGN_END_FAILED);
    assert_string_equal(guest->reason, guest->err.message);
    assert_non_null(strstr(guest->reason, "vCPU 0"));
    guest_free(guest);
}

static void test_calls_in_the_wrong_order(void **state)
{
    struct guest *guest = guest_create(reset, sizeof(reset));
    struct ign_error *err = &guest->err;
    enum ign_end end;

    assert_int_equal(ign_machine_pause(guest->machine, err), -EINVAL);
    assert_string_equal(err->message, "pause: the machine was not started yet");
    assert_int_equal(ign_machine_wait(guest->machine, &end, err), -EINVAL);
    assert_string_equal(err->message, "wait: the machine was not started yet");
    ign_machine_stop(guest->machine); /* remembered */
    assert_int_equal(ign_machine_start(guest->machine, err), 0);
    assert_int_equal(ign_machine_start(guest->machine, err), -EALREADY);
    assert_int_equal(ign_machine_wait(guest->machine, &end, err), 0);
    assert_int_equal(end, IGN_END_STOPPED);
    assert_int_equal(ign_machine_pause(guest->machine, err), -ESHUTDOWN);
    guest_free(guest);

    guest = guest_create(reset, sizeof(reset));
    guest_free(guest); /* never started */
    ign_machine_destroy(NULL);
}

static void test_reset_ends_with_no_reboot(void **state)
{
    struct guest *guest = guest_new(reset, sizeof(reset));
    enum ign_end end;

    guest->options.no_reboot = true;
    assert_int_equal(ign_machine_create(&guest->options, &guest->machine, NULL), 0);
    assert_int_equal(ign_machine_start(guest->machine, NULL), 0);
    assert_int_equal(ign_machine_wait(guest->machine, &end, NULL), 0);
    assert_int_equal(end, IGN_END_RESET);
    guest_free(guest);
}

/* A guest that resets for ever, paused at any moment of its restarts. */
static void test_pauses_and_restarts(void **state)
{
    struct guest *guest = guest_start(reset, sizeof(reset));

    for (int i = 0; i < 50; i++) {
        assert_int_equal(ign_machine_pause(guest->machine, &guest->err), 0);
        uint64_t sum = ign_machine_ram_checksum(guest->machine);
        assert_int_equal(ign_machine_ram_checksum(guest->machine), sum);
        assert_int_equal(ign_machine_resume(guest->machine, &guest->err), 0);
    }
    ign_machine_stop(guest->machine);
    assert_int_equal(ign_machine_wait(guest->machine, NULL, NULL), 0);
    guest_free(guest);
}

static void refused(int rc, const struct ign_error *err, const char *words)
{
    assert_true(rc < 0);
    assert_int_equal(rc, -err->code);
    if (!strstr(err->message, words))
        fail_msg("\"%s\" says nothing of %s", err->message, words);
}

static void test_options_out_of_range(void **state)
{
    struct guest *guest = guest_new(reset, sizeof(reset));
    struct ign_options *o = &guest->options;
    struct ign_machine *machine = NULL;
    const struct ign_options good = *o;
    struct ign_error err;

#define REFUSED(field, value, words)                                 \
    do {                                                             \
        *o = good;                                                   \
        o->field = (value);                                          \
        refused(ign_machine_create(o, &machine, &err), &err, words); \
    } while (0)
    REFUSED(smp, 0, "smp");
    REFUSED(smp, 65, "smp");
    REFUSED(mem, 1 << 20, "mem");
    REFUSED(mem, (16 << 20) + 1, "mem");
    REFUSED(drive_count, IGN_DRIVES_MAX + 1, "drives");
    REFUSED(kernel.fd, -1, "kernel");
    REFUSED(console_out, 1, "on_console");
    REFUSED(accel, "quantum", "quantum");
    REFUSED(jit, (enum ign_jit)(IGN_JIT_LOCKSTEP + 1), "jit");
    REFUSED(jit_cache, (1 << 20) - 1, "jit_cache");
    REFUSED(jit_cache, (UINT64_C(1) << 30) + 1, "jit_cache");
    REFUSED(cpu, "z80", "z80");
    REFUSED(initramfs.path, "/nowhere/initramfs", "/nowhere/initramfs");
#undef REFUSED
    assert_null(machine);
    guest_free(guest);
}

struct line {
    enum ign_log_level level;
    char text[256];
};

static void line_keep(void *ctx, enum ign_log_level level, const char *area, const char *text)
{
    struct line *line = ctx;

    if (strcmp(area, "machine") != 0)
        return;
    line->level = level;
    strncpy(line->text, text, sizeof(line->text) - 1);
}

static void test_log_lines_go_where_the_embedder_wants(void **state)
{
    struct line line = { .level = IGN_LOG_ERROR };
    struct guest *guest = guest_new(reset, sizeof(reset));

    ign_log_set(line_keep, &line, IGN_LOG_INFO);
    assert_int_equal(ign_machine_create(&guest->options, &guest->machine, NULL), 0);
    assert_int_equal(ign_machine_start(guest->machine, NULL), 0);
    /* Once it can be paused a second time with other counts, it has started again. */
    for (uint64_t insns = 0; insns < 20;) {
        assert_int_equal(ign_machine_pause(guest->machine, NULL), 0);
        insns = ign_machine_instructions(guest->machine);
        assert_int_equal(ign_machine_resume(guest->machine, NULL), 0);
    }
    ign_machine_stop(guest->machine);
    assert_int_equal(ign_machine_wait(guest->machine, NULL, NULL), 0);
    guest_free(guest);
    ign_log_set(NULL, NULL, IGN_LOG_GUEST);
    assert_int_equal(line.level, IGN_LOG_INFO);
    assert_non_null(strstr(line.text, "starting again"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_console_and_exit_callbacks),
        cmocka_unit_test(test_two_machines_in_one_process),
        cmocka_unit_test(test_nothing_moves_while_paused),
        cmocka_unit_test(test_a_paused_machine_can_be_stopped),
        cmocka_unit_test(test_a_failure_has_a_reason),
        cmocka_unit_test(test_calls_in_the_wrong_order),
        cmocka_unit_test(test_reset_ends_with_no_reboot),
        cmocka_unit_test(test_pauses_and_restarts),
        cmocka_unit_test(test_options_out_of_range),
        cmocka_unit_test(test_log_lines_go_where_the_embedder_wants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
