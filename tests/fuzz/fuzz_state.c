/*
 * libFuzzer: saved state from hostile bytes. A refusal leaves the object as it was; what loads must
 * load again, the same, after it was saved.
 */
#include <stdlib.h>

#include "base/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct part {
    uint32_t a;
    bool b;
};

struct whole {
    bool flag;
    uint8_t small;
    uint16_t half;
    uint32_t word;
    uint64_t big;
    int64_t delta;
    uint8_t bytes[3];
    uint32_t words[2];
    struct part parts[2];
};

static const struct state_field part_fields[] = {
    STATE_U32(struct part, a, 1),
    STATE_BOOL(struct part, b, 2),
    STATE_END,
};
static const struct state_desc part_desc = { .name = "part", .fields = part_fields };

static const struct state_field whole_fields[] = {
    STATE_BOOL(struct whole, flag, 1),
    STATE_U8(struct whole, small, 1),
    STATE_U16(struct whole, half, 1),
    STATE_U32(struct whole, word, 1),
    STATE_U64(struct whole, big, 1),
    STATE_I64(struct whole, delta, 2),
    STATE_U8S(struct whole, bytes, 1),
    STATE_U32S(struct whole, words, 2),
    STATE_STRUCTS(struct whole, parts, 1, &part_desc),
    STATE_END,
};

/* The name of the golden file's record, so that it seeds the corpus. */
static const struct state_desc whole_desc = {
    .name = "whole",
    .version = 2,
    .oldest = 1,
    .fields = whole_fields,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct whole first, second, before;
    struct state_buf buf = { 0 };
    struct err err = { 0 };

    memset(&first, 0x5a, sizeof(first));
    first.flag = first.parts[0].b = first.parts[1].b = false; /* 0x5a is no truth value */
    memcpy(&before, &first, sizeof(first));
    memset(&second, 0, sizeof(second));
    if (state_load(data, len, &whole_desc, &first, "", &err) < 0) {
        if (memcmp(&first, &before, sizeof(first)) != 0 || !err.msg[0])
            abort();
        return 0;
    }
    state_save(&buf, &whole_desc, &first, "");
    if (buf.failed || state_load(buf.data, buf.len, &whole_desc, &second, "", NULL) < 0)
        abort();
    /* Field by field: padding is not saved. */
    if (first.flag != second.flag || first.small != second.small || first.half != second.half ||
        first.word != second.word || first.big != second.big || first.delta != second.delta ||
        memcmp(first.bytes, second.bytes, sizeof(first.bytes)) != 0 ||
        memcmp(first.words, second.words, sizeof(first.words)) != 0 ||
        first.parts[1].a != second.parts[1].a || first.parts[1].b != second.parts[1].b)
        abort();
    state_buf_fini(&buf);
    return 0;
}
