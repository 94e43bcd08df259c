/* The serial port's registers (PC16550D data sheet, 8.0 and table II). */
#include "dev/serial_int.h"

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

const struct reg_bank serial_bank = {
    .regs = serial_regs,
    .count = ARRAY_LEN(serial_regs),
    .size = 1,
};
