/*
 * PL031 real-time clock (ARM DDI 0224). It runs from power-on, as a clock with a battery does: CR
 * reads as enabled and cannot stop it.
 *
 * Guest time is the host's wall clock plus offset_s, in 64 bits; DR shows the low 32. The alarm is
 * kept as a guest time, so a host clock that jumps moves it rightly.
 */
#include "dev/rtc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/dtb.h"
#include "base/clock.h"
#include "dev/regs.h"

enum {
    RTC_DR = 0x00,
    RTC_MR = 0x04,
    RTC_LR = 0x08,
    RTC_CR = 0x0c,
    RTC_IMSC = 0x10,
    RTC_RIS = 0x14,
    RTC_MIS = 0x18,
    RTC_ICR = 0x1c,
    RTC_ID = 0xfe0, /* eight bytes, one a word: PeriphID0..3, PCellID0..3 */
};

#define RTC_CR_START 1
/* The host's clock may be set while we wait, so look again at least this often. */
#define RTC_CHECK_S 60
/* Far beyond what a guest can reach with 32 bits; keeps a hostile snapshot from overflowing. */
#define RTC_TIME_MAX ((int64_t)1 << 40)

struct rtc {
    struct dev dev;
    struct rtc_config config;
    struct ev_timer *timer; /* I/O thread only */
    struct ev_task *rearm;
    uint32_t match, load, imsc, raw;
    int64_t offset_s; /* guest seconds minus host seconds */
    int64_t match_s;  /* guest time of the next match */
    bool armed;       /* match_s is yet to come */
};

static int64_t rtc_now_s(const struct rtc *rtc)
{
    return (int64_t)(rtc->config.wall_ns(rtc->config.ctx) / NS_PER_S) + rtc->offset_s;
}

static void rtc_update_irq(struct rtc *rtc)
{
    irq_line_set(&rtc->dev.irq, rtc->raw & rtc->imsc);
}

/* Notice a match that has come. */
static void rtc_check(struct rtc *rtc)
{
    if (rtc->armed && rtc_now_s(rtc) >= rtc->match_s) {
        rtc->armed = false;
        rtc->raw = 1;
    }
    rtc_update_irq(rtc);
}

/* MR or LR changed: the counter meets MR when it has run on by their difference. */
static void rtc_arm(struct rtc *rtc)
{
    int64_t now_s = rtc_now_s(rtc);

    rtc->match_s = now_s + (uint32_t)(rtc->match - (uint32_t)now_s);
    rtc->armed = true;
    rtc_check(rtc);
    if (rtc->armed && rtc->rearm)
        ev_task_wake(rtc->rearm);
}

/* On the I/O thread: sleep to the match, but not past the next look at the wall clock. */
static void rtc_on_timer(void *ctx)
{
    struct rtc *rtc = ctx;
    uint64_t delay_ns = 0;

    lock_take(&rtc->dev.lock);
    rtc_check(rtc);
    if (rtc->armed) {
        uint64_t wall_ns = rtc->config.wall_ns(rtc->config.ctx);
        int64_t left_s = rtc->match_s - rtc->offset_s - (int64_t)(wall_ns / NS_PER_S);

        if (left_s > RTC_CHECK_S)
            left_s = RTC_CHECK_S;
        /* Not past already, unless the second ended since rtc_check(): then look again at once. */
        delay_ns = left_s > 0 ? (uint64_t)left_s * NS_PER_S - wall_ns % NS_PER_S : 1;
    }
    lock_drop(&rtc->dev.lock);
    if (delay_ns)
        ev_timer_set(rtc->timer, delay_ns);
    else
        ev_timer_clear(rtc->timer);
}

static uint32_t rtc_read_dr(struct dev *dev, uint32_t off)
{
    return (uint32_t)rtc_now_s(container_of(dev, struct rtc, dev));
}

static void rtc_write_mr(struct dev *dev, uint32_t off, uint32_t val)
{
    struct rtc *rtc = container_of(dev, struct rtc, dev);

    rtc->match = val;
    rtc_arm(rtc);
}

