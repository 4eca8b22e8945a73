/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From D-Bus error names and errnos of the system to the errnos of pasid.h, and
 * the sentence that goes with the last failure of a client.
 */
#include <stdarg.h>

#include "libpasid-internal.h"

#define ERRNO_MAX 4095
#define BUS_ERROR "org.freedesktop.DBus.Error."

/* What pasid.h gives besides the contract's own conditions. */
static const struct error_entry own_errors[] = {
        { NULL, ENOTCONN, "not connected to pasidd" },
        { NULL, ECONNRESET, "the connection to pasidd was lost" },
        { NULL, ECONNREFUSED, "pasidd does not run, or not at that address" },
        { NULL, ETIMEDOUT, "pasidd did not answer in time" },
        { NULL, EBADMSG, "pasidd's answer is malformed" },
        { NULL, EPROTO, "unexpected error" },
        { NULL, E2BIG, "a struct has members that this libpasid does not know" },
        { NULL, ECHILD, "the client belongs to the parent process" },
};

/* Names that come from libraries and message buses rather than from pasidd. */
static const struct error_entry bus_errors[] = {
        { BUS_ERROR "ServiceUnknown", ECONNREFUSED, NULL },
        { BUS_ERROR "NameHasNoOwner", ECONNREFUSED, NULL },
        { BUS_ERROR "NoServer", ECONNREFUSED, NULL },
        { BUS_ERROR "UnknownMethod", EOPNOTSUPP, NULL },
        { BUS_ERROR "UnknownObject", EOPNOTSUPP, NULL },
        { BUS_ERROR "UnknownInterface", EOPNOTSUPP, NULL },
        { BUS_ERROR "UnknownProperty", EOPNOTSUPP, NULL },
        { BUS_ERROR "NotSupported", EOPNOTSUPP, NULL },
        { BUS_ERROR "NoReply", ETIMEDOUT, NULL },
        { BUS_ERROR "Timeout", ETIMEDOUT, NULL },
        { BUS_ERROR "TimedOut", ETIMEDOUT, NULL },
        { BUS_ERROR "Disconnected", ECONNRESET, NULL },
        { BUS_ERROR "AuthFailed", EACCES, NULL },
        { BUS_ERROR "InteractiveAuthorizationRequired", EACCES, NULL },
        { BUS_ERROR "InconsistentMessage", EBADMSG, NULL },
};

/* What the names of others begin with. */
static const char *const start_errors[] = { BUS_ERROR "Spawn.", "org.freedesktop.systemd1." };

/* 0 for what can be no errno. */
static int positive(int error) {
        if (error < 0)
                return error >= -ERRNO_MAX ? -error : 0;
        return error <= ERRNO_MAX ? error : 0;
}

_public_ const char *pasid_strerror(int error) {
        const struct error_entry *e;
        const char *s = NULL;

        error = positive(error);
        if (error == 0)
                return "unknown error";
        e = error_by_code(error);
        if (e)
                return e->text;
        for (size_t i = 0; i < ELEMENTSOF(own_errors); i++)
                if (own_errors[i].code == error)
                        return own_errors[i].text;
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
        s = strerrordesc_np(error);
#endif
        return s ? s : "unknown error";
}

_public_ const char *pasid_error_name(int error) {
        const struct error_entry *e = error_by_code(positive(error));

        return e ? strrchr(e->name, '.') + 1 : NULL;
}

_public_ const char *pasid_strerror_last(struct pasid_client *client) {
        if (!client)
                return "there is no client";
        if (client->last_error == 0)
                return "";
        return client->last_text ? client->last_text : pasid_strerror(client->last_error);
}

int lp_local_error(int error) {
        if (error < 0)
                error = -error;
        switch (error) {
        case EPERM:
        case EACCES:
                return -EACCES;
        case EINVAL:
        case ENOMEM:
        case ENOBUFS:
        case EOPNOTSUPP:
                return -error;
        default:
                return error_by_code(error) ? -EPROTO : -error;
        }
}

int lp_fail(struct pasid_client *client, int error, const char *format, ...) {
        char *text = NULL;
        va_list ap;

        if (error < 0)
                error = -error;
        if (!client)
                return -error;
        if (format) {
                va_start(ap, format);
                if (vasprintf(&text, format, ap) < 0)
                        text = NULL;
                va_end(ap);
        }
        free(client->last_text);
        client->last_text = text;
        client->last_error = error;
        return -error;
}

static int bus_error_code(const sd_bus_error *error, const char *path) {
        const struct error_entry *e = error_by_name(error->name);

        if (e)
                return e->code;
        /* An object that is not there is a consumer, or a device, that is not there. */
        if (strcmp(error->name, BUS_ERROR "UnknownObject") == 0 && path) {
                if (strncmp(path, PASIDD_CONSUMER_PREFIX "/", sizeof(PASIDD_CONSUMER_PREFIX)) == 0)
                        return ESRCH;
                if (strncmp(path, PASIDD_DEVICE_PREFIX "/", sizeof(PASIDD_DEVICE_PREFIX)) == 0)
                        return ENODEV;
        }
        for (size_t i = 0; i < ELEMENTSOF(bus_errors); i++)
                if (strcmp(error->name, bus_errors[i].name) == 0)
                        return bus_errors[i].code;
        /* The bus could not start the daemon, or was told so by the service manager: of a masked unit, say. */
        for (size_t i = 0; i < ELEMENTSOF(start_errors); i++)
                if (strncmp(error->name, start_errors[i], strlen(start_errors[i])) == 0)
                        return ECONNREFUSED;
        return EPROTO;
}

int lp_fail_bus(struct pasid_client *client, const char *path, const char *member, const sd_bus_error *error) {
        int code;

        code = bus_error_code(error, path);
        switch (code) {
        case ETIMEDOUT:
                return lp_fail(client, code, "%s was not answered within %.1f s by pasidd at %s; it may be done later all the same.",
                               member, (double) client->timeout_usec / 1e6, client->address);
        case ECONNREFUSED:
                return lp_fail(client, code, "%s was not answered: pasidd does not run on %s%s%s%s.", member, client->address,
                               error->message ? " (" : "", error->message ? error->message : "", error->message ? ")" : "");
        case EPROTO:
                return lp_fail(client, code, "%s failed with the unexpected error %s: %s", member, error->name,
                               error->message ? error->message : "no more is known.");
        default:
                if (!error->message || !*error->message)
                        return lp_fail(client, code, NULL);
                return lp_fail(client, code, "%s", error->message);
        }
}
