/*
 * Integer instructions, computed twice: by the instruction, and by plain C that takes another way
 * (wide arithmetic, loops over bits). Deterministic: the output is the same on every CPU.
 */
#include "check.h"

#include <setjmp.h>

typedef unsigned __int128 u128;
typedef __int128 i128;

#define N 0x8
#define Z 0x4
#define C 0x2
#define V 0x1

/* The condition as the manual's ConditionHolds() says it (DDI 0487, J1.3). */
static bool holds(unsigned cond, unsigned nzcv)
{
    bool n = nzcv & N, z = nzcv & Z, c = nzcv & C, v = nzcv & V, r = true;

    switch (cond >> 1) {
    case 0:
        r = z;
        break;
    case 1:
        r = c;
        break;
    case 2:
        r = n;
        break;
    case 3:
        r = v;
        break;
    case 4:
        r = c && !z;
        break;
    case 5:
        r = n == v;
        break;
    case 6:
        r = n == v && !z;
        break;
    }
    return (cond & 1) && cond != 15 ? !r : r;
}

/* AddWithCarry() of the manual, by arithmetic of twice the width. */
static uint64_t add_with_carry(unsigned bits, uint64_t a, uint64_t b, unsigned carry,
                               unsigned *ret_nzcv)
{
    uint64_t mask = bits == 64 ? ~UINT64_C(0) : (UINT64_C(1) << bits) - 1;
    u128 sum = (u128)(a & mask) + (b & mask) + carry;
    uint64_t result = (uint64_t)sum & mask;
    unsigned shift = 64 - bits;
    i128 exact = (i128)((int64_t)(a << shift) >> shift) + ((int64_t)(b << shift) >> shift) + carry;

    *ret_nzcv = (result >> (bits - 1) ? N : 0) | (result ? 0 : Z) | ((sum >> bits) ? C : 0) |
                (exact != (int64_t)(result << shift) >> shift ? V : 0);
    return result;
}

#define FLAGGED(insn, w)                                                                     \
    static uint64_t do_##insn##w(uint64_t a, uint64_t b, unsigned carry, unsigned *ret_nzcv) \
    {                                                                                        \
        uint64_t r, f = (uint64_t)carry << 29;                                               \
        __asm__("msr nzcv, %1\n" #insn " %" #w "0, %" #w "2, %" #w "3\nmrs %1, nzcv"         \
                : "=&r"(r), "+&r"(f)                                                         \
                : "r"(a), "r"(b)                                                             \
                : "cc");                                                                     \
        *ret_nzcv = (unsigned)(f >> 28);                                                     \
        return r;                                                                            \
    }
FLAGGED(adds, x)
FLAGGED(subs, x)
FLAGGED(adcs, x)
FLAGGED(sbcs, x)
FLAGGED(ands, x)
FLAGGED(bics, x)
FLAGGED(adds, w)
FLAGGED(subs, w)
FLAGGED(adcs, w)
FLAGGED(sbcs, w)
FLAGGED(ands, w)
FLAGGED(bics, w)

static void check_flags(uint64_t rounds)
{
    static const struct {
        const char *name;
        uint64_t (*run)(uint64_t a, uint64_t b, unsigned carry, unsigned *ret_nzcv);
        unsigned bits;
        bool invert, uses_carry, carry, logic;
    } insns[] = {
        { "adds x", do_addsx, 64, false, false, 0, false },
        { "subs x", do_subsx, 64, true, false, 1, false },
        { "adcs x", do_adcsx, 64, false, true, 0, false },
        { "sbcs x", do_sbcsx, 64, true, true, 0, false },
        { "ands x", do_andsx, 64, false, false, 0, true },
        { "bics x", do_bicsx, 64, true, false, 0, true },
        { "adds w", do_addsw, 32, false, false, 0, false },
        { "subs w", do_subsw, 32, true, false, 1, false },
        { "adcs w", do_adcsw, 32, false, true, 0, false },
        { "sbcs w", do_sbcsw, 32, true, true, 0, false },
        { "ands w", do_andsw, 32, false, false, 0, true },
        { "bics w", do_bicsw, 32, true, false, 0, true },
    };
    uint64_t seed = 1;

    for (size_t i = 0; i < COUNT(insns); i++) {
        check_begin(insns[i].name);
        for (uint64_t n = 0; n < rounds; n++) {
            uint64_t a = random_operand(&seed), b = random_operand(&seed), want;
            unsigned carry = n & 1, seen_nzcv, want_nzcv;
            uint64_t seen = insns[i].run(a, b, carry, &seen_nzcv);
            uint64_t b2 = insns[i].invert ? ~b : b;

            if (insns[i].logic) {
                want = insns[i].bits == 64 ? a & b2 : (uint32_t)(a & b2);
                want_nzcv = (want >> (insns[i].bits - 1) ? N : 0) | (want ? 0 : Z);
            } else {
                want = add_with_carry(insns[i].bits, a, b2,
                                      insns[i].uses_carry ? carry : insns[i].carry, &want_nzcv);
            }
            expect_u64(seen, want, "result", n);
            expect_u64(seen_nzcv, want_nzcv, "flags", n);
        }
        check_end();
    }
}

