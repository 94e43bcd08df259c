/*
 * Breakpoints, watchpoints and software step: what matches, and the exceptions (Arm DDI 0487, D2.8
 * to D2.11; AArch64.BreakpointMatch, AArch64.WatchpointMatch, AArch64.StateMatch). There is no
 * EL2 or EL3, no AArch32 and no halting debug.
 *
 * A reserved combination of fields behaves as disabled, wherever the manual leaves that choice.
 */
#include "cpu/debug.h"

#include "cpu/exc.h"
#include "cpu/idregs.h"

#define DFR0_BRPS     BITS(15, 12)
#define DFR0_WRPS     BITS(23, 20)
#define DFR0_CTX_CMPS BITS(31, 28)

/* DBGBCR<n>_EL1 and DBGWCR<n>_EL1 (D19.3): fields that both have. */
#define CR_E   BIT(0)
#define CR_EL1 BIT(1) /* PMC, PAC: low bit */
#define CR_EL0 BIT(2) /* PMC, PAC: high bit */
#define CR_HMC BIT(13)
#define CR_SSC BITS(15, 14)
#define CR_LBN BITS(19, 16)

#define BCR_BAS  BITS(8, 5) /* RES1: instructions are words */
#define BCR_BT   BITS(23, 20)
#define BCR_MASK (BITS(2, 0) | CR_HMC | CR_SSC | CR_LBN | BCR_BT)

#define WCR_LSC  BITS(4, 3)
#define WCR_BAS  BITS(12, 5)
#define WCR_WT   BIT(20)
#define WCR_MASK BITS(28, 24)
#define WCR_ALL  (WCR_MASK | BITS(20, 0))

enum { BT_ADDRESS, BT_ADDRESS_LINKED, BT_CONTEXT, BT_CONTEXT_LINKED };
enum { LSC_LOAD = 1, LSC_STORE = 2 };

/* Addresses are compared up to bit 48, which stands for all above it: what is not canonical has
 * taken a translation fault before. */
#define VA_BITS 49
#define VA_WORD BITS(48, 2)
#define VA_PAGE BITS(48, 12)
#define VA_ALL  BITS(48, 0)

#define BLOCK_BYTES 64u /* of DC ZVA, and CTR_EL0.DminLine for DC IVAC */

static unsigned breakpoints(const struct soc *soc)
{
    return (unsigned)FIELD_GET(DFR0_BRPS, soc->model->dfr0) + 1;
}

static unsigned watchpoints(const struct soc *soc)
{
    return (unsigned)FIELD_GET(DFR0_WRPS, soc->model->dfr0) + 1;
}

/* Such a breakpoint compares CONTEXTIDR_EL1 instead of the address, if asked to. */
static bool context_aware(const struct soc *soc, unsigned n)
{
    unsigned count = (unsigned)FIELD_GET(DFR0_CTX_CMPS, soc->model->dfr0) + 1;

    return n < breakpoints(soc) && n >= breakpoints(soc) - count;
}

static bool exists(const struct soc *soc, enum debug_reg which, unsigned n)
{
    return n < (which <= DEBUG_BCR ? breakpoints(soc) : watchpoints(soc));
}

static uint64_t *backing(struct cpu *c, enum debug_reg which, unsigned n)
{
    uint64_t *regs[] = { c->sys.dbgbvr, c->sys.dbgbcr, c->sys.dbgwvr, c->sys.dbgwcr };

    return &regs[which][n];
}

/* What the register holds after val was written. The bits above an address are hardwired copies of
 * its top bit. A context-aware breakpoint's value is an address or a context ID by what its control
 * register says later, so it keeps all bits. */
static uint64_t held(const struct soc *soc, enum debug_reg which, unsigned n, uint64_t val)
{
    switch (which) {
    case DEBUG_BCR:
        return (val & BCR_MASK) | BCR_BAS;
    case DEBUG_WCR:
        return val & WCR_ALL;
    case DEBUG_BVR:
        if (context_aware(soc, n))
            return val;
        break;
    case DEBUG_WVR:
        break;
    }
    return (uint64_t)sign_extend(val & ~UINT64_C(3), VA_BITS);
}

bool debug_reg_read(struct cpu *c, enum debug_reg which, unsigned n, uint64_t *ret_val)
{
    if (!exists(c->soc, which, n))
        return false;
    *ret_val = held(c->soc, which, n, *backing(c, which, n));
    return true;
}

