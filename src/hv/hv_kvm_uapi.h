/* Linux's KVM interface where it is newer than the headers of 6.1, which Debian 12 builds against.
 */
#pragma once

#include <linux/kvm.h>

/* 6.2: rings of dirty pages on arm64, and the bitmap behind them. */
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif
#if KVM_DIRTY_LOG_PAGE_OFFSET == 0 /* headers of a time when arm64 had no rings */
#undef KVM_DIRTY_LOG_PAGE_OFFSET
#define KVM_DIRTY_LOG_PAGE_OFFSET 64
#endif

/* 6.4: one offset for both counters of a machine. */
#ifndef KVM_CAP_COUNTER_OFFSET
#define KVM_CAP_COUNTER_OFFSET 227
struct kvm_arm_counter_offset {
    __u64 counter_offset;
    __u64 reserved;
};
#define KVM_ARM_SET_COUNTER_OFFSET _IOW(KVMIO, 0xb5, struct kvm_arm_counter_offset)
#endif

/* 6.7: ID registers can be written; which bits of them, the kernel tells. */
#ifndef KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES
#define KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES 230
struct reg_mask_range {
    __u64 addr;
    __u32 range;
    __u32 reserved[13];
};
#define KVM_ARM_GET_REG_WRITABLE_MASKS _IOR(KVMIO, 0xb6, struct reg_mask_range)
#define KVM_ARM_FEATURE_ID_RANGE       0
#define KVM_ARM_FEATURE_ID_RANGE_SIZE  (3 * 8 * 8)
#endif

/* 6.8: why KVM_RUN failed with EFAULT. */
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif
