/*
 * Debugging as gdb does it: a child is stepped, and stopped by the hardware's breakpoints and
 * watchpoints, by BRK and by signals. One line a check, "ok WHAT" or "FAILED WHAT"; exit status 1
 * if one failed.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asm/ptrace.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define BREAKPOINTS 6
#define WATCHPOINTS 4

/* dbg_regs[].ctrl: bytes, kind, enabled. */
#define CTRL(bytes, kind) ((uint32_t)(bytes) << 5 | (uint32_t)(kind) << 3 | 1)
enum { EXECUTE = 0, LOAD = 1, STORE = 2 };

/* What the child works on; the parent uses its own copy's address. */
static struct {
    uint64_t word[8];
} data __attribute__((aligned(64)));

/* What the child executes: the parent counts its instructions. word comes in x0. */
void target(uint64_t *word);
__asm__(".text\n"
        ".arch armv8.1-a\n"
        ".balign 64\n"
        ".global target\n"
        "target:\n"
        "    mov x2, #17\n"           /* 0 */
        "    add x2, x2, #1\n"        /* 1 */
        "    cmp x2, #18\n"           /* 2 */
        "    b.eq 1f\n"               /* 3 */
        "    nop\n"                   /* 4: branched over */
        "1:  str x2, [x0]\n"          /* 5: word[0] = 18 */
        "    ldr x3, [x0, #8]\n"      /* 6: word[1] */
        "    ldaxr x4, [x0]\n"        /* 7 */
        "    stlxr w5, x4, [x0]\n"    /* 8: fails when it is stepped */
        "    ldadd x2, x6, [x0]\n"    /* 9: word[0] = 36 */
        "    stp x2, x3, [x0, #16]\n" /* 10: word[2], word[3] */
        "    strb w2, [x0, #35]\n"    /* 11: byte 3 of word[4] */
        "    ldur w7, [x0, #38]\n"    /* 12: end of word[4], begin of word[5] */
        "    ldp q0, q1, [x0, #32]\n" /* 13: word[4] to word[7] */
        "    mov x8, #172\n"          /* 14 */
        "    svc #0\n"                /* 15: getpid */
        "    mov x9, x0\n"            /* 16 */
        "    brk #0x77\n"             /* 17 */
        "    ret\n"                   /* 18 */
);

#define AT(n)   ((uint64_t)(uintptr_t)target + 4 * (n))
#define WORD(n) ((uint64_t)(uintptr_t)&data.word[n])
#define AT_BRK  17

static pid_t child;
static const char *check_what;
static unsigned failures, failed_checks;

static void begin(const char *what)
{
    check_what = what;
    failures = 0;
}

__attribute__((format(printf, 2, 3))) static bool expect(bool good, const char *words, ...)
{
    va_list ap;

    if (good)
        return true;
    failures++;
    printf("  %s: ", check_what);
    va_start(ap, words);
    vprintf(words, ap);
    va_end(ap);
    printf("\n");
    return false;
}

static void expect_u64(uint64_t seen, uint64_t want, const char *what)
{
    expect(seen == want, "%s: expected 0x%llx, seen 0x%llx", what, (unsigned long long)want,
           (unsigned long long)seen);
}

static void end(void)
{
    printf("%s %s\n", failures ? "FAILED" : "ok", check_what);
    fflush(stdout);
    failed_checks += failures != 0;
}

/* Nothing can be checked after this. */
static void give_up(const char *why)
{
    printf("FAILED %s: %s\n", check_what, why);
    fflush(stdout);
    if (child > 0)
        kill(child, SIGKILL);
    exit(1);
}

static void must(long result, const char *call)
{
    if (result < 0) {
        perror(call);
        give_up(call);
    }
}

static struct user_pt_regs get_regs(void)
{
    struct user_pt_regs regs;
    struct iovec iov = { &regs, sizeof(regs) };

    must(ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &iov), "get registers");
    return regs;
}

