/*
 * The user's terminal: raw while a guest has it, and back as it was on every way out.
 *
 * Both processes hold the saved modes, so that whichever survives the other can restore them.
 */
#pragma once

#include <termios.h>

#include "base/err.h"

struct term {
    int fd; /* -1: no terminal, every call does nothing */
    struct termios saved, raw;
};

/* Remember the modes of fd and switch to raw; does nothing unless fd is a terminal. Stops the
 * process, as terminals do, while it is in the background. */
MUST_CHECK int term_enter_raw(struct term *term, int fd, struct err *err);

/* Go raw again, after the process was stopped and continued; not in the background, where the
 * terminal is somebody else's. */
void term_again(const struct term *term);

/* Give the old modes back. In the background only if nobody has changed them since, as a shell
 * does for itself. */
void term_restore(const struct term *term);
