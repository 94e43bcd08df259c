/*
 * Differential test: random instructions of every row of the decode table, on our interpreter and
 * on another arm64 CPU, results compared to the bit.
 *
 * usage: diff_a64 [--seed N] [--cases N] [--row PART] [--cpu MODEL] -- COMMAND...
 * COMMAND runs native.c's program: "qemu-aarch64-static -cpu ... native", or just "native" on
 * arm64.
 * --row restricts the test to rows whose name begins with PART. --cpu max tries also what model
 * `portable` lacks: the other CPU must have it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "../rig.h"
#include "arch/esr.h"
#include "child.h"
#include "gen.h"

#define REPORTS_MAX 20

struct test {
    struct gen gen;
    struct rig rig;
    const struct cpu_model *model;
    struct child child;
    enum a64_op rows[A64_OPS]; /* to walk */
    unsigned row_count, next_row;
    uint64_t ran[A64_OPS]; /* cases in which the instruction was accepted */
    uint64_t cases, mismatches;
    struct diff_batch batch;
    enum a64_op ops[DIFF_SLOTS];
    struct diff_out theirs[DIFF_CASES];
};

static enum diff_end end_of(const struct cpu *c)
{
    unsigned fsc = c->sys.esr_el1 & ISS_DABT_DFSC;

    switch (FIELD_GET(ESR_EC, c->sys.esr_el1)) {
    case EC_BRK64:
        return DIFF_END_BRK;
    case EC_UNKNOWN:
        return DIFF_END_UNDEFINED;
    case EC_PC_ALIGN:
        return DIFF_END_ALIGN;
    case EC_IABT_LOWER:
    case EC_DABT_LOWER:
        return fsc == FSC_ALIGNMENT ? DIFF_END_ALIGN : DIFF_END_FAULT;
    default:
        return DIFF_END_ODD;
    }
}

/* One case on our CPU. */
static void run_ours(struct rig *rig, const struct diff_in *in, struct diff_out *out)
{
    struct cpu *c = rig->c;

    memcpy(rig_ptr(rig, DIFF_WINDOW), in->window, DIFF_WINDOW_BYTES);
    rig_enter(rig, in->state.pc, in->state.nzcv);
    memcpy(c->x, in->state.x, sizeof(in->state.x));
    c->x[REG_SP] = in->state.sp;
    memcpy(c->v, in->state.v, sizeof(in->state.v));
    c->fpcr = in->state.fpcr;
    c->fpsr = in->state.fpsr;

    memset(out, 0, sizeof(*out));
    if (rig_run(rig) != CPU_STOP_HVC) {
        out->end = DIFF_END_ODD;
        return;
    }
    out->end = end_of(c);
    if (out->end == DIFF_END_FAULT || out->end == DIFF_END_ALIGN)
        out->fault = c->sys.far_el1 & DIFF_ADDR;
    memcpy(out->state.x, c->x, sizeof(out->state.x));
    out->state.sp = c->sp_bank[0];
    out->state.pc = c->sys.elr_el1;
    out->state.nzcv = c->sys.spsr_el1 & BITS(31, 28);
    memcpy(out->state.v, c->v, sizeof(out->state.v));
    out->state.fpcr = c->fpcr;
    out->state.fpsr = c->fpsr;
    memcpy(out->window, rig_ptr(rig, DIFF_WINDOW), DIFF_WINDOW_BYTES);
}

static void show_state(const struct diff_state *in, const struct diff_state *ours,
                       const struct diff_state *theirs)
{
    const uint64_t *a = (const uint64_t *)in, *b = (const uint64_t *)ours;
    const uint64_t *t = (const uint64_t *)theirs;

    for (unsigned k = 0; k < sizeof(*in) / 8; k++) {
        char name[8] = "";

        if (b[k] == t[k])
            continue;
        if (k < 31)
            snprintf(name, sizeof(name), "x%u", k);
        else if (k < 34)
            snprintf(name, sizeof(name), "%s", k == 31 ? "sp" : k == 32 ? "pc" : "nzcv");
        else if (k < 98)
            snprintf(name, sizeof(name), "v%u.%s", (k - 34) / 2, k % 2 ? "hi" : "lo");
        else
            snprintf(name, sizeof(name), "%s", k == 98 ? "fpcr" : "fpsr");
        printf("    %-6s was %016llx  ours %016llx  theirs %016llx\n", name,
               (unsigned long long)a[k], (unsigned long long)b[k], (unsigned long long)t[k]);
    }
}

