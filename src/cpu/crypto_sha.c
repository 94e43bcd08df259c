/* SHA-1 and SHA-256 steps (Arm DDI 0487, C7.2; FIPS 180-4). Four 32-bit words a register. */
#include "cpu/simd.h"

static inline uint32_t rol(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static inline uint32_t ror(uint32_t x, unsigned n)
{
    return rol(x, 32 - n);
}

static inline uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | (~x & z);
}

static inline uint32_t parity(uint32_t x, uint32_t y, uint32_t z)
{
    return x ^ y ^ z;
}

static inline uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | (x & z) | (y & z);
}

/* Four rounds of SHA-1: rd is a to d, the first word of rn is e, rm has the schedule + constant. */
#define SHA1_ROUNDS(name, f)                                                      \
    SIMD(name)                                                                    \
    {                                                                             \
        const union vreg m = V(rm);                                               \
        union vreg x = V(rd);                                                     \
        uint32_t y = V(rn).s[0];                                                  \
        for (unsigned e = 0; e < 4; e++) {                                        \
            uint32_t t = y + rol(x.s[0], 5) + f(x.s[1], x.s[2], x.s[3]) + m.s[e]; \
            y = x.s[3];                                                           \
            x.s[3] = x.s[2];                                                      \
            x.s[2] = rol(x.s[1], 30);                                             \
            x.s[1] = x.s[0];                                                      \
            x.s[0] = t;                                                           \
        }                                                                         \
        V(rd) = x;                                                                \
    }

SHA1_ROUNDS(SHA1C, choose)
SHA1_ROUNDS(SHA1P, parity)
SHA1_ROUNDS(SHA1M, majority)

SIMD(SHA1H)
{
    V(rd) = (union vreg){ .s = { rol(V(rn).s[0], 30) } };
}

SIMD(SHA1SU0)
{
    const union vreg d = V(rd), n = V(rn), m = V(rm);

    V(rd).d[0] = d.d[1] ^ d.d[0] ^ m.d[0];
    V(rd).d[1] = n.d[0] ^ d.d[1] ^ m.d[1];
}

SIMD(SHA1SU1)
{
    const union vreg d = V(rd), n = V(rn);
    union vreg r;

    for (unsigned e = 0; e < 3; e++)
        r.s[e] = rol(d.s[e] ^ n.s[e + 1], 1);
    r.s[3] = rol(d.s[3], 1) ^ rol(r.s[0], 1); /* the fourth word needs the first new one */
    V(rd) = r;
}

/* Four rounds of SHA-256; x is a to d, y is e to h. */
static void sha256_rounds(union vreg *x, union vreg *y, const union vreg *w)
{
    for (unsigned e = 0; e < 4; e++) {
        uint32_t s1 = ror(y->s[0], 6) ^ ror(y->s[0], 11) ^ ror(y->s[0], 25);
        uint32_t t = y->s[3] + s1 + choose(y->s[0], y->s[1], y->s[2]) + w->s[e];
        uint32_t s0 = ror(x->s[0], 2) ^ ror(x->s[0], 13) ^ ror(x->s[0], 22);
        uint32_t u = t + s0 + majority(x->s[0], x->s[1], x->s[2]);

        t += x->s[3];
        memmove(&y->s[1], &y->s[0], 12);
        memmove(&x->s[1], &x->s[0], 12);
        y->s[0] = t;
        x->s[0] = u;
    }
}

SIMD(SHA256H)
{
    union vreg x = V(rd), y = V(rn), w = V(rm);

    sha256_rounds(&x, &y, &w);
    V(rd) = x;
}

SIMD(SHA256H2)
{
    union vreg x = V(rn), y = V(rd), w = V(rm);

    sha256_rounds(&x, &y, &w);
    V(rd) = y;
}

SIMD(SHA256SU0)
{
    const union vreg d = V(rd), n = V(rn);

    for (unsigned e = 0; e < 4; e++) {
        uint32_t w = e < 3 ? d.s[e + 1] : n.s[0];

        V(rd).s[e] = d.s[e] + (ror(w, 7) ^ ror(w, 18) ^ w >> 3);
    }
}

SIMD(SHA256SU1)
{
    const union vreg d = V(rd), n = V(rn), m = V(rm);
    union vreg r;

    for (unsigned e = 0; e < 4; e++) {
        uint32_t w = e < 2 ? m.s[e + 2] : r.s[e - 2]; /* the last two need the first two */
        uint32_t t = e < 3 ? n.s[e + 1] : m.s[0];

        r.s[e] = d.s[e] + t + (ror(w, 17) ^ ror(w, 19) ^ w >> 10);
    }
    V(rd) = r;
}
