/* What the doctor asks macOS: whether Hypervisor.framework can run here, and the memory. */
#include "cli/doctor_os.h"

#include <errno.h>
#include <mach/mach.h>
#include <sys/sysctl.h>
#include <unistd.h>

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

void doctor_os_add(struct doctor *doctor)
{
    struct doctor_check *check;
    int support = 0;
    size_t len = sizeof(support);

    if (sysctlbyname("kern.hv_support", &support, &len, NULL, 0) == 0 && support) {
        doctor_add(doctor, "hypervisor", DOCTOR_OK, "this Mac has what Hypervisor.framework needs");
        return;
    }
    check = doctor_add(doctor, "hypervisor", DOCTOR_MISSING,
                       "this Mac has not what Hypervisor.framework needs");
    doctor_way_out(check, "in a virtual machine, nested virtualization is needed");
}
