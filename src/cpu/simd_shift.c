/* AdvSIMD shifts: by a register (signed amounts), by an immediate, widening and narrowing (Arm DDI
 * 0487, C7.2). */
#include "cpu/simd_loop.h"

/* Shift amounts are the signed low byte of an element: negative ones shift right. */
static inline simd_wide shift(simd_wide a, int8_t by, bool round)
{
    if (by < 0)
        return simd_shr(a, (unsigned)-by, round);
    /* 64 places move every bit out of the element; more would leave the wide type. */
    return (simd_wide)((unsigned __int128)a << (by < 64 ? by : 64));
}

/* The same where what is shifted out must be noticed. */
static inline int64_t shift_sat_s(int64_t a, int by, bool round, unsigned bits, bool *qc)
{
    if (by >= (int)bits) { /* unless a is 0, far out of range */
        simd_wide far = a < 0 ? -((simd_wide)1 << 100) : (simd_wide)1 << 100;
        return a ? simd_sat_s(far, bits, qc) : 0;
    }
    return simd_sat_s(by < 0 ? simd_shr(a, (unsigned)-by, round) : a * ((simd_wide)1 << by), bits,
                      qc);
}

static inline uint64_t shift_sat_u(uint64_t a, int by, bool round, unsigned bits, bool *qc)
{
    if (by >= (int)bits)
        return a ? simd_sat_u((simd_wide)1 << 100, bits, qc) : 0;
    return simd_sat_u(by < 0 ? simd_shr(a, (unsigned)-by, round) : (simd_wide)a << by, bits, qc);
}

SIMD_LANES(SSHL, int, shift(a, (int8_t)b, false))
SIMD_LANES(USHL, uint, shift(a, (int8_t)b, false))
SIMD_LANES(SRSHL, int, shift(a, (int8_t)b, true))
SIMD_LANES(URSHL, uint, shift(a, (int8_t)b, true))
SIMD_LANES(SQSHL, int, shift_sat_s(a, (int8_t)b, false, ELEM_BITS(a), &qc))
SIMD_LANES(UQSHL, uint, shift_sat_u(a, (int8_t)b, false, ELEM_BITS(a), &qc))
SIMD_LANES(SQRSHL, int, shift_sat_s(a, (int8_t)b, true, ELEM_BITS(a), &qc))
SIMD_LANES(UQRSHL, uint, shift_sat_u(a, (int8_t)b, true, ELEM_BITS(a), &qc))

/* Right by an immediate, 1 to the element's width */
#define ALL_OUT (arg >= ELEM_BITS(a))
SIMD_LANES(SSHRi, int, a >> (ALL_OUT ? ELEM_BITS(a) - 1 : arg))
SIMD_LANES(USHRi, uint, ALL_OUT ? 0 : a >> arg)
SIMD_LANES(SSRAi, int, (uint64_t)d + (uint64_t)(a >> (ALL_OUT ? ELEM_BITS(a) - 1 : arg)))
SIMD_LANES(USRAi, uint, ALL_OUT ? d : d + (a >> arg))
SIMD_LANES(SRSHRi, int, simd_shr(a, arg, true))
SIMD_LANES(URSHRi, uint, simd_shr(a, arg, true))
SIMD_LANES(SRSRAi, int, d + simd_shr(a, arg, true))
SIMD_LANES(URSRAi, uint, d + simd_shr(a, arg, true))
/* Insert: the bits that nothing is shifted into keep their value */
SIMD_LANES(SRIi, uint, ALL_OUT ? d : (a >> arg) | (d & ~(low_mask(ELEM_BITS(a)) >> arg)))

/* Left by an immediate, 0 to the element's width - 1 */
SIMD_LANES(SHLi, uint, (uint64_t)a << arg)
SIMD_LANES(SLIi, uint, (uint64_t)a << arg | (d & low_mask(arg)))
SIMD_LANES(SQSHLi, int, shift_sat_s(a, (int)arg, false, ELEM_BITS(a), &qc))
SIMD_LANES(UQSHLi, uint, shift_sat_u(a, (int)arg, false, ELEM_BITS(a), &qc))
SIMD_LANES(SQSHLUi, int, simd_sat_u(a *((simd_wide)1 << arg), ELEM_BITS(a), &qc))
SIMD_LONG(SSHLL, int, (uint64_t)a << arg)
SIMD_LONG(USHLL, uint, (uint64_t)a << arg)

/* Right by an immediate, and narrow */
SIMD_NARROW(XTN, uint, a)
SIMD_NARROW(SHRN, uint, a >> arg)
SIMD_NARROW(RSHRN, uint, simd_shr(a, arg, true))
SIMD_NARROW(SQXTN, int, simd_sat_s(a, NARROW_BITS, &qc))
SIMD_NARROW(UQXTN, uint, simd_sat_u(a, NARROW_BITS, &qc))
SIMD_NARROW(SQXTUN, int, simd_sat_u(a, NARROW_BITS, &qc))
SIMD_NARROW(SQSHRN, int, simd_sat_s(simd_shr(a, arg, false), NARROW_BITS, &qc))
SIMD_NARROW(SQRSHRN, int, simd_sat_s(simd_shr(a, arg, true), NARROW_BITS, &qc))
SIMD_NARROW(UQSHRN, uint, simd_sat_u(simd_shr(a, arg, false), NARROW_BITS, &qc))
SIMD_NARROW(UQRSHRN, uint, simd_sat_u(simd_shr(a, arg, true), NARROW_BITS, &qc))
SIMD_NARROW(SQSHRUN, int, simd_sat_u(simd_shr(a, arg, false), NARROW_BITS, &qc))
SIMD_NARROW(SQRSHRUN, int, simd_sat_u(simd_shr(a, arg, true), NARROW_BITS, &qc))
