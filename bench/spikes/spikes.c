/*
 * Times the spikes of emit.py against the same loops compiled for this host: x86-64 Linux.
 *
 *   spikes [GROUP ...]
 *
 * The variants of a group take turns, in runs of a few milliseconds; the median of each counts.
 * What a loop computes is compared with the compiled one. Columns: nanoseconds for one pass through
 * the loop's body (one call, in `recursion`), and times the compiled loop.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define ROUNDS       61
#define RUN_NS       3000000
#define VARIANTS_MAX 16
#define HUGE_PAGE    (2 << 20)
#define PAGE         4096
#define MEM_BYTES    (4 << 20)
#define GUEST_VA     UINT64_C(0x7f1234400000)
#define KEY_BITS     0x123
#define TLB_SIZE     2048
#define FIB_N        20
#define FIB_CALLS    21891 /* of fib(20), itself included */

struct entry32 {
    uint64_t tag_r, tag_w, addend, meta;
};
struct entry16 {
    uint64_t tag, addend;
};
struct target {
    uint64_t guest;
    const void *host;
};

/* As src/cpu/tlb.h has it: reached by a pointer. */
struct spike_tlb {
    uint64_t key[2], base[2];
    struct entry32 data[TLB_SIZE];
};

struct spike_cpu {
    uint64_t x[34];
    uint64_t nzcv, request, retired, count;
    struct spike_tlb *tlb;
    uint64_t key[2], addend, ring_at, budget;
    uint8_t pad0[0x200 - 0x160];
    struct target ring[16];
    uint8_t pad1[0x1000 - 0x300];
    struct target targets[1024];
    uint8_t pad2[0x8000 - 0x5000];
    struct entry32 tlb32[TLB_SIZE];
    struct entry16 tlb16_r[TLB_SIZE], tlb16_w[TLB_SIZE];
};
_Static_assert(offsetof(struct spike_cpu, nzcv) == 0x110, "emit.py: NZCV");
_Static_assert(offsetof(struct spike_cpu, budget) == 0x158, "emit.py: BUDGET");
_Static_assert(offsetof(struct spike_cpu, ring) == 0x200, "emit.py: RING");
_Static_assert(offsetof(struct spike_cpu, targets) == 0x1000, "emit.py: TARGETS");
_Static_assert(offsetof(struct spike_cpu, tlb32) == 0x8000, "emit.py: TLB32");
_Static_assert(offsetof(struct spike_cpu, tlb16_w) == 0x20000, "emit.py: TLB16_W");

typedef uint64_t spike_fn(struct spike_cpu *c, uint64_t passes);

struct spike_row {
    const char *group, *title;
    spike_fn *run;
    const struct target *sites;
};
extern const struct spike_row spike_rows[];

const void *spike_lookup(const struct spike_cpu *c, uint64_t guest);

/* What a translator's look-up helper does, without what QEMU's does besides. */
const void *spike_lookup(const struct spike_cpu *c, uint64_t guest)
{
    const struct target *target = &c->targets[guest >> 2 & 1023];

    if (target->guest != guest)
        abort();
    return target->host;
}

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x >> by | x << (64 - by);
}

static uint32_t rotate32(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

static uint64_t native_l1(struct spike_cpu *c, uint64_t passes)
{
    uint64_t *word = (uint64_t *)(uintptr_t)(c->x[2] + c->addend), sum = c->x[0];

    while (passes--) {
        for (uint64_t i = 0; i < 2048; i++) {
            sum += word[i];
            word[i] = sum ^ i;
        }
    }
    return sum;
}

static uint64_t native_chase(struct spike_cpu *c, uint64_t passes)
{
    /* The nodes hold guest addresses; the compiled loop adds what it takes to follow them. */
    uint64_t at = c->x[0];

    while (passes--) {
        for (unsigned i = 0; i < 1024; i++)
            at = *(const uint64_t *)(uintptr_t)(at + c->addend);
    }
    return at;
}

static __attribute__((noinline)) uint64_t fib(uint64_t n)
{
    if (n < 2)
        return n;
    uint64_t one = fib(n - 1), two = fib(n - 2);
    __asm__ volatile("" : "+r"(one), "+r"(two));
    return one + two;
}

static uint64_t native_recursion(struct spike_cpu *c, uint64_t passes)
{
    uint64_t result = 0;

    while (passes--)
        result = fib(c->x[20]);
    return result;
}

static uint64_t native_blocks(struct spike_cpu *c, uint64_t passes)
{
    uint64_t a = c->x[0], b = c->x[1], d = c->x[2], e = c->x[4], f = c->x[5], g = c->x[6];

    while (passes--) {
        for (unsigned i = 1024; i; i--) {
            a += 1;
            b ^= a;
            d += 5;
            e -= 3;
            f += d;
            g ^= 77;
            a += 9;
            e |= 1;
            b -= 1;
            d += e;
            f ^= 12;
            g += 2;
            a += g;
            e -= d;
            b += 8;
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(f));
        }
    }
    return a;
}

