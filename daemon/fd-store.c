/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service manager keeps duplicates of file descriptors for the next pasidd
 * (sd_pid_notify_with_fds(3), FileDescriptorStoreMax=). They come back in any
 * order, among the sockets, and are known by their names. FDPOLL=0: one whose
 * other end has hung up is news for us, not for the manager to clear away.
 */
#include "fd-store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <systemd/sd-daemon.h>

#include "log.h"

#define SYNC_USEC (5 * 1000000ULL)

static const char *const prefixes[] = { "iommufd", "device-", "hold-" };

static bool is_ours(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
                        return true;
        return false;
}

static int keep(const char *name, int fd, _unused_ void *userdata) {
        _cleanup_free_ char *text = NULL;
        int r;

        if (asprintf(&text, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        r = sd_pid_notify_with_fds(0, 0, text, &fd, 1);
        return r < 0 ? r : 0; /* 0 is "there is no manager": nothing to keep it from being served */
}

static void drop(const char *name, _unused_ void *userdata) {
        (void) sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* The manager takes notices in their order. */
static void sync_drops(_unused_ void *userdata) {
        int r = sd_notify_barrier(0, SYNC_USEC);

        if (r < 0)
                log_warning("The service manager has not said whether it has closed what is of no use any more: %s", strerror(-r));
}

const struct fd_keeper fd_store_keeper = { .keep = keep, .drop = drop, .sync = sync_drops };

int fd_store_take(struct passed_fds *ret, struct refusal *refusal) {
        struct passed_fds fds = {};
        size_t n;
        int r;

        r = sd_listen_fds_with_names(1, &fds.names);
        if (r < 0)
                return refuse(refusal, -r, "Could not take the file descriptors of the service manager: %s.", strerror(-r));
        n = (size_t) r;
        fds.sockets = calloc(n + 1, sizeof(*fds.sockets));
        fds.stored = calloc(n + 1, sizeof(*fds.stored));
        if (!fds.sockets || !fds.stored) {
                fd_store_done(&fds);
                return refuse(refusal, ENOMEM, "Out of memory.");
        }
        for (size_t i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + (int) i;

                if (is_ours(fds.names[i]))
                        fds.stored[fds.n_stored++] = (struct stored_fd) { fds.names[i], fd };
                else if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0)
                        fds.sockets[fds.n_sockets++] = fd;
                else {
                        log_warning("File descriptor \"%s\" from the service manager is no listening unix socket; closed", fds.names[i]);
                        (void) close_fd(fd);
                }
        }
        *ret = fds;
        return 0;
}

void fd_store_settle(struct passed_fds *fds) {
        for (size_t i = 0; i < fds->n_stored; i++) {
                if (fds->stored[i].fd < 0)
                        continue;
                log_info("File descriptor \"%s\" of an earlier pasidd is of no use any more; closed", fds->stored[i].name);
                (void) close_fd(fds->stored[i].fd);
                drop(fds->stored[i].name, NULL);
        }
        fd_store_done(fds);
}

void fd_store_done(struct passed_fds *fds) {
        for (char **name = fds->names; name && *name; name++)
                free(*name);
        free(fds->names);
        free(fds->sockets);
        free(fds->stored);
        *fds = (struct passed_fds) {};
}
