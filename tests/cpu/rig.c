/* A software CPU with a little RAM: see rig.h. */
#include "rig.h"

#include <assert.h>
#include <stdlib.h>

#include "cpu/code.h"
#include "cpu/exc.h"
#include "cpu/jit/jit.h"
#include "cpu/jit/jit_features.h"
#include "cpu/soc.h"

#define HVC_0 0xd4000002u

/* Layout of the system part. */
#define VECTORS     RIG_SYSTEM
#define TABLE_L1    (RIG_SYSTEM + 0x1000)
#define TABLE_L2    (RIG_SYSTEM + 0x2000)
#define STACK       (RIG_SYSTEM + 0x4000)
#define BLOCK_BYTES (2 * MIB)

/* Descriptors (Arm DDI 0487, D8.3): a table; a block of normal memory, inner shareable, accessed;
 * AP[1] gives it to EL0. */
#define DESC_TABLE UINT64_C(3)
#define DESC_BLOCK UINT64_C(0x701)
#define DESC_EL0   BIT(6)
#define DESC_ATTR1 BIT(2)

/* Attribute 0 is normal write-back memory, 1 is Device-nGnRnE. */
#define MAIR_RIG 0x00ffu

/* 39-bit addresses, 4K granule, write-back tables, no TTBR1, 36 physical bits, TBI0. */
#define TCR_RIG (UINT64_C(25) | UINT64_C(0x3500) | BIT(23) | UINT64_C(25) << 16 | BIT(32) | BIT(37))
/* M, C, I, and EL0 may use DC ZVA, CTR_EL0, WFI, WFE and cache maintenance. */
#define SCTLR_RIG  (BIT(0) | BIT(2) | BIT(12) | BIT(14) | BIT(15) | BIT(16) | BIT(18) | BIT(26))
#define CPACR_FPEN UINT64_C(0x300000)

static void poke64(struct rig *rig, gpa_t gpa, uint64_t val)
{
    void *host = gmem_ptr_dirty(rig->mem, gpa, 8);

    assert(host);
    store_le64(host, val);
}

static void make_tables(struct rig *rig)
{
    poke64(rig, TABLE_L1 + 8 * (RIG_USER >> 30), TABLE_L2 | DESC_TABLE);
    poke64(rig, TABLE_L2, RIG_USER | DESC_BLOCK | DESC_EL0);
    poke64(rig, TABLE_L2 + 8 * ((RIG_SYSTEM - RIG_USER) / BLOCK_BYTES), RIG_SYSTEM | DESC_BLOCK);
    poke64(rig, TABLE_L2 + 8 * ((RIG_DEVICE - RIG_USER) / BLOCK_BYTES),
           RIG_DEVICE | DESC_BLOCK | DESC_EL0 | DESC_ATTR1);
}

static void make_vectors(struct rig *rig)
{
    for (unsigned off = 0; off < 0x800; off += 0x80)
        store_le32(gmem_ptr_dirty(rig->mem, VECTORS + off, 4), HVC_0);
}

void rig_init(struct rig *rig)
{
    struct err err;
    struct vcpu_state state;
    int rc;

    rc = gmem_create(&rig->mem, &err);
    assert(rc == 0);
    rc = gmem_add(rig->mem, RIG_USER, RIG_BYTES, true, &err);
    assert(rc == 0);
    rc = gmem_add(rig->mem, RIG_SYSTEM, RIG_BYTES, true, &err);
    assert(rc == 0);
    soc_init(&rig->soc, rig->mem, 0);
    rig->soc.vcpus = 1;
    rc = soc_map_gmem(&rig->soc, &err);
    assert(rc == 0);
    make_tables(rig);
    make_vectors(rig);
    if (getenv("IGNITION_TEST_JIT"))
        rc = jit_create(&rig->soc, 4 * MIB, &rig->soc.jit, &err);
    assert(rc == 0);
    if (rig->soc.jit && getenv("IGNITION_TEST_JIT_WITHOUT"))
        jit_without(rig->soc.jit, jit_features_parse(getenv("IGNITION_TEST_JIT_WITHOUT")));
    rc = cpu_create(&rig->soc, 0, &rig->c, &err);
    assert(rc == 0);

    vcpu_state_reset(&state);
    state.sp_el1 = STACK;
    state.vbar_el1 = VECTORS;
    state.ttbr0_el1 = TABLE_L1;
    state.tcr_el1 = TCR_RIG;
    state.mair_el1 = MAIR_RIG;
    state.sctlr_el1 = SCTLR_RIG;
    state.cpacr_el1 = CPACR_FPEN;
    rc = cpu_set_state(rig->c, &state, &err);
    assert(rc == 0);
}

void rig_fini(struct rig *rig)
{
    cpu_destroy(rig->c);
    jit_destroy(rig->soc.jit);
    gmem_destroy(rig->mem);
}

int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    if (!rig)
        return -1;
    rig_init(rig);
    *state = rig;
    return 0;
}

int rig_teardown(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

void *rig_ptr(struct rig *rig, gva_t va)
{
    void *host = gmem_ptr_dirty(rig->mem, va, 4);

    assert(host);
    return host;
}

void rig_poke(struct rig *rig, gva_t va, uint32_t word)
{
    store_le32(rig_ptr(rig, va), word);
    code_invalidate_line(rig->c, va);
}

void rig_put(struct rig *rig, gva_t va, const uint32_t *words, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        rig_poke(rig, va + 4 * n, words[n]);
}

void rig_enter(struct rig *rig, gva_t pc, uint64_t nzcv)
{
    exc_pstate_set(rig->c, nzcv);
    rig->c->pc = pc;
    rig->c->excl_size = 0;
}

enum cpu_stop rig_run(struct rig *rig)
{
    return cpu_run(rig->c);
}
