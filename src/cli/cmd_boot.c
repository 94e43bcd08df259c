/* ignition boot KERNEL [ROOTFS]: open what the machine needs, then hand over to monitor and VMM. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/cmd_boot_opts.h"
#include "ignition.h"
#include "monitor/monitor.h"

struct boot {
    struct ign_options options;
    bool stats;
    bool made[IGN_DRIVES_MAX]; /* the layer of drive n was not there before */
};

/* What the user can do about a file that does not open. */
static const char *boot_way_out(int code, int flags)
{
    bool writing = (flags & O_ACCMODE) != O_RDONLY;

    if (code == EACCES || code == EROFS)
        return writing ? "add ,ro to use it read-only or ,overlay to leave it as it is, or "
                         "change its permissions"
                       : "change its permissions, or run as its owner";
    return "check the path";
}

/* flags with O_CREAT: *ret_made says if the file is new. */
static int boot_open(const char *what, const char *path, int flags, struct ign_file *ret,
                     bool *ret_made, struct err *err)
{
    struct stat st;
    int fd = flags & O_CREAT ? fd_open_or_make(path, ret_made) : fd_open(path, flags);

    if (fd < 0)
        return err_set(err, errno, "%s %s: %s; %s", what, path, strerror(errno),
                       boot_way_out(errno, flags));
    if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
        fd_close(fd);
        return err_set(err, EISDIR, "%s %s: a directory; give a file", what, path);
    }
    *ret = (struct ign_file){ .path = path, .fd = fd };
    return 0;
}

/* One word behind FILE. */
static int boot_disk_word(struct ign_drive *drive, const char *word, struct err *err)
{
    static const char overlay[] = "overlay=";

    if (!strcmp(word, "ro")) {
        drive->read_only = true;
    } else if (!strcmp(word, "overlay")) {
        drive->overlay = true;
    } else if (!strncmp(word, overlay, strlen(overlay)) && word[strlen(overlay)]) {
        drive->overlay = true;
        drive->layer.path = word + strlen(overlay);
    } else {
        return err_set(err, EINVAL, "unknown option %s; known are ro, overlay, overlay=LAYER",
                       word);
    }
    return 0;
}

/* The files of a drive; a temporary layer, too, is made by who opens files. */
static int boot_open_drive(struct ign_drive *drive, bool *ret_made, struct err *err)
{
    int layer_flags = drive->read_only ? O_RDONLY : O_RDWR | O_CREAT;
    bool reads = drive->read_only || drive->overlay;
    int rc =
        boot_open("disk", drive->file.path, reads ? O_RDONLY : O_RDWR, &drive->file, NULL, err);

    if (rc < 0 || !drive->overlay)
        return rc;
    if (drive->layer.path)
        return boot_open("layer", drive->layer.path, layer_flags, &drive->layer, ret_made, err);
    if (drive->read_only)
        return 0;
    drive->layer.fd = fd_temp(err);
    drive->layer.path = "(temporary, in $TMPDIR or /tmp)";
    return drive->layer.fd < 0 ? drive->layer.fd : 0;
}

/* FILE[,ro][,overlay[=LAYER]]: cuts the options off in place, from the end. */
static int boot_add_disk(struct boot *boot, char *spec, struct err *err)
{
    struct ign_options *options = &boot->options;
    struct ign_drive *drive = &options->drives[options->drive_count];
    char *comma;

    if (options->drive_count == IGN_DRIVES_MAX)
        return err_set(err, E2BIG, "--disk: more than %d disks", IGN_DRIVES_MAX);
    while ((comma = strrchr(spec, ','))) {
        int rc = boot_disk_word(drive, comma + 1, err);
        if (rc < 0)
            return err_wrap(err, rc, "--disk %s", spec);
        *comma = '\0';
    }
    if (!*spec)
        return err_set(err, EINVAL, "--disk: no file name; give FILE or FILE,ro");
    drive->file.path = spec;
    return boot_open_drive(drive, &boot->made[options->drive_count++], err);
}

