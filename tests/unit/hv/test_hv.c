/* The list of engines: which there are, and which of them a host has. */
#include "hv/hv.h"

#include <errno.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_engine_is_probed_in_the_order_of_auto),
        cmocka_unit_test(test_soft_works_everywhere),
        cmocka_unit_test(test_an_engine_of_other_hosts_says_which),
    };

    return cmocka_run_group_tests_name("hv", tests, NULL, NULL);
}
