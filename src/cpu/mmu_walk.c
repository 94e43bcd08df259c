/*
 * The table walk (Arm DDI 0487, D8.2 to D8.4; AArch64.S1Translate), generic over the granule.
 * No hardware update of the access flag, no hierarchical permission disable, 48-bit addresses.
 */
#include "cpu/mmu_walk.h"

#include "arch/esr.h"
#include "cpu/idregs.h"
#include "cpu/soc.h"

/* VMSAv8-64 descriptors (D8.3). */
#define DESC_VALID            BIT(0)
#define DESC_TABLE            BIT(1) /* level 3: page */
#define DESC_ATTRINDX         BITS(4, 2)
#define DESC_AP_USER          BIT(6)
#define DESC_AP_RO            BIT(7)
#define DESC_SH               BITS(9, 8)
#define DESC_AF               BIT(10)
#define DESC_NG               BIT(11)
#define DESC_PXN              BIT(53)
#define DESC_UXN              BIT(54)
#define DESC_PXN_TABLE        BIT(59)
#define DESC_UXN_TABLE        BIT(60)
#define DESC_AP_TABLE_NO_USER BIT(61)
#define DESC_AP_TABLE_RO      BIT(62)

#define ATTR_NORMAL_NC 0x44 /* MAIR: inner and outer non-cacheable */

#define TTBR_BADDR    BITS(47, 1)
#define MMFR0_TGRAN64 BITS(27, 24) /* 0: there */

#define VA_BITS_MAX 48 /* no LVA */
#define TSZ_MAX     39 /* no TTST */

/* One half of the address space as TCR_EL1 describes it. */
struct half {
    gpa_t table;
    unsigned granule; /* log2 */
    unsigned in_bits; /* 64 - TxSZ */
    bool disabled;    /* EPDx */
    bool no_user;     /* E0PDx */
    bool tbi;
};

static unsigned out_bits(const struct cpu *c)
{
    static const uint8_t ips[] = { 32, 36, 40, 42, 44, 48, 48, 48 };
    unsigned bits = ips[FIELD_GET(TCR_IPS, c->sys.tcr_el1)];

    return bits < c->soc->pa_bits ? bits : c->soc->pa_bits;
}

/* A granule that ID_AA64MMFR0_EL1 does not announce, or a reserved value, is taken as 4K: the
 * manual leaves the choice to us (D19.2.139, TG0). TG0 and TG1 number them differently. */
static unsigned granule_of(const struct cpu *c, uint64_t tg, bool upper)
{
    static const uint8_t granules[2][4] = { { 12, 16, 14, 12 }, { 12, 14, 12, 16 } };
    unsigned granule = granules[upper][tg];

    return granule == 16 && FIELD_GET(MMFR0_TGRAN64, c->soc->model->mmfr0) ? 12 : granule;
}

/* TxSZ out of range acts as the nearest value that is in (D8.2.4.1). */
static unsigned in_bits_of(uint64_t tsz)
{
    if (tsz > TSZ_MAX)
        tsz = TSZ_MAX;
    return tsz < 64 - VA_BITS_MAX ? VA_BITS_MAX : 64 - (unsigned)tsz;
}

static struct half half_of(const struct cpu *c, bool upper)
{
    uint64_t tcr = c->sys.tcr_el1;

    if (upper)
        return (struct half){
            .table = c->sys.ttbr1_el1 & TTBR_BADDR,
            .granule = granule_of(c, FIELD_GET(TCR_TG1, tcr), true),
            .in_bits = in_bits_of(FIELD_GET(TCR_T1SZ, tcr)),
            .disabled = tcr & TCR_EPD1,
            .no_user = tcr & TCR_E0PD1,
            .tbi = tcr & TCR_TBI1,
        };
    return (struct half){
        .table = c->sys.ttbr0_el1 & TTBR_BADDR,
        .granule = granule_of(c, FIELD_GET(TCR_TG0, tcr), false),
        .in_bits = in_bits_of(FIELD_GET(TCR_T0SZ, tcr)),
        .disabled = tcr & TCR_EPD0,
        .no_user = tcr & TCR_E0PD0,
        .tbi = tcr & TCR_TBI0,
    };
}

static bool fault(unsigned fsc, unsigned level, unsigned *ret_fsc)
{
    *ret_fsc = fsc | level;
    return false;
}

/* MMU off (D8.2.11): flat; data is Device-nGnRnE, instructions are Normal. */
static bool walk_off(const struct cpu *c, gva_t va, enum mmu_access access,
                     struct mmu_page *ret_page, unsigned *ret_fsc)
{
    bool tbi = c->sys.tcr_el1 & ((va & BIT(55)) ? TCR_TBI1 : TCR_TBI0);
    gpa_t gpa = tbi ? va & BITS(55, 0) : va;

    if (gpa >> c->soc->pa_bits)
        return fault(FSC_ADDR_SIZE, 0, ret_fsc);
    *ret_page = (struct mmu_page){
        .gpa = gpa,
        .shift = 12,
        .attr = access == MMU_EXEC ? 0xff : 0,
        .sh = 2,
        .global = true,
        .user_data = true,
        .write_el0 = true,
        .write_el1 = true,
        .exec_el0 = true,
        .exec_el1 = true,
    };
    return true;
}

