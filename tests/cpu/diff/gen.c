/* Random instructions and operands: see gen.h. */
#include "gen.h"

#include <string.h>

#include "cpu/alu.h"

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

uint64_t gen_operand(struct gen *g)
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

/* Floating-point numbers that matter, for 16, 32 and 64 bits: mantissa widths tell them apart. */
static uint64_t fp_edge(struct gen *g, unsigned bits)
{
    unsigned mant = bits == 16 ? 10 : bits == 32 ? 23 : 52;
    uint64_t exp_max = low_mask(bits - 1 - mant), bias = exp_max >> 1, r = gen_random(g);
    uint64_t fraction = r & low_mask(mant), exponent;

    switch (gen_below(g, 10)) {
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
    default:
        exponent = r >> mant & exp_max;
    }
    return (r >> 63) << (bits - 1) | exponent << mant | fraction;
}

static uint64_t vector_operand(struct gen *g)
{
    uint64_t v = 0;
    unsigned bits = 16u << gen_below(g, 3);

    if (gen_below(g, 3) == 0)
        return gen_operand(g);
    for (unsigned lane = 0; lane < 64; lane += bits)
        v |= fp_edge(g, bits) << lane;
    return v;
}

/* Give all bits of one letter of the pattern, from the lowest, the bits of value. */
static uint32_t set_field(const struct a64_row *row, uint32_t word, char letter, uint64_t value)
{
    for (int bit = 0; bit < 32; bit++) {
        if (row->pattern[31 - bit] != letter)
            continue;
        word = (uint32_t)((word & ~BIT(bit)) | (value & 1) << bit);
        value >>= 1;
    }
    return word;
}

static bool is_mem(const struct a64_row *row)
{
    return row->cls == A64_CLASS_MEM || row->cls == A64_CLASS_VMEM || row->cls == A64_CLASS_ATOMIC;
}

static bool is_literal(const struct a64_row *row)
{
    return strstr(row->name, "_lit");
}

static bool writes_back(const struct a64_row *row)
{
    return strstr(row->name, "_post") || strstr(row->name, "_pre");
}

/* Results that the architecture leaves open (CONSTRAINED UNPREDICTABLE): which registers coincide
 * in loads and stores of general registers. */
static bool is_open(const struct a64_row *row, uint32_t word)
{
    unsigned t = word & 31, n = word >> 5 & 31, u = word >> 10 & 31, s = word >> 16 & 31;
    bool pair = strchr(row->pattern, 'u') && row->cls == A64_CLASS_MEM;

    if (row->cls == A64_CLASS_MEM) {
        if (writes_back(row) && n != 31 && (n == t || (pair && n == u)))
            return true;
        return pair && !strncmp(row->name, "LD", 2) && t == u;
    }
    if (!strncmp(row->name, "STX", 3))
        return s == t || s == u || (s == n && n != 31);
    if (!strncmp(row->name, "LDXP", 4))
        return t == u;
    return false;
}

/* Bits for the fields: each letter all zeros, all ones, or random. */
static uint32_t random_fields(struct gen *g, const struct a64_row *row)
{
    uint32_t word = row->value;
    char done[33] = "";

    for (int k = 0; k < 32; k++) {
        char letter = row->pattern[k];
        uint64_t r = gen_random(g);

        if (letter == '0' || letter == '1' || strchr(done, letter))
            continue;
        done[strlen(done)] = letter;
        switch (r >> 60) {
        case 0:
            r = 0;
            break;
        case 1:
            r = UINT32_MAX;
            break;
        }
        word = set_field(row, word, letter, r);
    }
    return word;
}

/* A displacement in words that stays in the slot, and is not an endless loop. */
static int64_t near_words(struct gen *g)
{
    int64_t d = 1 + gen_below(g, DIFF_SLOT_WORDS - DIFF_SLOT_INSN - 1);

    return gen_below(g, 2) ? d : -d;
}

uint32_t gen_word(struct gen *g, enum a64_op op, uint64_t va)
{
    const struct a64_row *row = &a64_rows[op];
    bool any = gen_below(g, 16) == 0; /* refused words too */
    uint32_t word = row->value;

    for (unsigned tries = 0; tries < 256; tries++) {
        struct a64_insn i;

        word = random_fields(g, row);
        if (row->cls == A64_CLASS_BRANCH)
            word = set_field(row, word, 'i', (uint64_t)near_words(g));
        else if (is_literal(row) && gen_below(g, 2))
            word = set_field(row, word, 'i', (uint64_t)near_words(g));
        else if (is_literal(row))
            word = set_field(row, word, 'i',
                             (DIFF_WINDOW - va + gen_below(g, DIFF_WINDOW_BYTES - 16)) / 4);
        if (a64_match(word) != op || is_open(row, word))
            continue;
        if (any || a64_decode(&i, word, 0) == op)
            break;
    }
    return word;
}

