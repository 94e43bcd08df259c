/* The translator's run time: killing blocks, emptying the cache, jumps and returns between pages,
 * what blocks depend on besides their words, and lockstep. What single instructions do is the
 * differential test's. */
#include <pthread.h>
#include <stdlib.h>

#include "../test.h"
#include "arch/esr.h"
#include "base/log.h"
#include "cpu/code.h"
#include "cpu/jit/jit.h"
#include "cpu/mmu.h"
#include "rig.h"

#define CODE      RIG_USER
#define CALLEE    (RIG_USER + 0x2000)
#define WRITER    (RIG_USER + 0x3000)
#define CHAIN     (RIG_USER + 0x10000)
#define DATA      (RIG_USER + 0x180000)
#define EL1_CODE  (RIG_SYSTEM + 0x10000)
#define TABLE_L2  (RIG_SYSTEM + 0x2000) /* of rig.c */
#define TABLE_L3  (RIG_SYSTEM + 0x6000)
#define PAGES     (RIG_USER + 0x600000) /* 2 MiB of addresses in pages of 4 KiB */
#define BLOCK_MAX (2 * MIB)
#define EL1H      UINT64_C(5)

#define SCTLR_SA0    BIT(4)
#define FPCR_DN      BIT(25)
#define FPSR_IXC_BIT BIT(4)
#define NAN_1        UINT64_C(0x7ff8000000000001) /* quiet, with a payload */
#define NAN_DEF      UINT64_C(0x7ff8000000000000)

enum {
    ADD_X0_1 = 0x91000400,
    ADD_X0_2 = 0x91000800,
    SUB_X0_1 = 0xd1000400,
    B_NEXT = 0x14000001,
    BLR_X1 = 0xd63f0020,
    BR_X1 = 0xd61f0020,
    BRK = 0xd4200000,
    DC_CVAU_X1 = 0xd50b7b21,
    DSB = 0xd5033b9f,
    FADD_D0 = 0x1e622820, /* fadd d0, d1, d2 */
    HVC = 0xd4000002,
    IC_IALLU = 0xd508751f,
    IC_IVAU_X1 = 0xd50b7521,
    ISB = 0xd5033fdf,
    LDR_X0_SP = 0xf94003e0,
    MOV_X0_1 = 0xd2800020,
    MOV_X0_2 = 0xd2800040,
    MSR_FPCR_X5 = 0xd51b4405,
    NOP = 0xd503201f,
    RET = 0xd65f03c0,
    STR_W2 = 0xb9000022,   /* str w2, [x1] */
    STR_W2_4 = 0xb9000422, /* str w2, [x1, #4] */
    STR_X6 = 0xf90000e6,   /* str x6, [x7] */
    SUBS_X3_1 = 0xf1000463,
    SVC = 0xd4000001,
    TBZ_X0_1_BACK = 0x360fffe0, /* tbz x0, #1, to the instruction before */
    TLBI_VAE1_X4 = 0xd5088724,
};

static uint32_t bl(gva_t from, gva_t to)
{
    return 0x94000000 | (uint32_t)((to - from) >> 2 & low_mask(26));
}

static int setup_with(void **state, unsigned vcpus, struct jit_config config)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    if (!rig)
        return -1;
    rig_init_as(rig, vcpus, &config);
    *state = rig;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, 1, (struct jit_config){ .bytes = 4 * MIB });
}

static int setup_two(void **state)
{
    return setup_with(state, 2, (struct jit_config){ .bytes = 4 * MIB });
}

static int setup_two_tiny(void **state)
{
    return setup_with(state, 2, (struct jit_config){ .bytes = JIT_CODE_MIN });
}

/* Many vCPUs have room for few predecoded pages each. */
static int setup_many(void **state)
{
    return setup_with(state, 32, (struct jit_config){ .bytes = 4 * MIB });
}

static int setup_lockstep(void **state)
{
    return setup_with(state, 1, (struct jit_config){ .bytes = 4 * MIB, .lockstep = true });
}

