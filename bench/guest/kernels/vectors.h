/* Vector and special instructions, the same on each processor that the kernels are built for. */
#pragma once

#include <stdint.h>

#ifdef __aarch64__
#include "vectors_arm64.h"
#else
#include "vectors_x86_64.h"
#endif