static void rtc_write_lr(struct dev *dev, uint32_t off, uint32_t val)
{
    struct rtc *rtc = container_of(dev, struct rtc, dev);

    rtc->load = val;
    rtc->offset_s += (int64_t)val - rtc_now_s(rtc);
    rtc_arm(rtc);
}

static uint32_t rtc_read_cr(struct dev *dev, uint32_t off)
{
    return RTC_CR_START;
}

static void rtc_write_cr(struct dev *dev, uint32_t off, uint32_t val)
{
}

static void rtc_write_imsc(struct dev *dev, uint32_t off, uint32_t val)
{
    struct rtc *rtc = container_of(dev, struct rtc, dev);

    rtc->imsc = val;
    rtc_check(rtc);
}

static uint32_t rtc_read_ris(struct dev *dev, uint32_t off)
{
    struct rtc *rtc = container_of(dev, struct rtc, dev);

    rtc_check(rtc);
    return rtc->raw;
}

static uint32_t rtc_read_mis(struct dev *dev, uint32_t off)
{
    return rtc_read_ris(dev, off) & container_of(dev, struct rtc, dev)->imsc;
}

static void rtc_write_icr(struct dev *dev, uint32_t off, uint32_t val)
{
    struct rtc *rtc = container_of(dev, struct rtc, dev);

    rtc_check(rtc);
    rtc->raw &= ~val;
    rtc_update_irq(rtc);
}

/* Part number 0x031, designer 0x41, revision 0; then the PrimeCell signature. */
static uint32_t rtc_read_id(struct dev *dev, uint32_t off)
{
    static const uint8_t id[] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

    return id[(off - RTC_ID) / 4];
}

#define F(m) offsetof(struct rtc, m)
/* clang-format off */
static const struct reg rtc_regs[] = {
    /* off           name         writable      backing   read          write */
    { RTC_DR,        "DR",        0,            0,        rtc_read_dr,  NULL },
    { RTC_MR,        "MR",        UINT32_MAX,   F(match), NULL,         rtc_write_mr },
    { RTC_LR,        "LR",        UINT32_MAX,   F(load),  NULL,         rtc_write_lr },
    { RTC_CR,        "CR",        RTC_CR_START, 0,        rtc_read_cr,  rtc_write_cr },
    { RTC_IMSC,      "IMSC",      BIT(0),       F(imsc),  NULL,         rtc_write_imsc },
    { RTC_RIS,       "RIS",       0,            0,        rtc_read_ris, NULL },
    { RTC_MIS,       "MIS",       0,            0,        rtc_read_mis, NULL },
    { RTC_ICR,       "ICR",       BIT(0),       0,        NULL,         rtc_write_icr },
    { RTC_ID,        "PeriphID0", 0,            0,        rtc_read_id,  NULL },
    { RTC_ID + 0x04, "PeriphID1", 0,            0,        rtc_read_id,  NULL },
    { RTC_ID + 0x08, "PeriphID2", 0,            0,        rtc_read_id,  NULL },
    { RTC_ID + 0x0c, "PeriphID3", 0,            0,        rtc_read_id,  NULL },
    { RTC_ID + 0x10, "PCellID0",  0,            0,        rtc_read_id,  NULL },
    { RTC_ID + 0x14, "PCellID1",  0,            0,        rtc_read_id,  NULL },
    { RTC_ID + 0x18, "PCellID2",  0,            0,        rtc_read_id,  NULL },
    { RTC_ID + 0x1c, "PCellID3",  0,            0,        rtc_read_id,  NULL },
};
/* clang-format on */
#undef F

static const struct reg_bank rtc_bank = {
    .regs = rtc_regs,
    .count = ARRAY_LEN(rtc_regs),
    .size = 4,
};

static uint64_t rtc_read(struct dev *dev, uint64_t off, unsigned size)
{
    return regs_read(&rtc_bank, dev, off, size);
}

static void rtc_write(struct dev *dev, uint64_t off, unsigned size, uint64_t val)
{
    regs_write(&rtc_bank, dev, off, size, val);
}

