/* Answers for programs (--json): one JSON object on standard output, by jansson. */
#pragma once

#include <jansson.h>

/* A string of any bytes: what is not UTF-8 (a file name may be anything) becomes U+FFFD. NULL when
 * memory is gone. */
json_t *cli_json_string(const char *text);

/* A size or another count; JSON's integers of 64 bits are signed, and larger ones are cut. */
json_t *cli_json_uint(unsigned long long val);

/* Print an object and a newline to a FILE, and free it. NULL, which is what jansson makes of any
 * failure, is -ENOMEM. Returns 0 or -ENOMEM; errors of the file are the file's (ferror). */
int cli_json_print(json_t *object, void *file);
