/*
 * Atomic operations: what each one computes, then that none is lost when threads contend.
 *
 * Built twice: with LSE, where the compiler's builtins become LDADD, SWP, CAS and their kin, and
 * without, where they become loops of LDXR and STXR.
 */
#include "check.h"

#define THREADS 6

static uint64_t rounds;

/* --- one operation at a time --- */

#ifdef __ARM_FEATURE_ATOMICS

/* One LSE instruction in its four orderings: what memory held, and what it holds then. */
#define LSE(op, size, w, type, EXPR)            \
    do {                                        \
        LSE_ONE(op, "", size, w, type, EXPR);   \
        LSE_ONE(op, "a", size, w, type, EXPR);  \
        LSE_ONE(op, "l", size, w, type, EXPR);  \
        LSE_ONE(op, "al", size, w, type, EXPR); \
    } while (0)
#define LSE_ONE(op, order, size, w, type, EXPR)                             \
    do {                                                                    \
        uint64_t old_ = x, seen_ = ~UINT64_C(0), with_ = y;                 \
        u##type m = (u##type)x, v = (u##type)y;                             \
        __asm__ volatile(op order size " %" w "2, %" w "0, [%1]"            \
                         : "=r"(seen_)                                      \
                         : "r"(&old_), "r"(with_)                           \
                         : "memory");                                       \
        expect_u64(seen_, m, op order size " returns", turn);               \
        memcpy(&after, &old_, sizeof(after));                               \
        expect_u64(after, (x & ~(uint64_t)(u##type) - 1) | (u##type)(EXPR), \
                   op order size " stores", turn);                          \
    } while (0)
#define LSE_SIZES(op, EXPR)               \
    do {                                  \
        LSE(op, "b", "w", int8_t, EXPR);  \
        LSE(op, "h", "w", int16_t, EXPR); \
        LSE(op, "", "w", int32_t, EXPR);  \
        LSE(op, "", "x", int64_t, EXPR);  \
    } while (0)
/* The comparison with its sign, for the type of m. */
#define LESS(a, b)                                  \
    (sizeof(m) == 1   ? (int8_t)(a) < (int8_t)(b)   \
     : sizeof(m) == 2 ? (int16_t)(a) < (int16_t)(b) \
     : sizeof(m) == 4 ? (int32_t)(a) < (int32_t)(b) \
                      : (int64_t)(a) < (int64_t)(b))

static bool swap_pair(uint64_t *pair, uint64_t old[2], const uint64_t new[2])
{
    register uint64_t c0 __asm__("x4") = old[0], c1 __asm__("x5") = old[1];
    register uint64_t n0 __asm__("x6") = new[0], n1 __asm__("x7") = new[1];
    bool same;

    __asm__ volatile("caspal x4, x5, x6, x7, [%2]"
                     : "+r"(c0), "+r"(c1)
                     : "r"(pair), "r"(n0), "r"(n1)
                     : "memory");
    same = c0 == old[0] && c1 == old[1];
    old[0] = c0;
    old[1] = c1;
    return same;
}

static void check_lse(void)
{
    uint64_t seed = 1, after;

    check_begin("LSE instructions, all sizes and orderings");
    for (uint64_t turn = 0; turn < 100; turn++) {
        uint64_t x = random_operand(&seed), y = random_operand(&seed);
        LSE_SIZES("ldadd", m + v);
        LSE_SIZES("ldclr", m & ~v);
        LSE_SIZES("ldeor", m ^ v);
        LSE_SIZES("ldset", m | v);
        LSE_SIZES("ldsmax", LESS(m, v) ? v : m);
        LSE_SIZES("ldsmin", LESS(m, v) ? m : v);
        LSE_SIZES("ldumax", m < v ? v : m);
        LSE_SIZES("ldumin", m < v ? m : v);
        LSE_SIZES("swp", v);
    }
    check_end();

    check_begin("CAS and CASP");
    for (uint64_t turn = 0; turn < 100; turn++) {
        uint64_t x = random_operand(&seed), y = random_operand(&seed), m = x, r;
        uint64_t wrong = turn & 1 ? UINT64_C(1) << (turn % 64) : 0;

        r = x ^ wrong;
        __asm__ volatile("casal %0, %2, [%1]" : "+r"(r) : "r"(&m), "r"(y) : "memory");
        expect_u64(r, x, "casal returns", turn);
        expect_u64(m, wrong ? x : y, "casal stores", turn);
        m = x;
        r = x ^ wrong; /* the byte alone is compared, and zero-extended */
        __asm__ volatile("casab %w0, %w2, [%1]" : "+r"(r) : "r"(&m), "r"(y) : "memory");
        expect_u64(r, (uint8_t)x, "casab returns", turn);
        expect_u64(m, wrong & 0xff ? x : (x & ~UINT64_C(0xff)) | (uint8_t)y, "casab stores", turn);

        uint64_t pair[2] __attribute__((aligned(16))) = { x, y };
        uint64_t old[2] = { x, y ^ wrong }, new[2] = { ~x, ~y };
        expect_u64(swap_pair(pair, old, new), !wrong, "caspal agrees", turn);
        expect_u64(old[0], x, "caspal returns the first", turn);
        expect_u64(old[1], y, "caspal returns the second", turn);
        expect_u64(pair[0], wrong ? x : ~x, "caspal stores the first", turn);
        expect_u64(pair[1], wrong ? y : ~y, "caspal stores the second", turn);
    }
    check_end();
}

#else

static void check_lse(void)
{
}

/* A failed comparison still stores what was read: without that, the pair read may be torn (B2.9.2).
 */
static bool swap_pair(uint64_t *pair, uint64_t old[2], const uint64_t new[2])
{
    uint64_t c0, c1, n0, n1;
    bool same;
    uint32_t failed;

    do {
        __asm__ volatile("ldaxp %0, %1, [%2]" : "=&r"(c0), "=&r"(c1) : "r"(pair) : "memory");
        same = c0 == old[0] && c1 == old[1];
        n0 = same ? new[0] : c0;
        n1 = same ? new[1] : c1;
        __asm__ volatile("stlxp %w0, %2, %3, [%1]"
                         : "=&r"(failed)
                         : "r"(pair), "r"(n0), "r"(n1)
                         : "memory");
    } while (failed);
    old[0] = c0;
    old[1] = c1;
    return same;
}

#endif

/* LDXR and STXR of one size: success, no monitor, CLREX, and the upper bits of the register. */
#define EXCLUSIVE(size, w, type)                                                                 \
    do {                                                                                         \
        uint64_t memory[2] __attribute__((aligned(16))) = { x, y }, r, tries = 0;                \
        uint32_t status;                                                                         \
        do { /* an interrupt in between may make it fail */                                      \
            __asm__ volatile("ldxr" size " %" w "0, [%2]\nstxr" size " %w1, %" w "3, [%2]"       \
                             : "=&r"(r), "=&r"(status)                                           \
                             : "r"(memory), "r"(y)                                               \
                             : "memory");                                                        \
        } while (status && ++tries < 1000);                                                      \
        expect_u64(status, 0, "stxr" size " after ldxr" size, turn);                             \
        expect_u64(r, (type)x, "ldxr" size, turn);                                               \
        expect_u64(memory[0], (x & ~(uint64_t)(type)-1) | (type)y, "stxr" size " stores", turn); \
        memory[0] = x;                                                                           \
        __asm__ volatile("stlxr" size " %w0, %" w "2, [%1]"                                      \
                         : "=&r"(status)                                                         \
                         : "r"(memory), "r"(y)                                                   \
                         : "memory");                                                            \
        expect_u64(status, 1, "a second stlxr" size, turn);                                      \
        __asm__ volatile("ldaxr" size " %" w "0, [%2]\nclrex\nstxr" size " %w1, %" w "3, [%2]"   \
                         : "=&r"(r), "=&r"(status)                                               \
                         : "r"(memory), "r"(y)                                                   \
                         : "memory");                                                            \
        expect_u64(status, 1, "stxr" size " after clrex", turn);                                 \
        expect_u64(memory[0], x, "a failing stxr" size " stores nothing", turn);                 \
    } while (0)

static void check_exclusives(void)
{
    uint64_t seed = 2;

    check_begin("exclusives, all sizes");
    for (uint64_t turn = 0; turn < 100; turn++) {
        uint64_t x = random_operand(&seed), y = random_operand(&seed);
        EXCLUSIVE("b", "w", uint8_t);
        EXCLUSIVE("h", "w", uint16_t);
        EXCLUSIVE("", "w", uint32_t);
        EXCLUSIVE("", "x", uint64_t);

        uint64_t pair[2] __attribute__((aligned(16))) = { x, y }, r0, r1, tries = 0;
        uint32_t status;
        do {
            __asm__ volatile("ldxp %0, %1, [%3]\nstxp %w2, %1, %0, [%3]"
                             : "=&r"(r0), "=&r"(r1), "=&r"(status)
                             : "r"(pair)
                             : "memory");
        } while (status && ++tries < 1000);
        expect_u64(pair[0], y, "stxp swapped the first", turn);
        expect_u64(pair[1], x, "stxp swapped the second", turn);
        do {
            __asm__ volatile("ldaxp %w0, %w1, [%3]\nstlxp %w2, %w1, %w0, [%3]"
                             : "=&r"(r0), "=&r"(r1), "=&r"(status)
                             : "r"(pair)
                             : "memory");
        } while (status && ++tries < 1000);
        expect_u64(pair[0], y >> 32 | y << 32, "stlxp of words swapped", turn);
    }
    check_end();
}

/* --- many threads --- */

static struct {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    uint32_t bits;
    uint64_t most;
    uint64_t cas;
    uint64_t token; /* travels by exchange: nothing is lost, nothing doubled */
    uint64_t pair[2] __attribute__((aligned(16)));
    uint64_t loop;
    unsigned char neighbours[8]; /* bytes of one word, each of a thread of its own */
} shared __attribute__((aligned(CACHE_LINE)));
static uint64_t taken_sum;

static void contend(unsigned number)
{
    uint64_t held = 1 + number, fetched = 0;

    for (uint64_t n = 0; n < rounds; n++) {
        uint64_t old, pair[2] = { 0, 0 }, next[2];
        uint32_t status;

        __atomic_fetch_add(&shared.u8, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&shared.u16, 3, __ATOMIC_ACQUIRE);
        __atomic_fetch_sub(&shared.u32, 5, __ATOMIC_RELEASE);
        __atomic_fetch_add(&shared.u64, number + 1, __ATOMIC_SEQ_CST);
        __atomic_fetch_xor(&shared.bits, 1u << number, __ATOMIC_ACQ_REL);
        __atomic_fetch_or(&shared.bits, 0x100u << number, __ATOMIC_RELAXED);
        fetched += __atomic_fetch_and(&shared.bits, ~(0x100u << number), __ATOMIC_RELAXED) >>
                       (8 + number) &
                   1;
        held = __atomic_exchange_n(&shared.token, held, __ATOMIC_ACQ_REL);
        shared.neighbours[number]++; /* plain: atomics on its neighbours must not disturb it */
        __atomic_fetch_add(&shared.neighbours[7], 1, __ATOMIC_RELAXED);
        old = __atomic_load_n(&shared.cas, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&shared.cas, &old, old * 3 + 1, true, __ATOMIC_SEQ_CST,
                                            __ATOMIC_RELAXED)) {
        }
        old = __atomic_load_n(&shared.most, __ATOMIC_RELAXED);
        while (old < n * THREADS + number &&
               !__atomic_compare_exchange_n(&shared.most, &old, n * THREADS + number, false,
                                            __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        }
        do {
            next[0] = pair[0] + 1;
            next[1] = pair[1] - 1;
        } while (!swap_pair(shared.pair, pair, next));
        __asm__ volatile("1: ldxr %0, [%2]\nadd %0, %0, #1\nstxr %w1, %0, [%2]\ncbnz %w1, 1b"
                         : "=&r"(old), "=&r"(status)
                         : "r"(&shared.loop)
                         : "memory");
    }
    expect_u64(fetched, rounds, "own bit seen set", number);
    __atomic_fetch_add(&taken_sum, held, __ATOMIC_RELAXED);
}

static void check_contention(void)
{
    uint64_t all = rounds * THREADS, want = 0;

    memset(&shared, 0, sizeof(shared));
    check_begin("contention: nothing is lost");
    run_workers(THREADS, contend);
    expect_u64(shared.u8, (uint8_t)all, "bytes", 0);
    expect_u64(shared.u16, (uint16_t)(3 * all), "halves", 0);
    expect_u64(shared.u32, (uint32_t)(-5 * all), "words", 0);
    expect_u64(shared.u64, rounds * (THREADS * (THREADS + 1) / 2), "doublewords", 0);
    expect_u64(shared.bits, rounds & 1 ? (1u << THREADS) - 1 : 0, "bits", 0);
    expect_u64(shared.token + taken_sum, THREADS * (THREADS + 1) / 2, "exchanged", 0);
    for (uint64_t i = 0; i < all; i++)
        want = want * 3 + 1;
    expect_u64(shared.cas, want, "compared and swapped", 0);
    expect_u64(shared.most, (rounds - 1) * THREADS + THREADS - 1, "greatest", 0);
    expect_u64(shared.pair[0], all, "pairs, first", 0);
    expect_u64(shared.pair[1], -all, "pairs, second", 0);
    expect_u64(shared.loop, all, "exclusive loop", 0);
    for (unsigned i = 0; i < THREADS; i++)
        expect_u64(shared.neighbours[i], (unsigned char)rounds, "neighbour", i);
    expect_u64(shared.neighbours[7], (unsigned char)all, "neighbour", 7);
    check_end();
}

int main(int argc, char **argv)
{
    rounds = 20000 * scale_of(argc, argv) + 1;
    check_lse();
    check_exclusives();
    check_contention();
    return check_exit();
}
