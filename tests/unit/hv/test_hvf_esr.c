/* Syndromes, exceptions to EL1 and the words for the framework's codes: pure functions. */
#include <Hypervisor/Hypervisor.h>

#include <errno.h>

#include "hv/hv_hvf_err.h"
#include "hv/hv_hvf_esr.h"
#include "unit/test.h"

static uint64_t dabt(unsigned size, bool sign, unsigned rt, bool to_64, bool write)
{
    return FIELD_PUT(ESR_EC, EC_DABT_LOWER) | ESR_IL | ISS_DABT_ISV |
           FIELD_PUT(ISS_DABT_SAS, (unsigned)__builtin_ctz(size)) | (sign ? ISS_DABT_SSE : 0) |
           FIELD_PUT(ISS_DABT_SRT, rt) | (to_64 ? ISS_DABT_SF : 0) | (write ? ISS_DABT_WNR : 0) | 7;
}

static void test_every_size_sign_and_width_of_a_load(void **state)
{
    static const struct {
        unsigned size;
        bool sign, to_64;
        uint64_t data, loaded;
    } loads[] = {
        { 1, false, false, 0x180, 0x80 },
        { 1, true, false, 0x80, 0xffffff80 },
        { 1, true, true, 0x80, 0xffffffffffffff80 },
        { 1, true, true, 0x7f, 0x7f },
        { 2, false, false, 0xf8000, 0x8000 },
        { 2, true, false, 0x8000, 0xffff8000 },
        { 2, true, true, 0x8000, 0xffffffffffff8000 },
        { 4, false, false, 0xf80000000, 0x80000000 },
        { 4, true, true, 0x80000000, 0xffffffff80000000 },
        { 8, false, true, 0x8000000000000001, 0x8000000000000001 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        struct hv_hvf_dabt abort =
            hv_hvf_esr_dabt(dabt(loads[i].size, loads[i].sign, 5, loads[i].to_64, false));

        assert_true(abort.is_valid && !abort.write && !abort.cache_op && !abort.in_walk);
        assert_int_equal(abort.size, loads[i].size);
        assert_int_equal(abort.rt, 5);
        assert_int_equal(abort.dfsc, 7);
        assert_int_equal(hv_hvf_esr_loaded(&abort, loads[i].data), loads[i].loaded);
    }
}

static void test_what_else_a_data_abort_says(void **state)
{
    struct hv_hvf_dabt abort = hv_hvf_esr_dabt(dabt(8, false, 31, true, true));

    (void)state;
    assert_true(abort.write);
    assert_int_equal(abort.rt, HV_HVF_ZR);
    abort = hv_hvf_esr_dabt(FIELD_PUT(ESR_EC, EC_DABT_LOWER) | ISS_DABT_CM | ISS_DABT_S1PTW | 0x0f);
    assert_true(!abort.is_valid && abort.cache_op && abort.in_walk && !abort.write);
    assert_int_equal(abort.dfsc, 0x0f);
}

/* The fields of the ISS stand in another order than those of the number. */
static void test_the_register_of_a_trapped_msr(void **state)
{
    static const struct {
        unsigned op0, op1, crn, crm, op2;
    } regs[] = { { 2, 0, 1, 0, 4 }, { 3, 3, 14, 15, 7 }, { 3, 0, 0, 7, 5 }, { 3, 7, 15, 1, 2 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
        uint64_t iss = (uint64_t)regs[i].op0 << 20 | regs[i].op2 << 17 | regs[i].op1 << 14 |
                       regs[i].crn << 10 | 9u << 5 | regs[i].crm << 1;
        struct hv_hvf_msr msr = hv_hvf_esr_msr(FIELD_PUT(ESR_EC, EC_SYSREG) | ESR_IL | iss);

        assert_int_equal(msr.id,
                         SYSREG(regs[i].op0, regs[i].op1, regs[i].crn, regs[i].crm, regs[i].op2));
        assert_int_equal(msr.rt, 9);
        assert_false(msr.read);
        assert_true(hv_hvf_esr_msr(iss | 1).read);
    }
}

static void test_exceptions_to_el1(void **state)
{
    enum { N = 1u << 31, PAN = 1 << 22, SS = 1 << 21, UAO = 1 << 23, DAIF = 0x3c0 };
    static const uint64_t span = BIT(23), dssbs = BIT(44);
    static const struct {
        uint64_t pstate, sctlr, vector, to;
    } cases[] = {
        { 0, span, 0x400, DAIF | 5 }, /* from EL0 */
        { 4, span, 0x000, DAIF | 5 }, /* from EL1 on SP_EL0 */
        { 5, span, 0x200, DAIF | 5 }, /* from EL1 */
        { N | 5 | SS | UAO, span, 0x200, N | DAIF | 5 } /* flags stay, SS and UAO do not */,
        { 5, 0, 0x200, PAN | DAIF | 5 },          /* SPAN = 0 sets PAN, */
        { 5 | PAN, span, 0x200, PAN | DAIF | 5 }, /* and nothing clears it */
        { 5, span | dssbs, 0x200, 0x1000 | DAIF | 5 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct hv_hvf_frame frame = hv_hvf_esr_frame(cases[i].pstate, 0x8000, cases[i].sctlr);

        assert_int_equal(frame.pc, 0x8000 + cases[i].vector);
        assert_int_equal(frame.pstate, cases[i].to);
    }
}

static void test_codes_are_named_with_their_call(void **state)
{
    static const struct {
        hv_return_t code;
        int number;
        const char *words;
    } codes[] = {
        { HV_ERROR, EIO, "hv_x(1): HV_ERROR (0xfae94001): " },
        { HV_BUSY, EBUSY, "HV_BUSY (0xfae94002): " },
        { HV_BAD_ARGUMENT, EINVAL, "HV_BAD_ARGUMENT (0xfae94003): " },
        { HV_ILLEGAL_GUEST_STATE, EIO, "HV_ILLEGAL_GUEST_STATE (0xfae94004): " },
        { HV_NO_RESOURCES, ENOMEM, "HV_NO_RESOURCES (0xfae94005): " },
        { HV_NO_DEVICE, ENODEV, "HV_NO_DEVICE (0xfae94006): " },
        { HV_DENIED, EACCES, "com.apple.security.hypervisor" },
        { HV_DENIED, EACCES, "tools/sign.sh" },
        { HV_EXISTS, EEXIST, "HV_EXISTS (0xfae94008): " },
        { HV_UNSUPPORTED, ENOTSUP, "kern.hv_support = 0" },
        { -5, EIO, "hv_x(1): error 0xfffffffb, which" },
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        assert_int_equal(hv_hvf_err_set(&err, codes[i].code, "hv_x(%d)", 1), -codes[i].number);
        assert_int_equal(err.code, codes[i].number);
        assert_non_null(strstr(err.msg, codes[i].words));
        assert_null(strchr(err.msg, '\n'));
    }
    assert_int_equal(hv_hvf_err_set(NULL, HV_DENIED, "hv_x"), -EACCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size_sign_and_width_of_a_load),
        cmocka_unit_test(test_what_else_a_data_abort_says),
        cmocka_unit_test(test_the_register_of_a_trapped_msr),
        cmocka_unit_test(test_exceptions_to_el1),
        cmocka_unit_test(test_codes_are_named_with_their_call),
    };

    return cmocka_run_group_tests_name("hvf_esr", tests, NULL, NULL);
}
