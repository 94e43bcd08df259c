/* Saved state: round trips, versions, golden files and hostile bytes. */
#include "base/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/golden.h"
#include "unit/test.h"

/* ---- an object with a field of every kind ---- */

struct part {
    uint32_t a;
    uint16_t b;
};

struct whole {
    bool flag;
    uint8_t small;
    uint16_t half;
    uint32_t word;
    uint64_t big;
    int64_t delta;
    uint8_t bytes[5];
    uint16_t halves[2];
    uint32_t words[3];
    uint64_t bigs[2];
    struct part parts[2];
    uint32_t derived; /* not saved: recomputed */
    unsigned saves;   /* calls of pre_save */
};

static const struct state_field part_fields[] = {
    STATE_U32(struct part, a, 1),
    STATE_U16(struct part, b, 1),
    STATE_END,
};
static const struct state_desc part_desc = { .name = "part", .fields = part_fields };

static const struct state_field whole_fields[] = {
    STATE_BOOL(struct whole, flag, 1),
    STATE_U8(struct whole, small, 1),
    STATE_U16(struct whole, half, 1),
    STATE_U32(struct whole, word, 1),
    STATE_U64(struct whole, big, 1),
    STATE_I64(struct whole, delta, 1),
    STATE_U8S(struct whole, bytes, 1),
    STATE_U16S(struct whole, halves, 1),
    STATE_U32S(struct whole, words, 1),
    STATE_U64S(struct whole, bigs, 1),
    STATE_STRUCTS(struct whole, parts, 1, &part_desc),
    STATE_END,
};

static void whole_pre_save(void *obj)
{
    ((struct whole *)obj)->saves++;
}

static int whole_post_load(void *obj, uint32_t version, struct err *err)
{
    struct whole *whole = obj;

    if (whole->small > 100)
        return err_set(err, EINVAL, "whole: small=%u out of range", whole->small);
    whole->derived = whole->word + version;
    return 0;
}

static const struct state_desc whole_desc = {
    .name = "whole",
    .version = 1,
    .oldest = 1,
    .fields = whole_fields,
    .pre_save = whole_pre_save,
    .post_load = whole_post_load,
};

static struct whole sample(void)
{
    return (struct whole){
        .flag = true,
        .small = 99,
        .half = 0xffff,
        .word = UINT32_MAX,
        .big = UINT64_MAX,
        .delta = INT64_MIN,
        .bytes = { 0, 0xff, 2, 3, 4 },
        .halves = { 1, 0x1234 },
        .words = { 0, 23, 24 },
        .bigs = { UINT64_C(1) << 32, 255 },
        .parts = { { 1, 2 }, { 3, 4 } },
    };
}

/* Load from a heap copy of exactly len bytes, so that a read past the end is seen. */
static int load_copy(const void *data, size_t len, const struct state_desc *desc, void *obj,
                     const char *instance, struct err *err)
{
    void *copy = malloc(len ? len : 1);
    int rc;

    if (len)
        memcpy(copy, data, len);
    rc = state_load(copy, len, desc, obj, instance, err);
    free(copy);
    return rc;
}

/* Field by field: what lies between fields is nobody's. */
static void assert_same(const struct whole *a, const struct whole *b)
{
    assert_int_equal(a->flag, b->flag);
    assert_int_equal(a->small, b->small);
    assert_int_equal(a->half, b->half);
    assert_int_equal(a->word, b->word);
    assert_int_equal(a->big, b->big);
    assert_int_equal(a->delta, b->delta);
    assert_memory_equal(a->bytes, b->bytes, sizeof(a->bytes));
    assert_memory_equal(a->halves, b->halves, sizeof(a->halves));
    assert_memory_equal(a->words, b->words, sizeof(a->words));
    assert_memory_equal(a->bigs, b->bigs, sizeof(a->bigs));
    for (size_t i = 0; i < ARRAY_LEN(a->parts); i++) {
        assert_int_equal(a->parts[i].a, b->parts[i].a);
        assert_int_equal(a->parts[i].b, b->parts[i].b);
    }
}

