/* Completion for fish: one line for each command, option and argument. */
#include "cli/completion.h"

#include <stdio.h>

#include "base/opt_text.h"

static const char fish_head[] =
    "# Completion of ignition for fish: install it as ignition.fish in a folder of\n"
    "# $fish_complete_path. Made by: ignition completion fish\n"
    "\n"
    "# Do the words before the cursor begin with this command?\n"
    "function __ignition_in\n"
    "    set -l words (commandline -opc)[2..-1]\n"
    "    test (count $words) -ge (count $argv); or return 1\n"
    "    for i in (seq (count $argv))\n"
    "        test \"$words[$i]\" = \"$argv[$i]\"; or return 1\n"
    "    end\n"
    "end\n"
    "\n"
    "# Are they this command and nothing more?\n"
    "function __ignition_just\n"
    "    set -l words (commandline -opc)[2..-1]\n"
    "    test (count $words) -eq (count $argv); and __ignition_in $argv\n"
    "end\n"
    "\n"
    "complete -c ignition -f\n";

static void fish_text(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void fish_line(FILE *out, const char *test, const struct command *command)
{
    fprintf(out, "complete -c ignition -n '__ignition_%s%s%s'", test, *command->name ? " " : "",
            command->name);
}

static void fish_description(FILE *out, const char *text)
{
    fputs(" -d '", out);
    fish_text(out, text);
    fputs("'\n", out);
}

static void fish_words(FILE *out, const char *words)
{
    size_t n;

    fputs(" -a '", out);
    for (const char *p = opt_text_word(words, &n); p; p = opt_text_word(p + n, &n))
        fprintf(out, "%s%.*s", p == words ? "" : " ", (int)n, p);
    fputc('\'', out);
}

static void fish_option(FILE *out, const struct command *command, const struct opt *opt)
{
    fish_line(out, command->subs ? "just" : "in", command);
    fprintf(out, " -l %s", opt->name);
    if (opt->type != OPT_FLAG)
        fputs(opt->files ? " -r -F" : " -x", out);
    if (opt->words)
        fish_words(out, opt->words);
    fish_description(out, opt->help);
}

static void fish_command(const struct command *command, void *out)
{
    static const struct opt help = { .name = "help", .type = OPT_FLAG, .help = command_help_help };

    fputc('\n', out);
    for (const struct command *const *sub = command->subs; sub && *sub; sub++) {
        fish_line(out, "just", command);
        fprintf(out, " -a %s", command_verb(*sub));
        fish_description(out, (*sub)->help);
    }
    for (const struct opt_arg *arg = command->args; arg && arg->name; arg++) {
        if (!arg->words && !arg->files)
            continue;
        fish_line(out, "in", command);
        if (arg->words)
            fish_words(out, arg->words);
        else
            fputs(" -F", out);
        fish_description(out, arg->help);
    }
    for (const struct opt *opt = command->opts; opt->type; opt++)
        fish_option(out, command, opt);
    fish_option(out, command, &help);
}

void completion_fish(const struct command *root, void *file)
{
    fputs(fish_head, file);
    command_each(root, fish_command, file);
}
