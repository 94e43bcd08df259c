/*
 * Code that is written while the program runs: patched in place, at a page's end, through another
 * mapping, by another thread, in a fork's copy, and by a small translator whose code is compared
 * with plain C.
 */
#include "check.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE    4096
#define THREADS 4

#define RET      0xd65f03c0u
#define NOP      0xd503201fu
#define MOVZ_W0  0x52800000u /* | imm16 << 5 */
#define ADD_W0   0x11000000u /* add w0, w0, #imm12 << 10 */
#define B_OVER_1 0x14000002u /* b . + 8 */

typedef uint32_t (*code_fn)(void);

static uint64_t rounds;

static void flush(void *start, size_t bytes)
{
    __builtin___clear_cache((char *)start, (char *)start + bytes);
}

static uint32_t *map_code(size_t bytes)
{
    void *p =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        must(-1, "mmap of code");
    return p;
}

static uint32_t call(const void *code)
{
    return ((code_fn)(uintptr_t)code)();
}

static void check_patches(void)
{
    uint32_t *code = map_code(2 * PAGE), *edge = code + PAGE / 4 - 1, low = 0, high = 0;

    check_begin("an instruction that is written again and again");
    code[1] = RET;
    for (uint32_t n = 0; n < 2 * rounds; n++) {
        code[0] = MOVZ_W0 | (n & 0xffff) << 5;
        flush(code, 8);
        expect_u64(call(code), n & 0xffff, "returned", n);
    }
    check_end();

    check_begin("code over a page's end, either side patched");
    edge[-1] = MOVZ_W0 | 100 << 5;
    edge[2] = RET;
    flush(edge - 1, 16);
    for (uint32_t n = 0; n < rounds; n++) {
        low = n % 2 ? low : n % 1000;
        high = n % 3 ? high : n % 777;
        edge[0] = ADD_W0 | low << 10;
        edge[1] = ADD_W0 | high << 10;
        flush(n % 2 ? edge + 1 : edge, n % 3 ? 4 : 8);
        expect_u64(call(edge - 1), 100 + low + high, "returned", n);
    }
    check_end();

    check_begin("a loop that patches its own next instruction");
    /* w0 = 0; for (x1 = 300; x1; x1--) { write "add w0, w0, #(x1 & 7)" ahead; make it visible; run
     * it } */
    uint64_t sum, count = 300, want = 0, page = (uint64_t)(uintptr_t)code;
    for (uint64_t i = 1; i <= count; i++)
        want += i & 7;
    code[0] = ADD_W0;
    code[1] = RET;
    __asm__ volatile("mov x0, #0\n"
                     "1: and w3, %w1, #7\n"
                     "lsl w3, w3, #10\n"
                     "add w3, w3, %w3\n"
                     "str w3, [%2]\n"
                     "dc cvau, %2\ndsb ish\nic ivau, %2\ndsb ish\nisb\n"
                     "blr %2\n"
                     "subs %1, %1, #1\nb.ne 1b\nmov %0, x0"
                     : "=&r"(sum), "+&r"(count)
                     : "r"(page), "r"(ADD_W0)
                     : "x0", "x3", "x30", "memory", "cc");
    expect_u64(sum, want, "sum", 0);
    munmap(code, 2 * PAGE);
    check_end();
}

static void check_mappings(void)
{
    int fd = (int)must(memfd_create("code", 0), "memfd_create"), status;
    uint32_t *write_at, *run_at[2], *code;
    pid_t child;

    check_begin("written at one address, run at two others");
    must(ftruncate(fd, PAGE), "ftruncate");
    write_at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (unsigned i = 0; i < 2; i++)
        run_at[i] = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    for (uint32_t n = 0; n < rounds; n++) {
        write_at[n % 1000] = MOVZ_W0 | (n & 0xffff) << 5;
        write_at[n % 1000 + 1] = RET;
        flush(write_at + n % 1000, 8);
        for (unsigned i = 0; i < 2; i++)
            flush(run_at[i] + n % 1000, 8);
        for (unsigned i = 0; i < 2; i++)
            expect_u64(call(run_at[i] + n % 1000), n & 0xffff, "returned", n);
    }
    check_end();

    check_begin("either writable or executable, by turns");
    code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (uint32_t n = 0; n < rounds / 4; n++) {
        must(mprotect(code, PAGE, PROT_READ | PROT_WRITE), "mprotect");
        code[0] = MOVZ_W0 | (n & 0xffff) << 5;
        code[1] = RET;
        must(mprotect(code, PAGE, PROT_READ | PROT_EXEC), "mprotect");
        flush(code, 8);
        expect_u64(call(code), n & 0xffff, "returned", n);
    }
    check_end();

    check_begin("other code at an address that was unmapped");
    for (uint32_t n = 0; n < rounds / 4; n++) {
        uint32_t *again;
        munmap(code, PAGE);
        again = mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        must(again == code ? 0 : -1, "mmap at an address");
        code[0] = MOVZ_W0 | (n ^ 0x5555) << 5;
        code[1] = RET;
        flush(code, 8);
        expect_u64(call(code), n ^ 0x5555, "returned", n);
    }
    check_end();

    check_begin("a fork's copy of code is its own");
    for (uint32_t n = 0; n < 20; n++) {
        code[0] = MOVZ_W0 | n << 5;
        flush(code, 8);
        child = (pid_t)must(fork(), "fork");
        if (!child) {
            bool good = call(code) == n;
            code[0] = MOVZ_W0 | 7777 << 5;
            flush(code, 8);
            _exit(good && call(code) == 7777 ? 0 : 1);
        }
        must(waitpid(child, &status, 0), "waitpid");
        expect(!status, "the child ran other code (turn %u, status 0x%x)", n, (unsigned)status);
        expect_u64(call(code), n, "the parent returned", n);
    }
    check_end();
}

