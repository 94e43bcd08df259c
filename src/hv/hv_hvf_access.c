/*
 * Device accesses by instructions that the syndrome does not describe (Arm DDI 0487, ISS encoding
 * for a Data Abort, ISV = 0): pairs, write-back, vectors, atomics.
 *
 * The software CPU executes that one instruction on a copy of the registers, with the guest's
 * translation tables, and stops for each of its device accesses. Only when all are answered do the
 * registers go back. An atomic is an access that reads, computes and writes: it reads from the
 * device, is executed on a page of our own in the device's place, and what it leaves there is
 * written. That nobody comes in between is not promised of a device.
 *
 * What the software CPU does not know, and exclusives, which no device can monitor: the guest takes
 * an external abort.
 */
#include <stdlib.h>

#include "base/log.h"
#include "cpu/code.h"
#include "cpu/exc.h"
#include "cpu/idregs.h"
#include "cpu/insn.h"
#include "cpu/interp.h"
#include "cpu/sysreg_row.h"
#include "hv/hv_hvf_int.h"

#define PAGE 4096u

/* PSTATE bits that matter to a load or store, and that the software CPU has. */
#define PSTATE_SEEN (BITS(31, 28) | BIT(22) | BITS(9, 6) | BITS(3, 2) | BIT(0))

/* LSE atomics (C4.1.93). size: log2 of the bytes; the acquire and release bits are left open. */
#define LSE_SIZE      BITS(31, 30)
#define LSE_RS        BITS(20, 16)
#define IS_CAS(word)  (((word)&0x3fa07c00) == 0x08a07c00)
#define IS_CASP(word) (((word)&0xbfa07c00) == 0x08207c00)
#define IS_OP(word)   (((word)&0x3f200c00) == 0x38200000) /* LDADD to LDUMIN, and SWP */
#define CASP_64       BIT(30)

struct hv_hvf_access {
    struct soc soc;
    struct cpu *cpu;
    struct vcpu_state before;
    struct hv_exit next;

    /* An atomic: its values, those read before those to write. */
    bool atomic, writing;
    gpa_t gpa;
    uint32_t word;
    unsigned size, count, at;
    uint64_t val[2];
    uint8_t mem[2 * PAGE]; /* a whole page is in it */
};

/* ---- registers ---- */

/* A system register's bits as far as the software CPU has them. */
static uint64_t access_seen(struct hv_hvf_vcpu *v, uint16_t id, uint64_t reset)
{
    const struct sysreg_row *row = sysreg_find(id);

    return (reset & ~row->mask) | (hv_hvf_vcpu_get_sys(v, id) & row->mask);
}

static int access_load(struct hv_hvf_vcpu *v, struct hv_hvf_access *a)
{
    struct vcpu_state *s = &a->before;

    vcpu_state_reset(s);
    for (unsigned i = 0; i < ARRAY_LEN(s->x); i++)
        s->x[i] = hv_hvf_vcpu_get_x(v, i);
    for (unsigned i = 0; i < 32; i++) {
        hv_simd_fp_uchar16_t q = { 0 };
        hv_hvf_vcpu_note(v, hv_vcpu_get_simd_fp_reg(v->id, HV_SIMD_FP_REG_Q0 + i, &q),
                         "hv_vcpu_get_simd_fp_reg", i);
        memcpy(&s->v[2 * i], &q, sizeof(q));
    }
    s->pc = hv_hvf_vcpu_get(v, HV_REG_PC);
    s->pstate = hv_hvf_vcpu_get(v, HV_REG_CPSR) & PSTATE_SEEN;
    s->sp_el0 = hv_hvf_vcpu_get_sys(v, HVF_SP_EL0);
    s->sp_el1 = hv_hvf_vcpu_get_sys(v, HVF_SP_EL1);
    s->sctlr_el1 = access_seen(v, HVF_SCTLR, s->sctlr_el1);
    s->cpacr_el1 = access_seen(v, HVF_CPACR, 0);
    s->ttbr0_el1 = access_seen(v, HVF_TTBR0, 0);
    s->ttbr1_el1 = access_seen(v, HVF_TTBR1, 0);
    s->tcr_el1 = access_seen(v, HVF_TCR, 0);
    s->mair_el1 = access_seen(v, HVF_MAIR, 0);
    code_drop(a->cpu); /* the guest may have changed its code since */
    return cpu_set_state(a->cpu, s, NULL);
}

