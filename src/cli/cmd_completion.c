/* ignition completion bash|zsh|fish: a completion script on standard output. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/completion.h"

static int completion_run(const struct command *command, int argc, char **argv)
{
    const char *args[1];

    if (cli_parse(command, NULL, argc, argv, args) != EXIT_OK)
        return EXIT_USAGE;
    if (!strcmp(args[0], "bash"))
        completion_bash(&command_root, stdout);
    else if (!strcmp(args[0], "zsh"))
        completion_zsh(&command_root, stdout);
    else
        completion_fish(&command_root, stdout);
    return EXIT_OK;
}

static const struct opt_arg completion_args[] = {
    { .name = "SHELL", .help = "the shell", .words = "bash|zsh|fish" },
    { 0 },
};

static const struct command_example completion_examples[] = {
    { "source <(ignition completion bash)", "completion in this shell, where it is not installed" },
    { 0 },
};

const struct command command_completion = {
    .name = "completion",
    .help = "Print a script by which a shell completes this program's arguments",
    .more = "make install puts the scripts where the shells look for them.",
    .args = completion_args,
    .opts = command_no_opts,
    .examples = completion_examples,
    .run = completion_run,
};
