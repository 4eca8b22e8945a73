/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judgement over a device. Obstacles are gone through in the order in
 * which an administrator has to mend them: hardware, firmware and boot
 * parameters, kernel, driver, what vfio made of it. The first is told with its
 * mend, later ones in a few words.
 */
#include "kernel/verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal/contract.h"

/* Linux 6.15: VFIO_DEVICE_ATTACH_PASID and IOMMU_HWPT_ALLOC_PASID */
#define UAPI_MAJOR 6U
#define UAPI_MINOR 15U

#define CLASS_BRIDGE 0x06U /* base class; PCI Code and ID Assignment Specification r1.15, 1.7 */

#define SCALABLE_MEND "boot with intel_iommu=on,sm_on"

bool verdict_is_vfio_driver(const char *driver) {
        return strstr(driver, "vfio") != NULL;
}

bool verdict_is_listed(const struct device_facts *facts) {
        bool wanted = facts->capability.state == CAPABILITY_PRESENT || verdict_is_vfio_driver(facts->driver);

        if (facts->capability.header > 0)
                return false;
        /* Host, ISA and such bridges look like endpoints, but nobody hands them to a tenant. */
        if (facts->class >> 16 == CLASS_BRIDGE && !wanted)
                return false;
        return wanted || facts->group != DEVICE_GROUP_NONE;
}

struct reason {
        FILE *stream;
        size_t n;
};

/* The first obstacle in full, any other by its brief name. */
static void _printf_(3, 4) add(struct reason *reason, const char *brief, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        if (reason->n++ == 0)
                (void) vfprintf(reason->stream, format, ap);
        else
                (void) fprintf(reason->stream, "%s%s", reason->n == 2 ? "; after that: " : ", ", brief);
        va_end(ap);
}

/* False if no mend can make the device fit, so that further obstacles are beside the point. */
static bool judge_capability(const struct device_facts *facts, struct reason *reason) {
        const struct capability_facts *capability = &facts->capability;
        bool is_vf = facts->physfn[0] != '\0';
        const char *whose = is_vf ? facts->physfn : facts->address;

        switch (capability->state) {
        case CAPABILITY_PRESENT:
                if (capability->width > 0)
                        return true;
                add(reason, "", "the PASID capability of %s has width 0, which leaves no number but 0: "
                    "use another device", whose);
                return false;
        case CAPABILITY_ABSENT:
                if (is_vf)
                        add(reason, "", "no PASID capability: a virtual function shares that of its physical "
                            "function, and %s has none: use another device", whose);
                else
                        add(reason, "", "no PASID capability (PCIe extended capability 0x1b): "
                            "use a device that has one");
                return false;
        case CAPABILITY_NO_PRIVILEGE:
                add(reason, "", "no privilege to read the PASID capability of %s: the kernel shows us the first 64 bytes of "
                    "its configuration space only; run pasidd with CAP_SYS_ADMIN", whose);
                return true;
        case CAPABILITY_NO_EXTENDED:
                add(reason, "", "the extended configuration space of %s, where a PASID capability would be, cannot be "
                    "reached on this host: turn on MMCONFIG (ECAM) in the firmware, and boot without pci=nommconf", whose);
                return false;
        case CAPABILITY_SILENT:
                add(reason, "", "%s does not answer (its configuration space reads as all ones): check its power and "
                    "link, then reset or replug it", whose);
                return false;
        case CAPABILITY_UNREADABLE:
                break;
        }
        add(reason, "", "the configuration space of %s cannot be read: check that pasidd may read "
            "/sys/bus/pci/devices/%s/config", whose, whose);
        return true;
}

static void judge_no_iommu(const struct host_facts *host, const struct device_facts *facts, struct reason *reason) {
        if (host->iommu_off[0] != '\0')
                add(reason, "no IOMMU", "no IOMMU in front of it, since the kernel was booted with %s: boot without that, "
                    "and on Intel with intel_iommu=on,sm_on", host->iommu_off);
        else if (!host->has_iommu)
                add(reason, "no IOMMU", "no IOMMU is at work on this host: turn on VT-d (Intel) or AMD-Vi (AMD) in the "
                    "firmware, and on Intel boot with intel_iommu=on,sm_on");
        else if (facts->group == DEVICE_GROUP_NONE)
                add(reason, "no IOMMU", "it has no IOMMU group, though this host has an IOMMU: none covers this device; "
                    "check the firmware's IOMMU settings, or move the device to another slot");
        else
                add(reason, "no IOMMU", "no IOMMU behind its group %d (vfio's unsafe no-IOMMU mode): turn on VT-d (Intel) "
                    "or AMD-Vi (AMD) in the firmware, and on Intel boot with intel_iommu=on,sm_on", facts->group);
}