static struct jit_stats stats_of(struct rig *rig)
{
    struct jit_stats stats;

    jit_get_stats(rig->soc.jit, &stats);
    return stats;
}

/* Run at EL0 to an SVC. Returns X0. */
static uint64_t run(struct rig *rig, gva_t pc)
{
    rig_enter(rig, pc, 0);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(FIELD_GET(ESR_EC, rig->c->sys.esr_el1), EC_SVC64);
    return rig->c->x[0];
}

/* Put a word there behind the CPU's back. */
static void overwrite(struct rig *rig, gva_t va, uint32_t word)
{
    store_le32(rig_ptr(rig, va), word);
}

static void test_a_guest_changes_its_own_code(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    RIG_PUT(rig, CALLEE, MOV_X0_1, RET);
    RIG_PUT(rig, CODE, BLR_X1, STR_W2, DC_CVAU_X1, DSB, IC_IVAU_X1, DSB, ISB, BLR_X1, SVC);
    c->x[1] = CALLEE;
    c->x[2] = MOV_X0_2;
    assert_int_equal(run(rig, CODE), 2);
    assert_true(stats_of(rig).killed > 0);
    c->x[2] = MOV_X0_1;
    assert_int_equal(run(rig, CODE), 1);

    /* Code in the block that does it, behind the instruction that ends it. */
    RIG_PUT(rig, CODE, STR_W2, IC_IVAU_X1, DSB, ISB, MOV_X0_1, SVC);
    assert_int_equal(run(rig, CODE + 16), 1);
    c->x[1] = CODE + 16;
    c->x[2] = MOV_X0_2;
    assert_int_equal(run(rig, CODE), 2);
}

/* A block's code depends on words that it does not hold, here of the next cache line: flags that
 * its successor sets are dropped. */
static void test_a_change_of_what_follows_a_block_is_noticed(void **state)
{
    struct rig *rig = *state;

    RIG_PUT(rig, CODE + 56, 0xf100001f /* cmp x0, #0 */, B_NEXT, 0xf100043f /* cmp x1, #1 */, SVC);
    rig->c->x[0] = 0;
    rig->c->x[1] = 5;
    run(rig, CODE + 56);
    assert_int_equal(rig->c->sys.spsr_el1 & NZCV_Z, 0);
    rig_poke(rig, CODE + 64, NOP); /* now the first comparison is seen */
    run(rig, CODE + 56);
    assert_int_equal(rig->c->sys.spsr_el1 & NZCV_Z, NZCV_Z);
}

/* Words that would set flags, or leave them alone, if they were not reserved: an exception shows
 * the flags from before. */
static void test_flags_are_there_at_an_undefined_word(void **state)
{
    static const uint32_t words[] = {
        0xab211c00, /* adds x0, x0, w1, uxtb #7 */
        0xf27ffc00, /* ands x0, x0, # all ones */
        0x8bc00000, /* add x0, x0, x0, ror #0 */
    };
    struct rig *rig = *state;

    for (unsigned n = 0; n < ARRAY_LEN(words); n++) {
        RIG_PUT(rig, CODE, 0xf100001f /* cmp x0, #0 */, B_NEXT, words[n], SUBS_X3_1, SVC);
        rig->c->x[0] = 0;
        rig_enter(rig, CODE, 0);
        assert_int_equal(rig_run(rig), CPU_STOP_HVC);
        assert_int_equal(FIELD_GET(ESR_EC, rig->c->sys.esr_el1), EC_UNKNOWN);
        assert_int_equal(rig->c->sys.elr_el1, CODE + 8);
        assert_int_equal(rig->c->sys.spsr_el1 & NZCV_Z, NZCV_Z);
    }
}

