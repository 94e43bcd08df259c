/*
 * 16550A serial port, the guest's console. docs/devices/serial.md.
 *
 * Both directions have flow control, so nothing is lost and nobody waits:
 *   out: the back end takes as many bytes as it has room for. What is left stays in the transmit
 *        FIFO, and the guest sees "not empty", until the back end calls serial_tx_ready().
 *   in:  serial_rx() takes what the guest has room for; rx_room tells when there is more.
 * The back end buffers output, in a bounded buffer; the port never holds more than its FIFO.
 */
#pragma once

#include "dev/dev.h"

#define SERIAL_CLOCK_HZ 1843200

struct serial;

/* Called on a vCPU or from serial_rx()/serial_tx_ready(), with dev->lock held: must not call the
 * port again, nor block. Waking a task on the I/O thread is what rx_room is for. */
struct serial_backend {
    /* Returns how many bytes were taken; fewer than len promises a serial_tx_ready() later. */
    size_t (*tx)(void *ctx, const uint8_t *data, size_t len);
    void (*rx_room)(
        void *ctx); /* optional: a serial_rx() that took too little may be tried again */
    void *ctx;
};

MUST_CHECK int serial_create(const struct serial_backend *backend, struct serial **ret_serial,
                             struct err *err);
struct dev *serial_dev(struct serial *serial);

/* Bytes for the guest. Returns how many were taken: 0 while the guest does not listen (RTS off or
 * loopback). Threads: any, no lock of the port held. */
MUST_CHECK size_t serial_rx(struct serial *serial, const uint8_t *data, size_t len);

/* The back end has room again. Threads: any, no lock of the port held. */
void serial_tx_ready(struct serial *serial);
