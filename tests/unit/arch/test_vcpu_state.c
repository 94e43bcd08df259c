/* The saved form of vCPUs and the interrupt controller: round trips, refusals, golden files. */
#include "arch/vcpu_state.h"

#include <errno.h>
#include <stdlib.h>

#include "unit/golden.h"
#include "unit/test.h"

/* A different value in every word, so that two swapped fields are seen. */
static void fill(void *obj, size_t len, uint32_t seed)
{
    uint8_t *bytes = obj;

    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

/* Structs have padding: start from zeroes, so that whole objects can be compared. */
static struct vcpu_state *new_vcpu(void)
{
    struct vcpu_state *vcpu = calloc(1, sizeof(*vcpu));

    fill(vcpu, offsetof(struct vcpu_state, power), 1);
    vcpu->os_lock = 1;
    vcpu->dbgclaim = 0xa5;
    vcpu->power = VCPU_OFF;
    return vcpu;
}

static struct gic_state *new_gic(void)
{
    struct gic_state *gic = calloc(1, sizeof(*gic));

    fill(gic, sizeof(*gic), 2);
    gic->vcpus = 3;
    return gic;
}

static void test_every_vcpu_register_survives(void **state)
{
    struct vcpu_state *vcpu = new_vcpu(), *back = calloc(1, sizeof(*back));
    struct state_buf buf = { 0 };

    (void)state;
    state_save(&buf, &vcpu_state_desc, vcpu, "0");
    assert_false(buf.failed);
    assert_int_equal(state_load(buf.data, buf.len, &vcpu_state_desc, back, "0", NULL), 0);
    assert_memory_equal(back, vcpu, offsetof(struct vcpu_state, power));
    assert_int_equal(back->power, VCPU_OFF);
    assert_int_equal(back->dbgclaim, 0xa5);
    state_buf_fini(&buf);
    free(vcpu);
    free(back);
}

static void test_every_controller_register_survives(void **state)
{
    struct gic_state *gic = new_gic(), *back = calloc(1, sizeof(*back));
    struct state_buf buf = { 0 };

    (void)state;
    state_save(&buf, &gic_state_desc, gic, "");
    assert_int_equal(state_load(buf.data, buf.len, &gic_state_desc, back, "", NULL), 0);
    assert_int_equal(back->ctlr, gic->ctlr);
    assert_int_equal(back->vcpus, 3);
#define SAME(f) assert_memory_equal(back->f, gic->f, sizeof(gic->f))
    SAME(group);
    SAME(enabled);
    SAME(pending_latch);
    SAME(active);
    SAME(line_level);
    SAME(edge);
    SAME(priority);
    SAME(irouter);
    SAME(redist);
#undef SAME
    state_buf_fini(&buf);
    free(gic);
    free(back);
}

static void test_values_no_machine_has_are_refused(void **state)
{
    struct vcpu_state *vcpu = new_vcpu();
    struct gic_state *gic = new_gic();
    static const uint32_t bad_counts[] = { 0, MAP_VCPUS_MAX + 1, UINT32_MAX };
    struct state_buf buf = { 0 };
    struct err err = { 0 };

    (void)state;
    vcpu->power = 2;
    state_save(&buf, &vcpu_state_desc, vcpu, "");
    assert_err(state_load(buf.data, buf.len, &vcpu_state_desc, vcpu, "", &err), EINVAL, err,
               "vcpu: power=2 is not a power state");
    state_buf_fini(&buf);
    vcpu->power = VCPU_ON;
    vcpu->os_lock = 2;
    state_save(&buf, &vcpu_state_desc, vcpu, "");
    assert_err(state_load(buf.data, buf.len, &vcpu_state_desc, vcpu, "", &err), EINVAL, err,
               "vcpu: os_lock=2 out of range");
    state_buf_fini(&buf);
    vcpu->os_lock = 1;
    vcpu->dbgclaim = 0x100;
    state_save(&buf, &vcpu_state_desc, vcpu, "");
    assert_err(state_load(buf.data, buf.len, &vcpu_state_desc, vcpu, "", &err), EINVAL, err,
               "vcpu: dbgclaim=0x100 is more than 8 tags");
    state_buf_fini(&buf);
    for (size_t i = 0; i < ARRAY_LEN(bad_counts); i++) {
        gic->vcpus = bad_counts[i];
        state_save(&buf, &gic_state_desc, gic, "");
        assert_int_equal(state_load(buf.data, buf.len, &gic_state_desc, gic, "", &err), -EINVAL);
        assert_non_null(strstr(err.msg, "vCPUs, not 1 to 64"));
        state_buf_fini(&buf);
    }
    free(vcpu);
    free(gic);
}

static void test_reset_states_survive(void **state)
{
    struct vcpu_state vcpu, vcpu_back;
    struct gic_state *gic = calloc(1, sizeof(*gic)), *gic_back = calloc(1, sizeof(*gic_back));
    struct state_buf buf = { 0 };

    (void)state;
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&vcpu_back, 0, sizeof(vcpu_back));
    vcpu_state_reset(&vcpu);
    gic_state_reset(gic, MAP_VCPUS_MAX);
    assert_int_equal(vcpu.pstate, 0x3c5);
    state_save(&buf, &vcpu_state_desc, &vcpu, "0");
    state_save(&buf, &gic_state_desc, gic, "");
    assert_int_equal(state_load(buf.data, buf.len, &gic_state_desc, gic_back, "", NULL), 0);
    assert_int_equal(state_load(buf.data, buf.len, &vcpu_state_desc, &vcpu_back, "0", NULL), 0);
    assert_memory_equal(vcpu_back.x, vcpu.x, sizeof(vcpu.x));
    assert_int_equal(vcpu_back.sctlr_el1, vcpu.sctlr_el1);
    assert_int_equal(gic_back->vcpus, MAP_VCPUS_MAX);
    assert_int_equal(gic_back->redist[63].edge, 0xffff);
    state_buf_fini(&buf);
    free(gic);
    free(gic_back);
}