/* SP moves by a register: what was known of its alignment is not known any more. */
static void test_a_stack_pointer_is_checked_again_when_it_has_moved(void **state)
{
    static const uint32_t moves[] = {
        0x8b2163ff, /* add sp, sp, x1 */
        0xcb2163ff, /* sub sp, sp, x1 */
        0x8b216fff, /* add sp, sp, x1, lsl #3 */
        0x910023ff, /* add sp, sp, #8 */
    };
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    c->sys.sctlr_el1 |= SCTLR_SA0;
    mmu_update(c);
    for (unsigned n = 0; n < ARRAY_LEN(moves); n++) {
        RIG_PUT(rig, CODE, LDR_X0_SP, moves[n], LDR_X0_SP, SVC);
        c->x[1] = moves[n] == 0x8b216fff ? 1 : 8;
        rig_enter(rig, CODE, 0);
        c->x[REG_SP] = DATA + 0x100;
        assert_int_equal(rig_run(rig), CPU_STOP_HVC);
        assert_int_equal(FIELD_GET(ESR_EC, c->sys.esr_el1), EC_SP_ALIGN);
        assert_int_equal(c->sys.elr_el1, CODE + 8);
    }
}

static void test_old_code_runs_until_it_is_invalidated(void **state)
{
    struct rig *rig = *state;
    uint64_t flushes = stats_of(rig).flushes;

    RIG_PUT(rig, CODE, MOV_X0_1, SVC);
    assert_int_equal(run(rig, CODE), 1);
    overwrite(rig, CODE, MOV_X0_2);
    assert_int_equal(run(rig, CODE), 1);

    /* IC IALLU, by the guest. */
    RIG_PUT(rig, EL1_CODE, IC_IALLU, DSB, ISB, HVC);
    rig_enter(rig, EL1_CODE, EL1H);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(run(rig, CODE), 2);
    assert_true(stats_of(rig).flushes > flushes);
}

static void *run_thread(void *arg)
{
    return (void *)(uintptr_t)cpu_run(arg);
}

/* A loop that ends when another vCPU has changed what it calls, and that must answer that one's
 * DSB. */
static void test_another_vcpu_changes_code_that_runs(void **state)
{
    struct rig *rig = *state;
    struct cpu *other = rig_add_cpu(rig, 1);

    RIG_PUT(rig, CODE, BLR_X1, TBZ_X0_1_BACK, SVC);
    RIG_PUT(rig, WRITER, STR_W2, DC_CVAU_X1, DSB, IC_IVAU_X1, DSB, ISB, SVC);
    for (unsigned round = 0; round < 50; round++) {
        pthread_t thread;
        void *stop;

        RIG_PUT(rig, CALLEE, MOV_X0_1, RET);
        code_invalidate_page(other, CALLEE);
        other->x[1] = rig->c->x[1] = CALLEE;
        rig->c->x[2] = MOV_X0_2;
        rig_enter_cpu(other, CODE, 0);
        assert_int_equal(pthread_create(&thread, NULL, run_thread, other), 0);
        run(rig, WRITER);
        assert_int_equal(pthread_join(thread, &stop), 0);
        assert_int_equal((uintptr_t)stop, CPU_STOP_HVC);
        assert_int_equal(other->x[0], 2);
    }
}

/* A breakpoint of which the block still knows becomes a branch, before anybody is told: either is
 * right, and nothing else. */
static void test_a_breakpoint_becomes_a_branch(void **state)
{
    struct rig *rig = *state;
    struct cpu *other = rig_add_cpu(rig, 1);
    uint64_t retired;

    RIG_PUT(rig, CODE, BRK, MOV_X0_1, SVC, MOV_X0_2, SVC);
    rig_enter(rig, CODE, 0);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(FIELD_GET(ESR_EC, rig->c->sys.esr_el1), EC_BRK64);
    overwrite(rig, CODE, 0x14000003 /* b to the second mov */);
    retired = other->retired;
    rig_enter_cpu(other, CODE, 0);
    assert_int_equal(cpu_run(other), CPU_STOP_HVC);
    if (FIELD_GET(ESR_EC, other->sys.esr_el1) == EC_BRK64)
        return;
    assert_int_equal(other->x[0], 2);
    assert_int_equal(other->retired - retired, 3 + 1);
}

