/* The doctor: its list in columns and as JSON, and its checks of a host that lacks something. */
#include "cli/doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/doctor_host.h"
#include "cli/doctor_os.h"
#include "unit/test.h"

static void test_columns(void **state)
{
    struct doctor doctor = { 0 };
    struct doctor_check *check;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    doctor_add(&doctor, "one", DOCTOR_OK, "%d is fine", 1);
    check = doctor_add(&doctor, "longer-name", DOCTOR_MISSING, "is not there");
    doctor_way_out(check, "do %s", "this");
    doctor_add(&doctor, "two", DOCTOR_NOTE, "is odd");
    doctor_print(&doctor, out);
    fclose(out);
    assert_string_equal(text, "  ok       one          1 is fine\n"
                              "  missing  longer name  is not there; do this\n"
                              "  note     two          is odd\n");
    free(text);
    doctor_fini(&doctor);
}

static void test_json(void **state)
{
    struct doctor doctor = { 0 };
    struct doctor_check *check;
    json_t *list;
    char *text;

    (void)state;
    check = doctor_add(&doctor, "a-b", DOCTOR_NOTE, "odd: \xff");
    doctor_way_out(check, "do this");
    doctor_fact(check, "n", json_integer(7));
    doctor_add(&doctor, "c", DOCTOR_OK, "fine");
    list = doctor_json(&doctor);
    text = json_dumps(list, 0);
    assert_string_equal(
        text, "[{\"name\": \"a-b\", \"verdict\": \"note\", \"text\": \"odd: \xef\xbf\xbd\", "
              "\"way_out\": \"do this\", \"facts\": {\"n\": 7}}, "
              "{\"name\": \"c\", \"verdict\": \"ok\", \"text\": \"fine\", "
              "\"way_out\": null, \"facts\": {}}]");
    free(text);
    json_decref(list);
    doctor_fini(&doctor);
}

static void test_the_first_that_stops(void **state)
{
    struct doctor doctor = { 0 };

    (void)state;
    doctor_add(&doctor, "a", DOCTOR_MISSING, "x");
    assert_null(doctor_stopper(&doctor));
    doctor_add(&doctor, "b", DOCTOR_MISSING, "x")->stops = true;
    doctor_add(&doctor, "c", DOCTOR_MISSING, "x")->stops = true;
    assert_string_equal(doctor_stopper(&doctor)->name, "b");
    doctor_fini(&doctor);
}

static void test_temporary_folder(void **state)
{
    static const struct {
        const char *folder, *words;
    } rows[] = {
        { "/no/such/folder", "No such file or directory; disks with overlay need one" },
        { "/dev/null", "Not a directory" },
        { "", "/tmp: " }, /* as if it were not set */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct doctor doctor = { 0 };
        setenv("TMPDIR", rows[i].folder, 1);
        doctor_host_temp(&doctor);
        assert_int_equal(doctor.count, 1);
        assert_non_null(strstr(doctor.checks[0].text, rows[i].words));
        assert_false(doctor.checks[0].stops);
        if (*rows[i].folder) {
            assert_int_equal(doctor.checks[0].verdict, DOCTOR_MISSING);
            assert_string_equal(doctor.checks[0].way_out, "set TMPDIR to another folder");
        }
        doctor_fini(&doctor);
    }
    unsetenv("TMPDIR");
}

static void test_open_files(void **state)
{
    static const struct {
        rlim_t limit;
        enum doctor_verdict verdict;
        bool stops;
    } rows[] = {
        { 15, DOCTOR_MISSING, true },
        { 16, DOCTOR_NOTE, false },
        { 63, DOCTOR_NOTE, false },
        { 64, DOCTOR_OK, false },
    };
    struct rlimit saved, limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct doctor doctor = { 0 };
        limit = saved;
        limit.rlim_cur = rows[i].limit;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        doctor_host_files(&doctor);
        assert_int_equal(doctor.checks[0].verdict, rows[i].verdict);
        assert_int_equal(doctor.checks[0].stops, rows[i].stops);
        assert_int_equal(*doctor.checks[0].way_out != '\0', rows[i].verdict != DOCTOR_OK);
        doctor_fini(&doctor);
    }
    setrlimit(RLIMIT_NOFILE, &saved);
}

static void test_terminal_that_is_none(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct doctor doctor = { 0 };

    (void)state;
    doctor_host_terminal(&doctor, fd);
    assert_int_equal(doctor.checks[0].verdict, DOCTOR_NOTE);
    assert_false(json_is_true(json_object_get(doctor.checks[0].facts, "tty")));
    doctor_fini(&doctor);
    close(fd);
}

static void test_this_host(void **state)
{
    struct doctor doctor = { 0 };
    struct doctor_os_memory memory;

    (void)state;
    assert_int_equal(doctor_os_memory(&memory), 0);
    assert_in_range(memory.available, 1, memory.total);
    assert_true(doctor_os_cores() >= 1);
    doctor_host_memory(&doctor);
    doctor_host_cores(&doctor);
    doctor_os_add(&doctor);
    for (unsigned i = 0; i < doctor.count; i++) {
        assert_true(*doctor.checks[i].text != '\0');
        assert_null(strchr(doctor.checks[i].text, '\n'));
    }
    doctor_fini(&doctor);
}

static void test_sizes(void **state)
{
    char buf[DOCTOR_SIZE_MAX];

    (void)state;
    assert_string_equal(doctor_size(0, buf), "0.0 MiB");
    assert_string_equal(doctor_size(1536 * KIB, buf), "1.5 MiB");
    assert_string_equal(doctor_size(GIB * 5 / 2, buf), "2.5 GiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_the_first_that_stops),
        cmocka_unit_test(test_temporary_folder),
        cmocka_unit_test(test_open_files),
        cmocka_unit_test(test_terminal_that_is_none),
        cmocka_unit_test(test_this_host),
        cmocka_unit_test(test_sizes),
    };

    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
