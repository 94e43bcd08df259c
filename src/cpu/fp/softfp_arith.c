/* Soft float: add, multiply, divide, square root, fused forms, minimum and maximum, compare. */
#include "cpu/fp/softfp_core.h"
#include "cpu/fp/softfp_host.h"

/* An exact intermediate value: sig * 2^(exp - FP_LEAD), 0 when sig is 0. */
struct fp_sum {
    bool sign;
    int exp;
    u128 sig;
};

static struct fp_sum exact(const struct fp_num *n)
{
    return (struct fp_sum){ n->sign, n->exp, n->type == FP_TYPE_ZERO ? 0 : n->sig };
}

/* The product of two unpacked numbers, at most 106 bits, so exact. */
static struct fp_sum product(const struct fp_num *a, const struct fp_num *b)
{
    struct fp_sum p = { a->sign != b->sign, a->exp + b->exp, 0 };

    if (a->type == FP_TYPE_ZERO || b->type == FP_TYPE_ZERO)
        return p;
    /* Both significands fit the upper half: their lowest 64 bits are zero. */
    p.sig = (u128)(uint64_t)(a->sig >> 64) * (uint64_t)(b->sig >> 64); /* leads at 124 or 125 */
    p.sig <<= 1;
    p.exp++;
    if (!(p.sig >> FP_LEAD)) {
        p.sig <<= 1;
        p.exp--;
    }
    return p;
}

/* The sum, exact but for bit 0 which stands for what lies below it: enough for one rounding,
 * because cancellation of more than one bit happens only when nothing was shifted out. */
static struct fp_sum sum(struct fp_sum a, struct fp_sum b)
{
    if (!a.sig)
        return b;
    if (!b.sig)
        return a;
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        struct fp_sum t = a;
        a = b;
        b = t;
    }
    b.sig = softfp_shift_jam(b.sig, (unsigned)(a.exp - b.exp));
    a.sig = a.sign == b.sign ? a.sig + b.sig : a.sig - b.sig;
    return a;
}

/* An exact zero sum is +0, except when rounding towards minus infinity. */
static uint64_t round_sum(struct fp_status *fp, enum fp_size size, struct fp_sum s)
{
    if (!s.sig)
        return softfp_zero(size, softfp_rmode(fp) == FP_NEGINF);
    return softfp_round(fp, size, s.sign, s.exp, s.sig);
}

static uint64_t add(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    struct fp_num x = softfp_unpack(fp, size, a), y = softfp_unpack(fp, size, b);
    uint64_t nan;

    if (softfp_nan2(fp, size, &x, &y, &nan))
        return nan;
    if (x.type == FP_TYPE_INF || y.type == FP_TYPE_INF) {
        if (x.type == y.type && x.sign != y.sign)
            return softfp_invalid(fp, size);
        return softfp_inf(size, x.type == FP_TYPE_INF ? x.sign : y.sign);
    }
    if (x.type == FP_TYPE_ZERO && y.type == FP_TYPE_ZERO && x.sign == y.sign)
        return softfp_zero(size, x.sign);
    return round_sum(fp, size, sum(exact(&x), exact(&y)));
}

uint64_t softfp_add(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    uint64_t r;

    return softfp_host_add(fp, size, a, b, &r) ? r : add(fp, size, a, b);
}

uint64_t softfp_sub(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    uint64_t r;

    if (softfp_host_add(fp, size, a, softfp_neg(size, b), &r))
        return r;

    struct fp_num x = softfp_unpack(fp, size, a), y = softfp_unpack(fp, size, b);
    if (softfp_nan2(fp, size, &x, &y, &r)) /* a NaN keeps its sign: this is not a + (-b) */
        return r;
    return add(fp, size, a, softfp_neg(size, b));
}

static uint64_t multiply(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b,
                         bool extended)
{
    struct fp_num x = softfp_unpack(fp, size, a), y = softfp_unpack(fp, size, b);
    bool sign = x.sign != y.sign;
    uint64_t nan;

    if (softfp_nan2(fp, size, &x, &y, &nan))
        return nan;
    bool zero = x.type == FP_TYPE_ZERO || y.type == FP_TYPE_ZERO;
    if (x.type == FP_TYPE_INF || y.type == FP_TYPE_INF) {
        if (zero && extended) /* 2.0 */
            return softfp_round(fp, size, sign, 1, (u128)1 << FP_LEAD);
        return zero ? softfp_invalid(fp, size) : softfp_inf(size, sign);
    }
    if (zero)
        return softfp_zero(size, sign);
    struct fp_sum p = product(&x, &y);
    return softfp_round(fp, size, p.sign, p.exp, p.sig);
}

