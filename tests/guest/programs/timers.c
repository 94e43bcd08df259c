/*
 * Time: the counter agrees between CPUs, nothing wakes too early, every kind of timer fires.
 * Nothing here says how late is too late.
 */
#include "check.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#define THREADS 4
#define MS      INT64_C(1000000)

static uint64_t rounds;

static int64_t now(clockid_t clock)
{
    struct timespec t;

    must(clock_gettime(clock, &t), "clock_gettime");
    return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static uint64_t counter(void)
{
    uint64_t x;

    __asm__ volatile("isb\nmrs %0, cntvct_el0" : "=r"(x)::"memory");
    return x;
}

/* --- one clock for all CPUs --- */

static int64_t latest_ns __attribute__((aligned(CACHE_LINE)));
static uint64_t latest_count __attribute__((aligned(CACHE_LINE)));

/* What another CPU read before, no CPU may read as later than now. */
static void read_clocks(unsigned number)
{
    pin(number);
    for (uint64_t n = 0; n < rounds; n++) {
        int64_t before = __atomic_load_n(&latest_ns, __ATOMIC_ACQUIRE), t = now(CLOCK_MONOTONIC);
        uint64_t earlier = __atomic_load_n(&latest_count, __ATOMIC_ACQUIRE), c = counter();

        expect(t >= before, "CPU %u: the clock is at %" PRId64 " ns, another CPU saw %" PRId64,
               number, t, before);
        expect(c >= earlier, "CPU %u: the counter is at %" PRIu64 ", another CPU saw %" PRIu64,
               number, c, earlier);
        while (before < t && !__atomic_compare_exchange_n(&latest_ns, &before, t, false,
                                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        }
        while (earlier < c && !__atomic_compare_exchange_n(&latest_count, &earlier, c, false,
                                                           __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        }
        if (n % 256 == 0)
            pin(number + (unsigned)(n / 256));
    }
}

static void check_counter(void)
{
    uint64_t hz;
    int64_t t0, t1, t2, t3;
    uint64_t c0, c1;

    check_begin("the clock never goes back, on no CPU");
    run_workers(THREADS, read_clocks);
    check_end();

    check_begin("counter and clock run at the frequency that CNTFRQ says");
    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    t0 = now(CLOCK_MONOTONIC_RAW);
    c0 = counter();
    t1 = now(CLOCK_MONOTONIC_RAW);
    usleep(50000);
    t2 = now(CLOCK_MONOTONIC_RAW);
    c1 = counter();
    t3 = now(CLOCK_MONOTONIC_RAW);
    /* Read between two looks at the clock, so bounded by them, and 100 us for rounding. */
    int64_t ns = (int64_t)((c1 - c0) * (unsigned __int128)1000000000 / hz);
    expect(ns >= t2 - t1 - MS / 10 && ns <= t3 - t0 + MS / 10,
           "the counter went on by %" PRId64 " ns, the clock by %" PRId64 " to %" PRId64, ns,
           t2 - t1, t3 - t0);
    check_end();
}

/* --- sleeping, on each CPU --- */

static void sleep_here(unsigned number)
{
    pin(number);
    for (int i = 1; i <= 5; i++) {
        struct timespec t = { 0, i * MS };
        int64_t start = now(CLOCK_MONOTONIC), end, due;

        while (nanosleep(&t, &t) < 0) {
        }
        end = now(CLOCK_MONOTONIC);
        expect(end - start >= i * MS, "CPU %u: slept %" PRId64 " ns of %" PRId64, number,
               end - start, i * MS);
        due = end + i * MS / 2;
        t = (struct timespec){ due / (1000 * MS), due % (1000 * MS) };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        end = now(CLOCK_MONOTONIC);
        expect(end >= due, "CPU %u: woke %" PRId64 " ns early", number, due - end);
    }
}

/* --- timers --- */

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
    (void)sig;
    alarms++;
}

static void wait_for_alarms(int want)
{
    sigset_t block, old;

    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    sigaddset(&block, SIGVTALRM);
    sigprocmask(SIG_BLOCK, &block, &old);
    while (alarms < want)
        sigsuspend(&old);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void check_timers(void)
{
    struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, none = { { 0, 0 }, { 0, 0 } };
    struct itimerspec each = { { 0, 3 * MS }, { 0, 3 * MS } };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
    uint64_t fired, sum = 0;
    int64_t start;
    timer_t timer;
    int fd;

    check_begin("setitimer");
    signal(SIGALRM, on_alarm);
    signal(SIGVTALRM, on_alarm);
    start = now(CLOCK_MONOTONIC);
    must(setitimer(ITIMER_REAL, &every, NULL), "setitimer");
    wait_for_alarms(10);
    must(setitimer(ITIMER_REAL, &none, NULL), "setitimer");
    expect(now(CLOCK_MONOTONIC) - start >= 20 * MS, "10 alarms of 2 ms came in %" PRId64 " ns",
           now(CLOCK_MONOTONIC) - start);
    alarms = 0;
    must(setitimer(ITIMER_VIRTUAL, &every, NULL), "setitimer"); /* of the time computed */
    while (alarms < 3)
        sum = mix(sum, 1);
    must(setitimer(ITIMER_VIRTUAL, &none, NULL), "setitimer");
    check_end();

    check_begin("timerfd");
    fd = (int)must(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd_create");
    start = now(CLOCK_MONOTONIC);
    must(timerfd_settime(fd, 0, &each, NULL), "timerfd_settime");
    for (sum = 0; sum < 8; sum += fired)
        must(read(fd, &fired, sizeof(fired)), "read of a timerfd");
    expect(now(CLOCK_MONOTONIC) - start >= (int64_t)sum * 3 * MS,
           "%" PRIu64 " times 3 ms passed in %" PRId64 " ns", sum, now(CLOCK_MONOTONIC) - start);
    close(fd);
    check_end();

    check_begin("timer_create");
    alarms = 0;
    must(timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create");
    start = now(CLOCK_MONOTONIC);
    must(timer_settime(timer, 0, &each, NULL), "timer_settime");
    wait_for_alarms(5);
    timer_delete(timer);
    expect(now(CLOCK_MONOTONIC) - start >= 15 * MS, "5 alarms of 3 ms came in %" PRId64 " ns",
           now(CLOCK_MONOTONIC) - start);
    check_end();

    check_begin("the clock of the time computed");
    int64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    while (now(CLOCK_PROCESS_CPUTIME_ID) - cpu < 5 * MS)
        sum = mix(sum, 2);
    cpu = now(CLOCK_THREAD_CPUTIME_ID);
    usleep(1000);
    expect(now(CLOCK_THREAD_CPUTIME_ID) >= cpu, "it went back");
    check_end();
}

int main(int argc, char **argv)
{
    rounds = 10000 * scale_of(argc, argv);
    check_counter();
    check_begin("sleeping takes at least its time, on each CPU");
    run_workers(configured_cpus() > THREADS ? configured_cpus() : THREADS, sleep_here);
    check_end();
    check_timers();
    return check_exit();
}
