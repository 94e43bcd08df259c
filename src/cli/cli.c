/* ignition COMMAND [options]: finds the command; --help and --version. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>

#include "base/fd.h"
#include "ignition.h"

static const struct command *const commands[] = { &command_boot, &command_disk };

int cli_fail(int status, const char *msg)
{
    fprintf(stderr, "ignition: %s\n", msg);
    return status;
}

int cli_usage(const struct command *command, const char *msg)
{
    fprintf(stderr, "ignition: %s (see ignition %s --help)\n", msg, command->name);
    return EXIT_USAGE;
}

bool cli_help(const struct command *command, int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
            continue;
        printf("Usage: ignition %s %s [options]\n%s.\n\n", command->name, command->args,
               command->help);
        opt_help(command->opts, stdout);
        return true;
    }
    return false;
}

static void cli_overview(FILE *out)
{
    fprintf(out, "ignition %s: arm64 microVMs\n\nUsage: ignition COMMAND [options]\n\n",
            ign_version());
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->help);
    fprintf(out, "\nignition COMMAND --help tells the options of a command.\n");
}

int main(int argc, char **argv)
{
    char text[160];

    if (fd_fill_standard() < 0)
        return EXIT_FAILED;   /* and no place to say why */
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the write, not of the process */
    if (argc < 2) {
        cli_overview(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        cli_overview(stdout);
        return EXIT_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("ignition %s\n", ign_version());
        return EXIT_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(argv[1], commands[i]->name))
            return cli_help(commands[i], argc - 2, argv + 2)
                       ? EXIT_OK
                       : commands[i]->run(commands[i], argc - 2, argv + 2);
    snprintf(text, sizeof(text), "%.80s: no such command (see ignition --help)", argv[1]);
    return cli_fail(EXIT_USAGE, text);
}
