/* File descriptors: whole reads and writes, flags, socket pairs, small files. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd_os.h"

/* macOS refuses a single transfer of more than INT_MAX bytes. */
#define FD_CHUNK_MAX ((size_t)GIB)

/* Where a transfer goes on; off < 0 is the descriptor's own position. */
#define FD_OWN_POS ((off_t)-1)

void fd_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
}

void fd_closep(int *fd)
{
    fd_close(*fd);
}

static size_t fd_chunk(size_t len)
{
    return len < FD_CHUNK_MAX ? len : FD_CHUNK_MAX;
}

static int fd_read_all(int fd, uint8_t *buf, size_t len, off_t off)
{
    while (len) {
        ssize_t n =
            off == FD_OWN_POS ? read(fd, buf, fd_chunk(len)) : pread(fd, buf, fd_chunk(len), off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n)
            return -ENODATA;
        buf += n;
        len -= (size_t)n;
        if (off != FD_OWN_POS)
            off += n;
    }
    return 0;
}

static int fd_write_all(int fd, const uint8_t *buf, size_t len, off_t off)
{
    while (len) {
        ssize_t n =
            off == FD_OWN_POS ? write(fd, buf, fd_chunk(len)) : pwrite(fd, buf, fd_chunk(len), off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n)
            return -EIO; /* POSIX leaves room for it; never loop on no progress */
        buf += n;
        len -= (size_t)n;
        if (off != FD_OWN_POS)
            off += n;
    }
    return 0;
}

int fd_read_full(int fd, void *buf, size_t len)
{
    return fd_read_all(fd, buf, len, FD_OWN_POS);
}

int fd_write_full(int fd, const void *buf, size_t len)
{
    return fd_write_all(fd, buf, len, FD_OWN_POS);
}

int fd_pread_full(int fd, void *buf, size_t len, off_t off)
{
    return off < 0 ? -EINVAL : fd_read_all(fd, buf, len, off);
}

int fd_pwrite_full(int fd, const void *buf, size_t len, off_t off)
{
    return off < 0 ? -EINVAL : fd_write_all(fd, buf, len, off);
}

static int fd_set_flag(int fd, int get, int set, int flag, bool on)
{
    int flags = fcntl(fd, get);

    if (flags < 0)
        return -errno;
    flags = on ? flags | flag : flags & ~flag;
    return fcntl(fd, set, flags) < 0 ? -errno : 0;
}

/* The folder's entry of a new file. What a file system cannot flush it need not. */
static void fd_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(freep)
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    CLEANUP(fd_closep) int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0)
        (void)!fd_os_flush_folder(fd);
}

int fd_open(const char *path, int flags)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
        flags |= O_NONBLOCK;
    return open(path, flags | O_CLOEXEC);
}

int fd_open_or_make(const char *path, bool *ret_made)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CLOEXEC);

        if (fd >= 0 || errno != ENOENT) {
            *ret_made = false;
            return fd;
        }
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            fd_sync_folder(path);
            *ret_made = true;
            return fd;
        }
        /* Somebody else made it meanwhile; a link that leads nowhere would go on for ever. */
        if (errno != EEXIST || access(path, F_OK) < 0)
            return -1;
    }
}

int fd_set_nonblock(int fd, bool on)
{
    return fd_set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_set_cloexec(int fd, bool on)
{
    return fd_set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int fd_fill_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* open() takes the lowest number that is free, which is this one. */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            return -errno;
    }
    return 0;
}

int fd_socketpair(int ret_fds[2])
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        int rc = fd_set_cloexec(fds[i], true);
        if (rc < 0) {
            fd_close(fds[0]);
            fd_close(fds[1]);
            return rc;
        }
    }
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return 0;
}

int fd_read_file(const char *path, size_t max, void **ret_data, size_t *ret_len, struct err *err)
{
    /* O_NONBLOCK: opening a FIFO must be refused below, not wait for a writer. */
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    CLEANUP(freep) uint8_t *data = NULL;
    struct stat st;
    int rc;

    if (fd < 0)
        return err_errno(err, "open %s", path);
    if (fstat(fd, &st) < 0)
        return err_errno(err, "stat %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, EINVAL, "%s: not a regular file", path);
    if ((uint64_t)st.st_size > max)
        return err_set(err, EFBIG, "%s: %llu bytes, more than the %llu that fit", path,
                       (unsigned long long)st.st_size, (unsigned long long)max);

    data = malloc(st.st_size ? (size_t)st.st_size : 1);
    if (!data)
        return err_set(err, ENOMEM, "%s: no memory for %llu bytes", path,
                       (unsigned long long)st.st_size);
    rc = fd_read_full(fd, data, (size_t)st.st_size);
    if (rc == -ENODATA)
        return err_set(err, ENODATA, "%s: became shorter while it was read", path);
    if (rc < 0) {
        errno = -rc;
        return err_errno(err, "read %s", path);
    }
    *ret_data = TAKE(data, NULL);
    *ret_len = (size_t)st.st_size;
    return 0;
}

int fd_temp(struct err *err)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int fd, rc;

    if (!folder || !*folder)
        folder = "/tmp";
    if (snprintf(path, sizeof(path), "%s/ignition-XXXXXX", folder) >= (int)sizeof(path))
        return err_set(err, ENAMETOOLONG, "temporary file: $TMPDIR is too long");
    fd = mkstemp(path);
    if (fd < 0)
        return err_errno(err, "temporary file in %s (set TMPDIR to another folder)", folder);
    unlink(path);
    rc = fd_set_cloexec(fd, true);
    if (rc < 0) {
        fd_close(fd);
        return err_set(err, -rc, "temporary file in %s: %s", folder, strerror(-rc));
    }
    return fd;
}
