/*
 * MRS, MSR (register) and MSR (immediate): who may, who is trapped, and where the value is.
 *
 * Most registers are rows of sysreg_table.c. Three families are ranges of encodings: the ID
 * registers, the debug breakpoints and watchpoints, and the GIC's CPU interface.
 */
#include "cpu/sysreg_access.h"

#include "cpu/debug.h"
#include "cpu/exc.h"
#include "cpu/gic.h"
#include "cpu/hyp.h"
#include "cpu/idregs.h"
#include "cpu/insn.h"
#include "cpu/mmu.h"
#include "cpu/sysreg_row.h"
#include "cpu/timer.h"

#define ENC_OP0 BITS(15, 14)
#define ENC_OP1 BITS(13, 11)
#define ENC_CRN BITS(10, 7)
#define ENC_CRM BITS(6, 3)
#define ENC_OP2 BITS(2, 0)

#define SCTLR_UMA BIT(9)

/* Fields of MSR (immediate), op1:op2 (C6.2.230). */
#define PSTATE_SPSEL   0x05
#define PSTATE_PAN     0x04
#define PSTATE_DAIFSET 0x1e
#define PSTATE_DAIFCLR 0x1f

/* ISS of a trapped MSR or MRS (D19.2.37). */
static uint32_t iss_of(uint16_t enc, unsigned rt, bool read)
{
    return (uint32_t)(FIELD_GET(ENC_OP0, enc) << 20 | FIELD_GET(ENC_OP2, enc) << 17 |
                      FIELD_GET(ENC_OP1, enc) << 14 | FIELD_GET(ENC_CRN, enc) << 10 | rt << 5 |
                      FIELD_GET(ENC_CRM, enc) << 1 | read);
}

NORETURN static void trap(struct cpu *c, uint16_t enc, unsigned rt, bool read)
{
    exc_sync(c, EC_SYSREG, iss_of(enc, rt, read));
}

void sysreg_to_hyp(struct cpu *c, bool read)
{
    if (UNLIKELY(c->soc->stage2))
        hyp_take(c, hyp_esr(EC_SYSREG, iss_of((uint16_t)c->insn->imm, c->insn->raw & 31, read)), 0,
                 0);
}

void sysreg_trap(struct cpu *c, uint16_t enc, bool read)
{
    trap(c, enc, c->insn->raw & 31, read);
}

const struct sysreg_row *sysreg_find(uint16_t enc)
{
    unsigned lo = 0, hi = sysreg_row_count;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (sysreg_rows[mid].enc < enc)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sysreg_row_count && sysreg_rows[lo].enc == enc ? &sysreg_rows[lo] : NULL;
}

static bool is_idreg(uint16_t enc)
{
    return enc >= SYSREG(3, 0, 0, 1, 0) && enc <= SYSREG(3, 0, 0, 7, 7);
}

static bool is_icc(uint16_t enc)
{
    return enc == SYSREG(3, 0, 4, 6, 0) ||
           (enc >= SYSREG(3, 0, 12, 8, 0) && enc <= SYSREG(3, 0, 12, 12, 7));
}

/* DBGBVR, DBGBCR, DBGWVR, DBGWCR <n>: CRm is n, op2 says which. */
static bool is_debug_reg(uint16_t enc, enum debug_reg *ret_which, unsigned *ret_n)
{
    unsigned op2 = (unsigned)FIELD_GET(ENC_OP2, enc);

    if ((enc & ~(ENC_CRM | ENC_OP2)) != SYSREG(2, 0, 0, 0, 0) || op2 < 4)
        return false;
    *ret_which = (enum debug_reg)(op2 - 4);
    *ret_n = (unsigned)FIELD_GET(ENC_CRM, enc);
    return true;
}

/* A register that is not there: does a hypervisor hear of it, who has to make one up? The PMU's
 * (MDCR_EL2.TPM), implementation defined ones (HCR_EL2.TIDCP), and those of an interrupt controller
 * that is the hypervisor's own. */
static bool is_hyps(uint16_t enc)
{
    unsigned op1 = (unsigned)FIELD_GET(ENC_OP1, enc), crm = (unsigned)FIELD_GET(ENC_CRM, enc);

    if (FIELD_GET(ENC_OP0, enc) != 3)
        return false;
    switch (FIELD_GET(ENC_CRN, enc)) {
    case 9:
        return (op1 == 0 || op1 == 3) && crm >= 12 && crm <= 14;
    case 11:
    case 15:
        return true;
    case 14:
        return op1 == 3 && crm >= 8;
    default:
        return is_icc(enc);
    }
}

