/*
 * Litmus tests of the memory model (DDI 0487, B2.3): outcomes that it forbids must never be seen.
 * What it allows and was seen is told as information, as it depends on the machine.
 *
 * Each test runs over many cells, so that the threads meet without waiting for each other at each
 * one.
 */
#include "check.h"

#define CELLS   4096
#define THREADS 4

/* The locations of one try, each in a cache line of its own, and what the threads read. */
struct cell {
    uint64_t x __attribute__((aligned(CACHE_LINE)));
    uint64_t y __attribute__((aligned(CACHE_LINE)));
    uint64_t r[THREADS] __attribute__((aligned(CACHE_LINE)));
    uint64_t s[THREADS];
};

static struct cell cells[CELLS];

/* A thread's part: the names %[x], %[y] are the locations' addresses; x0 and x1 what it reads into
 * r and s. */
#define PART(name, code)                                                                     \
    static void name(struct cell *c, unsigned t)                                             \
    {                                                                                        \
        register uint64_t r __asm__("x0") = 0;                                               \
        register uint64_t s __asm__("x1") = 0;                                               \
        __asm__ volatile(                                                                    \
            code                                                                             \
            : "+r"(r), "+r"(s)                                                               \
            : [x] "r"(&c->x), [y] "r"(&c->y), [one] "r"(UINT64_C(1)), [two] "r"(UINT64_C(2)) \
            : "x2", "x3", "x4", "memory", "cc");                                             \
        c->r[t] = r;                                                                         \
        c->s[t] = s;                                                                         \
    }

/* Stores of message passing: the message to x, then the flag to y. */
PART(send_plain, "str %[one], [%[x]]\nstr %[one], [%[y]]")
PART(send_dmb, "str %[one], [%[x]]\ndmb ish\nstr %[one], [%[y]]")
PART(send_dmbst, "str %[one], [%[x]]\ndmb ishst\nstr %[one], [%[y]]")
PART(send_dsb, "str %[one], [%[x]]\ndsb ish\nstr %[one], [%[y]]")
PART(send_release, "str %[one], [%[x]]\nstlr %[one], [%[y]]")
PART(send_swap, "str %[one], [%[x]]\nswpl %[one], x2, [%[y]]")
PART(send_exclusive,
     "str %[one], [%[x]]\n1: ldxr x2, [%[y]]\nstlxr w3, %[one], [%[y]]\ncbnz w3, 1b")
