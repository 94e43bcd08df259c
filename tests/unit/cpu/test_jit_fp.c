/*
 * Floating point in translated code: short programs that go from one state of FPSR to another, call
 * handlers in the middle of a block, and compare. The interpreter has to end with the same
 * registers, flags and number of instructions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cpu/fp/softfp.h"
#include "rig.h"

#define CODE    (RIG_USER + 0x1000)
#define BRK     0xd4200000u
#define ONE     0x3ff0000000000000
#define THREE   0x4008000000000000
#define QNAN    0x7ff8000000000001
#define SNAN    0x7ff0000000000001
#define HUGE    0x7fe0000000000000
#define TINY    0x0010000000000000 /* the smallest normal number */
#define MINUS_0 0x8000000000000000

struct program {
    const char *name;
    uint32_t word[16];
};

static const struct program programs[] = {
    { "IXC comes and goes",
      {
          0x1e621820, /* fdiv d0, d1, d2 */
          0xd53b4421, /* mrs x1, fpsr */
          0x8a01016b, /* and x11, x11, x1 */
          0xd51b443f, /* msr fpsr, xzr */
          0xd53b4422, /* mrs x2, fpsr */
          0xaa02018c, /* orr x12, x12, x2 */
          0xf1000400, /* subs x0, x0, #1 */
          0x54ffff21, /* b.ne to the first */
          BRK,
      } },
    { "IXC is only ever set",
      {
          0x1e622800, /* fadd d0, d0, d2 */
          0x1e610822, /* fmul d2, d1, d1 */
          0xf1000400, /* subs x0, x0, #1 */
          0x54ffffa1, /* b.ne to the first */
          BRK,
      } },
    { "flags over an operation that may set IXC, and of no use behind the branch",
      {
          0xf1000400, /* subs x0, x0, #1 */
          0x1e621823, /* fdiv d3, d1, d2 */
          0x54ffffc1, /* b.ne to the first */
          0xf100041f, /* cmp x0, #1 */
          BRK,
      } },
    { "a handler in the middle",
      {
          0x1e622825, /* fadd d5, d1, d2 */
          0x1e620826, /* fmul d6, d1, d2 */
          0x1e601827, /* fdiv d7, d1, d0 */
          0x9e6600ee, /* fmov x14, d7 */
          0x1e6628a8, /* fadd d8, d5, d6 */
          0x1e6538c9, /* fsub d9, d6, d5 */
          0xf1000400, /* subs x0, x0, #1 */
          0x54ffff21, /* b.ne to the first */
          BRK,
      } },
    { "conditions after a comparison",
      {
          0x1e622020, /* fcmp d1, d2 */
          0x9a9f17e2, /* cset x2, eq */
          0x9a9f57e3, /* cset x3, mi */
          0x9a9f77e4, /* cset x4, vs */
          0x9a9f97e5, /* cset x5, hi */
          0x9a9f87e6, /* cset x6, ls */
          0x9a9fb7e7, /* cset x7, ge */
          0x9a9fa7e8, /* cset x8, lt */
          0x9a9fd7e9, /* cset x9, gt */
          0x9a9fc7ea, /* cset x10, le */
          0x1e62bc23, /* fcsel d3, d1, d2, lt */
          0x1e61b405, /* fccmp d0, d1, #5, lt */
          0xd53b420d, /* mrs x13, nzcv */
          BRK,
      } },
};

static const uint64_t numbers[] = { 0, MINUS_0, ONE, THREE, TINY, HUGE, QNAN, SNAN, 1 };

/* how: NULL interprets. without: features of the host. */
static void start(struct rig *rig, const char *how, const char *without)
{
    if (how)
        setenv("IGNITION_TEST_JIT", how, 1);
    else
        unsetenv("IGNITION_TEST_JIT");
    setenv("IGNITION_TEST_JIT_WITHOUT", without, 1);
    rig_init(rig);
}

static void run(struct rig *rig, const struct program *program, uint64_t a, uint64_t b,
                uint64_t fpsr)
{
    struct cpu *c = rig->c;

    rig_put(rig, CODE, program->word, ARRAY_LEN(program->word));
    memset(c->x, 0, sizeof(c->x[0]) * 31);
    memset(c->v, 0xa5, sizeof(c->v));
    c->x[0] = 5;
    c->x[11] = UINT64_MAX;
    c->v[0] = (union vreg){ 0 };
    c->v[1].d[0] = a;
    c->v[2].d[0] = b;
    c->fpsr = fpsr;
    c->retired = 0;
    rig_enter(rig, CODE, 0);
    assert_int_equal(rig_run(rig), CPU_STOP_HVC);
}

static void compare(const struct rig *a, const struct rig *b)
{
    assert_memory_equal(a->c->x, b->c->x, sizeof(a->c->x[0]) * 31);
    assert_memory_equal(a->c->v, b->c->v, sizeof(a->c->v));
    assert_int_equal(a->c->fpsr, b->c->fpsr);
    assert_int_equal(a->c->sys.spsr_el1, b->c->sys.spsr_el1);
    assert_int_equal(a->c->sys.elr_el1, b->c->sys.elr_el1);
    assert_int_equal(a->c->retired, b->c->retired);
}

static void compare_all(const char *how, const char *without)
{
    static struct rig interpreted, translated;

    start(&interpreted, NULL, "");
    start(&translated, how, without);
    assert_null(interpreted.soc.jit);
    assert_non_null(translated.soc.jit);
    for (unsigned n = 0; n < ARRAY_LEN(numbers) * ARRAY_LEN(numbers) * 2; n++) {
        uint64_t a = numbers[n / 2 % ARRAY_LEN(numbers)];
        uint64_t b = numbers[n / 2 / ARRAY_LEN(numbers)];

        for (unsigned p = 0; p < ARRAY_LEN(programs); p++) {
            run(&interpreted, &programs[p], a, b, n & 1 ? FPSR_IXC : 0);
            run(&translated, &programs[p], a, b, n & 1 ? FPSR_IXC : 0);
            compare(&interpreted, &translated);
        }
    }
    rig_fini(&interpreted);
    rig_fini(&translated);
}

static void test_same_as_interpreted(void **state)
{
    (void)state;

    compare_all("1", "");
    compare_all("1", "fma");
    compare_all("1", "avx,fma");
}

static void test_lockstep_finds_nothing(void **state)
{
    (void)state;

    compare_all("lockstep", "");
}

/* Not only the same, but right. */
static void test_inexact_is_seen_after_it_was_cleared(void **state)
{
    static struct rig rig;
    (void)state;

    start(&rig, "1", "");
    run(&rig, &programs[0], ONE, THREE, FPSR_IXC);
    assert_int_equal(rig.c->x[11] & FPSR_IXC, FPSR_IXC);
    assert_int_equal(rig.c->x[12], 0);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_interpreted),
        cmocka_unit_test(test_lockstep_finds_nothing),
        cmocka_unit_test(test_inexact_is_seen_after_it_was_cleared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
