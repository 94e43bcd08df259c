/* Cutting a chain by bytes. */
#include "dev/virtio/span.h"

static void span_drop_front(struct span *span, size_t len)
{
    span->len -= len;
    while (span->count && len >= span->iov->iov_len) {
        len -= span->iov->iov_len;
        span->iov++;
        span->count--;
    }
    if (len) {
        span->iov->iov_base = (char *)span->iov->iov_base + len;
        span->iov->iov_len -= len;
    }
}

void span_read(struct span *span, void *dst, size_t len)
{
    uint8_t *at = dst;

    while (len) {
        size_t part = len < span->iov->iov_len ? len : span->iov->iov_len;
        memcpy(at, span->iov->iov_base, part);
        span_drop_front(span, part);
        at += part;
        len -= part;
    }
}

void span_write(struct span *span, const void *src, size_t len)
{
    const uint8_t *at = src;

    while (len && span->count) {
        size_t part = len < span->iov->iov_len ? len : span->iov->iov_len;
        memcpy(span->iov->iov_base, at, part);
        span_drop_front(span, part);
        at += part;
        len -= part;
    }
}

uint8_t *span_take_last(struct span *span)
{
    struct iovec *last = &span->iov[span->count - 1];
    uint8_t *byte = (uint8_t *)last->iov_base + last->iov_len - 1;

    span->len--;
    if (--last->iov_len == 0)
        span->count--;
    return byte;
}
