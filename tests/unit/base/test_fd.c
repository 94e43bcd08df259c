/* Descriptors: whole transfers, flags, pairs, and files that are not what they should be. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/thread.h"
#include "unit/test.h"

static char dir[64];

static int setup_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/ign-test-fd-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static const char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void make_file(const char *path, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
    close(fd);
}

static void test_close_keeps_errno_and_ignores_nothing(void **state)
{
    int fd = open("/dev/null", O_RDONLY);

    (void)state;
    errno = ENOENT;
    fd_close(-1);
    fd_close(9999); /* not open: close fails, errno stays */
    fd_closep(&fd);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

#define BIG (1 * (size_t)MIB) /* more than a socket buffer: short counts on both sides */

struct writer {
    int fd, rc;
    uint8_t *data;
};

static void write_big(void *arg)
{
    struct writer *writer = arg;

    writer->rc = fd_write_full(writer->fd, writer->data, BIG);
    close(writer->fd);
}

static void test_whole_transfers_survive_short_counts(void **state)
{
    struct writer writer = { .data = malloc(BIG) };
    uint8_t *got = malloc(BIG), extra;
    struct thread thread;
    int fds[2];

    (void)state;
    for (size_t i = 0; i < BIG; i++)
        writer.data[i] = (uint8_t)(i * 7 >> 3);
    assert_int_equal(fd_socketpair(fds), 0);
    writer.fd = fds[1];
    assert_int_equal(thread_start(&thread, "writer", write_big, &writer), 0);
    assert_int_equal(fd_read_full(fds[0], got, BIG), 0);
    thread_join(&thread);
    assert_int_equal(writer.rc, 0);
    assert_memory_equal(got, writer.data, BIG);
    assert_int_equal(fd_read_full(fds[0], &extra, 1), -ENODATA);
    close(fds[0]);
    free(writer.data);
    free(got);
}

static void test_positioned_transfers(void **state)
{
    const char *path = in_dir("pos");
    uint8_t buf[8] = { 0 };
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    unlink(path);
    assert_int_equal(fd_pwrite_full(fd, "abcdefgh", 8, 4096), 0);
    assert_int_equal(fd_pread_full(fd, buf, 8, 4096), 0);
    assert_memory_equal(buf, "abcdefgh", 8);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0); /* the position did not move */
    assert_int_equal(fd_pread_full(fd, buf, 8, 4097), -ENODATA);
    assert_int_equal(fd_pread_full(fd, buf, 0, 9999), 0);
    assert_int_equal(fd_pread_full(fd, buf, 8, -1), -EINVAL);
    assert_int_equal(fd_pwrite_full(fd, buf, 8, -1), -EINVAL);
    close(fd);
}

static void test_transfer_errors_are_codes(void **state)
{
    uint8_t byte = 0;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(fd_read_full(-1, &byte, 1), -EBADF);
    assert_int_equal(fd_write_full(fd, &byte, 1), -EBADF);
    assert_int_equal(fd_read_full(fd, &byte, 1), -ENODATA);
    assert_int_equal(fd_read_full(fd, NULL, 0), 0);
    close(fd);
}

static void test_flags(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(fd_socketpair(fds), 0);
    assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fd_set_cloexec(fds[0], false), 0);
    assert_false(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fd_set_nonblock(fds[0], true), 0);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(fd_set_nonblock(fds[0], false), 0);
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(fd_set_nonblock(fds[0], true), -EBADF);
    assert_int_equal(fd_set_cloexec(fds[0], true), -EBADF);
}

static void test_read_file_returns_all_of_it(void **state)
{
    const char *path = in_dir("file");
    struct err err = { 0 };
    void *data = NULL;
    size_t len = 1;

    (void)state;
    make_file(path, 0);
    assert_int_equal(fd_read_file(path, 10, &data, &len, &err), 0);
    assert_non_null(data);
    assert_int_equal(len, 0);
    free(data);
    make_file(path, 10);
    assert_int_equal(fd_read_file(path, 10, &data, &len, &err), 0);
    assert_int_equal(len, 10);
    assert_memory_equal(data, "\0\0\0\0\0\0\0\0\0\0", 10);
    free(data);
    unlink(path);
}

static void test_read_file_refuses_in_one_sentence(void **state)
{
    struct err err = { 0 };
    void *data = (void *)1;
    size_t len = 77;
    char want[256];
    const char *path = in_dir("odd");

    (void)state;
    snprintf(want, sizeof(want), "open %s: No such file or directory", path);
    assert_err(fd_read_file(path, 10, &data, &len, &err), ENOENT, err, want);
    make_file(path, 11);
    snprintf(want, sizeof(want), "%s: 11 bytes, more than the 10 that fit", path);
    assert_err(fd_read_file(path, 10, &data, &len, &err), EFBIG, err, want);
    unlink(path);
    /* A FIFO without a writer must not be waited for. */
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(want, sizeof(want), "%s: not a regular file", path);
    assert_err(fd_read_file(path, 10, &data, &len, &err), EINVAL, err, want);
    unlink(path);
    snprintf(want, sizeof(want), "%s: not a regular file", dir);
    assert_err(fd_read_file(dir, 10, &data, &len, &err), EINVAL, err, want);
    assert_int_equal(fd_read_file(dir, 10, &data, &len, NULL), -EINVAL);
    assert_ptr_equal(data, (void *)1); /* written only on success */
    assert_int_equal(len, 77);
}

static void test_a_file_without_a_name(void **state)
{
    char buf[4] = "";
    struct err err;
    struct stat st;
    int fd;

    setenv("TMPDIR", dir, 1);
    fd = fd_temp(&err);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_nlink, 0);
    assert_int_equal(st.st_size, 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fd_pwrite_full(fd, "abc", 4, 0), 0);
    assert_int_equal(fd_pread_full(fd, buf, 4, 0), 0);
    assert_string_equal(buf, "abc");
    close(fd);
    setenv("TMPDIR", "/nowhere/at/all", 1);
    assert_err(fd_temp(&err), ENOENT, err,
               "temporary file in /nowhere/at/all (set TMPDIR to another folder): No such file or "
               "directory");
    unsetenv("TMPDIR");
    fd = fd_temp(&err);
    assert_true(fd >= 0);
    close(fd);
}

static void test_a_file_that_may_have_to_be_made(void **state)
{
    char path[300];
    struct stat st;
    bool made;
    int fd;

    snprintf(path, sizeof(path), "%s/made", dir);
    fd = fd_open_or_make(path, &made);
    assert_true(fd >= 0 && made);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    fd = fd_open_or_make(path, &made);
    assert_true(fd >= 0 && !made);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("nowhere/at/all", path), 0);
    assert_int_equal(fd_open_or_make(path, &made), -1);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fd_open_or_make("/nowhere/at/all", &made), -1);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_keeps_errno_and_ignores_nothing),
        cmocka_unit_test(test_whole_transfers_survive_short_counts),
        cmocka_unit_test(test_positioned_transfers),
        cmocka_unit_test(test_transfer_errors_are_codes),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_read_file_returns_all_of_it),
        cmocka_unit_test(test_read_file_refuses_in_one_sentence),
        cmocka_unit_test(test_a_file_without_a_name),
        cmocka_unit_test(test_a_file_that_may_have_to_be_made),
    };

    return cmocka_run_group_tests_name("fd", tests, setup_dir, teardown_dir);
}
