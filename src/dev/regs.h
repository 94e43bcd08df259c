/*
 * Register banks as tables: access size, read-only and write-only registers, and holes are handled
 * once. An access that no row allows has no effect, reads as zero and is logged as the guest's.
 */
#pragma once

#include "dev/dev.h"

struct reg {
    uint32_t off;      /* from the start of the window */
    const char *name;  /* as the manual has it */
    uint32_t writable; /* bits that a write changes; others are ignored */
    uint32_t backing;  /* offset of a uint32_t in the device, 0: none */
    uint32_t (*read)(struct dev *dev, uint32_t off);            /* overrides the backing */
    void (*write)(struct dev *dev, uint32_t off, uint32_t val); /* val: writable bits only */
};

struct reg_bank {
    const struct reg *regs; /* any order */
    unsigned count;
    unsigned size; /* bytes: the one access size, also the alignment; 1, 2 or 4 */
};

/* Threads: dev->lock is held. */
uint64_t regs_read(const struct reg_bank *bank, struct dev *dev, uint64_t off, unsigned size);
void regs_write(const struct reg_bank *bank, struct dev *dev, uint64_t off, unsigned size,
                uint64_t val);
