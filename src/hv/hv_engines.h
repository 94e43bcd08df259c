/* The engines of this build, best first, ended by NULL. Each build lists them in its own file. */
#pragma once

#include "hv/hv.h"

extern const struct hv_ops *const hv_engines[];

extern const struct hv_ops hv_hvf_ops;
extern const struct hv_ops hv_kvm_ops;
extern const struct hv_ops hv_soft_ops;
