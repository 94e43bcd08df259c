/* Maintenance of other vCPUs: what reaches whose ring, and the wait of DSB, with threads. */
#include <sched.h>

#include "sys_rig.h"

#define TLBI(crm, op2) SYSREG(1, 0, 8, crm, op2)
#define VALE1IS        TLBI(3, 5)
#define VAE1IS         TLBI(3, 1)
#define VAAE1IS        TLBI(3, 3)
#define ASIDE1IS       TLBI(3, 2)
#define VMALLE1IS      TLBI(3, 0)
#define VMALLE1        TLBI(7, 0)
#define IC_IALLUIS     SYSREG(1, 0, 7, 1, 0)
#define IC_IVAU        SYSREG(1, 3, 7, 5, 1)

#define ASID(n)  ((uint64_t)(n) << 48)
#define VA       UINT64_C(0x7000000)
#define UPPER_VA (UINT64_C(0xffff800000000000))

static int setup(void **state)
{
    static struct sys_rig rig;

    sys_rig_init(&rig, 3);
    rig_at(&rig, EL1H);
    for (unsigned i = 0; i < 3; i++)
        atomic_store(&rig.soc.cpus[i]->request, 0);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    sys_rig_fini(*state);
    return 0;
}

/* Let a vCPU run with the MMU on under this ASID. */
static void use_asid(struct cpu *c, uint16_t asid)
{
    c->sys.tcr_el1 = TCR_4K;
    c->sys.tcr_el1 = TCR_4K;
    c->sys.mair_el1 = RIG_MAIR;
    c->sys.sctlr_el1 |= SCTLR_M;
    c->sys.ttbr0_el1 = ASID(asid) | RIG_ROOT;
    c->sys.ttbr1_el1 = RIG_ROOT;
    mmu_update(c);
}

static bool was_told(struct cpu *c)
{
    return atomic_exchange(&c->request, 0) & CPU_REQ_MAINTAIN;
}

static uint64_t tlbi_va(uint64_t va, uint16_t asid)
{
    return ASID(asid) | (va >> 12 & low_mask(44));
}

static void test_who_is_told(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *one = rig->soc.cpus[1], *two = rig->soc.cpus[2];
    static const struct {
        uint16_t enc;
        uint64_t val;
        bool one, two; /* vCPU 1 has run ASID 5, vCPU 2 has run ASID 6 */
    } cases[] = {
        { VMALLE1, 0, false, false },
        { VMALLE1IS, 0, true, true },
        { IC_IALLUIS, 0, true, true },
        { ASIDE1IS, ASID(5), true, false },
        { ASIDE1IS, ASID(6), false, true },
        { ASIDE1IS, ASID(7), false, false },
        { ASIDE1IS, ASID(5 + TLB_ASIDS), false, false },
        { VAE1IS, ASID(5) | VA >> 12, true, false },
        { VALE1IS, ASID(6) | VA >> 12, false, true },
        { VAAE1IS, ASID(7) | VA >> 12, true, true },
        { VAE1IS, ASID(7) | (UPPER_VA >> 12 & (BIT(44) - 1)), true, true },
    };

    use_asid(rig->c, 4);
    use_asid(one, 5);
    use_asid(two, 6);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        rig->c->unsynced = false;
        assert_ok(rig, sys_execute(rig->c, cases[i].enc, cases[i].val));
        assert_int_equal(was_told(one), cases[i].one);
        assert_int_equal(was_told(two), cases[i].two);
        assert_int_equal(rig->c->unsynced, cases[i].one || cases[i].two);
    }
    assert_false(was_told(rig->c)); /* it has done its own */
}

/* A page of every ASID in the lower half: maintenance by any ASID must come. */
static void test_global_pages_of_the_lower_half(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *one = rig->soc.cpus[1];

    use_asid(rig->c, 4);
    rig_mmu(rig, TCR_4K);
    rig_map(rig, 12, VA, 3, (RIG_RAM + 4 * MIB) | PTE_PAGE | PTE_NG);
    rig_map(rig, 12, VA + 4096, 3, (RIG_RAM + 5 * MIB) | PTE_PAGE);
    use_asid(one, 5);
    one->el = 1;
    mmu_update_view(one);
    (void)mmu_load(one, VA, 8, false);
    sys_execute(rig->c, VAE1IS, tlbi_va(VA, 4));
    assert_false(was_told(one));
    (void)mmu_load(one, VA + 4096, 8, false);
    sys_execute(rig->c, VAE1IS, tlbi_va(VA, 4));
    assert_true(was_told(one));
    mmu_flush_all(one); /* and no longer when there is none */
    sys_execute(rig->c, VAE1IS, tlbi_va(VA, 4));
    assert_false(was_told(one));
}

