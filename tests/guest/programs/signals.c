/*
 * Signals: what a fault reports (signal, code, address), what a handler finds and may change, the
 * alternate stack, nesting, interrupted calls, and registers that survive signals at any point.
 */
#include "check.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <asm/sigcontext.h>

#define PAGE 4096

static sigjmp_buf escape;
static volatile siginfo_t caught;
static volatile uint64_t caught_pc;

static void set_handler(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

    must(sigaction(sig, &sa, NULL), "sigaction");
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;

    (void)sig;
    memcpy((void *)&caught, info, sizeof(caught));
    caught_pc = uc->uc_mcontext.pc;
    siglongjmp(escape, 1);
}

static char *pages; /* one to write, one to read, one for nobody; then one past a file's end */

#define TRY(...)                                                                      \
    do {                                                                              \
        memset((void *)&caught, 0, sizeof(caught));                                   \
        if (!sigsetjmp(escape, 1)) {                                                  \
            __asm__ volatile(__VA_ARGS__ : "memory", "x9", "x10", "x11", "v0", "v1"); \
        }                                                                             \
    } while (0)

static void told(const char *what, int sig, int code, const void *low, uint64_t bytes)
{
    uint64_t at = (uint64_t)(uintptr_t)caught.si_addr, from = (uint64_t)(uintptr_t)low;

    expect(caught.si_signo == sig && caught.si_code == code,
           "%s: expected signal %d code %d, seen signal %d code %d", what, sig, code,
           caught.si_signo, caught.si_code);
    expect(at >= from && at - from < bytes,
           "%s: expected address 0x%" PRIx64 " and %" PRIu64 " more, seen 0x%" PRIx64, what, from,
           bytes - 1, at);
}

