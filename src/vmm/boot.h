/*
 * What a boot puts into guest memory: kernel, initramfs and device tree, and the register values
 * with which the first vCPU starts (Linux arm64 booting document).
 */
#pragma once

#include "base/err.h"
#include "mem/gmem.h"
#include "vmm/machine.h"

struct boot_info {
    gpa_t entry, dtb; /* X0 at entry is dtb */
    gpa_t initrd;     /* 0: none */
    uint64_t initrd_len;
};

/* Read, check and place kernel and initramfs. Leaves room for the device tree at info->dtb. */
MUST_CHECK int boot_load(const struct machine_config *config, struct gmem *mem,
                         struct boot_info *ret_info, struct err *err);

/* Room reserved for the device tree. */
#define BOOT_DTB_MAX (2 * MIB)