static bool is_too_old(const struct host_facts *host) {
        return host->release[0] != '\0' &&
                (host->major < UAPI_MAJOR || (host->major == UAPI_MAJOR && host->minor < UAPI_MINOR));
}

/*
 * Intel's driver turns them on as it finds the device, if pci_enable_pasid() agrees: ACS and TLP prefixes all the way up.
 * Where it does not, HWPT_ALLOC_PASID and attach succeed, and tagged DMA fails.
 */
static void judge_off(const struct host_facts *host, const struct device_facts *facts, struct reason *reason) {
        static const char brief[] = "PASIDs are not turned on";

        if (host->scalable_on)
                add(reason, brief, "Linux has not turned PASIDs on at %s: another function of its slot or a bridge above it has "
                    "no ACS, or cannot pass TLP prefixes; move the device to a slot of its own, or use another", facts->address);
        else
                add(reason, brief, "Linux has not turned PASIDs on at %s: its IOMMU %s is not in scalable mode ("
                    SCALABLE_MEND "), or another function of its slot or a bridge above it has no ACS (move the device to a slot "
                    "of its own)", facts->address, facts->iommu.name);
}

static void judge_intel(const struct host_facts *host, const struct device_facts *facts, struct reason *reason) {
        const struct iommu_facts *iommu = &facts->iommu;

        /* In legacy mode attaching "succeeds" and does nothing, so a doubt counts against the device. */
        if (iommu->error < 0)
                add(reason, "its IOMMU cannot be judged", "cannot tell whether its IOMMU %s knows PASIDs: "
                    "/sys/class/iommu/%s/intel-iommu/ecap: %s", iommu->name, iommu->name, strerror(-iommu->error));
        else if (!iommu->scalable)
                add(reason, "its IOMMU has no scalable mode", "its IOMMU %s is not in scalable mode: it does not offer it; "
                    "turn it on in the firmware (in a QEMU guest: -device intel-iommu,scalable-mode=on) and "
                    SCALABLE_MEND, iommu->name);
        else if (!iommu->can_tag)
                add(reason, "its IOMMU knows no PASIDs", "its IOMMU %s knows no PASIDs (bit 40 of its ecap register is "
                    "clear): use another host, or move the device behind another IOMMU", iommu->name);
        /* Only a stated sm_off is sure: without it the kernel's build decides, and shows it by what it turned on. */
        else if (host->scalable_off)
                add(reason, "IOMMU not in scalable mode", "its IOMMU %s is not in scalable mode, since the kernel was "
                    "booted with intel_iommu=sm_off: " SCALABLE_MEND, iommu->name);
        else if (facts->capability.state == CAPABILITY_PRESENT && !facts->capability.is_on && !is_too_old(host))
                judge_off(host, facts, reason);
}

static void judge_iommu(const struct host_facts *host, const struct device_facts *facts, struct reason *reason) {
        const struct iommu_facts *iommu = &facts->iommu;

        if (iommu->kind == IOMMU_NONE || facts->group == DEVICE_GROUP_NONE)
                judge_no_iommu(host, facts, reason);
        else if (iommu->kind == IOMMU_INTEL)
                judge_intel(host, facts, reason);
        else if (iommu->kind == IOMMU_AMD && iommu->error == 0 && !iommu->can_tag)
                add(reason, "its IOMMU knows no PASIDs", "its IOMMU %s knows no PASIDs (no guest translation in its "
                    "features): use another host", iommu->name);
        else if (iommu->kind == IOMMU_AMD)
                /* amd_iommu has no set_dev_pasid for the domains of iommufd, up to Linux 7.2 at least */
                add(reason, "Linux attaches no PASIDs on AMD", "its IOMMU %s is AMD's, and Linux's driver for it cannot "
                    "attach PASIDs for user space (attach gives EOPNOTSUPP): use a host with an Intel IOMMU in scalable mode "
                    "or an Arm SMMUv3", iommu->name);
}

