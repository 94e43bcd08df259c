/*
 * The GIC's register windows (GIC IHI 0069, 12.9 to 12.11): the distributor, and two 64 KiB frames
 * for each redistributor.
 *
 * Registers are 32 bits wide; bytes are allowed for priorities, 64 bits for GICD_IROUTER and
 * GICR_TYPER. Other accesses, and those to offsets where nothing is, read as zero, write nothing
 * and are logged as the guest's fault. Reserved registers are there and do nothing.
 */
#include "cpu/gic_int.h"

#include "base/log.h"

enum {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IIDR = 0x0008,
    GICD_TYPER2 = 0x000c,
    GICD_STATUSR = 0x0010,
    GICD_SETSPI_NSR = 0x0040,
    GICD_CLRSPI_SR = 0x0058,
    GICD_SGIR = 0x0f00,
    GICD_SPENDSGIR_END = 0x0f30,
    GICD_IROUTER = 0x6000,
    GICR_CTLR = 0x0000,
    GICR_IIDR = 0x0004,
    GICR_TYPER = 0x0008,
    GICR_STATUSR = 0x0010,
    GICR_WAKER = 0x0014,
    GICR_SETLPIR = 0x0040,
    GICR_SYNCR_END = 0x00c4,
    GIC_IDREGS = 0xffd0,
    GIC_PIDR2 = 0xffe8,

    /* Per interrupt, in the distributor and in a redistributor's second frame alike. */
    GIC_IGROUPR = 0x080,
    GIC_ISENABLER = 0x100,
    GIC_ICENABLER = 0x180,
    GIC_ISPENDR = 0x200,
    GIC_ICPENDR = 0x280,
    GIC_ISACTIVER = 0x300,
    GIC_ICACTIVER = 0x380,
    GIC_IPRIORITYR = 0x400,
    GIC_ITARGETSR = 0x800,
    GIC_ICFGR = 0xc00,
    GIC_IGRPMODR = 0xd00,
    GIC_INTS_END = 0xf00,
};

#define GICR_FRAME      UINT64_C(0x10000)
#define PIDR2_GICV3     0x3b
#define TYPER_IDBITS    (UINT64_C(9) << 19)
#define TYPER_NO1N      BIT(25)
#define GICR_TYPER_LAST BIT(4)
#define SGI_BITS        0xffffu

/* An access in flight; the value of a read, or what is written. */
struct access {
    struct gic *gic;
    uint64_t off;
    unsigned size;
    bool write;
    uint64_t val;
};

/* ---- registers with one field per interrupt ---- */

/* One bit each: word registers of a bank. fixed: bits that are read-only (none so far but SGIs').
 */
static void bit_access(struct gic_bank *bank, uint64_t reg, struct access *a)
{
    uint32_t val = (uint32_t)a->val;

    switch (reg) {
    case GIC_IGROUPR:
        if (a->write)
            bank->group = val;
        a->val = bank->group;
        break;
    case GIC_ISENABLER:
    case GIC_ICENABLER:
        if (a->write)
            bank->enabled = reg == GIC_ISENABLER ? bank->enabled | val : bank->enabled & ~val;
        a->val = bank->enabled;
        break;
    case GIC_ISPENDR:
    case GIC_ICPENDR:
        if (a->write)
            bank->latch = reg == GIC_ISPENDR ? bank->latch | val : bank->latch & ~val;
        a->val = gic_pending(bank);
        break;
    default: /* GIC_ISACTIVER, GIC_ICACTIVER */
        if (a->write)
            bank->active = reg == GIC_ISACTIVER ? bank->active | val : bank->active & ~val;
        a->val = bank->active;
    }
}

static void priority_access(uint8_t *priority, struct access *a)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < a->size; i++) {
        if (a->write)
            priority[i] = a->val >> 8 * i & GIC_PRIO_MASK;
        val |= (uint64_t)priority[i] << 8 * i;
    }
    a->val = val;
}

/* Two bits an interrupt, of which the upper one says edge; fixed: those that stay as they are. */
static void config_access(struct gic_bank *bank, unsigned first, uint32_t fixed, struct access *a)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < 16; i++) {
        uint32_t bit = 1u << (first + i);

        if (a->write && !(fixed & bit))
            bank->edge = (a->val >> (2 * i + 1) & 1) ? bank->edge | bit : bank->edge & ~bit;
        val |= (uint64_t) !!(bank->edge & bit) << (2 * i + 1);
    }
    a->val = val;
}

