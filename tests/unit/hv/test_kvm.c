/*
 * The engine `kvm` on a real KVM: small bare programs, and state that must come back as it went in.
 * Built for arm64 Linux alone; tests/e2e/test_lab_kvm.py runs it in the lab.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/thread.h"
#include "unit/hv/kvm_rig.h"

/* The programs. Position-independent, MMU off; X0 is DATA and X1 is DEVICE when they start. */
__asm__(".pushsection .rodata\n"
        ".globl guest_mmio, guest_spin, guest_store, guest_pair, guest_idle, guest_reset\n"
        ".globl guest_busy, guest_end\n.balign 4\n"
        /* An abort goes to the vectors, which are at 0x200 of the page: current EL, SP_ELx. */
        "guest_pair: ldp x2, x3, [x1]\n b .\n .org guest_pair + 0x200\n off\n"
        "guest_mmio: mov w2, #0x15a\n strb w2, [x1]\n ldrb w3, [x1, #1]\n ldr w4, [x1, #4]\n"
        "  str x3, [x0]\n str x4, [x0, #8]\n off\n"
        "guest_spin: b .\n"
        "guest_store: mov x2, #0x77\n str x2, [x0]\n ldr x9, [x0]\n off\n"
        "guest_idle: wfi\n b guest_idle\n"
        "guest_busy: str w2, [x1]\n b guest_busy\n"
        "guest_reset: mov w0, #0x0009\n movk w0, #0x8400, lsl #16\n hvc #0\n b .\n"
        "guest_end:\n.popsection\n");
extern const uint8_t guest_mmio[], guest_spin[], guest_store[], guest_pair[], guest_idle[];
extern const uint8_t guest_reset[], guest_busy[], guest_end[];

static gpa_t address(const uint8_t *program)
{
    return CODE + (gpa_t)(program - guest_pair);
}

/* Put the programs at CODE and the vCPU at the start of one. */
static void load(struct rig *f, const uint8_t *program)
{
    struct vcpu_state state = entry(address(program));

    state.vbar_el1 = address(guest_pair);
    ok(f, gmem_write(f->mem, CODE, guest_pair, (size_t)(guest_end - guest_pair)));
    ok(f, f->hv->ops->vcpu_set(f->vcpu, &state, &f->err));
}

static void assert_mmio(const struct hv_exit *exit, enum hv_exit_kind kind, gpa_t gpa,
                        uint32_t size)
{
    assert_int_equal(exit->kind, kind);
    assert_int_equal(exit->mmio.gpa, gpa);
    assert_int_equal(exit->mmio.size, size);
}

static uint64_t data_at(struct rig *f, unsigned index)
{
    uint64_t val;

    ok(f, gmem_read(f->mem, DATA + 8 * index, &val, sizeof(val)));
    return val;
}

/* ---- running ---- */

static void test_device_accesses_and_power_off(void **state)
{
    struct rig *f = *state;
    struct hv_exit *exit;

    load(f, guest_mmio);
    exit = run(f);
    assert_mmio(exit, HV_EXIT_MMIO_WRITE, DEVICE, 1);
    assert_int_equal(exit->mmio.data, 0x5a);
    exit = run(f);
    assert_mmio(exit, HV_EXIT_MMIO_READ, DEVICE + 1, 1);
    exit->mmio.data = 0x180; /* more than was asked for, here and below */
    exit = run(f);
    assert_mmio(exit, HV_EXIT_MMIO_READ, DEVICE + 4, 4);
    exit->mmio.data = UINT64_C(0x123456789abcdef0);
    exit = run(f);
    assert_int_equal(exit->kind, HV_EXIT_OFF);
    assert_int_equal(data_at(f, 0), 0x80);
    assert_int_equal(data_at(f, 1), 0x9abcdef0);
}

static void test_reset_is_reported(void **state)
{
    struct rig *f = *state;

    load(f, guest_reset);
    assert_int_equal(run(f)->kind, HV_EXIT_RESET);
}