static uint64_t native_alu(struct spike_cpu *c, uint64_t passes)
{
    uint64_t sum = c->x[0], a = c->x[1], b = c->x[2], by = c->x[5];

    while (passes--) {
        for (unsigned i = 1024; i; i--) {
            a ^= a << 13;
            a ^= a >> 7;
            a ^= a << 17;
            b = rotate(b * by + a, 41);
            sum += b ^ a >> 3;
        }
    }
    return sum;
}

static uint64_t native_tight(struct spike_cpu *c, uint64_t passes)
{
    uint64_t sum = c->x[0];

    while (passes--) {
        for (unsigned i = 1024; i; i--) {
            sum += c->x[1];
            __asm__ volatile("" : "+r"(sum)); /* or it would be a multiplication */
        }
    }
    return sum;
}

static uint64_t native_sha256(struct spike_cpu *c, uint64_t passes)
{
    uint32_t s[8];
    const uint32_t *w = (const uint32_t *)(uintptr_t)c->x[9];
    const uint32_t *k = (const uint32_t *)(uintptr_t)c->x[10];

    for (unsigned i = 0; i < 8; i++)
        s[i] = (uint32_t)c->x[i];
    uint32_t a = s[0], b = s[1], d = s[2], e = s[3], f = s[4], g = s[5], h = s[6], j = s[7];
    while (passes--) {
        for (unsigned i = 0; i < 64; i++) {
            uint32_t t1 = j + (rotate32(f, 6) ^ rotate32(f, 11) ^ rotate32(f, 25)) +
                          ((f & g) ^ (h & ~f)) + w[i] + k[i];
            uint32_t t2 =
                (rotate32(a, 2) ^ rotate32(a, 13) ^ rotate32(a, 22)) + ((a & b) ^ ((a ^ b) & d));
            j = h;
            h = g;
            g = f;
            f = e + t1;
            e = d;
            d = b;
            b = a;
            a = t1 + t2;
        }
    }
    return a;
}

static const struct group {
    const char *name;
    spike_fn *native;
    unsigned bodies; /* of the loop in one pass */
} groups[] = {
    { "l1", native_l1, 2048 },
    { "chase", native_chase, 1024 },
    { "recursion", native_recursion, FIB_CALLS },
    { "blocks", native_blocks, 1024 },
    { "alu", native_alu, 1024 },
    { "sha256", native_sha256, 64 },
    { "flags_alu", native_alu, 1024 },
    { "flags_tight", native_tight, 1024 },
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static void *pages(size_t bytes)
{
    void *mem = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);

    if (!mem) {
        fprintf(stderr, "spikes: no memory\n");
        exit(1);
    }
    madvise(mem, bytes, MADV_HUGEPAGE);
    memset(mem, 0, bytes);
    return mem;
}

/* The same start for every run of a group: what is computed can then be compared. */
static void prepare(struct spike_cpu *c, const char *group, const struct spike_row *row,
                    uint8_t *mem)
{
    uint64_t *word = (uint64_t *)mem, random = 7;

    for (unsigned i = 0; i < 32; i++)
        c->x[i] = 0x9e3779b97f4a7c15 * (i + 1);
    c->addend = (uint64_t)(uintptr_t)mem - GUEST_VA;
    c->request = 0;
    c->budget = INT64_MAX;
    c->ring_at = 0;
    if (!strcmp(group, "l1")) {
        for (unsigned i = 0; i < 2048; i++)
            word[i] = i * 77;
        c->x[2] = GUEST_VA;
    } else if (!strcmp(group, "chase")) {
        unsigned nodes = MEM_BYTES / 64;
        if (word[0])
            c->x[0] = GUEST_VA; /* made already, and nobody writes there */
        for (unsigned i = 0; i < nodes && c->x[0] != GUEST_VA; i++)
            word[i * 8] = GUEST_VA + i * 64;
        for (unsigned i = nodes - 1; i && c->x[0] != GUEST_VA; i--) {
            random = random * 6364136223846793005 + 1442695040888963407;
            unsigned other = (unsigned)(random >> 33) % i;
            uint64_t next = word[i * 8UL];
            word[i * 8UL] = word[other * 8UL];
            word[other * 8UL] = next;
        }
        c->x[0] = GUEST_VA;
    } else if (!strcmp(group, "recursion")) {
        c->x[20] = FIB_N;
        c->x[31] = (uint64_t)(uintptr_t)mem + MEM_BYTES;
        for (const struct target *site = row ? row->sites : NULL; site && site->guest; site++)
            c->targets[site->guest >> 2 & 1023] = *site;
    } else if (!strcmp(group, "sha256")) {
        for (unsigned i = 0; i < 64; i++)
            word[i] = 0x9e3779b97f4a7c15 * (i + 3);
        c->x[9] = (uint64_t)(uintptr_t)mem;
        c->x[10] = (uint64_t)(uintptr_t)(mem + 256);
        for (unsigned i = 0; i < 8; i++)
            c->x[i] = (uint32_t)c->x[i];
    }
}

