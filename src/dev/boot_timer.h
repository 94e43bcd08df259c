/* Boot timer: the guest writes one magic byte when it is up. docs/devices/boot-timer.md. */
#pragma once

#include "dev/dev.h"

#define BOOT_TIMER_MAGIC 123

struct boot_timer_config {
    uint64_t (*now_ns)(void);               /* monotonic clock */
    uint64_t start_ns;                      /* on the same clock: when the user asked */
    void (*booted)(void *ctx, uint64_t ns); /* optional; on the vCPU, dev->lock held */
    void *ctx;
};

MUST_CHECK int boot_timer_create(const struct boot_timer_config *config, struct dev **ret_dev,
                                 struct err *err);
