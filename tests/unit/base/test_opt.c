/* Options: what parses, and for what does not, the exact words. */
#include "base/opt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/test.h"

struct target {
    uint64_t mem, count;
    uint32_t smp;
    bool verbose, track_dirty;
    const char *append, *accel;
    struct opt_list disks;
};

#define O(f) offsetof(struct target, f)
static const struct opt opts[] = {
    /* name, type, where, default, min, max, arg, help, words, more, files, letter */
    { "mem", OPT_SIZE, O(mem), "512M", 64 * MIB, 1024 * GIB, "SIZE", "guest RAM", NULL, NULL, false,
      0 },
    { "smp", OPT_U32, O(smp), "1", 1, 64, "N", "number of vCPUs", NULL, NULL, false, 0 },
    { "count", OPT_U64, O(count), NULL, 0, 0, "N", "how often", NULL, NULL, false, 0 },
    { "append", OPT_STR, O(append), NULL, 0, 0, "STR", "more kernel command line", NULL, NULL,
      false, 0 },
    { "accel", OPT_ENUM, O(accel), "auto", 0, 0, "ENGINE", "engine", "auto|hvf|kvm|soft", NULL,
      false, 0 },
    { "disk", OPT_LIST, O(disks), NULL, 0, 0, "F", "raw disk image", NULL, NULL, false, 0 },
    { "verbose", OPT_FLAG, O(verbose), NULL, 0, 0, NULL, "say more", NULL, NULL, false, 'v' },
    { "track-dirty", OPT_FLAG, O(track_dirty), NULL, 0, 0, NULL, "record dirty pages", NULL, NULL,
      false, 0 },
    { 0 },
};
#undef O

#define ARGS_MAX 2
#define WORDS    40

struct parsed {
    struct target target;
    const char *args[ARGS_MAX];
    unsigned nargs;
    struct err err;
    int rc;
};

/* Parse a NULL-terminated list of words. */
static struct parsed parse(const char *const *words)
{
    struct parsed parsed;
    char *argv[WORDS];
    int argc = 0;

    memset(&parsed, 0xff, sizeof(parsed)); /* nothing may rely on a zeroed target */
    parsed.err = (struct err){ 0 };
    for (; words[argc]; argc++) {
        assert_true(argc < WORDS);
        argv[argc] = (char *)(uintptr_t)words[argc];
    }
    parsed.rc = opt_parse(opts, &parsed.target, argc, argv, parsed.args, ARGS_MAX, &parsed.nargs,
                          &parsed.err);
    return parsed;
}
#define PARSE(...) parse((const char *const[]){ __VA_ARGS__, NULL })

static void test_defaults(void **state)
{
    struct parsed p = parse((const char *const[]){ NULL });

    (void)state;
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.nargs, 0);
    assert_int_equal(p.target.mem, 512 * MIB);
    assert_int_equal(p.target.smp, 1);
    assert_int_equal(p.target.count, 0);
    assert_null(p.target.append);
    assert_string_equal(p.target.accel, "auto");
    assert_int_equal(p.target.disks.count, 0);
    assert_false(p.target.verbose || p.target.track_dirty);
}

static void test_values_in_both_forms(void **state)
{
    struct parsed p =
        PARSE("--mem=1G", "kernel", "--smp", "8", "--append=console=ttyS0 quiet", "--track-dirty",
              "--accel", "soft", "rootfs", "--count", "18446744073709551615");

    (void)state;
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.target.mem, GIB);
    assert_int_equal(p.target.smp, 8);
    assert_int_equal(p.target.count, UINT64_MAX);
    assert_string_equal(p.target.append, "console=ttyS0 quiet");
    assert_string_equal(p.target.accel, "soft");
    assert_true(p.target.track_dirty);
    assert_false(p.target.verbose);
    assert_int_equal(p.nargs, 2);
    assert_string_equal(p.args[0], "kernel");
    assert_string_equal(p.args[1], "rootfs");
}

static void test_lists_collect(void **state)
{
    struct parsed p = PARSE("--disk", "a,ro", "--disk=b", "--disk", "--odd");

    (void)state;
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.target.disks.count, 3);
    assert_string_equal(p.target.disks.items[0], "a,ro");
    assert_string_equal(p.target.disks.items[1], "b");
    assert_string_equal(p.target.disks.items[2], "--odd"); /* a value may look like an option */
}

static void test_a_letter_is_the_short_form_of_its_flag(void **state)
{
    struct parsed p = PARSE("kernel", "-v", "rootfs");

    (void)state;
    assert_int_equal(p.rc, 0);
    assert_true(p.target.verbose);
    assert_false(p.target.track_dirty);
    assert_int_equal(p.nargs, 2);
    p = PARSE("--", "-v");
    assert_int_equal(p.rc, 0);
    assert_false(p.target.verbose);
    assert_string_equal(p.args[0], "-v");
}

static void test_two_dashes_end_options(void **state)
{
    struct parsed p = PARSE("-", "--", "--mem");

    (void)state;
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.nargs, 2);
    assert_string_equal(p.args[0], "-");
    assert_string_equal(p.args[1], "--mem");
}

