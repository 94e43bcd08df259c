/* Multiply, divide, variable shifts, bit counting and CRC (Arm DDI 0487, C6.2). */
#include "cpu/alu.h"
#include "cpu/handler.h"

/* A handler that is one expression. */
#define SIMPLE(name, result) \
    HANDLER(name)            \
    {                        \
        X(rd) = (result);    \
        return i + 1;        \
    }

SIMPLE(MADD_w, W(ra) + W(rn) * W(rm))
SIMPLE(MADD_x, X(ra) + X(rn) * X(rm))
SIMPLE(MSUB_w, W(ra) - W(rn) * W(rm))
SIMPLE(MSUB_x, X(ra) - X(rn) * X(rm))

#define SIGNED32(slot) ((uint64_t)(int64_t)(int32_t)W(slot))

SIMPLE(SMADDL, X(ra) + SIGNED32(rn) * SIGNED32(rm))
SIMPLE(SMSUBL, X(ra) - SIGNED32(rn) * SIGNED32(rm))
SIMPLE(UMADDL, X(ra) + (uint64_t)W(rn) * W(rm))
SIMPLE(UMSUBL, X(ra) - (uint64_t)W(rn) * W(rm))
SIMPLE(SMULH, (uint64_t)((__int128)(int64_t)X(rn) * (int64_t)X(rm) >> 64))
SIMPLE(UMULH, (uint64_t)((unsigned __int128)X(rn) * X(rm) >> 64))

/* Division by zero gives zero; the most negative number by -1 gives itself. */
SIMPLE(UDIV_w, W(rm) ? W(rn) / W(rm) : 0)
SIMPLE(UDIV_x, X(rm) ? X(rn) / X(rm) : 0)

HANDLER(SDIV_w)
{
    int32_t a = (int32_t)W(rn), b = (int32_t)W(rm);

    X(rd) = b == 0 ? 0 : b == -1 ? -(uint32_t)a : (uint32_t)(a / b);
    return i + 1;
}

HANDLER(SDIV_x)
{
    int64_t a = (int64_t)X(rn), b = (int64_t)X(rm);

    X(rd) = b == 0 ? 0 : b == -1 ? -(uint64_t)a : (uint64_t)(a / b);
    return i + 1;
}

SIMPLE(LSLV_w, W(rn) << (X(rm) & 31))
SIMPLE(LSLV_x, X(rn) << (X(rm) & 63))
SIMPLE(LSRV_w, W(rn) >> (X(rm) & 31))
SIMPLE(LSRV_x, X(rn) >> (X(rm) & 63))
SIMPLE(ASRV_w, (uint32_t)((int32_t)W(rn) >> (X(rm) & 31)))
SIMPLE(ASRV_x, (uint64_t)((int64_t)X(rn) >> (X(rm) & 63)))
SIMPLE(RORV_w, alu_ror32(W(rn), (unsigned)X(rm)))
SIMPLE(RORV_x, alu_ror64(X(rn), (unsigned)X(rm)))

/* Swap neighbours of `bits` bits; mask has the lower one of each two. */
static uint64_t swap(uint64_t v, unsigned bits, uint64_t mask)
{
    return (v & mask) << bits | (v >> bits & mask);
}

static uint64_t reverse_bits(uint64_t v)
{
    v = swap(v, 1, UINT64_C(0x5555555555555555));
    v = swap(v, 2, UINT64_C(0x3333333333333333));
    v = swap(v, 4, UINT64_C(0x0f0f0f0f0f0f0f0f));
    return __builtin_bswap64(v);
}

SIMPLE(RBIT_w, (uint32_t)(reverse_bits(X(rn)) >> 32))
SIMPLE(RBIT_x, reverse_bits(X(rn)))
SIMPLE(REV16_w, (uint32_t)swap(X(rn), 8, UINT64_C(0x00ff00ff00ff00ff)))
SIMPLE(REV16_x, swap(X(rn), 8, UINT64_C(0x00ff00ff00ff00ff)))
SIMPLE(REV_w, __builtin_bswap32(W(rn)))
SIMPLE(REV32_x, alu_ror64(__builtin_bswap64(X(rn)), 32))
SIMPLE(REV_x, __builtin_bswap64(X(rn)))
SIMPLE(CLZ_w, W(rn) ? (unsigned)__builtin_clz(W(rn)) : 32)
SIMPLE(CLZ_x, X(rn) ? (unsigned)__builtin_clzll(X(rn)) : 64)
SIMPLE(CLS_w, (unsigned)__builtin_clrsb((int)W(rn)))
SIMPLE(CLS_x, (unsigned)__builtin_clrsbll((long long)X(rn)))

/*
 * CRC-32 (0x04c11db7) and CRC-32C (0x1edc6f41), both bit-reversed as the instructions use them,
 * four bits at a time: entry n is what four steps make of n.
 */
#define CRC_STEP(x, poly)  ((x) >> 1 ^ ((x)&1 ? (poly) : 0))
#define CRC_STEP2(x, poly) CRC_STEP(CRC_STEP(x, poly), poly)
#define CRC_ENTRY(n, poly) CRC_STEP2(CRC_STEP2(n##u, poly), poly)
#define CRC_TABLE(poly)                                                                        \
    {                                                                                          \
        CRC_ENTRY(0, poly), CRC_ENTRY(1, poly), CRC_ENTRY(2, poly), CRC_ENTRY(3, poly),        \
            CRC_ENTRY(4, poly), CRC_ENTRY(5, poly), CRC_ENTRY(6, poly), CRC_ENTRY(7, poly),    \
            CRC_ENTRY(8, poly), CRC_ENTRY(9, poly), CRC_ENTRY(10, poly), CRC_ENTRY(11, poly),  \
            CRC_ENTRY(12, poly), CRC_ENTRY(13, poly), CRC_ENTRY(14, poly), CRC_ENTRY(15, poly) \
    }

static const uint32_t crc32_table[16] = CRC_TABLE(0xedb88320u);
static const uint32_t crc32c_table[16] = CRC_TABLE(0x82f63b78u);

static uint32_t crc(const uint32_t *table, uint32_t acc, uint64_t data, unsigned bytes)
{
    for (unsigned n = 0; n < 2 * bytes; n++, data >>= 4)
        acc = acc >> 4 ^ table[(acc ^ data) & 15];
    return acc;
}

SIMPLE(CRC32B, crc(crc32_table, W(rn), X(rm), 1))
SIMPLE(CRC32H, crc(crc32_table, W(rn), X(rm), 2))
SIMPLE(CRC32W, crc(crc32_table, W(rn), X(rm), 4))
SIMPLE(CRC32X, crc(crc32_table, W(rn), X(rm), 8))
SIMPLE(CRC32CB, crc(crc32c_table, W(rn), X(rm), 1))
SIMPLE(CRC32CH, crc(crc32c_table, W(rn), X(rm), 2))
SIMPLE(CRC32CW, crc(crc32c_table, W(rn), X(rm), 4))
SIMPLE(CRC32CX, crc(crc32c_table, W(rn), X(rm), 8))
