/* The event loop: who runs what, wake-ups, descriptors that cannot be polled, timers. */
#include "base/evloop.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "unit/test.h"

struct fixture {
    struct evloop *loop;
    struct thread thread;
    unsigned count, other, overlaps;
    bool inside;
    pthread_t ran_on;
    char order[16];
    struct ev_task *task, *task2;
    struct ev_fd *ev;
    struct ev_timer *timer, *timer2;
    int fd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    *state = f;
    return evloop_create(&f->loop, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    evloop_destroy(f->loop);
    free(f);
    return 0;
}

static void run_loop(void *arg)
{
    struct fixture *f = arg;

    evloop_run(f->loop);
}

static void start(struct fixture *f)
{
    assert_int_equal(thread_start(&f->thread, "loop", run_loop, f), 0);
}

static void stop(struct fixture *f)
{
    evloop_stop(f->loop);
    thread_join(&f->thread);
}

static void count(void *ctx)
{
    struct fixture *f = ctx;

    f->count++;
    f->ran_on = pthread_self();
}

static void count_and_stop(void *ctx)
{
    struct fixture *f = ctx;

    f->count++;
    evloop_stop(f->loop);
}

static void test_destroy_takes_null(void **state)
{
    (void)state;
    evloop_destroy(NULL);
    ev_fd_del(NULL);
    ev_timer_del(NULL);
    ev_task_del(NULL);
}

static void test_a_call_to_a_stopped_loop_runs_here(void **state)
{
    struct fixture *f = *state;

    evloop_call(f->loop, count, f);
    assert_int_equal(f->count, 1);
    assert_true(pthread_equal(f->ran_on, pthread_self()));
}

static void call_again(void *ctx)
{
    struct fixture *f = ctx;

    evloop_call(f->loop, count, f); /* from the owner: at once, no deadlock */
    f->other++;
}

static void test_calls_nest(void **state)
{
    struct fixture *f = *state;

    evloop_call(f->loop, call_again, f);
    assert_int_equal(f->count, 1);
    start(f);
    evloop_call(f->loop, call_again, f);
    stop(f);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->other, 2);
}

static void stop_from_task(void *ctx)
{
    struct fixture *f = ctx;

    f->other++;
    evloop_stop(f->loop);
}

static void test_a_stop_before_the_run_is_not_lost(void **state)
{
    struct fixture *f = *state;

    evloop_stop(f->loop);
    evloop_run(f->loop);
    /* And it stops one run only. */
    f->task = ev_task_add(f->loop, stop_from_task, f);
    ev_task_wake(f->task);
    evloop_run(f->loop);
    assert_int_equal(f->other, 1);
    ev_task_del(f->task);
}

struct caller {
    struct fixture *f;
    struct thread thread;
};

#define CALLERS 4
#define CALLS   500

static void count_alone(void *ctx)
{
    struct fixture *f = ctx;

    /* No lock: only right when calls never overlap. */
    f->overlaps += f->inside;
    f->inside = true;
    sched_yield();
    f->count++;
    f->inside = false;
}

static void call_often(void *arg)
{
    struct caller *caller = arg;

    for (int i = 0; i < CALLS; i++)
        evloop_call(caller->f->loop, count_alone, caller->f);
}

