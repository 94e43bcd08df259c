/*
 * A library for LD_PRELOAD: the host's calls on one file are counted, failed, delayed or recorded.
 *
 *   HOSTIO_FILE=PATH       the file (a second one after ':'), as it was opened
 *   HOSTIO_FAIL=CALL:AT:COUNT:ERRNO[:FLAG]
 *                          the AT-th call (from 1) of CALL, and COUNT - 1 after it, fail with
 * ERRNO; CALL: read, write, flush, punch. COUNT 0: all from then on. With FLAG, a file, only while
 * that file exists HOSTIO_DELAY=CALL:FLAG the call does not return while the file FLAG exists
 *   HOSTIO_KILL=N          the process is killed in the middle of the N-th call that changes the
 * file HOSTIO_LOG=PATH        write what was done to PATH; tests/fault/crash.py reads it
 *   HOSTIO_LIE=N           flushes after the N-th are recorded as done and are not
 *
 * A record of the log: le64 kind, le64 id, le64 file (0, 1), le64 offset, le64 length, then the
 * bytes of a write. Kinds: W begins a write, w ends it (id is the same); F begins a flush, f ends
 * it; P and p the same for a hole; T sets the length to `offset`. L is a flush that was not done.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILES 2

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static char files[FILES][PATH_MAX];
static int log_fd = -1;
static uint64_t next_id;

static struct {
    char call[16], flag[PATH_MAX];
    unsigned at, count, seen;
    int code;
} fail;
static struct {
    char call[16], flag[PATH_MAX];
} delay;
static unsigned lie_after, flushes;
static unsigned kill_at, changes;
static bool lies;

static ssize_t (*real_preadv)(int, const struct iovec *, int, off_t);
static ssize_t (*real_preadv2)(int, const struct iovec *, int, off_t, int);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_fallocate)(int, int, off_t, off_t);
static int (*real_ftruncate)(int, off_t);

static void set_up(void)
{
    const char *env = getenv("HOSTIO_FILE");

    real_preadv = (ssize_t(*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "preadv64");
    real_preadv2 =
        (ssize_t(*)(int, const struct iovec *, int, off_t, int))dlsym(RTLD_NEXT, "preadv64v2");
    real_pwritev = (ssize_t(*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "pwritev64");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fallocate = (int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate64");
    real_ftruncate = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64");
    if (env)
        sscanf(env, "%4095[^:]:%4095s", files[0], files[1]);
    env = getenv("HOSTIO_FAIL");
    if (env)
        sscanf(env, "%15[^:]:%u:%u:%d:%4095s", fail.call, &fail.at, &fail.count, &fail.code,
               fail.flag);
    env = getenv("HOSTIO_DELAY");
    if (env)
        sscanf(env, "%15[^:]:%4095s", delay.call, delay.flag);
    env = getenv("HOSTIO_LIE");
    if (env) {
        lies = true;
        lie_after = (unsigned)strtoul(env, NULL, 10);
    }
    env = getenv("HOSTIO_KILL");
    if (env)
        kill_at = (unsigned)strtoul(env, NULL, 10);
    env = getenv("HOSTIO_LOG");
    if (env)
        log_fd = open(env, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Which of the files is it? -1: none. */
static int which(int fd)
{
    struct stat is;

    pthread_once(&once, set_up);
    if (fstat(fd, &is) < 0)
        return -1;
    for (int i = 0; i < FILES; i++) {
        struct stat want;

        if (*files[i] && stat(files[i], &want) == 0 && want.st_dev == is.st_dev &&
            want.st_ino == is.st_ino)
            return i;
    }
    return -1;
}

/* Hold up, then fail. Returns true when the call is to fail with errno. */
static bool disturb(const char *call)
{
    static const struct timespec nap = { .tv_nsec = 5000000 };
    bool hit = false;

    while (!strcmp(call, delay.call) && access(delay.flag, F_OK) == 0)
        nanosleep(&nap, NULL);
    if (strcmp(call, fail.call) != 0)
        return false;
    if (*fail.flag && access(fail.flag, F_OK) < 0)
        return false;
    pthread_mutex_lock(&lock);
    fail.seen++;
    hit = fail.seen >= fail.at && (!fail.count || fail.seen < fail.at + fail.count);
    pthread_mutex_unlock(&lock);
    if (hit)
        errno = fail.code;
    return hit;
}

/* Is this call the last one? */
static bool last_call(void)
{
    bool last;

    pthread_mutex_lock(&lock);
    last = kill_at && ++changes == kill_at;
    pthread_mutex_unlock(&lock);
    return last;
}