/* --- one thread writes, the others run --- */

static uint32_t *common;
static pthread_barrier_t steps;
static unsigned stop;

static void run_patched(unsigned number)
{
    pin(number);
    for (uint32_t n = 1; n <= rounds / 10; n++) {
        if (number == n % THREADS) {
            for (unsigned i = 0; i < 8; i++)
                common[i] = ADD_W0 | (n % 500) << 10;
            flush(common, 32);
        }
        pthread_barrier_wait(&steps);
        __asm__ volatile("isb" ::: "memory");
        expect_u64(call(common - 1), 8 * (n % 500), "ran after the barrier", n);
        pthread_barrier_wait(&steps);
    }
}

/* A branch and a NOP may take each other's place under a running thread (DDI 0487, B2.2.5). */
static void run_while_patched(unsigned number)
{
    uint64_t odd = 0, patches = rounds / 20 * 2; /* even: the last one is a NOP */

    pin(number);
    if (number) {
        while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
            uint32_t r = call(common);
            odd += r != 1 && r != 2;
        }
        __asm__ volatile("isb" ::: "memory");
        expect_u64(call(common), 2, "ran after the end", number);
        expect_u64(odd, 0, "results that neither instruction explains", number);
        return;
    }
    for (uint32_t n = 0; n < patches; n++) {
        __atomic_store_n(&common[1], n & 1 ? NOP : B_OVER_1, __ATOMIC_RELAXED);
        flush(common + 1, 4);
        expect_u64(call(common), n & 1 ? 2 : 1, "ran by the writer", n);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
}

static void check_threads(void)
{
    uint32_t *code = map_code(PAGE);

    check_begin("threads run what another wrote before a barrier");
    common = code + 1;
    common[-1] = MOVZ_W0;
    common[8] = RET;
    flush(code, PAGE);
    pthread_barrier_init(&steps, NULL, THREADS);
    run_workers(THREADS, run_patched);
    check_end();

    check_begin("threads run what another patches meanwhile");
    common = code;
    common[0] = MOVZ_W0 | 1 << 5;
    common[1] = B_OVER_1;
    common[2] = MOVZ_W0 | 2 << 5;
    common[3] = RET;
    flush(code, PAGE);
    run_workers(THREADS, run_while_patched);
    check_end();
    munmap(code, PAGE);
}

/* --- a translator for random straight-line programs --- */

struct step {
    unsigned op, d, n, m;
};

static uint64_t apply(unsigned op, uint64_t n, uint64_t m)
{
    switch (op) {
    case 0:
        return n + m;
    case 1:
        return n - m;
    case 2:
        return n ^ m;
    case 3:
        return n * m;
    case 4:
        return n & m;
    case 5:
        return n << (m & 63);
    case 6:
        return m ? n / m : 0;
    default:
        return n | ~m;
    }
}

static void check_translator(void)
{
    /* add, sub, eor, mul, and, lslv, udiv, orn: all take their registers in the same fields */
    static const uint32_t words[] = { 0x8b000000, 0xcb000000, 0xca000000, 0x9b007c00,
                                      0x8a000000, 0x9ac02000, 0x9ac00800, 0xaa200000 };
    uint32_t *code = map_code(16 * PAGE);
    uint64_t seed = 11;

    check_begin("a translator's code against plain C");
    for (uint64_t n = 0; n < rounds / 2; n++) {
        unsigned length = 1 + (unsigned)(next_random(&seed) % 200);
        uint32_t *start = code + next_random(&seed) % (15 * PAGE / 4), *p = start;
        uint64_t x[8], seen[8];

        for (unsigned i = 0; i < 8; i++) {
            x[i] = random_operand(&seed);
            *p++ = 0xf9400000 | i << 10 | 9 << 5 | i; /* ldr xi, [x9, #8 * i] */
            seen[i] = x[i];
        }
        for (unsigned i = 0; i < length; i++) {
            uint64_t r = next_random(&seed);
            struct step s = { r & 7, r >> 3 & 7, r >> 6 & 7, r >> 9 & 7 };
            *p++ = words[s.op] | s.m << 16 | s.n << 5 | s.d;
            x[s.d] = apply(s.op, x[s.n], x[s.m]);
        }
        for (unsigned i = 0; i < 8; i++)
            *p++ = 0xf9000000 | i << 10 | 9 << 5 | i; /* str xi, [x9, #8 * i] */
        *p++ = RET;
        flush(start, (size_t)((char *)p - (char *)start));
        __asm__ volatile("mov x9, %0\nblr %1" ::"r"(seen), "r"(start)
                         : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x30", "memory");
        expect_bytes(seen, x, sizeof(x), "registers", n);
    }
    munmap(code, 16 * PAGE);
    check_end();
}

int main(int argc, char **argv)
{
    rounds = 2000 * scale_of(argc, argv);
    check_patches();
    check_mappings();
    check_threads();
    check_translator();
    return check_exit();
}
