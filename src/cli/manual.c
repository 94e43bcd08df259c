/*
 * The manual page in the macros of man(7), for groff and mandoc.
 *
 * Text is escaped here and nowhere else: the tables hold plain words. Lines stay short and a
 * sentence begins a line, as the formatters ask for.
 */
#include "cli/manual.h"

#include <stdio.h>

#include "base/opt_text.h"

#define LINE_MAX_CHARS 78

/* Characters that roff would take for its own, or print as a typographic relative. */
static const char *manual_escape(char c)
{
    switch (c) {
    case '\\':
        return "\\e";
    case '-':
        return "\\-";
    case '\'':
        return "\\(aq";
    case '"':
        return "\\(dq";
    case '^':
        return "\\(ha";
    case '`':
        return "\\(ga";
    case '~':
        return "\\(ti";
    }
    return NULL;
}

static size_t manual_chars(FILE *out, const char *text, size_t len)
{
    size_t printed = 0;

    for (size_t i = 0; i < len; i++) {
        const char *escape = manual_escape(text[i]);
        if (escape)
            printed += (size_t)fprintf(out, "%s", escape);
        else
            printed += (size_t)(fputc(text[i], out) != EOF);
    }
    return printed;
}

static void manual_escaped(FILE *out, const char *text)
{
    manual_chars(out, text, strlen(text));
}

/* Running text, broken into lines. A newline in it begins a paragraph by the macro given. */
static void manual_text(FILE *out, const char *text, const char *paragraph)
{
    size_t column = 0;

    while (*text) {
        size_t len = strcspn(text, " \n");
        if (column && column + 1 + len > LINE_MAX_CHARS) {
            fputc('\n', out);
            column = 0;
        }
        if (column)
            column += (size_t)(fputc(' ', out) != EOF);
        else if (*text == '.')
            fputs("\\&", out); /* else a macro; a quote is escaped anyway */
        column += manual_chars(out, text, len);
        text += len;
        if (*text == '\n') {
            fprintf(out, "\n%s\n", paragraph);
            column = 0;
        } else if (*text && len && text[-1] == '.') {
            fputc('\n', out);
            column = 0;
        }
        text += *text != '\0';
    }
    if (column)
        fputc('\n', out);
}

/* One line of the tables, which has no full stop, and what is further said about it. */
static void manual_entry(FILE *out, const char *help, const char *facts, const char *more,
                         const char *paragraph)
{
    char line[1024];

    snprintf(line, sizeof(line), *facts ? "%s (%s)." : "%s.", help, facts);
    manual_text(out, line, paragraph);
    if (more)
        manual_text(out, more, paragraph);
}

static void manual_option(FILE *out, const char *name, const char *arg)
{
    fputs(arg ? ".TP\n.BI \\-\\-" : ".TP\n.B \\-\\-", out);
    manual_escaped(out, name);
    if (arg) {
        fputs(" \" ", out);
        manual_escaped(out, arg);
        fputc('"', out);
    }
    fputc('\n', out);
}

static void manual_options(FILE *out, const struct command *command)
{
    for (const struct opt_arg *arg = command->args; arg && arg->name; arg++) {
        char words[OPT_TEXT_WORDS_MAX];

        opt_text_words(arg->words, words, sizeof(words));
        fputs(".TP\n.I ", out);
        manual_escaped(out, arg->name);
        fputc('\n', out);
        manual_entry(out, arg->help, words, arg->more, ".IP");
    }
    for (const struct opt *opt = command->opts; opt->type; opt++) {
        char facts[OPT_TEXT_FACTS_MAX];

        opt_text_facts(opt, facts);
        if (opt->type == OPT_LIST && !*facts)
            snprintf(facts, sizeof(facts), "may be repeated");
        manual_option(out, opt->name, opt->arg);
        manual_entry(out, opt->help, facts, opt->more, ".IP");
    }
    manual_option(out, "help", NULL);
    manual_entry(out, command_help_help, "", NULL, ".IP");
}

/* "ignition boot KERNEL [ROOTFS] [options]", in fonts. */
static void manual_usage(FILE *out, const struct command *command)
{
    fputs("\\fBignition", out);
    if (*command->name) {
        fputc(' ', out);
        manual_escaped(out, command->name);
    }
    fputs("\\fR", out);
    if (command->subs)
        fputs(" \\fICOMMAND\\fR", out);
    for (const struct opt_arg *arg = command->args; arg && arg->name; arg++) {
        fputs(arg->optional ? " [\\fI" : " \\fI", out);
        manual_escaped(out, arg->name);
        fputs(arg->optional ? "\\fR]" : "\\fR", out);
    }
    if (command->subs || command->opts->type)
        fputs(" [\\fIoptions\\fR]", out);
}

static void manual_synopsis(FILE *out, const struct command *group)
{
    for (const struct command *const *sub = group->subs; *sub; sub++) {
        if ((*sub)->subs) {
            manual_synopsis(out, *sub);
            continue;
        }
        manual_usage(out, *sub);
        fputs("\n.br\n", out);
    }
}

static void manual_command(FILE *out, const struct command *command)
{
    fputs(".SS ", out);
    manual_usage(out, command);
    fputc('\n', out);
    manual_entry(out, command->help, "", command->more, ".PP");
    for (const struct command *const *sub = command->subs; sub && *sub; sub++)
        manual_command(out, *sub);
    if (!command->subs)
        manual_options(out, command);
}

static void manual_examples(FILE *out, const struct command *command)
{
    for (const struct command_example *e = command->examples; e && e->line; e++) {
        fputs(".TP\n.B ", out);
        manual_escaped(out, e->line);
        fputc('\n', out);
        manual_entry(out, e->what, "", NULL, ".IP");
    }
    for (const struct command *const *sub = command->subs; sub && *sub; sub++)
        manual_examples(out, *sub);
}

static void manual_row(FILE *out, const char *font, const char *head, const char *text)
{
    fprintf(out, ".TP\n.%s %s\n", font, head);
    manual_text(out, text, ".IP");
}

void manual_print(const struct command *root, const char *version, const char *date, void *file)
{
    FILE *out = file;

    fprintf(out, ".TH IGNITION 1 \"%s\" \"ignition %s\" \"User Commands\"\n", date, version);
    fputs(".SH NAME\nignition \\- run arm64 virtual machines\n.SH SYNOPSIS\n", out);
    manual_synopsis(out, root);
    fputs("\\fBignition \\-\\-version\\fR\n.SH DESCRIPTION\n", out);
    if (root->more)
        manual_text(out, root->more, ".PP");
    fputs(".SH COMMANDS\n", out);
    manual_text(out,
                "An option and its value are two words, or one with = between them. Options "
                "and other arguments may mix; -- ends the options.",
                ".PP");
    for (const struct command *const *sub = root->subs; *sub; sub++)
        manual_command(out, *sub);
    fputs(".SS Without a command\n", out);
    manual_options(out, root);
    fputs(".SH EXIT STATUS\n", out);
    manual_row(out, "B", "0", "Success; of boot: the guest powered off, or was made to quit.");
    manual_row(out, "B", "1", "The guest or the operation failed.");
    manual_row(out, "B", "2", "Wrong usage.");
    fputs(".SH ENVIRONMENT\n", out);
    manual_row(out, "B", "TMPDIR",
               "The folder of temporary files, such as the layer of a disk "
               "with overlay; /tmp if it is not set.");
    fputs(".SH EXAMPLES\n", out);
    manual_examples(out, root);
}