/* Blocks of two instructions, one after the other. */
static unsigned make_chain(struct rig *rig)
{
    unsigned count = (DATA - CHAIN) / 8 - 1;
    uint32_t *words = rig_ptr(rig, CHAIN);

    for (unsigned n = 0; n < count; n++) {
        words[2 * n] = ADD_X0_1;
        words[2 * n + 1] = B_NEXT;
    }
    words[2 * count] = SVC;
    return count;
}

static void test_a_tiny_cache_is_emptied_over_and_over(void **state)
{
    struct rig *rig = *state;
    struct cpu *other = rig_add_cpu(rig, 1);
    unsigned count = make_chain(rig);
    pthread_t thread;
    void *stop;

    /* Two vCPUs, so that one often has to wait for the other to come out. */
    other->x[0] = rig->c->x[0] = 0;
    rig_enter_cpu(other, CHAIN, 0);
    assert_int_equal(pthread_create(&thread, NULL, run_thread, other), 0);
    assert_int_equal(run(rig, CHAIN), count);
    assert_int_equal(pthread_join(thread, &stop), 0);
    assert_int_equal((uintptr_t)stop, CPU_STOP_HVC);
    assert_int_equal(other->x[0], count);
    assert_true(stats_of(rig).flushes > 5);
    assert_true(stats_of(rig).cache_code <= JIT_CODE_MIN);
}

static void test_a_call_at_the_end_of_a_page_returns_to_the_next(void **state)
{
    struct rig *rig = *state;
    uint64_t retired;

    rig_poke(rig, CODE + 0xffc, bl(CODE + 0xffc, CALLEE));
    RIG_PUT(rig, CODE + 0x1000, ADD_X0_2, SVC);
    RIG_PUT(rig, CALLEE, ADD_X0_1, RET);
    for (unsigned n = 0; n < 3; n++) {
        rig->c->x[0] = 10;
        retired = rig->c->retired;
        assert_int_equal(run(rig, CODE + 0xffc), 13);
        assert_int_equal(rig->c->retired - retired, 5 + 1);
        assert_int_equal(rig->c->sys.elr_el1, CODE + 0x1008);
    }
    /* The next page has other code now: the return address was the same, the code is not. */
    rig_poke(rig, CODE + 0x1000, ADD_X0_1);
    rig->c->x[0] = 10;
    assert_int_equal(run(rig, CODE + 0xffc), 12);
}

/* More calls than the ring holds. */
static void test_recursion_is_deeper_than_the_ring(void **state)
{
    struct rig *rig = *state;

    RIG_PUT(rig, CALLEE, 0xb40000e3, /* cbz x3, to the last ret */
            0xf800843e,              /* str x30, [x1], #8 */
            0xd1000463,              /* sub x3, x3, #1 */
            0x97fffffd,              /* bl to the start */
            0xf85f8c3e,              /* ldr x30, [x1, #-8]! */
            ADD_X0_1, RET, RET);
    RIG_PUT(rig, CODE, bl(CODE, CALLEE), SVC);
    for (unsigned n = 0; n < 3; n++) {
        rig->c->x[0] = 0;
        rig->c->x[1] = DATA;
        rig->c->x[3] = 1000;
        assert_int_equal(run(rig, CODE), 1000);
        assert_int_equal(rig->c->x[1], DATA);
    }
}

/* PAGES: page n is the page of user memory at DATA + n pages, for EL0, or EL1 alone. */
static void map_page(struct rig *rig, unsigned n, gpa_t gpa, bool user)
{
    store_le64(rig_ptr(rig, TABLE_L3 + 8 * n), gpa | 0x703 | (user ? BIT(6) : 0));
    store_le64(rig_ptr(rig, TABLE_L2 + 8 * ((PAGES - RIG_USER) / BLOCK_MAX)), TABLE_L3 | 3);
}

