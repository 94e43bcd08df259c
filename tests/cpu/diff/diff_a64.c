/*
 * Differential test: random instructions of every row of the decode table, on our interpreter and
 * on another arm64 CPU, results compared to the bit.
 *
 * usage: diff_a64 [--seed N|random] [--count N] [--row PART] [--cpu MODEL] -- COMMAND...
 * COMMAND runs native.c's program: "qemu-aarch64-static -cpu ... native", or just "native" on
 * arm64.
 * --count is in instructions. --row restricts the test to rows whose name begins with PART. --cpu
 * max tries also what model `portable` lacks: the other CPU must have it.
 *
 * Three of four slots hold one instruction. The others hold several that only change registers:
 * more instructions for the price of a case, which feed each other. When such a case differs it
 * runs again, shorter, until the instruction is found.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "child.h"
#include "gen.h"
#include "ours.h"
#include "report.h"

#define REPORTS_MAX 20

/* The instructions of a slot, and of a case to report. */
struct sequence {
    unsigned len;
    enum a64_op op[DIFF_SEQUENCE];
    uint32_t word[DIFF_SEQUENCE];
};

struct failure {
    struct sequence code;
    struct diff_in in;
};

/* What a row has been through. */
struct seen {
    uint64_t ran, faulted, misaligned, refused; /* cases; of faults those of single instructions */
    uint32_t ones, zeros;                       /* bits of words that ran */
    uint64_t modes;                             /* of FPCR, a bit each */
    uint64_t raised;                            /* bits of FPSR that a single instruction set */
};

struct test {
    struct gen gen;
    struct rig rig;
    const struct cpu_model *model;
    struct child child;
    enum a64_op rows[A64_OPS];     /* to walk */
    enum a64_op straight[A64_OPS]; /* those of them that go on to the next instruction */
    unsigned row_count, straight_count, next_row, next_straight;
    struct sequence slots[DIFF_BATCHES][DIFF_SLOTS];
    struct failure failures[REPORTS_MAX];
    struct seen seen[A64_OPS];
    uint64_t instructions, mismatches;
};

static void make_single(struct test *t, struct sequence *s, uint64_t va)
{
    s->len = 1;
    s->op[0] = t->rows[t->next_row++ % t->row_count];
    s->word[0] = gen_word(&t->gen, s->op[0], va);
}

static void make_sequence(struct test *t, struct sequence *s, uint64_t va)
{
    unsigned first_rd = gen_below(&t->gen, 32);

    s->len = 2 + gen_below(&t->gen, DIFF_SEQUENCE - 1);
    for (unsigned n = 0; n < s->len; n++) {
        s->op[n] = t->straight[t->next_straight++ % t->straight_count];
        s->word[n] = gen_word_to(&t->gen, s->op[n], va + 4 * n, (first_rd + 5 * n) & 31);
    }
}

static void put_slot(struct diff_batch *batch, unsigned slot, const struct sequence *s)
{
    for (unsigned n = 0; n < DIFF_SEQUENCE; n++)
        batch->insn[slot][n] = n < s->len ? s->word[n] : DIFF_BRK;
}

static void make_batch(struct test *t, unsigned index)
{
    struct diff_batch *batch = &t->child.batch[index];

    gen_refresh(&t->gen);
    for (unsigned slot = 0; slot < DIFF_SLOTS; slot++) {
        struct sequence *s = &t->slots[index][slot];
        uint64_t va = diff_slot_va(slot);

        if (slot % 4 == 3 && t->straight_count)
            make_sequence(t, s, va);
        else
            make_single(t, s, va);
        put_slot(batch, slot, s);
        for (unsigned n = 0; n < DIFF_STATES; n++)
            gen_state(&t->gen, s->op[0], s->word[0], va, &batch->in[slot * DIFF_STATES + n]);
    }
}

/* Run a case here too. Returns true if the results are the same. */
static bool agrees(struct test *t, const struct sequence *s, struct diff_batch *batch, unsigned k,
                   struct diff_out *ours)
{
    ours_run(&t->rig, &batch->in[k], ours);
    for (unsigned n = 0; n < s->len; n++)
        ours_excuse(s->op[n], s->word[n], &batch->in[k], ours, &batch->out[k]);
    return !memcmp(ours, &batch->out[k], sizeof(*ours));
}

static void count(struct test *t, const struct sequence *s, const struct diff_in *in,
                  const struct diff_out *ours)
{
    t->instructions += s->len;
    for (unsigned n = 0; n < s->len; n++) {
        struct seen *seen = &t->seen[s->op[n]];

        seen->refused += ours->end == DIFF_END_UNDEFINED;
        if (ours->end == DIFF_END_UNDEFINED)
            continue;
        seen->ran++;
        seen->ones |= s->word[n];
        seen->zeros |= ~s->word[n];
        seen->modes |= BIT(gen_mode(in->state.fpcr));
        seen->faulted += ours->end == DIFF_END_FAULT;
        seen->misaligned += ours->end == DIFF_END_ALIGN;
        if (s->len == 1)
            seen->raised |= ours->state.fpsr & ~in->state.fpsr;
    }
}

