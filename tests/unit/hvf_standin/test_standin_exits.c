/* Exits of the stand-in: syndromes and program counters as a Mac gives them. */
#include "standin_rig.h"

#define DFSC_TRANSLATION 0x07
#define DFSC_PERMISSION  0x0f

static uint64_t next_code(void)
{
    static uint64_t n;

    return CODE + n++ % 4096 * 16; /* never the same address twice: code is cached */
}

static void test_syndromes_of_one_register(void **state)
{
    static const struct {
        uint32_t insn;
        unsigned sas, srt;
        bool sse, sf, write, ordered;
    } t[] = {
        { 0x39400022, 0, 2, 0, 0, 0, 0 },  /* ldrb w2, [x1] */
        { 0x79400022, 1, 2, 0, 0, 0, 0 },  /* ldrh w2, [x1] */
        { 0xb9400022, 2, 2, 0, 0, 0, 0 },  /* ldr w2, [x1] */
        { 0xf9400022, 3, 2, 0, 1, 0, 0 },  /* ldr x2, [x1] */
        { 0x39c00022, 0, 2, 1, 0, 0, 0 },  /* ldrsb w2, [x1] */
        { 0x39800022, 0, 2, 1, 1, 0, 0 },  /* ldrsb x2, [x1] */
        { 0x79c00022, 1, 2, 1, 0, 0, 0 },  /* ldrsh w2, [x1] */
        { 0x79800022, 1, 2, 1, 1, 0, 0 },  /* ldrsh x2, [x1] */
        { 0xb9800022, 2, 2, 1, 1, 0, 0 },  /* ldrsw x2, [x1] */
        { 0xb940003f, 2, 31, 0, 0, 0, 0 }, /* ldr wzr, [x1] */
        { 0xf8636822, 3, 2, 0, 1, 0, 0 },  /* ldr x2, [x1, x3] */
        { 0xb8400822, 2, 2, 0, 0, 0, 0 },  /* ldtr w2, [x1] */
        { 0x88dffc22, 2, 2, 0, 0, 0, 1 },  /* ldar w2, [x1] */
        { 0xf8bfc022, 3, 2, 0, 1, 0, 1 },  /* ldapr x2, [x1] */
        { 0x39000022, 0, 2, 0, 0, 1, 0 },  /* strb w2, [x1] */
        { 0x79000022, 1, 2, 0, 0, 1, 0 },  /* strh w2, [x1] */
        { 0xb9000022, 2, 2, 0, 0, 1, 0 },  /* str w2, [x1] */
        { 0xf9000022, 3, 2, 0, 1, 1, 0 },  /* str x2, [x1] */
        { 0xf900003f, 3, 31, 0, 1, 1, 0 }, /* str xzr, [x1] */
        { 0xc89ffc22, 3, 2, 0, 1, 1, 1 },  /* stlr x2, [x1] */
    };
    struct rig *rig = *state;

    rig_set(rig, 1, DEVICE + 0x40);
    rig_set(rig, 3, 0);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint64_t at = next_code();
        uint64_t want = FIELD_PUT(ESR_EC, EC_DABT_LOWER) | ESR_IL | ISS_DABT_ISV |
                        FIELD_PUT(ISS_DABT_SAS, t[i].sas) | FIELD_PUT(ISS_DABT_SRT, t[i].srt) |
                        (t[i].sse ? ISS_DABT_SSE : 0) | (t[i].sf ? ISS_DABT_SF : 0) |
                        (t[i].write ? ISS_DABT_WNR : 0) | (t[i].ordered ? ISS_DABT_AR : 0) |
                        DFSC_TRANSLATION;

        rig_set(rig, 2, 0x1122334455667788 + i);
        rig_one(rig, at, t[i].insn);
        assert_int_equal(rig->exit->exception.syndrome, want);
        assert_int_equal(rig->exit->exception.physical_address, DEVICE + 0x40);
        assert_int_equal(rig->exit->exception.virtual_address, DEVICE + 0x40);
        assert_int_equal(rig_get(rig, HV_REG_PC), at);
        assert_int_equal(rig_get(rig, 2), 0x1122334455667788 + i);
    }
}

