/* A raw image: what is refused at opening, whole reads and writes, errors of the host. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "block/disk.h"

/*
 * A host that is slow on purpose, in place of the C library's: at most `dribble` bytes a call, and
 * an interrupted call before each. 0 moves the first segment whole.
 */
static size_t dribble;
static bool interrupted;

/* A host that takes no more than INT_MAX bytes a call, as macOS; nothing is moved. */
static bool int_max;
static uint64_t int_max_at; /* where the next call must go on */

static size_t part_of(const struct iovec *iov)
{
    return dribble && dribble < iov->iov_len ? dribble : iov->iov_len;
}

static bool interrupt(void)
{
    interrupted = dribble && !interrupted;
    errno = EINTR;
    return interrupted;
}

/* An empty segment ends nothing: the C library would go on to the next. */
static const struct iovec *first_of(const struct iovec *iov, int count)
{
    while (count > 1 && !iov->iov_len) {
        iov++;
        count--;
    }
    return iov;
}

static ssize_t move_int_max(const struct iovec *iov, int count, off_t off)
{
    size_t len = 0;

    for (int i = 0; i < count; i++)
        len += iov[i].iov_len;
    if (len > INT_MAX || (uint64_t)off != int_max_at) {
        errno = EINVAL;
        return -1;
    }
    int_max_at += len;
    return (ssize_t)len;
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t off)
{
    if (int_max)
        return move_int_max(iov, count, off);
    iov = first_of(iov, count);
    return interrupt() ? -1 : pread(fd, iov->iov_base, part_of(iov), off);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
    if (int_max)
        return move_int_max(iov, count, off);
    iov = first_of(iov, count);
    return interrupt() ? -1 : pwrite(fd, iov->iov_base, part_of(iov), off);
}

struct image {
    char path[64];
    int fd;
};

static void image_make(struct image *image, off_t bytes)
{
    snprintf(image->path, sizeof(image->path), "%s/ignition-disk-XXXXXX", P_tmpdir);
    image->fd = mkstemp(image->path);
    assert_true(image->fd >= 0);
    assert_int_equal(ftruncate(image->fd, bytes), 0);
}

static void image_drop(struct image *image)
{
    close(image->fd);
    unlink(image->path);
}

static struct disk *must_open(int fd, bool read_only)
{
    struct disk *disk = NULL;
    struct err err;

    if (disk_open_fd(fd, "web.img", read_only, &disk, &err) < 0)
        fail_msg("%s", err.msg);
    return disk;
}

static void assert_refused(int fd, bool read_only, int rc, const char *msg)
{
    struct disk *disk = NULL;
    struct err err;

    assert_int_equal(disk_open_fd(fd, "web.img", read_only, &disk, &err), rc);
    assert_string_equal(err.msg, msg);
    assert_null(disk);
}

static void test_what_is_refused(void **state)
{
    struct image image;
    int fds[2], fd;

    image_make(&image, 1000);
    assert_refused(image.fd, false, -EINVAL,
                   "disk web.img: 1000 bytes is not a multiple of 512; grow it with truncate -s "
                   "%512");
    assert_int_equal(ftruncate(image.fd, 0), 0);
    assert_refused(image.fd, false, -EINVAL,
                   "disk web.img: image is empty; make it with truncate -s SIZE");
    assert_int_equal(ftruncate(image.fd, 512), 0);
    fd = open(image.path, O_RDONLY);
    assert_refused(fd, false, -EROFS,
                   "disk web.img: not open for writing; attach it read-only (,ro)");
    close(fd);
    assert_int_equal(pipe(fds), 0);
    assert_refused(fds[0], true, -EINVAL,
                   "disk web.img: neither a regular file nor a block device");
    close(fds[0]);
    close(fds[1]);
    fd = open(P_tmpdir, O_RDONLY);
    assert_refused(fd, true, -EINVAL, "disk web.img: neither a regular file nor a block device");
    close(fd);
    assert_refused(-1, true, -EBADF, "disk web.img: Bad file descriptor");
    image_drop(&image);
    disk_close(NULL);
}

