/* Error chains: fixed-size, no allocation, safe to use when memory is gone. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static void err_format(struct err *err, const char *fmt, va_list ap)
{
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list ap;

    if (err) {
        err->code = code;
        va_start(ap, fmt);
        err_format(err, fmt, ap);
        va_end(ap);
    }
    return -code;
}

int err_errno(struct err *err, const char *fmt, ...)
{
    int code = errno ? errno : EIO;
    va_list ap;
    char words[ERR_MAX];

    if (err) {
        va_start(ap, fmt);
        vsnprintf(words, sizeof(words), fmt, ap);
        va_end(ap);
        err_set(err, code, "%.*s: %s", ERR_MAX - 64, words, strerror(code));
    }
    return -code;
}

int err_wrap(struct err *err, int rc, const char *fmt, ...)
{
    va_list ap;
    char words[ERR_MAX], chain[ERR_MAX];

    if (err) {
        va_start(ap, fmt);
        vsnprintf(words, sizeof(words), fmt, ap);
        va_end(ap);
        memcpy(chain, err->msg, sizeof(chain));
        /* Context is short; when the whole does not fit, the tail goes. */
        snprintf(err->msg, sizeof(err->msg), "%.*s: %.*s", ERR_MAX / 2, words, ERR_MAX / 2 - 4,
                 chain);
    }
    return rc;
}
