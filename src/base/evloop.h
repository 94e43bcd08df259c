/*
 * The event loop of the I/O thread (libevent beneath: epoll or kqueue).
 *
 * Everything registered here runs on the one thread that called evloop_run(). Only the functions
 * marked "any thread" may be called from elsewhere.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

struct evloop;
struct ev_fd;
struct ev_timer;
struct ev_task;

typedef void (*ev_fn)(void *ctx);

enum ev_events { EV_NONE_ = 0, EV_IN = 1, EV_OUT = 2 };
typedef void (*ev_fd_fn)(void *ctx, int fd, unsigned events);

MUST_CHECK int evloop_create(struct evloop **ret_loop, struct err *err);
void evloop_destroy(struct evloop *loop); /* NULL is fine; everything registered must be gone */

/* Handle events until evloop_stop(). */
void evloop_run(struct evloop *loop);
void evloop_stop(struct evloop *loop); /* any thread */

/* Run fn on the loop's thread and wait until it is done; from the loop's own thread it is called at
 * once. When the loop is not running fn runs on the caller's thread: start-up and tear-down need
 * no second path. Any thread, but never while holding a lock that a handler takes. */
void evloop_call(struct evloop *loop, ev_fn fn, void *ctx);

/* Watch a descriptor, level-triggered, persistent. The caller keeps the descriptor open until
 * ev_fd_del(). Returns NULL when memory is gone. events may be 0 (watch nothing yet). */
struct ev_fd *ev_fd_add(struct evloop *loop, int fd, unsigned events, ev_fd_fn fn, void *ctx);
void ev_fd_set(struct ev_fd *ev, unsigned events);
void ev_fd_del(struct ev_fd *ev); /* NULL is fine */

/* A one-shot timer; set again to move it. Resolution about a millisecond. */
struct ev_timer *ev_timer_add(struct evloop *loop, ev_fn fn, void *ctx);
void ev_timer_set(struct ev_timer *timer, uint64_t delay_ns);
void ev_timer_clear(struct ev_timer *timer);
void ev_timer_del(struct ev_timer *timer); /* NULL is fine */

/* A piece of work that any thread may ask for; requests made before it runs count once. */
struct ev_task *ev_task_add(struct evloop *loop, ev_fn fn, void *ctx);
void ev_task_wake(struct ev_task *task); /* any thread */
void ev_task_del(struct ev_task *task);  /* NULL is fine */
