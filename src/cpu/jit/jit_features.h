/* What the host's processor has beyond the first x86-64, as far as translated code makes use of it.
 */
#pragma once

#include "base/bits.h"

enum jit_feature {
    JIT_AVX = 1, /* and so SSE3 to SSE4.2 */
    JIT_FMA = 2,
    JIT_AES = 4,
    JIT_PCLMUL = 8,
    JIT_SHA = 16, /* and SSSE3 */
    JIT_CRC32 = 32,
};

/* enum jit_feature bits of this host. Any thread. */
unsigned jit_features_host(void);

/* The bits of a list of names with commas between: "avx,fma". Unknown names are skipped. */
unsigned jit_features_parse(const char *names);
