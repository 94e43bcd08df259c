/* The public C API: checks options, opens what is given by path, and drives room vmm. */
#include "ignition.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "vmm/machine.h"

#define MEM_MIN (16 * MIB)

#define FILES_MAX (2 + 2 * IGN_DRIVES_MAX)

struct ign_machine {
    struct machine *machine;
    int opened[FILES_MAX]; /* descriptors to close at the end */
    unsigned opened_count;
    char *bases[IGN_DRIVES_MAX]; /* absolute paths of images under a layer */
};

_Static_assert(IGN_DRIVES_MAX == MACHINE_DRIVES_MAX, "one limit for drives");
_Static_assert(IGN_MESSAGE_MAX >= ERR_MAX, "messages are not cut");

static int ign_fail(struct ign_error *ret, const struct err *err, int rc)
{
    if (ret) {
        ret->code = -rc;
        snprintf(ret->message, sizeof(ret->message), "%s", err->msg);
    }
    return rc;
}

void ign_options_init(struct ign_options *options)
{
    *options = (struct ign_options){
        .accel = "auto",
        .cpu = "portable",
        .smp = 1,
        .mem = 512 * MIB,
        .kernel.fd = -1,
        .initramfs.fd = -1,
        .console_in = -1,
        .console_out = -1,
    };
    for (unsigned i = 0; i < IGN_DRIVES_MAX; i++)
        options->drives[i].file.fd = options->drives[i].layer.fd = -1;
}

static int ign_open(struct ign_machine *ign, const char *what, const struct ign_file *file,
                    int flags, struct machine_file *ret_file, struct err *err)
{
    int fd = file->fd;

    *ret_file = (struct machine_file){ .fd = -1, .name = file->path ? file->path : what };
    if (fd < 0 && !file->path)
        return 0;
    if (fd < 0) {
        bool made;
        fd = flags & O_CREAT ? fd_open_or_make(file->path, &made)
                             : open(file->path, flags | O_CLOEXEC);
        if (fd < 0)
            return err_errno(err, "%s %s", what, file->path);
        ign->opened[ign->opened_count++] = fd;
    }
    ret_file->fd = fd;
    return 0;
}

static int ign_open_drive(struct ign_machine *ign, unsigned index, const struct ign_drive *drive,
                          struct machine_drive *ret, struct err *err)
{
    bool reads = drive->read_only || drive->overlay;
    int layer_flags = drive->read_only ? O_RDONLY : O_RDWR | O_CREAT;
    int rc = ign_open(ign, "disk", &drive->file, reads ? O_RDONLY : O_RDWR, &ret->file, err);
    int fd;

    ret->read_only = drive->read_only;
    ret->layer.fd = -1;
    if (rc < 0 || !drive->overlay)
        return rc;
    if (drive->file.path)
        ign->bases[index] = realpath(drive->file.path, NULL);
    ret->base_path = ign->bases[index];
    if (drive->layer.path || drive->layer.fd >= 0)
        return ign_open(ign, "layer", &drive->layer, layer_flags, &ret->layer, err);
    if (drive->read_only) /* nothing would ever be in it */
        return 0;
    fd = fd_temp(err);
    if (fd < 0)
        return fd;
    ign->opened[ign->opened_count++] = fd;
    ret->layer = (struct machine_file){ .fd = fd, .name = "(temporary)" };
    return 0;
}

static int ign_check(const struct ign_options *options, struct err *err)
{
    if (!options->smp || options->smp > MAP_VCPUS_MAX)
        return err_set(err, EINVAL, "smp: %u is not between 1 and %d", options->smp, MAP_VCPUS_MAX);
    if (options->mem < MEM_MIN || options->mem % GMEM_PAGE_SIZE)
        return err_set(err, EINVAL, "mem: %llu bytes; give at least 16M, in whole 4 KiB pages",
                       (unsigned long long)options->mem);
    if (options->drive_count > IGN_DRIVES_MAX)
        return err_set(err, EINVAL, "drives: %u are more than %d", options->drive_count,
                       IGN_DRIVES_MAX);
    if (!options->kernel.path && options->kernel.fd < 0)
        return err_set(err, EINVAL, "kernel: none given");
    return 0;
}

static int ign_build(const struct ign_options *options, struct ign_machine *ign, struct err *err)
{
    struct machine_config config = {
        .cpu = options->cpu,
        .vcpus = options->smp,
        .mem_bytes = options->mem,
        .counter_hz = options->counter_hz,
        .format = options->format == IGN_KERNEL_RAW ? IMAGE_RAW : IMAGE_AUTO,
        .append = options->append ? options->append : "",
        .drive_count = options->drive_count,
        .console_in = options->console_in,
        .console_out = options->console_out,
        .console_keys = options->console_keys,
        .no_reboot = options->no_reboot,
        .deterministic = options->deterministic,
        .start_ns = options->start_ns ? options->start_ns : clock_mono_ns(),
    };
    bool soft = options->deterministic && !strcmp(options->accel, "auto");
    int rc = ign_check(options, err);

    if (rc == 0)
        rc = hv_find(soft ? "soft" : options->accel, &config.engine, err);
    if (rc == 0)
        rc = ign_open(ign, "kernel", &options->kernel, O_RDONLY, &config.kernel, err);
    if (rc == 0)
        rc = ign_open(ign, "initramfs", &options->initramfs, O_RDONLY, &config.initramfs, err);
    for (unsigned i = 0; i < options->drive_count && rc == 0; i++)
        rc = ign_open_drive(ign, i, &options->drives[i], &config.drives[i], err);
    return rc < 0 ? rc : machine_create(&config, &ign->machine, err);
}

int ign_machine_create(const struct ign_options *options, struct ign_machine **ret_machine,
                       struct ign_error *ret_err)
{
    struct ign_machine *ign = calloc(1, sizeof(*ign));
    struct err err = { 0 };
    int rc;

    if (!ign)
        return ign_fail(ret_err, &err, err_set(&err, ENOMEM, "out of memory"));
    rc = ign_build(options, ign, &err);
    if (rc < 0) {
        ign_machine_destroy(ign);
        return ign_fail(ret_err, &err, rc);
    }
    *ret_machine = ign;
    return 0;
}

int ign_machine_run(struct ign_machine *ign, enum ign_end *ret_end, struct ign_error *ret_err)
{
    struct err err = { 0 };

    switch (machine_run(ign->machine, &err)) {
    case MACHINE_OFF:
        *ret_end = IGN_END_OFF;
        return 0;
    case MACHINE_RESET:
        *ret_end = IGN_END_RESET;
        return 0;
    case MACHINE_STOPPED:
        *ret_end = IGN_END_STOPPED;
        return 0;
    case MACHINE_FAILED:
    case MACHINE_RUNNING:
        break;
    }
    return ign_fail(ret_err, &err, err.code ? -err.code : -EIO);
}

void ign_machine_stop(struct ign_machine *ign)
{
    machine_stop(ign->machine);
}

uint64_t ign_machine_instructions(const struct ign_machine *ign)
{
    return machine_insn_count(ign->machine);
}

uint64_t ign_machine_ram_checksum(const struct ign_machine *ign)
{
    return machine_ram_checksum(ign->machine);
}

void ign_machine_destroy(struct ign_machine *ign)
{
    if (!ign)
        return;
    machine_destroy(ign->machine);
    for (unsigned i = 0; i < ign->opened_count; i++)
        fd_close(ign->opened[i]);
    for (unsigned i = 0; i < IGN_DRIVES_MAX; i++)
        free(ign->bases[i]);
    free(ign);
}

const char *ign_version(void)
{
    return IGN_VERSION;
}
