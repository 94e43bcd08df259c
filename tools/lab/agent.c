/*
 * The lab's process 1: runs commands for the host over virtio-serial ports.
 *
 * Each port serves one session at a time, in a process of its own. A frame is a 64-bit session
 * number, a type byte and a payload, ended by 0xc0 and escaped as in RFC 1055 (SLIP), so that
 * both sides find the next frame after a peer died in the middle of one. A start frame ends the
 * session before it. tools/labport.py is the other side.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLIP_END     0xc0
#define SLIP_ESC     0xdb
#define SLIP_ESC_END 0xdc
#define SLIP_ESC_ESC 0xdd

#define HEADER    9            /* session, type */
#define WINDOW    (256 * 1024) /* bytes of input that the host may send unacknowledged */
#define CHUNK     (16 * 1024)  /* payload of an output frame */
#define FRAME_MAX (128 * 1024) /* longest frame from the host; a longer one is dropped */
#define OUT_MAX   (256 * 1024) /* above this, the command's output waits */
#define ARGS_MAX  256
#define WRITE_MAX (32 * 1024) /* virtio_console takes no more in one write */

enum {
    T_START = 'S',
    T_INPUT = 'I',
    T_INPUT_END = 'E',
    T_SIZE = 'W',
    T_KILL = 'K'
};                                                                               /* from the host */
enum { T_OUTPUT = 'O', T_ERROR = 'R', T_EXIT = 'X', T_TAKEN = 'A', T_UP = 'U' }; /* to it */

struct port {
    int fd, signals;
    uint8_t in[FRAME_MAX];
    size_t in_len;
    bool in_escape;
    uint8_t *out;
    size_t out_at, out_len, out_size; /* bytes out_at..out_len wait */

    uint64_t session;
    pid_t child;                   /* 0 when none */
    int input, output[2];          /* -1 when closed; a terminal is input and output[0] */
    bool is_terminal, input_ended; /* no more input frames: close when all is written */
    uint8_t pending[WINDOW];
    size_t pending_at, pending_len; /* bytes pending_at..pending_len wait */
};

static void out_raw(struct port *port, const void *data, size_t len)
{
    if (len > port->out_size - port->out_len) {
        port->out_size = port->out_len + len + OUT_MAX;
        port->out = realloc(port->out, port->out_size);
        if (!port->out)
            abort();
    }
    memcpy(port->out + port->out_len, data, len);
    port->out_len += len;
}

static void out_byte(struct port *port, uint8_t byte)
{
    out_raw(port, &byte, 1);
}

static void out_bytes(struct port *port, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t start = 0;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != SLIP_END && bytes[i] != SLIP_ESC)
            continue;
        out_raw(port, bytes + start, i - start);
        out_byte(port, SLIP_ESC);
        out_byte(port, bytes[i] == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC);
        start = i + 1;
    }
    out_raw(port, bytes + start, len - start);
}