static void test_what_has_no_syndrome(void **state)
{
    static const struct {
        uint32_t insn;
        bool write;
    } t[] = {
        { 0xa9400c22, false }, /* ldp x2, x3, [x1] */
        { 0x29000c22, true },  /* stp w2, w3, [x1] */
        { 0xf8408422, false }, /* ldr x2, [x1], #8 */
        { 0xb8000c22, true },  /* str w2, [x1, #0]! */
        { 0x3dc00020, false }, /* ldr q0, [x1] */
        { 0xfd000020, true },  /* str d0, [x1] */
        { 0xc85f7c22, false }, /* ldxr x2, [x1] */
        { 0xb8220023, false }, /* ldadd w2, w3, [x1]: a read of nothing comes first */
        { 0xf8228023, false }, /* swp x2, x3, [x1] */
        { 0xc8a27c23, false }, /* cas x2, x3, [x1] */
        { 0x4c407020, false }, /* ld1 {v0.16b}, [x1] */
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint64_t at = next_code();

        rig_set(rig, 1, DEVICE);
        rig_set(rig, 2, 2);
        rig_set(rig, 3, 3);
        rig_one(rig, at, t[i].insn);
        assert_int_equal(rig->exit->exception.syndrome, FIELD_PUT(ESR_EC, EC_DABT_LOWER) | ESR_IL |
                                                            (t[i].write ? ISS_DABT_WNR : 0) |
                                                            DFSC_TRANSLATION);
        assert_int_equal(rig->exit->exception.physical_address, DEVICE);
        assert_int_equal(rig_get(rig, HV_REG_PC), at);
        assert_int_equal(rig_get(rig, 1), DEVICE);
        assert_int_equal(rig_get(rig, 2), 2);
        assert_int_equal(rig_get(rig, 3), 3);
    }
}

static void test_cache_maintenance_of_nothing(void **state)
{
    struct rig *rig = *state;

    rig_set(rig, 1, DEVICE);
    rig_one(rig, next_code(), 0xd50b7e21); /* dc civac, x1 */
    assert_int_equal(rig->exit->exception.syndrome, FIELD_PUT(ESR_EC, EC_DABT_LOWER) | ESR_IL |
                                                        ISS_DABT_CM | ISS_DABT_WNR |
                                                        DFSC_TRANSLATION);
}

static void test_fetch_from_nothing(void **state)
{
    struct rig *rig = *state;

    rig_set(rig, HV_REG_PC, DEVICE);
    rig_run(rig);
    assert_int_equal(rig->exit->exception.syndrome,
                     FIELD_PUT(ESR_EC, EC_IABT_LOWER) | ESR_IL | DFSC_TRANSLATION);
    assert_int_equal(rig->exit->exception.physical_address, DEVICE);
    assert_int_equal(rig_get(rig, HV_REG_PC), DEVICE);
}

/* Translation tables where nothing is: a fault of stage 2 on the walk. */
static void test_walk_of_nothing(void **state)
{
    struct rig *rig = *state;
    uint64_t tcr = 25 | UINT64_C(25) << 16 | UINT64_C(1) << 32;

    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, SYSREG(3, 0, 2, 0, 2), tcr));
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, SYSREG(3, 0, 2, 0, 0), DEVICE));
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, SYSREG(3, 0, 1, 0, 0), 1));
    rig_set(rig, HV_REG_PC, 0x40001000);
    rig_run(rig);
    assert_int_equal(rig->exit->exception.syndrome,
                     FIELD_PUT(ESR_EC, EC_IABT_LOWER) | ESR_IL | ISS_DABT_S1PTW | DFSC_TRANSLATION);
    assert_int_equal(rig->exit->exception.physical_address, DEVICE + 8); /* the second GiB */
    assert_int_equal(rig->exit->exception.virtual_address, 0x40001000);
}

