/* An option table in words: ranges, enumerations, and the help text. */
#include "base/opt_text.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t opt_text_max(const struct opt *opt)
{
    if (opt->max)
        return opt->max;
    return opt->type == OPT_U32 ? UINT32_MAX : UINT64_MAX;
}

/* A number in the option's own unit: sizes with the largest suffix that divides them. */
static void opt_text_number(const struct opt *opt, uint64_t val, char *buf, size_t len)
{
    static const char *const units[] = { "", "K", "M", "G", "T" };
    unsigned unit = 0;

    if (opt->type == OPT_SIZE)
        while (unit < 4 && val && val % KIB == 0) {
            val /= KIB;
            unit++;
        }
    snprintf(buf, len, "%" PRIu64 "%s", val, units[unit]);
}

void opt_text_range(const struct opt *opt, char buf[OPT_TEXT_RANGE_MAX])
{
    char low[24], high[24];

    opt_text_number(opt, opt->min, low, sizeof(low));
    opt_text_number(opt, opt_text_max(opt), high, sizeof(high));
    snprintf(buf, OPT_TEXT_RANGE_MAX, "%s to %s", low, high);
}

const char *opt_text_word(const char *words, size_t *ret_len)
{
    if (words && *words == '|')
        words++;
    if (!words || !*words)
        return NULL;
    *ret_len = strcspn(words, "|");
    return words;
}

void opt_text_words(const char *words, char *buf, size_t len)
{
    size_t at = 0, n;

    buf[0] = '\0';
    for (const char *p = opt_text_word(words, &n); p && at < len; p = opt_text_word(p + n, &n)) {
        const char *sep = p == words ? "" : p[n] ? ", " : " or ";
        at += (size_t)snprintf(buf + at, len - at, "%s%.*s", sep, (int)n, p);
    }
}

void opt_text_facts(const struct opt *opt, char buf[OPT_TEXT_FACTS_MAX])
{
    char range[OPT_TEXT_RANGE_MAX] = "", words[OPT_TEXT_WORDS_MAX] = "";
    bool has_def = opt->def && opt->def[0];

    if (opt->min || opt->max)
        opt_text_range(opt, range);
    if (opt->type == OPT_ENUM)
        opt_text_words(opt->words, words, sizeof(words));
    snprintf(buf, OPT_TEXT_FACTS_MAX, "%s%s%s%s%s", range, words,
             (range[0] || words[0]) && has_def ? "; " : "", has_def ? "default " : "",
             has_def ? opt->def : "");
}

static void opt_text_line(FILE *out, const char *head, const char *help, const char *facts,
                          const char *tail)
{
    fprintf(out, "  %-24s  %s%s%s%s%s\n", head, help, *facts ? " (" : "", facts, *facts ? ")" : "",
            tail);
}

void opt_help(const struct opt *opts, void *file)
{
    for (const struct opt *opt = opts; opt->type; opt++) {
        char head[64], facts[OPT_TEXT_FACTS_MAX];

        snprintf(head, sizeof(head), "--%s%s%s", opt->name, opt->arg ? " " : "",
                 opt->arg ? opt->arg : "");
        opt_text_facts(opt, facts);
        opt_text_line(file, head, opt->help, facts,
                      opt->type == OPT_LIST ? "; may be repeated" : "");
    }
}

void opt_help_args(const struct opt_arg *args, void *file)
{
    for (const struct opt_arg *arg = args; arg && arg->name; arg++) {
        char words[OPT_TEXT_WORDS_MAX] = "";

        opt_text_words(arg->words, words, sizeof(words));
        opt_text_line(file, arg->name, arg->help, words, "");
    }
}
