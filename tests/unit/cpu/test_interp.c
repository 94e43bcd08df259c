/* The run loop: counting, requests, cache maintenance of predecoded code, MMIO replay, and what a
 * single instruction cannot show (exclusives, events). Programs run at EL0. */
#include <pthread.h>
#include <stdlib.h>

#include "../test.h"
#include "arch/esr.h"
#include "cpu/code.h"
#include "cpu/idregs.h"
#include "cpu/interp.h"
#include "rig.h"

#define CODE RIG_USER
#define DATA (RIG_USER + 0x80000)

#define SCTLR_SA0 BIT(4)

enum {
    NOP = 0xd503201f,
    UDF = 0x00000000,
    SVC = 0xd4000001,
    ADD_X0_1 = 0x91000400,
    SUB_X0_1 = 0xd1000400,
    CBNZ_X0_BACK = 0xb5ffffe0, /* to the instruction before */
    B_SELF = 0x14000000,
    BR_X0 = 0xd61f0000,
    WFE = 0xd503205f,
    SEVL = 0xd50320bf,
    CLREX = 0xd5033f5f,
    LDXR_X0 = 0xc85f7c20,      /* ldxr x0, [x1] */
    SWP_X3_X4 = 0xf8238024,    /* swp x3, x4, [x1] */
    SWP_X4_X5 = 0xf8248025,    /* swp x4, x5, [x1] */
    SWP_X3_X4_X6 = 0xf82380c4, /* swp x3, x4, [x6] */
    ADD_X6_X1_8 = 0x91002026,
    ADD_X6_X1_64 = 0x91010026,
    LDXR_W0 = 0x885f7c20,
    STXR_X3 = 0xc8027c23, /* stxr w2, x3, [x1] */
    LDXP_X4_X5 = 0xc87f1424,
    STXP_X4_X5 = 0xc8221424, /* stxp w2, x4, x5, [x1] */
    LDP_X0_X1 = 0xa9400440,  /* ldp x0, x1, [x2] */
    STP_X0_X1 = 0xa9000440,
    LDR_X0_POST = 0xf8408440, /* ldr x0, [x2], #8 */
    LDR_X0_SP = 0xf94003e0,
    CFINV = 0xd500401f,
    MRS_X5_RNDR = 0xd53b2405,
};

/* Put a program at va and make the CPU ready to run it. */
#define PROGRAM(rig, va, ...)              \
    do {                                   \
        RIG_PUT((rig), (va), __VA_ARGS__); \
        rig_enter((rig), (va), 0);         \
    } while (0)

static unsigned ec(const struct rig *rig)
{
    return (unsigned)FIELD_GET(ESR_EC, rig->c->sys.esr_el1);
}

/* Run to the SVC that ends a program. Returns the instructions that the program took, SVC too. */
static uint64_t run_to_svc(struct rig *rig)
{
    uint64_t before = rig->c->retired;

    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_SVC64);
    return rig->c->retired - before - 1; /* the vector's HVC */
}

static void test_every_instruction_is_counted(void **state)
{
    struct rig *rig = *state;

    PROGRAM(rig, CODE, NOP, NOP, SVC);
    assert_int_equal(run_to_svc(rig), 3);

    /* A loop: x0 times two, and what is around it. */
    PROGRAM(rig, CODE, NOP, SUB_X0_1, CBNZ_X0_BACK, SVC);
    rig->c->x[0] = 1000;
    assert_int_equal(run_to_svc(rig), 1 + 2 * 1000 + 1);

    /* Over the end of a page, and a loop over it. */
    PROGRAM(rig, CODE + 0xff8, NOP, NOP, NOP, SVC);
    assert_int_equal(run_to_svc(rig), 4);
    PROGRAM(rig, CODE + 0xffc, SUB_X0_1, CBNZ_X0_BACK, SVC);
    rig->c->x[0] = 1000;
    assert_int_equal(run_to_svc(rig), 2 * 1000 + 1);
}