/* Was nothing ever flushed to it? What cannot be read may hold something. */
static bool boot_layer_is_empty(const struct ign_file *layer)
{
    static const char zeros[8];
    char head[sizeof(zeros)];
    ssize_t len = pread(layer->fd, head, sizeof(head), 0);
    struct ign_disk_info info;

    if (len < 0)
        return false;
    if ((size_t)len < sizeof(head) || !memcmp(head, zeros, sizeof(head)))
        return true; /* its making was interrupted */
    return ign_disk_info(layer->path, &info, NULL) == 0 && info.layer && !(info.here + info.zero);
}

/* A boot that failed leaves no layer behind that it made and that holds nothing. */
static void boot_remove_layers(const struct boot *boot)
{
    for (unsigned i = 0; i < boot->options.drive_count; i++) {
        const struct ign_file *layer = &boot->options.drives[i].layer;
        struct stat ours, there;

        if (!boot->made[i] || fstat(layer->fd, &ours) < 0 || lstat(layer->path, &there) < 0 ||
            ours.st_dev != there.st_dev || ours.st_ino != there.st_ino)
            continue;
        if (boot_layer_is_empty(layer))
            unlink(layer->path);
    }
}

/* In the VMM process. */
static void boot_stop(void *ctx)
{
    ign_machine_stop(ctx);
}

static void boot_stats(const struct boot *boot, const struct ign_machine *machine)
{
    char sum[32] = "";

    if (boot->options.deterministic)
        snprintf(sum, sizeof(sum), ", RAM %016llx",
                 (unsigned long long)ign_machine_ram_checksum(machine));
    log_info("stats", "%.3f s, %llu instructions%s",
             (double)(clock_mono_ns() - boot->options.start_ns) / 1e9,
             (unsigned long long)ign_machine_instructions(machine), sum);
}

static int boot_vmm(void *ctx, struct link *link, char text[ERR_MAX])
{
    struct boot *boot = ctx;
    struct ign_machine *machine = NULL;
    struct ign_error err;
    int rc = ign_machine_create(&boot->options, &machine, &err);

    if (rc == 0) {
        rc = link_serve(link, boot_stop, machine);
        if (rc < 0)
            snprintf(err.message, sizeof(err.message), "start the link thread: %s", strerror(-rc));
    }
    if (rc == 0)
        rc = ign_machine_start(machine, &err);
    if (rc == 0)
        rc = ign_machine_wait(machine, NULL, &err);
    if (rc == 0 && boot->stats)
        boot_stats(boot, machine);
    if (rc < 0)
        snprintf(text, ERR_MAX, "%s", err.message);
    link_close(link);
    ign_machine_destroy(machine);
    return rc < 0 ? EXIT_FAILED : EXIT_OK;
}

/* "root=/dev/vda rw" in front of what the user appends. */
static int boot_append(struct ign_options *options, const char *append, bool rootfs,
                       char **ret_line)
{
    const char *root = !rootfs                        ? ""
                       : options->drives[0].read_only ? "root=/dev/vda ro "
                                                      : "root=/dev/vda rw ";

    if (asprintf(ret_line, "%s%s", root, append) < 0)
        return -ENOMEM;
    options->append = *ret_line;
    return 0;
}

static enum ign_jit boot_jit(const char *word)
{
    if (!strcmp(word, "on"))
        return IGN_JIT_ON;
    if (!strcmp(word, "off"))
        return IGN_JIT_OFF;
    return strcmp(word, "lockstep") ? IGN_JIT_AUTO : IGN_JIT_LOCKSTEP;
}

/* Hexadecimal, with or without 0x: as every other tool prints addresses. */
static int boot_dump_address(const char *text, struct ign_options *options, struct err *err)
{
    char *end;

    if (!text)
        return 0;
    errno = 0;
    options->jit_dump_address = strtoull(text, &end, 16);
    if (errno || !isxdigit((unsigned char)*text) || *end)
        return err_set(err, EINVAL,
                       "--jit-dump %.40s: not an address; give a guest-virtual one in hexadecimal, "
                       "such as 0xffff800008000000",
                       text);
    options->jit_dump = true;
    return 0;
}

