/* The VMM's end of the socket to the monitor. */
#include "monitor/link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "monitor/msg.h"

/* For the signal handler, which has no other way to find the link: one VMM a process. */
static volatile sig_atomic_t link_wake_fd = -1;

static void link_on_sigterm(int sig)
{
    int saved = errno;

    (void)sig;
    if (link_wake_fd >= 0 && write(link_wake_fd, "t", 1) < 0)
        errno = saved; /* full: a request is on its way already */
    errno = saved;
}

static void link_main(void *arg)
{
    struct link *link = arg;
    struct pollfd fds[] = { { .fd = link->sock, .events = POLLIN },
                            { .fd = link->wake[0], .events = POLLIN } };

    for (;;) {
        struct msg msg;
        char byte;

        if (poll(fds, ARRAY_LEN(fds), -1) < 0) {
            if (errno == EINTR)
                continue;
            log_fatal("link", "poll: %s", strerror(errno));
        }
        if (fds[1].revents && read(link->wake[0], &byte, 1) == 1) {
            if (byte == 'q')
                return;
            link->stop(link->ctx);
        }
        if (fds[0].revents) {
            if (msg_recv(link->sock, &msg) < 0 || msg.type != MSG_STOP) {
                /* The monitor is gone, and with it everyone who could ask for anything. */
                term_restore(link->term);
                log_set_crlf(false);
                log_error("monitor", "the monitor process is gone; ending the machine");
                _exit(1);
            }
            link->stop(link->ctx);
        }
    }
}

int link_serve(struct link *link, void (*stop)(void *ctx), void *ctx)
{
    struct sigaction sa = { .sa_handler = link_on_sigterm };
    int rc = fd_socketpair(link->wake);

    if (rc < 0)
        return rc;
    link->stop = stop;
    link->ctx = ctx;
    rc = fd_set_nonblock(link->wake[1], true);
    if (rc == 0)
        rc = thread_start(&link->thread, "link", link_main, link);
    if (rc < 0) {
        fd_close(link->wake[0]);
        fd_close(link->wake[1]);
        return rc;
    }
    link_wake_fd = link->wake[1];
    sigaction(SIGTERM, &sa, NULL);
    return 0;
}

void link_close(struct link *link)
{
    if (!link->thread.running)
        return;
    signal(SIGTERM, SIG_IGN); /* the end is near anyhow */
    link_wake_fd = -1;
    if (fd_write_full(link->wake[1], "q", 1) < 0)
        log_fatal("link", "cannot wake the link thread");
    thread_join(&link->thread);
    fd_close(link->wake[0]);
    fd_close(link->wake[1]);
}