static void test_every_kind_of_field_survives(void **state)
{
    struct whole whole, back = { 0 };
    struct state_buf buf = { 0 };

    (void)state;
    memset(&whole, 0, sizeof(whole));
    memset(&back, 0, sizeof(back));
    whole = sample();
    state_save(&buf, &whole_desc, &whole, "");
    assert_false(buf.failed);
    assert_int_equal(whole.saves, 1);
    assert_int_equal(load_copy(buf.data, buf.len, &whole_desc, &back, "", NULL), 0);
    assert_true(back.flag && back.small == 99 && back.half == 0xffff);
    assert_true(back.word == UINT32_MAX && back.big == UINT64_MAX && back.delta == INT64_MIN);
    assert_memory_equal(back.bytes, whole.bytes, sizeof(back.bytes));
    assert_memory_equal(back.halves, whole.halves, sizeof(back.halves));
    assert_memory_equal(back.words, whole.words, sizeof(back.words));
    assert_memory_equal(back.bigs, whole.bigs, sizeof(back.bigs));
    assert_true(back.parts[0].a == 1 && back.parts[0].b == 2);
    assert_true(back.parts[1].a == 3 && back.parts[1].b == 4);
    assert_int_equal(back.derived, UINT32_MAX + 1u); /* post_load ran, with the version */
    state_buf_fini(&buf);
    assert_null(buf.data);
}

static void test_signed_numbers_at_their_edges(void **state)
{
    static const int64_t edges[] = { 0, -1, 1, -24, -25, -256, -257, INT64_MAX, INT64_MIN };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        struct whole whole = sample(), back = { 0 };
        struct state_buf buf = { 0 };
        whole.delta = edges[i];
        state_save(&buf, &whole_desc, &whole, "");
        assert_int_equal(load_copy(buf.data, buf.len, &whole_desc, &back, "", NULL), 0);
        assert_true(back.delta == edges[i]);
        state_buf_fini(&buf);
    }
}

static void test_records_are_found_by_name_and_instance(void **state)
{
    struct whole one = sample(), two = sample(), back = { 0 };
    struct state_buf buf = { 0 };
    struct err err = { 0 };

    (void)state;
    one.word = 1;
    two.word = 2;
    state_save(&buf, &whole_desc, &one, "0");
    state_save(&buf, &whole_desc, &two, "1");
    assert_int_equal(load_copy(buf.data, buf.len, &whole_desc, &back, "1", NULL), 0);
    assert_int_equal(back.word, 2);
    assert_int_equal(load_copy(buf.data, buf.len, &whole_desc, &back, "0", NULL), 0);
    assert_int_equal(back.word, 1);
    assert_err(load_copy(buf.data, buf.len, &whole_desc, &back, "2", &err), ENOENT, err,
               "saved state: whole 2: no such record");
    assert_err(load_copy(NULL, 0, &whole_desc, &back, "", &err), ENOENT, err,
               "saved state: whole: no such record");
    state_buf_fini(&buf);
}

static void test_post_load_may_refuse(void **state)
{
    struct whole whole = sample(), back = { 0 };
    struct state_buf buf = { 0 };
    struct err err = { 0 };

    (void)state;
    whole.small = 101;
    state_save(&buf, &whole_desc, &whole, "");
    assert_err(load_copy(buf.data, buf.len, &whole_desc, &back, "", &err), EINVAL, err,
               "whole: small=101 out of range");
    state_buf_fini(&buf);
}

static void test_truncation_anywhere_changes_nothing(void **state)
{
    struct whole whole = sample(), back, before;
    struct state_buf buf = { 0 };

    (void)state;
    state_save(&buf, &whole_desc, &whole, "");
    memset(&back, 0x5a, sizeof(back));
    memcpy(&before, &back, sizeof(back));
    for (size_t len = 0; len < buf.len; len++) {
        int rc = load_copy(buf.data, len, &whole_desc, &back, "", NULL);
        assert_int_equal(rc, len ? -EINVAL : -ENOENT);
        assert_memory_equal(&back, &before, sizeof(back));
    }
    state_buf_fini(&buf);
}

