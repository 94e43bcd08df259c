/*
 * One vCPU with RAM, a GIC and a clock that the test owns, on which the functions behind the
 * handlers are called directly: no instruction is run.
 *
 * A call that ends in an exception or a stop comes back through c->escape; TRY() catches it.
 */
#pragma once

#include "../test.h"
#include "arch/esr.h"
#include "cpu/code.h"
#include "cpu/exc.h"
#include "cpu/gic.h"
#include "cpu/mmu.h"
#include "cpu/mmu_walk.h"
#include "cpu/soc.h"
#include "cpu/sysreg_access.h"
#include "cpu/timer.h"

#define RIG_RAM      MAP_RAM_BASE
#define RIG_RAM_SIZE (8 * MIB)
#define RIG_DEVICE   UINT64_C(0x09000000) /* nothing is mapped there */
#define RIG_PC       UINT64_C(0x40000100) /* of the instruction that is "being executed" */
#define RIG_RT       7                    /* its Rt */
#define RIG_VBAR     UINT64_C(0xffff000000010000)

#define EL0T   UINT64_C(0)
#define EL1T   UINT64_C(4)
#define EL1H   UINT64_C(5)
#define PAN_ON BIT(22)

struct sys_rig {
    struct gmem *mem;
    struct soc soc;
    struct cpu *c;
    struct code_page page;
    unsigned wakes; /* calls of the GIC's wake */
};

static uint64_t rig_clock_ns; /* what soc.now_ns() answers */

static uint64_t rig_now(void)
{
    return rig_clock_ns;
}

static void rig_wake(void *ctx, unsigned vcpu)
{
    struct sys_rig *rig = ctx;

    (void)vcpu;
    rig->wakes++;
}

static inline void sys_rig_init(struct sys_rig *rig, unsigned vcpus)
{
    struct err err;
    struct cpu *other;

    memset(rig, 0, sizeof(*rig));
    rig_clock_ns = 1000000000;
    assert_int_equal(gmem_create(&rig->mem, &err), 0);
    assert_int_equal(gmem_add(rig->mem, RIG_RAM, RIG_RAM_SIZE, true, &err), 0);
    soc_init(&rig->soc, rig->mem, 0);
    rig->soc.now_ns = rig_now;
    rig->soc.vcpus = vcpus;
    timer_set_count(&rig->soc, 0);
    assert_int_equal(soc_map_gmem(&rig->soc, &err), 0);
    assert_int_equal(gic_create(&rig->soc, rig_wake, rig, &rig->soc.gic, &err), 0);
    assert_int_equal(cpu_create(&rig->soc, 0, &rig->c, &err), 0);
    for (unsigned i = 1; i < vcpus; i++)
        assert_int_equal(cpu_create(&rig->soc, i, &other, &err), 0);
    rig->c->sys.vbar_el1 = RIG_VBAR;
    rig->page.insn[64].raw = RIG_RT;
}

static inline void sys_rig_fini(struct sys_rig *rig)
{
    for (unsigned i = 0; i < rig->soc.vcpus; i++)
        cpu_destroy(rig->soc.cpus[i]);
    gic_destroy(rig->soc.gic);
    gmem_destroy(rig->mem);
}

/* Pretend that the instruction at RIG_PC is being executed with this PSTATE. */
static inline void rig_at(struct sys_rig *rig, uint64_t pstate)
{
    struct cpu *c = rig->c;

    exc_pstate_set(c, pstate);
    c->page = &rig->page;
    c->page_va = align_down(RIG_PC, 4096);
    c->insn = c->block = &rig->page.insn[RIG_PC % 4096 / 4];
    c->pc = 0;
    c->retired++;
    c->sys.esr_el1 = c->sys.far_el1 = c->sys.elr_el1 = c->sys.spsr_el1 = 0;
}

/* Pretend to be between instructions, about to fetch at pc. */
static inline void rig_fetching(struct sys_rig *rig, uint64_t pstate, gva_t pc)
{
    rig_at(rig, pstate);
    rig->c->insn = NULL;
    rig->c->pc = pc;
}

/* 0, or enum cpu_escape when the statement left. */
#define TRY(rig, statement)                        \
    __extension__({                                \
        int how_ = sigsetjmp((rig)->c->escape, 0); \
        if (how_ == 0) {                           \
            statement;                             \
        }                                          \
        how_;                                      \
    })

