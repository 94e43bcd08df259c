/*
 * One machine: RAM, vCPUs on an engine, devices, and the life cycle from power-on to power-off.
 *
 * Threads: create, run and destroy on one thread. machine_stop() may come from any thread and from
 * a handler on the I/O thread. No process-wide state: two machines may live in one process where
 * the engine allows it.
 */
#pragma once

#include "arch/image.h"
#include "base/err.h"
#include "base/state.h"
#include "hv/hv.h"
#include "vmm/console.h"

#define MACHINE_DRIVES_MAX 16

struct machine;

/* A file that somebody has opened. The machine reads through fd, and never closes it. */
struct machine_file {
    int fd;           /* -1: none */
    const char *name; /* for messages */
};

struct machine_drive {
    struct machine_file file;
    bool read_only;
    struct machine_file layer; /* copy-on-write layer over the image; an empty file becomes one */
    const char *base_path;     /* of the image, for a new layer to remember; may be NULL */
};

struct machine_config {
    const struct hv_ops *engine;
    const char *cpu; /* CPU model */
    unsigned vcpus;
    uint64_t mem_bytes;
    uint64_t counter_hz; /* 0: the engine's own */
    struct machine_file kernel, initramfs;
    enum image_format format;
    const char *append; /* command line after the defaults, "" for none */
    struct machine_drive drives[MACHINE_DRIVES_MAX];
    unsigned drive_count;
    struct console_config console;
    bool no_reboot; /* a guest reset ends the machine */
    struct hv_jit jit;
    bool hvf_granule_4k; /* "hvf" alone: hv_config.granule_4k */
    bool deterministic;  /* two runs are the same, to the instruction; see docs/cpu.md */
    uint64_t start_ns;   /* clock_mono_ns() when the user asked for it */
};

/* How a machine ended. */
enum machine_end {
    MACHINE_RUNNING,
    MACHINE_OFF,     /* the guest powered off */
    MACHINE_RESET,   /* the guest asked for a reset and config.no_reboot is set */
    MACHINE_STOPPED, /* machine_stop() */
    MACHINE_FAILED,  /* a vCPU or the host failed: the reason is in err */
};

/* Build everything up to, not including, the first guest instruction. The strings and descriptors
 * of config stay valid until machine_destroy(). */
MUST_CHECK int machine_create(const struct machine_config *config, struct machine **ret_machine,
                              struct err *err);
void machine_destroy(struct machine *machine); /* NULL is fine; the machine is not running */

/* Run to the end. err is set for MACHINE_FAILED. */
enum machine_end machine_run(struct machine *machine, struct err *err);

/* End machine_run() soon. Any thread, once is enough. */
void machine_stop(struct machine *machine);

/* Stop every vCPU at an instruction boundary and the I/O thread between two events; and go on.
 * Nested pauses count. Any thread but a vCPU's or the I/O thread. See pause.c. */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);

/* The same for a user, who may leave the machine paused for long: the guest's counter stands still,
 * so that no timer of the guest expires because of it. Not nested. -ESHUTDOWN when the machine has
 * ended; it is as it was before then. */
MUST_CHECK int machine_freeze(struct machine *machine, struct err *err);
MUST_CHECK int machine_thaw(struct machine *machine, struct err *err);

/* While paused: everything but RAM, as records (base/state.h). Loading wants a machine with the
 * same devices and number of vCPUs; a refusal leaves it unusable. */
MUST_CHECK int machine_save(struct machine *machine, struct state_buf *buf, struct err *err);
MUST_CHECK int machine_load(struct machine *machine, const void *data, size_t len, struct err *err);

/* A checksum over all RAM. While paused or ended. */
uint64_t machine_ram_checksum(const struct machine *machine);

/* The machine's RAM, for tests and snapshots. */
struct gmem *machine_mem(struct machine *machine);

/* Instructions that all vCPUs retired, 0 where the engine does not count. While paused or ended. */
uint64_t machine_insn_count(const struct machine *machine);
