/*
 * Works on a file system with several threads, and says on a raw drive what must be there from now
 * on.
 *
 *   flushload FOLDER MARKER-DRIVE SEED STEPS [THREADS]
 *
 * A marker is a sector of text, written past the page cache and flushed, one behind the other:
 *   + PATH SIZE CRC    fsync() of the file has returned: it is there, with this content
 *   - PATH             about to be changed: anything may be there until the next marker about it
 *   0 PATH             gone, and fsync() of the folder has returned
 *   .                  the end
 * SIZE and CRC-32 (as zlib's) are decimal. tests/fault/crash.py reads them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR      512
#define SLOTS       12 /* files of a thread */
#define CONTENT_MAX 40000
#define THREADS_MAX 8

static int marker_fd;
static atomic_uint marker_next;
static const char *folder;

struct worker {
    unsigned index, seed, steps;
    char dir[96];
    bool there[SLOTS];
};

static void die(const char *what, const char *path)
{
    printf("flushload: %s %s: %s\n", what, path, strerror(errno));
    fflush(stdout);
    _exit(1);
}

__attribute__((format(printf, 1, 2))) static void mark(const char *fmt, ...)
{
    static _Thread_local char *sector;
    unsigned at = atomic_fetch_add(&marker_next, 1);
    va_list ap;

    if (!sector && posix_memalign((void **)&sector, 4096, SECTOR))
        die("memory", "");
    memset(sector, 0, SECTOR);
    va_start(ap, fmt);
    vsnprintf(sector, SECTOR, fmt, ap);
    va_end(ap);
    if (pwrite(marker_fd, sector, SECTOR, (off_t)at * SECTOR) != SECTOR)
        die("mark", "");
}

static uint32_t crc32_of(const uint8_t *data, size_t len)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void sync_path(const char *path, int flags)
{
    int fd = open(path, flags);

    if (fd < 0 || fsync(fd) < 0)
        die("fsync", path);
    close(fd);
}

/* New content for a file: in pieces, so that it is spread over several requests. */
static void fill(struct worker *worker, const char *path, int flags, bool told)
{
    size_t len = 1 + (size_t)rand_r(&worker->seed) % CONTENT_MAX, at = 0;
    uint8_t *data = malloc(len);
    int fd = open(path, O_WRONLY | flags, 0644);

    if (fd < 0 || !data)
        die("open", path);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)rand_r(&worker->seed);
    while (at < len) {
        size_t part = 1 + (size_t)rand_r(&worker->seed) % 9000;

        part = part < len - at ? part : len - at;
        if (write(fd, data + at, part) != (ssize_t)part)
            die("write", path);
        at += part;
    }
    if (told) {
        if (fsync(fd) < 0)
            die("fsync", path);
        mark("+ %s %zu %u\n", path + strlen(folder) + 1, len, crc32_of(data, len));
    }
    close(fd);
    free(data);
}

static void path_of(const struct worker *worker, unsigned slot, char path[160])
{
    snprintf(path, 160, "%s/file%u", worker->dir, slot);
}

static void rename_one(struct worker *worker, unsigned from, unsigned to)
{
    char old[160], new[160], buf[CONTENT_MAX];
    ssize_t len;
    int fd;

    path_of(worker, from, old);
    path_of(worker, to, new);
    mark("- %s\n", old + strlen(folder) + 1);
    mark("- %s\n", new + strlen(folder) + 1);
    if (rename(old, new) < 0)
        die("rename", old);
    sync_path(worker->dir, O_RDONLY | O_DIRECTORY);
    fd = open(new, O_RDONLY);
    if (fd < 0 || (len = read(fd, buf, sizeof(buf))) < 0)
        die("read", new);
    close(fd);
    mark("0 %s\n", old + strlen(folder) + 1);
    mark("+ %s %zd %u\n", new + strlen(folder) + 1, len, crc32_of((uint8_t *)buf, (size_t)len));
    worker->there[from] = false;
    worker->there[to] = true;
}

static void step(struct worker *worker)
{
    unsigned slot = (unsigned)rand_r(&worker->seed) % SLOTS;
    unsigned what = (unsigned)rand_r(&worker->seed) % 10;
    char path[160];

    path_of(worker, slot, path);
    if (!worker->there[slot]) {
        mark("- %s\n", path + strlen(folder) + 1); /* it may have been there, and gone */
        fill(worker, path, O_CREAT | O_EXCL, true);
        worker->there[slot] = true;
    } else if (what < 3) {
        rename_one(worker, slot,
                   (slot + 1 + (unsigned)rand_r(&worker->seed) % (SLOTS - 1)) % SLOTS);
    } else if (what < 6) {
        mark("- %s\n", path + strlen(folder) + 1);
        if (unlink(path) < 0)
            die("unlink", path);
        worker->there[slot] = false;
        if (what < 5) {
            sync_path(worker->dir, O_RDONLY | O_DIRECTORY);
            mark("0 %s\n", path + strlen(folder) + 1);
        }
    } else {
        mark("- %s\n", path + strlen(folder) + 1);
        fill(worker, path, O_TRUNC, what != 9); /* 9: nobody waits for it */
    }
}

static void *work(void *arg)
{
    struct worker *worker = arg;

    for (unsigned i = 0; i < worker->steps; i++)
        step(worker);
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 5 ? (unsigned)strtoul(argv[5], NULL, 10) : 3;
    pthread_t threads[THREADS_MAX];
    static struct worker workers[THREADS_MAX];

    if (argc < 5 || count < 1 || count > THREADS_MAX) {
        printf("usage: flushload FOLDER MARKER-DRIVE SEED STEPS [THREADS]\n");
        return 2;
    }
    folder = argv[1];
    marker_fd = open(argv[2], O_WRONLY | O_DIRECT | O_DSYNC);
    if (marker_fd < 0)
        die("open", argv[2]);
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = &workers[i];

        worker->index = i;
        worker->seed = (unsigned)strtoul(argv[3], NULL, 10) * 31 + i;
        worker->steps = (unsigned)strtoul(argv[4], NULL, 10);
        snprintf(worker->dir, sizeof(worker->dir), "%s/dir%u", folder, i);
        if (mkdir(worker->dir, 0755) < 0)
            die("mkdir", worker->dir);
        if (pthread_create(&threads[i], NULL, work, worker))
            die("thread", "");
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    mark(".\n");
    printf("flushload: done, %u markers\n", atomic_load(&marker_next));
    return 0;
}