static void test_a_faulting_instruction_is_not_counted(void **state)
{
    struct rig *rig = *state;
    uint64_t before = rig->c->retired;

    PROGRAM(rig, CODE, NOP, NOP, UDF);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_UNKNOWN);
    assert_int_equal(rig->c->sys.elr_el1, CODE + 8);
    assert_int_equal(rig->c->retired - before, 2 + 1);

    /* A load that faults, and a fetch that does: the branch to it was executed. */
    before = rig->c->retired;
    PROGRAM(rig, CODE, NOP, LDP_X0_X1);
    rig->c->x[2] = 0;
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_DABT_LOWER);
    assert_int_equal(rig->c->retired - before, 1 + 1);
    before = rig->c->retired;
    PROGRAM(rig, CODE, BR_X0);
    rig->c->x[0] = 0x1000;
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_IABT_LOWER);
    assert_int_equal(rig->c->sys.far_el1, 0x1000);
    assert_int_equal(rig->c->retired - before, 1 + 1);
}

static void *kick(void *arg)
{
    struct rig *rig = arg;

    cpu_request(rig->c, CPU_REQ_KICK);
    return NULL;
}

static void test_a_kick_ends_every_kind_of_loop(void **state)
{
    struct rig *rig = *state;
    static const uint32_t loops[][3] = {
        { B_SELF },
        { ADD_X0_1, CBNZ_X0_BACK, B_SELF },
        { BR_X0 },
        { NOP, BR_X0 },
    };

    for (unsigned n = 0; n < ARRAY_LEN(loops); n++) {
        pthread_t thread;

        rig_put(rig, CODE, loops[n], 3);
        rig_enter(rig, CODE, 0);
        rig->c->x[0] = CODE;
        assert_int_equal(pthread_create(&thread, NULL, kick, rig), 0);
        assert_int_equal(rig_run(rig), CPU_STOP_KICKED);
        pthread_join(thread, NULL);
        assert_in_range(rig->c->pc, CODE, CODE + 8);
    }
}

static bool kick_random(void *ctx, uint64_t *ret_val)
{
    *ret_val = 0;
    cpu_request(ctx, CPU_REQ_KICK);
    return true;
}

/* The tag of a branch target is gone before anybody between two instructions can see the PC. */
static void test_a_kick_sees_no_tag(void **state)
{
    struct rig *rig = *state;

    if (rig->lockstep) /* lockstep ends a block at RNDR, where the kick is seen */
        return;
    rig->soc.model = &idregs_max;
    rig->soc.random = kick_random; /* comes with the instruction before the branch */
    rig->soc.random_ctx = rig->c;
    PROGRAM(rig, CODE, MRS_X5_RNDR, BR_X0);
    rig->c->x[0] = (CODE + 0x100) | UINT64_C(0x5a) << 56; /* TCR_EL1.TBI0 is set */
    assert_int_equal(rig_run(rig), CPU_STOP_KICKED);
    assert_int_equal(rig->c->pc, CODE + 0x100);
}

static void test_a_kick_before_the_run_is_not_lost(void **state)
{
    struct rig *rig = *state;
    uint64_t before = rig->c->retired;

    PROGRAM(rig, CODE, NOP, SVC);
    cpu_request(rig->c, CPU_REQ_KICK);
    assert_int_equal(rig_run(rig), CPU_STOP_KICKED);
    assert_int_equal(rig->c->pc, CODE);
    assert_int_equal(rig->c->retired, before);
    assert_int_equal(run_to_svc(rig), 2);
}

/* Put a word there behind the CPU's back. */
static void overwrite(struct rig *rig, gva_t va, uint32_t word)
{
    store_le32(rig_ptr(rig, va), word);
}

static void test_invalidated_code_is_read_again(void **state)
{
    struct rig *rig = *state;

    PROGRAM(rig, CODE + 64, ADD_X0_1, SVC);
    rig->c->x[0] = 10;
    run_to_svc(rig);
    assert_int_equal(rig->c->x[0], 11);

    /* By line: any address in it, but no other line. */
    overwrite(rig, CODE + 64, SUB_X0_1);
    code_invalidate_line(rig->c, CODE + 60);
    code_invalidate_line(rig->c, CODE + 128);
    code_invalidate_line(rig->c, DATA); /* never executed */
    rig_enter(rig, CODE + 64, 0);
    run_to_svc(rig);
    assert_int_equal(rig->c->x[0], 12);
    code_invalidate_line(rig->c, CODE + 127);
    rig_enter(rig, CODE + 64, 0);
    run_to_svc(rig);
    assert_int_equal(rig->c->x[0], 11);

    overwrite(rig, CODE + 64, NOP);
    code_invalidate_all(rig->c);
    rig_enter(rig, CODE + 64, 0);
    run_to_svc(rig);
    assert_int_equal(rig->c->x[0], 11);
}

