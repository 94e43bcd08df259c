/*
 * Log lines: an area tag, lower case words, values with units, no newline.
 *
 *   log_error  a request failed            log_info   once per lifecycle step
 *   log_warn   we went on worse            log_debug  per area, off by default
 *   log_guest  the guest did wrong (rate-limited per process)
 *   log_fatal  our own bug, then abort()
 *
 * Never log and return the same error. Threads: any; a line is written in one piece.
 */
#pragma once

#include "base/bits.h"

enum log_level { LOG_FATAL, LOG_ERROR, LOG_WARN, LOG_GUEST, LOG_INFO, LOG_DEBUG };

typedef void (*log_sink_fn)(void *ctx, enum log_level level, const char *area, const char *text);

/* Lines above this level are dropped. Default LOG_WARN + guest lines (LOG_GUEST). */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Where lines go; NULL restores the default: "ignition: area: text" on standard error. Set before
 * threads start. */
void log_set_sink(log_sink_fn sink, void *ctx);

/* On a raw terminal a line must end in CR LF; the console owner says so. Threads: any. */
void log_set_crlf(bool crlf);

void log_write(enum log_level level, const char *area, const char *fmt, ...) PRINTF(3, 4);
void log_guest(const char *area, const char *fmt, ...) PRINTF(2, 3);
NORETURN void log_fatal(const char *area, const char *fmt, ...) PRINTF(2, 3);

#define log_error(area, ...) log_write(LOG_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...)  log_write(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...)  log_write(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)                         \
    do {                                             \
        if (UNLIKELY(log_get_level() >= LOG_DEBUG))  \
            log_write(LOG_DEBUG, area, __VA_ARGS__); \
    } while (0)
