/* Random words of a row, and states to run them with: see gen.h. */
#include "gen.h"

#include <string.h>

#include "cpu/alu.h"

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

bool gen_goes_on(enum a64_op op)
{
    unsigned cls = a64_rows[op].cls;

    return cls == A64_CLASS_INT || cls == A64_CLASS_FP || cls == A64_CLASS_SIMD;
}

uint32_t gen_word_to(struct gen *g, enum a64_op op, uint64_t va, unsigned rd)
{
    const struct a64_row *row = &a64_rows[op];
    struct a64_insn i;
    uint32_t word;

    do
        word = set_field(row, random_fields(g, row), 'd', rd);
    while (a64_decode(&i, word, va & 4095) != op);
    return word;
}

/* An address in the window: aligned, anywhere, or around the page boundary in its middle; and
 * sometimes at either end of what is mapped. */
static uint64_t window_address(struct gen *g, bool aligned)
{
    uint64_t off = 64 + gen_below(g, DIFF_WINDOW_BYTES - 192), base = DIFF_WINDOW;

    switch (gen_below(g, 16)) {
    case 0:
        base = DIFF_CODE;
        off = 0 - (uint64_t)gen_below(g, 36);
        break;
    case 1:
        base = DIFF_CODE + DIFF_MAP_BYTES;
        off = 0 - (uint64_t)gen_below(g, 36);
        break;
    case 2:
    case 3:
    case 4:
        off = DIFF_WINDOW_BYTES / 2 - gen_below(g, 18);
        break;
    case 5:
    case 6:
    case 7:
        break;
    default:
        aligned = true;
    }
    return base + (aligned ? align_down(off, 16) : off);
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
    if (gen_below(g, 8) == 0) /* a tag, which TBI0 ignores */
        base ^= gen_random(g) << 56;
    if (i->rn == REG_SP)
        s->sp = align_down(base, 16);
    else
        s->x[i->rn] = base;
}

uint64_t gen_fpcr(unsigned mode)
{
    return (uint64_t)(mode & 31) << 22 | (uint64_t)(mode >> 5 & 1) << 19;
}

unsigned gen_mode(uint64_t fpcr)
{
    return (unsigned)(fpcr >> 22 & 31) | (unsigned)(fpcr >> 19 & 1) << 5;
}

/* The negated product of two numbers, rounded, for an addend that leaves only the rounding. */
static uint64_t minus_product(uint64_t a, uint64_t b, bool wide)
{
    union {
        uint64_t u;
        double d;
        float s[2];
    } x = { .u = a }, y = { .u = b };

    if (wide)
        x.d = -(x.d * y.d);
    else
        for (unsigned k = 0; k < 2; k++)
            x.s[k] = -(x.s[k] * y.s[k]);
    return x.u;
}

/* Operands that have to do with each other: equal, one apart, one the other's negation. */
static void relate(struct gen *g, const struct a64_row *row, uint32_t word, struct diff_state *s)
{
    static const uint8_t fields[] = { 0, 5, 10, 16 };
    unsigned to = word >> fields[gen_below(g, ARRAY_LEN(fields))] & 31, n = word >> 5 & 31;
    unsigned from = word >> fields[gen_below(g, ARRAY_LEN(fields))] & 31, m = word >> 16 & 31;
    uint64_t change = (uint64_t)gen_below(g, 3) - 1, sign = 0;

    if (gen_below(g, 2))
        sign = gen_below(g, 2) ? BIT(63) | BIT(31) : UINT64_C(0x8000800080008000);
    if (!strncmp(row->name, "FM", 2) || !strncmp(row->name, "FNM", 3)) {
        to = strchr(row->pattern, 'a') ? word >> 10 & 31 : word & 31;
        for (unsigned half = 0; half < 2; half++)
            s->v[2 * to + half] =
                minus_product(s->v[2 * n + half], s->v[2 * m + half], word >> 22 & 1) ^ sign;
        return;
    }
    for (unsigned half = 0; half < 2; half++)
        s->v[2 * to + half] = (s->v[2 * from + half] + change) ^ sign;
    if (to < 31 && from < 31)
        s->x[to] = s->x[from] + change;
}

/* Let a compare-and-swap find what it compares with: what it reads if that is in the window. */
static void make_equal(struct diff_in *in, const struct a64_insn *i, unsigned bytes)
{
    struct diff_state *s = &in->state;
    uint64_t va = (i->rn == REG_SP ? s->sp : s->x[i->rn]) & DIFF_ADDR;

    if (va >= DIFF_WINDOW && va - DIFF_WINDOW <= DIFF_WINDOW_BYTES - bytes)
        memcpy(&s->x[i->rm], &in->window[va - DIFF_WINDOW], bytes);
}

void gen_state(struct gen *g, enum a64_op op, uint32_t word, uint64_t va, struct diff_in *in)
{
    const struct a64_row *row = &a64_rows[op];
    bool fp = row->cls == A64_CLASS_FP || row->cls == A64_CLASS_SIMD;
    struct diff_state *s = &in->state;
    struct a64_insn i;

    memset(s, 0, sizeof(*s));
    gen_pick(g, g->ints, s->x, 31);
    gen_pick(g, g->vectors, s->v, ARRAY_LEN(s->v));
    for (unsigned k = 0; k < DIFF_WINDOW_BYTES; k += 8)
        store_le64(&in->window[k], gen_random(g));
    s->sp = g->ints[gen_below(g, GEN_POOL)] & ~UINT64_C(15);
    s->pc = va;
    s->nzcv = gen_random(g) & (NZCV_N | NZCV_Z | NZCV_C | NZCV_V);
    if (fp && gen_below(g, 2))
        s->fpcr = gen_fpcr(g->mode[op]++);
    if (fp && gen_below(g, 4) == 0) /* QC and the cumulative exception flags */
        s->fpsr = gen_random(g) & (BIT(27) | BIT(7) | BITS(4, 0));
    else if (fp && gen_below(g, 2)) /* Inexact is set: the host's FPU may help */
        s->fpsr = BIT(4);
    if (a64_decode(&i, word, 0) != op)
        return;
    if (gen_goes_on(op) && gen_below(g, 4) == 0)
        relate(g, row, word, s);
    if (is_mem(row) && !is_literal(row) && row->format != fmt_none)
        aim(g, row, &i, s);
    /* A computed branch goes to the slot, or anywhere; a tag does not matter. */
    if (row->format == fmt_rn && i.rn < 31 && gen_below(g, 8))
        s->x[i.rn] = va + (uint64_t)near_words(g) * 4;
    if (row->format == fmt_rn && i.rn < 31 && gen_below(g, 8) == 0)
        s->x[i.rn] ^= gen_random(g) << 56;
    if (row->format == fmt_cas && i.rm < 31 && gen_below(g, 2))
        make_equal(in, &i, 8);
    if (row->format == fmt_casp && i.rm < 30 && gen_below(g, 2))
        make_equal(in, &i, 16);
}