static void test_code_pages_are_bounded(void **state)
{
    struct rig *rig = *state;
    const uint32_t *words = rig_ptr(rig, CODE);
    unsigned limit = 64 * MIB / sizeof(struct code_page);
    struct code_page *page = code_get(rig->c, 0, words);

    assert_non_null(page);
    page->insn[0].fn = interp_page_end; /* a mark */
    assert_ptr_equal(code_get(rig->c, 0, words), page);
    for (unsigned n = 1; n <= limit; n++)
        assert_non_null(code_get(rig->c, (gpa_t)n * CODE_PAGE_SIZE, words));
    page = code_get(rig->c, 0, words);
    assert_ptr_equal(page->insn[0].fn, interp_decode); /* the first one had to go */
}

/* Run a program to the SVC with x1 = DATA, x3 = 33; returns w2, the status of a store-exclusive. */
#define EXCLUSIVE(rig, ...)                     \
    __extension__({                             \
        PROGRAM((rig), CODE, __VA_ARGS__, SVC); \
        (rig)->c->x[1] = DATA;                  \
        (rig)->c->x[2] = 77;                    \
        (rig)->c->x[3] = 33;                    \
        run_to_svc(rig);                        \
        (rig)->c->x[2];                         \
    })

static void test_exclusives(void **state)
{
    struct rig *rig = *state;
    uint64_t *mem = rig_ptr(rig, DATA);

    mem[0] = 11;
    assert_int_equal(EXCLUSIVE(rig, LDXR_X0, STXR_X3), 0);
    assert_int_equal(rig->c->x[0], 11);
    assert_int_equal(mem[0], 33);

    mem[0] = mem[1] = 11;
    assert_int_equal(EXCLUSIVE(rig, STXR_X3), 1);                      /* never opened */
    assert_int_equal(EXCLUSIVE(rig, LDXR_X0, CLREX, STXR_X3), 1);      /* given up */
    assert_int_equal(EXCLUSIVE(rig, LDXR_W0, STXR_X3), 1);             /* another size */
    assert_int_equal(EXCLUSIVE(rig, LDXR_X0, 0x91002021, STXR_X3), 1); /* add x1, x1, #8 */
    assert_int_equal(EXCLUSIVE(rig, LDXR_X0, 0xf9000023, STXR_X3), 1); /* str x3, [x1] */
    assert_int_equal(mem[0], 33);
    assert_int_equal(EXCLUSIVE(rig, LDXR_X0, STXR_X3, STXR_X3), 1); /* used up by the first */
    assert_int_equal(mem[0], 33);

    /* Somebody's atomics change the value and put it back: that is noticed. */
    mem[0] = 11;
    assert_int_equal(EXCLUSIVE(rig, LDXR_X0, SWP_X3_X4, SWP_X4_X5, STXR_X3), 1);
    assert_int_equal(mem[0], 11);
    /* One in the same granule, not in the next. */
    assert_int_equal(EXCLUSIVE(rig, LDXR_X0, ADD_X6_X1_8, SWP_X3_X4_X6, STXR_X3), 1);
    assert_int_equal(EXCLUSIVE(rig, LDXR_X0, ADD_X6_X1_64, SWP_X3_X4_X6, STXR_X3), 0);

    mem[0] = 1;
    mem[1] = 2;
    assert_int_equal(EXCLUSIVE(rig, LDXP_X4_X5, 0x910004a5, STXP_X4_X5), 0); /* add x5, x5, #1 */
    assert_int_equal(mem[0], 1);
    assert_int_equal(mem[1], 3);
    assert_int_equal(EXCLUSIVE(rig, LDXP_X4_X5, 0xf9000423, STXP_X4_X5), 1); /* str x3, [x1, #8] */
    assert_int_equal(mem[1], 33);
}

/* A word of the monitor, step by step: who may begin beside whom, and what a store-exclusive that
 * saw the word then is told. */
