/* Accesses that are not memory: the GIC is answered here, everything else by the VMM. */
#pragma once

#include "cpu/cpu.h"

/* size: 1, 2, 4 or 8. Both may leave with CPU_STOP_MMIO. */
uint64_t devmem_read(struct cpu *c, gpa_t gpa, unsigned size);
void devmem_write(struct cpu *c, gpa_t gpa, unsigned size, uint64_t val);
