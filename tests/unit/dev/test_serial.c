/* 16550A: what Linux's 8250 driver, and the data sheet, expect of it. */
#include <errno.h>
#include <stdlib.h>

#include "dev/serial.h"
#include "sweep.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

enum { RTS = 0x02, LOOP = 0x10 };
enum { DR = 0x01, OE = 0x02, THRE = 0x20, TEMT = 0x40 };
enum { NONE = 1, THRI = 2, RDI = 4, RLSI = 6, TIMEOUT = 12, MSI = 0 };

struct rig {
    struct serial *serial;
    struct dev *dev;
    uint8_t out[4096]; /* what the back end took */
    size_t out_len;
    size_t room;    /* how much it still takes */
    unsigned rooms; /* calls of rx_room */
    bool level;
};

static size_t on_tx(void *ctx, const uint8_t *data, size_t len)
{
    struct rig *rig = ctx;
    size_t n = len < rig->room ? len : rig->room;

    memcpy(rig->out + rig->out_len, data, n);
    rig->out_len += n;
    rig->room -= n;
    return n;
}

static void on_rx_room(void *ctx)
{
    ((struct rig *)ctx)->rooms++;
}

static void on_irq(void *ctx, unsigned spi, bool level)
{
    ((struct rig *)ctx)->level = level;
}

static void rig_init(struct rig *rig)
{
    struct serial_backend backend = { .tx = on_tx, .rx_room = on_rx_room, .ctx = rig };
    struct err err;

    memset(rig, 0, sizeof(*rig));
    rig->room = sizeof(rig->out);
    assert_int_equal(serial_create(&backend, &rig->serial, &err), 0);
    rig->dev = serial_dev(rig->serial);
    rig->dev->irq = (struct irq_line){ .set = on_irq, .ctx = rig };
}

static void rig_fini(struct rig *rig)
{
    rig->dev->ops->destroy(rig->dev);
}

static uint8_t rd(struct rig *rig, unsigned off)
{
    return (uint8_t)rig->dev->ops->read(rig->dev, off, 1);
}

static void wr(struct rig *rig, unsigned off, uint8_t val)
{
    rig->dev->ops->write(rig->dev, off, 1, val);
}

static size_t give(struct rig *rig, const char *text)
{
    return serial_rx(rig->serial, (const uint8_t *)text, strlen(text));
}

static void test_power_on(void **state)
{
    struct rig rig;

    rig_init(&rig);
    assert_int_equal(rd(&rig, IER), 0);
    assert_int_equal(rd(&rig, IIR), NONE);
    assert_int_equal(rd(&rig, LCR), 0);
    assert_int_equal(rd(&rig, MCR), 0);
    assert_int_equal(rd(&rig, LSR), THRE | TEMT);
    assert_int_equal(rd(&rig, MSR), 0xb0); /* CTS, DSR, DCD */
    assert_int_equal(rd(&rig, DATA), 0);
    assert_false(rig.level);
    rig_fini(&rig);
}

/* What Linux's autoconfig() looks for before it believes in a 16550A. */
static void test_linux_finds_a_16550a(void **state)
{
    struct rig rig;

    rig_init(&rig);
    wr(&rig, IER, 0xff);
    assert_int_equal(rd(&rig, IER), 0x0f);
    wr(&rig, IER, 0);
    wr(&rig, SCR, 0x5a);
    assert_int_equal(rd(&rig, SCR), 0x5a);
    wr(&rig, MCR, LOOP | 0x0a);
    assert_int_equal(rd(&rig, MSR) & 0xf0, 0x90);
    wr(&rig, MCR, 0);
    wr(&rig, FCR, 0x01);
    assert_int_equal(rd(&rig, IIR) >> 6, 3);
    wr(&rig, FCR, 0xc0); /* without the enable bit the others do not count */
    assert_int_equal(rd(&rig, IIR) >> 6, 0);
    rig_fini(&rig);
}

static void test_divisor_latch(void **state)
{
    struct rig rig;

    rig_init(&rig);
    wr(&rig, LCR, 0x83);
    wr(&rig, DATA, 0x34);
    wr(&rig, IER, 0x12);
    assert_int_equal(rd(&rig, DATA), 0x34);
    assert_int_equal(rd(&rig, IER), 0x12);
    wr(&rig, LCR, 0x03);
    assert_int_equal(rd(&rig, DATA), 0);
    assert_int_equal(rd(&rig, IER), 0);
    assert_int_equal(rig.out_len, 0);
    rig_fini(&rig);
}