bool debug_reg_write(struct cpu *c, enum debug_reg which, unsigned n, uint64_t val)
{
    if (!exists(c->soc, which, n))
        return false;
    *backing(c, which, n) = held(c->soc, which, n, val);
    debug_rearm(c);
    return true;
}

bool debug_reg_holds(const struct soc *soc, enum debug_reg which, unsigned n, uint64_t val)
{
    return !val || (exists(soc, which, n) && held(soc, which, n, val) == val);
}

/* AArch64.StateMatch without the link. With neither EL2 nor EL3, HMC and SSC other than 0 are
 * reserved. */
static bool state_match(uint64_t cr, bool user)
{
    return (cr & CR_E) && !(cr & (CR_HMC | CR_SSC)) && (cr & (user ? CR_EL0 : CR_EL1));
}

static bool context_match(const struct cpu *c, unsigned n)
{
    return (uint32_t)c->sys.dbgbvr[n] == (uint32_t)c->sys.contextidr_el1;
}

/* Does the breakpoint that cr links to match? */
static bool link_match(const struct cpu *c, uint64_t cr)
{
    unsigned n = (unsigned)FIELD_GET(CR_LBN, cr);

    return context_aware(c->soc, n) && (c->sys.dbgbcr[n] & CR_E) &&
           FIELD_GET(BCR_BT, c->sys.dbgbcr[n]) == BT_CONTEXT_LINKED && context_match(c, n);
}

static bool compares_address(uint64_t bcr)
{
    return FIELD_GET(BCR_BT, bcr) <= BT_ADDRESS_LINKED;
}

static bool breakpoint_match(const struct cpu *c, unsigned n, gva_t pc)
{
    uint64_t bcr = c->sys.dbgbcr[n];

    if (!state_match(bcr, c->el == 0))
        return false;
    switch (FIELD_GET(BCR_BT, bcr)) {
    case BT_ADDRESS:
        return !((pc ^ c->sys.dbgbvr[n]) & VA_WORD);
    case BT_ADDRESS_LINKED:
        return !((pc ^ c->sys.dbgbvr[n]) & VA_WORD) && link_match(c, bcr);
    case BT_CONTEXT:
        return context_aware(c->soc, n) && context_match(c, n);
    default: /* only linked to, or reserved */
        return false;
    }
}

bool debug_breaks_page(const struct cpu *c, gva_t pc)
{
    for (unsigned n = 0; n < breakpoints(c->soc); n++) {
        if (state_match(c->sys.dbgbcr[n], c->el == 0) && compares_address(c->sys.dbgbcr[n]) &&
            !((pc ^ c->sys.dbgbvr[n]) & VA_PAGE))
            return true;
    }
    return false;
}

void debug_check_fetch(struct cpu *c)
{
    for (unsigned n = 0; n < breakpoints(c->soc); n++) {
        if (breakpoint_match(c, n, c->pc))
            exc_debug(c, EC_BREAKPOINT_LOWER, 0, FSC_DEBUG);
    }
}

/* Low address bits that choose the byte in BAS. */
static unsigned select_bits(uint64_t wvr)
{
    return wvr & BIT(2) ? 2 : 3;
}

/* Low address bits that are not compared. */
static unsigned masked_bits(uint64_t wvr, uint64_t wcr)
{
    unsigned mask = (unsigned)FIELD_GET(WCR_MASK, wcr), select = select_bits(wvr);

    return mask > select ? mask : select;
}

/* Can it match at some EL? MASK values 1 and 2 are reserved. */
static bool watchpoint_usable(uint64_t wcr)
{
    uint64_t mask = FIELD_GET(WCR_MASK, wcr);

    return (state_match(wcr, true) || state_match(wcr, false)) && mask != 1 && mask != 2;
}

/* AArch64.WatchpointByteMatch. BAS selects bytes also where the manual leaves open what it does:
 * not contiguous, or together with MASK. Masked bits of the value are ignored. */
static bool byte_match(uint64_t wvr, uint64_t wcr, gva_t va)
{
    if ((va ^ wvr) & VA_ALL & ~low_mask(masked_bits(wvr, wcr)))
        return false;
    return FIELD_GET(WCR_BAS, wcr) >> (va & low_mask(select_bits(wvr))) & 1;
}

/* Does watchpoint n match an access of one of these kinds (LSC_*)? *ret_at is then the offset of
 * its first byte that is watched. */
