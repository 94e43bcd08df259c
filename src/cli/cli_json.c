/* Answers for programs: jansson does the work; names that are not UTF-8 are made so. */
#include "cli/cli_json.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes of the UTF-8 sequence at p, 0 when it is none (Unicode 15, table 3-7). */
static size_t utf8_sequence(const unsigned char *p)
{
    size_t len = p[0] < 0x80                    ? 1
                 : p[0] >= 0xc2 && p[0] < 0xe0  ? 2
                 : p[0] >= 0xe0 && p[0] < 0xf0  ? 3
                 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                : 0;

    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) /* the final NUL is none, either */
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

json_t *cli_json_string(const char *text)
{
    CLEANUP(freep) char *clean = malloc(strlen(text) * strlen(REPLACEMENT) + 1);
    const unsigned char *p = (const unsigned char *)text;
    char *out = clean;

    if (!clean)
        return NULL;
    while (*p) {
        size_t len = utf8_sequence(p);
        memcpy(out, len ? (const char *)p : REPLACEMENT, len ? len : strlen(REPLACEMENT));
        out += len ? len : strlen(REPLACEMENT);
        p += len ? len : 1;
    }
    *out = '\0';
    return json_string(clean);
}

json_t *cli_json_uint(unsigned long long val)
{
    return json_integer(val < LLONG_MAX ? (json_int_t)val : LLONG_MAX);
}

int cli_json_print(json_t *object, void *file)
{
    if (!object)
        return -ENOMEM;
    if (json_dumpf(object, file, 0) == 0)
        fputc('\n', file);
    json_decref(object);
    return 0;
}
