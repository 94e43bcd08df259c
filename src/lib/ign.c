/* The public C API: what belongs to no machine. */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "lib/ign_int.h"

_Static_assert(IGN_MESSAGE_MAX >= ERR_MAX, "messages are not cut");

struct ign_log {
    ign_log_fn fn;
    void *ctx;
};

/* Where log lines go is process-wide, as it is in base/log.h. */
static struct ign_log ign_log;

void ign_options_init(struct ign_options *options)
{
    *options = (struct ign_options){
        .accel = "auto",
        .cpu = "portable",
        .smp = 1,
        .mem = 512 * MIB,
        .kernel.fd = -1,
        .initramfs.fd = -1,
        .console_in = -1,
        .console_out = -1,
    };
    for (unsigned i = 0; i < IGN_DRIVES_MAX; i++)
        options->drives[i].file.fd = options->drives[i].layer.fd = -1;
}

int ign_error_set(struct ign_error *ret, const struct err *err, int rc)
{
    if (rc < 0 && ret) {
        ret->code = -rc;
        snprintf(ret->message, sizeof(ret->message), "%s", err->msg);
        for (char *c = ret->message; *c; c++)
            *c = text_printable(*c); /* a path may hold anything, and come from a file */
    }
    return rc;
}

static void ign_log_line(void *ctx, enum log_level level, const char *area, const char *text)
{
    static const enum ign_log_level levels[] = {
        [LOG_FATAL] = IGN_LOG_ERROR, [LOG_ERROR] = IGN_LOG_ERROR, [LOG_WARN] = IGN_LOG_WARN,
        [LOG_GUEST] = IGN_LOG_GUEST, [LOG_INFO] = IGN_LOG_INFO,   [LOG_DEBUG] = IGN_LOG_DEBUG,
    };
    const struct ign_log *log = ctx;

    log->fn(log->ctx, levels[level], area, text);
}

void ign_log_set(ign_log_fn fn, void *ctx, enum ign_log_level level)
{
    static const enum log_level levels[] = {
        [IGN_LOG_ERROR] = LOG_ERROR, [IGN_LOG_WARN] = LOG_WARN,   [IGN_LOG_GUEST] = LOG_GUEST,
        [IGN_LOG_INFO] = LOG_INFO,   [IGN_LOG_DEBUG] = LOG_DEBUG,
    };

    ign_log = (struct ign_log){ fn, ctx };
    log_set_level((size_t)level < ARRAY_LEN(levels) ? levels[level] : LOG_GUEST);
    log_set_sink(fn ? ign_log_line : NULL, &ign_log);
}

const char *ign_version(void)
{
    return IGN_VERSION;
}
