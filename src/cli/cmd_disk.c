/* ignition disk info|commit|check FILE: what a disk file is, and what can be done with a layer. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "ignition.h"

struct disk_opts {
    const char *base;
    bool json;
};

#define O(m) offsetof(struct disk_opts, m)
static const struct opt disk_opts[] = {
    { .name = "base",
      .type = OPT_STR,
      .where = O(base),
      .arg = "FILE",
      .help = "commit, check: the image that the layer is over, if not the one it names" },
    { .name = "json", .type = OPT_FLAG, .where = O(json), .help = "info: print one JSON object" },
    { .type = OPT_END },
};
#undef O

static void disk_json_string(const char *text)
{
    putchar('"');
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at < 0x20 || *at == '"' || *at == '\\')
            printf("\\u%04x", *at);
        else
            putchar(*at);
    }
    putchar('"');
}

static void disk_print_json(const char *file, const struct ign_disk_info *info)
{
    printf("{\"file\": ");
    disk_json_string(file);
    printf(", \"kind\": \"%s\", \"image_bytes\": %llu, \"used_bytes\": %llu",
           info->layer ? "layer" : "raw", (unsigned long long)info->image_bytes,
           (unsigned long long)info->used_bytes);
    if (info->layer) {
        printf(", \"cluster_bytes\": %llu, \"clusters\": %llu, \"here\": %llu, \"zero\": %llu, "
               "\"committing\": %s, \"base\": ",
               (unsigned long long)info->cluster_bytes, (unsigned long long)info->clusters,
               (unsigned long long)info->here, (unsigned long long)info->zero,
               info->committing ? "true" : "false");
        disk_json_string(info->base);
    }
    printf("}\n");
}

static void disk_print(const char *file, const struct ign_disk_info *info)
{
    printf("%s: %s\n  image      %llu bytes\n  on disk    %llu bytes\n", file,
           info->layer ? "copy-on-write layer" : "raw image", (unsigned long long)info->image_bytes,
           (unsigned long long)info->used_bytes);
    if (!info->layer)
        return;
    printf("  base       %s\n", *info->base ? info->base : "(not recorded)");
    printf("  clusters   %llu of %llu bytes: %llu here, %llu zero, the rest from the base\n",
           (unsigned long long)info->clusters, (unsigned long long)info->cluster_bytes,
           (unsigned long long)info->here, (unsigned long long)info->zero);
    if (info->committing)
        printf("  a commit was interrupted: commit it again\n");
}

static int disk_do_info(const struct disk_opts *opts, const char *file, struct ign_error *err)
{
    struct ign_disk_info info;
    int rc = ign_disk_info(file, &info, err);

    if (rc < 0)
        return rc;
    if (opts->json)
        disk_print_json(file, &info);
    else
        disk_print(file, &info);
    return 0;
}

static int disk_do_commit(const struct disk_opts *opts, const char *file, struct ign_error *err)
{
    int rc = ign_disk_commit(file, opts->base, err);

    if (rc == 0)
        printf("%s: committed; the layer is empty\n", file);
    return rc;
}

static int disk_do_check(const struct disk_opts *opts, const char *file, struct ign_error *err)
{
    int rc = ign_disk_check(file, opts->base, err);

    if (rc == 0)
        printf("%s: ok\n", file);
    return rc;
}

static const struct {
    const char *name;
    int (*run)(const struct disk_opts *opts, const char *file, struct ign_error *err);
} disk_verbs[] = {
    { "info", disk_do_info },
    { "commit", disk_do_commit },
    { "check", disk_do_check },
};

static int disk_run(const struct command *command, int argc, char **argv)
{
    struct disk_opts opts = { 0 };
    struct ign_error fault;
    const char *args[2];
    unsigned nargs;
    struct err err;

    if (opt_parse(command->opts, &opts, argc, argv, args, ARRAY_LEN(args), &nargs, &err) < 0)
        return cli_usage(command, err.msg);
    if (nargs < 2)
        return cli_usage(command, "disk: give info, commit or check, and a file");
    for (size_t i = 0; i < ARRAY_LEN(disk_verbs); i++) {
        if (strcmp(args[0], disk_verbs[i].name) != 0)
            continue;
        if (disk_verbs[i].run(&opts, args[1], &fault) < 0)
            return cli_fail(EXIT_FAILED, fault.message);
        return EXIT_OK;
    }
    err_set(&err, 1, "disk: %.80s is none of info, commit, check", args[0]);
    return cli_usage(command, err.msg);
}

const struct command command_disk = {
    .name = "disk",
    .args = "info|commit|check FILE",
    .help = "Show what a disk file is, write a layer into its base, or check a layer",
    .opts = disk_opts,
    .run = disk_run,
};
