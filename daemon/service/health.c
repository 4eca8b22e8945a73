/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether requests could be served: by tables that take a change, and by the
 * file descriptors of what is attached, which are still open. Losing a message bus is no
 * illness: it is tried again, and the direct socket goes on.
 */
#include "service/mediated.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int check_open(int fd, const char *what, const char *address, struct refusal *refusal) {
        if (fcntl(fd, F_GETFD) >= 0)
                return 0;
        return refuse(refusal, EIO, "The file descriptor of %s%s is not open any more: %s.", what, address, strerror(errno));
}

static int check_descriptors(struct service *s, struct refusal *refusal) {
        const struct held_device *d;
        int r, iommufd;

        if (TAILQ_EMPTY(&s->held_devices))
                return 0;
        r = s->kernel->ops->get_iommufd(s->kernel, &iommufd, refusal);
        if (r >= 0)
                r = check_open(iommufd, "the IOMMU", "", refusal);
        TAILQ_FOREACH(d, &s->held_devices, entry)
                if (r >= 0 && d->kernel)
                        r = check_open(d->kernel->fd, "device ", d->address, refusal);
        return r;
}

int service_check_health(struct service *s, struct refusal *refusal) {
        int r;

        (void) service_flush(s); /* those who waited for it are told how it went */
        r = s->runtime_store->ops->probe(s->runtime_store, refusal);
        if (r >= 0)
                r = s->persistent_store->ops->probe(s->persistent_store, refusal);
        return r < 0 ? r : check_descriptors(s, refusal);
}