static void test_output(void **state)
{
    struct rig rig;

    rig_init(&rig);
    for (const char *c = "hello"; *c; c++) {
        assert_true(rd(&rig, LSR) & THRE);
        wr(&rig, DATA, (uint8_t)*c);
    }
    assert_int_equal(rig.out_len, 5);
    assert_memory_equal(rig.out, "hello", 5);
    rig_fini(&rig);
}

static void test_transmit_interrupt(void **state)
{
    struct rig rig;

    rig_init(&rig);
    wr(&rig, IER, THRI); /* enabling it with an empty transmitter raises it */
    assert_true(rig.level);
    assert_int_equal(rd(&rig, IIR), THRI);
    assert_false(rig.level); /* reading IIR took it back */
    assert_int_equal(rd(&rig, IIR), NONE);
    wr(&rig, IER, THRI); /* enabled already: nothing new */
    assert_false(rig.level);
    wr(&rig, DATA, 'x'); /* empty again */
    assert_true(rig.level);
    wr(&rig, IER, 0);
    assert_false(rig.level);
    wr(&rig, IER, THRI);
    assert_true(rig.level);
    rig_fini(&rig);
}

static void test_a_slow_terminal_holds_the_transmitter_back(void **state)
{
    struct rig rig;

    rig_init(&rig);
    rig.room = 1;
    wr(&rig, FCR, 0x01);
    wr(&rig, IER, THRI);
    assert_int_equal(rd(&rig, IIR), 0xc0 | THRI);
    wr(&rig, DATA, 'a');
    assert_int_equal(rd(&rig, IIR), 0xc0 | THRI);
    for (unsigned i = 0; i < 16; i++)
        wr(&rig, DATA, (uint8_t)('b' + i));
    assert_int_equal(rig.out_len, 1);
    assert_int_equal(rd(&rig, LSR), 0);
    assert_false(rig.level);

    rig.room = 4;
    serial_tx_ready(rig.serial);
    assert_int_equal(rd(&rig, LSR), 0); /* part went out, the FIFO is not empty */
    assert_false(rig.level);
    rig.room = 100;
    serial_tx_ready(rig.serial);
    assert_true(rig.level);
    assert_int_equal(rd(&rig, LSR), THRE | TEMT);
    assert_memory_equal(rig.out, "abcdefghijklmnopq", 17);

    rig.room = 0; /* a guest that does not look at THRE loses what is beyond the FIFO */
    for (unsigned i = 0; i < 40; i++)
        wr(&rig, DATA, (uint8_t)i);
    rig.out_len = 0;
    rig.room = 100;
    serial_tx_ready(rig.serial);
    assert_int_equal(rig.out_len, 16);
    rig_fini(&rig);
}

static void test_input_waits_until_the_guest_listens(void **state)
{
    struct rig rig;

    rig_init(&rig);
    assert_int_equal(give(&rig, "x"), 0);
    assert_int_equal(rd(&rig, LSR) & DR, 0);
    wr(&rig, MCR, RTS);
    assert_int_equal(rig.rooms, 1);
    assert_int_equal(give(&rig, "x"), 1);
    assert_int_equal(rd(&rig, LSR) & DR, DR);
    assert_int_equal(rd(&rig, DATA), 'x');
    assert_int_equal(rd(&rig, LSR) & DR, 0);

    wr(&rig, MCR, RTS | LOOP);
    assert_int_equal(give(&rig, "y"), 0);
    wr(&rig, MCR, RTS);
    assert_int_equal(rig.rooms, 2);
    rig_fini(&rig);
}

static void test_a_long_paste_arrives_whole(void **state)
{
    static const char text[] = "The quick brown fox jumps over the lazy dog, and over again.";
    char got[sizeof(text)] = { 0 };
    size_t given = 0, n = 0;
    struct rig rig;

    rig_init(&rig);
    wr(&rig, FCR, 0x01);
    wr(&rig, MCR, RTS);
    given = give(&rig, text);
    assert_int_equal(given, 16);
    while (n < sizeof(text) - 1) {
        unsigned rooms = rig.rooms;
        while (rd(&rig, LSR) & DR)
            got[n++] = (char)rd(&rig, DATA);
        assert_int_equal(rd(&rig, LSR) & OE, 0);
        if (given < sizeof(text) - 1) {
            assert_int_equal(rig.rooms, rooms + 1);
            given += give(&rig, text + given);
        }
    }
    assert_string_equal(got, text);
    rig_fini(&rig);
}