/*
 * Features are probed by asking, but nobody can be asked about attaching
 * before a device is bound, so that until then the release has to do.
 */
static void judge_release(const struct host_facts *host, struct reason *reason) {
        if (is_too_old(host))
                add(reason, "kernel too old", "the kernel (%s) is older than the interface for PASIDs in user space: "
                    "boot Linux %u.%u or newer", host->release, UAPI_MAJOR, UAPI_MINOR);
}

static void judge_driver(const struct device_facts *facts, struct reason *reason) {
        const char *a = facts->address;

        if (strcmp(facts->driver, "vfio-pci") == 0)
                return;
        if (facts->driver[0] == '\0')
                add(reason, "no driver bound", "no driver is bound to it: hand it to vfio-pci with 'driverctl set-override "
                    "%s vfio-pci', or 'modprobe vfio-pci; echo vfio-pci >/sys/bus/pci/devices/%s/driver_override; "
                    "echo %s >/sys/bus/pci/drivers_probe'", a, a, a);
        else if (verdict_is_vfio_driver(facts->driver))
                add(reason, "bound to a vfio driver without PASIDs", "it is bound to %s, a vfio driver that has no PASID "
                    "operations: hand it to plain vfio-pci with 'driverctl set-override %s vfio-pci'", facts->driver, a);
        else
                add(reason, "bound to another driver", "it is bound to %s: hand it to vfio-pci with 'driverctl set-override "
                    "%s vfio-pci', or 'modprobe vfio-pci; cd /sys/bus/pci/devices/%s; echo vfio-pci >driver_override; "
                    "echo %s >driver/unbind; echo %s >/sys/bus/pci/drivers_probe'", facts->driver, a, a, a, a);
}

static void judge_vfio(const struct host_facts *host, const struct device_facts *facts, struct reason *reason) {
        if (facts->rival[0] != '\0')
                add(reason, "its IOMMU group is in use", "%s in the same IOMMU group %d is bound to %s, and a group can "
                    "only be used as a whole: hand that one to vfio-pci too, or unbind it", facts->rival, facts->group,
                    facts->rival_driver);
        /* Before a vfio driver is bound the modules behind these need not even be loaded. */
        if (!verdict_is_vfio_driver(facts->driver))
                return;
        if (!host->has_iommufd)
                add(reason, "no /dev/iommu", "no /dev/iommu: load the iommufd module, or boot a kernel built with "
                    "CONFIG_IOMMUFD");
        if (facts->cdev[0] == '\0')
                add(reason, "no vfio cdev", "vfio-pci has made no /dev/vfio/devices/vfioN for it: boot a kernel built with "
                    "CONFIG_VFIO_DEVICE_CDEV");
}

static void set_widths(const struct host_facts *host, const struct device_facts *facts, struct device_info *info) {
        const struct iommu_facts *iommu = &facts->iommu;
        bool known = iommu->kind == IOMMU_INTEL || (iommu->kind == IOMMU_AMD && iommu->error == 0);
        uint8_t width;

        info->pci_width = facts->capability.state == CAPABILITY_PRESENT ? facts->capability.width : 0;
        info->iommu_width = iommu->kind == IOMMU_INTEL && host->scalable_off ? 0 : iommu->width;
        width = info->pci_width;
        if (known && info->iommu_width < width)
                width = info->iommu_width;
        if (iommu->kind == IOMMU_NONE || facts->group == DEVICE_GROUP_NONE)
                width = 0;
        info->max_pasid = (UINT32_C(1) << width) - 1;
}

int verdict_give(const struct host_facts *host, const struct device_facts *facts, struct device_info *info) {
        struct reason reason = {};
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        reason.stream = open_memstream(&text, &size);
        if (!reason.stream)
                return -ENOMEM;
        if (judge_capability(facts, &reason)) {
                judge_iommu(host, facts, &reason);
                judge_release(host, &reason);
                judge_driver(facts, &reason);
                judge_vfio(host, facts, &reason);
                if (facts->error < 0)
                        add(&reason, "a fact that cannot be read", "cannot read its %s in sysfs: %s: run pasidd as root",
                            facts->error_file, strerror(-facts->error));
        }
        if (fclose(reason.stream) != 0 || !text)
                return -ENOMEM;
        set_widths(host, facts, info);
        info->usable = reason.n == 0;
        free(info->reason);
        info->reason = TAKE_PTR(text);
        return 0;
}