/* An address in the window: aligned, anywhere, or around the page boundary in its middle. */
static uint64_t window_address(struct gen *g, bool aligned)
{
    uint64_t off = 64 + gen_below(g, DIFF_WINDOW_BYTES - 192);

    switch (gen_below(g, 4)) {
    case 0:
        off = DIFF_WINDOW_BYTES / 2 - gen_below(g, 18);
        break;
    case 1:
        break;
    default:
        aligned = true;
    }
    return DIFF_WINDOW + (aligned ? align_down(off, 16) : off);
}

/* Does imm move the address? Structures and post-index accesses are at the base itself. */
static bool has_offset(const struct a64_row *row)
{
    static const a64_format_fn with_offset[] = {
        fmt_ld_uimm, fmt_st_uimm, fmt_ld_simm, fmt_st_simm, fmt_ld_pair,
        fmt_st_pair, fmt_v_uimm,  fmt_v_simm,  fmt_v_pair,
    };

    for (unsigned n = 0; n < ARRAY_LEN(with_offset); n++) {
        if (row->format == with_offset[n])
            return !strstr(row->name, "_post");
    }
    return false;
}

/* Let the base register point so that the access falls into the window. */
static void aim(struct gen *g, const struct a64_row *row, const struct a64_insn *i,
                struct diff_state *s)
{
    bool atomic = row->cls == A64_CLASS_ATOMIC;
    uint64_t offset = has_offset(row) ? (uint64_t)i->imm : 0;
    uint64_t base;

    if (strstr(row->name, "_reg")) {
        uint64_t index = sign_extend(gen_random(g), 6) & (i->ra & 4 ? UINT64_MAX : 15);

        if (i->ra != 3 && i->ra != 7) /* a 32-bit index: whatever is above it */
            index = (index & UINT32_MAX) | gen_random(g) << 32;
        if (i->rm < 31)
            s->x[i->rm] = index;
        offset = alu_extend(i->rm < 31 ? s->x[i->rm] : 0, i->ra, (unsigned)i->imm);
    }
    base = window_address(g, atomic && gen_below(g, 8)) - offset;
    if (i->rn == REG_SP)
        s->sp = align_down(base, 16);
    else
        s->x[i->rn] = base;
}

void gen_state(struct gen *g, enum a64_op op, uint32_t word, uint64_t va, struct diff_in *in)
{
    const struct a64_row *row = &a64_rows[op];
    bool fp = row->cls == A64_CLASS_FP || row->cls == A64_CLASS_SIMD;
    struct diff_state *s = &in->state;
    struct a64_insn i;

    memset(s, 0, sizeof(*s));
    for (unsigned r = 0; r < 31; r++)
        s->x[r] = gen_operand(g);
    for (unsigned r = 0; r < ARRAY_LEN(s->v); r++)
        s->v[r] = vector_operand(g);
    for (unsigned k = 0; k < DIFF_WINDOW_BYTES; k += 8)
        store_le64(&in->window[k], gen_random(g));
    s->sp = gen_operand(g) & ~UINT64_C(15);
    s->pc = va;
    s->nzcv = gen_random(g) & (NZCV_N | NZCV_Z | NZCV_C | NZCV_V);
    if (fp && gen_below(g, 2)) /* AHP, DN, FZ, RMode, FZ16 */
        s->fpcr = gen_random(g) & (BITS(26, 22) | BIT(19));
    if (fp && gen_below(g, 4) == 0) /* QC and the cumulative exception flags */
        s->fpsr = gen_random(g) & (BIT(27) | BIT(7) | BITS(4, 0));
    if (a64_decode(&i, word, 0) != op)
        return;
    if (is_mem(row) && !is_literal(row) && row->format != fmt_none)
        aim(g, row, &i, s);
    /* A computed branch goes to the slot, or anywhere. */
    if (row->format == fmt_rn && i.rn < 31 && gen_below(g, 8))
        s->x[i.rn] = va + (uint64_t)near_words(g) * 4;
    /* CAS compares equal half of the time. */
    if (row->format == fmt_cas && i.rm < 31 && gen_below(g, 2))
        memcpy(&s->x[i.rm], &in->window[(i.rn == REG_SP ? s->sp : s->x[i.rn]) - DIFF_WINDOW], 8);
    if (row->format == fmt_casp && i.rm < 30 && gen_below(g, 2))
        memcpy(&s->x[i.rm], &in->window[(i.rn == REG_SP ? s->sp : s->x[i.rn]) - DIFF_WINDOW], 16);
}