/* Loads of message passing: the flag into r, then the message into s. */
PART(take_plain, "ldr x0, [%[y]]\nldr x1, [%[x]]")
PART(take_dmb, "ldr x0, [%[y]]\ndmb ish\nldr x1, [%[x]]")
PART(take_dmbld, "ldr x0, [%[y]]\ndmb ishld\nldr x1, [%[x]]")
PART(take_acquire, "ldar x0, [%[y]]\nldr x1, [%[x]]")
PART(take_ldapr, "ldapr x0, [%[y]]\nldr x1, [%[x]]")
PART(take_address, "ldr x0, [%[y]]\neor x2, x0, x0\nldr x1, [%[x], x2]")
PART(take_isb, "ldr x0, [%[y]]\ncbnz x0, 1f\n1: isb\nldr x1, [%[x]]")
PART(take_exclusive, "ldaxr x0, [%[y]]\nldr x1, [%[x]]\nclrex")
PART(take_add, "mov x2, #0\nldadda x2, x0, [%[y]]\nldr x1, [%[x]]")
/* Store buffering: store to one, load the other into r. */
PART(sbx_plain, "str %[one], [%[x]]\nldr x0, [%[y]]")
PART(sby_plain, "str %[one], [%[y]]\nldr x0, [%[x]]")
PART(sbx_dmb, "str %[one], [%[x]]\ndmb ish\nldr x0, [%[y]]")
PART(sby_dmb, "str %[one], [%[y]]\ndmb ish\nldr x0, [%[x]]")
PART(sbx_dsb, "str %[one], [%[x]]\ndsb ish\nldr x0, [%[y]]")
PART(sby_dsb, "str %[one], [%[y]]\ndsb ish\nldr x0, [%[x]]")
PART(sbx_ar, "stlr %[one], [%[x]]\nldar x0, [%[y]]")
PART(sby_ar, "stlr %[one], [%[y]]\nldar x0, [%[x]]")
PART(sbx_pc, "stlr %[one], [%[x]]\nldapr x0, [%[y]]")
PART(sby_pc, "stlr %[one], [%[y]]\nldapr x0, [%[x]]")
PART(sbx_swp, "swpal %[one], x2, [%[x]]\nldar x0, [%[y]]")
PART(sby_swp, "swpal %[one], x2, [%[y]]\nldar x0, [%[x]]")
/* Load buffering: load one into r, store to the other. */
PART(lbx_plain, "ldr x0, [%[x]]\nstr %[one], [%[y]]")
PART(lby_plain, "ldr x0, [%[y]]\nstr %[one], [%[x]]")
PART(lbx_dmb, "ldr x0, [%[x]]\ndmb ish\nstr %[one], [%[y]]")
PART(lby_dmb, "ldr x0, [%[y]]\ndmb ish\nstr %[one], [%[x]]")
PART(lbx_data, "ldr x0, [%[x]]\neor x2, x0, x0\nadd x2, x2, #1\nstr x2, [%[y]]")
PART(lby_data, "ldr x0, [%[y]]\neor x2, x0, x0\nadd x2, x2, #1\nstr x2, [%[x]]")
PART(lbx_release, "ldr x0, [%[x]]\nstlr %[one], [%[y]]")
PART(lby_acquire, "ldar x0, [%[y]]\nstr %[one], [%[x]]")
/* Independent writes, each seen by two readers. */
PART(write_x, "str %[one], [%[x]]")
PART(write_y, "str %[one], [%[y]]")
PART(release_x, "stlr %[one], [%[x]]")
PART(release_y, "stlr %[one], [%[y]]")
PART(read_xy_dmb, "ldr x0, [%[x]]\ndmb ish\nldr x1, [%[y]]")
PART(read_yx_dmb, "ldr x0, [%[y]]\ndmb ish\nldr x1, [%[x]]")
PART(read_xy_acquire, "ldar x0, [%[x]]\nldar x1, [%[y]]")
PART(read_yx_acquire, "ldar x0, [%[y]]\nldar x1, [%[x]]")
PART(read_xy_address, "ldr x0, [%[x]]\neor x2, x0, x0\nldr x1, [%[y], x2]")
PART(read_yx_address, "ldr x0, [%[y]]\neor x2, x0, x0\nldr x1, [%[x], x2]")
/* Causality: what a thread read and passed on. */
PART(pass_on, "ldr x0, [%[x]]\neor x2, x0, x0\nadd x2, x2, #1\nstr x2, [%[y]]")
/* One location. */
PART(read_x_twice, "ldr x0, [%[x]]\nldr x1, [%[x]]")
PART(write_x_twice, "str %[one], [%[x]]\nstr %[two], [%[x]]")
/* 2+2W: both orders of two locations. */
PART(w22_xy, "str %[one], [%[x]]\ndmb ish\nstr %[two], [%[y]]")
PART(w22_yx, "str %[one], [%[y]]\ndmb ish\nstr %[two], [%[x]]")

typedef void (*part_fn)(struct cell *c, unsigned t);
typedef bool (*outcome_fn)(const struct cell *c);

static bool mp(const struct cell *c) /* flag without message */
{
    return c->r[1] == 1 && c->s[1] == 0;
}

static bool sb(const struct cell *c) /* neither saw the other */
{
    return c->r[0] == 0 && c->r[1] == 0;
}

static bool lb(const struct cell *c) /* both saw the future */
{
    return c->r[0] == 1 && c->r[1] == 1;
}

static bool iriw(const struct cell *c) /* two readers, two orders */
{
    return c->r[2] == 1 && c->s[2] == 0 && c->r[3] == 1 && c->s[3] == 0;
}

static bool wrc(const struct cell *c) /* the third sees the effect, not the cause */
{
    return c->r[1] == 1 && c->r[2] == 1 && c->s[2] == 0;
}

static bool corr(const struct cell *c) /* a location goes back */
{
    return c->s[1] < c->r[1];
}

static bool w22(const struct cell *c) /* each first store came after the other's second */
{
    return c->x == 1 && c->y == 1;
}