static void test_calls_are_one_at_a_time_while_the_loop_comes_and_goes(void **state)
{
    struct fixture *f = *state;
    struct caller callers[CALLERS];

    for (int i = 0; i < CALLERS; i++) {
        callers[i].f = f;
        assert_int_equal(thread_start(&callers[i].thread, "caller", call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        start(f);
        stop(f);
    }
    for (int i = 0; i < CALLERS; i++)
        thread_join(&callers[i].thread);
    assert_int_equal(f->count, CALLERS * CALLS);
    assert_int_equal(f->overlaps, 0);
}

static void test_a_call_runs_on_the_loops_thread(void **state)
{
    struct fixture *f = *state;

    unsigned calls = 0;

    start(f);
    do { /* until the loop has begun, a call runs here */
        evloop_call(f->loop, count, f);
        assert_int_equal(f->count, ++calls); /* it is done when it returns */
    } while (pthread_equal(f->ran_on, pthread_self()));
    assert_true(pthread_equal(f->ran_on, f->thread.id));
    for (int i = 0; i < 1000; i++) {
        evloop_call(f->loop, count, f);
        assert_int_equal(f->count, ++calls);
    }
    stop(f);
}

static void test_wakes_before_the_run_count_once(void **state)
{
    struct fixture *f = *state;

    f->task = ev_task_add(f->loop, count_and_stop, f);
    ev_task_wake(f->task);
    ev_task_wake(f->task);
    ev_task_wake(f->task);
    evloop_run(f->loop);
    assert_int_equal(f->count, 1);
    evloop_stop(f->loop);
    evloop_run(f->loop);
    assert_int_equal(f->count, 1);
    ev_task_del(f->task);
}

static void again_until_three(void *ctx)
{
    struct fixture *f = ctx;

    if (++f->count == 3)
        evloop_stop(f->loop);
    else
        ev_task_wake(f->task);
}

static void test_a_wake_from_the_handler_is_a_new_one(void **state)
{
    struct fixture *f = *state;

    f->task = ev_task_add(f->loop, again_until_three, f);
    ev_task_wake(f->task);
    evloop_run(f->loop);
    assert_int_equal(f->count, 3);
    ev_task_del(f->task);
}

static void again_for_ever(void *ctx)
{
    struct fixture *f = ctx;

    if (++f->count == 10 && f->fd >= 0)
        assert_int_equal(fd_write_full(f->fd, "x", 1), 0);
    if (f->count < 100000)
        ev_task_wake(f->task);
    else
        evloop_stop(f->loop);
}

static void stop_when_readable(void *ctx, int fd, unsigned events)
{
    struct fixture *f = ctx;

    (void)fd;
    (void)events;
    f->other++;
    evloop_stop(f->loop);
}

static void stop_from_timer(void *ctx)
{
    stop_when_readable(ctx, -1, 0);
}

/* A device that never runs out of work must not keep the user's keys from being read. */
static void test_a_busy_task_leaves_descriptors_and_timers_their_turn(void **state)
{
    struct fixture *f = *state;
    unsigned read_one;
    int fds[2];

    assert_int_equal(fd_socketpair(fds), 0);
    f->fd = fds[1];
    f->ev = ev_fd_add(f->loop, fds[0], EV_IN, stop_when_readable, f);
    f->task = ev_task_add(f->loop, again_for_ever, f);
    f->timer = ev_timer_add(f->loop, stop_from_timer, f);
    ev_task_wake(f->task);
    evloop_run(f->loop);
    read_one = f->other;
    ev_fd_del(f->ev);
    f->fd = -1;
    f->count = f->other = 0;
    ev_timer_set(f->timer, 1);
    ev_task_wake(f->task);
    evloop_run(f->loop);
    ev_timer_del(f->timer);
    ev_task_del(f->task);
    fd_close(fds[0]);
    fd_close(fds[1]);
    assert_int_equal(read_one, 1);
    assert_int_equal(f->other, 1);
}

static void delete_other_task(void *ctx)
{
    struct fixture *f = ctx;

    ev_task_del(f->task2);
    ev_task_del(f->task); /* itself, too */
    evloop_stop(f->loop);
}

static void test_deleting_woken_tasks(void **state)
{
    struct fixture *f = *state;

    f->task = ev_task_add(f->loop, delete_other_task, f);
    f->task2 = ev_task_add(f->loop, count, f);
    ev_task_wake(f->task);
    ev_task_wake(f->task2);
    evloop_run(f->loop);
    assert_int_equal(f->count, 0);
}

static void read_and_stop(void *ctx, int fd, unsigned events)
{
    struct fixture *f = ctx;
    char byte;

    assert_int_equal(events, EV_IN);
    assert_int_equal(read(fd, &byte, 1), 1);
    f->count++;
    evloop_stop(f->loop);
}

static void test_reading_is_level_triggered(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    assert_int_equal(fd_socketpair(fds), 0);
    f->ev = ev_fd_add(f->loop, fds[0], EV_IN, read_and_stop, f);
    assert_int_equal(write(fds[1], "ab", 2), 2);
    evloop_run(f->loop);
    assert_int_equal(f->count, 1);
    evloop_run(f->loop); /* the second byte is still there */
    assert_int_equal(f->count, 2);
    ev_fd_del(f->ev);
    close(fds[0]);
    close(fds[1]);
}

static void first_out_then_in(void *ctx, int fd, unsigned events)
{
    struct fixture *f = ctx;

    (void)fd;
    if (events & EV_OUT) {
        f->count++;
        ev_fd_set(f->ev, EV_IN);
    } else {
        f->other++;
        ev_fd_set(f->ev, 0);
        ev_task_wake(f->task);
    }
}

static void test_watched_events_can_change(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    assert_int_equal(fd_socketpair(fds), 0);
    f->task = ev_task_add(f->loop, stop_from_task, f);
    f->ev = ev_fd_add(f->loop, fds[0], 0, first_out_then_in, f);
    assert_int_equal(write(fds[1], "a", 1), 1);
    ev_task_wake(f->task);
    evloop_run(f->loop); /* nothing watched: only the task */
    assert_int_equal(f->count, 0);
    f->other = 0;
    ev_fd_set(f->ev, EV_OUT);
    evloop_run(f->loop);
    assert_int_equal(f->count, 1);
    assert_int_equal(f->other, 2); /* once read, once the task */
    ev_fd_del(f->ev);
    ev_task_del(f->task);
    close(fds[0]);
    close(fds[1]);
}

static void delete_self(void *ctx, int fd, unsigned events)
{
    struct fixture *f = ctx;
    char byte;

    assert_int_equal(events & EV_IN, EV_IN);
    assert_int_equal(read(fd, &byte, 1), 0); /* the other end is gone */
    ev_fd_del(f->ev);
    evloop_stop(f->loop);
}

static void test_a_hang_up_is_readable_and_the_handler_may_delete(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    assert_int_equal(fd_socketpair(fds), 0);
    f->ev = ev_fd_add(f->loop, fds[0], EV_IN, delete_self, f);
    close(fds[1]);
    evloop_run(f->loop);
    close(fds[0]);
}

static void read_to_end(void *ctx, int fd, unsigned events)
{
    struct fixture *f = ctx;
    char byte;

    assert_int_equal(events, EV_IN);
    if (read(fd, &byte, 1) == 1) {
        f->count++;
        return;
    }
    if (!f->other)
        return; /* the end of a file stays readable; others must get their turn */
    ev_fd_del(f->ev);
    f->ev = NULL;
    evloop_stop(f->loop);
}

static void test_what_cannot_be_polled_is_always_ready(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/ign-test-evloop-XXXXXX";
    int file = mkstemp(path);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int fds[] = { file, null };

    unlink(path);
    assert_int_equal(write(file, "abc", 3), 3);
    lseek(file, 0, SEEK_SET);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        f->other = 0;
        f->task = ev_task_add(f->loop, stop_from_task, f);
        f->ev = ev_fd_add(f->loop, fds[i], EV_IN, read_to_end, f);
        assert_non_null(f->ev);
        ev_task_wake(f->task);
        while (f->ev) /* the task stops one run, the end of the file another or the same */
            evloop_run(f->loop);
        assert_int_equal(f->other, 1);
        ev_task_del(f->task);
        close(fds[i]);
    }
    assert_int_equal(f->count, 3);
}

static void test_a_closed_descriptor_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_null(ev_fd_add(f->loop, 9999, EV_IN, read_to_end, f));
}

