/*
 * Every access a guest can make to a device, tried once: all offsets, all sizes, several values.
 *
 * What the device's own rule does not allow must read as zero and leave the saved state as it was.
 * What it allows must survive; the device's state is then loaded back. Runs without the bus and its
 * lock.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/log.h"
#include "dev/dev.h"

typedef bool (*sweep_allowed_fn)(uint64_t off, unsigned size, bool write);

static inline void sweep_quiet(void *ctx, enum log_level level, const char *area, const char *text)
{
}

/* Half of the tests make the guest do wrong on purpose. */
static inline void sweep_hush(void)
{
    log_set_sink(sweep_quiet, NULL);
}

static inline struct state_buf sweep_save(struct dev *dev)
{
    struct state_buf buf = { 0 };

    state_save(&buf, dev->ops->state, dev, "");
    assert_false(buf.failed);
    return buf;
}

static inline void sweep_assert_state(struct dev *dev, const struct state_buf *before, uint64_t off)
{
    struct state_buf after = sweep_save(dev);

    if (after.len != before->len || memcmp(after.data, before->data, after.len))
        fail_msg("%s: an access at offset %#llx changed the device", dev->ops->name,
                 (unsigned long long)off);
    state_buf_fini(&after);
}

static inline void sweep(struct dev *dev, sweep_allowed_fn allowed)
{
    static const uint64_t vals[] = { 0, 1, 0x80, 0xffffffff, ~UINT64_C(0) };
    static const unsigned sizes[] = { 1, 2, 4, 8 };
    struct state_buf before = sweep_save(dev);

    for (uint64_t off = 0; off < dev->ops->mmio_size; off++) {
        bool changed = false;

        for (unsigned s = 0; s < ARRAY_LEN(sizes); s++) {
            unsigned size = sizes[s];
            uint64_t got = dev->ops->read ? dev->ops->read(dev, off, size) : 0;

            if (allowed(off, size, false))
                changed = true;
            else
                assert_int_equal(got, 0);
            for (unsigned v = 0; dev->ops->write && v < ARRAY_LEN(vals); v++)
                dev->ops->write(dev, off, size, vals[v] & low_mask(8 * size));
            changed = changed || allowed(off, size, true);
        }
        if (changed) {
            struct err err;
            if (state_load(before.data, before.len, dev->ops->state, dev, "", &err) < 0)
                fail_msg("%s", err.msg);
        }
        sweep_assert_state(dev, &before, off);
    }
    state_buf_fini(&before);
}

/* Save one device, load into another of its kind. */
static inline int sweep_move(struct dev *from, struct dev *to, struct err *err)
{
    struct state_buf buf = sweep_save(from);
    int rc = state_load(buf.data, buf.len, to->ops->state, to, "", err);

    state_buf_fini(&buf);
    return rc;
}
