/*
 * Two vCPUs: PSCI, interrupts from one to the other, TLB and instruction cache maintenance that the
 * other must see, exclusives and atomics that both contend for. Prints nothing on one vCPU.
 */
#include "gicv3.h"
#include "space.h"

#define GROUP "smp"

#define SECOND  UINT64_C(1) /* its affinity */
#define CONTEXT UINT64_C(0x123456789abcdef0)
#define ROUNDS  3000

/* PSCI's answers. */
#define INVALID_PARAMETERS (-2)
#define AFFINITY_OFF       1

SNIPPET(s_load, "ldr x1, [x0]");
SNIPPET(s_call, "mov x9, x30\nblr x0\nmov x30, x9");
SNIPPET(s_five, "mov x1, #5");
SNIPPET(s_six, "mov x1, #6");

/* x0 counter, x1 rounds: increments by exclusives, then by atomics. */
SNIPPET(s_count_exclusive, "1: ldxr x2, [x0]\nadd x2, x2, #1\nstxr w3, x2, [x0]\ncbnz w3, 1b\n"
                           "subs x1, x1, #1\nb.ne 1b");
SNIPPET(s_count_acquire, "1: ldaxr x2, [x0]\nadd x2, x2, #1\nstlxr w3, x2, [x0]\ncbnz w3, 1b\n"
                         "subs x1, x1, #1\nb.ne 1b");
SNIPPET(s_count_pair, "1: ldxp x2, x4, [x0]\nadd x2, x2, #1\nadd x4, x4, #1\n"
                      "stxp w3, x2, x4, [x0]\ncbnz w3, 1b\nsubs x1, x1, #1\nb.ne 1b");
SNIPPET(s_count_cas, "1: ldr x2, [x0]\n2: mov x3, x2\nadd x4, x2, #1\ncas x2, x4, [x0]\n"
                     "cmp x2, x3\nb.ne 2b\nsubs x1, x1, #1\nb.ne 1b");
SNIPPET(s_count_ldadd, "mov x2, #1\n1: stadd x2, [x0]\nsubs x1, x1, #1\nb.ne 1b");

/* LDXR at x0, then [x1] = 1 and wait for [x2], then STXR; x0 is its status. */
SNIPPET(s_interrupted, "ldxr x3, [x0]\nmov x4, #1\nstlr x4, [x1]\n1: ldar x4, [x2]\ncbz x4, 1b\n"
                       "stxr w5, x3, [x0]\nmov x0, x5");

extern const char second_start[];

/* What the first vCPU asks of the second. */
static struct mailbox {
    uint64_t (*volatile task)(uint64_t arg);
    volatile uint64_t arg, result, context, started;
} box;

static uint64_t load_acquire(volatile uint64_t *p)
{
    uint64_t val;

    __asm__ volatile("ldar %0, [%1]" : "=r"(val) : "r"(p) : "memory");
    return val;
}

static void store_release(volatile uint64_t *p, uint64_t val)
{
    __asm__ volatile("stlr %0, [%1]" : : "r"(val), "r"(p) : "memory");
}

void second_main(uint64_t context);

void second_main(uint64_t context)
{
    space_join();
    gic_init_vcpu(1);
    box.context = context;
    store_release(&box.started, 1);
    for (;;) {
        uint64_t (*task)(uint64_t) =
            (uint64_t(*)(uint64_t))load_acquire((volatile uint64_t *)&box.task);

        if (!task)
            continue;
        box.result = task(box.arg);
        store_release((volatile uint64_t *)&box.task, 0);
    }
}

/* Start a task on the second vCPU; wait for its end. */
static void begin(uint64_t (*task)(uint64_t arg), uint64_t arg)
{
    box.arg = arg;
    store_release((volatile uint64_t *)&box.task, (uint64_t)task);
}

static uint64_t finish(void)
{
    while (load_acquire((volatile uint64_t *)&box.task))
        ;
    return box.result;
}

