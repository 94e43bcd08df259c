/* The device tree of a machine, from the devices that are present. */
#pragma once

#include "vmm/machine_int.h"

/* Build the tree and write it to guest memory at boot->dtb. */
MUST_CHECK int machine_dtb_write(struct machine *machine, struct err *err);
