/* The list of engines: which there are, and which of them a host has. */
#include "hv/hv.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "hv/hv_engines.h"
#include "unit/test.h"

static void test_every_engine_is_probed_in_the_order_of_auto(void **state)
{
    static const char *const names[] = { "hvf", "kvm", "soft" };
    const struct hv_ops *automatic = NULL;
    const char *first = NULL;
    struct hv_probe probe;
    unsigned built_in = 0, have = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        assert_true(hv_probe(i, &probe));
        assert_string_equal(probe.name, names[i]);
        assert_true(probe.works || *probe.why.msg);
        assert_true(probe.built_in || !probe.works);
        built_in += probe.built_in;
        if (probe.works && !first)
            first = probe.name;
    }
    probe.name = "untouched";
    assert_false(hv_probe(ARRAY_LEN(names), &probe));
    assert_string_equal(probe.name, "untouched");
    while (hv_engines[have])
        have++;
    assert_int_equal(built_in, have); /* none is forgotten here */
    assert_int_equal(hv_find("auto", &automatic, NULL), 0);
    assert_string_equal(automatic->name, first);
}

static void test_soft_works_everywhere(void **state)
{
    struct hv_probe probe;

    (void)state;
    assert_true(hv_probe(2, &probe));
    assert_true(probe.built_in && probe.works);
    assert_int_equal(probe.why.code, 0);
}

static void test_an_engine_of_other_hosts_says_which(void **state)
{
    const struct hv_ops *ops = NULL;
    struct hv_probe probe;

    (void)state;
    for (unsigned i = 0; hv_probe(i, &probe); i++) {
        if (probe.built_in)
            continue;
        assert_int_equal(probe.why.code, ENOTSUP);
        assert_non_null(strstr(probe.why.msg, "not part of this build; it is for "));
        assert_int_equal(hv_find(probe.name, &ops, NULL), -ENOTSUP);
    }
    assert_null(ops);
}

struct said {
    unsigned lines;
    char text[1024];
};

static void keep_line(void *ctx, enum log_level level, const char *area, const char *text)
{
    struct said *said = ctx;

    assert_int_equal(level, LOG_DEBUG);
    assert_string_equal(area, "accel");
    said->lines++;
    snprintf(said->text, sizeof(said->text), "%s", text);
}

static void test_auto_says_in_one_line_what_it_took_and_why(void **state)
{
    const struct hv_ops *ops = NULL;
    struct said said = { 0 };
    struct hv_probe probe;
    char want[1024];
    size_t at;

    (void)state;
    log_set_sink(keep_line, &said);
    assert_int_equal(hv_find("auto", &ops, NULL), 0);
    assert_int_equal(said.lines, 0); /* only those who asked for it hear it */
    log_set_level(LOG_DEBUG);
    assert_int_equal(hv_find("soft", &ops, NULL), 0);
    assert_int_equal(said.lines, 0);
    assert_int_equal(hv_find("auto", &ops, NULL), 0);
    log_set_level(LOG_GUEST);
    log_set_sink(NULL, NULL);
    assert_int_equal(said.lines, 1);
    at = (size_t)snprintf(want, sizeof(want), "auto takes %s", ops->name);
    for (unsigned i = 0; hv_probe(i, &probe) && !probe.works; i++)
        at += (size_t)snprintf(want + at, sizeof(want) - at, "; not %s: %s", probe.name,
                               probe.why.msg);
    assert_string_equal(said.text, want);
    assert_null(strchr(said.text, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_engine_is_probed_in_the_order_of_auto),
        cmocka_unit_test(test_soft_works_everywhere),
        cmocka_unit_test(test_auto_says_in_one_line_what_it_took_and_why),
        cmocka_unit_test(test_an_engine_of_other_hosts_says_which),
    };

    return cmocka_run_group_tests_name("hv", tests, NULL, NULL);
}
