/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The language of fuzz-bus: an input is a list of steps, one byte for what is
 * to be done, and what that takes behind it. Each byte string is a script, and
 * those that mean something are short. The seeds are written in it, too.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The remainder of the first byte by STEP_MAX_; if that is 128 or more, all that is under way ends before the next step. */
enum step {
        STEP_CALL,        /* client, method, path, arguments */
        STEP_CALL_AGAIN,  /* the same client, and one of the consumers' methods on the first consumer */
        STEP_WILD,        /* client, interface, member, path, signature and values */
        STEP_RECONNECT,   /* client */
        STEP_GARBAGE,     /* client, length, bytes into its socket */
        STEP_CLOCK,       /* seconds */
        STEP_HANG_UP,     /* the other end of what hold fds are */
        STEP_FAIL_KERNEL, /* the how manieth call from now on, the errno */
        STEP_FAIL_TABLE,  /* likewise, and which table */
        STEP_REQUEST,     /* device */
        STEP_DEVICES,     /* how many there are, which are taken */
        STEP_RESTART,
        STEP_MAX_,
};
#define STEP_SETTLE 128U /* added to a step */

enum fuzz_interface {
        FUZZ_MANAGER,
        FUZZ_CONSUMER,
        FUZZ_DEVICE,
        FUZZ_PROPERTIES,
        FUZZ_OBJECT_MANAGER,
        FUZZ_INTROSPECTABLE,
        FUZZ_PEER,
        FUZZ_NONE,
        FUZZ_INTERFACE_MAX_,
};

struct fuzz_method {
        enum fuzz_interface interface;
        const char *member;
        const char *signature;
};

/* All of org.pasidd1.xml, and those that every object has. */
static const struct fuzz_method fuzz_methods[] = {
#include "methods.h"
        { FUZZ_PROPERTIES, "Get", "ss" },
        { FUZZ_PROPERTIES, "GetAll", "s" },
        { FUZZ_PROPERTIES, "Set", "ssv" },
        { FUZZ_OBJECT_MANAGER, "GetManagedObjects", "" },
        { FUZZ_INTROSPECTABLE, "Introspect", "" },
        { FUZZ_PEER, "Ping", "" },
        { FUZZ_PEER, "GetMachineId", "" },
};

static const char *const fuzz_interfaces[] = {
        [FUZZ_MANAGER] = "org.pasidd1.Manager",
        [FUZZ_CONSUMER] = "org.pasidd1.Consumer",
        [FUZZ_DEVICE] = "org.pasidd1.Device",
        [FUZZ_PROPERTIES] = "org.freedesktop.DBus.Properties",
        [FUZZ_OBJECT_MANAGER] = "org.freedesktop.DBus.ObjectManager",
        [FUZZ_INTROSPECTABLE] = "org.freedesktop.DBus.Introspectable",
        [FUZZ_PEER] = "org.freedesktop.DBus.Peer",
        [FUZZ_NONE] = NULL,
};

/* A string is one byte: a word, or from WORDS_MAX on the length of what follows. */
#define WORDS_MAX 64U
static const char *const fuzz_words[WORDS_MAX] = {
        "a", "b", "c", "", "connection", "fd", "process", "unit", "boot", "persistent", "advisory", "mediated",
        "0000:01:00.0", "0000:02:00.0", "0000:03:00.0", "0000:04:00.0", "01:00.0", "0000:05:00.0", "0000:09:00.0",
        "own.service", "/", "/system.slice/own.service", "../..", "token", "other token",
        "Name", "Allocated", "HoldState", "Version", "Pasids", "Attached", "PinnedBytes", "Devices",
        "org.pasidd1.Manager", "org.pasidd1.Consumer", "org.pasidd1.Device",
        "devices", "min", "max", "quota", "hold", "fd", "pid", "unit", "mode", "token", "attach", "contiguous", "align",
        "\xc3\xa4", "a b/c", "%s%n", "-1", "map",
};

/* A path is one byte; from PATHS_MAX on it is the way for a string. The consumers are those of the clients' uids. */
enum fuzz_path {
        PATH_MANAGER,
        PATH_FIRST_CONSUMER, /* of four uids three names each */
        PATH_FIRST_DEVICE = PATH_FIRST_CONSUMER + 12,
        PATHS_MAX = PATH_FIRST_DEVICE + 6,
};

/* u: itself up to NUMBERS_MAX, else one at the edges, or four bytes. t: that, in pages where it is odd. */
#define NUMBERS_MAX 192U

#define FUZZ_CLIENTS 4
#define FUZZ_UID(i) ((i) == 0 ? 0U : 50000U + (unsigned) (i))
#define FUZZ_NAMES 3
