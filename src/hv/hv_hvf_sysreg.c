/*
 * System registers that Hypervisor.framework traps and leaves to us.
 *
 * The OS lock and the claim tags are kept; the performance monitors that nobody announces count
 * nothing; identification registers without a meaning read as zero. Everything else is UNDEFINED.
 */
#include "base/log.h"
#include "hv/hv_hvf_host.h"
#include "hv/hv_hvf_int.h"

#define OSLAR      SYSREG(2, 0, 1, 0, 4)
#define OSLSR      SYSREG(2, 0, 1, 1, 4)
#define OSDLR      SYSREG(2, 0, 1, 3, 4)
#define DBGPRCR    SYSREG(2, 0, 1, 4, 4)
#define MDRAR      SYSREG(2, 0, 1, 0, 0)
#define MDCCSR     SYSREG(2, 3, 0, 1, 0)
#define DBGDTR     SYSREG(2, 3, 0, 4, 0)
#define DBGDTR_RX  SYSREG(2, 3, 0, 5, 0)
#define OSDTRRX    SYSREG(2, 0, 0, 0, 2)
#define OSDTRTX    SYSREG(2, 0, 0, 3, 2)
#define CLAIMSET   SYSREG(2, 0, 7, 8, 6)
#define CLAIMCLR   SYSREG(2, 0, 7, 9, 6)
#define AUTHSTATUS SYSREG(2, 0, 7, 14, 6)
#define CNTPCT     SYSREG(3, 3, 14, 0, 1)
#define CNTPCTSS   SYSREG(3, 3, 14, 0, 5)

#define OSLSR_OSLM BIT(3) /* the OS lock is there */
#define OSLSR_OSLK BIT(1)
#define CLAIM_TAGS BITS(7, 0)

/* Parts of an encoding. */
#define ID_OP0 BITS(15, 14)
#define ID_OP1 BITS(13, 11)
#define ID_CRN BITS(10, 7)
#define ID_CRM BITS(6, 3)

/* Performance monitors: PMxxx_EL0 and the two of EL1 with CRn 9, the counters with CRn 14. */
static bool is_pmu(uint16_t id)
{
    uint64_t op1 = FIELD_GET(ID_OP1, id), crn = FIELD_GET(ID_CRN, id), crm = FIELD_GET(ID_CRM, id);

    if (FIELD_GET(ID_OP0, id) != 3)
        return false;
    return (crn == 9 && crm >= 12 && crm <= 14 && (op1 == 0 || op1 == 3)) ||
           (crn == 14 && crm >= 8 && op1 == 3);
}

/* ID_*_EL1 and what is reserved for more of them. */
static bool is_id(uint16_t id)
{
    return FIELD_GET(ID_OP0, id) == 3 && FIELD_GET(ID_OP1, id) == 0 && FIELD_GET(ID_CRN, id) == 0 &&
           FIELD_GET(ID_CRM, id) >= 1 && FIELD_GET(ID_CRM, id) <= 7;
}

static bool sysreg_read(struct hv_hvf_vcpu *v, uint16_t id, uint64_t *ret_val)
{
    switch (id) {
    case OSLSR:
        *ret_val = OSLSR_OSLM | FIELD_PUT(OSLSR_OSLK, v->os_lock);
        return true;
    case OSDLR:
        *ret_val = v->osdlr;
        return true;
    case CLAIMSET:
        *ret_val = CLAIM_TAGS; /* the tags that there are */
        return true;
    case CLAIMCLR:
        *ret_val = v->dbgclaim;
        return true;
    case HVF_MDCCINT:
        *ret_val = hv_hvf_vcpu_get_sys(v, id);
        return true;
    case CNTPCT:
    case CNTPCTSS:
        *ret_val = hvf_host_ticks();
        return true;
    case MDRAR:
    case MDCCSR:
    case DBGDTR:
    case DBGDTR_RX:
    case OSDTRRX:
    case OSDTRTX:
    case DBGPRCR:
    case AUTHSTATUS:
        *ret_val = 0;
        return true;
    default:
        *ret_val = 0;
        return is_pmu(id) || is_id(id);
    }
}

static bool sysreg_write(struct hv_hvf_vcpu *v, uint16_t id, uint64_t val)
{
    switch (id) {
    case OSLAR:
        v->os_lock = val & 1;
        return true;
    case OSDLR:
        v->osdlr = val & 1;
        return true;
    case CLAIMSET:
        v->dbgclaim |= val & CLAIM_TAGS;
        return true;
    case CLAIMCLR:
        v->dbgclaim &= ~val;
        return true;
    case HVF_MDCCINT:
        hv_hvf_vcpu_set_sys(v, id, val);
        return true;
    case DBGDTR:
    case DBGDTR_RX:
    case OSDTRRX:
    case OSDTRTX:
    case DBGPRCR:
        return true;
    default:
        return is_pmu(id);
    }
}

bool hv_hvf_sysreg(struct hv_hvf_vcpu *v, struct hv_hvf_msr msr)
{
    uint64_t val;

    if (!msr.read)
        return sysreg_write(v, msr.id, hv_hvf_vcpu_get_x(v, msr.rt));
    if (!sysreg_read(v, msr.id, &val))
        return false;
    hv_hvf_vcpu_set_x(v, msr.rt, val);
    return true;
}
