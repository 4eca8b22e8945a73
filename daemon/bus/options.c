/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The a{sv} options of a method, read by a table. What is not in the table is
 * refused: an option that is ignored is a promise that is not kept.
 */
#include "bus/options.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal/cleanup.h"

#define LIST_MAX 4096U

static int read_list(sd_bus_message *m, const char *name, struct option_list *list, struct refusal *refusal) {
        size_t allocated = 0;
        const char *item;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(m, 's', &item)) > 0) {
                if (list->n_items >= LIST_MAX)
                        return refuse(refusal, EINVAL, "Option \"%s\" has more than %u entries.", name, LIST_MAX);
                if (list->n_items >= allocated) {
                        const char **items;

                        allocated = allocated ? allocated * 2 : 8;
                        items = reallocarray(list->items, allocated, sizeof(*items));
                        if (!items)
                                return -ENOMEM;
                        list->items = items;
                }
                list->items[list->n_items++] = item;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_mapping(sd_bus_message *m, struct kernel_mapping *mapping) {
        return sd_bus_message_read(m, "(htttu)", &mapping->fd, &mapping->offset, &mapping->length, &mapping->iova,
                                   &mapping->flags);
}

static int refuse_type(sd_bus_message *m, const struct option_spec *spec, struct refusal *refusal) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        return refuse(refusal, EINVAL, "Option \"%s\" was given with D-Bus type \"%.16s\"; it takes \"%s\".", spec->name,
                      contents, spec->signature);
}

static int read_value(sd_bus_message *m, const struct option_spec *spec, void *values, struct refusal *refusal) {
        void *value = (char *) values + spec->offset;
        int r;

        r = sd_bus_message_enter_container(m, 'v', spec->signature);
        if (r == -ENXIO) /* a variant, of something else */
                return refuse_type(m, spec, refusal);
        if (r < 0)
                return r;
        if (spec->signature[0] == 'a')
                r = read_list(m, spec->name, value, refusal);
        else if (spec->signature[0] == '(')
                r = read_mapping(m, value);
        else
                r = sd_bus_message_read_basic(m, spec->signature[0], value);
        if (r < 0)
                return r;
        if (spec->is_positive && *(const uint32_t *) value == 0)
                return refuse(refusal, EINVAL, "Option \"%s\" was given as 0; give 1 or more, or leave it out for its default.",
                              spec->name);
        return sd_bus_message_exit_container(m);
}

static int refuse_unknown(const struct option_spec *specs, size_t n_specs, const char *key, struct refusal *refusal) {
        char known[256] = "";
        size_t n = 0;

        for (size_t i = 0; i < n_specs && n < sizeof(known); i++)
                n += (size_t) snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "", specs[i].name);
        return refuse(refusal, EINVAL, "Option \"%.64s\" is not known here; %s%s.", key,
                      n_specs > 0 ? "known are: " : "there are none", known);
}

static int read_entry(sd_bus_message *m, const struct option_spec *specs, size_t n_specs, uint32_t *given, void *values,
                      struct refusal *refusal) {
        const char *key;
        size_t i;
        int r;

        r = sd_bus_message_read_basic(m, 's', &key);
        if (r < 0)
                return r;
        for (i = 0; i < n_specs; i++)
                if (strcmp(specs[i].name, key) == 0)
                        break;
        if (i == n_specs)
                return refuse_unknown(specs, n_specs, key, refusal);
        if (*given & 1U << i)
                return refuse(refusal, EINVAL, "Option \"%s\" is given twice; give it once.", key);
        *given |= 1U << i;
        return read_value(m, &specs[i], values, refusal);
}

int options_read(sd_bus_message *m, const struct option_spec *specs, size_t n_specs, void *values,
                 struct refusal *refusal) {
        struct refusal own = {};
        uint32_t given = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return refuse(refusal, EINVAL, "The options could not be read: %s.", strerror(-r));
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_entry(m, specs, n_specs, &given, values, &own);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        break;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                return 0;
        if (own.code)
                return refuse(refusal, own.code, "%s", own.text);
        return refuse(refusal, r == -ENOMEM ? ENOMEM : EINVAL, "The options could not be read: %s.", strerror(-r));
}
