/* What the kernels ask of vector and special instructions, for x86-64: the nearest of its own. */
#pragma once

#include <immintrin.h>
#include <stddef.h>

typedef __m128 f32x4;
typedef __m128i u8x16;

static inline f32x4 f32x4_all(float x)
{
    return _mm_set1_ps(x);
}

static inline f32x4 f32x4_load(const float *from)
{
    return _mm_loadu_ps(from);
}

static inline void f32x4_store(float *to, f32x4 x)
{
    _mm_storeu_ps(to, x);
}

/* a * b + c, rounded once. */
static inline f32x4 f32x4_fma(f32x4 a, f32x4 b, f32x4 c)
{
    return _mm_fmadd_ps(a, b, c);
}

static inline __m128i load16(const void *from)
{
    return _mm_loadu_si128((const __m128i *)from);
}

static inline uint32_t sad_16x16(const uint8_t *a, const uint8_t *b, size_t stride)
{
    __m128i sum = _mm_setzero_si128();

    for (unsigned i = 0; i < 16; i++)
        sum = _mm_add_epi64(sum, _mm_sad_epu8(load16(a + i * stride), load16(b + i * stride)));
    return (uint32_t)(_mm_extract_epi64(sum, 0) + _mm_extract_epi64(sum, 1));
}

/* Arm adds the key before the round, x86 after it. */
static inline u8x16 aes_round(u8x16 block, u8x16 key)
{
    return _mm_aesenc_si128(_mm_xor_si128(block, key), _mm_setzero_si128());
}

static inline void sha256_rounds(uint32_t state[8], const uint32_t block[16],
                                 const uint32_t constants[64])
{
    __m128i w[4], abef, cdgh;
    uint32_t out[8];

    abef = _mm_setr_epi32((int)state[5], (int)state[4], (int)state[1], (int)state[0]);
    cdgh = _mm_setr_epi32((int)state[7], (int)state[6], (int)state[3], (int)state[2]);
    for (unsigned i = 0; i < 4; i++)
        w[i] = load16(block + 4 * i);
    for (unsigned i = 0; i < 16; i++) {
        __m128i sum = _mm_add_epi32(w[0], load16(constants + 4 * i));
        __m128i part =
            _mm_add_epi32(_mm_sha256msg1_epu32(w[0], w[1]), _mm_alignr_epi8(w[3], w[2], 4));

        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
        w[0] = w[1];
        w[1] = w[2];
        w[2] = w[3];
        w[3] = _mm_sha256msg2_epu32(part, w[2]);
    }
    _mm_storeu_si128((__m128i *)out, abef);
    _mm_storeu_si128((__m128i *)(out + 4), cdgh);
    state[0] += out[3];
    state[1] += out[2];
    state[2] += out[7];
    state[3] += out[6];
    state[4] += out[1];
    state[5] += out[0];
    state[6] += out[5];
    state[7] += out[4];
}

static inline uint32_t crc32c(uint32_t crc, uint64_t word)
{
    return (uint32_t)_mm_crc32_u64(crc, word);
}

/* acc = (acc ^ word), both halves multiplied without carries by fixed numbers, and added. */
static inline void clmul_step(uint64_t acc[2], const uint64_t word[2])
{
    const __m128i by = _mm_set_epi64x(0x87 << 8 | 0x1b, (long long)0xc200000000000001);
    __m128i x = _mm_xor_si128(load16(acc), load16(word));

    _mm_storeu_si128((__m128i *)acc, _mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00),
                                                   _mm_clmulepi64_si128(x, by, 0x11)));
}

/* There are no exclusives: a compare-and-swap that is repeated until it succeeds. */
static inline uint64_t exclusive_add(uint64_t *word, uint64_t add)
{
    uint64_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE);

    while (!__atomic_compare_exchange_n(word, &old, old + add, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
    }
    return old;
}

static inline uint64_t counter_read(void)
{
    return __builtin_ia32_rdtsc();
}