static bool watchpoint_match(const struct cpu *c, unsigned n, gva_t va, unsigned size,
                             unsigned kinds, bool user, unsigned *ret_at)
{
    uint64_t wvr = c->sys.dbgwvr[n], wcr = c->sys.dbgwcr[n];

    if (!watchpoint_usable(wcr) || !state_match(wcr, user) || !(FIELD_GET(WCR_LSC, wcr) & kinds))
        return false;
    if ((wcr & WCR_WT) && !link_match(c, wcr))
        return false;
    for (unsigned at = 0; at < size; at++) {
        if (byte_match(wvr, wcr, va + at)) {
            *ret_at = at;
            return true;
        }
    }
    return false;
}

bool debug_watches_page(const struct cpu *c, gva_t va)
{
    for (unsigned n = 0; n < watchpoints(c->soc); n++) {
        uint64_t wvr = c->sys.dbgwvr[n], wcr = c->sys.dbgwcr[n];

        if (watchpoint_usable(wcr) && !((va ^ wvr) & VA_PAGE & ~low_mask(masked_bits(wvr, wcr))))
            return true;
    }
    return false;
}

NORETURN static void take_watchpoint(struct cpu *c, gva_t far, bool write, bool cache_op)
{
    exc_debug(c, EC_WATCHPOINT_LOWER, far,
              FSC_DEBUG | (uint32_t)(write ? ISS_DABT_WNR : 0) |
                  (uint32_t)(cache_op ? ISS_DABT_CM : 0));
}

/* FAR gets the lowest watched address. An atomic counts as a read if a read would have matched
 * (D19.2.37, WnR). */
void debug_check_access(struct cpu *c, gva_t va, gva_t tagged, unsigned size,
                        enum mmu_access access, bool user)
{
    unsigned kinds = access == MMU_READ    ? LSC_LOAD
                     : access == MMU_WRITE ? LSC_STORE
                                           : LSC_LOAD | LSC_STORE;
    unsigned first = size, at;
    bool read = false;

    for (unsigned n = 0; n < watchpoints(c->soc); n++) {
        if (!watchpoint_match(c, n, va, size, kinds, user, &at))
            continue;
        first = at < first ? at : first;
        read |= FIELD_GET(WCR_LSC, c->sys.dbgwcr[n]) & kinds & LSC_LOAD;
    }
    if (first < size)
        take_watchpoint(c, tagged + first, !read, false);
}

/* FAR gets the address that the instruction was given. */
void debug_check_block(struct cpu *c, gva_t va, gva_t tagged, bool cache_op)
{
    unsigned at;

    for (unsigned n = 0; n < watchpoints(c->soc); n++) {
        if (watchpoint_match(c, n, align_down(va, BLOCK_BYTES), BLOCK_BYTES, LSC_STORE, c->el == 0,
                             &at))
            take_watchpoint(c, tagged, true, cache_op);
    }
}

/* Load-exclusive, of one register or a pair (C4.1.94). CASP has the pair's bit and a size below
 * 2. */
static bool is_load_exclusive(uint32_t raw)
{
    bool one = (raw & 0x3fe00000) == 0x08400000, pair = (raw & 0xbfe00000) == 0x88600000;

    return one || pair;
}

void debug_step_taken(struct cpu *c, bool stepped, uint32_t raw)
{
    uint32_t iss = FSC_DEBUG;

    if (stepped)
        iss |= (uint32_t)(ISS_STEP_ISV | (is_load_exclusive(raw) ? ISS_STEP_EX : 0));
    exc_debug(c, EC_STEP_LOWER, 0, iss);
}

/* What the registers ask for, at whatever EL. */
static unsigned armed(const struct cpu *c)
{
    unsigned kinds = 0;

    if (c->sys.os_lock)
        return 0;
    if (c->sys.mdscr_el1 & MDSCR_SS)
        kinds |= DEBUG_STEP;
    if (!(c->sys.mdscr_el1 & MDSCR_MDE))
        return kinds;
    for (unsigned n = 0; n < breakpoints(c->soc); n++)
        kinds |= c->sys.dbgbcr[n] & CR_E ? DEBUG_BREAK : 0;
    for (unsigned n = 0; n < watchpoints(c->soc); n++)
        kinds |= watchpoint_usable(c->sys.dbgwcr[n]) ? DEBUG_WATCH : 0;
    return kinds;
}

/* With watchpoints the TLB was filled under other rules, before or after. */
void debug_rearm(struct cpu *c)
{
    unsigned before = c->debug_armed;

    c->debug_armed = (uint8_t)armed(c);
    c->probe_mask = c->debug_armed & DEBUG_WATCH ? UINT64_MAX : TLB_PAGE_MASK;
    debug_update(c);
    if ((before | c->debug_armed) & DEBUG_WATCH)
        mmu_flush_all(c);
}