static uint64_t ask(uint64_t (*task)(uint64_t arg), uint64_t arg)
{
    begin(task, arg);
    return finish();
}

static int64_t turn_on(void)
{
    box.started = 0;
    return psci(PSCI_CPU_ON, SECOND, (uint64_t)second_start, CONTEXT);
}

static void wait_started(void)
{
    while (!load_acquire(&box.started))
        ;
}

/* ---- tasks of the second vCPU ---- */

static uint64_t task_mpidr(uint64_t arg)
{
    (void)arg;
    return READ("mpidr_el1");
}

static uint64_t task_state(uint64_t arg)
{
    (void)arg;
    return READ("CurrentEL") | READ("daif");
}

static uint64_t task_load(uint64_t va)
{
    struct go g = run_at(EL1, s_load, va, 0, 0, 0);

    return returned(&g) ? g.x[1] : g.esr;
}

static uint64_t task_call(uint64_t va)
{
    struct go g = run_at(EL1, s_call, va, 0, 0, 0);

    return returned(&g) ? g.x[1] : g.esr;
}

static volatile uint64_t ready;

static uint64_t task_interrupt(uint64_t arg)
{
    uint64_t rd = SGIS + 0x20000;
    struct go g;
    unsigned intid;

    (void)arg;
    write32(rd + GIC_IPRIORITYR, 0x40404040);
    write32(rd + GIC_ISENABLER, 0xf);
    store_release(&ready, 1);
    g = gic_wait();
    intid = gic_ack();
    if (intid < 1020)
        gic_eoi(intid);
    return g.vector == VECTOR_IRQ ? intid : 5000;
}

/* WFI with interrupts masked ends when one is pending. */
static uint64_t task_wfi(uint64_t arg)
{
    unsigned intid;

    (void)arg;
    store_release(&ready, 1);
    while (!READ("isr_el1"))
        __asm__ volatile("wfi" : : : "memory");
    intid = gic_ack();
    gic_eoi(intid);
    return intid;
}

static uint64_t task_send(uint64_t val)
{
    WRITE(ICC_SGI1R, val);
    return 0;
}

static const char *counter_code;

static uint64_t task_count(uint64_t counter)
{
    struct go g = run_at(EL1, counter_code, counter, ROUNDS, 0, 0);

    return returned(&g) ? 0 : g.esr;
}

static volatile uint64_t *flag_address(unsigned n)
{
    return (volatile uint64_t *)(ARENA + 0x10000 + 0x100 * n);
}

/* Wait for flag 1, store to flag 0, set flag 2. */
static uint64_t task_disturb(uint64_t value)
{
    while (!load_acquire(flag_address(1)))
        ;
    *flag_address(0) = value;
    store_release(flag_address(2), 1);
    return 0;
}

/* Message passing: flag 4 follows flag 3. */
static uint64_t task_write_messages(uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++) {
        *flag_address(3) = i;
        store_release(flag_address(4), i);
    }
    return 0;
}

static uint64_t task_off(uint64_t arg)
{
    (void)arg;
    store_release((volatile uint64_t *)&box.task, 0);
    return (uint64_t)psci(PSCI_CPU_OFF, 0, 0, 0);
}

/* ---- checks ---- */

static void power(void)
{
    print(GROUP ".version: %x\n", (uint64_t)psci(PSCI_VERSION, 0, 0, 0));
    print(GROUP ".unknown-vcpu: on %x info %x\n", (uint64_t)psci(PSCI_CPU_ON, 0x77, 0, 0),
          (uint64_t)psci(PSCI_AFFINITY_INFO, 0x77, 0, 0));
    print(GROUP ".info: first %x second %x\n", (uint64_t)psci(PSCI_AFFINITY_INFO, 0, 0, 0),
          (uint64_t)psci(PSCI_AFFINITY_INFO, SECOND, 0, 0));
    print(GROUP ".on: %x", (uint64_t)turn_on());
    wait_started();
    print(" again %x info %x\n", (uint64_t)turn_on(),
          (uint64_t)psci(PSCI_AFFINITY_INFO, SECOND, 0, 0));
    box.started = 1;
    print(GROUP ".second: context %x", box.context);
    print(" mpidr %x", ask(task_mpidr, 0));
    print(" state %x\n", ask(task_state, 0));
}

