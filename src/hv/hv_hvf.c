/*
 * The engine `hvf`: Hypervisor.framework on Apple silicon, macOS 15 or newer, with the framework's
 * own GICv3. PSCI is the VMM's. A process has one machine.
 *
 * The parts: hv_hvf_mem.c memory and dirty pages, hv_hvf_vcpu.c running, hv_hvf_exit.c what the
 * guest stops for, hv_hvf_access.c instructions that the syndrome does not describe, hv_hvf_regs.c
 * registers, hv_hvf_gic.c the controller.
 */
#include <errno.h>
#include <stdlib.h>

#include "hv/hv_hvf_err.h"
#include "hv/hv_hvf_host.h"
#include "hv/hv_hvf_int.h"

#define PAGE_16K (16 * KIB)
#define PAGE_4K  (4 * KIB)

static int hvf_busy(struct err *err)
{
    return err_set(
        err, EBUSY,
        "hv_vm_create: HV_BUSY: Hypervisor.framework has one machine a process, and this "
        "process has it already; run the second one in a process of its own, or with "
        "--accel soft");
}

/* A machine that this process has already is a sign that it works. */
static int hvf_probe(struct err *err)
{
    int rc = hvf_host_check(err);
    hv_return_t code;

    if (rc < 0)
        return rc;
    code = hv_vm_create(NULL);
    if (code == HV_BUSY)
        return 0;
    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_vm_create");
    code = hv_vm_destroy();
    return code == HV_SUCCESS ? 0 : hv_hvf_err_set(err, code, "hv_vm_destroy");
}

static int hvf_check_config(const struct hv_config *config, struct err *err)
{
    uint32_t max = 0;
    hv_return_t code = hv_vm_get_max_vcpu_count(&max);

    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_vm_get_max_vcpu_count");
    if (max > MAP_VCPUS_MAX)
        max = MAP_VCPUS_MAX;
    if (!config->vcpus || config->vcpus > max)
        return err_set(
            err, EINVAL,
            "Hypervisor.framework on this Mac runs %u vCPUs at most, not %u; lower --smp", max,
            config->vcpus);
    if (strcmp(config->cpu, "portable") != 0 && strcmp(config->cpu, "host") != 0)
        return err_set(err, ENOTSUP,
                       "Hypervisor.framework has no CPU model %s; use --cpu portable or --cpu host",
                       config->cpu);
    if (config->deterministic)
        return err_set(err, ENOTSUP,
                       "Hypervisor.framework cannot run a machine deterministically; use "
                       "--accel soft");
    if (config->counter_hz && config->counter_hz != hvf_host_hz())
        return err_set(err, ENOTSUP,
                       "a guest on Hypervisor.framework has the host's counter of %llu Hz, not one "
                       "of %llu Hz; use --accel soft",
                       (unsigned long long)hvf_host_hz(), (unsigned long long)config->counter_hz);
    return 0;
}

/* The address bits that RAM needs, of those that ID_AA64MMFR0_EL1.PARange can say. */
static int hvf_ipa_bits(const struct hv_config *config, struct err *err)
{
    static const uint8_t sizes[] = { 36, 40, 42, 44, 48 };
    uint32_t max = 0;
    uint64_t end = 0;
    hv_return_t code = hv_vm_config_get_max_ipa_size(&max);
    size_t i = 0;

    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_vm_config_get_max_ipa_size");
    for (unsigned n = 0; n < config->mem->count; n++) {
        const struct gmem_region *region = &config->mem->regions[n];
        if (region->gpa + region->size > end)
            end = region->gpa + region->size;
    }
    while (i + 1 < ARRAY_LEN(sizes) && end > BIT(sizes[i]))
        i++;
    if (sizes[i] > max)
        return err_set(err, ENOMEM,
                       "RAM up to address %#llx needs %u address bits, and Hypervisor.framework on "
                       "this Mac has %u; lower --mem",
                       (unsigned long long)end, sizes[i], max);
    return sizes[i];
}

static int hvf_configure(const struct hv_hvf *hvf, hv_vm_config_t config, struct err *err)
{
    hv_return_t code = hv_vm_config_set_ipa_size(config, hvf->ipa_bits);

    if (code != HV_SUCCESS)
        return hv_hvf_err_set(err, code, "hv_vm_config_set_ipa_size(%u)", hvf->ipa_bits);
    if (hvf->page == PAGE_4K && !hvf_host_granule_4k(config))
        return err_set(
            err, ENOTSUP,
            "this macOS has no 4 KiB pages for guest memory (macOS 26 has); leave them at "
            "16 KiB");
    return 0;
}