/* The registers that the usual fields name, as they were. */
static void show_inputs(const struct diff_in *in, enum a64_op op, uint32_t word)
{
    bool vector = a64_rows[op].cls == A64_CLASS_SIMD || a64_rows[op].cls == A64_CLASS_FP;
    static const uint8_t fields[] = { 0, 5, 10, 16 };

    printf("    in: nzcv %llx fpcr %llx sp %llx", (unsigned long long)in->state.nzcv >> 28,
           (unsigned long long)in->state.fpcr, (unsigned long long)in->state.sp);
    for (unsigned f = 0; f < ARRAY_LEN(fields); f++) {
        unsigned r = word >> fields[f] & 31;

        if (r < 31)
            printf(" x%u=%llx", r, (unsigned long long)in->state.x[r]);
        if (vector)
            printf(" v%u=%llx:%llx", r, (unsigned long long)in->state.v[2 * r + 1],
                   (unsigned long long)in->state.v[2 * r]);
    }
    printf("\n");
}

/* Where QEMU is known to differ from the manual: what it says is replaced by what we say.
 * docs/cpu.md has the reasons. */
static void excuse(enum a64_op op, uint32_t word, const struct diff_out *ours,
                   struct diff_out *theirs)
{
    const char *name = a64_rows[op].name;

    /* On x86-64 it loses the address of an atomic access that is not canonical. */
    if (ours->end == DIFF_END_FAULT && theirs->end == DIFF_END_FAULT && !theirs->fault &&
        a64_rows[op].cls == A64_CLASS_ATOMIC)
        theirs->fault = ours->fault;
    /* FCVTZS of a half to fixed point: the result is 16 bits wide, above it is zero. It
     * sign-extends to 32. */
    if (!strcmp(name, "FCVTZSi_sh"))
        theirs->state.v[2 * (word & 31)] &= 0xffff;
    if (ours->end != DIFF_END_ALIGN)
        return;
    /* It looks at the mapping of a PC before its alignment. */
    if (theirs->end == DIFF_END_FAULT && (theirs->state.pc & 3))
        theirs->end = DIFF_END_ALIGN;
    /* It never checks the alignment of LDAPR; of STXR and STXP only when the monitor matches. */
    if (theirs->end == DIFF_END_BRK && (!strncmp(name, "LDAPR", 5) || !strncmp(name, "STX", 3)))
        memcpy(theirs, ours, sizeof(*theirs));
}

static void report(struct test *t, unsigned k, const struct diff_out *ours)
{
    static const char *const ends[] = { "?", "went on", "UNDEFINED", "fault", "alignment", "odd" };
    const struct diff_out *theirs = &t->theirs[k];
    unsigned slot = k / DIFF_STATES;
    uint32_t word = t->batch.insn[slot];

    if (t->mismatches++ >= REPORTS_MAX)
        return;
    printf("%s %08x: ours %s, theirs %s\n", a64_rows[t->ops[slot]].name, word, ends[ours->end],
           ends[theirs->end]);
    if (t->rig.c->stop == CPU_STOP_ERROR)
        printf("    %s\n", t->rig.c->reason);
    show_inputs(&t->batch.in[k], t->ops[slot], word);
    if (ours->fault != theirs->fault)
        printf("    fault address: ours %llx theirs %llx\n", (unsigned long long)ours->fault,
               (unsigned long long)theirs->fault);
    show_state(&t->batch.in[k].state, &ours->state, &theirs->state);
    for (unsigned b = 0; b < DIFF_WINDOW_BYTES; b++) {
        if (ours->window[b] != theirs->window[b])
            printf("    memory %x: was %02x ours %02x theirs %02x\n", DIFF_WINDOW + b,
                   t->batch.in[k].window[b], ours->window[b], theirs->window[b]);
    }
}

