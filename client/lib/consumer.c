/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Consumers: becoming one, finding one, ending one, and what is known of them.
 */
#include <inttypes.h>

#include "libpasid-internal.h"

struct pasid_consumer *lp_consumer_ref(struct pasid_consumer *consumer) {
        consumer->n_ref++;
        return consumer;
}

int lp_consumer_check(struct pasid_consumer *consumer) {
        return consumer ? lp_client_check(consumer->client) : -EINVAL;
}

int lp_consumer_call_new(struct pasid_consumer *consumer, const char *member, sd_bus_message **ret) {
        return lp_call_new(consumer->client, consumer->path, PASIDD_IFACE_CONSUMER, member, ret);
}

int lp_consumer_path_decode(const char *path, uid_t *ret_uid, char **ret_name) {
        _cleanup_free_ char *number = NULL, *name = NULL;
        unsigned long long uid;
        char *end;
        int r;

        r = sd_bus_path_decode_many(path, PASIDD_CONSUMER_PREFIX "/%/%", &number, &name);
        if (r < 0)
                return r;
        if (r == 0 || number[0] < '0' || number[0] > '9')
                return -EBADMSG;
        uid = strtoull(number, &end, 10);
        if (*end != '\0' || uid >= UINT32_MAX)
                return -EBADMSG;
        *ret_uid = (uid_t) uid;
        *ret_name = TAKE_PTR(name);
        return 0;
}

static int consumer_new(struct pasid_client *client, const char *path, struct pasid_consumer **ret) {
        _cleanup_free_ struct pasid_consumer *consumer = NULL;
        size_t size = strlen(path) + 1;
        int r;

        consumer = calloc(1, sizeof(*consumer) + size);
        if (!consumer)
                return lp_fail(client, ENOMEM, NULL);
        r = lp_consumer_path_decode(path, &consumer->uid, &consumer->name);
        if (r < 0)
                return lp_fail_read(client, r);
        memcpy(consumer->path, path, size);
        consumer->n_ref = 1;
        consumer->client = lp_client_ref(client);
        *ret = TAKE_PTR(consumer);
        return 0;
}

_public_ struct pasid_consumer *pasid_consumer_free(struct pasid_consumer *consumer) {
        if (!consumer || --consumer->n_ref > 0)
                return NULL;
        (void) lp_client_unref(consumer->client);
        free(consumer->name);
        free(consumer);
        return NULL;
}

static int append_u32(sd_bus_message *m, const char *key, uint32_t value) {
        return value > 0 ? sd_bus_message_append(m, "{sv}", key, "u", value) : 0;
}