static bool has_entry(struct cpu *c, gva_t va)
{
    return mmu_hit_read(c, va, 1);
}

static void test_what_the_ring_does(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *one = rig->soc.cpus[1];

    rig_mmu(rig, TCR_4K);
    for (unsigned i = 0; i < 2 * BROADCAST_RING; i++)
        rig_map(rig, 12, VA + 4096 * i, 3, (RIG_RAM + 4 * MIB + 4096 * i) | PTE_PAGE | PTE_NG);
    use_asid(one, 5);
    one->el = 1;
    mmu_update_view(one);

    /* As much as fits is done piece by piece; one thing twice takes one place. */
    for (unsigned i = 0; i < 2 * BROADCAST_RING; i++)
        (void)mmu_load(one, VA + 4096 * i, 8, false);
    for (unsigned i = 0; i < BROADCAST_RING; i++) {
        sys_execute(rig->c, VAE1IS, tlbi_va(VA + 4096 * i, 5));
        sys_execute(rig->c, VAE1IS, tlbi_va(VA + 4096 * i, 5));
    }
    assert_true(has_entry(one, VA)); /* not before it looks */
    broadcast_answer(one);
    for (unsigned i = 0; i < 2 * BROADCAST_RING; i++)
        assert_int_equal(has_entry(one, VA + 4096 * i), i >= BROADCAST_RING);
    assert_int_equal(atomic_load(&one->ring.done), atomic_load(&one->ring.posted));

    /* What does not fit takes everything. */
    for (unsigned i = 0; i <= BROADCAST_RING; i++)
        sys_execute(rig->c, VAE1IS, tlbi_va(VA + 4096 * i, 5));
    broadcast_answer(one);
    for (unsigned i = 0; i < 2 * BROADCAST_RING; i++)
        assert_false(has_entry(one, VA + 4096 * i));

    (void)mmu_load(one, VA, 8, false);
    sys_execute(rig->c, ASIDE1IS, ASID(5));
    broadcast_answer(one);
    assert_false(has_entry(one, VA));
}

static void test_code_lines_reach_the_others(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *one = rig->soc.cpus[1];
    gpa_t gpa = RIG_RAM + 4 * MIB;
    const uint32_t *words = gmem_ptr(rig->mem, gpa, 4096);
    struct code_page *page = code_get(one, gpa, words);
    a64_fn mark = page->insn[CODE_PAGE_INSNS].fn, decode = page->insn[0].fn;

    page->insn[7].fn = mark;
    rig_mmu(rig, TCR_4K);
    rig_map(rig, 12, VA, 3, gpa | PTE_PAGE | PTE_NG);
    assert_ok(rig, sys_execute(rig->c, IC_IVAU, VA + 0x400));
    assert_ok(rig, sys_execute(rig->c, IC_IVAU, VA + 0x440)); /* one page, one place */
    assert_int_equal(one->ring.count, 1);
    assert_int_equal(rig->soc.cpus[2]->ring.count, 0); /* it has never executed there */
    assert_ptr_equal(page->insn[7].fn, mark);
    broadcast_answer(one);
    assert_ptr_equal(page->insn[7].fn, decode);

    code_drop(one); /* and when all is dropped, nobody has to be told */
    assert_ok(rig, sys_execute(rig->c, IC_IVAU, VA + 0x400));
    assert_int_equal(one->ring.count, 0);
}

static void test_nobody_is_waited_for_who_is_outside(void **state)
{
    struct sys_rig *rig = *state;

    sys_execute(rig->c, VMALLE1IS, 0);
    assert_true(rig->c->unsynced);
    assert_true(broadcast_wait(rig->c));
    assert_false(rig->c->unsynced);
}

static void test_a_kick_ends_the_wait(void **state)
{
    struct sys_rig *rig = *state;
    struct cpu *one = rig->soc.cpus[1];

    atomic_store(&one->running, true); /* and never looks */
    sys_execute(rig->c, VMALLE1IS, 0);
    cpu_request(rig->c, CPU_REQ_KICK);
    assert_false(broadcast_wait(rig->c));
    assert_true(rig->c->unsynced);
    atomic_store(&rig->c->request, 0);
    atomic_store(&one->running, false);
    assert_true(broadcast_wait(rig->c));
}

/* ---- threads: all send, all wait, and what was forgotten stays forgotten ---- */

#define ROUNDS 500 /* each may cost a time slice of a busy host */

