/* Thread names and monotonic condition variables on Linux. */
#include "base/thread_os.h"

#include <time.h>

#include "base/clock.h"

void thread_os_set_name(const char *name)
{
    pthread_setname_np(pthread_self(), name);
}

void thread_os_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int thread_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
    struct timespec ts = { .tv_sec = (time_t)(deadline_ns / NS_PER_S),
                           .tv_nsec = (long)(deadline_ns % NS_PER_S) };

    return pthread_cond_timedwait(cond, mutex, &ts);
}
