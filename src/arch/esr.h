/* ESR_EL1 (Arm DDI 0487, D19.2.37): exception classes and the fault status codes of aborts. */
#pragma once

#include "base/bits.h"

#define ESR_EC  BITS(31, 26)
#define ESR_IL  BIT(25)
#define ESR_ISS BITS(24, 0)

enum esr_ec {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_FP_TRAP = 0x07, /* access to SIMD or FP trapped by CPACR_EL1.FPEN */
    EC_ILLEGAL_STATE = 0x0e,
    EC_SVC64 = 0x15,
    EC_HVC64 = 0x16,
    EC_SMC64 = 0x17,
    EC_SYSREG = 0x18,
    EC_IABT_LOWER = 0x20,
    EC_IABT_SAME = 0x21,
    EC_PC_ALIGN = 0x22,
    EC_DABT_LOWER = 0x24,
    EC_DABT_SAME = 0x25,
    EC_SP_ALIGN = 0x26,
    EC_FP_EXC = 0x2c,
    EC_SERROR = 0x2f,
    EC_BREAKPOINT_LOWER = 0x30,
    EC_BREAKPOINT_SAME = 0x31,
    EC_STEP_LOWER = 0x32,
    EC_STEP_SAME = 0x33,
    EC_WATCHPOINT_LOWER = 0x34,
    EC_WATCHPOINT_SAME = 0x35,
    EC_BRK64 = 0x3c,
};

/* ISS of data aborts and watchpoints. ISV and what it covers: faults of stage 2 alone. */
#define ISS_DABT_DFSC  BITS(5, 0)
#define ISS_DABT_WNR   BIT(6)
#define ISS_DABT_S1PTW BIT(7)
#define ISS_DABT_CM    BIT(8)
#define ISS_DABT_AR    BIT(14)
#define ISS_DABT_SF    BIT(15)
#define ISS_DABT_SRT   BITS(20, 16)
#define ISS_DABT_SSE   BIT(21)
#define ISS_DABT_SAS   BITS(23, 22)
#define ISS_DABT_ISV   BIT(24)

/* ISS of software step: EX is valid, and a load-exclusive was stepped. */
#define ISS_STEP_ISV BIT(24)
#define ISS_STEP_EX  BIT(6)

/* Fault status codes; those of a table walk have the level in bits 1:0. */
#define FSC_LEVEL BITS(1, 0)
enum fault_status {
    FSC_ADDR_SIZE = 0x00,
    FSC_TRANSLATION = 0x04,
    FSC_ACCESS_FLAG = 0x08,
    FSC_PERMISSION = 0x0c,
    FSC_EXTERNAL = 0x10,
    FSC_EXTERNAL_WALK = 0x14,
    FSC_ALIGNMENT = 0x21,
    FSC_DEBUG = 0x22,
    FSC_TLB_CONFLICT = 0x30,
    FSC_UNSUPPORTED_EXCL = 0x35,
};
