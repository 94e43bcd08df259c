/* The host side of the console: flow control both ways, Ctrl-A commands, a host that is slow. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "vmm/console.h"

#define GOT_MAX (256 * 1024)

struct rig {
    struct evloop *loop;
    struct console *con;
    struct thread io;
    int in[2], out[2]; /* [0] is the test's end */

    struct lock lock;
    struct cond cond;
    uint8_t got[GOT_MAX]; /* what the guest took */
    size_t got_len;
    size_t room; /* how much it takes at a time; 0: it does not listen */
    unsigned quits, tx_rooms;
    bool linger;  /* in tx_room(), until the console is gone, or a while */
    bool gone;    /* the console is */
    bool telling; /* in tx_room() */
    bool late;    /* the console was gone before tx_room() was over */
};

#define LINGER_NS (2 * NS_PER_S) /* longer than console_destroy() waits for the host */

static size_t rig_rx(void *ctx, const uint8_t *data, size_t len)
{
    struct rig *rig = ctx;
    size_t n;

    lock_take(&rig->lock);
    n = len < rig->room ? len : rig->room;
    memcpy(rig->got + rig->got_len, data, n);
    rig->got_len += n;
    cond_broadcast(&rig->cond);
    lock_drop(&rig->lock);
    return n;
}

static void rig_tx_room(void *ctx)
{
    struct rig *rig = ctx;

    lock_take(&rig->lock);
    rig->tx_rooms++;
    rig->telling = true;
    cond_broadcast(&rig->cond);
    for (uint64_t end = clock_mono_ns() + LINGER_NS; rig->linger && !rig->gone;)
        if (!cond_wait_until(&rig->cond, &rig->lock, end))
            break;
    rig->late = rig->late || rig->gone;
    rig->telling = false;
    cond_broadcast(&rig->cond);
    lock_drop(&rig->lock);
}

static void rig_quit(void *ctx)
{
    struct rig *rig = ctx;

    lock_take(&rig->lock);
    rig->quits++;
    cond_broadcast(&rig->cond);
    lock_drop(&rig->lock);
}

static const struct console_ops rig_ops = { rig_rx, rig_tx_room, rig_quit };

static void io_main(void *arg)
{
    evloop_run(((struct rig *)arg)->loop);
}

static struct rig *rig_start(bool keys, size_t room)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    lock_init(&rig->lock);
    cond_init(&rig->cond);
    rig->room = room;
    assert_int_equal(fd_socketpair(rig->in), 0);
    assert_int_equal(fd_socketpair(rig->out), 0);
    struct console_config config = { .in = rig->in[1], .out = rig->out[1], .keys = keys };
    assert_int_equal(evloop_create(&rig->loop, NULL), 0);
    assert_int_equal(console_create(rig->loop, &config, &rig_ops, rig, &rig->con, NULL), 0);
    assert_int_equal(thread_start(&rig->io, "io", io_main, rig), 0);
    return rig;
}

static void rig_stop(struct rig *rig)
{
    evloop_stop(rig->loop);
    thread_join(&rig->io);
    console_destroy(rig->con);
    evloop_destroy(rig->loop);
    for (int i = 0; i < 2; i++) {
        fd_close(rig->in[i]);
        fd_close(rig->out[i]);
    }
    free(rig);
}

static void rig_type(struct rig *rig, const char *text)
{
    assert_int_equal(fd_write_full(rig->in[0], text, strlen(text)), 0);
}

static void rig_wait_got(struct rig *rig, const char *text)
{
    lock_take(&rig->lock);
    while (rig->got_len < strlen(text))
        cond_wait(&rig->cond, &rig->lock);
    lock_drop(&rig->lock);
    assert_int_equal(rig->got_len, strlen(text));
    assert_memory_equal(rig->got, text, strlen(text));
}

static void rig_wait_quit(struct rig *rig)
{
    lock_take(&rig->lock);
    while (!rig->quits)
        cond_wait(&rig->cond, &rig->lock);
    lock_drop(&rig->lock);
}

static void test_commands_are_taken_out_of_the_input(void **state)
{
    struct rig *rig = rig_start(true, GOT_MAX);
    uint8_t help[16];

    rig_type(rig, "a\x01\x01"
                  "b\x01"
                  "ac\x01zd");
    rig_wait_got(rig, "a\x01"
                      "b\x01"
                      "cd");
    rig_type(rig, "\x01?");
    assert_int_equal(fd_read_full(rig->out[0], help, sizeof(help)), 0);
    assert_memory_equal(help, "\r\nCtrl-A x", 10);
    rig_type(rig, "\x01");
    rig_type(rig, "x");
    rig_wait_quit(rig);
    rig_stop(rig);
}

static void test_without_keys_every_byte_is_the_guests(void **state)
{
    struct rig *rig = rig_start(false, GOT_MAX);

    rig_type(rig, "\x01x\x01?");
    rig_wait_got(rig, "\x01x\x01?");
    assert_int_equal(rig->quits, 0);
    rig_stop(rig);
}

static void test_quit_works_while_the_guest_does_not_listen(void **state)
{
    struct rig *rig = rig_start(true, 0);

    rig_type(rig, "typed into the void");
    rig_type(rig, "\x01x");
    rig_wait_quit(rig);
    lock_take(&rig->lock);
    assert_int_equal(rig->got_len, 0);
    lock_drop(&rig->lock);
    rig_stop(rig);
}

