/*
 * libFuzzer: arbitrary instruction words with arbitrary registers on the interpreter, at EL0 or
 * EL1, with the MMU on or off, and with a GIC.
 *
 * Every exception goes to a handler that steps over the instruction and goes on, so a run reaches
 * its last word unless it changes the system beneath itself: it may, that is what EL1 is for.
 * Whatever it does, the host must not notice (the sanitizers watch), a kick must end it, and the
 * state that it leaves must be one that could be saved and loaded again.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#include "arch/esr.h"
#include "base/log.h"
#include "exec_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STOPS_MAX 64
#define KICK_US   4000

static struct rig rig;
static struct cpu *volatile running; /* whom the timer kicks */

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Endless loops are not a finding; a kick that does not end them is. */
static void on_timer(int sig)
{
    struct cpu *c = running;

    (void)sig;
    if (c)
        cpu_request(c, CPU_REQ_KICK);
}

static void quiet(void *ctx, enum log_level level, const char *area, const char *text)
{
    (void)ctx;
    (void)level;
    (void)area;
    (void)text;
}

static void start_once(void)
{
    static bool started;
    struct itimerval every = { { 0, KICK_US }, { 0, KICK_US } };

    if (started)
        return;
    started = true;
    log_set_sink(quiet, NULL);
    signal(SIGVTALRM, on_timer);
    require(setitimer(ITIMER_VIRTUAL, &every, NULL) == 0);
}

static void run(const uint8_t *data, size_t len)
{
    for (unsigned stops = 0; stops < STOPS_MAX; stops++) {
        running = rig.c;
        enum cpu_stop stop = rig_run(&rig);
        running = NULL;

        require(rig.c->x[REG_ZERO] == 0);
        if (stop == CPU_STOP_MMIO)
            cpu_mmio_done(rig.c, data[stops % len] * UINT64_C(0x0101010101010101));
        else if (stop == CPU_STOP_KICKED || stop == CPU_STOP_ERROR)
            return;
        else if (stop == CPU_STOP_HVC && FIELD_GET(ESR_EC, rig.c->sys.esr_el1) == EC_SVC64)
            return;
    }
}

/* Any state that a guest can reach can be loaded, and is the same then. Counters run on. */
static void check_state(void)
{
    static struct vcpu_state before, after;
    struct err err;

    if (rig.c->replay.count || rig.c->stop == CPU_STOP_MMIO)
        return; /* between two accesses of an instruction: the VMM lets it finish first */
    cpu_get_state(rig.c, &before);
    require(cpu_set_state(rig.c, &before, &err) == 0);
    cpu_get_state(rig.c, &after);
    after.cntvct = before.cntvct;
    require(memcmp(&before, &after, sizeof(before)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < EXEC_LEN_MIN)
        return -1;
    start_once();
    exec_program_init(&rig, NULL);
    exec_program_enter(&rig, data, len);
    run(data, len);
    check_state();
    exec_program_fini(&rig);
    return 0;
}