/* Each condition with each setting of the flags: select, conditional compare, branch. */
#define COND(name, number)                                                                    \
    do {                                                                                      \
        for (uint64_t nzcv = 0; nzcv < 16; nzcv++) {                                          \
            uint64_t sel, inc, inv, neg, cmp, jump, f = nzcv << 28;                           \
            bool yes = holds(number, (unsigned)nzcv);                                         \
            __asm__("msr nzcv, %6\ncsel %0, %7, %8, " name "\ncsinc %1, %7, %8, " name        \
                    "\ncsinv %2, %7, %8, " name "\ncsneg %3, %7, %8, " name                   \
                    "\nmov %5, #1\nb." name " 1f\nmov %5, #0\n1: ccmp %7, %7, #9, " name      \
                    "\nmrs %4, nzcv"                                                          \
                    : "=&r"(sel), "=&r"(inc), "=&r"(inv), "=&r"(neg), "=&r"(cmp), "=&r"(jump) \
                    : "r"(f), "r"(UINT64_C(5)), "r"(UINT64_C(11))                             \
                    : "cc");                                                                  \
            expect_u64(sel, yes ? 5 : 11, "csel " name, nzcv);                                \
            expect_u64(inc, yes ? 5 : 12, "csinc " name, nzcv);                               \
            expect_u64(inv, yes ? 5 : ~UINT64_C(11), "csinv " name, nzcv);                    \
            expect_u64(neg, yes ? 5 : -UINT64_C(11), "csneg " name, nzcv);                    \
            expect_u64(cmp >> 28, yes ? (Z | C) : 9, "ccmp " name, nzcv);                     \
            expect_u64(jump, yes, "b." name, nzcv);                                           \
        }                                                                                     \
    } while (0)

static void check_conditions(void)
{
    check_begin("conditions");
    COND("eq", 0);
    COND("ne", 1);
    COND("cs", 2);
    COND("cc", 3);
    COND("mi", 4);
    COND("pl", 5);
    COND("vs", 6);
    COND("vc", 7);
    COND("hi", 8);
    COND("ls", 9);
    COND("ge", 10);
    COND("lt", 11);
    COND("gt", 12);
    COND("le", 13);
    COND("al", 14);
    COND("nv", 15);
    check_end();
}

