/*
 * The event loop over libevent.
 *
 * The loop has at most one owner: the thread inside evloop_run(), or a thread that borrows the
 * stopped loop for one evloop_call(). Whoever is the owner runs calls at once; others queue while
 * the loop runs and wait for their turn while it is borrowed.
 */
#include "base/evloop.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/thread.h"

/* Handlers in a row; then descriptors and timers are looked at. */
#define HANDLERS_MAX 16

/* A call that waits for the loop's thread; lives on the caller's stack. */
struct evloop_req {
    ev_fn fn;
    void *ctx;
    bool done;
    struct evloop_req *next;
};

struct evloop {
    struct event_base *base;
    struct event *wake; /* activated when reqs or stop change */
    unsigned registered;

    struct lock lock;
    struct cond changed; /* owned, running or a request's done */
    bool owned, running; /* lock */
    pthread_t owner;     /* lock; valid while owned */
    bool stop;           /* lock; sticky, so that a stop before the run is not lost */
    struct evloop_req *reqs, **reqs_tail; /* lock */
};

struct ev_fd {
    struct evloop *loop;
    struct event *event;
    int fd;
    unsigned events;
    ev_fd_fn fn;
    void *ctx;
    bool always; /* the kernel cannot poll it (a plain file, /dev/null): it is always ready */
};

/* What fires without a descriptor: timers and tasks. */
struct ev_soft {
    struct evloop *loop;
    struct event *event;
    ev_fn fn;
    void *ctx;
};

struct ev_timer {
    struct ev_soft soft;
};

struct ev_task {
    struct ev_soft soft;
};

/* libevent's lock table and log are process-wide: set them up once, whoever comes first. */
static pthread_once_t evloop_once = PTHREAD_ONCE_INIT;

static void evloop_log(int severity, const char *msg)
{
    (void)severity;
    log_debug("evloop", "%s", msg);
}

static void evloop_setup(void)
{
    int rc = evthread_use_pthreads();

    assert(rc == 0);
    (void)rc;
    event_set_log_callback(evloop_log);
}

static void evloop_run_reqs(struct evloop *loop) REQUIRES(loop->lock)
{
    while (loop->reqs) {
        struct evloop_req *req = loop->reqs;

        loop->reqs = req->next;
        if (!loop->reqs)
            loop->reqs_tail = &loop->reqs;
        lock_drop(&loop->lock);
        req->fn(req->ctx);
        lock_take(&loop->lock);
        req->done = true; /* the caller may return from here on: req is gone after the unlock */
        cond_broadcast(&loop->changed);
    }
}

static void evloop_woken(evutil_socket_t fd, short what, void *ctx)
{
    struct evloop *loop = ctx;

    (void)fd;
    (void)what;
    lock_take(&loop->lock);
    evloop_run_reqs(loop);
    if (loop->stop)
        event_base_loopbreak(loop->base);
    lock_drop(&loop->lock);
}