static void test_another_page_behind_an_address(void **state)
{
    struct rig *rig = *state;
    gpa_t first = DATA, second = DATA + 0x1000;
    gva_t va = PAGES + 5 * 0x1000; /* not in CODE's slot of the jump cache */

    RIG_PUT(rig, first, MOV_X0_1, RET);
    RIG_PUT(rig, second, MOV_X0_2, RET);
    RIG_PUT(rig, CODE, BLR_X1, SVC);
    RIG_PUT(rig, EL1_CODE, DSB, TLBI_VAE1_X4, DSB, ISB, HVC);
    for (unsigned n = 0; n < 6; n++) {
        map_page(rig, 5, n % 2 ? second : first, true);
        rig->c->x[4] = va >> 12;
        rig_enter(rig, EL1_CODE, EL1H);
        assert_int_equal(rig_run(rig), CPU_STOP_HVC);
        rig->c->x[1] = va;
        assert_int_equal(run(rig, CODE), n % 2 ? 2 : 1);
        assert_int_equal(run(rig, CODE), n % 2 ? 2 : 1);
    }
}

/* The TLB's contexts are used up, and handed out anew, when a fetch from inside translated code
 * drops all predecoded pages. A jump cache that still has what one of them stood for before has
 * code that is not there any more. */
static void test_contexts_are_handed_out_anew_amid_translated_code(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;
    gva_t va = PAGES + 5 * 0x1000 + 0x800; /* not in the chain's slots of the jump cache */
    unsigned pages = (DATA - CHAIN) / 0x1000 - 1, wraps;

    for (unsigned n = 0; n < pages; n++)
        RIG_PUT(rig, CHAIN + n * 0x1000, 0x8b020021 /* add x1, x1, x2 */, BR_X1);
    RIG_PUT(rig, CHAIN + pages * 0x1000, 0xd61f0060 /* br x3 */);
    RIG_PUT(rig, DATA + 0x800, MOV_X0_1, SVC);
    RIG_PUT(rig, DATA + 0x1800, MOV_X0_2, SVC);
    RIG_PUT(rig, CODE, MOV_X0_1, SVC);
    run(rig, CODE); /* nothing is left to be done when cpu_run() begins */

    /* As code of many pages, and TLBI VMALLE1, have it in the long run. */
    map_page(rig, 5, DATA, true);
    do
        mmu_flush_all(c);
    while (c->tlb->base[0] >> 2 != 1);
    assert_int_equal(run(rig, va), 1);
    map_page(rig, 5, DATA + 0x1000, true);
    while (c->tlb->next < TLB_CONTEXTS - 1)
        mmu_flush_all(c);
    for (gpa_t gpa = EL1_CODE; gpa < EL1_CODE + 400 * 0x1000; gpa += 0x1000)
        assert_non_null(code_get(c, gpa, rig_ptr(rig, gpa)));
    wraps = c->tlb->wraps;
    c->x[1] = CHAIN;
    c->x[2] = 0x1000;
    c->x[3] = va;
    assert_int_equal(run(rig, CHAIN), 2);
    assert_int_equal(c->tlb->wraps, wraps + 1);
}

/* The caller's page changes while it calls: the return is to what lies there now. */
static void test_a_return_to_a_page_that_was_replaced(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;
    gpa_t first = DATA, second = DATA + 0x1000;

    RIG_PUT(rig, first, BLR_X1, MOV_X0_1, HVC);
    RIG_PUT(rig, second, NOP, MOV_X0_2, HVC);
    RIG_PUT(rig, EL1_CODE, STR_X6, DSB, TLBI_VAE1_X4, DSB, ISB, RET);
    for (unsigned n = 0; n < 3; n++) {
        map_page(rig, 0, first, false);
        mmu_flush_va(c, PAGES);
        c->x[1] = EL1_CODE;
        c->x[4] = PAGES >> 12;
        c->x[6] = second | 0x703;
        c->x[7] = TABLE_L3;
        rig_enter(rig, PAGES, EL1H);
        assert_int_equal(rig_run(rig), CPU_STOP_HVC);
        assert_int_equal(c->x[0], 2);
    }
}

