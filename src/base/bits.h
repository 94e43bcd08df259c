/* Bits, bytes and the few macros every room uses. Nothing here has state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BIT(n) (UINT64_C(1) << (n))
/* Mask of bits hi..lo, both inclusive, as the Arm manual writes them. */
#define BITS(hi, lo)         ((~UINT64_C(0) >> (63 - (hi))) & (~UINT64_C(0) << (lo)))
#define FIELD_GET(mask, reg) (((uint64_t)(reg) & (mask)) >> __builtin_ctzll(mask))
#define FIELD_PUT(mask, val) (((uint64_t)(val) << __builtin_ctzll(mask)) & (mask))

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define MUST_CHECK       __attribute__((warn_unused_result))
#define NORETURN         __attribute__((noreturn))
#define PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define LIKELY(x)        __builtin_expect(!!(x), 1)
#define UNLIKELY(x)      __builtin_expect(!!(x), 0)

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "hosts are little-endian: guest memory is read in place"
#endif

/* Sign-extend the low `bits` bits of val; bits is 1..64. */
static inline int64_t sign_extend(uint64_t val, unsigned bits)
{
    return (int64_t)(val << (64 - bits)) >> (64 - bits);
}

/* align is a power of two. */
static inline uint64_t align_down(uint64_t val, uint64_t align)
{
    return val & ~(align - 1);
}

/* align is a power of two; wraps to 0 when the result does not fit. */
static inline uint64_t align_up(uint64_t val, uint64_t align)
{
    return (val + align - 1) & ~(align - 1);
}

static inline bool is_pow2(uint64_t val)
{
    return val && !(val & (val - 1));
}

/* All ones in the low `bits` bits; bits is 0..64. */
static inline uint64_t low_mask(unsigned bits)
{
    return bits ? ~UINT64_C(0) >> (64 - bits) : 0;
}

/* Little-endian loads and stores of any alignment. */
static inline uint16_t load_le16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t load_le32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t load_le64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline void store_le32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

static inline void store_le64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof(v));
}
