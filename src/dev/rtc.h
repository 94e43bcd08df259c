/* PL031 real-time clock: the host's wall clock plus what the guest made of it. docs/devices/rtc.md.
 */
#pragma once

#include "base/evloop.h"
#include "dev/dev.h"

struct rtc_config {
    uint64_t (*wall_ns)(void *ctx); /* since 1970-01-01 00:00 UTC; may jump */
    void *ctx;
    struct evloop *loop; /* its thread raises the alarm; NULL: seen at the next access */
};

MUST_CHECK int rtc_create(const struct rtc_config *config, struct dev **ret_dev, struct err *err);