static void test_state_is_that_after_a_pending_access(void **state)
{
    struct rig *f = *state;
    struct vcpu_state now;
    struct hv_exit *exit;

    load(f, guest_mmio);
    run(f);
    now = get(f);
    assert_int_equal(now.pc, address(guest_mmio) + 8); /* past the store */
    exit = run(f);
    assert_mmio(exit, HV_EXIT_MMIO_READ, DEVICE + 1, 1);
    exit->mmio.data = 0x7f;
    now = get(f);
    assert_int_equal(now.pc, address(guest_mmio) + 12);
    assert_int_equal(now.x[3], 0x7f);
    assert_mmio(run(f), HV_EXIT_MMIO_READ, DEVICE + 4, 4); /* and it goes on from there */
}

static void test_undecodable_access_aborts_in_the_guest(void **state)
{
    struct rig *f = *state;
    struct vcpu_state now;

    load(f, guest_pair);
    assert_int_equal(run(f)->kind, HV_EXIT_OFF); /* from its vector */
    now = get(f);
    assert_int_equal(now.elr_el1, address(guest_pair));
    assert_int_equal(now.far_el1, DEVICE);
}

static void test_kick_before_run_is_kept(void **state)
{
    struct rig *f = *state;

    load(f, guest_spin);
    f->hv->ops->kick(f->vcpu);
    assert_int_equal(run(f)->kind, HV_EXIT_KICKED);
    /* Completing an access must not eat a kick either. */
    load(f, guest_mmio);
    run(f);
    f->hv->ops->kick(f->vcpu);
    get(f);
    assert_int_equal(run(f)->kind, HV_EXIT_KICKED);
    assert_mmio(run(f), HV_EXIT_MMIO_READ, DEVICE + 1, 1); /* one kick, one exit */
}

static void kick_from_thread(void *arg)
{
    struct rig *f = arg;

    f->hv->ops->kick(f->vcpu);
}

static void test_kick_from_a_thread_ends_a_run(void **state)
{
    static const uint8_t *const programs[] = { guest_spin, guest_idle };
    struct rig *f = *state;
    struct thread thread = { 0 };

    for (int i = 0; i < 50; i++) {
        load(f, programs[i % ARRAY_LEN(programs)]);
        assert_int_equal(thread_start(&thread, "kick", kick_from_thread, f), 0);
        assert_int_equal(run(f)->kind, HV_EXIT_KICKED);
        thread_join(&thread);
    }
}

#define STORM_KICKS 1000 /* by each of two threads, over each of three guests */
#define STORM_ASKED 200  /* and then one at a time */

struct storm {
    struct rig *f;
    _Atomic unsigned seen;     /* exits that a kick has made */
    _Atomic unsigned finished; /* threads */
    _Atomic bool done;
};

static void storm_kick(void *arg)
{
    struct storm *storm = arg;

    for (unsigned i = 0; i < STORM_KICKS; i++)
        storm->f->hv->ops->kick(storm->f->vcpu);
    atomic_fetch_add(&storm->finished, 1);
}

/* A lost kick would be waited for in vain. */
static void storm_kick_and_ask(void *arg)
{
    struct storm *storm = arg;

    storm_kick(storm);
    while (atomic_load(&storm->finished) < 2)
        sched_yield();
    for (unsigned i = 0; i < STORM_ASKED; i++) {
        unsigned seen = atomic_load(&storm->seen);
        storm->f->hv->ops->kick(storm->f->vcpu);
        while (atomic_load(&storm->seen) == seen)
            sched_yield();
    }
    atomic_store(&storm->done, true);
    storm->f->hv->ops->kick(storm->f->vcpu);
}

/* Over a guest that spins, one that sleeps, and one that leaves for a device all the time. */
static void test_no_kick_of_a_storm_is_lost(void **state)
{
    static const uint8_t *const programs[] = { guest_spin, guest_idle, guest_busy };
    struct rig *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        struct storm storm = { .f = f };
        struct thread threads[2] = { 0 };
        bool end = false;

        load(f, programs[i]);
        assert_int_equal(thread_start(&threads[0], "kick", storm_kick, &storm), 0);
        assert_int_equal(thread_start(&threads[1], "ask", storm_kick_and_ask, &storm), 0);
        while (!end) {
            const struct hv_exit *exit = run(f);
            if (exit->kind == HV_EXIT_KICKED) {
                end = atomic_load(&storm.done);
                atomic_fetch_add(&storm.seen, 1);
            } else {
                assert_mmio(exit, HV_EXIT_MMIO_WRITE, DEVICE, 4);
            }
        }
        thread_join(&threads[0]);
        thread_join(&threads[1]);
    }
}

