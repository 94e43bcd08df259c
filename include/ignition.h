/*
 * ignition: run arm64 virtual machines from C.
 *
 * A machine is described by struct ign_options, created, started, and runs on threads of its own to
 * its end. It may be paused on the way. With the software CPU any number of machines may live in
 * one process; nothing is process-wide but where log lines go, and the handler of SIGRTMIN where
 * KVM is the engine.
 *
 * Every function that can fail returns 0 or a negative errno, and fills *err (which may be NULL)
 * with one sentence for a person to read. Sizes are bytes.
 *
 * Threads: any function may be called from any thread, and for one machine from several at once,
 * except that nothing else may use a machine that is being destroyed. Callbacks run on threads of
 * the machine; what they may do is said with each.
 *
 * This is version 0: names and structs may still change, and the library's file name says so.
 */
#ifndef IGNITION_H
#define IGNITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define IGN_DRIVES_MAX  16
#define IGN_MESSAGE_MAX 512

struct ign_machine;

struct ign_error {
    int code;                      /* errno value */
    char message[IGN_MESSAGE_MAX]; /* UTF-8, one line, no newline */
};

/* A file given by path, or by a descriptor that is open already (then path is used in messages).
 * The library duplicates nothing and closes only what it opened itself. */
struct ign_file {
    const char *path; /* NULL: no file */
    int fd;           /* -1: open path */
};

struct ign_drive {
    struct ign_file file; /* raw image, a multiple of 512 bytes */
    bool read_only;
    /* What the guest writes goes to a copy-on-write layer, and the image stays as it is. No layer
     * file: a temporary one in $TMPDIR. A missing or empty one is made, another is used again; it
     * must belong to this image. */
    bool overlay;
    struct ign_file layer;
};

enum ign_kernel_format {
    IGN_KERNEL_AUTO, /* arm64 Image (also packed with gzip or zstd) or ELF64 executable */
    IGN_KERNEL_RAW,  /* bare binary, placed and entered 0x80000 bytes above the start of RAM */
};

/* How the software CPU executes. */
enum ign_jit {
    IGN_JIT_AUTO,     /* translated where this host has a translator, else interpreted */
    IGN_JIT_ON,       /* translated; refused where there is no translator */
    IGN_JIT_OFF,      /* interpreted */
    IGN_JIT_LOCKSTEP, /* both, block by block, and the machine fails when they differ; one vCPU */
};

/* How a machine ended. */
enum ign_end {
    IGN_END_OFF,     /* the guest powered off */
    IGN_END_RESET,   /* the guest asked for a reset, with no_reboot */
    IGN_END_STOPPED, /* ign_machine_stop(), or the console's quit key */
    IGN_END_FAILED,  /* a vCPU or the host failed; there is a sentence about it */
};

struct ign_options {
    const char *accel;   /* "auto", "hvf", "kvm", "soft" */
    const char *cpu;     /* "portable", "max", "host" */
    unsigned smp;        /* vCPUs, 1..64; the software CPU has up to 32 */
    uint64_t mem;        /* bytes, 16 MiB or more, in whole 16 KiB */
    uint64_t counter_hz; /* 0: the engine's own; others than "soft" take no other */
    bool hvf_granule_4k; /* "hvf": guest memory in pages of 4 KiB, not 16; macOS 26, else refused */
    struct ign_file kernel, initramfs;
    enum ign_kernel_format format;
    const char *append;                      /* added to the kernel command line, may be NULL */
    struct ign_drive drives[IGN_DRIVES_MAX]; /* /dev/vda upward */
    unsigned drive_count;

    /* The serial console: descriptors, -1 for none, or the callback and
     * ign_machine_console_write(). */
    int console_in, console_out;
    bool console_keys; /* take Ctrl-A commands out of console_in (x quit, a literal, ? help) */

    /* Output of the console, as it comes: pieces of lines, 1 to 4096 bytes. While it does not
     * return the guest's output waits. One thread at a time; it may call anything for this machine
     * but destroy, and must not wait for the machine's end. With console_out -1. */
    void (*on_console)(void *ctx, const void *data, size_t len);
    /* Called once when a machine that was started has ended; reason is the sentence of
     * IGN_END_FAILED, else "". It may call anything for this machine but destroy. */
    void (*on_exit)(void *ctx, enum ign_end end, const char *reason);
    void *ctx; /* of both callbacks */

    /* "soft": translating the guest's code to the host's; docs/translator.md. */
    enum ign_jit jit;
    uint64_t jit_cache;        /* bytes of host code that are kept; 0: 64 MiB */
    bool jit_stats;            /* what the translator did is logged when the machine has ended */
    bool jit_perf;             /* names of its code go to /tmp/perf-PID.map, for profilers */
    bool jit_dump;             /* translations of the instruction at jit_dump_address are logged */
    uint64_t jit_dump_address; /* guest-virtual */
    bool no_reboot;            /* a guest reset ends the machine instead of starting it again */
    /* Time follows the guest's instructions and entropy is a fixed sequence, so that two runs with
     * the same files and no input are the same to the last instruction. "soft" with one vCPU. */
    bool deterministic;
    uint64_t start_ns; /* CLOCK_MONOTONIC when the user asked for the machine; 0: now */
};

