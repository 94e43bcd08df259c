/*
 * The engine `kvm` on a real KVM: small bare programs, and state that must come back as it went in.
 * Built for arm64 Linux alone; tests/e2e/test_lab_kvm.py runs it in the lab.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/thread.h"
#include "hv/hv.h"
#include "unit/test.h"

#define RAM_SIZE (2 * MIB)
#define CODE     MAP_RAM_BASE
#define DATA     (MAP_RAM_BASE + 64 * KIB)
#define DEVICE   MAP_UART_BASE

/*
 * The programs. Position-independent, MMU off; X0 is DATA and X1 is DEVICE when they start.
 * `off` is PSCI SYSTEM_OFF.
 */
__asm__(".pushsection .rodata\n"
        ".macro off\n mov w0, #0x0008\n movk w0, #0x8400, lsl #16\n hvc #0\n b .\n .endm\n"
        ".globl guest_mmio, guest_spin, guest_store, guest_pair, guest_idle, guest_reset\n"
        ".globl guest_end\n.balign 4\n"
        "guest_mmio: mov w2, #0x15a\n strb w2, [x1]\n ldrb w3, [x1, #1]\n ldr w4, [x1, #4]\n"
        "  str x3, [x0]\n str x4, [x0, #8]\n off\n"
        "guest_spin: b .\n"
        "guest_store: mov x2, #0x77\n str x2, [x0]\n ldr x9, [x0]\n off\n"
        /* An abort goes to the vectors, which are at 0x200 of this page: current EL, SP_ELx. */
        "guest_pair: ldp x2, x3, [x1]\n b .\n .org guest_pair + 0x200\n off\n"
        "guest_idle: wfi\n b guest_idle\n"
        "guest_reset: mov w0, #0x0009\n movk w0, #0x8400, lsl #16\n hvc #0\n b .\n"
        "guest_end:\n.popsection\n");
extern const uint8_t guest_mmio[], guest_spin[], guest_store[], guest_pair[], guest_idle[];
extern const uint8_t guest_reset[], guest_end[];

struct fixture {
    struct gmem *mem;
    struct hv *hv;
    struct hv_vcpu *vcpu;
    struct err err;
};

static int setup_cpus(void **state, unsigned vcpus)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    struct hv_config config = { .vcpus = vcpus, .cpu = "portable" };
    const struct hv_ops *ops;

    memset(f, 0, sizeof(*f));
    *state = f;
    if (gmem_create(&f->mem, &f->err) < 0 ||
        gmem_add(f->mem, MAP_RAM_BASE, RAM_SIZE, true, &f->err) < 0)
        return -1;
    config.mem = f->mem;
    if (hv_find("kvm", &ops, &f->err) < 0 || ops->create(&config, &f->hv, &f->err) < 0 ||
        ops->map(f->hv, MAP_RAM_BASE, f->mem->regions[0].host, RAM_SIZE,
                 HV_READ | HV_WRITE | HV_EXEC, &f->err) < 0) {
        print_error("%s\n", f->err.msg);
        return -1;
    }
    return 0;
}

static int setup(void **state)
{
    struct fixture *f;

    if (setup_cpus(state, 1) < 0)
        return -1;
    f = *state;
    if (f->hv->ops->vcpu_create(f->hv, 0, &f->vcpu, &f->err) < 0) {
        print_error("%s\n", f->err.msg);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->vcpu)
        f->hv->ops->vcpu_destroy(f->vcpu);
    f->hv->ops->destroy(f->hv);
    gmem_destroy(f->mem);
    return 0;
}

static void ok(struct fixture *f, int rc)
{
    if (rc < 0)
        fail_msg("%s", f->err.msg);
}

static struct vcpu_state get(struct fixture *f)
{
    struct vcpu_state state;

    ok(f, f->hv->ops->vcpu_get(f->vcpu, &state, &f->err));
    return state;
}

