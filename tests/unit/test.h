/* What every unit test includes: cmocka, with the headers it needs before it, and golden files. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/state.h"

/* The error a call left behind: its code (as -errno) and its exact words. */
#define assert_err(rc, code_, err, msg_)      \
    do {                                      \
        assert_int_equal(rc, -(code_));       \
        assert_int_equal((err).code, code_);  \
        assert_string_equal((err).msg, msg_); \
    } while (0)
