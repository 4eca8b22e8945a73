/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A root complex integrated endpoint with function level reset, ATS and PASID:
 * the least that Linux wants to see before it enables PASIDs on a function.
 */
#include "pci-config.h"

#include <linux/pci_regs.h>
#include <string.h>

#define EXPRESS 0x40U /* right behind the header */
#define ATS 0x100U    /* where extended capabilities begin */
#define PASID 0x120U

static void set16(uint8_t *space, size_t at, unsigned int value) {
        uint16_t v = (uint16_t) value;

        memcpy(space + at, &v, sizeof(v));
}

static void set32(uint8_t *space, size_t at, uint32_t value) {
        memcpy(space + at, &value, sizeof(value));
}

static uint16_t get16(const struct pci_config *config, size_t at) {
        uint16_t v;

        memcpy(&v, config->bytes + at, sizeof(v));
        return v;
}

static uint32_t extended_header(uint32_t id, uint32_t next) {
        return id | 1U << 16 | next << 20; /* PCIe r6.0, 7.6.3: id, version, next */
}

static void init_header(struct pci_config *config) {
        uint8_t *c = config->bytes, *w = config->writable;

        set16(c, PCI_VENDOR_ID, PCI_CONFIG_VENDOR);
        set16(c, PCI_DEVICE_ID, PCI_CONFIG_DEVICE);
        set16(c, PCI_SUBSYSTEM_VENDOR_ID, PCI_CONFIG_VENDOR);
        set16(c, PCI_SUBSYSTEM_ID, PCI_CONFIG_DEVICE);
        c[PCI_REVISION_ID] = 1;
        set16(c, PCI_CLASS_DEVICE, 0x0880); /* other system peripheral */
        set16(c, PCI_STATUS, PCI_STATUS_CAP_LIST);
        c[PCI_CAPABILITY_LIST] = EXPRESS;
        set16(w, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
              PCI_COMMAND_INTX_DISABLE);
        w[PCI_CACHE_LINE_SIZE] = 0xff;
        w[PCI_INTERRUPT_LINE] = 0xff;
        /* QEMU itself keeps the BARs; what is written there is of no account. */
        memset(w + PCI_BASE_ADDRESS_0, 0xff, PCI_CARDBUS_CIS - PCI_BASE_ADDRESS_0);
}

static void init_express(struct pci_config *config) {
        uint8_t *c = config->bytes, *w = config->writable;

        c[EXPRESS] = PCI_CAP_ID_EXP;
        set16(c, EXPRESS + PCI_EXP_FLAGS, 2U | PCI_EXP_TYPE_RC_END << 4);
        set32(c, EXPRESS + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
        set16(w, EXPRESS + PCI_EXP_DEVCTL, 0xffffU & ~PCI_EXP_DEVCTL_BCR_FLR);
        /* pci_enable_pasid() insists on End-End TLP prefixes. */
        set32(c, EXPRESS + PCI_EXP_DEVCAP2, PCI_EXP_DEVCAP2_EE_PREFIX);
        set16(w, EXPRESS + PCI_EXP_DEVCTL2, 0xffff);
}

static void init_extended(struct pci_config *config) {
        uint8_t *c = config->bytes, *w = config->writable;

        set32(c, ATS, extended_header(PCI_EXT_CAP_ID_ATS, config->width > 0 ? PASID : 0));
        set16(c, ATS + PCI_ATS_CAP, PCI_ATS_CAP_PAGE_ALIGNED); /* queue depth 0 stands for 32 */
        set16(w, ATS + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE | 0x1f);
        if (config->width == 0)
                return;
        config->pasid = PASID;
        set32(c, PASID, extended_header(PCI_EXT_CAP_ID_PASID, 0));
        set16(c, PASID + PCI_PASID_CAP, PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV | config->width << 8);
        set16(w, PASID + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_EXEC | PCI_PASID_CTRL_PRIV);
}

void pci_config_init(struct pci_config *config, unsigned int width) {
        memset(config, 0, sizeof(*config));
        config->width = width;
        init_header(config);
        init_express(config);
        init_extended(config);
        memcpy(config->initial, config->bytes, sizeof(config->bytes));
}

void pci_config_reset(struct pci_config *config) {
        memcpy(config->bytes, config->initial, sizeof(config->bytes));
}

void pci_config_write(struct pci_config *config, size_t offset, const uint8_t *data, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint8_t mask = config->writable[offset + i];
                uint8_t *byte = config->bytes + offset + i;

                *byte = (uint8_t) ((*byte & ~mask) | (data[i] & mask));
        }
}

bool pci_config_is_master(const struct pci_config *config) {
        return get16(config, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

bool pci_config_has_pasid_enabled(const struct pci_config *config) {
        return config->pasid != 0 && (get16(config, config->pasid + PCI_PASID_CTRL) & PCI_PASID_CTRL_ENABLE);
}
