/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether requests could be served: by tables that take a change, and by file
 * descriptors of devices that are still open. Losing a message bus is no
 * illness: it is tried again, and the direct socket goes on.
 */
#include "service/mediated.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int service_check_health(struct service *s, struct refusal *refusal) {
        struct held_device *d;
        int r;

        (void) service_flush(s); /* those who waited for it are told how it went */
        r = s->runtime_store->ops->probe(s->runtime_store, refusal);
        if (r >= 0)
                r = s->persistent_store->ops->probe(s->persistent_store, refusal);
        if (r < 0)
                return r;
        TAILQ_FOREACH(d, &s->held_devices, entry)
                if (d->kernel && fcntl(d->kernel->fd, F_GETFD) < 0)
                        return refuse(refusal, EIO, "The file descriptor of device %s is not open any more: %s.", d->address,
                                      strerror(errno));
        return 0;
}
