/*
 * Reading saved state: CBOR records back to objects. The bytes are hostile.
 *
 * A record is walked twice with the same code: the first time without an object, to check all of
 * it, then to store. Nothing is allocated, so no length in the file can cost memory. Work is linear
 * in the size of the file; nesting is bounded.
 */
#include "base/state.h"

#include <assert.h>
#include <cbor.h>
#include <errno.h>
#include <stdio.h>

#include "base/state_field.h"

#define STATE_DEPTH_MAX 8  /* nested arrays and maps that are skipped over */
#define STATE_SHOWN_MAX 40 /* bytes of a name from a file in a message */

enum tok_kind { TOK_NONE, TOK_UINT, TOK_NEGINT, TOK_BYTES, TOK_TEXT, TOK_ARRAY, TOK_MAP, TOK_BOOL };

/* One head of a CBOR item, with the content of strings. */
struct tok {
    enum tok_kind kind;
    uint64_t val; /* the number (NEGINT: -1 - n), the truth value, or the count of elements */
    const uint8_t *data; /* BYTES, TEXT: val bytes */
};

struct reader {
    const uint8_t *data;
    size_t len, pos;
    size_t at;        /* where the item that was read last began, for messages */
    const char *what; /* the record being looked for, for messages */
    uint32_t version; /* of the record */
    bool old;         /* the record is of an older version than the code */
    struct err *err;
};

#define ON_NUMBER(name, kind_, type)                                    \
    static void name(void *ctx, type val)                               \
    {                                                                   \
        *(struct tok *)ctx = (struct tok){ .kind = kind_, .val = val }; \
    }
ON_NUMBER(on_uint8, TOK_UINT, uint8_t)
ON_NUMBER(on_uint16, TOK_UINT, uint16_t)
ON_NUMBER(on_uint32, TOK_UINT, uint32_t)
ON_NUMBER(on_uint64, TOK_UINT, uint64_t)
ON_NUMBER(on_negint8, TOK_NEGINT, uint8_t)
ON_NUMBER(on_negint16, TOK_NEGINT, uint16_t)
ON_NUMBER(on_negint32, TOK_NEGINT, uint32_t)
ON_NUMBER(on_negint64, TOK_NEGINT, uint64_t)
ON_NUMBER(on_array, TOK_ARRAY, size_t)
ON_NUMBER(on_map, TOK_MAP, size_t)
ON_NUMBER(on_bool, TOK_BOOL, bool)
#undef ON_NUMBER

static void on_bytes(void *ctx, cbor_data data, size_t len)
{
    *(struct tok *)ctx = (struct tok){ .kind = TOK_BYTES, .val = len, .data = data };
}

static void on_text(void *ctx, cbor_data data, size_t len)
{
    *(struct tok *)ctx = (struct tok){ .kind = TOK_TEXT, .val = len, .data = data };
}

/* Next head, or TOK_NONE for the end, for truncated input and for what we never write. */
static struct tok next_tok(struct reader *rd)
{
    struct cbor_callbacks on = cbor_empty_callbacks;
    struct cbor_decoder_result res;
    struct tok tok = { 0 };

    rd->at = rd->pos;
    on.uint8 = on_uint8;
    on.uint16 = on_uint16;
    on.uint32 = on_uint32;
    on.uint64 = on_uint64;
    on.negint8 = on_negint8;
    on.negint16 = on_negint16;
    on.negint32 = on_negint32;
    on.negint64 = on_negint64;
    on.byte_string = on_bytes;
    on.string = on_text;
    on.array_start = on_array;
    on.map_start = on_map;
    on.boolean = on_bool;
    res = cbor_stream_decode(rd->data + rd->pos, rd->len - rd->pos, &on, &tok);
    if (res.status != CBOR_DECODER_FINISHED)
        return (struct tok){ 0 };
    rd->pos += res.read;
    /* Every element takes a byte at least: a larger count is a lie, whoever loops over it. */
    if (tok.kind == TOK_ARRAY && tok.val > rd->len - rd->pos)
        return (struct tok){ 0 };
    if (tok.kind == TOK_MAP && tok.val > (rd->len - rd->pos) / 2)
        return (struct tok){ 0 };
    return tok;
}