static void check_batch(struct test *t, unsigned index)
{
    struct diff_batch *batch = &t->child.batch[index];

    ours_load(&t->rig, batch);
    for (unsigned k = 0; k < DIFF_CASES; k++) {
        const struct sequence *s = &t->slots[index][k / DIFF_STATES];
        struct diff_out ours;

        if (!agrees(t, s, batch, k, &ours) && t->mismatches++ < REPORTS_MAX)
            t->failures[t->mismatches - 1] = (struct failure){ *s, batch->in[k] };
        count(t, s, &batch->in[k], &ours);
    }
}

/* Find the instruction that makes the difference: slot n runs the first n + 1 of them. */
static int narrow(struct test *t, const struct failure *f)
{
    struct diff_batch *batch = &t->child.batch[0];
    struct diff_in in = f->in;
    struct sequence part = f->code;
    int rc;

    memset(batch, 0, sizeof(*batch));
    for (unsigned slot = 0; slot < DIFF_SLOTS; slot++) {
        part.len = slot < f->code.len ? slot + 1 : 0;
        put_slot(batch, slot, &part);
        in.state.pc = diff_slot_va(slot);
        for (unsigned n = 0; n < DIFF_STATES; n++)
            batch->in[slot * DIFF_STATES + n] = in;
    }
    rc = child_send(&t->child, 0);
    if (rc == 0)
        rc = child_wait(&t->child);
    if (rc < 0)
        return rc;
    ours_load(&t->rig, batch);
    for (unsigned n = 0; n < f->code.len; n++) {
        struct diff_out ours;

        part.len = n + 1;
        if (!agrees(t, &part, batch, n * DIFF_STATES, &ours)) {
            report_case(part.op[n], part.word[n], &in, &ours, &batch->out[n * DIFF_STATES]);
            return 0;
        }
        in.state = ours.state;
    }
    printf("%s %08x and so on (%u instructions): differs only after the cases before it\n",
           a64_rows[part.op[0]].name, part.word[0], part.len);
    return 0;
}

static int run_batches(struct test *t, uint64_t instructions)
{
    unsigned now = 0;
    int rc;

    make_batch(t, now);
    rc = child_send(&t->child, now);
    while (rc == 0 && t->instructions < instructions) {
        unsigned next = (now + 1) % DIFF_BATCHES;

        make_batch(t, next);
        rc = child_send(&t->child, next);
        if (rc == 0)
            rc = child_wait(&t->child);
        if (rc < 0) {
            printf("the other CPU died; it was given rows %s to %s\n",
                   a64_rows[t->slots[now][0].op[0]].name,
                   a64_rows[t->slots[now][DIFF_SLOTS - 2].op[0]].name);
            return rc;
        }
        check_batch(t, now);
        now = next;
    }
    if (rc == 0)
        rc = child_wait(&t->child);
    for (unsigned n = 0; rc == 0 && n < t->mismatches && n < REPORTS_MAX; n++)
        rc = narrow(t, &t->failures[n]);
    return rc;
}

/* In a sequence, later instructions see what the other CPU makes of the row: not when that has to
 * be corrected. */
static bool can_feed_others(enum a64_op op)
{
    return gen_goes_on(op) && strcmp(a64_rows[op].name, "FCVTZSi_sh") != 0;
}

/* Rows that can be compared and whose names begin with part. */
static void pick_rows(struct test *t, const char *part)
{
    for (unsigned op = 0; op < A64_OPS; op++) {
        const struct a64_row *row = &a64_rows[op];

        if (row->flags || (row->needs & ~t->model->features) ||
            strncmp(row->name, part, strlen(part)))
            continue;
        t->rows[t->row_count++] = (enum a64_op)op;
        if (can_feed_others((enum a64_op)op))
            t->straight[t->straight_count++] = (enum a64_op)op;
    }
}

static bool is_fp(enum a64_op op)
{
    return a64_rows[op].cls == A64_CLASS_FP || a64_rows[op].cls == A64_CLASS_SIMD;
}

static const char *const class_names[] = {
    [A64_CLASS_INT] = "integer",        [A64_CLASS_BRANCH] = "branch",
    [A64_CLASS_MEM] = "load and store", [A64_CLASS_ATOMIC] = "ordered, atomic",
    [A64_CLASS_SYSTEM] = "system",      [A64_CLASS_FP] = "floating point",
    [A64_CLASS_SIMD] = "AdvSIMD",       [A64_CLASS_VMEM] = "vector load, store",
};

/* By class of rows: bits of fields that were both 0 and 1 in words that ran (where the manual
 * reserves a value they cannot be); instructions that ran to their end or faulted, those that are
 * UNDEFINED; rows that ran in every mode of FPCR, rows that set a bit of FPSR. */
