/* CPU model portable on a host whose ID registers are an array: which fields it lowers, and how. */
#include <stdio.h>

#include "arch/sysreg.h"
#include "base/log.h"
#include "cpu/idregs.h"
#include "hv/hv_idregs.h"
#include "unit/test.h"

#define PFR0  SYSREG(3, 0, 0, 4, 0)
#define ISAR0 SYSREG(3, 0, 0, 6, 0)
#define ISAR2 SYSREG(3, 0, 0, 6, 2)
#define MMFR0 SYSREG(3, 0, 0, 7, 0)

#define ISAR2_WFXT BITS(3, 0)
#define ISAR2_MOPS BITS(19, 16)

#define REGS 4

struct host {
    struct hv_idregs_vcpu vcpu;
    struct {
        uint32_t reg;
        uint64_t val, kept; /* kept: a write that changes any of these changes nothing */
    } regs[REGS];
    unsigned written;
    char logged[512];
};

static struct host *host_of(const struct hv_idregs_vcpu *vcpu)
{
    return container_of(vcpu, struct host, vcpu);
}

static bool get(const struct hv_idregs_vcpu *vcpu, uint32_t reg, uint64_t *ret_val)
{
    struct host *host = host_of(vcpu);

    for (unsigned i = 0; i < REGS; i++) {
        if (reg && host->regs[i].reg == reg) {
            *ret_val = host->regs[i].val;
            return true;
        }
    }
    return false;
}

static void set(const struct hv_idregs_vcpu *vcpu, uint32_t reg, uint64_t val)
{
    struct host *host = host_of(vcpu);

    host->written++;
    for (unsigned i = 0; i < REGS; i++) {
        if (host->regs[i].reg == reg && !((host->regs[i].val ^ val) & host->regs[i].kept))
            host->regs[i].val = val;
    }
}

static uint64_t writable(const struct hv_idregs_vcpu *vcpu, uint32_t reg)
{
    struct host *host = host_of(vcpu);

    for (unsigned i = 0; i < REGS; i++) {
        if (host->regs[i].reg == reg)
            return ~host->regs[i].kept;
    }
    return 0;
}

static void collect(void *ctx, enum log_level level, const char *area, const char *text)
{
    struct host *host = ctx;
    size_t used = strlen(host->logged);

    (void)level;
    (void)snprintf(host->logged + used, sizeof(host->logged) - used, "%s: %s\n", area, text);
}

static void lower(struct host *host)
{
    host->vcpu.engine = "test";
    host->vcpu.get = get;
    host->vcpu.set = set;
    log_set_level(LOG_DEBUG);
    log_set_sink(collect, host);
    hv_idregs_lower(&host->vcpu);
    log_set_sink(NULL, NULL);
    log_set_level(LOG_GUEST);
}

static void test_more_becomes_what_the_model_has(void **state)
{
    struct host host = { .regs = { { ISAR0, UINT64_MAX, 0 },
                                   { ISAR2, ISAR2_WFXT | ISAR2_MOPS, 0 },
                                   { MMFR0, UINT64_C(0x5), 0 } },
                         .vcpu = { .is_logged = true, .pa_range = 2 } };

    (void)state;
    lower(&host);
    assert_int_equal(host.regs[0].val, idregs_portable.isar0);
    assert_int_equal(host.regs[1].val, 0);
    assert_int_equal(host.regs[2].val & 0xf, 2); /* PARange */
    assert_int_equal(host.written, 3);           /* all fields at once */
    assert_string_equal(host.logged, "");
}

static void test_less_stays(void **state)
{
    struct host host = { .regs = { { ISAR0, 0, 0 }, { ISAR2, 0, 0 } } };

    (void)state;
    lower(&host);
    assert_int_equal(host.regs[0].val, 0);
    assert_int_equal(host.regs[1].val, 0);
    assert_int_equal(host.written, 0);
}

/* 0xf is less than 0 in some fields, and more in the others. */
static void test_signed_fields(void **state)
{
    struct host host = { .regs = { { PFR0, UINT64_C(0xff0011), 0 }, /* no FP, no AdvSIMD */
                                   { MMFR0, 0x01, 0 } }, /* TGran64 and TGran4: 0, there */
                         .vcpu = { .pa_range = 1 } };

    (void)state;
    lower(&host);
    assert_int_equal(host.regs[0].val & BITS(23, 16), 0xff0000);
    assert_int_equal(host.regs[1].val & BITS(27, 24), 0xf000000);
    assert_int_equal(host.regs[1].val & BITS(31, 28), 0);
}

/* The interface to the interrupt controller is the engine's, whatever the model says. */
static void test_fields_of_the_engine_stay(void **state)
{
    struct host host = { .regs = { { PFR0, UINT64_C(0x3000011), 0 } } };

    (void)state;
    lower(&host);
    assert_int_equal(host.regs[0].val & BITS(27, 24), 0x3000000);
}

/* One field that the host keeps saves no other. */
static void test_by_trying(void **state)
{
    struct host host = { .regs = { { ISAR2, ISAR2_WFXT | ISAR2_MOPS, ISAR2_MOPS } },
                         .vcpu = { .is_logged = true } };

    (void)state;
    lower(&host);
    assert_int_equal(host.regs[0].val, ISAR2_MOPS);
    assert_int_equal(host.written, 3); /* both, each */
    assert_string_equal(host.logged, "test: ID_AA64ISAR2_EL1: 0xf0000 of 0xf0000 cannot be lowered "
                                     "to CPU model portable\n");
}

/* What the host says that it keeps is not tried; only one vCPU's is logged. */
static void test_by_masks(void **state)
{
    struct host host = { .regs = { { ISAR2, ISAR2_WFXT | ISAR2_MOPS, ISAR2_MOPS } },
                         .vcpu = { .writable = writable } };

    (void)state;
    lower(&host);
    assert_int_equal(host.regs[0].val, ISAR2_MOPS);
    assert_int_equal(host.written, 1);
    assert_string_equal(host.logged, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_becomes_what_the_model_has),
        cmocka_unit_test(test_less_stays),
        cmocka_unit_test(test_signed_fields),
        cmocka_unit_test(test_fields_of_the_engine_stay),
        cmocka_unit_test(test_by_trying),
        cmocka_unit_test(test_by_masks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
