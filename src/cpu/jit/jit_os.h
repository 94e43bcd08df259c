/* Memory for code, in the way that the operating system allows it. */
#pragma once

#include "base/err.h"

/* Reserve bytes of zeros that are seen at two addresses, one to write and one to execute: nothing
 * is both at one address. They are taken from the host as they are written. */
MUST_CHECK int jit_os_map(uint64_t bytes, uint8_t **ret_rw, uint8_t **ret_rx, struct err *err);

/* Either address may be NULL. */
void jit_os_unmap(uint64_t bytes, uint8_t *rw, uint8_t *rx);
