/* What the doctor says of a Mac that can run guests, and of those that cannot. */
#include "cli/doctor_hvf.h"

#include "unit/test.h"

static const struct doctor_check *find(const struct doctor *doctor, const char *name)
{
    for (unsigned i = 0; i < doctor->count; i++)
        if (!strcmp(doctor->checks[i].name, name))
            return &doctor->checks[i];
    fail_msg("no check %s", name);
    return NULL;
}

static void test_words(void **state)
{
    static const struct {
        struct doctor_hvf_host host;
        const char *name;
        enum doctor_verdict verdict;
        const char *words, *way_out;
    } rows[] = {
        { { "15.0", 1, 1 }, "macos", DOCTOR_OK, "version 15.0", "" },
        { { "26.4.1", 1, 1 }, "macos", DOCTOR_OK, "version 26.4.1", "" },
        { { "14.7.2", 1, 1 },
          "macos",
          DOCTOR_MISSING,
          "version 14.7.2: before 15",
          "update macOS" },
        { { "", 1, 1 }, "macos", DOCTOR_NOTE, "does not tell its version", "" },
        { { "x", 1, 1 }, "macos", DOCTOR_NOTE, "does not tell its version", "" },
        { { "15.0", 1, 1 }, "hypervisor", DOCTOR_OK, "kern.hv_support is 1", "" },
        { { "15.0", 0, 1 }, "hypervisor", DOCTOR_MISSING, "HV_UNSUPPORTED", "nested virtual" },
        { { "15.0", 0, 1 }, "hypervisor", DOCTOR_MISSING, "kern.hv_support is 0", "--accel soft" },
        { { "15.0", -1, 1 }, "hypervisor", DOCTOR_NOTE, "kern.hv_support", "" },
        { { "15.0", 1, 1 }, "entitlement", DOCTOR_OK, "com.apple.security.hypervisor", "" },
        { { "15.0", 1, 0 }, "entitlement", DOCTOR_MISSING, "HV_DENIED", "tools/sign.sh PROGRAM" },
        { { "15.0", 1, -1 }, "entitlement", DOCTOR_NOTE, "does not tell", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct doctor doctor = { 0 };
        const struct doctor_check *check;

        doctor_hvf_add(&doctor, &rows[i].host);
        assert_int_equal(doctor.count, 3);
        check = find(&doctor, rows[i].name);
        assert_int_equal(check->verdict, rows[i].verdict);
        assert_non_null(strstr(check->text, rows[i].words));
        assert_non_null(strstr(check->way_out, rows[i].way_out));
        assert_int_equal(*check->way_out != '\0', rows[i].verdict == DOCTOR_MISSING);
        assert_true(strlen(check->text) < DOCTOR_TEXT_MAX - 1); /* nothing is cut */
        assert_null(doctor_stopper(&doctor));                   /* there is the software CPU */
        doctor_fini(&doctor);
    }
}

/* A blob with this text; len is what its header says. */
static bool entitled(const char *text, uint32_t magic, size_t len)
{
    char blob[512] = { 0 };

    for (unsigned i = 0; i < 4; i++) {
        blob[i] = (char)(magic >> (24 - 8 * i));
        blob[4 + i] = (char)(len >> (24 - 8 * i));
    }
    memcpy(blob + 8, text, strlen(text));
    return doctor_hvf_entitled(blob, sizeof(blob));
}

static void test_entitlements(void **state)
{
#define KEY   "<key>com.apple.security.hypervisor</key>"
#define MAGIC 0xfade7171
    static const char good[] = "<plist><dict>" KEY "\n\t<true/></dict></plist>";
    static const char *const bad[] = {
        "",
        "<plist><dict></dict></plist>",
        "<plist><dict>" KEY "<false/></dict></plist>",
        "<key>com.apple.security.hypervisor2</key><true/>",
        "<key>com.apple.vm.networking</key><true/>" KEY,
        KEY "   ",
    };
    const uint8_t zeros[8] = { 0 };

    (void)state;
    assert_true(entitled(good, MAGIC, 8 + strlen(good)));
    assert_false(entitled(good, MAGIC + 1, 8 + strlen(good)));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(entitled(bad[i], MAGIC, 8 + strlen(bad[i])));
    /* Lengths that lie; none of them is believed beyond the buffer. */
    for (size_t len = 0; len < 8 + strlen(good) - strlen("</dict></plist>"); len++)
        assert_false(entitled(good, MAGIC, len));
    assert_false(entitled(good, MAGIC, 513));
    assert_false(entitled(good, MAGIC, UINT32_MAX));
    /* What the kernel gives for a program without entitlements, and nothing at all. */
    assert_false(doctor_hvf_entitled(zeros, sizeof(zeros)));
    assert_false(doctor_hvf_entitled(zeros, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_entitlements),
    };

    return cmocka_run_group_tests_name("doctor_hvf", tests, NULL, NULL);
}
