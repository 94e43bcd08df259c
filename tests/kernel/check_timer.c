/* The two EL1 timers: condition, mask, countdown, and the interrupt at the CPU. */
#include "gicv3.h"

#define GROUP "timer"

#define CTL_ENABLE  1
#define CTL_IMASK   2
#define CTL_ISTATUS 4

#define LONG_TIME UINT64_C(0x4000000000000000)

struct timer {
    const char *name;
    unsigned intid;
    void (*set_ctl)(uint64_t val);
    void (*set_cval)(uint64_t val);
    void (*set_tval)(uint64_t val);
    uint64_t (*ctl)(void);
    uint64_t (*cval)(void);
    uint64_t (*tval)(void);
    uint64_t (*count)(void);
};

#define TIMER(t, c)                        \
    static void t##_set_ctl(uint64_t val)  \
    {                                      \
        WRITE("cnt" #t "_ctl_el0", val);   \
    }                                      \
    static void t##_set_cval(uint64_t val) \
    {                                      \
        WRITE("cnt" #t "_cval_el0", val);  \
    }                                      \
    static void t##_set_tval(uint64_t val) \
    {                                      \
        WRITE("cnt" #t "_tval_el0", val);  \
    }                                      \
    static uint64_t t##_ctl(void)          \
    {                                      \
        return READ("cnt" #t "_ctl_el0");  \
    }                                      \
    static uint64_t t##_cval(void)         \
    {                                      \
        return READ("cnt" #t "_cval_el0"); \
    }                                      \
    static uint64_t t##_tval(void)         \
    {                                      \
        return READ("cnt" #t "_tval_el0"); \
    }                                      \
    static uint64_t t##_count(void)        \
    {                                      \
        ISB();                             \
        return READ(c);                    \
    }

TIMER(v, "cntvct_el0")
TIMER(p, "cntpct_el0")

static const struct timer timers[] = {
    { "virtual", 27, v_set_ctl, v_set_cval, v_set_tval, v_ctl, v_cval, v_tval, v_count },
    { "physical", 30, p_set_ctl, p_set_cval, p_set_tval, p_ctl, p_cval, p_tval, p_count },
};

static void condition(const struct timer *t)
{
    static const struct {
        const char *name;
        uint64_t cval;
    } rows[] = {
        { "past", 0 },
        { "future", LONG_TIME },
        { "negative", UINT64_C(1) << 63 },
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        t->set_cval(rows[i].cval);
        print(GROUP ".%s-%s:", t->name, rows[i].name);
        for (unsigned ctl = 0; ctl < 4; ctl++) {
            t->set_ctl(ctl);
            /* ISTATUS is UNKNOWN while the timer is off. */
            print(" %x", ctl & CTL_ENABLE ? t->ctl() : t->ctl() & ~(uint64_t)CTL_ISTATUS);
        }
        t->set_ctl(0);
        print("\n");
    }
}

/* TVAL is a signed view of CVAL minus the counter. */
static void countdown(const struct timer *t)
{
    uint64_t before, after, tval;

    before = t->count();
    t->set_tval(0x1000000);
    after = t->count();
    print(GROUP ".%s-tval-forward: %s\n", t->name,
          t->cval() - before >= 0x1000000 && t->cval() - after <= 0x1000000 ? "fits" : "wrong");
    before = t->count();
    t->set_tval(0xffffffff80000000);
    after = t->count();
    print(GROUP ".%s-tval-backward: %s\n", t->name,
          t->cval() - before + 0x80000000 <= after - before ? "fits" : "wrong");
    t->set_cval(t->count() + 0x7000000000);
    tval = t->tval();
    print(GROUP ".%s-tval-reads: %s\n", t->name, tval >> 32 ? "64 bits" : "32 bits");
    before = t->count();
    t->set_cval(before);
    tval = t->tval();
    after = t->count();
    print(GROUP ".%s-tval-negative: %s\n", t->name,
          (uint32_t)-tval <= after - before ? "fits" : "wrong");
}

static void interrupt(const struct timer *t)
{
    struct go g;

    gic_init();
    gic_enable(t->intid, 0x80);
    t->set_cval(0);
    t->set_ctl(CTL_ENABLE | CTL_IMASK);
    print(GROUP ".%s-masked: pending %d\n", t->name, gic_pending(t->intid));
    t->set_ctl(CTL_ENABLE);
    print(GROUP ".%s-level: pending %d", t->name, gic_pending(t->intid));
    g = gic_wait();
    print(" %s", gic_what(&g));
    print(" intid %d", gic_ack());
    print(" active %d", gic_active(t->intid));
    gic_eoi(t->intid);
    /* Level: as long as the condition holds it comes again. */
    g = gic_wait();
    print(", again %s", gic_what(&g));
    print(" intid %d", gic_ack());
    t->set_ctl(0);
    gic_eoi(t->intid);
    g = gic_poll();
    print(", off %s pending %d\n", gic_what(&g), gic_pending(t->intid));

    t->set_tval(24000); /* a millisecond */
    t->set_ctl(CTL_ENABLE);
    g = gic_wait();
    print(GROUP ".%s-later: %s ctl %x", t->name, gic_what(&g), t->ctl());
    print(" intid %d\n", gic_ack());
    t->set_cval(LONG_TIME);
    gic_eoi(t->intid);
    g = gic_poll();
    print(GROUP ".%s-moved: %s ctl %x\n", t->name, gic_what(&g), t->ctl());
    t->set_ctl(0);

    /* WFI wakes for it though PSTATE masks it. */
    t->set_tval(24000);
    t->set_ctl(CTL_ENABLE);
    while (!(t->ctl() & CTL_ISTATUS))
        __asm__ volatile("wfi" : : : "memory");
    print(GROUP ".%s-wfi: ctl %x isr %x\n", t->name, t->ctl(), READ("isr_el1"));
    t->set_ctl(0);
}

void check_timer(void)
{
    print(GROUP ".frequency: %d\n", (unsigned)READ("cntfrq_el0"));
    for (unsigned i = 0; i < COUNT(timers); i++) {
        condition(&timers[i]);
        countdown(&timers[i]);
        interrupt(&timers[i]);
    }
}
