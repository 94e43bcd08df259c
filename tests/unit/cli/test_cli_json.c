/* JSON answers: any bytes become a string, counts are whole, a lost object is an error. */
#include "cli/cli_json.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/test.h"

#define BAD "\xef\xbf\xbd"

static void test_strings_of_any_bytes(void **state)
{
    static const struct {
        const char *bytes, *text;
    } rows[] = {
        { "", "" },
        { "plain \"x\" \\ \n\x01", "plain \"x\" \\ \n\x01" },
        { "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
          "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "a\xff"
          "b",
          "a" BAD "b" },                                            /* in no sequence */
        { "\xc3", BAD },                                            /* cut off at the end */
        { "\xe2\x82", BAD BAD },                                    /* the same */
        { "\xf0\x9f\x98", BAD BAD BAD },                            /* the same */
        { "\x80x", BAD "x" },                                       /* a tail alone */
        { "\xc0\xaf", BAD BAD },                                    /* overlong */
        { "\xe0\x80\xaf", BAD BAD BAD },                            /* overlong */
        { "\xf0\x80\x80\xaf", BAD BAD BAD BAD },                    /* overlong */
        { "\xed\xa0\x80", BAD BAD BAD },                            /* half of a surrogate pair */
        { "\xf4\x90\x80\x80", BAD BAD BAD BAD },                    /* above U+10FFFF */
        { "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },                 /* the last character */
        { "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" }, /* beside the surrogates */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *string = cli_json_string(rows[i].bytes);
        assert_non_null(string);
        assert_string_equal(json_string_value(string), rows[i].text);
        json_decref(string);
    }
}

static void test_counts(void **state)
{
    static const struct {
        unsigned long long val;
        json_int_t number;
    } rows[] = {
        { 0, 0 },
        { UINT64_C(1) << 40, INT64_C(1) << 40 },
        { LLONG_MAX, LLONG_MAX },
        { ULLONG_MAX, LLONG_MAX },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *number = cli_json_uint(rows[i].val);
        assert_int_equal(json_integer_value(number), rows[i].number);
        json_decref(number);
    }
}

static void test_print(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    assert_int_equal(cli_json_print(json_pack("{s:i, s:s}", "b", 1, "a", "x"), out), 0);
    assert_int_equal(cli_json_print(NULL, out), -ENOMEM);
    fclose(out);
    assert_string_equal(text, "{\"b\": 1, \"a\": \"x\"}\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings_of_any_bytes),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_print),
    };

    return cmocka_run_group_tests_name("cli_json", tests, NULL, NULL);
}
