/*
 * Completion scripts for shells, made of the tables of commands: commands, options, the words of
 * enumerations, and files where a value is one. Each prints to a FILE; root is the outermost group.
 */
#pragma once

#include "cli/command.h"

void completion_bash(const struct command *root, void *file);
void completion_zsh(const struct command *root, void *file);
void completion_fish(const struct command *root, void *file);