static void load_golden(const char *name, uint64_t dbgclaim)
{
    struct vcpu_state *vcpu = new_vcpu(), *vcpu_back = calloc(1, sizeof(*vcpu_back));
    struct gic_state *gic = new_gic(), *gic_back = calloc(1, sizeof(*gic_back));
    struct state_buf buf = { 0 };
    size_t len;
    void *data;

    vcpu_back->dbgclaim = 0x11;
    state_save(&buf, &vcpu_state_desc, vcpu, "0");
    state_save(&buf, &gic_state_desc, gic, "");
    golden_read(name, &buf, &data, &len);
    assert_int_equal(state_load(data, len, &vcpu_state_desc, vcpu_back, "0", NULL), 0);
    assert_memory_equal(vcpu_back, vcpu, offsetof(struct vcpu_state, power));
    assert_int_equal(vcpu_back->dbgclaim, dbgclaim);
    assert_int_equal(state_load(data, len, &gic_state_desc, gic_back, "", NULL), 0);
    assert_memory_equal(gic_back->irouter, gic->irouter, sizeof(gic->irouter));
    assert_memory_equal(gic_back->redist, gic->redist, sizeof(gic->redist));
    free(data);
    state_buf_fini(&buf);
    free(vcpu);
    free(vcpu_back);
    free(gic);
    free(gic_back);
}

static void test_golden_files_of_every_version_load(void **state)
{
    (void)state;
    load_golden("arch_v1.cbor", 0);
    load_golden("arch_v2.cbor", 0xa5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vcpu_register_survives),
        cmocka_unit_test(test_every_controller_register_survives),
        cmocka_unit_test(test_values_no_machine_has_are_refused),
        cmocka_unit_test(test_reset_states_survive),
        cmocka_unit_test(test_golden_files_of_every_version_load),
    };

    return cmocka_run_group_tests_name("vcpu_state", tests, NULL, NULL);
}
