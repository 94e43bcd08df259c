/* A software CPU with a little RAM: see rig.h. */
#include "rig.h"

#include <assert.h>
#include <stdlib.h>

#include "cpu/code.h"
#include "cpu/exc.h"
#include "cpu/jit/jit.h"
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

static gpa_t block_desc(gva_t va)
{
    return TABLE_L2 + 8 * ((va - RIG_USER) / BLOCK_BYTES);
}

static void make_tables(struct rig *rig)
{
    poke64(rig, TABLE_L1 + 8 * (RIG_USER >> 30), TABLE_L2 | DESC_TABLE);
    poke64(rig, block_desc(RIG_USER), RIG_USER | DESC_BLOCK | DESC_EL0);
    poke64(rig, block_desc(RIG_SYSTEM), RIG_SYSTEM | DESC_BLOCK);
    poke64(rig, block_desc(RIG_DEVICE), RIG_DEVICE | DESC_BLOCK | DESC_EL0 | DESC_ATTR1);
}

static void make_vectors(struct rig *rig)
{
    for (unsigned off = 0; off < 0x800; off += 0x80)
        store_le32(gmem_ptr_dirty(rig->mem, VECTORS + off, 4), HVC_0);
}

static void make_translator(struct rig *rig, const struct jit_config *config)
{
    struct err err;
    int rc = config ? jit_create(&rig->soc, config, &rig->soc.jit, &err) : 0;

    rig->lockstep = config && config->lockstep;
    assert(rc == 0);
}

void rig_init(struct rig *rig)
{
    const char *how = getenv("IGNITION_TEST_JIT");
    struct jit_config config = {
        .bytes = 4 * MIB,
        .lockstep = how && !strcmp(how, "lockstep"),
        .without = getenv("IGNITION_TEST_JIT_WITHOUT"),
    };

    rig_init_as(rig, 1, how ? &config : NULL);
}

struct cpu *rig_add_cpu(struct rig *rig, unsigned index)
{
    struct vcpu_state state;
    struct cpu *c;
    struct err err;
    int rc;

    rc = cpu_create(&rig->soc, index, &c, &err);
    assert(rc == 0);
    vcpu_state_reset(&state);
    state.sp_el1 = STACK + 64 * index;
    state.vbar_el1 = VECTORS;
    state.ttbr0_el1 = TABLE_L1;
    state.tcr_el1 = TCR_RIG;
    state.mair_el1 = MAIR_RIG;
    state.sctlr_el1 = SCTLR_RIG;
    state.cpacr_el1 = CPACR_FPEN;
    rc = cpu_set_state(c, &state, &err);
    assert(rc == 0);
    return c;
}

void rig_init_as(struct rig *rig, unsigned vcpus, const struct jit_config *jit)
{
    struct err err;
    int rc;

    rc = gmem_create(&rig->mem, &err);
    assert(rc == 0);
    rc = gmem_add(rig->mem, RIG_USER, RIG_BYTES, true, &err);
    assert(rc == 0);
    rc = gmem_add(rig->mem, RIG_SYSTEM, RIG_BYTES, true, &err);
    assert(rc == 0);
    soc_init(&rig->soc, rig->mem, 0);
    rig->soc.vcpus = vcpus;
    rc = soc_map_gmem(&rig->soc, &err);
    assert(rc == 0);
    make_tables(rig);
    make_vectors(rig);
    make_translator(rig, jit);
    rig->c = rig_add_cpu(rig, 0);
}

void rig_fini(struct rig *rig)
{
    for (unsigned i = 0; i < rig->soc.vcpus; i++)
        cpu_destroy(rig->soc.cpus[i]);
    jit_destroy(rig->soc.jit);
    gmem_destroy(rig->mem);
}

void rig_unmap_device(struct rig *rig)
{
    poke64(rig, block_desc(RIG_DEVICE), 0);
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

void rig_enter_cpu(struct cpu *c, gva_t pc, uint64_t pstate)
{
    exc_pstate_set(c, pstate);
    c->pc = pc;
    c->excl_size = 0;
}

void rig_enter(struct rig *rig, gva_t pc, uint64_t nzcv)
{
    rig_enter_cpu(rig->c, pc, nzcv);
}

enum cpu_stop rig_run(struct rig *rig)
{
    return cpu_run(rig->c);
}