static void set_regs(struct user_pt_regs *regs)
{
    struct iovec iov = { regs, sizeof(*regs) };

    must(ptrace(PTRACE_SETREGSET, child, NT_PRSTATUS, &iov), "set registers");
}

static struct user_hwdebug_state get_debug(int kind)
{
    struct user_hwdebug_state state = { 0 };
    struct iovec iov = { &state, sizeof(state) };

    must(ptrace(PTRACE_GETREGSET, child, kind, &iov), "get debug registers");
    return state;
}

static void set_debug(int kind, unsigned n, uint64_t addr, uint32_t ctrl)
{
    struct user_hwdebug_state state = get_debug(kind);
    struct iovec iov = { &state, offsetof(struct user_hwdebug_state, dbg_regs) +
                                     (n + 1) * sizeof(state.dbg_regs[0]) };

    state.dbg_regs[n].addr = addr;
    state.dbg_regs[n].ctrl = ctrl;
    must(ptrace(PTRACE_SETREGSET, child, kind, &iov), "set debug registers");
}

static void set_break(unsigned n, uint64_t addr)
{
    set_debug(NT_ARM_HW_BREAK, n, addr, CTRL(0xf, EXECUTE));
}

static void clear_break(unsigned n)
{
    set_debug(NT_ARM_HW_BREAK, n, 0, 0);
}

/* Some of the bytes from addr to the end of its doubleword: one bit each. */
static void set_watch(unsigned n, uint64_t addr, unsigned bytes, unsigned kind)
{
    set_debug(NT_ARM_HW_WATCH, n, addr & ~7ul, CTRL(bytes << (addr & 7), kind));
}

static void clear_watch(unsigned n)
{
    set_debug(NT_ARM_HW_WATCH, n, 0, 0);
}

/* Let the child go on, wait for its next stop, and return the signal. */
static int go(int request, int sig)
{
    int status;

    must(ptrace(request, child, 0, sig), "go on");
    must(waitpid(child, &status, 0), "waitpid");
    if (!WIFSTOPPED(status))
        give_up("the child ended");
    return WSTOPSIG(status);
}

static siginfo_t signal_info(void)
{
    siginfo_t info;

    must(ptrace(PTRACE_GETSIGINFO, child, 0, &info), "get the signal");
    return info;
}

/* Go on and stop before instruction n by a SIGTRAP of this code and address. */
static void expect_trap(int request, int code, unsigned n, uint64_t addr)
{
    int sig = go(request, 0);
    siginfo_t info = signal_info();

    expect_u64((uint64_t)sig, SIGTRAP, "signal");
    expect_u64((uint64_t)info.si_code, (uint64_t)code, "code");
    expect_u64((uint64_t)(uintptr_t)info.si_addr, addr, "address");
    expect_u64(get_regs().pc, AT(n), "pc");
}

static void expect_step(unsigned n)
{
    expect_trap(PTRACE_SINGLESTEP, TRAP_TRACE, n, AT(n));
}

static void expect_break(unsigned n)
{
    expect_trap(PTRACE_CONT, TRAP_HWBKPT, n, AT(n));
}

static uint64_t word(unsigned n)
{
    return (uint64_t)ptrace(PTRACE_PEEKDATA, child, &data.word[n], 0);
}

/* From where the child is, past the BRK, to where it waits between two runs. */
static void run_out(void)
{
    int sig;

    while ((sig = go(PTRACE_CONT, 0)) != SIGSTOP) {
        struct user_pt_regs regs = get_regs();

        if (sig != SIGTRAP || regs.pc != AT(AT_BRK)) {
            printf("  signal %d at pc 0x%llx\n", sig, (unsigned long long)regs.pc);
            give_up("stopped on its way to the end");
        }
        regs.pc += 4;
        set_regs(&regs);
    }
}

/* Begin a run and stop before its first instruction. */
static void run_in(void)
{
    set_break(0, AT(0));
    expect_break(0);
    clear_break(0);
}

