/* The other CPU: a child process that works on batches in shared memory. */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A file without a name: the memory must survive execvp(). */
static int share(struct child *child, int *ret_fd)
{
    size_t bytes = DIFF_BATCHES * sizeof(*child->batch);
    FILE *file = tmpfile();
    int fd = file ? dup(fileno(file)) : -1, err = errno;
    void *map;

    if (file)
        fclose(file);
    if (fd < 0)
        return -err;
    if (ftruncate(fd, (off_t)bytes) < 0)
        return -errno;
    map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    child->batch = map;
    *ret_fd = fd;
    return 0;
}

NORETURN static void become(char *const argv[], const int to[2], const int from[2], int shared)
{
    dup2(to[0], 0);
    dup2(from[1], 1);
    close(to[0]);
    close(to[1]);
    close(from[0]);
    close(from[1]);
    dup2(shared, DIFF_FD);
    execvp(argv[0], argv);
    _exit(127);
}

int child_start(struct child *child, char *const argv[])
{
    int to[2], from[2], shared = -1, rc;

    signal(SIGPIPE, SIG_IGN);
    rc = share(child, &shared);
    if (rc < 0)
        return rc;
    if (pipe(to) < 0 || pipe(from) < 0)
        return -errno;
    child->pid = fork();
    if (child->pid < 0)
        return -errno;
    if (child->pid == 0)
        become(argv, to, from, shared);
    close(shared);
    close(to[0]);
    close(from[1]);
    child->in = to[1];
    child->out = from[0];
    return 0;
}

int child_send(struct child *child, unsigned index)
{
    unsigned char byte = (unsigned char)index;

    return write(child->in, &byte, 1) == 1 ? 0 : -EPIPE;
}

int child_wait(struct child *child)
{
    unsigned char byte;

    return read(child->out, &byte, 1) == 1 ? 0 : -EPIPE;
}

void child_stop(struct child *child)
{
    close(child->in); /* end of input ends it */
    close(child->out);
    waitpid(child->pid, NULL, 0);
    munmap(child->batch, DIFF_BATCHES * sizeof(*child->batch));
}
