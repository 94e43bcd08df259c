/* Thread names and monotonic condition variables on macOS, which waits by interval. */
#include "base/thread_os.h"

#include <time.h>

#include "base/clock.h"

void thread_os_set_name(const char *name)
{
    pthread_setname_np(name);
}

void thread_os_cond_init(pthread_cond_t *cond)
{
    pthread_cond_init(cond, NULL);
}

int thread_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
    uint64_t now = clock_mono_ns();
    uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    struct timespec ts = { .tv_sec = (time_t)(left / NS_PER_S),
                           .tv_nsec = (long)(left % NS_PER_S) };

    return pthread_cond_timedwait_relative_np(cond, mutex, &ts);
}
