/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The settings of pasidd.conf and its drop-ins.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/device-access.h"
#include "core/core.h"
#include "core/refusal.h"

#define SETTINGS_GROUP_MAX 64

/* To be given to settings_done(). */
struct settings {
        char group[SETTINGS_GROUP_MAX]; /* members may use the direct socket and Init */
        uint64_t reuse_delay_usec;
        uint64_t reconnect_usec;
        uint64_t device_release_usec;
        uint32_t pasids_per_uid;
        uint32_t pasids_per_consumer;
        uint32_t consumers_per_uid;
        uint64_t pinned_bytes_per_uid; /* 0: no limit, as in the next */
        uint64_t pinned_bytes_per_consumer;
        uint32_t history_per_pasid, history_entries; /* 0: no history */
        uint32_t connections;
        uint32_t connections_per_uid;
        uint64_t queued_bytes_per_connection;
        struct device_access_list access; /* of the [Device ...] sections */
};

void settings_defaults(struct settings *settings);
void settings_done(struct settings *settings);
/*
 * Reads path (missing is fine unless must_exist) and then path.d/ *.conf in the
 * order of their names. *ret is changed only if all of it is good, and what it
 * had is not freed; -EINVAL names file, line and what is wrong with it.
 */
int settings_load(const char *path, bool must_exist, struct settings *ret, struct refusal *refusal);
void settings_get_limits(const struct settings *settings, struct core_limits *ret);
