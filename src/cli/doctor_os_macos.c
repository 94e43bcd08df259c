/* What the doctor asks macOS: its version, Hypervisor.framework, this program's signature, memory.
 */
#include "cli/doctor_os.h"

#include <errno.h>
#include <mach/mach.h>
#include <stdlib.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/doctor_hvf.h"

/*
 * How a process is signed: a call of libSystem that no header of the SDK declares. What does is in
 * Security.framework, which would be loaded at every start of the program.
 */
int csops(pid_t pid, unsigned ops, void *buf, size_t len);
#define CS_OPS_ENTITLEMENTS_BLOB 7
#define CS_BLOB_MAX              (64 * KIB)

int doctor_os_memory(struct doctor_os_memory *ret_memory)
{
    mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
    vm_statistics64_data_t vm;
    uint64_t total = 0, pages;
    size_t len = sizeof(total);
    long page = sysconf(_SC_PAGESIZE);

    if (sysctlbyname("hw.memsize", &total, &len, NULL, 0) < 0)
        return -errno;
    if (page <= 0 || host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&vm,
                                       &count) != KERN_SUCCESS)
        return -ENOTSUP;
    pages = (uint64_t)vm.free_count + vm.inactive_count; /* free includes the speculative ones */
    *ret_memory = (struct doctor_os_memory){ .total = total,
                                             .available = pages * (uint64_t)page,
                                             .limit = UINT64_MAX };
    return 0;
}

unsigned doctor_os_cores(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    return online > 0 ? (unsigned)online : 1;
}

static int macos_entitled(void)
{
    CLEANUP(freep) void *blob = calloc(1, CS_BLOB_MAX);

    if (!blob)
        return DOCTOR_HVF_UNKNOWN;
    if (csops(getpid(), CS_OPS_ENTITLEMENTS_BLOB, blob, CS_BLOB_MAX) < 0)
        return errno == EINVAL ? 0 : DOCTOR_HVF_UNKNOWN; /* EINVAL: not signed at all */
    return doctor_hvf_entitled(blob, CS_BLOB_MAX);
}

static int macos_supported(void)
{
    int support;
    size_t len = sizeof(support);

    if (sysctlbyname("kern.hv_support", &support, &len, NULL, 0) < 0)
        return errno == ENOENT ? 0 : DOCTOR_HVF_UNKNOWN;
    return support != 0;
}

void doctor_os_add(struct doctor *doctor)
{
    char version[32] = "";
    size_t len = sizeof(version) - 1;

    if (sysctlbyname("kern.osproductversion", version, &len, NULL, 0) < 0)
        *version = '\0';
    doctor_hvf_add(doctor, &(struct doctor_hvf_host){ .version = version,
                                                      .supported = macos_supported(),
                                                      .entitled = macos_entitled() });
}
