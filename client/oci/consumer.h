/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The container's consumer, from its making to its end.
 */
#pragma once

#include "hook.h"
#include "request.h"

/* Consumer, PASIDs, attachments and tidings; all or nothing. Again for the same container: nothing more. */
int container_give(struct hook *hook, const struct request *request);
/* Ends the consumer if it is this container's and its process is gone; there may be none. */
int container_take(struct hook *hook, const struct request *request);
