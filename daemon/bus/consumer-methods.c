/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What org.pasidd1.Consumer's methods do: arguments in, one service call,
 * reply after the commit.
 */
#include "bus/consumer-methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/authorise.h"
#include "bus/busy.h"
#include "bus/options.h"
#include "bus/polkit.h"
#include "bus/reply.h"
#include "bus/signals.h"

struct alloc_options {
        const char *token;
        int attach; /* negative: not given */
        struct kernel_mapping map; /* fd < 0: not given */
        int contiguous;
        uint32_t align;
};

static const struct option_spec alloc_specs[] = {
        { "token", "s", offsetof(struct alloc_options, token) },
        { "attach", "b", offsetof(struct alloc_options, attach) },
        { "map", "(htttu)", offsetof(struct alloc_options, map) },
};

static const struct option_spec alloc_many_specs[] = {
        { "token", "s", offsetof(struct alloc_options, token) },
        { "contiguous", "b", offsetof(struct alloc_options, contiguous) },
        { "align", "u", offsetof(struct alloc_options, align) },
};

/* min, max, private and options; count is the caller's. The token is the message's. */
static int read_alloc(struct call *call, const struct option_spec *specs, size_t n_specs, struct alloc_request *request,
                      const void **ret_private, struct alloc_options *ret) {
        struct alloc_options o = { .attach = -1, .map.fd = -EBADF };
        size_t size;
        int r;

        r = call_read(call, "uu", &request->min, &request->max);
        if (r >= 0)
                r = call_read_private(call, ret_private, &size);
        if (r >= 0)
                r = options_read(call->message, specs, n_specs, &o, &call->refusal);
        if (r < 0)
                return r;
        request->private_bytes = (uint16_t) size; /* at most PRIVATE_MAX */
        request->token = call->token = o.token;
        request->contiguous = o.contiguous;
        request->align = o.align;
        call_claim_fd(call, o.map.fd);
        if (o.attach < 0)
                o.attach = o.map.fd >= 0;
        *ret = o;
        return 0;
}

/* The answer to Alloc is the number alone: there is no telling an address that the kernel chose. */
static int check_map(const struct alloc_options *o, struct refusal *refusal) {
        int r;

        if (o->map.fd < 0)
                return 0;
        if (!o->attach)
                return refuse(refusal, EINVAL, "Option \"map\" was given with \"attach\" false: it maps memory into the address "
                              "space that the devices are attached to. Leave \"attach\" out, or give it as true.");
        r = consumer_check_mapping(&o->map, refusal);
        if (r < 0)
                return r;
        if (!(o->map.flags & MAP_FIXED_IOVA))
                return refuse(refusal, EINVAL, "Option \"map\" was given without the flag 4 for a fixed address, and Alloc answers "
                              "with the number alone; choose an address, or have one chosen by Map.");
        return 0;
}

/* FreeToken has overtaken it, and found nothing yet to free. */
static int check_not_freed(struct call *call) {
        if (busy_call_is_cancelled(call->busy))
                return refuse(&call->refusal, EBUSY, "The token \"%.64s\" was freed while its allocation waited for a busy device.",
                              call->token);
        if (polkit_is_cancelled(call->link->bus->polkit, call->message))
                return refuse(&call->refusal, EACCES, "The token \"%.64s\" was freed while its allocation waited for polkit.",
                              call->token);
        return 0;
}

int consumer_method_alloc(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct alloc_request request = { .count = 1 };
        struct alloc_options o;
        const void *private_data;
        uint32_t pasid;
        int r;

        r = read_alloc(call, alloc_specs, ELEMENTSOF(alloc_specs), &request, &private_data, &o);
        if (r >= 0)
                r = check_map(&o, &call->refusal);
        if (r >= 0)
                r = check_not_freed(call);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r < 0)
                return r;
        if (o.attach) {
                r = authorise_attach(call);
                if (r <= 0)
                        return r;
                r = service_alloc_mapped(call_service(call), call->consumer, &request, private_data,
                                         o.map.fd >= 0 ? &o.map : NULL, &pasid, &call->refusal);
                if (r >= 0)
                        signals_note_mediated(call->link->bus->signals, call->consumer);
        } else
                r = service_alloc(call_service(call), call->consumer, &request, private_data, &pasid, &call->refusal);
        return r < 0 ? r : reply_number_when_committed(call, reply, 'u', &pasid);
}