/* Put a program at CODE and the vCPU at its start. */
static void load(struct fixture *f, const uint8_t *program)
{
    struct vcpu_state state;

    ok(f, gmem_write(f->mem, CODE, program, (size_t)(guest_end - program)));
    vcpu_state_reset(&state);
    state.pc = CODE;
    state.vbar_el1 = CODE;
    state.x[0] = DATA;
    state.x[1] = DEVICE;
    ok(f, f->hv->ops->vcpu_set(f->vcpu, &state, &f->err));
}

static struct hv_exit *run(struct fixture *f)
{
    static struct hv_exit exit;

    f->hv->ops->run(f->vcpu, &exit);
    if (exit.kind == HV_EXIT_ERROR)
        fail_msg("%s", exit.reason);
    return &exit;
}

static void assert_mmio(const struct hv_exit *exit, enum hv_exit_kind kind, gpa_t gpa,
                        uint32_t size)
{
    assert_int_equal(exit->kind, kind);
    assert_int_equal(exit->mmio.gpa, gpa);
    assert_int_equal(exit->mmio.size, size);
}

static uint64_t data_at(struct fixture *f, unsigned index)
{
    uint64_t val;

    ok(f, gmem_read(f->mem, DATA + 8 * index, &val, sizeof(val)));
    return val;
}

/* ---- running ---- */

static void test_device_accesses_and_power_off(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;

    load(f, guest_reset);
    assert_int_equal(run(f)->kind, HV_EXIT_RESET);
}

static void test_state_is_that_after_a_pending_access(void **state)
{
    struct fixture *f = *state;
    struct vcpu_state now;
    struct hv_exit *exit;

    load(f, guest_mmio);
    run(f);
    now = get(f);
    assert_int_equal(now.pc, CODE + 8); /* past the store */
    exit = run(f);
    assert_mmio(exit, HV_EXIT_MMIO_READ, DEVICE + 1, 1);
    exit->mmio.data = 0x7f;
    now = get(f);
    assert_int_equal(now.pc, CODE + 12);
    assert_int_equal(now.x[3], 0x7f);
    assert_mmio(run(f), HV_EXIT_MMIO_READ, DEVICE + 4, 4); /* and it goes on from there */
}

static void test_undecodable_access_aborts_in_the_guest(void **state)
{
    struct fixture *f = *state;
    struct vcpu_state now;

    load(f, guest_pair);
    assert_int_equal(run(f)->kind, HV_EXIT_OFF); /* from its vector */
    now = get(f);
    assert_int_equal(now.elr_el1, CODE);
    assert_int_equal(now.far_el1, DEVICE);
}

static void test_kick_before_run_is_kept(void **state)
{
    struct fixture *f = *state;

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
    struct fixture *f = arg;

    f->hv->ops->kick(f->vcpu);
}

static void test_kick_from_a_thread_ends_a_run(void **state)
{
    static const uint8_t *const programs[] = { guest_spin, guest_idle };
    struct fixture *f = *state;
    struct thread thread = { 0 };

    for (int i = 0; i < 50; i++) {
        load(f, programs[i % ARRAY_LEN(programs)]);
        assert_int_equal(thread_start(&thread, "kick", kick_from_thread, f), 0);
        assert_int_equal(run(f)->kind, HV_EXIT_KICKED);
        thread_join(&thread);
    }
}

/* ---- memory ---- */

static void test_read_only_memory_turns_stores_into_exits(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;

    ok(f, f->hv->ops->unmap(f->hv, DATA, GMEM_PAGE_SIZE, &f->err));
    load(f, guest_store);
    assert_mmio(run(f), HV_EXIT_MMIO_WRITE, DATA, 8);
    assert_mmio(run(f), HV_EXIT_MMIO_READ, DATA, 8);
    assert_int_equal(f->hv->ops->unmap(f->hv, DATA, GMEM_PAGE_SIZE, &f->err), -EINVAL);
    assert_string_equal(f->err.msg, "KVM: no guest memory at 0x40010000, 4096 bytes");
}

static uint64_t fetch(struct fixture *f, uint64_t *bits)
{
    ok(f, f->hv->ops->dirty_sync(f->hv, &f->err));
    return gmem_fetch_dirty(&f->mem->regions[0], bits);
}

