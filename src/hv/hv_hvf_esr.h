/*
 * What a syndrome says (Arm DDI 0487, D19.2.37), as the framework reports it, and what a CPU does
 * when it takes an exception to EL1. Pure functions.
 */
#pragma once

#include "arch/esr.h"
#include "arch/sysreg.h"

#define ISS_DABT_ISV   BIT(24)
#define ISS_DABT_SAS   BITS(23, 22)
#define ISS_DABT_SSE   BIT(21)
#define ISS_DABT_SRT   BITS(20, 16)
#define ISS_DABT_SF    BIT(15)
#define ISS_DABT_S1PTW BIT(7)
#define ISS_WFX_TI     BIT(0) /* WFE, not WFI */

#define HV_HVF_ZR 31 /* register number 31 is XZR: never a register of the framework */

/* A data abort: the access, where is_valid says that the syndrome describes it. */
struct hv_hvf_dabt {
    bool is_valid, write, sign_extend, to_64, cache_op, in_walk;
    unsigned size; /* bytes */
    unsigned rt;   /* 0..31 */
    unsigned dfsc;
};
struct hv_hvf_dabt hv_hvf_esr_dabt(uint64_t esr);

/* What a load of that kind leaves in its 64-bit register, when the device answered data. */
uint64_t hv_hvf_esr_loaded(const struct hv_hvf_dabt *abort, uint64_t data);

/* The system register of a trapped MRS or MSR, numbered as SYSREG() does. */
struct hv_hvf_msr {
    uint16_t id;
    unsigned rt;
    bool read;
};
struct hv_hvf_msr hv_hvf_esr_msr(uint64_t esr);

/* Taking a synchronous exception from pstate to EL1: where to, and in what state. */
struct hv_hvf_frame {
    uint64_t pc, pstate;
};
struct hv_hvf_frame hv_hvf_esr_frame(uint64_t pstate, uint64_t vbar, uint64_t sctlr);