static void test_a_wrong_byte_anywhere_is_refused_or_is_a_value(void **state)
{
    static const uint8_t bad[] = { 0x00, 0x18, 0x3b, 0x5f, 0x7b, 0x9b, 0xbf, 0xc1, 0xf7, 0xff };
    struct state_desc desc = whole_desc;
    struct whole whole = sample(), back, before;
    struct state_buf buf = { 0 };

    (void)state;
    desc.post_load = NULL; /* any refusal is then before the first store */
    state_save(&buf, &desc, &whole, "");
    memset(&before, 0, sizeof(before));
    for (size_t at = 0; at < buf.len; at++)
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
            uint8_t old = buf.data[at];
            memcpy(&back, &before, sizeof(back));
            buf.data[at] = bad[i];
            if (load_copy(buf.data, buf.len, &desc, &back, "", NULL) < 0)
                assert_memory_equal(&back, &before, sizeof(back));
            buf.data[at] = old;
        }
    state_buf_fini(&buf);
}

static void test_the_golden_file_of_version_1_loads(void **state)
{
    struct whole whole = sample(), back = { 0 };
    struct state_buf buf = { 0 };
    void *data;
    size_t len;

    (void)state;
    state_save(&buf, &whole_desc, &whole, "golden");
    golden_read("state_v1.cbor", &buf, &data, &len);
    assert_int_equal(state_load(data, len, &whole_desc, &back, "golden", NULL), 0);
    assert_same(&back, &whole);
    /* And what is written today is still byte for byte that format. */
    assert_int_equal(buf.len, len);
    assert_memory_equal(buf.data, data, len);
    free(data);
    state_buf_fini(&buf);
}

/* ---- versions and hostile bytes: a small object, records spelt out ---- */

struct tiny {
    uint8_t a;
    uint32_t b;
};

static const struct state_field tiny_fields[] = {
    STATE_U8(struct tiny, a, 2),
    STATE_U32(struct tiny, b, 3),
    STATE_END,
};

/* v1: had no a. v2: a. v3: b; and no field z any more. */
static const struct state_desc tiny_desc = {
    .name = "t",
    .version = 3,
    .oldest = 2,
    .fields = tiny_fields,
};

#define REC(version) "\x84\x61t\x60" version

