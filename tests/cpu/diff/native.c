/*
 * Executes cases of the differential test on the CPU it runs on: a static arm64 Linux program.
 *
 * There is no assembly: every case ends in a signal (BRK, undefined, fault), and the signal's
 * context holds all registers. The handler stores it as the result of one case, replaces it by the
 * inputs of the next, and returns into it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <asm/sigcontext.h>

#include "diff.h"

static struct diff_batch *batch; /* the one that runs */
static ucontext_t home;          /* main(), where it started the batch */
static unsigned next;            /* the case that runs, plus one; 0: none yet */

/* The FP record of a signal frame. Vector-length extensions after it would override it when the
 * signal returns: the list is cut. */
static struct fpsimd_context *fp_context(ucontext_t *uc)
{
    struct fpsimd_context *fp = (void *)uc->uc_mcontext.__reserved;

    if (fp->head.magic != FPSIMD_MAGIC)
        _exit(3);
    memset((char *)fp + fp->head.size, 0, sizeof(struct _aarch64_ctx));
    return fp;
}

static void save(struct diff_out *out, int sig, const siginfo_t *info, ucontext_t *uc)
{
    const mcontext_t *m = &uc->uc_mcontext;
    const struct fpsimd_context *fp = fp_context(uc);

    out->end = sig == SIGTRAP   ? DIFF_END_BRK
               : sig == SIGILL  ? DIFF_END_UNDEFINED
               : sig == SIGSEGV ? DIFF_END_FAULT
                                : DIFF_END_ALIGN;
    out->fault = sig == SIGSEGV || sig == SIGBUS ? (uintptr_t)info->si_addr & DIFF_ADDR : 0;
    memcpy(out->state.x, m->regs, sizeof(out->state.x));
    out->state.sp = m->sp;
    out->state.pc = m->pc;
    out->state.nzcv = m->pstate & 0xf0000000u;
    memcpy(out->state.v, fp->vregs, sizeof(out->state.v));
    out->state.fpcr = fp->fpcr;
    out->state.fpsr = fp->fpsr;
    memcpy(out->window, (void *)(uintptr_t)DIFF_WINDOW, DIFF_WINDOW_BYTES);
}

static void load(const struct diff_in *in, ucontext_t *uc)
{
    mcontext_t *m = &uc->uc_mcontext;
    struct fpsimd_context *fp = fp_context(uc);

    memcpy(m->regs, in->state.x, sizeof(in->state.x));
    m->sp = in->state.sp;
    m->pc = in->state.pc;
    m->pstate = in->state.nzcv;
    memcpy(fp->vregs, in->state.v, sizeof(in->state.v));
    fp->fpcr = (uint32_t)in->state.fpcr;
    fp->fpsr = (uint32_t)in->state.fpsr;
    memcpy((void *)(uintptr_t)DIFF_WINDOW, in->window, DIFF_WINDOW_BYTES);
    memset((void *)(uintptr_t)DIFF_EDGE, 0, DIFF_EDGE_BYTES);
}

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
    ucontext_t *uc = ctx;

    if (next)
        save(&batch->out[next - 1], sig, info, uc);
    else
        memcpy(&home, uc, sizeof(home));
    if (next < DIFF_CASES) {
        load(&batch->in[next++], uc);
        return;
    }
    next = 0;
    memcpy(uc, &home, sizeof(home));
    uc->uc_mcontext.pc += 4; /* after the BRK that started the batch */
}

static void run_batch(uint32_t *code)
{
    /* All of it: a store to a wild address may have hit it. */
    for (unsigned i = 0; i < DIFF_CODE_BYTES / 4; i++)
        code[i] = DIFF_BRK;
    for (unsigned slot = 0; slot < DIFF_SLOTS; slot++)
        memcpy(&code[slot * DIFF_SLOT_WORDS + DIFF_SLOT_INSN], batch->insn[slot],
               sizeof(batch->insn[slot]));
    __builtin___clear_cache((char *)code, (char *)code + DIFF_CODE_BYTES);
    __asm__ volatile("brk #0" ::: "memory");
}

int main(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    static const int signals[] = { SIGTRAP, SIGILL, SIGSEGV, SIGBUS };
    stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction act = { .sa_sigaction = on_signal };
    struct diff_batch *batches =
        mmap(NULL, DIFF_BATCHES * sizeof(*batches), PROT_READ | PROT_WRITE, MAP_SHARED, DIFF_FD, 0);
    uint32_t *code =
        mmap((void *)(uintptr_t)DIFF_CODE, DIFF_MAP_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    unsigned char index;

    if (batches == MAP_FAILED || code != (void *)(uintptr_t)DIFF_CODE)
        return 2;
    act.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaltstack(&alt, NULL);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &act, NULL);
    while (read(0, &index, 1) == 1 && index < DIFF_BATCHES) {
        batch = &batches[index];
        run_batch(code);
        if (write(1, &index, 1) != 1)
            return 1;
    }
    return 0;
}
