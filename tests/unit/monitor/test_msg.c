/* The protocol of monitor and VMM: round trips, and a peer that lies. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "monitor/msg.h"

static int pair[2];

static int setup(void **state)
{
    return fd_socketpair(pair);
}

static int teardown(void **state)
{
    fd_close(pair[0]);
    fd_close(pair[1]);
    return 0;
}

static void test_messages_arrive_as_sent(void **state)
{
    uint8_t big[MSG_MAX];
    struct msg msg;

    memset(big, 0x5a, sizeof(big));
    assert_int_equal(msg_send(pair[0], MSG_STOP, "", 0), 0);
    assert_int_equal(msg_send(pair[0], MSG_ENDED, big, sizeof(big)), 0);
    assert_int_equal(msg_recv(pair[1], &msg), 0);
    assert_int_equal(msg.type, MSG_STOP);
    assert_int_equal(msg.len, 0);
    assert_int_equal(msg_recv(pair[1], &msg), 0);
    assert_int_equal(msg.type, MSG_ENDED);
    assert_int_equal(msg.len, sizeof(big));
    assert_memory_equal(msg.payload, big, sizeof(big));
}

static void test_too_long_is_not_sent(void **state)
{
    uint8_t big[MSG_MAX + 1] = { 0 };

    assert_int_equal(msg_send(pair[0], MSG_ENDED, big, sizeof(big)), -EMSGSIZE);
}

static void test_liars_are_refused(void **state)
{
    static const uint32_t wrong[][2] = {
        { MSG_ENDED, MSG_MAX + 1 }, { MSG_ENDED, UINT32_MAX }, { 0, 0 }, { 3, 0 },
        { UINT32_MAX, 1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct msg msg = { .type = 99 };
        assert_int_equal(setup(NULL), 0);
        assert_int_equal(fd_write_full(pair[0], wrong[i], sizeof(wrong[i])), 0);
        assert_int_equal(msg_recv(pair[1], &msg), -EPROTO);
        assert_int_equal(msg.type, 99);
        teardown(NULL);
    }
    assert_int_equal(setup(NULL), 0);
}

static void test_end_of_the_peer(void **state)
{
    const uint32_t header[] = { MSG_ENDED, 8 };
    struct msg msg;

    assert_int_equal(fd_write_full(pair[0], header, sizeof(header)), 0);
    assert_int_equal(fd_write_full(pair[0], "abc", 3), 0);
    fd_close(pair[0]);
    pair[0] = -1;
    assert_int_equal(msg_recv(pair[1], &msg), -ENODATA); /* cut off in the payload */
    assert_int_equal(msg_recv(pair[1], &msg), -ENODATA); /* closed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages_arrive_as_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long_is_not_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_liars_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_of_the_peer, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
