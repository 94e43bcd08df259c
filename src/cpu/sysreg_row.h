/* One row of the system register table (sysreg_table.c). */
#pragma once

#include "cpu/cpu.h"

enum sysreg_access {
    SYSREG_R1 = 1, /* MRS at EL1 */
    SYSREG_W1 = 2, /* MSR at EL1 */
    SYSREG_R0 = 4, /* MRS at EL0 */
    SYSREG_W0 = 8, /* MSR at EL0 */
    SYSREG_RW1 = SYSREG_R1 | SYSREG_W1,
    SYSREG_RO = SYSREG_R1 | SYSREG_R0,
    SYSREG_ALL = SYSREG_RW1 | SYSREG_R0 | SYSREG_W0,
};

struct sysreg_row {
    uint16_t enc;
    uint8_t access;  /* enum sysreg_access; any other use is UNDEFINED */
    uint16_t offset; /* of the value in struct cpu, where read or write is NULL */
    uint64_t mask;   /* bits that a write changes, the others keep their value */
    const char *name;
    uint64_t (*read)(struct cpu *c);
    void (*write)(struct cpu *c, uint64_t val);
    /* Does EL0 have the access that R0 or W0 allow it, or is it trapped? NULL: it has. */
    bool (*el0)(const struct cpu *c);
};

/* Ascending by enc. */
extern const struct sysreg_row sysreg_rows[];
extern const unsigned sysreg_row_count;

const struct sysreg_row *sysreg_find(uint16_t enc);
