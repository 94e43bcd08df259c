/* Inside of the serial port: what serial.c (the port) and serial_regs.c (its registers) share. All
 * with dev.lock held. */
#pragma once

#include "dev/regs.h"
#include "dev/serial.h"

enum {
    IER_RDI = 0x01,
    IER_THRI = 0x02,
    IER_RLSI = 0x04,
    IER_MSI = 0x08,
    IER_MASK = 0x0f,

    IIR_MSI = 0x00,
    IIR_NONE = 0x01,
    IIR_THRI = 0x02,
    IIR_RDI = 0x04,
    IIR_RLSI = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFO = 0xc0,

    FCR_ENABLE = 0x01,
    FCR_CLEAR_RX = 0x02,
    FCR_CLEAR_TX = 0x04,
    FCR_KEPT = 0xc9, /* enable, DMA mode, trigger level */

    LCR_DLAB = 0x80,

    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_MASK = 0x1f,

    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,

    MSR_DCTS = 0x01,
    MSR_DDSR = 0x02,
    MSR_TERI = 0x04,
    MSR_DDCD = 0x08,
    MSR_DELTAS = 0x0f,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
};

#define FIFO_SIZE 16

struct serial {
    struct dev dev;
    struct serial_backend backend;
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint8_t lsr_errors; /* LSR_OE until LSR is read */
    uint8_t msr_deltas;
    bool thri; /* the transmitter ran empty and no IIR read has seen it yet */
    uint8_t rx[FIFO_SIZE], rx_count;
    uint8_t tx[FIFO_SIZE], tx_count;
    bool rx_refused; /* the back end holds bytes that did not fit; not saved, set by a load */
};

/* How many bytes each direction holds. */
unsigned serial_depth(const struct serial *s);

/* The interrupt that IIR shows, without the FIFO bits. */
uint8_t serial_iir(const struct serial *s);

/* After whatever may change that. */
void serial_update_irq(struct serial *s);

/* The back end may try again, if it was refused and there is room now. */
void serial_offer_room(struct serial *s);

/* What waits goes out, as far as the other side takes it. */
void serial_transmit(struct serial *s);

/* serial_regs.c: the registers, one byte each. */
extern const struct reg_bank serial_bank;
