/* The words for what Hypervisor.framework returns. */
#pragma once

#include <Hypervisor/Hypervisor.h>

#include "base/err.h"

/* Record that a call of the framework failed: the call in words, with what matters of its
 * arguments, then the code's name, number and meaning. Returns -errno, as err_set() does. */
int hv_hvf_err_set(struct err *err, hv_return_t code, const char *fmt, ...) PRINTF(3, 4);
