/* The doctor's checks that are the same on every system. */
#pragma once

#include "cli/doctor.h"

/* fd: what boot would take as its console. */
void doctor_host_terminal(struct doctor *doctor, int fd);

void doctor_host_memory(struct doctor *doctor);
void doctor_host_files(struct doctor *doctor);
void doctor_host_cores(struct doctor *doctor);

/* $TMPDIR, or /tmp. A file without a name is made there, and is gone when this returns. */
void doctor_host_temp(struct doctor *doctor);