static void test_one_writer_or_many_readers(void **state)
{
    static const char busy[] =
        "disk web.img: in use by another machine; end that, use a copy, or attach it "
        "read-only (,ro) everywhere";
    struct disk *first, *second;
    struct image image;
    int other;

    image_make(&image, 4096);
    other = open(image.path, O_RDWR);
    first = must_open(image.fd, false);
    assert_refused(other, false, -EBUSY, busy);
    assert_refused(other, true, -EBUSY, busy);
    disk_close(first); /* gives the lock back while the descriptor stays open */
    first = must_open(image.fd, true);
    second = must_open(other, true);
    disk_close(second);
    assert_refused(other, false, -EBUSY, busy);
    disk_close(first);
    second = must_open(other, false);
    disk_close(second);
    close(other);
    image_drop(&image);
}

static void move_vectors(void)
{
    char a[100], b[412], c[1024], back[1536], want[1536];
    struct iovec out[] = { { a, sizeof(a) }, { NULL, 0 }, { b, sizeof(b) }, { c, sizeof(c) } };
    struct iovec in[] = { { back, 1 }, { back + 1, 1534 }, { back + 1535, 1 } };
    struct image image;
    struct disk *disk;

    image_make(&image, 8192);
    disk = must_open(image.fd, false);
    assert_int_equal(disk_sectors(disk), 16);
    assert_false(disk_read_only(disk));
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    memset(c, 'c', sizeof(c));
    memcpy(want, a, 100);
    memcpy(want + 100, b, 412);
    memcpy(want + 512, c, 1024);
    assert_int_equal(disk_writev(disk, out, ARRAY_LEN(out), 1024), 0);
    assert_int_equal(disk_flush(disk), 0);
    assert_int_equal(disk_readv(disk, in, ARRAY_LEN(in), 1024), 0);
    assert_memory_equal(back, want, sizeof(want));
    assert_int_equal(pread(image.fd, back, sizeof(back), 1024), sizeof(back));
    assert_memory_equal(back, want, sizeof(want));
    assert_int_equal(disk_readv(disk, NULL, 0, 8192), 0);
    disk_close(disk);
    image_drop(&image);
}

static void test_short_and_interrupted_calls(void **state)
{
    static const size_t parts[] = { 0, 1, 99, 100, 101, 511, 513 };

    for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
        dribble = parts[i];
        move_vectors();
    }
    dribble = 0;
}

static void test_no_call_is_for_more_than_a_host_takes(void **state)
{
    static const size_t lens[][3] = {
        { 512 * MIB, 512 * MIB, 512 },       /* to the last byte */
        { 900 * MIB, 900 * MIB, 900 * MIB }, /* one at a time */
        { 3 * GIB + 512, 0, 512 },           /* one that is too long by itself */
        { 512, (size_t)5 * GIB, 512 * MIB }, /* in the middle */
    };
    struct image image;
    struct disk *disk;
    char *at = NULL; /* nobody looks there */

    (void)state;
    image_make(&image, (off_t)8 * GIB);
    disk = must_open(image.fd, false);
    int_max = true;
    for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
        struct iovec iov[] = { { at, lens[i][0] }, { at, lens[i][1] }, { at, lens[i][2] } };
        uint64_t all = lens[i][0] + lens[i][1] + lens[i][2];

        int_max_at = 4096;
        assert_int_equal(disk_readv(disk, iov, ARRAY_LEN(iov), 4096), 0);
        assert_int_equal(int_max_at, 4096 + all);
        int_max_at = 512;
        assert_int_equal(disk_writev(disk, iov, ARRAY_LEN(iov), 512), 0);
        assert_int_equal(int_max_at, 512 + all);
    }
    int_max = false;
    disk_close(disk);
    image_drop(&image);
}