static void test_floating_point_state_changes_between_blocks(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    RIG_PUT(rig, CODE, FADD_D0, MSR_FPCR_X5, SUBS_X3_1, 0x54ffffa1 /* b.ne to the start */, SVC);
    for (unsigned n = 0; n < 6; n++) {
        c->fpcr = 0;
        c->v[1].d[0] = NAN_1;
        c->v[2].d[0] = 0;
        c->x[3] = 1 + n % 2; /* the second time around in the other mode */
        c->x[5] = FPCR_DN;
        run(rig, CODE);
        assert_int_equal(c->v[0].d[0], n % 2 ? NAN_DEF : NAN_1);
    }
    c->fpcr = 0;
    c->sys.cpacr_el1 = 0;
    mmu_update_view(c);
    rig_enter(rig, CODE, 0);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(FIELD_GET(ESR_EC, c->sys.esr_el1), EC_FP_TRAP);
    assert_int_equal(c->sys.elr_el1, CODE);
}

/* Addresses that are those of the same code in another state but for the bits where a tag has its
 * key: they are not canonical, and must fault as they do on any CPU. */
static void test_a_jump_cannot_reach_another_state(void **state)
{
    static const uint32_t jumps[] = { BR_X1, BLR_X1, RET };
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    RIG_PUT(rig, CODE, bl(CODE, CALLEE), ADD_X0_1, SVC);
    RIG_PUT(rig, CALLEE, SVC);
    for (unsigned bit = 48; bit < 56; bit++) { /* above that, the rig has addresses tagged */
        for (unsigned n = 0; n < ARRAY_LEN(jumps); n++) {
            gva_t target = (CODE + 4) ^ BIT(bit);

            /* The code behind the call is in the jump cache and in the ring, under one state ... */
            c->fpsr = 0;
            run(rig, CODE + 4);
            run(rig, CODE);
            /* ... and is looked for under another. */
            c->fpsr = FPSR_IXC_BIT;
            c->x[0] = 10;
            c->x[1] = c->x[30] = target;
            rig_poke(rig, WRITER, jumps[n]);
            rig_enter(rig, WRITER, 0);
            assert_int_equal(rig_run(rig), CPU_STOP_HVC);
            assert_int_equal(FIELD_GET(ESR_EC, c->sys.esr_el1), EC_IABT_LOWER);
            assert_int_equal(c->sys.elr_el1, target);
            assert_int_equal(c->sys.far_el1, target);
            assert_int_equal(c->x[0], 10);
        }
    }
}

/* The interpreter has decoded a word, and only the translator is told that it has changed. */
static void differ(struct rig *rig, uint32_t word, const char *text)
{
    RIG_PUT(rig, CODE, STR_W2, ADD_X0_1, SVC);
    rig->c->x[0] = 10;
    rig->c->x[1] = DATA;
    rig->c->x[2] = 77;
    assert_int_equal(run(rig, CODE), 11);
    overwrite(rig, CODE + (word == SUB_X0_1 ? 4 : 0), word);
    jit_kill(rig->soc.jit, CODE, 8);
    rig->c->x[2] = 78;
    rig_enter(rig, CODE, 0);
    assert_int_equal(rig_run(rig), CPU_STOP_ERROR);
    assert_string_equal(rig->c->reason, text);
}

static void keep_quiet(void *ctx, enum log_level level, const char *area, const char *text)
{
    unsigned *lines = ctx;

    (void)level;
    (void)text;
    *lines += !strcmp(area, "lockstep");
}

static void test_lockstep_finds_a_wrong_register(void **state)
{
    unsigned lines = 0;

    log_set_sink(keep_quiet, &lines);
    differ(*state, SUB_X0_1,
           "lockstep: after the block at 0x40000000 x0 is 0xa translated, and 0xc in the "
           "interpreter");
    log_set_sink(NULL, NULL);
    assert_true(lines > 3); /* registers and code */
}

