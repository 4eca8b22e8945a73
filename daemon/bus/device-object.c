/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /org/pasidd1/device/<address>: org.pasidd1.Device, as discovery found it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/authorise.h"
#include "bus/error.h"
#include "bus/objects.h"
#include "bus/options.h"
#include "log-ids.h"
#include "log.h"

struct open_options {
        const char *consumer; /* path; NULL: the connection */
};

static const struct option_spec open_specs[] = {
        { "consumer", "o", offsetof(struct open_options, consumer) },
};

/* *ret: NULL if none was named. */
static int find_consumer(struct call *call, const char *path, struct consumer **ret) {
        _cleanup_free_ char *name = NULL;
        struct consumer *c;
        uid_t uid;
        int r;

        *ret = NULL;
        if (!path)
                return 0;
        r = path_to_consumer(path, &uid, &name);
        if (r < 0)
                return r;
        c = r > 0 ? core_consumer_get(service_core(call_service(call)), uid, name) : NULL;
        if (!c)
                return refuse(&call->refusal, ESRCH, "There is no consumer %.160s, for whose life a device was to be opened; "
                                                     "it ended, or Init was never called for it.", path);
        if (!is_owner(call->link->bus, call->caller, c))
                return refuse(&call->refusal, EACCES, "Open was asked by uid %u for the life of consumer \"%s\", which belongs to "
                                                      "uid %u; only its owner and root may.", (unsigned) call->caller->uid,
                              c->name, (unsigned) c->uid);
        *ret = c;
        return 0;
}

/* The message has duplicates of its own. */
static int send_opened(struct call *call, int device, int iommufd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "hh", device, iommufd);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (r == -EMFILE || r == -ENFILE)
                return refuse(&call->refusal, ENOBUFS, "Open could not pass its file descriptors on: pasidd has too many open files; "
                                                       "raise LimitNOFILE= in its unit.");
        return r;
}

/* The device facts may be others once anything is asked of the service: what is needed of them is kept here. */
static int device_open(struct call *call) {
        _cleanup_close_ int device = -EBADF, iommufd = -EBADF;
        struct open_options options = {};
        struct link *link = call->link;
        char address[PCI_ADDRESS_MAX];
        struct consumer *consumer;
        int r;

        memcpy(address, link->device->address, sizeof(address));
        r = options_read(call->message, open_specs, ELEMENTSOF(open_specs), &options, &call->refusal);
        if (r < 0)
                return r;
        if (sd_bus_can_send(link->sd, 'h') <= 0)
                return refuse(&call->refusal, EOPNOTSUPP, "Open returns file descriptors, which this connection does not "
                                                          "carry; negotiate them as D-Bus does.");
        r = authorise_open(call, address);
        if (r <= 0)
                return r;
        if (sd_bus_message_get_expect_reply(call->message) == 0)
                return 0; /* nobody would get them */
        r = find_consumer(call, options.consumer, &consumer);
        if (r < 0)
                return r;
        r = service_open_device(call_service(call), address, call->caller->holder, consumer, &device, &iommufd, &call->refusal);
        if (r < 0)
                return r;
        r = send_opened(call, device, iommufd);
        if (r < 0) {
                service_take_back_device(call_service(call), address);
                return r;
        }
        if (!consumer)
                link_note_holder(link);
        log_about(LOG_INFO, &(struct log_subject) { .message_id = MESSAGE_DEVICE_OPENED, .device = address, .has_uid = true,
                  .uid = call->caller->uid }, "Device %s was opened for uid %u, which attaches to it by itself", address,
                  (unsigned) call->caller->uid);
        return 0;
}
DEFINE_METHOD(device_open, CALL_CALLER | CALL_PATIENT_IF_PASSING);

static int get_held(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *error) {
        static const char *const words[] = {
                [DEVICE_HELD_NOT] = "",
                [DEVICE_HELD_MEDIATED] = "mediated",
                [DEVICE_HELD_TENANT] = "tenant",
        };
        const struct link *link = userdata;
        enum device_held held = service_device_held(link->bus->service, link->device->address);

        return sd_bus_message_append_basic(reply, 's', words[held]);
}

