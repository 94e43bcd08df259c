/* What the kernels ask of vector and special instructions, for arm64: the instructions themselves.
 */
#pragma once

#include <arm_acle.h>
#include <arm_neon.h>
#include <stddef.h>

typedef float32x4_t f32x4;
typedef uint8x16_t u8x16;

static inline f32x4 f32x4_all(float x)
{
    return vdupq_n_f32(x);
}

static inline f32x4 f32x4_load(const float *from)
{
    return vld1q_f32(from);
}

static inline void f32x4_store(float *to, f32x4 x)
{
    vst1q_f32(to, x);
}

/* a * b + c, rounded once. */
static inline f32x4 f32x4_fma(f32x4 a, f32x4 b, f32x4 c)
{
    return vfmaq_f32(c, a, b);
}

static inline uint32_t sad_16x16(const uint8_t *a, const uint8_t *b, size_t stride)
{
    uint16x8_t sum = vdupq_n_u16(0);

    for (unsigned i = 0; i < 16; i++)
        sum = vpadalq_u8(sum, vabdq_u8(vld1q_u8(a + i * stride), vld1q_u8(b + i * stride)));
    return vaddlvq_u16(sum);
}

static inline u8x16 aes_round(u8x16 block, u8x16 key)
{
    return vaesmcq_u8(vaeseq_u8(block, key));
}

static inline void sha256_rounds(uint32_t state[8], const uint32_t block[16],
                                 const uint32_t constants[64])
{
    uint32x4_t w[4], abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);

    for (unsigned i = 0; i < 4; i++)
        w[i] = vld1q_u32(block + 4 * i);
    for (unsigned i = 0; i < 16; i++) {
        uint32x4_t sum = vaddq_u32(w[0], vld1q_u32(constants + 4 * i)), old = abcd;
        uint32x4_t next = vsha256su1q_u32(vsha256su0q_u32(w[0], w[1]), w[2], w[3]);

        abcd = vsha256hq_u32(abcd, efgh, sum);
        efgh = vsha256h2q_u32(efgh, old, sum);
        w[0] = w[1];
        w[1] = w[2];
        w[2] = w[3];
        w[3] = next;
    }
    vst1q_u32(state, vaddq_u32(vld1q_u32(state), abcd));
    vst1q_u32(state + 4, vaddq_u32(vld1q_u32(state + 4), efgh));
}

static inline uint32_t crc32c(uint32_t crc, uint64_t word)
{
    return __crc32cd(crc, word);
}

/* acc = (acc ^ word), both halves multiplied without carries by fixed numbers, and added. */
static inline void clmul_step(uint64_t acc[2], const uint64_t word[2])
{
    const poly64x2_t by = { 0xc200000000000001, 0x87 << 8 | 0x1b };
    poly64x2_t x = vreinterpretq_p64_u64(veorq_u64(vld1q_u64(acc), vld1q_u64(word)));
    poly128_t low = vmull_p64(vgetq_lane_p64(x, 0), vgetq_lane_p64(by, 0));

    vst1q_u64(
        acc, veorq_u64(vreinterpretq_u64_p128(low), vreinterpretq_u64_p128(vmull_high_p64(x, by))));
}

static inline uint64_t exclusive_add(uint64_t *word, uint64_t add)
{
    uint64_t old, sum;
    uint32_t failed;

    __asm__ volatile("1: ldaxr %0, %3\n"
                     "   add %1, %0, %4\n"
                     "   stlxr %w2, %1, %3\n"
                     "   cbnz %w2, 1b\n"
                     : "=&r"(old), "=&r"(sum), "=&r"(failed), "+Q"(*word)
                     : "r"(add)
                     : "memory");
    return old;
}

static inline uint64_t counter_read(void)
{
    uint64_t count;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
}
