/* Command-line options: the parser and the range checks of an option table. */
#include "base/opt.h"

#include <assert.h>
#include <errno.h>

#include "base/opt_text.h"

/* Longer values are cut in messages, so that the way out is never lost. */
#define OPT_SHOWN "%.80s"

#define OPT_NAME_MAX 32 /* bytes; longer words are never a misspelt name */
#define OPT_ROWS_MAX 64 /* options of one command */

/* Decimal digits only. Returns the end, or NULL when there is no number; *ret_big: it is too big.
 */
static const char *opt_digits(const char *text, uint64_t *ret_val, bool *ret_big)
{
    const char *p = text;

    *ret_val = 0;
    *ret_big = false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(*ret_val, 10, ret_val) ||
            __builtin_add_overflow(*ret_val, (uint64_t)(*p - '0'), ret_val))
            *ret_big = true;
    return p == text ? NULL : p;
}

/* Returns 0, -EINVAL for what is no number, -ERANGE for one that is too big. */
static int opt_number(const char *text, uint64_t *ret_val)
{
    bool big;
    const char *end = opt_digits(text, ret_val, &big);

    if (!end || *end)
        return -EINVAL;
    return big ? -ERANGE : 0;
}

static int opt_size(const char *text, uint64_t *ret_bytes)
{
    static const char suffixes[] = "KMGTkmgt";
    const char *suffix;
    uint64_t bytes;
    bool big;
    const char *end = opt_digits(text, &bytes, &big);

    if (!end)
        return -EINVAL;
    if (*end) {
        suffix = strchr(suffixes, *end);
        if (!suffix || end[1])
            return -EINVAL;
        big |= __builtin_mul_overflow(bytes, BIT(10 * ((suffix - suffixes) % 4 + 1)), &bytes);
    }
    *ret_bytes = bytes;
    return big ? -ERANGE : 0;
}

int opt_parse_size(const char *text, uint64_t *ret_bytes)
{
    uint64_t bytes;

    if (opt_size(text, &bytes) < 0)
        return -EINVAL;
    *ret_bytes = bytes;
    return 0;
}

static int opt_set_number(const struct opt *opt, void *field, const char *text, struct err *err)
{
    bool is_size = opt->type == OPT_SIZE;
    char range[OPT_TEXT_RANGE_MAX];
    uint64_t val;
    int rc = is_size ? opt_size(text, &val) : opt_number(text, &val);

    opt_text_range(opt, range);
    if (rc == -EINVAL && is_size)
        return err_set(err, EINVAL,
                       "--%s " OPT_SHOWN ": not a size; give bytes with K, M or G, such as 512M",
                       opt->name, text);
    if (rc == -EINVAL)
        return err_set(err, EINVAL, "--%s " OPT_SHOWN ": not a number; give %s", opt->name, text,
                       range);
    if (rc == -ERANGE || val < opt->min || val > opt_text_max(opt))
        return err_set(err, EINVAL, "--%s " OPT_SHOWN ": out of range; give %s", opt->name, text,
                       range);
    if (opt->type == OPT_U32) {
        uint32_t narrow = (uint32_t)val;
        memcpy(field, &narrow, sizeof(narrow));
    } else {
        memcpy(field, &val, sizeof(val));
    }
    return 0;
}

/* Is it one of the words of an "a|b|c" list? */
static bool opt_is_word(const char *words, const char *text)
{
    size_t n;

    for (const char *p = opt_text_word(words, &n); p; p = opt_text_word(p + n, &n))
        if (strlen(text) == n && !memcmp(p, text, n))
            return true;
    return false;
}

static int opt_set_enum(const struct opt *opt, void *field, const char *text, struct err *err)
{
    char words[OPT_TEXT_WORDS_MAX];

    if (opt_is_word(opt->words, text)) {
        memcpy(field, &text, sizeof(text));
        return 0;
    }
    opt_text_words(opt->words, words, sizeof(words));
    return err_set(err, EINVAL, "--%s " OPT_SHOWN ": give %s", opt->name, text, words);
}

/* Store a value; text is NULL for a flag that is given. */
static int opt_set(const struct opt *opt, void *target, const char *text, struct err *err)
{
    void *field = (char *)target + opt->where;
    struct opt_list *list;

    switch (opt->type) {
    case OPT_FLAG:
        *(bool *)field = true;
        return 0;
    case OPT_U32:
    case OPT_U64:
    case OPT_SIZE:
        return opt_set_number(opt, field, text, err);
    case OPT_STR:
        memcpy(field, &text, sizeof(text));
        return 0;
    case OPT_ENUM:
        return opt_set_enum(opt, field, text, err);
    case OPT_LIST:
        list = field;
        if (list->count == OPT_LIST_MAX)
            return err_set(err, EINVAL, "--%s: given more than %d times", opt->name, OPT_LIST_MAX);
        list->items[list->count++] = text;
        return 0;
    case OPT_END:
        break;
    }
    assert(!"a row of no known type");
    return -EINVAL;
}

static void opt_clear(const struct opt *opt, void *target)
{
    static const size_t sizes[] = {
        [OPT_FLAG] = sizeof(bool),
        [OPT_U32] = sizeof(uint32_t),
        [OPT_U64] = sizeof(uint64_t),
        [OPT_SIZE] = sizeof(uint64_t),
        [OPT_STR] = sizeof(const char *),
        [OPT_ENUM] = sizeof(const char *),
        [OPT_LIST] = sizeof(struct opt_list),
    };
    int rc;

    memset((char *)target + opt->where, 0, sizes[opt->type]);
    if (!opt->def)
        return;
    assert(opt->type != OPT_FLAG);
    rc = opt_set(opt, target, opt->def, NULL);
    assert(rc == 0); /* the table's own default is within the table's own range */
    (void)rc;
}