static void test_dirty_pages_are_those_the_guest_wrote(void **state)
{
    static uint64_t bits[RAM_SIZE / GMEM_PAGE_SIZE / 64];
    const uint64_t page = (DATA - MAP_RAM_BASE) / GMEM_PAGE_SIZE;
    struct fixture *f = *state;

    ok(f, f->hv->ops->dirty_start(f->hv, &f->err));
    for (int i = 0; i < 3; i++) { /* each sync arms anew */
        load(f, guest_store);
        (void)gmem_fetch_dirty(&f->mem->regions[0], bits); /* what load() wrote */
        assert_int_equal(run(f)->kind, HV_EXIT_OFF);
        assert_int_equal(fetch(f, bits), 1);
        assert_int_equal(bits[page / 64], BIT(page % 64));
        assert_int_equal(fetch(f, bits), 0);
    }
    /* Splitting a slot keeps what it has logged. */
    load(f, guest_store);
    (void)gmem_fetch_dirty(&f->mem->regions[0], bits);
    assert_int_equal(run(f)->kind, HV_EXIT_OFF);
    ok(f, f->hv->ops->protect(f->hv, DATA, GMEM_PAGE_SIZE, HV_READ, &f->err));
    assert_int_equal(fetch(f, bits), 1);
    f->hv->ops->dirty_stop(f->hv);
}

/* ---- state ---- */

/* A value for every register that tells it from its neighbours and breaks no rule. */
static void fill(struct vcpu_state *s)
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
    s->ttbr0_el1 = 0x40001000;
    s->ttbr1_el1 = UINT64_C(0x7b000040002000);
    s->tcr_el1 = UINT64_C(0x580100010);
    s->cpacr_el1 = 0x300000;
    s->esr_el1 = 0x96000047;
    s->far_el1 = UINT64_C(0xffff000012345678);
    s->par_el1 = 0x809;
    s->mair_el1 = UINT64_C(0xff440c0400);
    s->vbar_el1 = UINT64_C(0xffff800010000800);
    s->contextidr_el1 = 0x55;
    s->tpidr_el1 = UINT64_C(0xffff00001234);
    s->tpidr_el0 = 0x7f0000;
    s->tpidrro_el0 = 0x7f1111;
    s->cntkctl_el1 = 3;
    s->mdscr_el1 = 0x1000;
    for (unsigned i = 0; i < 4; i++) {
        s->dbgbvr[i] = 0x40000000 + 4 * i;
        s->dbgwvr[i] = 0x40000800 + 8 * i;
    }
    s->icc_pmr_el1 = 0xf0;
    s->icc_igrpen1_el1 = 1;
    s->icc_ctlr_el1 |= 2; /* EOImode */
    s->icc_ap1r0_el1 = 0x10;
    s->cntvct = UINT64_C(1000000000000);
    s->cntv_ctl = 1;
    s->cntv_cval = UINT64_C(0x7000000000000001);
    s->cntp_ctl = 3;
    s->cntp_cval = UINT64_C(0x7000000000000002);
}

static void test_vcpu_state_comes_back(void **state)
{
    struct fixture *f = *state;
    struct vcpu_state in, out;

    fill(&in);
    ok(f, f->hv->ops->set_counter(f->vcpu, in.cntvct, &f->err));
    for (int i = 0; i < 2; i++) { /* the second time over what the first left */
        ok(f, f->hv->ops->vcpu_set(f->vcpu, &in, &f->err));
        out = get(f);
        assert_true(out.cntvct >= in.cntvct);
        out.cntvct = in.cntvct;
        for (size_t at = 0; at < sizeof(in); at++)
            if (((uint8_t *)&in)[at] != ((uint8_t *)&out)[at])
                fail_msg("byte %zu of the state differs", at);
    }
}

static void test_a_reset_state_comes_back(void **state)
{
    struct fixture *f = *state;
    struct vcpu_state in, out;

    vcpu_state_reset(&in);
    ok(f, f->hv->ops->vcpu_set(f->vcpu, &in, &f->err));
    out = get(f);
    out.cntvct = 0;
    assert_memory_equal(&in, &out, sizeof(in));
}

