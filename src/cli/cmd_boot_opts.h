/* The options of `ignition boot`. */
#pragma once

#include "base/opt.h"

struct boot_opts {
    const char *accel, *cpu, *append, *initramfs, *format, *hvf_granule, *jit, *jit_dump;
    uint32_t smp;
    uint64_t mem, counter_hz, jit_cache;
    struct opt_list disks;
    bool no_reboot, deterministic, quiet, debug, stats, jit_stats, jit_perf;
};

extern const struct opt cmd_boot_opts[]; /* for a struct boot_opts */
