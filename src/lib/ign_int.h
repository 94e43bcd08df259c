/* What the files of the public API share. */
#pragma once

#include "base/err.h"
#include "ignition.h"
#include "vmm/machine.h"

/* Descriptors that the library opened itself: kernel, initramfs, two a drive, two of the console.
 */
#define IGN_FILES_MAX (4 + 2 * IGN_DRIVES_MAX)

struct ign_files {
    int fds[IGN_FILES_MAX];
    unsigned count;
};

/* The library owns fd from here. Returns fd. */
static inline int ign_files_keep(struct ign_files *files, int fd)
{
    files->fds[files->count++] = fd;
    return fd;
}

void ign_files_close(struct ign_files *files);

/* Hand an error to the caller of the API, and return rc. Does nothing for rc >= 0. */
int ign_error_set(struct ign_error *ret, const struct err *err, int rc);

/*
 * Check options, open what is given by path, and fill in what the machine wants of it. Descriptors
 * go to files, absolute paths of images under a layer to ret_bases, both the caller's to free, also
 * after an error.
 */
MUST_CHECK int ign_files_open(const struct ign_options *options, struct ign_files *files,
                              char *ret_bases[IGN_DRIVES_MAX], struct machine_config *ret_config,
                              struct err *err);
