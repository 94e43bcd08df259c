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
#include "dev/regs.h"

enum {
    SERIAL_DATA,
    SERIAL_IER,
    SERIAL_IIR_FCR,
    SERIAL_LCR,
    SERIAL_MCR,
    SERIAL_LSR,
    SERIAL_MSR,
    SERIAL_SCR
};

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

static unsigned serial_depth(const struct serial *s)
{
    return s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static unsigned serial_trigger(const struct serial *s)
{
    static const uint8_t levels[4] = { 1, 4, 8, 14 };

    return s->fcr & FCR_ENABLE ? levels[s->fcr >> 6] : 1;
}

/* The interrupt that IIR shows, without the FIFO bits (data sheet, table IV: priorities). */
static uint8_t serial_iir(const struct serial *s)
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

static void serial_update_irq(struct serial *s)
{
    irq_line_set(&s->dev.irq, serial_iir(s) != IIR_NONE);
}

/* Can the outside send? A peer with hardware flow control looks at RTS; so bytes typed before the
 * guest opens the port wait outside, where clearing the FIFO at open cannot lose them. */
static bool serial_listens(const struct serial *s)
{
    return (s->mcr & MCR_RTS) && !(s->mcr & MCR_LOOP);
}

static void serial_offer_room(struct serial *s)
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

static void serial_transmit(struct serial *s)
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

/* The status half of MSR: what the other side drives, or our own outputs in loopback. */
static uint8_t serial_lines(uint8_t mcr)
{
    if (!(mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (uint8_t)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
                     (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static uint32_t serial_read_data(struct dev *dev, uint32_t off)
{
    struct serial *s = container_of(dev, struct serial, dev);
    uint8_t byte = 0;

    if (s->lcr & LCR_DLAB)
        return s->dll;
    if (s->rx_count) {
        byte = s->rx[0];
        memmove(s->rx, s->rx + 1, --s->rx_count);
        serial_offer_room(s);
        serial_update_irq(s);
    }
    return byte;
}

static void serial_write_data(struct dev *dev, uint32_t off, uint32_t val)
{
    struct serial *s = container_of(dev, struct serial, dev);

    if (s->lcr & LCR_DLAB) {
        s->dll = (uint8_t)val;
        return;
    }
    /* A full FIFO means that the guest did not wait for THRE: give the back end one more chance,
     * then the byte is lost, as on the chip. */
    if (s->tx_count >= serial_depth(s))
        serial_transmit(s);
    s->thri = false;
    if (s->tx_count < serial_depth(s))
        s->tx[s->tx_count++] = (uint8_t)val;
    serial_transmit(s);
    serial_update_irq(s);
}

static uint32_t serial_read_ier(struct dev *dev, uint32_t off)
{
    struct serial *s = container_of(dev, struct serial, dev);

    return s->lcr & LCR_DLAB ? s->dlm : s->ier;
}

static void serial_write_ier(struct dev *dev, uint32_t off, uint32_t val)
{
    struct serial *s = container_of(dev, struct serial, dev);

    if (s->lcr & LCR_DLAB) {
        s->dlm = (uint8_t)val;
        return;
    }
    /* Enabling the interrupt with an empty transmitter raises it (data sheet, 8.5). */
    if ((val & ~s->ier & IER_THRI) && !s->tx_count)
        s->thri = true;
    s->ier = val & IER_MASK;
    serial_update_irq(s);
}

static uint32_t serial_read_iir(struct dev *dev, uint32_t off)
{
    struct serial *s = container_of(dev, struct serial, dev);
    uint8_t iir = serial_iir(s);

    if (iir == IIR_THRI) {
        s->thri = false;
        serial_update_irq(s);
    }
    return iir | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static void serial_write_fcr(struct dev *dev, uint32_t off, uint32_t val)
{
    struct serial *s = container_of(dev, struct serial, dev);
    bool toggled = (val ^ s->fcr) & FCR_ENABLE;

    if (toggled || (val & FCR_ENABLE && val & FCR_CLEAR_RX))
        s->rx_count = 0;
    if ((toggled || (val & FCR_ENABLE && val & FCR_CLEAR_TX)) && s->tx_count) {
        s->tx_count = 0;
        s->thri = true;
    }
    /* The other bits count only together with the enable bit. */
    s->fcr = val & FCR_ENABLE ? val & FCR_KEPT : 0;
    serial_offer_room(s);
    serial_update_irq(s);
}

static uint32_t serial_read_lcr(struct dev *dev, uint32_t off)
{
    return container_of(dev, struct serial, dev)->lcr;
}

static void serial_write_lcr(struct dev *dev, uint32_t off, uint32_t val)
{
    container_of(dev, struct serial, dev)->lcr = (uint8_t)val;
}

static uint32_t serial_read_mcr(struct dev *dev, uint32_t off)
{
    return container_of(dev, struct serial, dev)->mcr;
}

static void serial_write_mcr(struct dev *dev, uint32_t off, uint32_t val)
{
    struct serial *s = container_of(dev, struct serial, dev);
    uint8_t before = serial_lines(s->mcr), after = serial_lines((uint8_t)val);
    uint8_t changed = before ^ after;

    s->mcr = val & MCR_MASK;
    if (changed & MSR_CTS)
        s->msr_deltas |= MSR_DCTS;
    if (changed & MSR_DSR)
        s->msr_deltas |= MSR_DDSR;
    if (changed & before & MSR_RI) /* the trailing edge alone */
        s->msr_deltas |= MSR_TERI;
    if (changed & MSR_DCD)
        s->msr_deltas |= MSR_DDCD;
    serial_transmit(s); /* what waits goes the way that the loop bit now says */
    serial_offer_room(s);
    serial_update_irq(s);
}

static uint32_t serial_read_lsr(struct dev *dev, uint32_t off)
{
    struct serial *s = container_of(dev, struct serial, dev);
    uint32_t val =
        s->lsr_errors | (s->rx_count ? LSR_DR : 0) | (s->tx_count ? 0 : LSR_THRE | LSR_TEMT);

    s->lsr_errors = 0;
    serial_update_irq(s);
    return val;
}

static uint32_t serial_read_msr(struct dev *dev, uint32_t off)
{
    struct serial *s = container_of(dev, struct serial, dev);
    uint32_t val = serial_lines(s->mcr) | s->msr_deltas;

    s->msr_deltas = 0;
    serial_update_irq(s);
    return val;
}

static uint32_t serial_read_scr(struct dev *dev, uint32_t off)
{
    return container_of(dev, struct serial, dev)->scr;
}

static void serial_write_scr(struct dev *dev, uint32_t off, uint32_t val)
{
    container_of(dev, struct serial, dev)->scr = (uint8_t)val;
}

/* clang-format off */
static const struct reg serial_regs[] = {
    /* off             name       writable backing read              write */
    { SERIAL_DATA,     "RBR/THR", 0xff,    0,      serial_read_data, serial_write_data },
    { SERIAL_IER,      "IER",     0xff,    0,      serial_read_ier,  serial_write_ier },
    { SERIAL_IIR_FCR,  "IIR/FCR", 0xff,    0,      serial_read_iir,  serial_write_fcr },
    { SERIAL_LCR,      "LCR",     0xff,    0,      serial_read_lcr,  serial_write_lcr },
    { SERIAL_MCR,      "MCR",     0xff,    0,      serial_read_mcr,  serial_write_mcr },
    { SERIAL_LSR,      "LSR",     0,       0,      serial_read_lsr,  NULL },
    { SERIAL_MSR,      "MSR",     0,       0,      serial_read_msr,  NULL },
    { SERIAL_SCR,      "SCR",     0xff,    0,      serial_read_scr,  serial_write_scr },
};
/* clang-format on */

static const struct reg_bank serial_bank = {
    .regs = serial_regs,
    .count = ARRAY_LEN(serial_regs),
    .size = 1,
};

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