static void test_without_fifos_there_is_room_for_one(void **state)
{
    struct rig rig;

    rig_init(&rig);
    wr(&rig, MCR, RTS);
    wr(&rig, IER, 0x01);
    assert_int_equal(give(&rig, "ab"), 1);
    assert_int_equal(rd(&rig, IIR), RDI);
    assert_int_equal(rd(&rig, DATA), 'a');
    assert_false(rig.level);
    rig_fini(&rig);
}

static void test_trigger_levels(void **state)
{
    static const struct {
        uint8_t fcr;
        unsigned level;
    } rows[] = { { 0x01, 1 }, { 0x41, 4 }, { 0x81, 8 }, { 0xc1, 14 } };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;

        rig_init(&rig);
        wr(&rig, MCR, RTS);
        wr(&rig, IER, 0x01);
        wr(&rig, FCR, rows[i].fcr);
        for (unsigned n = 1; n <= 16; n++) {
            assert_int_equal(give(&rig, "x"), 1);
            assert_int_equal(rd(&rig, IIR), 0xc0 | (n < rows[i].level ? TIMEOUT : RDI));
            assert_true(rig.level);
        }
        assert_int_equal(give(&rig, "x"), 0);
        wr(&rig, FCR, rows[i].fcr | 0x02); /* clear */
        assert_false(rig.level);
        assert_int_equal(rd(&rig, LSR) & DR, 0);
        assert_int_equal(rig.rooms, 1);
        rig_fini(&rig);
    }
}

static void test_loopback(void **state)
{
    struct rig rig;

    rig_init(&rig);
    wr(&rig, FCR, 0x01);
    wr(&rig, MCR, LOOP);
    assert_int_equal(rd(&rig, MSR), 0x0b); /* CTS, DSR, DCD went away */
    assert_int_equal(rd(&rig, MSR), 0x00); /* and reading took the news */
    wr(&rig, DATA, 'z');
    assert_int_equal(rig.out_len, 0);
    assert_int_equal(rd(&rig, DATA), 'z');
    for (unsigned i = 0; i < 17; i++)
        wr(&rig, DATA, (uint8_t)i);
    wr(&rig, IER, 0x07);
    assert_int_equal(rd(&rig, IIR), 0xc0 | RLSI); /* the overrun is on top */
    assert_int_equal(rd(&rig, LSR), OE | DR | THRE | TEMT);
    assert_int_equal(rd(&rig, IIR), 0xc0 | RDI);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(rd(&rig, DATA), i);
    assert_int_equal(rd(&rig, IIR), 0xc0 | THRI);
    assert_int_equal(rd(&rig, IIR), 0xc0 | NONE);
    rig_fini(&rig);
}

static void test_modem_status_interrupt(void **state)
{
    struct rig rig;

    rig_init(&rig);
    wr(&rig, MCR, LOOP);
    rd(&rig, MSR);
    wr(&rig, IER, 0x08);
    assert_false(rig.level);
    wr(&rig, MCR, LOOP | 0x04); /* RI on: the leading edge does not count */
    assert_int_equal(rd(&rig, MSR), 0x40);
    wr(&rig, MCR, LOOP);
    assert_true(rig.level);
    assert_int_equal(rd(&rig, IIR), MSI);
    assert_int_equal(rd(&rig, MSR), 0x04);
    assert_false(rig.level);
    rig_fini(&rig);
}

static bool allowed(uint64_t off, unsigned size, bool write)
{
    return size == 1 && off < 8 && !(write && (off == LSR || off == MSR));
}

static void test_bad_accesses_have_no_effect(void **state)
{
    struct rig rig;

    rig_init(&rig);
    rig.room = 0;
    sweep(rig.dev, allowed);
    rig_fini(&rig);
}

static void test_reset(void **state)
{
    struct rig rig, fresh;
    struct state_buf power_on;

    rig_init(&rig);
    rig_init(&fresh);
    power_on = sweep_save(fresh.dev);
    rig.room = 0;
    wr(&rig, FCR, 0x01);
    wr(&rig, MCR, RTS);
    wr(&rig, IER, 0x0f);
    wr(&rig, DATA, 'q');
    wr(&rig, DATA, 'r');
    assert_int_equal(give(&rig, "abc"), 3);
    wr(&rig, LCR, 0x80);
    wr(&rig, DATA, 9);
    assert_true(rig.level);
    rig.dev->ops->reset(rig.dev);
    assert_false(rig.level);
    /* The two bytes nobody took are gone with the FIFO, not sent later. */
    sweep_assert_state(rig.dev, &power_on, 0);
    state_buf_fini(&power_on);
    rig_fini(&rig);
    rig_fini(&fresh);
}