static int hvf_create_vm(struct hv_hvf *hvf, struct err *err)
{
    hv_vm_config_t config = hv_vm_config_create();
    hv_return_t code;
    int rc;

    if (!config)
        return err_set(err, ENOMEM, "hv_vm_config_create: out of memory");
    rc = hvf_configure(hvf, config, err);
    if (rc == 0) {
        code = hv_vm_create(config);
        if (code == HV_BUSY)
            rc = hvf_busy(err);
        else if (code != HV_SUCCESS)
            rc = hv_hvf_err_set(err, code, "hv_vm_create");
        hvf->created = code == HV_SUCCESS;
    }
    hvf_host_release(config);
    return rc;
}

static void hvf_destroy(struct hv *hv)
{
    struct hv_hvf *hvf = hv_hvf_of(hv);

    if (hvf->created)
        (void)hv_vm_destroy(); /* with the controller, and everything that is mapped */
    for (unsigned i = 0; i < GMEM_REGIONS_MAX; i++)
        hv_hvf_dirty_fini(&hvf->dirty[i]);
    lock_fini(&hvf->mem_lock);
    free(hvf);
}

static int hvf_build(struct hv_hvf *hvf, const struct hv_config *config, struct err *err)
{
    int rc = hvf_host_check(err);

    if (rc == 0)
        rc = hvf_check_config(config, err);
    if (rc == 0)
        rc = hvf_ipa_bits(config, err);
    if (rc < 0)
        return rc;
    hvf->ipa_bits = (unsigned)rc;
    rc = hvf_create_vm(hvf, err);
    return rc < 0 ? rc : hv_hvf_gic_create(err);
}

static int hvf_create(const struct hv_config *config, struct hv **ret_hv, struct err *err)
{
    struct hv_hvf *hvf = calloc(1, sizeof(*hvf));
    int rc;

    if (!hvf)
        return err_set(err, ENOMEM, "Hypervisor.framework: out of memory");
    hvf->hv =
        (struct hv){ .ops = &hv_hvf_ops, .vcpus = config->vcpus, .counter_hz = hvf_host_hz() };
    hvf->page = config->granule_4k ? PAGE_4K : PAGE_16K;
    hvf->portable = !strcmp(config->cpu, "portable");
    soc_init(&hvf->soc, config->mem, 0);
    lock_init(&hvf->mem_lock);
    for (unsigned i = 0; i < MAP_VCPUS_MAX; i++)
        hvf->vcpus[i].vcpu = (struct hv_vcpu){ .hv = &hvf->hv, .index = i };
    rc = hvf_build(hvf, config, err);
    if (rc < 0) {
        hvf_destroy(&hvf->hv);
        return rc;
    }
    atomic_store(&hvf->offset, hvf_host_ticks()); /* the guest's counter starts from zero */
    *ret_hv = &hvf->hv;
    return 0;
}

const struct hv_ops hv_hvf_ops = {
    .name = "hvf",
    .probe = hvf_probe,
    .create = hvf_create,
    .destroy = hvf_destroy,
    .map = hv_hvf_mem_map,
    .unmap = hv_hvf_mem_unmap,
    .protect = hv_hvf_mem_protect,
    .vcpu_create = hv_hvf_vcpu_create,
    .vcpu_destroy = hv_hvf_vcpu_destroy,
    .run = hv_hvf_vcpu_run,
    .kick = hv_hvf_vcpu_kick,
    .set_spi = hv_hvf_gic_set_spi,
    .vcpu_get = hv_hvf_regs_get,
    .vcpu_set = hv_hvf_regs_set,
    .set_counter = hv_hvf_regs_set_counter,
    .gic_get = hv_hvf_gic_state_get,
    .gic_set = hv_hvf_gic_state_set,
    .redist_get = hv_hvf_gic_state_get_redist,
    .redist_set = hv_hvf_gic_state_set_redist,
    .dirty_start = hv_hvf_mem_dirty_start,
    .dirty_sync = hv_hvf_mem_dirty_sync,
    .dirty_stop = hv_hvf_mem_dirty_stop,
};
