/* Unpacking gzip and zstd: round trips, bounds, damage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "arch/unpack.h"

#define PLAIN_LEN (3 * MIB)
#define ROOM      (4 * MIB)

struct packed {
    uint8_t *data;
    size_t len;
};

static uint8_t *plain;
static struct packed gzip, zstd;

static int setup(void **state)
{
    z_stream z = { 0 };
    ZSTD_CCtx *ctx;

    plain = malloc(PLAIN_LEN);
    for (size_t i = 0; i < PLAIN_LEN; i++)
        plain[i] = (uint8_t)(i * i >> 7);
    gzip.data = malloc(ROOM);
    deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = plain;
    z.avail_in = PLAIN_LEN;
    z.next_out = gzip.data;
    z.avail_out = ROOM;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    gzip.len = ROOM - z.avail_out;
    deflateEnd(&z);
    zstd.data = malloc(ROOM);
    ctx = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1); /* as the zstd program does */
    zstd.len = ZSTD_compress2(ctx, zstd.data, ROOM, plain, PLAIN_LEN);
    ZSTD_freeCCtx(ctx);
    return 0;
}

static int teardown(void **state)
{
    free(plain);
    free(gzip.data);
    free(zstd.data);
    return 0;
}

static void check_round_trip(const struct packed *in)
{
    void *out;
    size_t len;

    assert_int_equal(unpack("f", in->data, in->len, PLAIN_LEN, &out, &len, NULL), 0);
    assert_int_equal(len, PLAIN_LEN);
    assert_memory_equal(out, plain, PLAIN_LEN);
    free(out);
}

static void test_round_trips(void **state)
{
    assert_int_equal(unpack_detect(gzip.data, gzip.len), UNPACK_GZIP);
    assert_int_equal(unpack_detect(zstd.data, zstd.len), UNPACK_ZSTD);
    assert_int_equal(unpack_detect(plain, PLAIN_LEN), UNPACK_NONE);
    assert_int_equal(unpack_detect(gzip.data, 2), UNPACK_NONE);
    check_round_trip(&gzip);
    check_round_trip(&zstd);
}

static void check_refused(const struct packed *in)
{
    struct err err = { 0 };
    uint8_t *copy = malloc(in->len + 1);
    void *out = NULL;
    size_t len;

    assert_int_equal(unpack("f", in->data, in->len, PLAIN_LEN - 1, &out, &len, &err), -EFBIG);
    for (size_t cut = 8; cut < in->len; cut += in->len / 37 + 1) {
        assert_int_equal(unpack("f", in->data, cut, PLAIN_LEN, &out, &len, &err), -ENODATA);
        assert_non_null(strstr(err.msg, "truncated"));
    }
    memcpy(copy, in->data, in->len);
    copy[in->len] = 7;
    assert_int_equal(unpack("f", copy, in->len + 1, PLAIN_LEN, &out, &len, &err), -EBADMSG);
    memset(copy + in->len / 2, 0xff, 64);
    assert_true(unpack("f", copy, in->len, PLAIN_LEN, &out, &len, &err) < 0);
    assert_null(out); /* written on success only */
    free(copy);
}

static void test_bounds_cuts_and_damage(void **state)
{
    check_refused(&gzip);
    check_refused(&zstd);
    assert_int_equal(unpack("f", plain, 100, 100, NULL, NULL, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_bounds_cuts_and_damage),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
