/* The doctor's checks of Linux, with files of ours in the place of the host's. */
#include "cli/doctor_os_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit/test.h"

#define PATH_LEN 128
#define NOBODY   65534 /* permissions mean nothing to root: be somebody else for a while */

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/ignition-test-XXXXXX");

    *state = folder;
    return folder && mkdtemp(folder) ? chmod(folder, 0755) : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_folder(void **state)
{
    int rc = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);

    free(*state);
    return rc;
}

/* Write a file of the folder, and its path to buf. */
static const char *put(const char *folder, const char *name, const char *text, char buf[PATH_LEN])
{
    int fd;

    snprintf(buf, PATH_LEN, "%s/%s", folder, name);
    fd = open(buf, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
    close(fd);
    return buf;
}

static void check_kvm(const char *path, const char *machine, enum doctor_verdict verdict,
                      const char *text, const char *way_out)
{
    struct doctor doctor = { 0 };

    doctor_os_kvm(&doctor, path, machine);
    assert_int_equal(doctor.count, 1);
    assert_int_equal(doctor.checks[0].verdict, verdict);
    assert_false(doctor.checks[0].stops);
    if (!strstr(doctor.checks[0].text, text) || !strstr(doctor.checks[0].way_out, way_out))
        fail_msg("\"%s\"; \"%s\"", doctor.checks[0].text, doctor.checks[0].way_out);
    doctor_fini(&doctor);
}

static void test_kvm_that_is_absent_or_something_else(void **state)
{
    char path[PATH_LEN];

    check_kvm("/no/such/kvm", "aarch64", DOCTOR_MISSING, "/no/such/kvm: No such file", "EL2");
    check_kvm("/no/such/kvm", "x86_64", DOCTOR_NOTE, "/no/such/kvm: No such file",
              "guests are arm64, this host is x86_64");
    put(*state, "file", "", path);
    check_kvm(path, "aarch64", DOCTOR_MISSING, "is not KVM", "");
    check_kvm("/dev/null", "aarch64", DOCTOR_MISSING, "is not KVM", "");
    /* Opening a FIFO does not wait, reading and writing neither. */
    snprintf(path, sizeof(path), "%s/fifo", (const char *)*state);
    assert_int_equal(mkfifo(path, 0600), 0);
    check_kvm(path, "aarch64", DOCTOR_MISSING, "is not KVM", "");
}

static void be_nobody(bool nobody)
{
    if (getuid() == 0)
        assert_int_equal(seteuid(nobody ? NOBODY : 0), 0);
}

static void test_kvm_without_permission(void **state)
{
    char path[PATH_LEN];

    put(*state, "kvm", "", path);
    /* Root's own group must not be the one that may. */
    if (getuid() == 0)
        assert_int_equal(chown(path, 0, 1), 0);
    assert_int_equal(chmod(path, 0020), 0);
    be_nobody(true);
    check_kvm(path, "aarch64", DOCTOR_MISSING, "no permission (mode 020, group ",
              "join the group: usermod -aG ");
    check_kvm(path, "x86_64", DOCTOR_NOTE, "no permission (mode 020, group ", "usermod -aG ");
    be_nobody(false);
    assert_int_equal(chmod(path, 0), 0);
    be_nobody(true);
    check_kvm(path, "aarch64", DOCTOR_MISSING, "(mode 000, group ", "administrator");
    be_nobody(false);
}

static void test_huge_pages(void **state)
{
    static const struct {
        const char *content;
        enum doctor_verdict verdict;
        const char *text, *way_out;
    } rows[] = {
        { "[always] madvise never\n", DOCTOR_OK, "mode always;", "" },
        { "always [madvise] never\n", DOCTOR_OK, "mode madvise;", "" },
        { "always madvise [never]\n", DOCTOR_NOTE, "mode never", "as root: echo madvise >" },
        { "", DOCTOR_NOTE, "no transparent", "slower" },
        { "[", DOCTOR_NOTE, "no transparent", "slower" },
        { "] [x", DOCTOR_NOTE, "no transparent", "slower" },
    };
    struct doctor doctor = { 0 };
    char path[PATH_LEN];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        doctor_os_huge_pages(&doctor, put(*state, "thp", rows[i].content, path));
        assert_int_equal(doctor.checks[0].verdict, rows[i].verdict);
        assert_non_null(strstr(doctor.checks[0].text, rows[i].text));
        assert_non_null(strstr(doctor.checks[0].way_out, rows[i].way_out));
        doctor_fini(&doctor);
    }
    doctor_os_huge_pages(&doctor, "/no/such/file");
    assert_non_null(strstr(doctor.checks[0].text, "no transparent"));
    doctor_fini(&doctor);
}

static void test_meminfo(void **state)
{
    static const char *const bad[] = {
        "",
        "MemTotal: 1 kB\n",
        "MemAvailable: 1 kB\n",
        "MemTotal: x kB\nMemAvailable: 1 kB\n",
        "MemTotal: 1 kB\nMemAvailable:\n",
    };
    struct doctor_os_memory memory;

    (void)state;
    assert_int_equal(doctor_os_meminfo("MemTotal:       24684084 kB\nMemFree:  1 kB\n"
                                       "MemAvailable:   24000000 kB\n",
                                       &memory),
                     0);
    assert_int_equal(memory.total, UINT64_C(24684084) * 1024);
    assert_int_equal(memory.available, UINT64_C(24000000) * 1024);
    assert_int_equal(memory.limit, UINT64_MAX);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(doctor_os_meminfo(bad[i], &memory), -EINVAL);
}

static void test_the_least_limit_of_the_groups_above(void **state)
{
    const char *root = *state;
    char path[PATH_LEN];

    assert_int_equal(doctor_os_group_limit(root, "/a/bc"), UINT64_MAX); /* none is there */
    snprintf(path, sizeof(path), "%s/a", root);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/a/bc", root);
    assert_int_equal(mkdir(path, 0755), 0);
    put(root, "a/bc/memory.max", "max\n", path);
    assert_int_equal(doctor_os_group_limit(root, "/a/bc"), UINT64_MAX);
    put(root, "a/memory.max", "1000\n", path);
    assert_int_equal(doctor_os_group_limit(root, "/a/bc"), 1000);
    put(root, "a/bc/memory.max", "2000\n", path);
    assert_int_equal(doctor_os_group_limit(root, "/a/bc"), 1000);
    put(root, "a/bc/memory.max", "500\n", path);
    assert_int_equal(doctor_os_group_limit(root, "/a/bc"), 500);
    put(root, "memory.max", "7\n", path);
    assert_int_equal(doctor_os_group_limit(root, "/a/bc"), 7);
    assert_int_equal(doctor_os_group_limit(root, "/"), 7);
    assert_int_equal(doctor_os_group_limit(root, ""), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kvm_that_is_absent_or_something_else, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_kvm_without_permission, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_huge_pages, make_folder, remove_folder),
        cmocka_unit_test(test_meminfo),
        cmocka_unit_test_setup_teardown(test_the_least_limit_of_the_groups_above, make_folder,
                                        remove_folder),
    };

    return cmocka_run_group_tests_name("doctor_linux", tests, NULL, NULL);
}
