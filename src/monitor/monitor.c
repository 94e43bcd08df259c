/*
 * The parent process. It has one thread, no guest memory, and waits in one poll().
 */
#include "monitor/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/msg.h"

/* A VMM that was asked to end and has not after this long is killed. */
#define STOP_PATIENCE_MS 10000
/* A second request this soon belongs to the first: it was sent to the process and to its group. */
#define STOP_ECHO_MS 1000

static const int watched[] = { SIGTERM, SIGINT, SIGHUP, SIGTSTP, SIGCONT };

/* For the signal handlers: one monitor a process. */
static volatile sig_atomic_t monitor_signal_fd = -1;

struct monitor {
    struct term term;
    int sock;       /* to the VMM */
    int signals[2]; /* one byte a signal */
    pid_t vmm;
    int ended_by;      /* signal that asked us to end, 0 = none */
    uint64_t asked_ns; /* when */
    bool ended;        /* MSG_ENDED came */
    int status;        /* its status */
    struct err *err;
};

static void monitor_on_signal(int sig)
{
    int saved = errno;
    unsigned char byte = (unsigned char)sig;

    if (write(monitor_signal_fd, &byte, 1) < 0)
        errno = saved; /* full: others are on their way already */
    errno = saved;
}

/* What the caller has us ignore stays ignored: nohup(1), and a shell's jobs in the background. */
static void monitor_handlers(void (*handler)(int))
{
    struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;

    for (size_t i = 0; i < ARRAY_LEN(watched); i++)
        if (watched[i] == SIGCONT || sigaction(watched[i], NULL, &old) < 0 ||
            old.sa_handler != SIG_IGN)
            sigaction(watched[i], &sa, NULL);
}