static int append_devices(sd_bus_message *m, const char *const *devices) {
        int r;

        if (!devices || !devices[0])
                return 0;
        if ((r = sd_bus_message_open_container(m, 'e', "sv")) < 0 ||
            (r = sd_bus_message_append_basic(m, 's', "devices")) < 0 ||
            (r = sd_bus_message_open_container(m, 'v', "as")) < 0 ||
            (r = sd_bus_message_append_strv(m, (char **) devices)) < 0 ||
            (r = sd_bus_message_close_container(m)) < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int append_hold(sd_bus_message *m, const struct pasid_consumer_options *o) {
        int r;

        if (o->hold == PASID_HOLD_DEFAULT)
                return 0;
        r = sd_bus_message_append(m, "{sv}", "hold", "s", pasid_hold_to_string(o->hold));
        if (r < 0)
                return r;
        switch (o->hold) {
        case PASID_HOLD_FD:
                return sd_bus_message_append(m, "{sv}", "fd", "h", o->hold_fd);
        case PASID_HOLD_PROCESS:
                return sd_bus_message_append(m, "{sv}", "pid", "u", (uint32_t) o->hold_pid);
        case PASID_HOLD_UNIT:
                return sd_bus_message_append(m, "{sv}", "unit", "s", o->hold_unit);
        default:
                return 0;
        }
}

static int append_options(sd_bus_message *m, const struct pasid_consumer_options *o) {
        int r;

        if ((r = sd_bus_message_open_container(m, 'a', "{sv}")) < 0 ||
            (r = append_devices(m, o->devices)) < 0 ||
            (r = append_u32(m, "min", o->min)) < 0 ||
            (r = append_u32(m, "max", o->max)) < 0 ||
            (r = append_u32(m, "quota", o->quota)) < 0 ||
            (r = append_hold(m, o)) < 0)
                return r;
        if (o->mode != PASID_MODE_ADVISORY) {
                r = sd_bus_message_append(m, "{sv}", "mode", "s", pasid_mode_to_string(o->mode));
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

static int check_options(struct pasid_client *client, const struct pasid_consumer_options *o) {
        if (o->reserved != 0)
                return lp_fail(client, EINVAL, "The options' reserved field has to be 0, as PASID_CONSUMER_OPTIONS_INIT has it.");
        if (!pasid_hold_to_string(o->hold))
                return lp_fail(client, EINVAL, "There is no hold number %d.", (int) o->hold);
        if (o->mode != PASID_MODE_ADVISORY && o->mode != PASID_MODE_MEDIATED)
                return lp_fail(client, EINVAL, "There is no mode number %d.", (int) o->mode);
        if (o->hold == PASID_HOLD_FD && o->hold_fd < 0)
                return lp_fail(client, EINVAL, "The hold \"fd\" needs hold_fd, not %d.", o->hold_fd);
        if (o->hold == PASID_HOLD_PROCESS && o->hold_pid <= 0)
                return lp_fail(client, EINVAL, "The hold \"process\" needs hold_pid, not %d.", (int) o->hold_pid);
        if (o->hold == PASID_HOLD_UNIT && !o->hold_unit)
                return lp_fail(client, EINVAL, "The hold \"unit\" needs hold_unit.");
        return 0;
}

static int append_name(struct pasid_client *client, sd_bus_message *m, const char *name) {
        int r = sd_bus_message_append_basic(m, 's', name);

        if (r == -EINVAL)
                return lp_fail(client, EILSEQ, "A consumer's name is UTF-8 text, and this one is not.");
        return r < 0 ? lp_fail_append(client, r) : 0;
}

/* Init and GetConsumer both answer with the object. */
static int call_for_consumer(struct pasid_client *client, sd_bus_message *call, struct pasid_consumer **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = lp_call(client, call, "o", &reply);
        if (r < 0)
                return r;
        if (!ret)
                return 0;
        r = sd_bus_message_read_basic(reply, 'o', &path);
        if (r < 0)
                return lp_fail_read(client, r);
        return consumer_new(client, path, ret);
}

_public_ int pasid_consumer_init(struct pasid_client *client, const char *name, const struct pasid_consumer_options *options,
                                 struct pasid_consumer **ret) {
        struct pasid_consumer_options o = PASID_CONSUMER_OPTIONS_INIT;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        if (!client || !name)
                return lp_fail(client, EINVAL, "A consumer needs a name.");
        r = lp_struct_read(options, &o);
        if (r < 0)
                return lp_fail(client, r, NULL);
        r = check_options(client, &o);
        if (r < 0)
                return r;
        r = lp_call_new(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Init", &call);
        if (r < 0)
                return r;
        r = append_name(client, call, name);
        if (r < 0)
                return r;
        r = append_options(call, &o);
        if (r == -EBADF)
                return lp_fail(client, EINVAL, "hold_fd %d is no open file descriptor.", o.hold_fd);
        if (r < 0)
                return lp_fail_append(client, r);
        return call_for_consumer(client, call, ret);
}

_public_ int pasid_consumer_get(struct pasid_client *client, uid_t uid, const char *name, struct pasid_consumer **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        if (!client || !name || !ret)
                return lp_fail(client, EINVAL, "A name, and a place for the consumer, are needed.");
        r = lp_call_new(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, "GetConsumer", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "u", (uint32_t) uid); /* the daemon knows who PASID_UID_SELF is */
        if (r < 0)
                return lp_fail_append(client, r);
        r = append_name(client, call, name);
        if (r < 0)
                return r;
        return call_for_consumer(client, call, ret);
}

/* PASID_UID_NONE is the bus's word for nobody, too. */
_public_ int pasid_consumer_transfer(struct pasid_consumer *consumer, uid_t uid) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = lp_consumer_check(consumer);
        if (r < 0)
                return r;
        r = lp_consumer_call_new(consumer, "Transfer", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "u", (uint32_t) uid);
        if (r < 0)
                return lp_fail_append(consumer->client, r);
        return lp_call(consumer->client, call, "", NULL);
}

_public_ int pasid_consumer_accept(struct pasid_client *client, uid_t uid, const char *name, struct pasid_consumer **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        if (!client || !name || uid == PASID_UID_NONE)
                return lp_fail(client, EINVAL, "The name and the owner's uid of the consumer that was offered are needed.");
        r = lp_call_new(client, PASIDD_PATH, PASIDD_IFACE_MANAGER, "Accept", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "u", (uint32_t) uid);
        if (r < 0)
                return lp_fail_append(client, r);
        r = append_name(client, call, name);
        if (r < 0)
                return r;
        return call_for_consumer(client, call, ret);
}

_public_ int pasid_consumer_exit(struct pasid_consumer *consumer) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = lp_consumer_check(consumer);
        if (r < 0)
                return r;
        r = lp_consumer_call_new(consumer, "Exit", &call);
        if (r < 0)
                return r;
        return lp_call(consumer->client, call, "", NULL);
}

_public_ const char *pasid_consumer_get_name(const struct pasid_consumer *consumer) {
        return consumer ? consumer->name : NULL;
}

_public_ uid_t pasid_consumer_get_uid(const struct pasid_consumer *consumer) {
        return consumer ? consumer->uid : PASID_UID_SELF;
}

/* Object paths of devices become the addresses they are made of, in an array to be freed with its strings. */
static void addresses_freep(char ***addresses) {
        for (char **p = *addresses; p && *p; p++)
                free(*p);
        free(*addresses);
}

static int device_addresses(char **paths, char ***ret) {
        __attribute__((cleanup(addresses_freep))) char **addresses = NULL;
        size_t n = 0;
        int r;

        while (paths && paths[n])
                n++;
        addresses = calloc(n + 1, sizeof(*addresses));
        if (!addresses)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                r = sd_bus_path_decode(paths[i], PASIDD_DEVICE_PREFIX, &addresses[i]);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;
        }
        *ret = TAKE_PTR(addresses);
        return 0;
}

struct describe {
        pasid_consumer_cb callback;
        void *userdata;
};

static int describe(struct pasid_client *client, const char *path, sd_bus_message *m, void *userdata) {
        const struct describe *d = userdata;
        struct pasid_consumer_info info = { .size = sizeof(info), .offered_to = PASID_UID_NONE };
        __attribute__((cleanup(addresses_freep))) char **addresses = NULL;
        _cleanup_free_ char **devices = NULL;
        _cleanup_free_ char *name = NULL;
        const char *hold = "", *mode = "", *hold_state = "";
        const struct lp_property properties[] = {
                { "Devices", "ao", &devices },
                { "Min", "u", &info.min },
                { "Max", "u", &info.max },
                { "Quota", "u", &info.quota },
                { "Allocated", "u", &info.allocated },
                { "Hold", "s", &hold },
                { "HoldState", "s", &hold_state },
                { "Mode", "s", &mode },
                { "Since", "t", &info.since_usec },
                { "PinnedBytes", "t", &info.pinned_bytes },
                { "OfferedTo", "u", &info.offered_to },
        };
        int r;

        r = lp_consumer_path_decode(path, &info.uid, &name);
        if (r < 0)
                return lp_fail_read(client, r);
        r = lp_read_properties(m, properties, ELEMENTSOF(properties));
        if (r < 0)
                return lp_fail_read(client, r);
        r = device_addresses(devices, &addresses);
        if (r < 0)
                return lp_fail_read(client, r);
        info.name = name;
        info.devices = (const char *const *) addresses;
        info.hold = lp_hold_from_string(hold);
        info.mode = lp_mode_from_string(mode);
        info.hold_is_watched = strcmp(hold_state, "watched") == 0;
        return d->callback(&info, d->userdata);
}

_public_ int pasid_consumer_describe(struct pasid_consumer *consumer, pasid_consumer_cb callback, void *userdata) {
        struct describe d = { callback, userdata };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!consumer || !callback)
                return lp_fail(consumer ? consumer->client : NULL, EINVAL, "A consumer and a callback are needed.");
        r = lp_get_all(consumer->client, consumer->path, PASIDD_IFACE_CONSUMER, &m);
        if (r < 0)
                return r;
        return describe(consumer->client, consumer->path, m, &d);
}

_public_ int pasid_consumer_for_each(struct pasid_client *client, pasid_consumer_cb callback, void *userdata) {
        struct describe d = { callback, userdata };

        if (!client || !callback)
                return lp_fail(client, EINVAL, "A callback is needed.");
        return lp_objects_for_each(client, PASIDD_IFACE_CONSUMER, describe, &d);
}
