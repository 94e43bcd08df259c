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

#include "arch/addrmap.h"
#include "arch/esr.h"
#include "base/log.h"
#include "cpu/a64.h"
#include "cpu/gic.h"
#include "cpu/mmu.h"
#include "cpu/soc.h"
#include "cpu/sysreg_row.h"
#include "rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HEADER    2
#define WORDS_MAX 128
#define STOPS_MAX 64
#define EL0_CODE  (RIG_USER + 0x10000)
#define EL1_CODE  (RIG_SYSTEM + 0x10000)
#define WINDOW    (RIG_USER + 0x81000) /* a page boundary */
#define PAGE_END  0xfc0 /* where code may begin: it then continues on a second page */
#define KICK_US   4000

#define EL1H        UINT64_C(5)
#define PSTATE_DAIF UINT64_C(0x3c0)
#define PSTATE_PAN  BIT(22)
#define SCTLR_M     BIT(0)

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

static void wake(void *ctx, unsigned vcpu)
{
    (void)ctx;
    (void)vcpu;
}

/* HVC, so that exceptions are counted; then go on after the instruction that caused it. */
static void make_vectors(void)
{
    static const uint32_t handler[] = {
        0xd4000002, /* hvc #0 */
        0xd538403e, /* mrs x30, elr_el1 */
        0x910013de, /* add x30, x30, #4 */
        0xd518403e, /* msr elr_el1, x30 */
        0xd69f03e0, /* eret */
    };

    for (unsigned off = 0; off < 0x800; off += 0x80)
        for (unsigned n = 0; n < ARRAY_LEN(handler); n++)
            rig_poke(&rig, RIG_SYSTEM + off + 4 * n, handler[n]);
}

/* Pointers of every kind, and numbers. */
static uint64_t operand(uint8_t kind, uint8_t offset)
{
    static const uint64_t bases[] = {
        0,
        WINDOW,
        RIG_DEVICE,
        RIG_USER + RIG_BYTES, /* the system part begins */
        EL1_CODE,
        RIG_SYSTEM + 0x1000, /* tables */
        MAP_GICD_BASE,
        MAP_GICR_BASE,
        BIT(39),
        UINT64_C(0x7fffffffffffffff),
        UINT64_C(0xffff000040000000),
        UINT64_C(0x5a00000040081000), /* tagged */
        UINT64_C(0x3ff0000000000000), /* 1.0 */
        UINT64_C(0x7ff4000080000001), /* a signalling NaN */
        UINT64_C(0x00000001ffff8000),
        UINT64_MAX,
    };

    return bases[kind & 15] + (kind & BIT(4) ? offset : 16 * (uint64_t)(int8_t)offset);
}

/* Words of which most are UDF stand for others: a system register of ours, read or written, or any
 * row of the decode table. Few random words would hit one. */
static uint32_t instruction(uint32_t word)
{
    uint32_t pick = word >> 8 & 0x7fff, fields = word * 0x9e3779b1;
    const struct a64_row *row = &a64_rows[pick % A64_OPS];

    if (word >> 24)
        return word;
    if (word & BIT(23))
        return 0xd5000000 | (uint32_t)sysreg_rows[pick % sysreg_row_count].enc << 5 |
               (word & BIT(7) ? (uint32_t)BIT(21) : 0) | (word & 31);
    return row->value | (fields & ~row->mask);
}

/* Registers are made of the input's bytes, which are also code: any input is enough for all. */
static void enter(const uint8_t *data, size_t len, size_t words)
{
    bool el1 = data[0] & BIT(0);
    gva_t code = (el1 ? EL1_CODE : EL0_CODE) + (data[0] & BIT(1) ? PAGE_END : 0);
    struct cpu *c = rig.c;

    for (size_t n = 0; n < words; n++)
        rig_poke(&rig, code + 4 * n, instruction(load_le32(data + HEADER + 4 * n)));
    rig_poke(&rig, code + 4 * words, 0xd4000001); /* SVC ends it */
    rig_enter(&rig, code,
              (data[0] & BIT(2) ? 0 : PSTATE_DAIF) | (data[0] & BIT(3) ? PSTATE_PAN : 0) |
                  (el1 ? EL1H : 0) | (uint64_t)(data[0] >> 4) << 28);
    if (data[1] & BIT(0)) {
        c->sys.sctlr_el1 &= ~SCTLR_M;
        mmu_update(c);
    }
    c->fpcr = (uint64_t)(data[1] >> 1 & 31) << 22 | (uint64_t)(data[1] >> 6 & 1) << 19;
    for (unsigned r = 0; r < 31; r++) {
        uint8_t kind = data[3 * r % len], offset = data[(5 * r + 1) % len];

        c->x[r] = operand(kind, offset);
        c->v[r].d[0] = c->x[r] * 0x0001000300010001;
        c->v[r].d[1] = operand(offset, kind);
    }
    c->x[REG_SP] = WINDOW;
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
    struct err err;
    size_t words;

    if (len < HEADER + 4)
        return -1;
    words = (len - HEADER) / 4 < WORDS_MAX ? (len - HEADER) / 4 : WORDS_MAX;
    start_once();
    rig_init(&rig);
    require(gic_create(&rig.soc, wake, NULL, &rig.soc.gic, &err) == 0);
    make_vectors();
    enter(data, len, words);
    run(data, len);
    check_state();
    gic_destroy(rig.soc.gic);
    rig_fini(&rig);
    memset(&rig, 0, sizeof(rig));
    return 0;
}
