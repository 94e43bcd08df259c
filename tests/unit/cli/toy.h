/* A program's tables that have everything that is hard to print. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "unit/test.h"

static const struct opt toy_go_opts[] = {
    { .name = "kind",
      .type = OPT_ENUM,
      .def = "a",
      .words = "a|b-c",
      .arg = "WORD",
      .help = "it's [of] a: \\kind" },
    { .name = "file", .type = OPT_LIST, .arg = "F[,ro]", .help = "a file", .files = true },
    { .name = "size", .type = OPT_SIZE, .max = GIB, .arg = "SIZE", .help = "how much" },
    { .name = "fast", .type = OPT_FLAG, .help = "faster", .more = "Much so.\n.TH is no macro." },
    { .type = OPT_END },
};

static const struct opt_arg toy_go_args[] = {
    { .name = "SHELL", .help = "what", .words = "x|y" },
    { .name = "FILE", .help = "where", .files = true, .optional = true },
    { 0 },
};

static const struct command_example toy_examples[] = {
    { "ignition set go \"x\"", "a `quoted` ~word~" },
    { 0 },
};

static const struct command toy_go = {
    .name = "set go",
    .help = "Go",
    .more = "One. Two.\n'Three'.",
    .args = toy_go_args,
    .opts = toy_go_opts,
    .examples = toy_examples,
};

static const struct command *const toy_set_subs[] = { &toy_go, NULL };

static const struct command toy_set = {
    .name = "set", .help = "A set", .opts = command_no_opts, .subs = toy_set_subs
};

static const struct command toy_plain = { .name = "plain",
                                          .help = "Nothing to it",
                                          .opts = command_no_opts };

static const struct command *const toy_subs[] = { &toy_set, &toy_plain, NULL };

static const struct command toy_root = {
    .name = "", .help = "A toy", .more = "A toy.", .opts = command_no_opts, .subs = toy_subs
};

static inline void toy_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}