static void test_bounds(void **state)
{
    static const struct {
        uint64_t off;
        size_t len;
        int rc;
    } rows[] = {
        { 0, 4096, 0 },
        { 3584, 512, 0 },
        { 4096, 0, 0 },
        { 3584, 513, -EINVAL },
        { 4096, 1, -EINVAL },
        { 4097, 0, -EINVAL },
        { 0, 4097, -EINVAL },
        { 0, SIZE_MAX, -EINVAL },
        { UINT64_MAX, 512, -EINVAL },
        { UINT64_MAX, 0, -EINVAL },
    };
    char buf[4096] = { 0 };
    struct image image;
    struct disk *disk;

    image_make(&image, 4096);
    disk = must_open(image.fd, false);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct iovec iov = { buf, rows[i].len };
        assert_int_equal(disk_readv(disk, &iov, 1, rows[i].off), rows[i].rc);
        assert_int_equal(disk_writev(disk, &iov, 1, rows[i].off), rows[i].rc);
    }
    struct iovec wrap[] = { { buf, SIZE_MAX }, { buf, 513 } };
    assert_int_equal(disk_readv(disk, wrap, 2, 0), -EINVAL);
    disk_close(disk);
    image_drop(&image);
}

static void test_read_only(void **state)
{
    char buf[512] = { 1 };
    struct iovec iov = { buf, sizeof(buf) };
    struct image image;
    struct disk *disk;

    image_make(&image, 512);
    disk = must_open(image.fd, true);
    assert_true(disk_read_only(disk));
    assert_int_equal(disk_writev(disk, &iov, 1, 0), -EROFS);
    assert_int_equal(disk_readv(disk, &iov, 1, 0), 0);
    assert_int_equal(buf[0], 0);
    assert_int_equal(disk_flush(disk), 0);
    disk_close(disk);
    image_drop(&image);
}

static void test_an_image_that_shrinks(void **state)
{
    char buf[1024];
    struct iovec iov = { buf, sizeof(buf) };
    struct image image;
    struct disk *disk;

    image_make(&image, 1024);
    disk = must_open(image.fd, true);
    assert_int_equal(ftruncate(image.fd, 512), 0);
    assert_int_equal(disk_readv(disk, &iov, 1, 0), -EIO);
    disk_close(disk);
    image_drop(&image);
}

/* Zeros with and without a hole, across what a chunk of zeros is, and not a byte beside them. */
static void test_discard_and_zeroes(void **state)
{
    static char all[400 * 1024], want[400 * 1024];
    struct iovec iov = { all, sizeof(all) };
    struct image image;
    struct disk *disk;

    image_make(&image, sizeof(all));
    disk = must_open(image.fd, false);
    for (unsigned kind = 0; kind < 3; kind++) {
        memset(want, 'd', sizeof(want));
        iov.iov_base = want;
        assert_int_equal(disk_writev(disk, &iov, 1, 0), 0);
        iov.iov_base = all;
        memset(want + 1536, 0, 300 * 1024);
        if (kind == 2)
            assert_int_equal(disk_discard(disk, 1536, 300 * 1024), 0);
        else
            assert_int_equal(disk_write_zeroes(disk, 1536, 300 * 1024, kind), 0);
        assert_int_equal(disk_readv(disk, &iov, 1, 0), 0);
        assert_memory_equal(all, want, sizeof(all));
    }
    assert_int_equal(disk_discard(disk, sizeof(all), 512), -EINVAL);
    assert_int_equal(disk_discard(disk, 512, UINT64_MAX), -EINVAL);
    assert_int_equal(disk_write_zeroes(disk, UINT64_MAX, 512, true), -EINVAL);
    assert_int_equal(disk_write_zeroes(disk, sizeof(all), 0, true), 0);
    disk_close(disk);
    disk = must_open(image.fd, true);
    assert_int_equal(disk_discard(disk, 0, 512), -EROFS);
    assert_int_equal(disk_write_zeroes(disk, 0, 512, false), -EROFS);
    disk_close(disk);
    image_drop(&image);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_one_writer_or_many_readers),
        cmocka_unit_test(test_short_and_interrupted_calls),
        cmocka_unit_test(test_no_call_is_for_more_than_a_host_takes),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_an_image_that_shrinks),
        cmocka_unit_test(test_discard_and_zeroes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