/* banks[w] holds INTIDs 32 * w and up; a NULL bank reads as zero and ignores writes. */
typedef struct gic_bank *(*bank_fn)(struct access *a, void *ctx, unsigned word);

static void ints_access(struct access *a, bank_fn bank_of, void *ctx, uint32_t fixed_edges)
{
    uint64_t off = a->off;
    struct gic_bank *bank = NULL;

    if (off < GIC_IPRIORITYR) {
        bank = bank_of(a, ctx, (unsigned)(off % 0x80 / 4));
        if (bank) {
            bit_access(bank, align_down(off, 0x80), a);
            return;
        }
    } else if (off < GIC_ITARGETSR) {
        bank = bank_of(a, ctx, (unsigned)((off - GIC_IPRIORITYR) / 32));
        if (bank) {
            priority_access(&bank->priority[off % 32], a);
            return;
        }
    } else if (off >= GIC_ICFGR && off < GIC_IGRPMODR) {
        bank = bank_of(a, ctx, (unsigned)((off - GIC_ICFGR) / 8));
        if (bank) {
            config_access(bank, off % 8 ? 16 : 0, fixed_edges, a);
            return;
        }
    }
    a->val = 0; /* ITARGETSR, IGRPMODR, NSACR, and interrupts that are not there */
}

/* Is [off, off + size) a well-formed access to the per-interrupt registers? */
static bool ints_ok(const struct access *a)
{
    bool bytes = a->off >= GIC_IPRIORITYR && a->off < GIC_ICFGR;

    if (a->off < GIC_IGROUPR || a->off >= GIC_INTS_END)
        return false;
    return (a->size == 4 && a->off % 4 == 0) || (bytes && a->size == 1);
}

/* ---- distributor ---- */

static struct gic_bank *dist_bank(struct access *a, void *ctx, unsigned word)
{
    (void)ctx;
    return word && word < GIC_WORDS ? &a->gic->spi[word] : NULL;
}

static void router_access(struct access *a) REQUIRES(a->gic->lock)
{
    unsigned intid = (unsigned)((a->off - GICD_IROUTER) / 8), shift = a->off % 8 ? 32 : 0;
    uint64_t mask = a->size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift;

    if (intid < GIC_FIRST_SPI || intid >= GIC_INTIDS) {
        a->val = 0;
        return;
    }
    if (a->write)
        gic_route(a->gic, intid, (a->gic->irouter[intid] & ~mask) | (a->val << shift & mask));
    a->val = (a->gic->irouter[intid] & mask) >> shift;
}

/* Returns false for an access that is not allowed, or to nothing. */
static bool dist_access(struct access *a) REQUIRES(a->gic->lock)
{
    struct gic *gic = a->gic;

    if (a->off >= GICD_IROUTER && a->off < GICD_IROUTER + 8 * 1020) {
        if (a->off % a->size || a->size < 4)
            return false;
        router_access(a);
        return true;
    }
    if (ints_ok(a)) {
        ints_access(a, dist_bank, NULL, 0);
        return true;
    }
    if (a->size != 4 || a->off % 4)
        return false;
    switch (a->off) {
    case GICD_CTLR:
        if (a->write)
            gic->ctlr = a->val & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
        a->val = gic->ctlr | GICD_CTLR_ARE | GICD_CTLR_DS;
        return true;
    case GICD_TYPER:
        a->val = (GIC_WORDS - 1) | TYPER_IDBITS | TYPER_NO1N;
        return true;
    case GICD_IIDR:
    case GICD_TYPER2:
    case GICD_STATUSR:
        a->val = 0;
        return true;
    case GIC_PIDR2:
        a->val = PIDR2_GICV3;
        return true;
    default:
        a->val = 0;
        return (a->off >= GICD_SETSPI_NSR && a->off <= GICD_CLRSPI_SR) ||
               (a->off >= GICD_SGIR && a->off < GICD_SPENDSGIR_END) || a->off >= GIC_IDREGS;
    }
}

/* ---- redistributor ---- */

