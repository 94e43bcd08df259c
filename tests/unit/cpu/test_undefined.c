/*
 * Encodings that must be UNDEFINED, written down from the decode tables of the manual (Arm DDI
 * 0487, C4.1) and not from ours: what is unallocated, and what belongs to features that no ID
 * register of model `portable` announces. Each is executed, at EL0 and at EL1. System registers and
 * operations are the subject of test_sysreg.c.
 *
 * A row's bits are given from bit 31 down: 0, 1, x for any, a run of n for a field that is not all
 * ones, a run of z for one that is not zero; '_' separates; what is left out at the end is x.
 */
#include "../test.h"
#include "arch/esr.h"
#include "rig.h"

#define WORDS     1000 /* of each row */
#define EL0_CODE  RIG_USER
#define EL1_CODE  (RIG_SYSTEM + 0x8000)
#define EL1H      UINT64_C(5)
#define REGISTERS (RIG_USER + 0x10000) /* what they point to */

static const struct {
    const char *bits, *what;
} rows[] = {
    /* By bits 28:25 */
    { "0xx_0000", "reserved, with UDF" },
    { "1xx_0000", "SME" },
    { "xxx_0001", "unallocated" },
    { "xxx_0010", "SVE" },
    { "xxx_0011", "unallocated" },

    /* Data processing, immediate */
    { "xxx_100011", "ADDG, SUBG (MTE), SMAX and so on (CSSC)" },
    { "0xx_100100_1", "logical, 32 bits with N" },
    { "xxx_100100_0_xxxxxx_11111x", "logical, elements of one bit" },
    { "1xx_100100_1_xxxxxx_111111", "logical, all ones" },
    { "x01_100101", "move wide, opc 1" },
    { "0xx_100101_1x", "move wide, 32 bits, shift of 32 or 48" },
    { "x11_100110", "bitfield, opc 3" },
    { "0xx_100110_1", "bitfield, 32 bits with N" },
    { "1xx_100110_0", "bitfield, 64 bits without N" },
    { "0xx_100110_0_1xxxxx", "bitfield, 32 bits, immr 32 and up" },
    { "0xx_100110_0_xxxxxx_1", "bitfield, 32 bits, imms 32 and up" },
    { "xzz_100111", "extract, op21" },
    { "x00_100111_x_1", "extract, o0" },
    { "000_100111_1", "extract, 32 bits with N" },
    { "100_100111_0", "extract, 64 bits without N" },
    { "000_100111_00_xxxxx_1", "EXTR, 32 bits, lsb 32 and up" },

    /* Branches, exceptions, system */
    { "0101010_0_xxxxxxxxxxxxxxxxxxx_1", "BC.cond (HBC)" },
    { "0101010_1", "conditional branch, o1" },
    { "010_1011", "unallocated" },
    { "x11_101", "unallocated" },
    { "11010100_xxx_xxxxxxxxxxxxxxxx_zzz", "exception, op2" },
    { "11010100_000_xxxxxxxxxxxxxxxx_000_00", "exception, opc 0, LL 0" },
    { "11010100_001_xxxxxxxxxxxxxxxx_000_zz", "exception, opc 1" },
    { "11010100_010_xxxxxxxxxxxxxxxx_000_zz", "exception, opc 2" },
    { "11010100_011", "TCANCEL (TME)" },
    { "11010100_1", "DCPS, not in Debug state" },
    { "11010101_0000_0011_0001", "WFET, WFIT (WFxT)" },
    { "11010101_0000_0011_0010_xxxx_xxx_nnnnn", "hint, Rt" },
    { "11010101_0000_0011_0011_xxxx_000", "barrier, op2 0" },
    { "11010101_0000_0011_0011_xxxx_001", "DSB nXS (XS)" },
    { "11010101_0000_0011_0011_xxxx_011", "TCOMMIT (TME)" },
    { "11010101_0000_0011_0011_xxxx_111", "SB" },
    { "11010101_0000_0011_0011_xxxx_xxx_nnnnn", "barrier, Rt" },
    { "11010101_0000_0xxx_0100_xxxx_xxx_nnnnn", "MSR (immediate), Rt" },
    { "11010101_0000_0000_0100_xxxx_000_11111", "CFINV (FlagM)" },
    { "11010101_0000_0000_0100_xxxx_001_11111", "XAFLAG (FlagM2)" },
    { "11010101_0000_0000_0100_xxxx_010_11111", "AXFLAG (FlagM2)" },
    { "11010101_0000_0000_0100_xxxx_011_11111", "MSR UAO" },
    { "11010101_0000_0000_0100_xxxx_11x_11111", "MSR (immediate), op1 0" },
    { "11010101_0000_0001_0100_xxxx_xxx_11111", "MSR ALLINT (NMI), PM" },
    { "11010101_0000_0010_0100_xxxx_xxx_11111", "MSR (immediate), op1 2" },
    { "11010101_0000_0011_0100_xxxx_00x_11111", "MSR SSBS" },
    { "11010101_0000_0011_0100_xxxx_010_11111", "MSR DIT" },
    { "11010101_0000_0011_0100_xxxx_011_11111", "MSR SVCR (SME)" },
    { "11010101_0000_0011_0100_xxxx_10x_11111", "MSR TCO (MTE)" },
    { "11010101_0000_01xx_0100_xxxx_xxx_11111", "MSR (immediate), op1 4 and up" },
    { "11010101_0000_0xxx_0000", "system, CRn 0" },
    { "11010101_0000_0xxx_0001", "system, CRn 1" },
    { "11010101_0000_000x_001x", "system, CRn 2 and 3 with op1 0 and 1" },
    { "11010101_0000_0010_001x", "system, CRn 2 and 3 with op1 2" },
    { "11010101_0000_01xx_001x", "system, CRn 2 and 3 with op1 4 and up" },
    { "11010101_0000_0xxx_0101", "system, CRn 5" },
    { "11010101_0000_0xxx_011x", "system, CRn 6 and 7" },
    { "11010101_0000_0xxx_1xxx", "system, CRn 8 and up" },
    { "11010101_0010_0", "TSTART, TTEST (TME) and the rest of op0 0 with L" },
    { "11010101_01", "SYSP, MRRS, MSRR (D128) and above" },
    { "11010101_1", "unallocated" },
    { "1101011_xxxx_nnnnn", "branch to register, op2" },
    { "1101011_00xx_11111_zzzzzz", "BRAAZ, RETAA and so on (PAuth), op3" },
    { "1101011_00xx_11111_xxxxxx_xxxxx_zzzzz", "branch to register, op4" },
    { "1101011_0011", "branch to register, opc 3" },
    { "1101011_0100_11111_zzzzzz", "ERETAA (PAuth), op3" },
    { "1101011_0100_11111_000000_nnnnn", "ERET, Rn" },
    { "1101011_0100_11111_000000_xxxxx_zzzzz", "ERET, op4" },
    { "1101011_0101", "DRPS, not in Debug state" },
    { "1101011_011x", "branch to register, opc 6 and 7" },
    { "1101011_1xxx", "BRAA, BLRAA (PAuth) and above" },

    /* Loads and stores: exclusives, compare and swap */
    { "0x_001000_0x1_xxxxx_x_nnnnn", "CASP, Rt2" },
    { "0x_001000_0x1_xxxx1_x_11111", "CASP, odd Rs" },
    { "0x_001000_0x1_xxxxx_x_11111_xxxxx_xxxx1", "CASP, odd Rt" },
    { "xx_001000_1x1_xxxxx_x_nnnnn", "CAS, Rt2" },
    /* Vector structures */
    { "1x_00110", "vector structures, bit 31" },
    { "0x_0011000_x_1", "several structures, bit 21" },
    { "0x_0011000_x_0_zzzzz", "several structures, bits 20:16" },
    { "0x_0011001_x_1", "several structures with post-index, bit 21" },
    { "0x_0011010_x_x_zzzzz", "LDAP1, STL1 (LRCPC3): one structure, bits 20:16" },
    { "0x_001101_x_x_x_xxxxx_01x_x_x1", "one structure of halves, size" },
    { "0x_001101_x_x_x_xxxxx_10x_x_1x", "one structure of words, size" },
    { "0x_001101_x_x_x_xxxxx_10x_1_01", "one structure of doublewords, S" },
    { "0x_001101_x_0_x_xxxxx_11x", "replicating store" },
    { "0x_001101_x_1_x_xxxxx_11x_1", "replicating load, S" },
    /* Literals, and what is beside them */
    { "11_011100", "literal, opc 3 of vector registers" },
    { "xx_011001_xx_0_xxxxxxxxx_00", "LDAPUR, STLUR (LRCPC2)" },
    { "xx_011x01_xx_x_xxxxxxxxx_xx", "and all beside: MTE tags, CPY and SET (MOPS), GCS" },
    /* Pairs */
    { "11_101_x_0", "pairs, opc 3" },
    { "01_101_0_0_xx_0", "STGP (MTE)" },
    { "01_101_0_0_00_1", "LDNP, opc 1" },
    /* One register */
    { "1x_1110_01_11", "load of a word or doubleword, opc 3" },
    { "1x_1110_00_11_0", "load of a word or doubleword, opc 3" },
    { "11_1110_00_10_0_xxxxxxxxx_x1", "PRFM with write-back" },
    { "11_1110_00_10_0_xxxxxxxxx_10", "LDTRS of a doubleword" },
    { "01_1111_0x_1x", "vector load, size 1, opc 2 and 3" },
    { "1x_1111_0x_1x", "vector load, size 2 and 3, opc 2 and 3" },
    { "xx_1111_00_xx_0_xxxxxxxxx_10", "unprivileged access to vector registers" },
    { "xx_111x_00_xx_1_xxxxx_x0x_x_10", "register offset, option 0, 1, 4, 5" },
    { "xx_1111_00_xx_1_xxxxx_x_xxx_00", "atomics on vector registers (LSFE)" },
    { "xx_111x_00_xx_1_xxxxx_x_xxx_x1", "LDRAA, LDRAB (PAuth)" },
    { "xx_1110_00_xx_1_xxxxx_1_001_00", "LD64B, ST64B (LS64), RCW (THE)" },
    { "xx_1110_00_xx_1_xxxxx_1_01x_00", "ST64BV (LS64), RCW (THE)" },
    { "xx_1110_00_xx_1_xxxxx_1_101_00", "LD64B (LS64)" },
    { "xx_1110_00_xx_1_xxxxx_1_11x_00", "atomic, opc 6 and 7" },
    { "xx_1110_00_0x_1_xxxxx_1_100_00", "LDAPR, A" },
    { "xx_1110_00_x1_1_xxxxx_1_100_00", "LDAPR, R" },

    /* Data processing, register */
    { "x01_11010110", "SUBPS (MTE), two sources with S" },
    { "x00_11010110_xxxxx_00000x", "SUBP (MTE)" },
    { "x00_11010110_xxxxx_0001xx", "IRG, GMI (MTE)" },
    { "x00_11010110_xxxxx_0011xx", "PACGA (PAuth)" },
    { "000_11010110_xxxxx_010x_11", "CRC32 of a doubleword, 32 bits" },
    { "100_11010110_xxxxx_010x_nn", "CRC32 of less, 64 bits" },
    { "x00_11010110_xxxxx_011xxx", "SMAX, UMIN and so on (CSSC)" },
    { "x00_11010110_xxxxx_1xxxxx", "two sources, opcode 32 and up" },
    { "x11_11010110", "one source with S" },
    { "x10_11010110_zzzzz", "PACIA and so on (PAuth)" },
    { "010_11010110_00000_000011", "REV64, 32 bits" },
    { "x10_11010110_00000_00011x", "CTZ, CNT (CSSC)" },
    { "x10_11010110_00000_001xxx", "ABS (CSSC)" },
    { "x10_11010110_00000_01xxxx", "one source, opcode 16 and up" },
    { "x10_11010110_00000_1xxxxx", "one source, opcode 32 and up" },
    { "0xx_01010_xx_x_xxxxx_1", "logical, 32 bits, shift of 32 and up" },
    { "xxx_01011_11_0", "add and subtract, ROR" },
    { "0xx_01011_xx_0_xxxxx_1", "add and subtract, 32 bits, shift of 32 and up" },
    { "xxx_01011_zz_1", "add and subtract, extended, opt" },
    { "xxx_01011_00_1_xxxxx_xxx_101", "add and subtract, extended, shift of 5" },
    { "xxx_01011_00_1_xxxxx_xxx_11x", "add and subtract, extended, shift of 6 and 7" },
    { "xxx_11010_000_xxxxx_zzzzzz", "RMIF, SETF8, SETF16 (FlagM), ADDPT (CPA)" },
    { "xx0_11010_010", "conditional compare without S" },
    { "xxx_11010_010_xxxxx_xxxx_x_1", "conditional compare, o2" },
    { "xxx_11010_010_xxxxx_xxxx_x_x_xxxxx_1", "conditional compare, o3" },
    { "xx1_11010_100", "conditional select with S" },
    { "xxx_11010_100_xxxxx_xxxx_1", "conditional select, op2" },
    { "xxx_11010_xx1", "unallocated" },
    { "xzz_11011", "three sources, op54" },
    { "x00_11011_011", "three sources, op31 3" },
    { "x00_11011_100", "three sources, op31 4" },
    { "x00_11011_111", "three sources, op31 7" },
    { "000_11011_zzz", "long multiplication, 32 bits" },
    { "100_11011_x10_xxxxx_1", "SMULH and UMULH, o0" },

    /* Floating point, scalar */
    { "x01_1111x", "floating point with S" },
    { "11x_1111", "unallocated" },
    { "1xx_0111", "SHA3, SHA512, SM3, SM4" },
    { "100_11111", "three sources, M" },
    { "000_11111_10", "three sources, type 2" },
    { "000_11110_10_1", "type 2" },
    { "100_11110_10_1_00", "type 2, to and from general registers" },
    { "100_11110_10_1_1x", "type 2, to and from general registers" },
    { "x00_11110_10_0", "type 2, fixed point" },
    { "100_11110_xx1_xxxxx_xxxx_x1", "M" },
    { "100_11110_xx1_xxxxx_xxxx_10", "M" },
    { "100_11110_xx1_xxxxx_xxx1_00", "M" },
    { "100_11110_xx1_xxxxx_xx10_00", "M" },
    { "100_11110_xx1_xxxxx_x100_00", "M" },
    { "x00_11110_xx1_xxxxx_100000", "opcode 32 of general registers" },
    { "x00_11110_xx0_01", "fixed point, rmode 1" },
    { "x00_11110_xx0_10", "fixed point, rmode 2" },
    { "x00_11110_xx0_00_00x", "fixed point, to an integer to nearest" },
    { "x00_11110_xx0_xx_1xx", "fixed point, opcode 4 and up" },
    { "x00_11110_xx0_11_01x", "fixed point, from an integer with a rounding mode" },
    { "000_11110_xx0_xx_xxx_0", "fixed point, 32 bits, more than 32 of fraction" },
    { "x00_11110_xx1_01_01x_000000", "SCVTF with a rounding mode" },
    { "x00_11110_xx1_1x_01x_000000", "SCVTF with a rounding mode" },
    { "x00_11110_xx1_zz_10x_000000", "FCVTA with a rounding mode" },
    { "x00_11110_xx1_1x_11x_000000", "FJCVTZS (JSCVT) and beside it" },
    { "000_11110_01_1_00_11x_000000", "FMOV, 32 bits, double" },
    { "100_11110_00_1_00_11x_000000", "FMOV, 64 bits, single" },
    { "000_11110_xx_1_0100_xx_10000", "FRINT32, FRINT64 (FRINTTS)" },
    { "000_11110_00_1_0001_00_10000", "FCVT, single to single" },
    { "000_11110_01_1_0001_01_10000", "FCVT, double to double" },
    { "000_11110_11_1_0001_11_10000", "FCVT, half to half" },
    { "000_11110_xx_1_0001_10_10000", "BFCVT (BF16)" },
    { "000_11110_xx_1_0011_01_10000", "one source, opcode 13" },
    { "000_11110_xx_1_0101_xx_10000", "one source, opcode 20 and up" },
    { "000_11110_xx_1_011x_xx_10000", "one source, opcode 24 and up" },
    { "000_11110_xx_1_1xxx_xx_10000", "one source, opcode 32 and up" },
    { "000_11110_xx_1_xxxxx_zz_1000", "compare, op" },
    { "000_11110_xx_1_xxxxx_00_1000_xxxxx_xx_zzz", "compare, opcode2" },
    { "000_11110_xx_1_xxxxxxxx_100_zzzzz", "immediate, imm5" },
    { "000_11110_xx_1_xxxxx_1001_10", "two sources, opcode 9" },
    { "000_11110_xx_1_xxxxx_101x_10", "two sources, opcode 10 and 11" },
    { "000_11110_xx_1_xxxxx_11xx_10", "two sources, opcode 12 and up" },

    /* AdvSIMD, three registers of the same type */
    { "0xx_01110_11_1_xxxxx_00x00_1", "HADD, HSUB of doublewords" },
    { "0xx_01110_11_1_xxxxx_00010_1", "RHADD of doublewords" },
    { "0xx_01110_11_1_xxxxx_0110x_1", "MAX and MIN of doublewords" },
    { "0xx_01110_11_1_xxxxx_0111x_1", "ABD and ABA of doublewords" },
    { "0xx_01110_11_1_xxxxx_10010_1", "MLA of doublewords" },
    { "000_01110_11_1_xxxxx_10011_1", "MUL of doublewords" },
    { "010_01110_11_1_xxxxx_10011_1", "MUL of doublewords" },
    { "0x1_01110_zz_1_xxxxx_10011_1", "PMUL of more than bytes" },
    { "0xx_01110_11_1_xxxxx_1010x_1", "MAXP of doublewords" },
    { "0xx_01110_00_1_xxxxx_10110_1", "SQDMULH of bytes" },
    { "0xx_01110_11_1_xxxxx_10110_1", "SQDMULH of doublewords" },
    { "0x1_01110_xx_1_xxxxx_10111_1", "ADDP with U" },
    { "0x0_01110_x0_1_xxxxx_11101_1", "FMLAL, FMLSL (FHM)" },
    { "0x1_01110_x0_1_xxxxx_11001_1", "FMLAL2, FMLSL2 (FHM)" },
    { "0x0_01110_x10_xxxxx_00_101_1", "FP16, opcode 5 without U" },
    { "0x1_01110_110_xxxxx_00_011_1", "FP16, opcode 3 with U and a" },
    { "0x0_01110_xx0_xxxxx_1_000x_1", "SQRDMLAH without U" },
    { "0x1_01110_00_0_xxxxx_1_000x_1", "SQRDMLAH of bytes" },
    { "0x1_01110_11_0_xxxxx_1_000x_1", "SQRDMLAH of doublewords" },
    { "0xx_01110_nn_0_xxxxx_1_0011_1", "USDOT (I8MM)" },
    { "0xx_01110_0x_0_xxxxx_1_0010_1", "DOT, size 0 and 1" },
    { "0xx_01110_11_0_xxxxx_1_0010_1", "DOT, size 3" },
    { "0xx_01110_xx_0_xxxxx_1_01xx_1", "SMMLA, UMMLA, USMMLA (I8MM)" },
    { "0xx_01110_xx_0_xxxxx_1_10xx_1", "FCMLA (FCMA)" },
    { "0xx_01110_xx_0_xxxxx_1_11xx_1", "FCADD (FCMA), BFDOT, BFMMLA, BFMLAL (BF16)" },
    /* Two registers, across lanes, copies, permutations */
    { "0xx_01110_11_10000_00000_10", "REV64 of doublewords" },
    { "0x0_01110_zz_10000_00001_10", "REV16 of more than bytes" },
    { "0xx_01110_11_10000_00100_10", "CLS and CLZ of doublewords" },
    { "0x0_01110_zz_10000_00101_10", "CNT of more than bytes" },
    { "0x1_01110_1x_10000_00101_10", "NOT, size 2 and 3" },
    { "0xx_01110_11_10000_00x10_10", "ADDLP of doublewords" },
    { "0xx_01110_11_10000_10010_10", "XTN to doublewords" },
    { "0xx_01110_11_10000_10100_10", "SQXTN to doublewords" },
    { "0x0_01110_xx_10000_10011_10", "SHLL without U" },
    { "0x1_01110_11_10000_10011_10", "SHLL of doublewords" },
    { "0xx_01110_xx_10000_10101_10", "two registers, opcode 21" },
    { "0x0_01110_10_10000_10110_10", "BFCVTN (BF16)" },
    { "0xx_01110_0x_10000_1111x_10", "FRINT32, FRINT64 (FRINTTS)" },
    { "0x0_01110_1x_10000_11111_10", "FSQRT without U" },
    { "0xx_01110_11_11000_x101x_10", "across lanes, doublewords" },
    { "00x_01110_10_11000_x101x_10", "across lanes, two words" },
    { "0x0_01110_000_x0000_0_xxxx_1", "copy, imm5" },
    { "001_01110_000_xxxxx_0_xxxx_1", "INS without Q" },
    { "0x0_01110_000_xxxxx_0_1xxx_1", "copy, imm4 8 and up" },
    { "0x0_01110_000_xxxxx_0_x1x0_1", "copy, imm4 4 and 6" },
    { "0x0_01110_000_xxxxx_0_0010_1", "copy, imm4 2" },
    { "0x0_01110_xx_0_xxxxx_0_x00_10", "permute, opcode 0 and 4" },
    { "000_01110_11_0_xxxxx_0_xxx_10", "permute of single doublewords" },
    { "0x1_01110_zz_0_xxxxx_0_xxxx_0", "EXT, op2" },
    { "001_01110_00_0_xxxxx_0_1xxx_0", "EXT of 8 bytes by 8 and more" },
    { "0x0_01110_zz_0_xxxxx_0_xxx_00", "TBL, op2" },
    /* Different types */
    { "0xx_01110_11_1_xxxxx_000x_00", "ADDL, ADDW of doublewords" },
    { "0xx_01110_11_1_xxxxx_001x_00", "SUBL, SUBW of doublewords" },
    { "0xx_01110_11_1_xxxxx_0100_00", "ADDHN to doublewords" },
    { "0x0_01110_00_1_xxxxx_10x1_00", "SQDMLAL of bytes" },
    { "0x0_01110_11_1_xxxxx_10x1_00", "SQDMLAL of doublewords" },
    { "0x0_01110_01_1_xxxxx_1110_00", "PMULL of halves" },
    { "0x0_01110_10_1_xxxxx_1110_00", "PMULL of words" },
    { "0x1_01110_xx_1_xxxxx_1110_00", "PMULL with U" },
    { "0x1_01110_xx_1_xxxxx_1xx1_00", "SQDMLAL with U" },
    { "0xx_01110_xx_1_xxxxx_1111_00", "opcode 15" },
    /* Modified immediate, shifts, by element */
    { "0xx_0111100000_xxx_0xxx_11", "modified immediate, o2" },
    { "0xx_0111100000_xxx_10xx_11", "modified immediate, o2" },
    { "0xx_0111100000_xxx_110x_11", "modified immediate, o2" },
    { "0xx_0111100000_xxx_1110_11", "modified immediate, o2" },
    { "0x1_0111100000_xxx_1111_11", "modified immediate, o2 with op" },
    { "001_0111100000_xxx_1111_01", "FMOV of one double" },
    { "0xx_011110_1xxx_xxx_1000x_1", "narrowing shift of a doubleword" },
    { "0xx_011110_1xxx_xxx_1001x_1", "narrowing shift of a doubleword" },
    { "0xx_011110_1xxx_xxx_10100_1", "lengthening shift of a doubleword" },
    { "0xx_011110_zzzz_xxx_10101_1", "shift, opcode 21" },
    { "0xx_011110_zzzz_xxx_1011x_1", "shift, opcode 22 and 23" },
    { "0xx_011110_zzzz_xxx_110xx_1", "shift, opcode 24 and up" },
    { "0xx_011110_0001_xxx_111xx_1", "fixed point of bytes" },
    { "0xx_011110_zzzz_xxx_11101_1", "shift, opcode 29" },
    { "0x0_011110_zzzz_xxx_01000_1", "SRI without U" },
    { "0x0_011110_zzzz_xxx_01100_1", "SQSHLU without U" },
    { "0xx_01111_00_x_xxxxx_1100_x_0", "SQDMULH by element, bytes" },
    { "0xx_01111_11_x_xxxxx_0010_x_0", "MLAL by element, doublewords" },
    { "0xx_01111_00_x_xxxxx_0x10_x_0", "MLAL by element, bytes" },
    { "0x0_01111_00_x_xxxxx_1000_x_0", "MUL by element, bytes" },
    { "0x0_01111_11_x_xxxxx_1000_x_0", "MUL by element, doublewords" },
    { "0x1_01111_00_x_xxxxx_0x00_x_0", "MLA by element, bytes" },
    { "0x1_01111_11_x_xxxxx_0x00_x_0", "MLA by element, doublewords" },
    { "0x0_01111_xx_x_xxxxx_1111_x_0", "SUDOT, USDOT (I8MM), BFDOT, BFMLAL (BF16)" },
    { "0xx_01111_0x_x_xxxxx_1110_x_0", "DOT by element, size 0 and 1" },
    { "0xx_01111_11_x_xxxxx_1110_x_0", "DOT by element, size 3" },
    { "0x0_01111_10_x_xxxxx_0x00_x_0", "FMLAL, FMLSL by element (FHM)" },
    { "0x1_01111_10_x_xxxxx_1x00_x_0", "FMLAL2, FMLSL2 by element (FHM)" },
    { "0x1_01111_01_x_xxxxx_0xx1_x_0", "FCMLA by element (FCMA)" },
    { "0x1_01111_10_x_xxxxx_0xx1_x_0", "FCMLA by element (FCMA)" },
    { "0x0_01111_01_x_xxxxx_0x01_x_0", "FMLA by element, size 1" },
    { "00x_01111_11_x_xxxxx_x001_x_0", "FMUL by element, one double" },
    { "0x0_01111_11_1_xxxxx_0x01_x_0", "FMLA by element, L with doubles" },
    /* Scalar */
    { "01x_11110_xx0_xxxxx_1_001x_1", "scalar, three extra, opcode 2 and 3" },
    { "010_11110_xx0_xxxxx_1_000x_1", "scalar SQRDMLAH without U" },
    { "01x_11110_xx1_xxxxx_00000_1", "scalar HADD" },
    { "01x_11110_nn1_xxxxx_00110_1", "scalar compare of less than doublewords" },
    { "01x_11110_nn1_xxxxx_10000_1", "scalar ADD of less than doublewords" },
    { "01x_11110_xx1_xxxxx_10010_1", "scalar MLA" },
    { "01x_11110_xx1_xxxxx_10011_1", "scalar MUL" },
    { "010_11110_xx0_xxxxx_0_111_00", "SHA, opcode 7" },
    { "010_11110_zz0_xxxxx_0_xxx_00", "SHA, size" },
    { "010_11110_xx_10100_00011_10", "SHA, opcode 3" },
    { "010_11110_xx_10100_001xx_10", "SHA, opcode 4 and up" },
    { "010_01110_zz_10100_xxxxx_10", "AES, size" },
    { "010_01110_00_10100_000xx_10", "AES, opcode 0 to 3" },
    { "010_01110_00_10100_01xxx_10", "AES, opcode 8 and up" },
    { "000_01110_xx_10100_xxxxx_10", "AES without Q" },
    { "011_11110000_xxxxx_0_xxxx_1", "scalar DUP with op" },
    { "010_11110000_xxxxx_0_zzzz_1", "scalar DUP, imm4" },
};

