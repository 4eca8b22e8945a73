/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PCI addresses as Linux writes them: DDDD:BB:DD.F in lower-case hex, domain
 * of four to eight digits (VMD domains are wider than 16 bits).
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCI_ADDRESS_MAX sizeof("ffffffff:ff:1f.7")

struct pci_address {
        uint32_t domain;
        uint8_t bus;
        uint8_t device;   /* 0..31 */
        uint8_t function; /* 0..7 */
};

static inline int pci_address_hex(const char **s, size_t min, size_t max, uint32_t *ret) {
        size_t n = strspn(*s, "0123456789abcdefABCDEF");

        if (n < min || n > max)
                return -EINVAL;
        *ret = (uint32_t) strtoul(*s, NULL, 16);
        *s += n;
        return 0;
}

/* Accepts "0000:01:00.0" and the short "01:00.0" (domain 0). -EINVAL for anything else. */
static inline int pci_address_parse(const char *s, struct pci_address *ret) {
        uint32_t domain = 0, bus, device, function;
        const char *colon;

        if (!s)
                return -EINVAL;
        colon = strchr(s, ':');
        if (colon && strchr(colon + 1, ':'))
                if (pci_address_hex(&s, 4, 8, &domain) < 0 || *s++ != ':')
                        return -EINVAL;
        if (pci_address_hex(&s, 2, 2, &bus) < 0 || *s++ != ':' ||
            pci_address_hex(&s, 2, 2, &device) < 0 || *s++ != '.' ||
            pci_address_hex(&s, 1, 1, &function) < 0 || *s != '\0')
                return -EINVAL;
        if (device > 31 || function > 7)
                return -EINVAL;
        *ret = (struct pci_address) { domain, (uint8_t) bus, (uint8_t) device, (uint8_t) function };
        return 0;
}

static inline const char *pci_address_format(const struct pci_address *a, char buf[static PCI_ADDRESS_MAX]) {
        (void) snprintf(buf, PCI_ADDRESS_MAX, "%04x:%02x:%02x.%x",
                        a->domain, a->bus, a->device & 31U, a->function & 7U);
        return buf;
}