/* HVC has been executed, SMC has not. */
static void test_calls(void **state)
{
    struct rig *rig = *state;
    uint64_t at = next_code();

    rig_one(rig, at, 0xd4024682); /* hvc #0x1234 */
    assert_int_equal(rig->exit->exception.syndrome, FIELD_PUT(ESR_EC, EC_HVC64) | ESR_IL | 0x1234);
    assert_int_equal(rig_get(rig, HV_REG_PC), at + 4);
    at = next_code();
    rig_one(rig, at, 0xd40000e3); /* smc #7 */
    assert_int_equal(rig->exit->exception.syndrome, FIELD_PUT(ESR_EC, EC_SMC64) | ESR_IL | 7);
    assert_int_equal(rig_get(rig, HV_REG_PC), at);
}

static void test_traps_of_system_registers(void **state)
{
    static const struct {
        uint32_t insn;
        uint16_t reg;
        bool read;
    } t[] = {
        { 0xd5301183, SYSREG(2, 0, 1, 1, 4), true },   /* mrs x3, oslsr_el1 */
        { 0xd5101083, SYSREG(2, 0, 1, 0, 4), false },  /* msr oslar_el1, x3 */
        { 0xd5101383, SYSREG(2, 0, 1, 3, 4), false },  /* msr osdlr_el1, x3 */
        { 0xd5301383, SYSREG(2, 0, 1, 3, 4), true },   /* mrs x3, osdlr_el1 */
        { 0xd5300203, SYSREG(2, 0, 0, 2, 0), true },   /* mrs x3, mdccint_el1 */
        { 0xd5100203, SYSREG(2, 0, 0, 2, 0), false },  /* msr mdccint_el1, x3 */
        { 0xd53b9c03, SYSREG(3, 3, 9, 12, 0), true },  /* mrs x3, pmcr_el0 */
        { 0xd51b9c23, SYSREG(3, 3, 9, 12, 1), false }, /* msr pmcntenset_el0, x3 */
        { 0xd538f203, SYSREG(3, 0, 15, 2, 0), true },  /* mrs x3, s3_0_c15_c2_0 */
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint64_t at = next_code(), iss;

        rig_one(rig, at, t[i].insn);
        iss = rig->exit->exception.syndrome & ESR_ISS;
        assert_int_equal(rig_ec(rig), EC_SYSREG);
        assert_int_equal(((iss >> 20 & 3) << 14) | ((iss >> 14 & 7) << 11) |
                             ((iss >> 10 & 15) << 7) | ((iss >> 1 & 15) << 3) | (iss >> 17 & 7),
                         t[i].reg);
        assert_int_equal(iss >> 5 & 31, 3);
        assert_int_equal(iss & 1, t[i].read);
        assert_int_equal(rig_get(rig, HV_REG_PC), at);
    }
}

/* Of a register that is nowhere EL2 hears nothing; ICC_* is the framework's. */
static void test_what_does_not_trap(void **state)
{
    struct rig *rig = *state;

    RIG_PROGRAM(rig, VBAR + 0x200, HVC_0);
    rig_one(rig, next_code(), 0xd53bd0a3); /* mrs x3, s3_3_c13_c0_5: SCXTNUM's neighbour */
    assert_int_equal(rig_ec(rig), EC_HVC64);
    RIG_PROGRAM(rig, CODE + 0x8000, 0xd538cca3 /* mrs x3, icc_sre_el1 */, HVC_0);
    rig_set(rig, HV_REG_PC, CODE + 0x8000);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_HVC64);
    assert_int_equal(rig_get(rig, 3), 7);
}

static int setup_without_gic(void **state)
{
    return rig_setup_with(state, false);
}

static void test_without_a_gic(void **state)
{
    struct rig *rig = *state;
    uint64_t at = next_code(), value;

    rig_one(rig, at, 0xd538cca3); /* mrs x3, icc_sre_el1 */
    assert_int_equal(rig_ec(rig), EC_SYSREG);
    at = next_code();
    rig_one(rig, at, WFI);
    assert_int_equal(rig_ec(rig), EC_WFX);
    assert_int_equal(rig_get(rig, HV_REG_PC), at);
    assert_hv(hv_vcpu_get_sys_reg(rig->vcpu, SYSREG(3, 3, 14, 2, 1), &value), HV_UNSUPPORTED);

    /* The virtual timer is told once, and masked then. */
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, SYS_CNTV_CTL, 1));
    RIG_PROGRAM(rig, CODE, HVC_0);
    rig_set(rig, HV_REG_PC, CODE);
    assert_done(hv_vcpu_run(rig->vcpu));
    assert_int_equal(rig->exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_HVC64);
}