static void access_store(struct hv_hvf_vcpu *v, struct hv_hvf_access *a)
{
    struct vcpu_state after;

    cpu_get_state(a->cpu, &after);
    for (unsigned i = 0; i < ARRAY_LEN(after.x); i++)
        if (after.x[i] != a->before.x[i])
            hv_hvf_vcpu_set_x(v, i, after.x[i]);
    if (after.sp_el0 != a->before.sp_el0)
        hv_hvf_vcpu_set_sys(v, HVF_SP_EL0, after.sp_el0);
    if (after.sp_el1 != a->before.sp_el1)
        hv_hvf_vcpu_set_sys(v, HVF_SP_EL1, after.sp_el1);
    for (unsigned i = 0; i < 32; i++) {
        hv_simd_fp_uchar16_t q;

        if (!memcmp(&after.v[2 * i], &a->before.v[2 * i], sizeof(q)))
            continue;
        memcpy(&q, &after.v[2 * i], sizeof(q));
        hv_hvf_vcpu_note(v, hv_vcpu_set_simd_fp_reg(v->id, HV_SIMD_FP_REG_Q0 + i, q),
                         "hv_vcpu_set_simd_fp_reg", i);
    }
    hv_hvf_vcpu_advance(v);
}

/* ---- atomics ---- */

static void access_ask(struct hv_hvf_access *a)
{
    a->next = (struct hv_exit){
        .kind = a->writing ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ,
        .mmio = { .gpa = a->gpa + a->at * a->size,
                  .size = a->size,
                  .data = a->writing ? a->val[a->at] : 0 },
    };
}

/* The instruction at PC found a device where it wants to be atomic. Is it one that we do? */
static bool access_begin_atomic(struct hv_hvf_vcpu *v, struct hv_hvf_access *a)
{
    const struct code_page *page = a->cpu->page;
    uint32_t word = page ? page->insn[a->before.pc % CODE_PAGE_SIZE / 4].raw : 0;

    if (FIELD_GET(ISS_DABT_DFSC, a->cpu->sys.esr_el1) != FSC_UNSUPPORTED_EXCL)
        return false;
    a->size = 1u << FIELD_GET(LSE_SIZE, word);
    a->count = 1;
    if (IS_CASP(word)) {
        a->size = word & CASP_64 ? 8 : 4;
        a->count = 2;
    } else if (!IS_CAS(word) && !IS_OP(word)) {
        return false;
    }
    a->word = word;
    a->gpa = v->exit->exception.physical_address;
    a->atomic = true;
    a->writing = false;
    a->at = 0;
    access_ask(a);
    return true;
}

/* A compare that fails leaves the device alone. */
static bool access_writes(const struct hv_hvf_access *a)
{
    unsigned rs = (unsigned)FIELD_GET(LSE_RS, a->word);

    if (!IS_CAS(a->word) && !IS_CASP(a->word))
        return true;
    for (unsigned i = 0; i < a->count; i++) {
        uint64_t expected = rs + i == HV_HVF_ZR ? 0 : a->before.x[rs + i];
        if (a->val[i] != (expected & low_mask(8 * a->size)))
            return false;
    }
    return true;
}

/* Execute it on a->mem, with what was read in the place where it looks. */
static bool access_compute(struct hv_hvf_access *a)
{
    uint8_t *page = (uint8_t *)align_up((uintptr_t)a->mem, PAGE), *host = page + a->gpa % PAGE;
    bool writes = access_writes(a), done;

    for (unsigned i = 0; i < a->count; i++)
        memcpy(host + i * a->size, &a->val[i], a->size);
    if (soc_map(&a->soc, align_down(a->gpa, PAGE), page, PAGE, SOC_READ | SOC_WRITE, NULL) < 0)
        return false;
    done = cpu_set_state(a->cpu, &a->before, NULL) == 0 && interp_once(a->cpu) == INTERP_DONE;
    for (unsigned i = 0; i < a->count; i++) {
        a->val[i] = 0;
        memcpy(&a->val[i], host + i * a->size, a->size);
    }
    a->writing = true;
    a->at = writes ? 0 : a->count;
    return done;
}

/* ---- the instruction ---- */

