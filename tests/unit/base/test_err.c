/* Error chains: codes, words, context and lengths. */
#include "base/err.h"

#include <errno.h>

#include "unit/test.h"

static void test_set_records_code_and_words(void **state)
{
    struct err err = { 0 };

    (void)state;
    assert_int_equal(err_set(&err, EINVAL, "drive %d: bad", 3), -EINVAL);
    assert_int_equal(err.code, EINVAL);
    assert_string_equal(err.msg, "drive 3: bad");
}

static void test_errno_adds_the_system_text(void **state)
{
    struct err err = { 0 };

    (void)state;
    errno = ENOENT;
    assert_int_equal(err_errno(&err, "open %s", "mem.bin"), -ENOENT);
    assert_string_equal(err.msg, "open mem.bin: No such file or directory");
}

static void test_errno_of_zero_is_still_an_error(void **state)
{
    struct err err = { 0 };

    (void)state;
    errno = 0;
    assert_int_equal(err_errno(&err, "read"), -EIO);
    assert_int_equal(err.code, EIO);
}

static void test_wrap_puts_context_in_front(void **state)
{
    struct err err = { 0 };
    int rc;

    (void)state;
    errno = ENOENT;
    rc = err_errno(&err, "open mem.bin");
    rc = err_wrap(&err, rc, "layer %d", 3);
    rc = err_wrap(&err, rc, "restore %s", "web");
    assert_err(rc, ENOENT, err, "restore web: layer 3: open mem.bin: No such file or directory");
}

static void test_without_an_err_only_the_code_survives(void **state)
{
    (void)state;
    errno = EACCES;
    assert_int_equal(err_set(NULL, EBUSY, "x"), -EBUSY);
    assert_int_equal(err_errno(NULL, "x"), -EACCES);
    assert_int_equal(err_wrap(NULL, -EBUSY, "x"), -EBUSY);
}

static void test_long_chains_lose_their_tail_not_their_end(void **state)
{
    struct err err = { 0 };
    char word[2 * ERR_MAX];

    (void)state;
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    err_set(&err, EINVAL, "%s", word);
    assert_int_equal(strlen(err.msg), ERR_MAX - 1);
    for (int i = 0; i < 4; i++) {
        err_wrap(&err, -EINVAL, "outer");
        assert_true(strlen(err.msg) < ERR_MAX);
        assert_memory_equal(err.msg, "outer: ", 7);
    }
    errno = ENOENT;
    err_errno(&err, "open %s", word);
    /* The cause stands at the end: long words must not push it out. */
    assert_non_null(strstr(err.msg, "No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_records_code_and_words),
        cmocka_unit_test(test_errno_adds_the_system_text),
        cmocka_unit_test(test_errno_of_zero_is_still_an_error),
        cmocka_unit_test(test_wrap_puts_context_in_front),
        cmocka_unit_test(test_without_an_err_only_the_code_survives),
        cmocka_unit_test(test_long_chains_lose_their_tail_not_their_end),
    };

    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
