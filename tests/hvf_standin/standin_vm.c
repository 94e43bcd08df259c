/* The stand-in's machine: one a process, its memory map and its pauses. */
#include "standin.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cpu/gic.h"
#include "cpu/jit/jit.h"

/*
 * The ID registers of an M-series chip, less what the software CPU has not got and would take as
 * UNDEFINED: PAuth, BTI, SME, DIT, RAS, ExS. What nobody has read on a Mac is the software CPU's.
 */
#define M_MIDR    UINT64_C(0x610f0000)
#define M_PFR0    UINT64_C(0x1100000001110011)
#define M_DFR0    UINT64_C(0x10305006)
#define M_MMFR0   UINT64_C(0x000000000f100020) /* without PARange */
#define ISAR0_TS1 (UINT64_C(1) << 52)          /* FlagM */

struct standin standin_vm;

/* Creation, destruction and look-ups of the machine exclude each other. */
static struct lock standin_life = { PTHREAD_MUTEX_INITIALIZER };

struct hv_vm_config_s {
    uint32_t ipa_bits;
    hv_ipa_granule_t granule;
};

bool standin_is(const char *what)
{
    const char *now = getenv("IGNITION_STANDIN");

    return now && !strcmp(now, what);
}

/* ---- configuration ---- */

hv_vm_config_t hv_vm_config_create(void)
{
    hv_vm_config_t config = calloc(1, sizeof(*config));

    if (config)
        *config = (struct hv_vm_config_s){ STANDIN_IPA_BITS, HV_IPA_GRANULE_16KB };
    return config;
}