static void test_lockstep_finds_wrong_memory(void **state)
{
    unsigned lines = 0;

    log_set_sink(keep_quiet, &lines);
    differ(*state, STR_W2_4,
           "lockstep: after the block at 0x40000000 memory 0x40180000 is 0x4e0000004d translated, "
           "and 0x4e in the interpreter");
    log_set_sink(NULL, NULL);
}

/* Devices, exclusives and changed code are not differences. */
static void test_lockstep_goes_on_where_both_are_the_same(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    RIG_PUT(rig, CODE, STR_W2, 0xf9400040 /* ldr x0, [x2] */, ADD_X0_1, SVC);
    c->x[1] = DATA;
    c->x[2] = RIG_DEVICE;
    rig_enter(rig, CODE, 0);
    assert_int_equal(rig_run(rig), CPU_STOP_MMIO);
    assert_int_equal(c->pc, CODE + 4);
    assert_int_equal(*(const uint32_t *)rig_ptr(rig, DATA), RIG_DEVICE);
    cpu_mmio_done(c, 5);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(c->x[0], 6);

    RIG_PUT(rig, CODE, 0xc85f7c20 /* ldxr x0, [x1] */, 0xc8027c23 /* stxr w2, x3, [x1] */, SVC);
    c->x[3] = 33;
    run(rig, CODE);
    assert_int_equal(c->x[2], 0);
    assert_int_equal(*(const uint64_t *)rig_ptr(rig, DATA), 33);
    test_a_guest_changes_its_own_code(state);
}

/* The block ends in front of its branch, whose target has no use for flags either. */
static void test_lockstep_knows_which_flags_a_shorter_block_lost(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    RIG_PUT(rig, CODE, SUBS_X3_1, FADD_D0, B_NEXT, SUBS_X3_1, SVC);
    c->fpsr = 0;
    c->x[3] = 1;
    run(rig, CODE);
    assert_int_equal(c->x[3], UINT64_MAX);
}

static void test_what_a_translator_is_for(void **state)
{
    struct rig *rig = *state;
    struct jit_stats before = stats_of(rig), after;

    RIG_PUT(rig, CODE, ADD_X0_1, ADD_X0_2, SVC);
    run(rig, CODE);
    run(rig, CODE);
    after = stats_of(rig);
    assert_int_equal(after.insns - before.insns, 3 + 1); /* the vector's HVC */
    assert_int_equal(after.blocks - before.blocks, 2);
    assert_true(after.code_bytes > before.code_bytes);
}

int main(void)
{
#define TEST(name, setup_) cmocka_unit_test_setup_teardown(name, setup_, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_a_translator_is_for, setup),
        TEST(test_a_guest_changes_its_own_code, setup),
        TEST(test_a_change_of_what_follows_a_block_is_noticed, setup),
        TEST(test_flags_are_there_at_an_undefined_word, setup),
        TEST(test_a_stack_pointer_is_checked_again_when_it_has_moved, setup),
        TEST(test_old_code_runs_until_it_is_invalidated, setup),
        TEST(test_another_vcpu_changes_code_that_runs, setup_two),
        TEST(test_a_breakpoint_becomes_a_branch, setup_two),
        TEST(test_a_tiny_cache_is_emptied_over_and_over, setup_two_tiny),
        TEST(test_a_call_at_the_end_of_a_page_returns_to_the_next, setup),
        TEST(test_recursion_is_deeper_than_the_ring, setup),
        TEST(test_another_page_behind_an_address, setup),
        TEST(test_contexts_are_handed_out_anew_amid_translated_code, setup_many),
        TEST(test_a_return_to_a_page_that_was_replaced, setup),
        TEST(test_floating_point_state_changes_between_blocks, setup),
        TEST(test_a_jump_cannot_reach_another_state, setup),
        TEST(test_lockstep_finds_a_wrong_register, setup_lockstep),
        TEST(test_lockstep_finds_wrong_memory, setup_lockstep),
        TEST(test_lockstep_goes_on_where_both_are_the_same, setup_lockstep),
        TEST(test_lockstep_knows_which_flags_a_shorter_block_lost, setup_lockstep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