#define OP2(insn, a, b)                                                                   \
    ({                                                                                    \
        uint64_t r_;                                                                      \
        __asm__(#insn " %0, %1, %2" : "=r"(r_) : "r"((uint64_t)(a)), "r"((uint64_t)(b))); \
        r_;                                                                               \
    })
#define OP2W(insn, a, b)                                                                     \
    ({                                                                                       \
        uint64_t r_;                                                                         \
        __asm__(#insn " %w0, %w1, %w2" : "=r"(r_) : "r"((uint64_t)(a)), "r"((uint64_t)(b))); \
        r_;                                                                                  \
    })
#define OP1(insn, a)                                              \
    ({                                                            \
        uint64_t r_;                                              \
        __asm__(#insn " %0, %1" : "=r"(r_) : "r"((uint64_t)(a))); \
        r_;                                                       \
    })

/* Division by shifting and subtracting; nothing of the divide instruction is used. */
static u128 divide(u128 a, u128 b, u128 *ret_rest)
{
    u128 q = 0, r = 0;

    for (int i = 127; i >= 0; i--) {
        bool top = r >> 127;
        r = r << 1 | (a >> i & 1);
        if (top || r >= b) {
            r -= b;
            q |= (u128)1 << i;
        }
    }
    *ret_rest = r;
    return q;
}

/* 64 x 64 -> 128 by four products of 32 bits. */
static u128 multiply(uint64_t a, uint64_t b)
{
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;

    return ((u128)(ah * bh) << 64) + ((u128)(al * bh) << 32) + ((u128)(ah * bl) << 32) + al * bl;
}

static void check_multiply_divide(uint64_t rounds)
{
    uint64_t seed = 2;

    check_begin("multiply and divide");
    expect_u64(OP2(udiv, 7, 0), 0, "udiv by zero", 7);
    expect_u64(OP2(sdiv, -7, 0), 0, "sdiv by zero", 7);
    expect_u64(OP2(sdiv, INT64_MIN, -1), (uint64_t)INT64_MIN, "sdiv of the minimum", 0);
    expect_u64(OP2W(sdiv, INT32_MIN, -1), 0x80000000, "sdiv w of the minimum", 0);
    expect_u64(OP2W(udiv, 7, UINT64_C(1) << 32), 0, "udiv w by zero below the upper half", 0);
    for (uint64_t n = 0; n < rounds; n++) {
        uint64_t a = random_operand(&seed), b = random_operand(&seed);
        uint64_t ma = (int64_t)a < 0 ? -a : a, mb = (int64_t)b < 0 ? -b : b;
        bool minus = (int64_t)(a ^ b) < 0;
        u128 product = multiply(a, b), rest;
        uint64_t high = (uint64_t)(product >> 64);

        expect_u64(a * b, (uint64_t)product, "mul", n);
        expect_u64(OP2(umulh, a, b), high, "umulh", n);
        high -= ((int64_t)a < 0 ? b : 0) + ((int64_t)b < 0 ? a : 0);
        expect_u64(OP2(smulh, a, b), high, "smulh", n);
        if (!b)
            continue;
        uint64_t q = (uint64_t)divide(a, b, &rest);
        expect_u64(OP2(udiv, a, b), q, "udiv", n);
        expect_u64(a % b, (uint64_t)rest, "msub of the quotient", n);
        q = (uint64_t)divide(ma, mb, &rest);
        expect_u64(OP2(sdiv, a, b), minus ? -q : q, "sdiv", n);
    }
    for (uint64_t n = 0; n < rounds / 8; n++) { /* the compiler's library divides 128 bits */
        u128 a = (u128)random_operand(&seed) << 64 | random_operand(&seed), rest;
        u128 b = (u128)(random_operand(&seed) >> (n & 63)) << 64 | random_operand(&seed) | 1;
        u128 q = divide(a, b, &rest), q2 = a / b, rest2 = a % b;
        expect_bytes(&q2, &q, sizeof(q), "128-bit quotient", n);
        expect_bytes(&rest2, &rest, sizeof(rest), "128-bit rest", n);
    }
    check_end();
}

static void check_bits(uint64_t rounds)
{
    uint64_t seed = 3;

    check_begin("bit operations");
    for (uint64_t n = 0; n < rounds; n++) {
        uint64_t a = random_operand(&seed), b = random_operand(&seed), swapped = 0, mirror = 0;
        unsigned zeros = 64, signs = 63, by = b & 63;

        for (unsigned i = 0; i < 64; i++)
            mirror |= (a >> i & 1) << (63 - i);
        for (unsigned i = 0; i < 8; i++)
            swapped |= (a >> 8 * i & 0xff) << (56 - 8 * i);
        for (uint64_t x = a; x; x >>= 1)
            zeros--;
        for (uint64_t x = a ^ (uint64_t)((int64_t)a >> 63); x; x >>= 1)
            signs--;
        expect_u64(OP1(rbit, a), mirror, "rbit", a);
        expect_u64(OP1(rev, a), swapped, "rev", a);
        expect_u64(OP1(rev32, a), swapped >> 32 | swapped << 32, "rev32", a);
        expect_u64(OP1(rev16, a),
                   (a & UINT64_C(0xff00ff00ff00ff)) << 8 | (a >> 8 & UINT64_C(0xff00ff00ff00ff)),
                   "rev16", a);
        expect_u64(OP1(clz, a), zeros, "clz", a);
        expect_u64(OP1(cls, a), signs, "cls", a);
        expect_u64(OP2(lslv, a, b), a << by, "lslv", b);
        expect_u64(OP2(lsrv, a, b), a >> by, "lsrv", b);
        expect_u64(OP2(asrv, a, b), (uint64_t)((i128)(int64_t)a >> by), "asrv", b);
        expect_u64(OP2(rorv, a, b), by ? a >> by | a << (64 - by) : a, "rorv", b);
    }
    check_end();
}

/* Every size at every offset over a page's end, against bytes put together by hand. */
static void check_unaligned(void)
{
    static unsigned char pages[2 * 4096] __attribute__((aligned(4096)));

    check_begin("unaligned loads and stores over a page's end");
    for (unsigned i = 0; i < sizeof(pages); i++)
        pages[i] = (unsigned char)(i * 37 + (i >> 8));
    for (unsigned off = 4096 - 40; off < 4096 + 8; off++) {
        const unsigned char *p = pages + off;
        uint64_t want = 0, x, y;

        for (int i = 7; i >= 0; i--)
            want = want << 8 | p[i];
        __asm__("ldr %0, [%1]" : "=r"(x) : "r"(p) : "memory");
        expect_u64(x, want, "ldr x", off);
        __asm__("ldrsw %0, [%1]" : "=r"(x) : "r"(p) : "memory");
        expect_u64(x, (uint64_t)(int32_t)want, "ldrsw", off);
        __asm__("ldrsh %w0, [%1]" : "=r"(x) : "r"(p) : "memory");
        expect_u64(x, (uint32_t)(int16_t)want, "ldrsh w", off);
        __asm__("ldrsb %0, [%1]" : "=r"(x) : "r"(p) : "memory");
        expect_u64(x, (uint64_t)(int8_t)want, "ldrsb x", off);
        __asm__("ldpsw %0, %1, [%2]" : "=&r"(x), "=&r"(y) : "r"(p) : "memory");
        expect_u64(x, (uint64_t)(int32_t)want, "ldpsw first", off);
        expect_u64(y, (uint64_t)(int32_t)(want >> 32), "ldpsw second", off);
        __asm__("stp %1, %2, [%0]" ::"r"(p), "r"(~want), "r"(want) : "memory");
        for (unsigned i = 0; i < 16; i++)
            expect_u64(p[i], (uint8_t)((i < 8 ? ~want : want) >> 8 * (i & 7)), "stp", off + i);
        for (unsigned i = 0; i < 16; i++)
            pages[off + i] = (unsigned char)((off + i) * 37 + ((off + i) >> 8));
    }
    check_end();
}

static unsigned ackermann(unsigned m, unsigned n)
{
    return !m ? n + 1 : ackermann(m - 1, n ? ackermann(m, n - 1) : 1);
}

static void check_control_flow(void)
{
    static const void *const labels[] = { &&zero, &&one, &&two, &&end };
    static jmp_buf env;
    volatile int hops = 0, trace = 0;

    check_begin("control flow");
    expect_u64(ackermann(2, 300), 603, "ackermann", 2);
    for (int i = 0;; i++) {
        goto *labels[i];
zero:
        trace = trace * 10 + 1;
        continue;
one:
        trace = trace * 10 + 2;
        continue;
two:
        trace = trace * 10 + 3;
        continue;
end:
        break;
    }
    expect_u64((uint64_t)trace, 123, "computed branches", 0);
    if (setjmp(env) < 10) {
        hops++;
        longjmp(env, hops);
    }
    expect_u64((uint64_t)hops, 10, "longjmp", 0);
    check_end();
}

static int order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* A long computation as one number; another CPU must come to the same. */
static void print_checksum(uint64_t rounds)
{
    static uint32_t data[4096];
    static unsigned char sieve[1 << 16];
    uint64_t seed = 4, sum = 0;

    for (unsigned i = 0; i < COUNT(data); i++)
        data[i] = (uint32_t)next_random(&seed);
    qsort(data, COUNT(data), sizeof(data[0]), order);
    for (unsigned i = 0; i < COUNT(data); i++)
        sum = mix(sum, data[i]);
    for (unsigned i = 2; i < sizeof(sieve); i++) {
        if (!sieve[i])
            sum = mix(sum, i);
        for (unsigned j = 2 * i; !sieve[i] && j < sizeof(sieve); j += i)
            sieve[j] = 1;
    }
    for (uint64_t i = 0; i < rounds; i++) {
        i128 a = (i128)((u128)next_random(&seed) << 64 | next_random(&seed));
        int64_t b = (int64_t)next_random(&seed) >> (i & 31);
        a = b ? a / b + a % b : a;
        sum = mix(sum, (uint64_t)a ^ (uint64_t)(a >> 64));
    }
    printf("checksum %016" PRIx64 "\n", sum);
}

int main(int argc, char **argv)
{
    uint64_t scale = scale_of(argc, argv);

    check_flags(5000 * scale);
    check_conditions();
    check_multiply_divide(5000 * scale);
    check_bits(10000 * scale);
    check_unaligned();
    check_control_flow();
    print_checksum(20000 * scale);
    return check_exit();
}