/* ---- memory ---- */

static void test_read_only_memory_turns_stores_into_exits(void **state)
{
    struct rig *f = *state;
    uint64_t val = 0x1234;
    struct hv_exit *exit;

    ok(f, gmem_write(f->mem, DATA, &val, sizeof(val)));
    ok(f, f->hv->ops->protect(f->hv, DATA, GMEM_PAGE_SIZE, HV_READ, &f->err));
    load(f, guest_store);
    exit = run(f);
    assert_mmio(exit, HV_EXIT_MMIO_WRITE, DATA, 8);
    assert_int_equal(exit->mmio.data, 0x77);
    assert_int_equal(run(f)->kind, HV_EXIT_OFF);
    assert_int_equal(data_at(f, 0), 0x1234);
    assert_int_equal(get(f).x[9], 0x1234); /* loads still work */

    ok(f, f->hv->ops->protect(f->hv, DATA, GMEM_PAGE_SIZE, HV_READ | HV_WRITE, &f->err));
    load(f, guest_store);
    assert_int_equal(run(f)->kind, HV_EXIT_OFF);
    assert_int_equal(data_at(f, 0), 0x77);
}

static void test_unmapped_memory_is_a_device(void **state)
{
    struct rig *f = *state;

    ok(f, f->hv->ops->unmap(f->hv, DATA, GMEM_PAGE_SIZE, &f->err));
    load(f, guest_store);
    assert_mmio(run(f), HV_EXIT_MMIO_WRITE, DATA, 8);
    assert_mmio(run(f), HV_EXIT_MMIO_READ, DATA, 8);
    assert_int_equal(f->hv->ops->unmap(f->hv, DATA, GMEM_PAGE_SIZE, &f->err), -EINVAL);
    assert_string_equal(f->err.msg, "KVM: no guest memory at 0x40010000, 4096 bytes");
}

/* ---- state ---- */

/* A value for every register that tells it from its neighbours and breaks no rule. */
static void fill(struct vcpu_state *s, bool keys)
{
    uint64_t n = UINT64_C(0x0101010101010101);

    vcpu_state_reset(s);
    for (unsigned i = 0; i < ARRAY_LEN(s->x); i++)
        s->x[i] = n * (i + 1);
    for (unsigned i = 0; i < ARRAY_LEN(s->v); i++)
        s->v[i] = ~n * (i + 3);
    s->sp_el0 = 0x1000;
    s->sp_el1 = 0x2000;
    s->pc = CODE + 4;
    s->pstate = 0x600003c5;
    s->elr_el1 = 0x3000;
    s->spsr_el1 = 0x80000340;
    s->fpcr = 0x01000000;
    s->fpsr = 0x0800009f;
    s->sctlr_el1 = 0x30d0180d;
    s->actlr_el1 = 0x2;
    s->cpacr_el1 = 0x300000;
    s->ttbr0_el1 = 0x40001000;
    s->ttbr1_el1 = UINT64_C(0x7b000040002000);
    s->tcr_el1 = UINT64_C(0x580100010);
    s->afsr0_el1 = 0x11;
    s->afsr1_el1 = 0x12;
    s->esr_el1 = 0x96000047;
    s->far_el1 = UINT64_C(0xffff000012345678);
    s->par_el1 = 0x809;
    s->mair_el1 = UINT64_C(0xff440c0400);
    s->amair_el1 = UINT64_C(0x1300000014);
    s->vbar_el1 = UINT64_C(0xffff800010000800);
    s->contextidr_el1 = 0x55;
    s->tpidr_el1 = UINT64_C(0xffff00001234);
    s->cntkctl_el1 = 3;
    s->csselr_el1 = 2;
    s->tpidr_el0 = 0x7f0000;
    s->tpidrro_el0 = 0x7f1111;
    s->mdscr_el1 = 0x1000;
    s->mdccint_el1 = 0x40000000;
    for (unsigned i = 0; i < VCPU_DEBUG_REGS; i++) {
        s->dbgbvr[i] = 0x40000000 + 4 * i;
        s->dbgbcr[i] = 0x1e4 + (i << 16);
        s->dbgwvr[i] = 0x40000800 + 8 * i;
        s->dbgwcr[i] = 0xfe4 + (i << 16);
    }
    s->os_lock = 0;
    s->icc_pmr_el1 = 0xf0;
    s->icc_bpr0_el1 = 3;
    s->icc_bpr1_el1 = 4;
    s->icc_ap0r0_el1 = 0x20;
    s->icc_ap1r0_el1 = 0x10;
    s->icc_ctlr_el1 |= 2; /* EOImode */
    s->icc_igrpen0_el1 = 1;
    s->icc_igrpen1_el1 = 1;
    s->cntvct = UINT64_C(1000000000000);
    s->cntv_ctl = 1;
    s->cntv_cval = UINT64_C(0x7000000000000001);
    s->cntp_ctl = 3;
    s->cntp_cval = UINT64_C(0x7000000000000002);
    s->power = VCPU_OFF;
    if (keys) {
        uint64_t *key[] = {
#define X_(name, op0, op1, crn, crm, op2) &s->name,
            VCPU_PAUTH_KEYS(X_)
#undef X_
        };
        for (unsigned i = 0; i < ARRAY_LEN(key); i++)
            *key[i] = ~n * (i + 7);
    }
}

