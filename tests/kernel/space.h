/*
 * Page tables of our own, for either granule:
 *
 *   lower half   kernel, devices and arena where they are; TEST_VA for checks
 *   upper half   the same at UPPER |, for the vectors when the lower half is out of order;
 *                the kernel's RAM once more, writable, at WRITABLE |; TEST_VA_UPPER for checks
 *
 * The kernel's mappings are global.
 */
#pragma once

#include "kernel.h"

#define UPPER         UINT64_C(0xffff000000000000)
#define WRITABLE      UINT64_C(0xffff100000000000)
#define TEST_VA       UINT64_C(0x0000008000000000)
#define TEST_VA_UPPER (UPPER | TEST_VA)

/* Descriptors (Arm DDI 0487, D8.3). */
#define D_VALID  BIT(0)
#define D_TABLE  BIT(1) /* level 3: page */
#define D_NORMAL UINT64_C(0)
#define D_DEVICE (UINT64_C(1) << 2) /* nGnRE */
#define D_NC     (UINT64_C(2) << 2) /* Normal, not cacheable */
#define D_STRICT (UINT64_C(3) << 2) /* nGnRnE */
#define D_USER   BIT(6)
#define D_RO     BIT(7)
#define D_INNER  BITS(9, 8)
#define D_AF     BIT(10)
#define D_NG     BIT(11)
#define D_CONTIG BIT(52)
#define D_PXN    BIT(53)
#define D_UXN    BIT(54)
#define D_DATA   (D_AF | D_INNER | D_NORMAL | D_PXN | D_UXN)
#define D_PXNT   BIT(59)
#define D_UXNT   BIT(60)
#define D_NOUSER BIT(61)
#define D_ROT    BIT(62)

#define TCR_EPD0  BIT(7)
#define TCR_A1    BIT(22)
#define TCR_IPS   BITS(34, 32)
#define TCR_AS    BIT(36)
#define TCR_TBI0  BIT(37)
#define TCR_TBI1  BIT(38)
#define TCR_E0PD1 BIT(56)

#define SCTLR_M    BIT(0)
#define SCTLR_A    BIT(1)
#define SCTLR_C    BIT(2)
#define SCTLR_SA   BIT(3)
#define SCTLR_SA0  BIT(4)
#define SCTLR_UMA  BIT(9)
#define SCTLR_I    BIT(12)
#define SCTLR_DZE  BIT(14)
#define SCTLR_UCT  BIT(15)
#define SCTLR_NTWI BIT(16)
#define SCTLR_NTWE BIT(18)
#define SCTLR_WXN  BIT(19)
#define SCTLR_SPAN BIT(23)
#define SCTLR_UCI  BIT(26)

/* Build the tables and turn the MMU on; granule is 12 or 14. */
void space_on(unsigned granule);
void space_off(void);

/* The second vCPU, which starts with the MMU off, takes part in the address space in force. */
void space_join(void);

unsigned space_granule(void);

/* What to OR to an address: to reach it in the upper half, and to write code. 0 with the MMU off.
 */
uint64_t space_alias(void);
uint64_t space_writable_alias(void);

/* Bytes that an entry of a level maps. */
uint64_t space_bytes(unsigned level);

/* The entry for va at a level; tables above it are made as needed. */
uint64_t *space_entry(uint64_t va, unsigned level);

/* Write the entry for va: a block or page at pa with attributes D_*; attr 0 makes it invalid. */
void space_map(uint64_t va, uint64_t pa, unsigned level, uint64_t attr);

/* Complete writes of entries, drop every translation. */
void space_flush(void);

/* Forget all that checks mapped in both halves. */
void space_clear_tests(void);
