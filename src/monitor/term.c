/* Terminal modes. */
#include "monitor/term.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

int term_enter_raw(struct term *term, int fd, struct err *err)
{
    term->fd = -1;
    if (!isatty(fd))
        return 0;
    /* A background process is stopped here until it has the terminal: the modes of now are those
     * of the shell's line editor. */
    while (tcdrain(fd) < 0)
        if (errno != EINTR)
            return err_errno(err, "use the terminal from the background");
    if (tcgetattr(fd, &term->saved) < 0)
        return err_errno(err, "read the terminal's modes");
    term->raw = term->saved;
    cfmakeraw(&term->raw);
    /* TCSADRAIN keeps what was typed ahead. */
    if (tcsetattr(fd, TCSADRAIN, &term->raw) < 0)
        return err_errno(err, "set the terminal's modes");
    term->fd = fd;
    return 0;
}

/* True also where there is no job control. */
static bool term_in_foreground(const struct term *term)
{
    pid_t group = tcgetpgrp(term->fd);

    return group < 0 || group == getpgrp();
}

/* Are the modes still those that we have set? */
static bool term_is_raw(const struct term *term)
{
    struct termios now;

    return tcgetattr(term->fd, &now) == 0 && now.c_iflag == term->raw.c_iflag &&
           now.c_oflag == term->raw.c_oflag && now.c_lflag == term->raw.c_lflag;
}

static void term_set(const struct term *term, const struct termios *modes)
{
    sigset_t ttou, old;

    /* A background process may change the modes only while SIGTTOU is blocked. */
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &old);
    tcsetattr(term->fd, TCSADRAIN, modes);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void term_again(const struct term *term)
{
    if (term->fd >= 0 && term_in_foreground(term))
        term_set(term, &term->raw);
}

void term_restore(const struct term *term)
{
    if (term->fd >= 0 && (term_in_foreground(term) || term_is_raw(term)))
        term_set(term, &term->saved);
}