static void test_debug_exceptions_on_demand(void **state)
{
    struct rig *rig = *state;
    uint64_t at = next_code();

    RIG_PROGRAM(rig, VBAR + 0x200, HVC_0);
    rig_one(rig, at, 0xd42000a0); /* brk #5 */
    assert_int_equal(rig_ec(rig), EC_HVC64);
    assert_done(hv_vcpu_set_trap_debug_exceptions(rig->vcpu, true));
    rig_one(rig, at, 0xd42000a0);
    assert_int_equal(rig->exit->exception.syndrome, FIELD_PUT(ESR_EC, EC_BRK64) | ESR_IL | 5);
    assert_int_equal(rig_get(rig, HV_REG_PC), at);

    /* A software step that the host has set up. */
    RIG_PROGRAM(rig, CODE + 0x9000, ADD_X9_1, ADD_X9_1, HVC_0);
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, SYSREG(2, 0, 0, 2, 2), 1));
    rig_set(rig, HV_REG_CPSR, CPSR_EL1H | BIT(21));
    rig_set(rig, HV_REG_PC, CODE + 0x9000);
    rig_set(rig, 9, 0);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_STEP_LOWER);
    assert_int_equal(rig_get(rig, 9), 1);
    assert_int_equal(rig_get(rig, HV_REG_PC), CODE + 0x9004);

    /* The guest's debug registers, on demand. */
    assert_done(hv_vcpu_set_sys_reg(rig->vcpu, SYSREG(2, 0, 0, 2, 2), 0));
    assert_done(hv_vcpu_set_trap_debug_exceptions(rig->vcpu, false));
    assert_done(hv_vcpu_set_trap_debug_reg_accesses(rig->vcpu, true));
    rig_one(rig, next_code(), 0xd5300243); /* mrs x3, mdscr_el1 */
    assert_int_equal(rig_ec(rig), EC_SYSREG);
    rig_one(rig, next_code(), 0xd51000a3); /* msr dbgbcr0_el1, x3 */
    assert_int_equal(rig_ec(rig), EC_SYSREG);
}

/* Write protection: found by the store, which is run again. */
static void test_protection(void **state)
{
    struct rig *rig = *state;

    RIG_PROGRAM(rig, CODE, STR_X2_X1, LDR_X6_X1, HVC_0);
    rig_set(rig, 1, DATA + 8);
    rig_set(rig, 2, 0x1234);
    assert_done(hv_vm_protect(DATA, 16 * KIB, HV_MEMORY_READ | HV_MEMORY_EXEC));
    rig_set(rig, HV_REG_PC, CODE);
    rig_run(rig);
    assert_int_equal(rig->exit->exception.syndrome, FIELD_PUT(ESR_EC, EC_DABT_LOWER) | ESR_IL |
                                                        ISS_DABT_ISV | FIELD_PUT(ISS_DABT_SAS, 3) |
                                                        FIELD_PUT(ISS_DABT_SRT, 2) | ISS_DABT_SF |
                                                        ISS_DABT_WNR | DFSC_PERMISSION);
    assert_int_equal(rig->exit->exception.physical_address, DATA + 8);
    assert_int_equal(rig_get(rig, HV_REG_PC), CODE);
    assert_int_equal(load_le64(rig->ram + (DATA + 8 - RAM)), 0);
    assert_done(hv_vm_protect(DATA, 16 * KIB, RWX));
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_HVC64);
    assert_int_equal(rig_get(rig, 6), 0x1234);

    /* Again, after the page was written: no translation of before may serve. */
    assert_done(hv_vm_protect(DATA, 16 * KIB, HV_MEMORY_READ | HV_MEMORY_EXEC));
    rig_set(rig, HV_REG_PC, CODE);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_DABT_LOWER);

    /* An atomic operation on what may only be read writes; on what may not even be read it reads.
     */
    rig_one(rig, CODE + 0x7000, 0xf8228023); /* swp x2, x3, [x1] */
    assert_true(rig->exit->exception.syndrome & ISS_DABT_WNR);
    assert_done(hv_vm_protect(DATA, 16 * KIB, 0));
    rig_one(rig, CODE + 0x7000, 0xf8228023);
    assert_int_equal(rig->exit->exception.syndrome & (ISS_DABT_WNR | ISS_DABT_DFSC),
                     DFSC_PERMISSION);

    /* Neither may be executed what may not. */
    assert_done(hv_vm_protect(DATA, 16 * KIB, HV_MEMORY_READ | HV_MEMORY_WRITE));
    rig_set(rig, HV_REG_PC, DATA);
    rig_run(rig);
    assert_int_equal(rig->exit->exception.syndrome,
                     FIELD_PUT(ESR_EC, EC_IABT_LOWER) | ESR_IL | DFSC_PERMISSION);

    /* Nor that which may not any more. */
    rig_set(rig, HV_REG_PC, CODE + 8);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_HVC64);
    assert_done(hv_vm_protect(CODE, 16 * KIB, HV_MEMORY_READ | HV_MEMORY_WRITE));
    rig_set(rig, HV_REG_PC, CODE + 8);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_IABT_LOWER);
}