static int run_batch(struct test *t)
{
    int rc;

    /* As native.c does: a store to a wild address may have hit the code. */
    for (unsigned w = 0; w < DIFF_CODE_BYTES / 4; w++)
        rig_poke(&t->rig, DIFF_CODE + 4 * w, DIFF_BRK);
    for (unsigned slot = 0; slot < DIFF_SLOTS; slot++) {
        enum a64_op op = t->rows[t->next_row++ % t->row_count];
        uint64_t va = diff_slot_va(slot);

        t->ops[slot] = op;
        t->batch.insn[slot] = gen_word(&t->gen, op, va);
        rig_poke(&t->rig, va, t->batch.insn[slot]);
        for (unsigned n = 0; n < DIFF_STATES; n++)
            gen_state(&t->gen, op, t->batch.insn[slot], va, &t->batch.in[slot * DIFF_STATES + n]);
    }
    rc = child_exchange(&t->child, &t->batch, t->theirs);
    if (rc < 0) {
        printf("the other CPU died; it was given rows %s to %s\n", a64_rows[t->ops[0]].name,
               a64_rows[t->ops[DIFF_SLOTS - 1]].name);
        return rc;
    }
    for (unsigned k = 0; k < DIFF_CASES; k++) {
        struct diff_out ours;

        run_ours(&t->rig, &t->batch.in[k], &ours);
        if (ours.end != DIFF_END_UNDEFINED)
            t->ran[t->ops[k / DIFF_STATES]]++;
        excuse(t->ops[k / DIFF_STATES], t->batch.insn[k / DIFF_STATES], &ours, &t->theirs[k]);
        if (memcmp(&ours, &t->theirs[k], sizeof(ours)))
            report(t, k, &ours);
        t->cases++;
    }
    return 0;
}

/* Rows that can be compared and whose names begin with part. */
static void pick_rows(struct test *t, const char *part)
{
    for (unsigned op = 0; op < A64_OPS; op++) {
        const struct a64_row *row = &a64_rows[op];

        if (!row->flags && !(row->needs & ~t->model->features) &&
            !strncmp(row->name, part, strlen(part)))
            t->rows[t->row_count++] = (enum a64_op)op;
    }
}

static unsigned rows_never_ran(const struct test *t)
{
    unsigned missed = 0;

    for (unsigned r = 0; r < t->row_count; r++) {
        if (t->ran[t->rows[r]])
            continue;
        printf("row %s was never executed\n", a64_rows[t->rows[r]].name);
        missed++;
    }
    return missed;
}

static int run(struct test *t, uint64_t cases, uint64_t seed, char *const argv[])
{
    unsigned missed;
    int rc = child_start(&t->child, argv);

    if (rc < 0)
        return rc;
    rig_init(&t->rig);
    t->rig.soc.model = t->model;
    t->gen.state = seed;
    while (rc == 0 && t->cases < cases)
        rc = run_batch(t);
    child_stop(&t->child);
    rig_fini(&t->rig);
    missed = rows_never_ran(t);
    printf("seed %llu: %llu cases, %u of %u rows, %llu differ\n", (unsigned long long)seed,
           (unsigned long long)t->cases, t->row_count - missed, t->row_count,
           (unsigned long long)t->mismatches);
    return rc < 0 ? rc : t->mismatches || missed ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seed", required_argument, NULL, 's' },
        { "cases", required_argument, NULL, 'n' },
        { "row", required_argument, NULL, 'r' },
        { "cpu", required_argument, NULL, 'c' },
        { 0 },
    };
    uint64_t seed = 1, cases = 200000;
    const char *part = "", *cpu = "portable";
    struct err err;
    struct test *t = calloc(1, sizeof(*t));
    int opt, rc;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 's')
            seed = strtoull(optarg, NULL, 0);
        else if (opt == 'n')
            cases = strtoull(optarg, NULL, 0);
        else if (opt == 'r')
            part = optarg;
        else if (opt == 'c')
            cpu = optarg;
        else
            return 2;
    }
    if (!t || optind == argc) {
        fprintf(stderr, "usage: diff_a64 [--seed N] [--cases N] [--row PART] [--cpu MODEL] -- "
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
    rc = run(t, cases, seed, argv + optind);
    free(t);
    return rc < 0 ? 1 : 0;
}
