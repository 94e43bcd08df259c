/* The manual page of tables that are hard to print. */
#include "cli/manual.h"

#include "unit/cli/toy.h"

static char *print_page(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    manual_print(&toy_root, "1.2.3", "2026-01-31", out);
    fclose(out);
    return text;
}

static void test_everything_is_on_the_page(void **state)
{
    static const char *const parts[] = {
        ".TH IGNITION 1 \"2026-01-31\" \"ignition 1.2.3\" \"User Commands\"\n",
        "\\fBignition set go\\fR \\fISHELL\\fR [\\fIFILE\\fR] [\\fIoptions\\fR]\n.br\n",
        "\\fBignition plain\\fR\n.br\n",
        "\n.SS \\fBignition set go\\fR \\fISHELL\\fR [\\fIFILE\\fR] [\\fIoptions\\fR]\nGo.\n",
        "\nGo.\nOne.\nTwo.\n.PP\n\\(aqThree\\(aq.\n",
        ".TP\n.I SHELL\nwhat (x or y).\n",
        ".TP\n.I FILE\nwhere.\n",
        ".TP\n.BI \\-\\-kind \" WORD\"\nit\\(aqs [of] a: \\ekind (a or b\\-c; default a).\n",
        ".TP\n.BI \\-\\-file \" F[,ro]\"\na file (may be repeated).\n",
        ".TP\n.BI \\-\\-size \" SIZE\"\nhow much (0 to 1G).\n",
        ".TP\n.B \\-\\-fast\nfaster.\nMuch so.\n.IP\n\\&.TH is no macro.\n",
        ".TP\n.B ignition set go \\(dqx\\(dq\na \\(gaquoted\\(ga \\(tiword\\(ti.\n",
    };
    char *page = print_page();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        toy_contains(page, parts[i]);
    free(page);
}

/* Formatters complain of blank ones, of blanks at the end, and of what is too long to edit. */
static void test_lines_are_as_formatters_want_them(void **state)
{
    char *page = print_page();
    unsigned help = 0;

    (void)state;
    for (char *line = page; *line;) {
        size_t len = strcspn(line, "\n");
        assert_in_range(len, 1, 120);
        assert_int_not_equal(line[len - 1], ' ');
        help += len == strlen(".B \\-\\-help") && !strncmp(line, ".B \\-\\-help", len);
        assert_int_equal(line[len], '\n'); /* the last, too */
        line += len + 1;
    }
    assert_int_equal(help, 3); /* go, plain, and the program's own */
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_on_the_page),
        cmocka_unit_test(test_lines_are_as_formatters_want_them),
    };

    return cmocka_run_group_tests_name("manual", tests, NULL, NULL);
}
