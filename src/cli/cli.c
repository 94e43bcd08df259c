/* ignition COMMAND [options]: finds the command; --help and --version. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/fd.h"
#include "ignition.h"

static const struct command *const commands[] = { &command_boot,       &command_disk,
                                                  &command_doctor,     &command_manual,
                                                  &command_completion, NULL };

static const struct opt root_opts[] = {
    { .name = "version", .type = OPT_FLAG, .help = "print the version, and end" },
    { .type = OPT_END },
};

const struct command command_root = {
    .name = "",
    .help = "Run arm64 virtual machines",
    .more = "A microVM: it boots an unmodified arm64 Linux distribution kernel to a shell, on KVM "
            "where the host is arm64, and on a software CPU of its own everywhere else.",
    .opts = root_opts,
    .subs = commands,
};

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

int cli_parse(const struct command *command, void *opts, int argc, char **argv,
              const char **ret_args)
{
    unsigned max = opt_count_args(command->args), count;
    struct err err;
    int rc = opt_parse(command->opts, opts, argc, argv, ret_args, max, &count, &err);

    if (rc < 0)
        return cli_usage(command, err.msg);
    rc = opt_check_args(command->args, ret_args, count, &err);
    if (rc < 0) {
        err_wrap(&err, rc, "%s", command->name);
        return cli_usage(command, err.msg);
    }
    while (count < max)
        ret_args[count++] = NULL;
    return EXIT_OK;
}

static bool cli_is_help(const char *word)
{
    return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int cli_run(const struct command *command, int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (cli_is_help(argv[i])) {
            command_print_help(command, stdout);
            return EXIT_OK;
        }
    }
    return command->run(command, argc, argv);
}

/* The first word is not a command of the group, or there is none. */
static int cli_no_command(const struct command *group, const char *word)
{
    char subs[160];
    struct err err;

    if (!*group->name) {
        err_set(&err, EINVAL, "%.80s: no such command (see ignition --help)", word);
        return cli_fail(EXIT_USAGE, err.msg);
    }
    command_join_subs(group, subs, sizeof(subs));
    if (word)
        err_set(&err, EINVAL, "%s %.80s: no such command; give %s", group->name, word, subs);
    else
        err_set(&err, EINVAL, "%s: give %s", group->name, subs);
    return cli_usage(group, err.msg);
}

static int cli_dispatch(const struct command *group, int argc, char **argv)
{
    if (argc < 1)
        return cli_no_command(group, NULL);
    if (cli_is_help(argv[0])) {
        command_print_help(group, stdout);
        return EXIT_OK;
    }
    for (const struct command *const *sub = group->subs; *sub; sub++) {
        if (strcmp(argv[0], command_verb(*sub)) != 0)
            continue;
        return (*sub)->subs ? cli_dispatch(*sub, argc - 1, argv + 1)
                            : cli_run(*sub, argc - 1, argv + 1);
    }
    return cli_no_command(group, argv[0]);
}

/* What a command has printed must have arrived. A reader that has gone away knows that itself. */
static int cli_finish(int status)
{
    struct err err;

    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno != EPIPE) {
        err_errno(&err, "write to standard output");
        cli_fail(EXIT_FAILED, err.msg);
    }
    return status == EXIT_OK ? EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
    if (fd_fill_standard() < 0)
        return EXIT_FAILED;   /* and no place to say why */
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the write, not of the process */
    if (argc < 2) {
        command_print_help(&command_root, stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("ignition %s\n", ign_version());
        return cli_finish(EXIT_OK);
    }
    if (!strcmp(argv[1], "help")) {
        command_print_help(&command_root, stdout);
        return cli_finish(EXIT_OK);
    }
    return cli_finish(cli_dispatch(&command_root, argc - 1, argv + 1));
}