static void test_values_that_look_like_options_do_not_count_as_given(void **state)
{
    struct parsed p = PARSE("--append", "--smp", "--smp", "2");

    (void)state;
    assert_int_equal(p.rc, 0);
    assert_string_equal(p.target.append, "--smp");
    assert_int_equal(p.target.smp, 2);
}

static void test_wrong_inputs_have_their_sentence(void **state)
{
    static const struct {
        const char *words[4], *msg;
    } rows[] = {
        { { "--mem", "12x" }, "--mem 12x: not a size; give bytes with K, M or G, such as 512M" },
        { { "--mem=" }, "--mem : not a size; give bytes with K, M or G, such as 512M" },
        { { "--mem", "M" }, "--mem M: not a size; give bytes with K, M or G, such as 512M" },
        { { "--mem", "-1" }, "--mem -1: not a size; give bytes with K, M or G, such as 512M" },
        { { "--mem", "1.5G" }, "--mem 1.5G: not a size; give bytes with K, M or G, such as 512M" },
        { { "--mem", "512MB" },
          "--mem 512MB: not a size; give bytes with K, M or G, such as 512M" },
        { { "--mem", " 512M" },
          "--mem  512M: not a size; give bytes with K, M or G, such as 512M" },
        { { "--mem", "0" }, "--mem 0: out of range; give 64M to 1T" },
        { { "--mem", "63M" }, "--mem 63M: out of range; give 64M to 1T" },
        { { "--mem", "2T" }, "--mem 2T: out of range; give 64M to 1T" },
        { { "--mem", "16777216T" }, "--mem 16777216T: out of range; give 64M to 1T" },
        { { "--mem", "18446744073709551616" },
          "--mem 18446744073709551616: out of range; give 64M to 1T" },
        { { "--smp", "0" }, "--smp 0: out of range; give 1 to 64" },
        { { "--smp", "65" }, "--smp 65: out of range; give 1 to 64" },
        { { "--smp", "4294967297" }, "--smp 4294967297: out of range; give 1 to 64" },
        { { "--smp", "2K" }, "--smp 2K: not a number; give 1 to 64" },
        { { "--smp", "two" }, "--smp two: not a number; give 1 to 64" },
        { { "--smp", "+2" }, "--smp +2: not a number; give 1 to 64" },
        { { "--smp", "0x2" }, "--smp 0x2: not a number; give 1 to 64" },
        { { "--smp" }, "--smp: needs a value: --smp N" },
        { { "--append" }, "--append: needs a value: --append STR" },
        { { "--smp", "1", "--smp=2" }, "--smp: given more than once" },
        { { "--verbose", "--verbose" }, "--verbose: given more than once" },
        { { "--count", "18446744073709551616" },
          "--count 18446744073709551616: out of range; give 0 to 18446744073709551615" },
        { { "--count", "40000000000000000000" }, /* wraps in 64 bits */
          "--count 40000000000000000000: out of range; give 0 to 18446744073709551615" },
        { { "--accel", "vmx" }, "--accel vmx: give auto, hvf, kvm or soft" },
        { { "--accel", "sof" }, "--accel sof: give auto, hvf, kvm or soft" },
        { { "--accel", "kvm|soft" }, "--accel kvm|soft: give auto, hvf, kvm or soft" },
        { { "--accel=" }, "--accel : give auto, hvf, kvm or soft" },
        { { "-v", "--verbose" }, "--verbose: given more than once" },
        { { "-vv" }, "-vv: unknown option; --help lists them" },
        { { "-t" }, "-t: unknown option; --help lists them" },
        { { "-v=1" }, "-v: unknown option; --help lists them" },
        { { "--verbose=yes" }, "--verbose: takes no value" },
        { { "--meme", "1G" }, "--meme: unknown option; did you mean --mem?" },
        { { "--mme=1G" }, "--mme: unknown option; did you mean --mem?" },
        { { "--smp2" }, "--smp2: unknown option; did you mean --smp?" },
        { { "-smp", "2" }, "-smp: unknown option; did you mean --smp?" },
        { { "--trackdirty" }, "--trackdirty: unknown option; did you mean --track-dirty?" },
        { { "--track" }, "--track: unknown option; did you mean --track-dirty?" },
        { { "--dsik", "f" }, "--dsik: unknown option; did you mean --disk?" },
        { { "--nonsense" }, "--nonsense: unknown option; --help lists them" },
        { { "-m", "1" }, "-m: unknown option; --help lists them" },
        { { "--=1" }, "--: unknown option; --help lists them" },
        { { "---" }, "---: unknown option; --help lists them" },
        { { "a", "b", "c" }, "c: one argument too many; at most 2" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct parsed p = parse(rows[i].words);
        if (p.rc != -EINVAL || strcmp(p.err.msg, rows[i].msg) != 0)
            fail_msg("%s %s: rc=%d \"%s\", not \"%s\"", rows[i].words[0],
                     rows[i].words[1] ? rows[i].words[1] : "", p.rc, p.err.msg, rows[i].msg);
    }
}

static void test_a_huge_word_leaves_room_for_the_way_out(void **state)
{
    char word[4096], option[4096];
    struct parsed p;

    (void)state;
    memset(word, '7', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    memcpy(option, word, sizeof(option));
    option[0] = option[1] = '-';
    p = PARSE("--mem", word);
    assert_int_equal(p.rc, -EINVAL);
    assert_non_null(strstr(p.err.msg, "give 64M to 1T"));
    p = PARSE("--accel", word);
    assert_non_null(strstr(p.err.msg, "give auto, hvf, kvm or soft"));
    p = PARSE(option);
    assert_non_null(strstr(p.err.msg, "--help lists them"));
    p = PARSE("a", "b", word);
    assert_non_null(strstr(p.err.msg, "at most 2"));
}

static void test_too_many_of_a_list(void **state)
{
    const char *words[WORDS] = { 0 };
    struct parsed p;

    (void)state;
    for (int i = 0; i < OPT_LIST_MAX; i++)
        words[i] = "--disk=f";
    p = parse(words);
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.target.disks.count, OPT_LIST_MAX);
    words[OPT_LIST_MAX] = "--disk=f";
    p = parse(words);
    assert_err(p.rc, EINVAL, p.err, "--disk: given more than 32 times");
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        { "0", 0 },
        { "4096", 4096 },
        { "1K", KIB },
        { "512M", 512 * MIB },
        { "2G", 2 * GIB },
        { "1T", 1024 * GIB },
        { "512m", 512 * MIB },
        { "007k", 7 * KIB },
        { "16777215T", UINT64_C(16777215) << 40 },
        { "18446744073709551615", UINT64_MAX },
    };
    static const char *const bad[] = {
        "", "K", "1KK", "1P", "0x10", "1 K", "1e3", "+1", "1,5", "16777216T", "18446744073709551616"
    };
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(opt_parse_size(good[i].text, &bytes), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
    bytes = 77;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(opt_parse_size(bad[i], &bytes), -EINVAL);
        assert_int_equal(bytes, 77);
    }
}