static const struct {
    const char *why, *bytes;
    size_t len;
    int code;
    const char *msg;
} records[] = {
#define ROW(why, bytes, code, msg)               \
    {                                            \
        why, bytes, sizeof(bytes) - 1, code, msg \
    }
    ROW("current",
        REC("\x03") "\xa2\x61"
                    "a\x05\x61"
                    "b\x06",
        0, ""),
    ROW("any order",
        REC("\x03") "\xa2\x61"
                    "b\x06\x61"
                    "a\x05",
        0, ""),
    ROW("long heads",
        REC("\x18\x03") "\xb8\x02\x61"
                        "a\x19\x00\x05\x61"
                        "b\x1b\0\0\0\0\0\0\0\x06",
        0, ""),
    ROW("older keeps b",
        REC("\x02") "\xa1\x61"
                    "a\x05",
        0, ""),
    ROW("older with a field done away with",
        REC("\x02") "\xa2\x61z\x82\x01\xa1\x01\x41x\x61"
                    "a\x05",
        0, ""),
    ROW("newer",
        REC("\x04") "\xa2\x61"
                    "a\x05\x61"
                    "b\x06",
        ENOTSUP, "saved state: t: version 4, but this build knows 3 at most; use a newer ignition"),
    ROW("too old",
        REC("\x01") "\xa1\x61"
                    "a\x05",
        ENOTSUP, "saved state: t: version 1, but this build needs 2"),
    ROW("version 2^64 - 1", REC("\x1b\xff\xff\xff\xff\xff\xff\xff\xff") "\xa0", ENOTSUP,
        "saved state: t: version 18446744073709551615, but this build knows 3 at most; use a newer "
        "ignition"),
    ROW("version is text",
        REC("\x61"
            "3") "\xa0",
        EINVAL, "saved state: t: damaged at byte 4"),
    ROW("field missing",
        REC("\x03") "\xa1\x61"
                    "a\x05",
        EINVAL, "saved state: t: field b: missing"),
    ROW("no fields", REC("\x03") "\xa0", EINVAL, "saved state: t: field a: missing"),
    ROW("field twice",
        REC("\x03") "\xa3\x61"
                    "a\x05\x61"
                    "a\x05\x61"
                    "b\x06",
        EINVAL, "saved state: t: field a: given twice"),
    ROW("field unknown",
        REC("\x03") "\xa3\x61"
                    "a\x05\x61"
                    "b\x06\x61z\x00",
        EINVAL, "saved state: t: field z: unknown"),
    ROW("name unfit for a terminal", REC("\x03") "\xa1\x65\x1b[2J\n\x00", EINVAL,
        "saved state: t: field ?[2J?: unknown"),
    ROW("field newer than its record",
        REC("\x02") "\xa2\x61"
                    "a\x05\x61"
                    "b\x06",
        EINVAL, "saved state: t: field b: newer than its record"),
    ROW("empty name",
        REC("\x03") "\xa3\x61"
                    "a\x05\x61"
                    "b\x06\x60\x00",
        EINVAL, "saved state: t: field : unknown"),
    ROW("name is a number", REC("\x03") "\xa1\x01\x05", EINVAL,
        "saved state: t: damaged at byte 6"),
    ROW("number too large",
        REC("\x03") "\xa2\x61"
                    "a\x19\x01\x00\x61"
                    "b\x06",
        EINVAL, "saved state: t: field a: number too large"),
    ROW("negative",
        REC("\x03") "\xa2\x61"
                    "a\x20\x61"
                    "b\x06",
        EINVAL, "saved state: t: field a: not a number"),
    ROW("float",
        REC("\x03") "\xa2\x61"
                    "a\xf9\x00\x00\x61"
                    "b\x06",
        EINVAL, "saved state: t: field a: not a number"),
    ROW("null",
        REC("\x03") "\xa2\x61"
                    "a\xf6\x61"
                    "b\x06",
        EINVAL, "saved state: t: field a: not a number"),
    ROW("array for a number",
        REC("\x03") "\xa2\x61"
                    "a\x81\x05\x61"
                    "b\x06",
        EINVAL, "saved state: t: field a: not a number"),
    ROW("fields are an array", REC("\x03") "\x82\x05\x06", EINVAL,
        "saved state: t: damaged at byte 5"),
    ROW("endless map",
        REC("\x03") "\xbf\x61"
                    "a\x05\x61"
                    "b\x06\xff",
        EINVAL, "saved state: t: damaged at byte 5"),
    ROW("map of 2^63 pairs",
        REC("\x03") "\xbb\x80\0\0\0\0\0\0\0\x61"
                    "a\x05",
        EINVAL, "saved state: t: damaged at byte 5"),
    ROW("name of 2^64 - 1 bytes",
        REC("\x03") "\xa1\x7b\xff\xff\xff\xff\xff\xff\xff\xff"
                    "a\x05",
        EINVAL, "saved state: t: damaged at byte 6"),
    ROW("array of 2^64 - 1 to skip", "\x84\x61u\x60\x9b\xff\xff\xff\xff\xff\xff\xff\xff\xa0",
        EINVAL, "saved state: t: damaged at byte 4"),
    ROW("too deep to skip", "\x84\x61u\x60\x00\x81\x81\x81\x81\x81\x81\x81\x81\x81\x00", EINVAL,
        "saved state: t: damaged at byte 13"),
    ROW("just not too deep",
        "\x84\x61u\x60\x00\x81\x81\x81\x81\x81\x81\x81\x81\x00" REC("\x02") "\xa1\x61"
                                                                            "a\x05",
        0, ""),
    ROW("record of three", "\x83\x61t\x60\x03", EINVAL, "saved state: t: damaged at byte 0"),
    ROW("record is a map", "\xa4\x61t\x60\x03\xa0", EINVAL, "saved state: t: damaged at byte 0"),
    ROW("name is bytes", "\x84\x41t\x60\x03\xa0", EINVAL, "saved state: t: damaged at byte 1"),
    ROW("a tag", "\xc1" REC("\x03") "\xa0", EINVAL, "saved state: t: damaged at byte 0"),
    ROW("a reserved byte", "\x1c\x00\x00", EINVAL, "saved state: t: damaged at byte 0"),
    ROW("a stray break", "\xff", EINVAL, "saved state: t: damaged at byte 0"),
    ROW("another record, damaged",
        "\x84\x61u\x60\x03\xa1\x01\xff" REC("\x02") "\xa1\x61"
                                                    "a\x05",
        EINVAL, "saved state: t: damaged at byte 7"),
#undef ROW
};

