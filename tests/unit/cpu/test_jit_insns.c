/*
 * Sequences of instructions under the translator and under the interpreter: what a random test of
 * single instructions does not meet, as exclusives that succeed, runs of AES rounds, or registers
 * of EL1. Also as one of two vCPUs, and as on a host that lacks every extension.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cpu/idregs.h"
#include "rig.h"

#define CODE_EL0        (RIG_USER + 0x1000)
#define CODE_EL1        (RIG_SYSTEM + 0x8000)
#define DATA            (RIG_USER + 0x3000)
#define BYTES           512u /* of data, around DATA + BYTES / 2 */
#define BRK             0xd4200000u
#define LDADD_X0_X1_X28 0xf8200381u
#define WORDS           13
#define RUNS            3 /* the first one fills the TLB, so that the others stay inside */
#define SEEDS           16
#define EL1H            5u
#define ALL             "avx,fma,aes,pclmul,sha,crc32"

struct sequence {
    const char *name;
    unsigned el;
    uint32_t word[WORDS];
};

/* Made by GNU as. X28 is the address of 64-byte aligned data. */
static const struct sequence sequences[] = {
    { "loads and stores in a row",
      0,
      {
          0xf9400380, /* ldr x0,[x28] */
          0xa9415381, /* ldp x1,x20,[x28,#16] */
          0xf9000780, /* str x0,[x28,#8] */
          0x39001794, /* strb w20,[x28,#5] */
          0x79400b83, /* ldrh w3,[x28,#4] */
          0xb89f8384, /* ldrsw x4,[x28,#-8] */
          0xa93f1381, /* stp x1,x4,[x28,#-16] */
          0xb9400b85, /* ldr w5,[x28,#8] */
          0xf81fd385, /* stur x5,[x28,#-3] */
          0xf85fb386, /* ldur x6,[x28,#-5] */
      } },
    { "a row that ends with its base",
      0,
      {
          0xf9400780, /* ldr x0,[x28,#8] */
          0xf9000f80, /* str x0,[x28,#24] */
          0xaa1c03e2, /* mov x2,x28 */
          0xf9000382, /* str x2,[x28] */
          0xf9400b81, /* ldr x1,[x28,#16] */
          0xa9400f9c, /* ldp x28,x3,[x28] */
          0xf9400b84, /* ldr x4,[x28,#16] */
          0xf940039c, /* ldr x28,[x28] */
          0xf9000784, /* str x4,[x28,#8] */
      } },
    { "rows over the end of a page",
      0,
      {
          0x913beb9b, /* add x27,x28,#3834 */
          0xf9000b60, /* str x0,[x27,#16] */
          0xf81f8361, /* stur x1,[x27,#-8] */
          0xf9400762, /* ldr x2,[x27,#8] */
          0xa9401363, /* ldp x3,x4,[x27] */
          0xa93f1b65, /* stp x5,x6,[x27,#-16] */
          0x39401767, /* ldrb w7,[x27,#5] */
          0xf9400368, /* ldr x8,[x27] */
          0xa97f2b69, /* ldp x9,x10,[x27,#-16] */
      } },
    { "aes rounds",
      0,
      {
          0x4e284820, /* aese v0.16b,v1.16b */
          0x4e286800, /* aesmc v0.16b,v0.16b */
          0x4e284840, /* aese v0.16b,v2.16b */
          0x4e286800, /* aesmc v0.16b,v0.16b */
          0x4e284860, /* aese v0.16b,v3.16b */
          0x6e241c00, /* eor v0.16b,v0.16b,v4.16b */
      } },
    { "aes rounds back",
      0,
      {
          0x4e285825, /* aesd v5.16b,v1.16b */
          0x4e2878a5, /* aesimc v5.16b,v5.16b */
          0x4e285845, /* aesd v5.16b,v2.16b */
          0x4e2878a5, /* aesimc v5.16b,v5.16b */
      } },
    { "aes own key",
      0,
      {
          0x4e284820, /* aese v0.16b,v1.16b */
          0x4e286800, /* aesmc v0.16b,v0.16b */
          0x4e284800, /* aese v0.16b,v0.16b */
          0x4e286800, /* aesmc v0.16b,v0.16b */
          0x4e286807, /* aesmc v7.16b,v0.16b */
      } },
    { "aes other column",
      0,
      {
          0x4e284820, /* aese v0.16b,v1.16b */
          0x4e286802, /* aesmc v2.16b,v0.16b */
          0x4e284840, /* aese v0.16b,v2.16b */
          0x4e287800, /* aesimc v0.16b,v0.16b */
      } },
    { "sha256",
      0,
      {
          0x5e024020, /* sha256h q0,q1,v2.4s */
          0x5e025003, /* sha256h2 q3,q0,v2.4s */
          0x5e2828a4, /* sha256su0 v4.4s,v5.4s */
          0x5e0760c4, /* sha256su1 v4.4s,v6.4s,v7.4s */
      } },
    { "sha1",
      0,
      {
          0x5e020020, /* sha1c q0,s1,v2.4s */
          0x5e041060, /* sha1p q0,s3,v4.4s */
          0x5e062005, /* sha1m q5,s0,v6.4s */
          0x5e280807, /* sha1h s7,s0 */
          0x5e033041, /* sha1su0 v1.4s,v2.4s,v3.4s */
          0x5e281881, /* sha1su1 v1.4s,v4.4s */
      } },
    { "crc32",
      0,
      {
          0x9ac24c20, /* crc32x w0,w1,x2 */
          0x1ac34800, /* crc32w w0,w0,w3 */
          0x1ac94400, /* crc32h w0,w0,w9 */
          0x1ac4400a, /* crc32b w10,w0,w4 */
          0x9ac05d45, /* crc32cx w5,w10,x0 */
          0x1acb50a5, /* crc32cb w5,w5,w11 */
      } },
    { "pmull",
      0,
      {
          0x0ee2e020, /* pmull v0.1q,v1.1d,v2.1d */
          0x4ee2e003, /* pmull2 v3.1q,v0.2d,v2.2d */
      } },
    { "exclusive taken",
      0,
      {
          0xc85f7f80, /* ldxr x0,[x28] */
          0xc8017f82, /* stxr w1,x2,[x28] */
          0xc8037f84, /* stxr w3,x4,[x28] */
          0x085fff85, /* ldaxrb w5,[x28] */
          0x0806ff87, /* stlxrb w6,w7,[x28] */
      } },
    { "exclusive pairs",
      0,
      {
          0xc87f0780, /* ldxp x0,x1,[x28] */
          0xc8221383, /* stxp w2,x3,x4,[x28] */
          0x887f1b85, /* ldxp w5,w6,[x28] */
          0x88335794, /* stxp w19,w20,w21,[x28] */
          0xc87fd793, /* ldaxp x19,x21,[x28] */
          0xc822cf94, /* stlxp w2,x20,x19,[x28] */
      } },
    { "exclusive of another size",
      0,
      {
          0x885f7f80, /* ldxr w0,[x28] */
          0xc8017f82, /* stxr w1,x2,[x28] */
          0xc85f7f80, /* ldxr x0,[x28] */
          0x88231784, /* stxp w3,w4,w5,[x28] */
      } },
    { "exclusive elsewhere",
      0,
      {
          0x9100439b, /* add x27,x28,#16 */
          0xf9000380, /* str x0,[x28] */
          0xf9000360, /* str x0,[x27] */
          0xc85f7f80, /* ldxr x0,[x28] */
          0xc8017f62, /* stxr w1,x2,[x27] */
      } },
    { "exclusive value changed",
      0,
      {
          0xc85f7f80, /* ldxr x0,[x28] */
          0xf9000382, /* str x2,[x28] */
          0xc8017f83, /* stxr w1,x3,[x28] */
      } },
    { "exclusive atomic between",
      0,
      {
          0xc85f7f80, /* ldxr x0,[x28] */
          0xf83f0383, /* ldadd xzr,x3,[x28] */
          0xc8017f82, /* stxr w1,x2,[x28] */
      } },
    { "exclusive atomic on another stripe",
      0,
      {
          0x9101039b, /* add x27,x28,#64 */
          0xc85f7f80, /* ldxr x0,[x28] */
          0xf8240363, /* ldadd x4,x3,[x27] */
          0xc8017f82, /* stxr w1,x2,[x28] */
      } },
    { "exclusive cleared",
      0,
      {
          0x485f7f80, /* ldxrh w0,[x28] */
          0xd5033f5f, /* clrex */
          0x48017f82, /* stxrh w1,w2,[x28] */
      } },
    { "compare and swap",
      0,
      {
          0xf9400380, /* ldr x0,[x28] */
          0xc8a07f81, /* cas x0,x1,[x28] */
          0xc8a07f82, /* cas x0,x2,[x28] */
          0x39400383, /* ldrb w3,[x28] */
          0x08a37f84, /* casb w3,w4,[x28] */
          0xa9405794, /* ldp x20,x21,[x28] */
          0x48347f82, /* casp x20,x21,x2,x3,[x28] */
          0x48347f84, /* casp x20,x21,x4,x5,[x28] */
          0x29405794, /* ldp w20,w21,[x28] */
          0x0874ff9e, /* caspal w20,w21,w30,wzr,[x28] */
          0xa9404f92, /* ldp x18,x19,[x28] */
          0x48327f92, /* casp x18,x19,x18,x19,[x28] */
      } },
    { "atomics",
      0,
      {
          0xf8200381, /* ldadd x0,x1,[x28] */
          0xb8221383, /* ldclr w2,w3,[x28] */
          0x78242385, /* ldeorh w4,w5,[x28] */
          0x38263387, /* ldsetb w6,w7,[x28] */
          0xf8e88389, /* swpal x8,x9,[x28] */
          0x382a438b, /* ldsmaxb w10,w11,[x28] */
          0xf82c538d, /* ldsmin x12,x13,[x28] */
          0x782e638f, /* ldumaxh w14,w15,[x28] */
          0xb8307391, /* ldumin w16,w17,[x28] */
          0xf833039f, /* stadd x19,[x28] */
          0xf8200380, /* ldadd x0,x0,[x28] */
      } },
    { "ordered",
      0,
      {
          0xc8dfff80, /* ldar x0,[x28] */
          0x38bfc381, /* ldaprb w1,[x28] */
          0xc89fff82, /* stlr x2,[x28] */
          0x489fff83, /* stlrh w3,[x28] */
          0x48dfff84, /* ldarh w4,[x28] */
      } },
    { "vectors",
      0,
      {
          0xd2800200, /* mov x0,#16 */
          0x4cdf2380, /* ld1 {v0.16b-v3.16b},[x28],#64 */
          0x0c006381, /* st1 {v1.8b-v3.8b},[x28] */
          0x4dc0c784, /* ld1r {v4.8h},[x28],x0 */
          0xadfe1b85, /* ldp q5,q6,[x28,#-64]! */
          0x3c001787, /* str b7,[x28],#1 */
          0x6d00a788, /* stp d8,d9,[x28,#8] */
      } },
    { "zero block",
      0,
      {
          0xd50b743c, /* dc zva,x28 */
          0xd50b7a3c, /* dc cvac,x28 */
          0xd50b7b3c, /* dc cvau,x28 */
      } },
    { "flags",
      0,
      {
          0xeb020020, /* subs x0,x1,x2 */
          0xd500401f, /* cfinv */
          0xba02846b, /* rmif x3,#5,#11 */
          0xda9f33e4, /* csetm x4,cs */
          0x3a0008ad, /* setf8 w5 */
          0xda9f73e6, /* csetm x6,vs */
          0x3a0048ed, /* setf16 w7 */
          0xdac00128, /* rbit x8,x9 */
          0x5ac0156a, /* cls w10,w11 */
          0xd53b420c, /* mrs x12,nzcv */
          0xd51b420d, /* msr nzcv,x13 */
      } },
    { "fpsr",
      0,
      {
          0xd51b4420, /* msr fpsr,x0 */
          0xd53b4421, /* mrs x1,fpsr */
          0xd53b4402, /* mrs x2,fpcr */
          0xd51bd043, /* msr tpidr_el0,x3 */
          0xd53bd044, /* mrs x4,tpidr_el0 */
      } },
    { "masks of interrupts",
      1,
      {
          0xd50343ff, /* msr daifclr,#3 */
          0xd53b4220, /* mrs x0,daif */
          0xd50342df, /* msr daifset,#2 */
          0xd53b4221, /* mrs x1,daif */
          0xd51b4222, /* msr daif,x2 */
          0xd53b4223, /* mrs x3,daif */
          0xd5034fff, /* msr daifclr,#15 */
      } },
    { "pan",
      1,
      {
          0xd500419f, /* msr pan,#1 */
          0xf8400b80, /* ldtr x0,[x28] */
          0xd5384241, /* mrs x1,currentel */
          0xd500409f, /* msr pan,#0 */
          0xf9000380, /* str x0,[x28] */
          0xf9400382, /* ldr x2,[x28] */
      } },
    { "registers of el1",
      1,
      {
          0xd518d080, /* msr tpidr_el1,x0 */
          0xd538d081, /* mrs x1,tpidr_el1 */
          0xd5184102, /* msr sp_el0,x2 */
          0xd5384103, /* mrs x3,sp_el0 */
          0xd518d024, /* msr contextidr_el1,x4 */
          0xd538d025, /* mrs x5,contextidr_el1 */
          0xd5186006, /* msr far_el1,x6 */
          0xd5386007, /* mrs x7,far_el1 */
          0xd5033fdf, /* isb */
          0xd5184009, /* msr spsr_el1,x9 */
          0xd538400a, /* mrs x10,spsr_el1 */
          0xd5033f9f, /* dsb sy */
      } },
};

