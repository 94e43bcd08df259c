/*
 * What this host can do: a list of checks, each with a verdict, a sentence and, where something is
 * to be done, the way out; and facts for programs. Printed as a table, or as JSON.
 */
#pragma once

#include <jansson.h>

#include "base/bits.h"

enum doctor_verdict {
    DOCTOR_OK,
    DOCTOR_NOTE,    /* works, but there is something to know */
    DOCTOR_MISSING, /* something does not work here */
};

#define DOCTOR_NAME_MAX   32  /* bytes */
#define DOCTOR_TEXT_MAX   320 /* bytes */
#define DOCTOR_CHECKS_MAX 24

struct doctor_check {
    char name[DOCTOR_NAME_MAX]; /* words joined by dashes */
    enum doctor_verdict verdict;
    bool stops; /* no machine can run like this */
    char text[DOCTOR_TEXT_MAX], way_out[DOCTOR_TEXT_MAX];
    json_t *facts; /* NULL when memory is gone */
};

struct doctor {
    struct doctor_check checks[DOCTOR_CHECKS_MAX];
    unsigned count;
};

void doctor_fini(struct doctor *doctor); /* a zeroed struct is an empty list */

/* Add a check. The text begins in lower case, and has no full stop. */
struct doctor_check *doctor_add(struct doctor *doctor, const char *name,
                                enum doctor_verdict verdict, const char *fmt, ...) PRINTF(4, 5);

/* What can be done about it. */
void doctor_way_out(struct doctor_check *check, const char *fmt, ...) PRINTF(2, 3);

/* A fact for programs; takes the value over, and does without one that is NULL. */
void doctor_fact(struct doctor_check *check, const char *key, json_t *val);

/* The first check that stops every machine, or NULL. */
const struct doctor_check *doctor_stopper(const struct doctor *doctor);

/* The check's name as words. */
const char *doctor_title(const struct doctor_check *check, char buf[DOCTOR_NAME_MAX]);

/* One line a check, in columns, to a FILE. */
void doctor_print(const struct doctor *doctor, void *file);

/* An array of objects, NULL when memory is gone. */
json_t *doctor_json(const struct doctor *doctor);

/* "12.3 GiB" */
#define DOCTOR_SIZE_MAX 32
const char *doctor_size(uint64_t bytes, char buf[DOCTOR_SIZE_MAX]);