struct party {
    struct sys_rig *rig;
    struct cpu *c;
    _Atomic unsigned *finished;
};

/* What cpu_run() does around and between blocks. */
static void between_blocks(struct cpu *c)
{
    if (atomic_fetch_and(&c->request, ~(uint32_t)CPU_REQ_MAINTAIN) & CPU_REQ_MAINTAIN)
        broadcast_answer(c);
}

static void take_part(void *arg)
{
    struct party *p = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        atomic_store(&p->c->running, true);
        between_blocks(p->c);
        (void)mmu_load(p->c, VA, 8, false);
        sys_execute(p->c, i % 3 ? VAE1IS : VMALLE1IS, tlbi_va(VA, 5));
        while (!broadcast_wait(p->c))
            ;
        atomic_store(&p->c->running, false);
    }
    atomic_fetch_add(p->finished, 1);
}

static void test_those_that_wait_for_each_other_go_on(void **state)
{
    struct sys_rig *rig = *state;
    struct thread threads[3] = { 0 };
    struct party parties[3];
    _Atomic unsigned finished = 0;

    rig_mmu(rig, TCR_4K);
    rig_map(rig, 12, VA, 3, (RIG_RAM + 4 * MIB) | PTE_PAGE | PTE_NG);
    for (unsigned i = 0; i < 3; i++) {
        struct cpu *c = rig->soc.cpus[i];

        use_asid(c, 5);
        c->el = 1;
        mmu_update_view(c);
        parties[i] = (struct party){ rig, c, &finished };
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(thread_start(&threads[i], "party", take_part, &parties[i]), 0);
    for (unsigned i = 0; i < 3; i++)
        thread_join(&threads[i]);
    assert_int_equal(finished, 3);
    for (unsigned i = 0; i < 3; i++) /* all that was posted was done, or the vCPU is outside */
        assert_int_equal(rig->soc.cpus[i]->unsynced, false);
}

/* One vCPU reads through a mapping, the other moves it. Once the mover's DSB is through, the old
 * page is never read again. */
struct reader {
    struct cpu *c;
    _Atomic uint64_t epoch; /* what the mapping leads to since the last DSB */
    _Atomic bool stop;
    uint64_t stale;
};

static void read_on(void *arg)
{
    struct reader *r = arg;

    atomic_store(&r->c->running, true);
    while (!atomic_load(&r->stop)) {
        between_blocks(r->c);
        for (unsigned i = 0; i < 64; i++) { /* a block */
            uint64_t epoch = atomic_load(&r->epoch);

            if (mmu_load(r->c, VA, 8, false) < epoch)
                r->stale++;
        }
    }
    atomic_store(&r->c->running, false);
}

static void put(struct sys_rig *rig, gpa_t gpa, uint64_t val)
{
    uint64_t *slot = gmem_ptr_dirty(rig->mem, gpa, 8);

    __atomic_store_n(slot, val, __ATOMIC_SEQ_CST);
}

static void test_after_dsb_nobody_reads_the_old_page(void **state)
{
    struct sys_rig *rig = *state;
    struct reader reader = { .c = rig->soc.cpus[1] };
    struct thread thread = { 0 };
    gpa_t pages = RIG_RAM + 4 * MIB, pte;

    rig_mmu(rig, TCR_4K);
    pte = rig_map(rig, 12, VA, 3, pages | PTE_PAGE | PTE_NG);
    use_asid(reader.c, 5);
    reader.c->el = 1;
    mmu_update_view(reader.c);
    assert_int_equal(thread_start(&thread, "reader", read_on, &reader), 0);
    while (!atomic_load(&reader.c->running))
        sched_yield();
    for (uint64_t i = 1; i < 4 * ROUNDS; i++) {
        gpa_t page = pages + 4096 * (i % 8);

        put(rig, page, i);
        put(rig, pte, page | PTE_PAGE | PTE_NG);
        sys_execute(rig->c, VAE1IS, tlbi_va(VA, 5));
        assert_true(broadcast_wait(rig->c));
        atomic_store(&reader.epoch, i);
    }
    atomic_store(&reader.stop, true);
    thread_join(&thread);
    assert_int_equal(reader.stale, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_who_is_told),
        T(test_global_pages_of_the_lower_half),
        T(test_what_the_ring_does),
        T(test_code_lines_reach_the_others),
        T(test_nobody_is_waited_for_who_is_outside),
        T(test_a_kick_ends_the_wait),
        T(test_those_that_wait_for_each_other_go_on),
        T(test_after_dsb_nobody_reads_the_old_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
