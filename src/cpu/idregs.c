/* The ID registers of our CPU models. Fields are spelled out as Arm DDI 0487, D19.2 names them. */
#include "cpu/idregs.h"

#include <errno.h>

#define AT(lo, val) ((uint64_t)(val) << (lo))

/* Debug resources that the model announces: one less than the number, as ID_AA64DFR0_EL1 has it. */
#define DFR0_BRPS     5
#define DFR0_WRPS     3
#define DFR0_CTX_CMPS 1

#define ISAR0                                                                                    \
    (AT(44, 1) /* DP */ | AT(28, 1) /* RDM */ | AT(20, 2) /* Atomic */ | AT(16, 1) /* CRC32 */ | \
     AT(12, 1) /* SHA2 */ | AT(8, 1) /* SHA1 */ | AT(4, 2) /* AES and PMULL */)
#define MMFR0 (AT(28, 0) /* TGran4 */ | AT(20, 1) /* TGran16 */ | AT(4, 2) /* ASIDBits: 16 */)

/* What all models have in common. MIDR: implementer 0 is reserved for software: no erratum list has
 * it. CTR: 64-byte lines, ERG and CWG, PIPT; IDC = DIC = 0. CLIDR: level 1 split, level 2 unified;
 * LoUU 1, LoC 2, LoUIS 1. */
#define COMMON                                                                                   \
    .midr = AT(24, 0) | AT(20, 0) | AT(16, 0xf) | AT(4, 0x001) | AT(0, 0),                       \
    .ctr = AT(31, 1) | AT(24, 4) | AT(20, 4) | AT(16, 4) | AT(14, 3) | AT(0, 4),                 \
    .dczid = 4 /* 64 bytes */, .clidr = AT(27, 1) | AT(24, 2) | AT(21, 1) | AT(3, 4) | AT(0, 3), \
    .pfr0 = AT(60, 1) /* CSV3 */ | AT(56, 1) /* CSV2 */ | AT(24, 1) /* GIC */ |                  \
            AT(20, 1) /* AdvSIMD with FP16 */ | AT(16, 1) /* FP with FP16 */ |                   \
            AT(4, 1) /* EL1: AArch64 */ | AT(0, 1) /* EL0: AArch64 */,                           \
    .dfr0 = AT(36, 0xf) /* DoubleLock absent */ | AT(28, DFR0_CTX_CMPS) | AT(20, DFR0_WRPS) |    \
            AT(12, DFR0_BRPS) | AT(0, 6) /* DebugVer: v8 */,                                     \
    .isar1 = AT(20, 1) /* LRCPC */, .mmfr1 = AT(20, 1) /* PAN */, .mmfr2 = AT(60, 1) /* E0PD */

const struct cpu_model idregs_portable = {
    COMMON,
    .name = "portable",
    .isar0 = ISAR0,
    .mmfr0 = MMFR0 | AT(24, 0xf) /* no TGran64 */,
};

const struct cpu_model idregs_max = {
    COMMON,
    .name = "max",
    .features = CPU_FLAGM | CPU_RNG,
    .isar0 = ISAR0 | AT(60, 1) /* RNDR */ | AT(52, 1) /* TS: FlagM */,
    .mmfr0 = MMFR0 | AT(24, 0) /* TGran64 */,
};

int idregs_find(const char *name, const struct cpu_model **ret_model, struct err *err)
{
    static const struct cpu_model *const models[] = { &idregs_portable, &idregs_max };

    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        if (!strcmp(name, models[i]->name)) {
            *ret_model = models[i];
            return 0;
        }
    }
    return err_set(err, ENOTSUP,
                   "the software CPU has no model %s; use --cpu portable or --cpu max", name);
}

static uint64_t pa_range(unsigned pa_bits)
{
    return pa_bits == IDREGS_PA_BITS_BIG ? 2 : 1;
}

uint64_t idregs_read(const struct soc *soc, unsigned crm, unsigned op2)
{
    const struct cpu_model *model = soc->model;

    switch (crm << 4 | op2) {
    case 0x40:
        return model->pfr0;
    case 0x50:
        return model->dfr0;
    case 0x60:
        return model->isar0;
    case 0x61:
        return model->isar1;
    case 0x70:
        return model->mmfr0 | pa_range(soc->pa_bits);
    case 0x71:
        return model->mmfr1;
    case 0x72:
        return model->mmfr2;
    default:
        return 0;
    }
}

/* 64-byte lines (D19.2.27, the 32-bit layout); sets and ways are those of a small server core. */
static uint64_t ccsidr(unsigned sets, unsigned ways)
{
    return AT(13, sets - 1) | AT(3, ways - 1) | 2;
}

uint64_t idregs_ccsidr(const struct cpu_model *model, uint64_t csselr)
{
    (void)model;
    switch (csselr) {
    case 0: /* level 1 data */
        return ccsidr(128, 4);
    case 1: /* level 1 instructions */
        return ccsidr(128, 4);
    case 2: /* level 2 */
        return ccsidr(1024, 16);
    default:
        return 0;
    }
}
