/* The manual page, made of the tables of commands. */
#pragma once

#include "cli/command.h"

/* Print ignition(1) to a FILE, in the macros of man(7). root: the outermost group; version as
 * "0.1.0"; date as "2026-01-31". */
void manual_print(const struct command *root, const char *version, const char *date, void *file);
