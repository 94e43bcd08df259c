/*
 * 16550A serial port, after the PC16550D data sheet (TL/C/8652). Time is not modelled: a byte is on
 * the wire as soon as the back end takes it, and a receive FIFO below its trigger level times out
 * at once. There are no line errors but the overrun that loopback can cause.
 */
#include "dev/serial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/dtb.h"
#include "dev/serial_int.h"

unsigned serial_depth(const struct serial *s)
{
    return s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static unsigned serial_trigger(const struct serial *s)
{
    static const uint8_t levels[4] = { 1, 4, 8, 14 };

    return s->fcr & FCR_ENABLE ? levels[s->fcr >> 6] : 1;
}

/* Data sheet, table IV: priorities. */
uint8_t serial_iir(const struct serial *s)
{
    if ((s->ier & IER_RLSI) && s->lsr_errors)
        return IIR_RLSI;
    if ((s->ier & IER_RDI) && s->rx_count >= serial_trigger(s))
        return IIR_RDI;
    if ((s->ier & IER_RDI) && s->rx_count)
        return IIR_TIMEOUT;
    if ((s->ier & IER_THRI) && s->thri)
        return IIR_THRI;
    if ((s->ier & IER_MSI) && s->msr_deltas)
        return IIR_MSI;
    return IIR_NONE;
}

void serial_update_irq(struct serial *s)
{
    irq_line_set(&s->dev.irq, serial_iir(s) != IIR_NONE);
}

/* Can the outside send? A peer with hardware flow control looks at RTS; so bytes typed before the
 * guest opens the port wait outside, where clearing the FIFO at open cannot lose them. */
static bool serial_listens(const struct serial *s)
{
    return (s->mcr & MCR_RTS) && !(s->mcr & MCR_LOOP);
}

void serial_offer_room(struct serial *s)
{
    if (!s->rx_refused || s->rx_count || !serial_listens(s))
        return;
    s->rx_refused = false;
    if (s->backend.rx_room)
        s->backend.rx_room(s->backend.ctx);
}

/* Bring a byte in, from outside or from loopback. */
static void serial_receive(struct serial *s, uint8_t byte)
{
    if (s->rx_count >= serial_depth(s)) {
        s->lsr_errors |= LSR_OE; /* loopback only: the outside gives what fits */
        return;
    }
    s->rx[s->rx_count++] = byte;
}

void serial_transmit(struct serial *s)
{
    size_t taken = s->tx_count;

    if (!s->tx_count)
        return;
    if (s->mcr & MCR_LOOP)
        for (unsigned i = 0; i < s->tx_count; i++)
            serial_receive(s, s->tx[i]);
    else
        taken = s->backend.tx(s->backend.ctx, s->tx, s->tx_count);
    s->tx_count -= (uint8_t)taken;
    memmove(s->tx, s->tx + taken, s->tx_count);
    if (!s->tx_count)
        s->thri = true;
}

static uint64_t serial_read(struct dev *dev, uint64_t off, unsigned size)
{
    return regs_read(&serial_bank, dev, off, size);
}

static void serial_write(struct dev *dev, uint64_t off, unsigned size, uint64_t val)
{
    regs_write(&serial_bank, dev, off, size, val);
}

/* Power-on values (data sheet, table I); the divisor is what it would take for 115200 baud. */
static void serial_reset(struct dev *dev)
{
    struct serial *s = container_of(dev, struct serial, dev);

    s->ier = s->fcr = s->lcr = s->mcr = s->scr = s->dlm = 0;
    s->dll = 1;
    s->lsr_errors = s->msr_deltas = 0;
    s->thri = false;
    s->rx_count = s->tx_count = 0;
    serial_update_irq(s);
}

static int serial_fdt(struct dev *dev, struct dtb_node *parent)
{
    struct dtb_node node;
    char name[32];

    snprintf(name, sizeof(name), "serial@%llx", (unsigned long long)dev->gpa);
    node = dtb_node_begin(parent->dtb, name);
    dtb_prop_str(&node, "compatible", "ns16550a");
    dtb_prop_reg(&node, dev->gpa, dev->ops->mmio_size);
    dtb_prop_spi(&node, dev->irq.spi);
    dtb_prop_u32(&node, "clock-frequency", SERIAL_CLOCK_HZ);
    dtb_node_end(&node);
    return 0;
}

static void serial_destroy(struct dev *dev)
{
    dev_fini(dev);
    free(container_of(dev, struct serial, dev));
}

/* v1: registers, both FIFOs with their counts, and the latched interrupt causes. */
static const struct state_field serial_fields[] = {
    STATE_U8(struct serial, ier, 1),
    STATE_U8(struct serial, fcr, 1),
    STATE_U8(struct serial, lcr, 1),
    STATE_U8(struct serial, mcr, 1),
    STATE_U8(struct serial, scr, 1),
    STATE_U8(struct serial, dll, 1),
    STATE_U8(struct serial, dlm, 1),
    STATE_U8(struct serial, lsr_errors, 1),
    STATE_U8(struct serial, msr_deltas, 1),
    STATE_BOOL(struct serial, thri, 1),
    STATE_U8S(struct serial, rx, 1),
    STATE_U8(struct serial, rx_count, 1),
    STATE_U8S(struct serial, tx, 1),
    STATE_U8(struct serial, tx_count, 1),
    STATE_END,
};

/* What lies behind the counts was read or sent long ago: no business of a saved file. */
static void serial_pre_save(void *obj)
{
    struct serial *s = obj;

    memset(s->rx + s->rx_count, 0, sizeof(s->rx) - s->rx_count);
    memset(s->tx + s->tx_count, 0, sizeof(s->tx) - s->tx_count);
}

static int serial_post_load(void *obj, uint32_t version, struct err *err)
{
    struct serial *s = obj;

    if (s->rx_count > serial_depth(s) || s->tx_count > serial_depth(s))
        return err_set(err, EINVAL, "serial: %u and %u bytes do not fit into FIFOs of %u",
                       s->rx_count, s->tx_count, serial_depth(s));
    if (s->ier & ~IER_MASK || s->fcr & ~FCR_KEPT || s->mcr & ~MCR_MASK || s->lsr_errors & ~LSR_OE ||
        s->msr_deltas & ~MSR_DELTAS)
        return err_set(err, EINVAL,
                       "serial: ier=%#x fcr=%#x mcr=%#x lsr=%#x msr=%#x have unknown bits", s->ier,
                       s->fcr, s->mcr, s->lsr_errors, s->msr_deltas);
    /* This process's back end may hold input, and has not seen what waits for output. */
    s->rx_refused = true;
    serial_transmit(s);
    serial_offer_room(s);
    serial_update_irq(s);
    return 0;
}

static const struct state_desc serial_state = {
    .name = "serial",
    .version = 1,
    .oldest = 1,
    .fields = serial_fields,
    .pre_save = serial_pre_save,
    .post_load = serial_post_load,
};

static const struct dev_ops serial_ops = {
    .name = "serial",
    .mmio_size = 0x1000,
    .read = serial_read,
    .write = serial_write,
    .reset = serial_reset,
    .fdt = serial_fdt,
    .destroy = serial_destroy,
    .state = &serial_state,
};

int serial_create(const struct serial_backend *backend, struct serial **ret_serial, struct err *err)
{
    struct serial *s = calloc(1, sizeof(*s));

    if (!s)
        return err_set(err, ENOMEM, "serial: out of memory");
    dev_init(&s->dev, &serial_ops);
    s->backend = *backend;
    serial_reset(&s->dev);
    *ret_serial = s;
    return 0;
}

struct dev *serial_dev(struct serial *serial)
{
    return &serial->dev;
}

size_t serial_rx(struct serial *serial, const uint8_t *data, size_t len)
{
    size_t taken = 0;

    lock_take(&serial->dev.lock);
    if (serial_listens(serial))
        while (taken < len && serial->rx_count < serial_depth(serial))
            serial_receive(serial, data[taken++]);
    if (taken < len)
        serial->rx_refused = true;
    serial_update_irq(serial);
    lock_drop(&serial->dev.lock);
    return taken;
}

void serial_tx_ready(struct serial *serial)
{
    lock_take(&serial->dev.lock);
    serial_transmit(serial);
    serial_update_irq(serial);
    lock_drop(&serial->dev.lock);
}