static void test_saved_state(void **state)
{
    struct rig a, b;
    struct err err;

    rig_init(&a);
    rig_init(&b);
    a.room = 0;
    wr(&a, FCR, 0x81);
    wr(&a, MCR, RTS);
    wr(&a, IER, 0x03);
    assert_int_equal(rd(&a, IIR), 0xc0 | THRI);
    assert_int_equal(give(&a, "abcdefghi"), 9);
    wr(&a, DATA, 'x');
    wr(&a, DATA, 'y');
    assert_int_equal(sweep_move(a.dev, b.dev, &err), 0);

    /* Goes on elsewhere: waiting output leaves at once, waiting input is there. */
    assert_memory_equal(b.out, "xy", 2);
    assert_int_equal(b.out_len, 2);
    assert_true(b.level);
    assert_int_equal(rd(&b, IIR), 0xc0 | RDI);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(rd(&b, DATA), 'a' + i);
    assert_int_equal(b.rooms, 1); /* this back end may hold more */
    assert_int_equal(rd(&b, IIR), 0xc0 | THRI);
    assert_false(b.level);
    rig_fini(&a);
    rig_fini(&b);
}

/* The record as a hostile file would have it. */
struct hostile {
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm, lsr_errors, msr_deltas;
    bool thri;
    uint8_t rx[16], rx_count, tx[16], tx_count;
};
static const struct state_field hostile_fields[] = {
    STATE_U8(struct hostile, ier, 1),
    STATE_U8(struct hostile, fcr, 1),
    STATE_U8(struct hostile, lcr, 1),
    STATE_U8(struct hostile, mcr, 1),
    STATE_U8(struct hostile, scr, 1),
    STATE_U8(struct hostile, dll, 1),
    STATE_U8(struct hostile, dlm, 1),
    STATE_U8(struct hostile, lsr_errors, 1),
    STATE_U8(struct hostile, msr_deltas, 1),
    STATE_BOOL(struct hostile, thri, 1),
    STATE_U8S(struct hostile, rx, 1),
    STATE_U8(struct hostile, rx_count, 1),
    STATE_U8S(struct hostile, tx, 1),
    STATE_U8(struct hostile, tx_count, 1),
    STATE_END,
};
static const struct state_desc hostile_state = {
    .name = "serial", .version = 1, .oldest = 1, .fields = hostile_fields
};

static void test_hostile_state_is_refused(void **state)
{
    static const struct hostile bad[] = {
        { .fcr = 1, .rx_count = 17 },
        { .rx_count = 2 },
        { .fcr = 1, .tx_count = 255 },
        { .tx_count = 2 },
        { .ier = 0x10 },
        { .fcr = 0x07 },
        { .mcr = 0x20 },
        { .lsr_errors = 0x01 },
        { .msr_deltas = 0x10 },
    };

    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct hostile row = bad[i];
        struct state_buf buf = { 0 };
        struct rig rig;
        struct err err;

        rig_init(&rig);
        state_save(&buf, &hostile_state, &row, "");
        assert_int_equal(state_load(buf.data, buf.len, rig.dev->ops->state, rig.dev, "", &err),
                         -EINVAL);
        assert_non_null(strstr(err.msg, "serial: "));
        assert_int_equal(rig.out_len, 0);
        state_buf_fini(&buf);
        rig_fini(&rig);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_on),
        cmocka_unit_test(test_linux_finds_a_16550a),
        cmocka_unit_test(test_divisor_latch),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_transmit_interrupt),
        cmocka_unit_test(test_a_slow_terminal_holds_the_transmitter_back),
        cmocka_unit_test(test_input_waits_until_the_guest_listens),
        cmocka_unit_test(test_a_long_paste_arrives_whole),
        cmocka_unit_test(test_without_fifos_there_is_room_for_one),
        cmocka_unit_test(test_trigger_levels),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_modem_status_interrupt),
        cmocka_unit_test(test_bad_accesses_have_no_effect),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_saved_state),
        cmocka_unit_test(test_hostile_state_is_refused),
    };

    sweep_hush();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
