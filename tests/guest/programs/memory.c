/*
 * Translations that change under running threads: after munmap, mprotect, mremap and MADV_DONTNEED
 * every other thread must meet the new one at its next access, which is what TLB maintenance is
 * for.
 */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE    4096
#define THREADS 4
#define PAGES   16

static uint64_t rounds;

/* --- one access, and whether it faulted --- */

static __thread sigjmp_buf escape;
static __thread volatile bool armed;
static __thread volatile uint64_t fault_address;

static void on_segv(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (!armed) {
        signal(sig, SIG_DFL);
        return; /* the access repeats, and the program ends as it would have */
    }
    fault_address = (uint64_t)(uintptr_t)info->si_addr;
    siglongjmp(escape, 1);
}

/* The byte at p, -1 if reading it faults. */
static int peek(volatile unsigned char *p)
{
    volatile int value = -1;

    armed = true;
    if (!sigsetjmp(escape, 0))
        value = *p;
    armed = false;
    return value;
}

/* False if writing faults. */
static bool poke(volatile unsigned char *p, unsigned char value)
{
    volatile bool wrote = false;

    armed = true;
    if (!sigsetjmp(escape, 0)) {
        *p = value;
        wrote = true;
    }
    armed = false;
    return wrote;
}

static unsigned char *map(size_t pages)
{
    void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        must(-1, "mmap");
    return p;
}

/* --- thread 0 changes mappings, all others look, step by step --- */

static pthread_barrier_t steps;
static unsigned char *area, *scratch;

/* What an access to page i of the area gives: -1 a fault, -2 a fault of writes alone. */
static int wanted[PAGES];

static void look(unsigned number, uint64_t turn)
{
    for (unsigned k = 0; k < PAGES; k++) {
        unsigned i = (k + number * 3) % PAGES; /* all on their own way through the TLB */
        unsigned char *p = area + i * PAGE + number;
        int want = wanted[i], seen;
        bool wrote;

        fault_address = 0;
        seen = peek(p);
        if (want == -1) {
            expect(seen == -1 && fault_address == (uint64_t)(uintptr_t)p,
                   "turn %" PRIu64
                   ", thread %u, page %u: expected a fault at %p, read %d (0x%" PRIx64 ")",
                   turn, number, i, (void *)p, seen, fault_address);
            continue;
        }
        wrote = poke(p, (unsigned char)(seen + 1));
        if (want == -2) {
            expect(seen >= 0 && !wrote,
                   "turn %" PRIu64 ", thread %u, page %u: a read-only page was "
                   "read as %d, written: %d",
                   turn, number, i, seen, wrote);
            continue;
        }
        expect(seen == want && wrote,
               "turn %" PRIu64 ", thread %u, page %u: expected %d, seen %d, written: %d", turn,
               number, i, want, seen, wrote);
        poke(p, (unsigned char)want);
    }
}

/* Fill a page so that all threads read the value; keep what is wanted of it. */
static void fill(unsigned page, int value)
{
    memset(area + page * PAGE, value, PAGE);
    wanted[page] = value;
}

static void change(unsigned page, uint64_t r)
{
    unsigned char *p = area + page * PAGE, *other;

    switch (r % 7) {
    case 0:
        must(munmap(p, PAGE), "munmap");
        wanted[page] = -1;
        break;
    case 1:
        if (wanted[page] != -1) {
            must(mprotect(p, PAGE, PROT_NONE), "mprotect");
            wanted[page] = -1;
        }
        break;
    case 2:
        if (wanted[page] >= 0) {
            must(mprotect(p, PAGE, PROT_READ), "mprotect");
            wanted[page] = -2;
        }
        break;
    case 3: /* a fresh page in place of whatever was there */
        other =
            mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        must(other == p ? 0 : -1, "mmap at an address");
        wanted[page] = 0;
        break;
    case 4:
        if (wanted[page] >= 0) {
            must(madvise(p, PAGE, MADV_DONTNEED), "madvise");
            wanted[page] = 0;
        }
        break;
    case 5: /* another page moves in */
        other = mmap(scratch, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                     -1, 0);
        must(other == scratch ? 0 : -1, "mmap at an address");
        memset(other, (int)(r >> 8 & 0x7f), PAGE);
        if (mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) != p)
            must(-1, "mremap");
        wanted[page] = (int)(r >> 8 & 0x7f);
        break;
    case 6:
        if (wanted[page] >= 0)
            fill(page, (int)(r >> 8 & 0x7f));
        break;
    }
}

static void change_and_look(unsigned number)
{
    uint64_t seed = 99;

    pin(number);
    for (uint64_t turn = 0; turn < rounds; turn++) {
        if (number == 0) {
            for (unsigned n = 0; n < 6; n++)
                change((unsigned)(next_random(&seed) >> 33) % PAGES, next_random(&seed) >> 20);
        }
        pthread_barrier_wait(&steps);
        look(number, turn);
        pthread_barrier_wait(&steps);
    }
}

static void check_storm(void)
{
    check_begin("every thread sees unmapped, protected, moved and fresh pages");
    area = map(PAGES);
    scratch = map(1);
    for (unsigned i = 0; i < PAGES; i++)
        wanted[i] = 0;
    pthread_barrier_init(&steps, NULL, THREADS);
    run_workers(THREADS, change_and_look);
    check_end();
}

