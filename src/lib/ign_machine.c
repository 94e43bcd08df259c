/*
 * The public C API's machines: a life cycle over room vmm, with a thread that runs the machine.
 *
 * Locks: `control` is held through start, pause and resume, so that these take turns; `lock` guards
 * the state and is never held while anything else is called. The machine's own thread takes `lock`
 * alone, so the end of a machine waits for nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/thread.h"
#include "lib/ign_int.h"

enum ign_state { STATE_CREATED, STATE_RUNNING, STATE_PAUSED, STATE_ENDED };

struct ign_machine {
    struct machine *machine;
    struct ign_files files;
    char *bases[IGN_DRIVES_MAX]; /* absolute paths of images under a layer */
    int type_fd; /* ign_machine_console_write(): the other end is console input; or -1 */
    void (*on_exit)(void *ctx, enum ign_end end, const char *reason);
    void *ctx;
    struct thread thread;

    struct lock control;
    struct lock lock;
    struct cond cond;     /* the state has changed */
    enum ign_state state; /* lock */
    enum ign_end end;     /* set before STATE_ENDED, then constant */
    struct err reason;    /* the same, of IGN_END_FAILED */
};

static enum ign_state ign_state(struct ign_machine *ign)
{
    enum ign_state state;

    lock_take(&ign->lock);
    state = ign->state;
    lock_drop(&ign->lock);
    return state;
}

/* The end is final: nothing changes the state any more. */
static void ign_set_state(struct ign_machine *ign, enum ign_state state)
{
    lock_take(&ign->lock);
    if (ign->state != STATE_ENDED)
        ign->state = state;
    cond_broadcast(&ign->cond);
    lock_drop(&ign->lock);
}

/* A socket pair as the console's input: it holds what the guest has not read yet. */
static int ign_open_console(const struct ign_options *options, struct ign_machine *ign,
                            struct machine_config *config, struct err *err)
{
    int pair[2], rc;

    if (!options->on_console)
        return 0;
    rc = fd_socketpair(pair);
    if (rc < 0)
        return err_set(err, -rc, "console: socket for input: %s", strerror(-rc));
    config->console.in = ign_files_keep(&ign->files, pair[0]);
    ign->type_fd = ign_files_keep(&ign->files, pair[1]);
    config->console.sink = options->on_console;
    config->console.sink_ctx = options->ctx;
    rc = fd_set_nonblock(ign->type_fd, true);
    return rc < 0 ? err_set(err, -rc, "console: %s", strerror(-rc)) : 0;
}

int ign_machine_create(const struct ign_options *options, struct ign_machine **ret_machine,
                       struct ign_error *ret_err)
{
    struct ign_machine *ign = calloc(1, sizeof(*ign));
    struct machine_config config;
    struct err err = { 0 };
    int rc;

    if (!ign)
        return ign_error_set(ret_err, &err, err_set(&err, ENOMEM, "out of memory"));
    lock_init(&ign->control);
    lock_init(&ign->lock);
    cond_init(&ign->cond);
    ign->type_fd = -1;
    ign->on_exit = options->on_exit;
    ign->ctx = options->ctx;
    rc = ign_files_open(options, &ign->files, ign->bases, &config, &err);
    if (rc == 0)
        rc = ign_open_console(options, ign, &config, &err);
    if (rc == 0)
        rc = machine_create(&config, &ign->machine, &err);
    if (rc < 0) {
        ign_machine_destroy(ign);
        return ign_error_set(ret_err, &err, rc);
    }
    *ret_machine = ign;
    return 0;
}

static void ign_machine_main(void *arg)
{
    static const enum ign_end ends[] = {
        [MACHINE_RUNNING] = IGN_END_FAILED, [MACHINE_OFF] = IGN_END_OFF,
        [MACHINE_RESET] = IGN_END_RESET,    [MACHINE_STOPPED] = IGN_END_STOPPED,
        [MACHINE_FAILED] = IGN_END_FAILED,
    };
    struct ign_machine *ign = arg;

    ign->end = ends[machine_run(ign->machine, &ign->reason)];
    ign_set_state(ign, STATE_ENDED);
    if (ign->on_exit)
        ign->on_exit(ign->ctx, ign->end, ign->reason.msg);
}

