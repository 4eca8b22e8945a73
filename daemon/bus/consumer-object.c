/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /org/pasidd1/consumer/<uid>/<name>: org.pasidd1.Consumer. How numbers are
 * got and given back is in consumer-methods.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-hold.h"
#include "bus/consumer-methods.h"
#include "bus/error.h"
#include "bus/objects.h"
#include "bus/peer-hold.h"
#include "bus/transfer.h"

DEFINE_METHOD(consumer_method_alloc, CALL_CONSUMER | CALL_OWNER | CALL_PATIENT);
DEFINE_METHOD(consumer_method_alloc_many, CALL_CONSUMER | CALL_OWNER);
DEFINE_METHOD(consumer_method_free, CALL_CONSUMER | CALL_OWNER | CALL_PATIENT);
DEFINE_METHOD(consumer_method_free_many, CALL_CONSUMER | CALL_OWNER | CALL_PATIENT);
DEFINE_METHOD(consumer_method_free_token, CALL_CONSUMER | CALL_OWNER | CALL_PATIENT);
DEFINE_METHOD(consumer_method_find, CALL_READS | CALL_CONSUMER | CALL_OWNER);
DEFINE_METHOD(consumer_method_set_private, CALL_CONSUMER | CALL_OWNER);
DEFINE_METHOD(consumer_method_list, CALL_READS | CALL_CONSUMER | CALL_CALLER);
DEFINE_METHOD(consumer_method_attach, CALL_CONSUMER | CALL_OWNER | CALL_PATIENT);
DEFINE_METHOD(consumer_method_detach, CALL_CONSUMER | CALL_OWNER | CALL_PATIENT);
DEFINE_METHOD(consumer_method_map, CALL_CONSUMER | CALL_OWNER | CALL_PATIENT);
DEFINE_METHOD(consumer_method_unmap, CALL_CONSUMER | CALL_OWNER | CALL_PATIENT);
DEFINE_METHOD(consumer_method_transfer, CALL_CONSUMER | CALL_OWNER);
DEFINE_METHOD(consumer_method_exit, CALL_CONSUMER | CALL_OWNER | CALL_PATIENT);

static bool is_watched(const struct bus *bus, const struct consumer *c) {
        return service_hold_is_watched(c) && peer_hold_is_watched(bus->peer_holds, c) && bus_hold_is_watched(bus, c);
}

static int get_text(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *error) {
        const struct consumer *c = ((struct link *) userdata)->consumer;
        const char *text;

        if (strcmp(property, "Name") == 0)
                text = c->name;
        else if (strcmp(property, "Hold") == 0)
                text = hold_kind_to_string(c->hold);
        else if (strcmp(property, "HoldState") == 0)
                text = is_watched(((struct link *) userdata)->bus, c) ? "watched" : "unknown";
        else
                text = consumer_mode_to_string(c->mode);
        return sd_bus_message_append_basic(reply, 's', text);
}

static int get_number(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        const struct consumer *c = ((struct link *) userdata)->consumer;
        const struct {
                const char *name;
                uint32_t value;
        } numbers[] = {
                { "Uid", c->uid },
                { "Min", c->min },
                { "Max", c->max },
                { "Quota", c->quota },
                { "Allocated", c->n_live },
                { "OfferedTo", c->offered_to },
        };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (strcmp(numbers[i].name, property) == 0)
                        return sd_bus_message_append_basic(reply, 'u', &numbers[i].value);
        return -ENOENT;
}

static int get_since(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *userdata, sd_bus_error *error) {
        return sd_bus_message_append_basic(reply, 't', &((struct link *) userdata)->consumer->since_usec);
}

static int get_pinned(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        const struct link *link = userdata;
        uint64_t pinned = service_pinned_bytes(link->bus->service, link->consumer);

        return sd_bus_message_append_basic(reply, 't', &pinned);
}