static void out_frame(struct port *port, char type, const void *data, size_t len)
{
    out_bytes(port, &port->session, sizeof(port->session));
    out_bytes(port, &type, 1);
    out_bytes(port, data, len);
    out_byte(port, SLIP_END);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void session_close(struct port *port)
{
    if (port->is_terminal)
        port->output[0] = -1; /* the same descriptor as input */
    close_fd(&port->input);
    close_fd(&port->output[0]);
    close_fd(&port->output[1]);
    port->pending_at = port->pending_len = 0;
    port->input_ended = false;
}

/* Copy what a command has written, one chunk. Returns false when there is no more for now. */
static bool pump_output(struct port *port, int which)
{
    char buf[CHUNK];
    ssize_t len;

    if (port->output[which] < 0)
        return false;
    len = read(port->output[which], buf, sizeof(buf));
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (len <= 0) { /* a terminal whose other side is closed reads as EIO */
        if (port->is_terminal)
            port->output[0] = -1;
        else
            close_fd(&port->output[which]);
        return false;
    }
    out_frame(port, which == 0 ? T_OUTPUT : T_ERROR, buf, (size_t)len);
    return true;
}

static void session_end(struct port *port, int status)
{
    int32_t code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    port->child = 0;
    while (pump_output(port, 0) || pump_output(port, 1))
        ;
    session_close(port);
    out_frame(port, T_EXIT, &code, sizeof(code));
}

static void session_kill(struct port *port)
{
    if (port->child) {
        kill(port->child, SIGKILL); /* first: it may not lead a group yet */
        kill(-port->child, SIGKILL);
        waitpid(port->child, NULL, 0);
        port->child = 0;
    }
    session_close(port);
}

static void run_child(struct port *port, char **argv)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(port->fd);
    close(port->signals);
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static pid_t spawn_on_terminal(struct port *port, char **argv, const struct winsize *size)
{
    pid_t pid = forkpty(&port->input, NULL, NULL, size);

    if (pid == 0)
        run_child(port, argv);
    port->output[0] = port->input;
    return pid;
}

static pid_t spawn_on_pipes(struct port *port, char **argv)
{
    int fds[3][2];
    pid_t pid;

    for (int i = 0; i < 3; i++)
        if (pipe2(fds[i], O_CLOEXEC) < 0)
            return -1;
    pid = fork();
    if (pid == 0) {
        setsid();
        dup2(fds[0][0], 0);
        dup2(fds[1][1], 1);
        dup2(fds[2][1], 2);
        run_child(port, argv);
    }
    close(fds[0][0]);
    close(fds[1][1]);
    close(fds[2][1]);
    port->input = fds[0][1];
    port->output[0] = fds[1][0];
    port->output[1] = fds[2][0];
    return pid;
}

/* Payload: is it a terminal (1 byte), rows and columns (2 bytes each), strings with their NULs. */
static void session_start(struct port *port, uint64_t session, uint8_t *data, size_t len)
{
    char *argv[ARGS_MAX + 1];
    struct winsize size = { 0 };
    unsigned args = 0;

    session_kill(port);
    port->out_at = port->out_len = 0;
    out_byte(port, SLIP_END);
    port->session = session;
    if (len < 6 || data[len - 1] != 0)
        return;
    port->is_terminal = data[0];
    memcpy(&size.ws_row, data + 1, 2);
    memcpy(&size.ws_col, data + 3, 2);
    for (size_t at = 5; at < len && args < ARGS_MAX; at += strlen((char *)data + at) + 1)
        argv[args++] = (char *)data + at;
    argv[args] = NULL;

    out_frame(port, T_UP, NULL, 0);
    port->child =
        port->is_terminal ? spawn_on_terminal(port, argv, &size) : spawn_on_pipes(port, argv);
    if (port->child < 0)
        abort();
    fcntl(port->input, F_SETFL, O_NONBLOCK);
    fcntl(port->output[0], F_SETFL, O_NONBLOCK);
    if (!port->is_terminal)
        fcntl(port->output[1], F_SETFL, O_NONBLOCK);
}

static void pump_input(struct port *port)
{
    size_t waiting = port->pending_len - port->pending_at;
    ssize_t len = write(port->input, port->pending + port->pending_at, waiting);
    uint32_t taken;

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    taken = (uint32_t)(len < 0 ? waiting : (size_t)len); /* nobody reads it: swallow the rest */
    port->pending_at += taken;
    if (port->pending_at == port->pending_len)
        port->pending_at = port->pending_len = 0;
    out_frame(port, T_TAKEN, &taken, sizeof(taken));
}

/* Append to pending. The host keeps to WINDOW; what a host beyond it sends is dropped. */
static void take_input(struct port *port, const uint8_t *data, size_t len)
{
    size_t waiting = port->pending_len - port->pending_at;

    if (len > WINDOW - waiting)
        return;
    if (len > WINDOW - port->pending_len) {
        memmove(port->pending, port->pending + port->pending_at, waiting);
        port->pending_at = 0;
        port->pending_len = waiting;
    }
    memcpy(port->pending + port->pending_len, data, len);
    port->pending_len += len;
}

static void close_ended_input(struct port *port)
{
    if (port->input_ended && !port->pending_len && !port->is_terminal)
        close_fd(&port->input);
}

static void on_frame(struct port *port, uint8_t *frame, size_t len)
{
    uint64_t session;
    uint8_t *data = frame + HEADER;

    if (len < HEADER)
        return;
    memcpy(&session, frame, sizeof(session));
    len -= HEADER;
    if (frame[8] == T_START) {
        session_start(port, session, data, len);
        return;
    }
    if (session != port->session)
        return;
    if (frame[8] == T_KILL)
        session_kill(port);
    if (port->input < 0)
        return;
    if (frame[8] == T_INPUT) {
        take_input(port, data, len);
    } else if (frame[8] == T_INPUT_END) {
        port->input_ended = true;
        close_ended_input(port);
    } else if (frame[8] == T_SIZE && len == 4 && port->is_terminal) {
        struct winsize size = { 0 };
        memcpy(&size.ws_row, data, 2);
        memcpy(&size.ws_col, data + 2, 2);
        ioctl(port->input, TIOCSWINSZ, &size);
    }
}

static void on_bytes(struct port *port, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = bytes[i];

        if (byte == SLIP_END) {
            if (port->in_len <= FRAME_MAX)
                on_frame(port, port->in, port->in_len);
            port->in_len = 0;
            port->in_escape = false;
            continue;
        }
        if (byte == SLIP_ESC) {
            port->in_escape = true;
            continue;
        }
        if (port->in_escape)
            byte = byte == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
        port->in_escape = false;
        if (port->in_len < FRAME_MAX)
            port->in[port->in_len++] = byte;
        else
            port->in_len = FRAME_MAX + 1;
    }
}

