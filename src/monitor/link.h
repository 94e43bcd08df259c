/*
 * The VMM's end of the socket to the monitor: a thread that waits for a request to stop, and for
 * the monitor's death.
 */
#pragma once

#include "base/thread.h"
#include "monitor/term.h"

struct link {
    int sock;
    int wake[2];       /* a byte here: SIGTERM came, or link_close() */
    struct term *term; /* restored if the monitor dies */
    struct thread thread;
    void (*stop)(void *ctx);
    void *ctx;
};

/* Call stop(ctx) when the user wants the machine to end: from the monitor, or by SIGTERM to this
 * process. Returns 0 or -errno. */
MUST_CHECK int link_serve(struct link *link, void (*stop)(void *ctx), void *ctx);

/* No more calls of stop. Does nothing when link_serve() was never called. */
void link_close(struct link *link);
