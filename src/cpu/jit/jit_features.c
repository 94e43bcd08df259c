/* The host's processor, asked once a machine. */
#include "cpu/jit/jit_features.h"

#include <cpuid.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned bit;
} names[] = {
    { "avx", JIT_AVX },       { "fma", JIT_FMA }, { "aes", JIT_AES },
    { "pclmul", JIT_PCLMUL }, { "sha", JIT_SHA }, { "crc32", JIT_CRC32 },
};

#define LEAF_1_ECX_PCLMUL BIT(1)
#define LEAF_1_ECX_SSSE3  BIT(9)
#define LEAF_1_ECX_SSE42  BIT(20)
#define LEAF_1_ECX_AES    BIT(25)
#define LEAF_7_EBX_SHA    BIT(29)

unsigned jit_features_host(void)
{
    unsigned features = 0, eax, ebx, ecx, edx;

    __builtin_cpu_init();
    /* These also ask whether the kernel saves the registers. */
    if (__builtin_cpu_supports("avx"))
        features |= JIT_AVX;
    if (__builtin_cpu_supports("fma"))
        features |= JIT_FMA;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        return features;
    features |= (ecx & LEAF_1_ECX_AES ? JIT_AES : 0) | (ecx & LEAF_1_ECX_PCLMUL ? JIT_PCLMUL : 0) |
                (ecx & LEAF_1_ECX_SSE42 ? JIT_CRC32 : 0);
    if ((ecx & LEAF_1_ECX_SSSE3) && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) &&
        (ebx & LEAF_7_EBX_SHA))
        features |= JIT_SHA;
    return features;
}

unsigned jit_features_parse(const char *list)
{
    unsigned features = 0;

    while (*list) {
        size_t len = strcspn(list, ",");

        for (size_t n = 0; n < ARRAY_LEN(names); n++)
            if (strlen(names[n].name) == len && !strncmp(names[n].name, list, len))
                features |= names[n].bit;
        list += len + (list[len] == ',');
    }
    return features;
}
