/*
 * Messages between the monitor and the VMM over a stream socket: a header of type and length, then
 * the payload. The peer is not trusted: a length beyond MSG_MAX or an unknown type ends the talk.
 */
#pragma once

#include "base/bits.h"

#define MSG_MAX 1024 /* payload bytes */

enum msg_type {
    MSG_STOP = 1, /* monitor to VMM: end the machine; no payload */
    MSG_ENDED =
        2, /* VMM to monitor: status byte (0 or 1), then a sentence for the user or nothing */
};

struct msg {
    uint32_t type; /* enum msg_type */
    uint32_t len;
    uint8_t payload[MSG_MAX];
};

/* Send one message. Returns 0 or -errno (-EPIPE: the peer is gone). */
MUST_CHECK int msg_send(int sock, enum msg_type type, const void *payload, size_t len);

/* Receive one. Returns 0, -ENODATA when the peer closed, -EPROTO for what is no message, -errno. */
MUST_CHECK int msg_recv(int sock, struct msg *ret_msg);