static void test_help_shows_ranges_and_defaults(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    opt_help(opts, out);
    fclose(out);
    assert_string_equal(
        text, "  --mem SIZE                guest RAM (64M to 1T; default 512M)\n"
              "  --smp N                   number of vCPUs (1 to 64; default 1)\n"
              "  --count N                 how often\n"
              "  --append STR              more kernel command line\n"
              "  --accel ENGINE            engine (auto, hvf, kvm or soft; default auto)\n"
              "  --disk F                  raw disk image; may be repeated\n"
              "  --verbose                 say more\n"
              "  --track-dirty             record dirty pages\n");
    free(text);
}

static const struct opt_arg three[] = {
    { .name = "SHELL", .help = "the shell", .words = "bash|zsh|fish" },
    { .name = "FILE", .help = "the path of a file", .files = true },
    { .name = "MORE", .help = "one more", .optional = true },
    { 0 },
};

static void test_positional_arguments(void **state)
{
    static const struct {
        const char *given[3], *msg; /* NULL: they are right */
    } rows[] = {
        { { "zsh", "f" }, NULL },
        { { "fish", "f", "m" }, NULL },
        { { "bash", "" }, NULL },
        { { NULL }, "no SHELL; give bash, zsh or fish" },
        { { "bash" }, "no FILE; give the path of a file" },
        { { "tcsh", "f" }, "tcsh: give bash, zsh or fish" },
        { { "bas", "f" }, "bas: give bash, zsh or fish" },
        { { "bash|zsh", "f" }, "bash|zsh: give bash, zsh or fish" },
        { { "", "f" }, ": give bash, zsh or fish" },
    };
    struct err err;

    (void)state;
    assert_int_equal(opt_count_args(three), 3);
    assert_int_equal(opt_count_args(NULL), 0);
    assert_int_equal(opt_check_args(NULL, NULL, 0, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned count = 0;
        while (count < 3 && rows[i].given[count])
            count++;
        err = (struct err){ 0 };
        int rc = opt_check_args(three, rows[i].given, count, &err);
        if (rows[i].msg)
            assert_err(rc, EINVAL, err, rows[i].msg);
        else
            assert_int_equal(rc, 0);
    }
}

static void test_help_of_positional_arguments(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    opt_help_args(three, out);
    opt_help_args(NULL, out);
    fclose(out);
    assert_string_equal(text, "  SHELL                     the shell (bash, zsh or fish)\n"
                              "  FILE                      the path of a file\n"
                              "  MORE                      one more\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values_in_both_forms),
        cmocka_unit_test(test_lists_collect),
        cmocka_unit_test(test_a_letter_is_the_short_form_of_its_flag),
        cmocka_unit_test(test_two_dashes_end_options),
        cmocka_unit_test(test_values_that_look_like_options_do_not_count_as_given),
        cmocka_unit_test(test_wrong_inputs_have_their_sentence),
        cmocka_unit_test(test_a_huge_word_leaves_room_for_the_way_out),
        cmocka_unit_test(test_too_many_of_a_list),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_help_shows_ranges_and_defaults),
        cmocka_unit_test(test_positional_arguments),
        cmocka_unit_test(test_help_of_positional_arguments),
    };

    return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
