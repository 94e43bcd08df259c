/* What the engine `hvf` takes from macOS (15 or newer, Apple silicon). */
#include <dlfcn.h>
#include <errno.h>
#include <libkern/OSCacheControl.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/thread_policy.h>
#include <os/object.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysctl.h>

#include "base/log.h"
#include "hv/hv_hvf_host.h"

#define MACOS_MIN 15 /* the interrupt controller in the framework */

/* What a vCPU thread may compute within what time once it is woken. */
#define RT_COMPUTE_NS    500000u
#define RT_CONSTRAINT_NS 1000000u

uint64_t hvf_host_ticks(void)
{
    return mach_absolute_time();
}

uint64_t hvf_host_hz(void)
{
    uint64_t hz;

    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
}

int hvf_host_check(struct err *err)
{
    char version[32] = "";
    int support = 0;
    size_t len = sizeof(support);

    if (sysctlbyname("kern.hv_support", &support, &len, NULL, 0) < 0 || !support)
        return err_set(err, ENOTSUP,
                       "this Mac, or the virtual machine that we are in, has no virtualization "
                       "(kern.hv_support = 0); use --accel soft");
    len = sizeof(version) - 1;
    if (sysctlbyname("kern.osproductversion", version, &len, NULL, 0) < 0)
        return err_errno(err, "sysctl kern.osproductversion");
    if (strtoul(version, NULL, 10) < MACOS_MIN)
        return err_set(err, ENOTSUP,
                       "macOS %s is too old for this engine, which wants macOS %d or newer; update "
                       "it, or use --accel soft",
                       version, MACOS_MIN);
    return 0;
}

static uint32_t host_ns_to_ticks(uint32_t ns)
{
    mach_timebase_info_data_t base;

    mach_timebase_info(&base);
    return (uint32_t)((uint64_t)ns * base.denom / base.numer);
}

void hvf_host_vcpu_thread(void)
{
    thread_time_constraint_policy_data_t policy = {
        .computation = host_ns_to_ticks(RT_COMPUTE_NS),
        .constraint = host_ns_to_ticks(RT_CONSTRAINT_NS),
        .preemptible = 1,
    };
    kern_return_t rc;

    if (pthread_set_qos_class_self_np(QOS_CLASS_USER_INTERACTIVE, 0) != 0)
        log_debug("hvf", "no quality-of-service class for a vCPU's thread");
    /* It takes the place of the class where it is granted: wake-ups that nobody coalesces. */
    rc = thread_policy_set(pthread_mach_thread_np(pthread_self()), THREAD_TIME_CONSTRAINT_POLICY,
                           (thread_policy_t)&policy, THREAD_TIME_CONSTRAINT_POLICY_COUNT);
    if (rc != KERN_SUCCESS)
        log_debug("hvf", "no time constraint for a vCPU's thread: error %d", rc);
}

void hvf_host_release(void *object)
{
    if (object)
        os_release(object);
}

void hvf_host_code_written(void *host, size_t size)
{
    sys_icache_invalidate(host, size);
}

/* Found when it is asked for: a build against an older SDK takes it too, and an older macOS, which
 * has not got it, can still start the program. */
bool hvf_host_granule_4k(hv_vm_config_t config)
{
    hv_return_t (*set)(hv_vm_config_t, hv_ipa_granule_t);
    void *symbol = dlsym(RTLD_DEFAULT, "hv_vm_config_set_ipa_granule");

    if (!symbol)
        return false;
    memcpy(&set, &symbol, sizeof(set));
    return set(config, HV_IPA_GRANULE_4KB) == HV_SUCCESS;
}
