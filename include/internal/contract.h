/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names and numbers of the contract that both sides of the bus must agree on.
 */
#pragma once

#define PASIDD_BUS_NAME "org.pasidd1"
#define PASIDD_PATH "/org/pasidd1"
#define PASIDD_CONSUMER_PREFIX PASIDD_PATH "/consumer"
#define PASIDD_DEVICE_PREFIX PASIDD_PATH "/device"
#define PASIDD_IFACE_MANAGER "org.pasidd1.Manager"
#define PASIDD_IFACE_CONSUMER "org.pasidd1.Consumer"
#define PASIDD_IFACE_DEVICE "org.pasidd1.Device"

#define PASIDD_RUNTIME_DIR "/run/pasidd"
#define PASIDD_STATE_DIR "/var/lib/pasidd"
#define PASIDD_SOCKET_NAME "pasidd.sock"
#define PASIDD_SOCKET PASIDD_RUNTIME_DIR "/" PASIDD_SOCKET_NAME
#define PASIDD_CONFIG "/etc/pasidd/pasidd.conf"

/* PCIe r6.0, 6.20: a PASID has at most 20 bits; 0 is the device's own DMA here. */
#define NUMBER_BITS 20
#define NUMBER_MIN 1U
#define NUMBER_MAX ((1U << NUMBER_BITS) - 1)

#define PRIVATE_MAX 4096U  /* bytes of private data kept with a PASID */
#define NAME_LEN_MAX 128U  /* bytes of a consumer's name, without the NUL */
#define TOKEN_LEN_MAX 64U  /* bytes of a token, without the NUL */
#define LIST_PAGE_MAX 4096U /* rows in one reply of List; a larger limit is cut to it */