static size_t element_size(const struct state_field *f)
{
    return f->type == STATE_T_U32 ? sizeof(uint32_t) : sizeof(uint64_t);
}

/* fill() has left nothing of the saved form as it is out of reset, but what has no other value
 * here. */
static void assert_all_filled(const struct vcpu_state *state, bool keys)
{
    struct vcpu_state reset;

    vcpu_state_reset(&reset);
    for (const struct state_field *f = vcpu_state_desc.fields; f->name; f++) {
        bool key = !strncmp(f->name, "ap", 2);
        if (!strcmp(f->name, "dbgclaim") || !strcmp(f->name, "icc_sre_el1") || (key && !keys))
            continue;
        for (unsigned i = 0; i < f->count; i++) {
            size_t at = f->offset + i * element_size(f);
            if (!memcmp((const char *)state + at, (const char *)&reset + at, element_size(f)))
                fail_msg("%s is not filled in, element %u", f->name, i);
        }
    }
}

static void assert_same(const struct vcpu_state *in, const struct vcpu_state *out)
{
    assert_true(out->cntvct >= in->cntvct);
    for (const struct state_field *f = vcpu_state_desc.fields; f->name; f++)
        if (strcmp(f->name, "cntvct") != 0 &&
            memcmp((const char *)in + f->offset, (const char *)out + f->offset,
                   f->count * element_size(f)) != 0)
            fail_msg("%s did not come back", f->name);
}

/* From machine to machine: what one gives, a fresh one takes, and gives again. */
static void all_fields_come_back(const char *cpu, bool keys)
{
    struct hv_config config = { .vcpus = 1, .cpu = cpu };
    struct vcpu_state in, out;

    fill(&in, keys);
    assert_all_filled(&in, keys);
    for (int i = 0; i < 3; i++) {
        struct rig rig;
        ok(&rig, rig_open(&rig, &config));
        ok(&rig, rig.hv->ops->set_counter(rig.vcpu, in.cntvct, &rig.err));
        for (int again = 0; again < 2; again++) { /* also over what the first left */
            ok(&rig, rig.hv->ops->vcpu_set(rig.vcpu, &in, &rig.err));
            out = get(&rig);
            assert_same(&in, &out);
        }
        in = out;
        rig_close(&rig);
    }
}

static void test_vcpu_state_comes_back(void **state)
{
    (void)state;
    all_fields_come_back("portable", false);
    all_fields_come_back("host", true); /* the keys of pointer authentication are the host's */
}

static void test_a_reset_state_comes_back(void **state)
{
    struct rig *f = *state;
    struct vcpu_state in, out;

    vcpu_state_reset(&in);
    ok(f, f->hv->ops->vcpu_set(f->vcpu, &in, &f->err));
    out = get(f);
    out.cntvct = 0;
    assert_memory_equal(&in, &out, sizeof(in));
}