static void test_a_register_kvm_lacks_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct vcpu_state in;

    vcpu_state_reset(&in);
    in.apiakeylo_el1 = 0x11; /* pointer authentication is not announced */
    assert_int_equal(f->hv->ops->vcpu_set(f->vcpu, &in, &f->err), -ENOENT);
    assert_non_null(strstr(f->err.msg, "cannot hold apiakeylo_el1 = 0x11"));

    vcpu_state_reset(&in);
    in.fpcr = UINT64_C(1) << 32;
    assert_int_equal(f->hv->ops->vcpu_set(f->vcpu, &in, &f->err), -EINVAL);
    assert_non_null(strstr(f->err.msg, "cannot hold fpcr = 0x100000000"));

    vcpu_state_reset(&in);
    in.icc_ctlr_el1 = 7 << 8;
    assert_int_equal(f->hv->ops->vcpu_set(f->vcpu, &in, &f->err), -ENOTSUP);
    assert_non_null(strstr(f->err.msg, "icc_ctlr_el1: 8 priority bits"));
}

static void test_off_is_part_of_the_state(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
        for (unsigned n = 0; n < GIC_FIRST_SPI; n++)
            gic->redist[i].priority[n] = (uint8_t)(0xa0 + 8 * i);
    }
}

static void assert_gic_comes_back(struct fixture *f, struct gic_state *in)
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    struct gic_state *in = calloc(1, sizeof(*in));

    assert_non_null(in);
    gic_state_reset(in, 2);
    assert_int_equal(f->hv->ops->gic_set(f->hv, in, &f->err), -EINVAL);
    assert_string_equal(f->err.msg, "saved with 2 vCPUs, this machine has 1");
    gic_state_reset(in, 1);
    in->ctlr |= 1;
    assert_int_equal(f->hv->ops->gic_set(f->hv, in, &f->err), -ENOTSUP);
    assert_string_equal(f->err.msg, "KVM cannot hold GICD_CTLR = 0x51: group 0 without group 1");
    gic_state_reset(in, 1);
    in->redist[0].edge = 0x0800ffff; /* the timer's PPI */
    assert_int_equal(f->hv->ops->redist_set(f->vcpu, &in->redist[0], &f->err), -ENOTSUP);
    assert_string_equal(f->err.msg, "KVM cannot make interrupts 0..31 edge-triggered as 0x800ffff");
    free(in);
}

static void test_spi_level_reaches_the_controller(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f;
    struct hv_vcpu *vcpu;
    struct vcpu_state state;
    int rc;
};

static void second_main(void *arg)
{
    struct second *second = arg;
    struct fixture *f = second->f;

    second->rc = f->hv->ops->vcpu_create(f->hv, 1, &second->vcpu, &f->err);
    if (second->rc < 0)
        return;
    second->rc = f->hv->ops->vcpu_get(second->vcpu, &second->state, &f->err);
    f->hv->ops->vcpu_destroy(second->vcpu);
}

static void test_a_second_vcpu_starts_off(void **state)
{
    struct fixture *f;
    struct second second = { 0 };
    struct thread thread = { 0 };
    struct gic_state *gic = calloc(1, sizeof(*gic));

    assert_non_null(gic);
    assert_int_equal(setup_cpus(state, 2), 0);
    second.f = f = *state;
    ok(f, f->hv->ops->vcpu_create(f->hv, 0, &f->vcpu, &f->err));
    assert_int_equal(thread_start(&thread, "vcpu1", second_main, &second), 0);
    thread_join(&thread);
    ok(f, second.rc);
    assert_int_equal(second.state.power, VCPU_OFF);
    assert_int_equal(get(f).power, VCPU_ON);
    fill_gic(gic, 2);
    assert_gic_comes_back(f, gic);
    free(gic);
    teardown(state);
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
        TEST(test_read_only_memory_turns_stores_into_exits),
        TEST(test_unmapped_memory_is_a_device),
        TEST(test_dirty_pages_are_those_the_guest_wrote),
        TEST(test_vcpu_state_comes_back),
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
