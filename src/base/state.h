/*
 * Saved state: versioned field lists, written as CBOR (RFC 8949) records.
 *
 * One record is the array [name, instance, version, {field name: value, ...}]. A file is a sequence
 * of records. Structs and pointers are never written raw; derived state is recomputed after a load.
 *
 * Loading treats the bytes as hostile: lengths, types, depth and counts are checked before use. A
 * record newer than the code is refused by name; an older one loads as long as version >= oldest,
 * fields added since then keep the value that the object had.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

enum state_type {
    STATE_T_END,
    STATE_T_BOOL,
    STATE_T_U8,
    STATE_T_U16,
    STATE_T_U32,
    STATE_T_U64,
    STATE_T_I64,
    STATE_T_STRUCT,
};

struct state_desc;

struct state_field {
    const char *name;
    enum state_type type;
    uint32_t offset;               /* bytes into the object */
    uint32_t count;                /* 1, or the elements of an array */
    uint32_t since;                /* version that added the field */
    const struct state_desc *desc; /* STATE_T_STRUCT: its fields; versions are the outer record's */
    uint32_t stride;               /* STATE_T_STRUCT: bytes from element to element */
};

struct state_desc {
    const char *name;
    uint32_t version, oldest;
    const struct state_field *fields;
    void (*pre_save)(void *obj); /* optional: bring the fields up to date */
    int (*post_load)(void *obj, uint32_t version, struct err *err); /* optional: check, recompute */
};

#define STATE_IS(s, f, T) \
    (0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((s *)0)->f), T) ? 1 : -1]))
#define STATE_ONE(s, f, v, t, T)                                                           \
    {                                                                                      \
        .name = #f, .type = (t), .offset = offsetof(s, f) + STATE_IS(s, f, T), .count = 1, \
        .since = (v)                                                                       \
    }
#define STATE_MANY(s, f, v, t, T)                                                 \
    {                                                                             \
        .name = #f, .type = (t), .offset = offsetof(s, f) + STATE_IS(s, f[0], T), \
        .count = sizeof(((s *)0)->f) / sizeof(T), .since = (v)                    \
    }
#define STATE_BOOL(s, f, v) STATE_ONE(s, f, v, STATE_T_BOOL, bool)
#define STATE_U8(s, f, v)   STATE_ONE(s, f, v, STATE_T_U8, uint8_t)
#define STATE_U16(s, f, v)  STATE_ONE(s, f, v, STATE_T_U16, uint16_t)
#define STATE_U32(s, f, v)  STATE_ONE(s, f, v, STATE_T_U32, uint32_t)
#define STATE_U64(s, f, v)  STATE_ONE(s, f, v, STATE_T_U64, uint64_t)
#define STATE_I64(s, f, v)  STATE_ONE(s, f, v, STATE_T_I64, int64_t)
/* Arrays, of one dimension. */
#define STATE_U8S(s, f, v)  STATE_MANY(s, f, v, STATE_T_U8, uint8_t)
#define STATE_U16S(s, f, v) STATE_MANY(s, f, v, STATE_T_U16, uint16_t)
#define STATE_U32S(s, f, v) STATE_MANY(s, f, v, STATE_T_U32, uint32_t)
#define STATE_U64S(s, f, v) STATE_MANY(s, f, v, STATE_T_U64, uint64_t)
/* An array of structs, each with its own field list. */
#define STATE_STRUCTS(s, f, v, d)                                                         \
    {                                                                                     \
        .name = #f, .type = STATE_T_STRUCT, .offset = offsetof(s, f),                     \
        .count = sizeof(((s *)0)->f) / sizeof(((s *)0)->f[0]), .since = (v), .desc = (d), \
        .stride = sizeof(((s *)0)->f[0])                                                  \
    }
#define STATE_END           \
    {                       \
        .type = STATE_T_END \
    }

/* Records being written. Zero-initialise; state_buf_fini() frees. */
struct state_buf {
    uint8_t *data;
    size_t len, cap; /* bytes */
    bool failed;     /* memory ran out; the content is useless */
};

void state_buf_fini(struct state_buf *buf);

/* Append one record. instance tells several objects of one kind apart ("" when there is one). */
void state_save(struct state_buf *buf, const struct state_desc *desc, void *obj,
                const char *instance);

/* Find the record (desc->name, instance) in data and load it into obj, whose fields are untouched
 * unless the whole record is well-formed; then post_load may still refuse. Returns 0, -ENOENT when
 * there is no such record, or another -errno with the reason in err. */
MUST_CHECK int state_load(const void *data, size_t len, const struct state_desc *desc, void *obj,
                          const char *instance, struct err *err);
