/*
 * The guest-physical map and the interrupt numbers of the machine (docs/design.md, section 3).
 * A guest sees these through the device tree; snapshots rely on them: they do not change.
 */
#pragma once

#include "base/bits.h"

#define MAP_GICD_BASE       UINT64_C(0x08000000)
#define MAP_GICD_SIZE       UINT64_C(0x00010000)
#define MAP_UART_BASE       UINT64_C(0x09000000)
#define MAP_RTC_BASE        UINT64_C(0x09010000)
#define MAP_VMGENID_BASE    UINT64_C(0x09030000)
#define MAP_BOOT_TIMER_BASE UINT64_C(0x091ff000)
#define MAP_VIRTIO_BASE     UINT64_C(0x0a000000)
#define MAP_VIRTIO_STRIDE   UINT64_C(0x1000)
#define MAP_VIRTIO_SLOTS    96
#define MAP_GICR_BASE       UINT64_C(0x10000000)
#define MAP_GICR_STRIDE     UINT64_C(0x00020000) /* RD_base and SGI_base frames of one vCPU */
#define MAP_GICR_SIZE       UINT64_C(0x02000000) /* kept free: the region that HVF reserves */
#define MAP_RAM_BASE        UINT64_C(0x40000000)

/* Interrupts. SPI n is INTID 32 + n; all are level-triggered, active high. */
#define MAP_SPI_UART    0
#define MAP_SPI_RTC     1
#define MAP_SPI_VMGENID 2
#define MAP_SPI_VIRTIO0 16
#define MAP_PPI_VTIMER  27 /* INTID */
#define MAP_PPI_PTIMER  30 /* INTID */
#define GIC_SGIS        16
#define GIC_FIRST_SPI   32
#define GIC_INTIDS      160 /* SGIs, PPIs and 128 SPIs */
#define GIC_SPIS        (GIC_INTIDS - GIC_FIRST_SPI)

#define MAP_VCPUS_MAX 64

/* MPIDR affinity of vCPU `index`: 16 to a cluster, as KVM numbers them. */
static inline uint64_t map_mpidr(unsigned index)
{
    return (index & 15) | (uint64_t)(index >> 4) << 8;
}
