/*
 * Our own declaration of the part of Hypervisor.framework (arm64) that ignition uses. A Mac's build
 * takes Apple's header of the same name; this one is for the stand-in, and for the link check of
 * hosts that have no SDK. Names, types and numbers are those of the public interface, macOS 15.4.
 *
 * Every hv_vcpu_* function, and every hv_gic_* function that takes a vCPU, is called on the thread
 * that created the vCPU; hv_vcpus_exit() alone on any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int hv_return_t; /* a mach_error_t: negative when it is an error */

enum {
    HV_SUCCESS = 0,
    HV_ERROR = (int)0xfae94001,
    HV_BUSY = (int)0xfae94002,
    HV_BAD_ARGUMENT = (int)0xfae94003,
    HV_ILLEGAL_GUEST_STATE = (int)0xfae94004,
    HV_NO_RESOURCES = (int)0xfae94005,
    HV_NO_DEVICE = (int)0xfae94006,
    HV_DENIED = (int)0xfae94007,
    HV_EXISTS = (int)0xfae94008,
    HV_UNSUPPORTED = (int)0xfae9400f,
};

/* ---- the machine: one per process ---- */

typedef uint64_t hv_ipa_t;
typedef uint64_t hv_memory_flags_t;
typedef struct hv_vm_config_s *hv_vm_config_t;
typedef uint32_t hv_ipa_granule_t;

enum { HV_MEMORY_READ = 1, HV_MEMORY_WRITE = 2, HV_MEMORY_EXEC = 4 };
enum { HV_IPA_GRANULE_4KB = 0, HV_IPA_GRANULE_16KB = 1 };

hv_return_t hv_vm_get_max_vcpu_count(uint32_t *max_vcpu_count);
hv_return_t hv_vm_create(hv_vm_config_t config); /* NULL: the defaults */
hv_return_t hv_vm_destroy(void);                 /* every vCPU is destroyed before */
hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size, hv_memory_flags_t flags);
hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size);
hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size, hv_memory_flags_t flags);

hv_vm_config_t hv_vm_config_create(void); /* released by os_release() */
hv_return_t hv_vm_config_get_max_ipa_size(uint32_t *bits);
hv_return_t hv_vm_config_get_default_ipa_size(uint32_t *bits);
hv_return_t hv_vm_config_set_ipa_size(hv_vm_config_t config, uint32_t bits);
hv_return_t hv_vm_config_set_ipa_granule(hv_vm_config_t config,
                                         hv_ipa_granule_t granule); /* 26.0 */

/* ---- vCPUs ---- */

typedef uint64_t hv_vcpu_t;
typedef struct hv_vcpu_config_s *hv_vcpu_config_t;

typedef uint32_t hv_exit_reason_t;
enum {
    HV_EXIT_REASON_CANCELED = 0,
    HV_EXIT_REASON_EXCEPTION = 1,
    HV_EXIT_REASON_VTIMER_ACTIVATED = 2,
    HV_EXIT_REASON_UNKNOWN = 3,
};

typedef struct {
    uint64_t syndrome; /* as ESR_EL2 */
    uint64_t virtual_address;
    hv_ipa_t physical_address;
} hv_vcpu_exit_exception_t;

/* The framework's memory, written anew by each return of hv_vcpu_run(). */
typedef struct {
    hv_exit_reason_t reason;
    hv_vcpu_exit_exception_t exception;
} hv_vcpu_exit_t;

typedef uint32_t hv_reg_t;
enum {
    HV_REG_X0 = 0, /* to X30 = 30 */
    HV_REG_PC = 31,
    HV_REG_FPCR = 32,
    HV_REG_FPSR = 33,
    HV_REG_CPSR = 34,
};

typedef uint32_t hv_simd_fp_reg_t;
enum { HV_SIMD_FP_REG_Q0 = 0 }; /* to Q31 = 31 */
typedef uint8_t hv_simd_fp_uchar16_t __attribute__((vector_size(16)));

typedef uint32_t hv_interrupt_type_t;
enum { HV_INTERRUPT_TYPE_IRQ = 0, HV_INTERRUPT_TYPE_FIQ = 1 };

/* op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2 */
typedef uint16_t hv_sys_reg_t;

typedef uint32_t hv_feature_reg_t;
enum {
    HV_FEATURE_REG_ID_AA64DFR0_EL1 = 0,
    HV_FEATURE_REG_ID_AA64DFR1_EL1 = 1,
    HV_FEATURE_REG_ID_AA64ISAR0_EL1 = 2,
    HV_FEATURE_REG_ID_AA64ISAR1_EL1 = 3,
    HV_FEATURE_REG_ID_AA64MMFR0_EL1 = 4,
    HV_FEATURE_REG_ID_AA64MMFR1_EL1 = 5,
    HV_FEATURE_REG_ID_AA64MMFR2_EL1 = 6,
    HV_FEATURE_REG_ID_AA64PFR0_EL1 = 7,
    HV_FEATURE_REG_ID_AA64PFR1_EL1 = 8,
    HV_FEATURE_REG_CTR_EL0 = 9,
    HV_FEATURE_REG_CLIDR_EL1 = 10,
    HV_FEATURE_REG_DCZID_EL0 = 11,
};