/* Replace a run of the letter at bits[0]. Returns its length. */
static unsigned field(char *bits, uint64_t *rng)
{
    unsigned len = (unsigned)strspn(bits, bits[0] == 'n' ? "n" : bits[0] == 'z' ? "z" : "x");
    uint64_t all = low_mask(len), val;

    do {
        *rng = *rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        val = *rng >> 32 & all;
    } while ((bits[0] == 'n' && val == all) || (bits[0] == 'z' && !val));
    for (unsigned k = 0; k < len; k++)
        bits[k] = val >> (len - 1 - k) & 1 ? '1' : '0';
    return len;
}

static uint32_t some_word(const char *pattern, uint64_t *rng)
{
    char bits[33];
    unsigned n = 0;
    uint32_t word = 0;

    memset(bits, 'x', sizeof(bits));
    for (; *pattern; pattern++) {
        assert_true(n < 32 || *pattern == '_');
        if (*pattern != '_')
            bits[n++] = *pattern;
    }
    bits[32] = '\0';
    for (n = 0; n < 32;)
        n += bits[n] == '0' || bits[n] == '1' ? 1 : field(&bits[n], rng);
    for (n = 0; n < 32; n++)
        word = word << 1 | (bits[n] == '1');
    return word;
}

static bool is_undefined(struct rig *rig, uint32_t word, uint64_t pstate)
{
    struct cpu *c = rig->c;
    gva_t pc = pstate == EL1H ? EL1_CODE : EL0_CODE;

    rig_poke(rig, pc, word);
    rig_enter(rig, pc, pstate);
    for (unsigned r = 0; r <= REG_SP; r++)
        c->x[r] = REGISTERS;
    return rig_run(rig) == CPU_STOP_HVC && FIELD_GET(ESR_EC, c->sys.esr_el1) == EC_UNKNOWN &&
           c->sys.elr_el1 == pc && c->pc - 4 == c->sys.vbar_el1 + (pstate == EL1H ? 0x200 : 0x400);
}

