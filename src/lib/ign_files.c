/* From the options of the public API to the configuration of a machine: checks, and files opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "lib/ign_int.h"

#define MEM_MIN       (16 * MIB)
#define MEM_GRANULE   (16 * KIB) /* a machine's memory can be mapped on every host */
#define JIT_CACHE_MIN (1 * MIB)
#define JIT_CACHE_MAX (1 * GIB)

_Static_assert(IGN_DRIVES_MAX == MACHINE_DRIVES_MAX, "one limit for drives");

void ign_files_close(struct ign_files *files)
{
    while (files->count)
        fd_close(files->fds[--files->count]);
}

static int files_open(struct ign_files *files, const char *what, const struct ign_file *file,
                      int flags, struct machine_file *ret_file, struct err *err)
{
    int fd = file->fd;

    *ret_file = (struct machine_file){ .fd = -1, .name = file->path ? file->path : what };
    if (fd < 0 && !file->path)
        return 0;
    if (fd < 0) {
        bool made;
        fd = flags & O_CREAT ? fd_open_or_make(file->path, &made) : fd_open(file->path, flags);
        if (fd < 0)
            return err_errno(err, "%s %s", what, file->path);
        ign_files_keep(files, fd);
    }
    ret_file->fd = fd;
    return 0;
}

static int files_open_drive(struct ign_files *files, const struct ign_drive *drive, char **ret_base,
                            struct machine_drive *ret, struct err *err)
{
    bool reads = drive->read_only || drive->overlay;
    int layer_flags = drive->read_only ? O_RDONLY : O_RDWR | O_CREAT;
    int rc = files_open(files, "disk", &drive->file, reads ? O_RDONLY : O_RDWR, &ret->file, err);
    int fd;

    ret->read_only = drive->read_only;
    ret->layer.fd = -1;
    if (rc < 0 || !drive->overlay)
        return rc;
    if (drive->file.path)
        *ret_base = realpath(drive->file.path, NULL);
    ret->base_path = *ret_base;
    if (drive->layer.path || drive->layer.fd >= 0)
        return files_open(files, "layer", &drive->layer, layer_flags, &ret->layer, err);
    if (drive->read_only) /* nothing would ever be in it */
        return 0;
    fd = fd_temp(err);
    if (fd < 0)
        return fd;
    ret->layer = (struct machine_file){ .fd = ign_files_keep(files, fd),
                                        .name = "(temporary, in $TMPDIR or /tmp)" };
    return 0;
}

static int files_check(const struct ign_options *options, struct err *err)
{
    if (!options->smp || options->smp > MAP_VCPUS_MAX)
        return err_set(err, EINVAL, "smp: %u is not between 1 and %d", options->smp, MAP_VCPUS_MAX);
    if (options->mem < MEM_MIN || options->mem % MEM_GRANULE)
        return err_set(err, EINVAL, "mem: %llu bytes; give at least 16M, in whole 16 KiB pages",
                       (unsigned long long)options->mem);
    if (options->drive_count > IGN_DRIVES_MAX)
        return err_set(err, EINVAL, "drives: %u are more than %d", options->drive_count,
                       IGN_DRIVES_MAX);
    if (!options->kernel.path && options->kernel.fd < 0)
        return err_set(err, EINVAL, "kernel: none given");
    if ((unsigned)options->jit > IGN_JIT_LOCKSTEP)
        return err_set(err, EINVAL, "jit: %d is none of enum ign_jit", (int)options->jit);
    if (options->jit_cache && options->jit_cache < JIT_CACHE_MIN)
        return err_set(err, EINVAL, "jit_cache: %llu bytes; give at least 1M, or 0 for the default",
                       (unsigned long long)options->jit_cache);
    if (options->jit_cache > JIT_CACHE_MAX)
        return err_set(err, EINVAL, "jit_cache: %llu bytes; give at most 1G",
                       (unsigned long long)options->jit_cache);
    if (options->on_console && (options->console_in >= 0 || options->console_out >= 0))
        return err_set(err, EINVAL, "on_console: there are console descriptors, too; give -1");
    return 0;
}

static struct hv_jit files_jit(const struct ign_options *options)
{
    static const enum hv_jit_mode modes[] = {
        [IGN_JIT_AUTO] = HV_JIT_AUTO,
        [IGN_JIT_ON] = HV_JIT_ON,
        [IGN_JIT_OFF] = HV_JIT_OFF,
        [IGN_JIT_LOCKSTEP] = HV_JIT_LOCKSTEP,
    };

    return (struct hv_jit){
        .mode = modes[options->jit],
        .cache_bytes = options->jit_cache,
        .stats = options->jit_stats,
        .perf = options->jit_perf,
        .dump = options->jit_dump,
        .dump_va = options->jit_dump_address,
    };
}

int ign_files_open(const struct ign_options *options, struct ign_files *files,
                   char *ret_bases[IGN_DRIVES_MAX], struct machine_config *ret_config,
                   struct err *err)
{
    struct machine_config config = {
        .cpu = options->cpu,
        .vcpus = options->smp,
        .mem_bytes = options->mem,
        .counter_hz = options->counter_hz,
        .format = options->format == IGN_KERNEL_RAW ? IMAGE_RAW : IMAGE_AUTO,
        .append = options->append ? options->append : "",
        .drive_count = options->drive_count,
        .console = { .in = options->console_in,
                     .out = options->console_out,
                     .keys = options->console_keys },
        .no_reboot = options->no_reboot,
        .hvf_granule_4k = options->hvf_granule_4k,
        .deterministic = options->deterministic,
        .start_ns = options->start_ns ? options->start_ns : clock_mono_ns(),
    };
    bool lockstep = options->jit == IGN_JIT_LOCKSTEP;
    bool soft = (options->deterministic || lockstep) && !strcmp(options->accel, "auto");
    int rc = files_check(options, err);

    if (soft)
        log_debug("accel", "auto takes soft, the one that can run %s",
                  lockstep ? "in lockstep" : "deterministically");
    if (rc == 0)
        config.jit = files_jit(options);
    if (rc == 0)
        rc = hv_find(soft ? "soft" : options->accel, &config.engine, err);
    if (rc == 0 && lockstep && strcmp(config.engine->name, "soft"))
        rc = err_set(err, ENOTSUP,
                     "lockstep compares translated code of the software CPU; use "
                     "--accel soft, not %s",
                     config.engine->name);
    if (rc == 0 && options->hvf_granule_4k && strcmp(config.engine->name, "hvf"))
        rc = err_set(
            err, ENOTSUP,
            "pages of 4 KiB are a choice of the engine hvf; leave --hvf-granule out with %s",
            config.engine->name);
    if (rc == 0)
        rc = files_open(files, "kernel", &options->kernel, O_RDONLY, &config.kernel, err);
    if (rc == 0)
        rc = files_open(files, "initramfs", &options->initramfs, O_RDONLY, &config.initramfs, err);
    for (unsigned i = 0; i < options->drive_count && rc == 0; i++)
        rc = files_open_drive(files, &options->drives[i], &ret_bases[i], &config.drives[i], err);
    if (rc == 0)
        *ret_config = config;
    return rc;
}