static void interrupts(void)
{
    static const struct {
        const char *name;
        uint64_t val;
    } sgis[] = {
        { "target", UINT64_C(2) << 24 | BIT(1) },
        { "both", UINT64_C(3) << 24 | BIT(1) | BIT(0) },
        { "others", UINT64_C(1) << 24 | BIT(40) },
    };

    struct go g;

    gic_init();
    for (unsigned i = 0; i < COUNT(sgis); i++) {
        ready = 0;
        begin(task_interrupt, 0);
        while (!load_acquire(&ready))
            ;
        WRITE(ICC_SGI1R, sgis[i].val);
        print(GROUP ".sgi-%s: second %d", sgis[i].name, (unsigned)finish());
        print(" first %d%d%d\n", gic_pending(1), gic_pending(2), gic_pending(3));
    }
    gic_init();
    gic_enable(6, 0x40);
    begin(task_send, UINT64_C(6) << 24 | BIT(0));
    g = gic_wait();
    (void)finish();
    print(GROUP ".sgi-back: %s", gic_what(&g));
    print(" %d\n", gic_ack());
    gic_eoi(6);

    ready = 0;
    begin(task_wfi, 0);
    while (!load_acquire(&ready))
        ;
    WRITE(ICC_SGI1R, UINT64_C(2) << 24 | BIT(1));
    print(GROUP ".sgi-wfi: second %d\n", (unsigned)finish());

    /* A shared interrupt goes where IROUTER says. */
    for (unsigned to = 0; to < 2; to++) {
        gic_init();
        gic_enable(80, 0x40);
        *(volatile uint64_t *)(GICD + GICD_IROUTER + 8 * 80) = to;
        ready = 0;
        if (to) {
            begin(task_interrupt, 0);
            while (!load_acquire(&ready))
                ;
        }
        write32(GICD + GIC_ISPENDR + 8, 1U << 80 % 32);
        g = to ? gic_poll() : gic_wait();
        print(GROUP ".irouter-%d: first %s", to, gic_what(&g));
        print(" %d", to ? (unsigned)finish() : gic_ack());
        if (!to)
            gic_eoi(80);
        print("\n");
        *(volatile uint64_t *)(GICD + GICD_IROUTER + 8 * 80) = 0;
    }
    gic_init();
}

#define TLBI_IS(op, arg) \
    __asm__ volatile("dsb ishst\ntlbi " op "\ndsb ish\nisb" : : "r"(arg) : "memory")

static void tlb(void)
{
    static const char *const names[] = { "vmalle1is", "vae1is",   "vale1is",
                                         "vaae1is",   "vaale1is", "aside1is" };
    uint64_t by_va = TEST_VA >> 12 | UINT64_C(1) << 48;

    write64(ARENA, 11);
    write64(ARENA + 0x1000, 22);
    for (unsigned i = 0; i < COUNT(names); i++) {
        space_clear_tests();
        space_map(TEST_VA, ARENA, 3, D_DATA | D_NG);
        print(GROUP ".tlbi-%s: %x", names[i], ask(task_load, TEST_VA));
        space_map(TEST_VA, 0, 3, 0);
        switch (i) {
        case 0:
            TLBI_IS("vmalle1is", by_va);
            break;
        case 1:
            TLBI_IS("vae1is, %0", by_va);
            break;
        case 2:
            TLBI_IS("vale1is, %0", by_va);
            break;
        case 3:
            TLBI_IS("vaae1is, %0", by_va);
            break;
        case 4:
            TLBI_IS("vaale1is, %0", by_va);
            break;
        default:
            TLBI_IS("aside1is, %0", by_va);
        }
        print(" %x", ask(task_load, TEST_VA));
        space_map(TEST_VA, ARENA + 0x1000, 3, D_DATA | D_NG);
        print(" %x\n", ask(task_load, TEST_VA));
    }
}

