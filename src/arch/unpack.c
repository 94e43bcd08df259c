/* gzip through zlib and Zstandard through libzstd, into a buffer that grows up to a bound. */
#include "arch/unpack.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define UNPACK_FIRST (16 * MIB)
#define GZIP_WINDOW  (15 + 16) /* largest window, gzip wrapper only */

struct out {
    uint8_t *data;
    size_t len, cap, max;
};

static int unpack_grow(const char *name, struct out *out, struct err *err)
{
    size_t cap = out->cap ? out->cap * 2 : UNPACK_FIRST;
    uint8_t *data;

    if (out->cap >= out->max)
        return err_set(err, EFBIG, "%s: unpacks to more than %llu MiB", name,
                       (unsigned long long)(out->max / MIB));
    if (cap > out->max)
        cap = out->max;
    data = realloc(out->data, cap);
    if (!data)
        return err_set(err, ENOMEM, "%s: no memory to unpack it", name);
    out->data = data;
    out->cap = cap;
    return 0;
}

static int unpack_gzip(const char *name, const uint8_t *data, size_t len, struct out *out,
                       struct err *err)
{
    z_stream z = { 0 };
    size_t used = 0;
    int rc = Z_OK, res = 0;

    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return err_set(err, ENOMEM, "%s: no memory to unpack it", name);
    while (rc != Z_STREAM_END) {
        size_t in = len - used, room;
        if (out->len == out->cap) {
            res = unpack_grow(name, out, err);
            if (res < 0)
                break;
        }
        room = out->cap - out->len;
        z.next_in = (Bytef *)(uintptr_t)(data + used);
        z.avail_in = in > UINT_MAX ? UINT_MAX : (unsigned)in;
        z.next_out = out->data + out->len;
        z.avail_out = room > UINT_MAX ? UINT_MAX : (unsigned)room;
        in = z.avail_in;
        room = z.avail_out;
        rc = inflate(&z, Z_NO_FLUSH);
        used += in - z.avail_in;
        out->len += room - z.avail_out;
        if (rc == Z_BUF_ERROR || (rc == Z_OK && used == len && z.avail_out)) {
            res = err_set(err, ENODATA, "%s: gzip stream is truncated", name);
            break;
        }
        if (rc != Z_OK && rc != Z_STREAM_END) {
            res = err_set(err, EINVAL, "%s: gzip stream is damaged: %s", name,
                          z.msg ? z.msg : "bad data");
            break;
        }
    }
    inflateEnd(&z);
    if (!res && used != len)
        res = err_set(err, EBADMSG, "%s: data after the gzip stream", name);
    return res;
}

static int unpack_zstd(const char *name, const uint8_t *data, size_t len, struct out *out,
                       struct err *err)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    ZSTD_inBuffer in = { .src = data, .size = len };
    size_t rc = 1;
    int res = 0;

    if (!ctx)
        return err_set(err, ENOMEM, "%s: no memory to unpack it", name);
    while (rc) {
        ZSTD_outBuffer room;
        if (out->len == out->cap) {
            res = unpack_grow(name, out, err);
            if (res < 0)
                break;
        }
        room = (ZSTD_outBuffer){ .dst = out->data + out->len, .size = out->cap - out->len };
        rc = ZSTD_decompressStream(ctx, &room, &in);
        out->len += room.pos;
        if (ZSTD_isError(rc)) {
            res =
                err_set(err, EINVAL, "%s: zstd stream is damaged: %s", name, ZSTD_getErrorName(rc));
            break;
        }
        if (rc && in.pos == in.size && room.pos < room.size) {
            res = err_set(err, ENODATA, "%s: zstd stream is truncated", name);
            break;
        }
    }
    ZSTD_freeDCtx(ctx);
    if (!res && in.pos != in.size)
        res = err_set(err, EBADMSG, "%s: data after the zstd stream", name);
    return res;
}

enum unpack_kind unpack_detect(const void *data, size_t len)
{
    static const uint8_t gzip[] = { 0x1f, 0x8b, 8 }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };

    if (len >= sizeof(gzip) && !memcmp(data, gzip, sizeof(gzip)))
        return UNPACK_GZIP;
    if (len >= sizeof(zstd) && !memcmp(data, zstd, sizeof(zstd)))
        return UNPACK_ZSTD;
    return UNPACK_NONE;
}

int unpack(const char *name, const void *data, size_t len, size_t max, void **ret_data,
           size_t *ret_len, struct err *err)
{
    struct out out = { .max = max };
    int rc;

    switch (unpack_detect(data, len)) {
    case UNPACK_GZIP:
        rc = unpack_gzip(name, data, len, &out, err);
        break;
    case UNPACK_ZSTD:
        rc = unpack_zstd(name, data, len, &out, err);
        break;
    default:
        return err_set(err, EINVAL, "%s: neither gzip nor zstd", name);
    }
    if (rc < 0) {
        free(out.data);
        return rc;
    }
    *ret_data = out.data;
    *ret_len = out.len;
    return 0;
}
