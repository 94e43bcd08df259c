/*
 * libFuzzer: arbitrary programs on the interpreter and on the translator; they must leave the same
 * registers, memory and counts. An input chooses whether the translator runs as ever, or in
 * lockstep, which compares every block by itself.
 *
 * The machines are deterministic, so that also what programs see of time is the same. Not compared
 * is what the architecture leaves open: a program that has changed code, vectors or translation
 * tables may go on with old ones for a while, and the two have different ideas of how long. Nor is
 * one that had to be kicked.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "arch/esr.h"
#include "base/log.h"
#include "cpu/jit/jit.h"
#include "cpu/timer.h"
#include "exec_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STOPS_MAX    256
#define LEN_MAX      (EXEC_HEADER + 4 * EXEC_WORDS_MAX)
#define LEN_EXTENDED (EXEC_HEADER + 4 * 48)
#define KICK_US      4000
#define CODE_BYTES   (4 * (EXEC_WORDS_MAX + 1))
#define SYSTEM_BYTES 0x3000 /* vectors and tables */
#define PAGES        (RIG_BYTES / GMEM_PAGE_SIZE)

static struct rig rigs[2]; /* the interpreter's and the translator's */
static struct cpu *volatile running;

/* What lockstep has to say, for the person who looks at a crash. */
static char told[16384];
static size_t told_len;

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%sthe translator has another %s\n", told, what);
    abort();
}

static void keep_errors(void *ctx, enum log_level level, const char *area, const char *text)
{
    (void)ctx;
    if (level > LOG_ERROR || strcmp(area, "lockstep") != 0 || told_len > sizeof(told) - 256)
        return;
    told_len += (size_t)snprintf(told + told_len, 256, "%.250s\n", text);
}

static void on_timer(int sig)
{
    struct cpu *c = running;

    (void)sig;
    if (c)
        cpu_request(c, CPU_REQ_KICK);
}

static void start_once(void)
{
    static bool started;
    struct itimerval every = { { 0, KICK_US }, { 0, KICK_US } };

    if (started)
        return;
    started = true;
    log_set_sink(keep_errors, NULL);
    signal(SIGVTALRM, on_timer);
    if (setitimer(ITIMER_VIRTUAL, &every, NULL) < 0)
        abort();
}

/* Returns false when it had to be kicked. *ret_stop is the last. */
static bool run(struct rig *rig, const uint8_t *data, size_t len, enum cpu_stop *ret_stop)
{
    enum cpu_stop stop = CPU_STOP_KICKED;

    for (unsigned stops = 0; stops < STOPS_MAX; stops++) {
        running = rig->c;
        stop = rig_run(rig);
        running = NULL;
        if (stop == CPU_STOP_MMIO)
            cpu_mmio_done(rig->c, data[stops % len] * UINT64_C(0x0101010101010101));
        else if (stop == CPU_STOP_KICKED || stop == CPU_STOP_ERROR ||
                 (stop == CPU_STOP_HVC && FIELD_GET(ESR_EC, rig->c->sys.esr_el1) == EC_SVC64))
            break;
    }
    *ret_stop = stop;
    return stop != CPU_STOP_KICKED;
}

static bool same_memory(gpa_t gpa, size_t len)
{
    return !memcmp(gmem_ptr_dirty(rigs[0].mem, gpa, len), gmem_ptr_dirty(rigs[1].mem, gpa, len),
                   len);
}

/* Has either changed what it is made of? */
static bool untouched(const uint8_t *code, const uint8_t *system, gva_t at)
{
    for (unsigned n = 0; n < 2; n++)
        if (memcmp(gmem_ptr_dirty(rigs[n].mem, at, CODE_BYTES), code, CODE_BYTES) ||
            memcmp(gmem_ptr_dirty(rigs[n].mem, RIG_SYSTEM, SYSTEM_BYTES), system, SYSTEM_BYTES))
            return false;
    return true;
}

