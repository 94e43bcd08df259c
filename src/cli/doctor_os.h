/* What the doctor asks the operating system in its own words; one file each. */
#pragma once

#include "cli/doctor.h"

struct doctor_os_memory {
    uint64_t total, available; /* bytes */
    uint64_t limit;            /* of this process's group (a container); UINT64_MAX: none */
};

/* Returns 0, or -errno where the system does not tell. */
MUST_CHECK int doctor_os_memory(struct doctor_os_memory *ret_memory);

/* Processors that this process may use. */
unsigned doctor_os_cores(void);

/* The checks that only this system has. Nothing on the host is changed. */
void doctor_os_add(struct doctor *doctor);
