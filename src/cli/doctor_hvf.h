/*
 * What a Mac needs for Hypervisor.framework, in words: what was found there is given, so that the
 * words can be tried anywhere.
 */
#pragma once

#include "cli/doctor.h"

#define DOCTOR_HVF_UNKNOWN (-1) /* the system did not tell */

struct doctor_hvf_host {
    const char *version; /* of macOS, "15.4.1"; "" is unknown */
    int supported;       /* kern.hv_support: 0, 1 or unknown */
    int entitled;        /* is this program signed for it: 0, 1 or unknown */
};

void doctor_hvf_add(struct doctor *doctor, const struct doctor_hvf_host *host);

/* Does a signature's blob of entitlements, as csops(2) hands it over, have that of a hypervisor?
 * The blob may be anything. */
bool doctor_hvf_entitled(const void *blob, size_t len);