static void test_a_register_kvm_lacks_is_refused_by_name(void **state)
{
    static const struct {
        size_t at;
        uint64_t val;
        int code;
        const char *words;
    } bad[] = {
#define S(field) offsetof(struct vcpu_state, field)
        /* Pointer authentication is not announced. */
        { S(apiakeylo_el1), 0x11, ENOENT, "KVM_SET_ONE_REG APIAKEYLO_EL1: No such file" },
        { S(fpcr), BIT(32), EINVAL,
          "KVM_SET_ONE_REG FPCR: Invalid argument; KVM on this host "
          "cannot hold 0x100000000 in it, use --accel soft" },
        { S(fpsr), BIT(32), EINVAL, "KVM_SET_ONE_REG FPSR: Invalid argument" },
        { S(pstate), 0x1f, EINVAL, "KVM_SET_ONE_REG PSTATE: Invalid argument" },
        { S(dbgclaim), 1, ENOTSUP, "KVM_SET_ONE_REG DBGCLAIMSET_EL1: " },
        { S(icc_ctlr_el1), 7 << 8, ENOTSUP, "ICC_CTLR_EL1: 8 priority bits" },
        { S(icc_sre_el1), 0, EINVAL, "icc_sre_el1 = 0: KVM_SET_DEVICE_ATTR CPU interface" },
#undef S
    };
    struct rig *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct vcpu_state in;
        vcpu_state_reset(&in);
        store_le64((char *)&in + bad[i].at, bad[i].val);
        assert_int_equal(f->hv->ops->vcpu_set(f->vcpu, &in, &f->err), -bad[i].code);
        if (!strstr(f->err.msg, bad[i].words))
            fail_msg("\"%s\" is not in \"%s\"", bad[i].words, f->err.msg);
    }
}

static void test_off_is_part_of_the_state(void **state)
{
    struct rig *f = *state;
    struct vcpu_state in;

    vcpu_state_reset(&in);
    in.power = VCPU_OFF;
    ok(f, f->hv->ops->vcpu_set(f->vcpu, &in, &f->err));
    assert_int_equal(get(f).power, VCPU_OFF);
    f->hv->ops->kick(f->vcpu);
    assert_int_equal(run(f)->kind, HV_EXIT_KICKED); /* run() blocks while it is off */
}

static void test_the_counter_goes_on_from_the_saved_value(void **state)
{
    struct rig *f = *state;
    struct vcpu_state in;

    ok(f, f->hv->ops->set_counter(f->vcpu, BIT(50), &f->err));
    in = get(f);
    assert_true(in.cntvct >= BIT(50) && in.cntvct < BIT(51));
    in.cntvct = 0; /* nobody's state moves what all share */
    ok(f, f->hv->ops->vcpu_set(f->vcpu, &in, &f->err));
    in = get(f);
    assert_true(in.cntvct >= BIT(50) && in.cntvct < BIT(51));
    ok(f, f->hv->ops->set_counter(f->vcpu, 5, &f->err)); /* back as well as forth */
    in = get(f);
    assert_true(in.cntvct >= 5 && in.cntvct < BIT(50));
}

static void fill_gic(struct gic_state *gic, unsigned vcpus)
{
    gic_state_reset(gic, vcpus);
    gic->ctlr |= 2; /* EnableGrp1 */
    for (unsigned word = 1; word < GIC_INTIDS / 32; word++) {
        gic->group[word] = 0xffff0000 | word;
        gic->enabled[word] = 0x0f0f0f0f << word;
        gic->edge[word] = 0x00ff00ff;
        gic->pending_latch[word] = 0x00010001 << word;
        gic->active[word] = 0x10000000;
    }
    gic->line_level[1] = 0x00000100; /* INTID 40 is level-triggered here */
    gic->edge[1] = 0x00ff0000;
    for (unsigned i = GIC_FIRST_SPI; i < GIC_INTIDS; i++) {
        gic->priority[i] = (uint8_t)(i << 3);
        gic->irouter[i] = map_mpidr(i % vcpus);
    }
    for (unsigned i = 0; i < vcpus; i++) {
        gic->redist[i].waker = 0; /* KVM's are always awake */
        gic->redist[i].group = 0xffffffff;
        gic->redist[i].enabled = 0x0800ffff;
        gic->redist[i].pending_latch = 0x8 << i;
        gic->redist[i].active = 0x2;
        gic->redist[i].line_level = 0x400000; /* PPI 22, which no timer drives */
        for (unsigned n = 0; n < GIC_FIRST_SPI; n++)
            gic->redist[i].priority[n] = (uint8_t)(0xa0 + 8 * i);
    }
}

