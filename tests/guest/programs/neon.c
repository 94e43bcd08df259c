/*
 * AdvSIMD: each intrinsic against a loop over lanes in plain C. The lanes of floating point use the
 * scalar instructions, which floating.c proves. Deterministic: the output is the same on every CPU.
 */
#include "check.h"

#include <arm_neon.h>
#include <math.h>

typedef __int128 i128;

union vec {
    uint8_t u8[16];
    int8_t s8[16];
    uint16_t u16[8];
    int16_t s16[8];
    uint32_t u32[4];
    int32_t s32[4];
    uint64_t u64[2];
    int64_t s64[2];
    _Float16 f16[8];
    float f32[4];
    double f64[2];
    uint8x16_t vu8;
    int8x16_t vs8;
    uint16x8_t vu16;
    int16x8_t vs16;
    uint32x4_t vu32;
    int32x4_t vs32;
    uint64x2_t vu64;
    int64x2_t vs64;
    float16x8_t vf16;
    float32x4_t vf32;
    float64x2_t vf64;
};

static union vec a, b, c; /* the operands of one round */
static uint64_t turn;     /* its number */

#define LANE(f)    __typeof__(a.f[0])
#define BITS_OF(f) ((int)(8 * sizeof(a.f[0])))
#define SIGNED(f)  ((LANE(f))(-1) < 1)

static i128 clamp(i128 x, int bits, bool is_signed)
{
    i128 low = is_signed ? -((i128)1 << (bits - 1)) : 0;
    i128 high = ((i128)1 << (is_signed ? bits - 1 : bits)) - 1;

    return x < low ? low : x > high ? high : x;
}

/* Shift left by a signed count, right with the last bit shifted out rounded half up. */
static i128 shift(i128 x, int by, bool rounds)
{
    if (by >= 0)
        return x && by >= 64 ? (x < 0 ? -((i128)1 << 120) : (i128)1 << 120) : x << by;
    if (by < -66)
        by = -66;
    return (x + (rounds ? (i128)1 << (-by - 1) : 0)) >> -by;
}

/* The truncated shift of the plain forms: what leaves at the top is gone. */
static i128 shift_out(i128 x, int by, bool rounds)
{
    return by >= 64 ? 0 : shift(x, by, rounds);
}