static void access_give_up(struct hv_hvf_vcpu *v)
{
    log_guest("hvf", "vCPU %u: ignored an access to %#llx by an instruction without a syndrome",
              v->vcpu.index, (unsigned long long)v->exit->exception.physical_address);
    hv_hvf_exit_inject_external(v);
}

/* The software CPU took an exception. The guest takes it if it is a fault of an address, as where a
 * pair reaches from a device into nothing. */
static bool access_faulted(struct hv_hvf_vcpu *v, struct hv_hvf_access *a)
{
    uint64_t esr = a->cpu->sys.esr_el1, ec = FIELD_GET(ESR_EC, esr);

    if (ec != EC_DABT_LOWER && ec != EC_DABT_SAME) {
        access_give_up(v);
        return false;
    }
    if (access_begin_atomic(v, a))
        return true;
    if (FIELD_GET(ISS_DABT_DFSC, esr) == FSC_UNSUPPORTED_EXCL)
        access_give_up(v);
    else
        hv_hvf_exit_inject(v, FIELD_PUT(ESR_EC, EC_DABT_LOWER) | (esr & ESR_ISS),
                           a->cpu->sys.far_el1);
    return false;
}

/* Up to the next device access: true, and a->next has it; or to its end. */
static bool access_step(struct hv_hvf_vcpu *v, struct hv_hvf_access *a)
{
    const struct mmio_access *pending = &a->cpu->mmio_pending;

    switch (interp_once(a->cpu)) {
    case INTERP_DONE:
        access_store(v, a);
        return false;
    case INTERP_MMIO:
        a->next = (struct hv_exit){
            .kind = pending->write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ,
            .mmio = { .gpa = pending->gpa, .size = pending->size, .data = pending->data },
        };
        return true;
    case INTERP_EXCEPTION:
        return access_faulted(v, a);
    case INTERP_STOPPED:
        break;
    }
    access_give_up(v);
    return false;
}

static bool access_step_atomic(struct hv_hvf_vcpu *v, struct hv_hvf_access *a, uint64_t data)
{
    if (!a->writing)
        a->val[a->at] = data & low_mask(8 * a->size);
    a->at++;
    if (!a->writing && a->at == a->count && !access_compute(a)) {
        access_give_up(v);
        return false;
    }
    if (a->at < a->count) {
        access_ask(a);
        return true;
    }
    access_store(v, a);
    return false;
}

static struct hv_hvf_access *access_get(struct hv_hvf_vcpu *v)
{
    struct hv_hvf_access *a = v->access ? v->access : calloc(1, sizeof(*a));

    v->access = a;
    if (!a)
        return NULL;
    if (!a->cpu) {
        soc_init(&a->soc, hv_hvf_of(v->vcpu.hv)->soc.mem, 0);
        a->soc.model = &idregs_max;
        a->soc.vcpus = 1;
        a->soc.pa_bits = hv_hvf_of(v->vcpu.hv)->ipa_bits;
        if (cpu_create(&a->soc, 0, &a->cpu, NULL) < 0)
            return NULL;
    }
    /* Memory as the guest has it at this moment. */
    memcpy(a->soc.ranges, hv_hvf_of(v->vcpu.hv)->soc.ranges, sizeof(a->soc.ranges));
    a->soc.range_count = hv_hvf_of(v->vcpu.hv)->soc.range_count;
    a->atomic = false;
    return a;
}

bool hv_hvf_access_begin(struct hv_hvf_vcpu *v, struct hv_exit *exit)
{
    struct hv_hvf_access *a = access_get(v);

    if (!a || access_load(v, a) < 0) {
        access_give_up(v);
        return false;
    }
    if (!access_step(v, a))
        return false;
    *exit = a->next;
    v->answer = exit;
    v->pending = HV_HVF_ACCESS;
    return true;
}

bool hv_hvf_access_go_on(struct hv_hvf_vcpu *v, uint64_t data)
{
    struct hv_hvf_access *a = v->access;

    if (a->atomic)
        return access_step_atomic(v, a, data);
    cpu_mmio_done(a->cpu, data);
    return access_step(v, a);
}

const struct hv_exit *hv_hvf_access_next(const struct hv_hvf_vcpu *v)
{
    return &v->access->next;
}

void hv_hvf_access_fini(struct hv_hvf_vcpu *v)
{
    if (v->access)
        cpu_destroy(v->access->cpu);
    free(v->access);
    v->access = NULL;
}
