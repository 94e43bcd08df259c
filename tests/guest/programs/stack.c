/*
 * Exclusives against ABA. A stack without locks or tags: pop reads the head and its successor
 * between LDXR and STXR, so it is correct only if the STXR fails whenever the head was changed,
 * even if it was changed back; a compare-and-swap in its place loses and doubles nodes. First one
 * try at a time, then in bulk.
 */
#include "check.h"

#define THREADS 4
#define NODES   9

/* --- LDXR, another thread changes the location and changes it back, STXR --- */

static struct {
    uint64_t pair[2] __attribute__((aligned(CACHE_LINE)));
    uint64_t marked
        __attribute__((aligned(CACHE_LINE))); /* the number of the try whose LDXR is done */
    uint64_t changed __attribute__((aligned(CACHE_LINE))); /* ... whose change is done */
} shared;

#define BY_LDXR(p, change)                                                \
    do {                                                                  \
        uint64_t v_;                                                      \
        uint32_t s_;                                                      \
        __asm__ volatile("1: ldaxr %0, [%2]\n" change                     \
                         " %0, %0, #1\nstlxr %w1, %0, [%2]\ncbnz %w1, 1b" \
                         : "=&r"(v_), "=&r"(s_)                           \
                         : "r"(p)                                         \
                         : "memory");                                     \
    } while (0)

static void by_nothing(uint64_t *p)
{
    (void)p;
}

static void by_stxr(uint64_t *p)
{
    BY_LDXR(p, "add");
    BY_LDXR(p, "sub");
}

static void by_stxr_second(uint64_t *p)
{
    BY_LDXR(p + 1, "add");
    BY_LDXR(p + 1, "sub");
}

static void by_cas(uint64_t *p)
{
    uint64_t old = *p, other = old + 1, seen = old;

    __asm__ volatile("casal %0, %1, [%2]" : "+r"(seen) : "r"(other), "r"(p) : "memory");
    seen = other;
    __asm__ volatile("casal %0, %1, [%2]" : "+r"(seen) : "r"(old), "r"(p) : "memory");
}

static void by_cas_second(uint64_t *p)
{
    by_cas(p + 1);
}

static void by_swap(uint64_t *p)
{
    uint64_t old;

    __asm__ volatile("swpal %1, %0, [%2]" : "=&r"(old) : "r"(UINT64_C(0x1234)), "r"(p) : "memory");
    __asm__ volatile("swpal %0, %0, [%1]" : "+r"(old) : "r"(p) : "memory");
}

static void by_add(uint64_t *p)
{
    uint64_t one = 1, minus = ~UINT64_C(0), old;

    __asm__ volatile("ldaddal %1, %0, [%2]" : "=&r"(old) : "r"(one), "r"(p) : "memory");
    __asm__ volatile("ldaddal %1, %0, [%2]" : "=&r"(old) : "r"(minus), "r"(p) : "memory");
}

/* Part of what is marked: the fifth byte, the second word. */
static void by_byte(uint64_t *p)
{
    uint32_t bit = 8, old;

    __asm__ volatile("ldeoralb %w1, %w0, [%2]"
                     : "=&r"(old)
                     : "r"(bit), "r"((char *)p + 4)
                     : "memory");
    __asm__ volatile("ldeoralb %w1, %w0, [%2]"
                     : "=&r"(old)
                     : "r"(bit), "r"((char *)p + 4)
                     : "memory");
}

static void by_word(uint64_t *p)
{
    uint32_t bit = 1, old;

    __asm__ volatile("ldsetal %w1, %w0, [%2]"
                     : "=&r"(old)
                     : "r"(bit), "r"((char *)p + 4)
                     : "memory");
    __asm__ volatile("ldclral %w1, %w0, [%2]"
                     : "=&r"(old)
                     : "r"(bit), "r"((char *)p + 4)
                     : "memory");
}

static void by_pair(uint64_t *p)
{
    for (unsigned n = 0; n < 2; n++) { /* both inverted, and back */
        register uint64_t c0 __asm__("x4") = p[0], c1 __asm__("x5") = p[1];
        register uint64_t n0 __asm__("x6") = ~p[0], n1 __asm__("x7") = ~p[1];
        __asm__ volatile("caspal x4, x5, x6, x7, [%2]"
                         : "+r"(c0), "+r"(c1)
                         : "r"(p), "r"(n0), "r"(n1)
                         : "memory");
    }
}

