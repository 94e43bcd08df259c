/*
 * CPU models: what MIDR and the ID registers announce (docs/design.md, section 3).
 */
#pragma once

#include "cpu/cpu.h"

#define IDREGS_PA_BITS_MIN 36
#define IDREGS_PA_BITS_BIG 40 /* when RAM ends above this: */
#define IDREGS_BIG_RAM_END (60 * GIB)

/* What not every model has, besides what its ID registers alone decide. */
enum cpu_feature {
    CPU_FLAGM = 1, /* CFINV, RMIF, SETF8, SETF16 */
    CPU_RNG = 2,   /* RNDR, RNDRRS */
};

struct cpu_model {
    const char *name;
    unsigned features; /* enum cpu_feature; the ID registers say the same */
    uint64_t midr, ctr, dczid, clidr;
    uint64_t pfr0, dfr0, isar0, isar1;
    uint64_t mmfr0; /* without PARange: the machine's; TGran* decide which granules there are */
    uint64_t mmfr1, mmfr2;
};

extern const struct cpu_model idregs_portable, idregs_max;

/* The model of that name, or an error that names the ones there are. */
MUST_CHECK int idregs_find(const char *name, const struct cpu_model **ret_model, struct err *err);

/* ID_*_EL1 by its CRm (1..7) and op2: reserved and unannounced ones read as zero. */
uint64_t idregs_read(const struct soc *soc, unsigned crm, unsigned op2);

/* CCSIDR_EL1 for a CSSELR_EL1 value. */
uint64_t idregs_ccsidr(const struct cpu_model *model, uint64_t csselr);