/* 200 KB, 16 bytes at a time, as a UART takes them. */
static void test_a_paste_arrives_whole(void **state)
{
    enum { LEN = 200000 };
    struct rig *rig = rig_start(true, 16);
    uint8_t *text = malloc(LEN);
    size_t sent = 0, seen = 0;

    for (size_t i = 0; i < LEN; i++)
        text[i] = (uint8_t)('a' + i % 26);
    assert_int_equal(fd_set_nonblock(rig->in[0], true), 0);
    while (seen < LEN) {
        if (sent < LEN) {
            ssize_t n = write(rig->in[0], text + sent, LEN - sent);
            if (n > 0)
                sent += (size_t)n;
        }
        console_rx_room(rig->con);
        lock_take(&rig->lock);
        if (rig->got_len == seen)
            cond_wait_until(&rig->cond, &rig->lock, 1);
        seen = rig->got_len;
        lock_drop(&rig->lock);
    }
    assert_memory_equal(rig->got, text, LEN);
    free(text);
    rig_stop(rig);
}

/* Nobody reads: the buffer fills, the guest is held back; then it all comes out, in order. */
static void test_slow_host_holds_the_guest_back(void **state)
{
    struct rig *rig = rig_start(false, 0);
    uint8_t chunk[1000], *all;
    size_t taken = 0, n;

    memset(chunk, 'x', sizeof(chunk));
    do {
        n = console_tx(rig->con, chunk, sizeof(chunk));
        taken += n;
    } while (n == sizeof(chunk));
    assert_true(taken >= 65536);
    all = malloc(taken);
    assert_int_equal(fd_read_full(rig->out[0], all, taken), 0);
    lock_take(&rig->lock);
    while (!rig->tx_rooms)
        cond_wait(&rig->cond, &rig->lock);
    lock_drop(&rig->lock);
    assert_int_equal(console_tx(rig->con, (const uint8_t *)"y", 1), 1);
    assert_int_equal(fd_read_full(rig->out[0], all, 1), 0);
    assert_int_equal(all[0], 'y');
    free(all);
    rig_stop(rig);
}

/* Another program has made the terminal one that does not block: nothing is lost. */
static void test_a_host_that_does_not_block_gets_it_all(void **state)
{
    enum { LEN = 1000000 };
    struct rig *rig = rig_start(false, 0);
    struct timeval patience = { .tv_sec = 20 };
    uint8_t *text = malloc(LEN);
    size_t sent = 0, seen = 0, n;

    assert_int_equal(fd_set_nonblock(rig->out[1], true), 0);
    assert_int_equal(setsockopt(rig->out[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
                     0);
    memset(text, 'x', LEN);
    do {
        n = console_tx(rig->con, text, LEN - sent);
        sent += n;
        console_flush(rig->con);
    } while (n && sent < LEN); /* the socket is full, too */
    while (seen < LEN) {
        ssize_t got = read(rig->out[0], text, LEN - seen);
        assert_true(got > 0);
        seen += (size_t)got;
        if (sent < LEN)
            sent += console_tx(rig->con, text, LEN - sent);
    }
    free(text);
    rig_stop(rig);
}

/* The port that is told of room is gone when the console is. */
static void test_the_end_waits_for_a_call(void **state)
{
    struct rig *rig = rig_start(false, 0);
    uint8_t chunk[4096] = { 0 };
    size_t n;

    do
        n = console_tx(rig->con, chunk, sizeof(chunk));
    while (n == sizeof(chunk));
    lock_take(&rig->lock);
    rig->linger = true;
    while (!rig->tx_rooms) {
        lock_drop(&rig->lock);
        assert_int_equal(fd_read_full(rig->out[0], chunk, sizeof(chunk)), 0);
        lock_take(&rig->lock);
    }
    lock_drop(&rig->lock);
    console_destroy(rig->con);
    rig->con = NULL;
    lock_take(&rig->lock);
    rig->gone = true;
    cond_broadcast(&rig->cond);
    while (rig->telling)
        cond_wait(&rig->cond, &rig->lock);
    assert_false(rig->late);
    lock_drop(&rig->lock);
    rig_stop(rig);
}

static void test_a_host_that_went_away_does_not_stop_the_guest(void **state)
{
    struct rig *rig = rig_start(false, 0);
    uint8_t chunk[4096] = { 0 };

    fd_close(rig->out[0]);
    rig->out[0] = -1;
    for (int i = 0; i < 1000; i++)
        while (console_tx(rig->con, chunk, sizeof(chunk)) == 0)
            console_flush(rig->con);
    rig_stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_are_taken_out_of_the_input),
        cmocka_unit_test(test_without_keys_every_byte_is_the_guests),
        cmocka_unit_test(test_quit_works_while_the_guest_does_not_listen),
        cmocka_unit_test(test_a_paste_arrives_whole),
        cmocka_unit_test(test_slow_host_holds_the_guest_back),
        cmocka_unit_test(test_a_host_that_does_not_block_gets_it_all),
        cmocka_unit_test(test_the_end_waits_for_a_call),
        cmocka_unit_test(test_a_host_that_went_away_does_not_stop_the_guest),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
