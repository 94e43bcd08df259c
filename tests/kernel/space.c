/* Page tables for one granule at a time; see space.h. */
#include "space.h"

#define KERNEL     UINT64_C(0x40080000)
#define KERNEL_END UINT64_C(0x42000000)
#define DEVICES    UINT64_C(0x08000000)
#define REDISTS    UINT64_C(0x10000000)
#define WINDOW     UINT64_C(0x02000000) /* 32 MiB: a block of the larger granule */

#define POOL_PAGES   48
#define POOL_ENTRIES 2048

#define TCR_BASE                                                                     \
    (UINT64_C(16) | UINT64_C(16) << 16 | UINT64_C(1) << 8 | UINT64_C(1) << 10 |      \
     UINT64_C(3) << 12 | UINT64_C(1) << 24 | UINT64_C(1) << 26 | UINT64_C(3) << 28 | \
     UINT64_C(1) << 32 | TCR_AS)

extern char snippets_start[], snippets_end[], data_start[], data_end[];

static uint64_t pool[POOL_PAGES][POOL_ENTRIES] __attribute__((aligned(16384)));
static unsigned pool_used;
static unsigned kernel_tables; /* of them; what comes after belongs to checks */
static uint64_t *roots[2];     /* lower, upper */
static uint64_t tcr_in_force;
static unsigned granule; /* log2; 0: the MMU is off */

static uint64_t *new_table(void)
{
    uint64_t *table = pool[pool_used++];

    if (pool_used > POOL_PAGES) {
        print("out of page tables\n");
        psci(PSCI_SYSTEM_OFF, 0, 0, 0);
    }
    for (unsigned i = 0; i < POOL_ENTRIES; i++)
        table[i] = 0;
    return table;
}

static unsigned level_shift(unsigned level)
{
    return granule + (3 - level) * (granule - 3);
}

unsigned space_granule(void)
{
    return granule;
}

uint64_t space_alias(void)
{
    return granule ? UPPER : 0;
}

uint64_t space_writable_alias(void)
{
    return granule ? WRITABLE : 0;
}

uint64_t space_bytes(unsigned level)
{
    return UINT64_C(1) << level_shift(level);
}

uint64_t *space_entry(uint64_t va, unsigned level)
{
    uint64_t *table = roots[va >> 63];

    for (unsigned at = 0;; at++) {
        uint64_t low = va & BITS(47, 0);
        uint64_t *entry = &table[low >> level_shift(at) & ((UINT64_C(1) << (granule - 3)) - 1)];

        if (at == level)
            return entry;
        if (!(*entry & D_VALID) || !(*entry & D_TABLE))
            *entry = (uint64_t)new_table() | D_TABLE | D_VALID;
        table = (uint64_t *)(*entry & BITS(47, granule));
    }
}

void space_map(uint64_t va, uint64_t pa, unsigned level, uint64_t attr)
{
    volatile uint64_t *entry = space_entry(va, level);

    *entry = attr ? pa | attr | D_VALID | (level == 3 ? D_TABLE : 0) : 0;
    DSB();
    ISB();
}

void space_flush(void)
{
    __asm__ volatile("dsb ish\ntlbi vmalle1is\ndsb ish\nisb" : : : "memory");
}

static void map_range(uint64_t alias, uint64_t from, uint64_t to, unsigned level, uint64_t attr)
{
    for (uint64_t pa = from; pa < to; pa += space_bytes(level))
        space_map(alias | pa, pa, level, attr);
}

static void map_half(uint64_t alias)
{
    uint64_t user = alias ? 0 : D_USER;

    map_range(alias, DEVICES, DEVICES + WINDOW, 2, D_DATA | D_DEVICE);
    map_range(alias, REDISTS, REDISTS + WINDOW, 2, D_DATA | D_DEVICE);
    map_range(alias, ARENA, ARENA + ARENA_SIZE, 2, D_DATA);
    map_range(alias, KERNEL, (uint64_t)snippets_start, 3, D_AF | D_INNER | D_RO | D_UXN);
    map_range(alias, (uint64_t)snippets_start, (uint64_t)snippets_end, 3,
              D_AF | D_INNER | D_RO | user);
    map_range(alias, (uint64_t)data_start, (uint64_t)data_end, 3, D_DATA);
}

void space_on(unsigned bits)
{
    uint64_t tcr = TCR_BASE;

    granule = bits;
    pool_used = 0;
    roots[0] = new_table();
    roots[1] = new_table();
    map_half(0);
    map_half(UPPER);
    map_range(WRITABLE, KERNEL & ~(WINDOW - 1), KERNEL_END, 2, D_DATA);
    kernel_tables = pool_used;
    if (granule == 14)
        tcr |= UINT64_C(2) << 14 | UINT64_C(1) << 30;
    else
        tcr |= UINT64_C(2) << 30;
    tcr_in_force = tcr;
    space_join();
}

void space_join(void)
{
    WRITE("mair_el1", UINT64_C(0x004404ff));
    WRITE("tcr_el1", tcr_in_force);
    WRITE("ttbr0_el1", (uint64_t)roots[0] | UINT64_C(1) << 48);
    WRITE("ttbr1_el1", (uint64_t)roots[1]);
    set_sctlr(READ("sctlr_el1") | SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SPAN);
}

void space_off(void)
{
    set_sctlr(READ("sctlr_el1") & ~(SCTLR_M | SCTLR_C | SCTLR_I));
    granule = 0;
}

void space_clear_tests(void)
{
    for (unsigned i = 0; i < kernel_tables * POOL_ENTRIES; i++) {
        uint64_t *entry = &pool[0][i];

        /* Pages of the kernel have attributes, tables have none. */
        if ((*entry & BITS(11, 0)) == (D_TABLE | D_VALID) &&
            (*entry & BITS(47, 12)) >= (uint64_t)pool[kernel_tables])
            *entry = 0;
    }
    pool_used = kernel_tables;
    space_flush();
}
