/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consumer of a domain: made with its numbers, found again, ended.
 */
#pragma once

#include <pasid/pasid.h>

#include "domain.h"

/*
 * The domain's consumer is there and has what the domain wants: all of it or, after a failure, nothing. One that is
 * running keeps what it has, whatever it wants by now.
 */
int reserve(struct pasid_client *client, const struct domain *d, bool is_running);
/* 0 also if there is none. */
int release(struct pasid_client *client, const struct domain *d);
