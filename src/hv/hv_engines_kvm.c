/* arm64 Linux: KVM first, then the software CPU. */
#include "hv/hv_engines.h"

const struct hv_ops *const hv_engines[] = { &hv_kvm_ops, &hv_soft_ops, NULL };