hv_return_t hv_vm_config_get_max_ipa_size(uint32_t *bits)
{
    *bits = STANDIN_IPA_BITS_MAX;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_get_default_ipa_size(uint32_t *bits)
{
    *bits = STANDIN_IPA_BITS;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_set_ipa_size(hv_vm_config_t config, uint32_t bits)
{
    if (!config || bits < 32 || bits > STANDIN_IPA_BITS_MAX)
        return HV_BAD_ARGUMENT;
    config->ipa_bits = bits;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_set_ipa_granule(hv_vm_config_t config, hv_ipa_granule_t granule)
{
    if (standin_is("macos15"))
        return HV_UNSUPPORTED;
    if (!config || granule > HV_IPA_GRANULE_16KB)
        return HV_BAD_ARGUMENT;
    config->granule = granule;
    return HV_SUCCESS;
}

hv_return_t hv_vm_get_max_vcpu_count(uint32_t *max_vcpu_count)
{
    *max_vcpu_count = STANDIN_VCPUS;
    return HV_SUCCESS;
}

/* ---- life ---- */

static hv_return_t make_stage2(struct standin *vm)
{
    void *table;

    vm->stage2_bytes = UINT64_C(1) << (vm->ipa_bits - 12);
    table = mmap(NULL, vm->stage2_bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED)
        return HV_NO_RESOURCES;
    vm->stage2 = table;
    vm->soc.stage2 = vm->stage2;
    return HV_SUCCESS;
}

static hv_return_t translate(struct standin *vm)
{
    static const struct jit_config config;
    const char *off = getenv("IGNITION_STANDIN_JIT");
    int rc;

    if (off && !strcmp(off, "off"))
        return HV_SUCCESS;
    rc = jit_create(&vm->soc, &config, &vm->soc.jit, NULL);
    return rc == 0 || rc == -ENOTSUP ? HV_SUCCESS : HV_NO_RESOURCES;
}

static void free_all(struct standin *vm)
{
    standin_timer_stop();
    jit_destroy(vm->soc.jit);
    gic_destroy(vm->soc.gic);
    if (vm->stage2)
        munmap((void *)vm->stage2, vm->stage2_bytes);
    cond_fini(&vm->timer_cond);
    lock_fini(&vm->timer_lock);
    cond_fini(&vm->cond);
    lock_fini(&vm->lock);
    vm->exists = false;
}

static hv_return_t create(struct standin *vm, hv_vm_config_t config)
{
    hv_return_t rc;

    memset((void *)vm, 0, sizeof(*vm));
    soc_init(&vm->soc, &vm->mem, 0);
    vm->model = idregs_portable;
    vm->model.name = "M";
    vm->model.features = CPU_FLAGM;
    vm->model.midr = M_MIDR;
    vm->model.pfr0 = M_PFR0;
    vm->model.dfr0 = M_DFR0;
    vm->model.isar0 |= ISAR0_TS1;
    vm->model.mmfr0 = M_MMFR0;
    vm->soc.model = &vm->model;
    vm->soc.pa_bits = IDREGS_PA_BITS_BIG; /* whatever the machine has: a Mac says 40 */
    vm->soc.timer_moved = standin_timer_moved;
    atomic_store(&vm->soc.counter_offset, 0); /* the host's counter */
    vm->ipa_bits = config ? config->ipa_bits : STANDIN_IPA_BITS;
    vm->page = config && config->granule == HV_IPA_GRANULE_4KB ? 4 * KIB : 16 * KIB;
    lock_init(&vm->lock);
    cond_init(&vm->cond);
    lock_init(&vm->timer_lock);
    cond_init(&vm->timer_cond);
    rc = make_stage2(vm);
    if (rc == HV_SUCCESS)
        rc = translate(vm);
    if (rc != HV_SUCCESS) {
        free_all(vm);
        return rc;
    }
    standin_timer_start();
    vm->exists = true;
    return HV_SUCCESS;
}

hv_return_t hv_vm_create(hv_vm_config_t config)
{
    hv_return_t rc = HV_BUSY;

    if (standin_is("denied"))
        return HV_DENIED;
    if (standin_is("unsupported"))
        return HV_UNSUPPORTED;
    lock_take(&standin_life);
    if (!standin_vm.exists)
        rc = create(&standin_vm, config);
    lock_drop(&standin_life);
    return rc;
}

/* The code for vCPUs that are still there is our choice. */
hv_return_t hv_vm_destroy(void)
{
    struct standin *vm = &standin_vm;
    hv_return_t rc = HV_SUCCESS;

    lock_take(&standin_life);
    if (!vm->exists)
        rc = HV_NO_DEVICE;
    for (unsigned i = 0; rc == HV_SUCCESS && i < STANDIN_VCPUS; i++) {
        if (vm->vcpus[i].used)
            rc = HV_BUSY;
    }
    if (rc == HV_SUCCESS)
        free_all(vm);
    lock_drop(&standin_life);
    return rc;
}

/* ---- pauses ---- */

void standin_pause(void)
{
    struct standin *vm = &standin_vm;

    lock_take(&vm->lock);
    while (vm->pausing)
        cond_wait(&vm->cond, &vm->lock);
    vm->pausing = true;
    for (unsigned i = 0; i < STANDIN_VCPUS; i++) {
        if (vm->vcpus[i].in_guest)
            cpu_request(vm->vcpus[i].cpu, CPU_REQ_KICK);
    }
    for (unsigned i = 0; i < STANDIN_VCPUS; i++) {
        while (vm->vcpus[i].in_guest)
            cond_wait(&vm->cond, &vm->lock);
    }
}

void standin_resume(void)
{
    struct standin *vm = &standin_vm;

    vm->pausing = false;
    cond_broadcast(&vm->cond);
    lock_drop(&vm->lock);
}

/* ---- memory ---- */

static bool is_range(const struct standin *vm, hv_ipa_t ipa, size_t size)
{
    uint64_t end = UINT64_C(1) << vm->ipa_bits;

    return size && ipa % vm->page == 0 && size % vm->page == 0 && ipa < end && size <= end - ipa;
}

static bool is_mapped(const struct standin *vm, hv_ipa_t ipa, size_t size)
{
    for (uint64_t page = ipa >> 12; page < (ipa + size) >> 12; page++) {
        if (!(vm->stage2[page] & STANDIN_MAPPED))
            return false;
    }
    return true;
}

/* Returns whether something was taken away. */
static bool allow(struct standin *vm, hv_ipa_t ipa, size_t size, uint8_t bits)
{
    bool less = false;

    for (uint64_t page = ipa >> 12; page < (ipa + size) >> 12; page++)
        less |= atomic_exchange_explicit(&vm->stage2[page], bits, memory_order_relaxed) & ~bits;
    return less;
}

_Static_assert((int)SOC_READ == HV_MEMORY_READ && (int)SOC_WRITE == HV_MEMORY_WRITE &&
                   (int)SOC_EXEC == HV_MEMORY_EXEC,
               "the CPU and the framework number permissions the same");

static bool flags_ok(hv_memory_flags_t flags)
{
    return !(flags & ~(hv_memory_flags_t)(HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC));
}

/* Address 0 and ranges that meet others: the codes are our choice. */
hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size, hv_memory_flags_t flags)
{
    struct standin *vm = &standin_vm;
    int rc;

    if (!vm->exists)
        return HV_NO_DEVICE;
    if (!addr || (uintptr_t)addr % vm->page || ipa == 0 || !is_range(vm, ipa, size) ||
        !flags_ok(flags))
        return HV_BAD_ARGUMENT;
    standin_pause();
    rc = soc_map(&vm->soc, ipa, addr, size, SOC_READ | SOC_WRITE | SOC_EXEC, NULL);
    if (rc == 0)
        (void)allow(vm, ipa, size, (uint8_t)(flags | STANDIN_MAPPED));
    standin_resume();
    if (rc == -ENOSPC)
        return HV_NO_RESOURCES;
    return rc < 0 ? HV_BAD_ARGUMENT : HV_SUCCESS;
}

/* The next piece of [ipa, ipa + size) that one mapping holds. */
static uint64_t piece_of(const struct standin *vm, hv_ipa_t ipa, uint64_t size)
{
    const struct soc_range *range = soc_find(&vm->soc, ipa);
    uint64_t left = range->size - (ipa - range->gpa);

    return left < size ? left : size;
}

static hv_return_t unmap(struct standin *vm, hv_ipa_t ipa, size_t size)
{
    if (!is_mapped(vm, ipa, size))
        return HV_BAD_ARGUMENT; /* our choice */
    while (size) {
        uint64_t piece = piece_of(vm, ipa, size);

        if (soc_unmap(&vm->soc, ipa, piece, NULL) < 0)
            return HV_NO_RESOURCES;
        (void)allow(vm, ipa, piece, 0);
        ipa += piece;
        size -= piece;
    }
    return HV_SUCCESS;
}

/* Other instructions may come to lie at the same addresses. */
static void forget_code(struct standin *vm)
{
    if (vm->soc.jit)
        jit_kill_all(vm->soc.jit);
    for (unsigned i = 0; i < STANDIN_VCPUS; i++) {
        if (vm->vcpus[i].used)
            cpu_request(vm->vcpus[i].cpu, CPU_REQ_CODE);
    }
}

hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size)
{
    struct standin *vm = &standin_vm;
    hv_return_t rc;

    if (!vm->exists)
        return HV_NO_DEVICE;
    if (!is_range(vm, ipa, size))
        return HV_BAD_ARGUMENT;
    standin_pause();
    rc = unmap(vm, ipa, size);
    forget_code(vm);
    standin_resume();
    return rc;
}

/* What is allowed anew is found by the next access; what is not any more has to be forgotten, and
 * nobody may be using it when this returns. */
hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size, hv_memory_flags_t flags)
{
    struct standin *vm = &standin_vm;
    bool mapped, only_writes = (flags & 5) == 5;

    if (!vm->exists)
        return HV_NO_DEVICE;
    if (!is_range(vm, ipa, size) || !flags_ok(flags))
        return HV_BAD_ARGUMENT;
    if ((flags & 7) == 7) { /* takes nothing away */
        lock_take(&vm->lock);
        mapped = is_mapped(vm, ipa, size);
        if (mapped)
            (void)allow(vm, ipa, size, (uint8_t)(flags | STANDIN_MAPPED));
        lock_drop(&vm->lock);
        return mapped ? HV_SUCCESS : HV_BAD_ARGUMENT;
    }
    standin_pause();
    mapped = is_mapped(vm, ipa, size);
    if (mapped && allow(vm, ipa, size, (uint8_t)(flags | STANDIN_MAPPED))) {
        for (unsigned i = 0; i < STANDIN_VCPUS; i++) {
            struct standin_vcpu *v = &vm->vcpus[i];

            v->forget_writes = true;
            if (v->used && !only_writes)
                cpu_request(v->cpu, CPU_REQ_CODE);
        }
    }
    standin_resume();
    return mapped ? HV_SUCCESS : HV_BAD_ARGUMENT;
}
