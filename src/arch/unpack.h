/*
 * Unpacking gzip (RFC 1952) and Zstandard (RFC 8878) streams in memory, with a bound.
 *
 * The input is hostile: output never exceeds max bytes and a stream that ends early is an error.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

enum unpack_kind { UNPACK_NONE, UNPACK_GZIP, UNPACK_ZSTD };

/* By magic number. */
enum unpack_kind unpack_detect(const void *data, size_t len);

/*
 * Unpack one whole stream. name is for messages. *ret_data is from malloc. Bytes after the end of
 * the stream are an error (-EBADMSG), so that an archive of several parts is never cut short.
 * Returns -EFBIG when the result would be larger than max, -ENODATA when the stream is truncated.
 */
MUST_CHECK int unpack(const char *name, const void *data, size_t len, size_t max, void **ret_data,
                      size_t *ret_len, struct err *err);
