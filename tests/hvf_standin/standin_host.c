/* What the engine takes from macOS besides the framework, on the host of the stand-in. */
#include "hv/hv_hvf_host.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cpu/soc.h"
#include "standin.h"

#define HZ SOC_COUNTER_HZ_DEFAULT

_Static_assert(SOC_COUNTER_HZ_DEFAULT == 24000000, "what every Mac has");

/* As the software CPU counts: soc.counter_offset is 0 in a new machine. */
uint64_t hvf_host_ticks(void)
{
    uint64_t ns = clock_mono_ns();

    return ns / NS_PER_S * HZ + ns % NS_PER_S * HZ / NS_PER_S;
}

uint64_t hvf_host_hz(void)
{
    return HZ;
}

int hvf_host_check(struct err *err)
{
    if (standin_is("unsupported"))
        return err_set(err, ENOTSUP,
                       "this Mac, or the virtual machine we are in, has no virtualization "
                       "(kern.hv_support = 0); use --accel soft");
    if (standin_is("old"))
        return err_set(err, ENOTSUP,
                       "Hypervisor.framework has an interrupt controller since macOS 15; update "
                       "macOS, or use --accel soft");
    return 0;
}

void hvf_host_vcpu_thread(void)
{
}

void hvf_host_release(void *object)
{
    free(object);
}

/* What the CPUs have predecoded goes, wherever it is from. */
void hvf_host_code_written(void *host, size_t size)
{
    (void)host;
    (void)size;
    for (unsigned i = 0; i < STANDIN_VCPUS; i++)
        if (atomic_load(&standin_vm.vcpus[i].used))
            cpu_request(standin_vm.vcpus[i].cpu, CPU_REQ_CODE);
}

bool hvf_host_granule_4k(hv_vm_config_t config)
{
    return hv_vm_config_set_ipa_granule(config, HV_IPA_GRANULE_4KB) == HV_SUCCESS;
}