static void copy_code(uint64_t to, const char *from)
{
    write32(to, read32((uint64_t)from));
    write32(to + 4, 0xd65f03c0);
    __asm__ volatile("dc cvau, %0\ndsb ish\nic ivau, %0\ndsb ish\nisb" : : "r"(to) : "memory");
}

static void code(void)
{
    space_clear_tests();
    space_map(TEST_VA, ARENA + 0x2000, 3, D_AF | D_INNER);
    copy_code(TEST_VA, s_five);
    print(GROUP ".code: %x", ask(task_call, TEST_VA));
    copy_code(TEST_VA, s_six);
    print(" %x", ask(task_call, TEST_VA));
    write32(TEST_VA, read32((uint64_t)s_five));
    __asm__ volatile("dc cvau, %0\ndsb ish\nic ialluis\ndsb ish\nisb" : : "r"(TEST_VA) : "memory");
    print(" %x\n", ask(task_call, TEST_VA));
}

static void exclusives(void)
{
    static const struct {
        const char *name;
        const char *pc;
    } rows[] = {
        { "exclusive", s_count_exclusive }, { "acquire", s_count_acquire },
        { "pair", s_count_pair },           { "cas", s_count_cas },
        { "ldadd", s_count_ldadd },
    };
    uint64_t counter = ARENA + 0x4000, seen = 0, bad = 0;
    struct go g;

    for (unsigned i = 0; i < COUNT(rows); i++) {
        write64(counter, 0);
        write64(counter + 8, 0);
        counter_code = rows[i].pc;
        begin(task_count, counter);
        (void)run_at(EL1, rows[i].pc, counter, ROUNDS, 0, 0);
        (void)finish();
        print(GROUP ".count-%s: %d\n", rows[i].name, (unsigned)read64(counter));
    }
    /* A store by the other, of another value, between LDXR and STXR. */
    for (unsigned i = 0; i < 3; i++)
        *flag_address(i) = 0;
    begin(task_disturb, 7);
    g = run_at(EL1, s_interrupted, (uint64_t)flag_address(0), (uint64_t)flag_address(1),
               (uint64_t)flag_address(2), 0);
    (void)finish();
    print(GROUP ".disturbed: status %x value %x\n", g.x[0], *flag_address(0));

    *flag_address(3) = *flag_address(4) = 0;
    begin(task_write_messages, ROUNDS);
    while (seen < ROUNDS) {
        seen = load_acquire(flag_address(4));
        bad += *flag_address(3) < seen;
    }
    (void)finish();
    print(GROUP ".messages: %d out of order\n", (unsigned)bad);
}

static void off_and_on(void)
{
    begin(task_off, 0);
    while (psci(PSCI_AFFINITY_INFO, SECOND, 0, 0) != AFFINITY_OFF)
        ;
    print(GROUP ".off: info %x", (uint64_t)psci(PSCI_AFFINITY_INFO, SECOND, 0, 0));
    print(" on %x", (uint64_t)turn_on());
    wait_started();
    print(" mpidr %x\n", ask(task_mpidr, 0));
    begin(task_off, 0);
    while (psci(PSCI_AFFINITY_INFO, SECOND, 0, 0) != AFFINITY_OFF)
        ;
}

void check_smp(void)
{
    if (psci(PSCI_AFFINITY_INFO, SECOND, 0, 0) == INVALID_PARAMETERS)
        return;
    space_on(12);
    power();
    interrupts();
    tlb();
    code();
    exclusives();
    off_and_on();
    space_off();
}
