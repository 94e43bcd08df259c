/* What pthreads leave to the operating system: names, and waits on the monotonic clock. */
#pragma once

#include <pthread.h>
#include <stdint.h>

void thread_os_set_name(const char *name);
void thread_os_cond_init(pthread_cond_t *cond);

/* Returns 0 or ETIMEDOUT. deadline_ns is on clock_mono_ns()'s scale. */
int thread_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns);