static void compare_memory(void)
{
    uint64_t bits[2][PAGES / 64];

    for (unsigned r = 0; r < rigs[0].mem->count; r++) {
        struct gmem_region *regions[2] = { &rigs[0].mem->regions[r], &rigs[1].mem->regions[r] };

        for (unsigned n = 0; n < 2; n++)
            gmem_fetch_dirty(regions[n], bits[n]);
        for (unsigned page = 0; page < PAGES; page++)
            if ((bits[0][page / 64] | bits[1][page / 64]) >> page % 64 & 1)
                require(same_memory(regions[0]->gpa + page * GMEM_PAGE_SIZE, GMEM_PAGE_SIZE),
                        "page");
    }
}

static void compare_state(void)
{
    static struct vcpu_state states[2];

    for (unsigned n = 0; n < 2; n++)
        cpu_get_state(rigs[n].c, &states[n]);
    require(!memcmp(states[0].x, states[1].x, sizeof(states[0].x)), "general register");
    require(!memcmp(states[0].v, states[1].v, sizeof(states[0].v)), "vector register");
    require(states[0].pc == states[1].pc, "pc");
    require(states[0].pstate == states[1].pstate, "PSTATE");
    require(states[0].fpsr == states[1].fpsr, "FPSR");
    require(states[0].cntvct == states[1].cntvct, "time");
    require(!memcmp(&states[0], &states[1], sizeof(states[0])), "system register");
    require(rigs[0].c->retired == rigs[1].c->retired, "count of instructions");
}

/* Translated code shows the fuzzer no coverage to grow inputs by: behind what it gives, words go on
 * by themselves, such that each stands for a row of the decode table. */
static size_t extend(const uint8_t *data, size_t len, uint8_t to[LEN_MAX])
{
    uint64_t x = 1;

    if (len > LEN_MAX)
        len = LEN_MAX;
    memcpy(to, data, len);
    for (size_t n = 0; n < len; n++)
        x = (x ^ data[n]) * UINT64_C(0x100000001b3);
    len = align_down(len - EXEC_HEADER, 4) + EXEC_HEADER;
    for (; len < LEN_EXTENDED; len += 4) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        store_le32(to + len, x >> 32 & low_mask(23));
    }
    return len;
}

/* Every other register leads to memory, so that many accesses are ones that the TLB has. */
static void point(struct cpu *c)
{
    for (unsigned r = 0; r < 31; r += 2)
        c->x[r] = EXEC_WINDOW - EXEC_WINDOW_BYTES / 2 + (c->x[r] * 8 & (EXEC_WINDOW_BYTES - 1));
}

static int compare(const uint8_t *data, size_t len)
{
    static uint8_t code[CODE_BYTES], system_part[SYSTEM_BYTES];
    struct jit_config config = { .bytes = JIT_CODE_MIN };
    enum cpu_stop stops[2];
    bool ended = true;
    gva_t at;

    told_len = 0;
    told[0] = '\0';
    at = exec_program_code(data);
    config.lockstep = data[1] & BIT(7);
    for (unsigned n = 0; n < 2; n++) {
        exec_program_init(&rigs[n], n ? &config : NULL);
        rigs[n].soc.deterministic = true;
        timer_set_count(&rigs[n].soc, 0);
        exec_program_enter(&rigs[n], data, len);
        point(rigs[n].c);
    }
    memcpy(code, gmem_ptr_dirty(rigs[0].mem, at, CODE_BYTES), CODE_BYTES);
    memcpy(system_part, gmem_ptr_dirty(rigs[0].mem, RIG_SYSTEM, SYSTEM_BYTES), SYSTEM_BYTES);
    for (unsigned n = 0; n < 2 && ended; n++)
        ended = run(&rigs[n], data, len, &stops[n]);
    if (ended && untouched(code, system_part, at)) {
        require(stops[0] == stops[1], "end");
        compare_state();
        compare_memory();
    }
    for (unsigned n = 0; n < 2; n++)
        exec_program_fini(&rigs[n]);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t program[LEN_MAX];

    if (len < EXEC_LEN_MIN)
        return -1;
    start_once();
    return compare(program, extend(data, len, program));
}
