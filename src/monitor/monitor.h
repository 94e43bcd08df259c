/*
 * The monitor: the small parent process that owns the terminal and outlives the VMM.
 *
 * It forks the VMM before any thread exists, waits, forwards requests to end, restores the terminal
 * on every way out, and reports what happened. If the monitor itself is killed, the VMM sees the
 * socket close, restores the terminal and ends.
 */
#pragma once

#include "base/err.h"
#include "monitor/link.h"

struct monitor_config {
    int tty; /* descriptor to make raw if it is a terminal; -1: none */

    /* Runs in the VMM process. Fills in text (one sentence, or empty) and returns the exit status
     * for the user: 0 or 1. link_serve() tells it to stop. */
    int (*vmm)(void *ctx, struct link *link, char text[ERR_MAX]);
    void *ctx;
};

/*
 * Run the VMM to its end. Returns its exit status; err->msg holds what to tell the user, or is
 * empty. *ret_signal is the signal that ended the run (SIGTERM, SIGINT, SIGHUP), which the caller
 * raises again when it has cleaned up, or 0.
 */
int monitor_run(const struct monitor_config *config, int *ret_signal, struct err *err);
