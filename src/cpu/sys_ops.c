/*
 * SYS: cache, TLB and address translation operations (Arm DDI 0487, C5.3 to C5.5).
 *
 * The caches are not modelled: operations by address still translate, so that they fault, and IC
 * drops predecoded instructions. What reaches other vCPUs goes out through broadcast.h.
 */
#include "cpu/code.h"
#include "cpu/exc.h"
#include "cpu/hyp.h"
#include "cpu/mmu_walk.h"
#include "cpu/sysreg_access.h"

#define SCTLR_DZE BIT(14)
#define SCTLR_UCI BIT(26)

#define OP(op1, crn, crm, op2) SYSREG(1, op1, crn, crm, op2)

enum {
    IC_IALLUIS = OP(0, 7, 1, 0),
    IC_IALLU = OP(0, 7, 5, 0),
    DC_IVAC = OP(0, 7, 6, 1),
    DC_ISW = OP(0, 7, 6, 2),
    AT_S1E1R = OP(0, 7, 8, 0),
    AT_S1E1W = OP(0, 7, 8, 1),
    AT_S1E0R = OP(0, 7, 8, 2),
    AT_S1E0W = OP(0, 7, 8, 3),
    DC_CSW = OP(0, 7, 10, 2),
    DC_CISW = OP(0, 7, 14, 2),
    TLBI_VMALLE1IS = OP(0, 8, 3, 0),
    TLBI_VAE1IS = OP(0, 8, 3, 1),
    TLBI_ASIDE1IS = OP(0, 8, 3, 2),
    TLBI_VAAE1IS = OP(0, 8, 3, 3),
    TLBI_VALE1IS = OP(0, 8, 3, 5),
    TLBI_VAALE1IS = OP(0, 8, 3, 7),
    TLBI_VMALLE1 = OP(0, 8, 7, 0),
    TLBI_VAE1 = OP(0, 8, 7, 1),
    TLBI_ASIDE1 = OP(0, 8, 7, 2),
    TLBI_VAAE1 = OP(0, 8, 7, 3),
    TLBI_VALE1 = OP(0, 8, 7, 5),
    TLBI_VAALE1 = OP(0, 8, 7, 7),
    DC_ZVA = OP(3, 7, 4, 1),
    IC_IVAU = OP(3, 7, 5, 1),
    DC_CVAC = OP(3, 7, 10, 1),
    DC_CVAU = OP(3, 7, 11, 1),
    DC_CIVAC = OP(3, 7, 14, 1),
};

#define TLBI_ASID BITS(63, 48)
#define TLBI_VA   BITS(43, 0) /* bits 55:12 of the address */

#define PAR_F    BIT(0)
#define PAR_FST  BITS(6, 1)
#define PAR_SH   BITS(8, 7)
#define PAR_RES1 BIT(11)
#define PAR_PA   BITS(47, 12)
#define PAR_ATTR BITS(63, 56)

/* Operations that SCTLR_EL1 keeps from EL0. */
static void need(struct cpu *c, uint16_t enc, uint64_t sctlr_bit)
{
    if (c->el == 0 && !(c->sys.sctlr_el1 & sctlr_bit))
        sysreg_trap(c, enc, false);
}

/* AT: the result goes to PAR_EL1, but an external abort of the walk is taken
 * as an exception (Arm DDI 0487, AArch64.AT). */
static void translate(struct cpu *c, gva_t tagged, enum mmu_access access, bool user)
{
    gva_t va = mmu_untag(c, tagged);
    struct mmu_page page;
    unsigned fsc;
    bool ok = mmu_walk(c, va, access, user, &page, &fsc);

    if (!ok && c->soc->stage2)
        hyp_check_walk(c, tagged, page.gpa, access, fsc);
    if (!ok && (fsc & ~FSC_LEVEL) == FSC_EXTERNAL_WALK)
        exc_data_abort(c, tagged, fsc, true, true);
    if (ok && !mmu_walk_allows(&page, access, user, false)) {
        fsc = FSC_PERMISSION | page.level;
        ok = false;
    }
    if (ok)
        c->sys.par_el1 = PAR_RES1 | (page.gpa & PAR_PA) | FIELD_PUT(PAR_SH, page.sh) |
                         FIELD_PUT(PAR_ATTR, page.attr);
    else
        c->sys.par_el1 = PAR_RES1 | PAR_F | FIELD_PUT(PAR_FST, fsc);
}