NORETURN static void missing(struct cpu *c, uint16_t enc, bool read)
{
    if (is_hyps(enc))
        sysreg_to_hyp(c, read);
    exc_undefined(c);
}

/* UNDEFINED or trapped, if this access is not to be. */
static void check(struct cpu *c, const struct sysreg_row *row, bool read)
{
    unsigned need = c->el ? (read ? SYSREG_R1 : SYSREG_W1) : (read ? SYSREG_R0 : SYSREG_W0);

    if (!(row->access & need))
        exc_undefined(c);
    if (c->el == 0 && row->el0 && !row->el0(c))
        sysreg_trap(c, row->enc, read);
}

static uint64_t *backing(struct cpu *c, const struct sysreg_row *row)
{
    return (uint64_t *)(void *)((char *)c + row->offset);
}

uint64_t sysreg_read(struct cpu *c, uint16_t enc)
{
    const struct sysreg_row *row = sysreg_find(enc);
    enum debug_reg which;
    uint64_t val;
    unsigned n;

    if (row) {
        check(c, row, true);
        return row->read ? row->read(c) : *backing(c, row);
    }
    if (c->el == 0)
        exc_undefined(c);
    if (is_idreg(enc))
        return idregs_read(c->soc, (unsigned)FIELD_GET(ENC_CRM, enc),
                           (unsigned)FIELD_GET(ENC_OP2, enc));
    if (is_icc(enc) && c->soc->gic && gic_icc_read(c->soc->gic, c->index, enc, &val))
        return val;
    if (is_debug_reg(enc, &which, &n)) {
        if (UNLIKELY(c->hyp_debug & CPU_HYP_DEBUG_REGS))
            sysreg_to_hyp(c, true);
        if (debug_reg_read(c, which, n, &val))
            return val;
    }
    missing(c, enc, true);
}

void sysreg_write(struct cpu *c, uint16_t enc, uint64_t val)
{
    const struct sysreg_row *row = sysreg_find(enc);
    enum debug_reg which;
    unsigned n;

    if (row) {
        check(c, row, false);
        if (row->write)
            row->write(c, val);
        else
            *backing(c, row) = (*backing(c, row) & ~row->mask) | (val & row->mask);
        return;
    }
    if (c->el == 0)
        exc_undefined(c);
    if (is_icc(enc) && c->soc->gic && gic_icc_write(c->soc->gic, c->index, enc, val))
        return;
    if (is_debug_reg(enc, &which, &n)) {
        if (UNLIKELY(c->hyp_debug & CPU_HYP_DEBUG_REGS))
            sysreg_to_hyp(c, false);
        if (debug_reg_write(c, which, n, val))
            return;
    }
    missing(c, enc, false);
}

void sysreg_write_imm(struct cpu *c, unsigned op1, unsigned op2, unsigned imm)
{
    unsigned field = op1 << 3 | op2;
    uint64_t pstate;

    switch (field) {
    case PSTATE_DAIFSET:
    case PSTATE_DAIFCLR:
        if (c->el == 0 && !(c->sys.sctlr_el1 & SCTLR_UMA))
            trap(c, SYSREG(0, op1, 4, imm, op2), 31, false);
        if (field == PSTATE_DAIFSET)
            c->daif |= (uint64_t)(imm & 15) << 6;
        else
            c->daif &= ~((uint64_t)(imm & 15) << 6);
        debug_update(c);
        return;
    case PSTATE_SPSEL:
    case PSTATE_PAN:
        if (c->el == 0)
            exc_undefined(c);
        if (field == PSTATE_SPSEL) {
            pstate = exc_pstate_get(c) & ~UINT64_C(1);
            exc_pstate_set(c, pstate | (imm & 1));
        } else {
            c->pan = imm & 1;
            mmu_update_view(c);
        }
        return;
    default: /* UAO, DIT, SSBS, TCO: not announced */
        exc_undefined(c);
    }
}

void sys_requests(struct cpu *c, uint32_t what)
{
    if (what & CPU_REQ_TIMER)
        (void)timer_update(c);
    if (c->soc->gic)
        c->signals = (uint8_t)gic_signals(c->soc->gic, c->index);
}