static const struct method {
    const char *name;
    void (*change)(uint64_t *p);
    bool in_second; /* only what a pair marks */
} methods[] = {
    { "STXR", by_stxr, false },
    { "STXR of the second half", by_stxr_second, true },
    { "CAS", by_cas, false },
    { "CAS of the second half", by_cas_second, true },
    { "SWP", by_swap, false },
    { "LDADD", by_add, false },
    { "LDEOR of a byte", by_byte, false },
    { "LDSET and LDCLR of a word", by_word, false },
    { "CASP", by_pair, false },
    { "nothing", by_nothing, false },
};

static const struct method *method;
static bool of_pair;
static uint64_t tries, successes;

/* The window stands open until the other thread has made its change. It stores to another line,
 * once. */
static uint32_t open_window(uint64_t number)
{
    uint64_t a, b, t;
    uint32_t status;

    if (of_pair)
        __asm__ volatile(
            "ldaxp %0, %1, [%4]\nstlr %7, [%5]\n1: ldar %2, [%6]\ncmp %2, %7\nb.ne 1b\n"
            "stlxp %w3, %0, %1, [%4]"
            : "=&r"(a), "=&r"(b), "=&r"(t), "=&r"(status)
            : "r"(shared.pair), "r"(&shared.marked), "r"(&shared.changed), "r"(number)
            : "memory", "cc");
    else
        __asm__ volatile("ldaxr %0, [%3]\nstlr %6, [%4]\n1: ldar %1, [%5]\ncmp %1, %6\nb.ne 1b\n"
                         "stlxr %w2, %0, [%3]"
                         : "=&r"(a), "=&r"(t), "=&r"(status)
                         : "r"(shared.pair), "r"(&shared.marked), "r"(&shared.changed), "r"(number)
                         : "memory", "cc");
    return status;
}

static void try_windows(unsigned thread)
{
    pin(thread);
    for (uint64_t n = 1; n <= tries; n++) {
        if (thread == 0) {
            successes += !open_window(n);
            continue;
        }
        while (__atomic_load_n(&shared.marked, __ATOMIC_ACQUIRE) != n) {
        }
        method->change(shared.pair);
        __atomic_store_n(&shared.changed, n, __ATOMIC_RELEASE);
    }
}

static void check_windows(bool pair)
{
    char what[64];

    of_pair = pair;
    for (size_t i = 0; i < COUNT(methods); i++) {
        method = &methods[i];
        if (method->in_second && !pair)
            continue;
        snprintf(what, sizeof(what), "%s after %s by another thread", pair ? "STXP" : "STXR",
                 method->name);
        memset(&shared, 0, sizeof(shared));
        successes = 0;
        check_begin(what);
        run_workers(2, try_windows);
        if (method->change == by_nothing)
            expect(successes > 0, "expected success at least once, seen none in %" PRIu64, tries);
        else
            expect(!successes, "expected to fail always, succeeded %" PRIu64 " times in %" PRIu64,
                   successes, tries);
        expect(!shared.pair[0] && !shared.pair[1], "memory holds %" PRIx64 " %" PRIx64,
               shared.pair[0], shared.pair[1]);
        check_end();
    }
}

/* --- the stack --- */

struct node {
    struct node *next;
    uint64_t owners; /* threads that have popped it */
    char pad[CACHE_LINE - 16];
};

static struct node nodes[NODES] __attribute__((aligned(CACHE_LINE)));
static struct {
    struct node *head;
    uint64_t beside; /* the other half of the pair, never a tag */
} top __attribute__((aligned(CACHE_LINE)));

static uint64_t rounds;
static enum { PUSH_STXR, PUSH_CAS, TAKE_ALL, PAIRS, FLAVOURS } flavour;

/* A few instructions of delay between the exclusives are what makes the window wide. */
static struct node *pop(uint64_t delay)
{
    struct node *node, *next;
    uint64_t beside;
    uint32_t failed;

