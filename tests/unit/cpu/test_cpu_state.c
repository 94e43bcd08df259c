/* vCPU state in and out, and what a CPU of this model refuses to take. */
#include <errno.h>

#include "sys_rig.h"

static int setup(void **state)
{
    static struct sys_rig rig;

    sys_rig_init(&rig, 1);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    sys_rig_fini(*state);
    return 0;
}

static void test_reset_state(void **state)
{
    struct sys_rig *rig = *state;
    struct vcpu_state got, want;

    rig->c->sys.vbar_el1 = 0;
    cpu_get_state(rig->c, &got);
    vcpu_state_reset(&want);
    assert_memory_equal(&got, &want, sizeof(got));
}

/* Every field different from reset and from every other. */
static void fill(struct vcpu_state *s)
{
    uint64_t n = 0x1000;

    vcpu_state_reset(s);
    for (unsigned i = 0; i < 31; i++)
        s->x[i] = n++;
    for (unsigned i = 0; i < 64; i++)
        s->v[i] = n++ << 32 | i;
    s->sp_el0 = n++;
    s->sp_el1 = n++;
    s->pc = 0x40001000;
    s->pstate = EL1H | UINT64_C(0x90000000) | DAIF_I | PAN_ON;
    s->elr_el1 = n++;
    s->spsr_el1 = EL0T;
    s->fpcr = BIT(24);
    s->fpsr = BIT(27);
    s->sctlr_el1 |= BIT(26) | BIT(14);
    s->cpacr_el1 = BITS(21, 20);
    s->ttbr0_el1 = UINT64_C(0x0012000040000000);
    s->ttbr1_el1 = UINT64_C(0x0034000040001000);
    s->tcr_el1 = TCR_4K;
    s->afsr0_el1 = n++;
    s->afsr1_el1 = n++;
    s->esr_el1 = n++;
    s->far_el1 = n++;
    s->par_el1 = n++;
    s->mair_el1 = RIG_MAIR;
    s->amair_el1 = n++;
    s->vbar_el1 = RIG_VBAR;
    s->contextidr_el1 = n++;
    s->tpidr_el1 = n++;
    s->cntkctl_el1 = 0x3;
    s->csselr_el1 = 2;
    s->tpidr_el0 = n++;
    s->tpidrro_el0 = n++;
    s->mdscr_el1 = BIT(15);
    s->mdccint_el1 = BIT(30);
    for (unsigned i = 0; i < 6; i++) {
        s->dbgbvr[i] = n++ << 2;
        s->dbgbcr[i] = 0x1e6 | i << 16;
    }
    s->dbgbvr[5] = UINT64_C(0x1234567890abcdef); /* a context or an address */
    for (unsigned i = 0; i < 4; i++) {
        s->dbgwvr[i] = ~n++ << 2;
        s->dbgwcr[i] = n++;
    }
    s->os_lock = 0;
    s->dbgclaim = 0xa5;
    s->cntvct = 777777;
    s->cntv_ctl = 1;
    s->cntv_cval = 888888;
    s->cntp_ctl = 3;
    s->cntp_cval = 999;
    s->icc_pmr_el1 = 0xf0;
    s->icc_bpr0_el1 = 4;
    s->icc_bpr1_el1 = 5;
    s->icc_ap0r0_el1 = 1u << 6;
    s->icc_ap1r0_el1 = 1u << 20;
    s->icc_ctlr_el1 = 0x402;
    s->icc_igrpen0_el1 = 1;
    s->icc_igrpen1_el1 = 1;
    s->power = VCPU_ON;
}

static void test_round_trip(void **state)
{
    static const uint64_t pstates[] = { EL0T, EL1T, EL1H };
    struct sys_rig *rig = *state;
    struct vcpu_state in, out;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(pstates); i++) {
        fill(&in);
        in.pstate = pstates[i] | DAIF_F;
        in.power = i & 1 ? VCPU_OFF : VCPU_ON;
        timer_set_count(&rig->soc, in.cntvct);
        assert_int_equal(cpu_set_state(rig->c, &in, &err), 0);
        cpu_get_state(rig->c, &out);
        assert_memory_equal(&in, &out, sizeof(in));
    }
    assert_true(rig->c->fp_enabled);
    assert_int_equal(rig->c->tlb->current, 0x12);
    assert_int_equal(rig->c->x[REG_ZERO], 0);

    /* The counter goes on from the saved value. */
    rig_clock_ns += 1000000;
    cpu_get_state(rig->c, &out);
    assert_int_equal(out.cntvct, in.cntvct + 24000);
}

static void test_a_timer_that_was_due_fires(void **state)
{
    struct sys_rig *rig = *state;
    static struct gic_state gic;
    struct vcpu_state s;
    struct err err;

    fill(&s);
    timer_set_count(&rig->soc, s.cntvct);
    s.cntv_cval = s.cntvct - 1;
    assert_int_equal(cpu_set_state(rig->c, &s, &err), 0);
    gic_get_state(rig->soc.gic, &gic);
    assert_true(gic.redist[0].line_level >> 27 & 1);
}