hv_vcpu_config_t hv_vcpu_config_create(void); /* released by os_release() */
hv_return_t hv_vcpu_config_get_feature_reg(hv_vcpu_config_t config, hv_feature_reg_t reg,
                                           uint64_t *value);

hv_return_t hv_vcpu_create(hv_vcpu_t *vcpu, hv_vcpu_exit_t **exit, hv_vcpu_config_t config);
hv_return_t hv_vcpu_destroy(hv_vcpu_t vcpu);
hv_return_t hv_vcpu_run(hv_vcpu_t vcpu);
hv_return_t hv_vcpus_exit(hv_vcpu_t *vcpus, uint32_t vcpu_count);

hv_return_t hv_vcpu_get_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t *value);
hv_return_t hv_vcpu_set_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t value);
hv_return_t hv_vcpu_get_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg,
                                    hv_simd_fp_uchar16_t *value);
hv_return_t hv_vcpu_set_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg,
                                    hv_simd_fp_uchar16_t value);
hv_return_t hv_vcpu_get_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg, uint64_t *value);
hv_return_t hv_vcpu_set_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg, uint64_t value);
hv_return_t hv_vcpu_get_pending_interrupt(hv_vcpu_t vcpu, hv_interrupt_type_t type, bool *pending);
hv_return_t hv_vcpu_set_pending_interrupt(hv_vcpu_t vcpu, hv_interrupt_type_t type, bool pending);
hv_return_t hv_vcpu_set_trap_debug_exceptions(hv_vcpu_t vcpu, bool value);
hv_return_t hv_vcpu_set_trap_debug_reg_accesses(hv_vcpu_t vcpu, bool value);
hv_return_t hv_vcpu_get_vtimer_mask(hv_vcpu_t vcpu, bool *vtimer_is_masked);
hv_return_t hv_vcpu_set_vtimer_mask(hv_vcpu_t vcpu, bool vtimer_is_masked);
hv_return_t hv_vcpu_get_vtimer_offset(hv_vcpu_t vcpu, uint64_t *vtimer_offset);
hv_return_t hv_vcpu_set_vtimer_offset(hv_vcpu_t vcpu, uint64_t vtimer_offset);

/* ---- the interrupt controller: macOS 15.0 ---- */

typedef struct hv_gic_config_s *hv_gic_config_t;
typedef uint16_t hv_gic_distributor_reg_t;   /* the register's offset in GICD */
typedef uint32_t hv_gic_redistributor_reg_t; /* its offset in GICR; the SGI frame from 0x10000 */
typedef uint16_t hv_gic_icc_reg_t;           /* numbered as hv_sys_reg_t */
typedef uint16_t hv_gic_intid_t;

enum {
    HV_GIC_INT_EL1_VIRTUAL_TIMER = 27,
    HV_GIC_INT_EL1_PHYSICAL_TIMER = 30,
};

hv_gic_config_t hv_gic_config_create(void); /* released by os_release() */
hv_return_t hv_gic_config_set_distributor_base(hv_gic_config_t config, hv_ipa_t base);
hv_return_t hv_gic_config_set_redistributor_base(hv_gic_config_t config, hv_ipa_t base);
hv_return_t hv_gic_create(hv_gic_config_t config); /* after the machine, before the first vCPU */
hv_return_t hv_gic_reset(void);
hv_return_t hv_gic_set_spi(uint32_t intid, bool level);
hv_return_t hv_gic_get_distributor_size(size_t *size);
hv_return_t hv_gic_get_distributor_base_alignment(size_t *alignment);
hv_return_t hv_gic_get_redistributor_region_size(size_t *size);
hv_return_t hv_gic_get_redistributor_size(size_t *size);
hv_return_t hv_gic_get_redistributor_base_alignment(size_t *alignment);
hv_return_t hv_gic_get_spi_interrupt_range(uint32_t *base, uint32_t *count);
hv_return_t hv_gic_get_intid(hv_gic_intid_t interrupt, uint32_t *intid);
hv_return_t hv_gic_get_redistributor_base(hv_vcpu_t vcpu, hv_ipa_t *base);
hv_return_t hv_gic_get_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t *value);
hv_return_t hv_gic_set_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t value);
hv_return_t hv_gic_get_redistributor_reg(hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg,
                                         uint64_t *value);
hv_return_t hv_gic_set_redistributor_reg(hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg,
                                         uint64_t value);
hv_return_t hv_gic_get_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t *value);
hv_return_t hv_gic_set_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t value);