/* What is compared. */
struct result {
    uint64_t x[31], sp, nzcv_and_daif, esr, elr, fpsr, tpidr[2], sp_el0, contextidr, retired;
    union vreg v[32];
    uint8_t data[BYTES], excl_size;
};

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void make_state(struct rig *rig, const struct sequence *seq, uint64_t seed)
{
    struct cpu *c = rig->c;
    uint8_t *data = rig_ptr(rig, DATA);

    rig_enter(rig, seq->el ? CODE_EL1 : CODE_EL0, (seed & 15) << 28 | (seq->el ? EL1H : 0));
    for (unsigned r = 0; r < 31; r++)
        c->x[r] = next_random(&seed);
    for (unsigned r = 0; r < 32; r++)
        c->v[r] = (union vreg){ .d = { next_random(&seed), next_random(&seed) } };
    for (unsigned n = 0; n < BYTES; n++)
        data[n] = (uint8_t)next_random(&seed);
    c->x[28] = DATA + BYTES / 2;
    c->fpsr = 0;
    c->sys.contextidr_el1 = c->sys.far_el1 = 0;
}

static void run_once(struct rig *rig, const struct sequence *seq, uint64_t seed,
                     struct result *ret_result)
{
    struct cpu *c = rig->c;
    uint64_t before = cpu_retired(c);

    make_state(rig, seq, seed);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
    memset(ret_result, 0, sizeof(*ret_result));
    memcpy(ret_result->x, c->x, sizeof(ret_result->x));
    memcpy(ret_result->v, c->v, sizeof(ret_result->v));
    memcpy(ret_result->data, rig_ptr(rig, DATA), BYTES);
    ret_result->sp = c->x[REG_SP];
    ret_result->nzcv_and_daif = c->sys.spsr_el1;
    ret_result->esr = c->sys.esr_el1;
    ret_result->elr = c->sys.elr_el1;
    ret_result->fpsr = c->fpsr;
    ret_result->tpidr[0] = c->sys.tpidr_el0;
    ret_result->tpidr[1] = c->sys.tpidr_el1;
    ret_result->sp_el0 = c->sp_bank[0];
    ret_result->contextidr = c->sys.contextidr_el1;
    ret_result->retired = cpu_retired(c) - before;
    ret_result->excl_size = c->excl_size;
}

/* Returns where it ends. */
static gva_t load(struct rig *rig, const struct sequence *seq)
{
    gva_t at = seq->el ? CODE_EL1 : CODE_EL0;
    unsigned n = 0;

    for (; n < WORDS && seq->word[n]; n++)
        rig_poke(rig, at + 4 * n, seq->word[n]);
    rig_poke(rig, at + 4 * n, BRK);
    return at + 4 * n;
}

