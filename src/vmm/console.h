/*
 * The host side of the serial console: two descriptors or a function, the Ctrl-A commands, and flow
 * control in both directions.
 *
 * Input is read only when the guest has room, so a paste of any size waits in the host's own
 * buffers and arrives whole. Output goes through a bounded buffer to a writer thread: a terminal
 * that stands still (Ctrl-S, a full pipe) holds the guest's transmitter back, not the VMM.
 */
#pragma once

#include "base/err.h"
#include "base/evloop.h"

struct console;

struct console_ops {
    /* Offer input to the guest; returns how many bytes it took. I/O thread. */
    size_t (*rx)(void *ctx, const uint8_t *data, size_t len);
    /* There is room for output again after console_tx() took less than all. Writer thread. */
    void (*tx_room)(void *ctx);
    /* Ctrl-A x. I/O thread. */
    void (*quit)(void *ctx);
};

struct console_config {
    int in, out; /* descriptors that stay open, -1 for none */
    bool keys;   /* take Ctrl-A commands out of the input */
    /* Takes the output instead of a descriptor, or NULL. Writer thread; may block. */
    void (*sink)(void *ctx, const void *data, size_t len);
    void *sink_ctx;
};

/* The event loop is not running yet. */
MUST_CHECK int console_create(struct evloop *loop, const struct console_config *config,
                              const struct console_ops *ops, void *ctx,
                              struct console **ret_console, struct err *err);

/* Ends the writer; output that a descriptor does not take within a second is lost, a sink gets all
 * of it. NULL is fine. */
void console_destroy(struct console *console);

/* Queue guest output. Returns how many bytes were taken; tx_room() follows when it was not all.
 * Any thread; the innermost lock. */
size_t console_tx(struct console *console, const uint8_t *data, size_t len);

/* Is the output buffer half full? Then tx_room() follows. Any thread. */
bool console_crowded(struct console *console);

/* The guest has taken input: offer more. Any thread. */
void console_rx_room(struct console *console);

/* Call tx_room() no more; a call under way is over when this returns. Until release, which makes up
 * for what was left out. Once is enough. Any thread, without a lock that tx_room() takes. */
void console_hold(struct console *console);
void console_release(struct console *console); /* any thread */

/* Wait until the host has all output, at most a second. Any thread but the writer's. */
void console_flush(struct console *console);