static void assert_gic_comes_back(struct rig *f, struct gic_state *in)
{
    struct gic_state *out = calloc(1, sizeof(*out));

    assert_non_null(out);
    ok(f, f->hv->ops->gic_set(f->hv, in, &f->err));
    ok(f, f->hv->ops->gic_get(f->hv, out, &f->err));
    for (unsigned i = 0; i < in->vcpus; i++) {
        struct hv_vcpu vcpu = { .hv = f->hv,
                                .index = i }; /* KVM does not mind whose thread it is */
        ok(f, f->hv->ops->redist_set(&vcpu, &in->redist[i], &f->err));
        ok(f, f->hv->ops->redist_get(&vcpu, &out->redist[i], &f->err));
        out->redist[i].waker = in->redist[i].waker;
    }
    assert_memory_equal(in->group, out->group, sizeof(in->group));
    assert_memory_equal(in->enabled, out->enabled, sizeof(in->enabled));
    assert_memory_equal(in->pending_latch, out->pending_latch, sizeof(in->pending_latch));
    assert_memory_equal(in->line_level, out->line_level, sizeof(in->line_level));
    assert_memory_equal(in, out, sizeof(*in));
    free(out);
}

static void test_gic_state_comes_back(void **state)
{
    struct rig *f = *state;
    struct gic_state *in = calloc(1, sizeof(*in));

    assert_non_null(in);
    fill_gic(in, 1);
    assert_gic_comes_back(f, in);
    in->pending_latch[1] = 0; /* clearing works as well as setting */
    in->enabled[2] = 0;
    in->active[3] = 0;
    in->line_level[1] = 0;
    assert_gic_comes_back(f, in);
    gic_state_reset(in, 1);
    assert_gic_comes_back(f, in);
    free(in);
}

static void test_gic_state_that_kvm_cannot_hold_is_refused(void **state)
{
    struct rig *f = *state;
    struct gic_state *in = calloc(1, sizeof(*in));

    assert_non_null(in);
    gic_state_reset(in, 2);
    assert_int_equal(f->hv->ops->gic_set(f->hv, in, &f->err), -EINVAL);
    assert_string_equal(f->err.msg, "saved with 2 vCPUs, this machine has 1");
    gic_state_reset(in, 1);
    in->ctlr |= 1;
    assert_int_equal(f->hv->ops->gic_set(f->hv, in, &f->err), -ENOTSUP);
    assert_string_equal(f->err.msg, "KVM cannot hold GICD_CTLR = 0x51: group 0 without group 1; "
                                    "use --accel soft");
    gic_state_reset(in, 1);
    in->redist[0].edge = 0x0800ffff; /* the timer's PPI */
    assert_int_equal(f->hv->ops->redist_set(f->vcpu, &in->redist[0], &f->err), -ENOTSUP);
    assert_string_equal(f->err.msg, "KVM cannot make interrupts 0..31 edge-triggered as 0x800ffff; "
                                    "use --accel soft");
    free(in);
}

static void test_spi_level_reaches_the_controller(void **state)
{
    struct rig *f = *state;
    struct gic_state *gic = calloc(1, sizeof(*gic));

    assert_non_null(gic);
    for (unsigned spi = 0; spi < GIC_SPIS; spi += GIC_SPIS - 1) {
        unsigned intid = GIC_FIRST_SPI + spi;
        f->hv->ops->set_spi(f->hv, spi, true);
        ok(f, f->hv->ops->gic_get(f->hv, gic, &f->err));
        assert_int_equal(gic->line_level[intid / 32], BIT(intid % 32));
        assert_int_equal(gic->pending_latch[intid / 32], 0); /* a level latches nothing */
        f->hv->ops->set_spi(f->hv, spi, false);
        ok(f, f->hv->ops->gic_get(f->hv, gic, &f->err));
        assert_int_equal(gic->line_level[intid / 32], 0);
    }
    free(gic);
}