static const struct litmus {
    const char *name;
    bool forbidden;
    outcome_fn outcome;
    part_fn part[THREADS];
} tests[] = {
    { "message passing, dmb + dmb", true, mp, { send_dmb, take_dmb } },
    { "message passing, dmb ishst + dmb ishld", true, mp, { send_dmbst, take_dmbld } },
    { "message passing, dsb + address", true, mp, { send_dsb, take_address } },
    { "message passing, dmb + ctrl isb", true, mp, { send_dmb, take_isb } },
    { "message passing, stlr + ldar", true, mp, { send_release, take_acquire } },
    { "message passing, stlr + ldapr", true, mp, { send_release, take_ldapr } },
    { "message passing, stlr + address", true, mp, { send_release, take_address } },
    { "message passing, swpl + ldadda", true, mp, { send_swap, take_add } },
    { "message passing, stlxr + ldaxr", true, mp, { send_exclusive, take_exclusive } },
    { "message passing, plain", false, mp, { send_plain, take_plain } },
    { "store buffering, dmb", true, sb, { sbx_dmb, sby_dmb } },
    { "store buffering, dsb", true, sb, { sbx_dsb, sby_dsb } },
    { "store buffering, stlr + ldar", true, sb, { sbx_ar, sby_ar } },
    { "store buffering, swpal + ldar", true, sb, { sbx_swp, sby_swp } },
    { "store buffering, stlr + ldapr", false, sb, { sbx_pc, sby_pc } },
    { "store buffering, plain", false, sb, { sbx_plain, sby_plain } },
    { "load buffering, dmb", true, lb, { lbx_dmb, lby_dmb } },
    { "load buffering, data", true, lb, { lbx_data, lby_data } },
    { "load buffering, stlr + ldar", true, lb, { lbx_release, lby_acquire } },
    { "load buffering, plain", false, lb, { lbx_plain, lby_plain } },
    { "IRIW, dmb", true, iriw, { write_x, write_y, read_xy_dmb, read_yx_dmb } },
    { "IRIW, stlr + ldar", true, iriw, { release_x, release_y, read_xy_acquire, read_yx_acquire } },
    { "IRIW, address", true, iriw, { write_x, write_y, read_xy_address, read_yx_address } },
    { "write to read causality, data + address", true, wrc, { write_x, pass_on, take_address } },
    { "write to read causality, data + dmb", true, wrc, { write_x, pass_on, take_dmb } },
    { "coherence, read twice", true, corr, { write_x_twice, read_x_twice } },
    { "2+2W, dmb", true, w22, { w22_xy, w22_yx } },
};

static const struct litmus *test;
static unsigned threads;
static struct gate gate;
static uint64_t batches, seen, met;

/*
 * Threads drift apart, as the host's cores are shared. Every few cells a thread waits for those
 * behind it, but not for long: it goes on slowly, and they catch up. A little skew lets parts
 * overlap in many ways.
 */
#define STRIDE 8
#define SPINS  200
#define SKEW   15

static struct {
    uint64_t steps __attribute__((aligned(CACHE_LINE)));
} progress[THREADS];

static void meet(unsigned t, uint64_t step, uint64_t *seed)
{
    uint64_t skew = next_random(seed) & SKEW;

    __atomic_store_n(&progress[t].steps, step, __ATOMIC_RELEASE);
    for (unsigned u = 0; u < threads; u++) {
        for (unsigned n = 0; n < SPINS; n++) {
            if (__atomic_load_n(&progress[u].steps, __ATOMIC_ACQUIRE) >= step)
                break;
        }
    }
    __asm__ volatile("1: subs %0, %0, #1\nb.pl 1b" : "+r"(skew)::"cc");
}

static void run_part(unsigned t)
{
    uint64_t seed = t + 1;

    pin(t);
    for (uint64_t n = 0; n < batches; n++) {
        if (t == 0)
            memset(cells, 0, sizeof(cells));
        gate_wait(&gate, threads);
        for (unsigned i = 0; i < CELLS; i++) {
            if (i % STRIDE == 0)
                meet(t, n * CELLS + i + 1, &seed);
            test->part[t](&cells[i], t);
        }
        gate_wait(&gate, threads);
        for (unsigned i = 0; t == 0 && i < CELLS; i++) {
            seen += test->outcome(&cells[i]);
            met += cells[i].r[threads - 1] != cells[0].r[threads - 1];
        }
    }
}

int main(int argc, char **argv)
{
    batches = 12 * scale_of(argc, argv);
    for (size_t i = 0; i < COUNT(tests); i++) {
        test = &tests[i];
        for (threads = 0; threads < THREADS && test->part[threads];)
            threads++;
        seen = 0;
        memset(progress, 0, sizeof(progress));
        check_begin(test->name);
        run_workers(threads, run_part);
        if (test->forbidden)
            expect(!seen, "forbidden, expected never, seen %" PRIu64 " times in %" PRIu64, seen,
                   batches * CELLS);
        else
            printf("  %s: allowed, seen %" PRIu64 " times in %" PRIu64 "\n", test->name, seen,
                   batches * CELLS);
        check_end();
    }
    printf("  the order of the threads changed within %" PRIu64 " of all batches' cells\n", met);
    return check_exit();
}
