/*
 * A software CPU with a little RAM and an MMU that is on, for tests that run single instructions.
 *
 *   RIG_USER    2 MiB, read, write and execute at EL0
 *   RIG_SYSTEM  2 MiB for EL1: vectors that end every exception with HVC, translation tables
 *   RIG_DEVICE  2 MiB without memory, Device-nGnRnE, for EL0: every access is an MMIO stop
 *
 * All are mapped where they lie in guest-physical memory. Asserts on failure: tests only.
 */
#pragma once

#include "cpu/cpu.h"
#include "cpu/gic.h"

#define RIG_USER   UINT64_C(0x40000000)
#define RIG_SYSTEM UINT64_C(0x40200000)
#define RIG_DEVICE UINT64_C(0x40400000)
#define RIG_BYTES  (2 * MIB) /* of each */

struct rig {
    struct gmem *mem;
    struct soc soc;
    struct cpu *c; /* vCPU 0 */
    bool lockstep;
};

struct jit_config;

/* The environment says which engine: IGNITION_TEST_JIT=1 translates, =lockstep does both; without
 * it everything is interpreted. */
void rig_init(struct rig *rig);
/* A machine of so many vCPUs, of which only the first is created; jit NULL: interpreted. */
void rig_init_as(struct rig *rig, unsigned vcpus, const struct jit_config *jit);
/* Another of its vCPUs, in the state of the first. */
struct cpu *rig_add_cpu(struct rig *rig, unsigned index);
void rig_fini(struct rig *rig);

/* Before anything has run: nothing is mapped at RIG_DEVICE. */
void rig_unmap_device(struct rig *rig);

/* A fixture of cmocka: *state is a rig of the test's own. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* The host address of user memory. */
void *rig_ptr(struct rig *rig, gva_t va);

/* Put an instruction at va, which the CPU may have executed before. */
void rig_poke(struct rig *rig, gva_t va, uint32_t word);

/* The same for several, one after the other. */
void rig_put(struct rig *rig, gva_t va, const uint32_t *words, unsigned count);

#define RIG_PUT(rig, va, ...)                               \
    rig_put((rig), (va), (const uint32_t[]){ __VA_ARGS__ }, \
            sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* Make the CPU ready to run at EL0 from pc; general registers are the caller's. */
void rig_enter(struct rig *rig, gva_t pc, uint64_t nzcv);

/* The same for any vCPU, and with any PSTATE. */
void rig_enter_cpu(struct cpu *c, gva_t pc, uint64_t pstate);

/* Run at EL0 until an exception to EL1: ESR_EL1, ELR_EL1, SPSR_EL1 and FAR_EL1 tell which. Any
 * other reason to stop is returned (CPU_STOP_HVC is the exception). */
enum cpu_stop rig_run(struct rig *rig);
