/* The other CPU: a child process that answers batches. */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int child_start(struct child *child, char *const argv[])
{
    int to[2], from[2];

    signal(SIGPIPE, SIG_IGN);
    if (pipe(to) < 0)
        return -errno;
    if (pipe(from) < 0)
        return -errno;
    child->pid = fork();
    if (child->pid < 0)
        return -errno;
    if (child->pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[0]);
        close(to[1]);
        close(from[0]);
        close(from[1]);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    child->in = to[1];
    child->out = from[0];
    return 0;
}

int child_exchange(struct child *child, const struct diff_batch *batch,
                   struct diff_out out[DIFF_CASES])
{
    size_t want = DIFF_CASES * sizeof(*out);

    for (size_t done = 0; done < sizeof(*batch);) {
        ssize_t n = write(child->in, (const char *)batch + done, sizeof(*batch) - done);
        if (n <= 0)
            return -EPIPE;
        done += (size_t)n;
    }
    for (size_t done = 0; done < want;) {
        ssize_t n = read(child->out, (char *)out + done, want - done);
        if (n <= 0)
            return -EPIPE;
        done += (size_t)n;
    }
    return 0;
}

void child_stop(struct child *child)
{
    close(child->in); /* end of input ends it */
    close(child->out);
    waitpid(child->pid, NULL, 0);
}
