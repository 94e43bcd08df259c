/* The doctor's checks of Linux whose files can be others, so that tests may bring their own. */
#pragma once

#include "cli/doctor_os.h"

/* path: "/dev/kvm"; machine: of uname(), "aarch64". */
void doctor_os_kvm(struct doctor *doctor, const char *path, const char *machine);

/* path: "/sys/kernel/mm/transparent_hugepage/enabled". */
void doctor_os_huge_pages(struct doctor *doctor, const char *path);

/* Of meminfo's text, "MemTotal:  123 kB". Returns 0 or -EINVAL. */
MUST_CHECK int doctor_os_meminfo(const char *text, struct doctor_os_memory *ret_memory);

/* The least memory limit of a group, "/a/b", and of those above it, under the folder root.
 * UINT64_MAX: none. */
uint64_t doctor_os_group_limit(const char *root, const char *group);