static void add_a(void *ctx)
{
    struct fixture *f = ctx;

    f->order[f->count++] = 'a';
}

static void add_b_and_stop(void *ctx)
{
    struct fixture *f = ctx;

    f->order[f->count++] = 'b';
    evloop_stop(f->loop);
}

static void test_timers_fire_once_in_order(void **state)
{
    struct fixture *f = *state;

    f->timer = ev_timer_add(f->loop, add_a, f);
    f->timer2 = ev_timer_add(f->loop, add_b_and_stop, f);
    ev_timer_set(f->timer2, 20 * NS_PER_S / 1000);
    ev_timer_set(f->timer, 1);
    evloop_run(f->loop);
    assert_string_equal(f->order, "ab");
    ev_timer_del(f->timer);
    ev_timer_del(f->timer2);
}

static void test_timers_move_and_clear(void **state)
{
    struct fixture *f = *state;

    f->timer = ev_timer_add(f->loop, add_a, f);
    f->timer2 = ev_timer_add(f->loop, add_b_and_stop, f);
    ev_timer_set(f->timer, 1000000);     /* then cleared: never fires */
    ev_timer_set(f->timer2, UINT64_MAX); /* then moved from never to soon */
    ev_timer_clear(f->timer);
    ev_timer_set(f->timer2, 5000000);
    evloop_run(f->loop);
    assert_string_equal(f->order, "b");
    ev_timer_clear(f->timer); /* clearing what is not set is fine */
    ev_timer_del(f->timer);
    ev_timer_del(f->timer2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_destroy_takes_null),
        T(test_a_call_to_a_stopped_loop_runs_here),
        T(test_calls_nest),
        T(test_a_stop_before_the_run_is_not_lost),
        T(test_calls_are_one_at_a_time_while_the_loop_comes_and_goes),
        T(test_a_call_runs_on_the_loops_thread),
        T(test_wakes_before_the_run_count_once),
        T(test_a_wake_from_the_handler_is_a_new_one),
        T(test_a_busy_task_leaves_descriptors_and_timers_their_turn),
        T(test_deleting_woken_tasks),
        T(test_reading_is_level_triggered),
        T(test_watched_events_can_change),
        T(test_a_hang_up_is_readable_and_the_handler_may_delete),
        T(test_what_cannot_be_polled_is_always_ready),
        T(test_a_closed_descriptor_is_refused),
        T(test_timers_fire_once_in_order),
        T(test_timers_move_and_clear),
    };

    return cmocka_run_group_tests_name("evloop", tests, NULL, NULL);
}
