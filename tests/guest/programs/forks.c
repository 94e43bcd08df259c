/*
 * Processes: storms of fork, vfork and exec, copies on write, many at once, pipes between them.
 * Each new address space is a new ASID, each exec new code at old addresses.
 */
#include "check.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE 4096

static uint64_t rounds;
static uint64_t data[4 * PAGE / 8] = { 1 };

/* 0 for a child that exited with the status, else what waitpid() said. */
static int ended_with(pid_t child, int want)
{
    int status;

    must(waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) && WEXITSTATUS(status) == want ? 0 : status | 0x10000;
}

static void check_fork_storm(void)
{
    check_begin("fork, one after the other");
    for (uint64_t n = 0; n < rounds; n++) {
        volatile uint64_t here = n;
        data[n % COUNT(data)] = n;
        pid_t child = (pid_t)must(fork(), "fork");
        if (!child) {
            bool good = here == n && data[n % COUNT(data)] == n;
            here = 0;
            data[n % COUNT(data)] = ~n;
            _exit(good && data[n % COUNT(data)] == ~n ? (int)(n % 200) : 255);
        }
        expect(!ended_with(child, (int)(n % 200)), "child %" PRIu64 " ended otherwise", n);
        expect_u64(here, n, "the parent's stack", n);
        expect_u64(data[n % COUNT(data)], n, "the parent's data", n);
    }
    check_end();
}

static void check_many_at_once(void)
{
    pid_t child[64];
    int go[2], say[2];

    check_begin("many processes at once, on one pipe");
    for (uint64_t n = 0; n < 1 + rounds / 500; n++) {
        uint64_t sum = 0, want = 0, value;
        must(pipe(go), "pipe");
        must(pipe(say), "pipe");
        for (unsigned i = 0; i < COUNT(child); i++) {
            child[i] = (pid_t)must(fork(), "fork");
            if (!child[i]) {
                uint64_t seed = i + 1;
                close(go[1]);
                while (read(go[0], &value, sizeof(value)) > 0) {
                }
                for (unsigned k = 0; k < 1000; k++)
                    data[k % COUNT(data)] += next_random(&seed);
                value = data[i];
                _exit(write(say[1], &value, sizeof(value)) != sizeof(value));
            }
        }
        for (unsigned i = 0; i < COUNT(child); i++) { /* what each of them computes */
            uint64_t seed = i + 1;
            value = data[i];
            for (unsigned k = 0; k < 1000; k++) {
                uint64_t r = next_random(&seed);
                value += k % COUNT(data) == i ? r : 0;
            }
            want += value;
        }
        close(go[1]);
        close(say[1]);
        while (read(say[0], &value, sizeof(value)) == sizeof(value))
            sum += value;
        for (unsigned i = 0; i < COUNT(child); i++)
            expect(!ended_with(child[i], 0), "child %u failed", i);
        expect_u64(sum, want, "sum of all children", n);
        close(go[0]);
        close(say[0]);
    }
    check_end();
}

/* A ring: each process adds one to what it reads and hands it on. */
static void check_ring(void)
{
    enum { RING = 12 };
    int first[2], in, ends[2];
    pid_t child[RING];
    uint64_t token = 0;

    check_begin("a ring of processes");
    must(pipe(first), "pipe");
    in = first[0];
    for (unsigned i = 0; i < RING; i++) {
        must(pipe(ends), "pipe");
        child[i] = (pid_t)must(fork(), "fork");
        if (!child[i]) {
            close(first[1]);
            close(ends[0]);
            while (read(in, &token, sizeof(token)) == sizeof(token)) {
                token++;
                if (write(ends[1], &token, sizeof(token)) != sizeof(token))
                    _exit(1);
            }
            _exit(0);
        }
        close(in);
        close(ends[1]);
        in = ends[0];
    }
    for (uint64_t n = 0; n < rounds / 10; n++) {
        uint64_t before = token;
        must(write(first[1], &token, sizeof(token)), "write");
        must(read(in, &token, sizeof(token)), "read");
        expect_u64(token, before + RING, "token", n);
    }
    close(first[1]);
    for (unsigned i = 0; i < RING; i++)
        expect(!ended_with(child[i], 0), "process %u of the ring failed", i);
    close(in);
    check_end();
}

/* A child that starts this program again; by vfork, until exec, it runs on the parent's memory. */
__attribute__((noinline)) static pid_t exec_self(const char *word, bool by_vfork)
{
    pid_t child = by_vfork ? vfork() : fork();

    if (!child) {
        execl("/proc/self/exe", "forks", word, NULL);
        _exit(254);
    }
    return child;
}

static void check_exec(void)
{
    check_begin("fork and exec, vfork and exec");
    for (uint64_t n = 0; n < rounds / 5; n++) {
        char word[8];
        snprintf(word, sizeof(word), "=%u", (unsigned)(n % 200));
        pid_t child = (pid_t)must(exec_self(word, n & 1), "fork");
        expect(!ended_with(child, (int)(n % 200)), "exec %" PRIu64 " ended otherwise", n);
    }
    check_end();
}

/* Parent, child and grandchild write the same pages by turns; each has its own. */
static void check_copies(void)
{
    size_t pages = 64;
    uint64_t *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned char *own =
        mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check_begin("copy on write over three generations");
    for (uint64_t n = 0; n < 1 + rounds / 100; n++) {
        memset(own, 1, pages * PAGE);
        *shared = 0;
        pid_t child = (pid_t)must(fork(), "fork");
        if (!child) {
            pid_t grandchild = (pid_t)must(fork(), "fork");
            unsigned char mine = grandchild ? 2 : 3;
            for (size_t i = 0; i < pages; i++) {
                if (own[i * PAGE + 7] != 1)
                    _exit(1);
                own[i * PAGE + 7] = mine;
            }
            __atomic_add_fetch(shared, 1, __ATOMIC_ACQ_REL);
            for (size_t i = 0; i < pages; i++) {
                if (own[i * PAGE + 7] != mine)
                    _exit(2);
            }
            _exit(grandchild && ended_with(grandchild, 0) ? 3 : 0);
        }
        for (size_t i = pages; i-- > 0;)
            own[i * PAGE + 7]++;
        expect(!ended_with(child, 0), "child or grandchild saw another's pages (turn %" PRIu64 ")",
               n);
        for (size_t i = 0; i < pages; i++)
            expect_u64(own[i * PAGE + 7], 2, "the parent's page", i);
        expect_u64(*shared, 2, "the page that they share", n);
    }
    check_end();
}

int main(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] == '=') /* exec'd by check_exec() */
        return (int)strtoul(argv[1] + 1, NULL, 10);
    rounds = 1000 * scale_of(argc, argv);
    check_fork_storm();
    check_many_at_once();
    check_ring();
    check_exec();
    check_copies();
    return check_exit();
}