#define assert_ok(rig, statement)   assert_int_equal(TRY(rig, statement), 0)
#define assert_exc(rig, statement)  assert_int_equal(TRY(rig, statement), CPU_ESCAPE_GO_ON)
#define assert_stop(rig, statement) assert_int_equal(TRY(rig, statement), CPU_ESCAPE_STOP)

static inline unsigned rig_ec(const struct sys_rig *rig)
{
    return (unsigned)FIELD_GET(ESR_EC, rig->c->sys.esr_el1);
}

static inline uint64_t rig_iss(const struct sys_rig *rig)
{
    return rig->c->sys.esr_el1 & ESR_ISS;
}

/* ---- translation tables: RIG_RAM's first MiB, taken from the front ---- */

#define TCR_48(tg0, tg1)                                                                           \
    (UINT64_C(16) | UINT64_C(16) << 16 | (uint64_t)(tg0) << 14 | (uint64_t)(tg1) << 30 | BIT(32) | \
     BIT(36))
#define TCR_4K   TCR_48(0, 2)
#define TCR_16K  TCR_48(2, 1)
#define RIG_ROOT RIG_RAM
#define RIG_MAIR UINT64_C(0x00000000000004ff) /* 0 Normal, 1 Device-nGnRE, 2 Device-nGnRnE */

#define PTE_AF     BIT(10)
#define PTE_USER   BIT(6)
#define PTE_RO     BIT(7)
#define PTE_NG     BIT(11)
#define PTE_PXN    BIT(53)
#define PTE_UXN    BIT(54)
#define PTE_DEVICE (UINT64_C(1) << 2)
#define PTE_PAGE   (UINT64_C(3) | PTE_AF | UINT64_C(3) << 8)
#define PTE_BLOCK  (UINT64_C(1) | PTE_AF | UINT64_C(3) << 8)
#define PTE_TABLE  UINT64_C(3)

static inline void rig_poke(struct sys_rig *rig, gpa_t gpa, uint64_t val)
{
    assert_int_equal(gmem_write(rig->mem, gpa, &val, 8), 0);
}

static inline uint64_t rig_peek(struct sys_rig *rig, gpa_t gpa)
{
    uint64_t val;

    assert_int_equal(gmem_read(rig->mem, gpa, &val, 8), 0);
    return val;
}

/* MMU on with this TCR; TTBR0 and TTBR1 both at RIG_ROOT, whose tables are cleared. */
static inline void rig_mmu(struct sys_rig *rig, uint64_t tcr)
{
    struct cpu *c = rig->c;

    memset(gmem_ptr_dirty(rig->mem, RIG_ROOT, MIB), 0, MIB);
    c->sys.tcr_el1 = tcr;
    c->sys.mair_el1 = RIG_MAIR;
    c->sys.ttbr0_el1 = c->sys.ttbr1_el1 = RIG_ROOT;
    c->sys.sctlr_el1 |= SCTLR_M | BIT(23); /* SPAN: exceptions leave PAN alone */
    mmu_flush_all(c);
}

/* Put desc for va at a level of a 4-level table with pages of 1 << granule, making the tables above
 * it. Returns where it lies. */
static inline gpa_t rig_map(struct sys_rig *rig, unsigned granule, gva_t va, unsigned level,
                            uint64_t desc)
{
    unsigned stride = granule - 3;
    gpa_t table = RIG_ROOT;

    for (unsigned l = 0;; l++) {
        unsigned shift = granule + (3 - l) * stride;
        unsigned bits = shift + stride > 48 ? 48 - shift : stride;
        gpa_t at = table + 8 * (va >> shift & low_mask(bits));

        if (l == level) {
            rig_poke(rig, at, desc);
            return at;
        }
        if (!(rig_peek(rig, at) & 1)) {
            /* One table a slot: a bump allocator that lives in the root's last page. */
            gpa_t next = RIG_ROOT + MIB - 8;
            uint64_t used = rig_peek(rig, next) + 1;

            rig_poke(rig, next, used);
            rig_poke(rig, at, (RIG_ROOT + (used << granule)) | PTE_TABLE);
        }
        table = rig_peek(rig, at) & BITS(47, 12);
    }
}
