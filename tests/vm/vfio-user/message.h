/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole messages of the vfio-user protocol on a stream socket.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

#define MESSAGE_PAYLOAD_MAX 65536U

struct message {
        struct vfio_user_header header;
        /* the widest that any payload starts with is a 64-bit number */
        _Alignas(uint64_t) uint8_t payload[MESSAGE_PAYLOAD_MAX];
        size_t length; /* of the payload */
};

/*
 * Waits for one command. File descriptors that come along are closed: this
 * device reaches the guest's memory another way.
 * 0; -EPIPE when the peer has gone; -EPROTO for what is no command or too long.
 */
int message_receive(int fd, struct message *ret);

/* Answers with the length first bytes of the payload, or with an error (a negative errno), unless no reply is wanted. */
int message_reply(int fd, struct message *m, size_t length, int error);
