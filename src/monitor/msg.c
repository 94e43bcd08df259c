/* The message protocol of monitor and VMM. */
#include "monitor/msg.h"

#include <errno.h>

#include "base/fd.h"

#define MSG_HEADER offsetof(struct msg, payload)

int msg_send(int sock, enum msg_type type, const void *payload, size_t len)
{
    struct msg msg = { .type = type, .len = (uint32_t)len };

    if (len > MSG_MAX)
        return -EMSGSIZE;
    memcpy(msg.payload, payload, len);
    return fd_write_full(sock, &msg, MSG_HEADER + len);
}

int msg_recv(int sock, struct msg *ret_msg)
{
    struct msg msg;
    int rc = fd_read_full(sock, &msg, MSG_HEADER);

    if (rc < 0)
        return rc;
    if (msg.len > MSG_MAX || (msg.type != MSG_STOP && msg.type != MSG_ENDED))
        return -EPROTO;
    rc = fd_read_full(sock, msg.payload, msg.len);
    if (rc < 0)
        return rc;
    ret_msg->type = msg.type;
    ret_msg->len = msg.len;
    memcpy(ret_msg->payload, msg.payload, msg.len);
    return 0;
}