static gva_t tlbi_va(uint64_t val)
{
    return (gva_t)sign_extend(FIELD_GET(TLBI_VA, val) << 12, 56);
}

/* What EL0 may be allowed to do. Returns false for everything else. */
static bool user_op(struct cpu *c, uint16_t enc, uint64_t val)
{
    gpa_t gpa;

    switch (enc) {
    case DC_ZVA:
        need(c, enc, SCTLR_DZE);
        mmu_zero_block(c, val);
        return true;
    case IC_IVAU:
        need(c, enc, SCTLR_UCI);
        gpa = mmu_cache_op(c, val, MMU_READ);
        code_invalidate_line(c, gpa);
        broadcast_send_code(c, align_down(gpa, CODE_PAGE_SIZE));
        return true;
    case DC_CVAC:
    case DC_CVAU:
    case DC_CIVAC:
        need(c, enc, SCTLR_UCI);
        (void)mmu_cache_op(c, val, MMU_READ);
        return true;
    default:
        return false;
    }
}

static bool tlb_op(struct cpu *c, uint16_t enc, uint64_t val)
{
    bool broadcast = (enc & SYSREG(0, 0, 0, 15, 0)) == SYSREG(0, 0, 0, 3, 0);
    uint16_t asid = (uint16_t)FIELD_GET(TLBI_ASID, val);
    gva_t va = tlbi_va(val);

    if (!(c->sys.tcr_el1 & TCR_AS))
        asid &= 0xff;
    switch (enc) {
    case TLBI_VMALLE1IS:
    case TLBI_VMALLE1:
        mmu_flush_all(c);
        if (broadcast)
            broadcast_send(c, BROADCAST_TLB_ALL, 0);
        return true;
    case TLBI_ASIDE1IS:
    case TLBI_ASIDE1:
        mmu_flush_asid(c, asid);
        if (broadcast)
            broadcast_send_asid(c, BROADCAST_TLB_ASID, asid, asid);
        return true;
    case TLBI_VAE1IS:
    case TLBI_VAE1:
    case TLBI_VALE1IS:
    case TLBI_VALE1:
        mmu_flush_va(c, va);
        if (broadcast && !(va & BIT(63)))
            broadcast_send_asid(c, BROADCAST_TLB_VA, va, asid);
        else if (broadcast) /* mostly global */
            broadcast_send(c, BROADCAST_TLB_VA, va);
        return true;
    case TLBI_VAAE1IS:
    case TLBI_VAAE1:
    case TLBI_VAALE1IS:
    case TLBI_VAALE1:
        mmu_flush_va(c, va);
        if (broadcast)
            broadcast_send(c, BROADCAST_TLB_VA, va);
        return true;
    default:
        return false;
    }
}

void sys_execute(struct cpu *c, uint16_t enc, uint64_t val)
{
    if (user_op(c, enc, val))
        return;
    if (c->el == 0)
        exc_undefined(c);
    if (tlb_op(c, enc, val))
        return;
    switch (enc) {
    case IC_IALLUIS:
        broadcast_send(c, BROADCAST_CODE_ALL, 0);
        code_invalidate_all(c);
        break;
    case IC_IALLU:
        code_invalidate_all(c);
        break;
    case DC_IVAC:
        (void)mmu_cache_op(c, val, MMU_WRITE);
        break;
    case DC_ISW:
    case DC_CSW:
    case DC_CISW:
        break;
    case AT_S1E1R:
        translate(c, val, MMU_READ, false);
        break;
    case AT_S1E1W:
        translate(c, val, MMU_WRITE, false);
        break;
    case AT_S1E0R:
        translate(c, val, MMU_READ, true);
        break;
    case AT_S1E0W:
        translate(c, val, MMU_WRITE, true);
        break;
    default:
        exc_undefined(c);
    }
}
