/* What a syndrome says, and exceptions to EL1. */
#include "hv/hv_hvf_esr.h"

/* ISS of a trapped MSR or MRS. */
#define ISS_SYS_OP0  BITS(21, 20)
#define ISS_SYS_OP2  BITS(19, 17)
#define ISS_SYS_OP1  BITS(16, 14)
#define ISS_SYS_CRN  BITS(13, 10)
#define ISS_SYS_RT   BITS(9, 5)
#define ISS_SYS_CRM  BITS(4, 1)
#define ISS_SYS_READ BIT(0)

/* PSTATE as SPSR_EL1 holds it (D19.2.162). */
#define PSTATE_SP    BIT(0)
#define PSTATE_EL    BITS(3, 2)
#define PSTATE_EL1H  UINT64_C(5)
#define PSTATE_DAIF  BITS(9, 6)
#define PSTATE_SSBS  BIT(12)
#define PSTATE_PAN   BIT(22)
#define PSTATE_DIT   BIT(24)
#define PSTATE_NZCV  BITS(31, 28)
#define SCTLR_SPAN   BIT(23)
#define SCTLR_DSSBS  BIT(44)
#define VECTOR_SPX   0x200
#define VECTOR_LOWER 0x400

struct hv_hvf_dabt hv_hvf_esr_dabt(uint64_t esr)
{
    return (struct hv_hvf_dabt){
        .is_valid = esr & ISS_DABT_ISV,
        .write = esr & ISS_DABT_WNR,
        .sign_extend = esr & ISS_DABT_SSE,
        .to_64 = esr & ISS_DABT_SF,
        .cache_op = esr & ISS_DABT_CM,
        .in_walk = esr & ISS_DABT_S1PTW,
        .size = 1u << FIELD_GET(ISS_DABT_SAS, esr),
        .rt = (unsigned)FIELD_GET(ISS_DABT_SRT, esr),
        .dfsc = (unsigned)FIELD_GET(ISS_DABT_DFSC, esr),
    };
}

uint64_t hv_hvf_esr_loaded(const struct hv_hvf_dabt *abort, uint64_t data)
{
    unsigned bits = 8 * abort->size;
    uint64_t val = abort->sign_extend ? (uint64_t)sign_extend(data, bits) : data & low_mask(bits);

    return abort->to_64 ? val : (uint32_t)val;
}

struct hv_hvf_msr hv_hvf_esr_msr(uint64_t esr)
{
    return (struct hv_hvf_msr){
        .id = SYSREG(FIELD_GET(ISS_SYS_OP0, esr), FIELD_GET(ISS_SYS_OP1, esr),
                     FIELD_GET(ISS_SYS_CRN, esr), FIELD_GET(ISS_SYS_CRM, esr),
                     FIELD_GET(ISS_SYS_OP2, esr)),
        .rt = (unsigned)FIELD_GET(ISS_SYS_RT, esr),
        .read = esr & ISS_SYS_READ,
    };
}

/* AArch64.TakeException. What the guest's CPU may have beside these (UAO, BTYPE, TCO, ALLINT) is
 * clear afterwards. */
struct hv_hvf_frame hv_hvf_esr_frame(uint64_t pstate, uint64_t vbar, uint64_t sctlr)
{
    uint64_t kept = pstate & (PSTATE_NZCV | PSTATE_PAN | PSTATE_DIT);
    uint64_t vector = 0;

    if (!FIELD_GET(PSTATE_EL, pstate))
        vector = VECTOR_LOWER;
    else if (pstate & PSTATE_SP)
        vector = VECTOR_SPX;
    if (!(sctlr & SCTLR_SPAN))
        kept |= PSTATE_PAN;
    if (sctlr & SCTLR_DSSBS)
        kept |= PSTATE_SSBS;
    return (struct hv_hvf_frame){
        .pc = vbar + vector,
        .pstate = kept | PSTATE_DAIF | PSTATE_EL1H,
    };
}
