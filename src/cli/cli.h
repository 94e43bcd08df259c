/* The program: one function a command. Each returns the exit status (0, 1, 2). */
#pragma once

#include "base/err.h"
#include "base/opt.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *args; /* positional arguments, for the usage line */
    const char *help; /* one line */
    const struct opt *opts;
    int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_boot, command_disk;

/* Print "ignition: msg" to standard error and return the status. */
int cli_fail(int status, const char *msg);

/* The same for wrong usage, with a pointer to the command's help. */
int cli_usage(const struct command *command, const char *msg);

/* If argv asks for --help, print it and return true. */
bool cli_help(const struct command *command, int argc, char **argv);
