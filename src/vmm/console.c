/* The host side of the serial console. */
#include "vmm/console.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define OUT_SIZE    65536u /* bytes, a power of two */
#define IN_SIZE     65536u /* bytes read ahead of the guest, so that Ctrl-A x is seen */
#define FLUSH_NS    NS_PER_S
#define POLL_MS     100  /* how soon a writer that waits sees that it need not */
#define ESCAPE_BYTE 0x01 /* Ctrl-A */

static const char help_text[] = "\r\n"
                                "Ctrl-A x   quit\r\n"
                                "Ctrl-A a   send a Ctrl-A to the guest\r\n"
                                "Ctrl-A ?   this help\r\n";

struct console {
    const struct console_ops *ops;
    void *ctx;

    struct console_config config;

    /* Input: I/O thread only. */
    bool escaped;
    struct ev_fd *in_ev;   /* NULL: config.in cannot be watched (a plain file) and never blocks */
    struct ev_task *pump;  /* offer what is waiting, read more */
    bool in_ready, in_end; /* something to read; end of file seen */
    uint8_t in[IN_SIZE];
    size_t in_at, in_len;

    /* Output. */
    struct thread writer;
    struct lock lock;
    struct cond cond;
    uint8_t out[OUT_SIZE];    /* ring; lock */
    unsigned out_head, out_n; /* next byte to write, bytes waiting; lock */
    bool out_full;            /* somebody was refused room; lock */
    bool room_due;            /* and there is room now: tx_room() is to be called; lock */
    bool held, calling;       /* it must not be; it is; lock */
    bool stop, out_failed;    /* lock */
    bool abandoned;           /* the writer owns the struct now; lock */
};

static void console_free(struct console *con)
{
    cond_fini(&con->cond);
    lock_fini(&con->lock);
    free(con);
}

/* A descriptor that does not block, as a terminal is that another program has set so. False: nobody
 * wants it any more. */
static bool console_wait_writable(struct console *con)
{
    struct pollfd pfd = { .fd = con->config.out, .events = POLLOUT };
    bool wanted;

    (void)poll(&pfd, 1, POLL_MS);
    lock_take(&con->lock);
    wanted = !con->abandoned;
    lock_drop(&con->lock);
    return wanted;
}