uint64_t softfp_mul(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    uint64_t r;

    return softfp_host_mul(fp, size, a, b, &r) ? r : multiply(fp, size, a, b, false);
}

uint64_t softfp_mulx(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    return multiply(fp, size, a, b, true);
}

static uint64_t muladd(struct fp_status *fp, enum fp_size size, uint64_t addend, uint64_t a,
                       uint64_t b)
{
    struct fp_num z = softfp_unpack(fp, size, addend);
    struct fp_num x = softfp_unpack(fp, size, a), y = softfp_unpack(fp, size, b);
    bool inf = x.type == FP_TYPE_INF || y.type == FP_TYPE_INF;
    bool zero = x.type == FP_TYPE_ZERO || y.type == FP_TYPE_ZERO;
    bool sign = x.sign != y.sign;
    uint64_t nan;

    if (softfp_nan3(fp, size, &z, &x, &y, &nan)) {
        /* Infinity times zero is invalid even when a quiet NaN is added. */
        return z.type == FP_TYPE_QNAN && inf && zero ? softfp_invalid(fp, size) : nan;
    }
    if (inf && (zero || (z.type == FP_TYPE_INF && z.sign != sign)))
        return softfp_invalid(fp, size);
    if (inf || z.type == FP_TYPE_INF)
        return softfp_inf(size, inf ? sign : z.sign);
    if (z.type == FP_TYPE_ZERO && zero && z.sign == sign)
        return softfp_zero(size, sign);
    return round_sum(fp, size, sum(exact(&z), product(&x, &y)));
}

uint64_t softfp_muladd(struct fp_status *fp, enum fp_size size, uint64_t addend, uint64_t a,
                       uint64_t b)
{
    uint64_t r;

    return softfp_host_muladd(fp, size, addend, a, b, &r) ? r : muladd(fp, size, addend, a, b);
}

/* (constant - a * b) / 2^halve; the constant is given by its significand's leading bits. */
static uint64_t newton_step(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b,
                            u128 constant, int halve)
{
    struct fp_num x = softfp_unpack(fp, size, softfp_neg(size, a));
    struct fp_num y = softfp_unpack(fp, size, b);
    struct fp_sum s = { false, 1, constant };
    uint64_t nan;

    if (softfp_nan2(fp, size, &x, &y, &nan))
        return nan;
    bool zero = x.type == FP_TYPE_ZERO || y.type == FP_TYPE_ZERO;
    if (x.type == FP_TYPE_INF || y.type == FP_TYPE_INF) {
        if (!zero)
            return softfp_inf(size, x.sign != y.sign);
    } else {
        s = sum(s, product(&x, &y));
    }
    s.exp -= halve;
    return round_sum(fp, size, s);
}

uint64_t softfp_recip_step(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    return newton_step(fp, size, a, b, (u128)1 << FP_LEAD, 0); /* 2.0 */
}

uint64_t softfp_rsqrt_step(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    return newton_step(fp, size, a, b, (u128)3 << (FP_LEAD - 1), 1); /* 3.0 */
}

static uint64_t divide(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    struct fp_num x = softfp_unpack(fp, size, a), y = softfp_unpack(fp, size, b);
    bool sign = x.sign != y.sign;
    uint64_t nan;

    if (softfp_nan2(fp, size, &x, &y, &nan))
        return nan;
    if (x.type == y.type && (x.type == FP_TYPE_INF || x.type == FP_TYPE_ZERO))
        return softfp_invalid(fp, size);
    if (x.type == FP_TYPE_INF || y.type == FP_TYPE_ZERO) {
        if (x.type != FP_TYPE_INF)
            fp->fpsr |= FPSR_DZC;
        return softfp_inf(size, sign);
    }
    if (x.type == FP_TYPE_ZERO || y.type == FP_TYPE_INF)
        return softfp_zero(size, sign);

    /* A divisor of 53 bits leaves a quotient of at least 73: more than one rounding needs. */
    const unsigned scale = FP_LEAD - 53;
    u128 divisor = y.sig >> scale;
    u128 quotient = x.sig / divisor;

    if (quotient * divisor != x.sig)
        quotient |= 1;
    return softfp_round(fp, size, sign, x.exp - y.exp, quotient << (FP_LEAD - scale));
}