/*
 * Returns false when there is nothing to do before the next SIGIO: the host's side is closed and
 * all is read. A closed side does not end the session: the kernel learns of closing and opening
 * apart from the data, so the hang-up may be that of a client before the one whose session this is.
 */
static bool pump_port(struct port *port)
{
    uint8_t buf[CHUNK];
    struct pollfd poll_now = { port->fd, POLLIN | POLLOUT, 0 };
    ssize_t len = read(port->fd, buf, sizeof(buf));

    if (len > 0)
        on_bytes(port, buf, (size_t)len);
    poll(&poll_now, 1, 0);
    if (poll_now.revents & POLLHUP)
        return len > 0;
    if (port->out_len && poll_now.revents & POLLOUT) {
        size_t waiting = port->out_len - port->out_at;

        len = write(port->fd, port->out + port->out_at, waiting < WRITE_MAX ? waiting : WRITE_MAX);
        if (len > 0)
            port->out_at += (size_t)len;
        if (port->out_at == port->out_len)
            port->out_at = port->out_len = 0;
    }
    return true;
}

static void drain_signals(struct port *port)
{
    struct signalfd_siginfo info;

    while (read(port->signals, &info, sizeof(info)) == sizeof(info))
        ;
}

static void serve(struct port *port)
{
    bool open = true;
    int status;

    for (;;) {
        bool room = port->out_len < OUT_MAX;
        struct pollfd fds[] = {
            { open ? port->fd : -1, (short)(POLLIN | (port->out_len ? POLLOUT : 0)), 0 },
            { port->signals, POLLIN, 0 },
            { room ? port->output[0] : -1, POLLIN, 0 },
            { room ? port->output[1] : -1, POLLIN, 0 },
            { port->pending_len ? port->input : -1, POLLOUT, 0 },
        };

        poll(fds, sizeof(fds) / sizeof(fds[0]), -1);
        if (fds[2].revents)
            pump_output(port, 0);
        if (fds[3].revents)
            pump_output(port, 1);
        if (fds[4].revents) {
            pump_input(port);
            close_ended_input(port);
        }
        /* First the signals, then what they told of: news in between wake the next poll. */
        drain_signals(port);
        if (port->child && waitpid(port->child, &status, WNOHANG) == port->child)
            session_end(port, status);
        open = pump_port(port);
    }
}

/* The kernel makes the ports' device nodes in its own time. */
static int open_port(const char *path)
{
    int watch = inotify_init1(IN_CLOEXEC), fd;
    char events[4096];

    if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE) < 0)
        return -1;
    while ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0 && errno == ENOENT)
        if (read(watch, events, sizeof(events)) < 0)
            break;
    close(watch);
    return fd;
}

static void port_main(unsigned number)
{
    struct port *port = calloc(1, sizeof(*port));
    char path[32];
    sigset_t set;

    if (!port)
        abort();
    snprintf(path, sizeof(path), "/dev/vport0p%u", number);
    port->input = port->output[0] = port->output[1] = -1;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGIO);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    port->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    port->fd = open_port(path);
    if (port->fd < 0 || port->signals < 0) {
        perror(path);
        _exit(1);
    }
    fcntl(port->fd, F_SETOWN, getpid());
    fcntl(port->fd, F_SETFL, O_NONBLOCK | O_ASYNC);
    serve(port);
}

int main(int argc, char **argv)
{
    unsigned ports = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;

    for (unsigned i = 1; i <= ports; i++)
        if (fork() == 0)
            port_main(i);
    for (;;)
        if (wait(NULL) < 0)
            pause();
}