static void on_signal(int sig)
{
    (void)sig;
}

static void child_main(void)
{
    signal(SIGUSR1, on_signal);
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
        _exit(2);
    for (;;) {
        memset(&data, 0, sizeof(data));
        data.word[1] = 5;
        raise(SIGSTOP);
        target(data.word);
    }
}

static void start(void)
{
    int status;

    begin("start a child");
    child = fork();
    must(child, "fork");
    if (child == 0)
        child_main();
    must(waitpid(child, &status, 0), "waitpid");
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
        give_up("it did not stop");
    end();
}

static void check_resources(void)
{
    begin("6 breakpoints and 4 watchpoints");
    expect_u64(get_debug(NT_ARM_HW_BREAK).dbg_info & 0xff, BREAKPOINTS, "breakpoints");
    expect_u64(get_debug(NT_ARM_HW_WATCH).dbg_info & 0xff, WATCHPOINTS, "watchpoints");
    end();
}

static void check_steps(void)
{
    static const uint8_t path[] = { 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    struct user_pt_regs regs;

    begin("single steps");
    run_in();
    for (unsigned i = 0; i < COUNT(path); i++)
        expect_step(path[i]);
    /* Linux itself reports a step when the system call ends. SVC had left the CPU's step pending,
     * which comes next. */
    expect_u64((uint64_t)go(PTRACE_SINGLESTEP, 0), SIGTRAP, "signal after SVC");
    expect_u64(get_regs().pc, AT(16), "pc after SVC");
    expect_step(16);
    expect_step(17);
    regs = get_regs();
    expect_u64(regs.regs[2], 18, "x2");
    expect_u64(regs.regs[3], 5, "x3");
    expect_u64(regs.regs[4], 18, "x4, loaded exclusively");
    expect_u64(regs.regs[5], 1, "w5, of a store-exclusive after an exception");
    expect_u64(regs.regs[6], 18, "x6, the old value");
    expect_u64(regs.regs[9], (uint64_t)child, "x9, the system call's result");
    expect_u64(word(0), 36, "word 0");
    /* BRK is not stepped over, it traps by itself. */
    expect_trap(PTRACE_SINGLESTEP, TRAP_BRKPT, AT_BRK, AT(AT_BRK));
    regs.pc = AT(AT_BRK + 1);
    set_regs(&regs);
    expect_u64((uint64_t)go(PTRACE_SINGLESTEP, 0), SIGTRAP, "signal after RET");
    expect_u64(get_regs().pc, regs.regs[30], "pc after RET");
    run_out();
    end();
}

static void check_step_into_a_handler(void)
{
    struct user_pt_regs regs;
    int sig;

    begin("a step into a signal handler");
    run_in();
    sig = go(PTRACE_SINGLESTEP, SIGUSR1);
    regs = get_regs();
    expect_u64((uint64_t)sig, SIGTRAP, "signal");
    expect_u64(regs.pc, (uint64_t)(uintptr_t)on_signal, "pc");
    expect_u64(regs.regs[0], SIGUSR1, "x0");
    set_break(1, AT(1));
    expect_break(1);
    clear_break(1);
    run_out();
    end();
}

static void check_a_step_that_faults(void)
{
    struct user_pt_regs regs;
    uint64_t good;

    begin("a step of a load that faults");
    run_in();
    set_break(1, AT(6));
    expect_break(6);
    clear_break(1);
    regs = get_regs();
    good = regs.regs[0];
    regs.regs[0] = 0x10;
    set_regs(&regs);
    expect_u64((uint64_t)go(PTRACE_SINGLESTEP, 0), SIGSEGV, "signal");
    expect_u64((uint64_t)(uintptr_t)signal_info().si_addr, 0x18, "address");
    expect_u64(get_regs().pc, AT(6), "pc");
    regs.regs[0] = good;
    set_regs(&regs);
    expect_step(7);
    run_out();
    end();
}

static void check_breakpoints(void)
{
    static const uint8_t at[BREAKPOINTS] = { 0, 3, 5, 9, 13, 16 };

    begin("six breakpoints at once");
    for (unsigned n = 0; n < BREAKPOINTS; n++)
        set_break(n, AT(at[n]));
    for (unsigned n = 0; n < BREAKPOINTS; n++) {
        expect_break(at[n]);
        clear_break(n);
    }
    run_out();
    end();

    begin("a breakpoint on what is not executed");
    set_break(2, AT(4));
    run_out();
    clear_break(2);
    end();
}

static void check_watchpoints(void)
{
    static const struct {
        const char *what;
        unsigned offset, bytes, kind; /* in data; as set_watch() takes them */
        unsigned at;                  /* the instruction before which it stops, or the BRK */
    } t[] = {
        { "a watchpoint on a store", 0, 0xff, STORE, 5 },
        { "a watchpoint on a load", 8, 0xff, LOAD, 6 },
        { "a watchpoint on loads does not stop a store", 16, 0xff, LOAD, AT_BRK },
        { "a watchpoint on stores does not stop a load", 8, 0xff, STORE, AT_BRK },
        { "a watchpoint on an exclusive load", 0, 0xff, LOAD, 7 },
        { "a watchpoint on the second half of a pair", 24, 0xff, STORE, 10 },
        { "a watchpoint on one byte", 35, 0x1, STORE, 11 },
        { "a watchpoint on the byte before", 34, 0x1, STORE, AT_BRK },
        { "a watchpoint on the byte after", 36, 0x1, STORE, AT_BRK },
        { "a watchpoint that an unaligned load runs into", 40, 0x3, LOAD, 12 },
        { "a watchpoint on a load of vector registers", 60, 0xf, LOAD | STORE, 13 },
    };

    for (unsigned i = 0; i < COUNT(t); i++) {
        unsigned n = i % WATCHPOINTS;

        begin(t[i].what);
        run_in();
        set_watch(n, WORD(0) + t[i].offset, t[i].bytes, t[i].kind);
        if (t[i].at == AT_BRK)
            expect_trap(PTRACE_CONT, TRAP_BRKPT, AT_BRK, AT(AT_BRK));
        else
            expect_trap(PTRACE_CONT, TRAP_HWBKPT, t[i].at, WORD(0) + t[i].offset);
        if (t[i].at == 5)
            expect_u64(word(0), 0, "word 0, not stored yet");
        clear_watch(n);
        if (t[i].at != AT_BRK)
            expect_step(t[i].at + 1);
        run_out();
        end();
    }
}

static void check_all_watchpoints(void)
{
    static const struct {
        unsigned offset, bytes, kind, at;
    } t[WATCHPOINTS] = {
        { 0, 0xff, STORE, 5 }, { 8, 0xff, LOAD, 6 }, { 16, 0xff, STORE, 10 }, { 35, 1, STORE, 11 }
    };

    begin("four watchpoints at once, and steps under them");
    run_in();
    for (unsigned n = 0; n < WATCHPOINTS; n++)
        set_watch(n, WORD(0) + t[n].offset, t[n].bytes, t[n].kind);
    for (unsigned n = 0; n < WATCHPOINTS; n++) {
        uint64_t addr = WORD(0) + t[n].offset;

        expect_trap(PTRACE_CONT, TRAP_HWBKPT, t[n].at, addr);
        /* While it is there, a step stops by it again. */
        expect_trap(PTRACE_SINGLESTEP, TRAP_HWBKPT, t[n].at, addr);
        clear_watch(n);
        expect_step(t[n].at + 1);
    }
    run_out();
    end();
}

int main(void)
{
    start();
    check_resources();
    check_steps();
    check_step_into_a_handler();
    check_a_step_that_faults();
    check_breakpoints();
    check_watchpoints();
    check_all_watchpoints();
    kill(child, SIGKILL);
    return failed_checks ? 1 : 0;
}