static void test_no_such_instruction(void **state)
{
    struct rig rig;
    uint64_t rng = 1;

    rig_init(&rig);
    for (unsigned n = 0; n < ARRAY_LEN(rows); n++) {
        for (unsigned k = 0; k < WORDS; k++) {
            uint32_t word = some_word(rows[n].bits, &rng);

            for (unsigned el = 0; el < 2; el++) {
                if (!is_undefined(&rig, word, el ? EL1H : 0))
                    fail_msg("%08x (%s) is not UNDEFINED at EL%u", word, rows[n].what, el);
            }
        }
    }
    rig_fini(&rig);
}

/* The hint space: what is not allocated, or belongs to features that are not there, does nothing
 * (C6.2, HINT). WFE, WFI and the events are the subject of test_interp.c. */
static void test_hints_do_nothing(void **state)
{
    struct rig rig;

    rig_init(&rig);
    for (unsigned hint = 0; hint < 128; hint++) {
        struct cpu *c = rig.c;
        uint64_t x[31];

        if (hint == 2 || hint == 3)
            continue;
        rig_poke(&rig, EL0_CODE, 0xd503201f | hint << 5);
        rig_poke(&rig, EL0_CODE + 4, 0xd4000001); /* SVC #0 */
        rig_enter(&rig, EL0_CODE, NZCV_N | NZCV_C);
        for (unsigned r = 0; r < 31; r++)
            c->x[r] = x[r] = UINT64_C(0x0101010101010101) * (r + 1);
        assert_int_equal(rig_run(&rig), CPU_STOP_HVC);
        assert_int_equal(FIELD_GET(ESR_EC, c->sys.esr_el1), EC_SVC64);
        assert_int_equal(c->sys.elr_el1, EL0_CODE + 8);
        assert_int_equal(c->sys.spsr_el1 & BITS(31, 28), NZCV_N | NZCV_C);
        assert_memory_equal(c->x, x, sizeof(x));
    }
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_such_instruction),
        cmocka_unit_test(test_hints_do_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
