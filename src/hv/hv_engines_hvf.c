/* macOS on Apple silicon: Hypervisor.framework first, then the software CPU. */
#include "hv/hv_engines.h"

const struct hv_ops *const hv_engines[] = { &hv_hvf_ops, &hv_soft_ops, NULL };
