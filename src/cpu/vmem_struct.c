/* Loads and stores of vector structures, LD1 .. LD4 and ST1 .. ST4 (Arm DDI 0487, C7.2). */
#include "cpu/memop.h"
#include "cpu/simd.h"
#include "cpu/vmem.h"

/* The kth register of the list; it wraps around after V31. */
#define LIST(k) c->v[(i->rd + (k)) % 32]

static void write_back(struct cpu *c, const struct a64_insn *i, gva_t base)
{
    X(rn) = base + X(rm) + vmem_advance(i);
}

/* Where byte `at` of the memory image goes: elements of the interleaved registers take turns. */
static uint8_t *place(union vreg list[4], const struct a64_insn *i, unsigned at)
{
    unsigned size = vmem_size(i), turn = vmem_interleave(i);
    unsigned e = at >> size, byte = at & ((1U << size) - 1);

    return &list[e % turn].b[(e / turn << size) + byte];
}

/* Registers that are not interleaved follow each other as they are. */
static uint8_t *place_whole(union vreg list[4], const struct a64_insn *i, unsigned at)
{
    return &list[at / vmem_reg_bytes(i)].b[at % vmem_reg_bytes(i)];
}

/* Memory is accessed in doublewords: as many bytes as registers of 8 or 16 have. */
SIMD(LD_multi)
{
    union vreg list[4] = { 0 };
    unsigned bytes = vmem_regs(i) * vmem_reg_bytes(i);
    gva_t base = memop_base(c, i);

    for (unsigned at = 0; at < bytes; at += 8) {
        uint64_t val = cpu_ld64(c, base + at);

        if (vmem_interleave(i) == 1)
            store_le64(place_whole(list, i, at), val);
        for (unsigned k = 0; vmem_interleave(i) > 1 && k < 8; k++)
            *place(list, i, at + k) = (uint8_t)(val >> 8 * k);
    }
    for (unsigned k = 0; k < vmem_regs(i); k++)
        LIST(k) = list[k];
    write_back(c, i, base);
}

SIMD(ST_multi)
{
    union vreg list[4];
    unsigned bytes = vmem_regs(i) * vmem_reg_bytes(i);
    gva_t base = memop_base(c, i);

    for (unsigned k = 0; k < 4; k++)
        list[k] = LIST(k);
    memop_probe_store(c, base, bytes, 8);
    for (unsigned at = 0; at < bytes; at += 8) {
        uint64_t val = 0;

        if (vmem_interleave(i) == 1)
            val = load_le64(place_whole(list, i, at));
        for (unsigned k = 0; vmem_interleave(i) > 1 && k < 8; k++)
            val |= (uint64_t)*place(list, i, at + k) << 8 * k;
        cpu_st64(c, base + at, val);
    }
    write_back(c, i, base);
}

static void load_elements(struct cpu *c, const struct a64_insn *i, gva_t base, uint64_t val[4])
{
    for (unsigned k = 0; k < vmem_regs(i); k++)
        val[k] = cpu_ld(c, base + ((gva_t)k << vmem_size(i)), 1U << vmem_size(i), false);
}

SIMD(LD_single)
{
    gva_t base = memop_base(c, i);
    uint64_t val[4];

    load_elements(c, i, base, val);
    for (unsigned k = 0; k < vmem_regs(i); k++)
        simd_set(&LIST(k), vmem_size(i), vmem_index(i), val[k]);
    write_back(c, i, base);
}

SIMD(LD_replicate)
{
    gva_t base = memop_base(c, i);
    uint64_t val[4];

    load_elements(c, i, base, val);
    for (unsigned k = 0; k < vmem_regs(i); k++) {
        LIST(k) = simd_dup(val[k], vmem_size(i));
        if (vmem_reg_bytes(i) == 8)
            LIST(k).d[1] = 0;
    }
    write_back(c, i, base);
}

SIMD(ST_single)
{
    gva_t base = memop_base(c, i);
    unsigned size = vmem_size(i);

    memop_probe_store(c, base, vmem_regs(i) << size, 1U << size);
    for (unsigned k = 0; k < vmem_regs(i); k++)
        cpu_st(c, base + ((gva_t)k << size), 1U << size, simd_get(&LIST(k), size, vmem_index(i)),
               false);
    write_back(c, i, base);
}
