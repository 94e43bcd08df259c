/* Hosts without a hypervisor of ours: the software CPU alone. */
#include "hv/hv_engines.h"

const struct hv_ops *const hv_engines[] = { &hv_soft_ops, NULL };
