/* ignition disk info|commit|check FILE: what a disk file is, and what can be done with a layer. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/cli_json.h"
#include "ignition.h"

struct disk_opts {
    const char *base;
    bool json;
};

#define O(m) offsetof(struct disk_opts, m)
static const struct opt info_opts[] = {
    { .name = "json", .type = OPT_FLAG, .where = O(json), .help = "print one JSON object" },
    { .type = OPT_END },
};

static const struct opt base_opts[] = {
    { .name = "base",
      .type = OPT_STR,
      .where = O(base),
      .arg = "FILE",
      .help = "the image that the layer is over, if not the one it names",
      .files = true },
    { .type = OPT_END },
};
#undef O

static const struct opt_arg info_args[] = {
    { .name = "FILE", .help = "the path of a raw image or of a layer", .files = true },
    { 0 },
};

static const struct opt_arg layer_args[] = {
    { .name = "LAYER", .help = "the path of a layer file", .files = true },
    { 0 },
};

static json_t *disk_json(const char *file, const struct ign_disk_info *info)
{
    json_t *object =
        json_pack("{s:o, s:s, s:o, s:o}", "file", cli_json_string(file), "kind",
                  info->layer ? "layer" : "raw", "image_bytes", cli_json_uint(info->image_bytes),
                  "used_bytes", cli_json_uint(info->used_bytes));

    if (!object || !info->layer)
        return object;
    if (json_object_set_new(object, "cluster_bytes", cli_json_uint(info->cluster_bytes)) < 0 ||
        json_object_set_new(object, "clusters", cli_json_uint(info->clusters)) < 0 ||
        json_object_set_new(object, "here", cli_json_uint(info->here)) < 0 ||
        json_object_set_new(object, "zero", cli_json_uint(info->zero)) < 0 ||
        json_object_set_new(object, "committing", json_boolean(info->committing)) < 0 ||
        json_object_set_new(object, "base", cli_json_string(info->base)) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void disk_print_base(const char *base)
{
    printf("  base       ");
    for (; *base; base++)
        putchar(text_printable(*base));
    putchar('\n');
}

static void disk_print(const char *file, const struct ign_disk_info *info)
{
    printf("%s: %s\n  image      %llu bytes\n  on disk    %llu bytes\n", file,
           info->layer ? "copy-on-write layer" : "raw image", (unsigned long long)info->image_bytes,
           (unsigned long long)info->used_bytes);
    if (!info->layer)
        return;
    disk_print_base(*info->base ? info->base : "(not recorded)");
    printf("  clusters   %llu of %llu bytes: %llu here, %llu zero, the rest from the base\n",
           (unsigned long long)info->clusters, (unsigned long long)info->cluster_bytes,
           (unsigned long long)info->here, (unsigned long long)info->zero);
    if (info->committing)
        printf("  a commit was interrupted: commit it again\n");
}

static int info_run(const struct command *command, int argc, char **argv)
{
    struct disk_opts opts = { 0 };
    struct ign_disk_info info;
    struct ign_error fault;
    const char *args[1];

    if (cli_parse(command, &opts, argc, argv, args) != EXIT_OK)
        return EXIT_USAGE;
    if (ign_disk_info(args[0], &info, &fault) < 0)
        return cli_fail(EXIT_FAILED, fault.message);
    if (!opts.json)
        disk_print(args[0], &info);
    else if (cli_json_print(disk_json(args[0], &info), stdout) < 0)
        return cli_fail(EXIT_FAILED, "out of memory");
    return EXIT_OK;
}

/* Commit and check have the same arguments, and differ in what is done. */
static int disk_run(const struct command *command, int argc, char **argv,
                    int (*work)(const char *path, const char *base, struct ign_error *err),
                    const char *done)
{
    struct disk_opts opts = { 0 };
    struct ign_error fault;
    const char *args[1];

    if (cli_parse(command, &opts, argc, argv, args) != EXIT_OK)
        return EXIT_USAGE;
    if (work(args[0], opts.base, &fault) < 0)
        return cli_fail(EXIT_FAILED, fault.message);
    printf("%s: %s\n", args[0], done);
    return EXIT_OK;
}

static int commit_run(const struct command *command, int argc, char **argv)
{
    return disk_run(command, argc, argv, ign_disk_commit, "committed; the layer is empty");
}

static int check_run(const struct command *command, int argc, char **argv)
{
    return disk_run(command, argc, argv, ign_disk_check, "ok");
}

static const struct command disk_info = {
    .name = "disk info",
    .help = "Show what a disk file is",
    .more = "Of a layer it tells the image below, and how many clusters the layer holds itself.",
    .args = info_args,
    .opts = info_opts,
    .run = info_run,
};

static const struct command disk_commit = {
    .name = "disk commit",
    .help = "Write what a layer holds into its base, and leave the layer empty",
    .more = "No machine may use either. A commit that was interrupted is taken up again by another "
            "one; the base must then be named.",
    .args = layer_args,
    .opts = base_opts,
    .run = commit_run,
};

static const struct command disk_check = {
    .name = "disk check",
    .help = "Read all of a layer, and check it and its base",
    .args = layer_args,
    .opts = base_opts,
    .run = check_run,
};

static const struct command *const disk_commands[] = { &disk_info, &disk_commit, &disk_check,
                                                       NULL };

static const struct command_example disk_examples[] = {
    { "ignition disk info web.layer", "what it is, its base, and how much it holds" },
    { "ignition disk commit web.layer", "keep what the guest wrote, in the image itself" },
    { 0 },
};

const struct command command_disk = {
    .name = "disk",
    .help = "Look at disk files, and handle copy-on-write layers",
    .opts = command_no_opts,
    .subs = disk_commands,
    .examples = disk_examples,
};