static void check_faults(void)
{
    char name[] = "/tmp/signalsXXXXXX";
    int fd = (int)must(mkstemp(name), "mkstemp");
    static char here[64] __attribute__((aligned(64)));
    char *top = (char *)UINT64_C(0xffff000000001000);

    unlink(name);
    must(ftruncate(fd, PAGE), "ftruncate");
    pages = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(mprotect(pages + PAGE, PAGE, PROT_READ), "mprotect");
    must(mprotect(pages + 2 * PAGE, PAGE, PROT_NONE), "mprotect");
    if (mmap(pages + 3 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
        MAP_FAILED)
        must(-1, "mmap of a file");
    for (unsigned i = 0; i < 4; i++)
        set_handler((int[]){ SIGSEGV, SIGBUS, SIGILL, SIGTRAP }[i], on_fault, 0);

    check_begin("SIGSEGV: address and code");
    TRY("ldr x9, [%0]" ::"r"(pages + 2 * PAGE + 24));
    told("load from a page for nobody", SIGSEGV, SEGV_ACCERR, pages + 2 * PAGE + 24, 1);
    TRY("str x9, [%0]" ::"r"(pages + PAGE + 8));
    told("store to a page to read", SIGSEGV, SEGV_ACCERR, pages + PAGE + 8, 1);
    TRY("ldr x9, [%0]" ::"r"(0x30));
    told("load near zero", SIGSEGV, SEGV_MAPERR, (void *)0x30, 1);
    TRY("ldr x9, [%0]" ::"r"(top));
    told("load of the kernel", SIGSEGV, SEGV_MAPERR, top, 1);
    TRY("ldr x9, [%0]" ::"r"(UINT64_C(0x0023000000000008)));
    told("load between the halves", SIGSEGV, SEGV_MAPERR, (void *)UINT64_C(0x0023000000000008), 1);
    TRY("str q0, [%0]" ::"r"(pages + PAGE - 8));
    told("store over a page's end", SIGSEGV, SEGV_ACCERR, pages + PAGE - 8, 16);
    TRY("ldp x9, x10, [%0]" ::"r"(pages + 2 * PAGE - 8));
    told("pair over a page's end", SIGSEGV, SEGV_ACCERR, pages + 2 * PAGE - 8, 16);
    TRY("ldaddal x9, x10, [%0]" ::"r"(pages + PAGE));
    told("LDADD to a page to read", SIGSEGV, SEGV_ACCERR, pages + PAGE, 1);
    TRY("ldxr x9, [%0]\nstxr w10, x9, [%0]" ::"r"(pages + PAGE));
    told("STXR to a page to read", SIGSEGV, SEGV_ACCERR, pages + PAGE, 1);
    TRY("blr %0" ::"r"(pages));
    told("jump to data", SIGSEGV, SEGV_ACCERR, pages, 1);
    expect_u64(caught_pc, (uint64_t)(uintptr_t)pages, "pc of a jump to data", 0);
    TRY("dc zva, %0" ::"r"(pages + PAGE));
    told("DC ZVA to a page to read", SIGSEGV, SEGV_ACCERR, pages + PAGE, 64);
    check_end();

    check_begin("SIGBUS: file end and alignment");
    TRY("ldr x9, [%0]" ::"r"(pages + 4 * PAGE + 16));
    told("load past a file's end", SIGBUS, BUS_ADRERR, pages + 4 * PAGE + 16, 1);
    TRY("ldxr x9, [%0]" ::"r"(here + 4));
    told("LDXR, misaligned", SIGBUS, BUS_ADRALN, here + 4, 1);
    TRY("ldaddh w9, w10, [%0]" ::"r"(here + 17));
    told("LDADDH, misaligned", SIGBUS, BUS_ADRALN, here + 17, 1);
    TRY("ldar w9, [%0]" ::"r"(here + 2));
    told("LDAR, misaligned", SIGBUS, BUS_ADRALN, here + 2, 1);
    TRY("br %0" ::"r"(here + 2));
    told("jump to an odd address", SIGBUS, BUS_ADRALN, here + 2, 1);
    TRY("mov x11, sp\nadd sp, sp, #-24\nldr x9, [sp]\nmov sp, x11" ::);
    expect(caught.si_signo == SIGBUS && caught.si_code == BUS_ADRALN,
           "load by a misaligned SP: expected signal %d code %d, seen signal %d code %d", SIGBUS,
           BUS_ADRALN, caught.si_signo, caught.si_code);
    check_end();

    check_begin("SIGILL and SIGTRAP");
    TRY("adr x9, 1f\nstr x9, [%0]\n1: udf #0" ::"r"(here));
    told("UDF", SIGILL, ILL_ILLOPC, *(void **)here, 1);
    TRY("adr x9, 1f\nstr x9, [%0]\n1: msr sctlr_el1, x9" ::"r"(here));
    told("MSR of a kernel's register", SIGILL, ILL_ILLOPC, *(void **)here, 1);
    TRY("adr x9, 1f\nstr x9, [%0]\n1: msr daifset, #2" ::"r"(here));
    told("MSR DAIFSet", SIGILL, ILL_ILLOPC, *(void **)here, 1);
    TRY("adr x9, 1f\nstr x9, [%0]\n1: hvc #0" ::"r"(here));
    told("HVC", SIGILL, ILL_ILLOPC, *(void **)here, 1);
    TRY("adr x9, 1f\nstr x9, [%0]\n1: tlbi vmalle1" ::"r"(here));
    told("TLBI", SIGILL, ILL_ILLOPC, *(void **)here, 1);
    TRY("adr x9, 1f\nstr x9, [%0]\n1: brk #7" ::"r"(here));
    told("BRK", SIGTRAP, TRAP_BRKPT, *(void **)here, 1);
    check_end();

    check_begin("no SIGFPE: divisions by zero");
    uint64_t q;
    __asm__ volatile("sdiv %0, %1, xzr" : "=r"(q) : "r"(7));
    expect_u64(q, 0, "sdiv", 7);
    double d;
    __asm__ volatile("fmov %d0, #1.0\nmovi d1, #0\nfdiv %d0, %d0, d1" : "=w"(d)::"v1");
    expect(d == __builtin_inf(), "fdiv: expected inf, seen %f", d);
    check_end();
}

/* --- the handler's view, and what it may change --- */

static void on_skip(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct fpsimd_context *fp = (void *)uc->uc_mcontext.__reserved;

    (void)sig, (void)info;
    uc->uc_mcontext.regs[9] += 1000;
    fp->vregs[3] = fp->vregs[3] << 1 | 1;
    fp->fpcr = 3 << 22;
    uc->uc_mcontext.pstate ^= UINT64_C(1) << 30; /* Z */
    uc->uc_mcontext.pc += 4;
}

static void check_context(void)
{
    uint64_t x9, z, fpcr, v[2];

    check_begin("a handler changes the registers of its context");
    set_handler(SIGILL, on_skip, 0);
    __asm__ volatile("mov x9, #234\nmovi v3.16b, #0x11\ncmp xzr, xzr\nudf #0\ncset %1, eq\n"
                     "mov %0, x9\nmrs %2, fpcr\nmsr fpcr, xzr\nmov %3, v3.d[0]\nmov %4, v3.d[1]"
                     : "=&r"(x9), "=&r"(z), "=&r"(fpcr), "=&r"(v[0]), "=&r"(v[1])
                     :
                     : "x9", "v3", "cc");
    expect_u64(x9, 1234, "x9", 0);
    expect_u64(z, 0, "Z", 0);
    expect_u64(fpcr, 3 << 22, "FPCR", 0);
    expect_u64(v[0], 0x2222222222222223, "v3, low", 0);
    expect_u64(v[1], 0x2222222222222222, "v3, high", 0);
    check_end();
}

static volatile int depth, deepest;
static char alternate[65536] __attribute__((aligned(16)));
static volatile bool was_on_alternate;

static void on_nested(int sig, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    char here;

    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (sig == SIGRTMIN + 4)
        was_on_alternate = &here >= alternate && &here < alternate + sizeof(alternate);
    if (sig < SIGRTMIN + 4)
        raise(sig + 1);
    depth--;
}

static int order[64], orders;

static void on_queued(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    order[orders++] = info->si_value.sival_int;
}

static void check_delivery(void)
{
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
    sigset_t block, old;

    check_begin("nesting, the alternate stack, queued values");
    must(sigaltstack(&stack, NULL), "sigaltstack");
    for (int i = 0; i <= 4; i++)
        set_handler(SIGRTMIN + i, on_nested, i == 4 ? SA_ONSTACK : 0);
    raise(SIGRTMIN);
    expect_u64((uint64_t)deepest, 5, "depth", 0);
    expect(was_on_alternate, "the handler with SA_ONSTACK was not on the alternate stack");

    set_handler(SIGRTMIN + 5, on_queued, 0);
    sigemptyset(&block);
    sigaddset(&block, SIGRTMIN + 5);
    sigprocmask(SIG_BLOCK, &block, &old);
    for (int i = 0; i < 50; i++)
        must(sigqueue(getpid(), SIGRTMIN + 5, (union sigval){ .sival_int = i * 3 }), "sigqueue");
    expect_u64((uint64_t)orders, 0, "signals delivered while blocked", 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    expect_u64((uint64_t)orders, 50, "signals delivered", 0);
    for (int i = 0; i < orders; i++)
        expect_u64((uint64_t)order[i], (uint64_t)i * 3, "value", (uint64_t)i);
    check_end();
}

/* --- signals at any time --- */

static volatile uint64_t ticks;

/* Uses all that the interrupted code may use. */
static void on_tick(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    ticks++;
    __asm__ volatile("msr nzcv, xzr\nmsr fpcr, %0\nmsr fpsr, %0\nmovi v0.16b, #1\nmovi v1.16b, #2\n"
                     "movi v7.16b, #3\nmovi v8.16b, #4\nmovi v16.16b, #5\nmovi v31.16b, #6\n"
                     "mov x9, #1\nmov x10, #2\nmov x16, #3\nmov x17, #4" ::"r"(UINT64_C(0xc00000))
                     : "cc", "x9", "x10", "x16", "x17", "v0", "v1", "v7", "v8", "v16", "v31");
}

static uint64_t compute(void)
{
    uint64_t seed = 7, sum = 0, flags = 0;
    double d = 1;
    unsigned __int128 wide = 1;

    for (unsigned i = 0; i < 20000; i++) {
        d = d * 1.0000001 + 1.0 / (double)(i + 1);
        wide = wide * 0x9e3779b97f4a7c15u + i;
        __asm__ volatile("adds %0, %0, %1\nadcs %0, %0, xzr\nmovi v31.16b, #9\nmov v16.16b, v31.16b"
                         "\numov %w1, v16.b[5]\nadd %0, %0, %1"
                         : "+r"(flags), "+r"(seed)
                         :
                         : "cc", "v16", "v31");
        seed = next_random(&seed) | 1;
    }
    memcpy(&sum, &d, sizeof(sum));
    return mix(mix(sum, (uint64_t)(wide >> 64)), flags);
}

static void check_registers_survive(uint64_t rounds)
{
    struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };
    uint64_t want = compute(), before;

    check_begin("registers survive signals at any point");
    set_handler(SIGALRM, on_tick, SA_RESTART);
    must(setitimer(ITIMER_REAL, &often, NULL), "setitimer");
    before = ticks;
    for (uint64_t n = 0; n < rounds || ticks < before + 5; n++)
        expect_u64(compute(), want, "computed while signals arrive", n);
    must(setitimer(ITIMER_REAL, &never, NULL), "setitimer");
    check_end();
}

/* The parent sleeps in its call. */
static bool parent_sleeps(void)
{
    char path[32], line[256] = "", *state;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", getppid());
    fd = (int)must(open(path, O_RDONLY), "open of /proc/PID/stat");
    must(read(fd, line, sizeof(line) - 1), "read of /proc/PID/stat");
    close(fd);
    state = strrchr(line, ')');
    return state && state[2] == 'S';
}

static void signal_sleeping_parent(volatile uint64_t *counted)
{
    uint64_t before = *counted;

    while (!parent_sleeps())
        usleep(1000);
    kill(getppid(), SIGUSR1);
    while (*counted == before)
        usleep(1000);
}

static volatile uint64_t *counted; /* shared with the child */

static void on_count(int sig, siginfo_t *info, void *context)
{
    on_tick(sig, info, context);
    ++*counted;
}

static void check_interrupted_calls(void)
{
    int ends[2], status;

    check_begin("interrupted calls: EINTR, or restarted");
    must(pipe(ends), "pipe");
    counted = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int restart = 0; restart <= 1; restart++) {
        char byte = 0;
        pid_t child;

        set_handler(SIGUSR1, on_count, restart ? SA_RESTART : 0);
        child = (pid_t)must(fork(), "fork");
        if (!child) {
            for (int i = 0; i < (restart ? 3 : 1); i++)
                signal_sleeping_parent(counted);
            _exit(restart && write(ends[1], "x", 1) != 1);
        }
        errno = 0;
        ssize_t n = read(ends[0], &byte, 1);
        int error = errno;
        if (restart)
            expect(n == 1 && byte == 'x', "restarted read: expected 1 byte, seen %zd (%d)", n,
                   error);
        else
            expect(n == -1 && error == EINTR, "read: expected EINTR, seen %zd (%d)", n, error);
        must(waitpid(child, &status, 0), "waitpid");
        expect(status == 0, "the child's status: expected 0, seen 0x%x", (unsigned)status);
        expect_u64(*counted, restart ? 4 : 1, "signals", (uint64_t)restart);
    }
    check_end();
}

int main(int argc, char **argv)
{
    check_faults();
    check_context();
    check_delivery();
    check_interrupted_calls();
    check_registers_survive(40 * scale_of(argc, argv));
    return check_exit();
}
