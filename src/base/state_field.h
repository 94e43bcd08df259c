/* What the writer and the reader of saved state agree on. Private to base/state*.c. */
#pragma once

#include "base/state.h"

#define STATE_FILE_MAX   (64 * MIB) /* far above any machine; a larger file is not ours */
#define STATE_FIELDS_MAX 256        /* fields in one list */

/* Bytes from one element in memory to the next. */
static inline unsigned state_field_size(const struct state_field *field)
{
    static const uint8_t sizes[] = {
        [STATE_T_BOOL] = sizeof(bool),
        [STATE_T_U8] = 1,
        [STATE_T_U16] = 2,
        [STATE_T_U32] = 4,
        [STATE_T_U64] = 8,
        [STATE_T_I64] = 8,
    };

    return field->type == STATE_T_STRUCT ? field->stride : sizes[field->type];
}

/* Several elements of one field: an array or a byte string, not the element itself. */
static inline bool state_field_is_list(const struct state_field *field)
{
    return field->count != 1 || field->type == STATE_T_STRUCT;
}