static void put64(uint8_t *at, uint64_t val)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(val >> 8 * i);
}

/* One record; id 0 takes a new one. Returns its id. */
static uint64_t record(char kind, uint64_t id, int file, off_t off, size_t len,
                       const struct iovec *iov, int count)
{
    size_t at = 40;
    uint8_t *buf;

    if (log_fd < 0)
        return 0;
    buf = malloc(40 + (iov ? len : 0));
    if (!buf)
        abort();
    for (int i = 0; iov && i < count; i++) {
        memcpy(buf + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    pthread_mutex_lock(&lock);
    if (!id)
        id = ++next_id;
    put64(buf, (uint64_t)kind);
    put64(buf + 8, id);
    put64(buf + 16, (uint64_t)file);
    put64(buf + 24, (uint64_t)off);
    put64(buf + 32, len);
    if (write(log_fd, buf, at) != (ssize_t)at)
        abort();
    pthread_mutex_unlock(&lock);
    free(buf);
    return id;
}

ssize_t preadv64(int fd, const struct iovec *iov, int count, off_t off);
ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off_t off, int flags);
ssize_t pwritev64(int fd, const struct iovec *iov, int count, off_t off);
int fallocate64(int fd, int mode, off_t off, off_t len);
int ftruncate64(int fd, off_t len);

ssize_t preadv64(int fd, const struct iovec *iov, int count, off_t off)
{
    if (which(fd) >= 0 && disturb("read"))
        return -1;
    return real_preadv(fd, iov, count, off);
}

/* Only what a file that fails has in memory is affected: none of it is, then. */
ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
    if (which(fd) >= 0 && (!strcmp(fail.call, "read") || !strcmp(delay.call, "read"))) {
        errno = EAGAIN;
        return -1;
    }
    return real_preadv2(fd, iov, count, off, flags);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off_t off)
{
    int file = which(fd);
    size_t len = 0;
    ssize_t done;
    uint64_t id;

    if (file < 0)
        return real_pwritev(fd, iov, count, off);
    if (disturb("write"))
        return -1;
    if (last_call()) {
        struct iovec half = { iov[0].iov_base, iov[0].iov_len / 1024 * 512 };

        if (real_pwritev(fd, &half, 1, off) < 0)
            abort();
        raise(SIGKILL);
    }
    for (int i = 0; i < count; i++)
        len += iov[i].iov_len;
    id = record('W', 0, file, off, len, iov, count);
    done = real_pwritev(fd, iov, count, off);
    if (log_fd >= 0 && done != (ssize_t)len)
        abort(); /* a log with short writes would say too much */
    record('w', id, file, off, 0, NULL, 0);
    return done;
}

static int flush(int fd, int (*real)(int))
{
    int file = which(fd), rc;
    uint64_t id;

    if (file < 0)
        return real(fd);
    if (disturb("flush"))
        return -1;
    if (last_call())
        raise(SIGKILL);
    if (lies && file == 0) {
        pthread_mutex_lock(&lock);
        rc = flushes++ >= lie_after;
        pthread_mutex_unlock(&lock);
        if (rc) {
            record('L', 0, file, 0, 0, NULL, 0);
            return 0;
        }
    }
    id = record('F', 0, file, 0, 0, NULL, 0);
    rc = log_fd >= 0 ? 0 : real(fd); /* what counts is the log */
    record('f', id, file, 0, 0, NULL, 0);
    return rc;
}

int fdatasync(int fd)
{
    pthread_once(&once, set_up);
    return flush(fd, real_fdatasync);
}

int fsync(int fd)
{
    pthread_once(&once, set_up);
    return flush(fd, real_fsync);
}

int fallocate64(int fd, int mode, off_t off, off_t len)
{
    int file = which(fd), rc;
    uint64_t id;

    if (file < 0)
        return real_fallocate(fd, mode, off, len);
    if (disturb("punch"))
        return -1;
    if (last_call())
        raise(SIGKILL);
    id = record('P', 0, file, off, (size_t)len, NULL, 0);
    rc = real_fallocate(fd, mode, off, len);
    if (log_fd >= 0 && rc < 0)
        abort();
    record('p', id, file, off, 0, NULL, 0);
    return rc;
}

int ftruncate64(int fd, off_t len)
{
    int file = which(fd);

    if (file >= 0)
        record('T', 0, file, len, 0, NULL, 0);
    return real_ftruncate(fd, len);
}
