/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the daemon's table and the kernel differ.
 */
#include "libpasid-internal.h"

struct walk {
        struct pasid_client *client;
        pasid_finding_cb callback;
        void *userdata;
        int result; /* the callback's */
};

/* "UID:NAME", or "" for none. *ret_name is within the text. */
static int consumer_parse(const char *text, uid_t *ret_uid, const char **ret_name) {
        unsigned long long uid;
        char *end;

        if (text[0] == '\0') {
                *ret_uid = PASID_UID_SELF;
                *ret_name = NULL;
                return 0;
        }
        if (text[0] < '0' || text[0] > '9')
                return -EBADMSG;
        uid = strtoull(text, &end, 10);
        if (*end != ':' || uid >= UINT32_MAX)
                return -EBADMSG;
        *ret_uid = (uid_t) uid;
        *ret_name = end + 1;
        return 0;
}

/* 1: one was read, and handed on; 0: there are no more. */
static int finding_next(sd_bus_message *m, struct walk *walk) {
        struct pasid_finding finding = { .size = sizeof(finding) };
        _cleanup_free_ char *device = NULL;
        const char *path, *consumer, *kind;
        int r;

        r = sd_bus_message_read(m, "(osuss)", &path, &consumer, &finding.pasid, &kind, &finding.text);
        if (r <= 0)
                return r;
        r = consumer_parse(consumer, &finding.uid, &finding.consumer);
        if (r < 0)
                return r;
        /* A path of another kind is a consumer's. */
        r = sd_bus_path_decode(path, PASIDD_DEVICE_PREFIX, &device);
        if (r < 0)
                return r;
        finding.device = device;
        finding.type = lp_finding_from_string(kind);
        walk->result = walk->callback(&finding, walk->userdata);
        return 1;
}

static int skipped_next(sd_bus_message *m, struct walk *walk) {
        struct pasid_finding finding = {
                .size = sizeof(finding),
                .type = PASID_FINDING_SKIPPED,
                .uid = PASID_UID_SELF,
        };
        int r;

        r = sd_bus_message_read(m, "(ss)", &finding.device, &finding.text);
        if (r > 0)
                walk->result = walk->callback(&finding, walk->userdata);
        return r;
}

typedef int (*next_cb)(sd_bus_message *m, struct walk *walk);

static int walk_array(sd_bus_message *m, const char *type, next_cb next, struct walk *walk) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', type);
        while (r >= 0) {
                r = next(m, walk);
                if (r == 0 || walk->result != 0)
                        break;
        }
        if (r >= 0 && walk->result == 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? lp_fail_read(walk->client, r) : walk->result;
}

_public_ int pasid_check(struct pasid_client *client, pasid_finding_cb callback, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        struct walk walk = { client, callback, userdata, 0 };
        int r;

        if (!client || !callback)
                return lp_fail(client, EINVAL, "A callback is needed.");
        r = lp_call_new(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Check", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "a{sv}", 0);
        if (r < 0)
                return lp_fail_append(client, r);
        r = lp_call(client, call, "a(osuss)a(ss)", &reply);
        if (r < 0)
                return r;
        r = walk_array(reply, "(osuss)", finding_next, &walk);
        return r == 0 ? walk_array(reply, "(ss)", skipped_next, &walk) : r;
}