/* ---- several vCPUs, and configurations ---- */

struct second {
    struct rig *f;
    struct hv_vcpu *vcpu;
    struct vcpu_state state;
    int rc;
};

static void second_main(void *arg)
{
    struct second *second = arg;
    struct rig *f = second->f;

    second->rc = f->hv->ops->vcpu_create(f->hv, 1, &second->vcpu, &f->err);
    if (second->rc < 0)
        return;
    second->rc = f->hv->ops->vcpu_get(second->vcpu, &second->state, &f->err);
    f->hv->ops->vcpu_destroy(second->vcpu);
}

static void test_a_second_vcpu_starts_off(void **state)
{
    struct rig rig, *f;
    struct second second = { 0 };
    struct thread thread = { 0 };
    struct gic_state *gic = calloc(1, sizeof(*gic));

    (void)state;
    assert_non_null(gic);
    second.f = f = &rig;
    ok(f, rig_machine(f, &(struct hv_config){ .vcpus = 2, .cpu = "portable" }));
    ok(f, f->hv->ops->vcpu_create(f->hv, 0, &f->vcpu, &f->err));
    assert_int_equal(thread_start(&thread, "vcpu1", second_main, &second), 0);
    thread_join(&thread);
    ok(f, second.rc);
    assert_int_equal(second.state.power, VCPU_OFF);
    assert_int_equal(get(f).power, VCPU_ON);
    fill_gic(gic, 2);
    assert_gic_comes_back(f, gic);
    free(gic);
    rig_close(f);
}

static void test_bad_configurations_are_refused(void **state)
{
    static const struct {
        struct hv_config config;
        int code;
        const char *words;
    } bad[] = {
        { { .vcpus = 1, .cpu = "max" }, ENOTSUP, "no CPU model max; use --cpu portable" },
        { { .vcpus = 1, .cpu = "host", .counter_hz = 1 }, ENOTSUP, "not one of 1 Hz" },
        { { .vcpus = 100000, .cpu = "host" }, EINVAL, "not 100000; lower --smp" },
    };
    struct gmem *mem;
    const struct hv_ops *ops;
    struct err err;
    struct hv *hv;

    (void)state;
    assert_int_equal(gmem_create(&mem, NULL), 0);
    assert_int_equal(hv_find("kvm", &ops, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct hv_config config = bad[i].config;
        config.mem = mem;
        assert_int_equal(ops->create(&config, &hv, &err), -bad[i].code);
        assert_non_null(strstr(err.msg, bad[i].words));
    }
    gmem_destroy(mem);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_device_accesses_and_power_off),
        TEST(test_reset_is_reported),
        TEST(test_state_is_that_after_a_pending_access),
        TEST(test_undecodable_access_aborts_in_the_guest),
        TEST(test_kick_before_run_is_kept),
        TEST(test_kick_from_a_thread_ends_a_run),
        TEST(test_no_kick_of_a_storm_is_lost),
        TEST(test_read_only_memory_turns_stores_into_exits),
        TEST(test_unmapped_memory_is_a_device),
        cmocka_unit_test(test_vcpu_state_comes_back),
        TEST(test_a_reset_state_comes_back),
        TEST(test_a_register_kvm_lacks_is_refused_by_name),
        TEST(test_off_is_part_of_the_state),
        TEST(test_the_counter_goes_on_from_the_saved_value),
        TEST(test_gic_state_comes_back),
        TEST(test_gic_state_that_kvm_cannot_hold_is_refused),
        TEST(test_spi_level_reaches_the_controller),
        cmocka_unit_test(test_a_second_vcpu_starts_off),
        cmocka_unit_test(test_bad_configurations_are_refused),
    };

    return cmocka_run_group_tests_name("kvm", tests, NULL, NULL);
}
