/* ignition manual: the manual page on standard output. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/manual.h"
#include "ignition.h"

/* The page's date, which is the day it is made: or, as reproducible builds want it, the one that
 * $SOURCE_DATE_EPOCH gives in seconds. */
static int manual_date(char *buf, size_t len, struct err *err)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    time_t now = time(NULL);
    char *end = NULL;
    struct tm tm;

    if (epoch) {
        errno = 0;
        now = (time_t)strtoll(epoch, &end, 10);
        if (errno || end == epoch || *end)
            return err_set(err, EINVAL, "SOURCE_DATE_EPOCH %.80s: not a number of seconds", epoch);
    }
    if (!gmtime_r(&now, &tm) || !strftime(buf, len, "%Y-%m-%d", &tm))
        return err_set(err, EINVAL, "SOURCE_DATE_EPOCH %.80s: out of range", epoch ? epoch : "");
    return 0;
}

static int manual_run(const struct command *command, int argc, char **argv)
{
    struct err err;
    char date[32];

    if (cli_parse(command, NULL, argc, argv, NULL) != EXIT_OK)
        return EXIT_USAGE;
    if (manual_date(date, sizeof(date), &err) < 0)
        return cli_fail(EXIT_FAILED, err.msg);
    manual_print(&command_root, ign_version(), date, stdout);
    return EXIT_OK;
}

static const struct command_example manual_examples[] = {
    { "ignition manual | man -l -", "read this page where it is not installed" },
    { 0 },
};

const struct command command_manual = {
    .name = "manual",
    .help = "Print this program's manual page, in the macros of man",
    .opts = command_no_opts,
    .examples = manual_examples,
    .run = manual_run,
};
