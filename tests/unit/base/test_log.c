/* Log lines: levels, the sink, the form on standard error and the limit on guest lines. */
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/test.h"

struct seen {
    unsigned lines;
    enum log_level level;
    char area[32], text[256];
    bool left_out;
};

static void sink(void *ctx, enum log_level level, const char *area, const char *text)
{
    struct seen *seen = ctx;

    seen->lines++;
    seen->level = level;
    snprintf(seen->area, sizeof(seen->area), "%s", area);
    snprintf(seen->text, sizeof(seen->text), "%s", text);
    seen->left_out |= strstr(text, "more lines about the guest left out") != NULL;
}

static int setup(void **state)
{
    static struct seen seen;

    seen = (struct seen){ 0 };
    *state = &seen;
    log_set_sink(sink, &seen);
    log_set_level(LOG_GUEST);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    log_set_level(LOG_GUEST);
    log_set_crlf(false);
    return 0;
}

static void test_lines_above_the_level_are_dropped(void **state)
{
    struct seen *seen = *state;

    log_info("vmm", "started");
    log_debug("vmm", "detail");
    assert_int_equal(seen->lines, 0);
    log_warn("vmm", "%d drives", 2);
    assert_int_equal(seen->lines, 1);
    assert_int_equal(seen->level, LOG_WARN);
    assert_string_equal(seen->area, "vmm");
    assert_string_equal(seen->text, "2 drives");
    log_set_level(LOG_DEBUG);
    assert_int_equal(log_get_level(), LOG_DEBUG);
    log_debug("vmm", "detail");
    assert_int_equal(seen->lines, 2);
    log_set_level(LOG_ERROR);
    log_guest("vblk", "odd");
    assert_int_equal(seen->lines, 2);
}

static void test_debug_arguments_cost_nothing_when_off(void **state)
{
    int calls = 0;

    (void)state;
    log_debug("vmm", "%d", ++calls);
    assert_int_equal(calls, 0);
}

static void test_a_chatty_guest_is_cut_and_counted(void **state)
{
    struct seen *seen = *state;

    for (int i = 0; i < 1000; i++)
        log_guest("vblk", "odd descriptor %d", i);
    assert_in_range(seen->lines, 1, 200);
    /* The next window opens with the number of lines left out. */
    while (!seen->left_out)
        log_guest("vblk", "odd descriptor");
}

/* Run fn in a child and return what it wrote to standard error and how it ended. */
static int child(void (*fn)(void), char *buf, size_t len)
{
    int fds[2], status;
    size_t at = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(fds[1], STDERR_FILENO);
        log_set_sink(NULL, NULL);
        fn();
        _exit(0);
    }
    close(fds[1]);
    while (at < len - 1 && (n = read(fds[0], buf + at, len - 1 - at)) > 0)
        at += (size_t)n;
    buf[at] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void say_plain(void)
{
    log_error("fs", "disk full");
}

static void say_raw(void)
{
    log_set_crlf(true);
    log_error("fs", "disk full");
}

static void say_long(void)
{
    log_error("fs", "%02000d", 7);
}

static void say_fatal(void)
{
    signal(SIGABRT, SIG_DFL);
    log_fatal("fs", "lost %s", "count");
}

static void test_the_default_is_standard_error(void **state)
{
    char buf[4096];

    (void)state;
    assert_int_equal(child(say_plain, buf, sizeof(buf)), 0);
    assert_string_equal(buf, "ignition: fs: disk full\n");
    assert_int_equal(child(say_raw, buf, sizeof(buf)), 0);
    assert_string_equal(buf, "ignition: fs: disk full\r\n");
    assert_int_equal(child(say_long, buf, sizeof(buf)), 0);
    assert_in_range(strlen(buf), 1000, 1200);
    assert_int_equal(buf[strlen(buf) - 1], '\n');
}

static void test_fatal_says_why_and_aborts(void **state)
{
    char buf[4096];
    int status = child(say_fatal, buf, sizeof(buf));

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(buf, "ignition: fs: lost count\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines_above_the_level_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_debug_arguments_cost_nothing_when_off, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_chatty_guest_is_cut_and_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_default_is_standard_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fatal_says_why_and_aborts, setup, teardown),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