/* Defaults: auto, portable, 1 vCPU, 512 MiB, no files, no console. */
void ign_options_init(struct ign_options *options);

/* Build a machine up to its first instruction. Everything that options points to stays valid until
 * ign_machine_destroy(). Returns -EINVAL for options out of range. */
int ign_machine_create(const struct ign_options *options, struct ign_machine **ret_machine,
                       struct ign_error *err);

/* Let the guest run, on threads of the machine; returns at once. Once a machine: -EALREADY. */
int ign_machine_start(struct ign_machine *machine, struct ign_error *err);

/*
 * Stop the guest between two instructions; and let it go on. When pause has returned, no vCPU and
 * no device moves, and the guest's counter stands still, so that the pause costs it no time. Its
 * real-time clock goes on. Pauses do not count: a second one, and a second resume, do nothing.
 *
 * -EINVAL before the start, -ESHUTDOWN when the machine has ended.
 */
int ign_machine_pause(struct ign_machine *machine, struct ign_error *err);
int ign_machine_resume(struct ign_machine *machine, struct ign_error *err);

/* End the machine soon, without a word to the guest; one that is not started yet ends when it is.
 * Returns at once. */
void ign_machine_stop(struct ign_machine *machine);

/* Wait for the end of a machine that was started. *ret_end may be NULL. After IGN_END_FAILED it
 * returns that error; else 0, or -EINVAL before the start. */
int ign_machine_wait(struct ign_machine *machine, enum ign_end *ret_end, struct ign_error *err);

/* Type on the serial console of a machine with on_console. Returns how many bytes were taken, 0 to
 * len: fewer while the guest does not read, after 64 KiB or so. Never blocks. */
size_t ign_machine_console_write(struct ign_machine *machine, const void *data, size_t len);

/* Instructions that the guest has executed, where the engine counts ("soft"); 0 elsewhere. While it
 * is paused or has ended. */
uint64_t ign_machine_instructions(const struct ign_machine *machine);

/* A checksum over the guest's RAM; the same number means the same content to any purpose but a
 * forger's. While the machine is paused or has ended. */
uint64_t ign_machine_ram_checksum(const struct ign_machine *machine);

/* Free a machine; one that runs is stopped first, and its callbacks have returned. Not from a
 * callback. NULL is fine. */
void ign_machine_destroy(struct ign_machine *machine);

#define IGN_DISK_BASE_MAX 3584

/* What a disk file says about itself. */
struct ign_disk_info {
    bool layer;           /* else a raw image: only the sizes are set */
    uint64_t image_bytes; /* that the guest sees */
    uint64_t used_bytes;  /* that the file takes on the host */
    uint64_t cluster_bytes, clusters;
    uint64_t here, zero;          /* clusters that the layer has, and that read as zeros */
    bool committing;              /* a commit was interrupted */
    char base[IGN_DISK_BASE_MAX]; /* path of the image below, when the layer was made; may be "" */
};

int ign_disk_info(const char *path, struct ign_disk_info *ret_info, struct ign_error *err);

/* Read all of a layer, and check it and that its base is the one it was made over. base NULL: the
 * one it names. */
int ign_disk_check(const char *path, const char *base, struct ign_error *err);

/* Write what a layer holds into its base, and leave it empty. base as above, but after an
 * interrupted commit it must be given: it can no longer be recognised. */
int ign_disk_commit(const char *path, const char *base, struct ign_error *err);

enum ign_log_level { IGN_LOG_ERROR, IGN_LOG_WARN, IGN_LOG_GUEST, IGN_LOG_INFO, IGN_LOG_DEBUG };

/* A line about what the library does (area: which part, such as "disk"), without a newline. Any
 * thread, perhaps with locks held: it must return soon, and call nothing of this library. */
typedef void (*ign_log_fn)(void *ctx, enum ign_log_level level, const char *area, const char *text);

/* Where log lines go, and up to which level. NULL: to standard error, which is where errors,
 * warnings and lines about the guest's misdeeds go by default. For the whole process; before the
 * first machine is created. */
void ign_log_set(ign_log_fn fn, void *ctx, enum ign_log_level level);

/* An engine on this host. */
struct ign_host_engine {
    char name[16];
    bool built_in;                /* part of this library */
    bool works;                   /* here and now */
    bool automatic;               /* what accel "auto" takes */
    char reason[IGN_MESSAGE_MAX]; /* why it does not work, and the way out; "" when it does */
};

/* Try an engine, by its place in the order in which "auto" does, from 0. Nothing on the host is
 * changed. Any thread. Returns 0, or -ENOENT past the last. */
int ign_host_engine(unsigned index, struct ign_host_engine *ret_engine);

/* "0.1.0" */
const char *ign_version(void);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