    if (flavour == PAIRS)
        __asm__ volatile("1: ldaxp %0, %2, [%4]\ncbz %0, 3f\nldr %1, [%0]\nmov x2, %5\n"
                         "2: subs x2, x2, #1\nb.pl 2b\n"
                         "stlxp %w3, %1, %2, [%4]\ncbnz %w3, 1b\n3: clrex"
                         : "=&r"(node), "=&r"(next), "=&r"(beside), "=&r"(failed)
                         : "r"(&top), "r"(delay)
                         : "x2", "memory", "cc");
    else
        __asm__ volatile("1: ldaxr %0, [%3]\ncbz %0, 3f\nldr %1, [%0]\nmov x2, %4\n"
                         "2: subs x2, x2, #1\nb.pl 2b\n"
                         "stlxr %w2, %1, [%3]\ncbnz %w2, 1b\n3: clrex"
                         : "=&r"(node), "=&r"(next), "=&r"(failed)
                         : "r"(&top), "r"(delay)
                         : "x2", "memory", "cc");
    return node;
}

static void push(struct node *node)
{
    struct node *old;
    uint32_t failed;

    if (flavour == PUSH_CAS || flavour == TAKE_ALL) {
        old = __atomic_load_n(&top.head, __ATOMIC_RELAXED);
        do {
            node->next = old;
        } while (!__atomic_compare_exchange_n(&top.head, &old, node, false, __ATOMIC_RELEASE,
                                              __ATOMIC_RELAXED));
        return;
    }
    do {
        old = __atomic_load_n(&top.head, __ATOMIC_RELAXED);
        node->next = old;
        if (flavour == PAIRS) {
            struct node *seen;
            uint64_t beside;
            __asm__ volatile("ldaxp %0, %1, [%3]\nmov %w2, #1\ncmp %0, %4\nb.ne 1f\n"
                             "stlxp %w2, %5, %1, [%3]\n1:"
                             : "=&r"(seen), "=&r"(beside), "=&r"(failed)
                             : "r"(&top), "r"(old), "r"(node)
                             : "memory", "cc");
        } else {
            struct node *seen;
            __asm__ volatile("ldaxr %0, [%2]\nmov %w1, #1\ncmp %0, %3\nb.ne 1f\n"
                             "stlxr %w1, %4, [%2]\n1:"
                             : "=&r"(seen), "=&r"(failed)
                             : "r"(&top), "r"(old), "r"(node)
                             : "memory", "cc");
        }
    } while (failed);
}

static bool own(struct node *node)
{
    return expect(!__atomic_fetch_add(&node->owners, 1, __ATOMIC_ACQ_REL),
                  "node %td was popped by two threads", node - nodes);
}

static void give_back(struct node *node)
{
    __atomic_fetch_sub(&node->owners, 1, __ATOMIC_ACQ_REL);
    push(node);
}

/* The whole stack by one exchange, and back in the order that makes A, B into A, C, B. */
static void take_all(void)
{
    struct node *list = __atomic_exchange_n(&top.head, NULL, __ATOMIC_ACQ_REL), *first = list,
                *next;

    if (!list)
        return;
    list = list->next;
    for (unsigned n = 0; list && n < NODES; n++, list = next) {
        next = list->next;
        push(list);
    }
    push(first);
}

static void work(unsigned number)
{
    uint64_t seed = number + 1;

    pin(number);
    for (uint64_t n = 0; n < rounds && !__atomic_load_n(&check_failures, __ATOMIC_RELAXED); n++) {
        struct node *a, *b;

        if (flavour == TAKE_ALL && number == 0) {
            take_all();
            continue;
        }
        a = pop(next_random(&seed) & 63);
        if (!a || !own(a))
            continue;
        b = pop(next_random(&seed) & 15);
        if (b && !own(b))
            b = NULL;
        give_back(a); /* the first one on top again, over another successor */
        if (b)
            give_back(b);
    }
}

static void check_stack(void)
{
    static const char *const names[FLAVOURS] = { "a stack by LDXR and STXR",
                                                 "a stack, pushed to by CAS",
                                                 "a stack, taken whole by SWP",
                                                 "a stack by LDXP and STXP" };

    for (flavour = 0; flavour < FLAVOURS; flavour++) {
        unsigned found = 0;

        check_begin(names[flavour]);
        memset(nodes, 0, sizeof(nodes));
        for (unsigned i = 0; i < NODES; i++)
            nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
        top.head = nodes;
        run_workers(THREADS, work);
        for (struct node *node = top.head; node && found <= NODES; node = node->next)
            found++;
        expect(found == NODES, "expected %u nodes in the end, seen %u", NODES, found);
        check_end();
    }
}

int main(int argc, char **argv)
{
    uint64_t scale = scale_of(argc, argv);

    tries = 100 * scale;
    check_windows(false);
    check_windows(true);
    rounds = 20000 * scale;
    check_stack();
    return check_exit();
}
