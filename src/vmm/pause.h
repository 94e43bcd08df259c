/* The I/O thread's side of a pause; the lock order of the room stands at the top of pause.c. */
#pragma once

#include "vmm/machine_int.h"

/* The handler of machine.hold_task: an ev_fn whose ctx is the machine. */
void pause_io_hold(void *ctx);

/* machine_pause() for the restart itself, which every other pause waits for. */
void pause_take(struct machine *machine);
