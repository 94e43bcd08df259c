/* Log lines to one sink. The only process-wide state of the project: where lines go. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

/* A guest may cause this many lines a second; the rest are counted and the count is printed. */
#define GUEST_LINES_PER_S 20

static _Atomic int log_level = LOG_GUEST;
static _Atomic bool log_crlf;
static log_sink_fn log_sink;
static void *log_sink_ctx;

void log_set_level(enum log_level level)
{
    atomic_store(&log_level, (int)level);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&log_level, memory_order_relaxed);
}

void log_set_sink(log_sink_fn sink, void *ctx)
{
    log_sink = sink;
    log_sink_ctx = ctx;
}

void log_set_crlf(bool crlf)
{
    atomic_store(&log_crlf, crlf);
}

static void log_emit(enum log_level level, const char *area, const char *text)
{
    char line[1200];
    int len;

    if (log_sink) {
        log_sink(log_sink_ctx, level, area, text);
        return;
    }
    len = snprintf(line, sizeof(line) - 2, "ignition: %s: %s", area, text);
    if (len < 0)
        return;
    if ((size_t)len > sizeof(line) - 3)
        len = sizeof(line) - 3;
    if (atomic_load(&log_crlf))
        line[len++] = '\r';
    line[len++] = '\n';
    /* One write, so that lines of several threads do not mix; nothing to do when it fails. */
    if (write(STDERR_FILENO, line, (size_t)len) < 0)
        return;
}

static void log_va(enum log_level level, const char *area, const char *fmt, va_list ap)
{
    char text[1024];

    vsnprintf(text, sizeof(text), fmt, ap);
    log_emit(level, area, text);
}

void log_write(enum log_level level, const char *area, const char *fmt, ...)
{
    va_list ap;

    if (level > log_get_level())
        return;
    va_start(ap, fmt);
    log_va(level, area, fmt, ap);
    va_end(ap);
}

void log_guest(const char *area, const char *fmt, ...)
{
    static _Atomic uint64_t window_s;
    static _Atomic uint32_t lines;
    uint64_t now_s = clock_mono_ns() / 1000000000;
    va_list ap;

    if (log_get_level() < LOG_GUEST)
        return;
    if (atomic_exchange(&window_s, now_s) != now_s) {
        uint32_t seen = atomic_exchange(&lines, 0);
        if (seen > GUEST_LINES_PER_S)
            log_write(LOG_GUEST, "guest", "%u more lines about the guest left out",
                      seen - GUEST_LINES_PER_S);
    }
    if (atomic_fetch_add(&lines, 1) >= GUEST_LINES_PER_S)
        return;
    va_start(ap, fmt);
    log_va(LOG_GUEST, area, fmt, ap);
    va_end(ap);
}

void log_fatal(const char *area, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_va(LOG_FATAL, area, fmt, ap);
    va_end(ap);
    abort();
}