/* A store over the edge of two pages, the second of which is protected, writes nothing. */
static void test_store_over_an_edge(void **state)
{
    struct rig *rig = *state;
    uint64_t edge = DATA + 16 * KIB;

    assert_done(hv_vm_protect(edge, 16 * KIB, HV_MEMORY_READ | HV_MEMORY_EXEC));
    rig_set(rig, 1, edge - 8);
    rig_set(rig, 2, 0x55);
    rig_set(rig, 3, 0x66);
    rig_one(rig, next_code(), 0xa9000c22); /* stp x2, x3, [x1] */
    assert_int_equal(rig->exit->exception.physical_address, edge);
    assert_int_equal(load_le64(rig->ram + (edge - 8 - RAM)), 0);
}

/* Unmapping, and other memory at the same place. */
static void test_another_mapping(void **state)
{
    struct rig *rig = *state;
    uint8_t *other = rig_alloc(16 * KIB);
    static const uint32_t code[] = { 0xd4000022 }; /* hvc #1 */

    RIG_PROGRAM(rig, DATA, HVC_0);
    rig_set(rig, HV_REG_PC, DATA);
    rig_run(rig);
    assert_int_equal(rig->exit->exception.syndrome & ESR_ISS, 0);
    assert_done(hv_vm_unmap(DATA, 16 * KIB));
    rig_set(rig, HV_REG_PC, DATA);
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_IABT_LOWER);
    memcpy(other, code, sizeof(code));
    assert_done(hv_vm_map(other, DATA, 16 * KIB, RWX));
    rig_run(rig);
    assert_int_equal(rig_ec(rig), EC_HVC64);
    assert_int_equal(rig->exit->exception.syndrome & ESR_ISS, 1);
    assert_done(hv_vm_unmap(RAM, RAM_SIZE)); /* three mappings at once */
    munmap(other, 16 * KIB);
}

#define TEST(name)      cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
#define TEST_MMU(name)  cmocka_unit_test_setup_teardown(name, rig_setup_mmu, rig_teardown)
#define TEST_BARE(name) cmocka_unit_test_setup_teardown(name, setup_without_gic, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_syndromes_of_one_register),
        TEST(test_what_has_no_syndrome),
        TEST(test_cache_maintenance_of_nothing),
        TEST(test_fetch_from_nothing),
        TEST(test_walk_of_nothing),
        TEST(test_calls),
        TEST(test_traps_of_system_registers),
        TEST(test_what_does_not_trap),
        TEST_BARE(test_without_a_gic),
        TEST(test_debug_exceptions_on_demand),
        TEST(test_protection),
        TEST(test_store_over_an_edge),
        TEST(test_another_mapping),
        TEST_MMU(test_syndromes_of_one_register),
        TEST_MMU(test_what_has_no_syndrome),
        TEST_MMU(test_protection),
        TEST_MMU(test_store_over_an_edge),
        TEST_MMU(test_another_mapping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
