/*
 * A part of a chain: segments, and their bytes. What is read or written is cut off, so that header,
 * data and status may lie in the driver's buffers as it likes (virtio 1.2, 2.7.4.1).
 *
 * The segments are changed; the bytes are guest memory, which may change under us at any moment.
 */
#pragma once

#include <sys/uio.h>

#include "base/bits.h"

struct span {
    struct iovec *iov; /* none of them empty */
    unsigned count;
    uint64_t len; /* bytes of all */
};

/* Take `len` bytes off the front, to dst. The span has that many. */
void span_read(struct span *span, void *dst, size_t len);

/* Put up to `len` bytes to the front. */
void span_write(struct span *span, const void *src, size_t len);

/* Cut the last byte off and return where it is. The span is not empty. */
uint8_t *span_take_last(struct span *span);