static int get_devices(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *userdata, sd_bus_error *error) {
        const struct consumer *c = ((struct link *) userdata)->consumer;
        int r = sd_bus_message_open_container(reply, 'a', "o");

        for (size_t i = 0; r >= 0 && i < c->n_devices; i++) {
                _cleanup_free_ char *device = NULL;

                r = path_of_device(c->devices[i].address, &device);
                if (r >= 0)
                        r = sd_bus_message_append_basic(reply, 'o', device);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Finds any consumer that could be: one that is not there is an answer of ours, not an unknown object. */
static int find_consumer(sd_bus *sd, const char *path, const char *interface, void *userdata, void **ret_found,
                         sd_bus_error *error) {
        struct link *link = userdata;
        struct refusal refusal = {};
        int r;

        r = link_find_consumer(link, path);
        if (r < 0)
                return call_cannot_find(link, r);
        if (r == 0)
                return 0;
        if (!link->consumer) {
                r = refuse(&refusal, ESRCH, "There is no consumer \"%s\" of uid %u; it ended, or Init was never called for it.",
                           link->name, (unsigned) link->uid);
                return call_refuse_object(link, path, r, &refusal, error);
        }
        *ret_found = link;
        return 1;
}

static void strv_free(char **strv) {
        for (char **p = strv; p && *p; p++)
                free(*p);
        free(strv);
}

static int list_consumers(sd_bus *sd, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {
        struct core *core = service_core(((struct link *) userdata)->bus->service);
        struct core_stats stats;
        char **nodes;
        size_t n = 0;
        int r;

        core_get_stats(core, &stats);
        nodes = calloc(stats.n_consumers + 1, sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        for (struct consumer *c = core_consumer_next(core, NULL); c && n < stats.n_consumers; c = core_consumer_next(core, c)) {
                if (c->ended)
                        continue;
                r = path_of_consumer(c->uid, c->name, &nodes[n]);
                if (r < 0) {
                        nodes[n] = NULL;
                        strv_free(nodes);
                        return r;
                }
                n++;
        }
        *ret_nodes = nodes;
        return 0;
}

static const sd_bus_vtable consumer_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_NAMES("Alloc", "uuaya{sv}",
                                 SD_BUS_PARAM(min) SD_BUS_PARAM(max) SD_BUS_PARAM(private) SD_BUS_PARAM(options),
                                 "u", SD_BUS_PARAM(pasid), on_consumer_method_alloc, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("AllocMany", "uuuaya{sv}",
                                 SD_BUS_PARAM(count) SD_BUS_PARAM(min) SD_BUS_PARAM(max) SD_BUS_PARAM(private)
                                 SD_BUS_PARAM(options),
                                 "au", SD_BUS_PARAM(pasids), on_consumer_method_alloc_many, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("Free", "u", SD_BUS_PARAM(pasid), NULL, ,
                                 on_consumer_method_free, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("FreeMany", "au", SD_BUS_PARAM(pasids), NULL, ,
                                 on_consumer_method_free_many, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("FreeToken", "s", SD_BUS_PARAM(token), "u", SD_BUS_PARAM(freed),
                                 on_consumer_method_free_token, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("Find", "u", SD_BUS_PARAM(pasid), "aya{sv}", SD_BUS_PARAM(private) SD_BUS_PARAM(info),
                                 on_consumer_method_find, SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
        SD_BUS_METHOD_WITH_NAMES("SetPrivate", "uay", SD_BUS_PARAM(pasid) SD_BUS_PARAM(private), NULL, ,
                                 on_consumer_method_set_private, SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
        SD_BUS_METHOD_WITH_NAMES("List", "uu", SD_BUS_PARAM(after) SD_BUS_PARAM(limit), "a(ustu)b",
                                 SD_BUS_PARAM(pasids) SD_BUS_PARAM(more), on_consumer_method_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("Attach", "u", SD_BUS_PARAM(pasid), NULL, ,
                                 on_consumer_method_attach, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("Detach", "u", SD_BUS_PARAM(pasid), NULL, ,
                                 on_consumer_method_detach, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("Map", "uhtttu",
                                 SD_BUS_PARAM(pasid) SD_BUS_PARAM(memory) SD_BUS_PARAM(offset) SD_BUS_PARAM(length)
                                 SD_BUS_PARAM(iova) SD_BUS_PARAM(flags),
                                 "t", SD_BUS_PARAM(iova), on_consumer_method_map, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("Unmap", "utt", SD_BUS_PARAM(pasid) SD_BUS_PARAM(iova) SD_BUS_PARAM(length),
                                 "t", SD_BUS_PARAM(unmapped), on_consumer_method_unmap, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("Transfer", "u", SD_BUS_PARAM(uid), NULL, ,
                                 on_consumer_method_transfer, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Exit", NULL, NULL, on_consumer_method_exit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Name", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Uid", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Devices", "ao", get_devices, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Min", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Max", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Quota", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Allocated", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Hold", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("HoldState", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("OfferedTo", "u", get_number, 0, 0),
        SD_BUS_PROPERTY("Mode", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Since", "t", get_since, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("PinnedBytes", "t", get_pinned, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

int consumer_object_add(struct link *link) {
        int r;

        r = sd_bus_add_fallback_vtable(link->sd, NULL, PASIDD_CONSUMER_PREFIX, PASIDD_IFACE_CONSUMER, consumer_vtable,
                                       find_consumer, link);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(link->sd, NULL, PASIDD_CONSUMER_PREFIX, list_consumers, link);
}