int evloop_create(struct evloop **ret_loop, struct err *err)
{
    struct evloop *loop = calloc(1, sizeof(*loop));
    struct event_config *config;

    if (!loop)
        return err_set(err, ENOMEM, "event loop: out of memory");
    pthread_once(&evloop_once, evloop_setup);
    lock_init(&loop->lock);
    cond_init(&loop->changed);
    loop->reqs_tail = &loop->reqs;
    config = event_config_new();
    if (config) {
        /* A cached clock would let a timer fire early after a long handler. */
        event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
        /* Handlers that wake tasks go on for ever otherwise, and no descriptor has its turn. */
        event_config_set_max_dispatch_interval(config, NULL, HANDLERS_MAX, 0);
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (loop->base)
        loop->wake = event_new(loop->base, -1, 0, evloop_woken, loop);
    if (!loop->wake) {
        evloop_destroy(loop);
        return err_set(err, ENOMEM, "event loop: out of memory or file descriptors");
    }
    *ret_loop = loop;
    return 0;
}

void evloop_destroy(struct evloop *loop)
{
    if (!loop)
        return;
    assert(!loop->registered && !loop->owned);
    if (loop->wake)
        event_free(loop->wake);
    if (loop->base)
        event_base_free(loop->base);
    cond_fini(&loop->changed);
    lock_fini(&loop->lock);
    free(loop);
}

static void evloop_own(struct evloop *loop) REQUIRES(loop->lock)
{
    loop->owned = true;
    loop->owner = pthread_self();
}

static void evloop_disown(struct evloop *loop) REQUIRES(loop->lock)
{
    loop->owned = false;
    cond_broadcast(&loop->changed);
}

void evloop_run(struct evloop *loop)
{
    lock_take(&loop->lock);
    while (loop->owned)
        cond_wait(&loop->changed, &loop->lock);
    evloop_own(loop);
    loop->running = true;
    cond_broadcast(&loop->changed);
    while (!loop->stop) {
        lock_drop(&loop->lock);
        event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
        lock_take(&loop->lock);
    }
    loop->stop = false;
    evloop_run_reqs(loop);
    loop->running = false;
    evloop_disown(loop);
    lock_drop(&loop->lock);
}

void evloop_stop(struct evloop *loop)
{
    lock_take(&loop->lock);
    loop->stop = true;
    event_active(loop->wake, EV_TIMEOUT, 0);
    lock_drop(&loop->lock);
}

void evloop_call(struct evloop *loop, ev_fn fn, void *ctx)
{
    struct evloop_req req = { .fn = fn, .ctx = ctx };

    lock_take(&loop->lock);
    if (loop->owned && pthread_equal(loop->owner, pthread_self())) {
        lock_drop(&loop->lock);
        fn(ctx);
        return;
    }
    while (loop->owned && !loop->running)
        cond_wait(&loop->changed, &loop->lock);
    if (loop->running) {
        *loop->reqs_tail = &req;
        loop->reqs_tail = &req.next;
        event_active(loop->wake, EV_TIMEOUT, 0);
        while (!req.done)
            cond_wait(&loop->changed, &loop->lock);
        lock_drop(&loop->lock);
        return;
    }
    evloop_own(loop);
    lock_drop(&loop->lock);
    fn(ctx);
    lock_take(&loop->lock);
    evloop_disown(loop);
    lock_drop(&loop->lock);
}

static const struct timeval evloop_now = { 0 };

static void ev_fd_ready(evutil_socket_t fd, short what, void *ctx)
{
    struct ev_fd *ev = ctx;
    unsigned events = (what & EV_READ ? EV_IN : 0) | (what & EV_WRITE ? EV_OUT : 0);

    (void)fd;
    if (ev->always) {
        events = ev->events;
        event_add(ev->event, &evloop_now); /* a timer: nothing that can fail */
    }
    ev->fn(ev->ctx, ev->fd, events); /* may delete ev */
}

/* A plain file cannot be polled by epoll, and kqueue never reports its end. */
static bool ev_fd_is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int ev_fd_arm(struct ev_fd *ev, unsigned events)
{
    short what =
        (short)(EV_PERSIST | (events & EV_IN ? EV_READ : 0) | (events & EV_OUT ? EV_WRITE : 0));

    ev->events = events;
    if (!events)
        return 0;
    if (!ev->always) {
        event_assign(ev->event, ev->loop->base, ev->fd, what, ev_fd_ready, ev);
        if (event_add(ev->event, NULL) == 0)
            return 0;
        /* epoll answers EPERM for what has no readiness, such as /dev/null; kqueue EINVAL. */
        if (errno != EPERM && errno != EINVAL)
            return -1;
        ev->always = true;
    }
    event_assign(ev->event, ev->loop->base, -1, 0, ev_fd_ready, ev);
    return event_add(ev->event, &evloop_now);
}

struct ev_fd *ev_fd_add(struct evloop *loop, int fd, unsigned events, ev_fd_fn fn, void *ctx)
{
    struct ev_fd *ev = calloc(1, sizeof(*ev));

    if (!ev)
        return NULL;
    *ev = (struct ev_fd){
        .loop = loop,
        .fd = fd,
        .fn = fn,
        .ctx = ctx,
        .always = ev_fd_is_file(fd),
    };
    ev->event = event_new(loop->base, -1, 0, ev_fd_ready, ev);
    if (!ev->event || ev_fd_arm(ev, events) < 0) {
        if (ev->event)
            event_free(ev->event);
        free(ev);
        return NULL;
    }
    loop->registered++;
    return ev;
}

void ev_fd_set(struct ev_fd *ev, unsigned events)
{
    if (ev->events == events)
        return;
    event_del(ev->event);
    if (ev_fd_arm(ev, events) < 0)
        log_error("evloop", "cannot watch descriptor %d any more", ev->fd);
}

void ev_fd_del(struct ev_fd *ev)
{
    if (!ev)
        return;
    ev->loop->registered--;
    event_free(ev->event);
    free(ev);
}

static void ev_soft_fired(evutil_socket_t fd, short what, void *ctx)
{
    struct ev_soft *soft = ctx;

    (void)fd;
    (void)what;
    soft->fn(soft->ctx); /* may delete soft */
}

static bool ev_soft_init(struct ev_soft *soft, struct evloop *loop, ev_fn fn, void *ctx)
{
    *soft = (struct ev_soft){ .loop = loop, .fn = fn, .ctx = ctx };
    soft->event = event_new(loop->base, -1, 0, ev_soft_fired, soft);
    if (soft->event)
        loop->registered++;
    return soft->event;
}

static void ev_soft_fini(struct ev_soft *soft)
{
    soft->loop->registered--;
    event_free(soft->event);
}

struct ev_timer *ev_timer_add(struct evloop *loop, ev_fn fn, void *ctx)
{
    struct ev_timer *timer = calloc(1, sizeof(*timer));

    if (timer && !ev_soft_init(&timer->soft, loop, fn, ctx)) {
        free(timer);
        return NULL;
    }
    return timer;
}

void ev_timer_set(struct ev_timer *timer, uint64_t delay_ns)
{
    /* Rounded up: late by a microsecond at most, never early. */
    uint64_t us = delay_ns / 1000 + (delay_ns % 1000 != 0);
    struct timeval tv = { .tv_sec = (time_t)(us / 1000000),
                          .tv_usec = (suseconds_t)(us % 1000000) };

    if (event_add(timer->soft.event, &tv) < 0)
        log_error("evloop", "no memory for a timer");
}

void ev_timer_clear(struct ev_timer *timer)
{
    event_del(timer->soft.event);
}

void ev_timer_del(struct ev_timer *timer)
{
    if (!timer)
        return;
    ev_soft_fini(&timer->soft);
    free(timer);
}

struct ev_task *ev_task_add(struct evloop *loop, ev_fn fn, void *ctx)
{
    struct ev_task *task = calloc(1, sizeof(*task));

    if (task && !ev_soft_init(&task->soft, loop, fn, ctx)) {
        free(task);
        return NULL;
    }
    return task;
}

void ev_task_wake(struct ev_task *task)
{
    /* libevent queues an event that is active already only once, and wakes the loop's thread. */
    event_active(task->soft.event, EV_TIMEOUT, 0);
}

void ev_task_del(struct ev_task *task)
{
    if (!task)
        return;
    ev_soft_fini(&task->soft);
    free(task);
}