static int boot_prepare(const struct boot_opts *opts, const char *const args[2], struct boot *boot,
                        char **ret_line, struct err *err)
{
    struct ign_options *options = &boot->options;
    int rc;

    options->accel = opts->accel;
    options->cpu = opts->cpu;
    options->smp = opts->smp;
    options->mem = opts->mem;
    options->counter_hz = opts->counter_hz;
    options->no_reboot = opts->no_reboot;
    options->hvf_granule_4k = !strcmp(opts->hvf_granule, "4k");
    options->jit = boot_jit(opts->jit);
    options->jit_cache = opts->jit_cache;
    options->jit_stats = opts->jit_stats;
    options->jit_perf = opts->jit_perf;
    options->deterministic = opts->deterministic;
    options->format = strcmp(opts->format, "raw") ? IGN_KERNEL_AUTO : IGN_KERNEL_RAW;
    options->console_in = STDIN_FILENO;
    options->console_out = STDOUT_FILENO;
    options->console_keys = isatty(STDIN_FILENO);
    rc = boot_dump_address(opts->jit_dump, options, err);
    if (rc == 0)
        rc = boot_open("kernel", args[0], O_RDONLY, &options->kernel, NULL, err);
    if (rc == 0 && opts->initramfs)
        rc = boot_open("initramfs", opts->initramfs, O_RDONLY, &options->initramfs, NULL, err);
    /* The words are argv's own, which may be written to. */
    if (rc == 0 && args[1])
        rc = boot_add_disk(boot, (char *)(uintptr_t)args[1], err);
    for (unsigned i = 0; rc == 0 && i < opts->disks.count; i++)
        rc = boot_add_disk(boot, (char *)(uintptr_t)opts->disks.items[i], err);
    if (rc == 0 && boot_append(options, opts->append, args[1] != NULL, ret_line) < 0)
        rc = err_set(err, ENOMEM, "out of memory");
    return rc;
}

static int boot_run(const struct command *command, int argc, char **argv)
{
    struct boot boot = { .options.start_ns = 0 };
    struct boot_opts opts = { 0 };
    struct monitor_config config = { .tty = STDIN_FILENO, .vmm = boot_vmm, .ctx = &boot };
    uint64_t start_ns = clock_mono_ns();
    const char *args[2];
    char *line = NULL;
    struct err err;
    int status, sig;

    if (cli_parse(command, &opts, argc, argv, args) != EXIT_OK)
        return EXIT_USAGE;
    log_set_level(opts.debug ? LOG_DEBUG : opts.quiet ? LOG_WARN : LOG_INFO);
    ign_options_init(&boot.options);
    boot.options.start_ns = start_ns;
    boot.stats = opts.stats;
    status = boot_prepare(&opts, args, &boot, &line, &err);
    if (status < 0) {
        boot_remove_layers(&boot);
        return cli_fail(status == -EINVAL ? EXIT_USAGE : EXIT_FAILED, err.msg);
    }
    status = monitor_run(&config, &sig, &err);
    free(line);
    if (status == EXIT_FAILED)
        boot_remove_layers(&boot);
    if (*err.msg)
        cli_fail(status, err.msg);
    if (sig) {
        raise(sig); /* die of it, so that the parent sees why */
        return EXIT_FAILED;
    }
    return status;
}

static const struct opt_arg boot_args[] = {
    { .name = "KERNEL",
      .help = "the path of an arm64 Image",
      .more = "It may be packed with gzip or zstd. An ELF64 executable is taken, too, and by "
              "--format raw a bare binary.",
      .files = true },
    { .name = "ROOTFS[,ro][,overlay[=LAYER]]",
      .help = "the path of a disk image with the root file system",
      .more = "It is the first disk, and the kernel is told root=/dev/vda.",
      .files = true,
      .optional = true },
    { 0 },
};

static const struct command_example boot_examples[] = {
    { "ignition boot Image", "a kernel alone" },
    { "ignition boot Image rootfs.ext4", "with its root file system" },
    { "ignition boot Image rootfs.ext4,overlay", "what the guest writes is forgotten" },
    { "ignition boot Image rootfs.ext4,overlay=web.layer", "the same, but kept in web.layer" },
    { "ignition boot Image --initramfs initramfs --disk data.img,ro", "as many disks as you like" },
    { 0 },
};

const struct command command_boot = {
    .name = "boot",
    .help = "Boot an arm64 kernel, with its console on this terminal",
    .more = "Ctrl-A x quits, Ctrl-A a sends a Ctrl-A, Ctrl-A ? helps.",
    .args = boot_args,
    .opts = cmd_boot_opts,
    .examples = boot_examples,
    .run = boot_run,
};
