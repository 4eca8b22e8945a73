/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /org/pasidd1: org.pasidd1.Manager, and the object manager's root.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/connection.h"
#include "bus/manager-check.h"
#include "bus/manager-init.h"
#include "bus/message-bus.h"
#include "bus/metrics.h"
#include "bus/objects.h"
#include "bus/authorise.h"
#include "bus/transfer.h"

static int manager_get_consumer(struct call *call) {
        _cleanup_free_ char *path = NULL;
        const char *name;
        uint32_t uid;
        int r;

        r = call_read(call, "us", &uid, &name);
        if (r < 0)
                return r;
        r = consumer_name_check(name, &call->refusal);
        if (r < 0)
                return r;
        if (uid == UINT32_MAX) /* whoever asks may not know, in a user namespace, who that is out here */
                uid = call->caller->uid;
        if (!core_consumer_get(service_core(call_service(call)), uid, name))
                return refuse(&call->refusal, ESRCH, "There is no consumer \"%s\" of uid %u; "
                                                     "`pasidctl consumers` lists those there are.", name, uid);
        r = path_of_consumer(uid, name, &path);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(call->message, "o", path);
}
DEFINE_METHOD(manager_get_consumer, CALL_CALLER | CALL_READS);

static int append_devices(sd_bus_message *m, const struct consumer *c) {
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (size_t i = 0; r >= 0 && i < c->n_devices; i++)
                r = sd_bus_message_append_basic(m, 's', c->devices[i].address);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_holder(sd_bus_message *m, const struct row *row) {
        const struct consumer *c = row->consumer;
        _cleanup_free_ char *path = NULL;
        int r;

        r = path_of_consumer(c->uid, c->name, &path);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "uostas");
        if (r >= 0)
                r = sd_bus_message_append(m, "uost", (uint32_t) c->uid, path, row_state_to_string(row->state), row->since_usec);
        if (r >= 0)
                r = append_devices(m, c);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int manager_who_has(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct core *core = service_core(call_service(call));
        uint32_t pasid;
        int r;

        r = call_read(call, "u", &pasid);
        if (r >= 0)
                r = call_check_pasid(call, pasid);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(uostas)");
        for (struct row *row = core_holder_next(core, pasid, NULL); r >= 0 && row; row = core_holder_next(core, pasid, row))
                r = append_holder(reply, row);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
DEFINE_METHOD(manager_who_has, CALL_READS);

static int append_addresses(sd_bus_message *m, const char *addresses) {
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (size_t n; r >= 0 && *addresses; addresses += n + (addresses[n] == ' ')) {
                char address[PCI_ADDRESS_MAX];

                n = strcspn(addresses, " ");
                (void) snprintf(address, sizeof(address), "%.*s", (int) n, addresses);
                r = sd_bus_message_append_basic(m, 's', address);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_past(const struct store_history *h, void *userdata) {
        sd_bus_message *m = userdata;
        int r;

        r = sd_bus_message_open_container(m, 'r', "usttsas");
        if (r >= 0)
                r = sd_bus_message_append(m, "ustts", (uint32_t) h->uid, h->consumer, h->since_usec, h->until_usec, h->reason);
        if (r >= 0)
                r = append_addresses(m, h->devices);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int manager_history(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t pasid;
        int r;

        r = call_read(call, "u", &pasid);
        if (r >= 0)
                r = call_check_pasid(call, pasid);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(usttsas)");
        if (r >= 0)
                r = service_read_history(call_service(call), pasid, append_past, reply, &call->refusal);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
DEFINE_METHOD(manager_history, CALL_READS);

/* Where Manager.List has come to: ids and numbers in one, so that clients keep a single value. */
struct position {
        struct core *core;
        struct consumer *consumer;
        uint32_t pasid;
};

static struct row *position_next(struct position *p) {
        while (p->consumer) {
                struct row *row = core_row_next(p->consumer, p->pasid);

                if (row) {
                        p->pasid = row->pasid;
                        return row;
                }
                p->consumer = core_consumer_next(p->core, p->consumer);
                p->pasid = 0;
        }
        return NULL;
}

static void position_set(struct position *p, struct core *core, uint64_t after) {
        uint64_t id = after >> NUMBER_BITS;

        *p = (struct position) { .core = core, .consumer = core_consumer_by_id(core, id), .pasid = after & NUMBER_MAX };
        if (p->consumer)
                return;
        p->pasid = 0;
        p->consumer = core_consumer_next(core, NULL);
        while (p->consumer && p->consumer->id < id)
                p->consumer = core_consumer_next(core, p->consumer);
}

static int append_row(struct call *call, sd_bus_message *m, const struct row *row) {
        const struct consumer *c = row->consumer;
        bool shown = is_owner(call->link->bus, call->caller, c);

        return sd_bus_message_append(m, "(uusstu)", row->pasid, (uint32_t) c->uid, c->name, row_state_to_string(row->state),
                                     row->since_usec, shown ? row->private_bytes : 0U);
}

static int manager_list(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct position position;
        struct row *row;
        uint64_t after;
        uint32_t limit;
        int r;

        r = call_read(call, "tu", &after, &limit);
        if (r < 0)
                return r;
        if (limit == 0 || limit > LIST_PAGE_MAX)
                limit = LIST_PAGE_MAX;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(uusstu)");
        position_set(&position, service_core(call_service(call)), after);
        row = position_next(&position);
        for (; r >= 0 && row && limit-- > 0; row = position_next(&position)) {
                r = append_row(call, reply, row);
                after = row->consumer->id << NUMBER_BITS | row->pasid;
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "tb", after, (int) (row != NULL));
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
DEFINE_METHOD(manager_list, CALL_READS | CALL_CALLER);

static int subscribe(struct call *call, bool wanted) {
        struct bus *bus = call->link->bus;
        int r = 0;

        if (!call->link->is_direct)
                r = message_bus_subscribe(message_bus_of(call->link), call->message, wanted, &call->refusal);
        else {
                struct connection *c = connection_of(call->link);

                if (wanted && !c->is_subscribed)
                        r = news_subscribe(bus->news, &c->subscriber);
                else if (!wanted && c->is_subscribed)
                        news_unsubscribe(bus->news, &c->subscriber);
                if (r >= 0)
                        c->is_subscribed = wanted;
        }
        return r < 0 ? r : sd_bus_reply_method_return(call->message, NULL);
}

static int manager_subscribe(struct call *call) {
        return subscribe(call, true);
}
DEFINE_METHOD(manager_subscribe, CALL_CALLER);

static int manager_unsubscribe(struct call *call) {
        return subscribe(call, false);
}
DEFINE_METHOD(manager_unsubscribe, CALL_CALLER);

DEFINE_METHOD(manager_init, CALL_CALLER);
DEFINE_METHOD(manager_accept, CALL_CALLER);
DEFINE_METHOD(manager_check, CALL_READS | CALL_CALLER);
DEFINE_METHOD(manager_get_metrics, CALL_READS | CALL_CALLER);

static int get_text(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *error) {
        const struct bus *bus = ((struct link *) userdata)->bus;
        const char *text;

        if (strcmp(property, "Version") == 0)
                text = bus->version;
        else if (strcmp(property, "BootId") == 0)
                text = bus->boot_id;
        else
                text = bus->table_path;
        return sd_bus_message_append_basic(reply, 's', text);
}

static int get_count(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *userdata, sd_bus_error *error) {
        struct link *link = userdata;
        struct core_stats stats;
        uint64_t count;

        core_get_stats(service_core(link->bus->service), &stats);
        count = strcmp(property, "Pasids") == 0 ? stats.n_live : stats.n_consumers;
        return sd_bus_message_append(reply, "u", count > UINT32_MAX ? UINT32_MAX : (uint32_t) count);
}

static int get_restored(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        const struct link *link = userdata;
        const struct service_restored *restored = service_get_restored(link->bus->service);

        return sd_bus_message_append(reply, "(uuu)", restored->kept, restored->detached, restored->lost);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_NAMES("Init", "sa{sv}", SD_BUS_PARAM(name) SD_BUS_PARAM(options), "o", SD_BUS_PARAM(consumer),
                                 on_manager_init, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("Accept", "us", SD_BUS_PARAM(uid) SD_BUS_PARAM(name), "o", SD_BUS_PARAM(consumer),
                                 on_manager_accept, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("GetConsumer", "us", SD_BUS_PARAM(uid) SD_BUS_PARAM(name), "o", SD_BUS_PARAM(consumer),
                                 on_manager_get_consumer, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("WhoHas", "u", SD_BUS_PARAM(pasid), "a(uostas)", SD_BUS_PARAM(holders),
                                 on_manager_who_has, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("History", "u", SD_BUS_PARAM(pasid), "a(usttsas)", SD_BUS_PARAM(holders),
                                 on_manager_history, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("List", "tu", SD_BUS_PARAM(after) SD_BUS_PARAM(limit), "a(uusstu)tb",
                                 SD_BUS_PARAM(pasids) SD_BUS_PARAM(next) SD_BUS_PARAM(more),
                                 on_manager_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("Check", "a{sv}", SD_BUS_PARAM(options), "a(osuss)a(ss)",
                                 SD_BUS_PARAM(findings) SD_BUS_PARAM(skipped),
                                 on_manager_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("GetMetrics", NULL, , "a(sssa(sa{ss}d))", SD_BUS_PARAM(families),
                                 on_manager_get_metrics, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Subscribe", NULL, NULL, on_manager_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Unsubscribe", NULL, NULL, on_manager_unsubscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_NAMES("PasidAllocated", "ou", SD_BUS_PARAM(consumer) SD_BUS_PARAM(pasid), 0),
        SD_BUS_SIGNAL_WITH_NAMES("PasidFreed", "ous", SD_BUS_PARAM(consumer) SD_BUS_PARAM(pasid) SD_BUS_PARAM(reason), 0),
        SD_BUS_SIGNAL_WITH_NAMES("PasidLost", "ous", SD_BUS_PARAM(consumer) SD_BUS_PARAM(pasid) SD_BUS_PARAM(reason), 0),
        SD_BUS_SIGNAL_WITH_NAMES("DeviceRequested", "ot", SD_BUS_PARAM(device) SD_BUS_PARAM(deadline_usec), 0),
        SD_BUS_PROPERTY("Version", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Pasids", "u", get_count, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Consumers", "u", get_count, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BootId", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Table", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Restored", "(uuu)", get_restored, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int manager_object_add(struct link *link) {
        return sd_bus_add_object_vtable(link->sd, NULL, PASIDD_PATH, PASIDD_IFACE_MANAGER, manager_vtable, link);
}
