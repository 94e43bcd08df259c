/*
 * Drives a block device with O_DIRECT, so that the guest's page cache is out of it: a fixed number
 * of operations a row. It prints a mark, begins when a line comes in, and prints a mark at the end:
 * the host's clock decides, from that line on.
 *
 *   diskrate DEVICE ROW [SCALE]      rows are below; SCALE divides the number of operations
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096u
#define CHUNK (1u << 20)

struct row {
    const char *name;
    size_t size;
    unsigned ops, threads;
    int random, write;
};

static const struct row rows[] = {
    { "seq-read", CHUNK, 1024, 1, 0, 0 },    { "seq-write", CHUNK, 1024, 1, 0, 1 },
    { "rand-read", BLOCK, 3000, 1, 1, 0 },   { "rand-write", BLOCK, 3000, 1, 1, 1 },
    { "rand-read-8", BLOCK, 6000, 8, 1, 0 }, { "rand-write-8", BLOCK, 6000, 8, 1, 1 },
    { "seq-read-8", CHUNK, 1024, 8, 0, 0 },
};

struct job {
    const struct row *row;
    unsigned index, ops;
    off_t bytes;
    int fd;
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void *run(void *arg)
{
    const struct job *job = arg;
    const struct row *row = job->row;
    uint64_t state = job->index + 1;
    void *buf;

    if (posix_memalign(&buf, BLOCK, row->size))
        exit(1);
    memset(buf, 0x5a, row->size);
    for (unsigned i = 0; i < job->ops; i++) {
        uint64_t places = (uint64_t)job->bytes / row->size;
        uint64_t place = row->random ? next_random(&state) : (uint64_t)job->index * job->ops + i;
        off_t off = (off_t)(place % places * row->size);
        ssize_t done =
            row->write ? pwrite(job->fd, buf, row->size, off) : pread(job->fd, buf, row->size, off);
        if (done != (ssize_t)row->size) {
            printf("diskrate: %s at %lld: %s\n", row->name, (long long)off,
                   done < 0 ? strerror(errno) : "short");
            exit(1);
        }
    }
    free(buf);
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned scale = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1;

    for (size_t i = 0; argc > 2 && scale && i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        pthread_t threads[16];
        struct job jobs[16];
        int fd;

        if (strcmp(row->name, argv[2]))
            continue;
        fd = open(argv[1], O_RDWR | O_DIRECT);
        if (fd < 0) {
            printf("diskrate: %s: %s\n", argv[1], strerror(errno));
            return 1;
        }
        printf("<begin %s>\n", row->name);
        fflush(stdout);
        while (getchar() != '\n')
            if (feof(stdin))
                return 1;
        for (unsigned t = 0; t < row->threads; t++) {
            jobs[t] =
                (struct job){ row, t, row->ops / row->threads / scale, lseek(fd, 0, SEEK_END), fd };
            if (pthread_create(&threads[t], NULL, run, &jobs[t]))
                return 1;
        }
        for (unsigned t = 0; t < row->threads; t++)
            pthread_join(threads[t], NULL);
        printf("<end %s>\n", row->name);
        return 0;
    }
    printf("usage: diskrate DEVICE ROW [SCALE]\n");
    return 2;
}
