/* Commands in words: their usage lines and their help. */
#include "cli/command.h"

#include <stdio.h>

#define HELP_COLUMN "  %-24s  %s\n"

const struct opt command_no_opts[] = { { .type = OPT_END } };

const char command_help_help[] = "tell how it is used, and end";

const char *command_verb(const struct command *command)
{
    const char *space = strrchr(command->name, ' ');

    return space ? space + 1 : command->name;
}

void command_print_usage(const struct command *command, void *file)
{
    fprintf(file, "ignition%s%s", *command->name ? " " : "", command->name);
    if (command->subs)
        fprintf(file, " COMMAND");
    for (const struct opt_arg *arg = command->args; arg && arg->name; arg++)
        fprintf(file, arg->optional ? " [%s]" : " %s", arg->name);
    if (command->subs || command->opts->type)
        fprintf(file, " [options]");
}

void command_print_help(const struct command *command, void *file)
{
    fprintf(file, "Usage: ");
    command_print_usage(command, file);
    fprintf(file, "\n%s.\n\n", command->help);
    for (const struct command *const *sub = command->subs; sub && *sub; sub++)
        fprintf(file, HELP_COLUMN, command_verb(*sub), (*sub)->help);
    opt_help_args(command->args, file);
    if (command->args || command->subs)
        fputc('\n', file);
    opt_help(command->opts, file);
    fprintf(file, HELP_COLUMN, "--help", command_help_help);
    if (command->subs)
        fprintf(file, "\nignition%s%s COMMAND --help tells the options of a command.\n",
                *command->name ? " " : "", command->name);
}

void command_join_subs(const struct command *group, char *buf, size_t len)
{
    size_t at = 0;

    buf[0] = '\0';
    for (const struct command *const *sub = group->subs; *sub && at < len; sub++) {
        const char *sep = sub == group->subs ? "" : sub[1] ? ", " : " or ";
        at += (size_t)snprintf(buf + at, len - at, "%s%s", sep, command_verb(*sub));
    }
}

void command_each(const struct command *command,
                  void (*fn)(const struct command *command, void *ctx), void *ctx)
{
    fn(command, ctx);
    for (const struct command *const *sub = command->subs; sub && *sub; sub++)
        command_each(*sub, fn, ctx);
}
