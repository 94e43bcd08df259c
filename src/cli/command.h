/*
 * A command of the program, or a group of commands: what dispatch, --help, the manual page and
 * completion are made of. The program itself is the outermost group.
 */
#pragma once

#include "base/opt.h"

struct command_example {
    const char *line; /* as it is typed */
    const char *what; /* one line, no full stop */
};

struct command {
    const char *name; /* as it is typed behind the program's: "disk info"; "" is the program */
    const char *help; /* one line, no full stop */
    const char *more; /* paragraphs for the manual page, split by newlines; NULL: none */
    const struct opt_arg *args;        /* NULL: none */
    const struct opt *opts;            /* besides --help, which every command has */
    const struct command *const *subs; /* of a group, ended by NULL; it has no args and no run */
    const struct command_example *examples; /* ended by a row without a line; NULL: none */
    int (*run)(const struct command *command, int argc, char **argv);
};

/* A table of no options. */
extern const struct opt command_no_opts[];

/* What the help says of --help. */
extern const char command_help_help[];

/* The last word of the name: "info" of "disk info". */
const char *command_verb(const struct command *command);

/* "ignition boot KERNEL [ROOTFS] [options]", to a FILE, with no newline. */
void command_print_usage(const struct command *command, void *file);

/* Usage, help and tables, for --help, to a FILE. */
void command_print_help(const struct command *command, void *file);

/* "info, commit or check": the commands of a group. */
void command_join_subs(const struct command *group, char *buf, size_t len);

/* Call fn for a command, and for all commands below it, in the order of the tables. */
void command_each(const struct command *command,
                  void (*fn)(const struct command *command, void *ctx), void *ctx);