int ign_machine_start(struct ign_machine *ign, struct ign_error *ret_err)
{
    struct err err = { 0 };
    int rc;

    lock_take(&ign->control);
    if (ign_state(ign) != STATE_CREATED) {
        rc = err_set(&err, EALREADY, "start: the machine was started before");
    } else {
        ign_set_state(ign, STATE_RUNNING);
        rc = thread_start(&ign->thread, "machine", ign_machine_main, ign);
        if (rc < 0) {
            ign_set_state(ign, STATE_CREATED);
            err_set(&err, -rc, "start the machine's thread: %s", strerror(-rc));
        }
    }
    lock_drop(&ign->control);
    return ign_error_set(ret_err, &err, rc);
}

/* Common to pause and resume: move from one state to the other. */
static int ign_move(struct ign_machine *ign, const char *what, enum ign_state to,
                    int (*move)(struct machine *machine, struct err *err),
                    struct ign_error *ret_err)
{
    struct err err = { 0 };
    enum ign_state state;
    int rc = 0;

    lock_take(&ign->control);
    state = ign_state(ign);
    if (state == STATE_CREATED)
        rc = err_set(&err, EINVAL, "the machine was not started yet");
    else if (state == STATE_ENDED)
        rc = err_set(&err, ESHUTDOWN, "the machine has ended");
    else if (state != to)
        rc = move(ign->machine, &err);
    if (rc == 0)
        ign_set_state(ign, to);
    lock_drop(&ign->control);
    return ign_error_set(ret_err, &err, rc < 0 ? err_wrap(&err, rc, "%s", what) : 0);
}

int ign_machine_pause(struct ign_machine *ign, struct ign_error *ret_err)
{
    return ign_move(ign, "pause", STATE_PAUSED, machine_freeze, ret_err);
}

int ign_machine_resume(struct ign_machine *ign, struct ign_error *ret_err)
{
    return ign_move(ign, "resume", STATE_RUNNING, machine_thaw, ret_err);
}

void ign_machine_stop(struct ign_machine *ign)
{
    machine_stop(ign->machine);
}

int ign_machine_wait(struct ign_machine *ign, enum ign_end *ret_end, struct ign_error *ret_err)
{
    struct err err = { 0 };
    bool ended;

    lock_take(&ign->lock);
    while (ign->state == STATE_RUNNING || ign->state == STATE_PAUSED)
        cond_wait(&ign->cond, &ign->lock);
    ended = ign->state == STATE_ENDED; /* else it never started, or a start has failed meanwhile */
    lock_drop(&ign->lock);
    if (!ended)
        return ign_error_set(ret_err, &err,
                             err_set(&err, EINVAL, "wait: the machine was not started yet"));
    if (ret_end)
        *ret_end = ign->end;
    if (ign->end != IGN_END_FAILED)
        return 0;
    return ign_error_set(ret_err, &ign->reason, ign->reason.code ? -ign->reason.code : -EIO);
}

size_t ign_machine_console_write(struct ign_machine *ign, const void *data, size_t len)
{
    ssize_t n = -1;

    if (ign->type_fd >= 0 && len) {
        do
            n = write(ign->type_fd, data, len);
        while (n < 0 && errno == EINTR);
    }
    return n < 0 ? 0 : (size_t)n;
}

uint64_t ign_machine_instructions(const struct ign_machine *ign)
{
    return machine_insn_count(ign->machine);
}

uint64_t ign_machine_ram_checksum(const struct ign_machine *ign)
{
    return machine_ram_checksum(ign->machine);
}

void ign_machine_destroy(struct ign_machine *ign)
{
    if (!ign)
        return;
    if (ign->thread.running) {
        machine_stop(ign->machine);
        thread_join(&ign->thread);
    }
    machine_destroy(ign->machine);
    ign_files_close(&ign->files);
    for (unsigned i = 0; i < IGN_DRIVES_MAX; i++)
        free(ign->bases[i]);
    cond_fini(&ign->cond);
    lock_fini(&ign->lock);
    lock_fini(&ign->control);
    free(ign);
}
