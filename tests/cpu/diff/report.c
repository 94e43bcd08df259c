/* Registers, memory and ends of a case in which the CPUs differ. */
#include "report.h"

#include <stdio.h>

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

void report_case(enum a64_op op, uint32_t word, const struct diff_in *in,
                 const struct diff_out *ours, const struct diff_out *theirs)
{
    static const char *const ends[] = { "?", "went on", "UNDEFINED", "fault", "alignment", "odd" };

    printf("%s %08x: ours %s, theirs %s\n", a64_rows[op].name, word, ends[ours->end],
           ends[theirs->end]);
    show_inputs(in, op, word);
    if (ours->fault != theirs->fault)
        printf("    fault address: ours %llx theirs %llx\n", (unsigned long long)ours->fault,
               (unsigned long long)theirs->fault);
    show_state(&in->state, &ours->state, &theirs->state);
    for (unsigned b = 0; b < DIFF_WINDOW_BYTES; b++) {
        if (ours->window[b] != theirs->window[b])
            printf("    memory %x: was %02x ours %02x theirs %02x\n", DIFF_WINDOW + b,
                   in->window[b], ours->window[b], theirs->window[b]);
    }
}
