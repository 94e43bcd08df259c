/* Completion scripts and help of tables that are hard to quote. */
#include "cli/completion.h"

#include "unit/cli/toy.h"

static char *print_with(void (*print)(const struct command *root, void *file))
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    print(&toy_root, out);
    fclose(out);
    return text;
}

static void check(void (*print)(const struct command *root, void *file), const char *const *parts)
{
    char *text = print_with(print);

    for (; *parts; parts++)
        toy_contains(text, *parts);
    free(text);
}

static void test_bash(void **state)
{
    static const char *const parts[] = {
        "'1 set') command='set' ;;",
        "'1set go') command='set go' ;;",
        "'1 plain') command='plain' ;;",
        "'set go --kind') option=$word ;;",
        "'set go --kind') _ignition_add -W 'a b-c' ;;",
        "'set go --file') _ignition_files ;;",
        "'set go --size') option=$word ;;",
        "'set go') _ignition_add -W '--kind --file --size --fast --help' ;;",
        "'plain') _ignition_add -W '--help' ;;",
        "' 0') _ignition_add -W 'set plain' ;;",
        "'set 0') _ignition_add -W 'go' ;;",
        "'set go 0') _ignition_add -W 'x y' ;;",
        "'set go 1') _ignition_files ;;",
        NULL,
    };
    char *text = print_with(completion_bash);

    (void)state;
    check(completion_bash, parts);
    assert_null(strstr(text, "--fast') option")); /* a flag has no value */
    free(text);
}

static void test_zsh(void **state)
{
    static const char *const parts[] = {
        "'--kind=[it'\\''s \\[of\\] a\\: \\\\kind]:WORD:(a b-c)'",
        "'*--file=[a file]:F[,ro]:_files'",
        "'--size=[how much]:SIZE: '",
        "'--fast[faster]'",
        "'1:SHELL:(x y)'",
        "'2::FILE:_files'",
        "'go:Go'",
        "go) _ignition_set_go ;;",
        "_ignition_set_go()\n",
        NULL,
    };

    (void)state;
    check(completion_zsh, parts);
}

static void test_fish(void **state)
{
    static const char *const parts[] = {
        "-n '__ignition_just' -a plain -d 'Nothing to it'\n",
        "-n '__ignition_just set' -a go -d 'Go'\n",
        "-n '__ignition_in set go' -l kind -x -a 'a b-c' -d 'it\\'s [of] a: \\\\kind'\n",
        "-n '__ignition_in set go' -l file -r -F -d 'a file'\n",
        "-n '__ignition_in set go' -l size -x -d 'how much'\n",
        "-n '__ignition_in set go' -l fast -d 'faster'\n",
        "-n '__ignition_in set go' -a 'x y' -d 'what'\n",
        "-n '__ignition_in set go' -F -d 'where'\n",
        "-n '__ignition_in plain' -l help -d",
        NULL,
    };

    (void)state;
    check(completion_fish, parts);
}

static void help_of_the_set(const struct command *root, void *file)
{
    command_print_help(root->subs[0], file);
    command_print_help(root->subs[0]->subs[0], file);
}

static void test_help(void **state)
{
    static const char *const parts[] = {
        "Usage: ignition set COMMAND [options]\nA set.\n\n",
        "  go                        Go\n",
        "\nignition set COMMAND --help tells the options of a command.\n",
        "Usage: ignition set go SHELL [FILE] [options]\nGo.\n\n",
        "  SHELL                     what (x or y)\n",
        "  --kind WORD               it's [of] a: \\kind (a or b-c; default a)\n",
        "  --help  ",
        NULL,
    };
    char subs[64];

    (void)state;
    check(help_of_the_set, parts);
    assert_string_equal(command_verb(&toy_go), "go");
    assert_string_equal(command_verb(&toy_plain), "plain");
    command_join_subs(&toy_root, subs, sizeof(subs));
    assert_string_equal(subs, "set or plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bash),
        cmocka_unit_test(test_zsh),
        cmocka_unit_test(test_fish),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests_name("completion", tests, NULL, NULL);
}
