/*
 * The counter and the EL1 timers (Arm DDI 0487, D11). Virtual and physical counter are the same:
 * host time in ticks minus an offset that all vCPUs share.
 */
#pragma once

#include "cpu/cpu.h"

#define TIMER_CTL_ENABLE  BIT(0)
#define TIMER_CTL_IMASK   BIT(1)
#define TIMER_CTL_ISTATUS BIT(2)

/* The clock behind the counter: the host's, or the instructions of a deterministic vCPU. */
uint64_t timer_now_ns(const struct soc *soc);

/* The guest's counter now, and setting it. */
uint64_t timer_count(const struct soc *soc);
void timer_set_count(struct soc *soc, uint64_t count);

/* CTL as the guest reads it, with ISTATUS. */
uint64_t timer_ctl(const struct cpu *c, uint64_t ctl, uint64_t cval);

/* A register changed or time passed: drive the two PPIs, and tell soc->timer_moved when to come
 * again. Returns that time (timer_now_ns() scale; UINT64_MAX: no timer is going to fire), read off
 * the same instant as the PPIs: no expiry falls between the two. On the vCPU's thread. */
uint64_t timer_update(struct cpu *c);

/* When the next timer fires on timer_now_ns()'s scale; UINT64_MAX: none is going to. */
uint64_t timer_deadline_ns(const struct cpu *c);
