/*
 * Writing saved state: field lists to CBOR records (RFC 8949).
 *
 * A field is written as one item; several elements as an array of that item, except that bytes
 * become a byte string. Structs are always an array of maps. A list of one plain element is written
 * as the element alone.
 */
#include "base/state.h"

#include <assert.h>
#include <cbor.h>
#include <stdlib.h>

#include "base/state_field.h"

void state_buf_fini(struct state_buf *buf)
{
    free(buf->data);
    *buf = (struct state_buf){ 0 };
}

/* Room for `more` bytes at the end, or NULL. */
static uint8_t *buf_room(struct state_buf *buf, size_t more)
{
    size_t cap = buf->cap ? buf->cap : 4096;
    uint8_t *data;

    if (buf->failed || more > STATE_FILE_MAX - buf->len) {
        buf->failed = true;
        return NULL;
    }
    while (cap < buf->len + more)
        cap *= 2;
    if (cap != buf->cap) {
        data = realloc(buf->data, cap);
        if (!data) {
            buf->failed = true;
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

#define HEAD_MAX 9 /* bytes: the longest head of a CBOR item */

static void put_head(struct state_buf *buf, size_t (*encode)(size_t, unsigned char *, size_t),
                     size_t count)
{
    uint8_t *room = buf_room(buf, HEAD_MAX);

    if (room)
        buf->len += encode(count, room, HEAD_MAX);
}

static void put_bytes(struct state_buf *buf, const void *data, size_t len)
{
    uint8_t *room = buf_room(buf, len);

    if (room && len) {
        memcpy(room, data, len);
        buf->len += len;
    }
}

static void put_uint(struct state_buf *buf, uint64_t val)
{
    uint8_t *room = buf_room(buf, HEAD_MAX);

    if (room)
        buf->len += cbor_encode_uint(val, room, HEAD_MAX);
}

static void put_int(struct state_buf *buf, int64_t val)
{
    uint8_t *room = buf_room(buf, HEAD_MAX);

    if (!room)
        return;
    /* RFC 8949, 3.1: a negative number n is written as -1 - n. */
    buf->len += val < 0 ? cbor_encode_negint(~(uint64_t)val, room, HEAD_MAX)
                        : cbor_encode_uint((uint64_t)val, room, HEAD_MAX);
}

static void put_bool(struct state_buf *buf, bool val)
{
    uint8_t *room = buf_room(buf, HEAD_MAX);

    if (room)
        buf->len += cbor_encode_bool(val, room, HEAD_MAX);
}

static void put_text(struct state_buf *buf, const char *text)
{
    put_head(buf, cbor_encode_string_start, strlen(text));
    put_bytes(buf, text, strlen(text));
}

static void put_fields(struct state_buf *buf, const struct state_field *fields, const void *obj);

static uint64_t elem_load(const void *elem, unsigned size)
{
    uint64_t val = 0;

    memcpy(&val, elem, size); /* hosts are little-endian: base/bits.h */
    return val;
}

static void put_elem(struct state_buf *buf, const struct state_field *field, const void *elem)
{
    switch (field->type) {
    case STATE_T_BOOL:
        put_bool(buf, *(const bool *)elem);
        break;
    case STATE_T_I64:
        put_int(buf, (int64_t)elem_load(elem, 8));
        break;
    case STATE_T_STRUCT:
        put_fields(buf, field->desc->fields, elem);
        break;
    default:
        put_uint(buf, elem_load(elem, state_field_size(field)));
    }
}

static void put_fields(struct state_buf *buf, const struct state_field *fields, const void *obj)
{
    unsigned count = 0;

    while (fields[count].type)
        count++;
    assert(count <= STATE_FIELDS_MAX);
    put_head(buf, cbor_encode_map_start, count);
    for (const struct state_field *field = fields; field->type; field++) {
        const uint8_t *elem = (const uint8_t *)obj + field->offset;

        put_text(buf, field->name);
        if (state_field_is_list(field) && field->type == STATE_T_U8) {
            put_head(buf, cbor_encode_bytestring_start, field->count);
            put_bytes(buf, elem, field->count);
            continue;
        }
        if (state_field_is_list(field))
            put_head(buf, cbor_encode_array_start, field->count);
        for (uint32_t i = 0; i < field->count; i++)
            put_elem(buf, field, elem + (size_t)i * state_field_size(field));
    }
}

void state_save(struct state_buf *buf, const struct state_desc *desc, void *obj,
                const char *instance)
{
    if (desc->pre_save)
        desc->pre_save(obj);
    put_head(buf, cbor_encode_array_start, 4);
    put_text(buf, desc->name);
    put_text(buf, instance);
    put_uint(buf, desc->version);
    put_fields(buf, desc->fields, obj);
}