static void expect_same(struct rig *rig, struct rig *plain, const struct sequence *seq,
                        uint64_t seed)
{
    struct result ours, theirs;
    gva_t end = load(rig, seq);

    assert_int_equal(load(plain, seq), end);
    for (unsigned n = 0; n < RUNS; n++) {
        run_once(rig, seq, seed, &ours);
        run_once(plain, seq, seed, &theirs);
        if (theirs.elr != end)
            fail_msg("%s: ends at %#llx", seq->name, (unsigned long long)theirs.elr);
        if (memcmp(&ours, &theirs, sizeof(ours)))
            fail_msg("%s: seed %llu, run %u", seq->name, (unsigned long long)seed, n);
    }
}

static void compare_all(unsigned vcpus, const char *without)
{
    struct rig rig, plain;

    unsetenv("IGNITION_TEST_JIT");
    rig_init(&plain);
    plain.soc.model = &idregs_max;
    setenv("IGNITION_TEST_JIT", "1", 1);
    setenv("IGNITION_TEST_JIT_WITHOUT", without, 1);
    rig_init(&rig);
    rig.soc.model = &idregs_max;
    rig.soc.vcpus = vcpus;
    for (size_t n = 0; n < sizeof(sequences) / sizeof(sequences[0]); n++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
            expect_same(&rig, &plain, &sequences[n], seed * UINT64_C(0x9e3779b97f4a7c15));
    rig.soc.vcpus = 1;
    rig_fini(&rig);
    rig_fini(&plain);
}

static void test_sequences_do_what_the_interpreter_does(void **state)
{
    (void)state;
    compare_all(1, "");
}

static void test_the_same_as_one_of_two_vcpus(void **state)
{
    (void)state;
    compare_all(2, "");
}

#define YIELDS 100000

static void *run_rig(void *arg)
{
    assert_int_equal(rig_run(arg), CPU_STOP_HVC);
    return NULL;
}

/* A store-exclusive holds the stripe until the operation is seen to knock; or long enough, since on
 * a host of one CPU the operation gives up its turn when it does not. */
static void test_an_operation_waits_for_a_store_exclusive_at_work(void **state)
{
    static const struct sequence add = { "ldadd", 0, { LDADD_X0_X1_X28 } };
    _Atomic uint64_t *word;
    struct rig rig;
    pthread_t thread;

    (void)state;
    setenv("IGNITION_TEST_JIT", "1", 1);
    setenv("IGNITION_TEST_JIT_WITHOUT", "", 1);
    rig_init(&rig);
    rig.soc.vcpus = 2;
    word = exmon_word(&rig.soc.exmon, DATA + BYTES / 2);
    (void)load(&rig, &add);
    make_state(&rig, &add, 1);
    run_rig(&rig); /* the TLB is filled */
    make_state(&rig, &add, 1);
    store_le64(rig_ptr(&rig, DATA + BYTES / 2), 40);
    rig.c->x[0] = 2;
    assert_int_equal(atomic_load(word), EXMON_VERSION);
    atomic_fetch_or(word, EXMON_STORE);
    assert_int_equal(pthread_create(&thread, NULL, run_rig, &rig), 0);
    for (unsigned n = 0; n < YIELDS && atomic_load(word) % EXMON_STORE == 0; n++)
        sched_yield();
    assert_int_equal(load_le64(rig_ptr(&rig, DATA + BYTES / 2)), 40);
    exmon_release(word);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rig.c->x[1], 40);
    assert_int_equal(load_le64(rig_ptr(&rig, DATA + BYTES / 2)), 42);
    assert_int_equal(atomic_load(word), 3 * EXMON_VERSION);
    rig.soc.vcpus = 1;
    rig_fini(&rig);
}

static void test_the_same_where_the_host_has_no_extension(void **state)
{
    (void)state;
    compare_all(1, ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences_do_what_the_interpreter_does),
        cmocka_unit_test(test_the_same_as_one_of_two_vcpus),
        cmocka_unit_test(test_an_operation_waits_for_a_store_exclusive_at_work),
        cmocka_unit_test(test_the_same_where_the_host_has_no_extension),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