uint64_t softfp_div(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    uint64_t r;

    return softfp_host_div(fp, size, a, b, &r) ? r : divide(fp, size, a, b);
}

static uint64_t root(struct fp_status *fp, enum fp_size size, uint64_t a)
{
    struct fp_num x = softfp_unpack(fp, size, a);

    if (fp_is_nan(&x))
        return softfp_nan(fp, size, &x);
    if (x.type == FP_TYPE_ZERO)
        return softfp_zero(size, x.sign);
    if (x.sign)
        return softfp_invalid(fp, size);
    if (x.type == FP_TYPE_INF)
        return softfp_inf(size, false);

    /* value = rest * 2^(exp - 126) with exp even, so its root is root * 2^(exp / 2 - 63). */
    u128 rest = x.exp & 1 ? x.sig << 1 : x.sig;
    int exp = x.exp & 1 ? x.exp - 1 : x.exp;
    u128 root = 0;

    /* One bit of the root a step; rest keeps value - root^2. */
    for (int k = 63; k >= 0; k--) {
        u128 square = (root << (k + 1)) + ((u128)1 << (2 * k)); /* (root + 2^k)^2 - root^2 */
        if (rest >= square) {
            rest -= square;
            root |= (u128)1 << k;
        }
    }
    return softfp_round(fp, size, false, exp / 2, root << (FP_LEAD - 63) | (rest != 0));
}

uint64_t softfp_sqrt(struct fp_status *fp, enum fp_size size, uint64_t a)
{
    uint64_t r;

    return softfp_host_sqrt(fp, size, a, &r) ? r : root(fp, size, a);
}

enum fp_order softfp_compare(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b,
                             bool signalling)
{
    enum fp_order order;

    if (softfp_host_compare(size, a, b, &order))
        return order;

    struct fp_num x = softfp_unpack(fp, size, a), y = softfp_unpack(fp, size, b);
    if (fp_is_nan(&x) || fp_is_nan(&y)) {
        if (signalling || x.type == FP_TYPE_SNAN || y.type == FP_TYPE_SNAN)
            fp->fpsr |= FPSR_IOC;
        return FP_UNORDERED;
    }
    /* Unflushed magnitudes order as integers do. */
    uint64_t abs_x = x.type == FP_TYPE_ZERO ? 0 : softfp_abs(size, a & low_mask(8U << size));
    uint64_t abs_y = y.type == FP_TYPE_ZERO ? 0 : softfp_abs(size, b & low_mask(8U << size));
    int64_t key_x = x.sign ? -(int64_t)abs_x : (int64_t)abs_x;
    int64_t key_y = y.sign ? -(int64_t)abs_y : (int64_t)abs_y;

    return key_x < key_y ? FP_LESS : key_x > key_y ? FP_GREATER : FP_EQUAL;
}

static uint64_t pick(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b, bool max)
{
    struct fp_num x = softfp_unpack(fp, size, a), y = softfp_unpack(fp, size, b);
    uint64_t nan;

    if (softfp_nan2(fp, size, &x, &y, &nan))
        return nan;
    if (x.type == FP_TYPE_ZERO && y.type == FP_TYPE_ZERO) /* -0 is below +0 */
        return softfp_zero(size, max ? x.sign && y.sign : x.sign || y.sign);
    bool first = softfp_compare(fp, size, a, b, false) == (max ? FP_GREATER : FP_LESS);
    const struct fp_num *n = first ? &x : &y;
    return n->type == FP_TYPE_ZERO ? softfp_zero(size, n->sign) : n->bits & low_mask(8U << size);
}

/* A single quiet NaN counts as the infinity that loses. */
static uint64_t pick_number(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b,
                            bool max)
{
    struct fp_num x = softfp_unpack(fp, size, a), y = softfp_unpack(fp, size, b);

    if (x.type == FP_TYPE_QNAN && y.type != FP_TYPE_QNAN)
        a = softfp_inf(size, max);
    else if (x.type != FP_TYPE_QNAN && y.type == FP_TYPE_QNAN)
        b = softfp_inf(size, max);
    return pick(fp, size, a, b, max);
}

uint64_t softfp_max(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    return pick(fp, size, a, b, true);
}

uint64_t softfp_min(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    return pick(fp, size, a, b, false);
}

uint64_t softfp_maxnm(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    return pick_number(fp, size, a, b, true);
}

uint64_t softfp_minnm(struct fp_status *fp, enum fp_size size, uint64_t a, uint64_t b)
{
    return pick_number(fp, size, a, b, false);
}
