/*
 * ID registers of a real CPU under CPU model portable, for engines whose vCPUs have the host's:
 * each field is lowered to what the model announces, where the host lets us. Of what it does not,
 * the kernel's command line hides some (arm64.nosve and the like); the rest is the host's, and is
 * logged.
 */
#pragma once

#include "base/bits.h"

/* An engine's vCPU. reg: SYSREG(), of those whose op0 is 3. */
struct hv_idregs_vcpu {
    const char *engine; /* as the log names it */
    bool is_logged;     /* what stays: once a machine is enough */
    unsigned pa_range;  /* ID_AA64MMFR0_EL1.PARange that is announced at most */
    bool (*get)(const struct hv_idregs_vcpu *vcpu, uint32_t reg, uint64_t *ret_val);
    /* Whether it took effect is seen by reading it. */
    void (*set)(const struct hv_idregs_vcpu *vcpu, uint32_t reg, uint64_t val);
    /* The bits that set() can change; NULL: the host does not tell. */
    uint64_t (*writable)(const struct hv_idregs_vcpu *vcpu, uint32_t reg);
};

/* On the vCPU's own thread, before it runs. */
void hv_idregs_lower(const struct hv_idregs_vcpu *vcpu);