static void test_what_the_model_lacks_is_refused_by_name(void **state)
{
    static const struct {
        size_t offset;
        uint64_t val;
        const char *msg;
    } t[] = {
#define F(m) offsetof(struct vcpu_state, m)
        { F(pstate), 0x10, "pstate=0x10: this CPU model cannot hold it" },          /* AArch32 */
        { F(pstate), 0x9, "pstate=0x9: this CPU model cannot hold it" },            /* EL2 */
        { F(pstate), 0x1, "pstate=0x1: this CPU model cannot hold it" },            /* EL0h */
        { F(pstate), BIT(12) | 5, "pstate=0x1005: this CPU model cannot hold it" }, /* SSBS */
        { F(sctlr_el1), 0xb0d00800, "sctlr_el1=0xb0d00800: this CPU model cannot hold it" },
        { F(tcr_el1), BIT(39), "tcr_el1=0x8000000000: this CPU model cannot hold it" }, /* HA */
        { F(actlr_el1), 2, "actlr_el1=0x2: this CPU model cannot hold it" },
        { F(cpacr_el1), BIT(16), "cpacr_el1=0x10000: this CPU model cannot hold it" }, /* SVE */
        { F(fpcr), BIT(0), "fpcr=0x1: this CPU model cannot hold it" },
        { F(apiakeyhi_el1), 7, "apiakeyhi_el1=0x7: this CPU model cannot hold it" },
        { F(apgakeylo_el1), 1, "apgakeylo_el1=0x1: this CPU model cannot hold it" },
        /* Debug registers: there are 6 and 4, and bits that they lack. */
        { F(dbgbvr[1]), 2, "dbgbvr1_el1=0x2: this CPU model cannot hold it" },
        { F(dbgbvr[1]), BIT(50), "dbgbvr1_el1=0x4000000000000: this CPU model cannot hold it" },
        { F(dbgbcr[5]), 7, "dbgbcr5_el1=0x7: this CPU model cannot hold it" }, /* BAS */
        { F(dbgbcr[0]), 0x9e7, "dbgbcr0_el1=0x9e7: this CPU model cannot hold it" },
        { F(dbgbvr[6]), 8, "dbgbvr6_el1=0x8: this CPU model cannot hold it" },
        { F(dbgbcr[15]), 0x1e6, "dbgbcr15_el1=0x1e6: this CPU model cannot hold it" },
        { F(dbgwvr[3]), 1, "dbgwvr3_el1=0x1: this CPU model cannot hold it" },
        { F(dbgwcr[3]), BIT(21), "dbgwcr3_el1=0x200000: this CPU model cannot hold it" },
        { F(dbgwvr[4]), 8, "dbgwvr4_el1=0x8: this CPU model cannot hold it" },
        { F(mdscr_el1), BIT(19), "mdscr_el1=0x80000: this CPU model cannot hold it" },
        { F(dbgclaim), 0x100, "dbgclaim=0x100: this CPU model cannot hold it" },
        { F(cntv_ctl), 8, "cntv_ctl=0x8: this CPU model cannot hold it" },
        { F(icc_igrpen1_el1), 2, "icc_igrpen1_el1=0x2: this interrupt controller cannot hold it" },
#undef F
    };
    struct sys_rig *rig = *state;
    struct vcpu_state before, bad, after;
    struct err err;

    cpu_get_state(rig->c, &before);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        fill(&bad);
        memcpy((char *)&bad + t[i].offset, &t[i].val, sizeof(t[i].val));
        assert_true(cpu_set_state(rig->c, &bad, &err) < 0);
        assert_string_equal(err.msg, t[i].msg);
        cpu_get_state(rig->c, &after);
        assert_memory_equal(&before, &after, sizeof(before)); /* nothing was taken over */
    }
}

static void test_maps_are_checked(void **state)
{
    struct sys_rig *rig = *state;
    struct err err;
    void *host = gmem_ptr_dirty(rig->mem, RIG_RAM, 4096);

    assert_err(soc_map(&rig->soc, 0x1000, host, 100, SOC_READ, &err), EINVAL, err,
               "map 0x1000: 100 bytes is no whole number of pages");
    assert_err(soc_map(&rig->soc, RIG_RAM + 4096, host, 4096, SOC_READ, &err), EEXIST, err,
               "map 0x40001000: overlaps the range at 0x40000000");
    assert_err(soc_unmap(&rig->soc, 0x1000, 4096, &err), ENOENT, err,
               "no mapped range holds 0x1000, 4096 bytes");
    assert_err(soc_protect(&rig->soc, RIG_RAM, RIG_RAM_SIZE + 4096, 0, &err), ENOENT, err,
               "no mapped range holds 0x40000000, 8392704 bytes");
    assert_true(soc_map(&rig->soc, UINT64_MAX - 4095, host, 4096, SOC_READ, &err) < 0);

    /* A page out of the middle leaves three ranges; there is a limit. */
    assert_int_equal(soc_protect(&rig->soc, RIG_RAM + 8192, 4096, SOC_READ, &err), 0);
    assert_int_equal(rig->soc.range_count, 3);
    assert_ptr_equal(soc_find(&rig->soc, RIG_RAM + 12288 + 5)->host, (char *)host + 12288);
    assert_int_equal(soc_find(&rig->soc, RIG_RAM + 8192 + 4095)->prot, SOC_READ);
    assert_null(soc_find(&rig->soc, RIG_RAM + RIG_RAM_SIZE));
    for (unsigned i = 4; rig->soc.range_count + 2 <= SOC_RANGES_MAX; i += 2)
        assert_int_equal(soc_protect(&rig->soc, RIG_RAM + 4096 * i, 4096, SOC_READ, &err), 0);
    assert_err(soc_protect(&rig->soc, RIG_RAM + 4 * MIB, 4096, SOC_READ, &err), ENOSPC, err,
               "split 0x40400000: more than 16 ranges");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_reset_state),
        T(test_round_trip),
        T(test_a_timer_that_was_due_fires),
        T(test_what_the_model_lacks_is_refused_by_name),
        T(test_maps_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
