/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consumer of a domain: made with its numbers, found again, ended.
 */
#pragma once

#include <pasid/pasid.h>

#include "domain.h"

#define CONSUMER_NAME_MAX 128

/* By the name, for people to read; a domain's can be too long for a consumer. */
void format_consumer(const struct domain *d, char ret[static CONSUMER_NAME_MAX + 1]);

/*
 * The domain's consumer is there and has what the domain wants: all of it or, after a failure, nothing. One that is
 * running keeps what it has, whatever it wants by now.
 */
int reserve(struct pasid_client *client, const struct domain *d, bool is_running);
/* 0 also if there is none of that name. */
int release(struct pasid_client *client, const char *name);