/* r = fn(args), and each lane i of it is EXPR, in which x, y, z are the lanes of a, b, c. */
#define EACH(fr, f, call, EXPR)                          \
    do {                                                 \
        union vec seen_ = { { 0 } }, want_ = { { 0 } };  \
        seen_.v##fr = call;                              \
        for (unsigned i = 0; i < COUNT(want_.fr); i++) { \
            i128 x = a.f[i], y = b.f[i], z = c.f[i];     \
            (void)x, (void)y, (void)z;                   \
            want_.fr[i] = (LANE(fr))(EXPR);              \
        }                                                \
        expect_bytes(&seen_, &want_, 16, #call, turn);   \
    } while (0)
#define BINARY(fn, f, EXPR)     EACH(f, f, fn##_##f(a.v##f, b.v##f), EXPR)
#define COMPARE(fn, u, f, EXPR) EACH(u, f, fn##_##f(a.v##f, b.v##f), (EXPR) ? -1 : 0)

#define SIX(M, ...)          \
    do {                     \
        M(u8, __VA_ARGS__);  \
        M(s8, __VA_ARGS__);  \
        M(u16, __VA_ARGS__); \
        M(s16, __VA_ARGS__); \
        M(u32, __VA_ARGS__); \
        M(s32, __VA_ARGS__); \
    } while (0)
#define EIGHT(M, ...)        \
    do {                     \
        SIX(M, __VA_ARGS__); \
        M(u64, __VA_ARGS__); \
        M(s64, __VA_ARGS__); \
    } while (0)

#define B(f, fn, EXPR)        BINARY(fn, f, EXPR)
#define SAT(f, fn, EXPR)      BINARY(fn, f, clamp((EXPR), BITS_OF(f), SIGNED(f)))
#define SHIFT(f, fn, s, EXPR) EACH(f, f, fn##_##f(a.v##f, b.vs##s), EXPR)

static void arithmetic(void)
{
    EIGHT(B, vaddq, x + y);
    EIGHT(B, vsubq, x - y);
    EIGHT(SAT, vqaddq, x + y);
    EIGHT(SAT, vqsubq, x - y);
    SIX(B, vhaddq, (x + y) >> 1);
    SIX(B, vrhaddq, (x + y + 1) >> 1);
    SIX(B, vhsubq, (x - y) >> 1);
    SIX(B, vabdq, x > y ? x - y : y - x);
    SIX(B, vmaxq, x > y ? x : y);
    SIX(B, vminq, x < y ? x : y);
    SIX(B, vmulq, x * y);
#define MLA(f, fn, EXPR) EACH(f, f, fn##_##f(a.v##f, b.v##f, c.v##f), EXPR)
    SIX(MLA, vmlaq, x + y * z);
    SIX(MLA, vmlsq, x - y * z);
    SIX(MLA, vabaq, x + (y > z ? y - z : z - y));
    EACH(s8, s8, vqabsq_s8(a.vs8), clamp(x < 0 ? -x : x, 8, true));
    EACH(s64, s64, vqnegq_s64(a.vs64), clamp(-x, 64, true));
    EACH(s16, s16, vqdmulhq_s16(a.vs16, b.vs16), clamp(2 * x * y >> 16, 16, true));
    EACH(s32, s32, vqdmulhq_s32(a.vs32, b.vs32), clamp(2 * x * y >> 32, 32, true));
    EACH(s16, s16, vqrdmulhq_s16(a.vs16, b.vs16), clamp((2 * x * y + 0x8000) >> 16, 16, true));
    EACH(s16, s16, vqrdmlahq_s16(a.vs16, b.vs16, c.vs16),
         clamp(((x << 16) + 2 * y * z + 0x8000) >> 16, 16, true));
    EACH(s32, s32, vqrdmlahq_s32(a.vs32, b.vs32, c.vs32),
         clamp(((x << 32) + 2 * y * z + 0x80000000) >> 32, 32, true));
    EACH(s32, s32, vqrdmlshq_s32(a.vs32, b.vs32, c.vs32),
         clamp(((x << 32) - 2 * y * z + 0x80000000) >> 32, 32, true));
}

static void compares(void)
{
#define CMP(u, f)                           \
    do {                                    \
        COMPARE(vceqq, u, f, x == y);       \
        COMPARE(vcgtq, u, f, x > y);        \
        COMPARE(vcgeq, u, f, x >= y);       \
        COMPARE(vtstq, u, f, (x & y) != 0); \
    } while (0)
    CMP(u8, u8);
    CMP(u8, s8);
    CMP(u16, u16);
    CMP(u16, s16);
    CMP(u32, u32);
    CMP(u32, s32);
    CMP(u64, u64);
    CMP(u64, s64);
    EACH(u8, u8, vbslq_u8(a.vu8, b.vu8, c.vu8), (x & y) | (~x & z));
    EACH(u8, u8, vornq_u8(a.vu8, b.vu8), x | ~y);
    EACH(u8, u8, vbicq_u8(a.vu8, b.vu8), x & ~y);
}

static void shifts(void)
{
#define SHIFTS(f, s)                                                                   \
    do {                                                                               \
        SHIFT(f, vshlq, s, shift_out(x, (int8_t)y, false));                            \
        SHIFT(f, vrshlq, s, shift_out(x, (int8_t)y, true));                            \
        SHIFT(f, vqshlq, s, clamp(shift(x, (int8_t)y, false), BITS_OF(f), SIGNED(f))); \
        SHIFT(f, vqrshlq, s, clamp(shift(x, (int8_t)y, true), BITS_OF(f), SIGNED(f))); \
        EACH(f, f, vshrq_n_##f(a.v##f, 3), x >> 3);                                    \
        EACH(f, f, vrshrq_n_##f(a.v##f, 8), (x + 128) >> 8);                           \
        EACH(f, f, vsraq_n_##f(a.v##f, b.v##f, 1), x + (y >> 1));                      \
        EACH(f, f, vshlq_n_##f(a.v##f, 7), x << 7);                                    \
        EACH(f, f, vqshlq_n_##f(a.v##f, 5), clamp(x << 5, BITS_OF(f), SIGNED(f)));     \
        EACH(f, f, vsliq_n_##f(a.v##f, b.v##f, 4), (x & 15) | y << 4);                 \
    } while (0)
    SHIFTS(u8, 8);
    SHIFTS(s8, 8);
    SHIFTS(u16, 16);
    SHIFTS(s16, 16);
    SHIFTS(u32, 32);
    SHIFTS(s32, 32);
    SHIFTS(u64, 64);
    SHIFTS(s64, 64);
}

static void widths(void)
{
#define WIDE(fw, f)                                                                                \
    do {                                                                                           \
        EACH(fw, f, vmull_##f(vget_low_##f(a.v##f), vget_low_##f(b.v##f)), x *y);                  \
        EACH(fw, f, vmlal_##f(c.v##fw, vget_low_##f(a.v##f), vget_low_##f(b.v##f)),                \
             c.fw[i] + x * y);                                                                     \
        EACH(fw, f, vaddl_##f(vget_low_##f(a.v##f), vget_low_##f(b.v##f)), x + y);                 \
        EACH(fw, f, vsubw_##f(c.v##fw, vget_low_##f(a.v##f)), c.fw[i] - x);                        \
        EACH(fw, f, vabdl_##f(vget_low_##f(a.v##f), vget_low_##f(b.v##f)), x > y ? x - y : y - x); \
        EACH(fw, f, vshll_n_##f(vget_low_##f(a.v##f), 3), x << 3);                                 \
        EACH(fw, f, vmull_high_##f(a.v##f, b.v##f),                                                \
             (i128)a.f[i + COUNT(a.fw)] * b.f[i + COUNT(a.fw)]);                                   \
        EACH(fw, f, vpaddlq_##f(a.v##f), (i128)a.f[2 * i] + a.f[2 * i + 1]);                       \
        EACH(f, f, vcombine_##f(vmovn_##fw(a.v##fw), vqmovn_##fw(b.v##fw)),                        \
             i < COUNT(a.fw) ? (i128)a.fw[i]                                                       \
                             : clamp(b.fw[i - COUNT(a.fw)], BITS_OF(f), SIGNED(f)));               \
        EACH(f, f, vcombine_##f(vaddhn_##fw(a.v##fw, b.v##fw), vrsubhn_##fw(a.v##fw, b.v##fw)),    \
             i < COUNT(a.fw) ? ((i128)a.fw[i] + b.fw[i]) >> BITS_OF(f)                             \
                             : ((i128)a.fw[i - COUNT(a.fw)] - b.fw[i - COUNT(a.fw)] +              \
                                ((i128)1 << (BITS_OF(f) - 1))) >>                                  \
                                   BITS_OF(f));                                                    \
        EACH(f, f, vcombine_##f(vshrn_n_##fw(a.v##fw, 5), vqrshrn_n_##fw(b.v##fw, 7)),             \
             i < COUNT(a.fw)                                                                       \
                 ? (i128)a.fw[i] >> 5                                                              \
                 : clamp(((i128)b.fw[i - COUNT(a.fw)] + 64) >> 7, BITS_OF(f), SIGNED(f)));         \
    } while (0)
    WIDE(u16, u8);
    WIDE(s16, s8);
    WIDE(u32, u16);
    WIDE(s32, s16);
    WIDE(u64, u32);
    WIDE(s64, s32);
    EACH(s32, s16, vqdmull_s16(vget_low_s16(a.vs16), vget_low_s16(b.vs16)),
         clamp(2 * x * y, 32, true));
    EACH(u8, u8, vcombine_u8(vqmovun_s16(a.vs16), vqshrun_n_s16(b.vs16, 3)),
         clamp(i < 8 ? a.s16[i] : b.s16[i - 8] >> 3, 8, false));
}

static void lanes(void)
{
#define MOVE(f)                                                                                \
    do {                                                                                       \
        unsigned half = COUNT(a.f) / 2;                                                        \
        EACH(f, f, vzip1q_##f(a.v##f, b.v##f), i & 1 ? b.f[i / 2] : a.f[i / 2]);               \
        EACH(f, f, vzip2q_##f(a.v##f, b.v##f), i & 1 ? b.f[half + i / 2] : a.f[half + i / 2]); \
        EACH(f, f, vuzp1q_##f(a.v##f, b.v##f), i < half ? a.f[2 * i] : b.f[2 * (i - half)]);   \
        EACH(f, f, vuzp2q_##f(a.v##f, b.v##f),                                                 \
             i < half ? a.f[2 * i + 1] : b.f[2 * (i - half) + 1]);                             \
        EACH(f, f, vtrn1q_##f(a.v##f, b.v##f), i & 1 ? b.f[i - 1] : a.f[i]);                   \
        EACH(f, f, vtrn2q_##f(a.v##f, b.v##f), i & 1 ? b.f[i] : a.f[i + 1]);                   \
        EACH(f, f, vextq_##f(a.v##f, b.v##f, 1), i + 1 < COUNT(a.f) ? a.f[i + 1] : b.f[0]);    \
        EACH(f, f, vdupq_laneq_##f(a.v##f, 1), a.f[1]);                                        \
        EACH(f, f, vpaddq_##f(a.v##f, b.v##f),                                                 \
             i < half ? (i128)a.f[2 * i] + a.f[2 * i + 1]                                      \
                      : (i128)b.f[2 * (i - half)] + b.f[2 * (i - half) + 1]);                  \
    } while (0)
    MOVE(u8);
    MOVE(u16);
    MOVE(u32);
    MOVE(s64);
    EACH(u8, u8, vrev64q_u8(a.vu8), a.u8[i ^ 7]);
    EACH(u16, u16, vrev32q_u16(a.vu16), a.u16[i ^ 1]);
    EACH(u8, u8, vqtbl1q_u8(a.vu8, b.vu8), y < 16 ? a.u8[y] : 0);
    EACH(u8, u8, vqtbx1q_u8(c.vu8, a.vu8, b.vu8), y < 16 ? a.u8[y] : z);
    uint8x16x4_t table = { { a.vu8, b.vu8, c.vu8, a.vu8 } };
    const union vec *const part[4] = { &a, &b, &c, &a };
    EACH(u8, u8, vqtbl4q_u8(table, vandq_u8(b.vu8, vdupq_n_u8(0x5f))),
         (b.u8[i] & 0x5f) < 64 ? part[(b.u8[i] & 0x5f) / 16]->u8[b.u8[i] & 15] : 0);
    EACH(u8, u8, vcntq_u8(a.vu8), __builtin_popcount((unsigned)x));
    EACH(u32, u32, vclzq_u32(a.vu32), x ? __builtin_clz((unsigned)x) : 32);
    EACH(s16, s16, vclsq_s16(a.vs16), __builtin_clrsb((int)x) - 16);

#define ACROSS(f, fw)                                                                            \
    do {                                                                                         \
        i128 sum = 0, most = a.f[0], least = a.f[0];                                             \
        for (unsigned i = 0; i < COUNT(a.f); i++) {                                              \
            sum += a.f[i];                                                                       \
            most = a.f[i] > most ? a.f[i] : most;                                                \
            least = a.f[i] < least ? a.f[i] : least;                                             \
        }                                                                                        \
        expect_u64((uint64_t)vaddvq_##f(a.v##f), (uint64_t)(LANE(f))sum, "vaddvq " #f, turn);    \
        expect_u64((uint64_t)vmaxvq_##f(a.v##f), (uint64_t)most, "vmaxvq " #f, turn);            \
        expect_u64((uint64_t)vminvq_##f(a.v##f), (uint64_t)least, "vminvq " #f, turn);           \
        expect_u64((uint64_t)vaddlvq_##f(a.v##f), (uint64_t)(LANE(fw))sum, "vaddlvq " #f, turn); \
    } while (0)
    ACROSS(u8, u16);
    ACROSS(s8, s16);
    ACROSS(u16, u32);
    ACROSS(s32, s64);
#define DOT(f, q)                                                            \
    (i128) a.q[4 * i] * b.q[4 * i] + (i128)a.q[4 * i + 1] * b.q[4 * i + 1] + \
        (i128)a.q[4 * i + 2] * b.q[4 * i + 2] + (i128)a.q[4 * i + 3] * b.q[4 * i + 3]
    EACH(u32, u32, vdotq_u32(c.vu32, a.vu8, b.vu8), z + DOT(u32, u8));
    EACH(s32, s32, vdotq_s32(c.vs32, a.vs8, b.vs8), z + DOT(s32, s8));
    EACH(u32, u32, vdotq_laneq_u32(c.vu32, a.vu8, b.vu8, 2),
         z + a.u8[4 * i] * b.u8[8] + a.u8[4 * i + 1] * b.u8[9] + a.u8[4 * i + 2] * b.u8[10] +
             a.u8[4 * i + 3] * b.u8[11]);
}

/* Structures of 2, 3 and 4, of each lane size, there and back, and single lanes. */
static void structures(void)
{
    uint8_t bytes[64], back[64];

    memcpy(bytes, &a, 16);
    memcpy(bytes + 16, &b, 16);
    memcpy(bytes + 32, &c, 16);
    memcpy(bytes + 48, &a, 16);
#define STRUCTURE(n, f, type)                                                              \
    do {                                                                                   \
        type##x##n##_t v = vld##n##q_##f((const void *)bytes);                             \
        for (unsigned i = 0; i < n * COUNT(a.f); i++) {                                    \
            union vec r;                                                                   \
            r.v##f = v.val[i % n];                                                         \
            expect(!memcmp(&r.f[i / n], bytes + i * sizeof(a.f[0]), sizeof(a.f[0])),       \
                   "vld" #n "q_" #f " [0x%" PRIx64 "]: element %u is another", turn, i);   \
        }                                                                                  \
        memset(back, 0, sizeof(back));                                                     \
        vst##n##q_##f((void *)back, v);                                                    \
        expect_bytes(back, bytes, 16 * n, "vst" #n "q_" #f, turn);                         \
        v = vld##n##q_lane_##f((const void *)(bytes + 5), v, 1);                           \
        vst##n##q_lane_##f((void *)back, v, 1);                                            \
        expect_bytes(back, bytes + 5, n * sizeof(a.f[0]), "lane of vld" #n "q_" #f, turn); \
    } while (0)
    STRUCTURE(2, u8, uint8x16);
    STRUCTURE(3, u8, uint8x16);
    STRUCTURE(4, u8, uint8x16);
    STRUCTURE(2, u16, uint16x8);
    STRUCTURE(3, u16, uint16x8);
    STRUCTURE(4, u16, uint16x8);
    STRUCTURE(2, u32, uint32x4);
    STRUCTURE(3, u32, uint32x4);
    STRUCTURE(4, u32, uint32x4);
    STRUCTURE(2, u64, uint64x2);
    STRUCTURE(3, u64, uint64x2);
    STRUCTURE(4, u64, uint64x2);
    union vec r = { { 0 } };
    const uint8_t *p = bytes;
    __asm__("ld1r {%0.4s}, [%1], #4" : "=w"(r.vu32), "+r"(p) : "m"(bytes));
    EACH(u32, u32, r.vu32, a.u32[0]);
    expect_u64((uint64_t)(p - bytes), 4, "ld1r with write-back", turn);
}

/* Each lane is what the scalar instruction makes of it. NaNs compare by their bits, too. */
#define FLOATS(f, call, EXPR)                           \
    do {                                                \
        union vec seen_, want_;                         \
        seen_.v##f = call;                              \
        for (unsigned i = 0; i < COUNT(want_.f); i++) { \
            LANE(f) x = a.f[i], y = b.f[i], z = c.f[i]; \
            (void)x, (void)y, (void)z;                  \
            want_.f[i] = (EXPR);                        \
        }                                               \
        expect_bytes(&seen_, &want_, 16, #call, turn);  \
    } while (0)

/* By assembly: which of two NaNs counts depends on the order of the operands. */
#define TWO(insn, r, x, y)                                                      \
    ({                                                                          \
        __typeof__(x) v_;                                                       \
        __asm__(insn " %" r "0, %" r "1, %" r "2" : "=w"(v_) : "w"(x), "w"(y)); \
        v_;                                                                     \
    })
#define FUSED(insn, r, n, m, add)                                                                  \
    ({                                                                                             \
        __typeof__(n) v_;                                                                          \
        __asm__(insn " %" r "0, %" r "1, %" r "2, %" r "3" : "=w"(v_) : "w"(n), "w"(m), "w"(add)); \
        v_;                                                                                        \
    })

static void floats(void)
{
    FLOATS(f32, vaddq_f32(a.vf32, b.vf32), TWO("fadd", "s", x, y));
    FLOATS(f64, vsubq_f64(a.vf64, b.vf64), TWO("fsub", "d", x, y));
    FLOATS(f32, vmulq_f32(a.vf32, b.vf32), TWO("fmul", "s", x, y));
    FLOATS(f64, vdivq_f64(a.vf64, b.vf64), TWO("fdiv", "d", x, y));
    FLOATS(f16, vaddq_f16(a.vf16, b.vf16), TWO("fadd", "h", x, y));
    FLOATS(f16, vmulq_f16(a.vf16, b.vf16), TWO("fmul", "h", x, y));
    FLOATS(f16, vdivq_f16(a.vf16, b.vf16), TWO("fdiv", "h", x, y));
    FLOATS(f32, vsqrtq_f32(a.vf32), __builtin_sqrtf(x));
    FLOATS(f32, vfmaq_f32(a.vf32, b.vf32, c.vf32), FUSED("fmadd", "s", y, z, x));
    FLOATS(f64, vfmsq_f64(a.vf64, b.vf64, c.vf64), FUSED("fmsub", "d", y, z, x));
    FLOATS(f16, vfmaq_f16(a.vf16, b.vf16, c.vf16), FUSED("fmadd", "h", y, z, x));
    FLOATS(f32, vfmaq_laneq_f32(a.vf32, b.vf32, c.vf32, 3), FUSED("fmadd", "s", y, c.f32[3], x));
    FLOATS(f32, vmaxnmq_f32(a.vf32, b.vf32), TWO("fmaxnm", "s", x, y));
    FLOATS(f64, vrndmq_f64(a.vf64), __builtin_floor(x));
    FLOATS(f32, vrndpq_f32(a.vf32), __builtin_ceilf(x));
    FLOATS(f32, vcvtq_f32_u32(a.vu32), (float)a.u32[i]);
    FLOATS(f64, vcvtq_f64_s64(a.vs64), (double)a.s64[i]);
    FLOATS(f64, vcvt_f64_f32(vget_low_f32(a.vf32)), (double)a.f32[i]);
    FLOATS(f32, vpaddq_f32(a.vf32, b.vf32),
           i < 2 ? TWO("fadd", "s", a.f32[2 * i], a.f32[2 * i + 1])
                 : TWO("fadd", "s", b.f32[2 * i - 4], b.f32[2 * i - 3]));
    FLOATS(f32, vrecpeq_f32(a.vf32), vrecpes_f32(x));
    FLOATS(f64, vrsqrtsq_f64(a.vf64, b.vf64), vrsqrtsd_f64(x, y));
    EACH(u32, u32, vcgtq_f32(a.vf32, b.vf32), a.f32[i] > b.f32[i] ? -1 : 0);
    EACH(u64, u64, vcaleq_f64(a.vf64, b.vf64),
         __builtin_fabs(a.f64[i]) <= __builtin_fabs(b.f64[i]) ? -1 : 0);
    EACH(s32, s32, vcvtq_s32_f32(a.vf32), vcvts_s32_f32(a.f32[i]));
}

/* What has no simple second way is compared between CPUs: estimates and reduced precision. */
static uint64_t estimates(uint64_t sum)
{
    union vec r[5];

    r[0].vf32 = vrecpeq_f32(a.vf32);
    r[1].vf64 = vrsqrteq_f64(a.vf64);
    r[2].vf16 = vrsqrteq_f16(a.vf16);
    r[3].vu32 = vrecpeq_u32(a.vu32);
    r[4].vf32 = vcvtx_high_f32_f64(vcvt_f32_f64(b.vf64), a.vf64);
    for (unsigned i = 0; i < COUNT(r); i++)
        sum = mix(mix(sum, r[i].u64[0]), r[i].u64[1]);
    return sum;
}

static void randomise(union vec *v, uint64_t *seed)
{
    for (unsigned i = 0; i < 2; i++)
        v->u64[i] = random_operand(seed);
    if (turn & 1) { /* small magnitudes, so that tables, shifts and sums meet */
        for (unsigned i = 0; i < 16; i++)
            v->s8[i] = (int8_t)(v->s8[i] % 24);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
        bool floats;
    } groups[] = {
        { "integer arithmetic", arithmetic, false },
        { "compares and logic", compares, false },
        { "shifts", shifts, false },
        { "widening and narrowing", widths, false },
        { "lanes, tables, sums", lanes, false },
        { "structures", structures, false },
        { "floating point", floats, true },
    };
    uint64_t rounds = 2000 * scale_of(argc, argv), seed = 1, sum = 0;

    for (size_t i = 0; i < COUNT(groups); i++) {
        check_begin(groups[i].name);
        for (turn = 0; turn < rounds; turn++) {
            randomise(&a, &seed);
            randomise(&b, &seed);
            randomise(&c, &seed);
            groups[i].run();
            sum = groups[i].floats ? estimates(sum) : sum;
        }
        check_end();
    }
    printf("checksum %016" PRIx64 "\n", sum);
    return check_exit();
}
