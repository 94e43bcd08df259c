/* Random numbers, and values that instructions find interesting: see gen.h. */
#include <string.h>

#include "gen.h"

/* splitmix64: small, and every seed is good. */
uint64_t gen_random(struct gen *g)
{
    uint64_t z = g->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

unsigned gen_below(struct gen *g, unsigned limit)
{
    return (unsigned)((gen_random(g) >> 32) * limit >> 32);
}

static uint64_t int_edge(struct gen *g)
{
    static const uint64_t edges[] = {
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        UINT64_C(0x100000000),
        UINT64_C(0x7fffffffffffffff),
        UINT64_C(0x8000000000000000),
        UINT64_C(0xffffffff80000000),
        UINT64_C(0xfffffffffffffffe),
        UINT64_MAX,
    };
    uint64_t r = gen_random(g);

    switch (gen_below(g, 8)) {
    case 0:
    case 1:
        return edges[gen_below(g, ARRAY_LEN(edges))];
    case 2:
        return BIT(r & 63);
    case 3:
        return r & 0xff;
    case 4:
        return (uint64_t)sign_extend(r, 8 + (unsigned)(r >> 58) % 57);
    case 5:
        return r >> (r & 63);
    default:
        return r;
    }
}

/* Integers for an element: its limits, and around the shift amounts that just do not empty it. */
static uint64_t lane_edge(struct gen *g, unsigned bits)
{
    uint64_t r = gen_random(g), top = BIT(bits - 1), near = r % 5 - 2;

    switch (gen_below(g, 8)) {
    case 0:
        return top - 1;
    case 1:
        return top;
    case 2:
        return near;
    case 3:
        return bits + near;
    case 4:
        return near - bits;
    case 5:
        return top + near;
    default:
        return r >> 8;
    }
}

/* Floating-point numbers that matter, for 16, 32 and 64 bits: mantissa widths tell them apart. */
static uint64_t fp_edge(struct gen *g, unsigned bits)
{
    unsigned mant = bits == 16 ? 10 : bits == 32 ? 23 : 52;
    uint64_t exp_max = low_mask(bits - 1 - mant), bias = exp_max >> 1, r = gen_random(g);
    uint64_t fraction = r & low_mask(mant), exponent = r >> mant & exp_max;

    switch (gen_below(g, 12)) {
    case 0: /* zeros */
        exponent = fraction = 0;
        break;
    case 1: /* subnormals */
        exponent = 0;
        break;
    case 2: /* the smallest normals */
        exponent = 1;
        fraction &= 3;
        break;
    case 3: /* infinities */
        exponent = exp_max;
        fraction = 0;
        break;
    case 4: /* NaNs of both kinds */
        exponent = exp_max;
        fraction |= 1;
        break;
    case 5: /* the largest finite ones */
        exponent = exp_max - 1;
        fraction |= low_mask(mant - 1) << 1;
        break;
    case 6: /* near one */
        exponent = bias + gen_below(g, 3) - 1;
        fraction &= BIT(mant - 1) | 1;
        break;
    case 7: /* around integers that just fit */
        exponent = bias + gen_below(g, 66);
        exponent = exponent < exp_max ? exponent : exp_max - 1;
        break;
    case 8: /* few bits set: exact results and ties */
        fraction = BIT(gen_below(g, mant)) | BIT(gen_below(g, mant));
        break;
    case 9: /* and a result that is close to overflow or underflow when multiplied */
        exponent = bias + (r & BIT(61) ? bias / 2 : 0 - bias / 2) + gen_below(g, 5) - 2;
        break;
    }
    return (r >> 63) << (bits - 1) | exponent << mant | fraction;
}

static uint64_t vector_edge(struct gen *g)
{
    uint64_t v = 0;
    unsigned kind = gen_below(g, 8), bits = 8u << gen_below(g, 4);

    if (kind == 0)
        return int_edge(g);
    if (kind > 2 && bits == 8)
        bits = 16;
    for (unsigned lane = 0; lane < 64; lane += bits)
        v |= ((kind <= 2 ? lane_edge(g, bits) : fp_edge(g, bits)) & low_mask(bits)) << lane;
    return v;
}

void gen_refresh(struct gen *g)
{
    for (unsigned n = 0; n < GEN_POOL / 4; n++) {
        unsigned at = g->next_fresh++ % GEN_POOL;

        g->ints[at] = int_edge(g);
        g->vectors[at] = vector_edge(g);
    }
}

void gen_init(struct gen *g, uint64_t seed)
{
    memset(g, 0, sizeof(*g));
    g->state = seed;
    for (unsigned n = 0; n < 4; n++)
        gen_refresh(g);
}

void gen_pick(struct gen *g, const uint64_t pool[GEN_POOL], uint64_t *dst, unsigned count)
{
    uint64_t r = 0;

    for (unsigned n = 0; n < count; n++, r >>= 12) {
        if (n % 5 == 0)
            r = gen_random(g);
        dst[n] = pool[r % GEN_POOL];
    }
}