static bool tok_is_text(const struct tok *tok, const char *text)
{
    return tok->kind == TOK_TEXT && tok->val == strlen(text) &&
           (!tok->val || !memcmp(tok->data, text, tok->val));
}

/* A name from the file, made fit for a terminal. */
static const char *tok_show(const struct tok *tok, char buf[STATE_SHOWN_MAX])
{
    size_t n = 0;

    for (; n < tok->val && n < STATE_SHOWN_MAX - 1; n++)
        buf[n] = (char)(tok->data[n] > ' ' && tok->data[n] < 0x7f ? tok->data[n] : '?');
    buf[n] = '\0';
    return buf;
}

static int rd_broken(struct reader *rd)
{
    return err_set(rd->err, EINVAL, "saved state: %s: damaged at byte %zu", rd->what, rd->at);
}

static int rd_refuse(struct reader *rd, const char *field, const char *why)
{
    return err_set(rd->err, EINVAL, "saved state: %s: field %s: %s", rd->what, field, why);
}

/* Step over one item. */
static int skip_item(struct reader *rd, unsigned depth)
{
    struct tok tok = next_tok(rd);
    uint64_t items = tok.kind == TOK_ARRAY ? tok.val : tok.kind == TOK_MAP ? 2 * tok.val : 0;

    if (tok.kind == TOK_NONE || (items && depth == STATE_DEPTH_MAX))
        return rd_broken(rd);
    while (items--) {
        int rc = skip_item(rd, depth + 1);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int get_fields(struct reader *rd, const struct state_field *fields, void *obj);

/* One element; elem is NULL in the checking pass. */
static int get_elem(struct reader *rd, const struct state_field *field, void *elem)
{
    unsigned size = state_field_size(field);
    struct tok tok;
    uint64_t val;

    if (field->type == STATE_T_STRUCT)
        return get_fields(rd, field->desc->fields, elem);

    tok = next_tok(rd);
    val = tok.val;
    switch (field->type) {
    case STATE_T_BOOL:
        if (tok.kind != TOK_BOOL)
            return rd_refuse(rd, field->name, "not a truth value");
        break;
    case STATE_T_I64:
        if ((tok.kind != TOK_UINT && tok.kind != TOK_NEGINT) || val > INT64_MAX)
            return rd_refuse(rd, field->name, "not a number of 64 bits");
        if (tok.kind == TOK_NEGINT)
            val = ~val;
        break;
    default:
        if (tok.kind != TOK_UINT)
            return rd_refuse(rd, field->name, "not a number");
        if (val > low_mask(8 * size))
            return rd_refuse(rd, field->name, "number too large");
    }
    if (elem)
        memcpy(elem, &val, size); /* hosts are little-endian: base/bits.h */
    return 0;
}

static int get_field(struct reader *rd, const struct state_field *field, void *obj)
{
    uint8_t *elem = obj ? (uint8_t *)obj + field->offset : NULL;

    if (state_field_is_list(field)) {
        bool bytes = field->type == STATE_T_U8;
        struct tok tok = next_tok(rd);
        if (tok.kind != (bytes ? TOK_BYTES : TOK_ARRAY))
            return rd_refuse(rd, field->name, bytes ? "not a byte string" : "not an array");
        if (tok.val != field->count)
            return rd_refuse(rd, field->name, "wrong number of elements");
        if (bytes) {
            if (elem)
                memcpy(elem, tok.data, field->count);
            return 0;
        }
    }
    for (uint32_t i = 0; i < field->count; i++) {
        int rc = get_elem(rd, field, elem ? elem + (size_t)i * state_field_size(field) : NULL);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The field of that name; hint is where it stands in a record that we wrote. */
static const struct state_field *find_field(const struct state_field *fields, unsigned hint,
                                            const struct tok *name)
{
    if (fields[hint].type && tok_is_text(name, fields[hint].name))
        return &fields[hint];
    for (; fields->type; fields++)
        if (tok_is_text(name, fields->name))
            return fields;
    return NULL;
}

/* A map of fields; obj is NULL in the checking pass. */
static int get_fields(struct reader *rd, const struct state_field *fields, void *obj)
{
    bool seen[STATE_FIELDS_MAX] = { 0 };
    struct tok map = next_tok(rd);
    unsigned hint = 0;
    char shown[STATE_SHOWN_MAX];

    if (map.kind != TOK_MAP)
        return rd_broken(rd);
    for (uint64_t i = 0; i < map.val; i++) {
        struct tok name = next_tok(rd);
        const struct state_field *field;
        int rc;

        if (name.kind != TOK_TEXT)
            return rd_broken(rd);
        field = find_field(fields, hint, &name);
        if (!field) {
            /* A field that later versions did away with; in a current record it is an error. */
            if (!rd->old)
                return rd_refuse(rd, tok_show(&name, shown), "unknown");
            rc = skip_item(rd, 0);
            if (rc < 0)
                return rc;
            continue;
        }
        if (field->since > rd->version || seen[field - fields])
            return rd_refuse(rd, field->name,
                             seen[field - fields] ? "given twice" : "newer than its record");
        seen[field - fields] = true;
        hint = (unsigned)(field - fields) + 1;
        rc = get_field(rd, field, obj);
        if (rc < 0)
            return rc;
    }
    for (unsigned i = 0; fields[i].type; i++)
        if (fields[i].since <= rd->version && !seen[i])
            return rd_refuse(rd, fields[i].name, "missing");
    return 0;
}

/* The body of the record that was looked for: its version, then its fields. */
static int get_record(struct reader *rd, const struct state_desc *desc, void *obj)
{
    struct tok version = next_tok(rd);
    size_t fields_pos = rd->pos;
    int rc;

    if (version.kind != TOK_UINT)
        return rd_broken(rd);
    if (version.val > desc->version)
        return err_set(rd->err, ENOTSUP,
                       "saved state: %s: version %llu, but this build knows %u at most; use a "
                       "newer ignition",
                       rd->what, (unsigned long long)version.val, desc->version);
    if (version.val < desc->oldest)
        return err_set(rd->err, ENOTSUP, "saved state: %s: version %llu, but this build needs %u",
                       rd->what, (unsigned long long)version.val, desc->oldest);
    rd->version = (uint32_t)version.val;
    rd->old = rd->version < desc->version;
    rc = get_fields(rd, desc->fields, NULL);
    if (rc < 0)
        return rc;
    rd->pos = fields_pos;
    rc = get_fields(rd, desc->fields, obj);
    assert(rc == 0); /* checked a moment ago */
    return desc->post_load ? desc->post_load(obj, rd->version, rd->err) : rc;
}

int state_load(const void *data, size_t len, const struct state_desc *desc, void *obj,
               const char *instance, struct err *err)
{
    char what[2 * STATE_SHOWN_MAX];
    struct reader rd = { .data = data, .len = len, .what = what, .err = err };

    snprintf(what, sizeof(what), "%s%s%s", desc->name, *instance ? " " : "", instance);
    if (len > STATE_FILE_MAX)
        return err_set(err, EFBIG, "saved state: %zu bytes, more than the %llu of any machine", len,
                       (unsigned long long)STATE_FILE_MAX);
    while (rd.pos < rd.len) {
        struct tok head, name, inst;

        head = next_tok(&rd);
        if (head.kind != TOK_ARRAY || head.val != 4)
            return rd_broken(&rd);
        name = next_tok(&rd);
        if (name.kind != TOK_TEXT)
            return rd_broken(&rd);
        inst = next_tok(&rd);
        if (inst.kind != TOK_TEXT)
            return rd_broken(&rd);
        if (tok_is_text(&name, desc->name) && tok_is_text(&inst, instance))
            return get_record(&rd, desc, obj);
        for (unsigned i = 0; i < 2; i++) {
            int rc = skip_item(&rd, 0);
            if (rc < 0)
                return rc;
        }
    }
    return err_set(err, ENOENT, "saved state: %s: no such record", what);
}