static void show_counts(const struct test *t)
{
    printf("%-18s %5s %11s %10s %8s %8s %9s %6s   %s\n", "class", "rows", "fields", "ran", "faults",
           "misalign", "UNDEFINED", "modes", "IOC  DZC  OFC  UFC  IXC  IDC   QC");
    for (unsigned cls = 0; cls < ARRAY_LEN(class_names); cls++) {
        static const uint8_t flags[] = { 0, 1, 2, 3, 4, 7, 27 };
        struct seen sum = { 0 };
        unsigned rows = 0, all_modes = 0, raised[ARRAY_LEN(flags)] = { 0 };
        unsigned bits = 0, tried = 0;
        char fields[24];

        for (unsigned r = 0; r < t->row_count; r++) {
            const struct seen *seen = &t->seen[t->rows[r]];

            if (a64_rows[t->rows[r]].cls != cls)
                continue;
            rows++;
            bits += (unsigned)__builtin_popcount(~a64_rows[t->rows[r]].mask);
            tried += (unsigned)__builtin_popcount(seen->ones & seen->zeros);
            sum.ran += seen->ran;
            sum.faulted += seen->faulted;
            sum.misaligned += seen->misaligned;
            sum.refused += seen->refused;
            all_modes += is_fp(t->rows[r]) && seen->modes == UINT64_MAX;
            for (unsigned f = 0; f < ARRAY_LEN(flags); f++)
                raised[f] += seen->raised >> flags[f] & 1;
        }
        snprintf(fields, sizeof(fields), "%u/%u", tried, bits);
        printf("%-18s %5u %11s %10" PRIu64 " %8" PRIu64 " %8" PRIu64 " %9" PRIu64 " %6u  ",
               class_names[cls], rows, fields, sum.ran, sum.faulted, sum.misaligned, sum.refused,
               all_modes);
        for (unsigned f = 0; f < ARRAY_LEN(flags); f++)
            printf(" %4u", raised[f]);
        printf("\n");
    }
}

/* Rows that never ran, or, where FPCR matters and there was time enough, not in all its modes. */
static unsigned rows_missed(const struct test *t)
{
    unsigned missed = 0;

    for (unsigned r = 0; r < t->row_count; r++) {
        const struct a64_row *row = &a64_rows[t->rows[r]];
        const struct seen *seen = &t->seen[t->rows[r]];

        if (!seen->ran)
            printf("row %s was never executed\n", row->name);
        else if (is_fp(t->rows[r]) && seen->modes != UINT64_MAX &&
                 t->instructions / t->row_count > 1000)
            printf("row %s was not executed in all modes of FPCR\n", row->name);
        else
            continue;
        missed++;
    }
    return missed;
}

static int run(struct test *t, uint64_t instructions, uint64_t seed, char *const argv[])
{
    unsigned missed;
    int rc = child_start(&t->child, argv);

    if (rc < 0)
        return rc;
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    rig_init(&t->rig);
    rig_unmap_device(&t->rig); /* the other side has none: a wild address faults */
    t->rig.soc.model = t->model;
    gen_init(&t->gen, seed);
    rc = run_batches(t, instructions);
    child_stop(&t->child);
    rig_fini(&t->rig);
    missed = rows_missed(t);
    show_counts(t);
    printf("seed %" PRIu64 ": %" PRIu64 " instructions, %u of %u rows, %" PRIu64 " cases differ\n",
           seed, t->instructions, t->row_count - missed, t->row_count, t->mismatches);
    return rc < 0 ? rc : t->mismatches || missed ? -EINVAL : 0;
}

static uint64_t parse_seed(const char *text)
{
    uint64_t seed;

    if (strcmp(text, "random"))
        return strtoull(text, NULL, 0);
    return getentropy(&seed, sizeof(seed)) < 0 ? 0 : seed;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seed", required_argument, NULL, 's' },
        { "count", required_argument, NULL, 'n' },
        { "row", required_argument, NULL, 'r' },
        { "cpu", required_argument, NULL, 'c' },
        { 0 },
    };
    uint64_t seed = 1, instructions = 2000000;
    const char *part = "", *cpu = "portable";
    struct err err;
    struct test *t = calloc(1, sizeof(*t));
    int opt, rc;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 's')
            seed = parse_seed(optarg);
        else if (opt == 'n')
            instructions = strtoull(optarg, NULL, 0);
        else if (opt == 'r')
            part = optarg;
        else if (opt == 'c')
            cpu = optarg;
        else
            return 2;
    }
    if (!t || optind == argc) {
        fprintf(stderr,
                "usage: diff_a64 [--seed N|random] [--count N] [--row PART] [--cpu MODEL] -- "
                "COMMAND...\n");
        return 2;
    }
    if (idregs_find(cpu, &t->model, &err) < 0) {
        fprintf(stderr, "diff_a64: %s\n", err.msg);
        return 2;
    }
    pick_rows(t, part);
    if (!t->row_count) {
        fprintf(stderr, "diff_a64: no row begins with %s\n", part);
        return 2;
    }
    rc = run(t, instructions, seed, argv + optind);
    free(t);
    return rc < 0 ? 1 : 0;
}
