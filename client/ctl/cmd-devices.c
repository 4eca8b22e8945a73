/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pasidctl devices: which devices of the host could use PASIDs, and what keeps
 * the others from it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "row.h"
#include "text.h"

enum {
        COLUMN_ADDRESS,
        COLUMN_NAME,
        COLUMN_DRIVER,
        COLUMN_GROUP,
        COLUMN_WIDTH,
        COLUMN_MAX,
        COLUMN_USABLE,
        COLUMN_HELD,
};

#define REASON_INDENT 4U

static const struct table_column columns[] = {
        [COLUMN_ADDRESS] = { "ADDRESS" },
        [COLUMN_NAME] = { "NAME" },
        [COLUMN_DRIVER] = { "DRIVER" },
        [COLUMN_GROUP] = { "GROUP", .right = true },
        [COLUMN_WIDTH] = { "WIDTH", .right = true },
        [COLUMN_MAX] = { "MAX", .right = true },
        [COLUMN_USABLE] = { "USABLE" },
        [COLUMN_HELD] = { "HELD" },
};

struct devices {
        struct rows rows;
        FILE *reasons; /* what is to be said below the table */
        bool any;
};

static struct json_object *device_record(const struct pasid_device *device) {
        struct json_object *record = json_record_new();

        json_record_text(&record, "address", device->address);
        json_record_text(&record, "name", device->name);
        json_record_text(&record, "driver", device->driver);
        if (device->iommu_group == UINT32_MAX)
                json_record_null(&record, "iommu_group");
        else
                json_record_number(&record, "iommu_group", device->iommu_group);
        json_record_number(&record, "pci_width", device->pci_width);
        json_record_number(&record, "iommu_width", device->iommu_width);
        json_record_number(&record, "max_pasid", device->max_pasid);
        json_record_bool(&record, "usable", device->usable);
        json_record_text(&record, "reason", device->reason);
        json_record_text(&record, "cdev", device->cdev);
        json_record_number(&record, "allocated", device->allocated);
        json_record_number(&record, "attached", device->attached);
        json_record_text(&record, "held", device->held);
        return record;
}

static void number_or_dash(struct table *table, size_t column, uint32_t value, bool is_known) {
        if (is_known)
                table_print(table, column, "%u", value);
        else
                table_text(table, column, NULL);
}

/* One paragraph a device: mends are too long for a column. */
static int add_reason(struct devices *devices, const struct pasid_device *device) {
        struct ctl *ctl = devices->rows.ctl;
        _cleanup_free_ char *paragraph = NULL, *text = NULL;
        int n = asprintf(&paragraph, "%s: %s", device->address, device->reason);

        if (n < 0) {
                paragraph = NULL;
                return -ENOMEM;
        }
        text = text_escape(paragraph, (size_t) n, ctl->utf8);
        if (!text)
                return -ENOMEM;
        fputc('\n', devices->reasons);
        text_wrap(devices->reasons, text, ctl->columns, REASON_INDENT);
        return 0;
}

static int device_cb(const struct pasid_device *device, void *userdata) {
        struct devices *devices = userdata;
        struct rows *rows = &devices->rows;
        uint32_t width = device->pci_width < device->iommu_width ? device->pci_width : device->iommu_width;

        devices->any = true;
        if (!rows->table)
                return rows_add(rows, device_record(device));
        table_text(rows->table, COLUMN_ADDRESS, device->address);
        table_text(rows->table, COLUMN_NAME, device->name);
        table_text(rows->table, COLUMN_DRIVER, device->driver);
        number_or_dash(rows->table, COLUMN_GROUP, device->iommu_group, device->iommu_group != UINT32_MAX);
        number_or_dash(rows->table, COLUMN_WIDTH, width, width > 0);
        number_or_dash(rows->table, COLUMN_MAX, device->max_pasid, device->max_pasid > 0);
        table_text(rows->table, COLUMN_USABLE, device->usable ? "yes" : "no");
        table_colour(rows->table, COLUMN_USABLE, device->usable ? "green" : NULL);
        table_text(rows->table, COLUMN_HELD, device->held);
        if (!device->usable)
                rows->r = add_reason(devices, device);
        return rows->r < 0 ? ROWS_STOP : rows_add(rows, NULL);
}

static int print_devices(struct ctl *ctl, FILE *reasons) {
        struct devices devices = { .reasons = reasons };
        int r = rows_begin(&devices.rows, ctl, columns, ELEMENTSOF(columns));

        if (r != EXIT_SUCCESS)
                return r;
        r = rows_end(&devices.rows, pasid_device_for_each(ctl->client, device_cb, &devices));
        if (r == EXIT_SUCCESS && !devices.any && !ctl->json && ctl->legend)
                text_wrap(stderr, "There are none: no PCI device here has a PASID capability, a vfio driver or an IOMMU "
                          "group. If one should, turn the IOMMU on in the firmware and for the kernel "
                          "(Intel: intel_iommu=on,sm_on).", ctl->columns, 0);
        return r;
}

static int run_devices(struct ctl *ctl, int argc, char **argv) {
        _cleanup_free_ char *text = NULL;
        FILE *reasons;
        size_t size;
        char **args;
        int n, r;

        if (!ctl_arguments(ctl, argc, argv, 0, 0, &args, &n))
                return ctl->status;
        r = ctl_connect(ctl);
        if (r != EXIT_SUCCESS)
                return r;
        reasons = open_memstream(&text, &size);
        if (!reasons)
                return ctl_fail(ctl, "Out of memory.");
        r = print_devices(ctl, reasons);
        if (fclose(reasons) != 0)
                return ctl_fail(ctl, "Out of memory.");
        if (r == EXIT_SUCCESS && size > 0 && fputs(text, stdout) < 0)
                return ctl_write_failed(ctl, -(errno ?: EIO));
        return r;
}

const struct verb verb_devices = {
        .name = "devices",
        .arguments = "",
        .summary = "List the devices, and why one cannot use PASIDs",
        .options = "",
        .notes =
                "WIDTH is that of a PASID in bits: the device's or the IOMMU's, the smaller.\n"
                "HELD is who has it open: mediated (pasidd itself) or tenant (a program that was\n"
                "given it). Below the table stands what keeps devices from being used, and the\n"
                "mend.\n"
                "\nExample:\n"
                "  pasidctl devices\n",
        .run = run_devices,
};