static int get_text(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *error) {
        const struct device_info *d = ((struct link *) userdata)->device;
        const struct {
                const char *name;
                const char *value;
        } texts[] = {
                { "Address", d->address },
                { "Name", d->name },
                { "Driver", d->driver },
                { "Reason", d->reason },
                { "Cdev", d->cdev },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (strcmp(texts[i].name, property) == 0)
                        return sd_bus_message_append_basic(reply, 's', texts[i].value ? texts[i].value : "");
        return -ENOENT;
}

static uint32_t count_live(struct core *core, int32_t group) {
        uint32_t n = 0;

        for (int state = 0; state < ROW_STATE_MAX_; state++)
                if (state != ROW_COOLING)
                        n += core_space_count(core, group, (enum row_state) state);
        return n;
}

/* Counters are of the IOMMU group: what is taken there is taken on each of its devices. */
static int get_number(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        struct link *link = userdata;
        const struct device_info *d = link->device;
        struct core *core = service_core(link->bus->service);
        bool has_group = d->iommu_group != DEVICE_GROUP_NONE;
        uint32_t value;

        if (strcmp(property, "IommuGroup") == 0)
                value = has_group ? (uint32_t) d->iommu_group : UINT32_MAX;
        else if (strcmp(property, "PciWidth") == 0)
                value = d->pci_width;
        else if (strcmp(property, "IommuWidth") == 0)
                value = d->iommu_width;
        else if (strcmp(property, "MaxPasid") == 0)
                value = d->max_pasid;
        else if (strcmp(property, "Allocated") == 0)
                value = has_group ? count_live(core, d->iommu_group) : 0;
        else
                value = has_group ? core_space_count(core, d->iommu_group, ROW_ATTACHED) : 0;
        return sd_bus_message_append_basic(reply, 'u', &value);
}

static int get_usable(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        int usable = ((struct link *) userdata)->device->usable;

        return sd_bus_message_append_basic(reply, 'b', &usable);
}

static int find_device(sd_bus *sd, const char *path, const char *interface, void *userdata, void **ret_found,
                       sd_bus_error *error) {
        struct link *link = userdata;
        _cleanup_free_ char *address = NULL;
        struct refusal refusal = {};
        int r;

        r = path_to_device(path, &address);
        if (r < 0)
                return call_cannot_find(link, r);
        if (r == 0)
                return 0;
        link->device = device_list_find(service_devices(link->bus->service), address);
        if (!link->device) {
                r = refuse(&refusal, ENODEV, "There is no device \"%.40s\" here that could use PASIDs; "
                                             "`pasidctl devices` lists those there are.", address);
                return call_refuse_object(link, path, r, &refusal, error);
        }
        *ret_found = link;
        return 1;
}

static int list_devices(sd_bus *sd, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {
        const struct device_list *list = service_devices(((struct link *) userdata)->bus->service);
        char **nodes;
        int r;

        nodes = calloc(list->n_devices + 1, sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        for (size_t i = 0; i < list->n_devices; i++) {
                r = path_of_device(list->devices[i].address, &nodes[i]);
                if (r < 0) {
                        while (i-- > 0)
                                free(nodes[i]);
                        free(nodes);
                        return r;
                }
        }
        *ret_nodes = nodes;
        return 0;
}

static const sd_bus_vtable device_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_NAMES("Open", "a{sv}", SD_BUS_PARAM(options), "hh", SD_BUS_PARAM(device) SD_BUS_PARAM(iommufd),
                                 on_device_open, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Address", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Name", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Driver", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("IommuGroup", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PciWidth", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("IommuWidth", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("MaxPasid", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Usable", "b", get_usable, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Reason", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Cdev", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Held", "s", get_held, 0, 0),
        SD_BUS_PROPERTY("Allocated", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Attached", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

int device_object_add(struct link *link) {
        int r;

        r = sd_bus_add_fallback_vtable(link->sd, NULL, PASIDD_DEVICE_PREFIX, PASIDD_IFACE_DEVICE, device_vtable,
                                       find_device, link);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(link->sd, NULL, PASIDD_DEVICE_PREFIX, list_devices, link);
}