/* Edits (insert, drop, replace, swap neighbours) that turn a into b; both at most OPT_NAME_MAX. */
static unsigned opt_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[3][OPT_NAME_MAX + 1];
    unsigned *before = row[0], *above = row[1], *now = row[2];

    for (size_t j = 0; j <= b_len; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *spare = before;
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        before = above;
        above = now;
        now = spare;
    }
    return above[b_len];
}

static int opt_unknown(const struct opt *opts, const char *word, size_t len, struct err *err)
{
    const struct opt *near = NULL;
    unsigned least = 3; /* more edits than two are another word */
    const char *name = word + strspn(word, "-");
    size_t name_len = len > (size_t)(name - word) ? len - (size_t)(name - word) : 0;

    for (const struct opt *opt = opts; opt->type && name_len && name_len <= OPT_NAME_MAX; opt++) {
        unsigned edits = opt_distance(name, name_len, opt->name, strlen(opt->name));
        if (name_len >= 3 && !strncmp(name, opt->name, name_len))
            edits = 2; /* a name cut short */
        if (edits < least && edits < name_len) {
            least = edits;
            near = opt;
        }
    }
    if (near)
        return err_set(err, EINVAL, "%.*s: unknown option; did you mean --%s?",
                       (int)(len < 80 ? len : 80), word, near->name);
    return err_set(err, EINVAL, "%.*s: unknown option; --help lists them",
                   (int)(len < 80 ? len : 80), word);
}

static const struct opt *opt_find(const struct opt *opts, const char *name, size_t len)
{
    for (; opts->type; opts++) {
        assert(strlen(opts->name) <= OPT_NAME_MAX);
        if (strlen(opts->name) == len && !memcmp(opts->name, name, len))
            return opts;
    }
    return NULL;
}

/* "-v"; the letters are for flags alone. */
static const struct opt *opt_find_letter(const struct opt *opts, const char *word)
{
    for (; opts->type; opts++) {
        assert(!opts->letter || opts->type == OPT_FLAG);
        if (opts->letter && word[1] == opts->letter && !word[2])
            return opts;
    }
    return NULL;
}

/* One option at argv[*at]; moves *at over a value in a word of its own. */
static int opt_one(const struct opt *opts, void *target, int argc, char **argv, int *at,
                   bool seen[OPT_ROWS_MAX], struct err *err)
{
    const char *word = argv[*at], *value = NULL;
    size_t len = strcspn(word, "=");
    const struct opt *opt = strncmp(word, "--", 2) != 0 ? opt_find_letter(opts, word)
                            : len > 2                   ? opt_find(opts, word + 2, len - 2)
                                                        : NULL;

    if (!opt)
        return opt_unknown(opts, word, len, err);
    if (opt->type != OPT_LIST && seen[opt - opts])
        return err_set(err, EINVAL, "--%s: given more than once", opt->name);
    seen[opt - opts] = true;
    if (word[len])
        value = word + len + 1;
    if (opt->type == OPT_FLAG && value)
        return err_set(err, EINVAL, "--%s: takes no value", opt->name);
    if (opt->type != OPT_FLAG && !value) {
        if (*at + 1 == argc)
            return err_set(err, EINVAL, "--%s: needs a value: --%s %s", opt->name, opt->name,
                           opt->arg ? opt->arg : "VALUE");
        value = argv[++*at];
    }
    return opt_set(opt, target, value, err);
}

int opt_parse(const struct opt *opts, void *target, int argc, char **argv, const char **ret_args,
              unsigned max_args, unsigned *ret_nargs, struct err *err)
{
    bool only_args = false, seen[OPT_ROWS_MAX] = { 0 };
    unsigned nargs = 0;

    for (const struct opt *opt = opts; opt->type; opt++) {
        assert(opt - opts < OPT_ROWS_MAX);
        opt_clear(opt, target);
    }
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!only_args && !strcmp(word, "--")) {
            only_args = true;
        } else if (!only_args && word[0] == '-' && word[1]) { /* "-" alone is an argument */
            int rc = opt_one(opts, target, argc, argv, &i, seen, err);
            if (rc < 0)
                return rc;
        } else if (nargs == max_args) {
            return err_set(err, EINVAL, OPT_SHOWN ": one argument too many; at most %u", word,
                           max_args);
        } else {
            ret_args[nargs++] = word;
        }
    }
    *ret_nargs = nargs;
    return 0;
}

unsigned opt_count_args(const struct opt_arg *args)
{
    unsigned count = 0;

    while (args && args[count].name)
        count++;
    return count;
}

int opt_check_args(const struct opt_arg *args, const char *const *given, unsigned count,
                   struct err *err)
{
    char words[OPT_TEXT_WORDS_MAX];

    for (unsigned i = 0; i < opt_count_args(args); i++) {
        const struct opt_arg *arg = &args[i];
        if (i >= count && arg->optional)
            return 0;
        if (arg->words)
            opt_text_words(arg->words, words, sizeof(words));
        if (i >= count)
            return err_set(err, EINVAL, "no %s; give %s", arg->name,
                           arg->words ? words : arg->help);
        if (arg->words && !opt_is_word(arg->words, given[i]))
            return err_set(err, EINVAL, OPT_SHOWN ": give %s", given[i], words);
    }
    return 0;
}