static void test_versions_and_hostile_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        struct tiny tiny = { .a = 0x11, .b = 0x22222222 };
        struct err err = { 0 };
        int rc = load_copy(records[i].bytes, records[i].len, &tiny_desc, &tiny, "", &err);
        if (rc != -records[i].code || strcmp(err.msg, records[i].msg) != 0)
            fail_msg("%s: rc=%d \"%s\", not %d \"%s\"", records[i].why, rc, err.msg,
                     -records[i].code, records[i].msg);
        if (records[i].code) {
            assert_int_equal(tiny.a, 0x11);
            assert_int_equal(tiny.b, 0x22222222);
            continue;
        }
        assert_int_equal(tiny.a, 5);
        assert_true(tiny.b == 6 || tiny.b == 0x22222222); /* what a version lacks stays */
    }
}

static void test_a_file_of_absurd_size_is_refused_unread(void **state)
{
    struct tiny tiny = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_err(state_load("", 64 * MIB + 1, &tiny_desc, &tiny, "", &err), EFBIG, err,
               "saved state: 67108865 bytes, more than the 67108864 of any machine");
}

static void test_lists_must_have_their_length_and_kind(void **state)
{
    static const struct {
        const char *field, *with, *msg;
        size_t field_len, with_len;
    } rows[] = {
#define ROW(field, with, msg) { field, with, msg, sizeof(field) - 1, sizeof(with) - 1 }
        ROW("\x65"
            "bytes\x45",
            "\x65"
            "bytes\x44",
            "saved state: whole: field bytes: wrong number of elements"),
        ROW("\x65"
            "bytes\x45",
            "\x65"
            "bytes\x65",
            "saved state: whole: field bytes: not a byte string"),
        ROW("\x65"
            "words\x83",
            "\x65"
            "words\x82",
            "saved state: whole: field words: wrong number of elements"),
        ROW("\x65"
            "words\x83",
            "\x65"
            "words\x43",
            "saved state: whole: field words: not an array"),
        ROW("\x65"
            "parts\x82",
            "\x65"
            "parts\x81",
            "saved state: whole: field parts: wrong number of elements"),
        ROW("\x64"
            "flag\xf5",
            "\x64"
            "flag\x01",
            "saved state: whole: field flag: not a truth value"),
        ROW("\x65"
            "delta\x3b\x7f",
            "\x65"
            "delta\x3b\x80",
            "saved state: whole: field delta: not a number of 64 bits"),
#undef ROW
    };
    struct whole whole = sample();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct whole back = { 0 };
        struct state_buf buf = { 0 };
        struct err err = { 0 };
        uint8_t *at;
        state_save(&buf, &whole_desc, &whole, "");
        at = memmem(buf.data, buf.len, rows[i].field, rows[i].field_len);
        assert_non_null(at);
        memcpy(at, rows[i].with, rows[i].with_len);
        assert_err(load_copy(buf.data, buf.len, &whole_desc, &back, "", &err), EINVAL, err,
                   rows[i].msg);
        state_buf_fini(&buf);
    }
}

static void test_writing_has_a_bound(void **state)
{
    struct whole whole = sample();
    struct state_buf buf = { 0 };

    (void)state;
    while (!buf.failed) {
        assert_true(buf.len <= 64 * MIB);
        state_save(&buf, &whole_desc, &whole, "");
    }
    state_save(&buf, &whole_desc, &whole, ""); /* and stays failed */
    assert_true(buf.failed);
    state_buf_fini(&buf);
    assert_false(buf.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_field_survives),
        cmocka_unit_test(test_signed_numbers_at_their_edges),
        cmocka_unit_test(test_records_are_found_by_name_and_instance),
        cmocka_unit_test(test_post_load_may_refuse),
        cmocka_unit_test(test_truncation_anywhere_changes_nothing),
        cmocka_unit_test(test_a_wrong_byte_anywhere_is_refused_or_is_a_value),
        cmocka_unit_test(test_the_golden_file_of_version_1_loads),
        cmocka_unit_test(test_versions_and_hostile_bytes),
        cmocka_unit_test(test_a_file_of_absurd_size_is_refused_unread),
        cmocka_unit_test(test_lists_must_have_their_length_and_kind),
        cmocka_unit_test(test_writing_has_a_bound),
    };

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