/* In the child: become the VMM. */
NORETURN static void monitor_child(const struct monitor_config *config, struct monitor *monitor,
                                   int sock)
{
    struct link link = { .sock = sock, .term = &monitor->term };
    char text[ERR_MAX + 1] = "";
    int status;

    fd_close(monitor->sock);
    fd_close(monitor->signals[0]);
    fd_close(monitor->signals[1]);
    /* The terminal's signals go to the monitor, which asks us to end in good order. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTSTP, SIG_DFL);
    signal(SIGCONT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    status = config->vmm(config->ctx, &link, text + 1);
    link_close(&link);
    text[0] = (char)status;
    if (msg_send(sock, MSG_ENDED, text, 1 + strlen(text + 1)) < 0) {
        term_restore(&monitor->term);
        _exit(1);
    }
    exit(status);
}

static void monitor_ask_to_stop(struct monitor *monitor)
{
    if (msg_send(monitor->sock, MSG_STOP, "", 0) < 0)
        kill(monitor->vmm, SIGKILL);
}

/* Stop as the signal would have had it: not every shell gives a stopped program's terminal its
 * modes back. */
static void monitor_suspend(struct monitor *monitor)
{
    struct sigaction stop = { .sa_handler = SIG_DFL }, old;

    term_restore(&monitor->term);
    sigaction(SIGTSTP, &stop, &old);
    raise(SIGTSTP); /* nothing happens where nobody could continue us */
    sigaction(SIGTSTP, &old, NULL);
    term_again(&monitor->term);
}

static void monitor_signals(struct monitor *monitor, uint64_t *deadline_ns)
{
    uint64_t now_ns = clock_mono_ns();
    unsigned char sig;

    if (read(monitor->signals[0], &sig, 1) != 1)
        return;
    if (sig == SIGTSTP || sig == SIGCONT) {
        if (sig == SIGTSTP)
            monitor_suspend(monitor);
        else
            term_again(&monitor->term);
        return;
    }
    if (monitor->ended_by) {
        if (now_ns - monitor->asked_ns >= STOP_ECHO_MS * (NS_PER_S / 1000))
            kill(monitor->vmm, SIGKILL); /* asked twice: no more patience */
        return;
    }
    monitor->ended_by = sig;
    monitor->asked_ns = now_ns;
    *deadline_ns = now_ns + STOP_PATIENCE_MS * (NS_PER_S / 1000);
    monitor_ask_to_stop(monitor);
}

/* Take one message of the VMM. Returns false when there will be no more. */
static bool monitor_message(struct monitor *monitor)
{
    struct msg msg;

    if (msg_recv(monitor->sock, &msg) < 0)
        return false;
    if (msg.type != MSG_ENDED || msg.len < 1)
        return true;
    monitor->ended = true;
    monitor->status = msg.payload[0] ? 1 : 0;
    err_set(monitor->err, monitor->status, "%.*s", (int)msg.len - 1, (const char *)msg.payload + 1);
    return true;
}

static void monitor_wait(struct monitor *monitor)
{
    struct pollfd fds[] = { { .fd = monitor->sock, .events = POLLIN },
                            { .fd = monitor->signals[0], .events = POLLIN } };
    uint64_t deadline_ns = UINT64_MAX;
    int status;

    for (;;) {
        int wait_ms = -1;
        if (deadline_ns != UINT64_MAX) {
            uint64_t now = clock_mono_ns();
            wait_ms = now < deadline_ns ? (int)((deadline_ns - now) / 1000000) + 1 : 0;
        }
        int n = poll(fds, ARRAY_LEN(fds), wait_ms);
        if (n < 0 && errno != EINTR)
            log_fatal("monitor", "poll: %s", strerror(errno));
        if (n == 0) {
            kill(monitor->vmm, SIGKILL);
            deadline_ns = UINT64_MAX;
        }
        if (n <= 0)
            continue;
        if (fds[1].revents)
            monitor_signals(monitor, &deadline_ns);
        if (fds[0].revents && !monitor_message(monitor))
            break;
    }
    while (waitpid(monitor->vmm, &status, 0) < 0 && errno == EINTR)
        continue;
    if (monitor->ended)
        return;
    monitor->status = 1;
    if (WIFSIGNALED(status))
        err_set(monitor->err, EIO, "the VMM process was killed by signal %d (%s)", WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    else
        err_set(monitor->err, EIO, "the VMM process ended without a word, status %d",
                WEXITSTATUS(status));
}

static int monitor_start(const struct monitor_config *config, struct monitor *monitor,
                         struct err *err)
{
    int pair[2], rc = fd_socketpair(pair);

    if (rc < 0)
        return err_set(err, -rc, "socket to the VMM: %s", strerror(-rc));
    rc = fd_socketpair(monitor->signals);
    if (rc == 0)
        rc = fd_set_nonblock(monitor->signals[1], true);
    if (rc == 0)
        rc = fd_set_nonblock(monitor->signals[0], true);
    if (rc < 0)
        return err_set(err, -rc, "pipe for signals: %s", strerror(-rc));
    monitor->sock = pair[0];
    monitor_signal_fd = monitor->signals[1];
    monitor_handlers(monitor_on_signal);
    rc = term_enter_raw(&monitor->term, config->tty, err);
    if (rc < 0)
        return rc;
    log_set_crlf(monitor->term.fd >= 0);
    monitor->vmm = fork();
    if (monitor->vmm < 0)
        return err_errno(err, "start the VMM process");
    if (monitor->vmm == 0)
        monitor_child(config, monitor, pair[1]);
    fd_close(pair[1]);
    return 0;
}

int monitor_run(const struct monitor_config *config, int *ret_signal, struct err *err)
{
    struct monitor monitor = { .term.fd = -1, .err = err };

    *err = (struct err){ 0 };
    *ret_signal = 0;
    if (monitor_start(config, &monitor, err) < 0)
        monitor.status = 1;
    else
        monitor_wait(&monitor);
    term_restore(&monitor.term);
    log_set_crlf(false);
    monitor_handlers(SIG_DFL);
    *ret_signal = monitor.ended_by;
    return monitor.status;
}