/* The words of one entry differ by key and by layout; each variant finds those that it looks for.
 */
static void fill_tlb(struct spike_cpu *c, const char *title)
{
    uint64_t key = strstr(title, "no key") ? 0 : KEY_BITS;

    c->key[0] = c->tlb->key[0] = key;
    for (unsigned i = 0; i < MEM_BYTES / PAGE; i++) {
        uint64_t va = GUEST_VA + (uint64_t)i * PAGE, tag = va | key;
        unsigned slot = va / PAGE % TLB_SIZE;
        c->tlb32[slot] = (struct entry32){ .tag_r = tag, .tag_w = tag, .addend = c->addend };
        c->tlb->data[slot] = c->tlb32[slot];
        c->tlb16_r[slot] = c->tlb16_w[slot] = (struct entry16){ .tag = tag, .addend = c->addend };
    }
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void run_group(const struct group *group, struct spike_cpu *c, uint8_t *mem)
{
    struct {
        const struct spike_row *row;
        spike_fn *run;
        double ns[ROUNDS];
    } variants[VARIANTS_MAX] = { { .run = group->native } };
    unsigned count = 1, order[VARIANTS_MAX];
    uint64_t passes = 1, expected;

    for (unsigned i = 0; i < VARIANTS_MAX; i++)
        order[i] = i;
    for (const struct spike_row *row = spike_rows; row->group; row++) {
        if (!strcmp(row->group, group->name)) {
            variants[count].row = row;
            variants[count++].run = row->run;
        }
    }
    memset(mem, 0, MEM_BYTES);
    for (uint64_t took = 0; took < RUN_NS / 2; passes *= 2) {
        prepare(c, group->name, NULL, mem);
        uint64_t start = now_ns();
        group->native(c, passes);
        took = now_ns() - start;
    }
    prepare(c, group->name, NULL, mem);
    expected = group->native(c, passes);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = count - 1; i; i--) {
            unsigned other = (unsigned)rand() % (i + 1), at = order[i];
            order[i] = order[other];
            order[other] = at;
        }
        for (unsigned turn = 0; turn < count; turn++) {
            unsigned i = order[turn];
            prepare(c, group->name, variants[i].row, mem);
            fill_tlb(c, i ? variants[i].row->title : "");
            variants[i].run(c, 1 + passes / 16); /* what was evicted comes back */
            prepare(c, group->name, variants[i].row, mem);
            uint64_t start = now_ns(), result = variants[i].run(c, passes);
            variants[i].ns[round] = (double)(now_ns() - start) / ((double)passes * group->bodies);
            if (result != expected) {
                fprintf(stderr, "spikes: %s, %s: wrong result\n", group->name,
                        i ? variants[i].row->title : "compiled");
                exit(1);
            }
        }
    }
    for (unsigned i = 0; i < count; i++) {
        qsort(variants[i].ns, ROUNDS, sizeof(double), compare);
        printf("| %-11s | %-47s | %6.2f | %5.2f |\n", group->name,
               i ? variants[i].row->title : "compiled", variants[i].ns[ROUNDS / 2],
               variants[i].ns[ROUNDS / 2] / variants[0].ns[ROUNDS / 2]);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct spike_cpu *c = pages(sizeof(*c));
    uint8_t *mem = pages(MEM_BYTES);
    unsigned done = 0;

    if (!__builtin_cpu_supports("bmi2")) {
        fprintf(stderr, "spikes: this processor has no BMI2; use one that has\n");
        return 1;
    }
    c->tlb = pages(sizeof(*c->tlb));
    printf("| %-11s | %-47s | %6s | %5s |\n| --- | --- | ---: | ---: |\n", "loop", "variant", "ns",
           "times");
    for (unsigned i = 0; i < GROUPS; i++) {
        bool wanted = argc == 1;
        for (int arg = 1; arg < argc; arg++)
            wanted |= !strcmp(argv[arg], groups[i].name);
        if (wanted) {
            run_group(&groups[i], c, mem);
            done++;
        }
    }
    if (!done) {
        fprintf(stderr, "spikes: no such group; there are");
        for (unsigned i = 0; i < GROUPS; i++)
            fprintf(stderr, " %s", groups[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    return 0;
}
