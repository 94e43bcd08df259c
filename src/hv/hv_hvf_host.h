/*
 * What the engine `hvf` takes from macOS besides Hypervisor.framework: hv_hvf_host_macos.c on a
 * Mac, the stand-in's own elsewhere. No other file of the engine includes a header of Apple's.
 */
#pragma once

#include <Hypervisor/Hypervisor.h>

#include "base/err.h"

/* The host's counter, in ticks of hvf_host_hz(); a guest's CNTVCT_EL0 is this minus an offset. Any
 * thread. */
uint64_t hvf_host_ticks(void);

/* CNTFRQ_EL0 as the guest sees it. */
uint64_t hvf_host_hz(void);

/* Can this host run guests at all? 0, or -errno with one sentence that says why not. */
MUST_CHECK int hvf_host_check(struct err *err);

/* Make the calling thread, which is to run a vCPU, one whose timers are punctual. What the host
 * does not grant is done without. */
void hvf_host_vcpu_thread(void);

/* Release a configuration object of the framework. */
void hvf_host_release(void *object);

/* The host has written code for the guest here: no stale instruction may be fetched. Bytes. */
void hvf_host_code_written(void *host, size_t size);

/* Have the machine's memory in pages of 4 KiB; false where the host does not offer it. */
MUST_CHECK bool hvf_host_granule_4k(hv_vm_config_t config);