static uint64_t redist_typer(const struct gic *gic, unsigned vcpu)
{
    uint64_t affinity = map_mpidr(vcpu);
    uint64_t packed = (affinity & BITS(23, 0)) | (affinity >> 32 & 0xff) << 24;

    return packed << 32 | (uint64_t)vcpu << 8 | (vcpu + 1 == gic->vcpus ? GICR_TYPER_LAST : 0);
}

/* First frame, RD_base. */
static bool rd_access(struct access *a, unsigned vcpu) REQUIRES(a->gic->lock)
{
    struct gic_vcpu *v = &a->gic->vcpu[vcpu];

    if (a->off % a->size || a->size < 4)
        return false;
    if (a->off == GICR_TYPER || a->off == GICR_TYPER + 4) {
        a->val = redist_typer(a->gic, vcpu) >> (a->off % 8 * 8);
        return true;
    }
    if (a->off >= GICR_SETLPIR && a->off < GICR_SYNCR_END) { /* GICR_TYPER.PLPIS = 0 */
        a->val = 0;
        return true;
    }
    if (a->size != 4)
        return false;
    switch (a->off) {
    case GICR_WAKER: /* ChildrenAsleep follows at once */
        if (a->write)
            v->waker = a->val & GICR_WAKER_SLEEP ? GICR_WAKER_SLEEP | GICR_WAKER_ASLEEP : 0;
        a->val = v->waker;
        return true;
    case GIC_PIDR2:
        a->val = PIDR2_GICV3;
        return true;
    default:
        a->val = 0;
        return a->off == GICR_CTLR || a->off == GICR_IIDR || a->off == GICR_STATUSR ||
               a->off >= GIC_IDREGS;
    }
}

static struct gic_bank *redist_bank(struct access *a, void *ctx, unsigned word)
{
    (void)a;
    return word == 0 ? ctx : NULL;
}

static bool redist_access(struct access *a, unsigned vcpu) REQUIRES(a->gic->lock)
{
    if (a->off < GICR_FRAME)
        return rd_access(a, vcpu);
    a->off -= GICR_FRAME; /* the second frame, SGI_base */
    if (!ints_ok(a))
        return false;
    ints_access(a, redist_bank, &a->gic->vcpu[vcpu].bank, SGI_BITS);
    return true;
}

/* ---- the windows ---- */

static uint64_t finish(const struct access *a, const char *frame, uint64_t off, bool ok)
{
    if (ok)
        return a->val & low_mask(8 * a->size);
    log_guest("gic", "ignored %u-byte %s at %s+%#llx", a->size, a->write ? "write" : "read", frame,
              (unsigned long long)off);
    return 0;
}

static uint64_t dist(struct access a)
{
    uint64_t off = a.off;
    bool ok;

    lock_take(&a.gic->lock);
    ok = dist_access(&a);
    if (ok && a.write)
        gic_update_all(a.gic);
    lock_drop(&a.gic->lock);
    return finish(&a, "GICD", off, ok);
}

static uint64_t redist(struct access a)
{
    uint64_t off = a.off, vcpu = off / MAP_GICR_STRIDE;
    bool ok = false;

    if (vcpu < a.gic->vcpus) {
        a.off %= MAP_GICR_STRIDE;
        lock_take(&a.gic->lock);
        ok = redist_access(&a, (unsigned)vcpu);
        if (ok && a.write)
            gic_update(a.gic, (unsigned)vcpu);
        lock_drop(&a.gic->lock);
    }
    return finish(&a, "GICR", off, ok);
}

uint64_t gic_dist_read(struct gic *gic, uint64_t off, unsigned size)
{
    return dist((struct access){ .gic = gic, .off = off, .size = size });
}

void gic_dist_write(struct gic *gic, uint64_t off, unsigned size, uint64_t val)
{
    (void)dist((struct access){ .gic = gic, .off = off, .size = size, .write = true, .val = val });
}

uint64_t gic_redist_read(struct gic *gic, uint64_t off, unsigned size)
{
    return redist((struct access){ .gic = gic, .off = off, .size = size });
}

void gic_redist_write(struct gic *gic, uint64_t off, unsigned size, uint64_t val)
{
    (void)redist(
        (struct access){ .gic = gic, .off = off, .size = size, .write = true, .val = val });
}
