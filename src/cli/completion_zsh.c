/* Completion for zsh: one function a command, which hands the tables to zsh's _arguments. */
#include "cli/completion.h"

#include <stdio.h>

#include "base/opt_text.h"

static const char zsh_head[] = "#compdef ignition\n"
                               "# Completion of ignition for zsh: install it as _ignition in a "
                               "folder of $fpath. Made by:\n"
                               "# ignition completion zsh\n";

static const char zsh_tail[] = "\n"
                               "if [[ $funcstack[1] == _ignition ]]; then\n"
                               "    _ignition \"$@\"\n"
                               "else\n"
                               "    compdef _ignition ignition\n"
                               "fi\n";

/* In single quotes; a backslash before what _arguments or _describe take for their own. */
static void zsh_text(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (*text == '\\' || strchr(special, *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

/* "_ignition_disk_info" */
static void zsh_name(FILE *out, const struct command *command)
{
    fputs("_ignition", out);
    if (*command->name)
        fputc('_', out);
    for (const char *p = command->name; *p; p++)
        fputc(*p == ' ' ? '_' : *p, out);
}

/* ":SHELL:(bash zsh fish)", ":FILE:_files", ":N: " */
static void zsh_value(FILE *out, const char *name, const char *words, bool files)
{
    size_t n;

    fputc(':', out);
    zsh_text(out, name, ":");
    if (!words) {
        fputs(files ? ":_files" : ": ", out);
        return;
    }
    fputs(":(", out);
    for (const char *p = opt_text_word(words, &n); p; p = opt_text_word(p + n, &n))
        fprintf(out, "%s%.*s", p == words ? "" : " ", (int)n, p);
    fputc(')', out);
}

static void zsh_option(FILE *out, const struct opt *opt)
{
    fprintf(out, " \\\n        '%s--%s%s[", opt->type == OPT_LIST ? "*" : "", opt->name,
            opt->type == OPT_FLAG ? "" : "=");
    zsh_text(out, opt->help, "[]:");
    fputc(']', out);
    if (opt->type != OPT_FLAG)
        zsh_value(out, opt->arg ? opt->arg : "VALUE", opt->words, opt->files);
    fputc('\'', out);
}

/* The command's own options and arguments. */
static void zsh_arguments(FILE *out, const struct command *command)
{
    fprintf(out, "    _arguments%s", command->subs ? " -C" : "");
    for (const struct opt *opt = command->opts; opt->type; opt++)
        zsh_option(out, opt);
    fputs(" \\\n        '(- : *)--help[", out);
    zsh_text(out, command_help_help, "[]:");
    fputs("]'", out);
    for (unsigned i = 0; i < opt_count_args(command->args); i++) {
        const struct opt_arg *arg = &command->args[i];
        fprintf(out, " \\\n        '%u%s", i + 1, arg->optional ? ":" : "");
        zsh_value(out, arg->name, arg->words, arg->files);
        fputc('\'', out);
    }
    if (command->subs)
        fputs(" \\\n        '1: :->command' \\\n        '*:: :->arguments' && return", out);
    fputc('\n', out);
}

/* Which command it is, and on to its function. */
static void zsh_group(FILE *out, const struct command *group)
{
    fputs("    case $state in\n    command)\n        commands=(", out);
    for (const struct command *const *sub = group->subs; *sub; sub++) {
        fprintf(out, "\n            '%s:", command_verb(*sub));
        zsh_text(out, (*sub)->help, "");
        fputc('\'', out);
    }
    fputs("\n        )\n        _describe -t commands command commands\n        ;;\n"
          "    arguments)\n        case $words[1] in\n",
          out);
    for (const struct command *const *sub = group->subs; *sub; sub++) {
        fprintf(out, "        %s) ", command_verb(*sub));
        zsh_name(out, *sub);
        fputs(" ;;\n", out);
    }
    fputs("        esac\n        ;;\n    esac\n", out);
}

static void zsh_function(const struct command *command, void *out)
{
    fputc('\n', out);
    zsh_name(out, command);
    fputs("()\n{\n", out);
    if (command->subs)
        fputs("    local context state state_descr line commands\n    typeset -A opt_args\n", out);
    zsh_arguments(out, command);
    if (command->subs)
        zsh_group(out, command);
    fputs("}\n", out);
}

void completion_zsh(const struct command *root, void *file)
{
    fputs(zsh_head, file);
    command_each(root, zsh_function, file);
    fputs(zsh_tail, file);
}
