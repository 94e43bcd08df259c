/* Terminal modes. */
#include "monitor/term.h"

#include <signal.h>
#include <unistd.h>

int term_enter_raw(struct term *term, int fd, struct err *err)
{
    term->fd = -1;
    if (!isatty(fd))
        return 0;
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

static void term_set(const struct term *term, const struct termios *modes)
{
    sigset_t ttou, old;

    if (term->fd < 0)
        return;
    /* A background process may change the modes only while SIGTTOU is blocked. */
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &old);
    tcsetattr(term->fd, TCSADRAIN, modes);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void term_again(const struct term *term)
{
    term_set(term, &term->raw);
}

void term_restore(const struct term *term)
{
    term_set(term, &term->saved);
}