int consumer_method_alloc_many(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct alloc_request request = {};
        struct alloc_options o;
        const void *private_data;
        void *pasids;
        int r;

        r = call_read(call, "u", &request.count);
        if (r >= 0)
                r = read_alloc(call, alloc_many_specs, ELEMENTSOF(alloc_many_specs), &request, &private_data, &o);
        if (r < 0)
                return r;
        if (request.count < 1 || request.count > NUMBER_MAX)
                return refuse(&call->refusal, EINVAL, "%u PASIDs were asked for at once; it can be 1 to %u.",
                              request.count, NUMBER_MAX);

        r = reply_new(call, &reply);
        if (r >= 0)
                r = sd_bus_message_append_array_space(reply, 'u', request.count * sizeof(uint32_t), &pasids);
        if (r >= 0)
                r = service_alloc(call_service(call), call->consumer, &request, private_data, pasids, &call->refusal);
        return r < 0 ? r : reply_when_committed(call, reply);
}

int consumer_method_free(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t pasid;
        int r;

        r = call_read(call, "u", &pasid);
        if (r >= 0)
                r = call_check_pasid(call, pasid);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r >= 0)
                r = service_free_pasids(call_service(call), call->consumer, &pasid, 1, &call->refusal);
        return r < 0 ? r : reply_when_committed(call, reply);
}

int consumer_method_free_many(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const void *pasids;
        size_t size;
        int r;

        r = call_check_read(call, sd_bus_message_read_array(call->message, 'u', &pasids, &size));
        if (r < 0)
                return r;
        for (size_t i = 0; i < size / sizeof(uint32_t); i++) {
                r = call_check_pasid(call, ((const uint32_t *) pasids)[i]);
                if (r < 0)
                        return r;
        }
        r = reply_new(call, &reply);
        if (r >= 0)
                r = service_free_pasids(call_service(call), call->consumer, pasids, size / sizeof(uint32_t), &call->refusal);
        return r < 0 ? r : reply_when_committed(call, reply);
}

int consumer_method_free_token(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *token;
        uint32_t freed;
        size_t n;
        int r;

        r = call_read(call, "s", &token);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r >= 0)
                r = service_free_token(call_service(call), call->consumer, token, &n, &call->refusal);
        if (r < 0)
                return r;
        busy_cancel(call->link->bus->busy, call->consumer, token);
        polkit_cancel(call->link->bus->polkit, call->consumer, token);
        freed = (uint32_t) n;
        return reply_number_when_committed(call, reply, 'u', &freed);
}

static int append_info(sd_bus_message *m, const struct consumer *c, const struct row *row) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}", "state", "s", row_state_to_string(row->state),
                                          "since", "t", row->since_usec,
                                          "private_bytes", "u", (uint32_t) row->private_bytes);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', "devices");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < c->n_devices; i++)
                r = sd_bus_message_append_basic(m, 's', c->devices[i].address);
        for (unsigned depth = 0; r >= 0 && depth < 4; depth++) /* strings, variant, entry, dictionary */
                r = sd_bus_message_close_container(m);
        return r;
}

int consumer_method_find(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ void *private_data = NULL;
        const struct row *row;
        uint32_t pasid;
        size_t size;
        int r;

        r = call_read(call, "u", &pasid);
        if (r >= 0)
                r = call_check_pasid(call, pasid);
        if (r >= 0)
                r = service_get_private(call_service(call), call->consumer, pasid, &private_data, &size, &call->refusal);
        if (r < 0)
                return r;
        row = core_row_get(call->consumer, pasid);
        if (!row)
                return -ENOENT;
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', private_data, size);
        if (r >= 0)
                r = append_info(reply, call->consumer, row);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int consumer_method_set_private(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const void *private_data;
        uint32_t pasid;
        size_t size;
        int r;

        r = call_read(call, "u", &pasid);
        if (r >= 0)
                r = call_check_pasid(call, pasid);
        if (r >= 0)
                r = call_read_private(call, &private_data, &size);
        if (r >= 0)
                r = reply_new(call, &reply);
        if (r >= 0)
                r = service_set_private(call_service(call), call->consumer, pasid, private_data, size, &call->refusal);
        return r < 0 ? r : reply_when_committed(call, reply);
}

int consumer_method_list(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        bool is_shown = is_owner(call->link->bus, call->caller, call->consumer);
        uint32_t after, limit;
        struct row *row;
        int r;

        r = call_read(call, "uu", &after, &limit);
        if (r < 0)
                return r;
        if (limit == 0 || limit > LIST_PAGE_MAX)
                limit = LIST_PAGE_MAX;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ustu)");
        row = core_row_next(call->consumer, after);
        for (; r >= 0 && row && limit-- > 0; row = core_row_next(call->consumer, row->pasid))
                r = sd_bus_message_append(reply, "(ustu)", row->pasid, row_state_to_string(row->state), row->since_usec,
                                          is_shown ? row->private_bytes : 0U);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "b", (int) (row != NULL));
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int consumer_method_exit(struct call *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = reply_new(call, &reply);

        if (r >= 0)
                r = service_exit_consumer(call_service(call), call->consumer, "exit", &call->refusal);
        return r < 0 ? r : reply_when_committed(call, reply);
}