/* A reset clears the alarm; the battery keeps the time. */
static void rtc_reset(struct dev *dev)
{
    struct rtc *rtc = container_of(dev, struct rtc, dev);

    rtc->match = rtc->load = rtc->imsc = rtc->raw = 0;
    rtc->match_s = 0;
    rtc->armed = false;
    rtc_update_irq(rtc);
}

static int rtc_fdt(struct dev *dev, struct dtb_node *parent)
{
    struct dtb_node node;
    char name[32];

    snprintf(name, sizeof(name), "rtc@%llx", (unsigned long long)dev->gpa);
    node = dtb_node_begin(parent->dtb, name);
    dtb_prop_strs(&node, "compatible", (const char *const[]){ "arm,pl031", "arm,primecell", NULL });
    dtb_prop_reg(&node, dev->gpa, dev->ops->mmio_size);
    dtb_prop_spi(&node, dev->irq.spi);
    dtb_prop_u32(&node, "clocks", DTB_PHANDLE_CLOCK);
    dtb_prop_str(&node, "clock-names", "apb_pclk");
    dtb_node_end(&node);
    return 0;
}

static void rtc_destroy(struct dev *dev)
{
    struct rtc *rtc = container_of(dev, struct rtc, dev);

    ev_timer_del(rtc->timer);
    ev_task_del(rtc->rearm);
    dev_fini(dev);
    free(rtc);
}

/* v1: registers, the offset of a guest that set its clock, and the alarm as a guest time. */
static const struct state_field rtc_fields[] = {
    STATE_U32(struct rtc, match, 1),    STATE_U32(struct rtc, load, 1),
    STATE_U32(struct rtc, imsc, 1),     STATE_U32(struct rtc, raw, 1),
    STATE_I64(struct rtc, offset_s, 1), STATE_I64(struct rtc, match_s, 1),
    STATE_BOOL(struct rtc, armed, 1),   STATE_END,
};

static int rtc_post_load(void *obj, uint32_t version, struct err *err)
{
    struct rtc *rtc = obj;

    if (rtc->imsc > 1 || rtc->raw > 1)
        return err_set(err, EINVAL, "rtc: imsc=%u raw=%u out of range", rtc->imsc, rtc->raw);
    if (rtc->offset_s < -RTC_TIME_MAX || rtc->offset_s > RTC_TIME_MAX ||
        rtc->match_s < -RTC_TIME_MAX || rtc->match_s > RTC_TIME_MAX)
        return err_set(err, EINVAL, "rtc: offset_s=%lld match_s=%lld out of range",
                       (long long)rtc->offset_s, (long long)rtc->match_s);
    rtc_check(rtc);
    if (rtc->rearm)
        ev_task_wake(rtc->rearm);
    return 0;
}

static const struct state_desc rtc_state = {
    .name = "rtc",
    .version = 1,
    .oldest = 1,
    .fields = rtc_fields,
    .post_load = rtc_post_load,
};

static const struct dev_ops rtc_ops = {
    .name = "rtc",
    .mmio_size = 0x1000,
    .read = rtc_read,
    .write = rtc_write,
    .reset = rtc_reset,
    .fdt = rtc_fdt,
    .destroy = rtc_destroy,
    .state = &rtc_state,
};

int rtc_create(const struct rtc_config *config, struct dev **ret_dev, struct err *err)
{
    struct rtc *rtc = calloc(1, sizeof(*rtc));

    if (!rtc)
        return err_set(err, ENOMEM, "rtc: out of memory");
    dev_init(&rtc->dev, &rtc_ops);
    rtc->config = *config;
    if (config->loop) {
        rtc->timer = ev_timer_add(config->loop, rtc_on_timer, rtc);
        rtc->rearm = ev_task_add(config->loop, rtc_on_timer, rtc);
        if (!rtc->timer || !rtc->rearm) {
            rtc_destroy(&rtc->dev);
            return err_set(err, ENOMEM, "rtc: out of memory");
        }
    }
    *ret_dev = &rtc->dev;
    return 0;
}