static void test_the_monitor_keeps_operations_and_stores_apart(void **state)
{
    _Atomic uint64_t word = 0;
    uint64_t seen = word;

    (void)state;
    assert_true(exmon_claim(&word, seen));
    assert_false(exmon_try_begin(&word)); /* the store is not to be passed */
    assert_false(exmon_claim(&word, word));
    assert_false(exmon_claim(&word, seen));
    exmon_release(&word);
    assert_false(exmon_claim(&word, seen)); /* another's store came between */

    seen = word;
    assert_true(exmon_try_begin(&word));
    assert_true(exmon_try_begin(&word)); /* operations do not mind each other */
    assert_false(exmon_claim(&word, seen));
    assert_false(exmon_claim(&word, word)); /* seen in the midst of one */
    exmon_end(&word);
    exmon_end(&word);
    assert_false(exmon_claim(&word, seen));
    assert_true(exmon_claim(&word, word));
    exmon_release(&word);
}

static void test_wfe_stops_unless_there_was_an_event(void **state)
{
    struct rig *rig = *state;

    rig->c->event = false;
    PROGRAM(rig, CODE, SEVL, WFE, WFE, SVC);
    assert_int_equal(rig_run(rig), CPU_STOP_WFE);
    assert_int_equal(rig->c->pc, CODE + 12);
    assert_int_equal(run_to_svc(rig), 1);
}

static void test_device_pair_makes_one_access_a_stop(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;
    uint64_t before = c->retired;

    PROGRAM(rig, CODE, NOP, LDP_X0_X1, SVC);
    c->x[0] = c->x[1] = 5;
    c->x[2] = RIG_DEVICE + 0x10;
    assert_int_equal(rig_run(rig), CPU_STOP_MMIO);
    assert_int_equal(c->mmio_pending.gpa, RIG_DEVICE + 0x10);
    assert_int_equal(c->mmio_pending.size, 8);
    assert_false(c->mmio_pending.write);
    assert_int_equal(c->retired - before, 1);
    cpu_mmio_done(c, 100);
    assert_int_equal(rig_run(rig), CPU_STOP_MMIO);
    assert_int_equal(c->mmio_pending.gpa, RIG_DEVICE + 0x18);
    assert_int_equal(c->x[0], 5); /* nothing has changed yet */
    cpu_mmio_done(c, 200);
    assert_int_equal(run_to_svc(rig), 2);
    assert_int_equal(c->x[0], 100);
    assert_int_equal(c->x[1], 200);
    assert_int_equal(c->retired - before, 3 + 1);

    PROGRAM(rig, CODE, STP_X0_X1, SVC);
    assert_int_equal(rig_run(rig), CPU_STOP_MMIO);
    assert_true(c->mmio_pending.write);
    assert_int_equal(c->mmio_pending.data, 100);
    cpu_mmio_done(c, 0);
    assert_int_equal(rig_run(rig), CPU_STOP_MMIO);
    assert_int_equal(c->mmio_pending.data, 200);
    cpu_mmio_done(c, 0);
    assert_int_equal(run_to_svc(rig), 2);
}

static void test_the_next_access_is_not_answered_yet(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    PROGRAM(rig, CODE, LDR_X0_POST, LDR_X0_POST, SVC);
    c->x[2] = RIG_DEVICE;
    for (unsigned n = 0; n < 2; n++) {
        assert_int_equal(rig_run(rig), CPU_STOP_MMIO);
        assert_int_equal(c->mmio_pending.gpa, RIG_DEVICE + 8 * n);
        assert_int_equal(c->pc, CODE + 4 * n);
        cpu_mmio_done(c, 100 + n);
    }
    assert_int_equal(run_to_svc(rig), 2);
    assert_int_equal(c->x[0], 101);
}

static void test_a_pair_is_stored_whole_or_not_at_all(void **state)
{
    struct rig *rig = *state;
    uint64_t *last = rig_ptr(rig, RIG_USER + RIG_BYTES - 8);

    *last = 1;
    PROGRAM(rig, CODE, STP_X0_X1, SVC);
    rig->c->x[0] = 2;
    rig->c->x[2] = RIG_SYSTEM - 8; /* the second half is not for EL0 */
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_DABT_LOWER);
    assert_int_equal(rig->c->sys.far_el1, RIG_SYSTEM);
    assert_int_equal(*last, 1);
}