/* --- threads that store all the time, with no step in common --- */

static volatile uint64_t *stored; /* a counter a thread, on one page */
static unsigned stop;

static void on_segv_wait(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    sched_yield(); /* the store repeats until the page can be written again */
}

/* Many stores in a row, no branch among them: wherever the thread is stopped, more would follow. */
static void store_run(volatile uint64_t *p)
{
    uint64_t x = *p;

    __asm__ volatile(".rept 400\nadd %0, %0, #1\nstr %0, [%1]\n.endr"
                     : "+r"(x)
                     : "r"(p)
                     : "memory");
}

static void store_for_ever(unsigned number)
{
    pin(number);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        store_run(&stored[number * 8]);
}

static void protect_and_watch(unsigned number)
{
    if (number) {
        store_for_ever(number);
        return;
    }
    pin(0);
    for (uint64_t turn = 0; turn < rounds / 2; turn++) {
        uint64_t before[THREADS];
        for (unsigned i = 1; i < THREADS; i++) { /* all are at work */
            before[i] = stored[i * 8];
            while (stored[i * 8] == before[i])
                sched_yield();
        }
        must(mprotect((void *)stored, PAGE, PROT_READ), "mprotect");
        for (unsigned i = 1; i < THREADS; i++)
            before[i] = stored[i * 8];
        for (unsigned n = 0; n < 3; n++) {
            usleep(100); /* the others get on, if only into their faults */
            for (unsigned i = 1; i < THREADS; i++)
                expect_u64(stored[i * 8], before[i], "stored to a page after mprotect returned", i);
        }
        must(mprotect((void *)stored, PAGE, PROT_READ | PROT_WRITE), "mprotect");
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

static void check_stores_end(void)
{
    struct sigaction sa = { .sa_sigaction = on_segv_wait, .sa_flags = SA_SIGINFO }, old;

    check_begin("no store of another thread after mprotect returned");
    stored = (volatile uint64_t *)map(1);
    sigaction(SIGSEGV, &sa, &old);
    run_workers(THREADS, protect_and_watch);
    sigaction(SIGSEGV, &old, NULL);
    check_end();
}

/* --- copy on write under threads that write --- */

static void check_copy_on_write(void)
{
    int status;

    check_begin("a fork's copy stands still while threads of the parent write");
    stored = (volatile uint64_t *)map(1);
    stop = 0;
    for (unsigned i = 0; i < 10; i++) {
        pid_t child;
        pthread_t writer;
        struct worker w = { .number = 1, .body = store_for_ever };

        stop = 0;
        must_zero(pthread_create(&writer, NULL, worker_main, &w), "pthread_create");
        child = (pid_t)must(fork(), "fork");
        if (!child) {
            uint64_t first = stored[8];
            for (unsigned n = 0; n < 200; n++) {
                if (stored[8] != first)
                    _exit(1);
                if (n % 50 == 0)
                    sched_yield();
            }
            stored[8] = 1; /* and the copy is the child's own */
            _exit(stored[8] != 1);
        }
        must(waitpid(child, &status, 0), "waitpid");
        expect(!status, "the copy changed (child %u, status 0x%x)", i, (unsigned)status);
        __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
        pthread_join(writer, NULL);
    }
    check_end();
}

/* --- a huge page that is split, and many pages, more than a TLB holds --- */

static void check_huge(void)
{
    size_t huge = 2 << 20;
    unsigned char *raw = map(2 * huge / PAGE);
    unsigned char *p = (unsigned char *)(((uintptr_t)raw + huge - 1) & ~(huge - 1));

    check_begin("a huge page, split by mprotect and munmap");
    madvise(p, huge, MADV_HUGEPAGE);
    memset(p, 7, huge);
    must(mprotect(p + 5 * PAGE, PAGE, PROT_READ), "mprotect");
    must(munmap(p + 9 * PAGE, PAGE), "munmap");
    for (unsigned i = 0; i < 16; i++) {
        int seen = peek(p + i * PAGE + 1);
        bool wrote = poke(p + i * PAGE + 1, 7);
        expect(seen == (i == 9 ? -1 : 7), "page %u: read %d", i, seen);
        expect(wrote == (i != 5 && i != 9), "page %u: written %d", i, wrote);
    }
    munmap(raw, 2 * huge);
    check_end();

    check_begin("more pages than a TLB holds");
    size_t pages = 6000;
    p = map(pages);
    for (uint64_t turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < pages; i++)
            *(uint64_t *)(p + i * PAGE + i % 500 * 8) = i * 3 + turn;
        for (size_t i = pages; i-- > 0;)
            expect_u64(*(uint64_t *)(p + i * PAGE + i % 500 * 8), i * 3 + turn, "page", i);
    }
    munmap(p, pages * PAGE);
    check_end();
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_NODEFER };

    rounds = 100 * scale_of(argc, argv);
    must(sigaction(SIGSEGV, &sa, NULL), "sigaction");
    check_storm();
    check_stores_end();
    check_copy_on_write();
    check_huge();
    return check_exit();
}
