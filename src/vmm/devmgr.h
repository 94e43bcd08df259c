/* The device manager: the one hand-written list of devices, and where each one sits. */
#pragma once

#include "base/err.h"

struct devmgr;
struct machine;

/* Create every device of machine->config, place it on machine->bus, connect its interrupt to
 * set_spi(machine, ...). */
MUST_CHECK int devmgr_create(struct machine *machine,
                             void (*set_spi)(void *ctx, unsigned spi, bool level),
                             struct devmgr **ret_devs, struct err *err);

/* NULL is fine. The I/O thread is gone. */
void devmgr_destroy(struct devmgr *devs);

/* Wait until no request of a device is in flight, and keep the console's writer away from the
 * serial port until release. vCPUs and I/O thread are held, so no request is begun meanwhile. */
void devmgr_hold(struct devmgr *devs);
void devmgr_release(struct devmgr *devs); /* any thread, machine.lock held or not */

/* All devices to power-on state. The machine is paused. */
void devmgr_reset(struct devmgr *devs);

/* Is the console's buffer half full? Then vcpu_console_room() follows when it is not. */
bool devmgr_crowded(struct devmgr *devs);

/* Wait until the console's output is with the host. */
void devmgr_flush(struct devmgr *devs);
