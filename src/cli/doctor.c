/* The doctor's list of checks, and how it is printed. */
#include "cli/doctor.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "cli/cli_json.h"

static const char *const verdict_words[] = {
    [DOCTOR_OK] = "ok",
    [DOCTOR_NOTE] = "note",
    [DOCTOR_MISSING] = "missing",
};

void doctor_fini(struct doctor *doctor)
{
    for (unsigned i = 0; i < doctor->count; i++)
        json_decref(doctor->checks[i].facts);
    doctor->count = 0;
}

struct doctor_check *doctor_add(struct doctor *doctor, const char *name,
                                enum doctor_verdict verdict, const char *fmt, ...)
{
    struct doctor_check *check = &doctor->checks[doctor->count++];
    va_list ap;

    assert(doctor->count <= DOCTOR_CHECKS_MAX);
    *check = (struct doctor_check){ .verdict = verdict, .facts = json_object() };
    snprintf(check->name, sizeof(check->name), "%s", name);
    va_start(ap, fmt);
    vsnprintf(check->text, sizeof(check->text), fmt, ap);
    va_end(ap);
    return check;
}

void doctor_way_out(struct doctor_check *check, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(check->way_out, sizeof(check->way_out), fmt, ap);
    va_end(ap);
}

void doctor_fact(struct doctor_check *check, const char *key, json_t *val)
{
    /* Fails when memory is gone: then the list is printed without it. */
    (void)!json_object_set_new(check->facts, key, val);
}

const struct doctor_check *doctor_stopper(const struct doctor *doctor)
{
    for (unsigned i = 0; i < doctor->count; i++)
        if (doctor->checks[i].stops)
            return &doctor->checks[i];
    return NULL;
}

const char *doctor_title(const struct doctor_check *check, char buf[DOCTOR_NAME_MAX])
{
    size_t at = 0;

    for (; check->name[at]; at++)
        buf[at] = check->name[at] == '-' ? ' ' : check->name[at];
    buf[at] = '\0';
    return buf;
}

void doctor_print(const struct doctor *doctor, void *file)
{
    char title[DOCTOR_NAME_MAX];
    int width = 0;

    for (unsigned i = 0; i < doctor->count; i++)
        if ((int)strlen(doctor->checks[i].name) > width)
            width = (int)strlen(doctor->checks[i].name);
    for (unsigned i = 0; i < doctor->count; i++) {
        const struct doctor_check *check = &doctor->checks[i];

        fprintf(file, "  %-7s  %-*s  %s%s%s\n", verdict_words[check->verdict], width,
                doctor_title(check, title), check->text, *check->way_out ? "; " : "",
                check->way_out);
    }
}

json_t *doctor_json(const struct doctor *doctor)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < doctor->count; i++) {
        const struct doctor_check *check = &doctor->checks[i];
        json_t *object = json_pack(
            "{s:s, s:s, s:o, s:o, s:O}", "name", check->name, "verdict",
            verdict_words[check->verdict], "text", cli_json_string(check->text), "way_out",
            *check->way_out ? cli_json_string(check->way_out) : json_null(), "facts", check->facts);
        if (json_array_append_new(list, object) < 0) { /* also for a NULL of either */
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

const char *doctor_size(uint64_t bytes, char buf[DOCTOR_SIZE_MAX])
{
    if (bytes >= GIB)
        snprintf(buf, DOCTOR_SIZE_MAX, "%.1f GiB", (double)bytes / (double)GIB);
    else
        snprintf(buf, DOCTOR_SIZE_MAX, "%.1f MiB", (double)bytes / (double)MIB);
    return buf;
}