static int console_put(struct console *con, const uint8_t *data, size_t len)
{
    if (con->config.sink) {
        con->config.sink(con->config.sink_ctx, data, len);
        return 0;
    }
    while (len) {
        ssize_t n = write(con->config.out, data, len);

        if (n < 0 && (errno == EINTR || (errno == EAGAIN && console_wait_writable(con))))
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static void console_tell_room_locked(struct console *con) REQUIRES(con->lock)
{
    con->room_due = false;
    con->calling = true;
    lock_drop(&con->lock);
    con->ops->tx_room(con->ctx);
    lock_take(&con->lock);
    con->calling = false;
    cond_broadcast(&con->cond);
}

static void console_writer_main(void *arg)
{
    struct console *con = arg;
    uint8_t part[4096];

    lock_take(&con->lock);
    for (;;) {
        size_t n = 0;

        if (con->room_due && !con->held)
            console_tell_room_locked(con);
        if (con->abandoned || (!con->out_n && con->stop))
            break;
        if (!con->out_n) {
            cond_wait(&con->cond, &con->lock);
            continue;
        }
        for (; n < con->out_n && n < sizeof(part); n++)
            part[n] = con->out[(con->out_head + n) % OUT_SIZE];
        lock_drop(&con->lock);
        int rc = console_put(con, part, n);
        lock_take(&con->lock);
        if (con->abandoned)
            break;
        if (rc < 0 && !con->out_failed) {
            con->out_failed = true; /* the reader is gone: throw away, the guest goes on */
            log_warn("console", "what the guest prints is lost from here on: %s", strerror(-rc));
        }
        con->out_head = (con->out_head + (unsigned)n) % OUT_SIZE;
        con->out_n -= (unsigned)n;
        con->room_due = con->room_due || con->out_full;
        con->out_full = false;
        cond_broadcast(&con->cond);
    }
    bool free_it = con->abandoned;
    lock_drop(&con->lock);
    if (free_it)
        console_free(con);
}

size_t console_tx(struct console *con, const uint8_t *data, size_t len)
{
    size_t n;

    lock_take(&con->lock);
    if (!con->writer.running || con->out_failed) {
        lock_drop(&con->lock);
        return len;
    }
    n = len < OUT_SIZE - con->out_n ? len : OUT_SIZE - con->out_n;
    for (size_t i = 0; i < n; i++)
        con->out[(con->out_head + con->out_n + i) % OUT_SIZE] = data[i];
    con->out_n += (unsigned)n;
    con->out_full = con->out_full || n < len;
    cond_broadcast(&con->cond);
    lock_drop(&con->lock);
    return n;
}

bool console_crowded(struct console *con)
{
    bool crowded;

    lock_take(&con->lock);
    crowded = con->out_n > OUT_SIZE / 2 && !con->out_failed;
    con->out_full = con->out_full || crowded;
    lock_drop(&con->lock);
    return crowded;
}

void console_flush(struct console *con)
{
    uint64_t deadline_ns = clock_mono_ns() + FLUSH_NS;

    lock_take(&con->lock);
    while (con->out_n && con->writer.running &&
           cond_wait_until(&con->cond, &con->lock, deadline_ns))
        continue;
    lock_drop(&con->lock);
}

void console_hold(struct console *con)
{
    lock_take(&con->lock);
    con->held = true;
    while (con->calling)
        cond_wait(&con->cond, &con->lock);
    lock_drop(&con->lock);
}

void console_release(struct console *con)
{
    lock_take(&con->lock);
    con->held = false;
    cond_broadcast(&con->cond);
    lock_drop(&con->lock);
}

/* One byte after Ctrl-A. Returns true when the byte goes to the guest. */
static bool console_command(struct console *con, uint8_t byte)
{
    con->escaped = false;
    switch (byte) {
    case 'x':
        con->ops->quit(con->ctx);
        return false;
    case 'a':
    case ESCAPE_BYTE:
        return true;
    case '?':
        console_tx(con, (const uint8_t *)help_text, sizeof(help_text) - 1);
        return false;
    default:
        return false; /* not a command: swallowed, as a terminal multiplexer does */
    }
}

/* Take the commands out of what was just read; the rest moves together. */
static size_t console_filter(struct console *con, uint8_t *data, size_t len)
{
    size_t kept = 0;

    for (size_t i = 0; i < len; i++) {
        if (con->escaped) {
            if (console_command(con, data[i]))
                data[kept++] = ESCAPE_BYTE;
        } else if (data[i] == ESCAPE_BYTE) {
            con->escaped = true;
        } else {
            data[kept++] = data[i];
        }
    }
    return kept;
}

/* Read what there is behind what still waits. */
static void console_read(struct console *con)
{
    ssize_t n;

    if (con->in_at) {
        memmove(con->in, con->in + con->in_at, con->in_len - con->in_at);
        con->in_len -= con->in_at;
        con->in_at = 0;
    }
    n = read(con->config.in, con->in + con->in_len, IN_SIZE - con->in_len);
    con->in_ready = false;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0)
        con->in_end = true;
    else
        con->in_len +=
            con->config.keys ? console_filter(con, con->in + con->in_len, (size_t)n) : (size_t)n;
}

/* Feed the guest; read on while there is something to read and room to keep it. */
static void console_pump(void *ctx)
{
    struct console *con = ctx;
    bool full;

    for (;;) {
        if (con->in_at < con->in_len)
            con->in_at += con->ops->rx(con->ctx, con->in + con->in_at, con->in_len - con->in_at);
        full = con->in_len - con->in_at == IN_SIZE;
        if (full || con->in_end || (con->in_ev && !con->in_ready))
            break;
        console_read(con);
    }
    if (con->in_ev)
        ev_fd_set(con->in_ev, full || con->in_end ? 0 : EV_IN);
}

static void console_readable(void *ctx, int fd, unsigned events)
{
    struct console *con = ctx;

    (void)fd;
    (void)events;
    con->in_ready = true;
    console_pump(con);
}

void console_rx_room(struct console *con)
{
    ev_task_wake(con->pump);
}

static int console_init_input(struct console *con, struct evloop *loop, struct err *err)
{
    struct pollfd pfd = { .fd = con->config.in, .events = POLLIN };

    con->pump = ev_task_add(loop, console_pump, con);
    if (!con->pump)
        return err_set(err, ENOMEM, "console: out of memory");
    if (con->config.in < 0 || poll(&pfd, 1, 0) < 0 || (pfd.revents & POLLNVAL)) {
        con->in_end = true;
        return 0;
    }
    con->in_ev = ev_fd_add(loop, con->config.in, EV_IN, console_readable, con);
    if (!con->in_ev)
        ev_task_wake(con->pump); /* a plain file or /dev/null: always readable, cannot be watched */
    return 0;
}

int console_create(struct evloop *loop, const struct console_config *config,
                   const struct console_ops *ops, void *ctx, struct console **ret_console,
                   struct err *err)
{
    struct console *con = calloc(1, sizeof(*con));
    int rc;

    if (!con)
        return err_set(err, ENOMEM, "console: out of memory");
    con->ops = ops;
    con->ctx = ctx;
    con->config = *config;
    lock_init(&con->lock);
    cond_init(&con->cond);
    rc = console_init_input(con, loop, err);
    if (rc == 0 && (config->out >= 0 || config->sink)) {
        rc = thread_start(&con->writer, "console", console_writer_main, con);
        if (rc < 0)
            err_set(err, -rc, "start the console's thread: %s", strerror(-rc));
    }
    if (rc < 0) {
        console_destroy(con);
        return rc;
    }
    *ret_console = con;
    return 0;
}

void console_destroy(struct console *con)
{
    if (!con)
        return;
    console_flush(con);
    console_hold(con); /* nobody waits for room any more */
    ev_fd_del(con->in_ev);
    ev_task_del(con->pump);
    if (con->writer.running) {
        lock_take(&con->lock);
        con->stop = true;
        /* A host that takes nothing: leave the thread in its write, and the struct to it. */
        con->abandoned = !con->config.sink && con->out_n && !con->out_failed;
        bool abandoned = con->abandoned;
        if (abandoned)
            pthread_detach(con->writer.id);
        cond_broadcast(&con->cond);
        lock_drop(&con->lock);
        if (abandoned)
            return;
        thread_join(&con->writer);
    }
    console_free(con);
}