static bool read_desc(const struct cpu *c, gpa_t gpa, uint64_t *ret_desc)
{
    const struct soc_range *range = soc_find(c->soc, gpa);

    if (!range || !(soc_prot(c->soc, range, gpa) & SOC_READ))
        return false;
    *ret_desc = __atomic_load_n((const uint64_t *)(void *)(range->host + (gpa - range->gpa)),
                                __ATOMIC_ACQUIRE);
    return true;
}

/* Permissions of a leaf under its tables (D8.4.1): tables = the OR of the table descriptors. */
static void fill_page(const struct cpu *c, uint64_t desc, uint64_t tables, struct mmu_page *page)
{
    bool wxn = c->sys.sctlr_el1 & SCTLR_WXN;
    bool writable = !(desc & DESC_AP_RO) && !(tables & DESC_AP_TABLE_RO);

    page->user_data = (desc & DESC_AP_USER) && !(tables & DESC_AP_TABLE_NO_USER);
    page->write_el1 = writable;
    page->write_el0 = writable && page->user_data;
    page->exec_el0 = !(desc & DESC_UXN) && !(tables & DESC_UXN_TABLE) && !(wxn && page->write_el0);
    /* What EL0 can write, EL1 never executes. */
    page->exec_el1 = !(desc & DESC_PXN) && !(tables & DESC_PXN_TABLE) && !page->write_el0 &&
                     !(wxn && page->write_el1);
    page->attr = (uint8_t)(c->sys.mair_el1 >> 8 * FIELD_GET(DESC_ATTRINDX, desc));
    /* What is not cached at all is outer shareable, and PAR_EL1.SH says so. */
    page->sh =
        mmu_is_device(page) || page->attr == ATTR_NORMAL_NC ? 2 : (uint8_t)FIELD_GET(DESC_SH, desc);
    page->global = !(desc & DESC_NG);
}

/* May a descriptor of this level map a block? (D8.3.1) */
static bool block_level(unsigned granule, unsigned level)
{
    return level == 2 || (level == 1 && granule == 12);
}

bool mmu_walk(const struct cpu *c, gva_t va, enum mmu_access access, bool user,
              struct mmu_page *ret_page, unsigned *ret_fsc)
{
    bool upper = va & BIT(55);
    struct half half;
    unsigned stride, level, shift, bits;
    uint64_t desc, tables = 0;
    gpa_t table;
    int64_t top;

    if (!(c->sys.sctlr_el1 & SCTLR_M))
        return walk_off(c, va, access, ret_page, ret_fsc);

    half = half_of(c, upper);
    top = half.tbi ? sign_extend(va, 56) : (int64_t)va;
    if (half.disabled || (user && half.no_user) || top >> half.in_bits != (upper ? -1 : 0))
        return fault(FSC_TRANSLATION, 0, ret_fsc);

    stride = half.granule - 3;
    level = 4 - (half.in_bits - half.granule + stride - 1) / stride;
    shift = half.granule + (3 - level) * stride; /* of the entries of this level */
    bits = half.in_bits - shift;                 /* the first table may be short */
    table = align_down(half.table, bits < 2 ? 32 : UINT64_C(8) << bits); /* TTBR0_EL1.BADDR */
    if (table >> out_bits(c))
        return fault(FSC_ADDR_SIZE, 0, ret_fsc);

    for (;; level++) {
        uint64_t index = va >> shift & low_mask(bits);

        if (!read_desc(c, table + 8 * index, &desc)) {
            ret_page->gpa = table + 8 * index;
            return fault(FSC_EXTERNAL_WALK, level, ret_fsc);
        }
        if (!(desc & DESC_VALID))
            return fault(FSC_TRANSLATION, level, ret_fsc);
        if (level == 3 || !(desc & DESC_TABLE))
            break;
        tables |= desc;
        table = desc & BITS(47, 0) & ~low_mask(half.granule);
        if (table >> out_bits(c))
            return fault(FSC_ADDR_SIZE, level, ret_fsc);
        shift -= stride;
        bits = stride;
    }
    if (level == 3 ? !(desc & DESC_TABLE) : !block_level(half.granule, level))
        return fault(FSC_TRANSLATION, level, ret_fsc);
    *ret_page = (struct mmu_page){ .shift = (uint8_t)shift, .level = (uint8_t)level };
    ret_page->gpa = (desc & BITS(47, 0) & ~low_mask(shift)) | (va & low_mask(shift));
    if (ret_page->gpa >> out_bits(c))
        return fault(FSC_ADDR_SIZE, level, ret_fsc);
    if (!(desc & DESC_AF))
        return fault(FSC_ACCESS_FLAG, level, ret_fsc);
    fill_page(c, desc, tables, ret_page);
    return true;
}

bool mmu_walk_allows(const struct mmu_page *page, enum mmu_access access, bool user, bool pan)
{
    switch (access) {
    case MMU_EXEC:
        return user ? page->exec_el0 : page->exec_el1;
    case MMU_WRITE:
    case MMU_ATOMIC:
        return user ? page->write_el0 : page->write_el1 && !(pan && page->user_data);
    default:
        return user ? page->user_data : !(pan && page->user_data);
    }
}
