/* The program: one function a command. Each returns the exit status (0, 1, 2). */
#pragma once

#include "base/err.h"
#include "base/opt.h"
#include "cli/command.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

extern const struct command command_boot, command_completion, command_disk, command_doctor,
    command_manual;

/* The program: the group of all commands. */
extern const struct command command_root;

/* Print "ignition: msg" to standard error and return the status. */
int cli_fail(int status, const char *msg);

/* The same for wrong usage, with a pointer to the command's help. */
int cli_usage(const struct command *command, const char *msg);

/* Options and positional arguments by the command's tables: opts is filled in; ret_args has a place
 * for every row of command->args, NULL for an optional one that was not given (and is NULL for a
 * command without). Returns EXIT_OK, or EXIT_USAGE when it has said what is wrong. */
MUST_CHECK int cli_parse(const struct command *command, void *opts, int argc, char **argv,
                         const char **ret_args);