static void test_a_kick_waits_for_an_answered_access(void **state)
{
    struct rig *rig = *state;
    struct cpu *c = rig->c;

    PROGRAM(rig, CODE, LDR_X0_POST, SVC);
    c->x[2] = RIG_DEVICE;
    assert_int_equal(rig_run(rig), CPU_STOP_MMIO);
    assert_int_equal(c->pc, CODE);
    cpu_mmio_done(c, 9);
    cpu_request(c, CPU_REQ_KICK);
    assert_int_equal(rig_run(rig), CPU_STOP_KICKED);
    assert_int_equal(c->pc, CODE + 4);
    assert_int_equal(c->x[0], 9);
    assert_int_equal(c->x[2], RIG_DEVICE + 8); /* written back once */
    assert_int_equal(run_to_svc(rig), 1);
}

static void test_a_branch_drops_the_tag(void **state)
{
    struct rig *rig = *state;

    PROGRAM(rig, CODE, BR_X0);
    rig_poke(rig, CODE + 0x100, SVC);
    rig->c->x[0] = (CODE + 0x100) | UINT64_C(0x5a) << 56; /* TCR_EL1.TBI0 is set */
    assert_int_equal(run_to_svc(rig), 2);
    assert_int_equal(rig->c->sys.elr_el1, CODE + 0x104);
}

static void test_a_misaligned_sp_faults_where_it_is_checked(void **state)
{
    struct rig *rig = *state;

    PROGRAM(rig, CODE, LDR_X0_SP, SVC);
    rig->c->x[REG_SP] = DATA + 8;
    run_to_svc(rig);
    rig->c->sys.sctlr_el1 |= SCTLR_SA0;
    PROGRAM(rig, CODE, LDR_X0_SP, SVC);
    rig->c->x[REG_SP] = DATA + 8;
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    assert_int_equal(ec(rig), EC_SP_ALIGN);
    PROGRAM(rig, CODE, LDR_X0_SP, SVC);
    rig->c->x[REG_SP] = DATA + 16;
    run_to_svc(rig);
}

static void test_el0_may_not(void **state)
{
    struct rig *rig = *state;
    static const uint32_t words[] = {
        0xd69f03e0, /* ERET */
        0xd4000002, /* HVC */
        0xd4000003, /* SMC */
        0xd4400000, /* HLT */
        CFINV,      /* FlagM is not announced */
        0xd5380000, /* MRS x0, MIDR_EL1 */
        0xd5181000, /* MSR SCTLR_EL1, x0 */
        0xd500409f, /* MSR PAN, #0 */
        0xd528fbe0, /* SYSL */
    };

    for (unsigned n = 0; n < ARRAY_LEN(words); n++) {
        PROGRAM(rig, CODE, words[n], SVC);
        assert_int_equal(rig_run(rig), CPU_STOP_HVC);
        if (ec(rig) != EC_UNKNOWN)
            fail_msg("%08x at EL0: EC %#x", words[n], ec(rig));
    }
}

/* What is UNDEFINED in one model runs in another; the slots of a machine are decoded for its own.
 */
static void test_the_cpu_model_decides(void **state)
{
    struct rig *rig = *state;

    for (unsigned max = 0; max < 2; max++) {
        rig->soc.model = max ? &idregs_max : &idregs_portable;
        PROGRAM(rig, CODE, CFINV, SVC);
        assert_int_equal(rig_run(rig), CPU_STOP_HVC);
        assert_int_equal(ec(rig), max ? EC_SVC64 : EC_UNKNOWN);
        assert_int_equal(rig->c->sys.spsr_el1 & BITS(31, 28), max ? NZCV_C : 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_instruction_is_counted),
        TEST(test_a_faulting_instruction_is_not_counted),
        TEST(test_a_kick_ends_every_kind_of_loop),
        TEST(test_a_kick_sees_no_tag),
        TEST(test_a_kick_before_the_run_is_not_lost),
        TEST(test_invalidated_code_is_read_again),
        TEST(test_code_pages_are_bounded),
        TEST(test_exclusives),
        cmocka_unit_test(test_the_monitor_keeps_operations_and_stores_apart),
        TEST(test_wfe_stops_unless_there_was_an_event),
        TEST(test_device_pair_makes_one_access_a_stop),
        TEST(test_the_next_access_is_not_answered_yet),
        TEST(test_a_pair_is_stored_whole_or_not_at_all),
        TEST(test_a_kick_waits_for_an_answered_access),
        TEST(test_a_branch_drops_the_tag),
        TEST(test_a_misaligned_sp_faults_where_it_is_checked),
        TEST(test_el0_may_not),
        TEST(test_the_cpu_model_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
